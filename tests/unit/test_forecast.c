/* Forecasts: the planner's own way through typical times; how long, how low, and how long back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "forecast.h"

#define MAX_NODES 40

struct scene {
    struct arena arena;
    struct policy policy;
    struct rollout_record record;
    struct forecast_node nodes[MAX_NODES];
    struct forecast_in in;
    struct forecast out;
};

static void make(struct scene *s, const char *policy, int n_nodes, int64_t milli_rps)
{
    struct err e;

    *s = (struct scene){0};
    if (policy_read(policy, &s->policy, &e) != ERR_OK)
        fail_msg("%s %s", e.message, e.pointer);
    s->record = (struct rollout_record){.id = "r-1",
                                        .model = "fraud",
                                        .environment = "production",
                                        .serve_as = "fraud",
                                        .from = 1,
                                        .to = 2,
                                        .kind = "promote",
                                        .actor = "t-1",
                                        .generation = 1,
                                        .strategy = "{}"};
    for (int i = 0; i < n_nodes; i++)
        s->nodes[i] = (struct forecast_node){.node_id = i + 1,
                                             .name = arena_printf(&s->arena, "n%d", i + 1),
                                             .is_reachable = true,
                                             .version = 1,
                                             .milli_rps = milli_rps};
    s->in = (struct forecast_in){.rollout = &s->record,
                                 .policy = &s->policy,
                                 .now_ms = INT64_C(1795000000000),
                                 .live = 1,
                                 .last_good = 1,
                                 .nodes = s->nodes,
                                 .n_nodes = n_nodes};
    forecast_default_times(1000000, s->in.took_ms);
    forecast_make(&s->in, &s->arena, &s->out);
}

static int n_ops(const struct scene *s, enum op_action action)
{
    int n = 0;

    for (int i = 0; i < s->out.n_ops; i++)
        n += s->out.ops[i].action == action;
    return n;
}

static void test_rolling(void **state)
{
    struct scene s;

    (void)state;
    make(&s,
         "{\"strategy\":\"rolling\",\"bake\":\"1m\",\"min_healthy\":\"2s\",\"gates\":[{\"kind\":"
         "\"health\"}]}",
         3, 1000);
    assert_true(s.out.is_complete);
    assert_string_equal(s.out.outcome, "version 2 is live");
    assert_int_equal(s.out.n_steps, 3);
    assert_int_equal(n_ops(&s, OP_STAGE), 3);
    assert_int_equal(n_ops(&s, OP_LOAD), 3);
    assert_int_equal(s.out.low_point, 2);
    assert_true(s.out.total_ms > 3 * 60000 && s.out.total_ms < 3 * 60000 + 60000);
    for (int i = 0; i < 3; i++) {
        assert_true(s.out.steps[i].end_ms - s.out.steps[i].begin_ms >= 60000);
        assert_int_equal(s.out.steps[i].n_nodes, i + 1);
    }
    assert_int_equal(s.out.n_back_nodes, 3);
    assert_true(s.out.back_ms > 0 && s.out.back_ms < 60000);
    assert_int_equal(s.out.back_low_point, 2);
    assert_true(s.out.back_needs_load);
    arena_clear(&s.arena);
}

/* At 2 requests a second and node, 50 requests take 25 s at one node. */
static void test_evidence(void **state)
{
    static const char policy[] =
        "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"10s\",\"max_bake\":\"5m\"},"
        "{\"percent\":100,\"bake\":\"0\"}],\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.02\","
        "\"min_requests\":50}]}";
    struct scene s;

    (void)state;
    make(&s, policy, 4, 2000);
    assert_true(s.out.is_complete);
    assert_int_equal(s.out.steps[0].n_wanted, 50);
    assert_int_equal(s.out.steps[0].milli_rps, 2000);
    assert_int_equal(s.out.steps[0].evidence_ms, 25000);
    assert_true(s.out.steps[0].end_ms - s.out.steps[0].begin_ms >= 25000);
    arena_clear(&s.arena);

    make(&s, policy, 4, 0); /* nobody asks: it would wait for people */
    assert_int_equal(s.out.steps[0].evidence_ms, -1);
    assert_non_null(strstr(s.out.outcome, "step 1"));
    assert_true(s.out.is_complete); /* what comes after somebody answered is foreseen, too */
    arena_clear(&s.arena);
}

static void test_batches(void **state)
{
    struct scene one, four;

    (void)state;
    make(&one,
         "{\"strategy\":\"rolling\",\"bake\":\"0\",\"gates\":[{\"kind\":\"health\"}],"
         "\"min_healthy\":\"0\"}",
         12, 0);
    make(&four,
         "{\"strategy\":\"rolling\",\"bake\":\"0\",\"gates\":[{\"kind\":\"health\"}],"
         "\"min_healthy\":\"0\",\"batch\":4,\"max_unavailable\":4}",
         12, 0);
    assert_int_equal(one.out.low_point, 11);
    assert_int_equal(four.out.low_point, 8);
    assert_true(four.out.total_ms < one.out.total_ms);
    arena_clear(&one.arena);
    arena_clear(&four.arena);
}

/* What waits for people is foreseen as if they agreed at once. */
static void test_approvals(void **state)
{
    struct scene s;

    (void)state;
    make(&s,
         "{\"strategy\":\"canary\",\"approvals\":2,\"steps\":[{\"nodes\":1,\"bake\":\"1s\","
         "\"approvals\":1},{\"percent\":100,\"bake\":\"0\"}],\"gates\":[{\"kind\":\"health\"}]}",
         2, 0);
    assert_true(s.out.is_complete);
    arena_clear(&s.arena);
}

static void test_nothing_to_do(void **state)
{
    struct scene s;

    (void)state;
    make(&s, "{}", 0, 0);
    assert_false(s.out.is_complete);
    assert_int_equal(s.out.n_ops, 0);
    arena_clear(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rolling), cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_batches), cmocka_unit_test(test_approvals),
        cmocka_unit_test(test_nothing_to_do)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
