/*
 * Ends: the way back and its forecast, halting where it stands, and tidying up after success. Pure;
 * any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

#define STUCK_AFTER_FAILURES 5

void planner_end(struct planner *p, enum rollout_phase phase, const char *outcome)
{
    planner_set_phase(p, phase);
    snprintf(p->s->outcome, sizeof p->s->outcome, "%s", outcome);
    p->s->waiting[0] = '\0';
    p->s->unblock[0] = '\0';
    p->out->n_actions = 0;
}

/* From here on nothing is given the new version; what has it goes back, newest first. */
void planner_begin_rollback(struct planner *p, const char *cause, enum rollout_fault fault)
{
    struct rollout_status *s = p->s;
    if (planner_is_rolling_back(p))
        return;
    snprintf(s->cause, sizeof s->cause, "%s", cause);
    s->fault = fault;
    memset(s->pauses, 0, sizeof s->pauses);
    s->n_pauses = 0;
    s->paused_since_ms = s->step_deadline_ms = 0;
    s->bake_since_ms = s->bake_until_ms = s->exposed_ms = 0;
    for (int i = 0; i < s->n_nodes; i++)
        s->nodes[i].is_back = false; /* what was tidied up already goes back as well */
    planner_set_phase(p, ROLLOUT_ROLLING_BACK);
    p->plans_again = true;
}

/* Has it anything that the old version has not: by this rollout, or by one that it replaced? */
static bool goes_back(const struct rollout_node *n)
{
    return n->step > 0 || n->base != 0;
}

/* --- the forecast --- */

static int64_t measured_move_ms(const struct planner *p)
{
    int64_t sum_ms = 0;
    int64_t n = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        sum_ms += p->s->nodes[i].moved_ms;
        n += p->s->nodes[i].moved_ms > 0;
    }
    return n > 0 ? sum_ms / n : 0;
}

void planner_forecast(struct planner *p)
{
    const struct rollout_status *s = p->s;
    const struct policy *policy = p->v->policy;
    bool is_going = planner_is_rolling_back(p);
    int n_serving = 0;
    int n_touched = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        n_touched += goes_back(&s->nodes[i]) && !s->nodes[i].is_back;
        bool is_loading = move_disturbs(&s->nodes[i].move);
        n_serving += p->seen[i]->is_reachable && (p->seen[i]->seen.n_ready > 0 || is_loading);
    }
    /* As it will be when the present step has been applied. */
    int n_step = s->step > 0 && !is_going ? s->steps[s->step - 1].n_nodes : 0;
    n_step = n_step < s->n_nodes ? n_step : s->n_nodes;
    int n = n_touched > n_step ? n_touched : n_step;
    int limit = policy_max_unavailable(policy, p->v->n_nodes, true);
    if (policy->strategy == STRATEGY_ALL_AT_ONCE)
        limit = n;
    int64_t from = p->v->rollout->from;
    bool needs_load = from != 0 && planner_beside(p) == 0;
    int n_out = limit < n ? limit : n;
    int64_t n_rounds = n_out > 0 ? (n + n_out - 1) / n_out : 0;
    p->s->way_back = (struct rollout_way_back){.n_nodes = n,
                                               .n_at_a_time = n_out,
                                               .low_point = from == 0    ? 0
                                                            : needs_load ? n_serving - n_out
                                                                         : n_serving,
                                               .eta_ms = n_rounds * measured_move_ms(p),
                                               .needs_load = needs_load};
    if (p->s->way_back.low_point < 0)
        p->s->way_back.low_point = 0;
}

/* --- going back --- */

/* A node that is gone for long is left to the repairs when it returns, but not before its files are
 * the old ones again: it may start at any time. While an operation ran on it nobody looked: it may
 * have come back. */
static bool is_lost(struct planner *p, int i)
{
    const struct view_node *vn = p->seen[i];
    const struct rollout_node *n = &p->s->nodes[i];
    bool has_old_files = !n->is_touched || (n->is_returning && n->move.phase >= MOVE_LOAD);
    bool is_late = p->v->now_ms >= vn->reachable_since_ms + p->v->policy->node_deadline_ms;
    if (vn->is_reachable || vn->op.state == OP_OPEN || !is_late)
        return false;
    if (vn->is_foreign || !has_old_files)
        return vn->is_foreign;
    if (vn->seen.looked_ms > vn->op.ended_ms)
        return !vn->is_busy;
    planner_read(p, i, OP_OBSERVE, p->v->rollout->from);
    return false;
}

static void send_back(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    n->is_left_out = false;
    if (is_lost(p, i)) {
        move_end(&n->move);
        n->is_back = true;
        n->is_returning = false;
        return;
    }
    bool is_untouched = !n->is_touched && n->move.phase == MOVE_NONE && !n->is_returning;
    if (n->has_failed && is_untouched)
        n->is_back = true;
    else
        planner_return(p, n, i);
    int64_t lost_ms = p->seen[i]->reachable_since_ms + p->v->policy->node_deadline_ms;
    if (!p->seen[i]->is_reachable && lost_ms > p->v->now_ms)
        planner_wake(p, lost_ms);
}

