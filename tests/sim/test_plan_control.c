/*
 * Reload control: which node is loaded again, when, what that waits for, and that nothing of it
 * decides about the rollout.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

#define POLICY(more)                                                                      \
    "{\"strategy\":\"canary\",\"reload_control\":true,\"min_healthy\":\"0\",\"steps\":[{" \
    "\"nodes\":"                                                                          \
    "1,\"bake\":\"30s\"},{\"percent\":100}],\"gates\":[{\"kind\":\"error-ratio\"}]" more "}"

static struct bench *begin(const char *policy, int n_nodes)
{
    struct bench *b = bench_new(policy, n_nodes);
    b->verdicts[0] = (struct gate_result){.kind = GATE_ERROR_RATIO, .verdict = VERDICT_PASS};
    return b;
}

/* Runs until the control has the state. */
static void until_control(struct bench *b, enum rollout_control state)
{
    for (int i = 0; i < 20000 && b->status.control != state; i++) {
        int64_t at = bench_step(b);
        b->now_ms = at > b->now_ms && at < INT64_MAX ? at : b->now_ms + 1;
    }
    if (b->status.control != state)
        fail_msg("the control is %s (%s), not %s; %s", rollout_control_name(b->status.control),
                 b->status.control_text, rollout_control_name(state), b->status.waiting);
}

/* Runs until the move of the node is there. */
static void until_move(struct bench *b, int node, enum move_phase phase)
{
    for (int i = 0; i < 20000; i++) {
        if (b->status.n_nodes > node && b->status.nodes[node].move.phase == phase)
            return;
        int64_t at = bench_step(b);
        b->now_ms = at > b->now_ms && at < INT64_MAX ? at : b->now_ms + 1;
    }
    fail_msg("node %d never is at %s", node + 1, move_phase_name(phase));
}

static void expect_text(const char *text, const char *words)
{
    if (strstr(text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static const char *baseline(const struct bench *b)
{
    static char text[ROLLOUT_BASELINE_BYTES];
    return rollout_baseline(&b->status, text);
}

/* The new version first; then the control, within the same limit; then the bake. */
static void test_after_the_canary(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
    until_move(b, 1, MOVE_LOAD);
    assert_true(b->status.nodes[0].is_done);
    assert_int_equal(b->status.control, CONTROL_RELOADING);
    assert_int_equal(b->status.nodes[1].state, NODE_RELOADING);
    assert_string_equal(baseline(b), "control n2, which is loaded again");
    bench_expect_words(b, "waits for its control n2", NULL);
    assert_int_equal(b->status.steps[0].phase, STEP_APPLY);
    until_control(b, CONTROL_WARM);
    assert_int_equal(b->n_unloads, 1);
    assert_int_equal(b->most_out, 1);
    assert_string_equal(baseline(b), "control n2");
    bench_bake(b);
    bench_expect_words(b, "compared with control n2", NULL);
    until_control(b, CONTROL_OVER);
    expect_text(baseline(b), "all nodes with the old version (control n2 gets the new version");
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b->n_unloads, 1);
}

/* Also where the control comes first in the list of nodes. */
static void test_after_a_later_node(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(",\"order_by\":\"rack\""), 3);
    b->nodes[0].order_key = b->nodes[1].order_key = "b";
    b->nodes[2].order_key = "a";
    until_control(b, CONTROL_RELOADING);
    assert_int_equal(b->status.control_id, b->nodes[0].node_id);
    until_move(b, 0, MOVE_LOAD);
    assert_true(b->status.nodes[2].is_done);
    until_control(b, CONTROL_WARM);
}

static void test_beside_the_canary(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(",\"max_unavailable\":2"), 3);
    bench_bake(b);
    assert_int_equal(b->status.control, CONTROL_WARM);
    assert_int_equal(b->most_out, 2);
}

