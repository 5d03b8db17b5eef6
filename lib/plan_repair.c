/*
 * Nodes that serve something else than they should while nobody rolls out: they came back empty,
 * with an old version, or were missed. One node of the environment at a time is brought to today's
 * version. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

/* What node i shall serve outside of rollouts. */
static int64_t wanted(const struct planner *p, int i)
{
    return p->seen[i]->wants_none ? 0 : p->v->live;
}

/* A server that ends because of what mreg left in its folder never answers again: the files are
 * put right without it. A rollout has its own ways for nodes that are gone. */
bool planner_has_dead_files(const struct planner *p, const struct view_node *vn, int64_t want)
{
    return p->v->rollout == NULL && !vn->is_reachable && vn->reachable_since_ms != 0 &&
           vn->owner_epoch == 0 && shown_differs(&vn->shown, want);
}

bool planner_is_odd(struct planner *p, int i, int64_t want)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    const struct observation *o = &vn->seen;
    /* An answer from before the last operation says nothing about now. */
    bool is_news = o->observed_ms != 0 && o->observed_ms > vn->op.ended_ms &&
                   o->observed_ms > n->move.loaded_ms;
    bool is_fresh = o->observed_ms + 3 * p->v->observe_every_ms >= p->v->now_ms;
    if (!vn->is_reachable)
        return planner_has_dead_files(p, vn, want);
    if (!is_news || !is_fresh)
        return false;
    /* It may serve from memory what its folder does not hold any more. */
    bool has_wrong_files =
        shown_differs(&vn->shown, want) || (vn->has_drifted && want == p->v->live);
    /* What mreg did not bring is not mreg's to remove. */
    bool is_ours = want != 0 || has_wrong_files || observation_has(o, p->v->last_to) ||
                   (p->v->live != 0 && observation_has(o, p->v->live));
    bool is_right = observation_fits(o, want) && !has_wrong_files;
    if (is_right || !is_ours) {
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

void planner_add_nodes(struct planner *p)
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

/* Nobody is there, and its files are right, or cannot be put right soon: others wait for their
 * turn. */
static bool is_lost(struct planner *p, int i)
{
    const struct move *m = &p->s->nodes[i].move;
    const struct view_node *vn = p->seen[i];
    int64_t late_ms = m->since_ms + p->v->policy->node_deadline_ms;
    if (vn->is_reachable || m->phase == MOVE_NONE)
        return false;
    planner_wake(p, late_ms);
    return m->n_failures > 0 || p->v->now_ms >= late_ms ||
           !planner_has_dead_files(p, vn, m->number);
}

static void look_soon(struct planner *p, int i)
{
    int64_t at_ms = p->seen[i]->seen.looked_ms + 1000;
    if (p->v->now_ms >= at_ms)
        planner_read(p, i, OP_OBSERVE, p->v->live);
    else
        planner_wake(p, at_ms);
}

static void drop(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    move_end(&n->move);
    n->odd_since_ms = 0;
    if (planner_has_dead_files(p, p->seen[i], wanted(p, i)))
        planner_end_repair(p, n);
}

/* What was changed on the node goes on to its new aim, cordoned or not: all the while it counts as
 * disturbed. But it is looked at first: if it serves still, it is not taken away over the limit. */
static void change_aim(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    int64_t seen_ms = vn->seen.observed_ms;
    bool is_news = seen_ms > vn->op.ended_ms && seen_ms > n->move.since_ms;
    if (is_news && observation_has(&vn->seen, wanted(p, i))) {
        drop(p, i);
    } else if (is_news || !vn->is_reachable) {
        planner_go_on(p, n, wanted(p, i));
    } else {
        look_soon(p, i);
        p->is_used[i] = true; /* nothing else is done there until then */
    }
}

/* A repair from before a rollout ends, which took over from it; so does one whose node is gone, or
 * whose aim is, unless it changed something. */
static void drop_stale(struct planner *p, bool is_first)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct move *m = &p->s->nodes[i].move;
        bool is_over = is_first || is_lost(p, i);
        bool has_other_aim = m->number != wanted(p, i);
        if (m->phase == MOVE_NONE || p->seen[i]->op.state == OP_OPEN)
            continue;
        if (is_over || (has_other_aim && (!move_disturbs(m) || m->is_leaving)))
            drop(p, i);
        else if (has_other_aim)
            change_aim(p, i);
    }
}

