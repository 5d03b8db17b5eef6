/*
 * Idempotency-Key for mutating JSON calls: the first successful reply is kept for 24 hours and
 * given again to a repeated request, so that a client may repeat after a lost answer.
 */
#ifndef MREG_IDEMPOTENCY_H
#define MREG_IDEMPOTENCY_H

#include "request.h"

struct idempotency; /* keys whose first request is still running */

struct idempotency *idempotency_new(struct store *store);
void idempotency_free(struct idempotency *i);

enum idempotency_answer {
    IDEMPOTENCY_NONE,  /* no key: nothing to do */
    IDEMPOTENCY_RUN,   /* run the handler, then call idempotency_end */
    IDEMPOTENCY_REPLAY /* rp holds the kept reply */
};
/* Looks at the request's key; body: the raw bytes of its JSON (borrowed). ERR_INVALID: bad key;
 * ERR_CONFLICT: another body under this key, a reply that was not kept, or the first request is
 * still running. */
MUST_USE int idempotency_begin(struct idempotency *i, const struct request *rq,
                               const struct buf *body, struct reply *rp,
                               enum idempotency_answer *out, struct err *e);
/* After IDEMPOTENCY_RUN: keeps the reply if it is a success (without its body if rp->is_secret) and
 * releases the key. Failure to keep is reported, but the request has happened. */
MUST_USE int idempotency_end(struct idempotency *i, const struct request *rq,
                             const struct buf *body, const struct reply *rp, struct err *e);
/* Drops replies older than 24 hours. */
MUST_USE int idempotency_purge(struct idempotency *i, int64_t now_ms, struct err *e);

#endif