static void test_routed(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
    b->has_router = true;
    for (int i = 0; i < 3; i++)
        b->weights[i] = i == 0 ? 3334 : 3333;
    until_move(b, 1, MOVE_UNROUTE);
    assert_int_equal(b->n_unloads, 0);
    until_move(b, 1, MOVE_LOAD);
    assert_int_equal(b->weights[1], 0);
    until_move(b, 1, MOVE_ROUTE);
    assert_int_equal(b->n_unloads, 1);
    bench_bake(b);
    assert_true(b->weights[1] > 0);
    assert_int_equal(b->status.control, CONTROL_WARM);
}

/* What fails with it fails nothing else. */
static void test_failure(void **state)
{
    (void)state;
    static const enum op_class how[] = {OP_CLASS_VERSION, OP_CLASS_PERMANENT, OP_CLASS_TRANSIENT};
    for (size_t i = 0; i < ARRAY_LEN(how); i++) {
        struct bench *b CLEANUP(bench_free) = begin(POLICY(",\"node_deadline\":\"20s\""), 3);
        b->fails_to_load = 1;
        b->fails_how = how[i];
        bench_bake(b);
        assert_int_equal(b->status.control, CONTROL_LOST);
        expect_text(baseline(b), "all nodes with the old version (control n2 given up: ");
        expect_text(baseline(b), "broken");
        assert_int_equal(b->nodes[1].seen.n_ready, 0);
        bench_until(b, ROLLOUT_SUCCEEDED, 600000);
        bench_expect(b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b->status.n_version_failures + b->status.n_infra_failures, 0);
        assert_int_equal(b->nodes[1].seen.ready[0], 2);
    }
}

/* A control that waits for the limit is not waited for long, and never past the step's deadline. */
static void test_no_room(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        begin(POLICY(",\"node_deadline\":\"20s\",\"drain\":\"5s\""), 4);
    until_control(b, CONTROL_RELOADING);
    b->nodes[3].is_reachable = false;
    b->nodes[0].seen.n_ready = 0; /* may be moved nevertheless */
    until_control(b, CONTROL_LOST);
    expect_text(b->status.control_text, "took too long");
    bench_step(b);
    assert_int_equal(b->n_unloads, 0);
    assert_int_equal(b->status.nodes[1].move.phase, MOVE_NONE);
    assert_int_equal(b->status.phase, ROLLOUT_RUNNING);
}

static struct bench *waiting(const char *policy)
{
    struct bench *b = begin(policy, 4);
    until_control(b, CONTROL_RELOADING);
    b->nodes[3].is_reachable = false;
    b->nodes[0].seen.n_ready = 0; /* may be moved nevertheless */
    for (int i = 0; i < 1000 && b->status.control_until_ms == 0; i++, b->now_ms += 100)
        bench_step(b);
    assert_true(b->status.control_until_ms != 0);
    return b;
}

/* The time of a pause is not the control's. */
static void test_pause(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        waiting(POLICY(",\"node_deadline\":\"20s\",\"drain\":\"5s\""));
    bench_command(b, COMMAND_PAUSE, 0);
    for (int i = 0; i < 60; i++, b->now_ms += 1000)
        bench_step(b);
    b->nodes[3].is_reachable = true;
    bench_command(b, COMMAND_RESUME, 0);
    until_control(b, CONTROL_WARM);
}

/* Nor is the control's time the step's. */
static void test_deadline(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        waiting(POLICY(",\"step_deadline\":\"10s\",\"node_deadline\":\"20s\",\"drain\":\"5s\""));
    b->policy.min_healthy_ms = 3000;
    while (b->now_ms < b->status.control_until_ms - 500) {
        bench_step(b);
        b->now_ms += 500;
    }
    b->status.nodes[0].ready_since_ms = b->now_ms; /* it was away for a moment */
    until_control(b, CONTROL_LOST);
    bench_step(b);
    assert_int_equal(b->status.phase, ROLLOUT_RUNNING);
    assert_true(b->status.step_deadline_ms > b->now_ms);
}

