/*
 * Cases that the simulator or the exhaustive search found once, each as a story of its own: there
 * they are rare, here they are sure.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

/* What was seen of a node before it went away does not make it free to be disturbed. */
static void test_old_look(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[0].reachable_since_ms = b->now_ms + 1000;
    b->nodes[1].is_reachable = b->nodes[2].is_reachable = false;
    b->now_ms += 2000;
    bench_until(b, ROLLOUT_SUCCEEDED, 5000);
    assert_int_equal(b->n_switches, 0);
    b->nodes[0].seen.observed_ms = b->now_ms; /* seen since: it has nothing to lose */
    bench_until(b, ROLLOUT_SUCCEEDED, 5000);
    assert_int_equal(b->n_switches, 1);
}

/* Two targets never change one node at a time, whatever the limit. */
static void test_hands_off(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[{\"kind\":\"health\"}],\"max_unavailable\":3,\"bake\":\"0\"}", 3);
    b->nodes[0].is_disturbed = true;
    bench_until(b, ROLLOUT_SUCCEEDED, 20000);
    assert_int_equal(b->given & 1U, 0);
    b->nodes[0].is_disturbed = false;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->given, 7);
}

/* A rollout that removes the files of an older version, with the removals under way. */
static struct bench *tidying(void)
{
    struct bench *b = bench_new(bench_plain, 2);
    b->last_good = 7;
    bench_until(b, ROLLOUT_FINALIZING, 600000);
    bench_expect(b, ROLLOUT_FINALIZING);
    b->is_frozen = true;
    bench_step(b);
    assert_int_equal(b->nodes[0].op.state, OP_OPEN);
    assert_int_equal(b->nodes[1].op.state, OP_OPEN);
    return b;
}

static void close_ops(struct bench *b)
{
    b->is_frozen = false;
    for (int i = 0; i < b->n_nodes; i++) {
        b->nodes[i].op.state = OP_DONE;
        b->nodes[i].op.ended_ms = b->now_ms;
    }
}

/* While it ends, nobody is given the new version any more: that is left to the repairs. */
static void test_lost_at_the_end(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = tidying();
    int n_loads = b->n_new_loads;
    b->nodes[0].op.state = OP_DONE;
    b->nodes[0].op.ended_ms = b->now_ms;
    bench_step(b);
    b->nodes[0].seen.n_ready = 0;
    b->now_ms += 1000;
    b->nodes[0].seen.observed_ms = b->now_ms;
    bench_step(b);
    bench_step(b);
    bench_expect(b, ROLLOUT_FINALIZING);
    assert_int_equal(b->status.nodes[0].move.phase, MOVE_NONE);
    close_ops(b);
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->n_new_loads, n_loads);
}

/* An abort while it ends takes back what was tidied up already, too. */
static void test_abort_at_the_end(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = tidying();
    bench_command(b, COMMAND_ABORT, 0);
    bench_step(b);
    bench_expect(b, ROLLOUT_ROLLING_BACK);
    close_ops(b);
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    for (int i = 0; i < b->n_nodes; i++) {
        assert_int_equal(b->nodes[i].seen.n_ready, 1);
        assert_int_equal(b->nodes[i].seen.ready[0], 1);
    }
}

static void answer(struct bench *b, enum op_action action, enum op_state state, enum op_class why)
{
    struct op_view *op = &b->nodes[0].op;
    for (int i = 0; i < 1000 && op->state != OP_OPEN; i++) {
        int64_t at = bench_step(b);
        b->now_ms = at > b->now_ms && op->state != OP_OPEN ? at : b->now_ms;
        b->nodes[0].seen.looked_ms = b->nodes[0].seen.observed_ms = b->now_ms;
    }
    assert_int_equal(op->state, OP_OPEN);
    assert_int_equal(op->action, action);
    op->state = state;
    op->why = why;
    op->ended_ms = b->now_ms;
}

/* Files that are refused were not switched, unless they had been switched before. */
static void test_refused_later(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 1);
    b->is_frozen = true;
    b->never_ready = 2;
    answer(b, OP_STAGE, OP_DONE, OP_CLASS_NONE);
    answer(b, OP_SWITCH, OP_DONE, OP_CLASS_NONE);
    answer(b, OP_LOAD, OP_UNKNOWN, OP_CLASS_NONE);
    answer(b, OP_STAGE, OP_DONE, OP_CLASS_NONE);
    answer(b, OP_SWITCH, OP_FAILED, OP_CLASS_PERMANENT);
    b->is_frozen = false;
    int n_switches = b->n_switches;
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->n_switches, n_switches + 1);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
}

static void test_refused_first(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 1);
    b->is_frozen = true;
    answer(b, OP_STAGE, OP_DONE, OP_CLASS_NONE);
    answer(b, OP_SWITCH, OP_FAILED, OP_CLASS_PERMANENT);
    b->is_frozen = false;
    int n_switches = b->n_switches;
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->n_switches, n_switches);
}

