/*
 * SQL of queues, sets and overrides of rollouts. Must not know rules. Runs on the thread that uses
 * the connection.
 */
#include "db_queue.h"

int db_rollout_more(struct db *db, const char *id, struct arena *a, struct rollout_more *out,
                    struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT r.target_id, t.model_id, t.env_id, r.is_active, r.is_hotfix,"
                      " COALESCE((SELECT COUNT(*) FROM rollout_queue o JOIN rollout_queue me"
                      " ON me.target_id = o.target_id AND o.position <= me.position"
                      " WHERE me.rollout_id = r.rollout_id), 0), r.phase,"
                      " COALESCE(r.overrides, ''), r.set_id, r.fault, r.in_flight,"
                      " (SELECT x.rollout_id FROM rollouts x WHERE x.target_id = r.target_id"
                      " AND x.is_active = 1), COALESCE(t.live_number, 0)"
                      " FROM rollouts r JOIN targets t ON t.target_id = r.target_id"
                      " WHERE r.rollout_id = ?1",
                      "t", id);

    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no rollout \"%.100s\"", id);
    *out = (struct rollout_more){.target_id = stmt_int(q, 0),
                                 .model_id = stmt_int(q, 1),
                                 .env_id = stmt_int(q, 2),
                                 .is_active = stmt_int(q, 3) != 0,
                                 .is_hotfix = stmt_int(q, 4) != 0,
                                 .position = stmt_int(q, 5),
                                 .phase = arena_strdup(a, stmt_text(q, 6)),
                                 .overrides = arena_strdup(a, stmt_text(q, 7)),
                                 .set_id = arena_strdup(a, stmt_text(q, 8)),
                                 .fault = arena_strdup(a, stmt_text(q, 9)),
                                 .in_flight = arena_strdup(a, stmt_text(q, 10)),
                                 .active = arena_strdup(a, stmt_text(q, 11)),
                                 .live = stmt_int(q, 12)};
    return ERR_OK;
}

int db_queue_list(struct db *db, int64_t target_id, struct arena *a, struct queue_item **out,
                  size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct queue_item *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, r.kind, r.actor, r.reason, COALESCE(r.overrides, ''),"
                      " r.set_id, w.position, r.to_number, r.created_ts, r.is_hotfix"
                      " FROM rollout_queue w JOIN rollouts r ON r.rollout_id = w.rollout_id"
                      " WHERE w.target_id = ?1 ORDER BY w.position",
                      "i", target_id);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct queue_item){.id = arena_strdup(a, stmt_text(q, 0)),
                                          .kind = arena_strdup(a, stmt_text(q, 1)),
                                          .actor = arena_strdup(a, stmt_text(q, 2)),
                                          .reason = arena_strdup(a, stmt_text(q, 3)),
                                          .overrides = arena_strdup(a, stmt_text(q, 4)),
                                          .set_id = arena_strdup(a, stmt_text(q, 5)),
                                          .position = stmt_int(q, 6),
                                          .to = stmt_int(q, 7),
                                          .created_ms = stmt_int(q, 8),
                                          .is_hotfix = stmt_int(q, 9) != 0};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_queue_put(struct db *db, const char *id, int64_t target_id, int64_t position, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO rollout_queue (rollout_id, target_id, position)"
                  " VALUES (?1, ?2, ?3) ON CONFLICT (rollout_id) DO UPDATE SET"
                  " position = excluded.position",
                  "tii", id, target_id, position);
}

int db_queue_drop(struct db *db, const char *id, struct err *e)
{
    return db_run(db, e, "DELETE FROM rollout_queue WHERE rollout_id = ?1", "t", id);
}

int db_rollout_activate(struct db *db, const char *id, int64_t from, int64_t generation,
                        struct err *e)
{
    return db_run(db, e,
                  "UPDATE rollouts SET is_active = 1, phase = 'submitted',"
                  " from_number = NULLIF(?1, 0), generation = ?2 WHERE rollout_id = ?3",
                  "iit", from, generation, id);
}

int db_rollout_end_waiting(struct db *db, const char *id, const char *phase, int64_t ms,
                           struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE rollouts SET phase = ?1, ended_ts = ?2"
                    " WHERE rollout_id = ?3 AND is_active = 0 AND ended_ts IS NULL",
                    "tit", phase, ms, id);

    if (rc == ERR_OK && db_changes(db) != 1)
        return err_set(e, ERR_CONFLICT, "rollout %s does not wait any more", id);
    return rc;
}

int db_rollout_set_overrides(struct db *db, const char *id, const char *overrides, struct err *e)
{
    return db_run(db, e, "UPDATE rollouts SET overrides = ?1 WHERE rollout_id = ?2", "tt",
                  overrides, id);
}

int db_rollout_set_fault(struct db *db, const char *id, const char *fault, const char *in_flight,
                         struct err *e)
{
    return db_run(db, e,
                  "UPDATE rollouts SET fault = COALESCE(?1, fault),"
                  " in_flight = COALESCE(?2, in_flight) WHERE rollout_id = ?3",
                  "ttt", fault, in_flight, id);
}

int db_set_list(struct db *db, const char *set_id, struct arena *a, struct set_member **out,
                size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct set_member *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, m.name, v.name, r.phase, r.target_id, r.to_number,"
                      " r.is_active FROM rollouts r JOIN targets t ON t.target_id = r.target_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " JOIN environments v ON v.env_id = t.env_id"
                      " WHERE r.set_id = ?1 ORDER BY r.rollout_id",
                      "t", set_id);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct set_member){.id = arena_strdup(a, stmt_text(q, 0)),
                                          .model = arena_strdup(a, stmt_text(q, 1)),
                                          .env = arena_strdup(a, stmt_text(q, 2)),
                                          .phase = arena_strdup(a, stmt_text(q, 3)),
                                          .target_id = stmt_int(q, 4),
                                          .to = stmt_int(q, 5),
                                          .is_active = stmt_int(q, 6) != 0};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* Columns: rollout_id, model, actor, phase, kind, from, to, created, ended. */
