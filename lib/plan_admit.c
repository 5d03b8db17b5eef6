/*
 * The begin: what is refused, what waits in the queue, and making steps out of the policy. Pure;
 * any thread.
 */
#include <stdio.h>

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

static void take_nodes(struct planner *p, const int *order)
{
    const struct view *v = p->v;
    p->s->nodes = arena_alloc(p->a, (size_t)v->n_nodes * sizeof p->s->nodes[0]);
    p->s->n_nodes = v->n_nodes;
    for (int i = 0; i < v->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        n->node_id = v->nodes[i].node_id;
        n->name = v->nodes[i].name;
        n->base = v->nodes[i].left != v->rollout->from ? v->nodes[i].left : 0;
        n->is_touched = n->base != 0;
        p->seen[i] = &v->nodes[i];
        /* What a repair began is the rollout's to finish: nobody else counts this node as busy. */
        if (v->nodes[i].is_repairing) {
            move_begin(&n->move, v->rollout->from, false, v->now_ms);
            n->move.deadline_ms = MOVE_NO_DEADLINE;
        }
    }
    for (int i = 0; i < v->n_nodes; i++)
        p->s->nodes[order[i]].rank = i + 1;
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
    take_nodes(p, order);
    p->s->n_steps = steps_make(v->policy, labels, v->n_nodes, p->a, &p->s->steps);
    p->s->step = 1;
    planner_set_phase(p, ROLLOUT_RUNNING);
    p->plans_again = true;
}

void planner_admit(struct planner *p)
{
    struct rollout_pause why;
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
    } else {
        begin(p);
    }
}