/* Nothing is taken out of service for a step that nobody judges. */
static void test_promoted_before(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(",\"max_unavailable\":2"), 3);
    until_move(b, 0, MOVE_STAGE);
    bench_command(b, COMMAND_PROMOTE, 0);
    until_control(b, CONTROL_LOST);
    expect_text(b->status.control_text, "promoted");
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    assert_int_equal(b->n_unloads, 0);
}

static void test_choice(void **state)
{
    (void)state;
    struct {
        const char *more;
        const char *labels[4], *families[4];
        int cordoned, empty; /* nodes from 1; 0: none */
        int control;         /* 0: none */
    } cases[] = {
        {"", {0}, {0}, 0, 0, 2},
        {"", {"{\"zone\":\"a\"}", "{\"zone\":\"b\"}", "{\"zone\":\"a\"}"}, {0}, 0, 0, 3},
        {"", {0}, {"v2", "other", "other", "v2"}, 0, 0, 4},
        {"", {0}, {0}, 2, 0, 3},
        {"", {0}, {0}, 0, 2, 3},
        {",\"holdback\":1", {"{\"z\":1}", NULL, NULL, "{\"z\":1}"}, {0}, 0, 0, 2},
        {",\"holdback\":3", {0}, {0}, 0, 0, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char policy[512];
        snprintf(policy, sizeof policy, "%.*s%s}", (int)sizeof POLICY("") - 2, POLICY(""),
                 cases[i].more);
        struct bench *b CLEANUP(bench_free) = begin(policy, 4);
        for (int k = 0; k < 4; k++) {
            b->nodes[k].labels = cases[i].labels[k];
            b->nodes[k].family = cases[i].families[k];
            b->nodes[k].is_cordoned = cases[i].cordoned == k + 1;
            if (cases[i].empty == k + 1)
                b->nodes[k].seen.n_ready = 0;
        }
        until_control(b, CONTROL_RELOADING);
        if (b->status.control_id != b->nodes[cases[i].control - 1].node_id)
            fail_msg("case %zu: the control is node %d", i, (int)b->status.control_id);
    }
}

static void test_none(void **state)
{
    (void)state;
    /* Nothing is older; no node can be used; nobody wants it. */
    for (int i = 0; i < 3; i++) {
        struct bench *b CLEANUP(bench_free) =
            begin(i == 2 ? "{\"strategy\":\"canary\",\"min_healthy\":\"0\"}" : POLICY(""), 2);
        if (i == 0) {
            b->record.from = b->live = b->last_good = 0;
            b->nodes[0].seen.n_ready = b->nodes[1].seen.n_ready = 0;
        }
        b->nodes[1].is_cordoned = i == 1;
        bench_bake(b);
        assert_int_equal(b->status.control, i == 1 ? CONTROL_LOST : CONTROL_NONE);
        assert_int_equal(b->n_unloads, 0);
        if (i == 1)
            expect_text(b->status.control_text, "no node with the old version");
    }
}

static void test_refused(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 1);
    bench_until(b, ROLLOUT_REJECTED, 10000);
    bench_expect(b, ROLLOUT_REJECTED);
    expect_text(b->status.outcome, "keeps the old version");
}

/* A pause holds what was not begun; a promotion does without. */
static void test_commands(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
    until_control(b, CONTROL_RELOADING);
    bench_command(b, COMMAND_PAUSE, 0);
    for (int i = 0; i < 100; i++, b->now_ms += 1000)
        bench_step(b);
    assert_int_equal(b->n_unloads, 0);
    assert_false(move_disturbs(&b->status.nodes[1].move));
    bench_command(b, COMMAND_RESUME, 0);
    bench_step(b);
    bench_command(b, COMMAND_PROMOTE, 0);
    until_control(b, CONTROL_LOST);
    expect_text(b->status.control_text, "promoted");
    bench_until(b, ROLLOUT_SUCCEEDED, 600000);
    bench_expect(b, ROLLOUT_SUCCEEDED);
}

