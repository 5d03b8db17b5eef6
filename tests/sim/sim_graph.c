/*
 * The small world of sim_graph.h: what operations do, what the planner is told, and what must hold
 * of each of its plans.
 */
#include "sim_graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_EVERY_MS 4000
#define MAX_PLANS 60
#define LEFT 2 /* what a rollout that was replaced brought */

static const char *const names[] = {"n1", "n2", "n3"};

uint8_t graph_bit(int64_t number)
{
    return (uint8_t)(number != 0 ? GRAPH_BIT(number) : 0U);
}

void graph_init(struct graph *g)
{
    struct err e;
    g->record = (struct rollout_record){.id = "r-1",
                                        .model = "m",
                                        .environment = "prod",
                                        .serve_as = "m",
                                        .target_id = 1,
                                        .from = g->from,
                                        .to = g->left != 0 ? 3 : 2,
                                        .kind = "promote",
                                        .actor = "t-1",
                                        .generation = 1,
                                        .created_ms = GRAPH_NOW_MS};
    if (policy_read(g->policy_text, &g->policy, &e) != ERR_OK) {
        printf("%s: %s\n", g->name, e.message);
        abort();
    }
}

static void see(struct graph_state *s, struct graph_node *n)
{
    n->seen.looked_ms = s->now_ms;
    if (!n->is_up)
        return;
    n->seen.observed_ms = s->now_ms;
    n->seen.n_ready = 0;
    memset(n->seen.ready, 0, sizeof n->seen.ready);
    for (int v = 1; v <= 3; v++) {
        if ((n->ready & GRAPH_BIT(v)) != 0)
            n->seen.ready[n->seen.n_ready++] = v;
    }
}

/* Its arrays are its own. */
void graph_adopt(struct graph_state *s)
{
    s->status.nodes = s->nodes;
    s->status.steps = s->steps;
    s->status.gates = s->gates;
    s->status.approvals = s->approvals;
    for (int i = 0; i < s->status.n_nodes; i++)
        s->nodes[i].name = names[s->nodes[i].node_id - 1];
    for (int i = 0; i < s->status.n_steps; i++)
        s->steps[i].wave = NULL;
    for (int i = 0; i < s->status.n_gates; i++)
        s->gates[i].name = NULL;
    for (int i = 0; i < s->status.n_approvals; i++)
        s->approvals[i].actor = i == 0 ? "t-2" : "t-3";
    for (int i = 0; i < s->status.n_pauses; i++) {
        s->status.pauses[i].text = "";
        s->status.pauses[i].actor = s->status.pauses[i].reason == PAUSE_USER ? "t-1" : NULL;
    }
}

void graph_begin(const struct graph *g, struct graph_state *s)
{
    memset(s, 0, sizeof *s);
    s->now_ms = GRAPH_NOW_MS;
    rollout_status_init(&s->status, GRAPH_NOW_MS);
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *n = &s->world[i];
        n->is_up = n->is_reachable = true;
        n->visible = n->ready = graph_bit((g->left & GRAPH_BIT(i)) != 0 ? LEFT : g->from);
        n->reachable_since_ms = GRAPH_NOW_MS - 60000;
        see(s, n);
    }
    s->wake_ms = GRAPH_NOW_MS;
    graph_adopt(s);
}

bool graph_has_ended(const struct graph_state *s)
{
    return rollout_phase_is_terminal(s->status.phase);
}

/* --- the view --- */

