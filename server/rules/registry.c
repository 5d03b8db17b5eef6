/*
 * Finding models and versions by what people call them, within what they may see and as of when
 * they ask. Must not know HTTP. Runs on the thread of the caller's connection.
 */
#include "registry_inner.h"

#include <inttypes.h>
#include <string.h>

#include "utf8.h"

static const struct moment NOW = {INT64_MAX, INT64_MAX};

static bool see_all(const char *globs, const char *model)
{
    (void)globs;
    (void)model;
    return true;
}

bool registry_may_see(const char *globs, const char *model)
{
    char one[512];
    if (strcmp(globs, "*") == 0)
        return true;
    for (const char *p = globs; *p;) {
        p += strspn(p, ", ");
        size_t n = strcspn(p, ", ");
        if (n && n < sizeof one) {
            memcpy(one, p, n);
            one[n] = '\0';
            if (name_glob(one, model))
                return true;
        }
        p += n;
    }
    return false;
}

static struct model_query query_of(const struct registry_scope *s)
{
    bool all = strcmp(s->globs, "*") == 0;
    return (struct model_query){
        .prefix = "", .after = "", .see = all ? see_all : registry_may_see, .globs = s->globs};
}

/* Suggests among the visible names with the same first letter: bounded, and enough for typing
 * mistakes, which are seldom in the first letter. */
static int model_not_found(const struct registry_scope *s, const char *model, struct err *e)
{
    struct model_query q = query_of(s);
    const char **names = NULL;
    size_t first = utf8_next(model, strlen(model), NULL);
    q.prefix = arena_copy(s->arena, model, first);
    int rc = db_model_names(s->db, &q, s->arena, &names, e);
    if (rc != ERR_OK)
        return rc;
    const char *near = json_nearest(model, names);
    if (near && strcmp(near, model) != 0)
        return err_set(e, ERR_NOT_FOUND, "no model \"%s\"; did you mean \"%s\"?", model, near);
    return err_set(e, ERR_NOT_FOUND, "no model \"%s\"", model);
}

/* The record of a model that the scope may see and that lived then. */
static int find_model(const struct registry_scope *s, const char *model, bool with_deleted,
                      struct model_row *out, struct err *e)
{
    bool found = false;
    int rc = name_check_model(model, e);
    if (rc == ERR_OK && registry_may_see(s->globs, model))
        rc = db_model_find(s->db, model, s->arena, out, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (found && s->seq != INT64_MAX) {
        rc = asof_model(s, out, e);
        if (rc != ERR_NOT_FOUND)
            return rc;
        found = false;
    }
    if (!found || (out->deleted_ms && !with_deleted))
        return model_not_found(s, model, e);
    return ERR_OK;
}

static int alias_not_found(const struct registry_scope *s, const struct model_row *m,
                           const char *alias, struct err *e)
{
    struct alias_row *rows = NULL;
    size_t n = 0;
    int rc =
        s->seq == INT64_MAX ? db_alias_list(s->db, m->model_id, s->arena, &rows, &n, e) : ERR_OK;
    if (rc != ERR_OK)
        return rc;
    const char **names = arena_alloc(s->arena, (n + 1) * sizeof *names);
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].alias;
    const char *near = json_nearest(alias, names);
    if (near)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no alias \"%s\"; did you mean \"%s\"?",
                       m->name, alias, near);
    return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no alias \"%s\"", m->name, alias);
}

static int resolve_alias(const struct registry_scope *s, const struct model_row *m,
                         const char *alias, int64_t *number, struct err *e)
{
    int rc = s->seq == INT64_MAX ? db_alias_find(s->db, m->model_id, alias, number, e)
                                 : asof_alias(s, m->name, alias, number, e);
    if (rc == ERR_OK && *number == 0)
        return alias_not_found(s, m, alias, e);
    return rc;
}

