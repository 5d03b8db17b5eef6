/*
 * SQL of what holds rollouts from outside: freezes and stop-the-line, quarantined versions, failed
 * rollouts of an environment, how long a version was live elsewhere. Rows as plain data in the
 * caller's arena; no rules here. All functions run on the thread that uses the connection; those
 * that write need the writer's connection. Besides the codes named, every function returns the
 * errors of store.h.
 */
#ifndef MREG_DB_LIMITS_H
#define MREG_DB_LIMITS_H

#include "store.h"

struct freeze_row {
    const char *id, *kind;               /* "freeze" or "stop" */
    const char *env, *model;             /* NULL: all */
    int64_t env_id, model_id;            /* 0: all */
    int64_t from_ms, until_ms;           /* 0: open */
    const char *weekly, *reason, *actor; /* weekly may be NULL */
    int64_t created_seq, created_ms;
};
/* All of them, oldest first, in arena. */
MUST_USE int db_freeze_list(struct db *db, struct arena *a, struct freeze_row **out, size_t *n,
                            struct err *e);
MUST_USE int db_freeze_get(struct db *db, const char *id, struct arena *a, struct freeze_row *out,
                           bool *found, struct err *e);
/* Uses everything but env and model. */
MUST_USE int db_freeze_insert(struct db *db, const struct freeze_row *v, struct err *e);
MUST_USE int db_freeze_delete(struct db *db, const char *id, struct err *e);

struct quarantine_row {
    int64_t target_id, number, since_ms;
    const char *env, *model, *rollout, *cause;
};
/* Versions of a target, or of all targets of an environment (target_id 0), in arena. */
MUST_USE int db_quarantine_list(struct db *db, int64_t env_id, int64_t target_id, struct arena *a,
                                struct quarantine_row **out, size_t *n, struct err *e);
/* rollout NULL: it is not in quarantine. */
MUST_USE int db_quarantine_get(struct db *db, int64_t target_id, int64_t number, struct arena *a,
                               struct quarantine_row *out, struct err *e);
/* Uses target_id, number, rollout, cause, since_ms. Once in quarantine, the first cause stays. */
MUST_USE int db_quarantine_put(struct db *db, const struct quarantine_row *v, struct err *e);
MUST_USE int db_quarantine_drop(struct db *db, int64_t target_id, int64_t number, struct err *e);

/* Rollouts of an environment that were rolled back since then by the version's or the nodes' fault,
 * oldest first, in arena. */
struct failure_row {
    const char *id, *model;
    int64_t to, ended_ms;
};
MUST_USE int db_failures(struct db *db, int64_t env_id, int64_t since_ms, struct arena *a,
                         struct failure_row **out, size_t *n, struct err *e);

/* When versions of a model went live in an environment, oldest first, in arena. */
struct live_row {
    int64_t number, since_ms;
};
MUST_USE int db_live_list(struct db *db, const char *env, int64_t model_id, struct arena *a,
                          struct live_row **out, size_t *n, struct err *e);
/* The version that was live there without a rollout, before the first one: it was adopted. number
 * 0: there is none. alias_path: of the environment's alias in the history. */
MUST_USE int db_live_adopted(struct db *db, const char *env, int64_t model_id,
                             const char *alias_path, struct live_row *out, struct err *e);

/* How long operations of an action took in an environment: the middle of the newest that were done
 * (at most 50); *n_seen is how many. */
MUST_USE int db_op_typical_ms(struct db *db, int64_t env_id, const char *action, int64_t *ms,
                              int64_t *n_seen, struct err *e);

/* Requests for a target per node since then, and over how long they were counted, in arena. */
struct rate_row {
    int64_t node_id, n_requests, span_ms;
};
MUST_USE int db_rates(struct db *db, int64_t target_id, int64_t since_ms, struct arena *a,
                      struct rate_row **out, size_t *n, struct err *e);

#endif
