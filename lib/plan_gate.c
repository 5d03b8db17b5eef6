/*
 * Judging a step: every gate's verdict, the worst of those that decide, and what the policy says
 * when there is none. Gates that compare or ask elsewhere are judged where samples are collected;
 * here their verdicts are only read. Pure; any thread.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

/* What a gate lives on; a step without traffic does not wait for those that need it. */
static const bool needs_traffic[GATE_KIND_COUNT] = {[GATE_ERROR_RATE] = true,
                                                    [GATE_LATENCY] = true,
                                                    [GATE_ERROR_RATIO] = true,
                                                    [GATE_SLOW_RATIO] = true};

static bool has_gate(const struct policy *policy, const bool *kinds)
{
    for (int i = 0; i < policy->n_gates; i++) {
        if (kinds[policy->gates[i].kind])
            return true;
    }
    return false;
}

bool planner_wants_golden(const struct planner *p)
{
    static const bool kinds[GATE_KIND_COUNT] = {[GATE_GOLDEN] = true};
    return p->v->n_golden != 0 && has_gate(p->v->policy, kinds);
}

bool planner_wants_samples(const struct planner *p)
{
    return has_gate(p->v->policy, needs_traffic);
}

bool planner_is_dark(const struct planner *p)
{
    const struct rollout_step *step = &p->s->steps[p->s->step - 1];
    return p->v->has_router && step->weight_bp == 0 && !step->is_mirrored;
}

bool planner_wants_traffic(const struct planner *p)
{
    for (int i = 0; i < p->v->policy->n_gates; i++) {
        const struct policy_gate *gate = &p->v->policy->gates[i];
        if (needs_traffic[gate->kind] && !gate->is_report_only)
            return !planner_is_dark(p);
    }
    return false;
}

/* --- verdicts --- */

static void judge_nodes(const struct planner *p, struct gate_result *out)
{
    struct counts c;
    planner_count(p, &c);
    out->verdict = VERDICT_INSUFFICIENT;
    if (c.n_failed > 0)
        out->verdict = VERDICT_FAIL;
    else if (c.n_done + c.n_left_out == c.n_chosen && c.n_done > 0)
        out->verdict = VERDICT_PASS;
}

static void take_verdict(const struct planner *p, int i, struct gate_result *out)
{
    if (p->v->verdicts == NULL || p->v->verdicts[i].verdict == VERDICT_NONE)
        out->verdict = VERDICT_INSUFFICIENT;
    else
        *out = p->v->verdicts[i];
}

/* The evidence of all nodes with the new version. */
static const struct evidence **gather(struct planner *p, size_t *n)
{
    const struct evidence **ev = arena_alloc(p->a, ((size_t)p->s->n_nodes + 1) * sizeof ev[0]);
    *n = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].is_done)
            ev[(*n)++] = &p->s->nodes[i].evidence;
    }
    return ev;
}

static const struct gate_result *result_before(const struct planner *p, const char *name)
{
    const struct rollout_status *before = p->v->status;
    for (int i = 0; i < before->n_gates; i++) {
        if (before->gates[i].name != NULL && strcmp(before->gates[i].name, name) == 0)
            return &before->gates[i];
    }
    return NULL;
}

/* Name, mode and since when; a name that was stored is taken from there, so that comparing bytes
 * tells whether anything changed. */
static void sign(const struct planner *p, const struct policy_gate *gate, struct gate_result *out)
{
    const struct gate_result *before = result_before(p, policy_gate_name(gate));
    out->kind = gate->kind;
    out->name = before != NULL ? before->name : policy_gate_name(gate);
    out->is_report_only = gate->is_report_only;
    bool is_same = before != NULL && before->verdict == out->verdict && before->since_ms != 0;
    out->since_ms = is_same ? before->since_ms : p->v->now_ms;
}

static bool decides(const struct planner *p, const struct policy_gate *gate, enum verdict verdict)
{
    const struct policy *policy = p->v->policy;
    if (gate->is_report_only)
        return false;
    if (verdict == VERDICT_FAIL)
        return true;
    if (needs_traffic[gate->kind] && planner_is_dark(p))
        return false;
    return !(verdict == VERDICT_NO_DATA && policy->on_no_data == CHOICE_IGNORE) &&
           !(verdict == VERDICT_ERROR && policy->on_error == CHOICE_IGNORE);
}

