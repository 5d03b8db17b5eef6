/*
 * SQL of what the controller watches: the fleet in one read, what was last seen of nodes, samples.
 * Must not know rules. Runs on the thread that uses the connection.
 */
#include "db_rollout.h"

static int read_envs(struct stmt *query, struct arena *a, struct watch_fleet *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    int rc = ERR_OK;
    bool row = true;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        out->envs = arena_grow(a, out->envs, out->n_envs, sizeof out->envs[0]);
        out->envs[out->n_envs++] = (struct watch_env){.env_id = stmt_int(q, 0),
                                                      .name = arena_strdup(a, stmt_text(q, 1)),
                                                      .policy = arena_strdup(a, stmt_text(q, 2))};
    }
    return rc;
}

static int read_nodes(struct stmt *query, struct arena *a, struct watch_fleet *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    int rc = ERR_OK;
    bool row = true;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        out->nodes = arena_grow(a, out->nodes, out->n_nodes, sizeof out->nodes[0]);
        out->nodes[out->n_nodes++] =
            (struct watch_node){.node_id = stmt_int(q, 0),
                                .env_id = stmt_int(q, 1),
                                .name = arena_strdup(a, stmt_text(q, 2)),
                                .driver = arena_strdup(a, stmt_text(q, 3)),
                                .admin_url = arena_strdup(a, stmt_text(q, 4)),
                                .infer_url = arena_strdup(a, stmt_text(q, 5)),
                                .metrics_url = arena_strdup(a, stmt_text(q, 6)),
                                .root = arena_strdup(a, stmt_text(q, 7)),
                                .cordon = arena_strdup(a, stmt_text(q, 8)),
                                .labels = arena_strdup(a, stmt_text(q, 9))};
    }
    return rc;
}

static struct watch_target read_target(struct stmt *q, struct arena *a)
{
    return (struct watch_target){.target_id = stmt_int(q, 0),
                                 .env_id = stmt_int(q, 1),
                                 .model_id = stmt_int(q, 2),
                                 .model = arena_strdup(a, stmt_text(q, 3)),
                                 .serve_as = arena_strdup(a, stmt_text(q, 4)),
                                 .policy = arena_strdup(a, stmt_text(q, 5)),
                                 .live = stmt_int(q, 6),
                                 .last_good = stmt_int(q, 7),
                                 .last_to = stmt_int(q, 8),
                                 .last_ended_ms = stmt_int(q, 9),
                                 .rollout_id = arena_strdup(a, stmt_text(q, 10)),
                                 .is_halted = stmt_int(q, 11) != 0};
}

static int read_targets(struct stmt *query, struct arena *a, struct watch_fleet *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    int rc = ERR_OK;
    bool row = true;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        out->targets = arena_grow(a, out->targets, out->n_targets, sizeof out->targets[0]);
        out->targets[out->n_targets++] = read_target(q, a);
    }
    return rc;
}

#define SELECT_ENVS "SELECT /*scan*/ env_id, name, policy FROM environments"
#define SELECT_NODES                                                       \
    "SELECT /*scan*/ node_id, env_id, name, driver, admin_url, infer_url," \
    " metrics_url, root, cordon, labels FROM nodes"
#define SELECT_TARGETS                                                                           \
    "SELECT /*scan*/ t.target_id, t.env_id, t.model_id, m.name, t.serve_as,"                     \
    " t.policy, COALESCE(t.live_number, 0), COALESCE(t.last_good_number, 0),"                    \
    " COALESCE((SELECT r.to_number FROM rollouts r"                                              \
    " WHERE r.target_id = t.target_id AND NOT EXISTS (SELECT 1 FROM rollout_queue w"             \
    " WHERE w.rollout_id = r.rollout_id) AND r.phase NOT IN ('rejected', 'cancelled')"           \
    " AND (r.phase <> 'superseded' OR r.fault IS NOT NULL) ORDER BY r.submitted_seq DESC LIMIT " \
    "1), 0),"                                                                                    \
    " COALESCE((SELECT MAX(d.ended_ts) FROM rollouts d WHERE d.target_id = t.target_id), 0),"    \
    " (SELECT x.rollout_id FROM rollouts x WHERE x.target_id = t.target_id"                      \
    " AND x.is_active = 1),"                                                                     \
    " COALESCE((SELECT CASE h.phase WHEN 'halted' THEN 1 ELSE 0 END FROM rollouts h"             \
    " WHERE h.target_id = t.target_id AND h.phase IN ('succeeded', 'rolled-back', 'halted')"     \
    " ORDER BY h.ended_ts DESC LIMIT 1), 0) FROM targets t JOIN models m ON m.model_id = "       \
    "t.model_id"

