/*
 * Nodes that cannot be reached or must not be touched: left out within bounds, taken in again,
 * waited for, cordoned.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

static void lose(struct bench *b, int node)
{
    b->nodes[node].is_reachable = false;
    b->nodes[node].reachable_since_ms = b->now_ms;
}

static void find(struct bench *b, int node)
{
    b->nodes[node].is_reachable = true;
    b->nodes[node].reachable_since_ms = b->now_ms;
    b->nodes[node].seen.observed_ms = b->nodes[node].seen.looked_ms = b->now_ms;
}

static void test_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        unsigned lost;
        enum rollout_phase phase;
        unsigned given;
        int64_t lo_s, hi_s;
    } cases[] = {
        {"{\"gates\":[],\"bake\":\"0\",\"batch\":4,\"max_unavailable\":4}", 4, ROLLOUT_PAUSED, 11,
         120, 122},
        {"{\"gates\":[],\"bake\":\"0\",\"batch\":4,\"max_unavailable\":4,\"unreachable_max\":1}", 4,
         ROLLOUT_SUCCEEDED, 11, 120, 130},
        {"{\"gates\":[],\"bake\":\"0\",\"batch\":4,\"max_unavailable\":4,\"unreachable_max\":1,"
         "\"lost_after\":\"30s\"}",
         4, ROLLOUT_SUCCEEDED, 11, 30, 40},
        {"{\"gates\":[],\"bake\":\"0\",\"batch\":4,\"max_unavailable\":4,\"unreachable_max\":1}", 6,
         ROLLOUT_PAUSED, 9, 120, 125},
        {"{\"gates\":[],\"bake\":\"0\",\"batch\":4,\"max_unavailable\":4,\"unreachable_max\":2}", 6,
         ROLLOUT_SUCCEEDED, 9, 120, 130},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(cases[i].policy, 4);
        int64_t began_ms = b->now_ms;
        for (int k = 0; k < 4; k++) {
            if ((cases[i].lost >> k & 1U) != 0)
                lose(b, k);
        }
        bench_until(b, cases[i].phase, 600000);
        bench_expect(b, cases[i].phase);
        assert_int_equal(b->given, cases[i].given);
        assert_in_range(b->now_ms - began_ms, cases[i].lo_s * 1000, cases[i].hi_s * 1000);
        if (cases[i].phase == ROLLOUT_PAUSED)
            bench_expect_words(b, "(unreachable)", "cannot be reached since");
        else
            assert_int_equal(b->status.nodes[2].state, NODE_LEFT_OUT);
    }
}

/* A node that was lost in the middle of its move is left out too, and back in when it returns. */
static void test_back_in(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"canary\",\"gates\":[],\"unreachable_max\":1,\"node_deadline\":"
                  "\"10m\",\"max_unavailable\":2,\"steps\":[{\"nodes\":2,\"bake\":\"1h\"}]}",
                  3);
    b->never_ready = 2;
    for (int i = 0; i < 8; i++)
        bench_step(b);
    assert_true(b->status.nodes[0].is_touched);
    lose(b, 0);
    b->never_ready = 0;
    b->nodes[1].seen.ready[0] = 2;
    bench_bake(b);
    assert_int_equal(b->status.nodes[0].state, NODE_LEFT_OUT);
    assert_int_equal(b->status.nodes[1].state, NODE_SERVING);
    find(b, 0);
    bench_until_step(b, 1, STEP_APPLY, 60000);
    bench_until_step(b, 1, STEP_BAKE, 60000);
    assert_int_equal(b->status.nodes[0].state, NODE_SERVING);
    assert_int_equal(b->nodes[0].seen.ready[0], 2);
    /* And it goes back with the others. */
    bench_command(b, COMMAND_ABORT, 0);
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
}

/* After a resume there is patience again: no second pause for the same absence at once. */
static void test_no_double_pause(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"bake\":\"0\",\"batch\":3,\"max_unavailable\":3}", 3);
    lose(b, 2);
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_command(b, COMMAND_RESUME, 0);
    int64_t resumed_ms = b->now_ms;
    bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_in_range(b->now_ms - resumed_ms, 119000, 121000);
    bench_command(b, COMMAND_PROMOTE, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 3);
}

static void test_cordon(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"bake\":\"0\",\"step_deadline\":\"60s\"}", 3);
    b->nodes[0].is_cordoned = true;
    bench_until_step(b, 3, STEP_APPLY, 60000);
    b->now_ms += 3000;
    bench_step(b);
    assert_int_equal(b->given, 6); /* others first */
    bench_expect_words(b, "step 3/3", "n1 is cordoned: mreg node uncordon e n1");
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect(b, ROLLOUT_PAUSED);
    bench_expect_words(b, "cordoned", NULL);
    b->nodes[0].is_cordoned = false;
    bench_command(b, COMMAND_RESUME, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* A node that is cordoned after it was chosen is not switched; one on its way back is. */
static void test_cordon_in_the_middle(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new("{\"gates\":[],\"bake\":\"1h\"}", 2);
    bench_step(b);
    bench_step(b);
    b->nodes[0].is_cordoned = true;
    for (int i = 0; i < 10; i++)
        bench_step(b);
    assert_int_equal(b->n_switches, 0);
    b->nodes[0].is_cordoned = false;
    bench_bake(b);
    b->nodes[0].is_cordoned = true;
    bench_command(b, COMMAND_ABORT, 0);
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_back_in),
        cmocka_unit_test(test_no_double_pause),
        cmocka_unit_test(test_cordon),
        cmocka_unit_test(test_cordon_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