static void make_view(const struct graph *g, const struct graph_state *s, struct arena *a,
                      const struct rollout_command *command, struct view *v)
{
    struct view_node *nodes = arena_alloc(a, GRAPH_MAX_NODES * sizeof nodes[0]);
    struct gate_result *verdicts = arena_alloc(a, POLICY_MAX_GATES * sizeof verdicts[0]);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &s->world[i];
        nodes[i] = (struct view_node){.node_id = i + 1,
                                      .name = names[i],
                                      .is_reachable = n->is_reachable,
                                      .reachable_since_ms = n->reachable_since_ms,
                                      .left = (g->left & GRAPH_BIT(i)) != 0 ? LEFT : 0,
                                      .is_busy = n->op.state == OP_OPEN,
                                      .routed_bp = -1,
                                      .n_sessions = -1,
                                      .seen = n->seen,
                                      .sampled_ms = s->now_ms,
                                      .op = n->op};
    }
    for (int i = 0; i < g->policy.n_gates; i++) {
        bool is_judged = gate_is_judged(g->policy.gates[i].kind);
        verdicts[i] = (struct gate_result){.kind = g->policy.gates[i].kind,
                                           .verdict = is_judged ? s->verdict : VERDICT_NONE,
                                           .n_missing = s->verdict == VERDICT_INSUFFICIENT};
    }
    *v = (struct view){.now_ms = s->now_ms,
                       .rollout = &g->record,
                       .status = &s->status,
                       .policy = &g->policy,
                       .live = g->from,
                       .last_good = g->from,
                       .last_to = g->from,
                       .nodes = nodes,
                       .n_nodes = g->n_nodes,
                       .commands = command,
                       .n_commands = command != NULL,
                       .observe_every_ms = LOOK_EVERY_MS,
                       .sample_every_ms = 2000,
                       .driver_flags = g->driver_flags,
                       .verdicts = verdicts,
                       .limits = {.freeze = s->is_frozen ? "frozen" : NULL, .set_step = INT32_MAX},
                       .n_max_actions = 100};
}

/* --- planning --- */

static void take_over(struct graph_state *s, const struct plan *plan)
{
    const struct rollout_status *from = &plan->status;
    if (from->n_nodes > GRAPH_MAX_NODES || from->n_steps > GRAPH_MAX_STEPS ||
        from->n_gates > GRAPH_MAX_GATES || from->n_approvals > 2)
        abort();
    s->status = *from;
    memset(s->nodes, 0, sizeof s->nodes);
    memset(s->steps, 0, sizeof s->steps);
    memset(s->gates, 0, sizeof s->gates);
    if (from->n_nodes > 0)
        memcpy(s->nodes, from->nodes, (size_t)from->n_nodes * sizeof s->nodes[0]);
    if (from->n_steps > 0)
        memcpy(s->steps, from->steps, (size_t)from->n_steps * sizeof s->steps[0]);
    if (from->n_gates > 0)
        memcpy(s->gates, from->gates, (size_t)from->n_gates * sizeof s->gates[0]);
    if (from->n_approvals > 0)
        memcpy(s->approvals, from->approvals, (size_t)from->n_approvals * sizeof s->approvals[0]);
    graph_adopt(s);
}

static void execute(struct graph_state *s, const struct plan_action *act)
{
    struct graph_node *n = &s->world[act->node];
    if (act->action == OP_OBSERVE) {
        see(s, n);
        return;
    }
    if (op_is_read(act->action))
        return;
    n->op = (struct op_view){.state = OP_OPEN, .action = act->action, .attempt = act->attempt};
    n->op_number = act->number;
    n->op_keep = act->keep;
}

static bool plan_once(const struct graph *g, struct graph_state *s,
                      const struct rollout_command *command)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct view v;
    struct plan plan;
    struct rollout_status before = s->status;
    make_view(g, s, &a, command, &v);
    plan_rollout(&v, &a, &plan);
    static unsigned n_plans;
    if (n_plans++ % 16 == 0)
        graph_check_again(s, &v, &a, &plan);
    graph_check_plan(g, s, &v, &plan);
    /* The actions are judged by what is stored before them. */
    struct rollout_status *stored = arena_alloc(&a, sizeof *stored);
    rollout_status_copy(&before, &a, stored);
    v.status = stored;
    take_over(s, &plan);
    for (int i = 0; i < plan.n_actions; i++) {
        if (!op_is_read(plan.actions[i].action))
            graph_check_action(g, s, &v, &plan.actions[i]);
        execute(s, &plan.actions[i]);
    }
    s->wake_ms = plan.wake_ms;
    return plan.wake_ms <= s->now_ms && !graph_has_ended(s);
}

