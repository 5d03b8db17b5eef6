/*
 * Who wins, what holds, and who lets go: precedence, pauses from people and from outside,
 * approvals, halting, and commands that came too late.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"
#include "sim_bench.h"

static const char slow_bake[] = "{\"gates\":[],\"bake\":\"1h\",\"min_healthy\":\"0\"}";

/* Every pair of signals, and all together: the stronger one wins. */
static void test_choice(void **state)
{
    (void)state;
    static const struct {
        struct plan_signals signals;
        enum plan_act act;
    } by_rank[] = {
        {{.aborts = true}, PLAN_ABORT},
        {{.halts = true}, PLAN_HALT},
        {{.is_paused_by_user = true}, PLAN_STAND},
        {{.is_newly_held = true}, PLAN_HOLD},
        {{.has_failed = true}, PLAN_FAIL},
        {{.promotes_full = true}, PLAN_PROMOTE},
        {{.promotes = true}, PLAN_PROMOTE},
        {{0}, PLAN_GO_ON},
    };
    for (size_t i = 0; i < ARRAY_LEN(by_rank); i++) {
        for (size_t k = i; k < ARRAY_LEN(by_rank); k++) {
            struct plan_signals both;
            for (size_t n = 0; n < sizeof both; n++)
                ((unsigned char *)&both)[n] = ((const unsigned char *)&by_rank[i].signals)[n] |
                                              ((const unsigned char *)&by_rank[k].signals)[n];
            assert_int_equal(planner_choose(&both), by_rank[i].act);
        }
    }
}

/* --- held from outside --- */

enum cause { FREEZE, STOP, BUDGET, DEPENDENCY, TURN, CAUSE_COUNT };

static void set_cause(struct bench *b, enum cause cause, const char *words)
{
    const char **const to[CAUSE_COUNT] = {&b->limits.freeze, &b->limits.stop, &b->limits.budget,
                                          &b->limits.dependency, &b->limits.turn};
    *to[cause] = words;
}

static void test_queued(void **state)
{
    (void)state;
    static const struct {
        enum cause cause;
        const char *waiting, *unblock;
        bool holds_rollback;
    } cases[] = {
        {FREEZE, "queued since 2023-11-14T22:13:20Z (freeze): words", "freeze ends", false},
        {STOP, "(stop): words", "stop is lifted", false},
        {BUDGET, "(failure-budget): words", "window", false},
        {DEPENDENCY, "(dependency): words", "override r-1 dependency", false},
        {TURN, "(turn): words", "after the others", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        for (int is_rollback = 0; is_rollback < 2; is_rollback++) {
            struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
            b->record.kind = is_rollback ? "rollback" : "promote";
            set_cause(b, cases[i].cause, "words");
            bench_until(b, ROLLOUT_SUCCEEDED, 600000);
            if (is_rollback && !cases[i].holds_rollback) {
                bench_expect(b, ROLLOUT_SUCCEEDED);
                continue;
            }
            bench_expect(b, ROLLOUT_QUEUED);
            assert_int_equal(b->given, 0);
            bench_expect_words(b, cases[i].waiting, cases[i].unblock);
            set_cause(b, cases[i].cause, NULL);
            bench_until(b, ROLLOUT_SUCCEEDED, 600000);
            bench_expect(b, ROLLOUT_SUCCEEDED);
        }
    }
}

static void test_overrides(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->limits.freeze = b->limits.stop = b->limits.budget = "words";
    b->limits.overrides_freeze = b->limits.overrides_stop = true;
    bench_step(b);
    bench_expect(b, ROLLOUT_QUEUED);
    b->limits.overrides_budget = true;
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

static void test_queue_ends(void **state)
{
    (void)state;
    static const enum command_verb verbs[] = {COMMAND_ABORT, COMMAND_HALT, COMMAND_REJECT};
    for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
        b->limits.freeze = "words";
        bench_step(b);
        bench_command(b, verbs[i], 0);
        bench_step(b);
        bench_expect(b, ROLLOUT_CANCELLED);
        assert_non_null(strstr(b->status.outcome, "by t-1"));
    }
}

/* A pause that begins in the middle: nothing forward any more, time stands, and it goes on with the
 * end of its cause, not before. */
static void test_held_in_the_middle(void **state)
{
    (void)state;
    static const struct {
        enum cause cause;
        enum pause_reason reason;
        bool may_be_lifted; /* by a resume that names it */
    } cases[] = {{FREEZE, PAUSE_FREEZE, false},
                 {STOP, PAUSE_STOP, false},
                 {BUDGET, PAUSE_FAILURE_BUDGET, true},
                 {DEPENDENCY, PAUSE_DEPENDENCY, true}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking(slow_bake);
        int64_t since = b->status.bake_since_ms;
        set_cause(b, cases[i].cause, "words");
        bench_step(b);
        bench_expect(b, ROLLOUT_PAUSED);
        assert_int_equal(b->status.pauses[0].reason, cases[i].reason);
        bench_expect_words(b, "words", NULL);
        /* Neither a promotion nor a plain resume ends it. */
        b->now_ms += 50000;
        bench_command(b, COMMAND_PROMOTE, 0);
        bench_command(b, COMMAND_RESUME, 0);
        bench_step(b);
        bench_expect(b, ROLLOUT_PAUSED);
        bench_command_by(b, COMMAND_RESUME, "t-2")->arg = PAUSE_BIT(cases[i].reason);
        bench_step(b);
        bench_expect(b, cases[i].may_be_lifted ? ROLLOUT_RUNNING : ROLLOUT_PAUSED);
        set_cause(b, cases[i].cause, NULL);
        bench_step(b);
        bench_expect(b, ROLLOUT_RUNNING);
        /* The promotion was not forgotten, and paused time did not count. */
        assert_true(b->status.steps[0].is_promoted);
        assert_true(b->status.bake_since_ms == 0 || b->status.bake_since_ms >= since + 50000);
        /* When the cause comes again, it holds again. */
        set_cause(b, cases[i].cause, "again");
        bench_step(b);
        bench_expect(b, ROLLOUT_PAUSED);
    }
}

/* A freeze holds no way back: neither one that is under way, nor one that a failure asks for. */
static void test_freeze_and_rollback(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(bench_judged);
    b->nodes[0].sample = (struct sample){.ts_ms = ++b->now_ms, .has_counters = true};
    bench_step(b);
    b->nodes[0].sample = (struct sample){
        .ts_ms = ++b->now_ms, .has_counters = true, .n_success = 50, .n_failure = 50};
    b->limits.freeze = "words";
    /* Both come in one tick: the freeze is seen first, the failure right after. */
    bench_step(b);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_true(b->wake_ms <= b->now_ms);
    bench_step(b);
    bench_expect(b, ROLLOUT_ROLLING_BACK);
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->status.fault, ROLLOUT_FAULT_VERSION);
}