/* A repair that failed before must not keep the others from going back: it goes on after them. */
static void make_way(struct planner *p)
{
    bool is_needed = false;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        is_needed = is_needed || (goes_back(n) && !n->is_back && !move_disturbs(&n->move));
    }
    for (int i = 0; i < p->s->n_nodes && is_needed; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool has_failed = n->step == 0 && !n->is_returning && n->move.n_rounds > 0;
        if (!has_failed || !move_disturbs(&n->move) || p->seen[i]->op.state == OP_OPEN)
            continue;
        move_end(&n->move);
        p->plans_again = true;
    }
}

/* Everything else is done: true while a repair beside it is waited for. Others are left to the
 * repairs outside of rollouts. */
static bool mends_rest(struct planner *p)
{
    bool mends = false;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (planner_is_mending(p, i))
            mends = true;
        else if (n->step == 0 && !n->is_returning && move_disturbs(&n->move))
            move_end(&n->move);
    }
    return mends;
}

void planner_roll_back(struct planner *p)
{
    int n_left = 0;
    make_way(p);
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (!goes_back(n) || n->is_back)
            continue;
        send_back(p, i);
        n_left += !n->is_back;
    }
    if (n_left > 0) {
        if (p->s->n_rollback_failures >= STUCK_AFTER_FAILURES)
            planner_set_phase(p, ROLLOUT_ROLLBACK_STUCK);
        return;
    }
    if (planner_unfinished_control(p) >= 0 || mends_rest(p))
        return; /* whoever comes next counts on it */
    int64_t from = p->v->rollout->from;
    if (from == 0)
        planner_end(p, ROLLOUT_ROLLED_BACK,
                    arena_printf(p->a, "rolled back to nothing; %.250s", p->s->cause));
    else
        planner_end(p, ROLLOUT_ROLLED_BACK,
                    arena_printf(p->a, "rolled back to version %lld; %.250s", (long long)from,
                                 p->s->cause));
}

/* --- ending where it stands --- */

void planner_begin_halt(struct planner *p, const char *cause, bool is_replaced)
{
    snprintf(p->s->cause, sizeof p->s->cause, "%s", cause);
    if (!planner_is_waiting(p))
        p->s->fault = ROLLOUT_FAULT_USER;
    p->s->is_halting = true;
    p->s->is_replaced = is_replaced;
}

void planner_halt(struct planner *p)
{
    int n_new = 0;
    int unfinished = planner_unfinished_control(p);
    /* It was taken away for the rollout's sake only: it must not be left without its version. */
    if (unfinished >= 0)
        planner_drive_node(p, unfinished);
    if (planner_is_at_work(p) || planner_unfinished_control(p) >= 0)
        return;
    if (planner_is_waiting(p)) {
        planner_end(p, p->s->is_replaced ? ROLLOUT_SUPERSEDED : ROLLOUT_CANCELLED, p->s->cause);
        return;
    }
    for (int i = 0; i < p->s->n_nodes; i++)
        n_new += p->s->nodes[i].is_done;
    planner_end(p, p->s->is_replaced ? ROLLOUT_SUPERSEDED : ROLLOUT_HALTED,
                arena_printf(p->a, "%.200s; %d of %d nodes serve version %lld", p->s->cause, n_new,
                             p->s->n_nodes, (long long)p->v->rollout->to));
}

/* --- after success --- */

/* The old version goes where it stayed beside the new one, loaded or only visible: a server that
 * starts anew would load it. Its files stay. */
static bool begin_drop(struct planner *p, int i, int64_t clean)
{
    struct rollout_node *n = &p->s->nodes[i];
    if (planner_beside(p) == 0)
        return false;
    move_begin_drop(&n->move, p->v->rollout->to, p->v->now_ms);
    n->move.clean = clean;
    return true;
}

/* Files of the version before the last are needed no more. */
void planner_finalize(struct planner *p)
{
    const struct rollout_record *r = p->v->rollout;
    int64_t old = p->v->last_good;
    bool has_old = old != 0 && old != r->from && old != r->to;
    int n_left = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_todo = n->is_done && !n->is_back && p->seen[i]->op.state != OP_OPEN;
        if (is_todo && n->move.phase == MOVE_NONE && !planner_clean_base(p, n)) {
            if (!begin_drop(p, i, has_old ? old : 0) && has_old)
                move_begin_clean(&n->move, old, p->v->now_ms);
            n->is_back = n->move.phase != MOVE_NONE;
        }
        n_left += n->move.phase == MOVE_CLEAN || n->move.is_drop;
    }
    if (n_left == 0 && !mends_rest(p))
        planner_end(p, ROLLOUT_SUCCEEDED,
                    arena_printf(p->a, "version %lld is live", (long long)r->to));
}
