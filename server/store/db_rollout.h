/*
 * SQL of rollouts: records, commands, status, operations on nodes, and what was last seen of nodes.
 * Rows as plain data in the caller's arena; no rules here. All functions run on the thread that
 * uses the connection; those that write need the writer's connection (tx_db). Besides the codes
 * named, every function returns the errors of store.h.
 */
#ifndef MREG_DB_ROLLOUT_H
#define MREG_DB_ROLLOUT_H

#include "rollout.h"
#include "store.h"

/* --- the fleet as the controller needs it (db_watch.c) --- */
struct watch_env {
    int64_t env_id;
    const char *name, *policy;
};
struct watch_node {
    int64_t node_id, env_id;
    const char *name, *driver, *admin_url, *infer_url, *metrics_url, *root;
    const char *cordon; /* "cordon", "drain", "unload" or NULL */
    const char *labels; /* JSON object */
};
struct watch_target {
    int64_t target_id, env_id, model_id;
    const char *model, *serve_as, *policy;
    int64_t live, last_good; /* 0: none */
    int64_t last_to;         /* version of the newest rollout that began; 0: there was none */
    int64_t last_ended_ms;   /* when a rollout ended last; 0: none did */
    bool is_halted;          /* the last one that touched anything was halted */
    const char *rollout_id;  /* the active one, or NULL */
};
struct watch_fleet {
    struct watch_env *envs;       /* by env_id */
    struct watch_node *nodes;     /* by env_id, node_id */
    struct watch_target *targets; /* by env_id, target_id */
    size_t n_envs, n_nodes, n_targets;
};
/* Everything, or of one environment (env_id not 0), in arena. */
MUST_USE int db_watch_fleet(struct db *db, int64_t env_id, struct arena *a, struct watch_fleet *out,
                            struct err *e);
/* One target, strings in arena; *found is false when it is gone. */
MUST_USE int db_watch_target(struct db *db, int64_t target_id, struct arena *a,
                             struct watch_target *out, bool *found, struct err *e);

/* A row of the journal, as far as the controller needs it. */
struct watch_row {
    int64_t seq;
    const char *kind, *object;
};
/* The oldest rows after seq, DB_WATCH_ROWS at most, in arena. */
#define DB_WATCH_ROWS 100
MUST_USE int db_watch_rows(struct db *db, int64_t seq, struct arena *a, struct watch_row **out,
                           size_t *n, struct err *e);
/* The newest row of the journal, 0: there is none. */
MUST_USE int db_watch_last(struct db *db, int64_t *seq, struct err *e);
/* Where a rollout takes place; *found is false when there is no such rollout. */
struct watch_place {
    int64_t env_id, target_id;
};
MUST_USE int db_watch_place(struct db *db, const char *rollout_id, struct watch_place *out,
                            bool *found, struct err *e);
/* Targets to whose rollouts commands after seq were given, in arena. */
MUST_USE int db_watch_commanded(struct db *db, int64_t seq, struct arena *a,
                                struct watch_place **out, size_t *n, struct err *e);

struct watch_view {
    int64_t target_id, node_id, observed_ms;
    const char *observation; /* JSON text */
};
/* What was last seen of all targets of an environment, by node_id and target_id, in arena. */
MUST_USE int db_node_views(struct db *db, int64_t env_id, struct arena *a, struct watch_view **out,
                           size_t *n, struct err *e);
MUST_USE int db_node_view_put(struct db *db, const struct watch_view *v, struct err *e);
struct watch_health {
    int64_t node_id, since_ms, observed_ms;
    bool is_reachable;
    const char *detail;                           /* may be NULL */
    int64_t started_ms, restarted_ms, n_restarts; /* of its process; 0: not known, never */
};
/* *found is false when the node was never looked at. detail in arena. */
MUST_USE int db_node_health(struct db *db, int64_t node_id, struct arena *a,
                            struct watch_health *out, bool *found, struct err *e);
MUST_USE int db_node_health_put(struct db *db, const struct watch_health *h, struct err *e);
struct watch_sample {
    int64_t target_id, node_id;
    struct sample sample;
};
MUST_USE int db_sample_put(struct db *db, const struct watch_sample *s, struct err *e);
/* The newest sample of a target on a node that was stored; zeroed when there is none. */
MUST_USE int db_sample_last(struct db *db, int64_t target_id, int64_t node_id, struct sample *out,
                            struct err *e);
/* Removes samples and closed operations that ended before before_ms. */
MUST_USE int db_watch_trim(struct db *db, int64_t before_ms, struct err *e);

/* --- rollouts (db_rollout.c) --- */
/* The record of a rollout with its model and environment, in arena. ERR_NOT_FOUND. */
MUST_USE int db_rollout_get(struct db *db, const char *id, struct arena *a,
                            struct rollout_record *out, struct err *e);
/* Status of a rollout, or of the repairs of a target under its key ("target-12"), in arena. A new
 * one (revision 0) when nothing was stored yet. */
MUST_USE int db_rollout_status(struct db *db, const char *id, int64_t now_ms, struct arena *a,
                               struct rollout_status *out, struct err *e);
/* Stores it if the stored revision still is base_revision (0: nothing stored yet). ERR_CONFLICT. */
MUST_USE int db_rollout_status_put(struct db *db, const char *id, int64_t base_revision,
                                   const struct rollout_status *s, struct err *e);
/* Sets the phase of an active rollout's record; ended_ms 0: goes on. */
MUST_USE int db_rollout_set_phase(struct db *db, const char *id, enum rollout_phase phase,
                                  int64_t ended_ms, struct err *e);
MUST_USE int db_target_set_live(struct db *db, int64_t target_id, int64_t live, int64_t last_good,
                                struct err *e);
/* Commands after seq, ascending, in arena. */
MUST_USE int db_rollout_commands(struct db *db, const char *id, int64_t seq, struct arena *a,
                                 struct rollout_command **out, size_t *n, struct err *e);
/* Highest command_seq of all, 0 if there is none. */
MUST_USE int db_command_last(struct db *db, int64_t *seq, struct err *e);

struct op_row {
    const char *op_key;
    const char *rollout_id; /* NULL: a repair */
    int64_t target_id, node_id, number, generation;
    enum op_action action;
    int attempt;
    enum op_state state;
    enum op_class why;
    const char *detail;
    int64_t started_ms, deadline_ms, ended_ms;
};
/* Records an intent. ERR_EXISTS: the key was used. */
MUST_USE int db_op_open(struct db *db, const struct op_row *op, struct err *e);
/* Closes an open operation; one that is closed stays as it is. Uses op_key, state, why, detail,
 * ended_ms. */
MUST_USE int db_op_close(struct db *db, const struct op_row *op, struct err *e);
/* The operation of that key, strings in arena; *found is false when there is none. */
MUST_USE int db_op_get(struct db *db, const char *op_key, struct arena *a, struct op_row *out,
                       bool *found, struct err *e);
/* Switches of files of the target, per node in their order, each with node_id, number, state and
 * why; the list is in arena. */
MUST_USE int db_ops_switches(struct db *db, int64_t target_id, struct arena *a,
                             struct op_row **list, size_t *n, struct err *e);
/* Forgets those of one node: its files are of another origin now. */
MUST_USE int db_ops_forget_switches(struct db *db, int64_t target_id, int64_t node_id,
                                    struct err *e);
/* Marks every open operation as unknown: nobody waits for it any more. */
MUST_USE int db_ops_doubt(struct db *db, int64_t now_ms, int64_t *n, struct err *e);

#endif
