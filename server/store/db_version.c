/*
 * SQL of versions and their files, and pages of versions: four cursors in step, like pages of
 * models. Knows no rules. Runs on the thread that uses the connection.
 */
#include "db_registry.h"

#include <string.h>

/* With the name of who created it, as db_actor_name finds it, but for a whole page at once. */
#define SELECT_VERSIONS                                                                 \
    "SELECT number, content_digest, statement_digest, format, size_bytes, n_files,"     \
    " description, created_seq, created_ts, created_by, deleted_ts,"                    \
    " COALESCE((SELECT name FROM tokens WHERE token_id = versions.created_by),"         \
    " (SELECT name FROM users WHERE user_id = versions.created_by AND is_removed = 0))" \
    " FROM versions"

static int read_version(struct stmt *q, int64_t model_id, struct arena *a, struct version_row *v,
                        struct err *e)
{
    *v = (struct version_row){
        .model_id = model_id,
        .number = stmt_int(q, 0),
        .format = arena_strdup(a, stmt_text(q, 3)),
        .size_bytes = stmt_int(q, 4),
        .n_files = stmt_int(q, 5),
        .description = arena_strdup(a, stmt_text(q, 6)),
        .created_seq = stmt_int(q, 7),
        .created_ms = stmt_int(q, 8),
        .created_by = arena_strdup(a, stmt_text(q, 9)),
        .deleted_ms = stmt_int(q, 10),
        .creator = arena_strdup(a, stmt_text(q, 11)),
    };
    if (!stmt_digest(q, 1, &v->content) || !stmt_digest(q, 2, &v->statement))
        return err_set(e, ERR_CORRUPT, "a stored version has no digests");
    return ERR_OK;
}

int db_version_find(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                    struct version_row *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e, SELECT_VERSIONS " WHERE model_id = ?1 AND number = ?2", "ii",
                      model_id, number);
    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        rc = read_version(q, model_id, a, out, e);
    return rc;
}

/* "deleted_ts > now" never holds for now = INT64_MAX. */
int db_version_by_content(struct db *db, int64_t model_id, const struct digest *content,
                          struct moment at, int64_t *number, struct err *e)
{
    *number = 0;
    return db_int(db, number, NULL, e,
                  "SELECT number FROM versions WHERE content_digest = ?1 AND model_id = ?2 "
                  "AND created_seq <= ?3 AND (deleted_ts IS NULL OR deleted_ts > ?4) "
                  "ORDER BY number DESC LIMIT 1",
                  "diii", content, model_id, at.seq, at.ms);
}

int db_version_newest(struct db *db, int64_t model_id, struct moment at, int64_t *number,
                      struct err *e)
{
    *number = 0;
    return db_int(db, number, NULL, e,
                  "SELECT number FROM versions WHERE model_id = ?1 AND created_seq <= ?2 "
                  "AND (deleted_ts IS NULL OR deleted_ts > ?3) ORDER BY number DESC LIMIT 1",
                  "iii", model_id, at.seq, at.ms);
}

int db_version_count(struct db *db, int64_t model_id, struct moment at, int64_t *n, struct err *e)
{
    return db_int(db, n, NULL, e,
                  "SELECT count(*) FROM versions WHERE model_id = ?1 AND created_seq <= ?2 "
                  "AND (deleted_ts IS NULL OR deleted_ts > ?3)",
                  "iii", model_id, at.seq, at.ms);
}

/* The aliases of each number, without those of environments. */
static int aliases_open(struct db *db, int64_t model_id, int64_t below, struct stmt **q,
                        struct err *e)
{
    return db_query(db, q, e,
                    "SELECT x.number, x.alias FROM aliases x WHERE x.model_id = ?1 "
                    "AND x.number < ?2 AND NOT EXISTS (SELECT 1 FROM environments v "
                    "WHERE v.name = x.alias) ORDER BY x.number DESC, x.alias",
                    "ii", model_id, below);
}

static int live_open(struct db *db, int64_t model_id, int64_t below, struct stmt **q, struct err *e)
{
    return db_query(db, q, e,
                    "SELECT t.live_number, v.name FROM targets t CROSS JOIN environments v "
                    "ON v.env_id = t.env_id WHERE t.model_id = ?1 AND t.live_number < ?2 "
                    "ORDER BY t.live_number DESC, v.position, v.name",
                    "ii", model_id, below);
}

