/*
 * SQL of targets and of the submission of rollouts. Must not know rules. Runs on the thread that
 * uses the connection.
 */
#include "db_fleet.h"

/* Columns: target_id, env_id, model_id, env, model, serve_as, policy, env's policy, generation,
 * live, last good, created_seq, created_ts, active rollout. */
static struct target_row read_target(struct stmt *q, struct arena *a)
{
    return (struct target_row){.target_id = stmt_int(q, 0),
                               .env_id = stmt_int(q, 1),
                               .model_id = stmt_int(q, 2),
                               .env = arena_strdup(a, stmt_text(q, 3)),
                               .model = arena_strdup(a, stmt_text(q, 4)),
                               .serve_as = arena_strdup(a, stmt_text(q, 5)),
                               .policy = arena_strdup(a, stmt_text(q, 6)),
                               .env_policy = arena_strdup(a, stmt_text(q, 7)),
                               .generation = stmt_int(q, 8),
                               .live = stmt_int(q, 9),
                               .last_good = stmt_int(q, 10),
                               .created_seq = stmt_int(q, 11),
                               .created_ms = stmt_int(q, 12),
                               .rollout = arena_strdup(a, stmt_text(q, 13))};
}

int db_target_find(struct db *db, const char *env, const char *model, struct arena *a,
                   struct target_row *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT t.target_id, t.env_id, t.model_id, v.name, m.name, t.serve_as,"
                      " t.policy, v.policy, t.generation, COALESCE(t.live_number, 0),"
                      " COALESCE(t.last_good_number, 0), t.created_seq, t.created_ts,"
                      " (SELECT r.rollout_id FROM rollouts r WHERE r.target_id = t.target_id"
                      " AND r.is_active = 1)"
                      " FROM environments v JOIN models m ON m.name = ?2"
                      " JOIN targets t ON t.env_id = v.env_id AND t.model_id = m.model_id"
                      " WHERE v.name = ?1",
                      "tt", env, model);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_target(q, a);
    return rc;
}

int db_target_page(struct db *db, const char *env, const char *after, int64_t limit,
                   struct arena *a, struct target_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct target_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT t.target_id, t.env_id, t.model_id, v.name, m.name, t.serve_as,"
                      " t.policy, v.policy, t.generation, COALESCE(t.live_number, 0),"
                      " COALESCE(t.last_good_number, 0), t.created_seq, t.created_ts,"
                      " (SELECT r.rollout_id FROM rollouts r WHERE r.target_id = t.target_id"
                      " AND r.is_active = 1)"
                      " FROM environments v JOIN targets t ON t.env_id = v.env_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " WHERE v.name = ?1 AND m.name > ?2 ORDER BY m.name LIMIT ?3",
                      "tti", env, after, limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_target(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_target_insert(struct db *db, const struct target_row *v, int64_t *target_id, struct err *e)
{
    return db_int(db, target_id, NULL, e,
                  "INSERT INTO targets (env_id, model_id, serve_as, policy, created_seq,"
                  " created_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6) RETURNING target_id",
                  "iittii", v->env_id, v->model_id, v->serve_as, v->policy, v->created_seq,
                  v->created_ms);
}

int db_target_update(struct db *db, const struct target_row *v, struct err *e)
{
    return db_run(db, e, "UPDATE targets SET serve_as = ?1, policy = ?2 WHERE target_id = ?3",
                  "tti", v->serve_as, v->policy, v->target_id);
}

int db_target_set_generation(struct db *db, int64_t target_id, int64_t generation, struct err *e)
{
    return db_run(db, e, "UPDATE targets SET generation = ?1 WHERE target_id = ?2", "ii",
                  generation, target_id);
}

int db_target_served(struct db *db, int64_t env_id, const char *serve_as, struct arena *a,
                     const char **model, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT m.name FROM targets t JOIN models m ON m.model_id = t.model_id"
                      " WHERE t.env_id = ?1 AND t.serve_as = ?2",
                      "it", env_id, serve_as);

    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK)
        *model = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    return rc;
}

int db_target_before(struct db *db, int64_t target_id, int64_t number, int64_t *before,
                     struct err *e)
{
    *before = 0;
    return db_int(db, before, NULL, e,
                  "SELECT COALESCE(from_number, 0) FROM rollouts WHERE target_id = ?1"
                  " AND to_number = ?2 AND kind = 'promote' AND phase = 'succeeded'"
                  " ORDER BY submitted_seq DESC LIMIT 1",
                  "ii", target_id, number);
}

int db_target_brought(struct db *db, int64_t target_id, int64_t number, struct arena *a,
                      const char **rollout, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT rollout_id FROM rollouts WHERE target_id = ?1 AND to_number = ?2"
                      " AND phase = 'succeeded' ORDER BY submitted_seq DESC LIMIT 1",
                      "ii", target_id, number);

    *rollout = NULL;
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *rollout = arena_strdup(a, stmt_text(q, 0));
    return rc;
}

int db_target_was_live(struct db *db, int64_t target_id, int64_t number, bool *yes, struct err *e)
{
    int64_t one;

    return db_int(db, &one, yes, e,
                  "SELECT 1 FROM rollouts WHERE target_id = ?1"
                  " AND (from_number = ?2 OR (to_number = ?2 AND phase = 'succeeded')) LIMIT 1",
                  "ii", target_id, number);
}

