/*
 * The guard: heads that two parsers would read differently, and disguised paths. Credentials too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "credentials.h"
#include "guard.h"
#include "mem.h"

#define MAX_FIELDS 6

struct head_case {
    const char *label, *method, *version;
    struct head_field fields[MAX_FIELDS];
    int status;
};

static struct head make_head(const struct head_case *c)
{
    struct head h = {.method = c->method,
                     .path = "/x",
                     .query = "",
                     .version = c->version,
                     .remote = "127.0.0.1"};
    for (int i = 0; i < MAX_FIELDS && c->fields[i].name; i++)
        h.fields[h.n_fields++] = c->fields[i];
    return h;
}

#define HOST        \
    {               \
        "Host", "x" \
    }

static const struct head_case head_cases[] = {
    {"plain", "GET", "1.1", {HOST}, 0},
    {"no host", "GET", "1.1", {{"Accept", "*"}}, 400},
    {"no host in 1.0", "GET", "1.0", {{"Accept", "*"}}, 0},
    {"two hosts", "GET", "1.1", {HOST, {"host", "y"}}, 400},
    {"length", "POST", "1.1", {HOST, {"Content-Length", "5"}}, 0},
    {"length 0", "POST", "1.1", {HOST, {"Content-Length", "0"}}, 0},
    {"two equal lengths",
     "POST",
     "1.1",
     {HOST, {"Content-Length", "5"}, {"content-length", "5"}},
     400},
    {"plus", "POST", "1.1", {HOST, {"Content-Length", "+5"}}, 400},
    {"minus", "POST", "1.1", {HOST, {"Content-Length", "-5"}}, 400},
    {"letters", "POST", "1.1", {HOST, {"Content-Length", "5a"}}, 400},
    {"list", "POST", "1.1", {HOST, {"Content-Length", "5, 5"}}, 400},
    {"empty length", "POST", "1.1", {HOST, {"Content-Length", ""}}, 400},
    {"2^70", "POST", "1.1", {HOST, {"Content-Length", "1180591620717411303424"}}, 400},
    {"chunked", "PUT", "1.1", {HOST, {"Transfer-Encoding", "chunked"}}, 0},
    {"chunked, other case", "PUT", "1.1", {HOST, {"Transfer-Encoding", "Chunked"}}, 0},
    {"gzip", "PUT", "1.1", {HOST, {"Transfer-Encoding", "gzip, chunked"}}, 400},
    {"chunked twice",
     "PUT",
     "1.1",
     {HOST, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
     400},
    {"both", "PUT", "1.1", {HOST, {"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}}, 400},
    {"chunked in 1.0", "PUT", "1.0", {HOST, {"Transfer-Encoding", "chunked"}}, 400},
    {"post without", "POST", "1.1", {HOST}, 411},
    {"put without", "PUT", "1.1", {HOST}, 411},
    {"patch without", "PATCH", "1.1", {HOST}, 411},
    {"delete without", "DELETE", "1.1", {HOST}, 0},
    {"continue", "PUT", "1.1", {HOST, {"Content-Length", "9"}, {"Expect", "100-continue"}}, 0},
    {"other expectation", "PUT", "1.1", {HOST, {"Content-Length", "9"}, {"Expect", "cake"}}, 417},
    {"two tokens", "GET", "1.1", {HOST, {"Authorization", "a"}, {"Authorization", "b"}}, 400},
};

static void test_heads(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(head_cases); i++) {
        struct head h = make_head(&head_cases[i]);
        struct guard g;
        guard_check(&h, &g);
        if (g.status != head_cases[i].status)
            fail_msg("%s: %d, not %d", head_cases[i].label, g.status, head_cases[i].status);
        assert_true((g.status == 0) == (g.detail == NULL));
    }
}

static void test_what_passes(void **state)
{
    (void)state;
    struct head_case c = {"",
                          "PUT",
                          "1.1",
                          {HOST, {"Content-Length", "900000000000"}, {"Expect", "100-Continue"}},
                          0};
    struct head h = make_head(&c);
    struct guard g;
    guard_check(&h, &g);
    assert_int_equal(g.content_length, 900000000000);
    assert_true(g.has_body && g.expects_continue && g.wants_keep_alive && !g.is_old);
    c = (struct head_case){"", "GET", "1.1", {HOST, {"Connection", "foo , Close"}}, 0};
    h = make_head(&c);
    guard_check(&h, &g);
    assert_false(g.wants_keep_alive);
    assert_int_equal(g.content_length, -1);
    c = (struct head_case){"", "GET", "1.0", {HOST, {"Connection", "Keep-Alive"}}, 0};
    h = make_head(&c);
    guard_check(&h, &g);
    assert_true(g.wants_keep_alive && g.is_old);
}

static void test_many_fields(void **state)
{
    (void)state;
    struct head h = {.method = "GET", .path = "/", .query = "", .version = "1.1"};
    struct guard g;
    for (int n = 1; n <= HEAD_MAX_HEADERS; n++) {
        h.fields[n - 1] = (struct head_field){n == 1 ? "Host" : "X", "y"};
        h.n_fields = n;
        guard_check(&h, &g);
        assert_int_equal(g.status, n < 64 ? 0 : 431);
    }
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const good[] = {
        "/",      "/a",   "/a/b", "/a//b",   "/%41",      "/team%2Ffraud", "/...",
        "/.a",    "/a.",  "/..a", "/%C3%A9", "/\xC3\xA9", "/%e2%82%ac",    "/%F0%9F%98%80",
        "/a%20b", "/%25", "/a/"};
    static const char *const bad[] = {
        "",         "a",       "*",          "/.",      "/..",
        "/a/..",    "/../a",   "/a/./b",     "/%2e",    "/%2E%2e",
        "/.%2e/x",  "/%00",    "/a%00b",     "/%",      "/%4",
        "/%4/",     "/%zz",    "/%ff",       "/\xff",   "/%c3",
        "/%c3/%a9", "/%c3%28", "/%ed%a0%80", "/%c0%af", "/%f4%90%80%80",
        "http://x/"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (guard_path(good[i]))
            fail_msg("%s: %s", good[i], guard_path(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!guard_path(bad[i]))
            fail_msg("%s passed", bad[i]);
    assert_non_null(guard_path(NULL));
}

static void test_tokens_of_lists(void **state)
{
    (void)state;
    struct head h = {.n_fields = 2,
                     .fields = {{"Connection", "TE, keep-alive"}, {"connection", "x"}}};
    assert_true(head_has_token(&h, "Connection", "te"));
    assert_true(head_has_token(&h, "Connection", "X"));
    assert_false(head_has_token(&h, "Connection", "keep"));
    assert_int_equal(head_count(&h, "CONNECTION"), 2);
    assert_null(head_get(&h, "Host"));
}

static void test_credentials(void **state)
{
    (void)state;
    static const struct {
        const char *field, *token;
    } rows[] = {{"Bearer abc", "abc"},
                {"bearer   abc", "abc"},
                {"Bearer ", NULL},
                {"Bearer", NULL},
                {"Basic Z2l0OmFiYw==", "abc"},
                {"Basic Z2l0OmE6Yg==", "a:b"},
                {"Basic Z2l0", NULL},
                {"Basic !!!!", NULL},
                {"Basic ", NULL},
                {"Basic Z2l0OgBhYg==", NULL},
                {"Digest abc", NULL},
                {"", NULL}};
    char token[CREDENTIALS_MAX_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_found = credentials_token(rows[i].field, token);
        if (is_found != (rows[i].token != NULL))
            fail_msg("%s", rows[i].field);
        assert_string_equal(token, rows[i].token ? rows[i].token : "");
    }
    char large[2000] = "Bearer ";
    memset(large + 7, 'a', 1000);
    assert_false(credentials_token(large, token));
}

static void test_forwarded(void **state)
{
    (void)state;
    char address[48] = "";
    assert_true(credentials_forwarded("6.6.6.6, 10.0.0.7", address));
    assert_string_equal(address, "10.0.0.7");
    assert_true(credentials_forwarded("2001:db8::1", address));
    assert_string_equal(address, "2001:db8::1");
    assert_false(credentials_forwarded("", address));
    assert_false(credentials_forwarded("10.0.0.7, evil", address));
    assert_false(credentials_forwarded("1.2.3.4,", address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),           cmocka_unit_test(test_what_passes),
        cmocka_unit_test(test_many_fields),     cmocka_unit_test(test_paths),
        cmocka_unit_test(test_tokens_of_lists), cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_forwarded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