/* In the middle of it: going back and an end as it is finish it first. */
static void test_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
        until_move(b, 1, MOVE_LOAD);
        while (b->n_unloads == 0)
            bench_step(b);
        assert_int_equal(b->nodes[1].seen.n_ready, 0);
        bench_command(b, i == 0 ? COMMAND_ABORT : COMMAND_HALT, 0);
        enum rollout_phase end = i == 0 ? ROLLOUT_ROLLED_BACK : ROLLOUT_HALTED;
        bench_until(b, end, 600000);
        bench_expect(b, end);
        assert_int_equal(b->nodes[1].seen.n_ready, 1);
        assert_int_equal(b->nodes[1].seen.ready[0], 1);
    }
}

/* Going back does not end before it, however long others use the node. */
static void test_back_waits(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(",\"max_unavailable\":2"), 3);
    until_move(b, 1, MOVE_LOAD);
    while (b->n_unloads == 0)
        bench_step(b);
    b->nodes[1].is_busy = true;
    bench_command(b, COMMAND_ABORT, 0);
    for (int i = 0; i < 60; i++, b->now_ms += 1000)
        bench_step(b);
    assert_int_equal(b->nodes[0].seen.ready[0], 1);
    assert_int_equal(b->status.phase, ROLLOUT_ROLLING_BACK);
    b->nodes[1].is_busy = false;
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    assert_int_equal(b->nodes[1].seen.n_ready, 1);
    assert_int_equal(b->nodes[1].seen.ready[0], 1);
}

/* Its files were gone when it was loaded again, and it starts from them. */
static void test_halt_at_the_files(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
    until_move(b, 1, MOVE_LOAD);
    b->fails_to_load = 1;
    b->fails_how = OP_CLASS_MISSING;
    until_move(b, 1, MOVE_STAGE);
    assert_int_equal(b->nodes[1].seen.n_ready, 0);
    b->fails_to_load = 0;
    bench_command(b, COMMAND_HALT, 0);
    bench_until(b, ROLLOUT_HALTED, 600000);
    assert_int_equal(b->nodes[1].seen.n_ready, 1);
    assert_int_equal(b->nodes[1].seen.ready[0], 1);
}

/* Not begun, it is not disturbed at all when the rollout goes back. */
static void test_not_begun(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
    until_control(b, CONTROL_RELOADING);
    bench_command(b, COMMAND_ABORT, 0);
    bench_until(b, ROLLOUT_ROLLED_BACK, 600000);
    bench_expect(b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b->n_unloads, 0);
    expect_text(b->status.control_text, "does not go on");
}

static void test_lost(void **state)
{
    (void)state;
    static const char *const words[] = {"reached", "taken out of traffic", "restarted",
                                        "does not serve"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct bench *b CLEANUP(bench_free) = begin(POLICY(""), 3);
        bench_bake(b);
        b->now_ms++;
        struct view_node *n = &b->nodes[1];
        n->is_reachable = i != 0;
        n->is_drained = i == 1;
        n->restarted_ms = i == 2 ? b->now_ms : 0;
        if (i == 3) {
            n->seen.observed_ms = b->now_ms;
            n->seen.n_ready = 0;
        }
        bench_step(b);
        assert_int_equal(b->status.control, CONTROL_LOST);
        expect_text(b->status.control_text, words[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_after_the_canary),
        cmocka_unit_test(test_after_a_later_node),
        cmocka_unit_test(test_beside_the_canary),
        cmocka_unit_test(test_routed),
        cmocka_unit_test(test_failure),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_pause),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_promoted_before),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_back_waits),
        cmocka_unit_test(test_halt_at_the_files),
        cmocka_unit_test(test_not_begun),
        cmocka_unit_test(test_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
