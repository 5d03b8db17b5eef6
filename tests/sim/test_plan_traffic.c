/*
 * Traffic in the plan: shares while a step is under way and outside of rollouts, and when the
 * router is asked and when it is told.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "sim_bench.h"

static const char weighted[] =
    "{\"strategy\":\"canary\",\"gates\":[],\"max_unavailable\":1,\"steps\":[{\"nodes\":3,"
    "\"weight\":\"30\",\"bake\":\"10s\"},{\"percent\":100,\"bake\":\"0\"}]}";

static int total(const struct bench *b)
{
    int sum = 0;
    for (int i = 0; i < b->n_nodes; i++)
        sum += b->weights[i];
    return sum;
}

/* One node that is ready does not carry the share of three. */
static void test_shares_grow_with_the_step(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(weighted, 6);
    bool was_partial = false;
    b->has_router = true;
    for (int i = 0; i < 4000 && (b->status.n_steps == 0 || b->status.steps[0].phase < STEP_BAKE);
         i++) {
        bench_step(b);
        b->now_ms += 50;
        int n_done = 0;
        for (int k = 0; k < b->status.n_nodes; k++) {
            n_done += b->status.nodes[k].is_done;
            assert_true(!b->status.nodes[k].is_done || b->weights[k] <= 1000);
        }
        was_partial = was_partial || n_done == 1;
        assert_true(b->most_out <= 1);
    }
    assert_true(was_partial);
    assert_int_equal(b->status.steps[0].phase, STEP_BAKE);
    assert_int_equal(b->status.weight_bp, 3000);
    assert_int_equal(total(b), 10000);
    for (int k = 0; k < 3; k++)
        assert_int_equal(b->weights[k], 1000);
}

/* A view of a target in peace, behind a router that was seen just now. */
static void calm_view(struct bench *b, struct view *v)
{
    bench_view(b, v);
    v->rollout = NULL;
    v->routes_seen_ms = v->routes_looked_ms = b->now_ms - 1;
    for (int i = 0; i < b->n_nodes; i++) {
        b->nodes[i].seen = (struct observation){
            .observed_ms = b->now_ms - 1, .looked_ms = b->now_ms - 1, .ready = {1}, .n_ready = 1};
        b->nodes[i].is_reachable = true;
    }
}

static bool has_action(const struct plan *plan, enum op_action action)
{
    for (int i = 0; i < plan->n_actions; i++) {
        if (plan->actions[i].action == action)
            return true;
    }
    return false;
}

