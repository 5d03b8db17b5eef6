/*
 * Stepping each node's move: the limit of unavailable nodes, what becomes of moves that end, and
 * collecting actions. Pure; any thread.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

bool planner_may_disturb(const struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    const struct policy *policy = p->v->policy;
    bool is_forward = p->v->rollout != NULL && n->step > 0 && !n->is_returning;
    if (vn->is_disturbed)
        return false;
    if (is_forward && (p->has_bad_news || p->s->phase != ROLLOUT_RUNNING))
        return false;
    if (planner_holds_control(p, n))
        return false;
    /* Somebody decided that it serves no more; a rollout ends what repairs began of that. */
    bool is_emptied = p->v->rollout == NULL || (n->step == 0 && n->move.number == 0);
    if (vn->wants_none && is_emptied && !n->is_returning)
        return vn->is_reachable;
    if (planner_is_barred(p, vn) && !n->is_returning)
        return false;
    int is_own = move_disturbs(&n->move) && vn->is_reachable;
    bool fits_back = p->n_disturbed - is_own < policy_max_unavailable(policy, p->v->n_nodes, true);
    if (n->is_returning) /* also with the server down: its files are put right */
        return fits_back || policy->strategy == STRATEGY_ALL_AT_ONCE || !vn->is_reachable;
    if (!vn->is_reachable)
        return planner_has_dead_files(p, vn, p->v->live);
    /* Nodes that are down must not keep the others from going back. */
    if (is_forward && fits_back && planner_is_way_back(p))
        return true;
    if (is_forward && policy->strategy == STRATEGY_ALL_AT_ONCE)
        return true;
    /* A node that serves nothing of this target has nothing to lose, unless that was seen before it
     * came back; one that other targets miss still serves this one. */
    bool is_news = vn->seen.observed_ms >= vn->reachable_since_ms;
    return (is_news && planner_lacks(vn, planner_expected(p, n))) ||
           p->n_unavailable - p->is_unavailable[i] <
               policy_max_unavailable(policy, p->v->n_nodes, false);
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
    p->out->waits = p->out->waits || vn->is_busy;
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

bool planner_clean_base(const struct planner *p, struct rollout_node *n)
{
    const struct rollout_record *r = p->v->rollout;
    bool is_kept = n->base == r->from || n->base == p->v->last_good ||
                   (n->base == r->to && !planner_is_rolling_back(p));
    bool is_done = n->move.phase == MOVE_CLEAN && n->move.clean == n->base;
    if (n->base == 0 || is_kept || is_done)
        return false;
    move_begin_clean(&n->move, n->base, p->v->now_ms);
    return true;
}

static void end_return(struct planner *p, struct rollout_node *n)
{
    if (planner_clean_base(p, n))
        return;
    move_end(&n->move);
    n->base = 0;
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
    int64_t keep = m->keep;
    move_begin(m, m->number, m->wants_golden, p->v->now_ms);
    m->clean = clean;
    m->keep = keep;
    m->n_rounds = rounds;
    m->not_before_ms = p->v->now_ms + move_backoff_ms(rounds, n->node_id);
    memcpy(m->text, text, sizeof text);
    if ((planner_is_rolling_back(p) || n->step > 0) && !planner_is_mended(p, n))
        p->s->n_rollback_failures++;
}

/* The version's fault is what it was told to say or did not do; the rest is the infrastructure's.
 */
static void blame(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    bool was_told =
        n->move.is_issued && vn->op.attempt == n->move.attempt && vn->op.state == OP_FAILED;
    bool was_loaded = n->move.phase == MOVE_OBSERVE || n->move.phase == MOVE_GOLDEN;
    bool is_version = was_told ? vn->op.why == OP_CLASS_VERSION : was_loaded && vn->is_reachable;
    n->is_fault_ours = !is_version;
    p->s->n_version_failures += is_version;
    p->s->n_infra_failures += !is_version;
}

/* Files that were refused were not switched: the node still is what it was, unless an attempt
 * before may have been carried out. */
