/*
 * What people read of a gate: every kind and verdict has a sentence, and the numbers of the
 * comparing ones are there.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "gate_show.h"
#include "json.h"

static void test_texts(void **state)
{
    (void)state;
    static const struct {
        struct gate_result g;
        const char *want;
    } cases[] = {
        {{.kind = GATE_HEALTH, .verdict = VERDICT_PASS},
         "every node with the new version is ready"},
        {{.kind = GATE_GOLDEN, .verdict = VERDICT_PASS}, "golden requests answered as expected"},
        {{.kind = GATE_ERROR_RATE, .verdict = VERDICT_INSUFFICIENT}, "no request yet"},
        {{.kind = GATE_ERROR_RATE,
          .verdict = VERDICT_FAIL,
          .n_requests = 812,
          .n_failures = 10,
          .value = 12400,
          .limit = 10000},
         "1.24 % of 812 requests failed, at most 1 % may"},
        {{.kind = GATE_LATENCY,
          .verdict = VERDICT_PASS,
          .n_requests = 60,
          .value = 12345,
          .limit = 250000},
         "12.35 ms on average over 60 requests, at most 250 ms"},
        {{.kind = GATE_LATENCY, .verdict = VERDICT_NO_DATA}, "the nodes have no counters"},
        {{.kind = GATE_ERROR_RATIO, .verdict = VERDICT_ERROR},
         "the counters could not be read lately"},
        {{.kind = GATE_PROMQL, .verdict = VERDICT_NO_DATA}, "there is no value"},
        {{.kind = GATE_METRIC, .verdict = VERDICT_ERROR}, "the value could not be read lately"},
        {{.kind = GATE_PROMQL, .verdict = VERDICT_PASS, .value = 370000, .limit = 500000},
         "0.37, limit 0.5"},
        {{.kind = GATE_ERROR_RATIO,
          .verdict = VERDICT_FAIL,
          .cause = "old",
          .n_requests = 1000,
          .n_failures = 21,
          .n_base_requests = 3000,
          .n_base_failures = 6},
         "2.1 % of 1000 new requests failed, 0.2 % of 3000 old ones"},
        {{.kind = GATE_SLOW_RATIO,
          .verdict = VERDICT_INSUFFICIENT,
          .n_requests = 100,
          .n_failures = 5,
          .n_to_fail = 4,
          .n_missing = 120},
         "5 % of 100 new requests were slow, 0 % of 0 old ones; 4 more bad ones would fail it, "
         "120 more good ones pass it"},
        {{.kind = GATE_ERROR_RATIO,
          .verdict = VERDICT_INSUFFICIENT,
          .n_requests = 1,
          .n_base_requests = 1,
          .n_to_fail = -1,
          .n_missing = 9},
         "0 % of 1 new requests failed, 0 % of 1 old ones; 9 more good ones pass it"},
        {{.kind = GATE_ERROR_RATIO, .verdict = VERDICT_INSUFFICIENT, .cause = "waits"}, "waits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[GATE_TEXT_BYTES];
        gate_text(&cases[i].g, text, sizeof text);
        assert_string_equal(text, cases[i].want);
        /* A short buffer cuts. */
        gate_text(&cases[i].g, text, 20);
        assert_true(strlen(text) <= 19);
    }
}

static json_t *show(const struct gate_result *g)
{
    struct buf b;
    struct jsonw w;
    struct err e;
    json_t *j = NULL;
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    gate_show(g, &w);
    assert_int_equal(json_parse(b.data, b.len, 4, &j, &e), ERR_OK);
    buf_clear(&b);
    return j;
}

static double number(const json_t *j, const char *key)
{
    return json_number_value(json_object_get(j, key));
}

static void test_members(void **state)
{
    (void)state;
    struct gate_result g = {.kind = GATE_ERROR_RATIO,
                            .verdict = VERDICT_INSUFFICIENT,
                            .name = "errors",
                            .n_requests = 100,
                            .n_failures = 2,
                            .n_base_requests = 300,
                            .n_base_failures = 1,
                            .value = 20000,
                            .limit = 20000,
                            .log_e_milli = 1250,
                            .log_e_fail_milli = 6908,
                            .log_pass_milli = -500,
                            .log_pass_at_milli = 2996,
                            .n_to_fail = 6,
                            .n_missing = 400,
                            .phi_milli = 1500,
                            .is_report_only = true,
                            .since_ms = 1000};
    json_t *j = show(&g);
    assert_string_equal(json_string_value(json_object_get(j, "kind")), "error-ratio");
    assert_string_equal(json_string_value(json_object_get(j, "name")), "errors");
    assert_true(json_is_true(json_object_get(j, "report_only")));
    assert_non_null(json_object_get(j, "since"));
    assert_int_equal((int)number(j, "n_base_requests"), 300);
    assert_int_equal((int)number(j, "n_to_fail"), 6);
    assert_int_equal((int)number(j, "n_to_pass"), 400);
    assert_int_equal((int)(number(j, "log_e") * 1000 + 0.5), 1250);
    assert_int_equal((int)(number(j, "log_pass") * 1000 - 0.5), -500);
    assert_int_equal((int)(number(j, "phi") * 10 + 0.5), 15);
    assert_int_equal((int)(number(j, "value") * 1e6 + 0.5), 20000);
    json_decref(j);
    /* Decided: nothing is missing. */
    g.verdict = VERDICT_FAIL;
    g.is_report_only = false;
    j = show(&g);
    assert_null(json_object_get(j, "n_to_fail"));
    assert_null(json_object_get(j, "n_to_pass"));
    assert_null(json_object_get(j, "report_only"));
    json_decref(j);
    /* The others have no evidence to show. */
    g = (struct gate_result){.kind = GATE_HEALTH, .verdict = VERDICT_PASS};
    j = show(&g);
    assert_null(json_object_get(j, "value"));
    assert_null(json_object_get(j, "log_e"));
    assert_null(json_object_get(j, "name"));
    json_decref(j);
    g = (struct gate_result){.kind = GATE_METRIC, .value = 1500000, .limit = -2000000};
    j = show(&g);
    assert_int_equal((int)(number(j, "value") * 10), 15);
    assert_int_equal((int)number(j, "limit"), -2);
    assert_null(json_object_get(j, "n_requests"));
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
