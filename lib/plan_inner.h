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
    bool *is_blocked;              /* the move of s->nodes[i] only waits for the limit */
    int n_unavailable;             /* nodes of the environment */
    int n_disturbed;               /* of them by moves, not by themselves */
    bool has_bad_news;             /* an operation just failed for good: begin nothing new */
    bool plans_again;              /* something was decided that has to be looked at at once */
    bool is_held_by_limit;         /* some node waits for the limit only */
    bool wants_routes;             /* some node waits for what the router does */
};

/* --- plan_look.c, plan_nodes.c: nodes --- */
/* Copies the status of the view and matches its nodes with the view's. */
void planner_begin(struct planner *p, const struct view *v, struct arena *a, struct plan *out);
/* Takes in observations and samples. */
void planner_absorb(struct planner *p);
/* Steps the move of every node and collects actions. */
void planner_drive(struct planner *p);
/* Steps the move of node i. */
void planner_drive_node(struct planner *p, int i);
/* Begins the move of node i back to the old version, unless one runs or an operation is open. */
void planner_return(struct planner *p, struct rollout_node *n, int i);
/* Begins the removal of what a replaced rollout brought there; false if there is nothing (more). */
bool planner_clean_base(const struct planner *p, struct rollout_node *n);
/* Adds a read if the node is idle; true if it was added. */
bool planner_read(struct planner *p, int i, enum op_action action, int64_t number);
void planner_wake(struct planner *p, int64_t at_ms);
/* The version that a node has or keeps as long as nothing is done to it. */
int64_t planner_expected(const struct planner *p, const struct rollout_node *n);
/* True if the node answers but serves nothing where it should serve the version. */
bool planner_lacks(const struct view_node *vn, int64_t version);
/* May the service of node i be disturbed now? */
bool planner_may_disturb(const struct planner *p, int i);
bool planner_is_rolling_back(const struct planner *p);
/* What somebody was in the middle of on the node goes on, to this version: it is disturbed already,
 * and the move has an end. */
void planner_go_on(const struct planner *p, struct rollout_node *n, int64_t number);
/* True while an operation of it is open on a node. */
bool planner_is_at_work(const struct planner *p);
/* True while a node that the rollout did not change is repaired in its course, with an operation
 * open or a deadline that ends it: were the rollout to end, nobody would count the node as
 * disturbed. */
bool planner_is_mending(const struct planner *p, int i);
/* Makes foreign or cut text one line of well-formed UTF-8, in place: it goes into documents. */
void planner_clean(char *text);
/* Compares with the view's status, sets is_changed, revision, updated_ms and the shown states. */
void planner_finish(struct planner *p);

/* --- plan_traffic.c --- */
/* The version that may be ready beside `number` as long as the rollout goes on; 0: none. */
int64_t planner_beside(const struct planner *p);
/* What a move may know of the router. */
void planner_route_in(const struct planner *p, int i, struct move_in *in);
/* True if there is no router, or it was seen doing what is wanted of it now. */
bool planner_traffic_fits(struct planner *p);
/* Sets the plan's weights, and adds what has to be asked of the router. */
void planner_traffic(struct planner *p);

/* --- plan_check.c --- */
/* Ends the process if the plan breaks what always holds. */
void planner_check(const struct planner *p);

/* --- plan_repair.c --- */
/* Notes that node i serves something else than `want`; true once two looks agree. */
bool planner_is_odd(struct planner *p, int i, int64_t want);
/* True if the node does not answer and mreg itself left other files there. */
bool planner_has_dead_files(const struct planner *p, const struct view_node *vn, int64_t want);
/* A repair outside of rollouts failed: let go of the node and try again after a while. */
void planner_end_repair(struct planner *p, struct rollout_node *n);
/* Nodes of the environment that the status does not know yet are added, in order. */
void planner_add_nodes(struct planner *p);

/* --- plan.c: phases --- */
void planner_set_phase(struct planner *p, enum rollout_phase to);
/* The new version did not pass: roll back, or pause where the policy wants that. What was asked for
 * to go back never returns to where it came from: it tries again. */
void planner_fail(struct planner *p, enum pause_reason reason, enum rollout_fault fault,
                  const char *text);

/* --- plan_command.c --- */
/* What was asked for in this tick, besides pauses and approvals. */
struct wishes {
    const struct rollout_command *abort, *halt, *supersede;
    bool promotes, promotes_full;
};
void planner_take_commands(struct planner *p, struct wishes *wishes);
/* "aborted by t-1: reason"; in the planner's arena. */
const char *planner_command_text(struct planner *p, const struct rollout_command *c);

