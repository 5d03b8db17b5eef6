/*
 * Histograms from Prometheus text: sums over labels, choice of a bound, and everything that makes
 * one unusable.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "histogram.h"
#include "mem.h"

#define B(labels, le, n) "d_bucket{" labels "le=\"" le "\"} " n "\n"

static const char page[] = "# TYPE d histogram\n" B("model=\"m\",version=\"1\",", "0.1", "80")
    B("model=\"m\",version=\"1\",", "0.5", "95") B("model=\"m\",version=\"1\",", "1", "99")
        B("model=\"m\",version=\"1\",", "+Inf",
          "100") "d_sum{model=\"m\",version=\"1\"} 12.5\nd_count{model=\"m\",version=\"1\"} "
                 "100\n" B("model=\"m\",version=\"2\",", "0.5", "10")
                     B("model=\"m\",version=\"2\",", "0.1", "10")
                         B("model=\"m\",version=\"2\",", "+Inf", "1e1")
                             B("model=\"m\",version=\"2\",", "1.0", "10")
                                 B("model=\"other\",version=\"1\",", "0.2", "7")
                                     B("model=\"other\",version=\"1\",", "+Inf",
                                       "9") "dd_bucket{model=\"m\",le=\"0.1\"} "
                                            "5\nd_bucket_x{model=\"m\",le=\"0.1\"} 5\n";

static bool collect(const char *text, struct histogram *h)
{
    return histogram_collect(text, strlen(text), "d", NULL, 0, h);
}

static void test_collect(void **state)
{
    (void)state;
    struct histogram h;
    int64_t n_total, n_good;
    struct histogram_label labels[] = {{"model", "m"}, {"version", "1"}};
    assert_true(histogram_collect(page, strlen(page), "d", labels, 1, &h));
    assert_int_equal(h.n_buckets, 4);
    assert_true(isinf(h.buckets[3].le));
    assert_true(histogram_split(&h, 0.5, &n_total, &n_good));
    assert_int_equal(n_total, 110);
    assert_int_equal(n_good, 105);
    assert_false(histogram_split(&h, 0.7, &n_total, &n_good));
    assert_true(histogram_collect(page, strlen(page), "d", labels, 2, &h));
    assert_true(histogram_split(&h, 1, &n_total, &n_good));
    assert_int_equal(n_total, 100);
    assert_int_equal(n_good, 99);
    /* Models with other bounds cannot be summed. */
    assert_false(histogram_collect(page, strlen(page), "d", NULL, 0, &h));
    assert_true(h.is_odd);
    labels[0].value = "none";
    assert_false(histogram_collect(page, strlen(page), "d", labels, 1, &h));
    assert_false(histogram_collect(page, strlen(page), "e", NULL, 0, &h));
    assert_false(histogram_split(&h, 1, &n_total, &n_good));
}

static void test_refuses(void **state)
{
    (void)state;
    static const char *const pages[] = {
        "",
        B("", "1", "5"),                    /* no infinite bound */
        B("", "1", "5") B("", "+Inf", "4"), /* falls */
        B("", "1", "-5") B("", "+Inf", "4"),
        B("", "1", "NaN") B("", "+Inf", "4"),
        B("", "1", "1e300") B("", "+Inf", "1e300"),
        B("", "x", "1") B("", "+Inf", "4"),
        B("", "", "1") B("", "+Inf", "4"),
        B("", "NaN", "1") B("", "+Inf", "4"),
        B("", "0x1", "1") B("", "+Inf", "4"),
        B("", "111111111111111111111111111111111111111111", "1") B("", "+Inf", "4"),
        "d_bucket 5\n" B("", "+Inf", "4"),                     /* no bound */
        B("", "1", "5") B("", "+Inf", "7") B("", "+Inf", "7"), /* uneven */
    };
    struct histogram h;
    for (size_t i = 0; i < ARRAY_LEN(pages); i++)
        if (collect(pages[i], &h))
            fail_msg("page %zu", i);
    /* Too many bounds. */
    char text[16384];
    int n = 0;
    for (int i = 0; i < HISTOGRAM_MAX_BUCKETS; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "d_bucket{le=\"%d\"} %d\n", i, i);
    snprintf(text + n, sizeof text - (size_t)n, B("", "+Inf", "1000"));
    assert_false(collect(text, &h));
    /* One fewer will do, in any order. */
    assert_true(collect(strchr(text, '\n') + 1, &h));
    assert_int_equal(h.n_buckets, HISTOGRAM_MAX_BUCKETS);
}

static void test_bound(void **state)
{
    (void)state;
    static const struct {
        int64_t q_ppm;
        double want;
    } cases[] = {{950000, 0.5}, /* on the bound */
                 {990000, 1},   /* likewise */
                 {999900, 1},   /* above the last bound */
                 {500000, 0.1}, /* 0.0625 */
                 {860000, 0.5}, /* 0.26: by ratio nearer to 0.5 */
                 {100000, 0.1}};
    struct histogram h;
    double le = 0;
    struct histogram_label labels[] = {{"model", "m"}, {"version", "1"}};
    assert_true(histogram_collect(page, strlen(page), "d", labels, 2, &h));
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(histogram_bound(&h, cases[i].q_ppm, &le));
        double want = cases[i].want;
        if (le < want || le > want)
            fail_msg("case %zu: %g", i, le);
    }
    /* No requests, no bounds: nothing to choose. */
    assert_true(collect(B("", "1", "0") B("", "+Inf", "0"), &h));
    assert_false(histogram_bound(&h, 950000, &le));
    assert_true(collect(B("", "+Inf", "10"), &h));
    assert_false(histogram_bound(&h, 950000, &le));
}

static void test_since_and_add(void **state)
{
    (void)state;
    struct histogram a, b, d;
    int64_t n_total, n_good;
    assert_true(collect(B("", "1", "5") B("", "+Inf", "7"), &a));
    assert_true(collect(B("", "1", "50") B("", "+Inf", "57"), &b));
    histogram_since(&a, &b, &d);
    assert_true(histogram_split(&d, 1, &n_total, &n_good));
    assert_int_equal(n_total, 50);
    assert_int_equal(n_good, 45);
    /* Started again: all of it is new. */
    histogram_since(&b, &a, &d);
    assert_true(histogram_split(&d, 1, &n_total, &n_good));
    assert_int_equal(n_total, 7);
    /* The bucket is ahead of the total by one. */
    assert_true(collect(B("", "1", "8") B("", "+Inf", "9"), &b));
    histogram_since(&a, &b, &d);
    assert_true(histogram_split(&d, 1, &n_total, &n_good));
    assert_int_equal(n_total, 3);
    assert_int_equal(n_good, 3);

    memset(&d, 0, sizeof d);
    histogram_add(&d, &a);
    histogram_add(&d, &b);
    assert_true(histogram_split(&d, 1, &n_total, &n_good));
    assert_int_equal(n_total, 16);
    assert_int_equal(n_good, 13);
    assert_true(collect(B("", "2", "8") B("", "+Inf", "9"), &b));
    histogram_add(&d, &b);
    assert_true(d.is_odd);
    histogram_add(&d, &a);
    assert_true(d.is_odd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collect),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_since_and_add),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
