/*
 * Handlers of logging in elsewhere: to the OpenID Connect issuer and back. What the issuer says is
 * oidc.c's matter, who somebody is here user.c's. The browser keeps the login's ticket in a cookie
 * of its own (SameSite=Lax, or it would not come back with it); the session's cookie is Strict, so
 * the last answer is a page of ours that goes to the dashboard instead of a redirect, which
 * browsers would take for the issuer's. Runs on the worker of the request.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "api_session.h"
#include "app.h"
#include "config.h"
#include "history.h"
#include "identify.h"
#include "log.h"
#include "oidc.h"
#include "outbound.h"
#include "pulse.h"
#include "user.h"

#define CODE_MAX 4096
#define HOST_MAX 300

static const char welcome[] = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\">"
                              "<meta http-equiv=\"refresh\" content=\"0;url=/\"><title>mreg</title>"
                              "<p><a href=\"/\">Continue to mreg</a></p></html>\n";

static const char *ticket_name(const struct request *rq)
{
    return identify_is_tls(rq) ? "__Host-mreg-oidc" : "mreg-oidc";
}

static void ticket_cookie(struct request *rq, struct reply *rp, const char *value, int64_t seconds)
{
    reply_header(rp, "Set-Cookie",
                 arena_printf(rq->arena, "%s=%s; Path=/; HttpOnly; SameSite=Lax; Max-Age=%lld%s",
                              ticket_name(rq), value, (long long)seconds,
                              identify_is_tls(rq) ? "; Secure" : ""));
}

static void go_to(struct reply *rp, const char *address)
{
    rp->status = 302;
    rp->content_type = NULL;
    rp->is_secret = true;
    reply_header(rp, "Location", address);
    reply_header(rp, "Referrer-Policy", "no-referrer");
}

/* The address that the issuer sends the browser back to. */
static int redirect_of(struct request *rq, const char **out, struct err *e)
{
    const char *url = config_text(rq->app->config, "server.url");
    const char *host = request_header(rq, "Host");
    size_t n = strlen(url);
    if (n == 0 && (!host || strlen(host) > HOST_MAX))
        return err_set(e, ERR_INVALID, "no usable Host");
    n -= n && url[n - 1] == '/';
    *out = n ? arena_printf(rq->arena, "%.*s" API_OIDC_PATH "/callback", (int)n, url)
             : arena_printf(rq->arena, "%s://%s" API_OIDC_PATH "/callback",
                            identify_is_tls(rq) ? "https" : "http", host);
    return 0;
}

static int check_request(const struct request *rq, struct err *e)
{
    if (!rq->app->oidc)
        return err_set(e, ERR_NOT_FOUND, "this server knows no identity provider");
    if (rq->is_head)
        return err_set(e, ERR_INVALID, "a login is done with GET");
    return 0;
}

/* People see a word; the reason is for the log, without what the issuer sent. */
static void turn_away(const struct request *rq, struct reply *rp, int rc, const struct err *e)
{
    log_line(LOG_WARNING, "oidc", "login from %s %s: %s", rq->remote,
             rc == ERR_REFUSED ? "refused" : "failed", e->message);
    go_to(rp, rc == ERR_REFUSED ? "/?login=refused" : "/?login=failed");
}

static int begin_login(struct request *rq, struct reply *rp, struct err *e)
{
    struct openid_ticket ticket;
    struct oidc_return r = {.ticket = &ticket};
    char *url = NULL;
    int rc = check_request(rq, e);
    if (!rc)
        rc = redirect_of(rq, &r.redirect, e);
    if (rc)
        return rc;
    openid_ticket_new(rq->app->pepper, rq->now_ms, &ticket);
    rc = oidc_begin(rq->app->oidc, &r, rq->arena, &url, e);
    if (rc) {
        turn_away(rq, rp, rc, e);
    } else {
        ticket_cookie(rq, rp, ticket.text, OPENID_TICKET_MS / 1000);
        go_to(rp, url);
    }
    explicit_bzero(&ticket, sizeof ticket);
    return 0;
}

/* --- coming back ------------------------------------------------------------------------------ */