static void plan_until_quiet(const struct graph *g, struct graph_state *s,
                             const struct rollout_command *command)
{
    bool goes_on = plan_once(g, s, command);
    for (int i = 0; goes_on && i < MAX_PLANS; i++)
        goes_on = plan_once(g, s, NULL);
    if (goes_on)
        graph_break(s, "it is planned again and again at the same time");
}

/* --- events --- */

static void take_effect(struct graph_state *s, struct graph_node *n)
{
    uint8_t wanted = graph_bit(n->op_number);
    uint8_t keep = graph_bit(n->op_keep);
    switch (n->op.action) {
    case OP_STAGE:
        n->hidden |= (uint8_t)(wanted & ~n->visible);
        break;
    case OP_SWITCH:
        n->hidden = (uint8_t)((n->hidden | n->visible) & ~(wanted | keep));
        n->visible = (uint8_t)(wanted | (keep & (n->visible | n->hidden)));
        break;
    case OP_LOAD:
        n->ready = n->visible;
        break;
    case OP_UNLOAD:
        n->ready = 0;
        break;
    case OP_REMOVE:
        n->hidden &= (uint8_t)~wanted;
        break;
    default:
        break;
    }
    (void)s;
}

/* What it needs is not there. */
static bool lacks_files(const struct graph_node *n)
{
    uint8_t wanted = graph_bit(n->op_number);
    if (n->op.action == OP_SWITCH)
        return (wanted & ~(n->visible | n->hidden)) != 0;
    if (n->op.action == OP_LOAD)
        return n->visible == 0;
    return n->op.action == OP_GOLDEN && (n->ready & wanted) == 0;
}

static void close_op(struct graph_state *s, struct graph_node *n, enum graph_kind kind)
{
    bool is_file =
        n->op.action == OP_STAGE || n->op.action == OP_SWITCH || n->op.action == OP_REMOVE;
    bool works = n->is_up || is_file;
    bool happens = kind == GRAPH_OP_DONE || kind == GRAPH_OP_LOST_DONE;
    n->op.ended_ms = s->now_ms;
    n->op.why = OP_CLASS_NONE;
    if (happens && works && !lacks_files(n))
        take_effect(s, n);
    if (kind == GRAPH_OP_LOST || kind == GRAPH_OP_LOST_DONE) {
        n->op.state = OP_UNKNOWN;
        return;
    }
    n->op.state = OP_FAILED;
    if (!works || kind == GRAPH_OP_TRANSIENT)
        n->op.why = OP_CLASS_TRANSIENT;
    else if (kind == GRAPH_OP_PERMANENT)
        n->op.why = OP_CLASS_PERMANENT;
    else if (kind == GRAPH_OP_VERSION)
        n->op.why = OP_CLASS_VERSION;
    else if (kind == GRAPH_OP_MISSING || lacks_files(n))
        n->op.why = OP_CLASS_MISSING;
    else
        n->op.state = OP_DONE;
}

int64_t graph_until(const struct graph *g, const struct graph_state *s)
{
    int64_t until_ms = s->wake_ms;
    for (int i = 0; i < g->n_nodes; i++) {
        int64_t look_ms = s->world[i].seen.looked_ms + LOOK_EVERY_MS;
        until_ms = look_ms < until_ms ? look_ms : until_ms;
    }
    return until_ms;
}

static void notice(struct graph_state *s, struct graph_node *n)
{
    n->is_reachable = n->is_up;
    n->reachable_since_ms = s->now_ms;
    if (n->is_up)
        see(s, n);
}

/* To the next full second: who is woken later than asked for loses at most that. */
static void pass_time(const struct graph *g, struct graph_state *s)
{
    int64_t until_ms = graph_until(g, s);
    until_ms = until_ms > s->now_ms ? until_ms : s->now_ms + 1;
    s->now_ms = (until_ms + 999) / 1000 * 1000;
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *n = &s->world[i];
        /* All at once: which of them was looked at first is of no interest. */
        if (n->is_up && !n->is_reachable)
            notice(s, n);
        else
            see(s, n);
    }
}

