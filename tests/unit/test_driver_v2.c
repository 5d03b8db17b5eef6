/*
 * The v2 driver against answers recorded from a real MLServer 1.7.1 (tests/golden/driver_v2: status
 * on the first line, then the body), and against answers that only proxies and broken servers give.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver.h"
#include "histogram.h"

#define GOLDEN(expect)                                                                        \
    "{\"request\":{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":" \
    "[0.1]}]},\"expect\":" expect "}"

static const struct driver_node node = {.admin_url = "http://127.0.0.1:1",
                                        .infer_url = "http://127.0.0.1:2",
                                        .metrics_url = "http://127.0.0.1:3/metrics"};

static struct http_answer answer_of(int status, const char *body)
{
    struct http_answer a = {.outcome = HTTP_ANSWERED, .status = status};

    a.body_len = strlen(body);
    a.body = mem_strdup(body);
    return a;
}

static struct http_answer recorded(const char *name)
{
    char path[512];
    char *text = mem_alloc(1 << 16), *line;
    struct http_answer a;
    FILE *f;
    size_t n;

    (void)snprintf(path, sizeof(path), "%s/tests/golden/driver_v2/%s.http", MREG_SOURCE_DIR, name);
    f = fopen(path, "rb");
    assert_non_null(f);
    n = fread(text, 1, (1 << 16) - 1, f);
    fclose(f);
    assert_true(n > 3);
    line = strchr(text, '\n');
    a = answer_of(atoi(text), line + 1);
    free(text);
    return a;
}

struct read_case {
    enum driver_action action;
    int k;
    const char *recording; /* or NULL: status and body */
    int status;
    const char *body;
    enum fault fault;
    bool goes_on;
    const char *text; /* in the result's words; "" means none */
};

static const char flipped[] = GOLDEN("{\"outputs\":[{\"name\":\"predict\",\"data\":[[0],[1]]}]}");

