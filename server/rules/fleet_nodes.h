/*
 * Nodes beyond their records: taking them out of service, nodes that register themselves under a
 * lease, and taking over what a node serves already. All functions are for any thread but the
 * writer; wake the controller after a change.
 */
#ifndef MREG_FLEET_NODES_H
#define MREG_FLEET_NODES_H

#include "fleet.h"

#define NODE_LEASE_MIN_MS 2000
#define NODE_LEASE_MAX_MS 86400000

/* --- cordons (fleet_cordon.c) --- */
enum node_cordon {
    NODE_UNCORDON,
    NODE_CORDON, /* nothing new is put there */
    NODE_DRAIN,  /* and the routers send nothing there */
    NODE_UNLOAD  /* and its models are unloaded */
};
/* "cordon", "drain", "unload"; NULL for NODE_UNCORDON. */
const char *node_cordon_name(enum node_cordon kind);
/* Saying it again changes nothing. The change's reason is kept with the cordon. ERR_NOT_FOUND. */
MUST_USE int fleet_node_cordon(struct store *s, const struct fleet_change *c, const char *env,
                               const char *name, enum node_cordon kind, struct err *e);

/* --- leases (fleet_lease.c) --- */
struct node_register {
    struct node_spec spec;
    int64_t lease_ms;
    const char *root_below; /* the root must lie in this folder; NULL: anywhere */
};
enum node_register_result { NODE_IS_NEW, NODE_HAS_CHANGED, NODE_IS_RENEWED };
/* Enters the node, or renews its lease and changes what the spec says otherwise. Idempotent.
 * ERR_INVALID, ERR_NOT_FOUND (environment), ERR_CONFLICT (root; a node of that name was added by
 * hand), ERR_FORBIDDEN (root elsewhere, also that of the node of that name). */
MUST_USE int fleet_node_register(struct store *s, const struct fleet_change *c,
                                 const struct node_register *in, enum node_register_result *out,
                                 struct err *e);
struct node_leave {
    const char *env, *name;
    const char *root_below; /* as above */
};
/* The node goes: its record is removed, also while rollouts run. One that is not there is fine.
 * ERR_CONFLICT: it was added by hand. ERR_FORBIDDEN: its root lies elsewhere. */
MUST_USE int fleet_node_leave(struct store *s, const struct fleet_change *c,
                              const struct node_leave *in, struct err *e);
/* Removes nodes whose lease ended before now_ms; a lease lasts at least since grace_ms, when the
 * server began to listen. Where most nodes of an environment with a lease, two at least, are silent
 * for half of it at the same time, the way to them is broken rather than they are gone: all are
 * kept. */
struct lease_count {
    int64_t n_leases; /* before */
    size_t n_gone;
    int64_t n_held;     /* they would be gone; */
    char held_env[256]; /* in this environment, among others */
};
MUST_USE int fleet_node_expire(struct store *s, int64_t now_ms, int64_t grace_ms,
                               struct lease_count *out, struct err *e);

/* --- taking over what is served already (fleet_adopt.c) --- */
struct node_adopt {
    const char *env, *node, *model, *serve_as;
    int64_t number;
};
enum node_adopt_result {
    NODE_ADOPTED_ONE, /* other nodes of the environment do not serve it yet */
    NODE_ADOPTED_LIVE /* all do: the version is live there now */
};
/* Under which name the model is or would be served: of its target, or `wish` (may be NULL), or made
 * from its name; in arena. ERR_CONFLICT: it has another one, another model has it, another version
 * is live, or a rollout of it is under way. Runs in a snapshot. */
MUST_USE int fleet_adopt_name(struct db *db, const struct node_adopt *in, const char *wish,
                              struct arena *a, const char **serve_as, struct err *e);
/* Records that the node, whose files were checked and marked, serves the version: creates the
 * target if need be, and makes the version live when every node that is in service serves exactly
 * it. ERR_CONFLICT as above, ERR_NOT_FOUND. */
MUST_USE int fleet_node_adopt(struct store *s, const struct fleet_change *c,
                              const struct node_adopt *in, enum node_adopt_result *out,
                              struct err *e);

#endif
