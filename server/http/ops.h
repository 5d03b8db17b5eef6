/*
 * The operations listener: /livez, /readyz, /metrics on an address of their own, without a token.
 * One small thread that shares nothing with the API's workers, so it answers when they are all
 * taken.
 */
#ifndef MREG_OPS_H
#define MREG_OPS_H

#include <stdbool.h>

#include "buf.h"
#include "err.h"

struct ops;

/* What it reports; called on its thread, must not block for long. */
struct ops_source {
    void *self;
    /* Appends one line per check ("ok store" or "fail store: why"); true if all are ok. */
    bool (*is_ready)(void *self, struct buf *out);
    /* Appends Prometheus text. */
    void (*write_metrics)(void *self, struct buf *out);
};

/* Listens on "127.0.0.1:7071" (port 0: a free one) and starts the thread. source is borrowed until
 * ops_stop. ERR_INVALID, ERR_UNAVAILABLE. */
MUST_USE int ops_start(const char *listen, const struct ops_source *source, struct ops **out,
                       struct err *e);
/* The address with the real port. Borrowed. */
const char *ops_address(const struct ops *o);
void ops_stop(struct ops *o);

#endif
