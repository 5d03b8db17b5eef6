/*
 * From a node's counters to what it counted in an interval, for the sequential judge: counters that
 * start again, the warm-up of a node and mreg's own golden requests are taken out here.
 */
#ifndef MREG_FEED_H
#define MREG_FEED_H

#include "jsonw.h"
#include "sequential.h"

/* One reading of one node's counters of one metric. For errors "good" are the successes, for slow
 * requests the histogram bucket of the frozen bound (histogram.h). */
struct feed_reading {
    int64_t ts_ms;
    int64_t n_total, n_good; /* ever-growing until the server starts again */
    /* Of those, what mreg itself sent and what of it the server counts as bad; since mreg's start.
     */
    int64_t n_own, n_own_bad;
    /* What else mreg sent, of which nobody knows whether it is among them (no answer); likewise. */
    int64_t n_unsure;
};

/* So many bad requests of a feed, at most, are taken for unanswered ones of mreg's own. */
#define FEED_MAX_PARDONS 10

/* When a node's requests begin to count: after a time and after a number of requests. */
struct feed_warmup {
    int64_t warm_ms;
    int64_t warm_requests;
};

struct feed {
    int64_t since_ms;               /* readings up to this time are ignored */
    struct feed_reading last;       /* ts_ms 0: none yet */
    int64_t first_ms;               /* of the first reading: the warm-up counts from here */
    int64_t owed_bad;               /* bad requests that could not be counted in their interval */
    int64_t owed_own, owed_own_bad; /* golden requests that the counters do not show yet */
    /* Unanswered ones since the last reading but one, and since the last: each may excuse a bad
     * request of its own or the next interval, no later one. */
    int64_t unsure_before, unsure_last;
    int64_t n_pardons; /* bad requests that were excused so */
    int64_t n_warm;    /* requests left out as warm-up */
    int64_t n_resets;  /* times that the counters started again */
};

/* Begins: only readings after now_ms count, the first of them is the base line. Call it when a node
 * changes sides (gets the new version) and at the start. */
void feed_begin(struct feed *f, int64_t now_ms);
/* Adds a reading and gives what was counted since the one before: requests and bad ones, 0 and 0 in
 * the warm-up and for the first reading. False (and zeros) if it is not newer than the last. A
 * missing reading loses nothing: the next one covers its time. */
bool feed_add(struct feed *f, const struct feed_warmup *warm, const struct feed_reading *r,
              int64_t *n, int64_t *bad);
/* Members of the open object of w, and back (obj borrowed, its JSON pointer at). ERR_INVALID. */
void feed_write(const struct feed *f, struct jsonw *w);
MUST_USE int feed_read(const json_t *obj, const char *at, struct feed *out, struct err *e);

#endif