static enum verdict worse(enum verdict x, enum verdict y)
{
    static const int rank[VERDICT_COUNT] = {
        [VERDICT_NONE] = 0,  [VERDICT_PASS] = 1,    [VERDICT_INSUFFICIENT] = 2,
        [VERDICT_ERROR] = 3, [VERDICT_NO_DATA] = 4, [VERDICT_FAIL] = 5};
    return rank[x] > rank[y] ? x : y;
}

enum verdict planner_judge(struct planner *p)
{
    const struct policy *policy = p->v->policy;
    size_t n = 0;
    const struct evidence **ev = gather(p, &n);
    int64_t stale_before = p->v->now_ms - 3 * p->v->sample_every_ms - 1000;
    enum verdict worst = VERDICT_PASS;
    p->s->n_gates = policy->n_gates;
    p->s->gates = arena_alloc(p->a, ((size_t)policy->n_gates + 1) * sizeof p->s->gates[0]);
    for (int i = 0; i < policy->n_gates; i++) {
        const struct policy_gate *gate = &policy->gates[i];
        struct gate_result *g = &p->s->gates[i];
        if (gate->kind == GATE_HEALTH || gate->kind == GATE_GOLDEN)
            judge_nodes(p, g);
        else if (gate_is_judged(gate->kind))
            take_verdict(p, i, g);
        else
            judge_gate(gate, ev, n, stale_before, g);
        sign(p, gate, g);
        /* No pass without the evidence that it needs. */
        assert(g->verdict != VERDICT_PASS || g->n_missing == 0);
        if (decides(p, gate, g->verdict))
            worst = worse(worst, g->verdict);
    }
    return worst;
}

/* --- words --- */

static const char *absolute_text(struct planner *p, const struct gate_result *g)
{
    bool is_rate = g->kind == GATE_ERROR_RATE;
    double scale = is_rate ? 1e4 : 1e3;
    const char *unit = is_rate ? "%" : "ms";
    return arena_printf(p->a, "gate %s failed: %.4g %s over %" PRId64 " requests, limit %.4g %s",
                        g->name, (double)g->value / scale, unit, g->n_requests,
                        (double)g->limit / scale, unit);
}

static const char *ratio_text(struct planner *p, const struct gate_result *g)
{
    return arena_printf(
        p->a,
        "gate %s failed: %" PRId64 " of %" PRId64 " requests with the new version are bad, %" PRId64
        " of %" PRId64 " with the old one",
        g->name, g->n_failures, g->n_requests, g->n_base_failures, g->n_base_requests);
}

static const char *failure_text(struct planner *p)
{
    for (int i = 0; i < p->s->n_gates; i++) {
        const struct gate_result *g = &p->s->gates[i];
        if (g->verdict != VERDICT_FAIL || g->is_report_only)
            continue;
        if (g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY)
            return absolute_text(p, g);
        if (g->kind == GATE_ERROR_RATIO || g->kind == GATE_SLOW_RATIO)
            return ratio_text(p, g);
        if (g->kind == GATE_PROMQL || g->kind == GATE_METRIC)
            return arena_printf(p->a, "gate %s failed: %.6g, limit %.6g", g->name,
                                (double)g->value / 1e6, (double)g->limit / 1e6);
        return arena_printf(p->a, "gate %s failed", g->name);
    }
    return "a gate failed";
}

void planner_fail_gate(struct planner *p)
{
    p->s->steps[p->s->step - 1].verdict = VERDICT_FAIL;
    planner_fail(p, PAUSE_GATE, ROLLOUT_FAULT_VERSION, failure_text(p));
}

/* --- when evidence is missing --- */

static const struct {
    enum pause_reason reason;
    const char *text;
} missing[VERDICT_COUNT] = {
    [VERDICT_INSUFFICIENT] = {PAUSE_INCONCLUSIVE, "too little evidence until the longest bake"},
    [VERDICT_NO_DATA] = {PAUSE_NO_DATA, "the nodes have no metrics to judge by"},
    [VERDICT_ERROR] = {PAUSE_METRICS_ERROR, "metrics could not be read until the longest bake"},
};

bool planner_settle_verdict(struct planner *p, enum verdict verdict)
{
    const struct policy *policy = p->v->policy;
    enum policy_choice choice = verdict == VERDICT_NO_DATA ? policy->on_no_data
                                : verdict == VERDICT_ERROR ? policy->on_error
                                                           : policy->on_insufficient;
    if (choice == CHOICE_PROMOTE || choice == CHOICE_IGNORE)
        return true;
    if (choice == CHOICE_ROLLBACK)
        planner_begin_rollback(p, missing[verdict].text, ROLLOUT_FAULT_NONE);
    else
        planner_pause(p, missing[verdict].reason, missing[verdict].text);
    return false;
}
