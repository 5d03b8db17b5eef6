/*
 * The planner alone, against nodes that obey at once: who wins when several things come together,
 * what each strategy does, when it pauses, and that a plan depends on its view only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "plan.h"

#define MAX_NODES 6

/* One target with its nodes, and the status as it was stored last. */
struct bench {
    struct arena arena; /* of status */
    struct rollout_record record;
    struct rollout_status status;
    struct policy policy;
    struct view_node nodes[MAX_NODES];
    int n_nodes;
    struct rollout_command commands[8];
    int n_commands;
    int64_t now_ms, live, last_good;
    int n_golden;
    int64_t n_requests, n_failures; /* counters that every node shows */
    bool has_counters;
    int64_t fails_to_load; /* a version that does not load; 0: none */
    bool is_frozen;        /* operations stay open */
    int n_switches, n_removes, n_new_loads;
    unsigned given; /* nodes that got the new version */
};

static void bench_init(struct bench *b, const char *policy, int n_nodes)
{
    static const char *const names[MAX_NODES] = {"n1", "n2", "n3", "n4", "n5", "n6"};
    struct err e;
    *b = (struct bench){.now_ms = INT64_C(1700000000000), .n_nodes = n_nodes, .live = 1};
    b->record = (struct rollout_record){.id = "r-1",
                                        .model = "m",
                                        .environment = "e",
                                        .serve_as = "m",
                                        .from = 1,
                                        .to = 2,
                                        .kind = "promote",
                                        .actor = "t-1",
                                        .strategy = "{}"};
    b->last_good = 1;
    b->has_counters = true;
    if (policy_read(policy, &b->policy, &e) != ERR_OK)
        fail_msg("%s: %s", policy, e.message);
    rollout_status_init(&b->status, b->now_ms);
    for (int i = 0; i < n_nodes; i++) {
        b->nodes[i] = (struct view_node){
            .node_id = i + 1, .name = names[i], .is_reachable = true, .reachable_since_ms = 1};
        b->nodes[i].seen = (struct observation){
            .observed_ms = b->now_ms, .looked_ms = b->now_ms, .ready = {1}, .n_ready = 1};
    }
}

static void bench_clear(struct bench *b)
{
    arena_clear(&b->arena);
}

static void command(struct bench *b, enum command_verb verb, int64_t step)
{
    int64_t seq = b->n_commands + 1;
    b->commands[b->n_commands++] = (struct rollout_command){
        .seq = seq, .verb = verb, .expected_step = step, .actor = "t-1", .ts_ms = b->now_ms};
}

static void make_view(const struct bench *b, struct view *v)
{
    *v = (struct view){.now_ms = b->now_ms,
                       .rollout = &b->record,
                       .status = &b->status,
                       .policy = &b->policy,
                       .live = b->live,
                       .last_good = b->last_good,
                       .last_to = b->record.to,
                       .nodes = b->nodes,
                       .n_nodes = b->n_nodes,
                       .commands = b->commands,
                       .n_commands = b->n_commands,
                       .n_golden = b->n_golden,
                       .observe_every_ms = 10000,
                       .sample_every_ms = 5000,
                       .n_max_actions = 100};
}

/* The node does what it is told, at once. */
static void obey(struct bench *b, const struct plan_action *act)
{
    struct view_node *n = &b->nodes[act->node];
    bool is_bad = act->action == OP_LOAD && act->number == b->fails_to_load;
    if (op_is_read(act->action)) {
        n->seen.looked_ms = n->seen.observed_ms = b->now_ms;
        n->sampled_ms = act->action == OP_SAMPLE ? b->now_ms : n->sampled_ms;
        if (act->action == OP_SAMPLE)
            n->sample = (struct sample){.ts_ms = b->now_ms,
                                        .has_counters = b->has_counters,
                                        .n_success = b->n_requests - b->n_failures,
                                        .n_failure = b->n_failures,
                                        .duration_us = b->n_requests * 1000};
        return;
    }
    n->op = (struct op_view){.state = b->is_frozen ? OP_OPEN
                                      : is_bad     ? OP_FAILED
                                                   : OP_DONE,
                             .why = is_bad ? OP_CLASS_VERSION : OP_CLASS_NONE,
                             .action = act->action,
                             .attempt = act->attempt,
                             .ended_ms = b->now_ms,
                             .text = is_bad ? "broken" : ""};
    if (act->action == OP_SWITCH) {
        b->n_switches++;
        if (act->number == b->record.to)
            b->given |= 1U << act->node;
    }
    b->n_removes += act->action == OP_REMOVE;
    b->n_new_loads += act->action == OP_LOAD && act->number == b->record.to;
    if ((act->action == OP_LOAD && !is_bad) || act->action == OP_UNLOAD) {
        n->seen.n_ready = act->number != 0;
        n->seen.ready[0] = act->number;
    }
}

