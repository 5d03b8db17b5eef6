/*
 * SQL of freezes, quarantine, failures and typical durations. Must not know rules. Runs on the
 * thread that uses the connection.
 */
#include "db_limits.h"

#include <stdlib.h>
#define TYPICAL_ROWS 50

/* --- freezes ---------------------------------------------------------------------------------- */

/* Columns: freeze_id, kind, env, model, env_id, model_id, from, until, weekly, reason, actor,
 * created_seq, created_ts. */
static struct freeze_row read_freeze(struct stmt *q, struct arena *a)
{
    return (struct freeze_row){.id = arena_strdup(a, stmt_text(q, 0)),
                               .kind = arena_strdup(a, stmt_text(q, 1)),
                               .env = arena_strdup(a, stmt_text(q, 2)),
                               .model = arena_strdup(a, stmt_text(q, 3)),
                               .env_id = stmt_int(q, 4),
                               .model_id = stmt_int(q, 5),
                               .from_ms = stmt_int(q, 6),
                               .until_ms = stmt_int(q, 7),
                               .weekly = arena_strdup(a, stmt_text(q, 8)),
                               .reason = arena_strdup(a, stmt_text(q, 9)),
                               .actor = arena_strdup(a, stmt_text(q, 10)),
                               .created_seq = stmt_int(q, 11),
                               .created_ms = stmt_int(q, 12)};
}

int db_freeze_list(struct db *db, struct arena *a, struct freeze_row **out, size_t *n,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct freeze_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ f.freeze_id, f.kind, v.name, m.name, COALESCE(f.env_id, 0),"
                      " COALESCE(f.model_id, 0), COALESCE(f.from_ts, 0), COALESCE(f.until_ts, 0),"
                      " f.weekly, f.reason, f.actor, f.created_seq, f.created_ts FROM freezes f"
                      " LEFT JOIN environments v ON v.env_id = f.env_id"
                      " LEFT JOIN models m ON m.model_id = f.model_id ORDER BY f.created_seq",
                      "");
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_freeze(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_freeze_get(struct db *db, const char *id, struct arena *a, struct freeze_row *out,
                  bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT f.freeze_id, f.kind, v.name, m.name, COALESCE(f.env_id, 0),"
                      " COALESCE(f.model_id, 0), COALESCE(f.from_ts, 0), COALESCE(f.until_ts, 0),"
                      " f.weekly, f.reason, f.actor, f.created_seq, f.created_ts FROM freezes f"
                      " LEFT JOIN environments v ON v.env_id = f.env_id"
                      " LEFT JOIN models m ON m.model_id = f.model_id WHERE f.freeze_id = ?1",
                      "t", id);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_freeze(q, a);
    return rc;
}

int db_freeze_insert(struct db *db, const struct freeze_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO freezes (freeze_id, kind, env_id, model_id, from_ts, until_ts,"
                  " weekly, reason, actor, created_seq, created_ts) VALUES (?1, ?2, NULLIF(?3, 0),"
                  " NULLIF(?4, 0), NULLIF(?5, 0), NULLIF(?6, 0), ?7, ?8, ?9, ?10, ?11)",
                  "ttiiiitttii", v->id, v->kind, v->env_id, v->model_id, v->from_ms, v->until_ms,
                  v->weekly, v->reason, v->actor, v->created_seq, v->created_ms);
}

int db_freeze_delete(struct db *db, const char *id, struct err *e)
{
    return db_run(db, e, "DELETE FROM freezes WHERE freeze_id = ?1", "t", id);
}

/* --- quarantine ------------------------------------------------------------------------------- */

int db_quarantine_list(struct db *db, int64_t env_id, int64_t target_id, struct arena *a,
                       struct quarantine_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct quarantine_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT x.target_id, x.number, x.since_ts, v.name, m.name, x.rollout_id,"
                      " x.cause FROM environments v JOIN targets t ON t.env_id = v.env_id"
                      " AND (?2 = 0 OR t.target_id = ?2)"
                      " JOIN quarantine x ON x.target_id = t.target_id"
                      " JOIN models m ON m.model_id = t.model_id WHERE v.env_id = ?1"
                      " ORDER BY m.name, x.number",
                      "ii", env_id, target_id);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct quarantine_row){.target_id = stmt_int(q, 0),
                                              .number = stmt_int(q, 1),
                                              .since_ms = stmt_int(q, 2),
                                              .env = arena_strdup(a, stmt_text(q, 3)),
                                              .model = arena_strdup(a, stmt_text(q, 4)),
                                              .rollout = arena_strdup(a, stmt_text(q, 5)),
                                              .cause = arena_strdup(a, stmt_text(q, 6))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_quarantine_get(struct db *db, int64_t target_id, int64_t number, struct arena *a,
                      struct quarantine_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT rollout_id, cause, since_ts FROM quarantine"
                      " WHERE target_id = ?1 AND number = ?2",
                      "ii", target_id, number);

    *out = (struct quarantine_row){.target_id = target_id, .number = number};
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK || !row)
        return rc;
    out->rollout = arena_strdup(a, stmt_text(q, 0));
    out->cause = arena_strdup(a, stmt_text(q, 1));
    out->since_ms = stmt_int(q, 2);
    return ERR_OK;
}