/* Statements are told apart by the address of their text, so each is spelled out here. */
static int query_all(struct db *db, struct stmt *q[3], struct err *e)
{
    int rc = db_query(db, &q[0], e, SELECT_ENVS " ORDER BY env_id", "");
    if (rc == ERR_OK)
        rc = db_query(db, &q[1], e, SELECT_NODES " ORDER BY env_id, node_id", "");
    if (rc == ERR_OK)
        rc = db_query(db, &q[2], e, SELECT_TARGETS " ORDER BY t.env_id, t.target_id", "");
    return rc;
}

static int query_env(struct db *db, int64_t env_id, struct stmt *q[3], struct err *e)
{
    int rc = db_query(db, &q[0], e, SELECT_ENVS " WHERE env_id = ?1", "i", env_id);
    if (rc == ERR_OK)
        rc =
            db_query(db, &q[1], e, SELECT_NODES " WHERE env_id = ?1 ORDER BY node_id", "i", env_id);
    if (rc == ERR_OK)
        rc = db_query(db, &q[2], e, SELECT_TARGETS " WHERE t.env_id = ?1 ORDER BY t.target_id", "i",
                      env_id);
    return rc;
}

int db_watch_fleet(struct db *db, int64_t env_id, struct arena *a, struct watch_fleet *out,
                   struct err *e)
{
    struct watch_fleet fleet = {0};
    struct stmt *q[3] = {NULL, NULL, NULL};
    int rc = env_id == 0 ? query_all(db, q, e) : query_env(db, env_id, q, e);
    if (rc == ERR_OK)
        rc = read_envs(q[0], a, &fleet, e);
    else
        stmt_done(q[0]);
    if (rc == ERR_OK)
        rc = read_nodes(q[1], a, &fleet, e);
    else
        stmt_done(q[1]);
    if (rc == ERR_OK)
        rc = read_targets(q[2], a, &fleet, e);
    else
        stmt_done(q[2]);
    if (rc == ERR_OK)
        *out = fleet;
    return rc;
}

int db_watch_target(struct db *db, int64_t target_id, struct arena *a, struct watch_target *out,
                    bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e, SELECT_TARGETS " WHERE t.target_id = ?1", "i", target_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = read_target(q, a);
    *found = row;
    return rc;
}

/* --- what is new --- */

int db_watch_rows(struct db *db, int64_t seq, struct arena *a, struct watch_row **out, size_t *n,
                  struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct watch_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT seq, kind, object FROM journal WHERE seq > ?1 ORDER BY seq LIMIT 100",
                      "i", seq);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct watch_row){.seq = stmt_int(q, 0),
                                         .kind = arena_strdup(a, stmt_text(q, 1)),
                                         .object = arena_strdup(a, stmt_text(q, 2))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_watch_last(struct db *db, int64_t *seq, struct err *e)
{
    return db_int(db, seq, NULL, e, "SELECT COALESCE(MAX(seq), 0) FROM journal", "");
}

int db_watch_place(struct db *db, const char *rollout_id, struct watch_place *out, bool *found,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT t.env_id, t.target_id FROM rollouts r"
                      " JOIN targets t ON t.target_id = r.target_id WHERE r.rollout_id = ?1",
                      "t", rollout_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = (struct watch_place){.env_id = stmt_int(q, 0), .target_id = stmt_int(q, 1)};
    *found = row;
    return rc;
}

int db_watch_commanded(struct db *db, int64_t seq, struct arena *a, struct watch_place **out,
                       size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct watch_place *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT DISTINCT t.env_id, t.target_id FROM rollout_commands c"
                      " JOIN rollouts r ON r.rollout_id = c.rollout_id"
                      " JOIN targets t ON t.target_id = r.target_id"
                      " WHERE c.command_seq > ?1",
                      "i", seq);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct watch_place){.env_id = stmt_int(q, 0), .target_id = stmt_int(q, 1)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* --- what was seen --- */

int db_node_views(struct db *db, int64_t env_id, struct arena *a, struct watch_view **out,
                  size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct watch_view *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT v.target_id, v.node_id, v.observed_ts, v.observation FROM nodes n"
                      " JOIN node_views v ON v.node_id = n.node_id"
                      " WHERE n.env_id = ?1 ORDER BY v.node_id, v.target_id",
                      "i", env_id);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct watch_view){.target_id = stmt_int(q, 0),
                                          .node_id = stmt_int(q, 1),
                                          .observed_ms = stmt_int(q, 2),
                                          .observation = arena_strdup(a, stmt_text(q, 3))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_node_view_put(struct db *db, const struct watch_view *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO node_views (node_id, target_id, observation, observed_ts)"
                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (node_id, target_id) DO UPDATE SET"
                  " observation = excluded.observation, observed_ts = excluded.observed_ts",
                  "iiti", v->node_id, v->target_id, v->observation, v->observed_ms);
}

