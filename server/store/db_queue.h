/*
 * SQL of what decides whose turn it is: the queue of a target, sets of rollouts, overrides, and
 * who changed a target last. Rows as plain data in the caller's arena; no rules here. All functions
 * run on the thread that uses the connection; those that write need the writer's connection.
 * Besides the codes named, every function returns the errors of store.h.
 */
#ifndef MREG_DB_QUEUE_H
#define MREG_DB_QUEUE_H

#include "store.h"

/* What a rollout's row holds besides its record. */
struct rollout_more {
    int64_t target_id, model_id, env_id;
    bool is_active, is_hotfix;
    int64_t position;      /* in the queue, from 1; 0: it does not wait there */
    const char *phase;     /* as of the last fact */
    const char *overrides; /* "freeze,budget", or "" */
    const char *set_id;    /* NULL: it moves by itself */
    const char *fault;     /* NULL: none */
    const char *in_flight; /* JSON list of the others when it failed, or NULL */
    const char *active;    /* the active rollout of the target, or NULL */
    int64_t live;          /* version of the target; 0: none */
};
/* In arena. ERR_NOT_FOUND. */
MUST_USE int db_rollout_more(struct db *db, const char *id, struct arena *a,
                             struct rollout_more *out, struct err *e);

struct queue_item {
    const char *id, *kind, *actor, *reason; /* reason may be NULL */
    const char *overrides, *set_id;         /* set_id may be NULL */
    int64_t position;                       /* as stored: any numbers, ascending */
    int64_t to, created_ms;
    bool is_hotfix;
};
/* Who waits for the target, next first, in arena. */
MUST_USE int db_queue_list(struct db *db, int64_t target_id, struct arena *a,
                           struct queue_item **out, size_t *n, struct err *e);
MUST_USE int db_queue_put(struct db *db, const char *id, int64_t target_id, int64_t position,
                          struct err *e);
MUST_USE int db_queue_drop(struct db *db, const char *id, struct err *e);
/* The rollout begins: active, from this version, with this generation. */
MUST_USE int db_rollout_activate(struct db *db, const char *id, int64_t from, int64_t generation,
                                 struct err *e);
/* The record of a rollout that never was active ends. ERR_CONFLICT: it ended or is active. */
MUST_USE int db_rollout_end_waiting(struct db *db, const char *id, const char *phase, int64_t ms,
                                    struct err *e);

struct ended_row {
    const char *id, *phase;
};
/* The newest rollouts of the target that ended after a time (ms), newest first, in arena. */
MUST_USE int db_ended_list(struct db *db, int64_t target_id, int64_t since_ms, struct arena *a,
                           struct ended_row **out, size_t *n, struct err *e);

/* Sets what it passes over. */
MUST_USE int db_rollout_set_overrides(struct db *db, const char *id, const char *overrides,
                                      struct err *e);
/* Whose failure it was, and what else was under way (both may be NULL: unchanged). */
MUST_USE int db_rollout_set_fault(struct db *db, const char *id, const char *fault,
                                  const char *in_flight, struct err *e);

/* Members of a set, in arena, by submission. */
struct set_member {
    const char *id, *model, *env, *phase;
    int64_t target_id, to;
    bool is_active;
};
MUST_USE int db_set_list(struct db *db, const char *set_id, struct arena *a,
                         struct set_member **out, size_t *n, struct err *e);
/* Rollouts of an environment but one that are active, or that succeeded after since_ms, newest
 * first, in arena. */
struct flight_row {
    const char *id, *model, *actor, *phase, *kind;
    int64_t from, to, created_ms, ended_ms; /* ended_ms 0: active */
};
struct flight_query {
    int64_t env_id, since_ms;
    const char *but;
};
MUST_USE int db_in_flight(struct db *db, const struct flight_query *query, struct arena *a,
                          struct flight_row **out, size_t *n, struct err *e);

/* A target by its id, in arena. ERR_NOT_FOUND. */
struct target_brief {
    int64_t target_id, env_id, model_id, generation;
    int64_t live, last_good; /* 0: none */
    const char *env, *model, *serve_as;
    const char *rollout; /* the active one, or NULL */
};
MUST_USE int db_target_brief(struct db *db, int64_t target_id, struct arena *a,
                             struct target_brief *out, struct err *e);

/* The generation of a target, and who raised it how and when (how NULL: nobody yet). */
struct target_mark {
    int64_t generation, ms;
    const char *by, *how;
};
MUST_USE int db_target_mark(struct db *db, int64_t target_id, struct arena *a,
                            struct target_mark *out, struct err *e);
MUST_USE int db_target_raise(struct db *db, int64_t target_id, const struct target_mark *mark,
                             struct err *e);

#endif
