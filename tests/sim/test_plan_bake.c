/*
 * Baking: how long at least and at most, from when the clock runs, and what the policy says when
 * there is no verdict.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

#define RATE "{\"kind\":\"error-rate\",\"max\":\"0.1\",\"min_requests\":10}"

/* Policies of one step that bakes for 30 s and waits for evidence up to 100 s. */
static struct bench *begin(const char *gates, const char *more)
{
    char policy[1024];
    snprintf(policy, sizeof policy,
             "{\"strategy\":\"all-at-once\",\"bake\":\"30s\",\"max_bake\":\"100s\",\"min_healthy\":"
             "\"0\",\"gates\":[%s]%s}",
             gates, more);
    return bench_new(policy, 2);
}

/* Runs on with this many requests a second at every node until the rollout leaves the phase. */
static void serve(struct bench *b, int64_t requests_per_s, int64_t ms)
{
    for (int64_t end = b->now_ms + ms; b->now_ms < end; b->now_ms += 1000) {
        b->n_requests += requests_per_s;
        for (int i = 0; i < 3; i++)
            bench_step(b);
        if (b->status.phase != ROLLOUT_RUNNING)
            return;
    }
}

static int64_t baked_ms(const struct bench *b)
{
    return b->now_ms - b->status.bake_since_ms;
}

static void test_minimum_and_evidence(void **state)
{
    (void)state;
    static const struct {
        int64_t first_ms;   /* no request before, from the begin of the bake */
        int64_t per_second; /* 0: none at all */
        int64_t lo_s, hi_s; /* when the step ends */
        enum rollout_phase phase;
    } cases[] = {
        {0, 5, 30, 36, ROLLOUT_SUCCEEDED},
        {10000, 5, 30, 36, ROLLOUT_SUCCEEDED},   /* within the first samples */
        {40000, 5, 70, 82, ROLLOUT_SUCCEEDED},   /* from the first request */
        {90000, 9, 100, 103, ROLLOUT_SUCCEEDED}, /* but no longer than the longest bake */
        {0, 0, 100, 103, ROLLOUT_PAUSED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = begin(RATE, "");
        bench_until_step(b, 1, STEP_BAKE, 60000);
        int64_t since = b->status.bake_since_ms;
        serve(b, 0, cases[i].first_ms);
        serve(b, cases[i].per_second, 200000);
        if (b->status.phase == ROLLOUT_FINALIZING)
            bench_until(b, ROLLOUT_SUCCEEDED, 1000);
        bench_expect(b, cases[i].phase);
        if (b->now_ms - since < cases[i].lo_s * 1000 || b->now_ms - since > cases[i].hi_s * 1000)
            fail_msg("case %zu: ended after %d ms", i, (int)(b->now_ms - since));
        if (cases[i].phase == ROLLOUT_SUCCEEDED)
            assert_int_equal(b->status.steps[0].verdict, VERDICT_PASS);
    }
}

/* Without a verdict until the longest bake. */
static void test_choices(void **state)
{
    (void)state;
    static const struct {
        const char *more;
        enum verdict verdict; /* of a gate that is judged elsewhere */
        enum rollout_phase phase;
        enum pause_reason reason;
        int64_t at_s; /* after the begin of the bake */
    } cases[] = {
        {"", VERDICT_INSUFFICIENT, ROLLOUT_PAUSED, PAUSE_INCONCLUSIVE, 100},
        {"", VERDICT_NONE, ROLLOUT_PAUSED, PAUSE_INCONCLUSIVE, 100},
        {",\"on_insufficient\":\"promote\"", VERDICT_INSUFFICIENT, ROLLOUT_SUCCEEDED, 0, 100},
        {",\"on_insufficient\":\"rollback\"", VERDICT_INSUFFICIENT, ROLLOUT_ROLLED_BACK, 0, 100},
        {"", VERDICT_NO_DATA, ROLLOUT_PAUSED, PAUSE_NO_DATA, 30},
        {",\"on_no_data\":\"ignore\"", VERDICT_NO_DATA, ROLLOUT_SUCCEEDED, 0, 30},
        {",\"on_no_data\":\"rollback\"", VERDICT_NO_DATA, ROLLOUT_ROLLED_BACK, 0, 30},
        {"", VERDICT_ERROR, ROLLOUT_PAUSED, PAUSE_METRICS_ERROR, 100},
        {",\"on_error\":\"ignore\"", VERDICT_ERROR, ROLLOUT_SUCCEEDED, 0, 30},
        {"", VERDICT_PASS, ROLLOUT_SUCCEEDED, 0, 30},
        {"", VERDICT_FAIL, ROLLOUT_ROLLED_BACK, 0, 0},
        {",\"auto_rollback\":false", VERDICT_FAIL, ROLLOUT_PAUSED, PAUSE_GATE, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = begin(
            "{\"kind\":\"promql\",\"name\":\"lag\",\"query\":\"q\",\"max\":\"1\"}", cases[i].more);
        b->verdicts[0] = (struct gate_result){
            .kind = GATE_PROMQL, .verdict = cases[i].verdict, .value = 2000000, .limit = 1000000};
        bench_until_step(b, 1, STEP_BAKE, 60000);
        /* What failed already bakes no more. */
        int64_t since = b->status.bake_since_ms != 0 ? b->status.bake_since_ms : b->now_ms;
        serve(b, 0, 200000);
        int64_t ms = b->now_ms - since;
        bench_until(b, cases[i].phase, 10000);
        bench_expect(b, cases[i].phase);
        if (ms < cases[i].at_s * 1000 || ms > cases[i].at_s * 1000 + 4000)
            fail_msg("case %zu: after %d ms", i, (int)ms);
        if (cases[i].phase == ROLLOUT_PAUSED)
            assert_int_equal(b->status.pauses[0].reason, cases[i].reason);
        if (cases[i].phase == ROLLOUT_SUCCEEDED && cases[i].verdict != VERDICT_PASS)
            assert_true(cases[i].verdict != VERDICT_INSUFFICIENT ||
                        b->status.steps[0].verdict == VERDICT_INSUFFICIENT);
        bool is_versions = cases[i].verdict == VERDICT_FAIL && cases[i].more[0] == '\0';
        assert_int_equal(b->status.fault == ROLLOUT_FAULT_VERSION, is_versions);
    }
}

/* A resume gives patience again; the pause does not come back before that has run out. */
static void test_resume_gives_patience(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(RATE, "");
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect_words(b, "(inconclusive)", "extend");
    b->now_ms += 70000;
    bench_command(b, COMMAND_RESUME, 0);
    int64_t resumed_ms = b->now_ms;
    bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
    bench_until(b, ROLLOUT_PAUSED, 600000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_in_range(b->now_ms - resumed_ms, 99000, 101000);
}

/* Gates that only report are shown and never decide, whatever they say. */
static void test_report_only(void **state)
{
    (void)state;
    static const enum verdict verdicts[] = {VERDICT_FAIL, VERDICT_INSUFFICIENT, VERDICT_NO_DATA,
                                            VERDICT_ERROR};
    for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
        struct bench *b CLEANUP(bench_free) =
            begin("{\"kind\":\"health\"},{\"kind\":\"metric\",\"name\":\"sales\",\"min\":\"1\","
                  "\"report_only\":true}",
                  "");
        b->verdicts[1] = (struct gate_result){.kind = GATE_METRIC, .verdict = verdicts[i]};
        bench_until(b, ROLLOUT_SUCCEEDED, 60000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->status.gates[1].verdict, verdicts[i]);
        assert_string_equal(b->status.gates[1].name, "sales");
        assert_true(b->status.gates[1].is_report_only);
        assert_int_equal(b->status.steps[0].verdict, VERDICT_PASS);
    }
}

/* Several gates of a kind: the one that fails is named. */
static void test_names(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        begin("{\"kind\":\"latency\",\"name\":\"slow\",\"max_ms\":\"500\",\"min_requests\":5},"
              "{\"kind\":\"latency\",\"name\":\"strict\",\"max_ms\":\"0.5\",\"min_requests\":5}",
              "");
    bench_until_step(b, 1, STEP_BAKE, 60000);
    serve(b, 10, 60000);
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(b->status.cause, "gate strict failed: 1 ms"));
}

/* The verdict keeps its time while it stays the same, so nothing is stored for nothing. */
static void test_quiet(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"bake\":\"30m\",\"gates\":[{\"kind\":\"error-ratio\"}]}", 2);
    bench_until_step(b, 1, STEP_BAKE, 60000);
    bench_step(b);
    int64_t since = b->status.gates[0].since_ms;
    int64_t revision = b->status.revision;
    for (int i = 0; i < 20; i++) {
        b->now_ms += 50;
        bench_step(b);
    }
    assert_int_equal(b->status.gates[0].since_ms, since);
    assert_true(b->status.revision <= revision + 1); /* a count-down at most */
    bench_expect_words(b, "baking", "promote");
    assert_true(baked_ms(b) > 0);
}

