/*
 * What was: models and versions as of a journal row, answered from the documents that were true
 * then. Which versions lived comes from their rows, which are never removed. Must not know HTTP.
 * Runs on the thread of the caller's connection.
 */
#include "registry_inner.h"

#include <inttypes.h>
#include <string.h>

#include "when.h"

#define MAX_ROUNDS 20 /* of a page of models: it may be short then */

int asof_moment(const struct registry_scope *s, struct moment *at, struct err *e)
{
    *at = (struct moment){s->seq, INT64_MAX};
    return s->seq == INT64_MAX ? ERR_OK : db_seq_ms(s->db, s->seq, &at->ms, e);
}

/* Parses the document at path as of the scope; *out is NULL when there was none. */
static int load(const struct registry_scope *s, const char *path, json_t **out, struct err *e)
{
    const char *bytes = NULL;
    size_t n = 0;
    *out = NULL;
    int rc = journal_doc_at(s->db, path, s->seq, s->arena, &bytes, &n, e);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    return rc == ERR_OK ? json_parse(bytes, n, JSON_MAX_DEPTH, out, e) : rc;
}

struct alias_walk {
    const struct registry_scope *s;
    struct model_row *model;     /* either: all aliases */
    struct version_row *version; /* or: those of one version */
};

static int take_alias(void *ctx, const char *path, const char *bytes, size_t n, struct err *e)
{
    struct alias_walk *w = ctx;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const char *name = NULL;
    int64_t number = 0;
    bool is_env = false;
    (void)path;
    int rc = json_parse(bytes, n, JSON_MAX_DEPTH, &j, e);
    if (rc == ERR_OK)
        rc = json_get_str(j, "", "alias", NAME_MAX_BYTES, &name, e);
    if (rc == ERR_OK)
        rc = json_get_int(j, "", "version", 1, JSON_MAX_INT, &number, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(j, "", "environment", &is_env, e);
    if (rc != ERR_OK)
        return rc;
    name = arena_strdup(w->s->arena, name);
    if (w->model)
        named_add(is_env ? &w->model->live : &w->model->aliases, w->s->arena, name, number);
    else if (w->version->number == number)
        texts_add(is_env ? &w->version->live : &w->version->aliases, w->s->arena, name);
    return ERR_OK;
}

static int walk_aliases(struct alias_walk *w, const char *model, struct err *e)
{
    char *folder = journal_path_alias(w->s->arena, model, "x");
    strrchr(folder, '/')[1] = '\0';
    return db_documents_at(w->s->db, folder, w->s->seq, take_alias, w, e);
}

int asof_alias(const struct registry_scope *s, const char *model, const char *alias,
               int64_t *number, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    int rc = load(s, journal_path_alias(s->arena, model, alias), &j, e);
    *number = 0;
    return rc == ERR_OK && j ? json_get_int(j, "", "version", 1, JSON_MAX_INT, number, e) : rc;
}

static int opt_pairs(const json_t *j, const char *key, struct arena *a, struct pairs *out,
                     struct err *e)
{
    return pairs_from_json(json_object_get(j, key), key, false, a, out, e);
}

static int read_model(const struct registry_scope *s, const json_t *j, struct model_row *m,
                      struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(j, "", "description", SIZE_MAX, &text, e);
    m->description = rc == ERR_OK && text ? arena_strdup(s->arena, text) : "";
    if (rc == ERR_OK)
        rc = json_get_str(j, "", "created", WHEN_TEXT_BYTES, &text, e);
    if (rc == ERR_OK)
        rc = when_parse(text, &m->created_ms, e);
    if (rc == ERR_OK)
        rc = opt_pairs(j, "tags", s->arena, &m->tags, e);
    return rc;
}

int asof_model(const struct registry_scope *s, struct model_row *m, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct alias_walk walk = {.s = s, .model = m};
    int rc = load(s, journal_path_model(s->arena, m->name), &j, e);
    if (rc != ERR_OK)
        return rc;
    if (!j || json_object_get(j, "deleted"))
        return err_set(e, ERR_NOT_FOUND, "no model \"%s\" then", m->name);
    m->deleted_ms = 0;
    rc = read_model(s, j, m, e);
    if (rc == ERR_OK)
        rc = walk_aliases(&walk, m->name, e);
    return rc == ERR_OK ? db_object_ms(s->db, m->name, s->seq, &m->updated_ms, e) : rc;
}

int asof_counts(const struct registry_scope *s, const struct moment *at, struct model_row *m,
                struct err *e)
{
    int rc = db_version_newest(s->db, m->model_id, *at, &m->latest, e);
    return rc == ERR_OK ? db_version_count(s->db, m->model_id, *at, &m->n_versions, e) : rc;
}

/* Adds those of the records that lived then. */
static int take_models(const struct registry_scope *s, const struct moment *at,
                       const struct model_page *records, struct model_page *out, struct err *e)
{
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < records->n; i++) {
        struct model_row *m = &out->items[out->n];
        *m = records->items[i];
        rc = asof_model(s, m, e);
        if (rc == ERR_OK)
            rc = asof_counts(s, at, m, e);
        if (rc == ERR_OK)
            out->n++;
        else if (rc == ERR_NOT_FOUND)
            rc = ERR_OK;
    }
    return rc;
}