int db_node_health(struct db *db, int64_t node_id, struct arena *a, struct watch_health *out,
                   bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc =
        db_query(db, &q, e,
                 "SELECT is_reachable, since_ts, observed_ts, detail, started_ts, restarted_ts,"
                 " n_restarts FROM node_health"
                 " WHERE node_id = ?1",
                 "i", node_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    *found = row;
    if (row)
        *out = (struct watch_health){.node_id = node_id,
                                     .is_reachable = stmt_int(q, 0) != 0,
                                     .since_ms = stmt_int(q, 1),
                                     .observed_ms = stmt_int(q, 2),
                                     .detail = arena_strdup(a, stmt_text(q, 3)),
                                     .started_ms = stmt_int(q, 4),
                                     .restarted_ms = stmt_int(q, 5),
                                     .n_restarts = stmt_int(q, 6)};
    return ERR_OK;
}

int db_node_health_put(struct db *db, const struct watch_health *h, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO node_health (node_id, is_reachable, since_ts, observed_ts, detail,"
                  " started_ts, restarted_ts, n_restarts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (node_id) DO UPDATE SET"
                  " is_reachable = excluded.is_reachable, since_ts = excluded.since_ts,"
                  " observed_ts = excluded.observed_ts, detail = excluded.detail,"
                  " started_ts = excluded.started_ts, restarted_ts = excluded.restarted_ts,"
                  " n_restarts = excluded.n_restarts",
                  "iiiitiii", h->node_id, (int64_t)h->is_reachable, h->since_ms, h->observed_ms,
                  h->detail, h->started_ms, h->restarted_ms, h->n_restarts);
}

int db_sample_put(struct db *db, const struct watch_sample *s, struct err *e)
{
    return db_run(
        db, e,
        "INSERT INTO samples (target_id, node_id, ts, n_success, n_failure, duration_us)"
        " VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (target_id, node_id, ts) DO NOTHING",
        "iiiiii", s->target_id, s->node_id, s->sample.ts_ms, s->sample.n_success,
        s->sample.n_failure, s->sample.duration_us);
}

int db_sample_last(struct db *db, int64_t target_id, int64_t node_id, struct sample *out,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    *out = (struct sample){0};
    int rc = db_query(db, &q, e,
                      "SELECT ts, n_success, n_failure, duration_us FROM samples"
                      " WHERE target_id = ?1 AND node_id = ?2 ORDER BY ts DESC LIMIT 1",
                      "ii", target_id, node_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = (struct sample){.ts_ms = stmt_int(q, 0),
                               .has_counters = true,
                               .n_success = stmt_int(q, 1),
                               .n_failure = stmt_int(q, 2),
                               .duration_us = stmt_int(q, 3)};
    return rc;
}

/* The last switch of each folder stays: what it shows is known by that. */
int db_watch_trim(struct db *db, int64_t before_ms, struct err *e)
{
    int rc = db_run(db, e, "DELETE /*scan*/ FROM samples WHERE ts < ?1", "i", before_ms);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "DELETE /*scan*/ FROM node_ops WHERE state <> 'open' AND ended_ts < ?1"
                    " AND (action <> ?2 OR EXISTS (SELECT 1 FROM node_ops newer"
                    " WHERE newer.target_id = node_ops.target_id"
                    " AND newer.node_id = node_ops.node_id"
                    " AND newer.started_ts > node_ops.started_ts"
                    " AND newer.action = ?2 AND newer.state = 'done'))",
                    "it", before_ms, op_action_name(OP_SWITCH));
    return rc;
}
