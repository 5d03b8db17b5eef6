/*
 * SQL of environments, nodes, targets and the submission of rollouts. Rows as plain data in the
 * caller's arena; no rules here. All functions run on the thread that uses the connection; those
 * that write need the writer's connection (tx_db). Besides the codes named, every function returns
 * the errors of store.h. What the controller reads and writes is in db_rollout.h.
 */
#ifndef MREG_DB_FLEET_H
#define MREG_DB_FLEET_H

#include "store.h"

/* --- environments --- */
struct env_row {
    int64_t env_id, position, created_seq, created_ms;
    int64_t n_nodes;
    const char *name, *policy; /* policy: JSON text of what was set */
};
MUST_USE int db_env_find(struct db *db, const char *name, struct arena *a, struct env_row *out,
                         bool *found, struct err *e);
/* How many of its nodes the last look did not reach. */
MUST_USE int db_env_unreachable(struct db *db, int64_t env_id, int64_t *n, struct err *e);
/* All of them by position, then name. */
MUST_USE int db_env_list(struct db *db, struct arena *a, struct env_row **out, size_t *n,
                         struct err *e);
/* Uses name, position, policy, created_seq, created_ms. */
MUST_USE int db_env_insert(struct db *db, const struct env_row *v, struct err *e);
/* Sets position and policy. */
MUST_USE int db_env_update(struct db *db, const struct env_row *v, struct err *e);
MUST_USE int db_env_delete(struct db *db, int64_t env_id, struct err *e);
/* One more than the highest position, 0 for the first. */
MUST_USE int db_env_next_position(struct db *db, int64_t *position, struct err *e);
/* A model that has an alias of that name, in arena, or NULL. */
MUST_USE int db_alias_user(struct db *db, const char *alias, struct arena *a, const char **model,
                           struct err *e);
/* The active rollout of the environment that is the oldest, in arena, or NULL. */
MUST_USE int db_env_active(struct db *db, int64_t env_id, struct arena *a, const char **rollout,
                           struct err *e);
/* A model with a target in the environment, in arena, or NULL. */
MUST_USE int db_env_user(struct db *db, int64_t env_id, struct arena *a, const char **model,
                         struct err *e);

/* --- nodes --- */
struct node_row {
    int64_t node_id, env_id, created_seq, created_ms;
    const char *env, *name, *driver, *admin_url, *infer_url;
    const char *metrics_url, *root; /* may be NULL */
    const char *delivery, *labels;  /* labels: JSON text */
    /* What was seen of it; seen_ms 0: never looked at. */
    bool is_reachable;
    int64_t since_ms, seen_ms;
    const char *detail; /* may be NULL */
    /* It registered itself: until renewed_ms + lease_ms it is there. lease_ms 0: by hand. */
    int64_t lease_ms, renewed_ms;
    const char *registered_by; /* token, or NULL */
    /* "cordon", "drain" or "unload", with who, why (may be NULL) and since when; NULL: none. */
    const char *cordon, *cordon_by, *cordon_reason;
    int64_t cordon_ms;
    /* Its process: when it began, as it says (0: not known), and another one was noticed last. */
    int64_t started_ms, restarted_ms, n_restarts;
};
MUST_USE int db_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                          struct node_row *out, bool *found, struct err *e);
/* Nodes of an environment whose names are above `after` ("" for the first), at most limit. */
MUST_USE int db_node_page(struct db *db, const char *env, const char *after, int64_t limit,
                          struct arena *a, struct node_row **out, size_t *n, struct err *e);
/* Which nodes of an environment; NULL: not asked for. */
struct node_pick {
    const char *env, *after;
    int64_t limit;
    const char *state; /* "reachable", "unreachable" or "cordoned" */
    const char *word;  /* part of the name, lower-case */
    const char *label; /* a member of the labels as JSON text: "zone":"a" with its quotes */
};
MUST_USE int db_node_pick(struct db *db, const struct node_pick *pick, struct arena *a,
                          struct node_row **out, size_t *n, struct err *e);
/* node_id 0: the next free one. */
MUST_USE int db_node_insert(struct db *db, const struct node_row *v, struct err *e);
/* Sets everything but env, name, the times and the cordon. */
MUST_USE int db_node_update(struct db *db, const struct node_row *v, struct err *e);
/* Sets the four fields of the cordon. */
MUST_USE int db_node_set_cordon(struct db *db, const struct node_row *v, struct err *e);
/* The node and what was seen of it. */
MUST_USE int db_node_delete(struct db *db, int64_t node_id, struct err *e);
/* All nodes that have a root: only node_id, env, name, root are filled. */
MUST_USE int db_node_roots(struct db *db, struct arena *a, struct node_row **out, size_t *n,
                           struct err *e);
