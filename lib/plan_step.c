/*
 * One step of a rollout: choosing nodes, settling, baking, and what the gates say. Pure; any
 * thread.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>

#include "plan_inner.h"

#define SETTLE_LOOK_MS 1000

static struct rollout_step *present(struct planner *p)
{
    return &p->s->steps[p->s->step - 1];
}

static bool is_waived(struct planner *p)
{
    return present(p)->is_promoted || p->s->promotes_full;
}

/* A step without bake time waits for no evidence: only a gate that fails counts. Its verdict is
 * recorded as what it was, so nothing is called a pass. */
static bool wants_evidence(struct planner *p)
{
    return present(p)->bake_ms > 0 && !is_waived(p);
}

static void enter(struct planner *p, enum step_phase to)
{
    struct rollout_step *step = present(p);
    assert(step_phase_may(step->phase, to));
    step->phase = to;
}

static int n_wanted(struct planner *p)
{
    int n = present(p)->n_nodes;
    return n < p->s->n_nodes ? n : p->s->n_nodes;
}

static bool has_gate(const struct policy *policy, enum gate_kind kind)
{
    for (int i = 0; i < policy->n_gates; i++) {
        if (policy->gates[i].kind == kind)
            return true;
    }
    return false;
}

static bool wants_samples(const struct policy *policy)
{
    return has_gate(policy, GATE_ERROR_RATE) || has_gate(policy, GATE_LATENCY);
}

struct counts {
    int n_chosen, n_done, n_reachable_rest, n_unreachable_rest, n_failed;
};

static void count_nodes(const struct planner *p, struct counts *c)
{
    *c = (struct counts){0};
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        c->n_chosen += n->step > 0;
        c->n_done += n->is_done && n->move.phase == MOVE_NONE;
        c->n_failed += n->has_failed;
        if (n->step == 0) {
            c->n_reachable_rest += p->seen[i]->is_reachable;
            c->n_unreachable_rest += !p->seen[i]->is_reachable;
        }
    }
}

/* Files are fetched to all nodes of the step at once; only the switch waits for the limit. */
static void choose_nodes(struct planner *p)
{
    struct counts c;
    count_nodes(p, &c);
    int n_missing = n_wanted(p) - c.n_chosen;
    bool wants_golden = has_gate(p->v->policy, GATE_GOLDEN) && p->v->n_golden != 0;
    for (int i = 0; i < p->s->n_nodes && n_missing > 0; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        const struct view_node *vn = p->seen[i];
        bool is_free = n->step == 0 && n->move.phase == MOVE_NONE && vn->is_reachable &&
                       vn->op.state != OP_OPEN;
        if (!is_free)
            continue;
        n->step = p->s->step;
        n->order = ++p->s->n_chosen;
        n->n_lost = 0;
        move_begin(&n->move, p->v->rollout->to, wants_golden, p->v->now_ms);
        n_missing--;
    }
    count_nodes(p, &c);
    assert(c.n_chosen <= n_wanted(p) || c.n_chosen <= c.n_done);
}

/* The old version has to be where the step does not reach yet. */
static void repair_rest(struct planner *p)
{
    int64_t from = p->v->rollout->from;
    for (int i = 0; i < p->s->n_nodes && from != 0; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_rest = n->step == 0 && n->move.phase == MOVE_NONE;
        if (is_rest && p->seen[i]->op.state != OP_OPEN && planner_is_odd(p, i, from))
            move_begin(&n->move, from, false, p->v->now_ms);
    }
}

static bool is_applied(struct planner *p)
{
    struct counts c;
    count_nodes(p, &c);
    if (c.n_done != c.n_chosen)
        return false;
    /* A promoted step does not wait for nodes that are not there. */
    return c.n_chosen >= n_wanted(p) || (is_waived(p) && c.n_reachable_rest == 0);
}

static void miss_deadline(struct planner *p)
{
    struct counts c;
    count_nodes(p, &c);
    char text[160];
    if (c.n_done == c.n_chosen && c.n_reachable_rest == 0 && c.n_unreachable_rest > 0) {
        snprintf(text, sizeof text, "%d node%s of step %d cannot be reached", c.n_unreachable_rest,
                 c.n_unreachable_rest == 1 ? "" : "s", p->s->step);
        planner_pause(p, PAUSE_UNREACHABLE, text);
        return;
    }
    snprintf(text, sizeof text, "step %d was not applied within its deadline: %d of %d nodes serve",
             p->s->step, c.n_done, n_wanted(p));
    planner_fail(p, PAUSE_DEADLINE, text);
}

