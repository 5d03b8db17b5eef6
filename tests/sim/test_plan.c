/*
 * The planner alone, against nodes that obey at once: who wins when several things come together,
 * what it does on success and failure, and that a plan depends on its view only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

static void test_success(void **state)
{
    (void)state;
    static const char *const policies[] = {
        bench_plain,
        "{\"strategy\":\"all-at-once\",\"gates\":[],\"bake\":\"5s\"}",
        "{\"strategy\":\"canary\",\"gates\":[{\"kind\":\"health\"},{\"kind\":\"golden\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(policies[i], 4);
        b->n_golden = 2;
        bench_until(b, ROLLOUT_SUCCEEDED, 3600000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->given, 15);
        assert_int_equal(b->n_switches, 4);
        for (int k = 0; k < b->n_nodes; k++) {
            assert_int_equal(b->nodes[k].seen.ready[0], 2);
            assert_int_equal(b->status.nodes[k].state, NODE_SERVING);
        }
        assert_string_equal(b->status.outcome, "version 2 is live");
    }
}

static void test_no_nodes(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 0);
    bench_until(b, ROLLOUT_REJECTED, 1000);
    bench_expect(b, ROLLOUT_REJECTED);
}

static void test_canary_stays_small(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"1h\"}],\"gates\":[]}", 5);
    bench_until(b, ROLLOUT_SUCCEEDED, 3000000);
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->status.step, 1);
    assert_int_equal(b->given, 1);
    /* A stale promotion does nothing, the right one goes on. */
    bench_command(b, COMMAND_PROMOTE, 2);
    bench_step(b);
    assert_int_equal(b->status.step, 1);
    bench_command(b, COMMAND_PROMOTE, 1);
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 31);
}

/* Abort > pause > FAIL > promote-full > promote > timers, in one tick. */
static void test_precedence(void **state)
{
    (void)state;
    static const struct {
        bool has_failed;
        enum command_verb verbs[3];
        int n_verbs;
        enum rollout_phase phase;
        int step; /* afterwards; 0: any */
    } cases[] = {
        {false, {COMMAND_ABORT}, 1, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_ABORT, COMMAND_PROMOTE_FULL}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PROMOTE_FULL, COMMAND_ABORT}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PAUSE, COMMAND_ABORT}, 2, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PAUSE}, 1, ROLLOUT_PAUSED, 0},
        {true, {COMMAND_PROMOTE}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PROMOTE_FULL}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_RESUME}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PAUSE, COMMAND_RESUME}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PAUSE, COMMAND_PROMOTE}, 2, ROLLOUT_PAUSED, 1},
        {false, {COMMAND_PAUSE, COMMAND_RESUME, COMMAND_PROMOTE}, 3, ROLLOUT_RUNNING, 2},
        {false, {COMMAND_PROMOTE}, 1, ROLLOUT_RUNNING, 2},
        {false, {COMMAND_RESUME}, 1, ROLLOUT_RUNNING, 1},
        {true, {COMMAND_PAUSE}, 0, ROLLOUT_ROLLING_BACK, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
        b->nodes[0].sample = (struct sample){.ts_ms = ++b->now_ms, .has_counters = true};
        bench_step(b);
        if (cases[i].has_failed)
            b->nodes[0].sample = (struct sample){
                .ts_ms = ++b->now_ms, .has_counters = true, .n_success = 50, .n_failure = 50};
        for (int k = 0; k < cases[i].n_verbs; k++)
            bench_command(b, cases[i].verbs[k], 0);
        bench_step(b);
        if (b->status.phase != cases[i].phase)
            fail_msg("case %zu: %s", i, rollout_phase_name(b->status.phase));
        if (cases[i].step != 0)
            assert_int_equal(b->status.step, cases[i].step);
    }
}

static void test_gate_fails(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    bench_step(b);
    b->now_ms += 5000;
    bench_step(b);
    b->n_requests = 100;
    b->n_failures = 40;
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->given, 1);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
    assert_int_equal(b->n_removes, 1); /* the files of the bad version */
    assert_non_null(strstr(b->status.cause, "error-rate"));
    assert_int_equal(b->status.steps[0].verdict, VERDICT_FAIL);
}

