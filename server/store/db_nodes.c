/*
 * SQL of leases, probes, drifted files and the operations of a node. Must not know rules. Runs on
 * the thread that uses the connection.
 */
#include "db_nodes.h"

/* --- leaders ---------------------------------------------------------------------------------- */

int db_epoch(struct db *db, int64_t *epoch, struct err *e)
{
    return db_int(db, epoch, NULL, e, "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'",
                  "");
}

int db_epoch_refused(struct db *db, int64_t epoch, int64_t now_ms, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO epochs_refused (epoch, ts) VALUES (?1, ?2)"
                  " ON CONFLICT (epoch) DO NOTHING",
                  "ii", epoch, now_ms);
}

/* --- leases ----------------------------------------------------------------------------------- */

int db_node_renew(struct db *db, int64_t node_id, int64_t now_ms, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO node_leases (node_id, renewed_ts) VALUES (?1, ?2)"
                  " ON CONFLICT (node_id) DO UPDATE SET renewed_ts = excluded.renewed_ts",
                  "ii", node_id, now_ms);
}

int db_lease_count(struct db *db, int64_t *n, struct err *e)
{
    return db_int(db, n, NULL, e, "SELECT /*scan*/ COUNT(*) FROM node_leases", "");
}

/* ?1: now; ?2: no lease began before. */
int db_lease_sums(struct db *db, int64_t now_ms, int64_t grace_ms, struct arena *a,
                  struct lease_sum **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct lease_sum *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ v.env_id, v.name, COUNT(*),"
                      " SUM(CASE WHEN CASE WHEN l.renewed_ts > ?2 THEN l.renewed_ts ELSE ?2 END"
                      " + n.lease_ms / 2 <= ?1 THEN 1 ELSE 0 END),"
                      " SUM(CASE WHEN CASE WHEN l.renewed_ts > ?2 THEN l.renewed_ts ELSE ?2 END"
                      " + n.lease_ms <= ?1 THEN 1 ELSE 0 END)"
                      " FROM node_leases l JOIN nodes n ON n.node_id = l.node_id"
                      " JOIN environments v ON v.env_id = n.env_id GROUP BY v.env_id, v.name",
                      "ii", now_ms, grace_ms);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct lease_sum){.env_id = stmt_int(q, 0),
                                         .env = arena_strdup(a, stmt_text(q, 1)),
                                         .n_leases = stmt_int(q, 2),
                                         .n_silent = stmt_int(q, 3),
                                         .n_ended = stmt_int(q, 4)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_lease_list(struct db *db, const struct lease_query *ask, struct arena *a,
                  struct lease_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct lease_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ n.node_id, v.name, n.name, l.renewed_ts, n.lease_ms"
                      " FROM node_leases l JOIN nodes n ON n.node_id = l.node_id"
                      " JOIN environments v ON v.env_id = n.env_id"
                      " WHERE CASE WHEN l.renewed_ts > ?2 THEN l.renewed_ts ELSE ?2 END"
                      " + n.lease_ms <= ?1 AND n.env_id = ?3"
                      " ORDER BY l.node_id LIMIT ?4",
                      "iiii", ask->now_ms, ask->grace_ms, ask->env_id, ask->limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct lease_row){.node_id = stmt_int(q, 0),
                                         .env = arena_strdup(a, stmt_text(q, 1)),
                                         .name = arena_strdup(a, stmt_text(q, 2)),
                                         .renewed_ms = stmt_int(q, 3),
                                         .lease_ms = stmt_int(q, 4)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* --- probes ----------------------------------------------------------------------------------- */

int db_probe_ask(struct db *db, const struct probe_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO node_probes (node_id, asked_ts, serve_as, number, model)"
                  " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (node_id) DO UPDATE SET"
                  " asked_ts = excluded.asked_ts, serve_as = excluded.serve_as,"
                  " number = excluded.number, model = excluded.model",
                  "iitit", v->node_id, v->asked_ms, v->serve_as, v->number, v->model);
}

int db_probe_answer(struct db *db, const struct probe_row *v, struct err *e)
{
    return db_run(db, e,
                  "UPDATE node_probes SET probed_ts = ?1, report = ?2"
                  " WHERE node_id = ?3 AND asked_ts = ?4",
                  "itii", v->probed_ms, v->report, v->node_id, v->asked_ms);
}

static struct probe_row read_probe(struct stmt *q, struct arena *a)
{
    return (struct probe_row){.node_id = stmt_int(q, 0),
                              .asked_ms = stmt_int(q, 1),
                              .serve_as = arena_strdup(a, stmt_text(q, 2)),
                              .number = stmt_int(q, 3),
                              .probed_ms = stmt_int(q, 4),
                              .report = arena_strdup(a, stmt_text(q, 5)),
                              .model = arena_strdup(a, stmt_text(q, 6))};
}

int db_probe_get(struct db *db, int64_t node_id, struct arena *a, struct probe_row *out,
                 bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT node_id, asked_ts, serve_as, number, probed_ts, report,"
                      " model"
                      " FROM node_probes WHERE node_id = ?1",
                      "i", node_id);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_probe(q, a);
    return rc;
}

