/*
 * The begin: what is refused, what waits in the queue, and making steps out of the policy. Pure;
 * any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"
#include "steps.h"

static const char *refusal(const struct planner *p)
{
    const struct view *v = p->v;
    if (v->n_nodes == 0)
        return "the environment has no nodes";
    if (v->n_nodes > ROLLOUT_MAX_NODES)
        return "the environment has too many nodes";
    return steps_refuse(v->policy, v->n_nodes, v->has_router, v->can_mirror);
}

static void take_nodes(struct planner *p)
{
    const struct view *v = p->v;
    bool is_first = p->s->n_nodes == 0;
    planner_add_nodes(p);
    /* They may stand elsewhere now: what was counted by place is counted afresh next time. */
    memset(p->is_unavailable, 0, (size_t)v->n_nodes * sizeof p->is_unavailable[0]);
    for (int i = 0; i < v->n_nodes && is_first; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        n->base = v->nodes[i].left != v->rollout->from ? v->nodes[i].left : 0;
        n->is_touched = n->base != 0;
        /* What a repair began is the rollout's to finish: nobody else counts this node as busy. */
        if (v->nodes[i].was_midway)
            planner_go_on(p, n, v->nodes[i].wants_none ? 0 : v->rollout->from);
    }
}

/* Is there a node that cannot wait: one that a repair left in the middle, or that serves nothing?
 */
static bool has_urgent_work(const struct planner *p)
{
    bool has = false;
    for (int i = 0; i < p->v->n_nodes; i++) {
        const struct view_node *vn = &p->v->nodes[i];
        bool is_empty = vn->is_reachable && !vn->is_cordoned && vn->left == 0 &&
                        planner_lacks(vn, p->v->rollout->from);
        has = has || vn->was_midway || is_empty;
    }
    return has;
}

/* The old version is kept up while it waits, as repairs do when there is no rollout. */
static void wait_in_queue(struct planner *p)
{
    if (p->s->n_nodes == 0 && !has_urgent_work(p))
        return;
    take_nodes(p);
    planner_repair_rest(p);
}

static void begin(struct planner *p)
{
    const struct view *v = p->v;
    size_t n = (size_t)v->n_nodes;
    struct step_node *labels = arena_alloc(p->a, n * sizeof labels[0]);
    int *order = arena_alloc(p->a, n * sizeof order[0]);
    for (size_t i = 0; i < n; i++)
        labels[i] =
            (struct step_node){.order_key = v->nodes[i].order_key, .wave = v->nodes[i].wave};
    steps_order(v->policy, labels, v->n_nodes, p->a, order);
    take_nodes(p);
    for (int i = 0; i < v->n_nodes; i++)
        p->s->nodes[order[i]].rank = i + 1;
    p->s->n_steps = steps_make(v->policy, labels, v->n_nodes, p->a, &p->s->steps);
    p->s->step = 1;
    planner_set_phase(p, ROLLOUT_RUNNING);
    p->plans_again = true;
}

void planner_admit(struct planner *p)
{
    struct rollout_pause why;
    /* A repair's operation ends before anything is decided. */
    if (planner_is_at_work(p))
        return;
    const char *words = refusal(p);
    if (words != NULL) {
        planner_end(p, ROLLOUT_REJECTED, words);
    } else if (p->v->limits.is_in_set && p->v->limits.set_failed) {
        planner_end(p, ROLLOUT_CANCELLED,
                    p->v->limits.set_text != NULL ? p->v->limits.set_text : "its set failed");
    } else if (planner_is_queued(p, &why)) {
        if (p->s->phase == ROLLOUT_SUBMITTED)
            p->s->queued_ms = p->v->now_ms;
        planner_set_phase(p, ROLLOUT_QUEUED);
        planner_explain_queue(p, &why);
        if (why.until_ms > p->v->now_ms)
            planner_wake(p, why.until_ms);
        wait_in_queue(p);
    } else {
        begin(p);
    }
}
