/*
 * The end of a plan: what state each node is shown in, and whether the status changed at all. Pure;
 * any thread.
 */
#include <assert.h>
#include <string.h>

#include "plan_inner.h"
#include "utf8.h"

static enum node_state moving_state(const struct rollout_node *n)
{
    static const enum node_state by_phase[] = {
        [MOVE_NONE] = NODE_WAITING,   [MOVE_STAGE] = NODE_PLACING,
        [MOVE_SWITCH] = NODE_WAITING, [MOVE_UNROUTE] = NODE_DRAINING,
        [MOVE_DRAIN] = NODE_DRAINING, [MOVE_ROUTE] = NODE_ROUTING,
        [MOVE_LOAD] = NODE_LOADING,   [MOVE_OBSERVE] = NODE_OBSERVING,
        [MOVE_GOLDEN] = NODE_GOLDEN,  [MOVE_CLEAN] = NODE_SERVING};
    if (n->move.phase == MOVE_SWITCH && move_disturbs(&n->move))
        return NODE_SWITCHING;
    return by_phase[n->move.phase];
}

static enum node_state shown_state(const struct rollout_node *n, const struct view_node *vn,
                                   bool is_reloading)
{
    bool is_moving = n->move.phase != MOVE_NONE && n->move.phase != MOVE_CLEAN;
    if (n->is_left_out)
        return NODE_LEFT_OUT;
    if (!vn->is_reachable)
        return NODE_UNREACHABLE;
    if (n->is_returning)
        return is_moving ? NODE_ROLLING_BACK : n->has_failed ? NODE_FAILED : NODE_OLD;
    if (n->has_failed && !n->is_back)
        return NODE_FAILED;
    if (n->step > 0 && is_moving)
        return moving_state(n);
    if (n->is_done)
        return NODE_SERVING;
    if (is_reloading)
        return NODE_RELOADING;
    return is_moving ? NODE_ROLLING_BACK : NODE_OLD;
}

static bool is_same_head(const struct rollout_status *x, const struct rollout_status *y)
{
    return x->phase == y->phase && x->step == y->step && x->command_seq == y->command_seq &&
           x->step_deadline_ms == y->step_deadline_ms && x->bake_since_ms == y->bake_since_ms &&
           x->paused_since_ms == y->paused_since_ms && x->promotes_full == y->promotes_full &&
           x->n_chosen == y->n_chosen && x->n_rollback_failures == y->n_rollback_failures &&
           x->n_pauses == y->n_pauses && x->n_gates == y->n_gates && x->n_steps == y->n_steps &&
           x->n_nodes == y->n_nodes && strcmp(x->cause, y->cause) == 0 &&
           strcmp(x->outcome, y->outcome) == 0;
}

static bool is_same_more(const struct rollout_status *x, const struct rollout_status *y)
{
    return x->bake_until_ms == y->bake_until_ms && x->exposed_ms == y->exposed_ms &&
           x->anew_ms == y->anew_ms && x->queued_ms == y->queued_ms && x->waived == y->waived &&
           x->is_halting == y->is_halting && x->is_replaced == y->is_replaced &&
           x->repair_ms == y->repair_ms && x->fault == y->fault &&
           x->n_version_failures == y->n_version_failures &&
           x->n_infra_failures == y->n_infra_failures && x->weight_bp == y->weight_bp &&
           x->router_attempt == y->router_attempt && x->control == y->control &&
           x->control_id == y->control_id && x->control_until_ms == y->control_until_ms &&
           x->n_approvals == y->n_approvals;
}

/* Items are only ever written when they change, so that comparing bytes is enough: padding was
 * copied with them. */
static bool is_same_items(const void *x, const void *y, int n, size_t size)
{
    return n == 0 || memcmp(x, y, (size_t)n * size) == 0;
}

static bool is_same_way_back(const struct rollout_way_back *x, const struct rollout_way_back *y)
{
    return x->n_nodes == y->n_nodes && x->n_at_a_time == y->n_at_a_time &&
           x->low_point == y->low_point && x->eta_ms == y->eta_ms && x->needs_load == y->needs_load;
}

static bool is_same_pauses(const struct rollout_status *x, const struct rollout_status *y)
{
    for (int i = 0; i < x->n_pauses; i++) {
        const struct rollout_pause *a = &x->pauses[i];
        const struct rollout_pause *b = &y->pauses[i];
        if (a->reason != b->reason || a->since_ms != b->since_ms || a->until_ms != b->until_ms)
            return false;
    }
    return true;
}

static bool is_same(const struct rollout_status *x, const struct rollout_status *y)
{
    return is_same_head(x, y) && is_same_more(x, y) && is_same_pauses(x, y) &&
           is_same_way_back(&x->way_back, &y->way_back) &&
           is_same_items(x->nodes, y->nodes, x->n_nodes, sizeof *x->nodes) &&
           is_same_items(x->steps, y->steps, x->n_steps, sizeof *x->steps) &&
           is_same_items(x->gates, y->gates, x->n_gates, sizeof *x->gates);
}

void planner_clean(char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t len = utf8_next(text + i, n - i, &code);
        if (len == 0 && n - i < 4)
            text[i] = '\0'; /* a letter that was cut */
        else if (len == 0 || utf8_is_control(code))
            memset(text + i, ' ', len == 0 ? 1 : len);
        if (text[i] == '\0')
            return;
        i += len == 0 ? 1 : len;
    }
}

static void clean_texts(struct planner *p)
{
    planner_clean(p->s->cause);
    planner_clean(p->s->outcome);
    planner_clean(p->s->waiting);
    planner_clean(p->s->unblock);
    for (int i = 0; i < p->s->n_nodes; i++)
        planner_clean(p->s->nodes[i].move.text);
}

void planner_finish(struct planner *p)
{
    clean_texts(p);
    const struct rollout_status *before = p->v->status;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_reloading = p->s->control == CONTROL_RELOADING && planner_is_control(p, n);
        enum node_state state = shown_state(n, p->seen[i], is_reloading);
        assert(node_state_may(n->state, state));
        n->state = state;
    }
    bool is_text_new =
        strcmp(p->s->waiting, before->waiting) != 0 || strcmp(p->s->unblock, before->unblock) != 0;
    /* Count-downs alone are stored every other second at most. */
    bool is_text_due = is_text_new && p->v->now_ms >= before->updated_ms + 2000;
    p->out->is_changed = !is_same(p->s, before) || is_text_due;
    if (p->out->is_changed) {
        p->s->revision = before->revision + 1;
        p->s->updated_ms = p->v->now_ms;
    }
    p->out->has_moved = p->s->phase != before->phase || p->s->step != before->step;
    if (p->plans_again || p->out->has_moved)
        planner_wake(p, p->v->now_ms);
    if (rollout_phase_is_terminal(p->s->phase))
        p->out->wake_ms = INT64_MAX;
    planner_check(p);
}
