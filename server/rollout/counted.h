/*
 * What was counted for one target on one node: the newest reading of its counters, and a window of
 * the last minutes from which a rollout learns how things were before it. One thread.
 */
#ifndef MREG_COUNTED_H
#define MREG_COUNTED_H

#include "driver.h"
#include "histogram.h"
#include "sequential.h"

#define COUNTED_WINDOW_MS ((int64_t)10 * 60000)
#define COUNTED_MAX_CELLS 128
/* Quantiles of one target for which slow requests are counted. */
#define COUNTED_MAX_KINDS 4

/* What was counted in a slice: requests and failed ones, or timed and slow ones. */
struct counted_cell {
    uint32_t n, bad;
};
struct counted_bucket {
    double le;
    int64_t n;
};
struct counted {
    int64_t ts_ms;                /* of the newest reading; 0: none */
    int64_t n_success, n_failure; /* since the server's start */
    bool has_requests;            /* the page counts requests */
    int64_t timed_ms;             /* of the newest histogram; 0: none */
    enum driver_timing timing;    /* what it times */
    int n_buckets;
    struct counted_bucket *buckets;
    /* The window: (1 + n_kinds) rings of n_cells slices each, requests first; NULL until there was
     * a request. */
    struct counted_cell *cells;
    int n_cells, n_kinds;
    int64_t slot; /* the newest slice: time / its width */
};

/* A quantile beyond which requests are slow. */
struct counted_kind {
    int64_t quantile_ppm; /* 0: free */
    int64_t used_ms;
    double bound; /* seconds or what the histogram has; 0: none yet */
};
/* The durations of a target over all nodes, for the bounds beyond which a request is slow. */
struct counted_times {
    int64_t since_ms; /* of `recent` */
    struct histogram *recent;
    enum driver_timing timing;
    struct counted_kind kinds[COUNTED_MAX_KINDS];
};

/* When something was read, and how wide a slice of the window is then; 0: the window leaves it out.
 */
struct counted_when {
    int64_t now_ms, every_ms;
};

/* How many slices make up the window, when counters of an idle target are read every every_ms. */
int counted_n_cells(int64_t every_ms);

/* Frees what it holds. Accepts zeroed ones. */
void counted_clear(struct counted *c);
void counted_times_clear(struct counted_times *t);

/* Takes in a reading. */
void counted_add(struct counted *c, const struct driver_counts *counts,
                 const struct counted_when *when);
/* Takes in a histogram. delta gets what was counted since the one before; empty for the first. */
void counted_add_times(struct counted *c, const struct histogram *h, int64_t now_ms,
                       struct histogram *delta);
/* Counts what of delta is slower than the bound of a kind. */
void counted_add_slow(struct counted *c, int kind, const struct histogram *delta, double bound,
                      const struct counted_when *when);
/* Puts a slice back that was stored. kind -1: requests. */
void counted_restore(struct counted *c, int kind, int64_t slot, int64_t every_ms,
                     const struct counted_cell *cell);
/* Forgets the slow requests of a kind: its bound has changed. */
void counted_forget_slow(struct counted *c, int kind);
/* The histogram as it was read; false if there is none. */
bool counted_histogram(const struct counted *c, struct histogram *out);
/* All requests that were timed and those up to the bound; false if the bound is not one of the
 * histogram's. */
bool counted_split(const struct counted *c, double bound, int64_t *n_total, int64_t *n_good);
/* Adds the slice to one side of an interval. kind -1: requests. */
void counted_slice(const struct counted *c, int64_t slot, int kind, int64_t *n, int64_t *bad);

/* The kind of a quantile, -1: none. */
int counted_find_kind(const struct counted_times *t, int64_t quantile_ppm);
/* The same, or a new one in a free place, or in that of one that was not used while the window was
 * filled; -1: no place. *is_new: what was counted as that kind has to be forgotten. */
int counted_use_kind(struct counted_times *t, int64_t quantile_ppm, int64_t now_ms, bool *is_new);
/* Takes what was timed on one node into the target's; bits of the kinds whose bound changed. */
unsigned counted_times_add(struct counted_times *t, const struct histogram *delta, int64_t now_ms);

#endif
