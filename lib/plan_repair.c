/*
 * Nodes that serve something else than they should while nobody rolls out: they came back empty,
 * with an old version, or were missed. One node of the environment at a time is brought to today's
 * version. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

bool planner_is_odd(struct planner *p, int i, int64_t want)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    const struct observation *o = &vn->seen;
    /* An answer from before the last operation says nothing about now. */
    bool is_news = o->observed_ms != 0 && o->observed_ms > vn->op.ended_ms &&
                   o->observed_ms > n->move.loaded_ms;
    bool is_fresh = o->observed_ms + 3 * p->v->observe_every_ms >= p->v->now_ms;
    if (!vn->is_reachable || !is_news || !is_fresh)
        return false;
    /* What mreg did not bring is not mreg's to remove. */
    bool is_ours = want != 0 || observation_has(o, p->v->last_to);
    if (observation_fits(o, want) || !is_ours) {
        n->odd_since_ms = 0;
        n->move.n_rounds = 0;
        return false;
    }
    if (n->odd_since_ms == 0) {
        n->odd_since_ms = o->observed_ms;
        planner_wake(p, p->v->now_ms + 1000);
        return false;
    }
    return o->observed_ms > n->odd_since_ms;
}

void planner_end_repair(struct planner *p, struct rollout_node *n)
{
    int rounds = n->move.n_rounds + 1;
    move_end(&n->move);
    n->move.n_rounds = rounds;
    n->move.not_before_ms = p->v->now_ms + 5 * move_backoff_ms(rounds, n->node_id);
}

/* Nodes of the environment that the status does not know yet are added, in order. */
static void add_nodes(struct planner *p)
{
    const struct view *v = p->v;
    if (p->s->n_nodes == v->n_nodes)
        return;
    size_t n = (size_t)v->n_nodes;
    struct rollout_node *nodes = arena_alloc(p->a, (n + 1) * sizeof nodes[0]);
    int k = 0;
    for (int i = 0; i < v->n_nodes; i++) {
        const struct view_node *vn = &v->nodes[i];
        bool is_known = k < p->s->n_nodes && p->s->nodes[k].node_id == vn->node_id;
        if (is_known)
            memcpy(&nodes[i], &p->s->nodes[k++], sizeof nodes[i]);
        nodes[i].node_id = vn->node_id;
        nodes[i].name = vn->name;
        p->seen[i] = vn;
    }
    p->s->nodes = nodes;
    p->s->n_nodes = v->n_nodes;
}

/* A repair whose aim is gone, or whose node is, ends; what was begun there is looked at again. So
 * does one from before a rollout, which took over from it. */
static void drop_stale(struct planner *p)
{
    bool is_old = p->v->status->updated_ms <= p->v->last_ended_ms;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_stale = is_old || n->move.number != p->v->live || !p->seen[i]->is_reachable;
        if (n->move.phase != MOVE_NONE && is_stale && p->seen[i]->op.state != OP_OPEN) {
            move_end(&n->move);
            n->odd_since_ms = 0;
        }
    }
}

/* An odd node is looked at again soon instead of at the next round. */
static void confirm(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    if (n->odd_since_ms == 0 || vn->seen.observed_ms > n->odd_since_ms)
        return;
    if (p->v->now_ms >= vn->seen.looked_ms + 1000)
        planner_read(p, i, OP_OBSERVE, p->v->live);
    else
        planner_wake(p, vn->seen.looked_ms + 1000);
}

static void begin_repairs(struct planner *p)
{
    int n_going = p->v->n_env_repairs;
    for (int i = 0; i < p->s->n_nodes; i++)
        n_going += p->s->nodes[i].move.phase != MOVE_NONE;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (n->move.phase != MOVE_NONE || p->seen[i]->op.state == OP_OPEN)
            continue;
        bool is_odd = planner_is_odd(p, i, p->v->live);
        if (!is_odd || n_going > 0) {
            confirm(p, i);
            continue;
        }
        if (p->v->now_ms < n->move.not_before_ms) {
            planner_wake(p, n->move.not_before_ms);
            continue;
        }
        int rounds = n->move.n_rounds;
        move_begin(&n->move, p->v->live, false, p->v->now_ms);
        n->move.n_rounds = rounds;
        n_going++;
    }
}

void plan_reconcile(const struct view *v, struct arena *a, struct plan *out)
{
    struct planner p;
    planner_begin(&p, v, a, out);
    add_nodes(&p);
    planner_absorb(&p);
    drop_stale(&p);
    begin_repairs(&p);
    planner_drive(&p);
    planner_finish(&p);
}
