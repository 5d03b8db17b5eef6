/*
 * The planner under everything at once: random policies, commands by anybody, causes that come and
 * go, nodes that fail, vanish and are cordoned. It must keep what plan_check.c asserts, end once
 * everything is well again, and never give the new version to a node after going back has begun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_bench.h"

#define N_TURNS 150

struct dice {
    uint64_t state;
};

static int roll(struct dice *d, int n)
{
    d->state ^= d->state << 13;
    d->state ^= d->state >> 7;
    d->state ^= d->state << 17;
    return (int)((d->state >> 11) % (uint64_t)n);
}

static const char *one_of(struct dice *d, const char *const *list, int n)
{
    return list[roll(d, n)];
}

static void draw_policy(struct dice *d, char *out, size_t size)
{
    static const char *const strategies[] = {"rolling", "canary", "all-at-once", "blue-green",
                                             "shadow"};
    static const char *const amounts[] = {"1", "2", "\"25%\"", "\"100%\""};
    static const char *const bakes[] = {"0", "5s", "40s"};
    static const char *const gates[] = {
        "", "{\"kind\":\"health\"},{\"kind\":\"golden\"}",
        "{\"kind\":\"error-rate\",\"max\":\"0.1\",\"min_requests\":10}",
        "{\"kind\":\"error-ratio\"},{\"kind\":\"health\"}",
        "{\"kind\":\"promql\",\"query\":\"q\",\"max\":\"1\",\"report_only\":true}"};
    static const char *const steps[] = {
        "{\"nodes\":1,\"bake\":\"5s\"}", "{\"weight\":\"10\",\"bake\":\"5s\",\"approvals\":1}",
        "{\"percent\":50,\"approvals\":1},{\"percent\":60,\"bake\":\"3s\"}"};
    static const char *const insufficient[] = {"pause", "promote", "rollback"};
    static const char *const no_data[] = {"pause", "ignore", "rollback"};
    static const char *const error[] = {"pause", "ignore"};
    snprintf(
        out, size,
        "{\"strategy\":\"%s\",\"batch\":%s,\"max_unavailable\":%s,\"bake\":\"%s\",\"gates\":"
        "[%s],\"steps\":[%s],\"on_insufficient\":\"%s\",\"on_no_data\":\"%s\",\"on_error\":"
        "\"%s\",\"holdback\":%d,\"wave_by\":\"z\",\"order_by\":\"k\",\"approvals\":%d,"
        "\"unreachable_max\":%d,\"lost_after\":\"20s\",\"auto_rollback\":%s,\"preview\":\"9s\","
        "\"teardown\":\"3s\",\"residency\":\"%s\",\"node_deadline\":\"60s\",\"step_deadline\":"
        "\"90s\",\"rollback_max_unavailable\":%s}",
        one_of(d, strategies, 5), one_of(d, amounts, 4), one_of(d, amounts, 4), one_of(d, bakes, 3),
        one_of(d, gates, 5), one_of(d, steps, 3), one_of(d, insufficient, 3), one_of(d, no_data, 3),
        one_of(d, error, 2), roll(d, 3), roll(d, 4) == 0, roll(d, 3),
        roll(d, 4) > 0 ? "true" : "false", roll(d, 2) ? "swap" : "both", one_of(d, amounts, 4));
}

static void draw_labels(struct dice *d, struct bench *b)
{
    static const char *const values[] = {"", "a", "b"};
    for (int i = 0; i < b->n_nodes; i++) {
        b->nodes[i].wave = one_of(d, values, 3);
        b->nodes[i].order_key = one_of(d, values, 3);
    }
}

static const char *maybe(struct dice *d)
{
    return roll(d, 8) == 0 ? "words" : NULL;
}

static void disturb_node(struct dice *d, struct bench *b)
{
    struct view_node *n = &b->nodes[roll(d, b->n_nodes)];
    switch (roll(d, 6)) {
    case 0:
        n->is_reachable = !n->is_reachable;
        n->reachable_since_ms = b->now_ms;
        break;
    case 1:
        n->is_cordoned = !n->is_cordoned;
        break;
    case 2:
        n->seen.n_ready = 0;
        n->seen.observed_ms = b->now_ms;
        break;
    case 3:
        b->fails_to_load = roll(d, 3);
        b->fails_how = roll(d, 2) ? OP_CLASS_VERSION : OP_CLASS_TRANSIENT;
        break;
    case 4:
        b->never_ready = roll(d, 3) == 0 ? 2 : 0;
        break;
    default:
        b->has_counters = roll(d, 3) > 0;
        break;
    }
}

static void change_limits(struct dice *d, struct bench *b)
{
    struct view_limits *l = &b->limits;
    *l = (struct view_limits){.freeze = maybe(d),
                              .stop = maybe(d),
                              .budget = maybe(d),
                              .dependency = maybe(d),
                              .overrides_freeze = roll(d, 2) == 0,
                              .is_in_set = roll(d, 3) == 0,
                              .set_step = roll(d, 4),
                              .set_failed = roll(d, 40) == 0};
    for (int i = 0; i < POLICY_MAX_GATES; i++)
        b->verdicts[i].verdict = (enum verdict)roll(d, VERDICT_COUNT);
}

static void send_command(struct dice *d, struct bench *b)
{
    static const char *const actors[] = {"t-1", "t-2", "t-3"};
    enum command_verb verb = (enum command_verb)roll(d, COMMAND_VERB_COUNT);
    bool is_end = verb == COMMAND_ABORT || verb == COMMAND_REJECT || verb == COMMAND_HALT;
    if (b->n_commands >= 15 || (is_end && roll(d, 4) > 0))
        return;
    struct rollout_command *c = bench_command_by(b, verb, one_of(d, actors, 3));
    c->expected_step = roll(d, 3) == 0 ? 1 + roll(d, 4) : 0;
    c->expected_generation = roll(d, 5) == 0 ? 7 : 0;
    c->arg = verb == COMMAND_RESUME ? roll(d, 1 << PAUSE_REASON_COUNT) : roll(d, 60000);
}

/* One plan; nodes that get the new version although it goes back fail the test. */
static void turn(struct bench *b, uint64_t seed)
{
    bool goes_back = b->status.phase == ROLLOUT_ROLLING_BACK ||
                     b->status.phase == ROLLOUT_ROLLBACK_STUCK || b->status.is_halting;
    int n_new_loads = b->n_new_loads;
    int64_t at = bench_step(b);
    bool is_told = b->status.waiting[0] != '\0' && b->status.unblock[0] != '\0';
    if (!rollout_phase_is_terminal(b->status.phase) && !is_told)
        fail_msg("seed %" PRIu64 ": %s without words: \"%s\" / \"%s\"", seed,
                 rollout_phase_name(b->status.phase), b->status.waiting, b->status.unblock);
    if (goes_back && b->n_new_loads > n_new_loads)
        fail_msg("seed %" PRIu64 ": the new version is loaded while it goes back", seed);
    if (at > b->now_ms + 20000)
        b->now_ms += 20000;
    else if (at > b->now_ms)
        b->now_ms = at;
    b->n_requests += 7;
}