/* What the last rollout had begun beside its own nodes when it was ended. */
static void take_over(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!p->seen[i]->was_midway || p->s->nodes[i].move.phase != MOVE_NONE)
            continue;
        planner_go_on(p, &p->s->nodes[i], wanted(p, i));
        p->s->repair_ms = p->v->now_ms;
    }
}

/* An odd node is looked at again soon instead of at the next round. */
static void confirm(struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    if (n->odd_since_ms != 0 && p->seen[i]->seen.observed_ms <= n->odd_since_ms)
        look_soon(p, i);
}

/* Could a repair begin on node i? What cannot be is looked at again in time. */
static bool is_candidate(struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    if (n->move.phase != MOVE_NONE || vn->op.state == OP_OPEN)
        return false;
    if (!planner_is_odd(p, i, wanted(p, i))) {
        confirm(p, i);
        return false;
    }
    if (p->v->now_ms < n->move.not_before_ms) {
        planner_wake(p, n->move.not_before_ms);
        return false;
    }
    /* One that would only wait for the limit must not stand in the way of others. */
    return (!vn->is_cordoned || vn->wants_none) && planner_may_disturb(p, i);
}

static bool is_empty(const struct view_node *vn)
{
    return vn->is_reachable && vn->seen.n_ready == 0;
}

/* The node that is repaired next: one that serves nothing before one that serves something else;
 * -1: none. */
static int choose_next(struct planner *p)
{
    int next = -1;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!is_candidate(p, i))
            continue;
        if (next < 0 || (is_empty(p->seen[i]) && !is_empty(p->seen[next])))
            next = i;
    }
    return next;
}

/* One at a time in the environment, and not one after the other without a pause: whatever went
 * wrong on many nodes at once may go on. */
static void begin_repairs(struct planner *p)
{
    int n_going = p->v->n_env_repairs;
    for (int i = 0; i < p->s->n_nodes; i++)
        n_going += p->s->nodes[i].move.phase != MOVE_NONE;
    int64_t last_ms =
        p->v->last_repair_ms > p->s->repair_ms ? p->v->last_repair_ms : p->s->repair_ms;
    int64_t at_ms = last_ms == 0 ? 0 : last_ms + p->v->policy->repair_every_ms;
    int next = choose_next(p);
    if (next < 0 || n_going > 0 || p->v->is_halted)
        return;
    if (p->v->now_ms < at_ms) {
        planner_wake(p, at_ms);
        return;
    }
    struct rollout_node *n = &p->s->nodes[next];
    int rounds = n->move.n_rounds;
    move_begin(&n->move, wanted(p, next), false, p->v->now_ms);
    n->move.n_rounds = rounds;
    p->s->repair_ms = p->v->now_ms;
}

/* A repair that came to wait for the limit ends: it is begun again when it can go on. */
static void end_blocked(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (!p->is_blocked[i] || move_disturbs(&n->move) || p->seen[i]->op.state == OP_OPEN)
            continue;
        move_end(&n->move);
        p->s->repair_ms = 0;
        p->plans_again = true;
    }
}

/* Most nodes have nothing to say most of the time: only what does is kept. */
static void drop_idle(struct planner *p)
{
    int kept = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        bool is_idle = n->move.phase == MOVE_NONE && n->move.attempt == 0 && n->odd_since_ms == 0 &&
                       n->move.n_rounds == 0;
        if (is_idle)
            continue;
        if (kept != i)
            memcpy(&p->s->nodes[kept], n, sizeof *n);
        p->seen[kept++] = p->seen[i];
    }
    p->s->n_nodes = kept;
}

/* The first plan after a rollout is stored, so that nobody takes over from that again; and it is
 * the newer one, also if clocks were set back. */
static void store_first(const struct view *v, struct plan *out, bool is_first)
{
    struct rollout_status *s = &out->status;
    out->is_changed = out->is_changed || (is_first && v->last_ended_ms != 0);
    if (!out->is_changed)
        return;
    s->revision = v->status->revision + 1;
    s->updated_ms = v->now_ms > v->last_ended_ms ? v->now_ms : v->last_ended_ms;
}

void plan_reconcile(const struct view *v, struct arena *a, struct plan *out)
{
    struct planner p;
    planner_begin(&p, v, a, out);
    planner_add_nodes(&p);
    planner_absorb(&p);
    bool is_first = rollout_status_is_older(v->status, v->last_ended_ms);
    drop_stale(&p, is_first);
    if (is_first)
        take_over(&p);
    begin_repairs(&p);
    planner_drive(&p);
    end_blocked(&p);
    planner_traffic(&p);
    drop_idle(&p);
    planner_finish(&p);
    store_first(v, out, is_first);
}
