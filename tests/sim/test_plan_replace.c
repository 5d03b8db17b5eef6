/*
 * A rollout that gives way to a newer one where it stands, and the newer one that goes on from
 * there: straight to its version, and back to the last good one.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sim_bench.h"

/* --- giving way --- */

static void supersede(struct bench *b)
{
    bench_command_by(b, COMMAND_SUPERSEDE, "t-2")->reason = "r-9 of version 3 takes its place";
}

static void test_gives_way(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
    supersede(b);
    bench_until(b, ROLLOUT_SUPERSEDED, 1000);
    bench_expect(b, ROLLOUT_SUPERSEDED);
    assert_non_null(strstr(b->status.outcome, "superseded by t-2: r-9 of version 3"));
    assert_non_null(strstr(b->status.outcome, "1 of 3 nodes serve version 2"));
    assert_int_equal(b->n_switches_back, 0);
    assert_int_equal(b->nodes[0].seen.ready[0], 2);
}

/* What was begun ends first, and nothing new begins meanwhile. */
static void test_waits_for_operations(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new("{\"gates\":[],\"bake\":\"1h\"}", 3);
    b->is_frozen = true;
    for (int i = 0; i < 5; i++)
        bench_step(b);
    assert_int_equal(b->nodes[0].op.state, OP_OPEN);
    supersede(b);
    for (int i = 0; i < 5; i++) {
        b->now_ms += 3000;
        bench_step(b);
    }
    bench_expect(b, ROLLOUT_RUNNING);
    bench_expect_words(b, "giving way", "goes on by itself");
    b->nodes[0].op.state = OP_UNKNOWN;
    b->nodes[0].op.ended_ms = b->now_ms;
    bench_until(b, ROLLOUT_SUPERSEDED, 1000);
    bench_expect(b, ROLLOUT_SUPERSEDED);
}

static void test_when_it_counts(void **state)
{
    (void)state;
    /* Not begun yet. */
    struct bench *early CLEANUP(bench_free) = bench_new("{\"gates\":[]}", 2);
    early->limits.freeze = "words";
    bench_step(early);
    supersede(early);
    bench_step(early);
    bench_expect(early, ROLLOUT_SUPERSEDED);
    assert_int_equal(early->status.n_nodes, 0);
    /* Paused. */
    struct bench *paused CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
    bench_command(paused, COMMAND_PAUSE, 0);
    bench_step(paused);
    supersede(paused);
    bench_step(paused);
    bench_expect(paused, ROLLOUT_SUPERSEDED);
    /* An abort in the same moment wins, and a way back is not left. */
    struct bench *back CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
    supersede(back);
    bench_command(back, COMMAND_ABORT, 0);
    bench_step(back);
    bench_expect(back, ROLLOUT_ROLLING_BACK);
    supersede(back);
    bench_until(back, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(back, ROLLOUT_ROLLED_BACK);
}

/* --- going on --- */

/* Version 3 comes where version 2 was on its way: on the nodes of the mask it serves. */
static struct bench *going_on(const char *policy, int n_nodes, unsigned left)
{
    struct bench *b = bench_new(policy, n_nodes);
    b->record.to = 3;
    for (int i = 0; i < n_nodes; i++) {
        if ((left >> i & 1U) == 0)
            continue;
        b->nodes[i].left = 2;
        b->nodes[i].seen.ready[0] = 2;
    }
    return b;
}

static void test_straight_to_the_new_one(void **state)
{
    (void)state;
    static const char *const policies[] = {
        bench_plain,
        "{\"gates\":[],\"bake\":\"0\",\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":"
        "\"1m\"},"
        "{\"percent\":100}]}",
        "{\"gates\":[],\"bake\":\"0\",\"strategy\":\"all-at-once\"}",
        "{\"gates\":[],\"bake\":\"0\",\"residency\":\"both\"}"};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        for (unsigned left = 0; left < 8; left++) {
            struct bench *b CLEANUP(bench_free) = going_on(policies[i], 3, left);
            b->driver_flags = DRIVER_KEEPS_OTHERS;
            int64_t end = b->now_ms + 300000;
            while (b->now_ms < end && b->status.phase != ROLLOUT_SUCCEEDED) {
                for (int k = 0; k < 3; k++) /* they are looked at now and then */
                    b->nodes[k].seen.observed_ms = b->nodes[k].seen.looked_ms = b->now_ms;
                int64_t at = bench_step(b);
                b->now_ms = at > b->now_ms && at < b->now_ms + 1000 ? at : b->now_ms + 1000;
            }
            bench_expect(b, ROLLOUT_SUCCEEDED);
            assert_int_equal(b->n_switches_back, 0);
            for (int k = 0; k < 3; k++) {
                assert_int_equal(b->nodes[k].seen.ready[0], 3);
                assert_int_equal(b->status.nodes[k].base, 0);
            }
            /* Its files are removed where they were. */
            assert_int_equal(b->n_removes, __builtin_popcount(left));
        }
    }
}

