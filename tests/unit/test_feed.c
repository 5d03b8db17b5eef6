/*
 * Counters to intervals: restarts, warm-up, golden requests, counters that are not read at one
 * instant; and the sum of all intervals is what the counters grew by.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "feed.h"
#include "mem.h"

struct look {
    int64_t ts_ms, n_total, n_good, n_own, n_own_bad;
    bool is_new; /* expected */
    int64_t n, bad;
};

/* n_unsure: of each look; NULL: 0. */
static void run_unsure(struct feed *f, const struct feed_warmup *warm, const struct look *looks,
                       size_t n, const int64_t *n_unsure)
{
    for (size_t i = 0; i < n; i++) {
        const struct look *l = &looks[i];
        struct feed_reading r = {l->ts_ms, l->n_total,   l->n_good,
                                 l->n_own, l->n_own_bad, n_unsure != NULL ? n_unsure[i] : 0};
        int64_t got_n = -1, got_bad = -1;
        bool is_new = feed_add(f, warm, &r, &got_n, &got_bad);
        if (is_new != l->is_new || got_n != l->n || got_bad != l->bad)
            fail_msg("look %zu: %d %lld %lld", i, is_new, (long long)got_n, (long long)got_bad);
    }
}

static void run(struct feed *f, const struct feed_warmup *warm, const struct look *looks, size_t n)
{
    run_unsure(f, warm, looks, n, NULL);
}

static const struct feed_warmup none = {0, 0};

static void test_growth_and_restart(void **state)
{
    (void)state;
    static const struct look looks[] = {
        {90, 1, 1, 0, 0, false, 0, 0},         /* before the beginning */
        {200, 1000, 990, 0, 0, true, 0, 0},    /* the base line */
        {300, 1100, 1085, 0, 0, true, 100, 5}, /* 100 requests, 5 of them bad */
        {300, 1200, 1185, 0, 0, false, 0, 0},  /* again */
        {250, 1200, 1185, 0, 0, false, 0, 0},  /* older */
        {900, 1200, 1184, 0, 0, true, 100, 1}, /* a few were missed: nothing is lost */
        {950, 30, 20, 0, 0, true, 30, 10},     /* started again */
        {960, 40, 10, 0, 0, true, 40, 30},     /* once more: only the good ones fell */
        {970, -1, 0, 0, 0, false, 0, 0},
    };
    struct feed f;
    feed_begin(&f, 100);
    run(&f, &none, looks, ARRAY_LEN(looks));
    assert_int_equal(f.n_resets, 2);
}

/* A bucket may be a request ahead of the total; no bad request comes of that, and none is lost. */
static void test_not_of_one_instant(void **state)
{
    (void)state;
    static const struct look looks[] = {
        {1, 0, 0, 0, 0, true, 0, 0},
        {2, 10, 12, 0, 0, true, 10, 0},
        {3, 20, 20, 0, 0, true, 10, 0},
        {4, 30, 29, 0, 0, true, 10, 1},
        {5, 30, 30, 0, 0, true, 0, 0},
        {6, 40, 38, 0, 0, true, 10, 1},
        {7, 40, 41, 0, 0, true, 0, 0},
        {8, 10, 5, 0, 0, true, 10, 5}, /* what was owed ended with the process */
    };
    struct feed f;
    feed_begin(&f, 0);
    run(&f, &none, looks, ARRAY_LEN(looks));
    assert_int_equal(f.n_resets, 1);
}

static void test_warmup(void **state)
{
    (void)state;
    static const struct look by_time[] = {
        {1000, 0, 0, 0, 0, true, 0, 0},
        {2000, 50, 10, 0, 0, true, 0, 0},
        {3000, 90, 20, 0, 0, true, 0, 0}, /* began in the warm-up */
        {4000, 100, 29, 0, 0, true, 10, 1},
    };
    static const struct look by_requests[] = {
        {1000, 0, 0, 0, 0, true, 0, 0},     {2000, 0, 0, 0, 0, true, 0, 0},
        {3000, 60, 10, 0, 0, true, 0, 0},   {4000, 110, 20, 0, 0, true, 0, 0},
        {5000, 120, 29, 0, 0, true, 10, 1},
    };
    struct feed f;
    feed_begin(&f, 0);
    run(&f, &(struct feed_warmup){1500, 0}, by_time, ARRAY_LEN(by_time));
    assert_int_equal(f.n_warm, 90);
    feed_begin(&f, 0);
    run(&f, &(struct feed_warmup){0, 100}, by_requests, ARRAY_LEN(by_requests));
    assert_int_equal(f.n_warm, 110);
}

