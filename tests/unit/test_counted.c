/*
 * What was counted on one node: counters that start again, the window of slices, and the bound
 * beyond which a request is slow.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "counted.h"

#define EVERY 30000

static void add(struct counted *c, int64_t success, int64_t failure, int64_t now_ms)
{
    struct driver_counts counts = {.n_success = success, .n_failure = failure, .is_there = true};
    struct counted_when when = {.now_ms = now_ms, .every_ms = EVERY};
    counted_add(c, &counts, &when);
}

static void expect(const struct counted *c, int64_t slot, int kind, int64_t n, int64_t bad)
{
    int64_t got_n = 0, got_bad = 0;
    counted_slice(c, slot, kind, &got_n, &got_bad);
    assert_int_equal(got_n, n);
    assert_int_equal(got_bad, bad);
}

static void test_slices(void **state)
{
    struct counted c = {0};
    int64_t t = 1000 * (int64_t)EVERY;
    (void)state;
    add(&c, 500, 5, t); /* what was before is not of the window */
    expect(&c, 1000, -1, 0, 0);
    assert_null(c.cells);
    add(&c, 500, 5, t + 1);
    assert_null(c.cells); /* nobody asked: no memory */
    add(&c, 510, 6, t + EVERY);
    add(&c, 520, 6, t + EVERY + 10);
    expect(&c, 1000, -1, 0, 0);
    expect(&c, 1001, -1, 21, 1);
    add(&c, 3, 2, t + 2 * EVERY); /* the server started again */
    expect(&c, 1002, -1, 5, 2);
    int64_t round = counted_n_cells(EVERY);
    assert_int_equal(round, 22); /* ten minutes and some */
    add(&c, 4, 2, t + (1 + round) * EVERY);
    expect(&c, 1001, -1, 0, 0); /* its place was taken */
    expect(&c, 1001 + round, -1, 1, 0);
    counted_clear(&c);
    assert_int_equal(counted_n_cells(100), COUNTED_MAX_CELLS);
}

/* Buckets 0.1, 0.2, 0.4, +Inf. */
static void fill(struct histogram *h, int64_t a, int64_t b, int64_t c, int64_t all)
{
    static const double bounds[] = {0.1, 0.2, 0.4};
    const int64_t n[] = {a, b, c};
    *h = (struct histogram){.n_buckets = 4};
    for (int i = 0; i < 3; i++)
        h->buckets[i] = (struct histogram_bucket){bounds[i], n[i], 1};
    h->buckets[3] = (struct histogram_bucket){__builtin_inf(), all, 1};
}

/* A reading at the k-th slice. */
static unsigned look(struct counted *c, struct counted_times *times, const struct histogram *h,
                     int k)
{
    struct histogram *delta = mem_alloc(sizeof *delta);
    struct counted_when when = {.now_ms = (1000 + k) * (int64_t)EVERY, .every_ms = EVERY};
    bool is_new = false;
    int kind = counted_use_kind(times, 950000, when.now_ms, &is_new);
    assert_int_equal(kind, 0);
    counted_add_times(c, h, when.now_ms, delta);
    if (k == 0)
        assert_int_equal(delta->n_buckets, 0);
    counted_add_slow(c, kind, delta, times->kinds[kind].bound, &when);
    unsigned changed = counted_times_add(times, delta, when.now_ms);
    free(delta);
    return changed;
}

static void test_times(void **state)
{
    struct histogram *h = mem_alloc(sizeof *h);
    struct counted c = {0};
    struct counted_times times = {0};
    const double *bound = &times.kinds[0].bound;
    int64_t n_total = 0, n_good = 0;
    (void)state;
    fill(h, 1000, 1000, 1000, 1000);
    assert_int_equal(look(&c, &times, h, 0), 0);
    fill(h, 1000, 1050, 1060, 1060);
    assert_int_equal(look(&c, &times, h, 1), 0); /* 60 are too few */
    fill(h, 1000, 1192, 1198, 1200);
    assert_int_equal(look(&c, &times, h, 2), 1);
    assert_true(*bound > 0.15 && *bound < 0.25);
    expect(&c, 1002, 0, 0, 0); /* the bound was not known yet */
    fill(h, 1010, 1202, 1218, 1220);
    assert_int_equal(look(&c, &times, h, 3), 0);
    expect(&c, 1003, 0, 20, 10);
    expect(&c, 1003, 1, 0, 0);
    assert_true(counted_split(&c, *bound, &n_total, &n_good));
    assert_true(n_total == 1220 && n_good == 1202);
    assert_false(counted_split(&c, 0.3, &n_total, &n_good));
    counted_forget_slow(&c, 0);
    expect(&c, 1003, 0, 0, 0);
    fill(h, 5, 5, 5, 5); /* started again */
    (void)look(&c, &times, h, 4);
    expect(&c, 1004, 0, 5, 0);
    counted_clear(&c);
    counted_times_clear(&times);
    free(h);
}

/* Quantiles take the places of those that nobody asks about any more, and of no others. */
static void test_kinds(void **state)
{
    struct counted_times times = {0};
    bool is_new = false;
    int64_t t = 1000000;
    (void)state;
    for (int k = 0; k < COUNTED_MAX_KINDS; k++) {
        assert_int_equal(counted_use_kind(&times, 500000 + k, t, &is_new), k);
        assert_true(is_new);
    }
    assert_int_equal(counted_use_kind(&times, 500001, t + 1, &is_new), 1);
    assert_false(is_new);
    assert_int_equal(counted_use_kind(&times, 900000, t + 2, &is_new), -1);
    assert_int_equal(counted_find_kind(&times, 900000), -1);
    times.kinds[0].bound = 3;
    for (int k = 1; k < COUNTED_MAX_KINDS; k++)
        (void)counted_use_kind(&times, 500000 + k, t + COUNTED_WINDOW_MS, &is_new);
    assert_int_equal(counted_use_kind(&times, 900000, t + COUNTED_WINDOW_MS, &is_new), 0);
    assert_true(is_new && times.kinds[0].bound == 0);
}

/* A clock that is set back, or far forward, leaves nothing wrong behind. */
static void test_clock(void **state)
{
    struct counted c = {0};
    struct counted_cell cell = {7, 3};
    (void)state;
    add(&c, 0, 0, 1000 * (int64_t)EVERY);
    add(&c, 10, 1, 1001 * (int64_t)EVERY);
    add(&c, 20, 2, 5000 * (int64_t)EVERY);
    expect(&c, 1001, -1, 0, 0);
    expect(&c, 5000, -1, 11, 1);
    add(&c, 30, 3, 1002 * (int64_t)EVERY);
    expect(&c, 5000, -1, 0, 0);
    expect(&c, 1002, -1, 11, 1);
    counted_restore(&c, 1, 1001, EVERY, &cell);
    expect(&c, 1001, 1, 7, 3);
    expect(&c, 1001, 0, 0, 0);
    expect(&c, 1002, -1, 11, 1);
    counted_restore(&c, 1, 500, EVERY, &cell); /* older than the window */
    expect(&c, 1002, -1, 11, 1);
    counted_clear(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_clock),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
