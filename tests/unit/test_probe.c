/*
 * The first look at a node: what answers of MLServer, Triton, other servers and nobody become, and
 * what people are told to switch on.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "identity.h"
#include "probe_report.h"

static const struct driver_node node = {.admin_url = "http://127.0.0.1:1",
                                        .infer_url = "http://127.0.0.1:1",
                                        .metrics_url = "http://127.0.0.1:3/metrics"};

struct said {
    int status; /* 0: not reached */
    const char *body;
};

#define MLSERVER                                                               \
    {                                                                          \
        200, "{\"name\":\"mlserver\",\"version\":\"1.7.1\",\"extensions\":[]}" \
    }
#define TRITON                                                                \
    {                                                                         \
        200, "{\"name\":\"triton\",\"version\":\"2.50.0\",\"extensions\":[]}" \
    }
#define READY   \
    {           \
        200, "" \
    }
#define EMPTY     \
    {             \
        200, "[]" \
    }
#define UNKNOWN_MODEL                                             \
    {                                                             \
        404, "{\"error\":\"Model mreg_probe_nothing not found\"}" \
    }
#define ML_PAGE                                                                 \
    {                                                                           \
        200, "# HELP model_infer_request_success_total n\n# TYPE "              \
             "model_infer_request_success_total "                               \
             "counter\n# TYPE rest_server_request_duration_seconds histogram\n" \
             "process_start_time_seconds 1.79523255583e+09\n"                   \
    }
#define TRITON_PAGE                                          \
    {                                                        \
        200, "# TYPE nv_inference_request_success counter\n" \
    }
#define NO_PAGE                           \
    {                                     \
        404, "{\"detail\":\"Not Found\"}" \
    }

struct probe_case {
    const char *name;
    struct said answers[6];
    const char *problems;   /* what, separated by spaces */
    const char *text, *fix; /* of the first; NULL: any */
};

static const struct probe_case cases[] = {
    {"MLServer",
     {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, ML_PAGE},
     "histogram",
     "durations of the whole server only",
     NULL},
    {"MLServer, no page",
     {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, NO_PAGE},
     "metrics",
     "status 404",
     "metrics_endpoint"},
    {"Triton as it is by default",
     {TRITON,
      READY,
      EMPTY,
      {400, "{\"error\":\"explicit model load / unload is not allowed if polling is enabled\"}"},
      TRITON_PAGE},
     "mode histogram",
     "polling is enabled",
     "--model-control-mode=explicit"},
    {"Triton, 503 for it",
     {TRITON,
      READY,
      EMPTY,
      {503, "{\"error\":\"explicit model load / unload is not allowed if polling is enabled\"}"},
      TRITON_PAGE},
     "mode histogram",
     "polling is enabled",
     "--model-control-mode=explicit"},
    {"Triton as mreg wants it",
     {TRITON,
      READY,
      EMPTY,
      {200, ""},
      {200, "# TYPE nv_inference_request_success counter\n"
            "# TYPE nv_inference_first_response_histogram_ms histogram\n"}},
     "",
     NULL,
     NULL},
    {"Triton, no page",
     {TRITON, READY, EMPTY, {200, ""}, {0, NULL}},
     "metrics",
     "no answer",
     "--allow-metrics=true"},
    {"Triton, no histogram",
     {TRITON, READY, EMPTY, {200, ""}, TRITON_PAGE},
     "histogram",
     "no histogram",
     "histogram_latencies=true"},
    {"no repository",
     {MLSERVER, READY, {404, "no"}, {404, "{\"detail\":\"Not Found\"}"}, ML_PAGE},
     "repository repository histogram",
     "does not list",
     NULL},
    {"not ready",
     {MLSERVER, {400, ""}, EMPTY, UNKNOWN_MODEL, ML_PAGE},
     "ready histogram",
     "not ready",
     NULL},
    {"another page",
     {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, {200, "# HELP x y\nx 1\n"}},
     "counters",
     "counts no requests",
     NULL},
    {"a web page",
     {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, {200, "<html>"}},
     "metrics",
     "no page of metrics",
     NULL},
    {"something else",
     {{200, "<html>"}, {200, ""}, {404, ""}, {404, ""}, NO_PAGE},
     "protocol metrics",
     "not a v2 server",
     NULL},
    {"nobody", {{0, NULL}}, "unreachable", "does not answer", "start the serving software"},
};