static void restart(const struct graph *g, struct graph_state *s)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *n = &s->world[i];
        if (n->op.state == OP_OPEN) {
            n->op.state = OP_UNKNOWN;
            n->op.ended_ms = s->now_ms;
        }
    }
}

static void apply_to_node(struct graph_state *s, struct graph_event e)
{
    struct graph_node *n = &s->world[e.node];
    switch (e.kind) {
    case GRAPH_DIES:
        n->is_up = false;
        n->ready = 0;
        break;
    case GRAPH_NOTICED:
        notice(s, n);
        break;
    case GRAPH_RETURNS_EMPTY:
        n->visible = n->hidden = 0;
        n->is_up = true;
        break;
    case GRAPH_RETURNS:
        n->is_up = true;
        n->ready = n->visible;
        break;
    default:
        close_op(s, n, (enum graph_kind)e.kind);
        break;
    }
}

static bool is_fault(struct graph_event e)
{
    static const bool faults[GRAPH_KIND_COUNT] = {
        [GRAPH_OP_TRANSIENT] = true, [GRAPH_OP_PERMANENT] = true,  [GRAPH_OP_VERSION] = true,
        [GRAPH_OP_MISSING] = true,   [GRAPH_OP_LOST_DONE] = true,  [GRAPH_OP_LOST] = true,
        [GRAPH_DIES] = true,         [GRAPH_RETURNS_EMPTY] = true, [GRAPH_FREEZE] = true,
        [GRAPH_RESTART] = true};
    return faults[e.kind] || (e.kind == GRAPH_VERDICT && e.arg != VERDICT_PASS);
}

static int count_done(const struct graph_state *s)
{
    int n = 0;
    for (int i = 0; i < s->status.n_nodes; i++)
        n += s->nodes[i].is_done;
    return n;
}

/* Once all steps are done, it is too late to reject. */
static bool is_abort(const struct graph_state *s, enum command_verb verb)
{
    return verb == COMMAND_ABORT ||
           (verb == COMMAND_REJECT && s->status.phase != ROLLOUT_FINALIZING);
}

void graph_apply(const struct graph *g, struct graph_state *s, struct graph_event e)
{
    struct rollout_command command = {.seq = s->status.command_seq + 1,
                                      .verb = (enum command_verb)e.arg,
                                      .arg = e.arg == COMMAND_EXTEND ? 5000 : 0,
                                      .actor = e.arg == COMMAND_APPROVE ? "t-2" : "t-1"};
    int64_t deadline_ms = s->status.step_deadline_ms;
    int n_done = count_done(s);
    enum rollout_control control = s->status.control;
    s->now_ms++;
    s->n_faults += is_fault(e);
    switch (e.kind) {
    case GRAPH_TIME:
        pass_time(g, s);
        break;
    case GRAPH_VERDICT:
        s->verdict = (enum verdict)e.arg;
        break;
    case GRAPH_FREEZE:
    case GRAPH_THAW:
        s->is_frozen = e.kind == GRAPH_FREEZE;
        break;
    case GRAPH_COMMAND:
        s->n_commands++;
        command.ts_ms = s->now_ms;
        s->was_aborted = s->was_aborted || is_abort(s, (enum command_verb)e.arg);
        break;
    case GRAPH_RESTART:
        restart(g, s);
        break;
    default:
        apply_to_node(s, e);
        break;
    }
    plan_until_quiet(g, s, e.kind == GRAPH_COMMAND ? &command : NULL);
    /* A node that gets done pushes it, also then, and so does the end of a reload control. */
    bool has_moved = deadline_ms != 0 && s->status.step_deadline_ms != 0 &&
                     s->status.step_deadline_ms != deadline_ms && count_done(s) == n_done &&
                     s->status.control == control;
    if (e.kind == GRAPH_RESTART && has_moved)
        graph_break(s, "a restart moved the deadline of the step");
}
