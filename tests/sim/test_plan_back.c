/*
 * The way back: its forecast, its own limit and order, trying on when it fails, whose fault it was,
 * and sets that fail together.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

static void test_forecast(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        unsigned driver_flags;
        int n_nodes, n_at_a_time, low_point; /* in step 2 of 2 nodes each */
        bool needs_load;
    } cases[] = {
        {"{\"batch\":2,\"gates\":[],\"bake\":\"1h\"}", 0, 4, 1, 5, true},
        {"{\"batch\":2,\"gates\":[],\"bake\":\"1h\",\"rollback_max_unavailable\":3}", 0, 4, 3, 3,
         true},
        {"{\"batch\":2,\"gates\":[],\"bake\":\"1h\",\"rollback_max_unavailable\":\"100%\"}", 0, 4,
         4, 2, true},
        {"{\"batch\":2,\"gates\":[],\"bake\":\"1h\",\"residency\":\"both\"}", 0, 4, 1, 5, true},
        {"{\"batch\":2,\"gates\":[],\"bake\":\"1h\",\"residency\":\"both\"}", DRIVER_KEEPS_OTHERS,
         4, 1, 6, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(cases[i].policy, 6);
        b->driver_flags = cases[i].driver_flags;
        bench_step(b);
        bench_step(b);
        /* Stored at admission, for what the first step will touch. */
        assert_int_equal(b->status.way_back.n_nodes, 2);
        assert_int_equal(b->status.way_back.eta_ms, 0);
        bench_until_step(b, 1, STEP_BAKE, 600000);
        bench_command(b, COMMAND_PROMOTE, 1);
        bench_until_step(b, 2, STEP_BAKE, 600000);
        const struct rollout_way_back *back = &b->status.way_back;
        assert_int_equal(back->n_nodes, cases[i].n_nodes);
        assert_int_equal(back->n_at_a_time, cases[i].n_at_a_time);
        assert_int_equal(back->low_point, cases[i].low_point);
        assert_int_equal(back->needs_load, cases[i].needs_load);
        assert_true(back->eta_ms > 0 && b->status.nodes[0].moved_ms > 0);
    }
}

/* Newest first, and never more than its limit at a time. */
static void test_order_and_limit(void **state)
{
    (void)state;
    for (int limit = 1; limit <= 4; limit++) {
        char policy[160];
        snprintf(policy, sizeof policy,
                 "{\"batch\":4,\"max_unavailable\":4,\"gates\":[],\"bake\":\"1h\","
                 "\"rollback_max_unavailable\":%d}",
                 limit);
        struct bench *b CLEANUP(bench_free) = bench_new(policy, 4);
        bench_bake(b);
        bench_command(b, COMMAND_ABORT, 0);
        bench_step(b);
        bench_step(b);
        b->is_frozen = true;
        b->most_out = 0;
        for (int i = 0; i < 10; i++)
            bench_step(b);
        assert_int_equal(b->most_out, limit);
        for (int i = 0; i < 4; i++)
            assert_int_equal(move_disturbs(&b->status.nodes[i].move), i >= 4 - limit);
    }
}