static int annotations_open(struct db *db, int64_t model_id, int64_t below, struct stmt **q,
                            struct err *e)
{
    return db_query(db, q, e,
                    "SELECT number, kind, key, value FROM annotations WHERE model_id = ?1 "
                    "AND number < ?2 AND number > 0 ORDER BY number DESC, kind DESC, key DESC",
                    "ii", model_id, below);
}

/* Cursors in falling order of number, each one row ahead. */
struct strands {
    struct stmt *aliases, *live, *annotations;
    bool has_alias, has_live, has_annotation;
};

static void strands_done(struct strands *s)
{
    stmt_done(s->aliases);
    stmt_done(s->live);
    stmt_done(s->annotations);
}

static int strands_open(struct db *db, int64_t model_id, int64_t below, struct strands *s,
                        struct err *e)
{
    int rc = aliases_open(db, model_id, below, &s->aliases, e);
    if (rc == ERR_OK)
        rc = live_open(db, model_id, below, &s->live, e);
    if (rc == ERR_OK)
        rc = annotations_open(db, model_id, below, &s->annotations, e);
    if (rc == ERR_OK)
        rc = stmt_next(s->aliases, &s->has_alias, e);
    if (rc == ERR_OK)
        rc = stmt_next(s->live, &s->has_live, e);
    if (rc == ERR_OK)
        rc = stmt_next(s->annotations, &s->has_annotation, e);
    return rc;
}

/* Takes the names of one number from a cursor. */
static int take_names(struct stmt *q, bool *has_row, int64_t number, struct arena *a,
                      struct texts *out, struct err *e)
{
    int rc = ERR_OK;
    while (rc == ERR_OK && *has_row && stmt_int(q, 0) >= number) {
        if (stmt_int(q, 0) == number)
            texts_add(out, a, arena_strdup(a, stmt_text(q, 1)));
        rc = stmt_next(q, has_row, e);
    }
    return rc;
}

static struct pairs *pairs_of_kind(struct version_row *v, const char *kind)
{
    if (strcmp(kind, "tag") == 0)
        return &v->tags;
    if (strcmp(kind, "metric") == 0)
        return &v->metrics;
    return strcmp(kind, "param") == 0 ? &v->params : &v->lineage;
}

/* Adds in front, so that rows in falling order of key end up rising. Room grows by doubling. */
static void pairs_push_front(struct pairs *p, struct arena *a, const char *key, const char *value)
{
    bool is_power = (p->n & (p->n - 1)) == 0;
    if (is_power) { /* full: keep the items at the end of the new room */
        size_t cap = p->n ? p->n * 2 : 1;
        struct pair *items = arena_alloc(a, cap * sizeof *items);
        if (p->n)
            memcpy(items + cap - p->n, p->items, p->n * sizeof *items);
        p->items = items + cap - p->n;
    }
    p->items--;
    p->items[0] = (struct pair){key, value};
    p->n++;
}

static int take_annotations(struct strands *s, struct arena *a, struct version_row *v,
                            struct err *e)
{
    int rc = ERR_OK;
    while (rc == ERR_OK && s->has_annotation && stmt_int(s->annotations, 0) >= v->number) {
        struct stmt *q = s->annotations;
        if (stmt_int(q, 0) == v->number)
            pairs_push_front(pairs_of_kind(v, stmt_text(q, 1)), a, arena_strdup(a, stmt_text(q, 2)),
                             arena_strdup(a, stmt_text(q, 3)));
        rc = stmt_next(q, &s->has_annotation, e);
    }
    return rc;
}

static int strands_fill(struct strands *s, struct arena *a, struct version_row *v, struct err *e)
{
    int rc = take_names(s->aliases, &s->has_alias, v->number, a, &v->aliases, e);
    if (rc == ERR_OK)
        rc = take_names(s->live, &s->has_live, v->number, a, &v->live, e);
    if (rc == ERR_OK)
        rc = take_annotations(s, a, v, e);
    return rc;
}

int db_version_fill(struct db *db, struct arena *a, struct version_row *v, struct err *e)
{
    struct strands s CLEANUP(strands_done) = {0};
    int rc = strands_open(db, v->model_id, v->number + 1, &s, e);
    return rc == ERR_OK ? strands_fill(&s, a, v, e) : rc;
}