static void test_asking_and_telling(void **state)
{
    static const struct {
        const char *what;
        int bp[4];
        int64_t seen_before_ms; /* now; 0: never seen */
        bool is_busy;
        struct op_view op; /* ended_ms: before now */
        bool asks, tells;
    } cases[] = {
        {"as wanted", {2500, 2500, 2500, 2500}, 10, false, {0}, false, false},
        {"nearly", {2480, 2510, 2510, 2500}, 10, false, {0}, false, false},
        {"set by hand", {4000, 2000, 2000, 2000}, 10, false, {0}, false, true},
        {"one is out", {0, 3334, 3333, 3333}, 10, false, {0}, false, true},
        {"never seen", {-1, -1, -1, -1}, 0, false, {0}, true, false},
        {"routers differ", {-1, 2500, 2500, 2500}, 10, false, {0}, false, true},
        {"a look is under way", {4000, 2000, 2000, 2000}, 10, true, {0}, false, false},
        {"seen before the weights were set",
         {4000, 2000, 2000, 2000},
         400,
         false,
         {.state = OP_DONE, .ended_ms = 300},
         true,
         false},
        {"still wrong after that",
         {4000, 2000, 2000, 2000},
         10,
         false,
         {.state = OP_DONE, .ended_ms = 300},
         false,
         true},
        {"weights are being set",
         {4000, 2000, 2000, 2000},
         10,
         false,
         {.state = OP_OPEN},
         false,
         false},
        {"in doubt, not looked at yet",
         {4000, 2000, 2000, 2000},
         400,
         false,
         {.state = OP_UNKNOWN, .ended_ms = 300},
         true,
         false},
        {"in doubt, looked at",
         {2500, 2500, 2500, 2500},
         10,
         false,
         {.state = OP_UNKNOWN, .ended_ms = 300},
         false,
         false},
        {"refused just now",
         {4000, 2000, 2000, 2000},
         10,
         false,
         {.state = OP_FAILED, .why = OP_CLASS_PERMANENT, .ended_ms = 3000},
         false,
         false},
        {"refused a while ago",
         {4000, 2000, 2000, 2000},
         10,
         false,
         {.state = OP_FAILED, .why = OP_CLASS_PERMANENT, .ended_ms = 60000},
         false,
         true},
        {"not reached a while ago",
         {4000, 2000, 2000, 2000},
         10,
         false,
         {.state = OP_FAILED, .why = OP_CLASS_TRANSIENT, .ended_ms = 3000},
         false,
         true},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 4);
        struct arena a CLEANUP(arena_clear) = {0};
        struct plan *plan = arena_alloc(&a, sizeof *plan);
        struct view v;
        b->has_router = true;
        b->now_ms += 1000000;
        memcpy(b->weights, cases[i].bp, sizeof cases[i].bp);
        calm_view(b, &v);
        v.is_router_busy = cases[i].is_busy;
        v.routes_seen_ms = cases[i].seen_before_ms != 0 ? b->now_ms - cases[i].seen_before_ms : 0;
        v.routes_looked_ms = v.routes_seen_ms != 0 ? v.routes_seen_ms : 1;
        v.router_op = cases[i].op;
        v.router_op.ended_ms = cases[i].op.ended_ms != 0 ? b->now_ms - cases[i].op.ended_ms : 0;
        plan_reconcile(&v, &a, plan);
        if (has_action(plan, OP_ROUTES) != cases[i].asks ||
            has_action(plan, OP_WEIGHTS) != cases[i].tells)
            fail_msg("%s: asks %d, tells %d", cases[i].what, has_action(plan, OP_ROUTES),
                     has_action(plan, OP_WEIGHTS));
        if (cases[i].tells) {
            assert_int_equal(plan->status.router_attempt, b->status.router_attempt + 1);
            assert_true(plan->is_changed);
        }
    }
}

static void test_who_gets_nothing(void **state)
{
    static const struct {
        const char *what;
        bool is_drained, has_no_route, serves_nothing;
        int want[3];
    } cases[] = {
        {"peace", false, false, false, {3334, 3333, 3333}},
        {"drained by somebody", true, false, false, {0, 5000, 5000}},
        {"not in the router", false, true, false, {0, 5000, 5000}},
        {"serves nothing", false, false, true, {0, 5000, 5000}},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        struct arena a CLEANUP(arena_clear) = {0};
        struct plan *plan = arena_alloc(&a, sizeof *plan);
        struct view v;
        b->has_router = true;
        b->now_ms += 1000000;
        calm_view(b, &v);
        b->nodes[0].is_drained = cases[i].is_drained;
        b->nodes[0].has_route = !cases[i].has_no_route;
        b->nodes[0].seen.n_ready = cases[i].serves_nothing ? 0 : 1;
        plan_reconcile(&v, &a, plan);
        for (int k = 0; k < 3; k++) {
            if (plan->weights_bp[k] != cases[i].want[k])
                fail_msg("%s: node %d has %d", cases[i].what, k, plan->weights_bp[k]);
        }
    }
}

/* What was brought is taken out of traffic and away, also where nothing is live. */
static void test_taken_away_with_nothing_live(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->has_router = true;
    b->live = b->last_good = 0;
    b->record.to = 1;
    bench_reconcile(b, 120000, 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(b->nodes[i].seen.n_ready, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_away_with_nothing_live),
        cmocka_unit_test(test_shares_grow_with_the_step),
        cmocka_unit_test(test_asking_and_telling),
        cmocka_unit_test(test_who_gets_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
