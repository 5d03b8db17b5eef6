/*
 * Histograms of Prometheus: the cumulative buckets of one metric, summed over its labels and, if
 * wanted, over nodes. For "slow" requests: the total minus those up to a bound.
 */
#ifndef MREG_HISTOGRAM_H
#define MREG_HISTOGRAM_H

#include "prom.h"

#define HISTOGRAM_MAX_BUCKETS 96

struct histogram_bucket {
    double le;    /* upper bound; the last one is infinite */
    int64_t n;    /* requests up to it (cumulative) */
    int n_series; /* label sets that had it */
};
struct histogram {
    struct histogram_bucket buckets[HISTOGRAM_MAX_BUCKETS]; /* by rising bound */
    int n_buckets;
    bool is_odd; /* too many buckets, uneven ones, falling counts or no +Inf: do not use it */
};
/* Only series with this label and value count. */
struct histogram_label {
    const char *name, *value;
};

/* Collects metric "<name>_bucket" of n bytes of text: every series that has all the labels
 * (borrowed; n_labels may be 0), whatever other labels it has. False if there is none or it is odd.
 */
bool histogram_collect(const char *text, size_t n, const char *name,
                       const struct histogram_label *labels, size_t n_labels,
                       struct histogram *out);
/* Adds b to a, for several nodes; they must have the same bounds, otherwise a gets odd. An empty a
 * becomes b. */
void histogram_add(struct histogram *a, const struct histogram *b);
/* What was counted between two readings of the same process; a bucket that fell makes it all of
 * `now`. */
void histogram_since(const struct histogram *before, const struct histogram *now,
                     struct histogram *out);
/* The finite bound nearest (by ratio) to the quantile q_ppm (950000: p95), which is interpolated in
 * its bucket; false if there are no requests or no finite bound. Freeze it before a rollout. */
bool histogram_bound(const struct histogram *h, int64_t q_ppm, double *le);
/* All requests, and those up to the bound le, which must be one of the histogram's; false if not.
 */
bool histogram_split(const struct histogram *h, double le, int64_t *n_total, int64_t *n_good);

#endif
