/*
 * SQL of webhooks' records and state. Must not know what makes a hook fail or who may change it.
 * Runs on the thread that uses the connection.
 */
#include "db_webhook.h"

#include <string.h>

static int64_t time_of(struct stmt *q, int column)
{
    return stmt_is_null(q, column) ? 0 : stmt_int(q, column);
}

static void read_hook(struct stmt *q, struct arena *a, struct hook_row *out)
{
    *out = (struct hook_row){
        .id = arena_strdup(a, stmt_text(q, 0)),
        .name = arena_strdup(a, stmt_text(q, 1)),
        .url = arena_strdup(a, stmt_text(q, 2)),
        .format = arena_strdup(a, stmt_text(q, 3)),
        .kinds = arena_strdup(a, stmt_text(q, 4)),
        .env = arena_strdup(a, stmt_text(q, 5)),
        .models = arena_strdup(a, stmt_text(q, 6)),
        .repository = arena_strdup(a, stmt_text(q, 7)),
        .is_enabled = stmt_int(q, 8) != 0,
        .why = arena_strdup(a, stmt_text(q, 9)),
        .secrets = arena_strdup(a, stmt_text(q, 10)),
        .public_keys = arena_strdup(a, stmt_text(q, 11)),
        .old_until_ms = time_of(q, 12),
        .created_seq = stmt_int(q, 13),
        .created_ms = stmt_int(q, 14),
        .created_by = arena_strdup(a, stmt_text(q, 15)),
        .cursor = stmt_int(q, 16),
        .next_number = stmt_int(q, 17),
        .failing_since_ms = time_of(q, 18),
        .last_ok_ms = time_of(q, 19),
        .last_try_ms = time_of(q, 20),
        .last_status = time_of(q, 21),
        .last_detail = arena_strdup(a, stmt_text(q, 22)),
    };
}

int db_hook_get(struct db *db, const char *id, struct arena *a, struct hook_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT h.hook_id, h.name, h.url, h.format, h.kinds, h.env, h.models,"
                      " h.repository, h.is_enabled, h.why, h.secrets, h.public_keys,"
                      " h.old_until_ts, h.created_seq, h.created_ts, h.created_by, s.cursor,"
                      " s.next_number, s.failing_since_ts, s.last_ok_ts, s.last_try_ts,"
                      " s.last_status, s.last_detail FROM webhooks h"
                      " JOIN webhook_state s ON s.hook_id = h.hook_id WHERE h.hook_id = ?1",
                      "t", id);
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no webhook \"%.40s\"", id);
    read_hook(q, a, out);
    return ERR_OK;
}

int db_hook_list(struct db *db, int64_t after_seq, int64_t limit, struct arena *a,
                 struct hook_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct hook_row *rows = arena_alloc(a, (size_t)limit * sizeof *rows);
    size_t count = 0;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT h.hook_id, h.name, h.url, h.format, h.kinds, h.env, h.models,"
                      " h.repository, h.is_enabled, h.why, h.secrets, h.public_keys,"
                      " h.old_until_ts, h.created_seq, h.created_ts, h.created_by, s.cursor,"
                      " s.next_number, s.failing_since_ts, s.last_ok_ts, s.last_try_ts,"
                      " s.last_status, s.last_detail FROM webhooks h"
                      " JOIN webhook_state s ON s.hook_id = h.hook_id"
                      " WHERE h.created_seq > ?1 ORDER BY h.created_seq LIMIT ?2",
                      "ii", after_seq, limit);
    while (!rc && !(rc = stmt_next(q, &row, e)) && row && count < (size_t)limit)
        read_hook(q, a, &rows[count++]);
    *out = rows;
    *n = count;
    return rc;
}

int db_hook_count(struct db *db, int64_t *n, struct err *e)
{
    return db_int(db, n, NULL, e, "/*scan*/ SELECT COUNT(*) FROM webhooks", "");
}

int db_hook_insert(struct db *db, const struct hook_row *h, struct err *e)
{
    int rc = db_run(db, e,
                    "INSERT INTO webhooks (hook_id, name, url, format, kinds, env, models,"
                    " repository, is_enabled, why, secrets, public_keys, created_seq, created_ts,"
                    " created_by) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13,"
                    " ?14, ?15)",
                    "ttttttttitttiit", h->id, h->name, h->url, h->format, h->kinds, h->env,
                    h->models, h->repository, (int64_t)h->is_enabled, h->why, h->secrets,
                    h->public_keys, h->created_seq, h->created_ms, h->created_by);
    return rc ? rc
              : db_run(db, e,
                       "INSERT INTO webhook_state (hook_id, cursor, next_number)"
                       " VALUES (?1, ?2, 1)",
                       "ti", h->id, h->cursor);
}