static int read_flights(struct stmt *query, struct arena *a, struct flight_row **out, size_t *n,
                        struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    bool row = true;
    int rc = ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        *out = arena_grow(a, *out, *n, sizeof(**out));
        (*out)[(*n)++] = (struct flight_row){.id = arena_strdup(a, stmt_text(q, 0)),
                                             .model = arena_strdup(a, stmt_text(q, 1)),
                                             .actor = arena_strdup(a, stmt_text(q, 2)),
                                             .phase = arena_strdup(a, stmt_text(q, 3)),
                                             .kind = arena_strdup(a, stmt_text(q, 4)),
                                             .from = stmt_int(q, 5),
                                             .to = stmt_int(q, 6),
                                             .created_ms = stmt_int(q, 7),
                                             .ended_ms = stmt_int(q, 8)};
    }
    return rc;
}

int db_in_flight(struct db *db, const struct flight_query *query, struct arena *a,
                 struct flight_row **out, size_t *n, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, m.name, r.actor, r.phase, r.kind,"
                      " COALESCE(r.from_number, 0), r.to_number, r.created_ts, 0"
                      " FROM targets t JOIN rollouts r ON r.target_id = t.target_id"
                      " AND r.is_active = 1 JOIN models m ON m.model_id = t.model_id"
                      " WHERE t.env_id = ?1 AND r.rollout_id <> ?2"
                      " ORDER BY r.submitted_seq DESC LIMIT 20",
                      "it", query->env_id, query->but);

    *out = NULL;
    *n = 0;
    if (rc == ERR_OK)
        rc = read_flights(q, a, out, n, e);
    if (rc == ERR_OK)
        rc = db_query(db, &q, e,
                      "SELECT r.rollout_id, m.name, r.actor, r.phase, r.kind,"
                      " COALESCE(r.from_number, 0), r.to_number, r.created_ts, r.ended_ts"
                      " FROM rollouts r CROSS JOIN targets t ON t.target_id = r.target_id"
                      " AND t.env_id = ?1 JOIN models m ON m.model_id = t.model_id"
                      " WHERE r.phase = 'succeeded' AND r.ended_ts > ?2 AND r.rollout_id <> ?3"
                      " ORDER BY r.ended_ts DESC LIMIT 20",
                      "iit", query->env_id, query->since_ms, query->but);
    return rc == ERR_OK ? read_flights(q, a, out, n, e) : rc;
}

int db_target_brief(struct db *db, int64_t target_id, struct arena *a, struct target_brief *out,
                    struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT t.env_id, t.model_id, t.generation, COALESCE(t.live_number, 0),"
                      " COALESCE(t.last_good_number, 0), v.name, m.name, t.serve_as,"
                      " (SELECT r.rollout_id FROM rollouts r WHERE r.target_id = t.target_id"
                      " AND r.is_active = 1) FROM targets t"
                      " JOIN environments v ON v.env_id = t.env_id"
                      " JOIN models m ON m.model_id = t.model_id WHERE t.target_id = ?1",
                      "i", target_id);

    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc != ERR_OK)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no such target");
    *out = (struct target_brief){.target_id = target_id,
                                 .env_id = stmt_int(q, 0),
                                 .model_id = stmt_int(q, 1),
                                 .generation = stmt_int(q, 2),
                                 .live = stmt_int(q, 3),
                                 .last_good = stmt_int(q, 4),
                                 .env = arena_strdup(a, stmt_text(q, 5)),
                                 .model = arena_strdup(a, stmt_text(q, 6)),
                                 .serve_as = arena_strdup(a, stmt_text(q, 7)),
                                 .rollout = arena_strdup(a, stmt_text(q, 8))};
    return ERR_OK;
}

int db_target_mark(struct db *db, int64_t target_id, struct arena *a, struct target_mark *out,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT generation, changed_ts, changed_by, changed_how FROM targets"
                      " WHERE target_id = ?1",
                      "i", target_id);

    *out = (struct target_mark){0};
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = (struct target_mark){.generation = stmt_int(q, 0),
                                    .ms = stmt_int(q, 1),
                                    .by = arena_strdup(a, stmt_text(q, 2)),
                                    .how = arena_strdup(a, stmt_text(q, 3))};
    return rc;
}

int db_target_raise(struct db *db, int64_t target_id, const struct target_mark *mark, struct err *e)
{
    return db_run(db, e,
                  "UPDATE targets SET generation = ?1, changed_ts = ?2, changed_by = ?3,"
                  " changed_how = ?4 WHERE target_id = ?5",
                  "iitti", mark->generation, mark->ms, mark->by, mark->how, target_id);
}

int db_ended_list(struct db *db, int64_t target_id, int64_t since_ms, struct arena *a,
                  struct ended_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct ended_row *list = NULL;
    size_t len = 0;
    int rc =
        db_query(db, &q, e,
                 "SELECT rollout_id, phase FROM rollouts WHERE target_id = ?1 AND ended_ts > ?2"
                 " ORDER BY ended_ts DESC, submitted_seq DESC LIMIT 50",
                 "ii", target_id, since_ms);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct ended_row){.id = arena_strdup(a, stmt_text(q, 0)),
                                         .phase = arena_strdup(a, stmt_text(q, 1))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}
