/*
 * Who sent a request: the bearer of a token, or the owner of a browser's session.
 */
#ifndef MREG_IDENTIFY_H
#define MREG_IDENTIFY_H

#include "app.h"
#include "head.h"
#include "request.h"

/* Fills rq->caller from Authorization, or from the session's cookie when there is none. A change in
 * a session must carry the CSRF word and come from this origin. ERR_UNAUTHENTICATED, ERR_THROTTLED,
 * ERR_FORBIDDEN (CSRF). Runs on the request's worker. */
MUST_USE int identify_caller(struct app *app, const struct head *head, struct request *rq,
                             struct err *e);

#endif
