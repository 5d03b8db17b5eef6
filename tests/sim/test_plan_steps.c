/*
 * Strategies carried out by the planner: which nodes get the version when, with and without a
 * router, and what it refuses to begin.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

/* Labels of the nodes, one letter each: wave and order key. */
static void set_labels(struct bench *b, const char *waves, const char *keys)
{
    static const char *const letters[] = {"a", "b", "c", "d"};
    for (int i = 0; i < b->n_nodes; i++) {
        b->nodes[i].wave = waves != NULL ? letters[waves[i] - 'a'] : NULL;
        b->nodes[i].order_key = keys != NULL ? letters[keys[i] - 'a'] : NULL;
    }
}

static int total_of(const struct bench *b, unsigned nodes)
{
    int sum = 0;
    for (int i = 0; i < b->n_nodes; i++)
        sum += (nodes >> i & 1U) != 0 ? b->weights[i] : 0;
    return sum;
}

/* After each step exactly these nodes have the version. */
static void test_who_and_when(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *waves, *keys;
        int n_nodes;
        unsigned given[6]; /* 0: no more steps */
    } cases[] = {
        {"{\"gates\":[],\"bake\":\"10s\"}", NULL, NULL, 3, {1, 3, 7}},
        {"{\"gates\":[],\"bake\":\"10s\",\"batch\":\"67%\"}", NULL, NULL, 3, {3, 7}},
        {"{\"gates\":[],\"bake\":\"10s\",\"order_by\":\"k\"}", NULL, "cab", 3, {2, 6, 7}},
        {"{\"gates\":[],\"bake\":\"10s\",\"wave_by\":\"z\",\"batch\":2}", "bab", "", 3, {2, 7}},
        {"{\"gates\":[],\"bake\":\"10s\",\"wave_by\":\"z\",\"order_by\":\"k\"}",
         "bab",
         "bba",
         3,
         {2, 6, 7}},
        {"{\"gates\":[],\"bake\":\"10s\",\"holdback\":1,\"batch\":5}", NULL, NULL, 4, {7, 15}},
        {"{\"gates\":[],\"bake\":\"10s\",\"strategy\":\"all-at-once\"}", NULL, NULL, 4, {15}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(cases[i].policy, cases[i].n_nodes);
        const char *keys = cases[i].keys != NULL && cases[i].keys[0] != '\0' ? cases[i].keys : NULL;
        set_labels(b, cases[i].waves, keys);
        int n = 0;
        for (; n < 6 && cases[i].given[n] != 0; n++) {
            bench_until_step(b, n + 1, STEP_DONE, 600000);
            if (b->given != cases[i].given[n])
                fail_msg("case %zu: %x has it after step %d, not %x", i, b->given, n + 1,
                         cases[i].given[n]);
        }
        bench_until(b, ROLLOUT_SUCCEEDED, 600000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->status.n_steps, n);
        assert_true(b->most_out <= 1 || b->policy.strategy == STRATEGY_ALL_AT_ONCE);
    }
}

/* A node of a wave that cannot be had is not replaced by one of the next wave. */
static void test_waves_never_mix(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"gates\":[],\"bake\":\"0\",\"wave_by\":\"z\",\"batch\":2,\"max_unavailable\":3,"
        "\"step_deadline\":\"60s\"}",
        4);
    set_labels(b, "aabb", NULL);
    b->nodes[0].is_reachable = false;
    b->nodes[0].reachable_since_ms = b->now_ms;
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->given, 2);
    bench_expect_words(b, "unreachable", "n1");
}

/* Held back nodes are never used instead of others. */
static void test_holdback_is_kept(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"bake\":\"10s\",\"holdback\":1,\"batch\":5,\"max_unavailable\":2,"
                  "\"step_deadline\":\"60s\"}",
                  3);
    b->nodes[0].is_reachable = false;
    b->nodes[0].reachable_since_ms = b->now_ms;
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->given, 2);
}

static void test_canary_by_weight(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"strategy\":\"canary\",\"gates\":[],\"steps\":[{\"weight\":\"5\",\"bake\":\"10s\"},"
        "{\"weight\":\"40\",\"bake\":\"10s\"}]}",
        4);
    b->has_router = true;
    bench_until_step(b, 1, STEP_BAKE, 600000);
    assert_int_equal(b->given, 1);
    assert_int_equal(total_of(b, 1), 500);
    assert_int_equal(b->status.weight_bp, 500);
    bench_until_step(b, 2, STEP_BAKE, 600000);
    assert_int_equal(b->given, 1);
    assert_int_equal(total_of(b, 1), 4000);
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 15);
    for (int i = 0; i < 4; i++)
        assert_int_equal(b->weights[i], 2500);
}

