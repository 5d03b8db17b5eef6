/*
 * Rules of environments, nodes and targets: the only writer of their facts. Rollouts are submitted
 * and commanded by fleet_rollout.h; their progress is rollout_end.h. Nothing here knows HTTP. All
 * functions are for any thread but the writer.
 */
#ifndef MREG_FLEET_H
#define MREG_FLEET_H

#include "db_fleet.h"
#include "journal.h"

struct fleet_change {
    const char *actor, *reason; /* reason may be NULL */
};

/* NULL-terminated list of the kinds of serving software that a node can be. */
const char *const *fleet_drivers(void);

/* --- environments --- */
struct env_spec {
    const char *name;
    const json_t *policy; /* what differs from the default; NULL: {} at creation, else unchanged */
    int64_t position;     /* -1: behind the last at creation, else unchanged */
};
/* ERR_INVALID name or policy (pointer below /policy); ERR_EXISTS; ERR_CONFLICT: a model has an
 * alias of that name. */
MUST_USE int fleet_env_create(struct store *s, const struct fleet_change *c,
                              const struct env_spec *spec, struct err *e);
/* Changes policy and position. ERR_NOT_FOUND with a did-you-mean. */
MUST_USE int fleet_env_update(struct store *s, const struct fleet_change *c,
                              const struct env_spec *spec, struct err *e);
/* ERR_CONFLICT while it has nodes, or ever had a target: history points at it. */
MUST_USE int fleet_env_delete(struct store *s, const struct fleet_change *c, const char *name,
                              struct err *e);
/* The environment; ERR_NOT_FOUND with a did-you-mean. Runs in a snapshot or a tx. */
MUST_USE int fleet_env_find(struct db *db, const char *name, struct arena *a, struct env_row *out,
                            struct err *e);

/* --- nodes --- */
struct node_spec {
    const char *env, *name;
    /* NULL: the default at creation, else unchanged. */
    const char *driver, *admin_url, *infer_url, *metrics_url, *delivery, *root;
    const json_t *labels;
};
/* URLs default to admin_url, metrics_url to admin_url + "/metrics"; driver "v2", delivery "path",
 * whose root must be an existing absolute folder, writable by this process and neither equal to,
 * inside nor around the root of another node. ERR_INVALID with pointer, ERR_EXISTS, ERR_NOT_FOUND
 * (environment), ERR_CONFLICT (root). */
MUST_USE int fleet_node_create(struct store *s, const struct fleet_change *c,
                               const struct node_spec *spec, struct err *e);
MUST_USE int fleet_node_update(struct store *s, const struct fleet_change *c,
                               const struct node_spec *spec, struct err *e);
/* ERR_CONFLICT while a rollout is active in the environment. Files on the node stay. */
MUST_USE int fleet_node_delete(struct store *s, const struct fleet_change *c, const char *env,
                               const char *name, struct err *e);
/* ERR_NOT_FOUND with a did-you-mean, also for the environment. */
MUST_USE int fleet_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                             struct node_row *out, struct err *e);

/* --- targets --- */
struct target_spec {
    const char *env, *model;
    const char *serve_as; /* NULL: made from the model's name, or unchanged */
    const json_t *policy; /* NULL: {} at creation, else unchanged */
};
/* Creates or changes. serve_as cannot change any more once it was set by a rollout or by hand.
 * ERR_INVALID, ERR_NOT_FOUND (environment, model), ERR_CONFLICT (name taken or frozen). */
MUST_USE int fleet_target_set(struct store *s, const struct fleet_change *c,
                              const struct target_spec *spec, struct err *e);
/* ERR_NOT_FOUND: no such environment, or the model was never deployed there. */
MUST_USE int fleet_target_find(struct db *db, const char *env, const char *model, struct arena *a,
                               struct target_row *out, struct err *e);
/* The version to which a rollback without a version goes; 0: none. It is the good one before, or,
 * where a halt left the fleet mixed, the live one. What is read goes to the arena. */
MUST_USE int fleet_target_back(struct db *db, const struct target_row *t, struct arena *a,
                               int64_t *number, struct err *e);
/* The environment's policy overridden by the target's: whole, as JSON; caller owns it. */
MUST_USE int fleet_target_policy(const struct target_row *t, const json_t *over, json_t **out,
                                 struct err *e);

#endif
