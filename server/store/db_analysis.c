/*
 * SQL of judging: its state per rollout, the intervals and values it was made of, posted metrics.
 * Must not know rules. Runs on the thread that uses the connection.
 */
#include "db_analysis.h"

int db_analysis_get(struct db *db, const char *rollout_id, struct arena *a, const char **document,
                    struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc =
        db_query(db, &q, e, "SELECT document FROM analyses WHERE rollout_id = ?1", "t", rollout_id);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK)
        *document = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    return rc;
}

int db_analysis_put(struct db *db, const char *rollout_id, const char *document, int64_t now_ms,
                    struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO analyses (rollout_id, document, updated_ts) VALUES (?1, ?2, ?3)"
                  " ON CONFLICT (rollout_id) DO UPDATE SET document = excluded.document,"
                  " updated_ts = excluded.updated_ts",
                  "tti", rollout_id, document, now_ms);
}

int db_interval_put(struct db *db, const char *rollout_id, const struct analysis_interval *in,
                    struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO analysis_intervals (rollout_id, gate, ts, kind, n_merged, is_rough,"
                  " n_canary, bad_canary, n_base, bad_base)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)"
                  " ON CONFLICT (rollout_id, gate, ts, kind) DO NOTHING",
                  "tiiiiiiiii", rollout_id, (int64_t)in->gate, in->ts_ms, (int64_t)in->kind,
                  in->n_merged, (int64_t)in->is_rough, in->in.n_canary, in->in.bad_canary,
                  in->in.n_base, in->in.bad_base);
}

int db_intervals(struct db *db, const char *rollout_id, int gate, int64_t limit, struct arena *a,
                 struct analysis_interval **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct analysis_interval *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT ts, kind, n_merged, is_rough, n_canary, bad_canary, n_base, bad_base"
                      " FROM analysis_intervals WHERE rollout_id = ?1 AND gate = ?2"
                      " ORDER BY ts, kind LIMIT ?3",
                      "tii", rollout_id, (int64_t)gate, limit);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct analysis_interval){
            .gate = gate,
            .ts_ms = stmt_int(q, 0),
            .kind = (enum interval_kind)stmt_int(q, 1),
            .n_merged = stmt_int(q, 2),
            .is_rough = stmt_int(q, 3) != 0,
            .in = {stmt_int(q, 4), stmt_int(q, 5), stmt_int(q, 6), stmt_int(q, 7)}};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_value_put(struct db *db, const char *rollout_id, const struct analysis_value *v,
                 struct err *e)
{
    if (!v->has_value)
        return db_run(db, e,
                      "INSERT INTO analysis_values (rollout_id, gate, ts, kind, n_merged)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)"
                      " ON CONFLICT (rollout_id, gate, ts, kind) DO NOTHING",
                      "tiiii", rollout_id, (int64_t)v->gate, v->ts_ms, (int64_t)v->is_restart,
                      v->n_merged);
    return db_run(db, e,
                  "INSERT INTO analysis_values (rollout_id, gate, ts, kind, n_merged, value_micro)"
                  " VALUES (?1, ?2, ?3, 0, ?4, ?5)"
                  " ON CONFLICT (rollout_id, gate, ts, kind) DO NOTHING",
                  "tiiii", rollout_id, (int64_t)v->gate, v->ts_ms, v->n_merged, v->value_micro);
}

