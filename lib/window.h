/*
 * Absolute limits of a value that is read now and then (a query, a posted metric): it fails when it
 * is over its limit for a given time without interruption. Integers only.
 */
#ifndef MREG_WINDOW_H
#define MREG_WINDOW_H

#include "judge.h"
#include "jsonw.h"
#include "json.h"

struct window_limits {
    bool has_max, has_min;
    int64_t max_micro, min_micro; /* millionths; the limit itself is allowed */
    int64_t for_ms;               /* violated that long: fail. 0: at the first violation */
    int64_t gap_ms;               /* longest time between two readings that are still continuous */
};
/* What one look gave. */
enum window_look {
    WINDOW_VALUE,
    WINDOW_EMPTY, /* answered, but with no value */
    WINDOW_ERROR  /* no answer */
};
struct window_reading {
    int64_t ts_ms;
    enum window_look look;
    int64_t value_micro; /* of WINDOW_VALUE */
};
struct window {
    int64_t since_ms;    /* readings up to this time are ignored */
    int64_t value_ms;    /* time of the last value, 0: none yet */
    int64_t value_micro; /* and the value */
    int64_t bad_ms;      /* violated without interruption since; 0: it is not */
    int64_t look_ms;     /* time of the last reading of any kind */
    bool is_empty;       /* the last reading was empty */
    bool is_error;       /* the last reading was none */
    bool has_failed;     /* stays */
    int64_t n_values;
};
struct window_result {
    enum verdict verdict;
    int64_t value_micro; /* the last value */
    int64_t value_ms;    /* when it was read; 0: never */
    int64_t bad_ms;      /* violated since; 0: it is not */
    int64_t fails_ms;    /* when it fails if it stays so; 0: it is within its limits */
};

/* The limits of a gate of kind GATE_PROMQL or GATE_METRIC (borrowed); gap_ms is the caller's. */
void window_limits_of(const struct policy_gate *gate, int64_t gap_ms, struct window_limits *out);
/* Begins: only readings after now_ms count. */
void window_begin(struct window *w, int64_t now_ms);
/* Adds a reading; one that is not newer than the last changes nothing (false). A value after a gap
 * begins a violation anew: what was in between is not known. An empty or failed reading does not
 * end a violation, unless the gap grows too long. */
bool window_add(struct window *w, const struct window_limits *l, const struct window_reading *r);
/* FAIL as described. PASS: the last value is within its limits and no older than gap_ms.
 * INSUFFICIENT: no value lately but that may change (less than gap_ms since the last one or since
 * the beginning), or violated but not for long enough. Later than that, NO_DATA: the answers have
 * no value; ERROR: there are no answers. */
void window_verdict(const struct window *w, const struct window_limits *l, int64_t now_ms,
                    struct window_result *out);
/* Members of the open object of w, and back (obj borrowed, its JSON pointer at). ERR_INVALID. */
void window_write(const struct window *win, struct jsonw *w);
MUST_USE int window_read(const json_t *obj, const char *at, struct window *out, struct err *e);

#endif
