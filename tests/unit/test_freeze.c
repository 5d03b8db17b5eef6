/* Freeze windows: what is read, when one holds, until when, and when it begins next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "freeze.h"
#include "when.h"

static void test_parse(void **state)
{
    static const struct {
        const char *text, *shown; /* NULL: refused */
    } cases[] = {
        {"Fri 16:00-Mon 08:00", "fri 16:00-mon 08:00"},
        {"friday 16:00 \xe2\x80\x93 MONDAY 8:00 UTC", "fri 16:00-mon 08:00"},
        {"Fri 16:00 \xe2\x80\x94 Mon 08:00", "fri 16:00-mon 08:00"},
        {"mon 00:00-mon 24:00", "mon 00:00-tue 00:00"},
        {"Sun 23:59-Sun 24:00", "sun 23:59-mon 00:00"},
        {"Sat 00:00-Sun 24:00", "sat 00:00-mon 00:00"},
        {"", NULL},
        {"Fri 16:00", NULL},
        {"Fri 16:00-", NULL},
        {"Fri 16-Mon 8", NULL},
        {"Fra 16:00-Mon 08:00", NULL},
        {"Fri 25:00-Mon 08:00", NULL},
        {"Fri 24:01-Mon 08:00", NULL},
        {"Fri 16:60-Mon 08:00", NULL},
        {"Fri 16:00-Mon 08:00 CET", NULL},
        {"Fri 16:00-Fri 16:00", NULL},
        {"Fri 16:00-Mon 08:000", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct freeze_week week;
        struct err e = {0};
        char text[FREEZE_TEXT_BYTES];
        int rc = freeze_parse_week(cases[i].text, &week, &e);

        if (cases[i].shown == NULL) {
            assert_int_equal(rc, ERR_INVALID);
            continue;
        }
        assert_int_equal(rc, ERR_OK);
        assert_string_equal(freeze_format_week(&week, text), cases[i].shown);
    }
}

static int64_t at(const char *text)
{
    struct err e;
    int64_t ms = 0;

    if (text != NULL)
        assert_int_equal(when_parse(text, &ms, &e), ERR_OK);
    return ms;
}

/* until and next: NULL means open or never. 2026-11-20 was a Friday. */
static void test_holds(void **state)
{
    static const struct {
        const char *from, *until, *weekly, *now;
        bool holds;
        const char *end, *next;
    } cases[] = {
        {NULL, NULL, NULL, "2026-11-20T00:00:00Z", true, NULL, NULL},
        {"2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", NULL, "2026-11-20T09:59:59.999Z", false,
         NULL, "2026-11-20T10:00:00Z"},
        {"2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", NULL, "2026-11-20T10:00:00Z", true,
         "2026-11-21T10:00:00Z", NULL},
        {"2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z", NULL, "2026-11-21T10:00:00Z", false, NULL,
         NULL},
        {NULL, NULL, "Fri 16:00-Mon 08:00", "2026-11-20T15:59:59Z", false, NULL,
         "2026-11-20T16:00:00Z"},
        {NULL, NULL, "Fri 16:00-Mon 08:00", "2026-11-20T16:00:00Z", true, "2026-11-23T08:00:00Z",
         "2026-11-27T16:00:00Z"},
        {NULL, NULL, "Fri 16:00-Mon 08:00", "2026-11-23T07:59:59Z", true, "2026-11-23T08:00:00Z",
         "2026-11-27T16:00:00Z"},
        {NULL, NULL, "Fri 16:00-Mon 08:00", "2026-11-23T08:00:00Z", false, NULL,
         "2026-11-27T16:00:00Z"},
        {NULL, NULL, "Tue 09:00-Tue 17:00", "2026-11-24T12:00:00Z", true, "2026-11-24T17:00:00Z",
         "2026-12-01T09:00:00Z"},
        {"2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "Fri 16:00-Mon 08:00",
         "2026-11-20T20:00:00Z", false, NULL, "2026-11-21T00:00:00Z"},
        {"2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z", "Fri 16:00-Mon 08:00",
         "2026-11-21T20:00:00Z", true, "2026-11-22T00:00:00Z", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct freeze_rule rule = {.from_ms = at(cases[i].from),
                                   .until_ms = at(cases[i].until),
                                   .is_weekly = cases[i].weekly != NULL};
        int64_t now = at(cases[i].now), until = -1, next;

        if (rule.is_weekly)
            assert_int_equal(freeze_parse_week(cases[i].weekly, &rule.week, NULL), ERR_OK);
        if (freeze_holds(&rule, now, &until) != cases[i].holds)
            fail_msg("case %zu holds", i);
        if (until != at(cases[i].end))
            fail_msg("case %zu ends at %lld", i, (long long)until);
        next = freeze_next_ms(&rule, now);
        if (next != (cases[i].next != NULL ? at(cases[i].next) : INT64_MAX))
            fail_msg("case %zu is next at %lld", i, (long long)next);
    }
}

/* Over three weeks, minute by minute: a window holds exactly between its begins and ends. */
static void test_walk(void **state)
{
    struct freeze_rule rule = {.is_weekly = true};
    int64_t now = at("2026-11-16T00:00:00Z");
    int n_begins = 0;
    bool before;

    (void)state;
    assert_int_equal(freeze_parse_week("Sun 22:30-Wed 01:15", &rule.week, NULL), ERR_OK);
    before = freeze_holds(&rule, now, NULL);
    for (int i = 0; i < 3 * FREEZE_WEEK_MINUTES; i++) {
        int64_t until, next = freeze_next_ms(&rule, now);
        bool holds = freeze_holds(&rule, now, &until);

        assert_true(next > now);
        assert_true(freeze_holds(&rule, next, NULL));
        assert_false(freeze_holds(&rule, next - 1, NULL));
        if (holds) {
            assert_true(freeze_holds(&rule, until - 1, NULL));
            assert_false(freeze_holds(&rule, until, NULL));
        }
        n_begins += holds && !before;
        before = holds;
        now += 60000;
    }
    assert_int_equal(n_begins, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_holds),
                                       cmocka_unit_test(test_walk)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
