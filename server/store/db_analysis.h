/*
 * SQL of judging: its state per rollout, the intervals and values it was made of, posted metrics.
 * Rows as plain data in the caller's arena; no rules here. All functions run on the thread that
 * uses the connection; those that write need the writer's connection (tx_db). Besides the codes
 * named, every function returns the errors of store.h.
 */
#ifndef MREG_DB_ANALYSIS_H
#define MREG_DB_ANALYSIS_H

#include "sequential.h"
#include "store.h"

/* The state of a rollout's judging as JSON text. *document: in arena, NULL when nothing was judged
 * yet. */
MUST_USE int db_analysis_get(struct db *db, const char *rollout_id, struct arena *a,
                             const char **document, struct err *e);
MUST_USE int db_analysis_put(struct db *db, const char *rollout_id, const char *document,
                             int64_t now_ms, struct err *e);

/* In the order of rows of one time. */
enum interval_kind {
    INTERVAL_BEFORE,  /* counted before the rollout */
    INTERVAL_RESTART, /* no counts: evidence begins anew here */
    INTERVAL_JUDGED
};
struct analysis_interval {
    int gate;
    int64_t ts_ms;
    enum interval_kind kind;
    struct seq_interval in;
    int64_t n_merged; /* of how many it is the sum: 1 or more */
    bool is_rough;    /* their shares of the traffic differed */
};
/* A second one of the same gate, time and kind changes nothing. */
MUST_USE int db_interval_put(struct db *db, const char *rollout_id,
                             const struct analysis_interval *in, struct err *e);
/* Those of one gate by time, at most the first `limit`, in arena. */
MUST_USE int db_intervals(struct db *db, const char *rollout_id, int gate, int64_t limit,
                          struct arena *a, struct analysis_interval **out, size_t *n,
                          struct err *e);
/* Removes those of one gate up to until_ms. */
MUST_USE int db_intervals_drop(struct db *db, const char *rollout_id, int gate, int64_t until_ms,
                               struct err *e);

struct analysis_value {
    int gate;
    int64_t ts_ms;
    bool is_restart; /* no answer: the gate begins anew after it, and after those of its time */
    bool has_value;
    int64_t value_micro;
    int64_t n_merged; /* for how many answers it stands: 1 or more */
};
MUST_USE int db_value_put(struct db *db, const char *rollout_id, const struct analysis_value *v,
                          struct err *e);
MUST_USE int db_values(struct db *db, const char *rollout_id, int gate, int64_t limit,
                       struct arena *a, struct analysis_value **out, size_t *n, struct err *e);
MUST_USE int db_values_drop(struct db *db, const char *rollout_id, int gate, int64_t until_ms,
                            struct err *e);
/* How many rows of intervals and values each gate has: adds to n[gate] for gates below n_gates. */
MUST_USE int db_analysis_count(struct db *db, const char *rollout_id, int n_gates, int64_t *n,
                               struct err *e);

/* One slice of a target's window as text. */
struct window_slice {
    int64_t target_id;
    int64_t ts_ms; /* its end */
    int64_t width_ms;
    const char *document;
};
/* Stores a slice and removes those of its target that ended before before_ms. */
MUST_USE int db_window_put(struct db *db, const struct window_slice *s, int64_t before_ms,
                           struct err *e);
/* All slices, by target and time, each handed to take (which returns an error to stop; what is in
 * the slice is valid during the call). */
MUST_USE int db_windows(struct db *db,
                        int (*take)(void *ctx, const struct window_slice *s, struct err *e),
                        void *ctx, struct err *e);

struct metric_point {
    int64_t point_id; /* 0: new */
    int64_t target_id, number;
    const char *name, *node; /* node "": all */
    int64_t ts_ms, value_micro;
    const char *actor;
};
MUST_USE int db_metric_put(struct db *db, const struct metric_point *p, struct err *e);
/* Points of a metric that were stored after point `after`, by time of storing, at most the first
 * `limit`, in arena. Uses target_id, number and name of *which. */
MUST_USE int db_metrics(struct db *db, const struct metric_point *which, int64_t after,
                        int64_t limit, struct arena *a, struct metric_point **out, size_t *n,
                        struct err *e);

/* Removes states, intervals and values of rollouts that were judged last before before_ms, and
 * metrics and slices of windows older than that. */
MUST_USE int db_analysis_trim(struct db *db, int64_t before_ms, struct err *e);

#endif