/* While a node is gone for long, going back waits; it is not planned without end. */
static void test_calm_while_gone(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 1);
    bench_until_step(b, 1, STEP_SETTLE, 600000);
    b->nodes[0].is_reachable = false;
    b->nodes[0].reachable_since_ms = b->now_ms;
    b->now_ms += b->policy.node_deadline_ms + 1000;
    bench_command(b, COMMAND_ABORT, 0);
    b->is_frozen = true;
    for (int i = 0; i < 5; i++)
        bench_step(b);
    bench_expect(b, ROLLOUT_ROLLING_BACK);
    assert_true(b->wake_ms > b->now_ms);
}

/* One plan of the lane without a rollout. */
static void reconcile_once(struct bench *b)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct plan *plan = arena_alloc(&a, sizeof *plan);
    struct view v;
    bench_view(b, &v);
    v.rollout = NULL;
    plan_reconcile(&v, &a, plan);
    if (plan->is_changed)
        bench_take_over(b, plan);
    for (int i = 0; i < plan->n_actions; i++)
        b->n_switches += !op_is_read(plan->actions[i].action);
}

/* A node that answers strangely once is looked at again before anything is done about it. */
static void test_one_odd_look(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[0].seen.observed_ms = ++b->now_ms;
    for (int i = 0; i < 3; i++)
        reconcile_once(b);
    assert_int_equal(b->n_switches, 0);
    b->now_ms += 1000;
    b->nodes[0].seen.n_ready = 1;
    b->nodes[0].seen.observed_ms = b->now_ms;
    for (int i = 0; i < 3; i++)
        reconcile_once(b);
    assert_int_equal(b->n_switches, 0);
}

/* Where both versions stay loaded, the old one is kept from the first operation on. */
static void test_old_one_is_kept(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        unsigned driver_flags;
        int64_t keep;
    } cases[] = {
        {"{\"gates\":[],\"residency\":\"both\"}", DRIVER_KEEPS_OTHERS, 1},
        {"{\"gates\":[],\"residency\":\"both\"}", 0, 0},
        {"{\"gates\":[]}", DRIVER_KEEPS_OTHERS, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(cases[i].policy, 2);
        b->driver_flags = cases[i].driver_flags;
        b->is_frozen = true;
        for (int k = 0; k < 5; k++)
            bench_step(b);
        assert_int_equal(b->nodes[0].op.state, OP_OPEN);
        assert_int_equal(b->status.nodes[0].move.keep, cases[i].keep);
    }
}

/* A rollout that waits keeps up what is live: what a repair left in the middle, or a node that lost
 * it, must not stand in the way of other targets for as long as a freeze lasts. */
static void test_repairs_while_it_waits(void **state)
{
    (void)state;
    for (int was_begun = 0; was_begun < 2; was_begun++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        b->limits.freeze = "words";
        bench_step(b);
        bench_expect(b, ROLLOUT_QUEUED);
        assert_int_equal(b->status.n_nodes, 0);
        b->nodes[1].was_midway = was_begun != 0;
        b->nodes[1].seen.n_ready = 0;
        for (int i = 0; i < 100; i++) {
            b->now_ms += 1000;
            for (int k = 0; k < 3; k++)
                b->nodes[k].seen.observed_ms = b->now_ms;
            bench_step(b);
        }
        bench_expect(b, ROLLOUT_QUEUED);
        assert_int_equal(b->nodes[1].seen.n_ready, 1);
        assert_int_equal(b->nodes[1].seen.ready[0], 1);
        assert_int_equal(b->status.nodes[1].move.phase, MOVE_NONE);
        b->limits.freeze = NULL;
        bench_until(b, ROLLOUT_SUCCEEDED, 600000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
    }
}

/* A node that was being emptied by order when a rollout began is not filled again. */
static void test_emptied_stays_empty(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[1].is_cordoned = b->nodes[1].wants_none = true;
    b->nodes[1].was_midway = true;
    b->nodes[1].seen.n_ready = 0;
    for (int i = 0; i < 100; i++) {
        b->now_ms += 1000;
        bench_step(b);
        assert_int_equal(b->nodes[1].seen.n_ready, 0);
    }
    assert_int_equal(b->given & 2U, 0);
}

/* It ends when it is taken back, but not over an operation of such a repair. */
static void test_taken_back_while_it_repairs(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->limits.freeze = "words";
    b->nodes[1].was_midway = true;
    b->nodes[1].seen.n_ready = 0;
    b->is_frozen = true;
    for (int i = 0; i < 5; i++)
        bench_step(b);
    assert_int_equal(b->nodes[1].op.state, OP_OPEN);
    bench_command(b, COMMAND_ABORT, 0);
    bench_step(b);
    bench_expect(b, ROLLOUT_QUEUED);
    close_ops(b);
    bench_step(b);
    bench_expect(b, ROLLOUT_CANCELLED);
    assert_int_equal(b->status.fault, ROLLOUT_FAULT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_old_look),
        cmocka_unit_test(test_hands_off),
        cmocka_unit_test(test_lost_at_the_end),
        cmocka_unit_test(test_abort_at_the_end),
        cmocka_unit_test(test_refused_later),
        cmocka_unit_test(test_refused_first),
        cmocka_unit_test(test_calm_while_gone),
        cmocka_unit_test(test_one_odd_look),
        cmocka_unit_test(test_old_one_is_kept),
        cmocka_unit_test(test_repairs_while_it_waits),
        cmocka_unit_test(test_emptied_stays_empty),
        cmocka_unit_test(test_taken_back_while_it_repairs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
