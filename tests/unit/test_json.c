/* JSON in: the parser's limits, typed reads, canonical form, suggestions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

static json_t *parse(const char *text)
{
    struct err e;
    json_t *j = NULL;
    if (json_parse(text, strlen(text), JSON_MAX_DEPTH, &j, &e) != ERR_OK)
        fail_msg("%s: %s", text, e.message);
    return j;
}

static void test_parse_accepts(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "{}",
        "[]",
        "\"x\"",
        "1",
        "-0",
        "1.5e3",
        "true",
        "null",
        " [1, 2]\n",
        "{\"a\":{\"a\":1}}",
        "\"[[[[[[[[[[\"",
        "\"\\\"[[[\"",
        "\"\\\\\"",
        "\"\xC3\xA9\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_decref_ptr) json_t *j = NULL;
        assert_int_equal(json_parse(cases[i], strlen(cases[i]), 2, &j, NULL), ERR_OK);
        assert_non_null(j);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n; /* 0: strlen */
        const char *says;
    } cases[] = {
        {"{", 0, "line 1, column 1"},
        {"{\n\"a\":1,\n x}", 0, "line 3, column 2"},
        {"{\"a\":1,\"a\":2}", 0, "duplicate"},
        {"\"\\u0000\"", 0, "\\u0000"},
        {"{\"\\u0000\":1}", 0, "not valid JSON"},
        {"\"a\0b\"", 5, "not valid JSON"},
        {"1\0", 2, "NUL"},
        {"{}\0{}", 5, "NUL"},
        {"1 2", 0, "end of file expected"},
        {"[1,]", 0, "not valid JSON"},
        {"NaN", 0, "not valid JSON"},
        {"1e999", 0, "not valid JSON"},
        {"9223372036854775808", 0, "too big"},
        {"\"\xFF\"", 0, "decode"},
        {"\"\xC0\x80\"", 0, "decode"},
        {"\"\xED\xA0\x80\"", 0, "decode"},
        {"\"\\ud800\"", 0, "not valid JSON"},
        {"\"a\nb\"", 0, "not valid JSON"},
        {"'a'", 0, "not valid JSON"},
        {"[[[]]]", 0, "line 1, column 3: JSON nested more than 2 deep"},
        {"{\"x\":\n[\n{}]}", 0, "line 3, column 1: JSON nested more than 2 deep"},
        {"\"\\\"\",[[[", 0, "nested"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        json_t *j = NULL;
        size_t n = cases[i].n ? cases[i].n : strlen(cases[i].text);
        if (json_parse(cases[i].text, n, 2, &j, &e) != ERR_INVALID || j)
            fail_msg("case %zu was accepted", i);
        if (!strstr(e.message, cases[i].says))
            fail_msg("case %zu: \"%s\" does not say \"%s\"", i, e.message, cases[i].says);
    }
    struct err e = {0};
    json_t *j = NULL;
    assert_int_equal(json_parse("", 0, 2, &j, &e), ERR_INVALID);
    assert_int_equal(json_parse(NULL, 0, 2, &j, &e), ERR_INVALID);
    assert_int_equal(json_parse("[", 1, 0, &j, NULL), ERR_INVALID);
}

/* What was sent must not come back in a message: it may be a secret. */
static void test_parse_does_not_echo(void **state)
{
    (void)state;
    struct err e = {0};
    json_t *j = NULL;
    const char *text = "{\"token\": hunter2}";
    assert_int_equal(json_parse(text, strlen(text), 9, &j, &e), ERR_INVALID);
    assert_null(strstr(e.message, "hunter2"));
}

static void *parse_deep(void *text)
{
    json_t *j = NULL;
    int rc = json_parse(text, strlen(text), JSON_MAX_DEPTH, &j, NULL);
    json_decref(j);
    return (void *)(intptr_t)rc;
}