/* The login that began in this browser, if this answer is to it. */
static int read_ticket(struct request *rq, struct openid_ticket *out, struct err *e)
{
    char text[OPENID_TICKET_BYTES] = "";
    const char *cookie = request_header(rq, "Cookie");
    const char *state = NULL;
    int rc = request_query(rq, "state", &state, e);
    if (rc)
        return rc;
    if (!cookie || !credentials_named(cookie, ticket_name(rq), text, sizeof text))
        return err_set(e, ERR_CONFLICT, "the login did not begin in this browser");
    rc = openid_ticket_read(rq->app->pepper, text, rq->now_ms, out, e);
    if (rc)
        return ERR_CONFLICT;
    if (!state || strlen(state) != strlen(out->state) ||
        !seal_equal(state, out->state, strlen(state)))
        return err_set(e, ERR_CONFLICT, "the answer is to another login (state)");
    return 0;
}

static int read_answer(struct request *rq, struct oidc_return *r, struct err *e)
{
    const char *error = NULL;
    int rc = request_query(rq, "error", &error, e);
    if (!rc)
        rc = request_query(rq, "code", &r->code, e);
    if (!rc)
        rc = request_query(rq, "iss", &r->issuer, e);
    if (rc)
        return rc;
    if (error)
        return err_set(e, ERR_REFUSED, "the issuer said no: %.*s",
                       (int)strspn(error, "abcdefghijklmnopqrstuvwxyz_"), error);
    if (!r->code || !r->code[0] || strlen(r->code) > CODE_MAX)
        return err_set(e, ERR_INVALID, "the issuer sent no code");
    return redirect_of(rq, &r->redirect, e);
}

static int admit(struct request *rq, const struct oidc_person *p, char id[32], struct err *e)
{
    struct app *app = rq->app;
    struct user_admission in = {.subject = p->subject,
                                .name = p->name,
                                .role = config_text(app->config, "oidc.role-default")};
    bool is_new = false;
    int rc = user_admit(app->store, &in, id, &is_new, e);
    if (!rc && is_new) { /* a GET that has written a fact */
        history_wake(app->history);
        pulse_beat(app->pulse);
        outbound_wake(app->outbound);
    }
    return rc;
}

static int enter(struct request *rq, struct reply *rp, const char *id, struct err *e)
{
    char secret[SESSION_SECRET_BYTES];
    struct sessions s = identify_sessions(rq);
    int rc = session_open(&s, id, rq->now_ms, secret, e);
    if (rc)
        return rc;
    api_session_cookie(rq, rp, secret, API_SESSION_SECONDS);
    explicit_bzero(secret, sizeof secret);
    rp->is_secret = true;
    rp->content_type = "text/html; charset=utf-8";
    reply_header(rp, "Content-Security-Policy",
                 "default-src 'none'; base-uri 'none'; frame-ancestors 'none'");
    reply_header(rp, "Referrer-Policy", "no-referrer");
    buf_puts(&rp->body, welcome);
    return 0;
}

static int finish_login(struct request *rq, struct reply *rp, struct err *e)
{
    struct openid_ticket ticket;
    struct oidc_person person;
    struct oidc_return r = {.ticket = &ticket};
    char id[32];
    int rc = check_request(rq, e);
    if (rc)
        return rc;
    rc = read_ticket(rq, &ticket, e);
    if (!rc) {
        ticket_cookie(rq, rp, "", 0);
        rc = read_answer(rq, &r, e);
        if (!rc)
            rc = oidc_finish(rq->app->oidc, &r, &person, e);
        if (!rc)
            rc = admit(rq, &person, id, e);
        if (!rc)
            rc = enter(rq, rp, id, e);
    }
    if (rc)
        turn_away(rq, rp, rc, e);
    explicit_bzero(&ticket, sizeof ticket);
    return 0;
}

const struct route api_oidc_routes[] = {
    {METHOD_GET, API_OIDC_PATH, PERM_PUBLIC, BODY_NONE, WORK_HEAVY, 0, begin_login,
     "Send a browser to the identity provider"},
    {METHOD_GET, API_OIDC_PATH "/callback", PERM_PUBLIC, BODY_NONE, WORK_HEAVY, 0, finish_login,
     "Log a browser in that comes back from the identity provider"},
    {.handler = NULL},
};