static void test_no_data(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_judged, 3);
    b->has_counters = false;
    bench_bake(b);
    bench_until(b, ROLLOUT_PAUSED, 200000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.pauses[0].reason, PAUSE_NO_DATA);
    assert_int_equal(b->given, 1);
    /* No double pause: after a resume the cause has to come again. */
    bench_command(b, COMMAND_RESUME, 0);
    bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
    bench_until(b, ROLLOUT_PAUSED, 200000);
    bench_expect(b, ROLLOUT_PAUSED);
    /* A promotion goes on without. */
    bench_command(b, COMMAND_PROMOTE_FULL, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 200000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_not_equal(b->status.steps[0].verdict, VERDICT_PASS);
}

static void test_insufficient(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    int64_t began = b->now_ms;
    b->n_requests = 3;
    bench_until(b, ROLLOUT_PAUSED, 400000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.pauses[0].reason, PAUSE_INCONCLUSIVE);
    /* The bake was extended up to three times its length. */
    assert_in_range(b->now_ms - began, 89000, 91000);
    assert_int_equal(b->given, 1);
}

static void test_load_fails(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->fails_to_load = 2;
    bench_until(b, ROLLOUT_ROLLED_BACK, 100000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->given, 1);
    assert_non_null(strstr(b->status.cause, "n1"));
    assert_non_null(strstr(b->status.cause, "broken"));
}

static void test_without_auto_rollback(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"auto_rollback\":false,\"gates\":[],\"bake\":\"0\"}", 3);
    b->fails_to_load = 2;
    bench_until(b, ROLLOUT_PAUSED, 100000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.pauses[0].reason, PAUSE_GATE);
    /* The node itself goes back at once: a broken version must not lie there. */
    for (int i = 0; i < 20; i++)
        bench_step(b);
    assert_int_equal(b->status.nodes[0].state, NODE_FAILED);
    assert_int_equal(b->status.nodes[0].move.phase, MOVE_NONE);
    assert_int_equal(b->n_switches, 2);
    b->fails_to_load = 0;
    bench_command(b, COMMAND_RESUME, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 100000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

static void test_limit(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"batch\":3,\"gates\":[],\"bake\":\"0\",\"step_deadline\":\"60s\"}", 3);
    b->nodes[2].is_reachable = false;
    bench_until(b, ROLLOUT_PAUSED, 50000);
    /* One node is gone and one may be missing: none may be touched. */
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->n_switches, 0);
    assert_non_null(strstr(b->status.unblock, "n3"));
    b->nodes[2].is_reachable = true;
    bench_until(b, ROLLOUT_SUCCEEDED, 50000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

static void test_limit_holds_while_moving(void **state)
{
    (void)state;
    for (int limit = 1; limit <= 3; limit++) {
        struct bench *b CLEANUP(bench_free) = NULL;
        char policy[120];
        snprintf(policy, sizeof policy,
                 "{\"batch\":5,\"max_unavailable\":%d,\"gates\":[],\"bake\":\"0\"}", limit);
        b = bench_new(policy, 5);
        bench_step(b);
        bench_step(b);
        b->is_frozen = true;
        for (int i = 0; i < 10; i++)
            bench_step(b);
        assert_int_equal(b->n_switches, limit);
    }
}

static void test_unreachable_pauses(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"max_unavailable\":2,\"gates\":[],\"bake\":\"0\",\"step_deadline\":\"60s\"}", 3);
    b->nodes[1].is_reachable = false;
    bench_until(b, ROLLOUT_PAUSED, 300000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.pauses[0].reason, PAUSE_UNREACHABLE);
    assert_int_equal(b->given, 5);
    /* Going on without the node is a person's decision. */
    bench_command(b, COMMAND_PROMOTE, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 10000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 5);
}

static void test_abort_early(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    bench_command(b, COMMAND_ABORT, 0);
    bench_step(b);
    bench_expect(b, ROLLOUT_CANCELLED);
    assert_int_equal(b->n_switches, 0);
}

static void test_abort_goes_back(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":2,\"bake\":\"1h\"}],\"gates\":[]}", 4);
    b->live = b->record.from = 0;
    b->last_good = 0;
    for (int i = 0; i < b->n_nodes; i++)
        b->nodes[i].seen.n_ready = 0;
    bench_until(b, ROLLOUT_PAUSED, 60000);
    assert_int_equal(b->given, 3);
    bench_command(b, COMMAND_ABORT, 0);
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->given, 3); /* nobody else got it */
    for (int i = 0; i < b->n_nodes; i++)
        assert_int_equal(b->nodes[i].seen.n_ready, 0);
    assert_int_equal(b->n_removes, 2);
}