/* On the stack that the server's threads have: the limit itself, and far more than it. */
static void test_depth_on_a_small_stack(void **state)
{
    (void)state;
    static const struct {
        size_t depth;
        int rc;
    } cases[] = {
        {JSON_MAX_DEPTH, ERR_OK}, {JSON_MAX_DEPTH + 1, ERR_INVALID}, {1 << 20, ERR_INVALID}};
    pthread_attr_t attr;
    assert_int_equal(pthread_attr_init(&attr), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, 100 * 1024), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        size_t d = cases[i].depth;
        CLEANUP(mem_free_ptr) char *text = mem_alloc(2 * d + 1);
        memset(text, '[', d);
        memset(text + d, ']', d);
        pthread_t thread;
        void *rc = NULL;
        assert_int_equal(pthread_create(&thread, &attr, parse_deep, text), 0);
        assert_int_equal(pthread_join(thread, &rc), 0);
        assert_int_equal((intptr_t)rc, cases[i].rc);
    }
    pthread_attr_destroy(&attr);
}

static void test_reads(void **state)
{
    (void)state;
    CLEANUP(json_decref_ptr)
    json_t *j = parse("{\"s\":\"abc\",\"n\":7,\"b\":true,\"a\":[1,2],\"o\":{}}");
    const char *s = NULL;
    int64_t n = 0;
    bool b = false;
    json_t *sub = NULL;
    assert_int_equal(json_get_str(j, "", "s", 3, &s, NULL), ERR_OK);
    assert_string_equal(s, "abc");
    assert_int_equal(json_opt_str(j, "", "s", 3, &s, NULL), ERR_OK);
    assert_int_equal(json_opt_str(j, "", "absent", 3, &s, NULL), ERR_OK);
    assert_null(s);
    assert_int_equal(json_get_int(j, "", "n", 7, 7, &n, NULL), ERR_OK);
    assert_int_equal(n, 7);
    n = 99;
    assert_int_equal(json_opt_int(j, "", "absent", 0, 1, &n, NULL), ERR_OK);
    assert_int_equal(n, 99);
    assert_int_equal(json_opt_int(j, "", "n", 0, 10, &n, NULL), ERR_OK);
    assert_int_equal(n, 7);
    assert_int_equal(json_opt_bool(j, "", "b", &b, NULL), ERR_OK);
    assert_true(b);
    assert_int_equal(json_opt_bool(j, "", "absent", &b, NULL), ERR_OK);
    assert_true(b);
    assert_int_equal(json_get_array(j, "", "a", 2, &sub, NULL), ERR_OK);
    assert_int_equal(json_array_size(sub), 2);
    assert_int_equal(json_opt_array(j, "", "absent", 2, &sub, NULL), ERR_OK);
    assert_null(sub);
    assert_int_equal(json_opt_object(j, "", "o", &sub, NULL), ERR_OK);
    assert_true(json_is_object(sub));
    assert_int_equal(json_opt_object(j, "", "absent", &sub, NULL), ERR_OK);
    assert_null(sub);
}

