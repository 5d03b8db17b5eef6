/*
 * What the ways of logging in share: the session's cookie. Only for server/api.
 */
#ifndef MREG_API_SESSION_H
#define MREG_API_SESSION_H

#include "request.h"
#include "session.h"

#define API_OIDC_PATH "/api/v1/session/oidc"
#define API_SESSION_SECONDS (SESSION_MS / 1000 * 14) /* the longest that a session can last */

/* Gives the browser a session's secret (borrowed), or takes it with "" and 0 seconds. */
void api_session_cookie(struct request *rq, struct reply *rp, const char *value, int64_t seconds);

#endif
