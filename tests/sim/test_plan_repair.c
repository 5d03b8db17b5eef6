/*
 * Repairs outside of rollouts: which nodes are brought back, when, and in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

static void test_repair(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[2].seen.ready[0] = 5;
    bench_reconcile(b, 60000, 1);
    assert_int_equal(b->n_switches, 0); /* another target is being repaired */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 2);
    for (int i = 0; i < b->n_nodes; i++)
        assert_int_equal(b->nodes[i].seen.ready[0], 1);
}

static void test_repair_leaves_unmanaged(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->live = 0;
    b->nodes[0].seen.ready[0] = 77; /* somebody else's */
    b->nodes[1].seen.ready[0] = 2;  /* what the last rollout left behind */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->nodes[0].seen.ready[0], 77);
    assert_int_equal(b->nodes[1].seen.n_ready, 0);
    assert_int_equal(b->n_switches, 1);
}

/* One node is empty, another has a wrong version and would only wait for the limit: the empty one
 * is helped first, whatever comes first in order or began first. */
static void test_empty_first(void **state)
{
    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        b->nodes[0].seen.ready[0] = 5;
        if (begun) { /* its files are fetched when the other one dies */
            b->is_frozen = true;
            bench_reconcile(b, 20000, 0);
            assert_int_equal(b->status.nodes[0].move.phase, MOVE_STAGE);
            b->is_frozen = false;
            b->nodes[0].op.state = OP_DONE;
            b->nodes[0].op.ended_ms = b->now_ms;
        }
        b->nodes[2].seen.n_ready = 0;
        bench_reconcile(b, 60000, 0);
        for (int i = 0; i < b->n_nodes; i++) {
            assert_int_equal(b->nodes[i].seen.n_ready, 1);
            assert_int_equal(b->nodes[i].seen.ready[0], 1);
        }
        assert_int_equal(b->n_switches, 2);
        assert_int_equal(b->most_out, 1);
    }
}

/* Whatever went wrong on many nodes at once may go on: not one repair right after the other. */
static void test_rate(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"repair_every\":\"30s\",\"max_unavailable\":3}", 3);
    for (int i = 0; i < 3; i++)
        b->nodes[i].seen.n_ready = 0;
    bench_reconcile(b, 25000, 0);
    assert_int_equal(b->n_switches, 1);
    bench_reconcile(b, 30000, 0);
    assert_int_equal(b->n_switches, 2);
    bench_reconcile(b, 30000, 0);
    assert_int_equal(b->n_switches, 3);
    /* Also after one of another target. */
    b->last_repair_ms = b->now_ms;
    b->nodes[0].seen.n_ready = 0;
    bench_reconcile(b, 28000, 0);
    assert_int_equal(b->n_switches, 3);
    bench_reconcile(b, 10000, 0);
    assert_int_equal(b->n_switches, 4);
}

static void test_left_alone(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[0].is_cordoned = true;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
    b->nodes[0].is_cordoned = false;
    b->is_halted = true; /* somebody has to decide first */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
    b->is_halted = false;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repair),      cmocka_unit_test(test_repair_leaves_unmanaged),
        cmocka_unit_test(test_empty_first), cmocka_unit_test(test_rate),
        cmocka_unit_test(test_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
