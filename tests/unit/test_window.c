/*
 * Limits over a window: how long a value must be over its limit, gaps, answers without a value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "mem.h"
#include "window.h"

static const struct window_limits limits = {
    .has_max = true, .max_micro = 100, .for_ms = 60000, .gap_ms = 40000};

/* Each letter is a look, 15 s apart: g good, b bad, e empty, x no answer, '.' none at all. */
static enum verdict play(const struct window_limits *l, const char *looks, struct window *w)
{
    struct window_result r;
    int64_t t = 1000000;
    window_begin(w, t);
    for (const char *c = looks; *c != '\0'; c++) {
        t += 15000;
        struct window_reading one = {t, WINDOW_VALUE, *c == 'g' ? 100 : 101};
        if (*c == 'e')
            one.look = WINDOW_EMPTY;
        if (*c == 'x')
            one.look = WINDOW_ERROR;
        if (*c != '.')
            assert_true(window_add(w, l, &one));
    }
    window_verdict(w, l, t, &r);
    return r.verdict;
}

static void test_plays(void **state)
{
    (void)state;
    static const struct {
        const char *looks;
        enum verdict want;
    } cases[] = {
        {"", VERDICT_INSUFFICIENT},
        {"..", VERDICT_INSUFFICIENT},
        {"...", VERDICT_ERROR},
        {"g", VERDICT_PASS},
        {"gg", VERDICT_PASS},
        {"g..", VERDICT_PASS},
        {"g...", VERDICT_ERROR},
        {"b", VERDICT_INSUFFICIENT},
        {"bbbb", VERDICT_INSUFFICIENT},
        {"bbbbb", VERDICT_FAIL},
        {"bbbbg", VERDICT_PASS},
        {"bbbbgb", VERDICT_INSUFFICIENT},
        {"bbbbbggg", VERDICT_FAIL},
        {"bbgbbbb", VERDICT_INSUFFICIENT},
        {"bbgbbbbb", VERDICT_FAIL},
        {"bb.bb", VERDICT_FAIL},
        {"bxbeb", VERDICT_FAIL},           /* what is in between does not end it, */
        {"bb..bbb", VERDICT_INSUFFICIENT}, /* a gap does */
        {"bb..bbbbb", VERDICT_FAIL},
        {"e", VERDICT_INSUFFICIENT},
        {"ee", VERDICT_INSUFFICIENT},
        {"eee", VERDICT_NO_DATA},
        {"xxx", VERDICT_ERROR},
        {"gxx", VERDICT_PASS},
        {"gxxx", VERDICT_ERROR},
        {"ge", VERDICT_INSUFFICIENT},
        {"geee", VERDICT_NO_DATA},
        {"geeex", VERDICT_ERROR},
        {"geeeg", VERDICT_PASS},
        {"bbbbbxxxxx", VERDICT_FAIL},
    };
    struct window w;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum verdict got = play(&limits, cases[i].looks, &w);
        if (got != cases[i].want)
            fail_msg("\"%s\": %s", cases[i].looks, verdict_name(got));
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct window w;
    struct window_result r;
    struct window_limits at_once = {
        .has_max = true, .has_min = true, .max_micro = 10, .min_micro = -10, .gap_ms = 1000};
    static const int64_t good[] = {10, -10, 0};
    static const int64_t bad[] = {11, -11};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        window_begin(&w, 0);
        assert_true(window_add(&w, &at_once, &(struct window_reading){5, WINDOW_VALUE, good[i]}));
        window_verdict(&w, &at_once, 6, &r);
        assert_int_equal(r.verdict, VERDICT_PASS);
        assert_int_equal(r.value_micro, good[i]);
        assert_int_equal(r.fails_ms, 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        window_begin(&w, 0);
        assert_true(window_add(&w, &at_once, &(struct window_reading){5, WINDOW_VALUE, bad[i]}));
        window_verdict(&w, &at_once, 6, &r);
        assert_int_equal(r.verdict, VERDICT_FAIL);
    }
    /* Old readings, and those from before the beginning, change nothing. */
    window_begin(&w, 100);
    assert_false(window_add(&w, &at_once, &(struct window_reading){100, WINDOW_VALUE, 99}));
    assert_true(window_add(&w, &at_once, &(struct window_reading){110, WINDOW_VALUE, 0}));
    assert_false(window_add(&w, &at_once, &(struct window_reading){110, WINDOW_VALUE, 99}));
    assert_int_equal(w.n_values, 1);
    /* To the millisecond. */
    window_verdict(&w, &at_once, 1110, &r);
    assert_int_equal(r.verdict, VERDICT_PASS);
    window_verdict(&w, &at_once, 1111, &r);
    assert_int_equal(r.verdict, VERDICT_ERROR);
    /* When it will fail. */
    window_begin(&w, 100);
    assert_true(window_add(&w, &limits, &(struct window_reading){110, WINDOW_VALUE, 101}));
    window_verdict(&w, &limits, 120, &r);
    assert_int_equal(r.bad_ms, 110);
    assert_int_equal(r.fails_ms, 60110);
    struct policy_gate g = {.has_min = true, .min_micro = 3, .for_ms = 7};
    struct window_limits of;
    window_limits_of(&g, 9, &of);
    assert_true(of.has_min && !of.has_max && of.min_micro == 3 && of.for_ms == 7 && of.gap_ms == 9);
}

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const plays[] = {"", "ggb", "bbbbb", "gex", "e"};
    for (size_t i = 0; i < ARRAY_LEN(plays); i++) {
        struct window win, back;
        struct buf b;
        struct jsonw w;
        struct err e;
        (void)play(&limits, plays[i], &win);
        buf_init(&b, 4096);
        jsonw_init(&w, &b);
        jsonw_object(&w, NULL);
        window_write(&win, &w);
        jsonw_end(&w);
        CLEANUP(json_decref_ptr) json_t *j = NULL;
        assert_int_equal(json_parse(b.data, b.len, 4, &j, &e), ERR_OK);
        assert_int_equal(window_read(j, "", &back, &e), ERR_OK);
        assert_int_equal(back.since_ms, win.since_ms);
        assert_int_equal(back.value_ms, win.value_ms);
        assert_int_equal(back.value_micro, win.value_micro);
        assert_int_equal(back.bad_ms, win.bad_ms);
        assert_int_equal(back.look_ms, win.look_ms);
        assert_int_equal(back.n_values, win.n_values);
        assert_int_equal(back.is_empty, win.is_empty);
        assert_int_equal(back.is_error, win.is_error);
        assert_int_equal(back.has_failed, win.has_failed);
        buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plays),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
