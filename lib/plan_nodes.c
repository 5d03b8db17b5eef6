/*
 * The planner's view of nodes: matching status and view, taking in what was seen, the limit of
 * unavailable nodes, and stepping each node's move. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

#define MAX_LOST 3

bool planner_is_rolling_back(const struct planner *p)
{
    return p->s->phase == ROLLOUT_ROLLING_BACK || p->s->phase == ROLLOUT_ROLLBACK_STUCK;
}

bool planner_has_pause(const struct planner *p, enum pause_reason r)
{
    for (int i = 0; i < p->s->n_pauses; i++) {
        if (p->s->pauses[i].reason == r)
            return true;
    }
    return false;
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

/* The version that a node has or keeps as long as nothing is done to it. */
static int64_t expected(const struct planner *p, const struct rollout_node *n)
{
    if (p->v->rollout == NULL)
        return p->v->live;
    return n->is_done ? p->v->rollout->to : p->v->rollout->from;
}

static bool lacks(const struct view_node *vn, int64_t version)
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
        p->is_unavailable[i] =
            is_disturbed || !vn->is_reachable || vn->is_lacking || lacks(vn, expected(p, n));
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

static void find_bad_news(struct planner *p)
{
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
    size_t most = (n > (size_t)v->n_nodes ? n : (size_t)v->n_nodes) + 1;
    p->seen = arena_alloc(a, most * sizeof p->seen[0]);
    p->is_used = arena_alloc(a, most * sizeof p->is_used[0]);
    p->is_unavailable = arena_alloc(a, most * sizeof p->is_unavailable[0]);
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
    if (lost >= MAX_LOST) {
        n->has_failed = true;
        snprintf(n->move.text, sizeof n->move.text, "stopped being ready %d times", lost);
        return;
    }
    move_begin(&n->move, p->v->rollout->to, false, p->v->now_ms);
    /* It serves nothing: whatever is done now disturbs nobody. */
    n->move.deadline_ms = p->v->now_ms + p->v->policy->node_deadline_ms;
    snprintf(n->move.text, sizeof n->move.text, "stopped being ready");
}