/* --- plan_pause.c --- */
struct plan_signals {
    bool aborts, halts, is_replaced;
    bool is_paused_by_user;
    bool is_newly_held; /* a freeze, a stop or the like began to hold it in this tick */
    bool has_failed;
    bool promotes_full, promotes;
};
enum plan_act {
    PLAN_ABORT,
    PLAN_HALT,
    PLAN_GIVE_WAY, /* a newer one takes its place */
    PLAN_STAND,    /* somebody paused it: nothing is decided */
    PLAN_HOLD,
    PLAN_FAIL,
    PLAN_PROMOTE,
    PLAN_GO_ON /* timers */
};
/* Who wins when several things come together in one tick. */
enum plan_act planner_choose(const struct plan_signals *s);
void planner_pause(struct planner *p, enum pause_reason reason, const char *text);
/* As above with actor or end; does nothing if there is a pause for this reason. */
void planner_add_pause(struct planner *p, const struct rollout_pause *pause);
/* Lifts the pauses of these PAUSE_BITs; without any left the rollout runs. */
void planner_lift(struct planner *p, int64_t reasons);
bool planner_has_pause(const struct planner *p, enum pause_reason r);
/* What was judged is looked at anew: evidence, patience and deadline start again, and failed nodes
 * get another chance. */
void planner_start_anew(struct planner *p);

/* --- plan_hold.c --- */
/* True for rollouts that were asked for to go back: only their turn holds them. */
bool planner_is_way_back(const struct planner *p);
/* True before it begins. */
bool planner_is_waiting(const struct planner *p);
/* True if nothing of the rollout may begin on the node: it is cordoned. A way back reaches it
 * nevertheless, unless it shall serve nothing at all. */
bool planner_is_barred(const struct planner *p, const struct view_node *vn);
/* Different people who approved of a step; 0: of the begin. */
int planner_approvals(const struct planner *p, int step);
void planner_approve(struct planner *p, const struct rollout_command *c);
/* True while it must not begin; *why borrows its text. Its turn has no reason:
 * PAUSE_REASON_COUNT. */
bool planner_is_queued(struct planner *p, struct rollout_pause *why);
/* Adds and lifts the pauses from outside; true if one was added. */
bool planner_update_holds(struct planner *p);
bool planner_waits_for_set(const struct planner *p);

/* --- plan_admit.c --- */
void planner_admit(struct planner *p);

/* --- plan_step.c --- */
struct counts {
    int n_chosen, n_done, n_left_out, n_failed;
    int n_free_rest, n_cordoned_rest, n_unreachable_rest; /* not chosen, in reach of the step */
};
void planner_count(const struct planner *p, struct counts *c);
void planner_run_step(struct planner *p);
/* True if somebody promoted the present step, or all: it waits neither for evidence nor for nodes.
 */
bool planner_is_waived(const struct planner *p);
/* Brings the old version back to nodes that the step does not reach yet; what a replaced rollout
 * left serves on there, and goes straight to the new one. */
void planner_repair_rest(struct planner *p);

/* --- plan_control.c --- */
/* Chooses the control of the first step and begins its move, if one is wanted and there is none. */
void planner_begin_control(struct planner *p, bool is_applied);
/* Notes what ends its use, and lets go of what was not begun there. */
void planner_watch_control(struct planner *p);
bool planner_is_control(const struct planner *p, const struct rollout_node *n);
/* True for a control that must not be disturbed yet: nodes with the new version go first. */
bool planner_holds_control(const struct planner *p, const struct rollout_node *n);
/* The move of n ended, or failed: if n is the control, it is warm, or given up. */
void planner_end_control(struct planner *p, const struct rollout_node *n, bool is_done);
/* True while the step, otherwise applied, waits for it; not for ever. */
bool planner_waits_for_control(struct planner *p);
/* True for a control that was given up and is repaired: a step may take it as it is. */
bool planner_is_mended(const struct planner *p, const struct rollout_node *n);
/* Index of a control that serves nothing in the middle of being loaded again; -1: none. */
int planner_unfinished_control(const struct planner *p);

/* --- plan_gate.c --- */
/* Judges the gates over the nodes that have the new version; the worst verdict. */
enum verdict planner_judge(struct planner *p);
/* A gate failed: rolls back, or pauses. */
void planner_fail_gate(struct planner *p);
/* The longest bake is over without a verdict: true if the policy goes on without. */
bool planner_settle_verdict(struct planner *p, enum verdict verdict);
bool planner_wants_golden(const struct planner *p);
bool planner_wants_samples(const struct planner *p);
/* True if a gate that decides needs requests and the step gets some. */
bool planner_wants_traffic(const struct planner *p);
/* True if the nodes of the step get no requests at all. */
bool planner_is_dark(const struct planner *p);

/* --- plan_gone.c --- */
/* Leaves out what cannot be reached for long, or pauses if that is too much. */
void planner_leave_out(struct planner *p, int n_wanted, bool is_waived);

/* --- plan_watch.c --- */
/* Looks and samples while a step settles, bakes or waits. */
void planner_watch(struct planner *p);

/* --- plan_back.c --- */
void planner_end(struct planner *p, enum rollout_phase phase, const char *outcome);
void planner_begin_rollback(struct planner *p, const char *cause, enum rollout_fault fault);
void planner_roll_back(struct planner *p);
void planner_begin_halt(struct planner *p, const char *cause, bool is_replaced);
/* Ends it as it is, once no operation is open. */
void planner_halt(struct planner *p);
void planner_finalize(struct planner *p);
/* How it would be taken back now. */
void planner_forecast(struct planner *p);

/* --- plan_text.c --- */
void planner_explain(struct planner *p);
void planner_explain_queue(struct planner *p, const struct rollout_pause *why);

#endif
