/*
 * What the planner makes of the state of nodes: taken out by people, files that changed, servers
 * that restart.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

/* A node that shall serve nothing is emptied even when others are missing, and filled again. */
static void test_unload(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[1].seen.n_ready = 0;
    b->nodes[1].is_cordoned = true; /* one is missing already */
    b->nodes[0].is_cordoned = b->nodes[0].wants_none = true;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->nodes[0].seen.n_ready, 0);
    assert_int_equal(b->nodes[2].seen.ready[0], 1);
    assert_int_equal(b->n_switches, 1);
    bench_reconcile(b, 60000, 0); /* and stays so */
    assert_int_equal(b->n_switches, 1);
    b->nodes[0].is_cordoned = b->nodes[0].wants_none = false;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->nodes[0].seen.n_ready, 1);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
}

/* During a rollout such a node is cordoned, no more. */
static void test_unload_waits(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[2].is_cordoned = b->nodes[2].wants_none = true;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    assert_int_equal(b->nodes[0].seen.ready[0], 2);
    assert_int_equal(b->nodes[2].seen.n_ready, 1);
    assert_int_equal(b->nodes[2].seen.ready[0], 1);
    assert_int_equal(b->given & 4U, 0);
}

static void test_unreachable_is_not_unloaded(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->nodes[0].is_cordoned = b->nodes[0].wants_none = true;
    b->nodes[0].is_reachable = false;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
}

/* Files that changed are placed again although the right version answers. */
static void test_drift(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    bench_reconcile(b, 30000, 0);
    assert_int_equal(b->n_switches, 0);
    b->nodes[1].has_drifted = true;
    for (int i = 0; i < 100 && b->n_switches == 0; i++)
        bench_reconcile(b, 1000, 0);
    assert_int_equal(b->n_switches, 1);
    b->nodes[1].has_drifted = false; /* as the controller says after a switch */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 1);
    assert_int_equal(b->nodes[1].seen.ready[0], 1);
    b->nodes[1].has_drifted = b->nodes[1].is_cordoned = true; /* hands off */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 1);
}

/* Once may be chance, the third time it is the version. */
static void test_restarts(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    int at = b->given == 1 ? 0 : b->given == 2 ? 1 : 2;
    for (int i = 1; i <= 3; i++) {
        assert_int_equal(b->status.phase, ROLLOUT_RUNNING);
        b->now_ms += 1000;
        b->nodes[at].restarted_ms = b->now_ms;
        bench_step(b);
        bench_step(b);
        for (int k = 0; k < b->status.n_nodes; k++)
            if (b->status.nodes[k].node_id == b->nodes[at].node_id)
                assert_int_equal(b->status.nodes[k].n_restarts, i);
    }
    bench_until(b, ROLLOUT_ROLLED_BACK, 120000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    for (int i = 0; i < b->n_nodes; i++)
        assert_int_equal(b->nodes[i].seen.ready[0], 1);
}

/* Restarts from before it had the new version, and of nodes that have not, say nothing about it. */
static void test_other_restarts(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    for (int i = 0; i < b->n_nodes; i++)
        if ((b->given & 1U << i) == 0)
            b->nodes[i].restarted_ms = b->now_ms;
        else
            b->nodes[i].restarted_ms = 1;
    bench_step(b);
    for (int k = 0; k < b->status.n_nodes; k++)
        assert_int_equal(b->status.nodes[k].n_restarts, 0);
    assert_int_equal(b->status.phase, ROLLOUT_RUNNING);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unload),
        cmocka_unit_test(test_unload_waits),
        cmocka_unit_test(test_unreachable_is_not_unloaded),
        cmocka_unit_test(test_drift),
        cmocka_unit_test(test_restarts),
        cmocka_unit_test(test_other_restarts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