static void absorb_done(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    const struct observation *o = &vn->seen;
    int64_t to = p->v->rollout->to;
    judge_add(&n->evidence, &vn->sample);
    if (!vn->is_reachable) {
        n->ready_since_ms = 0;
        return;
    }
    bool is_news = o->observed_ms > n->evidence.since_ms;
    if (is_news && !observation_fits(o, to) && !planner_is_rolling_back(p))
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

/* May the service of node i be disturbed now? */
static bool may_disturb(struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    const struct policy *policy = p->v->policy;
    bool is_forward = p->v->rollout != NULL && n->step > 0 && !n->is_returning;
    if (vn->is_disturbed)
        return false;
    if (is_forward && (p->has_bad_news || p->s->phase != ROLLOUT_RUNNING))
        return false;
    if (n->is_returning) /* also with the server down: its files are put right */
        return p->n_disturbed < policy->max_unavailable ||
               policy->strategy == STRATEGY_ALL_AT_ONCE || !vn->is_reachable;
    if (!vn->is_reachable)
        return false;
    if (is_forward && policy->strategy == STRATEGY_ALL_AT_ONCE)
        return true;
    /* A node that serves nothing of this target has nothing to lose; one that other targets miss
     * still serves this one. */
    return lacks(vn, expected(p, n)) ||
           p->n_unavailable - p->is_unavailable[i] < policy->max_unavailable;
}

static void count_disturbed(struct planner *p, int i)
{
    p->n_disturbed += p->seen[i]->is_reachable;
    if (!p->is_unavailable[i]) {
        p->is_unavailable[i] = true;
        p->n_unavailable++;
    }
}

static void add_action(struct planner *p, int i, const struct plan_action *action)
{
    p->is_used[i] = true;
    p->out->actions[p->out->n_actions] = *action;
    p->out->actions[p->out->n_actions].node = (int)(p->seen[i] - p->v->nodes);
    p->out->n_actions++;
}

bool planner_read(struct planner *p, int i, enum op_action action, int64_t number)
{
    const struct view_node *vn = p->seen[i];
    if (p->is_used[i] || vn->is_busy || vn->op.state == OP_OPEN)
        return false;
    add_action(p, i, &(struct plan_action){.action = action, .number = number});
    return true;
}

static void end_forward(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    int64_t now = p->v->now_ms;
    move_end(&n->move);
    n->move.text[0] = '\0';
    n->is_done = true;
    n->ready_since_ms = vn->seen.observed_ms;
    evidence_begin(&n->evidence, now);
    /* A step that makes progress is not late. */
    if (p->s->step_deadline_ms != 0)
        p->s->step_deadline_ms = now + p->v->policy->step_deadline_ms;
}

static void end_return(struct planner *p, struct rollout_node *n)
{
    move_end(&n->move);
    n->is_returning = false;
    n->is_touched = false;
    n->is_done = false;
    if (planner_is_rolling_back(p)) {
        n->is_back = true;
    } else if (!n->has_failed) {
        /* Somebody resumed meanwhile: the node may be chosen again. */
        n->step = 0;
        n->order = 0;
    }
}

/* A move that has to succeed sooner or later is begun again, after a while. */
static void begin_again(struct planner *p, struct rollout_node *n)
{
    struct move *m = &n->move;
    char text[MOVE_TEXT_BYTES];
    memcpy(text, m->text, sizeof text);
    int rounds = m->n_rounds + 1;
    int64_t clean = m->clean;
    move_begin(m, m->number, false, p->v->now_ms);
    m->clean = clean;
    m->n_rounds = rounds;
    m->not_before_ms = p->v->now_ms + move_backoff_ms(rounds, n->node_id);
    memcpy(m->text, text, sizeof text);
    if (planner_is_rolling_back(p))
        p->s->n_rollback_failures++;
}

/* Files that were refused were not switched: the node still is what it was. */
static void fail_forward(struct planner *p, struct rollout_node *n, int i)
{
    const struct op_view *op = &p->seen[i]->op;
    bool was_refused = n->move.phase == MOVE_SWITCH && op->action == OP_SWITCH &&
                       op->state == OP_FAILED && op->why == OP_CLASS_PERMANENT && n->n_lost == 0;
    if (was_refused) {
        n->is_touched = false;
        n->move.deadline_ms = 0;
    }
    n->has_failed = true;
    n->is_done = false;
    p->has_bad_news = true;
    planner_return(p, n, i);
}

static void end_move(struct planner *p, int i, enum move_outcome outcome)
{
    struct rollout_node *n = &p->s->nodes[i];
    bool is_forward = p->v->rollout != NULL && n->step > 0 && !n->is_returning;
    p->plans_again = true;
    if (outcome == MOVE_DONE && is_forward && n->move.phase != MOVE_CLEAN) {
        end_forward(p, n, p->seen[i]);
    } else if (outcome == MOVE_DONE && n->is_returning) {
        end_return(p, n);
    } else if (outcome == MOVE_DONE) {
        move_end(&n->move);
        n->odd_since_ms = 0;
    } else if (is_forward) {
        fail_forward(p, n, i);
    } else if (p->v->rollout == NULL) {
        planner_end_repair(p, n);
    } else {
        begin_again(p, n);
    }
}

void planner_return(struct planner *p, struct rollout_node *n, int i)
{
    const struct view_node *vn = p->seen[i];
    if (n->is_returning || n->is_back || vn->op.state == OP_OPEN)
        return;
    int64_t now = p->v->now_ms;
    int64_t from = p->v->rollout->from;
    int64_t to = p->v->rollout->to;
    bool is_kept = to == p->v->last_good || to == from;
    char text[MOVE_TEXT_BYTES];
    memcpy(text, n->move.text, sizeof text);
    if (n->is_touched)
        move_begin(&n->move, from, false, now);
    else
        move_begin_clean(&n->move, to, now);
    n->move.clean = is_kept ? 0 : to;
    n->is_returning = true;
    n->is_done = false;
    n->odd_since_ms = 0;
    memcpy(n->move.text, text, sizeof text);
    if (!n->is_touched && is_kept)
        end_return(p, n);
}

static void drive_node(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    bool is_forward = p->v->rollout != NULL && n->step > 0 && !n->is_returning;
    /* Once going back has begun, nothing forward is done any more, not even half-done things. */
    if (is_forward && planner_is_rolling_back(p))
        return;
    bool was_disturbing = move_disturbs(&n->move);
    struct move_in in = {
        .now_ms = p->v->now_ms,
        .op = &vn->op,
        .seen = &vn->seen,
        .n_golden = p->v->n_golden,
        .node_deadline_ms = n->is_returning ? 0 : p->v->policy->node_deadline_ms,
        .is_idle = !p->is_used[i] && !vn->is_busy && vn->op.state != OP_OPEN &&
                   p->out->n_actions < p->v->n_max_actions,
        .may_switch = may_disturb(p, i),
    };
    struct move_out out;
    move_step(&n->move, &in, &out);
    if (!was_disturbing && move_disturbs(&n->move))
        count_disturbed(p, i);
    if (is_forward && move_disturbs(&n->move))
        n->is_touched = true;
    p->is_held_by_limit = p->is_held_by_limit || out.is_blocked;
    planner_wake(p, out.wake_ms);
    if (out.outcome != MOVE_GOES_ON) {
        end_move(p, i, out.outcome);
        return;
    }
    if (out.has_action)
        add_action(p, i,
                   &(struct plan_action){.action = out.action,
                                         .number = out.action == OP_REMOVE ? n->move.clean
                                                                           : n->move.number,
                                         .attempt = op_is_read(out.action) ? 0 : n->move.attempt,
                                         .golden = out.golden});
}

/* Newest first when going back: the node chosen last is the first to be freed. Nodes that were
 * never chosen (repairs) come last. */
static void drive_backwards(struct planner *p)
{
    struct rollout_status *s = p->s;
    int *by_order = arena_alloc(p->a, ((size_t)s->n_chosen + 1) * sizeof by_order[0]);
    for (int i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].order > 0 && s->nodes[i].order <= s->n_chosen)
            by_order[s->nodes[i].order] = i + 1;
    }
    for (int order = s->n_chosen; order > 0; order--) {
        int i = by_order[order] - 1;
        if (i >= 0 && s->nodes[i].move.phase != MOVE_NONE)
            drive_node(p, i);
    }
}

void planner_drive(struct planner *p)
{
    bool goes_back = planner_is_rolling_back(p);
    if (goes_back)
        drive_backwards(p);
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->move.phase != MOVE_NONE && !(goes_back && n->order > 0))
            drive_node(p, i);
    }
}