static void take_over(struct bench *b, const struct plan *plan)
{
    struct arena fresh;
    struct rollout_status status;
    arena_init(&fresh);
    rollout_status_copy(&plan->status, &fresh, &status);
    arena_clear(&b->arena);
    b->arena = fresh;
    b->status = status;
}

/* One plan; returns when the next one is wanted. */
static int64_t step(struct bench *b)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct view v;
    struct plan *plan = arena_alloc(&a, sizeof *plan);
    make_view(b, &v);
    plan_rollout(&v, &a, plan);
    if (plan->is_changed)
        take_over(b, plan);
    b->now_ms++;
    for (int i = 0; i < plan->n_actions; i++)
        obey(b, &plan->actions[i]);
    return plan->n_actions > 0 ? b->now_ms : plan->wake_ms;
}

/* Plans until the phase is there or `ms` have passed. */
static void run_until(struct bench *b, enum rollout_phase phase, int64_t ms)
{
    int64_t end = b->now_ms + ms;
    for (int i = 0; i < 100000 && b->status.phase != phase && b->now_ms < end; i++) {
        int64_t at = step(b);
        if (at > b->now_ms)
            b->now_ms = at < end ? at : end;
    }
}

static void expect_phase(const struct bench *b, enum rollout_phase phase)
{
    if (b->status.phase != phase)
        fail_msg("phase is %s, not %s: %s / %s", rollout_phase_name(b->status.phase),
                 rollout_phase_name(phase), b->status.cause, b->status.waiting);
}

static const char plain[] = "{\"gates\":[{\"kind\":\"health\"}],\"bake\":\"0\",\"batch\":1}";

static void test_success(void **state)
{
    (void)state;
    static const char *const policies[] = {
        plain,
        "{\"strategy\":\"all-at-once\",\"gates\":[],\"bake\":\"5s\"}",
        "{\"strategy\":\"canary\",\"gates\":[{\"kind\":\"health\"},{\"kind\":\"golden\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        struct bench b CLEANUP(bench_clear);
        bench_init(&b, policies[i], 4);
        b.n_golden = 2;
        run_until(&b, ROLLOUT_SUCCEEDED, 3600000);
        expect_phase(&b, ROLLOUT_SUCCEEDED);
        assert_int_equal(b.given, 15);
        assert_int_equal(b.n_switches, 4);
        for (int k = 0; k < b.n_nodes; k++) {
            assert_int_equal(b.nodes[k].seen.ready[0], 2);
            assert_int_equal(b.status.nodes[k].state, NODE_SERVING);
        }
        assert_string_equal(b.status.outcome, "version 2 is live");
    }
}

static void test_no_nodes(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 0);
    run_until(&b, ROLLOUT_REJECTED, 1000);
    expect_phase(&b, ROLLOUT_REJECTED);
}

static void test_canary_stays_small(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(
        &b, "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"1h\"}],\"gates\":[]}", 5);
    run_until(&b, ROLLOUT_SUCCEEDED, 3000000);
    expect_phase(&b, ROLLOUT_RUNNING);
    assert_int_equal(b.status.step, 1);
    assert_int_equal(b.given, 1);
    /* A stale promotion does nothing, the right one goes on. */
    command(&b, COMMAND_PROMOTE, 2);
    step(&b);
    assert_int_equal(b.status.step, 1);
    command(&b, COMMAND_PROMOTE, 1);
    run_until(&b, ROLLOUT_SUCCEEDED, 60000);
    expect_phase(&b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b.given, 31);
}

