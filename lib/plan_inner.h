/*
 * Shared by the plan_*.c files only: the planner's working state.
 */
#ifndef MREG_PLAN_INNER_H
#define MREG_PLAN_INNER_H

#include "plan.h"

struct planner {
    const struct view *v;
    struct arena *a;
    struct plan *out;
    struct rollout_status *s;      /* &out->status */
    const struct view_node **seen; /* of s->nodes[i]; nodes that are gone were dropped */
    bool *is_used;                 /* an action for s->nodes[i] is in this plan already */
    bool *is_unavailable;          /* of s->nodes[i] */
    int n_unavailable;             /* nodes of the environment */
    int n_disturbed;               /* of them by moves, not by themselves */
    bool has_bad_news;             /* an operation just failed for good: begin nothing new */
    bool plans_again;              /* something was decided that has to be looked at at once */
    bool is_held_by_limit;         /* some node waits for the limit only */
};

/* --- plan_nodes.c: nodes --- */
/* Copies the status of the view and matches its nodes with the view's. */
void planner_begin(struct planner *p, const struct view *v, struct arena *a, struct plan *out);
/* Takes in observations and samples. */
void planner_absorb(struct planner *p);
/* Steps the move of every node and collects actions. */
void planner_drive(struct planner *p);
/* Begins the move of node i back to the old version, unless one runs or an operation is open. */
void planner_return(struct planner *p, struct rollout_node *n, int i);
/* Adds a read if the node is idle; true if it was added. */
bool planner_read(struct planner *p, int i, enum op_action action, int64_t number);
void planner_wake(struct planner *p, int64_t at_ms);
bool planner_is_rolling_back(const struct planner *p);
bool planner_has_pause(const struct planner *p, enum pause_reason r);
/* Makes foreign or cut text one line of well-formed UTF-8, in place: it goes into documents. */
void planner_clean(char *text);
/* Compares with the view's status, sets is_changed, revision, updated_ms and the shown states. */
void planner_finish(struct planner *p);

/* --- plan_repair.c --- */
/* Notes that node i serves something else than `want`; true once two looks agree. */
bool planner_is_odd(struct planner *p, int i, int64_t want);
/* A repair outside of rollouts failed: let go of the node and try again after a while. */
void planner_end_repair(struct planner *p, struct rollout_node *n);

/* --- plan_step.c: steps and gates --- */
void planner_run_step(struct planner *p);
/* Judges the gates over the nodes that have the new version; the worst verdict. */
enum verdict planner_judge(struct planner *p);
/* Looks and samples while a step settles, bakes or waits. */
void planner_watch(struct planner *p);

/* --- plan.c: phases --- */
void planner_set_phase(struct planner *p, enum rollout_phase to);
void planner_pause(struct planner *p, enum pause_reason reason, const char *text);
/* The new version did not pass: roll back, or pause where the policy wants that. */
void planner_fail(struct planner *p, enum pause_reason reason, const char *text);

/* --- plan_text.c --- */
void planner_explain(struct planner *p);

#endif
