/*
 * Policies: what is read, what is refused and where, merging, writing, and the steps they mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "policy.h"

static json_t *parse(const char *text)
{
    json_t *j = NULL;
    struct err e;
    if (json_parse(text, strlen(text), 16, &j, &e) != ERR_OK)
        fail_msg("%s: %s", text, e.message);
    return j;
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pointer;
    } cases[] = {
        {"[]", ""},
        {"{\"strategi\":\"canary\"}", "/strategi"},
        {"{\"strategy\":\"canari\"}", "/strategy"},
        {"{\"strategy\":7}", "/strategy"},
        {"{\"steps\":[]}", "/steps"},
        {"{\"steps\":[{}]}", "/steps/0"},
        {"{\"steps\":[{\"nodes\":1,\"percent\":5}]}", "/steps/0"},
        {"{\"steps\":[{\"nodes\":0}]}", "/steps/0/nodes"},
        {"{\"steps\":[{\"percent\":101}]}", "/steps/0/percent"},
        {"{\"steps\":[{\"nodes\":2},{\"nodes\":1}]}", "/steps/1"},
        {"{\"steps\":[{\"percent\":50},{\"percent\":10}]}", "/steps/1"},
        {"{\"steps\":[{\"nodes\":1,\"bake\":\"soon\"}]}", "/steps/0/bake"},
        {"{\"steps\":[{\"nodes\":1,\"bake\":\"8d\"}]}", "/steps/0/bake"},
        {"{\"batch\":0}", "/batch"},
        {"{\"max_unavailable\":0}", "/max_unavailable"},
        {"{\"min_healthy\":\"2h\"}", "/min_healthy"},
        {"{\"node_deadline\":\"0\"}", "/node_deadline"},
        {"{\"step_deadline\":\"500ms\"}", "/step_deadline"},
        {"{\"on_no_data\":\"guess\"}", "/on_no_data"},
        {"{\"auto_rollback\":1}", "/auto_rollback"},
        {"{\"gates\":[{\"kind\":\"helth\"}]}", "/gates/0/kind"},
        {"{\"gates\":[{}]}", "/gates/0/kind"},
        {"{\"gates\":[{\"kind\":\"health\",\"max\":\"1\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"health\"},{\"kind\":\"health\"}]}", "/gates/1"},
        {"{\"gates\":[{\"kind\":\"error-rate\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":0.02}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"1.1\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"-1\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.0000001\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.1\",\"min_requests\":0}]}",
         "/gates/0/min_requests"},
        {"{\"gates\":[{\"kind\":\"latency\",\"max_ms\":\"fast\"}]}", "/gates/0/max_ms"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        json_t *j CLEANUP(json_decref_ptr) = parse(cases[i].text);
        struct policy p;
        struct err e = {0};
        if (policy_parse(j, "", &p, &e) != ERR_INVALID)
            fail_msg("%s was taken", cases[i].text);
        if (strcmp(e.pointer, cases[i].pointer) != 0)
            fail_msg("%s: the fault is at %s, not %s", cases[i].text, e.pointer, cases[i].pointer);
    }
}

static void test_suggestion(void **state)
{
    (void)state;
    json_t *j CLEANUP(json_decref_ptr) = parse("{\"strategy\":\"canari\"}");
    struct policy p;
    struct err e;
    assert_int_equal(policy_parse(j, "/policy", &p, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/policy/strategy");
    assert_non_null(strstr(e.message, "did you mean \"canary\"?"));
}

static void test_values(void **state)
{
    (void)state;
    struct policy p;
    struct err e;
    const char *text =
        "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"1h30m\"},{\"percent\":50}],"
        "\"batch\":4,\"max_unavailable\":2,\"min_healthy\":\"1500ms\",\"bake\":\"0\","
        "\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.0125\",\"min_requests\":7},"
        "{\"kind\":\"latency\",\"max_ms\":\"12.5\"}],\"node_deadline\":\"90s\","
        "\"step_deadline\":\"2m\",\"on_no_data\":\"ignore\",\"auto_rollback\":false}";
    assert_int_equal(policy_read(text, &p, &e), ERR_OK);
    assert_int_equal(p.strategy, STRATEGY_CANARY);
    assert_int_equal(p.n_steps, 2);
    assert_int_equal(p.steps[0].bake_ms, 5400000);
    assert_int_equal(p.steps[1].percent, 50);
    assert_int_equal(p.batch, 4);
    assert_int_equal(p.max_unavailable, 2);
    assert_int_equal(p.min_healthy_ms, 1500);
    assert_int_equal(p.bake_ms, 0);
    assert_int_equal(p.gates[0].max_ppm, 12500);
    assert_int_equal(p.gates[0].min_requests, 7);
    assert_int_equal(p.gates[1].max_us, 12500);
    assert_int_equal(p.gates[1].min_requests, 50);
    assert_int_equal(p.node_deadline_ms, 90000);
    assert_int_equal(p.step_deadline_ms, 120000);
    assert_false(p.pauses_on_no_data);
    assert_false(p.rolls_back);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"bake\":\"1d1h1m1s1ms\"}",
        "{\"strategy\":\"all-at-once\",\"gates\":[]}",
        "{\"strategy\":\"canary\",\"steps\":[{\"percent\":1,\"bake\":\"7d\"}],"
        "\"gates\":[{\"kind\":\"error-rate\",\"max\":\"1\"},{\"kind\":\"latency\",\"max_ms\":\"0."
        "001\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct policy p;
        struct policy again;
        struct err e;
        struct buf first CLEANUP(buf_clear);
        struct buf second CLEANUP(buf_clear);
        buf_init(&first, POLICY_MAX_BYTES);
        buf_init(&second, POLICY_MAX_BYTES);
        assert_int_equal(policy_read(texts[i], &p, &e), ERR_OK);
        assert_int_equal(policy_write(&p, &first, &e), ERR_OK);
        assert_int_equal(policy_read(buf_str(&first), &again, &e), ERR_OK);
        assert_int_equal(policy_write(&again, &second, &e), ERR_OK);
        assert_string_equal(buf_str(&first), buf_str(&second));
        assert_int_equal(p.bake_ms, again.bake_ms);
        assert_int_equal(p.gates[0].max_ppm, again.gates[0].max_ppm);
    }
}

static void test_merge(void **state)
{
    (void)state;
    json_t *base CLEANUP(json_decref_ptr) = parse("{\"batch\":3,\"bake\":\"5s\"}");
    json_t *over CLEANUP(json_decref_ptr) = parse("{\"batch\":7}");
    json_t *none CLEANUP(json_decref_ptr) = parse("7");
    json_t *both CLEANUP(json_decref_ptr) = NULL;
    json_t *empty CLEANUP(json_decref_ptr) = NULL;
    struct policy p;
    struct err e;
    assert_int_equal(policy_merge(base, over, &both, &e), ERR_OK);
    assert_int_equal(policy_parse(both, "", &p, &e), ERR_OK);
    assert_int_equal(p.batch, 7);
    assert_int_equal(p.bake_ms, 5000);
    assert_int_equal(json_integer_value(json_object_get(base, "batch")), 3);
    assert_int_equal(policy_merge(NULL, NULL, &empty, &e), ERR_OK);
    assert_int_equal(json_object_size(empty), 0);
    assert_int_equal(policy_merge(base, none, &empty, &e), ERR_INVALID);
}

static void test_default(void **state)
{
    (void)state;
    struct policy p;
    struct err e;
    assert_int_equal(policy_read(NULL, &p, &e), ERR_OK);
    assert_int_equal(p.strategy, STRATEGY_ROLLING);
    assert_int_equal(p.max_unavailable, 1);
    assert_true(p.rolls_back);
    assert_true(p.pauses_on_no_data);
    policy_for_rollback(&p);
    assert_int_equal(policy_n_steps(&p, 50), 1);
    assert_int_equal(policy_step_bake_ms(&p, 50, 0), 0);
    assert_int_equal(p.max_unavailable, 1);
}

/* Cumulative nodes per step, -1 at the end. */
static void test_steps(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int n_nodes, steps[8];
    } cases[] = {
        {"{\"strategy\":\"rolling\"}", 3, {1, 2, 3, -1}},
        {"{\"strategy\":\"rolling\",\"batch\":2}", 5, {2, 4, 5, -1}},
        {"{\"strategy\":\"rolling\",\"batch\":10}", 5, {5, -1}},
        {"{\"strategy\":\"all-at-once\"}", 5, {5, -1}},
        {"{\"strategy\":\"canary\"}", 6, {1, 3, 6, -1}},
        {"{\"strategy\":\"canary\"}", 1, {1, 1, 1, -1}},
        /* The last step always reaches everybody. */
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1}]}", 4, {1, 4, -1}},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":9}]}", 4, {4, -1}},
        {"{\"strategy\":\"canary\",\"steps\":[{\"percent\":1},{\"percent\":26}]}",
         4,
         {1, 2, 4, -1}},
        /* No step is smaller than the one before. */
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":2},{\"percent\":10}]}", 5, {2, 2, 5, -1}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct policy p;
        struct err e;
        int n = cases[i].n_nodes;
        assert_int_equal(policy_read(cases[i].policy, &p, &e), ERR_OK);
        int k = 0;
        for (; k < policy_n_steps(&p, n); k++) {
            if (policy_step_nodes(&p, n, k) != cases[i].steps[k])
                fail_msg("%s: step %d has %d nodes", cases[i].policy, k,
                         policy_step_nodes(&p, n, k));
        }
        assert_int_equal(cases[i].steps[k], -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_suggestion),
        cmocka_unit_test(test_values), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_merge),  cmocka_unit_test(test_default),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
