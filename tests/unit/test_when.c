/* Times and durations as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "when.h"

static void test_parse(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01 00:00:00Z", 0},
        {"2026-05-03T10:00:00+02:00", 1777795200000},
        {"2026-05-03T08:00:00Z", 1777795200000},
        {"2026-05-03T08:00:00-00:00", 1777795200000},
        {"2026-05-03T08:00:00.5Z", 1777795200500},
        {"2026-05-03T08:00:00.123999999999999999999Z", 1777795200123},
        {"2026-05-03", 1777852799999},
        {"2026-05-03T08:00", 1777795200000},
        {"2026-05-03 08:00", 1777795200000},
        {"2026-05-03T08:00:00", 1777795200000},
        {"2026-05-03T08:00:00.5", 1777795200500},
        {"2026-05-03T10:00+02:00", 1777795200000},
        {"1969-12-31T23:59:59.999Z", -1},
        {"2000-02-29", 951868799999},
        {"2016-12-31T23:59:60Z", 1483228800000},
        {"0000-01-01T00:00:00Z", -62167219200000},
        {"9999-12-31T23:59:59.999Z", 253402300799999},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        int64_t ms = 0;
        if (when_parse(cases[i].text, &ms, &e) != ERR_OK)
            fail_msg("%s", e.message);
        if (ms != cases[i].ms)
            fail_msg("%s: %lld", cases[i].text, (long long)ms);
    }
}

static void test_parse_refuses(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "2026",
        "2026-5-3",
        "2026-13-01",
        "2026-00-01",
        "2026-02-29",
        "1900-02-29",
        "2026-04-31",
        "2026-05-03T",
        "2026-05-03T10",
        "2026-05-03T10:",
        "2026-05-03T10:00:",
        "2026-05-03T10:00.5Z",
        "2026-05-03T10:00 ",
        "2026-05-03T24:00:00Z",
        "2026-05-03T10:60:00Z",
        "2026-05-03T10:00:61Z",
        "2026-05-03T10:00:60Z",
        "2026-05-03T10:00:00.Z",
        "2026-05-03T10:00:00+0200",
        "2026-05-03T10:00:00+24:00",
        "2026-05-03T10:00:00+02:60",
        "2026-05-03T10:00:00Zx",
        "2026-05-03x",
        " 2026-05-03",
        "-2026-05-03",
        "2026-05-03T-1:00:00Z",
        "0000-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 42;
        if (when_parse(cases[i], &ms, NULL) != ERR_INVALID || ms != 42)
            fail_msg("\"%s\" was accepted", cases[i]);
    }
    int64_t ms = 0;
    assert_int_equal(when_parse(NULL, &ms, NULL), ERR_INVALID);
}

static void test_parse_past(void **state)
{
    (void)state;
#define NOON INT64_C(1777809600000) /* 2026-05-03T12:00:00Z */
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"2026-05-03", NOON},
        {"2026-05-02", NOON - 43200001},
        {"2026-05-04", NOON + 129599999},
        {"2026-05-03T12:30", NOON + 1800000},
        {"2026-05-03T11:30", NOON - 1800000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = 0;
        assert_int_equal(when_parse_past(cases[i].text, NOON, &ms, NULL), ERR_OK);
        assert_int_equal(ms, cases[i].ms);
    }
    int64_t ms = 0;
    assert_int_equal(when_parse_past("today", NOON, &ms, NULL), ERR_INVALID);
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00Z"},
        {1795231409123, "2026-11-21T03:23:29.123Z"},
        {1795231409007, "2026-11-21T03:23:29.007Z"},
        {-1, "1969-12-31T23:59:59.999Z"},
        {951782400000, "2000-02-29T00:00:00Z"},
        {INT64_MAX, "9999-12-31T23:59:59.999Z"},
        {INT64_MIN, "0000-01-01T00:00:00Z"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[WHEN_TEXT_BYTES];
        assert_string_equal(when_format(cases[i].ms, text), cases[i].text);
    }
}

/* Every day of ten thousand years against libc, and back again. */
static void test_every_day(void **state)
{
    (void)state;
    for (int64_t day = -719528; day <= 2932896; day++) {
        char text[WHEN_TEXT_BYTES];
        char want[WHEN_TEXT_BYTES * 3];
        time_t t = (time_t)(day * 86400 + 3661);
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        snprintf(want, sizeof want, "%04d-%02d-%02dT01:01:01Z", tm.tm_year + 1900, tm.tm_mon + 1,
                 tm.tm_mday);
        when_format((int64_t)t * 1000, text);
        int64_t ms = 0;
        if (strcmp(text, want) != 0 || when_parse(text, &ms, NULL) != ERR_OK ||
            ms != (int64_t)t * 1000)
            fail_msg("%s is not %s", text, want);
    }
}

static void test_parse_duration(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } cases[] = {
        {"0", 0},
        {"0s", 0},
        {"250ms", 250},
        {"90s", 90000},
        {"1h30m", 5400000},
        {"1d2h3m4s5ms", 93784005},
        {"1m1ms", 60001},
        {"3650d", 315360000000},
        {"", -1},
        {"5", -1},
        {"00", -1},
        {"s", -1},
        {"1s1s", -1},
        {"1s1m", -1},
        {"1ms1s", -1},
        {"1.5s", -1},
        {"-1s", -1},
        {"+1s", -1},
        {"1 s", -1},
        {"1h 30m", -1},
        {" 1h", -1},
        {"1h0", -1},
        {"1w", -1},
        {"1S", -1},
        {"3650d1ms", -1},
        {"3651d", -1},
        {"99999999999999999999999d", -1},
        {"315360000000s", -1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t ms = -1;
        int rc = when_parse_duration(cases[i].text, &ms, NULL);
        if (ms != cases[i].ms || rc != (ms < 0 ? ERR_INVALID : ERR_OK))
            fail_msg("\"%s\": %lld", cases[i].text, (long long)ms);
    }
    int64_t ms = 0;
    assert_int_equal(when_parse_duration(NULL, &ms, NULL), ERR_INVALID);
}

static void test_format_duration(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } cases[] = {
        {0, "0ms"},
        {1, "1ms"},
        {350, "350ms"},
        {999, "999ms"},
        {1000, "1s"},
        {1099, "1s"},
        {4250, "4.2s"},
        {59999, "59.9s"},
        {60000, "1m"},
        {61500, "1m 1s"},
        {3600000, "1h"},
        {5400000, "1h 30m"},
        {5459999, "1h 30m"},
        {86399999, "23h 59m"},
        {86400000, "1d"},
        {97200000, "1d 3h"},
        {-4250, "-4.2s"},
        {INT64_MIN, "-106751991167d 7h"},
        {INT64_MAX, "106751991167d 7h"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[WHEN_TEXT_BYTES];
        assert_string_equal(when_format_duration(cases[i].ms, text), cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),           cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_parse_past),      cmocka_unit_test(test_format),
        cmocka_unit_test(test_every_day),       cmocka_unit_test(test_parse_duration),
        cmocka_unit_test(test_format_duration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
