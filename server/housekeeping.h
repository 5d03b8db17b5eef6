/*
 * Regular small duties of the server, on one thread: last uses of tokens, old replies, abandoned
 * uploads, and a probe whether the database can still be written.
 */
#ifndef MREG_HOUSEKEEPING_H
#define MREG_HOUSEKEEPING_H

#include "app.h"
#include "idempotency.h"

struct housekeeping;

/* Starts the thread. Borrows both. *out: caller ends with housekeeping_stop. ERR_INTERNAL. */
MUST_USE int housekeeping_start(struct app *app, struct idempotency *idempotency,
                                struct housekeeping **out, struct err *e);
/* Does the last duties and ends the thread. Accepts NULL. */
void housekeeping_stop(struct housekeeping *h);
/* True if writing works as far as is known; asks for a probe when nothing was written lately.
 * Appends why not. Any thread; never waits for the disk. */
bool housekeeping_can_write(struct housekeeping *h, struct buf *why);

#endif
