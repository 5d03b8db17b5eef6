/*
 * Judging a rollout: which nodes are compared with which, when an interval ends, what is said when
 * counters are missing, and that all of it is the same after it was stored.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_judging.h"

static void test_fails(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    judge_bench_turn(b, 20, 0, 20, 0); /* the base line */
    judge_bench_turn(b, 20, 5, 20, 0); /* the first requests of the new version are its warm-up */
    assert_int_equal(judge_bench_result(b)->n_failures, 0);
    for (int i = 0; i < 5; i++)
        judge_bench_turn(b, 18, 2, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
    assert_int_equal(judge_bench_result(b)->n_failures, 10);
    assert_int_equal(judge_bench_result(b)->n_requests, 100);
    assert_int_equal(judge_bench_result(b)->n_base_requests, 3 * 20 * 6);
    int64_t since = judge_bench_result(b)->since_ms;
    judge_bench_turn(b, 1000, 0, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL); /* it stays */
    assert_int_equal(judge_bench_result(b)->since_ms, since);
    assert_true(b->c.judged.n > 0 && b->target.judging->is_unwritten);
    assert_true(b->target.judging->n_intervals >= 6);
}

/* Somebody looked at the failure and lets it go on: evidence begins anew. */
static void test_resumed(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    for (int i = 0; i < 7; i++)
        judge_bench_turn(b, 18, 2, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
    /* That a node was put right in between is no reason. */
    b->rnodes[0].evidence.since_ms = b->c.now_ms;
    judge_bench_turn(b, 18, 2, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
    b->target.lane.status.anew_ms = b->c.now_ms;
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_INSUFFICIENT);
    assert_int_equal(judge_bench_result(b)->n_failures, 0);
    /* What is stored says so too. */
    const struct judging *j = b->target.judging;
    int n_restarts = 0;
    for (size_t i = 0; i < j->n_intervals; i++)
        n_restarts += j->intervals[i].kind == INTERVAL_RESTART;
    assert_int_equal(n_restarts, 1);
    for (int i = 0; i < 20; i++)
        judge_bench_turn(b, 50, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_PASS);
}

/* Errors that all nodes have fail nobody. */
static void test_shared(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    for (int i = 0; i < 40; i++)
        judge_bench_turn(b, 45, 5, 45, 5);
    assert_int_not_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
}

static void test_sides(void **state)
{
    struct judge_bench *b = *state;
    struct judging *j = b->target.judging;
    judge_bench_begin(b);
    b->rnodes[1].step = 2; /* chosen, under way */
    b->rnodes[1].move.phase = MOVE_STAGE;
    b->nodes[2].is_reachable = false;
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(judging_node(j, 1)->arm, ARM_CANARY);
    assert_int_equal(judging_node(j, 2)->arm, ARM_NONE);
    assert_int_equal(judging_node(j, 3)->arm, ARM_BASE); /* for it may come back */
    assert_true(judging_node(j, 3)->away_ms > 0 && judging_node(j, 4)->away_ms == 0);
    assert_int_equal(judging_node(j, 4)->arm, ARM_BASE);
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(judge_bench_result(b)->n_base_requests, 2 * 20);
    b->nodes[2].is_reachable = true;
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(judging_node(j, 3)->away_ms, 0);
    assert_int_equal(judge_bench_result(b)->n_base_requests, 2 * 2 * 20);
    assert_false(judging_is_baseline(&b->target, 2));
    assert_true(judging_is_baseline(&b->target, 4));
}

/* An interval waits for every node, but not for ever. */
static void test_late(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    judge_bench_turn(b, 20, 0, 20, 0);
    int64_t closed = b->target.judging->closed_ms;
    b->c.now_ms += JUDGE_EVERY;
    for (int i = 0; i < JUDGE_NODES - 1; i++)
        judge_bench_read_node(b, i, 20, 0);
    judging_take(&b->c, &b->env, &b->target);
    assert_int_equal(b->target.judging->closed_ms, closed);
    b->c.now_ms += JUDGE_EVERY;
    judging_take(&b->c, &b->env, &b->target);
    assert_int_equal(b->target.judging->closed_ms, b->c.now_ms);
}

static void test_causes(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    judge_bench_turn(b, 20, 0, 20, 0);
    b->counted[0].has_requests = false;
    snprintf(b->nodes[0].scrape_text, sizeof b->nodes[0].scrape_text,
             "no metrics at this URL (404)");
    judging_take(&b->c, &b->env, &b->target);
    judge_bench_expect_cause(b, VERDICT_NO_DATA, "node n1: no metrics at this URL (404)");
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_expect_cause(b, VERDICT_INSUFFICIENT, "");
    b->c.now_ms += 60000;
    snprintf(b->nodes[0].scrape_text, sizeof b->nodes[0].scrape_text, "connection refused");
    for (int i = 1; i < JUDGE_NODES; i++)
        judge_bench_read_node(b, i, 1, 0);
    judging_take(&b->c, &b->env, &b->target);
    judge_bench_expect_cause(b, VERDICT_ERROR, "node n1: connection refused; last read 60 s ago");
    for (int i = 1; i < JUDGE_NODES; i++)
        judge_bench_change(b, i);
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_expect_cause(b, VERDICT_INSUFFICIENT, "holdback");
    b->target.record.from = 0;
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_expect_cause(b, VERDICT_PASS, "no older version");
}

/* The nodes were already unlike before the rollout. */
static void test_refuses(void **state)
{
    struct judge_bench *b = *state;
    b->c.now_ms += 20 * 6 * JUDGE_EVERY;
    for (int i = 0; i < 20; i++) {
        b->c.now_ms += 6 * JUDGE_EVERY;
        for (int k = 0; k < JUDGE_NODES; k++) {
            b->good[k] += k == 0 ? 60 : 100;
            b->bad[k] += k == 0 ? 40 : 0;
            struct driver_counts counts = {.n_success = b->good[k], .n_failure = b->bad[k]};
            struct counted_when when = {.now_ms = b->c.now_ms, .every_ms = 6 * JUDGE_EVERY};
            counted_add(&b->counted[k], &counts, &when);
        }
    }
    b->c.now_ms += 6 * JUDGE_EVERY;
    b->step.started_ms = b->c.now_ms;
    judge_bench_begin(b);
    judge_bench_expect_cause(b, VERDICT_ERROR, "refuses to judge");
    assert_true(b->target.judging->n_intervals > 10);
    assert_int_equal(b->target.judging->intervals[0].kind, INTERVAL_BEFORE);
}

/* What is stored says the same again, and goes on the same. */
static void test_stored(void **state)
{
    struct judge_bench *b = *state;
    struct buf first CLEANUP(buf_clear);
    struct buf second CLEANUP(buf_clear);
    struct err e;
    judge_bench_use_policy(
        b, "{\"kind\":\"error-ratio\"},{\"kind\":\"slow-ratio\"},{\"kind\":\"metric\",\"name\":"
           "\"x\",\"max\":\"1\"},{\"kind\":\"health\"}");
    judge_bench_begin(b);
    for (int i = 0; i < 4; i++)
        judge_bench_turn(b, 18, 1, 20, 0);
    struct window_reading r = {.ts_ms = b->c.now_ms, .look = WINDOW_VALUE, .value_micro = 500000};
    judging_value(&b->c, &b->target, &b->target.judging->gates[2], &r);
    judging_judge(&b->c, &b->env, &b->target);
    assert_int_equal(b->target.judging->gates[2].result.verdict, VERDICT_PASS);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    judging_write(b->target.judging, &first);
    struct judging *back = judging_new("r-1", &b->policy);
    if (judging_read(buf_str(&first), back, &e) != ERR_OK)
        fail_msg("%s", e.message);
    judging_write(back, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
    judging_free(b->target.judging);
    b->target.judging = back;
    for (int i = 0; i < 10; i++)
        judge_bench_turn(b, 18, 2, 20, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
    struct judging *other = judging_new("r-1", &b->policy);
    other->n_gates--;
    assert_int_equal(judging_read(buf_str(&first), other, &e), ERR_INVALID);
    assert_int_equal(judging_read("{}", other, &e), ERR_INVALID);
    judging_free(other);
}

/* What fails around a crash counts, and no second warm-up hides what comes after it. */
static void test_crashes(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    int64_t since = judging_node(b->target.judging, 1)->since_ms;
    int64_t n = judge_bench_result(b)->n_requests;
    for (int i = 0; i < 3; i++) {
        b->nodes[0].is_reachable = false;
        b->spots[0].seen.n_ready = 0;
        judge_bench_turn_without(b, 0, 20);
        judge_bench_turn_without(b, 0, 20);
        /* It is put right again, and its counters begin anew. */
        b->nodes[0].is_reachable = true;
        b->rnodes[0].is_done = false;
        b->rnodes[0].move.phase = MOVE_LOAD;
        b->good[0] = b->bad[0] = 0;
        judge_bench_turn(b, 0, 2, 20, 0);
        b->rnodes[0].is_done = true;
        b->rnodes[0].move.phase = MOVE_NONE;
        b->rnodes[0].evidence.since_ms = b->c.now_ms;
        b->spots[0].seen.n_ready = 1;
        judge_bench_turn(b, 5, 2, 20, 0);
    }
    assert_int_equal(judging_node(b->target.judging, 1)->since_ms, since);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 3 * 9);
    assert_int_equal(judge_bench_result(b)->n_failures, 3 * 4);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
}

/* One that cannot be reached says nothing about now, whatever was counted before. */
static void test_unreachable(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_begin(b);
    for (int i = 0; i < 20; i++)
        judge_bench_turn(b, 50, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_PASS);
    b->nodes[0].is_reachable = false;
    snprintf(b->nodes[0].detail, sizeof b->nodes[0].detail, "connection refused");
    judge_bench_turn(b, 0, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_PASS); /* perhaps for a moment */
    for (int i = 0; i < 5; i++)
        judge_bench_turn(b, 0, 0, 50, 0); /* its metrics may still be there */
    judge_bench_expect_cause(b, VERDICT_ERROR,
                             "node n1 cannot be reached for 5 s: connection refused");
    b->nodes[0].is_reachable = true;
    judge_bench_turn(b, 50, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_PASS);
    b->spots[0].seen.n_ready = 0;
    for (int i = 0; i < 6; i++)
        judge_bench_turn(b, 0, 0, 50, 0);
    judge_bench_expect_cause(b, VERDICT_ERROR, "node n1 serves the new version no more for 5 s");
    b->rnodes[0].is_done = false;
    b->rnodes[0].move.phase = MOVE_LOAD;
    judge_bench_turn(b, 0, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict,
                     VERDICT_INSUFFICIENT); /* mreg is at work on it */
    /* It was given up, as the policy allows. */
    b->rnodes[0].is_left_out = true;
    judge_bench_turn(b, 0, 0, 50, 0);
    assert_int_equal(judging_node(b->target.judging, 1)->arm, ARM_NONE);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_INSUFFICIENT);
    b->rnodes[0].is_left_out = false;
    /* The same for the only node to compare with. */
    b->rnodes[0].is_done = true;
    b->rnodes[0].move.phase = MOVE_NONE;
    b->spots[0].seen.n_ready = 1;
    for (int i = 1; i < JUDGE_NODES; i++)
        b->nodes[i].is_reachable = false;
    for (int i = 0; i < 6; i++)
        judge_bench_turn(b, 50, 0, 0, 0);
    judge_bench_expect_cause(b, VERDICT_ERROR, "cannot be reached");
    b->nodes[2].is_reachable = true; /* one is enough */
    judge_bench_turn(b, 50, 0, 50, 0);
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_PASS);
}