static void fail_forward(struct planner *p, struct rollout_node *n, int i)
{
    const struct op_view *op = &p->seen[i]->op;
    bool was_refused = n->move.phase == MOVE_SWITCH && op->action == OP_SWITCH &&
                       op->state == OP_FAILED && op->why == OP_CLASS_PERMANENT && n->n_lost == 0 &&
                       !n->move.was_switched;
    if (was_refused) {
        n->is_touched = n->base != 0;
        n->move.deadline_ms = 0;
    }
    blame(p, n, p->seen[i]);
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
    if (outcome == MOVE_DONE && n->began_ms != 0)
        n->moved_ms = p->v->now_ms - n->began_ms;
    n->began_ms = 0;
    if (outcome == MOVE_DONE && is_forward && n->move.phase != MOVE_CLEAN) {
        end_forward(p, n, p->seen[i]);
    } else if (outcome == MOVE_DONE && n->is_returning) {
        end_return(p, n);
    } else if (outcome == MOVE_DONE) {
        bool is_base = n->move.phase == MOVE_CLEAN && n->move.clean == n->base;
        n->base = is_base ? 0 : n->base;
        move_end(&n->move);
        n->odd_since_ms = 0;
        planner_end_control(p, n, true);
    } else if (is_forward && !planner_is_way_back(p)) {
        fail_forward(p, n, i);
    } else if (p->v->rollout == NULL) {
        planner_end_repair(p, n);
    } else {
        planner_end_control(p, n, false);
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
    n->move.clean = is_kept || n->step == 0 ? 0 : to;
    n->is_returning = true;
    n->is_done = false;
    n->odd_since_ms = 0;
    memcpy(n->move.text, text, sizeof text);
    if (!n->is_touched && is_kept)
        end_return(p, n);
}

/* The files are fetched within its deadline, too. */
void planner_go_on(const struct planner *p, struct rollout_node *n, int64_t number)
{
    const struct policy *policy = p->v->policy;
    int64_t ms =
        policy->node_deadline_ms > 0 ? policy->node_deadline_ms + policy->step_deadline_ms : 0;
    move_begin(&n->move, number, false, p->v->now_ms);
    move_limit(&n->move, p->v->now_ms, ms);
    n->odd_since_ms = 0;
}

/* A node that was being emptied when the rollout began, and is wanted again since. */
static void refill(struct planner *p, struct rollout_node *n, const struct view_node *vn)
{
    bool is_emptied = n->step == 0 && !n->is_returning && n->move.number == 0 &&
                      n->move.phase != MOVE_CLEAN && move_disturbs(&n->move);
    if (p->v->rollout == NULL || !is_emptied || vn->wants_none || vn->op.state == OP_OPEN ||
        p->v->rollout->from == 0)
        return;
    planner_go_on(p, n, p->v->rollout->from);
}

void planner_drive_node(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    bool is_forward = p->v->rollout != NULL && n->step > 0 && !n->is_returning;
    /* Once going back has begun, nothing forward is done any more, not even half-done things. */
    if (is_forward && planner_is_rolling_back(p))
        return;
    refill(p, n, vn);
    bool was_disturbing = move_disturbs(&n->move);
    struct move_in in = {
        .now_ms = p->v->now_ms,
        .op = &vn->op,
        .seen = &vn->seen,
        .n_golden = p->v->n_golden,
        .node_deadline_ms = n->is_returning ? 0 : p->v->policy->node_deadline_ms,
        .is_idle = !p->is_used[i] && !vn->is_busy && vn->op.state != OP_OPEN &&
                   p->out->n_actions < p->v->n_max_actions,
        .may_switch = planner_may_disturb(p, i),
    };
    planner_route_in(p, i, &in);
    struct move_out out;
    move_step(&n->move, &in, &out);
    if (!was_disturbing && move_disturbs(&n->move)) {
        assert(in.may_switch); /* unavailable nodes stay within the limit */
        count_disturbed(p, i);
        n->began_ms = p->v->now_ms;
    }
    if (is_forward && move_disturbs(&n->move) && n->move.phase >= MOVE_SWITCH)
        n->is_touched = true;
    p->wants_routes = p->wants_routes || out.wants_routes;
    p->is_held_by_limit = p->is_held_by_limit || out.is_blocked;
    p->is_blocked[i] = out.is_blocked;
    p->out->waits = p->out->waits || vn->is_busy || out.is_blocked || !in.is_idle;
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
                                         .keep = n->move.keep,
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
            planner_drive_node(p, i);
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
            planner_drive_node(p, i);
    }
}