/* mreg's own requests are not traffic; the counters may show them later than they were sent. */
static void test_own(void **state)
{
    (void)state;
    static const struct look looks[] = {
        {1, 100, 100, 50, 0, true, 0, 0},
        {2, 120, 119, 55, 1, true, 15, 0}, /* 5 of 20 were ours, and so was the bad one */
        {3, 121, 120, 60, 1, true, 0, 0},  /* 5 sent, 1 counted */
        {4, 130, 129, 60, 1, true, 5, 0},  /* the other 4 */
        {5, 140, 137, 61, 1, true, 9, 2},
        {6, 141, 138, 0, 0, true, 1, 0}, /* mreg started again */
        {7, 151, 147, 4, 1, true, 6, 0},
        {8, 161, 157, 2, 0, true, 8, 0}, /* and again, with 2 of its own since */
    };
    struct feed f;
    feed_begin(&f, 0);
    run(&f, &none, looks, ARRAY_LEN(looks));
}

/* Unanswered requests of mreg's own excuse a bad request soon after, each once; nothing is owed. */
static void test_unsure(void **state)
{
    (void)state;
    static const struct look looks[] = {
        {1, 0, 0, 0, 0, true, 0, 0},
        {2, 20, 20, 0, 0, true, 20, 0},    /* perhaps counted as good, perhaps never seen */
        {3, 40, 37, 0, 0, true, 18, 1},    /* two of three may have been them */
        {4, 60, 56, 0, 0, true, 20, 1},    /* excused once */
        {5, 80, 76, 0, 0, true, 20, 0},    /* another one, */
        {6, 100, 96, 0, 0, true, 20, 0},   /* which lapses */
        {7, 120, 115, 0, 0, true, 20, 1},  /* and excuses nobody later */
        {8, 140, 130, 0, 0, true, 15, 0},  /* however many: */
        {9, 160, 140, 0, 0, true, 17, 7},  /* ten in all */
        {10, 180, 160, 0, 0, true, 20, 0}, /* mreg started again */
    };
    static const int64_t unsure[] = {0, 2, 2, 2, 3, 3, 3, 53, 53, 1};
    struct feed f;
    feed_begin(&f, 0);
    run_unsure(&f, &none, looks, ARRAY_LEN(looks), unsure);
    assert_int_equal(f.n_pardons, FEED_MAX_PARDONS);
}

/* The server that saw it ended: what it left unsure is no business of the next one. */
static void test_unsure_restart(void **state)
{
    (void)state;
    static const struct look looks[] = {
        {1, 0, 0, 0, 0, true, 0, 0},
        {2, 20, 20, 0, 0, true, 20, 0},
        {3, 10, 9, 0, 0, true, 10, 1},
    };
    static const int64_t unsure[] = {0, 1, 1};
    struct feed f;
    feed_begin(&f, 0);
    run_unsure(&f, &none, looks, ARRAY_LEN(looks), unsure);
}

static void test_round_trip(void **state)
{
    (void)state;
    struct feed f, back;
    struct buf b;
    struct jsonw w;
    struct err e;
    static const struct look looks[] = {{1000, 10, 10, 3, 1, true, 0, 0},
                                        {2000, 20, 22, 5, 2, true, 0, 0},
                                        {3000, 5, 4, 9, 2, true, 0, 0}};
    static const int64_t unsure[] = {1, 4, 7};
    feed_begin(&f, 77);
    run_unsure(&f, &(struct feed_warmup){100000, 0}, looks, ARRAY_LEN(looks), unsure);
    buf_init(&b, 4096);
    jsonw_init(&w, &b);
    jsonw_object(&w, NULL);
    feed_write(&f, &w);
    jsonw_end(&w);
    CLEANUP(json_decref_ptr) json_t *j = NULL;
    assert_int_equal(json_parse(b.data, b.len, 4, &j, &e), ERR_OK);
    assert_int_equal(feed_read(j, "", &back, &e), ERR_OK);
    assert_memory_equal(&f, &back, sizeof f);
    json_object_set_new(j, "owed_bad", json_string("x"));
    assert_int_equal(feed_read(j, "/at", &back, &e), ERR_INVALID);
    assert_string_equal(e.pointer, "/at/owed_bad");
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth_and_restart),
        cmocka_unit_test(test_not_of_one_instant),
        cmocka_unit_test(test_warmup),
        cmocka_unit_test(test_own),
        cmocka_unit_test(test_unsure),
        cmocka_unit_test(test_unsure_restart),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