/* Nobody is compared until the control is warm; then it alone is, after the same warm-up. */
static void test_control(void **state)
{
    struct judge_bench *b = *state;
    struct rollout_status *s = &b->target.lane.status;
    s->control = CONTROL_RELOADING;
    s->control_id = 3;
    judge_bench_turn(b, 0, 0, 10, 0);
    judge_bench_change(b, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(b->target.judging->begun_ms, 0);
    s->control = CONTROL_WARM;
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(b->target.judging->begun_ms, b->c.now_ms);
    for (int i = 0; i < JUDGE_NODES; i++)
        assert_int_equal(judging_node(b->target.judging, i + 1)->arm, i == 0   ? ARM_CANARY
                                                                      : i == 2 ? ARM_BASE
                                                                               : ARM_NONE);
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    const struct gate_result *r = judge_bench_result(b);
    assert_int_equal(r->n_base_requests, r->n_requests); /* ten were left out on both sides */
    assert_in_range(r->n_requests, 20, 59);
    int64_t before = r->n_base_requests;
    /* Given up: all of them again, from now on. */
    s->control = CONTROL_LOST;
    judge_bench_turn(b, 20, 0, 20, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_int_equal(judging_node(b->target.judging, 2)->arm, ARM_BASE);
    assert_int_equal(judging_node(b->target.judging, 3)->arm, ARM_BASE);
    judge_bench_turn(b, 20, 0, 20, 0);
    assert_in_range(r->n_base_requests, before + 3 * 20 + 1, before + 3 * 3 * 20);
}

/* Before the rollout the same nodes are compared as during it. */
static void test_control_before(void **state)
{
    struct judge_bench *b = *state;
    struct rollout_status *s = &b->target.lane.status;
    s->control = CONTROL_WARM;
    s->control_id = 3;
    /* Node 2 fails half of its requests: it is not compared with. */
    for (int i = 0; i < 60; i++) {
        judge_bench_turn(b, 20, 0, 20, 0);
        b->bad[1] += 20;
    }
    b->step.started_ms = b->c.now_ms;
    judge_bench_change(b, 0);
    judge_bench_turn(b, 20, 0, 20, 0);
    const struct judging *j = b->target.judging;
    int64_t n_base = 0;
    int64_t n_bad = 0;
    for (size_t i = 0; i < j->n_intervals; i++) {
        n_base += j->intervals[i].kind == INTERVAL_BEFORE ? j->intervals[i].in.n_base : 0;
        n_bad += j->intervals[i].kind == INTERVAL_BEFORE ? j->intervals[i].in.bad_base : 0;
    }
    assert_true(n_base > 0);
    assert_int_equal(n_bad, 0);
}

/* A floor of 0 is nearly 0, not the default. */
static void test_settings(void **state)
{
    struct judge_bench *b = *state;
    judge_bench_use_policy(
        b, "{\"kind\":\"error-ratio\",\"floor\":\"0\",\"ratio\":\"1\",\"alpha\":\"0.01\"}");
    const struct seq_settings *s = &b->target.judging->gates[0].settings;
    assert_int_equal(s->floor_ppm, 1);
    assert_int_equal(s->ratio_ppm, 1000000);
    assert_int_equal(s->alpha_ppm, 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fails, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_resumed, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_shared, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_sides, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_late, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_causes, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_refuses, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_stored, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_crashes, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_unreachable, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_control, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_control_before, judge_bench_setup,
                                        judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_settings, judge_bench_setup, judge_bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
