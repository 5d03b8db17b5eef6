/*
 * The last part of an exchange: one reply to the wire, in one write where it fits.
 */
#ifndef MREG_ANSWER_H
#define MREG_ANSWER_H

#include "body.h"
#include "reply.h"

/* The time as an HTTP date; formatted at most once a second. */
struct answer_clock {
    int64_t second;
    char text[32];
};
const char *answer_date(struct answer_clock *c, int64_t now_ms);

/* Sends rp (conditions are applied here). `out` is the worker's buffer, reused. *n_bytes: length of
 * the body that was sent. False when the peer is gone before the end. */
bool answer_send(struct reply *rp, const struct reply_context *cx, struct buf *out,
                 struct peer *peer, int64_t *n_bytes);

/* Sends a head without length, then lets rp->stream write; the connection closes afterwards. */
void answer_stream(struct reply *rp, struct request *rq, const char *date, struct buf *out,
                   struct peer *peer);

#endif