/* Each read against each wrong value; outputs stay as they were. */
static void test_reads_refuse(void **state)
{
    (void)state;
    CLEANUP(json_decref_ptr)
    json_t *j = parse("{\"s\":\"abcd\",\"n\":7,\"x\":null,\"a\":[1,2,3],\"f\":1.0}");
    const char *s = "untouched";
    int64_t n = 42;
    bool b = true;
    json_t *sub = j;
    struct err e;
    assert_int_equal(json_get_str(j, "/q", "s", 3, &s, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/q/s");
    assert_string_equal(e.message, "\"s\" must be at most 3 bytes");
    assert_int_equal(json_get_str(j, "", "absent", 3, &s, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/absent");
    assert_string_equal(e.message, "\"absent\" is missing");
    assert_int_equal(json_get_str(j, "", "n", 3, &s, NULL), ERR_INVALID);
    assert_int_equal(json_opt_str(j, "", "x", 3, &s, NULL), ERR_INVALID);
    assert_int_equal(json_opt_str(j, "", "s", 3, &s, NULL), ERR_INVALID);
    assert_int_equal(json_get_int(j, "", "n", 8, 9, &n, &e), ERR_INVALID);
    assert_string_equal(e.message, "\"n\" must be from 8 to 9");
    assert_int_equal(json_get_int(j, "", "n", 5, 6, &n, NULL), ERR_INVALID);
    assert_int_equal(json_get_int(j, "", "f", 0, 9, &n, NULL), ERR_INVALID);
    assert_int_equal(json_get_int(j, "", "absent", 0, 9, &n, NULL), ERR_INVALID);
    assert_int_equal(json_opt_int(j, "", "s", 0, 9, &n, NULL), ERR_INVALID);
    assert_int_equal(json_opt_bool(j, "", "n", &b, NULL), ERR_INVALID);
    assert_int_equal(json_get_array(j, "", "a", 2, &sub, &e), ERR_INVALID);
    assert_string_equal(e.message, "\"a\" must have at most 2 items");
    assert_int_equal(json_get_array(j, "", "absent", 2, &sub, NULL), ERR_INVALID);
    assert_int_equal(json_opt_array(j, "", "s", 2, &sub, NULL), ERR_INVALID);
    assert_int_equal(json_opt_object(j, "", "a", &sub, NULL), ERR_INVALID);
    assert_int_equal(json_get_str(json_object_get(j, "a"), "/a", "s", 9, &s, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/a");
    assert_int_equal(json_opt_str(NULL, "", "s", 9, &s, NULL), ERR_INVALID);
    assert_string_equal(s, "untouched");
    assert_int_equal(n, 42);
    assert_true(b);
    assert_ptr_equal(sub, j);
}

static void test_only(void **state)
{
    (void)state;
    static const char *const known[] = {"name", "strategy", "to", NULL};
    CLEANUP(json_decref_ptr) json_t *good = parse("{\"to\":1,\"name\":2}");
    assert_int_equal(json_only(good, "", known, NULL), ERR_OK);
    CLEANUP(json_decref_ptr) json_t *bad = parse("{\"to\":1,\"stratgy\":2}");
    struct err e;
    assert_int_equal(json_only(bad, "/x", known, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/x/stratgy");
    assert_string_equal(e.message, "\"stratgy\" is unknown; did you mean \"strategy\"?");
    CLEANUP(json_decref_ptr) json_t *odd = parse("{\"a/b~c%s\":1}");
    assert_int_equal(json_only(odd, "", known, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/a~1b~0c%s");
    assert_string_equal(e.message, "\"a/b~c%s\" is unknown");
    CLEANUP(json_decref_ptr) json_t *list = parse("[]");
    assert_int_equal(json_only(list, "", known, NULL), ERR_INVALID);
}

static void test_long_pointer_is_cut(void **state)
{
    (void)state;
    char at[400];
    memset(at, '/', sizeof at - 1);
    at[sizeof at - 1] = '\0';
    CLEANUP(json_decref_ptr) json_t *j = parse("{}");
    const char *s = NULL;
    struct err e;
    assert_int_equal(json_get_str(j, at, at, 9, &s, &e), ERR_INVALID);
    assert_true(strlen(e.pointer) < sizeof e.pointer);
    assert_int_equal(json_get_str(j, at + 145, at, 9, &s, &e), ERR_INVALID);
    assert_true(strlen(e.pointer) < sizeof e.pointer);
    assert_int_equal(json_blame(ERR_OK, "", "k", &e), ERR_OK);
    assert_int_equal(json_blame(ERR_CORRUPT, "/a", "k", &e), ERR_CORRUPT);
    assert_string_equal(e.pointer, "/a/k");
    assert_int_equal(json_blame(ERR_CORRUPT, "/a", "k", NULL), ERR_CORRUPT);
}

static void test_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } cases[] = {
        {"{}", "{}\n"},
        {"[]", "[]\n"},
        {"true", "true\n"},
        {"-9007199254740991", "-9007199254740991\n"},
        {"\"\\u00e9\\/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\\u007f\"",
         "\"\xC3\xA9/\\\"\\\\\\b\\f\\n\\r\\t\\u001f\x7F\"\n"},
        {"{\"b\":[1,{\"y\":{},\"x\":[]}],\"a\":false,\"B\":\"\",\"\xC3\xA9\":0,\"aa\":1}",
         "{\n  \"B\": \"\",\n  \"a\": false,\n  \"aa\": 1,\n  \"b\": [\n    1,\n    {\n"
         "      \"x\": [],\n      \"y\": {}\n    }\n  ],\n  \"\xC3\xA9\": 0\n}\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_decref_ptr) json_t *j = parse(cases[i].in);
        CLEANUP(buf_clear) struct buf out;
        buf_init(&out, 1000);
        assert_int_equal(json_canonical(j, &out, NULL), ERR_OK);
        assert_string_equal(buf_str(&out), cases[i].out);
        /* What was written reads as the same value and is written the same again. */
        CLEANUP(json_decref_ptr) json_t *again = parse(buf_str(&out));
        assert_true(json_equal(j, again));
    }
}

static void test_canonical_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *pointer;
    } cases[] = {
        {"null", ""},    {"{\"a\":[1,{\"b\":null}]}", "/a/1/b"}, {"[0.5]", "/0"},
        {"[1.0]", "/0"}, {"[9007199254740992]", "/0"},           {"[-9007199254740992]", "/0"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        CLEANUP(json_decref_ptr) json_t *j = parse(cases[i].in);
        CLEANUP(buf_clear) struct buf out;
        buf_init(&out, 1000);
        buf_puts(&out, "before");
        assert_int_equal(json_canonical(j, &out, &e), ERR_INVALID);
        assert_string_equal(e.pointer, cases[i].pointer);
        assert_string_equal(buf_str(&out), "before");
    }
}

static void test_canonical_refuses_what_only_code_can_build(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf out;
    buf_init(&out, 100000);
    CLEANUP(json_decref_ptr) json_t *nul = json_stringn("a\0b", 3);
    assert_int_equal(json_canonical(nul, &out, NULL), ERR_INVALID);
    CLEANUP(json_decref_ptr) json_t *bad = json_string_nocheck("\xFF");
    assert_int_equal(json_canonical(bad, &out, NULL), ERR_INVALID);
    CLEANUP(json_decref_ptr) json_t *deep = json_array();
    for (int i = 0; i < JSON_MAX_DEPTH; i++) {
        buf_reset(&out);
        assert_int_equal(json_canonical(deep, &out, NULL), ERR_OK);
        json_t *outer = json_array();
        json_array_append_new(outer, deep);
        deep = outer;
    }
    CLEANUP(json_decref_ptr) json_t *deeper = json_pack("[O]", deep);
    assert_int_equal(json_canonical(deeper, &out, NULL), ERR_INVALID);
    assert_int_equal(json_canonical(NULL, &out, NULL), ERR_INVALID);
    CLEANUP(buf_clear) struct buf small;
    buf_init(&small, 5);
    CLEANUP(json_decref_ptr) json_t *j = parse("[1,2,3]");
    assert_int_equal(json_canonical(j, &small, NULL), ERR_TOO_LARGE);
    assert_string_equal(buf_str(&small), "");
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const list[] = {"promote", "push", "pull", "rollback", "show", NULL};
    static const struct {
        const char *word;
        const char *want;
    } cases[] = {
        {"promot", "promote"}, {"pormote", "promote"},    {"pus", "push"},  {"pull", "pull"},
        {"roll", "rollback"},  {"rollbackk", "rollback"}, {"xyzzy", NULL},  {"", NULL},
        {"sh", "show"},        {"shwo", "show"},          {"deploy", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *got = json_nearest(cases[i].word, list);
        if (cases[i].want)
            assert_string_equal(got, cases[i].want);
        else
            assert_null(got);
    }
    char longer[300];
    memset(longer, 'p', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_null(json_nearest(longer, list));
    assert_null(json_nearest("x", NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_accepts),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_does_not_echo),
        cmocka_unit_test(test_depth_on_a_small_stack),
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_reads_refuse),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_long_pointer_is_cut),
        cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_canonical_refuses),
        cmocka_unit_test(test_canonical_refuses_what_only_code_can_build),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
