/*
 * Queries to Prometheus: words put into them, names as regular expressions, and what its answers
 * (and those of others who sit at its address) mean.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "promql.h"

static void test_expand(void **state)
{
    static const struct promql_word words[] = {{"canary", "n1|n2"}, {"model", "fraud"}, {"x", ""}};
    static const struct {
        const char *query, *want;
    } cases[] = {
        {"up", "up"},
        {"", ""},
        {"a{node=~\"$canary\",model=\"$model\"}", "a{node=~\"n1|n2\",model=\"fraud\"}"},
        {"$canary_count $canaries $ $$model$x.", "$canary_count $canaries $ $fraud."},
        {"$model", "fraud"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out CLEANUP(buf_clear);
        buf_init(&out, 1000);
        promql_expand(cases[i].query, words, ARRAY_LEN(words), &out);
        assert_string_equal(buf_str(&out), cases[i].want);
    }
}

static void test_names(void **state)
{
    struct buf out CLEANUP(buf_clear);
    (void)state;
    buf_init(&out, 1000);
    promql_add_name(&out, "node-1");
    promql_add_name(&out, "a.b");
    promql_add_name(&out, "c\"d\\");
    assert_string_equal(buf_str(&out), "node-1|a\\\\.b|c\\\\\\\"d\\\\\\\\");
    buf_reset(&out);
    promql_add_quoted(&out, "a \"b\" \\");
    assert_string_equal(buf_str(&out), "a \\\"b\\\" \\\\");
    buf_reset(&out);
    promql_body("a{b=\"1\"} + 2", &out);
    assert_string_equal(buf_str(&out), "query=a%7Bb%3D%221%22%7D%20%2B%202");
}

#define VECTOR(items) \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" items "]}}"
#define ITEM(v) "{\"metric\":{},\"value\":[1.5,\"" v "\"]}"

struct read_case {
    int status;
    const char *body;
    bool has_max, has_min;
    enum window_look look;
    int64_t micro;
    const char *why;
};

static const struct read_case reads[] = {
    {200, VECTOR(ITEM("0.25")), true, false, WINDOW_VALUE, 250000, ""},
    {200, VECTOR(ITEM("-1e-3")), true, false, WINDOW_VALUE, -1000, ""},
    /* of several the worst counts */
    {200, VECTOR(ITEM("1") "," ITEM("3") "," ITEM("2")), true, false, WINDOW_VALUE, 3000000, ""},
    {200, VECTOR(ITEM("1") "," ITEM("3") "," ITEM("0.5")), false, true, WINDOW_VALUE, 500000, ""},
    /* limits 1 and 0: 2 is further away than -0.5 */
    {200, VECTOR(ITEM("-0.5") "," ITEM("2")), true, true, WINDOW_VALUE, 2000000, ""},
    {200, VECTOR(ITEM("NaN") "," ITEM("2")), true, false, WINDOW_VALUE, 2000000, ""},
    {200, VECTOR(ITEM("NaN")), true, false, WINDOW_EMPTY, 0, ""},
    {200, VECTOR(ITEM("+Inf")), true, false, WINDOW_VALUE, INT64_C(9000000000000000000), ""},
    {200, VECTOR(""), true, false, WINDOW_EMPTY, 0, ""},
    {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"scalar\",\"result\":[1,\"7\"]}}",
     true, false, WINDOW_VALUE, 7000000, ""},
    {200, "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[]}}", true,
     false, WINDOW_ERROR, 0, "no vector"},
    {400, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error at 4\"}", true,
     false, WINDOW_ERROR, 0, "400: parse error at 4"},
    {503, "{\"status\":\"error\"}", true, false, WINDOW_ERROR, 0, "503: no reason given"},
    {200, "{\"status\":\"error\",\"error\":\"x\"}", true, false, WINDOW_ERROR, 0, "200: x"},
    {502, "<html>", true, false, WINDOW_ERROR, 0, "502 without JSON"},
    {200, "[]", true, false, WINDOW_ERROR, 0, "200 without JSON"},
    {200, "{}", true, false, WINDOW_ERROR, 0, "200"},
    {200, VECTOR("1,null,{\"value\":[1]},{\"value\":[1,2]}"), true, false, WINDOW_EMPTY, 0, ""},
};

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
        const struct read_case *c = &reads[i];
        struct window_limits l = {.has_max = c->has_max, .has_min = c->has_min};
        struct window_reading r = {.ts_ms = 5};
        char why[160];
        l.max_micro = c->has_min ? 1000000 : 0;
        promql_read(c->status, c->body, strlen(c->body), &l, &r, why);
        if (r.look != c->look || r.value_micro != c->micro || strstr(why, c->why) == NULL)
            fail_msg("case %zu: look %d value %lld \"%s\"", i, (int)r.look,
                     (long long)r.value_micro, why);
        assert_int_equal(r.ts_ms, 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