static void test_several_pauses(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_baking(slow_bake);
    bench_command(b, COMMAND_PAUSE, 0);
    b->limits.freeze = "words";
    b->limits.freeze_until_ms = b->now_ms + 60000;
    bench_step(b);
    assert_int_equal(b->status.n_pauses, 2);
    bench_expect_words(b, "(user)", "resume r-1");
    bench_command(b, COMMAND_RESUME, 0);
    bench_step(b);
    assert_int_equal(b->status.n_pauses, 1);
    bench_expect(b, ROLLOUT_PAUSED);
    bench_expect_words(b, "until 2023-", "freeze ends");
    b->limits.freeze = NULL;
    bench_step(b);
    bench_expect(b, ROLLOUT_RUNNING);
}

/* A pause before the begin is one at the begin. */
static void test_pause_early(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    bench_command(b, COMMAND_PAUSE, 0);
    for (int i = 0; i < 5; i++)
        bench_step(b);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->given, 0);
    bench_command(b, COMMAND_RESUME, 0);
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* --- approvals --- */

static void test_start_approvals(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"bake\":\"0\",\"approvals\":2}", 2);
    bench_step(b);
    bench_expect(b, ROLLOUT_QUEUED);
    bench_expect_words(b, "(approval): 0 of 2 approvals", "approve r-1");
    bench_command_by(b, COMMAND_APPROVE, "t-1"); /* asked for it */
    bench_command_by(b, COMMAND_APPROVE, "t-2");
    bench_command_by(b, COMMAND_APPROVE, "t-2"); /* counts once */
    b->now_ms += 3000;
    bench_step(b);
    bench_expect(b, ROLLOUT_QUEUED);
    bench_expect_words(b, "1 of 2", NULL);
    assert_int_equal(b->status.n_approvals, 1);
    bench_command_by(b, COMMAND_APPROVE, "t-3");
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_string_equal(b->status.approvals[1].actor, "t-3");
}

