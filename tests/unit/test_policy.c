/*
 * Policies: what is read, what is refused and where, merging, writing, and the steps they mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "steps.h"

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
        {"{\"batch\":\"0%\"}", "/batch"},
        {"{\"batch\":\"101%\"}", "/batch"},
        {"{\"batch\":\"25\"}", "/batch"},
        {"{\"batch\":\"%\"}", "/batch"},
        {"{\"batch\":\"2.5%\"}", "/batch"},
        {"{\"max_unavailable\":\"-1%\"}", "/max_unavailable"},
        {"{\"rollback_max_unavailable\":0}", "/rollback_max_unavailable"},
        {"{\"steps\":[{\"weight\":\"100.01\"}]}", "/steps/0/weight"},
        {"{\"steps\":[{\"weight\":\"1.234\"}]}", "/steps/0/weight"},
        {"{\"steps\":[{\"weight\":12.5}]}", "/steps/0/weight"},
        {"{\"steps\":[{\"weight\":\"20\"},{\"weight\":\"10\"}]}", "/steps/1/weight"},
        {"{\"steps\":[{\"nodes\":1,\"bake\":\"5m\",\"max_bake\":\"1m\"}]}", "/steps/0/max_bake"},
        {"{\"steps\":[{\"nodes\":1,\"approvals\":6}]}", "/steps/0/approvals"},
        {"{\"approvals\":6}", "/approvals"},
        {"{\"order_by\":\"\"}", "/order_by"},
        {"{\"wave_by\":\"zone a\"}", "/wave_by"},
        {"{\"holdback\":-1}", "/holdback"},
        {"{\"bake\":\"5m\",\"max_bake\":\"1m\"}", "/max_bake"},
        {"{\"on_insufficient\":\"ignore\"}", "/on_insufficient"},
        {"{\"on_no_data\":\"promote\"}", "/on_no_data"},
        {"{\"on_error\":\"rollback\"}", "/on_error"},
        {"{\"residency\":\"all\"}", "/residency"},
        {"{\"queue\":\"drop\"}", "/queue"},
        {"{\"lost_after\":\"10ms\"}", "/lost_after"},
        {"{\"failure_budget\":{\"failures\":3}}", "/failure_budget/window"},
        {"{\"failure_budget\":{\"failures\":0,\"window\":\"1h\"}}", "/failure_budget/failures"},
        {"{\"failure_budget\":{\"failures\":1,\"window\":\"1h\",\"of\":1}}", "/failure_budget/of"},
        {"{\"prometheus\":\"localhost:9090\"}", "/prometheus"},
        {"{\"gates\":[{\"kind\":\"promql\",\"max\":\"1\"}]}", "/gates/0/query"},
        {"{\"gates\":[{\"kind\":\"promql\",\"query\":\"up\"}]}", "/gates/0/max"},
        {"{\"gates\":[{\"kind\":\"metric\",\"max\":\"1\"}]}", "/gates/0/name"},
        {"{\"gates\":[{\"kind\":\"metric\",\"name\":\"a b\",\"max\":\"1\"}]}", "/gates/0/name"},
        {"{\"gates\":[{\"kind\":\"error-ratio\",\"ratio\":\"0.9\"}]}", "/gates/0/ratio"},
        {"{\"gates\":[{\"kind\":\"error-ratio\",\"floor\":\"0.5\"}]}", "/gates/0/floor"},
        {"{\"gates\":[{\"kind\":\"error-ratio\",\"quantile\":\"0.5\"}]}", "/gates/0/quantile"},
        {"{\"gates\":[{\"kind\":\"latency\",\"max_ms\":\"5\"},{\"kind\":\"latency\",\"max_ms\":"
         "\"9\"}"
         "]}",
         "/gates/1"},
        {"{\"gates\":[{\"kind\":\"health\"},{\"kind\":\"golden\",\"name\":\"health\"}]}",
         "/gates/1"},
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
        static struct policy p;
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
    static struct policy p;
    struct err e;
    assert_int_equal(policy_parse(j, "/policy", &p, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/policy/strategy");
    assert_non_null(strstr(e.message, "did you mean \"canary\"?"));
}

static void test_values(void **state)
{
    (void)state;
    static struct policy p;
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
    assert_int_equal(p.batch.n_nodes, 4);
    assert_int_equal(p.max_unavailable.n_nodes, 2);
    assert_int_equal(p.min_healthy_ms, 1500);
    assert_int_equal(p.bake_ms, 0);
    assert_int_equal(p.gates[0].max_ppm, 12500);
    assert_int_equal(p.gates[0].min_requests, 7);
    assert_int_equal(p.gates[1].max_us, 12500);
    assert_int_equal(p.gates[1].min_requests, 50);
    assert_int_equal(p.node_deadline_ms, 90000);
    assert_int_equal(p.step_deadline_ms, 120000);
    assert_int_equal(p.on_no_data, CHOICE_IGNORE);
    assert_false(p.rolls_back);
}

static void test_new_values(void **state)
{
    (void)state;
    static struct policy p;
    struct err e;
    const char *text =
        "{\"strategy\":\"blue-green\",\"steps\":[{\"weight\":\"12.5\",\"bake\":\"5m\","
        "\"max_bake\":\"30m\",\"approvals\":2},{\"percent\":50}],\"batch\":\"25%\","
        "\"max_unavailable\":\"10%\",\"rollback_max_unavailable\":3,\"order_by\":\"rack\","
        "\"wave_by\":\"zone\",\"wave_bake\":\"10m\",\"holdback\":1,\"on_insufficient\":\"promote\","
        "\"on_no_data\":\"rollback\",\"on_error\":\"ignore\",\"residency\":\"both\",\"drain\":"
        "\"9s\","
        "\"preview\":\"1m\",\"teardown\":\"2m\",\"approvals\":1,\"queue\":\"reject\","
        "\"unreachable_max\":2,\"lost_after\":\"90s\",\"repair_every\":\"1m\","
        "\"failure_budget\":{\"failures\":3,\"window\":\"24h\"},"
        "\"prometheus\":\"http://127.0.0.1:9090\",\"gates\":["
        "{\"kind\":\"error-ratio\"},{\"kind\":\"slow-ratio\",\"quantile\":\"0.99\",\"report_only\":"
        "true},"
        "{\"kind\":\"promql\",\"name\":\"lag\",\"query\":\"sum(x{a=\\\"$canary\\\"})\","
        "\"max\":\"0.25\",\"min\":\"-3\"},"
        "{\"kind\":\"metric\",\"name\":\"sales\",\"min\":\"10\",\"for\":\"5m\"}]}";
    assert_int_equal(policy_read(text, &p, &e), ERR_OK);
    assert_int_equal(p.strategy, STRATEGY_BLUE_GREEN);
    assert_int_equal(p.steps[0].weight_bp, 1250);
    assert_int_equal(p.steps[0].n_nodes, 1);
    assert_int_equal(p.steps[0].max_bake_ms, 1800000);
    assert_int_equal(p.steps[0].n_approvals, 2);
    assert_int_equal(p.steps[1].weight_bp, -1);
    assert_int_equal(p.batch.percent, 25);
    assert_int_equal(policy_amount_nodes(&p.batch, 10), 2);
    assert_int_equal(policy_amount_nodes(&p.batch, 1), 1);
    assert_int_equal(policy_max_unavailable(&p, 29, false), 2);
    assert_int_equal(policy_max_unavailable(&p, 29, true), 3);
    assert_string_equal(p.wave_by, "zone");
    assert_int_equal(p.on_insufficient, CHOICE_PROMOTE);
    assert_int_equal(p.on_no_data, CHOICE_ROLLBACK);
    assert_int_equal(p.on_error, CHOICE_IGNORE);
    assert_int_equal(p.residency, RESIDENCY_BOTH);
    assert_int_equal(p.queue, QUEUE_REJECT);
    assert_int_equal(p.n_failures_max, 3);
    assert_int_equal(p.failures_window_ms, 86400000);
    assert_string_equal(policy_text(&p, p.prometheus_at), "http://127.0.0.1:9090");
    assert_int_equal(p.gates[0].ratio_ppm, 1500000);
    assert_int_equal(p.gates[1].quantile_ppm, 990000);
    assert_true(p.gates[1].is_report_only);
    assert_string_equal(policy_text(&p, p.gates[2].query_at), "sum(x{a=\"$canary\"})");
    assert_int_equal(p.gates[2].max_micro, 250000);
    assert_int_equal(p.gates[2].min_micro, -3000000);
    assert_string_equal(policy_gate_name(&p.gates[0]), "error-ratio");
    assert_string_equal(policy_gate_name(&p.gates[3]), "sales");
    assert_false(p.gates[3].has_max);
    assert_int_equal(p.gates[3].for_ms, 300000);
}

/* Texts have a bounded place, and one too many is refused, not cut. */
static void test_texts(void **state)
{
    (void)state;
    static struct policy p;
    char text[POLICY_TEXT_BYTES];
    policy_default(&p);
    assert_string_equal(policy_text(&p, 0), "");
    memset(text, 'x', sizeof text);
    text[1000] = '\0';
    int first = policy_text_add(&p, text);
    assert_true(first > 0);
    assert_true(policy_text_add(&p, text) > first);
    assert_int_equal(policy_text_add(&p, text), -1);
    assert_int_equal(strlen(policy_text(&p, first)), 1000);
    assert_string_equal(policy_text(&p, 4000), "");
}