/* Brings a rollout to where node 1 serves and the step bakes. */
static void bake_on(struct bench *b)
{
    for (int i = 0; i < 1000 && (b->status.step == 0 || b->status.steps[0].phase != STEP_BAKE);
         i++) {
        int64_t at = step(b);
        b->now_ms = at > b->now_ms && at < INT64_MAX ? at : b->now_ms;
    }
    assert_int_equal(b->status.steps[0].phase, STEP_BAKE);
}

static void bake(struct bench *b, const char *policy)
{
    bench_init(b, policy, 3);
    bake_on(b);
}

static const char judged[] =
    "{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.1\",\"min_requests\":10}],\"bake\":\"30s\","
    "\"step_deadline\":\"2m\",\"min_healthy\":\"0\"}";

/* Abort > pause > FAIL > promote-full > promote > timers, in one tick. */
static void test_precedence(void **state)
{
    (void)state;
    static const struct {
        bool has_failed;
        enum command_verb verbs[3];
        int n_verbs;
        enum rollout_phase phase;
        int step; /* afterwards; 0: any */
    } cases[] = {
        {false, {COMMAND_ABORT}, 1, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_ABORT, COMMAND_PROMOTE_FULL}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PROMOTE_FULL, COMMAND_ABORT}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PAUSE, COMMAND_ABORT}, 2, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PAUSE}, 1, ROLLOUT_PAUSED, 0},
        {true, {COMMAND_PROMOTE}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PROMOTE_FULL}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_RESUME}, 1, ROLLOUT_ROLLING_BACK, 0},
        {true, {COMMAND_PAUSE, COMMAND_RESUME}, 2, ROLLOUT_ROLLING_BACK, 0},
        {false, {COMMAND_PAUSE, COMMAND_PROMOTE}, 2, ROLLOUT_PAUSED, 1},
        {false, {COMMAND_PAUSE, COMMAND_RESUME, COMMAND_PROMOTE}, 3, ROLLOUT_RUNNING, 2},
        {false, {COMMAND_PROMOTE}, 1, ROLLOUT_RUNNING, 2},
        {false, {COMMAND_RESUME}, 1, ROLLOUT_RUNNING, 1},
        {true, {COMMAND_PAUSE}, 0, ROLLOUT_ROLLING_BACK, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench b CLEANUP(bench_clear);
        bake(&b, judged);
        b.nodes[0].sample = (struct sample){.ts_ms = ++b.now_ms, .has_counters = true};
        step(&b);
        if (cases[i].has_failed)
            b.nodes[0].sample = (struct sample){
                .ts_ms = ++b.now_ms, .has_counters = true, .n_success = 50, .n_failure = 50};
        for (int k = 0; k < cases[i].n_verbs; k++)
            command(&b, cases[i].verbs[k], 0);
        step(&b);
        if (b.status.phase != cases[i].phase)
            fail_msg("case %zu: %s", i, rollout_phase_name(b.status.phase));
        if (cases[i].step != 0)
            assert_int_equal(b.status.step, cases[i].step);
    }
}

static void test_gate_fails(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bake(&b, judged);
    step(&b);
    b.now_ms += 5000;
    step(&b);
    b.n_requests = 100;
    b.n_failures = 40;
    run_until(&b, ROLLOUT_ROLLED_BACK, 60000);
    expect_phase(&b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b.given, 1);
    assert_int_equal(b.nodes[0].seen.ready[0], 1);
    assert_int_equal(b.n_removes, 1); /* the files of the bad version */
    assert_non_null(strstr(b.status.cause, "error-rate"));
    assert_int_equal(b.status.steps[0].verdict, VERDICT_FAIL);
}

static void test_no_data(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, judged, 3);
    b.has_counters = false;
    bake_on(&b);
    run_until(&b, ROLLOUT_PAUSED, 200000);
    expect_phase(&b, ROLLOUT_PAUSED);
    assert_int_equal(b.status.pauses[0].reason, PAUSE_NO_DATA);
    assert_int_equal(b.given, 1);
    /* No double pause: after a resume the cause has to come again. */
    command(&b, COMMAND_RESUME, 0);
    step(&b);
    expect_phase(&b, ROLLOUT_RUNNING);
    run_until(&b, ROLLOUT_PAUSED, 200000);
    expect_phase(&b, ROLLOUT_PAUSED);
    /* A promotion goes on without. */
    command(&b, COMMAND_PROMOTE_FULL, 0);
    run_until(&b, ROLLOUT_SUCCEEDED, 200000);
    expect_phase(&b, ROLLOUT_SUCCEEDED);
    assert_int_not_equal(b.status.steps[0].verdict, VERDICT_PASS);
}

