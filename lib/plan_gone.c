/*
 * Nodes that cannot be reached: left out of a step after a while within the policy's bounds, and
 * taken in again when they are back. Pure; any thread.
 */
#include <stdio.h>

#include "plan_inner.h"

/* Since when the step waits for the node: a step that makes progress, or that somebody resumed,
 * has patience again. */
static int64_t awaited_since(const struct planner *p, int i)
{
    int64_t anew_ms = p->s->step_deadline_ms - p->v->policy->step_deadline_ms;
    int64_t gone_ms = p->seen[i]->reachable_since_ms;
    return anew_ms > gone_ms ? anew_ms : gone_ms;
}

static bool is_gone(const struct planner *p, int i, int64_t since_ms)
{
    return p->seen[i]->op.state != OP_OPEN &&
           p->v->now_ms >= since_ms + p->v->policy->lost_after_ms;
}

/* A node that is back takes the version that its place in the plan says. */
static void take_in(struct planner *p, struct rollout_node *n)
{
    n->is_left_out = false;
    n->n_lost = 0;
    if (n->move.phase == MOVE_NONE && !n->is_returning) {
        move_begin(&n->move, p->v->rollout->to, planner_wants_golden(p), p->v->now_ms);
        n->move.keep = planner_beside(p);
    }
}

static void leave_out(struct planner *p, struct rollout_node *n)
{
    if (n->step == 0) {
        n->step = p->s->step;
        n->order = ++p->s->n_chosen;
    }
    move_end(&n->move);
    n->is_done = false;
    n->is_left_out = true;
    p->plans_again = true;
}

/* Nodes that the step cannot do without: chosen ones, and others if no free one can step in. */
static bool is_needed(const struct planner *p, int i, const struct counts *c, int n_wanted)
{
    const struct rollout_node *n = &p->s->nodes[i];
    int reach = p->s->steps[p->s->step - 1].reach;
    bool is_spare = n->step == 0 && (c->n_chosen >= n_wanted || c->n_free_rest > 0 ||
                                     (reach > 0 && n->rank > reach));
    return !p->seen[i]->is_reachable && !n->is_left_out && !n->is_returning && !is_spare;
}

/* One node that is not there: 1 if it is more than may be left out. */
static int miss_node(struct planner *p, int i, struct counts *c, int64_t most)
{
    struct rollout_node *n = &p->s->nodes[i];
    int64_t lost_after = p->v->policy->lost_after_ms;
    if (c->n_left_out < most && is_gone(p, i, p->seen[i]->reachable_since_ms)) {
        c->n_chosen += n->step == 0;
        c->n_left_out++;
        leave_out(p, n);
        return 0;
    }
    int64_t since_ms = c->n_left_out < most ? p->seen[i]->reachable_since_ms : awaited_since(p, i);
    if (p->v->now_ms < since_ms + lost_after)
        planner_wake(p, since_ms + lost_after);
    return is_gone(p, i, since_ms);
}

void planner_leave_out(struct planner *p, int n_wanted, bool is_waived)
{
    struct counts c;
    int64_t most = is_waived ? ROLLOUT_MAX_NODES : p->v->policy->n_unreachable_max;
    int n_over = 0;
    planner_count(p, &c);
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (n->is_left_out && p->seen[i]->is_reachable)
            take_in(p, n);
        else if (is_needed(p, i, &c, n_wanted))
            n_over += miss_node(p, i, &c, most);
    }
    if (n_over > 0)
        planner_pause(p, PAUSE_UNREACHABLE,
                      arena_printf(p->a,
                                   "%d node%s of step %d cannot be reached; at most %d may be left "
                                   "out",
                                   n_over, n_over == 1 ? "" : "s", p->s->step, (int)most));
}
