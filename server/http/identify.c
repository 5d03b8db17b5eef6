/*
 * Who sent a request. Knows the fields that carry credentials; must not know what a caller may do.
 * Runs on the request's worker.
 */
#include "identify.h"

#include <stdio.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "seal.h"

struct sessions identify_sessions(const struct request *rq)
{
    return (struct sessions){rq->app->store, rq->app->auth, rq->app->pepper};
}

bool identify_own_page(const struct request *rq)
{
    const char *origin = request_header(rq, "Origin");
    const char *host = request_header(rq, "Host");
    const char *site = request_header(rq, "Sec-Fetch-Site");
    return (!origin || (host && credentials_same_origin(origin, host))) &&
           (!site || strcmp(site, "same-origin") == 0);
}

/* A browser sends its cookie with whatever page makes it call: a change must carry the word that
 * only our own page can know, and come from our own page. */
static int check_csrf(const struct request *rq, const char *secret, struct err *e)
{
    char word[SESSION_SECRET_BYTES];
    const char *given = request_header(rq, "Mreg-Csrf");
    if (rq->method == METHOD_GET)
        return 0;
    session_csrf(rq->app->pepper, secret, word);
    bool has_word = given && strlen(given) == strlen(word) && seal_equal(given, word, strlen(word));
    if (has_word && identify_own_page(rq))
        return 0;
    return err_set(e, ERR_FORBIDDEN,
                   "a change in a browser's session needs Mreg-Csrf and the origin of this page");
}

static int by_session(struct request *rq, const char *secret, struct err *e)
{
    struct sessions s = identify_sessions(rq);
    int rc = session_identify(&s, secret, rq->now_ms, &rq->caller, e);
    return rc ? rc : check_csrf(rq, secret, e);
}

static int by_token(struct request *rq, const char *field, char secret[CREDENTIALS_MAX_BYTES],
                    struct err *e)
{
    if (field && !credentials_token(field, secret))
        snprintf(secret, CREDENTIALS_MAX_BYTES, "-"); /* counts as a bad token */
    int rc =
        auth_identify(rq->app->auth, field ? secret : NULL, rq->remote, rq->now_ms, &rq->caller, e);
    /* Basic is remembered and sent by browsers, too; a token only by who holds it. */
    if (!rc && field && credentials_is_basic(field) && rq->method != METHOD_GET &&
        !identify_own_page(rq))
        rc = err_set(e, ERR_FORBIDDEN, "a change comes from a page of another origin");
    return rc;
}

int identify_caller(struct request *rq, struct err *e)
{
    char secret[CREDENTIALS_MAX_BYTES];
    const char *field = request_header(rq, "Authorization");
    bool is_session = !field && identify_secret(rq, secret);
    int rc = is_session ? by_session(rq, secret, e) : by_token(rq, field, secret, e);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

bool identify_is_tls(const struct request *rq)
{
    const char *scheme = request_header(rq, "X-Forwarded-Proto");
    return scheme && strcmp(scheme, "https") == 0 &&
           strcmp(config_text(rq->app->config, "server.proxy"), "declared") == 0;
}

const char *identify_cookie_name(const struct request *rq)
{
    return identify_is_tls(rq) ? "__Host-mreg" : "mreg";
}

bool identify_secret(const struct request *rq, char secret[CREDENTIALS_MAX_BYTES])
{
    const char *cookies = request_header(rq, "Cookie");
    return cookies &&
           credentials_named(cookies, identify_cookie_name(rq), secret, CREDENTIALS_MAX_BYTES);
}
