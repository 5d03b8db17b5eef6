/*
 * The planner's view of nodes: matching status and view, taking in what was seen, and counting who
 * is unavailable. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

#define MAX_LOST 3
#define MAX_RESTARTS 3

bool planner_is_rolling_back(const struct planner *p)
{
    return p->s->phase == ROLLOUT_ROLLING_BACK || p->s->phase == ROLLOUT_ROLLBACK_STUCK;
}

bool planner_is_at_work(const struct planner *p)
{
    bool is = false;
    for (int i = 0; i < p->s->n_nodes; i++)
        is = is || p->seen[i]->op.state == OP_OPEN;
    return is;
}

bool planner_is_mending(const struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    if (n->step > 0 || n->is_returning || !move_disturbs(&n->move))
        return false;
    bool is_bounded = n->move.deadline_ms != MOVE_NO_DEADLINE && n->move.n_rounds == 0;
    return p->seen[i]->op.state == OP_OPEN || (is_bounded && p->seen[i]->is_reachable);
}

void planner_wake(struct planner *p, int64_t at_ms)
{
    if (at_ms < p->out->wake_ms)
        p->out->wake_ms = at_ms;
}

static const struct view_node *find_node(const struct view *v, int64_t node_id)
{
    int lo = 0;
    int hi = v->n_nodes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (v->nodes[mid].node_id < node_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < v->n_nodes && v->nodes[lo].node_id == node_id ? &v->nodes[lo] : NULL;
}

/* Nodes that were deleted since are dropped: nothing waits for them. */
static void match_nodes(struct planner *p)
{
    struct rollout_status *s = p->s;
    int kept = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct view_node *vn = find_node(p->v, s->nodes[i].node_id);
        if (vn == NULL)
            continue;
        if (kept != i)
            memcpy(&s->nodes[kept], &s->nodes[i], sizeof s->nodes[i]);
        p->seen[kept++] = vn;
    }
    s->n_nodes = kept;
}

int64_t planner_expected(const struct planner *p, const struct rollout_node *n)
{
    if (p->v->rollout == NULL)
        return p->v->live;
    return n->is_done ? p->v->rollout->to : p->v->rollout->from;
}

bool planner_lacks(const struct view_node *vn, int64_t version)
{
    return version != 0 && vn->seen.observed_ms != 0 && vn->seen.n_ready == 0;
}

/* Nodes of the environment that are not in the rollout count too. */
static void count_unavailable(struct planner *p)
{
    int n_members = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct view_node *vn = p->seen[i];
        const struct rollout_node *n = &p->s->nodes[i];
        bool is_disturbed = vn->is_disturbed || move_disturbs(&n->move);
        p->is_unavailable[i] = is_disturbed || !vn->is_reachable || vn->is_lacking ||
                               planner_lacks(vn, planner_expected(p, n));
        p->n_unavailable += p->is_unavailable[i];
        p->n_disturbed += is_disturbed && vn->is_reachable;
        n_members++;
    }
    if (n_members == p->v->n_nodes)
        return;
    int k = 0;
    for (int i = 0; i < p->v->n_nodes; i++) {
        const struct view_node *vn = &p->v->nodes[i];
        if (k < n_members && p->s->nodes[k].node_id == vn->node_id) {
            k++;
            continue;
        }
        p->n_unavailable += vn->is_disturbed || !vn->is_reachable || vn->is_lacking;
        p->n_disturbed += vn->is_disturbed && vn->is_reachable;
    }
}

/* What goes back stops for nothing: what failed is tried again, and the others go on. */
static void find_bad_news(struct planner *p)
{
    if (p->v->rollout != NULL && planner_is_way_back(p))
        return;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        const struct op_view *op = &p->seen[i]->op;
        bool is_final = op->why == OP_CLASS_VERSION || op->why == OP_CLASS_PERMANENT;
        bool is_ours = n->move.is_issued && op->attempt == n->move.attempt;
        if (is_ours && op->state == OP_FAILED && is_final && !n->is_returning && n->step > 0)
            p->has_bad_news = true;
        if (n->has_failed)
            p->has_bad_news = true;
    }
}