static const struct read_case cases[] = {
    {DRIVER_HEALTH, 0, "live", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_HEALTH, 0, NULL, 404, "no", FAULT_REJECTED, false, "not live (404): no"},
    {DRIVER_HEALTH, 0, NULL, 500, "", FAULT_BUSY, false, "not live (500)"},
    {DRIVER_LOAD, 0, "load_ok", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_LOAD, 0, "load_404", 0, NULL, FAULT_LOAD, false, "Model fraud not found"},
    {DRIVER_LOAD, 0, "load_422", 0, NULL, FAULT_LOAD, false, "Invalid URI"},
    {DRIVER_LOAD, 0, "load_500", 0, NULL, FAULT_LOAD, false, "(500): KeyError: 110"},
    {DRIVER_LOAD, 0, "load_500_class", 0, NULL, FAULT_LOAD, false, "No module named 'no'"},
    {DRIVER_LOAD, 0, "load_405", 0, NULL, FAULT_REJECTED, false, "Method Not Allowed"},
    {DRIVER_LOAD, 0, "load_wrong_path", 0, NULL, FAULT_REJECTED, false, "no model repository"},
    {DRIVER_LOAD, 0, NULL, 500, "", FAULT_LOAD, false, "loading failed (500)"},
    {DRIVER_LOAD, 0, NULL, 400, "{\"error\":\"bad\"}", FAULT_LOAD, false, "(400): bad"},
    {DRIVER_LOAD, 0, NULL, 503, "", FAULT_BUSY, false, "busy (503)"},
    {DRIVER_LOAD, 0, NULL, 429, "", FAULT_BUSY, false, "busy (429)"},
    {DRIVER_LOAD, 0, NULL, 504, "<html>", FAULT_UNKNOWN, false, "proxy"},
    {DRIVER_LOAD, 0, NULL, 302, "", FAULT_REJECTED, false, "redirects"},
    {DRIVER_LOAD, 0, NULL, 401, "", FAULT_REJECTED, false, "refuses"},
    {DRIVER_UNLOAD, 0, "unload_ok", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_UNLOAD, 0, "unload_404", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_UNLOAD, 0, "load_wrong_path", 0, NULL, FAULT_REJECTED, false, "no model repository"},
    {DRIVER_OBSERVE, 0, "index_empty", 0, NULL, FAULT_NONE, true, ""},
    {DRIVER_OBSERVE, 0, "index_one", 0, NULL, FAULT_NONE, true, ""},
    {DRIVER_OBSERVE, 0, "index_two", 0, NULL, FAULT_NONE, true, ""},
    {DRIVER_OBSERVE, 0, "index_no_body", 0, NULL, FAULT_REJECTED, false, "Field required"},
    {DRIVER_OBSERVE, 0, NULL, 200, "<html>", FAULT_REJECTED, false, "not a v2 repository"},
    {DRIVER_OBSERVE, 0, NULL, 200, "{}", FAULT_REJECTED, false, "not a v2 repository"},
    {DRIVER_OBSERVE, 1, "ready_200", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_OBSERVE, 1, "ready_404", 0, NULL, FAULT_NONE, false, "not ready (404)"},
    {DRIVER_OBSERVE, 1, "ready_failed", 0, NULL, FAULT_NONE, false, "not ready (404)"},
    {DRIVER_OBSERVE, 1, "ready_hidden", 0, NULL, FAULT_NONE, false, "not ready (404)"},
    {DRIVER_OBSERVE, 1, NULL, 500, "", FAULT_BUSY, false, "cannot tell"},
    {DRIVER_GOLDEN, 0, "infer_ok", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_GOLDEN, 0, "infer_flipped", 0, NULL, FAULT_WRONG_ANSWER, false,
     "wrong answer: /outputs/predict/data/0: expected 0, got 1"},
    {DRIVER_GOLDEN, 0, "infer_proba", 0, NULL, FAULT_WRONG_ANSWER, false, "missing"},
    {DRIVER_GOLDEN, 0, "infer_404", 0, NULL, FAULT_NOT_FOUND, false, "not loaded"},
    {DRIVER_GOLDEN, 0, "infer_422", 0, NULL, FAULT_WRONG_ANSWER, false, "Field required"},
    {DRIVER_GOLDEN, 0, "infer_two", 0, NULL, FAULT_WRONG_ANSWER, false, "single input tensor"},
    {DRIVER_GOLDEN, 0, "infer_badshape", 0, NULL, FAULT_WRONG_ANSWER, false, "X has 3 features"},
    {DRIVER_GOLDEN, 0, NULL, 503, "", FAULT_BUSY, false, "busy"},
    {DRIVER_GOLDEN, 0, NULL, 200, "<html>", FAULT_WRONG_ANSWER, false, "not JSON"},
    {DRIVER_SAMPLE, 0, "metrics", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_SAMPLE, 0, "metrics_empty", 0, NULL, FAULT_NONE, false, ""},
    {DRIVER_SAMPLE, 0, NULL, 404, "", FAULT_NOT_FOUND, false, "no metrics"},
    {DRIVER_SAMPLE, 0, NULL, 200, "<html>\n<body>", FAULT_NOT_FOUND, false, "no Prometheus"},
};

static struct driver_request request_of(enum driver_action action)
{
    struct driver_request rq = {
        .action = action, .serve_as = "fraud", .number = 1, .golden = flipped};

    return rq;
}

static void test_recorded(void **state)
{
    const struct driver *d = driver_find("v2");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct read_case *c = &cases[i];
        struct driver_request rq = request_of(c->action);
        struct driver_result out = {0};
        struct http_answer a =
            c->recording != NULL ? recorded(c->recording) : answer_of(c->status, c->body);
        bool goes_on = d->read(&rq, c->k, &a, &out);

        if (out.fault != c->fault || goes_on != c->goes_on || strstr(out.text, c->text) == NULL ||
            (c->text[0] == '\0') != (out.text[0] == '\0'))
            fail_msg("case %zu (%s): fault %s, text \"%s\"", i,
                     c->recording != NULL ? c->recording : c->body, fault_name(out.fault),
                     out.text);
        http_answer_clear(&a);
    }
}