static void write_policy(const struct policy *p, struct buf *out)
{
    struct err e;
    json_t *j CLEANUP(json_decref_ptr) = policy_json(p);
    buf_init(out, POLICY_MAX_BYTES);
    assert_int_equal(json_canonical(j, out, &e), ERR_OK);
}

/* What is spelt out means the same. */
static void check_effective(const struct policy *p, struct buf *text)
{
    static struct policy again;
    struct err e;
    struct buf second CLEANUP(buf_clear);
    json_t *whole CLEANUP(json_decref_ptr) = policy_effective(p);
    assert_non_null(json_object_get(whole, "approvals"));
    assert_non_null(json_object_get(whole, "wave_bake"));
    assert_non_null(json_object_get(whole, "rollback_max_unavailable"));
    assert_int_equal(policy_parse(whole, "", &again, &e), ERR_OK);
    again.rollback_max_unavailable = p->rollback_max_unavailable;
    write_policy(&again, &second);
    assert_string_equal(buf_str(text), buf_str(&second));
}

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "{\"bake\":\"1d1h1m1s1ms\"}",
        "{\"strategy\":\"shadow\",\"batch\":\"7%\",\"failure_budget\":{\"failures\":2,"
        "\"window\":\"1h\"},\"prometheus\":\"https://p\",\"order_by\":\"a/b\",\"holdback\":3,"
        "\"gates\":[{\"kind\":\"promql\",\"query\":\"q\",\"min\":\"-0.000001\"},"
        "{\"kind\":\"metric\",\"name\":\"m\",\"max\":\"7\",\"report_only\":true}]}",
        "{\"strategy\":\"canary\",\"steps\":[{\"weight\":\"0.01\"},{\"weight\":\"100\","
        "\"max_bake\":\"1h\",\"approvals\":1}],\"gates\":[]}",
        "{\"strategy\":\"all-at-once\",\"gates\":[]}",
        "{\"strategy\":\"canary\",\"reload_control\":true,\"gates\":[{\"kind\":\"error-ratio\"}]}",
        "{\"strategy\":\"canary\",\"steps\":[{\"percent\":1,\"bake\":\"7d\"}],"
        "\"gates\":[{\"kind\":\"error-rate\",\"max\":\"1\"},{\"kind\":\"latency\",\"max_ms\":\"0."
        "001\"}]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        static struct policy p;
        static struct policy again;
        struct err e;
        struct buf first CLEANUP(buf_clear);
        struct buf second CLEANUP(buf_clear);
        assert_int_equal(policy_read(texts[i], &p, &e), ERR_OK);
        write_policy(&p, &first);
        check_effective(&p, &first);
        assert_int_equal(policy_read(buf_str(&first), &again, &e), ERR_OK);
        write_policy(&again, &second);
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
    static struct policy p;
    struct err e;
    assert_int_equal(policy_merge(base, over, &both, &e), ERR_OK);
    assert_int_equal(policy_parse(both, "", &p, &e), ERR_OK);
    assert_int_equal(p.batch.n_nodes, 7);
    assert_int_equal(p.bake_ms, 5000);
    assert_int_equal(json_integer_value(json_object_get(base, "batch")), 3);
    assert_int_equal(policy_merge(NULL, NULL, &empty, &e), ERR_OK);
    assert_int_equal(json_object_size(empty), 0);
    assert_int_equal(policy_merge(base, none, &empty, &e), ERR_INVALID);
}

static void test_default(void **state)
{
    (void)state;
    static struct policy p;
    struct err e;
    assert_int_equal(policy_read(NULL, &p, &e), ERR_OK);
    assert_int_equal(p.strategy, STRATEGY_ROLLING);
    assert_int_equal(p.max_unavailable.n_nodes, 1);
    assert_true(p.rolls_back);
    assert_int_equal(p.on_no_data, CHOICE_PAUSE);
    policy_for_rollback(&p);
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_step *steps = NULL;
    assert_int_equal(steps_make(&p, NULL, 50, &a, &steps), 1);
    assert_int_equal(steps[0].bake_ms, 0);
    assert_int_equal(p.max_unavailable.n_nodes, 1);
    p.rollback_max_unavailable.percent = 50;
    policy_for_rollback(&p);
    assert_int_equal(policy_max_unavailable(&p, 10, false), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad),    cmocka_unit_test(test_suggestion),
        cmocka_unit_test(test_values), cmocka_unit_test(test_new_values),
        cmocka_unit_test(test_texts),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_merge),  cmocka_unit_test(test_default),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
