/*
 * Handlers of a browser's login: sessions by token or password, and people. Words of HTTP only; the
 * rules are in session.c and user.c. Runs on the worker of the request.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "api_session.h"
#include "app.h"
#include "config.h"
#include "db_account.h"
#include "identify.h"
#include "session.h"
#include "user.h"

void api_session_cookie(struct request *rq, struct reply *rp, const char *value, int64_t seconds)
{
    reply_header(rp, "Set-Cookie",
                 arena_printf(rq->arena, "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
                              identify_cookie_name(rq), value, (long long)seconds,
                              identify_is_tls(rq) ? "; Secure" : ""));
}

static void write_session(struct request *rq, struct reply *rp, const struct caller *c,
                          const char *secret)
{
    char csrf[SESSION_SECRET_BYTES];
    struct jsonw w;
    session_csrf(rq->app->pepper, secret, csrf);
    reply_json(rp, &w);
    rp->is_secret = true;
    jsonw_object(&w, NULL);
    jsonw_str(&w, "actor", c->actor);
    jsonw_str(&w, "name", c->name);
    jsonw_str(&w, "role", c->role);
    jsonw_str(&w, "models", c->models);
    jsonw_str(&w, "csrf", csrf);
    jsonw_end(&w);
}

/* A page of somebody else must not log its visitor in here. */
static int check_origin(const struct request *rq, struct err *e)
{
    return identify_own_page(rq) ? 0 : err_set(e, ERR_FORBIDDEN, "this page may not log in here");
}

struct login {
    const char *token, *user, *password;
};

static int read_login(const struct request *rq, struct login *in, struct err *e)
{
    static const char *const known[] = {"token", "user", "password", NULL};
    int rc = json_only(rq->json, "", known, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "token", CREDENTIALS_MAX_BYTES - 1, &in->token, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "user", 63, &in->user, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "password", USER_PASSWORD_MAX, &in->password, e);
    if (!rc && !in->token && (!in->user || !in->password))
        rc = err_set(e, ERR_INVALID, "log in with \"token\", or with \"user\" and \"password\"");
    return rc;
}

static int prove(struct request *rq, const struct login *in, char actor[32], struct err *e)
{
    struct app *app = rq->app;
    if (!in->token) {
        struct user_login login = {in->user, in->password, rq->remote, rq->now_ms};
        return user_check(app->store, app->auth, &login, actor, e);
    }
    struct caller c;
    int rc = auth_identify(app->auth, in->token, rq->remote, rq->now_ms, &c, e);
    if (!rc && !c.may[PERM_READ])
        rc = err_set(e, ERR_FORBIDDEN, "this token is of role %s: it cannot read", c.role);
    if (!rc)
        memcpy(actor, c.actor, sizeof c.actor);
    return rc;
}

static int post_session(struct request *rq, struct reply *rp, struct err *e)
{
    struct login in = {0};
    struct caller c;
    char actor[32];
    char secret[SESSION_SECRET_BYTES];
    struct sessions s = identify_sessions(rq);
    int rc = check_origin(rq, e);
    if (!rc)
        rc = read_login(rq, &in, e);
    if (!rc)
        rc = prove(rq, &in, actor, e);
    if (!rc)
        rc = session_open(&s, actor, rq->now_ms, secret, e);
    if (!rc)
        rc = session_identify(&s, secret, rq->now_ms, &c, e);
    if (!rc) {
        api_session_cookie(rq, rp, secret, API_SESSION_SECONDS);
        write_session(rq, rp, &c, secret);
    }
    explicit_bzero(secret, sizeof secret);
    return rc;
}

/* Only a session has a CSRF word; a token's bearer asks /whoami. */
static int get_session(struct request *rq, struct reply *rp, struct err *e)
{
    char secret[CREDENTIALS_MAX_BYTES];
    struct sessions s = identify_sessions(rq);
    struct caller c;
    if (!identify_secret(rq, secret))
        return err_set(e, ERR_UNAUTHENTICATED, "there is no session here");
    int rc = session_identify(&s, secret, rq->now_ms, &c, e);
    if (!rc)
        write_session(rq, rp, &c, secret);
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static int delete_session(struct request *rq, struct reply *rp, struct err *e)
{
    char secret[CREDENTIALS_MAX_BYTES];
    struct sessions s = identify_sessions(rq);
    int rc = identify_secret(rq, secret) ? session_close(&s, secret, e) : 0;
    if (!rc) {
        api_session_cookie(rq, rp, "", 0);
        rp->status = 204;
    }
    return rc;
}

static int get_ways(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct jsonw w;
    bool has_passwords = false;
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_user_has_passwords(r.db, &has_passwords, e);
    if (rc)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "token", true);
    jsonw_bool(&w, "password", has_passwords);
    if (rq->app->oidc) {
        jsonw_object(&w, "oidc");
        jsonw_str(&w, "name", config_text(rq->app->config, "oidc.name"));
        jsonw_str(&w, "url", API_OIDC_PATH);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    return 0;
}

/* ---- people ---- */

static void write_user(struct jsonw *w, const struct db_user *u)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "id", u->id);
    jsonw_str(w, "name", u->name);
    jsonw_str(w, "role", u->role);
    jsonw_str(w, "models", u->models);
    jsonw_bool(w, "has_password", u->password[0] != '\0');
    jsonw_str(w, "subject", u->subject);
    jsonw_time(w, "created", u->created_ms);
    jsonw_str(w, "created_by", u->created_by);
    jsonw_time(w, "last_login", u->last_login_ms);
    jsonw_end(w);
}

