/*
 * Counters and histograms of one process, written as Prometheus text. Updating is a few atomic
 * additions; nothing here knows what a route is beyond its two labels.
 */
#ifndef MREG_METRICS_H
#define MREG_METRICS_H

#include "buf.h"

struct metrics;

/* Labels of one row of request metrics. Strings borrowed for the life of the metrics. */
struct metrics_route {
    const char *method, *pattern;
};

enum metric {
    METRIC_AUTH_FAILURES,
    METRIC_REJECTED_GUARD,    /* refused before routing */
    METRIC_REJECTED_BUSY,     /* a class of work was full */
    METRIC_REJECTED_THROTTLE, /* too many bad tokens */
    METRIC_WATCHDOG_ENDED,    /* transfers ended for being too slow */
    METRIC_CONNECTIONS_SHED,  /* idle connections closed to make room */
    METRIC_CONNECTIONS_REFUSED,
    METRIC_UPLOAD_BYTES,
    METRIC_DOWNLOAD_BYTES,
    METRIC_IDEMPOTENT_REPLAYS,
    METRIC_COUNT
};

/* routes: n rows, copied (their strings are not). Caller frees with metrics_free. */
struct metrics *metrics_new(const struct metrics_route *routes, size_t n);
void metrics_free(struct metrics *m);
/* Counts one finished request of row `route` (n: requests that matched no row). Any thread. */
void metrics_request(struct metrics *m, size_t route, int status, int64_t duration_us);
/* Adds to a counter. NULL m is allowed and does nothing. Any thread. */
void metrics_add(struct metrics *m, enum metric what, int64_t n);
/* Requests being answered now; delta is +1 or -1. */
void metrics_in_flight(struct metrics *m, int delta);
int64_t metrics_n_in_flight(const struct metrics *m);

/* Appends everything that metrics holds, then process_* of this process. */
void metrics_write(const struct metrics *m, struct buf *out);
/* Appends one metric with its HELP and TYPE lines; for values that live elsewhere. */
void metrics_gauge(struct buf *out, const char *name, const char *help, double value);
void metrics_counter(struct buf *out, const char *name, const char *help, double value);

#endif
