/*
 * SQL of annotations, aliases, signatures and of the documents that belong to a model. Knows no
 * rules. Runs on the thread that uses the connection.
 */
#include "db_registry.h"

#include <string.h>

int db_annotation_set(struct db *db, const struct annotation *n, const struct pair *p,
                      struct err *e)
{
    if (strcmp(n->kind, "tag") == 0 && !*p->value)
        return db_run(db, e,
                      "DELETE FROM annotations WHERE model_id = ?1 AND number = ?2 "
                      "AND kind = ?3 AND key = ?4",
                      "iitt", n->model_id, n->number, n->kind, p->key);
    return db_run(db, e,
                  "INSERT INTO annotations (model_id, number, kind, key, value, source, ts) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) "
                  "ON CONFLICT (model_id, number, kind, key) DO UPDATE SET "
                  "value = excluded.value, source = excluded.source, ts = excluded.ts",
                  "iitttti", n->model_id, n->number, n->kind, p->key, p->value, n->source, n->ms);
}

int db_annotation_pairs(struct db *db, const struct annotation *n, struct arena *a,
                        struct pairs *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct texts flat = {0};
    int rc = db_query(db, &q, e,
                      "SELECT key, value FROM annotations WHERE model_id = ?1 AND number = ?2 "
                      "AND kind = ?3 AND (?4 IS NULL OR source = ?4) ORDER BY key",
                      "iitt", n->model_id, n->number, n->kind, n->source);
    bool row = rc == ERR_OK;
    while (rc == ERR_OK && row) {
        rc = stmt_next(q, &row, e);
        if (rc != ERR_OK || !row)
            break;
        texts_add(&flat, a, arena_strdup(a, stmt_text(q, 0)));
        texts_add(&flat, a, arena_strdup(a, stmt_text(q, 1)));
    }
    out->n = flat.n / 2;
    out->items = arena_alloc(a, out->n * sizeof *out->items);
    for (size_t i = 0; i < out->n; i++)
        out->items[i] = (struct pair){flat.items[2 * i], flat.items[2 * i + 1]};
    return rc;
}

int db_alias_find(struct db *db, int64_t model_id, const char *alias, int64_t *number,
                  struct err *e)
{
    *number = 0;
    return db_int(db, number, NULL, e,
                  "SELECT number FROM aliases WHERE model_id = ?1 AND alias = ?2", "it", model_id,
                  alias);
}

int db_alias_list(struct db *db, int64_t model_id, struct arena *a, struct alias_row **out,
                  size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int64_t count = 0;
    int rc = db_int(db, &count, NULL, e, "SELECT count(*) FROM aliases WHERE model_id = ?1", "i",
                    model_id);
    if (rc == ERR_OK)
        rc = db_query(db, &q, e,
                      "SELECT alias, number, set_ts, set_by FROM aliases WHERE model_id = ?1 "
                      "ORDER BY alias",
                      "i", model_id);
    if (rc != ERR_OK)
        return rc;
    *out = arena_alloc(a, (size_t)count * sizeof **out);
    for (*n = 0; (int64_t)*n < count; (*n)++) {
        bool row = false;
        rc = stmt_next(q, &row, e);
        if (rc != ERR_OK || !row)
            break;
        (*out)[*n] = (struct alias_row){.alias = arena_strdup(a, stmt_text(q, 0)),
                                        .number = stmt_int(q, 1),
                                        .set_ms = stmt_int(q, 2),
                                        .set_by = arena_strdup(a, stmt_text(q, 3))};
    }
    return rc;
}

/* The first text of a query's first row, in arena; NULL without a row. Ends the query. */
static int first_text(struct stmt *query, struct arena *a, const char **out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    bool row = false;
    int rc = stmt_next(q, &row, e);
    if (rc == ERR_OK)
        *out = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    return rc;
}

int db_upload_model(struct db *db, const char *upload_id, struct arena *a, const char **model,
                    struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e, "SELECT model FROM uploads WHERE upload_id = ?1", "t", upload_id);
    return rc == ERR_OK ? first_text(q, a, model, e) : rc;
}

