/*
 * The rule of posting a metric about a version in an environment: business numbers that a gate of
 * kind "metric" reads.
 */
#ifndef MREG_POSTED_METRIC_H
#define MREG_POSTED_METRIC_H

#include "store.h"

struct posted_metric {
    const char *model, *ref, *environment;
    const char *name;    /* as a gate is called */
    const char *node;    /* NULL: about all nodes */
    int64_t value_micro; /* millionths */
    int64_t ts_ms;       /* 0: now */
    const char *actor;
};
/* Stores one value; *number is the version that `ref` means. ERR_NOT_FOUND: no such version, or the
 * model was never deployed in that environment, or no such node; ERR_INVALID: name or time. Not on
 * the writer thread. */
MUST_USE int posted_metric_put(struct store *s, const struct posted_metric *in, int64_t *number,
                               struct err *e);
/* Reads a decimal text such as "-0.25" in millionths; digits beyond are rounded. ERR_INVALID. */
MUST_USE int posted_metric_value(const char *text, int64_t *micro, struct err *e);

#endif
