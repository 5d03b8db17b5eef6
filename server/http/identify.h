/*
 * Who sent a request: the bearer of a token, or the owner of a browser's session.
 */
#ifndef MREG_IDENTIFY_H
#define MREG_IDENTIFY_H

#include "credentials.h"
#include "request.h"
#include "session.h"

/* Fills rq->caller from Authorization, or from the session's cookie when there is none, as it is at
 * rq->now_ms. A change in a session must carry the CSRF word and come from this origin.
 * ERR_UNAUTHENTICATED, ERR_THROTTLED, ERR_FORBIDDEN (CSRF). Runs on the request's worker; a long
 * answer asks again. */
MUST_USE int identify_caller(struct request *rq, struct err *e);

/* True if a declared proxy says that the browser speaks TLS with it. */
bool identify_is_tls(const struct request *rq);
/* Name of the session's cookie: over TLS one that nobody but this host can have set, and only it
 * counts there. Static. */
const char *identify_cookie_name(const struct request *rq);
/* What looks sessions up, lent by rq->app. */
struct sessions identify_sessions(const struct request *rq);
/* False if the browser says that another page makes it call. */
bool identify_own_page(const struct request *rq);
/* The session's secret out of the request's cookies; false when there is none. */
bool identify_secret(const struct request *rq, char secret[CREDENTIALS_MAX_BYTES]);

#endif