/* What every driver must do with every call, whatever the server. */
static void test_conformance(void **state)
{
    const struct driver *d = driver_find("v2");
    static const enum http_outcome outcomes[] = {HTTP_NOT_SENT, HTTP_UNKNOWN};
    struct arena arena CLEANUP(arena_clear);
    struct err e;

    (void)state;
    arena_init(&arena);
    for (int action = DRIVER_LOAD; action <= DRIVER_HEALTH; action++) {
        struct driver_request rq = request_of((enum driver_action)action);

        rq.other = 2;
        for (int k = 0; k < d->n_calls(&rq); k++) {
            bool changes = action == DRIVER_LOAD || action == DRIVER_UNLOAD;
            struct http_call call;

            assert_int_equal(d->make(&node, &rq, k, &arena, &call, &e), ERR_OK);
            assert_non_null(strstr(call.url, "http://127.0.0.1:"));
            assert_true(call.timeout_ms > 0);
            assert_true(strcmp(call.method, "GET") == 0 || strcmp(call.method, "POST") == 0);
            assert_true(call.body_len == 0 || call.body != NULL);
            for (size_t o = 0; o < ARRAY_LEN(outcomes); o++) {
                struct http_answer a = {.outcome = outcomes[o], .detail = "cut off"};
                struct driver_result out = {0};

                assert_false(d->read(&rq, k, &a, &out));
                assert_int_equal(out.fault, outcomes[o] == HTTP_UNKNOWN && changes
                                                ? FAULT_UNKNOWN
                                                : FAULT_TRANSPORT);
                assert_string_equal(out.text, "cut off");
                assert_false(out.is_alive || out.number_is_ready || out.has_counters);
            }
        }
    }
}

static void test_urls(void **state)
{
    static const struct {
        enum driver_action action;
        int k;
        const char *method, *url, *body;
    } urls[] = {
        {DRIVER_LOAD, 0, "POST", "http://127.0.0.1:1/v2/repository/models/fraud/load", ""},
        {DRIVER_UNLOAD, 0, "POST", "http://127.0.0.1:1/v2/repository/models/fraud/unload", ""},
        {DRIVER_OBSERVE, 0, "POST", "http://127.0.0.1:1/v2/repository/index", "{}"},
        {DRIVER_OBSERVE, 1, "GET", "http://127.0.0.1:1/v2/models/fraud/versions/1/ready", NULL},
        {DRIVER_OBSERVE, 2, "GET", "http://127.0.0.1:1/v2/models/fraud/versions/7/ready", NULL},
        {DRIVER_GOLDEN, 0, "POST", "http://127.0.0.1:2/v2/models/fraud/versions/1/infer",
         "{\"inputs\":[{\"name\":\"x\",\"shape\":[1],\"datatype\":\"FP64\",\"data\":"
         "[0.10000000000000001]}]}"},
        {DRIVER_SAMPLE, 0, "GET", "http://127.0.0.1:3/metrics", NULL},
        {DRIVER_HEALTH, 0, "GET", "http://127.0.0.1:1/v2/health/live", NULL},
    };
    const struct driver *d = driver_find("v2");
    struct arena arena CLEANUP(arena_clear);
    struct http_call call;
    struct err e;

    (void)state;
    arena_init(&arena);
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct driver_request rq = request_of(urls[i].action);

        rq.other = 7;
        assert_int_equal(d->make(&node, &rq, urls[i].k, &arena, &call, &e), ERR_OK);
        assert_string_equal(call.method, urls[i].method);
        assert_string_equal(call.url, urls[i].url);
        if (urls[i].body == NULL) {
            assert_null(call.body);
        } else {
            assert_int_equal(call.body_len, strlen(urls[i].body));
            assert_memory_equal(call.body, urls[i].body, call.body_len);
        }
    }
}