int db_probe_open(struct db *db, int64_t limit, struct arena *a, struct probe_row **out, size_t *n,
                  struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct probe_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ node_id, asked_ts, serve_as, number, probed_ts, NULL,"
                      " model"
                      " FROM node_probes WHERE probed_ts < asked_ts ORDER BY asked_ts LIMIT ?1",
                      "i", limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_probe(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* --- drifts ----------------------------------------------------------------------------------- */

int db_drift_clear(struct db *db, struct err *e)
{
    return db_run(db, e, "DELETE /*scan*/ FROM node_drifts", "");
}

int db_drift_put(struct db *db, const struct drift_row *v, struct err *e)
{
    if (v->detail == NULL || v->detail[0] == '\0')
        return db_run(db, e, "DELETE FROM node_drifts WHERE node_id = ?1 AND target_id = ?2", "ii",
                      v->node_id, v->target_id);
    return db_run(db, e,
                  "INSERT INTO node_drifts (node_id, target_id, detail, since_ts)"
                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (node_id, target_id) DO UPDATE SET"
                  " detail = excluded.detail",
                  "iiti", v->node_id, v->target_id, v->detail, v->since_ms);
}

int db_drift_list(struct db *db, int64_t node_id, int64_t target_id, struct arena *a,
                  struct drift_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct drift_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ node_id, target_id, detail, since_ts FROM node_drifts"
                      " WHERE (?1 = 0 OR node_id = ?1) AND (?2 = 0 OR target_id = ?2)"
                      " ORDER BY node_id, target_id",
                      "ii", node_id, target_id);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct drift_row){.node_id = stmt_int(q, 0),
                                         .target_id = stmt_int(q, 1),
                                         .detail = arena_strdup(a, stmt_text(q, 2)),
                                         .since_ms = stmt_int(q, 3)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* --- operations ------------------------------------------------------------------------------- */

int db_node_ops(struct db *db, int64_t node_id, int64_t limit, struct arena *a,
                struct node_op **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_op *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT o.action, m.name, o.state, o.error_class, o.detail, o.rollout_id,"
                      " o.target_id, o.number, o.attempt, o.started_ts, o.deadline_ts,"
                      " COALESCE(o.ended_ts, 0) FROM node_ops o"
                      " JOIN targets t ON t.target_id = o.target_id"
                      " JOIN models m ON m.model_id = t.model_id WHERE o.node_id = ?1"
                      " ORDER BY o.started_ts DESC, o.attempt DESC LIMIT ?2",
                      "ii", node_id, limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct node_op){.action = arena_strdup(a, stmt_text(q, 0)),
                                       .model = arena_strdup(a, stmt_text(q, 1)),
                                       .state = arena_strdup(a, stmt_text(q, 2)),
                                       .error_class = arena_strdup(a, stmt_text(q, 3)),
                                       .detail = arena_strdup(a, stmt_text(q, 4)),
                                       .rollout_id = arena_strdup(a, stmt_text(q, 5)),
                                       .target_id = stmt_int(q, 6),
                                       .number = stmt_int(q, 7),
                                       .attempt = stmt_int(q, 8),
                                       .started_ms = stmt_int(q, 9),
                                       .deadline_ms = stmt_int(q, 10),
                                       .ended_ms = stmt_int(q, 11)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}
