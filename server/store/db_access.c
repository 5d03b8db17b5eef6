/*
 * SQL of tokens, last uses and kept replies: one function per statement, rows as plain data. Must
 * not know roles, secrets or HTTP. Runs on whatever thread holds the connection.
 */
#include "db_access.h"

#include <string.h>

int db_token_insert(struct db *db, const struct db_token *t, const struct digest *hash,
                    struct err *e)
{
    int rc = db_run(db, e,
                    "INSERT INTO tokens (token_id, name, hash, hint, role, models, created_ts, "
                    "created_by, environment, root) "
                    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
                    "ttdtttittt", t->id, t->name, hash, t->hint, t->role, t->models, t->created_ms,
                    t->created_by, t->environment, t->root);
    if (rc || !t->expires_ms)
        return rc;
    return db_run(db, e, "UPDATE tokens SET expires_ts = ?2 WHERE token_id = ?1", "ti", t->id,
                  t->expires_ms);
}

int db_token_revoke(struct db *db, const char *id, int64_t now_ms, bool *changed, struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE tokens SET revoked_ts = ?2 WHERE token_id = ?1 AND revoked_ts IS NULL",
                    "ti", id, now_ms);
    if (!rc)
        *changed = db_changes(db) > 0;
    return rc;
}

static void read_token(struct stmt *q, struct arena *a, struct db_token *out)
{
    *out = (struct db_token){
        .id = arena_strdup(a, stmt_text(q, 0)),
        .name = arena_strdup(a, stmt_text(q, 1)),
        .hint = arena_strdup(a, stmt_text(q, 2)),
        .role = arena_strdup(a, stmt_text(q, 3)),
        .models = arena_strdup(a, stmt_text(q, 4)),
        .created_by = arena_strdup(a, stmt_text(q, 5)),
        .created_ms = stmt_int(q, 6),
        .expires_ms = stmt_is_null(q, 7) ? 0 : stmt_int(q, 7),
        .revoked_ms = stmt_is_null(q, 8) ? 0 : stmt_int(q, 8),
        .last_used_ms = stmt_is_null(q, 9) ? 0 : stmt_int(q, 9),
        .environment = arena_strdup(a, stmt_text(q, 10)),
        .root = arena_strdup(a, stmt_text(q, 11)),
    };
}

static int read_one(struct stmt *q, struct arena *a, struct db_token *out, struct err *e)
{
    bool row = false;
    int rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no such token");
    read_token(q, a, out);
    return 0;
}

int db_token_by_hash(struct db *db, const struct digest *hash, struct arena *a,
                     struct db_token *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT t.token_id, t.name, t.hint, t.role, t.models, t.created_by, "
                      "t.created_ts, t.expires_ts, t.revoked_ts, u.last_used_ts, t.environment, "
                      "t.root FROM tokens t "
                      "LEFT JOIN token_use u ON u.token_id = t.token_id WHERE t.hash = ?1",
                      "d", hash);
    return rc ? rc : read_one(q, a, out, e);
}

int db_token_by_id(struct db *db, const char *id, struct arena *a, struct db_token *out,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT t.token_id, t.name, t.hint, t.role, t.models, t.created_by, "
                      "t.created_ts, t.expires_ts, t.revoked_ts, u.last_used_ts, t.environment, "
                      "t.root FROM tokens t "
                      "LEFT JOIN token_use u ON u.token_id = t.token_id WHERE t.token_id = ?1",
                      "t", id);
    return rc ? rc : read_one(q, a, out, e);
}

int db_token_list(struct db *db, const char *after, int64_t limit, struct arena *a,
                  struct db_token **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    /* Ids are "t-" and a rising number: shorter ones are older. */
    int rc = db_query(db, &q, e,
                      "/*scan*/ SELECT t.token_id, t.name, t.hint, t.role, t.models, t.created_by, "
                      "t.created_ts, t.expires_ts, t.revoked_ts, u.last_used_ts, t.environment, "
                      "t.root FROM tokens t "
                      "LEFT JOIN token_use u ON u.token_id = t.token_id "
                      "WHERE LENGTH(t.token_id) > LENGTH(?1) OR "
                      "(LENGTH(t.token_id) = LENGTH(?1) AND t.token_id > ?1) "
                      "ORDER BY LENGTH(t.token_id), t.token_id LIMIT ?2",
                      "ti", after ? after : "", limit);
    if (rc)
        return rc;
    struct db_token *rows = arena_alloc(a, (size_t)limit * sizeof *rows);
    size_t count = 0;
    bool row = false;
    while ((rc = stmt_next(q, &row, e)) == 0 && row && count < (size_t)limit)
        read_token(q, a, &rows[count++]);
    if (rc)
        return rc;
    *out = rows;
    *n = count;
    return 0;
}

int db_token_admin_used(struct db *db, bool *yes, struct err *e)
{
    int64_t one = 0;
    int rc = db_int(db, &one, yes, e,
                    "/*scan*/ SELECT 1 FROM tokens t JOIN token_use u ON u.token_id = t.token_id "
                    "WHERE t.role = 'admin' AND t.revoked_ts IS NULL LIMIT 1",
                    "");
    return rc;
}

int db_token_used(struct db *db, const char *id, int64_t ms, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO token_use (token_id, last_used_ts) VALUES (?1, ?2) "
                  "ON CONFLICT (token_id) DO UPDATE SET last_used_ts = excluded.last_used_ts",
                  "ti", id, ms);
}

int db_replay_get(struct db *db, const char *actor, const char *key, struct arena *a,
                  struct db_replay *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT request_digest, status, body, ts FROM idempotency "
                      "WHERE actor = ?1 AND key = ?2",
                      "tt", actor, key);
    bool row = false;
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    *found = row;
    if (!row)
        return 0;
    if (!stmt_digest(q, 0, &out->request))
        return err_set(e, ERR_CORRUPT, "a kept reply has no digest");
    out->status = stmt_int(q, 1);
    out->body = arena_strdup(a, stmt_text(q, 2));
    out->ts = stmt_int(q, 3);
    return 0;
}

int db_replay_put(struct db *db, const char *actor, const char *key, const struct db_replay *r,
                  struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO idempotency (actor, key, request_digest, status, body, ts) "
                  "VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (actor, key) DO UPDATE SET "
                  "request_digest = excluded.request_digest, status = excluded.status, "
                  "body = excluded.body, ts = excluded.ts",
                  "ttditi", actor, key, &r->request, r->status, r->body, r->ts);
}

int db_replay_purge(struct db *db, int64_t ms, struct err *e)
{
    return db_run(db, e, "DELETE FROM idempotency WHERE ts < ?1", "i", ms);
}