static void test_insufficient(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bake(&b, judged);
    int64_t began = b.now_ms;
    b.n_requests = 3;
    run_until(&b, ROLLOUT_PAUSED, 400000);
    expect_phase(&b, ROLLOUT_PAUSED);
    assert_int_equal(b.status.pauses[0].reason, PAUSE_INCONCLUSIVE);
    /* The bake was extended up to the step's deadline. */
    assert_in_range(b.now_ms - began, 100000, 130000);
    assert_int_equal(b.given, 1);
}

static void test_load_fails(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 3);
    b.fails_to_load = 2;
    run_until(&b, ROLLOUT_ROLLED_BACK, 100000);
    expect_phase(&b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b.given, 1);
    assert_non_null(strstr(b.status.cause, "n1"));
    assert_non_null(strstr(b.status.cause, "broken"));
}

static void test_without_auto_rollback(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, "{\"auto_rollback\":false,\"gates\":[],\"bake\":\"0\"}", 3);
    b.fails_to_load = 2;
    run_until(&b, ROLLOUT_PAUSED, 100000);
    expect_phase(&b, ROLLOUT_PAUSED);
    assert_int_equal(b.status.pauses[0].reason, PAUSE_GATE);
    /* The node itself goes back at once: a broken version must not lie there. */
    for (int i = 0; i < 20; i++)
        step(&b);
    assert_int_equal(b.status.nodes[0].state, NODE_FAILED);
    assert_int_equal(b.status.nodes[0].move.phase, MOVE_NONE);
    assert_int_equal(b.n_switches, 2);
    b.fails_to_load = 0;
    command(&b, COMMAND_RESUME, 0);
    run_until(&b, ROLLOUT_SUCCEEDED, 100000);
    expect_phase(&b, ROLLOUT_SUCCEEDED);
}

static void test_limit(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, "{\"batch\":3,\"gates\":[],\"bake\":\"0\",\"step_deadline\":\"60s\"}", 3);
    b.nodes[2].is_reachable = false;
    run_until(&b, ROLLOUT_PAUSED, 50000);
    /* One node is gone and one may be missing: none may be touched. */
    expect_phase(&b, ROLLOUT_RUNNING);
    assert_int_equal(b.n_switches, 0);
    assert_non_null(strstr(b.status.unblock, "n3"));
    b.nodes[2].is_reachable = true;
    run_until(&b, ROLLOUT_SUCCEEDED, 50000);
    expect_phase(&b, ROLLOUT_SUCCEEDED);
}

static void test_limit_holds_while_moving(void **state)
{
    (void)state;
    for (int limit = 1; limit <= 3; limit++) {
        struct bench b CLEANUP(bench_clear);
        char policy[120];
        snprintf(policy, sizeof policy,
                 "{\"batch\":5,\"max_unavailable\":%d,\"gates\":[],\"bake\":\"0\"}", limit);
        bench_init(&b, policy, 5);
        step(&b);
        step(&b);
        b.is_frozen = true;
        for (int i = 0; i < 10; i++)
            step(&b);
        assert_int_equal(b.n_switches, limit);
    }
}

static void test_unreachable_pauses(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, "{\"max_unavailable\":2,\"gates\":[],\"bake\":\"0\",\"step_deadline\":\"60s\"}",
               3);
    b.nodes[1].is_reachable = false;
    run_until(&b, ROLLOUT_PAUSED, 300000);
    expect_phase(&b, ROLLOUT_PAUSED);
    assert_int_equal(b.status.pauses[0].reason, PAUSE_UNREACHABLE);
    assert_int_equal(b.given, 5);
    /* Going on without the node is a person's decision. */
    command(&b, COMMAND_PROMOTE, 0);
    run_until(&b, ROLLOUT_SUCCEEDED, 10000);
    expect_phase(&b, ROLLOUT_SUCCEEDED);
    assert_int_equal(b.given, 5);
}