static json_t *look(const struct probe_case *c, struct driver_probe *p, const char *serve_as)
{
    struct driver_request rq = {
        .action = DRIVER_PROBE, .probe = p, .serve_as = serve_as, .number = 7};
    struct arena a CLEANUP(arena_clear) = {0};
    bool goes_on = true;

    for (int k = 0; goes_on && k < probe_n_calls(&rq); k++) {
        const struct said *said = &c->answers[k];
        struct driver_result result = {0};
        struct http_call call;
        struct http_answer answer = {.outcome = said->status ? HTTP_ANSWERED : HTTP_NOT_SENT,
                                     .status = said->status};
        struct err e;

        assert_int_equal(probe_make(&node, &rq, k, &a, &call, &e), ERR_OK);
        assert_non_null(call.url);
        if (said->body != NULL) {
            answer.body = mem_strdup(said->body);
            answer.body_len = strlen(said->body);
        }
        goes_on = probe_read(&rq, k, &answer, &result);
        free(answer.body);
    }
    return probe_report(p, &node, serve_as != NULL);
}

static void test_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct driver_probe p = {0};
        json_t *report CLEANUP(json_decref_ptr) = look(&cases[i], &p, NULL);
        const json_t *list = json_object_get(report, "problems");
        char what[200] = "";

        for (size_t k = 0; k < json_array_size(list); k++) {
            const json_t *one = json_array_get(list, k);

            (void)snprintf(what + strlen(what), sizeof(what) - strlen(what), "%s%s",
                           k > 0 ? " " : "", json_string_value(json_object_get(one, "what")));
            assert_true(json_string_length(json_object_get(one, "text")) > 0);
        }
        if (strcmp(what, cases[i].problems) != 0)
            fail_msg("%s: \"%s\" instead of \"%s\"", cases[i].name, what, cases[i].problems);
        const json_t *first = json_array_get(list, 0);
        const char *text = json_string_value(json_object_get(first, "text"));
        const char *fix = json_string_value(json_object_get(first, "fix"));
        if (cases[i].text != NULL && (text == NULL || strstr(text, cases[i].text) == NULL))
            fail_msg("%s: \"%s\"", cases[i].name, text);
        if (cases[i].fix != NULL && (fix == NULL || strstr(fix, cases[i].fix) == NULL))
            fail_msg("%s: fix \"%s\"", cases[i].name, fix);
    }
}

static void test_version(void **state)
{
    (void)state;
    struct probe_case c = {
        "", {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, ML_PAGE, {200, ""}}, "", NULL, NULL};
    struct driver_probe p = {0};
    json_t *report CLEANUP(json_decref_ptr) = look(&c, &p, "fraud");
    struct driver_request rq = {.action = DRIVER_PROBE, .serve_as = "fraud", .number = 7};
    struct arena a CLEANUP(arena_clear) = {0};
    struct http_call call;
    struct err e;

    assert_true(json_is_true(json_object_get(report, "version_ready")));
    assert_int_equal(probe_make(&node, &rq, 5, &a, &call, &e), ERR_OK);
    assert_string_equal(call.url, "http://127.0.0.1:1/v2/models/fraud/versions/7/ready");
    c.answers[5].status = 404;
    p = (struct driver_probe){0};
    json_t *other CLEANUP(json_decref_ptr) = look(&c, &p, "fraud");
    assert_true(json_is_false(json_object_get(other, "version_ready")));
}

/* Names come from somebody else's server: they are cut and cleaned, and there may be many. */
static void test_models(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_clear);
    struct probe_case c = {"", {MLSERVER, READY, EMPTY, UNKNOWN_MODEL, ML_PAGE}, "", NULL, NULL};
    struct driver_probe p = {0};

    buf_init(&text, 1 << 20);
    buf_puts(&text, "[");
    for (int i = 0; i < 40; i++) {
        char one[300];

        (void)snprintf(one, sizeof(one),
                       "%s{\"name\":\"m%d\\n%0120d\",\"version\":\"1\",\"state\":\"READY\"}",
                       i > 0 ? "," : "", i, 7);
        buf_puts(&text, one);
    }
    buf_puts(&text, ",{},7]");
    c.answers[2].body = buf_str(&text);
    json_t *report CLEANUP(json_decref_ptr) = look(&c, &p, NULL);
    const json_t *models = json_object_get(report, "models");
    assert_int_equal(json_array_size(models), PROBE_MAX_MODELS);
    assert_true(p.lists_more);
    const char *name = json_string_value(json_object_get(json_array_get(models, 0), "name"));
    assert_int_equal(strlen(name), PROBE_NAME_BYTES - 1);
    assert_null(strchr(name, '\n'));
}

static void test_identity(void **state)
{
    (void)state;
    static const struct {
        const char *page;
        int64_t ms;
    } rows[] = {
        {"process_start_time_seconds 1.79523255583e+09\n", 1795232555830},
        {"x 1\nprocess_start_time_seconds 1700000000\n", 1700000000000},
        {"process_start_time_seconds{a=\"b\"} 1700000000\n", 0}, /* of something else */
        {"process_start_time_seconds NaN\n", 0},
        {"process_start_time_seconds -5\n", 0},
        {"process_start_time_seconds 1e300\n", 0},
        {"", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(identity_started_ms(rows[i].page, strlen(rows[i].page)), rows[i].ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_version),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_identity),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
