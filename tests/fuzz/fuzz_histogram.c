/*
 * Fuzz target: a histogram of a node's metrics page; what is believed rises and has an infinite
 * bound, and a bound that is chosen is one of its own.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void check(const struct histogram *h)
{
    int64_t n_total, n_good;
    double le;

    if (h->n_buckets < 1 || h->n_buckets > HISTOGRAM_MAX_BUCKETS)
        abort();
    if (!isinf(h->buckets[h->n_buckets - 1].le))
        abort();
    for (int i = 1; i < h->n_buckets; i++)
        if (h->buckets[i].n < h->buckets[i - 1].n || !(h->buckets[i].le > h->buckets[i - 1].le))
            abort();
    if (!histogram_bound(h, 950000, &le))
        return;
    if (!histogram_split(h, le, &n_total, &n_good) || n_good > n_total || n_good < 0)
        abort();
}

/* The first half is an earlier page of the second. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static struct histogram before, now, since;
    const char *text = (const char *)data;
    const struct histogram_label label = {"model", "m"};
    bool is_one, is_other;

    if (n == 0)
        return 0;
    is_one = histogram_collect(text, n / 2, "d", NULL, 0, &before);
    is_other = histogram_collect(text + n / 2, n - n / 2, "d", NULL, 0, &now);
    if (is_one)
        check(&before);
    if (is_other && is_one) {
        histogram_since(&before, &now, &since);
        check(&since);
        histogram_add(&before, &now);
        if (!before.is_odd)
            check(&before);
    }
    if (histogram_collect(text, n, "d", &label, 1, &now))
        check(&now);
    return 0;
}