static int list_users(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct db_user *rows = NULL;
    const char *after = NULL;
    int64_t limit = 0;
    size_t n = 0;
    int rc = request_page(rq, &limit, &after, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_user_list(r.db, after, limit + 1, rq->arena, &rows, &n, e);
    if (rc)
        return rc;
    bool is_more = n > (size_t)limit;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n - is_more; i++)
        write_user(&w, &rows[i]);
    jsonw_end(&w);
    if (is_more)
        jsonw_str(&w, "next", rows[n - 2].name);
    jsonw_end(&w);
    return 0;
}

static int show_user(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct db_user u;
    struct jsonw w;
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_user_by_name(r.db, name, rq->arena, &u, e);
    if (rc)
        return rc;
    reply_json(rp, &w);
    write_user(&w, &u);
    return 0;
}

/* s->name: of a person that exists; its name stays. */
static int read_spec(struct request *rq, struct user_spec *s, struct err *e)
{
    static const char *const known[] = {"name",    "password", "role", "models",
                                        "subject", "reason",   NULL};
    const json_t *j = rq->json;
    int rc = json_only(j, "", s->name ? known + 1 : known, e);
    if (!rc && !s->name)
        rc = json_get_str(j, "", "name", 63, &s->name, e);
    if (!rc)
        rc = json_opt_str(j, "", "password", USER_PASSWORD_MAX, &s->password, e);
    if (!rc)
        rc = json_opt_str(j, "", "role", 32, &s->role, e);
    if (!rc)
        rc = json_opt_str(j, "", "models", sizeof rq->caller.models - 1, &s->models, e);
    if (!rc)
        rc = json_opt_str(j, "", "subject", USER_SUBJECT_MAX, &s->subject, e);
    if (!rc)
        rc = request_reason(rq, &s->reason, e);
    s->actor = rq->caller.actor;
    return rc;
}

static int post_user(struct request *rq, struct reply *rp, struct err *e)
{
    struct user_spec spec = {0};
    char id[32];
    int rc = read_spec(rq, &spec, e);
    if (!rc)
        rc = user_create(rq->app->store, &spec, id, e);
    if (!rc)
        rc = show_user(rq, rp, spec.name, e);
    if (!rc)
        rp->status = 201;
    return rc;
}

static int patch_user(struct request *rq, struct reply *rp, struct err *e)
{
    struct user_spec spec = {.name = rq->params[0]};
    int rc = read_spec(rq, &spec, e);
    if (!rc)
        rc = user_update(rq->app->store, &spec, e);
    return rc ? rc : show_user(rq, rp, spec.name, e);
}

static int delete_user(struct request *rq, struct reply *rp, struct err *e)
{
    struct user_spec spec = {.name = rq->params[0], .actor = rq->caller.actor};
    int rc = request_reason(rq, &spec.reason, e);
    if (!rc)
        rc = user_remove(rq->app->store, &spec, e);
    if (!rc)
        rp->status = 204;
    return rc;
}

const struct route api_session_routes[] = {
    {METHOD_POST, "/api/v1/session", PERM_PUBLIC, BODY_JSON, WORK_HEAVY, 4096, post_session,
     "Log a browser in, by token or by user and password"},
    {METHOD_GET, "/api/v1/session", PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0, get_session,
     "Who the browser's session is"},
    {METHOD_DELETE, "/api/v1/session", PERM_READ, BODY_NONE, WORK_LIGHT, 0, delete_session,
     "Log out"},
    {METHOD_GET, "/api/v1/session/ways", PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0, get_ways,
     "How people can log in"},
    {METHOD_GET, "/api/v1/users", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, list_users, "List people"},
    {METHOD_POST, "/api/v1/users", PERM_ADMIN, BODY_JSON, WORK_HEAVY, 0, post_user, "Add a person"},
    {METHOD_PATCH, "/api/v1/users/{user}", PERM_ADMIN, BODY_JSON, WORK_HEAVY, 0, patch_user,
     "Change a person's role, models, password or subject"},
    {METHOD_DELETE, "/api/v1/users/{user}", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_user,
     "Remove a person"},
    {.handler = NULL},
};