int db_hook_update(struct db *db, const struct hook_row *h, struct err *e)
{
    return db_run(db, e,
                  "UPDATE webhooks SET name = ?2, url = ?3, kinds = ?4, env = ?5, models = ?6,"
                  " repository = ?7, is_enabled = ?8, why = ?9, secrets = ?10, public_keys = ?11,"
                  " old_until_ts = ?12 WHERE hook_id = ?1",
                  "tttttttittti", h->id, h->name, h->url, h->kinds, h->env, h->models,
                  h->repository, (int64_t)h->is_enabled, h->why, h->secrets, h->public_keys,
                  h->old_until_ms);
}

int db_hook_delete(struct db *db, const char *id, struct err *e)
{
    int rc = db_run(db, e, "DELETE FROM webhook_deliveries WHERE hook_id = ?1", "t", id);
    if (!rc)
        rc = db_run(db, e, "DELETE FROM webhook_state WHERE hook_id = ?1", "t", id);
    return rc ? rc : db_run(db, e, "DELETE FROM webhooks WHERE hook_id = ?1", "t", id);
}

/* --- state ------------------------------------------------------------------------------------ */

int db_hook_move(struct db *db, const struct hook_row *h, const struct hook_move *to, bool *moved,
                 struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE webhook_state SET cursor = ?1, next_number = next_number + ?2"
                    " WHERE hook_id = ?3 AND cursor = ?4 AND next_number = ?5",
                    "iitii", to->cursor, to->n_new, h->id, h->cursor, h->next_number);
    *moved = !rc && db_changes(db) == 1;
    return rc;
}

int db_hook_restart(struct db *db, const char *id, int64_t cursor, struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE webhook_deliveries SET origin = 'earlier' WHERE hook_id = ?1"
                    " AND seq > ?2 AND origin = 'event' AND state <> 'pending'",
                    "ti", id, cursor);
    return rc ? rc
              : db_run(db, e,
                       "UPDATE webhook_state SET cursor = ?1, failing_since_ts = NULL"
                       " WHERE hook_id = ?2",
                       "it", cursor, id);
}

int db_hook_note(struct db *db, const struct hook_row *h, struct err *e)
{
    return db_run(db, e,
                  "UPDATE webhook_state SET failing_since_ts = ?1, last_ok_ts = ?2,"
                  " last_try_ts = ?3, last_status = ?4, last_detail = ?5 WHERE hook_id = ?6",
                  "iiiitt", h->failing_since_ms, h->last_ok_ms, h->last_try_ms, h->last_status,
                  h->last_detail, h->id);
}

/* --- changes ---------------------------------------------------------------------------------- */

int db_hook_changes(struct db *db, int64_t seq, int64_t limit, struct arena *a,
                    struct hook_change **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct hook_change *rows = arena_alloc(a, (size_t)limit * sizeof *rows);
    size_t count = 0;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT j.seq, j.ts, j.actor, j.kind, j.object, j.message, j.reason, m.name,"
                      " v.name FROM journal j LEFT JOIN rollouts r ON r.rollout_id = j.object"
                      " LEFT JOIN targets t ON t.target_id = r.target_id"
                      " LEFT JOIN models m ON m.model_id = t.model_id"
                      " LEFT JOIN environments v ON v.env_id = t.env_id"
                      " WHERE j.seq > ?1 ORDER BY j.seq LIMIT ?2",
                      "ii", seq, limit);
    while (!rc && !(rc = stmt_next(q, &row, e)) && row && count < (size_t)limit) {
        bool is_rollout = strncmp(stmt_text(q, 3), "rollout.", 8) == 0;
        rows[count++] = (struct hook_change){
            .seq = stmt_int(q, 0),
            .ts = stmt_int(q, 1),
            .actor = arena_strdup(a, stmt_text(q, 2)),
            .kind = arena_strdup(a, stmt_text(q, 3)),
            .object = arena_strdup(a, stmt_text(q, 4)),
            .message = arena_strdup(a, stmt_text(q, 5)),
            .reason = arena_strdup(a, stmt_text(q, 6)),
            .model = is_rollout ? arena_strdup(a, stmt_text(q, 7)) : NULL,
            .env = is_rollout ? arena_strdup(a, stmt_text(q, 8)) : NULL,
        };
    }
    *out = rows;
    *n = count;
    return rc;
}

int db_hook_lineage(struct db *db, const char *rollout_id, struct arena *a,
                    struct hook_lineage *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    *out = (struct hook_lineage){NULL, NULL};
    int rc = db_query(db, &q, e,
                      "SELECT a.key, a.value FROM rollouts r"
                      " JOIN targets t ON t.target_id = r.target_id"
                      " JOIN annotations a ON a.model_id = t.model_id AND a.number = r.to_number"
                      " AND a.kind = 'lineage' WHERE r.rollout_id = ?1",
                      "t", rollout_id);
    while (!rc && !(rc = stmt_next(q, &row, e)) && row) {
        if (strcmp(stmt_text(q, 0), "git_commit") == 0)
            out->commit = arena_strdup(a, stmt_text(q, 1));
        else if (strcmp(stmt_text(q, 0), "git_repository") == 0)
            out->repository = arena_strdup(a, stmt_text(q, 1));
    }
    return rc;
}
