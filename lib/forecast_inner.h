/*
 * Shared by the forecast*.c files only: the imagined world.
 */
#ifndef MREG_FORECAST_INNER_H
#define MREG_FORECAST_INNER_H

#include "forecast.h"

#define FORECAST_MAX_OPS 4000
#define FORECAST_FILE_LANES 2 /* file jobs run two at a time */

/* A node as it is imagined. */
struct dream_node {
    int64_t visible[2]; /* versions whose files are in its root; 0: none */
    struct observation seen;
    struct sample sample;
    int64_t sampled_ms;
    struct op_view op;
    struct plan_action doing; /* until done_ms; done_ms 0: nothing */
    int64_t done_ms;
    int64_t counted_ms; /* its counters are as of then */
    int64_t n_milli;    /* requests so far, in thousandths */
    int routed_bp;
    bool is_mirrored;
};
struct dream {
    const struct forecast_in *in;
    struct forecast *out;
    struct arena *a; /* of the result */
    struct dream_node *nodes;
    struct view_node *views;
    struct rollout_status status;
    struct arena keep[2]; /* of the status: it moves from one to the other */
    int at_keep;
    struct policy *policy;            /* without approvals */
    struct rollout_step *n_approvals; /* the steps with them */
    int64_t now_ms, sample_every_ms;
    int64_t file_free_ms[FORECAST_FILE_LANES];
    struct op_view router_op;
    struct plan_action routing;
    int64_t routed_ms; /* the router is done then; 0: it does nothing */
    int64_t routes_seen_ms;
    int *wanted_bp;
    bool *wants_mirror;
    bool goes_back;  /* the second run: it is aborted just before it would end */
    bool is_aborted; /* and was */
    int64_t back_from_ms;
    int back_low;
    int n_promoted;
};

/* --- forecast_world.c --- */
/* Nodes and router as they are now. */
void dream_begin_world(struct dream *d);
/* Begins an action of a plan; its end comes in typical time. */
void dream_begin_action(struct dream *d, const struct plan_action *act);
/* Lets everything happen that is done by now. */
void dream_finish(struct dream *d);
/* When something is done next; INT64_MAX: nothing goes on. */
int64_t dream_next_ms(const struct dream *d);
/* What the planner sees of it; arrays in a. */
void dream_view(struct dream *d, struct arena *a, struct view *out);

#endif
