/*
 * What must hold of each plan in the small world of sim_graph.h, whatever happened before.
 */
#include "sim_graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void graph_break(struct graph_state *s, const char *fmt, ...)
{
    if (s->broken[0] != '\0')
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->broken, sizeof s->broken, fmt, args);
    va_end(args);
}

static int count_disturbed(const struct graph_state *s, int but)
{
    int n = 0;
    for (int i = 0; i < s->status.n_nodes; i++) {
        int at = (int)s->nodes[i].node_id - 1;
        n += at != but && s->world[at].is_reachable && move_disturbs(&s->nodes[i].move);
    }
    return n;
}

static bool was_disturbed(const struct rollout_status *before, int node)
{
    for (int i = 0; i < before->n_nodes; i++) {
        if (before->nodes[i].node_id == node + 1)
            return move_disturbs(&before->nodes[i].move);
    }
    return false;
}

/* Unavailable nodes <= limit, rollback included. */
static void check_switch(const struct graph *g, struct graph_state *s, const struct view *v, int i)
{
    const struct graph_node *n = &s->world[i];
    bool is_empty = n->seen.n_ready == 0 && n->seen.observed_ms >= n->reachable_since_ms;
    int64_t limit = policy_max_unavailable(&g->policy, g->n_nodes, false);
    if (was_disturbed(v->status, i) || is_empty || !n->is_reachable ||
        g->policy.strategy == STRATEGY_ALL_AT_ONCE)
        return;
    if (count_disturbed(s, i) >= limit)
        graph_break(s, "n%d is disturbed while %d others are, limit %" PRId64, i + 1,
                    count_disturbed(s, i), limit);
}

void graph_check_action(const struct graph *g, struct graph_state *s, const struct view *v,
                        const struct plan_action *act)
{
    const struct graph_node *n = &s->world[act->node];
    bool gives = act->action == OP_STAGE || act->action == OP_SWITCH || act->action == OP_LOAD;
    bool is_new = gives && act->number == g->record.to;
    if (n->op.state == OP_OPEN)
        graph_break(s, "%s begins on n%d while %s is open", op_action_name(act->action),
                    act->node + 1, op_action_name(n->op.action));
    if (act->attempt <= n->op.attempt)
        graph_break(s, "attempt %d on n%d after %d", act->attempt, act->node + 1, n->op.attempt);
    if (is_new && s->was_aborted)
        graph_break(s, "n%d gets the new version after an abort", act->node + 1);
    if (is_new && (s->status.phase == ROLLOUT_ROLLING_BACK || graph_has_ended(s)))
        graph_break(s, "n%d gets the new version in phase %s", act->node + 1,
                    rollout_phase_name(s->status.phase));
    if (act->action == OP_SWITCH && act->number != 0 &&
        ((n->visible | n->hidden) & GRAPH_BIT(act->number)) == 0 && s->n_faults == 0)
        graph_break(s, "version %" PRId64 " is shown on n%d without being there", act->number,
                    act->node + 1);
    bool is_new_switch = act->action == OP_SWITCH && is_new && !was_disturbed(v->status, act->node);
    bool is_tidying = s->status.phase == ROLLOUT_FINALIZING;
    if (is_new_switch && !is_tidying && (s->is_frozen || s->status.phase != ROLLOUT_RUNNING))
        graph_break(s, "n%d is disturbed in phase %s, frozen %d", act->node + 1,
                    rollout_phase_name(s->status.phase), s->is_frozen);
    if (act->action == OP_SWITCH)
        check_switch(g, s, v, act->node);
}

static bool has_judged_gate(const struct graph *g)
{
    for (int i = 0; i < g->policy.n_gates; i++) {
        if (gate_is_judged(g->policy.gates[i].kind) && !g->policy.gates[i].is_report_only)
            return true;
    }
    return false;
}

/* What the step before the plan and the one after it say together. */
void graph_check_plan(const struct graph *g, struct graph_state *s, const struct view *v,
                      const struct plan *plan)
{
    const struct rollout_status *before = v->status;
    const struct rollout_status *after = &plan->status;
    if (rollout_phase_is_terminal(before->phase) && plan->is_changed)
        graph_break(s, "a rollout that ended changes");
    /* Where nothing has to be done to go back, that takes no plan of its own. */
    bool is_back_at_once = after->phase == ROLLOUT_ROLLED_BACK &&
                           rollout_phase_may(before->phase, ROLLOUT_ROLLING_BACK);
    if (!rollout_phase_may(before->phase, after->phase) && !is_back_at_once &&
        before->phase != ROLLOUT_PAUSED)
        graph_break(s, "phase %s after %s", rollout_phase_name(after->phase),
                    rollout_phase_name(before->phase));
    for (int k = 0; k < after->n_steps && k < before->n_steps; k++) {
        bool is_new =
            after->steps[k].verdict == VERDICT_PASS && before->steps[k].verdict != VERDICT_PASS;
        if (is_new && has_judged_gate(g) && s->verdict != VERDICT_PASS)
            graph_break(s, "step %d passes, but the verdict is %s", k + 1,
                        verdict_name(s->verdict));
    }
    bool is_through = after->phase == ROLLOUT_FINALIZING && before->phase == ROLLOUT_RUNNING;
    for (int i = 0; i < after->n_nodes && is_through; i++) {
        const struct rollout_node *n = &after->nodes[i];
        const struct graph_node *w = &s->world[n->node_id - 1];
        if (n->step > 0 && !n->is_left_out && w->is_reachable &&
            !observation_has(&w->seen, g->record.to))
            graph_break(s, "all steps are done, but n%" PRId64 " was not seen serving", n->node_id);
    }
    for (int i = 0; after->phase == ROLLOUT_ROLLED_BACK && i < g->n_nodes; i++) {
        const struct graph_node *n = &s->world[i];
        if (n->is_up && n->is_reachable && (n->visible & ~graph_bit(g->from)) != 0)
            graph_break(s, "it is rolled back, but n%d has another version", i + 1);
    }
    if (after->phase == ROLLOUT_SUCCEEDED && before->phase != ROLLOUT_SUCCEEDED) {
        int n_new = 0;
        for (int i = 0; i < g->n_nodes; i++)
            n_new += (s->world[i].ready & GRAPH_BIT(g->record.to)) != 0;
        bool is_any_up = false;
        for (int i = 0; i < g->n_nodes; i++)
            is_any_up = is_any_up || s->world[i].is_up;
        if (n_new == 0 && is_any_up && s->n_faults == 0)
            graph_break(s, "it succeeds, but no node serves the new version");
    }
}

/* The same view gives the same plan. */
void graph_check_again(struct graph_state *s, const struct view *v, struct arena *a,
                       const struct plan *plan)
{
    struct plan again;
    struct buf one CLEANUP(buf_clear);
    struct buf other CLEANUP(buf_clear);
    plan_rollout(v, a, &again);
    buf_init(&one, 1 << 20);
    buf_init(&other, 1 << 20);
    rollout_status_write(&plan->status, &one);
    rollout_status_write(&again.status, &other);
    if (again.n_actions != plan->n_actions || again.wake_ms != plan->wake_ms ||
        strcmp(buf_str(&one), buf_str(&other)) != 0)
        graph_break(s, "two plans of one view differ");
}
