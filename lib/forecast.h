/*
 * What a rollout would do if everything went as it usually does: the planner itself is run against
 * an imagined world in which every operation takes its typical time, requests come as they do today
 * and nothing fails. Pure; any thread, heavy for thousands of nodes.
 */
#ifndef MREG_FORECAST_H
#define MREG_FORECAST_H

#include "plan.h"

struct forecast_node {
    int64_t node_id;
    const char *name, *order_key, *wave; /* labels may be NULL */
    const char *family, *labels;         /* as in struct view_node */
    bool is_reachable, is_cordoned, has_route;
    int64_t version;   /* served now; 0: none */
    int64_t milli_rps; /* requests per 1000 s today */
};
struct forecast_in {
    const struct rollout_record *rollout;
    const struct policy *policy;
    int64_t now_ms, live, last_good;
    const struct forecast_node *nodes; /* by node_id */
    int n_nodes;
    int n_golden;
    bool has_router, can_mirror;
    int router_max_weight;
    unsigned driver_flags;
    int64_t took_ms[OP_ACTION_COUNT]; /* typical; at least 1 */
};

/* One operation on a node, in the order in which they begin. */
struct forecast_op {
    int64_t at_ms, took_ms; /* since the begin */
    int node;               /* index; -1: the router */
    enum op_action action;
    int64_t number;
    int step;
};
struct forecast_step {
    int n_nodes;                  /* cumulative */
    int64_t begin_ms, end_ms;     /* since the begin */
    int64_t bake_ms, max_bake_ms; /* as the policy says */
    int weight_bp, n_approvals;
    const char *wave;
    int64_t milli_rps;   /* to nodes with the new version */
    int64_t n_wanted;    /* requests that the gates want; 0: none */
    int64_t evidence_ms; /* until they have come at today's traffic; -1: never, there is none */
};
struct forecast {
    bool is_complete; /* false: it stands still, see outcome; or it is too long to foresee */
    char outcome[ROLLOUT_TEXT_BYTES]; /* in words, what ends it or what it waits for */
    int64_t total_ms;
    /* It pauses there, and what follows is only so if somebody lets it go on; 0: it does not. */
    int stops_step;
    int64_t stops_ms;
    int low_point; /* fewest nodes that serve at a time */
    int64_t low_at_ms;
    struct forecast_step *steps;
    int n_steps;
    struct forecast_op *ops;
    int n_ops;
    /* A rollback begun at the worst moment: when every node has the new version. */
    int64_t back_ms;
    int back_low_point, n_back_nodes;
    bool back_needs_load;
};
/* Arrays of *out in a. */
void forecast_make(const struct forecast_in *in, struct arena *a, struct forecast *out);
/* Typical times where nothing was measured yet, for a version of that many bytes. */
void forecast_default_times(int64_t size_bytes, int64_t took_ms[OP_ACTION_COUNT]);

#endif
