/*
 * Who sent a request. Knows the fields that carry credentials; must not know what a caller may do.
 * Runs on the request's worker.
 */
#include "identify.h"

#include <stdio.h>
#include <string.h>

#include "credentials.h"
#include "seal.h"
#include "session.h"

/* False if the browser says that another page makes it call. */
static bool is_own_page(const struct head *head)
{
    const char *origin = head_get(head, "Origin");
    const char *host = head_get(head, "Host");
    const char *site = head_get(head, "Sec-Fetch-Site");
    return (!origin || (host && credentials_same_origin(origin, host))) &&
           (!site || strcmp(site, "same-origin") == 0);
}

/* A browser sends its cookie with whatever page makes it call: a change must carry the word that
 * only our own page can know, and come from our own page. */
static int check_csrf(const struct app *app, const struct head *head, const struct request *rq,
                      const char *secret, struct err *e)
{
    char word[SESSION_SECRET_BYTES];
    const char *given = head_get(head, "Mreg-Csrf");
    if (rq->method == METHOD_GET)
        return 0;
    session_csrf(app->pepper, secret, word);
    bool has_word = given && strlen(given) == strlen(word) && seal_equal(given, word, strlen(word));
    if (has_word && is_own_page(head))
        return 0;
    return err_set(e, ERR_FORBIDDEN,
                   "a change in a browser's session needs Mreg-Csrf and the origin of this page");
}

static int by_session(const struct app *app, const struct head *head, struct request *rq,
                      const char *secret, struct err *e)
{
    struct sessions s = {app->store, app->auth, app->pepper};
    int rc = session_identify(&s, secret, rq->now_ms, &rq->caller, e);
    return rc ? rc : check_csrf(app, head, rq, secret, e);
}

int identify_caller(struct app *app, const struct head *head, struct request *rq, struct err *e)
{
    char secret[CREDENTIALS_MAX_BYTES];
    const char *field = head_get(head, "Authorization");
    const char *cookie = head_get(head, "Cookie");
    int rc = 0;
    if (!field && cookie && credentials_cookie(cookie, secret)) {
        rc = by_session(app, head, rq, secret, e);
    } else {
        if (field && !credentials_token(field, secret))
            snprintf(secret, sizeof secret, "-"); /* counts as a bad token */
        rc =
            auth_identify(app->auth, field ? secret : NULL, rq->remote, rq->now_ms, &rq->caller, e);
        /* Basic is remembered and sent by browsers, too; a token only by who holds it. */
        if (!rc && field && credentials_is_basic(field) && rq->method != METHOD_GET &&
            !is_own_page(head))
            rc = err_set(e, ERR_FORBIDDEN, "a change comes from a page of another origin");
    }
    explicit_bzero(secret, sizeof secret);
    return rc;
}