int db_quarantine_put(struct db *db, const struct quarantine_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO quarantine (target_id, number, rollout_id, cause, since_ts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (target_id, number) DO NOTHING",
                  "iitti", v->target_id, v->number, v->rollout, v->cause, v->since_ms);
}

int db_quarantine_drop(struct db *db, int64_t target_id, int64_t number, struct err *e)
{
    return db_run(db, e, "DELETE FROM quarantine WHERE target_id = ?1 AND number = ?2", "ii",
                  target_id, number);
}

/* --- what happened ---------------------------------------------------------------------------- */

int db_failures(struct db *db, int64_t env_id, int64_t since_ms, struct arena *a,
                struct failure_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct failure_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, m.name, r.to_number, r.ended_ts FROM rollouts r"
                      " CROSS JOIN targets t ON t.target_id = r.target_id AND t.env_id = ?1"
                      " JOIN models m ON m.model_id = t.model_id"
                      " WHERE r.phase = 'rolled-back' AND r.ended_ts > ?2"
                      " AND r.fault IN ('version', 'infrastructure')"
                      " ORDER BY r.ended_ts LIMIT 100",
                      "ii", env_id, since_ms);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct failure_row){.id = arena_strdup(a, stmt_text(q, 0)),
                                           .model = arena_strdup(a, stmt_text(q, 1)),
                                           .to = stmt_int(q, 2),
                                           .ended_ms = stmt_int(q, 3)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_live_list(struct db *db, const char *env, int64_t model_id, struct arena *a,
                 struct live_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct live_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT r.to_number, r.ended_ts FROM environments v"
                      " JOIN targets t ON t.env_id = v.env_id AND t.model_id = ?2"
                      " JOIN rollouts r ON r.target_id = t.target_id AND r.phase = 'succeeded'"
                      " WHERE v.name = ?1 ORDER BY r.ended_ts",
                      "ti", env, model_id);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct live_row){.number = stmt_int(q, 0), .since_ms = stmt_int(q, 1)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_live_adopted(struct db *db, const char *env, int64_t model_id, const char *alias_path,
                    struct live_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT COALESCE((SELECT COALESCE(r.from_number, 0) FROM rollouts r"
                      " WHERE r.target_id = t.target_id AND r.phase = 'succeeded'"
                      " ORDER BY r.ended_ts LIMIT 1), t.live_number, 0),"
                      " COALESCE((SELECT j.ts FROM doc_spans s JOIN journal j ON j.seq = s.from_seq"
                      " WHERE s.path = ?3 ORDER BY s.from_seq LIMIT 1), 0) FROM environments v"
                      " JOIN targets t ON t.env_id = v.env_id AND t.model_id = ?2"
                      " WHERE v.name = ?1",
                      "tit", env, model_id, alias_path);

    *out = (struct live_row){0};
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row && stmt_int(q, 1) != 0)
        *out = (struct live_row){.number = stmt_int(q, 0), .since_ms = stmt_int(q, 1)};
    return rc;
}

static int by_size(const void *x, const void *y)
{
    int64_t p = *(const int64_t *)x, q = *(const int64_t *)y;

    return p < q ? -1 : p > q;
}

int db_op_typical_ms(struct db *db, int64_t env_id, const char *action, int64_t *ms,
                     int64_t *n_seen, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int64_t took[TYPICAL_ROWS];
    size_t n = 0;
    int rc = db_query(db, &q, e,
                      "SELECT o.ended_ts - o.started_ts FROM targets t"
                      " JOIN node_ops o ON o.target_id = t.target_id AND o.action = ?2"
                      " AND o.state = 'done' WHERE t.env_id = ?1"
                      " ORDER BY o.started_ts DESC LIMIT 50",
                      "it", env_id, action);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row && n < TYPICAL_ROWS)
        took[n++] = stmt_int(q, 0);
    *n_seen = (int64_t)n;
    if (rc != ERR_OK || n == 0)
        return rc;
    qsort(took, n, sizeof(took[0]), by_size);
    *ms = took[n / 2] < 0 ? 0 : took[n / 2];
    return ERR_OK;
}

/* A server that started again counts from 0: what fell is not subtracted. */
static void add_sample(struct rate_row *row, int64_t total, int64_t ms, int64_t *before,
                       int64_t *last_ms)
{
    if (*last_ms != 0) {
        row->n_requests += total >= *before ? total - *before : total;
        row->span_ms += ms - *last_ms;
    }
    *before = total;
    *last_ms = ms;
}

int db_rates(struct db *db, int64_t target_id, int64_t since_ms, struct arena *a,
             struct rate_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct rate_row *list = NULL;
    int64_t before = 0, last_ms = 0;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT s.node_id, s.ts, s.n_success + s.n_failure FROM targets t"
                      " JOIN nodes x ON x.env_id = t.env_id"
                      " JOIN samples s ON s.target_id = t.target_id AND s.node_id = x.node_id"
                      " AND s.ts > ?2 WHERE t.target_id = ?1 ORDER BY s.node_id, s.ts",
                      "ii", target_id, since_ms);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        if (len == 0 || list[len - 1].node_id != stmt_int(q, 0)) {
            list = arena_grow(a, list, len, sizeof(*list));
            list[len++] = (struct rate_row){.node_id = stmt_int(q, 0)};
            last_ms = 0;
        }
        add_sample(&list[len - 1], stmt_int(q, 2), stmt_int(q, 1), &before, &last_ms);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}