/* What a node was last seen serving, and what runs on it. */
struct node_sight {
    int64_t node_id, target_id, live, seen_ms;
    bool is_reachable;
    const char *node, *model, *serve_as;
    const char *observation; /* JSON text, or NULL when never seen */
};
MUST_USE int db_node_sights(struct db *db, int64_t node_id, struct arena *a,
                            struct node_sight **out, size_t *n, struct err *e);
/* The operation that is open on the node: its action, model and version; action NULL: none. */
struct node_work {
    const char *action, *model;
    int64_t number;
};
MUST_USE int db_node_busy(struct db *db, int64_t node_id, struct arena *a, struct node_work *out,
                          struct err *e);

/* --- targets --- */
struct target_row {
    int64_t target_id, env_id, model_id, generation;
    int64_t live, last_good; /* 0: none */
    int64_t created_seq, created_ms;
    const char *env, *model, *serve_as;
    const char *policy, *env_policy; /* JSON texts */
    const char *rollout;             /* the active one, or NULL */
};
MUST_USE int db_target_find(struct db *db, const char *env, const char *model, struct arena *a,
                            struct target_row *out, bool *found, struct err *e);
/* Targets of an environment whose models are above `after` ("" for the first), at most limit. */
MUST_USE int db_target_page(struct db *db, const char *env, const char *after, int64_t limit,
                            struct arena *a, struct target_row **out, size_t *n, struct err *e);
/* Uses env_id, model_id, serve_as, policy, created_seq, created_ms; *target_id is the new one. */
MUST_USE int db_target_insert(struct db *db, const struct target_row *v, int64_t *target_id,
                              struct err *e);
/* Sets serve_as and policy. */
MUST_USE int db_target_update(struct db *db, const struct target_row *v, struct err *e);
MUST_USE int db_target_set_generation(struct db *db, int64_t target_id, int64_t generation,
                                      struct err *e);
/* Model that is served under that name in the environment, in arena, or NULL. */
MUST_USE int db_target_served(struct db *db, int64_t env_id, const char *serve_as, struct arena *a,
                              const char **model, struct err *e);
/* What was last seen of the target on each node of its environment, by name of the node. */
MUST_USE int db_target_sights(struct db *db, int64_t target_id, struct arena *a,
                              struct node_sight **out, size_t *n, struct err *e);
/* The version from which the newest successful promotion to `number` came; 0: none. */
MUST_USE int db_target_before(struct db *db, int64_t target_id, int64_t number, int64_t *before,
                              struct err *e);
/* The newest rollout that ended with `number` live, in arena; NULL: none, as after an adoption. */
MUST_USE int db_target_brought(struct db *db, int64_t target_id, int64_t number, struct arena *a,
                               const char **rollout, struct err *e);
/* True if the version has been live there: a rollout brought it, or started from it. */
MUST_USE int db_target_was_live(struct db *db, int64_t target_id, int64_t number, bool *yes,
                                struct err *e);

/* --- rollouts: submission and lists --- */
struct rollout_row {
    int64_t target_id, from, to, generation; /* from 0: none */
    int64_t submitted_seq, created_ms;
    const char *rollout_id, *kind, *strategy, *actor, *reason; /* reason may be NULL */
    const char *overrides, *set_id;                            /* may be NULL */
    bool waits, is_hotfix;                                     /* waits: it is not active yet */
};
MUST_USE int db_rollout_insert(struct db *db, const struct rollout_row *v, struct err *e);
struct command_put {
    const char *rollout_id, *verb, *actor, *reason;      /* reason may be NULL */
    int64_t expected_step, expected_generation, arg, ms; /* expected 0: none */
};
MUST_USE int db_command_insert(struct db *db, const struct command_put *c, struct err *e);
/* The newest command of a rollout; verb NULL: none. */
struct command_row {
    const char *verb, *actor;
    int64_t ms;
};
MUST_USE int db_command_newest(struct db *db, const char *rollout_id, struct arena *a,
                               struct command_row *out, struct err *e);
/* Ids of rollouts submitted before row `below`, newest first. */
struct rollout_query {
    const char *env, *model; /* NULL: any */
    bool is_active;          /* only active ones */
    bool is_open;            /* only those that have not ended */
    bool is_queued;          /* only those that wait for another one */
    int64_t below, limit;
};
struct rollout_id {
    const char *id, *model;
    int64_t seq;
};
MUST_USE int db_rollout_page(struct db *db, const struct rollout_query *query, struct arena *a,
                             struct rollout_id **out, size_t *n, struct err *e);

#endif