/* The worst of all gates decides, wherever it stands among them. */
static void test_worst_decides(void **state)
{
    (void)state;
    static const struct {
        enum verdict verdict;
        enum rollout_phase phase;
        enum pause_reason why;
    } cases[] = {
        {VERDICT_PASS, ROLLOUT_SUCCEEDED, PAUSE_USER},
        {VERDICT_INSUFFICIENT, ROLLOUT_PAUSED, PAUSE_INCONCLUSIVE},
        {VERDICT_ERROR, ROLLOUT_PAUSED, PAUSE_METRICS_ERROR},
        {VERDICT_NO_DATA, ROLLOUT_PAUSED, PAUSE_NO_DATA},
        {VERDICT_FAIL, ROLLOUT_ROLLED_BACK, PAUSE_USER},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases) * ARRAY_LEN(cases); i++) {
        size_t x = i / ARRAY_LEN(cases);
        size_t y = i % ARRAY_LEN(cases);
        size_t worst = x > y ? x : y;
        struct bench *b CLEANUP(bench_free) =
            begin("{\"kind\":\"metric\",\"name\":\"m1\",\"max\":\"1\"},"
                  "{\"kind\":\"metric\",\"name\":\"m2\",\"max\":\"1\"}",
                  "");
        b->verdicts[0] = (struct gate_result){.kind = GATE_METRIC, .verdict = cases[x].verdict};
        b->verdicts[1] = (struct gate_result){.kind = GATE_METRIC, .verdict = cases[y].verdict};
        for (int k = 0; k < 2; k++)
            b->verdicts[k].n_missing = b->verdicts[k].verdict == VERDICT_INSUFFICIENT;
        bench_until(b, cases[worst].phase, 200000);
        if (b->status.phase != cases[worst].phase)
            fail_msg("%s and %s: %s", verdict_name(cases[x].verdict),
                     verdict_name(cases[y].verdict), rollout_phase_name(b->status.phase));
        if (b->status.phase == ROLLOUT_PAUSED)
            assert_int_equal(b->status.pauses[0].reason, cases[worst].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimum_and_evidence),
        cmocka_unit_test(test_choices),
        cmocka_unit_test(test_resume_gives_patience),
        cmocka_unit_test(test_report_only),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_quiet),
        cmocka_unit_test(test_worst_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