static bool is_late(const struct planner *p)
{
    return p->s->step_deadline_ms != 0 && p->v->now_ms >= p->s->step_deadline_ms;
}

static void apply(struct planner *p)
{
    choose_nodes(p);
    repair_rest(p);
    if (is_applied(p)) {
        enter(p, STEP_SETTLE);
        return;
    }
    if (is_late(p))
        miss_deadline(p);
    else
        planner_wake(p, p->s->step_deadline_ms);
}

/* When the node that became ready last will have been so for min_healthy; -1: one is not ready. */
static int64_t settled_at(const struct planner *p)
{
    int64_t latest = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->step == 0)
            continue;
        if (n->ready_since_ms == 0)
            return -1;
        if (n->ready_since_ms > latest)
            latest = n->ready_since_ms;
    }
    return latest + p->v->policy->min_healthy_ms;
}

/* Every node of the step was seen ready at or after the time. */
static bool was_seen_since(const struct planner *p, int64_t ms)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].step > 0 && p->seen[i]->seen.observed_ms < ms)
            return false;
    }
    return true;
}

static void settle(struct planner *p)
{
    if (!is_applied(p)) {
        enter(p, STEP_APPLY);
        return;
    }
    int64_t at = settled_at(p);
    if (at >= 0 && p->v->now_ms >= at && was_seen_since(p, at)) {
        enter(p, STEP_BAKE);
        p->s->bake_since_ms = p->v->now_ms;
        return;
    }
    if (is_late(p))
        miss_deadline(p);
    planner_wake(p, at > p->v->now_ms ? at : p->v->now_ms + SETTLE_LOOK_MS);
}

static enum verdict worse(enum verdict x, enum verdict y)
{
    static const int rank[VERDICT_COUNT] = {
        [VERDICT_NONE] = 0,  [VERDICT_PASS] = 1,    [VERDICT_INSUFFICIENT] = 2,
        [VERDICT_ERROR] = 3, [VERDICT_NO_DATA] = 4, [VERDICT_FAIL] = 5};
    return rank[x] > rank[y] ? x : y;
}

static void judge_nodes(const struct planner *p, const struct policy_gate *gate,
                        struct gate_result *out)
{
    struct counts c;
    count_nodes(p, &c);
    *out = (struct gate_result){.kind = gate->kind, .verdict = VERDICT_INSUFFICIENT};
    if (c.n_failed > 0)
        out->verdict = VERDICT_FAIL;
    else if (c.n_done == c.n_chosen && c.n_done > 0)
        out->verdict = VERDICT_PASS;
}

enum verdict planner_judge(struct planner *p)
{
    const struct policy *policy = p->v->policy;
    size_t n = 0;
    const struct evidence **ev = arena_alloc(p->a, ((size_t)p->s->n_nodes + 1) * sizeof ev[0]);
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].is_done)
            ev[n++] = &p->s->nodes[i].evidence;
    }
    enum verdict worst = VERDICT_PASS;
    int64_t stale_before = p->v->now_ms - 3 * p->v->sample_every_ms - 1000;
    p->s->n_gates = policy->n_gates;
    for (int i = 0; i < policy->n_gates; i++) {
        struct gate_result *g = &p->s->gates[i];
        const struct policy_gate *gate = &policy->gates[i];
        if (gate->kind == GATE_HEALTH || gate->kind == GATE_GOLDEN)
            judge_nodes(p, gate, g);
        else
            judge_gate(gate, ev, n, stale_before, g);
        assert(g->verdict != VERDICT_PASS || g->n_missing == 0);
        bool is_ignored = g->verdict == VERDICT_NO_DATA && !policy->pauses_on_no_data;
        worst = is_ignored ? worst : worse(worst, g->verdict);
    }
    return worst;
}

static void fail_gate(struct planner *p)
{
    char text[160] = "a gate failed";
    for (int i = 0; i < p->s->n_gates; i++) {
        const struct gate_result *g = &p->s->gates[i];
        if (g->verdict != VERDICT_FAIL)
            continue;
        bool is_rate = g->kind == GATE_ERROR_RATE;
        double scale = is_rate ? 1e4 : 1e3;
        const char *unit = is_rate ? "%" : "ms";
        snprintf(text, sizeof text,
                 "gate %s failed: %.4g %s over %" PRId64 " requests, limit %.4g %s",
                 gate_name(g->kind), (double)g->value / scale, unit, g->n_requests,
                 (double)g->limit / scale, unit);
    }
    present(p)->verdict = VERDICT_FAIL;
    planner_fail(p, PAUSE_GATE, text);
}