static void make_well(struct bench *b)
{
    b->limits = (struct view_limits){0};
    b->fails_to_load = b->never_ready = 0;
    b->has_counters = true;
    for (int i = 0; i < b->n_nodes; i++) {
        struct view_node *n = &b->nodes[i];
        n->is_cordoned = false;
        if (!n->is_reachable)
            n->reachable_since_ms = b->now_ms;
        n->is_reachable = true;
    }
    for (int i = 0; i < POLICY_MAX_GATES; i++)
        b->verdicts[i].verdict = VERDICT_PASS;
}

/* Somebody decides what nobody else can: approves, resumes, and gives up if that did not help. */
static void decide(struct bench *b, int round)
{
    if (rollout_phase_is_terminal(b->status.phase))
        return;
    b->n_commands = 0;
    bench_command_by(b, round < 12 ? COMMAND_APPROVE : COMMAND_ABORT, "t-2");
    bench_command_by(b, COMMAND_RESUME, "t-1");
    for (int i = 0; i < b->n_commands; i++)
        b->commands[i].seq = b->status.command_seq + 1 + i;
}

static enum rollout_phase run(uint64_t seed)
{
    struct dice d = {.state = seed * 0x9E3779B97F4A7C15ULL + 1};
    char policy[1024];
    draw_policy(&d, policy, sizeof policy);
    struct bench *b CLEANUP(bench_free) = bench_new(policy, 1 + roll(&d, 6));
    b->has_router = roll(&d, 2) == 0;
    b->driver_flags = roll(&d, 2) == 0 ? DRIVER_KEEPS_OTHERS : 0;
    b->n_golden = roll(&d, 2);
    draw_labels(&d, b);
    for (int i = 0; i < N_TURNS && !rollout_phase_is_terminal(b->status.phase); i++) {
        if (roll(&d, 5) == 0)
            disturb_node(&d, b);
        if (roll(&d, 7) == 0)
            change_limits(&d, b);
        if (roll(&d, 9) == 0)
            send_command(&d, b);
        turn(b, seed);
    }
    make_well(b);
    for (int round = 0; round < 20; round++) {
        decide(b, round);
        for (int i = 0; i < 400 && !rollout_phase_is_terminal(b->status.phase); i++)
            turn(b, seed);
    }
    if (!rollout_phase_is_terminal(b->status.phase))
        fail_msg("seed %" PRIu64 ": %s is %s: %s / %s / %s", seed, policy,
                 rollout_phase_name(b->status.phase), b->status.waiting, b->status.unblock,
                 b->status.cause);
    assert_true(b->status.outcome[0] != '\0');
    /* What succeeded is served, also where a node fell out in the last moment. */
    int n_done = 0;
    for (int i = 0; i < b->status.n_nodes; i++)
        n_done += b->status.nodes[i].is_done;
    assert_true(b->status.phase != ROLLOUT_SUCCEEDED || n_done > 0);
    return b->status.phase;
}

static void test_seeds(void **state)
{
    (void)state;
    const char *from = getenv("MREG_PLAN_FIRST");
    const char *count = getenv("MREG_PLAN_SEEDS");
    uint64_t first = from != NULL ? strtoull(from, NULL, 10) : 1;
    uint64_t n = count != NULL ? strtoull(count, NULL, 10) : 400;
    int n_by_end[ROLLOUT_PHASE_COUNT] = {0};
    for (uint64_t seed = first; seed < first + n; seed++)
        n_by_end[run(seed)]++;
    /* Where some end never comes, little was tried. */
    static const enum rollout_phase ends[] = {ROLLOUT_SUCCEEDED, ROLLOUT_ROLLED_BACK,
                                              ROLLOUT_HALTED, ROLLOUT_REJECTED, ROLLOUT_CANCELLED};
    for (size_t i = 0; i < ARRAY_LEN(ends) && n >= 400; i++) {
        printf("%d %s\n", n_by_end[ends[i]], rollout_phase_name(ends[i]));
        assert_true(n_by_end[ends[i]] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