int db_version_page(struct db *db, int64_t model_id, int64_t below, int64_t limit, struct arena *a,
                    struct version_page *out, struct err *e)
{
    struct version_page page = {.items = arena_alloc(a, (size_t)limit * sizeof *page.items)};
    struct strands s CLEANUP(strands_done) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = strands_open(db, model_id, below, &s, e);
    if (rc == ERR_OK)
        rc = db_query(db, &q, e,
                      SELECT_VERSIONS " WHERE model_id = ?1 AND number < ?2 AND deleted_ts IS NULL "
                                      "ORDER BY number DESC",
                      "ii", model_id, below);
    bool row = false;
    while (rc == ERR_OK) {
        rc = stmt_next(q, &row, e);
        if (rc != ERR_OK || !row)
            break;
        if ((int64_t)page.n == limit) {
            page.next = page.items[page.n - 1].number;
            break;
        }
        rc = read_version(q, model_id, a, &page.items[page.n], e);
        if (rc == ERR_OK)
            rc = strands_fill(&s, a, &page.items[page.n++], e);
    }
    if (rc == ERR_OK)
        *out = page;
    return rc;
}

int db_version_files(struct db *db, struct arena *a, struct version_row *v, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT path, size, digest FROM version_files WHERE model_id = ?1 "
                      "AND number = ?2 ORDER BY path",
                      "ii", v->model_id, v->number);
    bool row = false;
    v->files = arena_alloc(a, (size_t)v->n_files * sizeof *v->files);
    for (int64_t i = 0; rc == ERR_OK && i < v->n_files; i++) {
        rc = stmt_next(q, &row, e);
        if (rc != ERR_OK)
            return rc;
        v->files[i].path = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
        if (!row || !stmt_digest(q, 2, &v->files[i].sha256))
            return err_set(e, ERR_CORRUPT, "the files of a stored version are missing");
        v->files[i].size = stmt_int(q, 1);
    }
    return rc;
}

int db_version_insert(struct db *db, const struct version_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO versions (model_id, number, content_digest, statement_digest, "
                  "format, size_bytes, n_files, description, created_seq, created_ts, created_by) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                  "iiddtiitiit", v->model_id, v->number, &v->content, &v->statement, v->format,
                  v->size_bytes, v->n_files, v->description, v->created_seq, v->created_ms,
                  v->created_by);
}

int db_version_insert_file(struct db *db, const struct version_row *v,
                           const struct manifest_file *f, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO version_files (model_id, number, path, size, digest) "
                  "VALUES (?1, ?2, ?3, ?4, ?5)",
                  "iitid", v->model_id, v->number, f->path, f->size, &f->sha256);
}

int db_version_describe(struct db *db, const struct version_row *v, const char *description,
                        struct err *e)
{
    return db_run(db, e, "UPDATE versions SET description = ?3 WHERE model_id = ?1 AND number = ?2",
                  "iit", v->model_id, v->number, description);
}

int db_version_tombstone(struct db *db, const struct version_row *v, int64_t ms, struct err *e)
{
    return db_run(db, e, "UPDATE versions SET deleted_ts = ?3 WHERE model_id = ?1 AND number = ?2",
                  "iii", v->model_id, v->number, ms);
}

int db_version_file(struct db *db, const struct version_row *v, const char *path,
                    struct manifest_file *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT size, digest FROM version_files WHERE model_id = ?1 "
                      "AND number = ?2 AND path = ?3",
                      "iit", v->model_id, v->number, path);
    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc != ERR_OK || !*found)
        return rc;
    out->path = path;
    out->size = stmt_int(q, 0);
    return stmt_digest(q, 1, &out->sha256) ? ERR_OK
                                           : err_set(e, ERR_CORRUPT, "a stored file has no digest");
}

int db_blob_seen(struct db *db, const struct model_query *q, const struct digest *d, bool *yes,
                 struct err *e)
{
    struct stmt *rows CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &rows, e,
                      "SELECT m.name FROM version_files f CROSS JOIN versions v "
                      "ON v.model_id = f.model_id AND v.number = f.number CROSS JOIN models m "
                      "ON m.model_id = f.model_id WHERE f.digest = ?1 AND v.deleted_ts IS NULL "
                      "LIMIT 1000",
                      "d", d);
    bool row = rc == ERR_OK;
    *yes = false;
    while (rc == ERR_OK && row && !*yes) {
        rc = stmt_next(rows, &row, e);
        if (rc == ERR_OK && row)
            *yes = q->see(q->globs, stmt_text(rows, 0));
    }
    return rc;
}