/* Nodes that the replaced one reached come first: nobody judges what they serve. */
static void test_first_where_it_was(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = going_on("{\"gates\":[],\"bake\":\"1h\"}", 3, 4);
    bench_bake(b);
    assert_int_equal(b->given, 4);
    assert_int_equal(b->status.way_back.n_nodes, 1);
}

/* The way back takes along what the replaced one brought, also where this one never was. */
static void test_back_to_the_last_good_one(void **state)
{
    (void)state;
    for (unsigned left = 0; left < 8; left++) {
        struct bench *b CLEANUP(bench_free) = going_on(bench_plain, 3, left);
        b->fails_to_load = 3;
        bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->status.fault, ROLLOUT_FAULT_VERSION);
        for (int k = 0; k < 3; k++) {
            assert_int_equal(b->nodes[k].seen.ready[0], 1);
            assert_false(b->status.nodes[k].is_touched);
        }
    }
}

static void test_abort_counts_them(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = going_on("{\"gates\":[],\"bake\":\"1h\"}", 4, 7);
    bench_bake(b);
    assert_int_equal(b->status.way_back.n_nodes, 3);
    bench_command(b, COMMAND_ABORT, 0);
    bench_step(b);
    b->is_frozen = true;
    b->now_ms += 3000;
    bench_step(b);
    bench_expect_words(b, "rolling back: 3 nodes to go", NULL);
    b->is_frozen = false;
    b->nodes[0].op.state = OP_UNKNOWN;
    for (int k = 0; k < 4; k++)
        b->nodes[k].op.state = b->nodes[k].op.state == OP_OPEN ? OP_UNKNOWN : b->nodes[k].op.state;
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    for (int k = 0; k < 4; k++)
        assert_int_equal(b->nodes[k].seen.ready[0], 1);
}

/* One that was caught in the middle counts as disturbed, and is put right first. */
static void test_caught_at_work(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = going_on(bench_plain, 3, 2);
    b->nodes[1].was_midway = true;
    b->nodes[1].seen.n_ready = 0;
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->most_out, 1);
    for (int k = 0; k < 3; k++)
        assert_int_equal(b->nodes[k].seen.ready[0], 3);
}

/* A freeze does not keep a node in the middle: it is put right, and nothing goes forward. */
static void test_caught_at_work_in_a_freeze(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = going_on(bench_plain, 3, 2);
    b->nodes[1].was_midway = true;
    b->nodes[1].seen.n_ready = 0;
    b->limits.freeze = "words";
    for (int i = 0; i < 200; i++) {
        b->now_ms += 1000;
        bench_step(b);
    }
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->nodes[1].seen.n_ready, 1);
    for (int k = 0; k < 3; k++)
        assert_int_equal(b->nodes[k].seen.ready[0], 1);
    b->limits.freeze = NULL;
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* One that serves nothing is among the first, and gets the new one. */
static void test_caught_in_the_middle(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = going_on(bench_plain, 3, 2);
    b->nodes[1].seen.n_ready = 0;
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->n_switches_back, 0);
    assert_int_equal(b->nodes[1].seen.ready[0], 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gives_way),
        cmocka_unit_test(test_waits_for_operations),
        cmocka_unit_test(test_when_it_counts),
        cmocka_unit_test(test_straight_to_the_new_one),
        cmocka_unit_test(test_first_where_it_was),
        cmocka_unit_test(test_back_to_the_last_good_one),
        cmocka_unit_test(test_abort_counts_them),
        cmocka_unit_test(test_caught_at_work),
        cmocka_unit_test(test_caught_at_work_in_a_freeze),
        cmocka_unit_test(test_caught_in_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