void planner_begin(struct planner *p, const struct view *v, struct arena *a, struct plan *out)
{
    *p = (struct planner){.v = v, .a = a, .out = out, .s = &out->status};
    *out = (struct plan){.wake_ms = INT64_MAX};
    out->status = *v->status;
    size_t n = (size_t)v->status->n_nodes;
    size_t n_steps = (size_t)v->status->n_steps;
    p->s->nodes = arena_alloc(a, (n + 1) * sizeof p->s->nodes[0]);
    p->s->steps = arena_alloc(a, (n_steps + 1) * sizeof p->s->steps[0]);
    if (n > 0)
        memcpy(p->s->nodes, v->status->nodes, n * sizeof p->s->nodes[0]);
    if (n_steps > 0)
        memcpy(p->s->steps, v->status->steps, n_steps * sizeof p->s->steps[0]);
    size_t most = (n > (size_t)v->n_nodes ? n : (size_t)v->n_nodes) + 2;
    p->seen = arena_alloc(a, most * sizeof p->seen[0]);
    p->is_used = arena_alloc(a, most * sizeof p->is_used[0]);
    p->is_unavailable = arena_alloc(a, most * sizeof p->is_unavailable[0]);
    p->is_blocked = arena_alloc(a, most * sizeof p->is_blocked[0]);
    out->actions = arena_alloc(a, most * sizeof out->actions[0]);
    match_nodes(p);
}

/* A node with the new version that is not ready any more is loaded again; one that does so again
 * and again has a bad version. */
static void lose_node(struct planner *p, struct rollout_node *n)
{
    n->n_lost++;
    n->is_done = false;
    n->ready_since_ms = 0;
    int lost = n->n_lost;
    bool is_way_back = planner_is_way_back(p);
    if (lost >= MAX_LOST && !is_way_back) {
        n->has_failed = true;
        p->s->n_version_failures++;
        snprintf(n->move.text, sizeof n->move.text, "stopped being ready %d times", lost);
        return;
    }
    move_begin(&n->move, p->v->rollout->to, false, p->v->now_ms);
    n->move.keep = planner_beside(p);
    /* It serves nothing: whatever is done now disturbs nobody. */
    n->move.deadline_ms = p->v->now_ms + p->v->policy->node_deadline_ms;
    snprintf(n->move.text, sizeof n->move.text, "stopped being ready");
    if (lost < MAX_LOST)
        return;
    p->s->n_rollback_failures++;
    n->move.not_before_ms = p->v->now_ms + move_backoff_ms(lost - MAX_LOST + 1, n->node_id);
}

/* A server that ends again and again under the new version is brought down by it, also if it is
 * ready again each time before anybody looks. */
static void count_restart(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    bool is_news = vn->restarted_ms > n->restarted_ms && vn->restarted_ms > n->evidence.since_ms;
    bool is_forward = p->s->phase == ROLLOUT_RUNNING || p->s->phase == ROLLOUT_PAUSED;
    if (!is_news || !is_forward)
        return;
    n->restarted_ms = vn->restarted_ms;
    n->n_restarts++;
    if (n->n_restarts < MAX_RESTARTS || planner_is_way_back(p))
        return;
    n->is_done = false;
    n->has_failed = true;
    p->s->n_version_failures++;
    snprintf(n->move.text, sizeof n->move.text, "the server restarted %d times", n->n_restarts);
}

static void absorb_done(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    const struct observation *o = &vn->seen;
    int64_t to = p->v->rollout->to;
    judge_add(&n->evidence, &vn->sample);
    count_restart(p, n, vn);
    if (n->has_failed)
        return;
    if (!vn->is_reachable) {
        n->ready_since_ms = 0;
        return;
    }
    bool is_news = o->observed_ms > n->evidence.since_ms;
    bool fits = observation_fits_with(o, to, planner_beside(p));
    /* While it goes back or is about to end, nothing forward begins: the repairs come after it. */
    bool is_forward = p->s->phase == ROLLOUT_RUNNING || p->s->phase == ROLLOUT_PAUSED;
    if (is_news && !fits && is_forward)
        lose_node(p, n);
    else if (n->ready_since_ms == 0 && is_news)
        n->ready_since_ms = o->observed_ms;
}

void planner_absorb(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        const struct view_node *vn = p->seen[i];
        if (vn->seen.observed_ms != 0)
            n->version = observation_serves(&vn->seen);
        if (n->is_done && n->move.phase == MOVE_NONE)
            absorb_done(p, n, vn);
    }
    count_unavailable(p);
    find_bad_news(p);
}