/* Names are never given up, so the records of today say which models there can have been. Each
 * round asks for as many as are missing. */
int asof_models(const struct registry_scope *s, struct model_query *q, struct model_page *out,
                struct err *e)
{
    const int64_t limit = q->limit;
    struct moment at;
    struct model_page records = {0};
    int rc = asof_moment(s, &at, e);
    *out = (struct model_page){.items = arena_alloc(s->arena, (size_t)limit * sizeof *out->items)};
    q->is_bare = true;
    for (int i = 0; rc == ERR_OK && i < MAX_ROUNDS && (int64_t)out->n < limit; i++) {
        q->limit = limit - (int64_t)out->n;
        rc = db_model_page(s->db, q, s->arena, &records, e);
        if (rc == ERR_OK)
            rc = take_models(s, &at, &records, out, e);
        out->next = q->after = records.next;
        if (!records.next)
            break;
    }
    return rc;
}

static int compare_keys(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return strcmp(x->key, y->key);
}

/* Later values in place of, or besides, those of the push. */
static void overlay(struct pairs *base, const struct pairs *later, struct arena *a)
{
    struct pair *items = arena_alloc(a, (base->n + later->n) * sizeof *items);
    size_t n = 0;
    for (size_t i = 0; i < later->n; i++)
        items[n++] = later->items[i];
    for (size_t i = 0; i < base->n; i++)
        if (!later->n ||
            !bsearch(&base->items[i], later->items, later->n, sizeof *items, compare_keys))
            items[n++] = base->items[i];
    if (n)
        qsort(items, n, sizeof *items, compare_keys);
    *base = (struct pairs){items, n};
}

static int read_statement(const struct registry_scope *s, struct version_row *v, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const char *bytes = NULL;
    size_t n = 0;
    struct statement said;
    int rc = db_document(s->db, &v->statement, s->arena, &bytes, &n, e);
    if (rc == ERR_OK)
        rc = json_parse(bytes, n, JSON_MAX_DEPTH, &j, e);
    if (rc == ERR_OK)
        rc = statement_from_json(j, s->arena, &said, e);
    if (rc != ERR_OK)
        return rc;
    v->metrics = said.metrics;
    v->params = said.params;
    v->lineage = said.lineage;
    return ERR_OK;
}

static int read_annotations(const struct registry_scope *s, const json_t *j, struct version_row *v,
                            struct err *e)
{
    const char *text = NULL;
    struct pairs metrics = {0};
    struct pairs params = {0};
    struct pairs lineage = {0};
    int rc = json_opt_str(j, "", "description", SIZE_MAX, &text, e);
    if (rc == ERR_OK)
        rc = opt_pairs(j, "tags", s->arena, &v->tags, e);
    if (rc == ERR_OK)
        rc = opt_pairs(j, "metrics", s->arena, &metrics, e);
    if (rc == ERR_OK)
        rc = opt_pairs(j, "params", s->arena, &params, e);
    if (rc == ERR_OK)
        rc = opt_pairs(j, "lineage", s->arena, &lineage, e);
    if (rc != ERR_OK)
        return rc;
    v->description = text ? arena_strdup(s->arena, text) : "";
    overlay(&v->metrics, &metrics, s->arena);
    overlay(&v->params, &params, s->arena);
    overlay(&v->lineage, &lineage, s->arena);
    return ERR_OK;
}

int asof_version(const struct registry_scope *s, struct version_row *v, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct alias_walk walk = {.s = s, .version = v};
    const char *path = journal_path_version(s->arena, v->model, v->number, "annotations.json");
    int rc = read_statement(s, v, e);
    v->description = "";
    if (rc == ERR_OK)
        rc = load(s, path, &j, e);
    if (rc == ERR_OK && j)
        rc = read_annotations(s, j, v, e);
    return rc == ERR_OK ? walk_aliases(&walk, v->model, e) : rc;
}

/* Adds the version if it lived then. */
static int take_version(const struct registry_scope *s, const struct model_row *m, int64_t number,
                        const struct moment *at, struct version_page *out, struct err *e)
{
    struct version_row *v = &out->items[out->n];
    bool found = false;
    int rc = db_version_find(s->db, m->model_id, number, s->arena, v, &found, e);
    if (rc != ERR_OK || !found || v->created_seq > s->seq ||
        (v->deleted_ms && v->deleted_ms <= at->ms))
        return rc;
    v->model = m->name;
    rc = asof_version(s, v, e);
    out->n += rc == ERR_OK;
    return rc;
}

int asof_versions(const struct registry_scope *s, const struct model_row *m,
                  const struct version_bound *bound, struct version_page *out, struct err *e)
{
    struct moment at;
    int64_t number = 0;
    int rc = asof_moment(s, &at, e);
    *out = (struct version_page){
        .items = arena_alloc(s->arena, (size_t)bound->limit * sizeof *out->items)};
    if (rc == ERR_OK)
        rc = db_version_newest(s->db, m->model_id, at, &number, e);
    if (bound->below && bound->below <= number)
        number = bound->below - 1;
    for (; rc == ERR_OK && number > 0 && (int64_t)out->n < bound->limit; number--)
        rc = take_version(s, m, number, &at, out, e);
    out->next = number > 0 ? number + 1 : 0;
    return rc;
}