static void test_keeps_trying(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
    b->fails_to_load = 1; /* the old version, of all things */
    bench_command(b, COMMAND_ABORT, 0);
    bench_until(b, ROLLOUT_ROLLBACK_STUCK, 3600000);
    bench_expect(b, ROLLOUT_ROLLBACK_STUCK);
    bench_step(b);
    b->now_ms += 3000;
    bench_step(b);
    bench_expect_words(b, "keeps trying", "halt r-1");
    /* A freeze does not hold it either. */
    b->limits.freeze = b->limits.stop = "words";
    b->fails_to_load = 0;
    bench_until(b, ROLLOUT_ROLLED_BACK, 3600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
}

/* The first node, on its way back, was just told to load. */
static void until_return_loads(struct bench *b)
{
    const struct rollout_node *n = &b->status.nodes[0];
    for (int i = 0; i < 50 && !(n->is_returning && n->move.phase == MOVE_LOAD && n->move.is_issued);
         i++) {
        bench_step(b);
        n = &b->status.nodes[0];
    }
    assert_int_equal(b->nodes[0].op.action, OP_LOAD);
}

/* It is given up only if it was not there after the last operation: while that ran, nobody looked.
 */
static void test_lost_is_looked_for(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
    struct view_node *n = &b->nodes[0];
    bench_command(b, COMMAND_ABORT, 0);
    until_return_loads(b);
    n->seen.n_ready = 0; /* the load did not get there */
    n->is_reachable = false;
    n->reachable_since_ms = n->seen.looked_ms = n->seen.observed_ms = b->now_ms;
    b->now_ms += 3600000;
    n->op.state = OP_FAILED;
    n->op.why = OP_CLASS_TRANSIENT;
    n->op.ended_ms = b->now_ms;
    b->fails_to_load = 1;
    b->fails_how = OP_CLASS_TRANSIENT;
    bench_step(b);
    bench_expect(b, ROLLOUT_ROLLING_BACK);
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_true(n->seen.looked_ms > n->op.ended_ms);
}

/* Nobody may look at a node that follows another registry meanwhile, nor touch its files. */
static void test_foreign_is_given_up(void **state)
{
    (void)state;
    static const bool is_returning[] = {false, true};
    for (size_t i = 0; i < ARRAY_LEN(is_returning); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
        struct view_node *n = &b->nodes[0];
        b->fails_to_load = 1;
        b->fails_how = OP_CLASS_TRANSIENT;
        bench_command(b, COMMAND_ABORT, 0);
        if (is_returning[i])
            until_return_loads(b);
        n->is_reachable = false;
        n->is_busy = n->is_foreign = true;
        n->reachable_since_ms = b->now_ms;
        n->owner_epoch = 9;
        bench_until(b, ROLLOUT_ROLLED_BACK, 3600000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
    }
}

/* A repair of a node that it did not change is ended first, or given up: others count the node as
 * disturbed. */
static void test_repair_of_the_rest_ends(void **state)
{
    (void)state;
    static const bool fails[] = {false, true};
    for (size_t i = 0; i < ARRAY_LEN(fails); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
        struct view_node *n = &b->nodes[2];
        move_begin(&b->status.nodes[2].move, 1, false, b->now_ms);
        n->seen.n_ready = 0;
        bench_command(b, COMMAND_ABORT, 0);
        for (int k = 0; k < 60; k++) {
            bench_step(b);
            if (n->op.action == OP_LOAD) {
                n->op.state = OP_OPEN;
                n->seen.n_ready = 0;
            }
            b->now_ms += 100;
        }
        bench_expect(b, ROLLOUT_ROLLING_BACK);
        bench_expect_words(b, "1 node to go", NULL);
        assert_true(b->status.nodes[0].is_back);
        assert_int_equal(b->nodes[0].seen.ready[0], 1);
        n->op.ended_ms = b->now_ms;
        n->op.state = fails[i] ? OP_FAILED : OP_DONE;
        n->op.why = fails[i] ? OP_CLASS_TRANSIENT : OP_CLASS_NONE;
        n->seen.n_ready = !fails[i];
        b->fails_to_load = fails[i];
        b->fails_how = OP_CLASS_TRANSIENT;
        bench_until(b, ROLLOUT_ROLLED_BACK, 3600000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->status.nodes[2].move.n_rounds, fails[i]);
    }
}

/* Repairs that never end hold up neither the others, within the limit of one, nor the end. */
static void test_endless_repair_is_left(void **state)
{
    (void)state;
    static const struct {
        int64_t deadline_ms; /* after now; MOVE_NO_DEADLINE: none */
        int n_rounds;
    } cases[] = {{60000, 0}, {MOVE_NO_DEADLINE, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking("{\"gates\":[],\"bake\":\"1h\"}");
        struct move *m = &b->status.nodes[2].move;
        bool is_endless = cases[i].deadline_ms == MOVE_NO_DEADLINE;
        move_begin(m, 1, false, b->now_ms);
        m->phase = MOVE_LOAD;
        m->deadline_ms = is_endless ? MOVE_NO_DEADLINE : b->now_ms + cases[i].deadline_ms;
        m->n_rounds = cases[i].n_rounds;
        b->nodes[2].seen.n_ready = 0;
        bench_command(b, COMMAND_ABORT, 0);
        int64_t end = b->now_ms + 600000;
        while (b->now_ms < end && b->status.phase != ROLLOUT_ROLLED_BACK) {
            bench_step(b);
            b->nodes[2].seen.n_ready = 0; /* whatever was loaded there */
            b->now_ms += 200;
        }
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->nodes[0].seen.ready[0], 1);
        assert_int_equal(b->status.nodes[2].move.phase, MOVE_NONE);
        assert_int_equal(b->status.nodes[2].move.n_rounds, 1);
    }
}

/* --- asked for by people --- */

/* What was asked for to go back never returns to where it came from, whatever fails. */
static void test_asked_keeps_trying(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int64_t fails_to_load, never_ready;
        enum op_class how;
        int64_t ms;
    } cases[] = {
        {"{}", 2, 0, OP_CLASS_VERSION, 600000},
        {"{}", 2, 0, OP_CLASS_PERMANENT, 600000},
        {"{}", 2, 0, OP_CLASS_TRANSIENT, 3600000},
        {"{}", 0, 2, OP_CLASS_NONE, 3600000},
        {"{\"auto_rollback\":false}", 2, 0, OP_CLASS_VERSION, 600000},
        {"{\"step_deadline\":\"5s\"}", 0, 2, OP_CLASS_NONE, 60000},
        {"{\"rollback_max_unavailable\":3}", 2, 0, OP_CLASS_VERSION, 600000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(cases[i].policy, 3);
        b->record.kind = "rollback";
        policy_for_rollback(&b->policy);
        b->fails_to_load = cases[i].fails_to_load;
        b->never_ready = cases[i].never_ready;
        b->fails_how = cases[i].how;
        bench_until(b, ROLLOUT_SUCCEEDED, cases[i].ms);
        bench_expect(b, ROLLOUT_RUNNING);
        bench_expect_words(b, "keeps trying", NULL);
        assert_true(b->status.n_rollback_failures > 0);
        assert_int_equal(b->status.fault, ROLLOUT_FAULT_NONE);
        b->fails_to_load = b->never_ready = 0;
        bench_until(b, ROLLOUT_SUCCEEDED, 600000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->n_switches_back, 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(b->nodes[k].seen.ready[0], 2);
    }
}

/* One node that does not get there does not hold the others. */
static void test_asked_goes_on_elsewhere(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new("{}", 3);
    b->record.kind = "rollback";
    policy_for_rollback(&b->policy);
    b->fails_to_load = 2;
    for (int i = 0; i < 100 && b->status.n_rollback_failures == 0; i++)
        bench_step(b);
    b->fails_to_load = 0;
    b->nodes[0].is_reachable = false;
    b->nodes[0].reachable_since_ms = b->now_ms;
    bench_until(b, ROLLOUT_SUCCEEDED, 3600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->status.nodes[0].state, NODE_LEFT_OUT);
    assert_int_equal(b->given & 6U, 6);
    assert_int_equal(b->n_switches_back, 0);
}

/* With nobody there, it waits for somebody; a server that ends again and again is loaded again. */
static void test_asked_waits_for_nodes(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new("{}", 2);
    b->record.kind = "rollback";
    policy_for_rollback(&b->policy);
    b->nodes[0].is_reachable = b->nodes[1].is_reachable = false;
    bench_until(b, ROLLOUT_SUCCEEDED, 7200000);
    bench_expect(b, ROLLOUT_RUNNING);
    bench_expect_words(b, "keeps trying", "cannot be reached");
    for (int k = 0; k < 2; k++) {
        b->nodes[k].is_reachable = true;
        b->nodes[k].reachable_since_ms = b->now_ms;
        b->nodes[k].seen.observed_ms = b->nodes[k].seen.looked_ms = b->now_ms;
    }
    for (int i = 0; i < 8; i++) { /* served, and gone again */
        for (int k = 0; k < 200 && (b->status.nodes[0].move.phase != MOVE_NONE); k++) {
            b->now_ms += 1000;
            bench_step(b);
        }
        b->nodes[0].seen.n_ready = 0;
        b->nodes[0].seen.observed_ms = b->nodes[0].seen.looked_ms = ++b->now_ms;
        bench_step(b);
        if (b->status.phase != ROLLOUT_RUNNING)
            break;
    }
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->n_switches_back, 0);
    assert_int_equal(b->status.n_version_failures, 0);
}

/* A cordoned node that has the bad version is reached, one that shall serve nothing is not. */
static void test_asked_reaches_cordoned(void **state)
{
    (void)state;
    for (int wants_none = 0; wants_none < 2; wants_none++) {
        struct bench *b CLEANUP(bench_free) = bench_new("{}", 3);
        b->record.kind = "rollback";
        policy_for_rollback(&b->policy);
        b->nodes[1].is_cordoned = true;
        b->nodes[1].wants_none = wants_none != 0;
        bench_until(b, ROLLOUT_SUCCEEDED, 60000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->given, wants_none ? 5 : 7);
    }
}

static void test_fault(void **state)
{
    (void)state;
    static const struct {
        enum op_class how;
        enum rollout_fault fault;
    } cases[] = {
        {OP_CLASS_VERSION, ROLLOUT_FAULT_VERSION},
        {OP_CLASS_PERMANENT, ROLLOUT_FAULT_INFRASTRUCTURE},
        {OP_CLASS_TRANSIENT, ROLLOUT_FAULT_INFRASTRUCTURE}, /* until the node's deadline */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        b->fails_to_load = 2;
        b->fails_how = cases[i].how;
        bench_until(b, ROLLOUT_ROLLED_BACK, 3600000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->status.fault, cases[i].fault);
        bool is_version = cases[i].fault == ROLLOUT_FAULT_VERSION;
        assert_int_equal(b->status.n_version_failures, is_version);
        assert_int_equal(b->status.n_infra_failures, !is_version);
    }
}

/* Loaded, but never ready: that is the version; late because of a deadline of the step: not. */
static void test_fault_of_silence(void **state)
{
    (void)state;
    for (int is_step = 0; is_step < 2; is_step++) {
        struct bench *b CLEANUP(bench_free) =
            bench_new(is_step ? "{\"gates\":[],\"step_deadline\":\"5s\"}" : "{\"gates\":[]}", 2);
        b->never_ready = 2;
        bench_until(b, ROLLOUT_ROLLED_BACK, 3600000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b->status.fault,
                         is_step ? ROLLOUT_FAULT_INFRASTRUCTURE : ROLLOUT_FAULT_VERSION);
    }
}

/* --- sets --- */

static void test_set_waits(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->limits.is_in_set = true;
    b->limits.set_text = "fraud and geo";
    b->limits.set_step = 0;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->given, 1);
    bench_expect_words(b, "waits for its set: fraud and geo", "the others");
    b->limits.set_step = 1;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->given, 3);
    /* Also the last step waits: until then everything can still go back. */
    b->limits.set_step = 2;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* A node that fell out while the set was waited for is loaded again before it succeeds. */
static void test_set_fell_out(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    struct view_node *n = &b->nodes[0];
    b->limits.is_in_set = true;
    b->limits.set_step = 1;
    bench_until_step(b, 2, STEP_DONE, 60000);
    b->never_ready = 2;
    n->seen.n_ready = 0;
    n->seen.observed_ms = n->seen.looked_ms = ++b->now_ms;
    bench_step(b);
    assert_true(b->status.nodes[0].move.phase != MOVE_NONE);
    assert_int_equal(b->status.steps[1].phase, STEP_APPLY); /* so that the others wait */
    b->limits.set_step = INT_MAX;
    for (int i = 0; i < 10; i++)
        bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
    assert_int_equal(b->status.steps[1].phase, STEP_APPLY);
    assert_int_equal(b->status.steps[1].ended_ms, 0);
    assert_true(b->status.step_deadline_ms > b->now_ms);
    b->never_ready = 0;
    n->seen.n_ready = 1;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(n->seen.ready[0], 2);
}

static void test_set_fails(void **state)
{
    (void)state;
    static const char *const policies[] = {"{\"gates\":[],\"bake\":\"0\"}",
                                           "{\"gates\":[],\"bake\":\"0\",\"auto_rollback\":false}"};
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(policies[i], 2);
        b->limits.is_in_set = true;
        b->limits.set_text = "geo was rolled back";
        b->limits.set_step = 1;
        bench_until_step(b, 2, STEP_DONE, 60000);
        bench_step(b);
        bench_expect(b, ROLLOUT_RUNNING);
        b->limits.set_failed = true;
        bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
        bench_expect(b, ROLLOUT_ROLLED_BACK);
        assert_non_null(strstr(b->status.cause, "geo was rolled back"));
        assert_int_equal(b->status.fault, ROLLOUT_FAULT_NONE);
        for (int k = 0; k < 2; k++)
            assert_int_equal(b->nodes[k].seen.ready[0], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forecast),
        cmocka_unit_test(test_order_and_limit),
        cmocka_unit_test(test_keeps_trying),
        cmocka_unit_test(test_lost_is_looked_for),
        cmocka_unit_test(test_foreign_is_given_up),
        cmocka_unit_test(test_repair_of_the_rest_ends),
        cmocka_unit_test(test_endless_repair_is_left),
        cmocka_unit_test(test_fault),
        cmocka_unit_test(test_fault_of_silence),
        cmocka_unit_test(test_set_waits),
        cmocka_unit_test(test_set_fell_out),
        cmocka_unit_test(test_set_fails),
        cmocka_unit_test(test_asked_keeps_trying),
        cmocka_unit_test(test_asked_goes_on_elsewhere),
        cmocka_unit_test(test_asked_waits_for_nodes),
        cmocka_unit_test(test_asked_reaches_cordoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