/* Newest version at a time, which is not later than the scope's. */
static int resolve_time(const struct registry_scope *s, const struct model_row *m, int64_t ms,
                        int64_t *number, struct err *e)
{
    struct moment at = {0, ms};
    int rc = journal_seq_at(s->db, ms, &at.seq, e);
    if (rc == ERR_OK && at.seq > s->seq) {
        at.seq = s->seq;
        rc = db_seq_ms(s->db, s->seq, &at.ms, e);
    }
    if (rc == ERR_OK)
        rc = db_version_newest(s->db, m->model_id, at, number, e);
    if (rc == ERR_OK && *number == 0)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" had no version then", m->name);
    return rc;
}

static int resolve_digest(const struct registry_scope *s, const struct model_row *m,
                          const struct digest *d, struct moment at, int64_t *number, struct err *e)
{
    int rc = db_version_by_content(s->db, m->model_id, d, at, number, e);
    if (rc == ERR_OK && *number == 0)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no version with that content", m->name);
    return rc;
}

static int resolve_latest(const struct registry_scope *s, const struct model_row *m,
                          struct moment at, int64_t *number, struct err *e)
{
    int rc = db_version_newest(s->db, m->model_id, at, number, e);
    if (rc == ERR_OK && *number == 0)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no versions", m->name);
    return rc;
}

static int resolve(const struct registry_scope *s, const struct model_row *m, const struct ref *ref,
                   struct moment at, int64_t *number, struct err *e)
{
    switch (ref->kind) {
    case REF_NUMBER:
        *number = ref->number;
        return ERR_OK;
    case REF_ALIAS:
        return resolve_alias(s, m, ref->alias, number, e);
    case REF_DIGEST:
        return resolve_digest(s, m, &ref->digest, at, number, e);
    case REF_TIME:
        return resolve_time(s, m, ref->time_ms, number, e);
    case REF_LATEST:
        return resolve_latest(s, m, at, number, e);
    }
    return err_set(e, ERR_INTERNAL, "unknown kind of reference");
}

static int find_version(const struct registry_scope *s, const struct model_row *m, int64_t number,
                        struct version_row *out, bool *found, struct err *e)
{
    int rc = db_version_find(s->db, m->model_id, number, s->arena, out, found, e);
    if (rc != ERR_OK || !*found)
        return rc;
    out->model = m->name;
    *found = out->created_seq <= s->seq;
    return rc;
}

int registry_find(const struct registry_scope *s, const char *model, const char *ref,
                  bool with_deleted, struct version_row *out, struct err *e)
{
    struct model_row m;
    struct ref r;
    struct moment at = NOW;
    int64_t number = 0;
    bool found = false;
    int rc = ref_parse(ref, &r, e);
    if (rc == ERR_OK)
        rc = find_model(s, model, with_deleted, &m, e);
    if (rc == ERR_OK)
        rc = asof_moment(s, &at, e);
    if (rc == ERR_OK && with_deleted)
        at.ms = INT64_MIN; /* every tombstone lived after that */
    if (rc == ERR_OK)
        rc = resolve(s, &m, &r, at, &number, e);
    if (rc == ERR_OK)
        rc = find_version(s, &m, number, out, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no version %" PRId64, m.name, number);
    if (out->deleted_ms && out->deleted_ms <= at.ms)
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of model \"%s\" was deleted", number,
                       m.name);
    return ERR_OK;
}

int registry_resolve(struct db *db, const char *model, const char *ref, int64_t *model_id,
                     int64_t *number, struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct registry_scope s = {.db = db, .globs = "*", .seq = INT64_MAX, .arena = &arena};
    struct version_row v;
    int rc = registry_find(&s, model, ref, false, &v, e);
    if (rc != ERR_OK)
        return rc;
    if (model_id)
        *model_id = v.model_id;
    *number = v.number;
    return ERR_OK;
}

int registry_manifest(struct db *db, const char *model, int64_t number, struct arena *a,
                      struct manifest *out, struct err *e)
{
    struct registry_scope s = {.db = db, .globs = "*", .seq = INT64_MAX, .arena = a};
    struct version_row v;
    const char *bytes = NULL;
    size_t n = 0;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const char *ref = arena_printf(a, "%" PRId64, number);
    int rc = registry_find(&s, model, ref, true, &v, e);
    if (rc == ERR_OK)
        rc = db_document(db, &v.content, a, &bytes, &n, e);
    if (rc == ERR_OK)
        rc = json_parse(bytes, n, JSON_MAX_DEPTH, &j, e);
    return rc == ERR_OK ? manifest_from_json(j, "", a, out, e) : rc;
}

