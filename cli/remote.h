/*
 * The registry's API over HTTP. The only file of the CLI that knows libcurl.
 */
#ifndef MREG_REMOTE_H
#define MREG_REMOTE_H

#include <stdbool.h>

#include "buf.h"
#include "json.h"

struct remote;

/* url without a trailing slash ("http://127.0.0.1:7070"); token may be NULL. Both copied. */
MUST_USE int remote_new(const char *url, const char *token, struct remote **out, struct err *e);
void remote_free(struct remote *r);
/* Trusts the certificates in a file (copied; NULL: the system's). */
void remote_trust(struct remote *r, const char *ca_file);
/* Says each call on stderr, without secrets. */
void remote_debug(struct remote *r, bool is_on);

/* One call of at most ten minutes. body (may be NULL) is sent as JSON, a mutation with an
 * Idempotency-Key, so that it can be repeated when the connection breaks (3 tries). The answer's
 * bytes go to `answer`. Problem documents become errors: their code, detail and pointer;
 * ERR_UNAVAILABLE when the server cannot be reached, ERR_INTERNAL for an answer that no registry
 * gives. */
MUST_USE int remote_call(struct remote *r, const char *method, const char *path, const json_t *body,
                         struct buf *answer, struct err *e);
/* From now on a call lasts at most ms. */
void remote_hurry(struct remote *r, long ms);
/* Request id of the last problem that the server told, or "". Valid until the next call. */
const char *remote_problem_id(const struct remote *r);

/* One piece of a transfer: `length` bytes at `offset` of a file, the same here and there. */
struct piece {
    const char *path;       /* API path; borrowed while the piece is under way */
    const char *local_path; /* file to read or (existing) to write; borrowed, too */
    int64_t offset;
    int64_t length;
    size_t user; /* the caller's number for it */
};
/* Moves pieces over up to 4 connections. `next` gives the next piece (false: no more); `done` is
 * told of each finished one; progress gets the bytes moved since the last call (negative: a piece
 * starts again). Sending is PUT with Content-Digest; receiving is GET with Range. Each piece is
 * tried 5 times with growing pauses (22 s together), for errors that may pass. Stops at the first
 * failed piece and returns its error; ERR_LOCAL_IO for files here. */
struct transfer {
    bool is_sending;
    void *self;
    bool (*next)(void *self, struct piece *out);
    int (*done)(void *self, const struct piece *piece, struct err *e);
    void (*progress)(void *self, int64_t n_bytes);
};
MUST_USE int remote_transfer(struct remote *r, const struct transfer *t, struct err *e);

#endif