static void test_abort_early(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 2);
    command(&b, COMMAND_ABORT, 0);
    step(&b);
    expect_phase(&b, ROLLOUT_CANCELLED);
    assert_int_equal(b.n_switches, 0);
}

static void test_abort_goes_back(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(
        &b, "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":2,\"bake\":\"1h\"}],\"gates\":[]}", 4);
    b.live = b.record.from = 0;
    b.last_good = 0;
    for (int i = 0; i < b.n_nodes; i++)
        b.nodes[i].seen.n_ready = 0;
    run_until(&b, ROLLOUT_PAUSED, 60000);
    assert_int_equal(b.given, 3);
    command(&b, COMMAND_ABORT, 0);
    run_until(&b, ROLLOUT_ROLLED_BACK, 60000);
    expect_phase(&b, ROLLOUT_ROLLED_BACK);
    assert_int_equal(b.given, 3); /* nobody else got it */
    for (int i = 0; i < b.n_nodes; i++)
        assert_int_equal(b.nodes[i].seen.n_ready, 0);
    assert_int_equal(b.n_removes, 2);
}

/* An abort or a missed deadline that comes between two operations of a node stops it there. */
static void test_stop_in_the_middle(void **state)
{
    (void)state;
    for (int at = 2; at <= 9; at++) {
        struct bench b CLEANUP(bench_clear);
        bool is_late = at >= 6;
        bench_init(&b, "{\"gates\":[],\"step_deadline\":\"1s\"}", 2);
        for (int i = 0; i < (is_late ? at - 4 : at); i++)
            step(&b);
        int n_loads = b.n_new_loads;
        if (is_late)
            b.now_ms += 5000;
        else
            command(&b, COMMAND_ABORT, 0);
        run_until(&b, ROLLOUT_ROLLED_BACK, 60000);
        expect_phase(&b, ROLLOUT_ROLLED_BACK);
        assert_int_equal(b.nodes[0].seen.ready[0], 1);
        assert_int_equal(b.given & 2U, 0);
        assert_int_equal(b.n_new_loads, n_loads);
    }
}

/* Time in pause does not count, and deadlines do not move otherwise. */
static void test_pause_stops_clocks(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bake(&b, judged);
    int64_t deadline = b.status.step_deadline_ms;
    int64_t since = b.status.bake_since_ms;
    command(&b, COMMAND_PAUSE, 0);
    int64_t paused = b.now_ms;
    step(&b);
    b.now_ms = paused + 1000000;
    step(&b);
    expect_phase(&b, ROLLOUT_PAUSED);
    assert_int_equal(b.status.step_deadline_ms, deadline);
    command(&b, COMMAND_RESUME, 0);
    int64_t resumed = b.now_ms;
    step(&b);
    expect_phase(&b, ROLLOUT_RUNNING);
    assert_int_equal(b.status.step_deadline_ms, deadline + (resumed - paused));
    assert_int_equal(b.status.bake_since_ms, since + (resumed - paused));
}

static void test_lost_readiness(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b,
               "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"10m\"}],"
               "\"gates\":[{\"kind\":\"health\"}]}",
               3);
    for (int round = 1; round <= 3; round++) {
        run_until(&b, ROLLOUT_ROLLED_BACK, 20000);
        expect_phase(&b, ROLLOUT_RUNNING);
        assert_int_equal(b.status.nodes[0].state, NODE_SERVING);
        b.nodes[0].seen.n_ready = 0;
        b.nodes[0].seen.observed_ms = ++b.now_ms;
    }
    run_until(&b, ROLLOUT_ROLLED_BACK, 60000);
    expect_phase(&b, ROLLOUT_ROLLED_BACK);
    assert_non_null(strstr(b.status.cause, "stopped being ready"));
}