int db_alias_of(struct db *db, int64_t model_id, int64_t number, struct arena *a,
                const char **alias, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT alias FROM aliases WHERE model_id = ?1 AND number = ?2 "
                      "ORDER BY alias LIMIT 1",
                      "ii", model_id, number);
    return rc == ERR_OK ? first_text(q, a, alias, e) : rc;
}

int db_alias_set(struct db *db, int64_t model_id, const struct alias_row *row, int64_t seq,
                 struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO aliases (model_id, alias, number, set_seq, set_ts, set_by) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (model_id, alias) DO UPDATE SET "
                  "number = excluded.number, set_seq = excluded.set_seq, "
                  "set_ts = excluded.set_ts, set_by = excluded.set_by",
                  "itiiit", model_id, row->alias, row->number, seq, row->set_ms, row->set_by);
}

int db_alias_delete(struct db *db, int64_t model_id, const char *alias, struct err *e)
{
    return db_run(db, e, "DELETE FROM aliases WHERE model_id = ?1 AND alias = ?2", "it", model_id,
                  alias);
}

int db_signature_put(struct db *db, const struct signature_row *s, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO signatures (digest, name_space, key_id, armor) "
                  "VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest, name_space, key_id) DO NOTHING",
                  "dttt", &s->digest, s->name_space, s->key_id, s->armor);
}

int db_signature_get(struct db *db, const struct digest *d, const char *name_space, struct arena *a,
                     const char **armor, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT s.armor FROM signatures s LEFT JOIN keys k ON k.key_id = s.key_id "
                      "WHERE s.digest = ?1 AND s.name_space = ?2 "
                      "ORDER BY k.valid_after DESC LIMIT 1",
                      "dt", d, name_space);
    return rc == ERR_OK ? first_text(q, a, armor, e) : rc;
}

int db_document(struct db *db, const struct digest *d, struct arena *a, const char **bytes,
                size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e, "SELECT bytes FROM documents WHERE digest = ?1", "d", d);
    bool row = false;
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    if (!row)
        return err_set(e, ERR_CORRUPT, "a stored document is missing");
    const void *stored = stmt_blob(q, 0, n);
    *bytes = arena_copy(a, stored, *n);
    return ERR_OK;
}

int db_documents_at(struct db *db, const char *folder, int64_t seq, document_fn *each, void *ctx,
                    struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT s.path, d.bytes FROM doc_spans s CROSS JOIN documents d "
                      "ON d.digest = s.digest WHERE s.path > ?1 AND s.path < ?1 || '~~' "
                      "AND s.from_seq <= ?2 AND s.to_seq > ?2 ORDER BY s.path",
                      "ti", folder, seq);
    bool row = rc == ERR_OK;
    while (rc == ERR_OK && row) {
        rc = stmt_next(q, &row, e);
        if (rc != ERR_OK || !row)
            break;
        size_t n = 0;
        const char *bytes = stmt_blob(q, 1, &n);
        rc = each(ctx, stmt_text(q, 0), bytes, n, e);
    }
    return rc;
}

int db_path_next(struct db *db, const char *folder, const char *after, struct arena *a,
                 const char **path, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT path FROM doc_spans WHERE path > max(?1, ?2) AND path < ?1 || '~~' "
                      "ORDER BY path LIMIT 1",
                      "tt", folder, after);
    bool row = false;
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    *path = rc == ERR_OK && row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    return rc;
}

int db_seq_ms(struct db *db, int64_t seq, int64_t *ms, struct err *e)
{
    *ms = 0;
    return db_int(db, ms, NULL, e,
                  "SELECT ts FROM journal WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1", "i", seq);
}

int db_object_ms(struct db *db, const char *object, int64_t seq, int64_t *ms, struct err *e)
{
    *ms = 0;
    return db_int(db, ms, NULL, e,
                  "SELECT ts FROM journal WHERE object = ?1 AND seq <= ?2 "
                  "ORDER BY seq DESC LIMIT 1",
                  "ti", object, seq);
}