static void bake(struct planner *p)
{
    struct rollout_step *step = present(p);
    if (!is_applied(p)) {
        enter(p, STEP_APPLY);
        p->s->bake_since_ms = 0;
        return;
    }
    if (planner_judge(p) == VERDICT_FAIL) {
        fail_gate(p);
        return;
    }
    int64_t end = p->s->bake_since_ms + step->bake_ms;
    if (p->v->now_ms >= end || is_waived(p))
        enter(p, STEP_GATE);
    else
        planner_wake(p, end);
}

static void finish_step(struct planner *p, enum verdict verdict)
{
    struct rollout_step *step = present(p);
    step->verdict = verdict;
    step->ended_ms = p->v->now_ms;
    enter(p, STEP_DONE);
}

static void gate(struct planner *p)
{
    if (!is_applied(p)) {
        enter(p, STEP_APPLY);
        p->s->bake_since_ms = 0;
        return;
    }
    enum verdict verdict = planner_judge(p);
    present(p)->verdict = verdict;
    if (verdict == VERDICT_FAIL)
        fail_gate(p);
    else if (verdict == VERDICT_PASS || !wants_evidence(p))
        finish_step(p, verdict);
    else if (verdict == VERDICT_NO_DATA)
        planner_pause(p, PAUSE_NO_DATA, "the nodes have no metrics to judge by");
    else if (is_late(p))
        planner_pause(p, PAUSE_INCONCLUSIVE, "too little evidence until the step's deadline");
    else
        planner_wake(p, p->s->step_deadline_ms);
}

/* The deadline of a step runs from its start, and never ends before its bake does. */
static void begin_step(struct planner *p)
{
    struct rollout_step *step = present(p);
    enter(p, STEP_APPLY);
    step->started_ms = p->v->now_ms;
    p->s->step_deadline_ms = p->v->now_ms + p->v->policy->step_deadline_ms;
    p->s->bake_since_ms = 0;
}

static void end_step(struct planner *p)
{
    struct counts c;
    count_nodes(p, &c);
    /* What nobody serves has proven nothing: its nodes were deleted, or passed over. */
    if (p->s->step == p->s->n_steps && c.n_done == 0) {
        planner_fail(p, PAUSE_UNREACHABLE, "no node serves the new version");
        return;
    }
    p->s->bake_since_ms = 0;
    p->s->step_deadline_ms = 0;
    if (p->s->step < p->s->n_steps)
        p->s->step++;
    else
        planner_set_phase(p, ROLLOUT_FINALIZING);
}

void planner_run_step(struct planner *p)
{
    static void (*const run[STEP_PHASE_COUNT])(struct planner *) = {
        [STEP_PENDING] = begin_step, [STEP_APPLY] = apply, [STEP_SETTLE] = settle,
        [STEP_BAKE] = bake,          [STEP_GATE] = gate,   [STEP_DONE] = end_step};
    for (int i = 0; i < 2 * STEP_PHASE_COUNT && p->s->phase == ROLLOUT_RUNNING; i++) {
        enum step_phase before = present(p)->phase;
        int step = p->s->step;
        run[before](p);
        if (p->s->step == step && present(p)->phase == before)
            return;
        /* One row of the journal per step: stop here and come back at once. */
        if (p->s->step != step)
            break;
    }
    if (p->s->phase == ROLLOUT_RUNNING)
        p->plans_again = true;
}

/* Looks at nodes with the new version often enough for the phase, and reads their counters. */
static void watch_node(struct planner *p, int i, bool is_settling)
{
    const struct view_node *vn = p->seen[i];
    int64_t now = p->v->now_ms;
    int64_t every = is_settling ? SETTLE_LOOK_MS : p->v->sample_every_ms;
    int64_t look_at = vn->seen.looked_ms + every;
    int64_t sample_at = vn->sampled_ms + p->v->sample_every_ms;
    if (now >= look_at)
        planner_read(p, i, OP_OBSERVE, p->v->rollout->to);
    else
        planner_wake(p, look_at);
    if (!wants_samples(p->v->policy))
        return;
    if (now >= sample_at && !planner_read(p, i, OP_SAMPLE, p->v->rollout->to))
        planner_wake(p, now + 200);
    else if (now < sample_at)
        planner_wake(p, sample_at);
}

void planner_watch(struct planner *p)
{
    if (p->s->step == 0)
        return;
    enum step_phase phase = present(p)->phase;
    bool is_watched = phase == STEP_SETTLE || phase == STEP_BAKE || phase == STEP_GATE;
    for (int i = 0; i < p->s->n_nodes && is_watched; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->is_done && n->move.phase == MOVE_NONE)
            watch_node(p, i, phase == STEP_SETTLE);
    }
}
