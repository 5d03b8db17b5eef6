/*
 * One request from its head to the last byte of its answer, without knowing the library that
 * carries the bytes: serve.c and the tests provide a head and a peer.
 */
#ifndef MREG_EXCHANGE_H
#define MREG_EXCHANGE_H

#include "app.h"
#include "body.h"
#include "gates.h"
#include "idempotency.h"
#include "reply.h"
#include "route.h"
#include "web.h"

/* What all requests share. Borrowed handles. */
struct service {
    struct app *app;
    const struct router *router;
    const struct web *web;
    struct idempotency *idempotency;
    struct gates gates;
    bool is_behind_proxy; /* X-Forwarded-For names the client */
    _Atomic uint64_t n_requests;
    uint32_t id_prefix; /* random per start: request ids of two starts differ */
};

/* What one worker thread keeps between requests. */
struct worker;
struct worker *worker_new(void);
void worker_free(struct worker *w);

/* Answers one request completely. Runs on the worker's thread. */
void exchange_run(struct service *s, struct worker *w, const struct head *head, struct peer *peer);
/* Answers a request that the library could not parse; the connection closes afterwards. */
struct malformed {
    int status;
    const char *remote;
};
void exchange_malformed(struct service *s, struct worker *w, const struct malformed *what,
                        struct peer *peer);

#endif
