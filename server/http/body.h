/*
 * The bytes of a request's body, read once, with a limit; and the peer they come from.
 */
#ifndef MREG_BODY_H
#define MREG_BODY_H

#include "blob.h"
#include "guard.h"
#include "json.h"

/* The connection as the exchange sees it; serve.c and tests make one. */
struct peer {
    void *self;
    /* Up to n bytes; 0 at the end of the body or connection, -1 when broken or cut. deadline_ms:
     * monotonic, 0: none. */
    int (*read)(void *self, void *bytes, size_t n, int64_t deadline_ms);
    /* All n bytes; false when the peer is gone or too slow. */
    bool (*write)(void *self, const void *bytes, size_t n);
    /* The connection must not be used for another request. */
    void (*close_after)(void *self);
    /* Throws bytes that the client is still sending away, for a bounded time and amount. */
    void (*drain)(void *self);
    /* True if the watchdog ended the transfer for slowness. */
    bool (*was_cut)(void *self);
    /* True if the peer has closed its side, as far as is known without a write. */
    bool (*has_left)(void *self);
};

struct body {
    struct body_source source; /* for handlers; its self is this body */
    struct peer *peer;         /* borrowed */
    const struct guard *guard; /* borrowed */
    int64_t max_bytes;
    int64_t deadline_ms; /* monotonic; 0: only the least rate counts */
    int64_t n_read;
    bool is_ended;     /* all of it has been read */
    bool is_broken;    /* nothing more can be read */
    bool is_continued; /* "100 Continue" was sent */
    int status;        /* HTTP status that a failed read asks for; 0: by the error's code */
};

/* peer and guard are borrowed. max_bytes: more is ERR_TOO_LARGE. */
void body_init(struct body *b, struct peer *peer, const struct guard *guard, int64_t max_bytes);
/* Reads the whole body and parses it as a JSON object ({} when empty). *out: caller owns.
 * ERR_INVALID, ERR_TOO_LARGE, ERR_TIMEOUT (too slow; status 408). */
MUST_USE int body_json(struct body *b, struct buf *raw, json_t **out, struct err *e);
/* After the handler: true if the connection stands at the end of the body, reading a small rest. */
bool body_finish(struct body *b);

#endif
