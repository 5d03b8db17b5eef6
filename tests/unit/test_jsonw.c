/* The response writer: whatever it writes, Jansson has to read back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jsonw.h"

static void check_is_json(const struct buf *b)
{
    json_error_t je;
    json_t *j = json_loadb(buf_str(b), b->len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &je);
    if (!j)
        fail_msg("%s: %s", je.text, buf_str(b));
    json_decref(j);
}

static void test_all_calls(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 10000);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "s", "x");
    jsonw_str(&w, "absent", NULL);
    jsonw_strn(&w, "n", "abc", 2);
    jsonw_strf(&w, "f", "%d-%s", 7, "\"");
    jsonw_int(&w, "i", INT64_MIN);
    jsonw_bool(&w, "t", true);
    jsonw_time(&w, "never", 0);
    jsonw_time(&w, "when", 1000);
    jsonw_real(&w, "nan", NAN);
    jsonw_real(&w, "inf", -INFINITY);
    jsonw_array(&w, "list");
    jsonw_int(&w, NULL, 1);
    jsonw_str(&w, NULL, NULL);
    jsonw_object(&w, NULL);
    jsonw_end(&w);
    jsonw_array(&w, NULL);
    jsonw_bool(&w, NULL, false);
    jsonw_end(&w);
    jsonw_end(&w);
    jsonw_raw(&w, "raw", "{\"a\":1}", 7);
    jsonw_object(&w, "k\"\n");
    jsonw_end(&w);
    jsonw_end(&w);
    assert_string_equal(buf_str(&b),
                        "{\"s\":\"x\",\"n\":\"ab\",\"f\":\"7-\\\"\",\"i\":-9223372036854775808,"
                        "\"t\":true,\"when\":\"1970-01-01T00:00:01Z\",\"list\":[1,null,{},[false]],"
                        "\"raw\":{\"a\":1},\"k\\\"\\n\":{}}");
    check_is_json(&b);
    assert_int_equal(w.depth, 0);
}

static void test_text(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *out;
    } cases[] = {
        {"", 0, "\"\""},
        {"a\"b\\c/", 6, "\"a\\\"b\\\\c/\""},
        {"\b\f\n\r\t", 5, "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1F\x7F\0", 4, "\"\\u0001\\u001f\x7F\\u0000\""},
        {"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", 9, "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\""},
        {"a\xFF"
         "b",
         3,
         "\"a\xEF\xBF\xBD"
         "b\""},
        {"\xC3", 1, "\"\xEF\xBF\xBD\""},                                 /* cut off */
        {"\xC0\x80", 2, "\"\xEF\xBF\xBD\xEF\xBF\xBD\""},                 /* overlong */
        {"\xED\xA0\x80", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* surrogate */
        {"\xF4\x90\x80\x80", 4, "\"\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\""},
        {"\xC3\"", 2, "\"\xEF\xBF\xBD\\\"\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_clear) struct buf b;
        buf_init(&b, 1000);
        struct jsonw w;
        jsonw_init(&w, &b);
        jsonw_strn(&w, NULL, cases[i].in, cases[i].n);
        assert_string_equal(buf_str(&b), cases[i].out);
        check_is_json(&b);
    }
}

static void test_every_byte_pair_is_valid_json(void **state)
{
    (void)state;
    for (unsigned x = 0; x < 65536; x++) {
        const char two[2] = {(char)(x >> 8), (char)(x & 255)};
        CLEANUP(buf_clear) struct buf b;
        buf_init(&b, 100);
        struct jsonw w;
        jsonw_init(&w, &b);
        jsonw_strn(&w, NULL, two, 2);
        check_is_json(&b);
    }
}

static void test_reals(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *out;
    } cases[] = {
        {0, "0"},
        {-0.0, "0"},
        {0.5, "0.5"},
        {-1.25, "-1.25"},
        {100, "100"},
        {1234567.891, "1234567.891"},
        {0.1234567, "0.123457"},
        {0.000012345678, "1.23457e-05"},
        {1e15, "1e+15"},
        {1e300, "1e+300"},
        {999999999999999.0, "999999999999999"},
        {2.0000004, "2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_clear) struct buf b;
        buf_init(&b, 1000);
        struct jsonw w;
        jsonw_init(&w, &b);
        jsonw_real(&w, NULL, cases[i].v);
        assert_string_equal(buf_str(&b), cases[i].out);
        check_is_json(&b);
    }
}

static void test_long_formatted_text(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 10000);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_strf(&w, NULL, "%*d", 5000, 1);
    assert_int_equal(b.len, 5002);
    check_is_json(&b);
}

static void test_overflow_shows(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 10);
    struct jsonw w;
    jsonw_init(&w, &b);
    jsonw_array(&w, NULL);
    for (int i = 0; i < 100; i++)
        jsonw_str(&w, NULL, "text");
    jsonw_end(&w);
    assert_false(buf_ok(&b));
    assert_true(b.len <= 10);
}

static void misuse(int which)
{
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 1000);
    struct jsonw w;
    jsonw_init(&w, &b);
    if (which == 0)
        jsonw_end(&w);
    if (which == 1)
        jsonw_int(&w, "key at the top", 1);
    jsonw_object(&w, NULL);
    if (which == 2)
        jsonw_int(&w, NULL, 1);
    jsonw_array(&w, "a");
    for (int i = 0; which == 3 && i < JSONW_MAX_DEPTH; i++)
        jsonw_array(&w, NULL);
}

/* Misuse is a bug and stops the process, also in a release build: tried in children. */
static void test_misuse_stops(void **state)
{
    (void)state;
    for (int which = 0; which < 5; which++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            if (!freopen("/dev/null", "w", stderr))
                _exit(1);
            misuse(which);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        bool aborted = WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
        assert_true(aborted == (which < 4)); /* 4 is no misuse */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_calls),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_every_byte_pair_is_valid_json),
        cmocka_unit_test(test_reals),
        cmocka_unit_test(test_long_formatted_text),
        cmocka_unit_test(test_overflow_shows),
        cmocka_unit_test(test_misuse_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