/* An abort or a missed deadline that comes between two operations of a node stops it there. */
static void test_stop_in_the_middle(void **state)
{
    (void)state;
    for (int at = 2; at <= 9; at++) {
        struct bench *b CLEANUP(bench_free) = NULL;
        bool is_late = at >= 6;
        b = bench_new("{\"gates\":[],\"step_deadline\":\"1s\"}", 2);
        for (int i = 0; i < (is_late ? at - 4 : at); i++)
            bench_step(b);
        int n_loads = b->n_new_loads;
        if (is_late)
            b->now_ms += 5000;
        else
            bench_command(b, COMMAND_ABORT, 0);
        bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->nodes[0].seen.ready[0], 1);
        assert_int_equal(b->given & 2U, 0);
        assert_int_equal(b->n_new_loads, n_loads);
    }
}

/* Time in pause does not count, and deadlines do not move otherwise. */
static void test_pause_stops_clocks(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    int64_t deadline = b->status.step_deadline_ms;
    int64_t since = b->status.bake_since_ms;
    bench_command(b, COMMAND_PAUSE, 0);
    int64_t paused = b->now_ms;
    bench_step(b);
    b->now_ms = paused + 1000000;
    bench_step(b);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.step_deadline_ms, deadline);
    bench_command(b, COMMAND_RESUME, 0);
    int64_t resumed = b->now_ms;
    bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->status.step_deadline_ms, deadline + (resumed - paused));
    assert_int_equal(b->status.bake_since_ms, since + (resumed - paused));
}

static void test_lost_readiness(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"10m\"}],"
                  "\"gates\":[{\"kind\":\"health\"}]}",
                  3);
    for (int round = 1; round <= 3; round++) {
        bench_until(b, ROLLOUT_ROLLED_BACK, 20000);
        bench_expect(b, ROLLOUT_RUNNING);
        assert_int_equal(b->status.nodes[0].state, NODE_SERVING);
        b->nodes[0].seen.n_ready = 0;
        b->nodes[0].seen.observed_ms = ++b->now_ms;
    }
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(b->status.cause, "stopped being ready"));
}

/* The same view gives the same plan, also when the status was written and read in between. */
static void test_plan_is_a_function(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_judged, 4);
    b->n_requests = 100;
    for (int i = 0; i < 60; i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct buf text[3];
        struct rollout_status reread;
        struct view v;
        struct plan *plans = arena_alloc(&a, 2 * sizeof plans[0]);
        struct err e;
        for (int k = 0; k < 3; k++)
            buf_init(&text[k], 1 << 20);
        rollout_status_write(&b->status, &text[0]);
        assert_int_equal(rollout_status_read(buf_str(&text[0]), text[0].len, &a, &reread, &e),
                         ERR_OK);
        bench_view(b, &v);
        plan_rollout(&v, &a, &plans[0]);
        v.status = &reread;
        plan_rollout(&v, &a, &plans[1]);
        for (int k = 0; k < 2; k++)
            rollout_status_write(&plans[k].status, &text[k + 1]);
        assert_string_equal(buf_str(&text[1]), buf_str(&text[2]));
        assert_int_equal(plans[0].n_actions, plans[1].n_actions);
        assert_int_equal(plans[0].wake_ms, plans[1].wake_ms);
        assert_int_equal(plans[0].is_changed, plans[1].is_changed);
        for (int k = 0; k < 3; k++)
            buf_clear(&text[k]);
        int64_t at = bench_step(b);
        b->now_ms = at > b->now_ms && at < INT64_MAX ? at : b->now_ms;
    }
}

static void test_foreign_text(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 1);
    bench_step(b);
    bench_step(b);
    b->nodes[0].op.state = OP_FAILED;
    b->nodes[0].op.why = OP_CLASS_PERMANENT;
    b->nodes[0].op.text = "no\n\x01\xff\xfe way";
    bench_step(b);
    for (const char *c = b->status.nodes[0].move.text; *c != '\0'; c++)
        assert_true((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_no_nodes),
        cmocka_unit_test(test_canary_stays_small),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_gate_fails),
        cmocka_unit_test(test_no_data),
        cmocka_unit_test(test_insufficient),
        cmocka_unit_test(test_load_fails),
        cmocka_unit_test(test_without_auto_rollback),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_holds_while_moving),
        cmocka_unit_test(test_unreachable_pauses),
        cmocka_unit_test(test_abort_early),
        cmocka_unit_test(test_abort_goes_back),
        cmocka_unit_test(test_stop_in_the_middle),
        cmocka_unit_test(test_pause_stops_clocks),
        cmocka_unit_test(test_lost_readiness),
        cmocka_unit_test(test_plan_is_a_function),
        cmocka_unit_test(test_foreign_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
