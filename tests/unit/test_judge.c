/*
 * Judging by counters: evidence over samples and resets, verdicts at and around the limits.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "judge.h"

static struct sample at(int64_t ts, int64_t success, int64_t failure, int64_t us)
{
    return (struct sample){.ts_ms = ts,
                           .has_counters = true,
                           .n_success = success,
                           .n_failure = failure,
                           .duration_us = us};
}

static void add(struct evidence *ev, struct sample s)
{
    (void)judge_add(ev, &s);
}

static void test_growth(void **state)
{
    (void)state;
    struct evidence ev;
    evidence_begin(&ev, 1000);
    /* What was counted before does not count, also when it arrives late. */
    add(&ev, at(900, 50, 50, 50));
    assert_int_equal(ev.n_samples, 0);
    add(&ev, at(1000, 50, 50, 50));
    assert_int_equal(ev.n_samples, 0);
    add(&ev, at(1100, 100, 10, 5000));
    assert_int_equal(ev.n_success + ev.n_failure, 0);
    add(&ev, at(1200, 150, 12, 8000));
    assert_int_equal(ev.n_success, 50);
    assert_int_equal(ev.n_failure, 2);
    assert_int_equal(ev.duration_us, 3000);
    /* The same sample again, or an older one, changes nothing. */
    struct sample again = at(1200, 999, 999, 999);
    assert_false(judge_add(&ev, &again));
    add(&ev, at(1150, 999, 999, 999));
    assert_int_equal(ev.n_success, 50);
}

static void test_reset(void **state)
{
    (void)state;
    struct evidence ev;
    evidence_begin(&ev, 0);
    add(&ev, at(1, 100, 10, 1000));
    add(&ev, at(2, 120, 10, 1200));
    /* The server started again: all that it shows is new. */
    add(&ev, at(3, 5, 1, 50));
    assert_int_equal(ev.n_success, 25);
    assert_int_equal(ev.n_failure, 1);
    assert_int_equal(ev.duration_us, 250);
    /* One counter that fell is enough to know. */
    add(&ev, at(4, 4, 30, 90));
    assert_int_equal(ev.n_success, 29);
    assert_int_equal(ev.n_failure, 31);
}

static void test_vanished(void **state)
{
    (void)state;
    struct evidence ev;
    struct sample none = {.ts_ms = 5};
    evidence_begin(&ev, 0);
    assert_true(judge_add(&ev, &none));
    assert_false(ev.last.has_counters);
    add(&ev, at(6, 10, 0, 0));
    none.ts_ms = 7;
    /* Counters that were there once grow stale instead of turning into "none". */
    assert_false(judge_add(&ev, &none));
    assert_int_equal(ev.last.ts_ms, 6);
}

static struct evidence counted(int64_t success, int64_t failure, int64_t us)
{
    struct evidence ev;
    evidence_begin(&ev, 0);
    add(&ev, at(10, 0, 0, 0));
    add(&ev, at(20, success, failure, us));
    return ev;
}

static void test_verdicts(void **state)
{
    (void)state;
    static const struct policy_gate rate = {
        .kind = GATE_ERROR_RATE, .max_ppm = 20000, .min_requests = 50};
    static const struct policy_gate latency = {
        .kind = GATE_LATENCY, .max_us = 1000, .min_requests = 10};
    static const struct {
        const struct policy_gate *gate;
        int64_t success, failure, us;
        enum verdict verdict;
    } cases[] = {
        {&rate, 0, 0, 0, VERDICT_INSUFFICIENT},
        {&rate, 0, 49, 0, VERDICT_INSUFFICIENT}, /* too few to fail by */
        {&rate, 49, 0, 0, VERDICT_INSUFFICIENT}, /* and too few to pass by */
        {&rate, 50, 0, 0, VERDICT_PASS},
        {&rate, 49, 1, 0, VERDICT_PASS}, /* exactly the limit passes */
        {&rate, 48, 2, 0, VERDICT_FAIL},
        {&rate, 980000, 20000, 0, VERDICT_PASS},
        {&rate, 979999, 20001, 0, VERDICT_FAIL},
        {&latency, 9, 0, 99999, VERDICT_INSUFFICIENT},
        {&latency, 10, 0, 10000, VERDICT_PASS},
        {&latency, 10, 0, 10010, VERDICT_FAIL},
        {&latency, 5, 5, 10000, VERDICT_PASS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct evidence ev = counted(cases[i].success, cases[i].failure, cases[i].us);
        const struct evidence *list[] = {&ev};
        struct gate_result r;
        judge_gate(cases[i].gate, list, 1, 0, &r);
        if (r.verdict != cases[i].verdict)
            fail_msg("case %zu: %s", i, verdict_name(r.verdict));
        assert_int_equal(r.n_requests, cases[i].success + cases[i].failure);
        int64_t missing = cases[i].gate->min_requests - r.n_requests;
        assert_int_equal(r.n_missing, missing > 0 ? missing : 0);
    }
}

static void test_no_data(void **state)
{
    (void)state;
    static const struct policy_gate rate = {
        .kind = GATE_ERROR_RATE, .max_ppm = 20000, .min_requests = 10};
    struct evidence good = counted(100, 0, 0);
    struct evidence bad = counted(0, 100, 0);
    struct evidence asked;
    struct evidence fresh;
    struct sample none = {.ts_ms = 30};
    struct gate_result r;
    evidence_begin(&asked, 0);
    judge_add(&asked, &none);
    evidence_begin(&fresh, 100);
    const struct evidence *with_none[] = {&good, &asked};
    judge_gate(&rate, with_none, 2, 0, &r);
    assert_int_equal(r.verdict, VERDICT_NO_DATA);
    /* A node that was not asked yet is waited for, but not for ever. */
    const struct evidence *with_fresh[] = {&good, &fresh};
    judge_gate(&rate, with_fresh, 2, 15, &r);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    judge_gate(&rate, with_fresh, 2, 101, &r);
    assert_int_equal(r.verdict, VERDICT_NO_DATA);
    /* Samples that are too old are an error, never a pass; a failure stays one. */
    const struct evidence *one[] = {&good};
    judge_gate(&rate, one, 1, 21, &r);
    assert_int_equal(r.verdict, VERDICT_ERROR);
    const struct evidence *failed[] = {&bad};
    judge_gate(&rate, failed, 1, 21, &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    judge_gate(&rate, one, 0, 0, &r);
    assert_int_equal(r.verdict, VERDICT_NO_DATA);
}

static void test_huge(void **state)
{
    (void)state;
    static const struct policy_gate rate = {
        .kind = GATE_ERROR_RATE, .max_ppm = 500000, .min_requests = 1};
    int64_t many = INT64_C(4000000000000000);
    struct evidence ev = counted(many, many, 0);
    const struct evidence *list[] = {&ev};
    struct gate_result r;
    judge_gate(&rate, list, 1, 0, &r);
    assert_int_equal(r.verdict, VERDICT_PASS);
    assert_in_range(r.value, 499000, 500000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),   cmocka_unit_test(test_reset),
        cmocka_unit_test(test_vanished), cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_no_data),  cmocka_unit_test(test_huge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