int registry_get_model(const struct registry_scope *s, const char *model, struct model_row *out,
                       struct err *e)
{
    struct moment at;
    int rc = find_model(s, model, false, out, e);
    if (rc != ERR_OK || s->seq == INT64_MAX)
        return rc == ERR_OK ? db_model_fill(s->db, s->arena, out, e) : rc;
    rc = asof_moment(s, &at, e);
    return rc == ERR_OK ? asof_counts(s, &at, out, e) : rc;
}

int registry_get_version(const struct registry_scope *s, const char *model, const char *ref,
                         struct version_row *out, struct err *e)
{
    int rc = registry_find(s, model, ref, false, out, e);
    if (rc == ERR_OK)
        rc = db_version_files(s->db, s->arena, out, e);
    if (rc != ERR_OK)
        return rc;
    return s->seq == INT64_MAX ? db_version_fill(s->db, s->arena, out, e) : asof_version(s, out, e);
}

int registry_list_models(const struct registry_scope *s, const char *prefix, const char *after,
                         int64_t limit, struct model_page *out, struct err *e)
{
    struct model_query q = query_of(s);
    q.prefix = prefix;
    q.after = after;
    q.limit = limit;
    if (s->seq != INT64_MAX)
        return asof_models(s, &q, out, e);
    return db_model_page(s->db, &q, s->arena, out, e);
}

int registry_list_versions(const struct registry_scope *s, const char *model, int64_t below,
                           int64_t limit, struct version_page *out, struct err *e)
{
    struct model_row m;
    int rc = find_model(s, model, false, &m, e);
    if (rc == ERR_OK && s->seq != INT64_MAX)
        return asof_versions(s, &m, &(struct version_bound){below, limit}, out, e);
    if (rc == ERR_OK)
        rc = db_version_page(s->db, m.model_id, below ? below : INT64_MAX, limit, s->arena, out, e);
    for (size_t i = 0; rc == ERR_OK && i < out->n; i++)
        out->items[i].model = m.name;
    return rc;
}

int registry_list_aliases(const struct registry_scope *s, const char *model, struct alias_row **out,
                          size_t *n, struct err *e)
{
    struct model_row m;
    int rc = find_model(s, model, false, &m, e);
    return rc == ERR_OK ? db_alias_list(s->db, m.model_id, s->arena, out, n, e) : rc;
}

int registry_file(const struct registry_scope *s, const struct version_row *v, const char *path,
                  struct manifest_file *out, struct err *e)
{
    bool found = false;
    struct version_row files = *v;
    int rc = db_version_file(s->db, v, path, out, &found, e);
    if (rc != ERR_OK || found)
        return rc;
    rc = db_version_files(s->db, s->arena, &files, e);
    if (rc != ERR_OK)
        return rc;
    const char **paths = arena_alloc(s->arena, ((size_t)v->n_files + 1) * sizeof *paths);
    for (int64_t i = 0; i < v->n_files; i++)
        paths[i] = files.files[i].path;
    const char *near = json_nearest(path, paths);
    if (near)
        return err_set(e, ERR_NOT_FOUND, "no file \"%.200s\"; did you mean \"%.200s\"?", path,
                       near);
    return err_set(e, ERR_NOT_FOUND, "no file \"%.200s\" in version %" PRId64, path, v->number);
}

int registry_mark_have(const struct registry_scope *s, struct upload_file *files, size_t n,
                       struct err *e)
{
    struct model_query q = query_of(s);
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = db_blob_seen(s->db, &q, &files[i].sha256, &files[i].have, e);
    return rc;
}

int registry_check_upload(const struct registry_scope *s, const char *upload_id, struct err *e)
{
    const char *model = NULL;
    int rc = db_upload_model(s->db, upload_id, s->arena, &model, e);
    if (rc == ERR_OK && (!model || !registry_may_see(s->globs, model)))
        return err_set(e, ERR_NOT_FOUND, "no upload \"%.40s\"", upload_id);
    return rc;
}
