/*
 * HTTP calls to other servers, many at once on one thread. One thread (the controller's) owns a
 * wire and calls everything but wire_wake.
 */
#ifndef MREG_WIRE_H
#define MREG_WIRE_H

#include <stdbool.h>

#include "err.h"
#include "http.h"

struct wire;

#define WIRE_MAX_ACTIVE 128
#define WIRE_CONNECT_TIMEOUT_MS 3000

/* Makes a wire. *out: caller frees with wire_free. ERR_INTERNAL. */
MUST_USE int wire_new(struct wire **out, struct err *e);
/* Gives up all calls: each can then be taken with wire_take. */
void wire_stop(struct wire *w);
/* Drops calls without reporting them. Accepts NULL. */
void wire_free(struct wire *w);
/* Starts (or queues, beyond WIRE_MAX_ACTIVE) a call; everything in it is copied. tag comes back
 * with the answer. until_ms is a wall-clock deadline over queueing and call; call->timeout_ms
 * counts from the start of the call. ERR_INVALID: not an http or https URL. */
MUST_USE int wire_submit(struct wire *w, const struct http_call *call, void *tag, int64_t until_ms,
                         struct err *e);
/* Takes one finished call: true, *tag and *answer filled (clear with http_answer_clear). */
bool wire_take(struct wire *w, void **tag, struct http_answer *answer);
/* Moves bytes and waits until a call is finished, wire_wake was called or wait_ms have passed. */
void wire_wait(struct wire *w, int64_t wait_ms);
/* Any thread: ends a running or the next wire_wait. */
void wire_wake(struct wire *w);
/* Calls submitted and not taken yet. */
size_t wire_n_open(const struct wire *w);

#endif
