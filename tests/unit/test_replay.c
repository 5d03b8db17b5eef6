/*
 * Stored intervals judged again: the same settings give what was said then, others give what they
 * would have said.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "mem.h"
#include "replay.h"

#define N_BEFORE 40
#define N_AFTER 60
#define N (N_BEFORE + N_AFTER)

/* A canary at 5 %, others at 1 %; before, all at 1 %. */
static void fill(struct replay_point *p)
{
    memset(p, 0, N * sizeof *p);
    for (int i = 0; i < N; i++) {
        p[i].ts_ms = 1000 * (i + 1);
        p[i].is_before = i < N_BEFORE;
        p[i].in = (struct seq_interval){20, i % 5 == 0, 80, i % 5 < 4};
        if (!p[i].is_before)
            p[i].in.bad_canary = 1;
    }
}

static void test_same_as_live(void **state)
{
    (void)state;
    struct replay_point p[N];
    struct replay_step steps[N];
    struct replay_summary sum;
    struct replay_options o = {.phi = 1, .widen = 1};
    struct seq_state st;
    size_t n_steps = 0;
    int64_t failed_ms = 0;
    fill(p);
    seq_settings_errors(&o.settings);
    replay_run(&o, p, N, steps, &n_steps, &sum);
    assert_int_equal(n_steps, N_AFTER);
    seq_init(&st, &(struct seq_prior){.phi = 1, .widen = 1});
    for (int i = 0; i < N_AFTER; i++) {
        struct seq_result r;
        seq_step(&st, &o.settings, &p[N_BEFORE + i].in);
        seq_verdict(&st, &o.settings, SEQ_FRESH, &r);
        assert_int_equal(steps[i].ts_ms, p[N_BEFORE + i].ts_ms);
        assert_int_equal(steps[i].result.log_rel_milli, r.log_rel_milli);
        assert_int_equal(steps[i].result.verdict, r.verdict);
        if (r.verdict == VERDICT_FAIL && failed_ms == 0)
            failed_ms = p[N_BEFORE + i].ts_ms;
    }
    assert_true(failed_ms > 0);
    assert_int_equal(sum.failed_ms, failed_ms);
    assert_int_equal(sum.last.verdict, VERDICT_FAIL);
    assert_true(sum.max_log_rel_milli >= 6908);
}

static void test_other_settings(void **state)
{
    (void)state;
    struct replay_point p[N];
    struct replay_summary strict, loose, bursts, early;
    struct replay_options o = {.phi = 1, .widen = 1};
    fill(p);
    seq_settings_errors(&o.settings);
    replay_run(&o, p, N, NULL, NULL, &strict);
    o.settings.ratio_ppm = 8000000;
    replay_run(&o, p, N, NULL, NULL, &loose);
    assert_int_equal(loose.failed_ms, 0);
    assert_true(loose.last.log_rel_milli < strict.last.log_rel_milli);
    seq_settings_errors(&o.settings);
    o.phi = 3;
    replay_run(&o, p, N, NULL, NULL, &bursts);
    assert_true(bursts.failed_ms == 0 || bursts.failed_ms > strict.failed_ms);
    o.phi = 1;
    o.settings.alpha_ppm = 50000;
    o.settings.alpha_floor_ppm = 50000;
    replay_run(&o, p, N, NULL, NULL, &early);
    assert_true(early.failed_ms > 0 && early.failed_ms < strict.failed_ms);
}

/* Without numbers of its own it measures them before the rollout. */
static void test_measures(void **state)
{
    (void)state;
    struct replay_point p[N];
    struct replay_summary sum;
    struct replay_options o = {.phi = 0};
    fill(p);
    seq_settings_errors(&o.settings);
    replay_run(&o, p, N, NULL, NULL, &sum);
    assert_true(sum.prior.phi == 1);
    assert_true(sum.prior.widen > 1);
    assert_false(sum.prior.is_false);
    assert_true(sum.last.ratio_milli > 1500);
    for (int i = 0; i < N_BEFORE; i++)
        p[i].in = (struct seq_interval){20, 10, 80, 0};
    replay_run(&o, p, N, NULL, NULL, &sum);
    assert_true(sum.prior.is_false);
    assert_int_equal(sum.last.verdict, VERDICT_ERROR);
    assert_true(sum.last.is_refused);
    assert_int_equal(sum.failed_ms, 0);
    /* Nothing at all. */
    replay_run(&o, p, 0, NULL, NULL, &sum);
    assert_int_equal(sum.last.verdict, VERDICT_INSUFFICIENT);
    assert_true(sum.prior.phi == SEQ_PHI_UNKNOWN);
}

/* Somebody let a failed rollout go on: what was frozen stays, evidence begins anew. */
static void test_restart(void **state)
{
    (void)state;
    struct replay_point p[] = {{.ts_ms = 1, .in = {100, 30, 300, 0}},
                               {.ts_ms = 2, .is_restart = true},
                               {.ts_ms = 2, .in = {100, 1, 300, 0}},
                               {.ts_ms = 3, .in = {1000, 0, 300, 0}},
                               {.ts_ms = 4, .is_restart = true}};
    struct replay_summary sum;
    struct replay_options o = {.phi = 2, .widen = 3};
    struct replay_step steps[5];
    size_t n = 0;
    seq_settings_errors(&o.settings);
    replay_run(&o, p, 4, steps, &n, &sum);
    assert_int_equal(n, 3);
    assert_int_equal(steps[0].result.verdict, VERDICT_FAIL);
    assert_int_equal(steps[1].result.verdict, VERDICT_INSUFFICIENT);
    assert_int_equal(steps[1].result.sum.bad_canary, 1);
    assert_int_equal(steps[1].result.ratio_milli, 4500);
    assert_int_equal(sum.last.verdict, VERDICT_PASS);
    assert_int_equal(sum.failed_ms, 1);
    replay_run(&o, p, 5, NULL, NULL, &sum);
    assert_int_equal(sum.last.verdict, VERDICT_INSUFFICIENT);
    assert_int_equal(sum.last.sum.n_canary, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_live),
        cmocka_unit_test(test_other_settings),
        cmocka_unit_test(test_measures),
        cmocka_unit_test(test_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