static void test_step_approvals(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"canary\",\"gates\":[],\"steps\":[{\"nodes\":1},{\"nodes\":2,"
                  "\"approvals\":1}]}",
                  3);
    bench_command_by(b, COMMAND_APPROVE, "t-2"); /* nobody is asked yet */
    bench_until(b, ROLLOUT_PAUSED, 60000);
    bench_expect(b, ROLLOUT_PAUSED);
    assert_int_equal(b->status.step, 2);
    assert_int_equal(b->given, 1);
    assert_int_equal(b->status.pauses[0].reason, PAUSE_APPROVAL);
    bench_command(b, COMMAND_RESUME, 0);
    bench_command(b, COMMAND_PROMOTE, 0);
    bench_step(b);
    bench_expect(b, ROLLOUT_PAUSED);
    bench_command_by(b, COMMAND_APPROVE, "t-2")->expected_step = 1; /* of another step */
    bench_step(b);
    bench_expect(b, ROLLOUT_PAUSED);
    bench_command_by(b, COMMAND_APPROVE, "t-2")->expected_step = 2;
    bench_until(b, ROLLOUT_SUCCEEDED, 60000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

static void test_reject(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"strategy\":\"canary\",\"gates\":[],\"steps\":[{\"nodes\":1},{\"nodes\":2,"
                  "\"approvals\":1}]}",
                  3);
    bench_until(b, ROLLOUT_PAUSED, 60000);
    bench_command_by(b, COMMAND_REJECT, "t-2")->reason = "not today";
    bench_until(b, ROLLOUT_ROLLED_BACK, 60000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_string_equal(b->status.cause, "rejected by t-2: not today");
    assert_int_equal(b->status.fault, ROLLOUT_FAULT_USER);
}

/* --- halting and extending --- */

static void test_halt(void **state)
{
    (void)state;
    for (int is_late = 0; is_late < 2; is_late++) {
        struct bench *b CLEANUP(bench_free) = bench_baking(slow_bake);
        if (is_late) { /* while going back */
            bench_command(b, COMMAND_ABORT, 0);
            b->is_frozen = true;
            bench_step(b);
            bench_step(b);
        }
        unsigned given = b->given;
        int n_switches = b->n_switches;
        bench_command(b, COMMAND_HALT, 0);
        bench_step(b);
        if (is_late) { /* what was begun is waited for */
            assert_true(b->status.is_halting);
            bench_expect_words(b, "halting", NULL);
            for (int i = 0; i < 3; i++)
                b->nodes[i].op.state = OP_DONE;
            bench_step(b);
        }
        bench_expect(b, ROLLOUT_HALTED);
        assert_int_equal(b->given, given);
        assert_int_equal(b->n_switches, n_switches);
        assert_non_null(strstr(b->status.outcome, "halted by t-1; "));
    }
}

static void test_extend(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_baking("{\"gates\":[],\"bake\":\"30s\",\"min_healthy\":\"0\"}");
    int64_t began = b->status.bake_since_ms;
    struct rollout_command *c = bench_command_by(b, COMMAND_EXTEND, "t-1");
    c->arg = 60000;
    c->expected_step = 1;
    c = bench_command_by(b, COMMAND_EXTEND, "t-1");
    c->arg = 600000;
    c->expected_step = 2; /* too late, or too early */
    bench_until_step(b, 1, STEP_DONE, 600000);
    assert_in_range(b->status.steps[0].ended_ms - began, 90000, 91000);
    assert_int_equal(b->status.steps[0].bake_ms, 90000);
    assert_int_equal(b->status.steps[1].bake_ms, 30000);
}

/* Commands for another step, another state of the target, or another phase do nothing. */
static void test_stale(void **state)
{
    (void)state;
    static const struct {
        enum command_verb verb;
        int64_t step, generation;
        enum rollout_phase phase;
        int at_step;
    } cases[] = {
        {COMMAND_PROMOTE, 2, 0, ROLLOUT_RUNNING, 1}, {COMMAND_PROMOTE, 1, 7, ROLLOUT_RUNNING, 2},
        {COMMAND_PROMOTE, 1, 6, ROLLOUT_RUNNING, 1}, {COMMAND_PAUSE, 2, 0, ROLLOUT_RUNNING, 1},
        {COMMAND_ABORT, 0, 6, ROLLOUT_RUNNING, 1},   {COMMAND_ABORT, 9, 7, ROLLOUT_ROLLING_BACK, 1},
        {COMMAND_HALT, 0, 6, ROLLOUT_RUNNING, 1},    {COMMAND_APPROVE, 0, 0, ROLLOUT_RUNNING, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_baking(slow_bake);
        struct rollout_command *c = bench_command_by(b, cases[i].verb, "t-2");
        c->expected_step = cases[i].step;
        c->expected_generation = cases[i].generation;
        bench_step(b);
        bench_expect(b, cases[i].phase);
        assert_int_equal(b->status.step, cases[i].at_step);
        assert_int_equal(b->status.command_seq, 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_queued),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_queue_ends),
        cmocka_unit_test(test_held_in_the_middle),
        cmocka_unit_test(test_freeze_and_rollback),
        cmocka_unit_test(test_several_pauses),
        cmocka_unit_test(test_pause_early),
        cmocka_unit_test(test_start_approvals),
        cmocka_unit_test(test_step_approvals),
        cmocka_unit_test(test_reject),
        cmocka_unit_test(test_halt),
        cmocka_unit_test(test_extend),
        cmocka_unit_test(test_stale),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