static void test_bad_input(void **state)
{
    const struct driver *d = driver_find("v2");
    struct driver_node bare = {.admin_url = "http://h", .infer_url = "http://h"};
    struct driver_request rq = request_of(DRIVER_LOAD);
    struct arena arena CLEANUP(arena_clear);
    struct http_call call;
    struct err e;

    (void)state;
    arena_init(&arena);
    rq.serve_as = "../etc";
    assert_int_equal(d->make(&node, &rq, 0, &arena, &call, &e), ERR_INVALID);
    rq = request_of(DRIVER_GOLDEN);
    rq.golden = "{\"request\":{}}";
    assert_int_equal(d->make(&node, &rq, 0, &arena, &call, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/expect");
    rq = request_of(DRIVER_SAMPLE);
    assert_int_equal(d->make(&bare, &rq, 0, &arena, &call, &e), ERR_INVALID);
    assert_null(driver_find("v9"));
    assert_null(driver_find(NULL));
}

/* Three calls: two versions side by side, the list is sorted and holds proven ones only. */
static void test_observe(void **state)
{
    const struct driver *d = driver_find("v2");
    struct driver_request rq = request_of(DRIVER_OBSERVE);
    struct driver_result out = {0};
    struct http_answer a[] = {recorded("index_two"), recorded("ready_200"), recorded("ready_404")};

    (void)state;
    rq.number = 3;
    rq.other = 1;
    assert_int_equal(d->n_calls(&rq), 3);
    assert_true(d->read(&rq, 0, &a[0], &out));
    assert_int_equal(out.n_ready, 0); /* the index says READY for a version that failed to load */
    assert_true(d->read(&rq, 1, &a[1], &out));
    assert_false(d->read(&rq, 2, &a[1], &out));
    assert_true(out.is_alive && out.number_is_ready);
    assert_int_equal(out.n_ready, 2);
    assert_true(out.ready[0] == 1 && out.ready[1] == 3);

    memset(&out, 0, sizeof(out));
    assert_true(d->read(&rq, 0, &a[0], &out));
    assert_true(d->read(&rq, 1, &a[2], &out));
    assert_false(d->read(&rq, 2, &a[1], &out));
    assert_false(out.number_is_ready);
    assert_true(out.is_alive && out.n_ready == 1 && out.ready[0] == 1);
    for (size_t i = 0; i < ARRAY_LEN(a); i++)
        http_answer_clear(&a[i]);
}

static void test_sample(void **state)
{
    const struct driver *d = driver_find("v2");
    struct driver_request rq = request_of(DRIVER_SAMPLE);
    struct driver_result out = {0};
    struct http_answer a = recorded("metrics");

    (void)state;
    assert_false(d->read(&rq, 0, &a, &out));
    assert_true(out.has_counters);
    assert_int_equal(out.n_success, 4); /* versions 1, 4 and None together */
    assert_int_equal(out.n_failure, 3); /* also for a version that is not there */
    assert_int_equal(out.duration_us, 4165 + 11 + 485 + 487);
    memset(&out, 0, sizeof(out));
    rq.serve_as = "frau";
    assert_false(d->read(&rq, 0, &a, &out));
    assert_true(out.has_counters && out.n_success == 0 && out.n_failure == 0);
    http_answer_clear(&a);
}

/* One page for many models; Triton's names; a page that counts something else. */
static void test_scrape(void **state)
{
    static const char *const names[] = {"a", "b", "fraud"};
    static const char triton[] =
        "# HELP nv_inference_request_success Number of successful inference requests\n"
        "# TYPE nv_inference_request_success counter\n"
        "nv_inference_request_success{model=\"b\",version=\"1\"} 7\n"
        "nv_inference_request_success{model=\"b\",version=\"2\"} 3\n"
        "nv_inference_request_failure{model=\"b\",version=\"2\",reason=\"BACKEND\"} 2\n"
        "nv_inference_request_failure{model=\"b\",version=\"2\",reason=\"OTHER\"} 1\n"
        "nv_inference_request_failure{model=\"bb\",version=\"2\",reason=\"OTHER\"} 100\n"
        "nv_inference_request_duration_us{model=\"b\",version=\"1\"} 1500\n";
    const struct driver *d = driver_find("v2");
    struct driver_counts counts[ARRAY_LEN(names)];
    struct driver_result fault = {0};
    struct driver_page page;
    struct http_answer a = recorded("metrics");

    (void)state;
    assert_true(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_true(page.has_samples && page.has_requests);
    assert_true(!counts[0].is_there && !counts[1].is_there && counts[2].is_there);
    assert_int_equal(counts[2].n_success, 4);
    assert_int_equal(counts[2].n_failure, 3);
    http_answer_clear(&a);

    a = answer_of(200, triton);
    assert_true(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_true(page.has_requests && counts[1].is_there && !counts[2].is_there);
    assert_int_equal(counts[1].n_success, 10);
    assert_int_equal(counts[1].n_failure, 3);
    assert_int_equal(counts[1].duration_us, 1500);
    http_answer_clear(&a);

    a = recorded("metrics_empty"); /* nothing was asked yet, but it would be counted */
    assert_true(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_true(page.has_requests && !counts[2].is_there);
    http_answer_clear(&a);

    a = answer_of(200, "# HELP nv_cpu_utilization CPU utilization rate [0.0 - 1.0]\n"
                       "# TYPE nv_cpu_utilization gauge\nnv_cpu_utilization 1\n");
    assert_true(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_true(page.has_requests && !counts[2].is_there); /* Triton without a model */
    http_answer_clear(&a);

    a = answer_of(200, "# HELP up x\nup 1\n");
    assert_true(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_true(page.has_samples && !page.has_requests);
    http_answer_clear(&a);

    a = answer_of(200, "<html>");
    assert_false(d->scrape(&a, names, ARRAY_LEN(names), counts, &page, &fault));
    assert_int_equal(fault.fault, FAULT_NOT_FOUND);
    http_answer_clear(&a);
}

#define REST(path, le, n)                                                        \
    "rest_server_request_duration_seconds_bucket{app_name=\"mlserver\",le=\"" le \
    "\",method=\"POST\",path=\"" path "\",status_code=\"200\"} " n "\n"
#define PLAIN "/v2/models/{model_name}/infer"
#define EXACT "/v2/models/{model_name}/versions/{model_version}/infer"

static void test_histogram(void **state)
{
    static const char rest[] = REST("/v2/health/live", "0.1", "50")
        REST("/v2/health/live", "+Inf", "50") REST(PLAIN, "0.1", "3") REST(PLAIN, "+Inf", "4")
            REST(EXACT, "0.1", "5.0") REST(EXACT, "+Inf", "6.0");
    static const char own[] = "model_infer_request_duration_bucket{model=\"b\",le=\"0.5\"} 1\n"
                              "model_infer_request_duration_bucket{model=\"b\",le=\"+Inf\"} 2\n";
    static const char first[] =
        "nv_inference_first_response_histogram_ms_bucket{model=\"c\",le=\"100\"} 8\n"
        "nv_inference_first_response_histogram_ms_bucket{model=\"c\",le=\"+Inf\"} 9\n";
    const struct driver *d = driver_find("v2");
    struct histogram *h = mem_alloc(sizeof *h);
    enum driver_timing what;
    char all[4096];
    struct http_answer a = answer_of(200, rest);
    int64_t n_total = 0, n_good = 0;

    (void)state;
    assert_true(d->histogram(&a, "b", h, &what));
    assert_int_equal(what, DRIVER_TIMES_SERVER);
    assert_true(histogram_split(h, 0.1, &n_total, &n_good));
    assert_true(n_total == 10 && n_good == 8); /* both ways of asking, nothing else */
    http_answer_clear(&a);

    (void)snprintf(all, sizeof(all), "%s%s%s", own, rest, first);
    a = answer_of(200, all);
    assert_true(d->histogram(&a, "b", h, &what));
    assert_int_equal(what, DRIVER_TIMES_MODEL);
    assert_true(histogram_split(h, 0.5, &n_total, &n_good) && n_total == 2 && n_good == 1);
    assert_true(d->histogram(&a, "c", h, &what));
    assert_int_equal(what, DRIVER_TIMES_FIRST_RESPONSE);
    http_answer_clear(&a);

    a = recorded("metrics_rest"); /* durations per path only, with and without a version */
    assert_true(d->histogram(&a, "nope", h, &what));
    assert_int_equal(what, DRIVER_TIMES_SERVER);
    assert_int_equal(h->n_buckets, 15);
    assert_true(histogram_split(h, 0.005, &n_total, &n_good) && n_total == 4 && n_good == 4);
    http_answer_clear(&a);

    a = recorded("metrics");
    assert_false(d->histogram(&a, "fraud", h, &what));
    http_answer_clear(&a);
    free(h);
}

struct golden_case {
    const char *golden, *answer;
    bool is_same;
};

static const struct golden_case goldens[] = {
    {GOLDEN("{}"), "{\"a\":1}", true},
    {GOLDEN("{\"a\":1}"), "{\"a\":1.0000000001,\"b\":2}", true},
    {GOLDEN("{\"a\":1}"), "{\"a\":1.1}", false},
    {GOLDEN("{\"a\":1},\"tolerance\":0.2"), "{\"a\":1.1}", true},
    {GOLDEN("{\"a\":1},\"tolerance\":\"0.2\""), "{\"a\":1.1}", true},
    {GOLDEN("{\"a\":1}"), "{}", false},
    {GOLDEN("{\"a\":\"x\"}"), "{\"a\":\"x\"}", true},
    {GOLDEN("{\"a\":\"x\"}"), "{\"a\":\"X\"}", false},
    {GOLDEN("{\"a\":true}"), "{\"a\":false}", false},
    {GOLDEN("{\"a\":1}"), "{\"a\":\"1\"}", false},
    {GOLDEN("{\"a\":[1,[2,3]]}"), "{\"a\":[1,[2,3]]}", true},
    {GOLDEN("{\"a\":[1,[2,3]]}"), "{\"a\":[1,2,3]}", false},
    {GOLDEN("{\"data\":[1,[2,3]]}"), "{\"data\":[1,2,3]}", true},
    {GOLDEN("{\"data\":[1,2]}"), "{\"data\":[1,2,3]}", false},
    {GOLDEN("{\"outputs\":[{\"data\":[1]}]}"), "{\"outputs\":[{\"name\":\"y\",\"data\":[1]}]}",
     true},
    {GOLDEN("{\"outputs\":[{\"name\":\"y\",\"data\":[1]}]}"),
     "{\"outputs\":[{\"name\":\"x\",\"data\":[0]},{\"name\":\"y\",\"data\":[1]}]}", true},
    {GOLDEN("{\"outputs\":[{\"name\":\"z\"}]}"), "{\"outputs\":[{\"name\":\"y\"}]}", false},
    {GOLDEN("{\"a\":1}"), "[1]", false},
    {GOLDEN("{\"a\":1}"), "", false},
};

static void test_golden(void **state)
{
    const struct driver *d = driver_find("v2");

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(goldens); i++) {
        struct driver_request rq = request_of(DRIVER_GOLDEN);
        struct driver_result out = {0};
        struct http_answer a = answer_of(200, goldens[i].answer);

        rq.golden = goldens[i].golden;
        assert_false(d->read(&rq, 0, &a, &out));
        if (out.fault != (goldens[i].is_same ? FAULT_NONE : FAULT_WRONG_ANSWER))
            fail_msg("golden %zu: %s %s", i, fault_name(out.fault), out.text);
        http_answer_clear(&a);
    }
}

/* A server's words are one clean line of bounded length. */
static void test_words(void **state)
{
    const struct driver *d = driver_find("v2");
    struct driver_request rq = request_of(DRIVER_LOAD);
    struct driver_result out = {0};
    char body[2000];
    struct http_answer a;

    (void)state;
    memset(body, 'x', sizeof(body));
    memcpy(body, "one\ntwo\x01\xff\xc3\xa4", 11);
    body[sizeof(body) - 1] = '\0';
    a = answer_of(500, body);
    assert_false(d->read(&rq, 0, &a, &out));
    assert_non_null(strstr(out.text, "(500): two ?\xc3\xa4x"));
    assert_true(strlen(out.text) < DRIVER_TEXT_BYTES);
    http_answer_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recorded), cmocka_unit_test(test_conformance),
        cmocka_unit_test(test_urls),     cmocka_unit_test(test_bad_input),
        cmocka_unit_test(test_observe),  cmocka_unit_test(test_sample),
        cmocka_unit_test(test_scrape),   cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_golden),   cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