int db_values(struct db *db, const char *rollout_id, int gate, int64_t limit, struct arena *a,
              struct analysis_value **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct analysis_value *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT ts, value_micro, kind, n_merged FROM analysis_values"
                      " WHERE rollout_id = ?1 AND gate = ?2 ORDER BY ts, kind LIMIT ?3",
                      "tii", rollout_id, (int64_t)gate, limit);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct analysis_value){.gate = gate,
                                              .ts_ms = stmt_int(q, 0),
                                              .has_value = !stmt_is_null(q, 1),
                                              .value_micro = stmt_int(q, 1),
                                              .is_restart = stmt_int(q, 2) != 0,
                                              .n_merged = stmt_int(q, 3)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_intervals_drop(struct db *db, const char *rollout_id, int gate, int64_t until_ms,
                      struct err *e)
{
    return db_run(db, e,
                  "DELETE FROM analysis_intervals WHERE rollout_id = ?1 AND gate = ?2 AND ts <= ?3",
                  "tii", rollout_id, (int64_t)gate, until_ms);
}

int db_values_drop(struct db *db, const char *rollout_id, int gate, int64_t until_ms, struct err *e)
{
    return db_run(db, e,
                  "DELETE FROM analysis_values WHERE rollout_id = ?1 AND gate = ?2 AND ts <= ?3",
                  "tii", rollout_id, (int64_t)gate, until_ms);
}

int db_analysis_count(struct db *db, const char *rollout_id, int n_gates, int64_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT gate, count(*) FROM analysis_intervals WHERE rollout_id = ?1"
                      " GROUP BY gate UNION ALL SELECT gate, count(*) FROM analysis_values"
                      " WHERE rollout_id = ?1 GROUP BY gate",
                      "t", rollout_id);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        int64_t gate = stmt_int(q, 0);
        if (gate >= 0 && gate < n_gates)
            n[gate] += stmt_int(q, 1);
    }
    return rc;
}

int db_window_put(struct db *db, const struct window_slice *s, int64_t before_ms, struct err *e)
{
    int rc = db_run(db, e,
                    "INSERT INTO target_windows (target_id, ts, width_ms, document)"
                    " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (target_id, ts) DO UPDATE SET"
                    " width_ms = excluded.width_ms, document = excluded.document",
                    "iiit", s->target_id, s->ts_ms, s->width_ms, s->document);
    if (rc != ERR_OK)
        return rc;
    return db_run(db, e, "DELETE FROM target_windows WHERE target_id = ?1 AND ts < ?2", "ii",
                  s->target_id, before_ms);
}

int db_windows(struct db *db, int (*take)(void *ctx, const struct window_slice *s, struct err *e),
               void *ctx, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ target_id, ts, width_ms, document FROM target_windows"
                      " ORDER BY target_id, ts",
                      "");
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        struct window_slice s = {.target_id = stmt_int(q, 0),
                                 .ts_ms = stmt_int(q, 1),
                                 .width_ms = stmt_int(q, 2),
                                 .document = stmt_text(q, 3)};
        rc = take(ctx, &s, e);
        row = rc == ERR_OK;
    }
    return rc;
}

int db_metric_put(struct db *db, const struct metric_point *p, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO metric_points (target_id, number, name, node, ts, value_micro,"
                  " actor) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                  "iittiit", p->target_id, p->number, p->name, p->node, p->ts_ms, p->value_micro,
                  p->actor);
}

int db_metrics(struct db *db, const struct metric_point *which, int64_t after, int64_t limit,
               struct arena *a, struct metric_point **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct metric_point *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT point_id, node, ts, value_micro, actor FROM metric_points"
                      " WHERE target_id = ?1 AND number = ?2 AND name = ?3 AND point_id > ?4"
                      " ORDER BY point_id LIMIT ?5",
                      "iitii", which->target_id, which->number, which->name, after, limit);
    bool row = rc == ERR_OK;
    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof list[0]);
        list[len++] = (struct metric_point){.point_id = stmt_int(q, 0),
                                            .target_id = which->target_id,
                                            .number = which->number,
                                            .name = which->name,
                                            .node = arena_strdup(a, stmt_text(q, 1)),
                                            .ts_ms = stmt_int(q, 2),
                                            .value_micro = stmt_int(q, 3),
                                            .actor = arena_strdup(a, stmt_text(q, 4))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_analysis_trim(struct db *db, int64_t before_ms, struct err *e)
{
    int rc = db_run(db, e,
                    "DELETE FROM analysis_intervals WHERE rollout_id IN"
                    " (SELECT rollout_id FROM analyses WHERE updated_ts < ?1)",
                    "i", before_ms);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "DELETE FROM analysis_values WHERE rollout_id IN"
                    " (SELECT rollout_id FROM analyses WHERE updated_ts < ?1)",
                    "i", before_ms);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM analyses WHERE updated_ts < ?1", "i", before_ms);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM metric_points WHERE ts < ?1", "i", before_ms);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM target_windows WHERE ts < ?1", "i", before_ms);
    return rc;
}