int db_rollout_insert(struct db *db, const struct rollout_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO rollouts (rollout_id, target_id, from_number, to_number, kind,"
                  " strategy, actor, reason, phase, is_active, generation, submitted_seq,"
                  " created_ts, overrides, set_id, is_hotfix) VALUES (?1, ?2, NULLIF(?3, 0), ?4,"
                  " ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
                  "tiiitttttiiiitti", v->rollout_id, v->target_id, v->from, v->to, v->kind,
                  v->strategy, v->actor, v->reason, v->waits ? "queued" : "submitted",
                  (int64_t)!v->waits, v->generation, v->submitted_seq, v->created_ms, v->overrides,
                  v->set_id, (int64_t)v->is_hotfix);
}

int db_command_insert(struct db *db, const struct command_put *c, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO rollout_commands (rollout_id, verb, actor, reason, expected_step,"
                  " expected_generation, arg, ts) VALUES (?1, ?2, ?3, ?4, NULLIF(?5, 0),"
                  " NULLIF(?6, 0), ?7, ?8)",
                  "ttttiiii", c->rollout_id, c->verb, c->actor, c->reason, c->expected_step,
                  c->expected_generation, c->arg, c->ms);
}

int db_command_newest(struct db *db, const char *rollout_id, struct arena *a,
                      struct command_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT verb, actor, ts FROM rollout_commands WHERE rollout_id = ?1"
                      " ORDER BY command_seq DESC LIMIT 1",
                      "t", rollout_id);

    *out = (struct command_row){0};
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = (struct command_row){.verb = arena_strdup(a, stmt_text(q, 0)),
                                    .actor = arena_strdup(a, stmt_text(q, 1)),
                                    .ms = stmt_int(q, 2)};
    return rc;
}

/* Rollouts that have not ended come from an index of their own. */
static int open_rollouts(struct db *db, const struct rollout_query *query, struct stmt **q,
                         struct err *e)
{
    return db_query(db, q, e,
                    "SELECT r.rollout_id, m.name, r.submitted_seq FROM rollouts r"
                    " CROSS JOIN targets t ON t.target_id = r.target_id"
                    " CROSS JOIN models m ON m.model_id = t.model_id"
                    " CROSS JOIN environments v ON v.env_id = t.env_id"
                    " WHERE r.ended_ts IS NULL AND r.submitted_seq < ?1"
                    " AND (?2 IS NULL OR v.name = ?2) AND (?3 IS NULL OR m.name = ?3)"
                    " AND (?4 = 0 OR r.is_active = 1) AND (?6 = 0 OR EXISTS (SELECT 1"
                    " FROM rollout_queue q WHERE q.rollout_id = r.rollout_id))"
                    " ORDER BY r.submitted_seq DESC LIMIT ?5",
                    "ittiii", query->below, query->env, query->model, (int64_t)query->is_active,
                    query->limit, (int64_t)query->is_queued);
}

static int rollouts_of_model(struct db *db, const struct rollout_query *query, struct stmt **q,
                             struct err *e)
{
    return db_query(db, q, e,
                    "SELECT r.rollout_id, m.name, r.submitted_seq FROM models m"
                    " CROSS JOIN targets t ON t.model_id = m.model_id"
                    " CROSS JOIN environments v ON v.env_id = t.env_id"
                    " CROSS JOIN rollouts r ON r.target_id = t.target_id"
                    " WHERE m.name = ?3 AND (?2 IS NULL OR v.name = ?2)"
                    " AND r.submitted_seq < ?1 ORDER BY r.submitted_seq DESC LIMIT ?4",
                    "itti", query->below, query->env, query->model, query->limit);
}

static int all_rollouts(struct db *db, const struct rollout_query *query, struct stmt **q,
                        struct err *e)
{
    return db_query(db, q, e,
                    "SELECT r.rollout_id, m.name, r.submitted_seq FROM rollouts r"
                    " CROSS JOIN targets t ON t.target_id = r.target_id"
                    " CROSS JOIN models m ON m.model_id = t.model_id"
                    " WHERE r.submitted_seq < ?1 AND (?2 IS NULL OR r.target_id IN"
                    " (SELECT x.target_id FROM environments v JOIN targets x"
                    " ON x.env_id = v.env_id WHERE v.name = ?2))"
                    " ORDER BY r.submitted_seq DESC LIMIT ?3",
                    "iti", query->below, query->env, query->limit);
}

int db_rollout_page(struct db *db, const struct rollout_query *query, struct arena *a,
                    struct rollout_id **out, size_t *n, struct err *e)
{
    bool is_open = query->is_open || query->is_active || query->is_queued;
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct rollout_id *list = NULL;
    size_t len = 0;
    int rc = is_open        ? open_rollouts(db, query, &q, e)
             : query->model ? rollouts_of_model(db, query, &q, e)
                            : all_rollouts(db, query, &q, e);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct rollout_id){.id = arena_strdup(a, stmt_text(q, 0)),
                                          .model = arena_strdup(a, stmt_text(q, 1)),
                                          .seq = stmt_int(q, 2)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}