static void test_blue_green(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"strategy\":\"blue-green\",\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.1\","
        "\"min_requests\":10}],\"preview\":\"20s\",\"teardown\":\"60s\",\"bake\":\"10s\"}",
        4);
    b->has_router = true;
    bench_until_step(b, 1, STEP_BAKE, 600000);
    assert_int_equal(b->given, 3);
    assert_int_equal(total_of(b, 3), 0);
    /* A gate that needs requests is not waited for where there are none. */
    bench_until_step(b, 1, STEP_DONE, 30000);
    bench_until_step(b, 2, STEP_BAKE, 600000);
    assert_int_equal(b->given, 3);
    assert_int_equal(total_of(b, 3), 10000);
    int64_t flipped_ms = b->status.bake_since_ms;
    bench_step(b);
    b->now_ms += 5000;
    bench_step(b);
    b->n_requests = 500;
    bench_until_step(b, 3, STEP_APPLY, 600000);
    /* The old half is kept as it is for a while. */
    assert_in_range(b->now_ms - flipped_ms, 60000, 75000);
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 15);
}

/* Back to the old half at once: nothing has to be loaded before traffic is there again. */
static void test_blue_green_back(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"blue-green\",\"gates\":[],\"preview\":\"1s\"}", 4);
    b->has_router = true;
    bench_until_step(b, 2, STEP_BAKE, 600000);
    assert_int_equal(total_of(b, 12), 0);
    bench_command(b, COMMAND_ABORT, 0);
    for (int i = 0; i < 4; i++)
        bench_step(b);
    assert_int_equal(total_of(b, 12), 10000);
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
}

static void test_shadow(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"shadow\",\"gates\":[],\"bake\":\"30s\"}", 3);
    b->has_router = true;
    bench_until_step(b, 1, STEP_BAKE, 600000);
    assert_int_equal(b->given, 1);
    assert_int_equal(b->weights[0], 0);
    assert_true(b->nodes[0].is_mirrored);
    bench_until_step(b, 2, STEP_BAKE, 600000);
    assert_false(b->nodes[0].is_mirrored);
    assert_in_range(b->weights[0], 3300, 3400);
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

static void test_rejected(void **state)
{
    (void)state;
    static const char *const policies[] = {
        "{\"strategy\":\"blue-green\"}",
        "{\"strategy\":\"shadow\"}",
        "{\"strategy\":\"canary\",\"steps\":[{\"weight\":\"10\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(policies[i], 3);
        bench_step(b);
        bench_expect(b, ROLLOUT_REJECTED);
        assert_non_null(strstr(b->status.outcome, "router"));
        assert_int_equal(b->given, 0);
    }
}

/* Nodes that are deleted are not replaced by one that is held back. */
static void test_held_back_and_deleted(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(
        "{\"gates\":[],\"bake\":\"1m\",\"batch\":4,\"max_unavailable\":4,\"holdback\":1}", 5);
    bench_bake(b);
    assert_int_equal(b->given, 15);
    memmove(&b->nodes[0], &b->nodes[1], 4 * sizeof b->nodes[0]);
    b->n_nodes = 4;
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* With nobody left of those that had to prove it, the others do not get the version. */
static void test_all_deleted(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"bake\":\"0\",\"holdback\":1}", 2);
    b->is_frozen = true;
    bench_step(b);
    bench_step(b);
    assert_int_equal(b->status.step, 1);
    memmove(&b->nodes[0], &b->nodes[1], sizeof b->nodes[0]);
    b->n_nodes = 1;
    b->is_frozen = false;
    bench_until(b, ROLLOUT_SUCCEEDED, 3600000);
    assert_true(b->status.phase != ROLLOUT_SUCCEEDED);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_who_and_when),
        cmocka_unit_test(test_waves_never_mix),
        cmocka_unit_test(test_holdback_is_kept),
        cmocka_unit_test(test_canary_by_weight),
        cmocka_unit_test(test_blue_green),
        cmocka_unit_test(test_blue_green_back),
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_rejected),
        cmocka_unit_test(test_held_back_and_deleted),
        cmocka_unit_test(test_all_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