/* The same view gives the same plan, also when the status was written and read in between. */
static void test_plan_is_a_function(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, judged, 4);
    b.n_requests = 100;
    for (int i = 0; i < 60; i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct buf text[3];
        struct rollout_status reread;
        struct view v;
        struct plan plans[2];
        struct err e;
        for (int k = 0; k < 3; k++)
            buf_init(&text[k], 1 << 20);
        rollout_status_write(&b.status, &text[0]);
        assert_int_equal(rollout_status_read(buf_str(&text[0]), text[0].len, &a, &reread, &e),
                         ERR_OK);
        make_view(&b, &v);
        plan_rollout(&v, &a, &plans[0]);
        v.status = &reread;
        plan_rollout(&v, &a, &plans[1]);
        for (int k = 0; k < 2; k++)
            rollout_status_write(&plans[k].status, &text[k + 1]);
        assert_string_equal(buf_str(&text[1]), buf_str(&text[2]));
        assert_int_equal(plans[0].n_actions, plans[1].n_actions);
        assert_int_equal(plans[0].wake_ms, plans[1].wake_ms);
        assert_int_equal(plans[0].is_changed, plans[1].is_changed);
        for (int k = 0; k < 3; k++)
            buf_clear(&text[k]);
        int64_t at = step(&b);
        b.now_ms = at > b.now_ms && at < INT64_MAX ? at : b.now_ms;
    }
}

static void test_foreign_text(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 1);
    step(&b);
    step(&b);
    b.nodes[0].op.state = OP_FAILED;
    b.nodes[0].op.why = OP_CLASS_PERMANENT;
    b.nodes[0].op.text = "no\n\x01\xff\xfe way";
    step(&b);
    for (const char *c = b.status.nodes[0].move.text; *c != '\0'; c++)
        assert_true((unsigned char)*c >= ' ' && (unsigned char)*c < 0x7f);
}

/* --- repairs --- */

static void reconcile(struct bench *b, struct plan *plan, struct arena *a, int n_env_repairs)
{
    struct view v;
    make_view(b, &v);
    v.rollout = NULL;
    v.n_env_repairs = n_env_repairs;
    plan_reconcile(&v, a, plan);
    if (plan->is_changed)
        take_over(b, plan);
    b->now_ms++;
    for (int i = 0; i < plan->n_actions; i++)
        obey(b, &plan->actions[i]);
}

static void reconcile_for(struct bench *b, int64_t ms, int n_env_repairs)
{
    int64_t end = b->now_ms + ms;
    while (b->now_ms < end) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct plan *plan = arena_alloc(&a, sizeof *plan);
        for (int i = 0; i < b->n_nodes && b->now_ms % 1000 == 0; i++)
            b->nodes[i].seen.observed_ms = b->nodes[i].seen.looked_ms = b->now_ms;
        reconcile(b, plan, &a, n_env_repairs);
        if (plan->n_actions == 0)
            b->now_ms += 1000 - b->now_ms % 1000;
    }
}

static void test_repair(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 3);
    b.nodes[0].seen.n_ready = 0;
    b.nodes[2].seen.ready[0] = 5;
    reconcile_for(&b, 60000, 1);
    assert_int_equal(b.n_switches, 0); /* another target is being repaired */
    reconcile_for(&b, 60000, 0);
    assert_int_equal(b.n_switches, 2);
    for (int i = 0; i < b.n_nodes; i++)
        assert_int_equal(b.nodes[i].seen.ready[0], 1);
}

static void test_repair_leaves_unmanaged(void **state)
{
    (void)state;
    struct bench b CLEANUP(bench_clear);
    bench_init(&b, plain, 2);
    b.live = 0;
    b.nodes[0].seen.ready[0] = 77; /* somebody else's */
    b.nodes[1].seen.ready[0] = 2;  /* what the last rollout left behind */
    reconcile_for(&b, 60000, 0);
    assert_int_equal(b.nodes[0].seen.ready[0], 77);
    assert_int_equal(b.nodes[1].seen.n_ready, 0);
    assert_int_equal(b.n_switches, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_no_nodes),
        cmocka_unit_test(test_canary_stays_small),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_gate_fails),
        cmocka_unit_test(test_no_data),
        cmocka_unit_test(test_insufficient),
        cmocka_unit_test(test_load_fails),
        cmocka_unit_test(test_without_auto_rollback),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_limit_holds_while_moving),
        cmocka_unit_test(test_unreachable_pauses),
        cmocka_unit_test(test_abort_early),
        cmocka_unit_test(test_abort_goes_back),
        cmocka_unit_test(test_stop_in_the_middle),
        cmocka_unit_test(test_pause_stops_clocks),
        cmocka_unit_test(test_lost_readiness),
        cmocka_unit_test(test_plan_is_a_function),
        cmocka_unit_test(test_foreign_text),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_repair_leaves_unmanaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
