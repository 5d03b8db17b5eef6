/*
 * Handlers of identity and access: the listing of the API, the trust file, who am I, tokens. Words
 * of HTTP only; the rules are in auth.c. Runs on the worker of the request.
 */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "app.h"
#include "auth.h"
#include "db_access.h"
#include "keys.h"
#include "route.h"
#include "when.h"

#define DEFAULT_NAME_BYTES 63

static void write_routes(struct jsonw *w)
{
    jsonw_array(w, "routes");
    for (size_t t = 0; api_tables[t]; t++) {
        for (const struct route *r = api_tables[t]; r->handler; r++) {
            jsonw_object(w, NULL);
            jsonw_str(w, "method", method_name(r->method));
            jsonw_str(w, "path", r->pattern);
            jsonw_str(w, "permission", permission_name(r->permission));
            jsonw_str(w, "summary", r->summary);
            jsonw_end(w);
        }
    }
    jsonw_end(w);
}

static int get_index(struct request *rq, struct reply *rp, struct err *e)
{
    (void)e;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "name", "mreg");
    jsonw_str(&w, "version", MREG_VERSION);
    jsonw_str(&w, "registry", rq->app->registry_id);
    jsonw_str(&w, "domain", rq->app->domain);
    jsonw_str(&w, "key_id", rq->app->identity->id);
    write_routes(&w);
    jsonw_end(&w);
    return 0;
}

static int get_allowed_signers(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = keys_allowed_signers(r.db, rq->app->domain, &rp->body, e);
    rp->content_type = "text/plain; charset=utf-8";
    return rc;
}

/* Of a token of role node. */
static void write_scope(struct jsonw *w, const char *environment, const char *root)
{
    if (environment && *environment)
        jsonw_str(w, "environment", environment);
    if (root && *root)
        jsonw_str(w, "root", root);
}

static int get_whoami(struct request *rq, struct reply *rp, struct err *e)
{
    (void)e;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "actor", rq->caller.actor);
    jsonw_str(&w, "name", rq->caller.name);
    jsonw_str(&w, "role", rq->caller.role);
    jsonw_str(&w, "models", rq->caller.models);
    write_scope(&w, rq->caller.environment, rq->caller.root);
    jsonw_end(&w);
    return 0;
}

static void write_token(struct jsonw *w, const struct db_token *t)
{
    jsonw_str(w, "id", t->id);
    jsonw_str(w, "name", t->name);
    jsonw_str(w, "role", t->role);
    jsonw_str(w, "models", t->models);
    write_scope(w, t->environment, t->root);
    jsonw_str(w, "hint", t->hint);
    jsonw_time(w, "created", t->created_ms);
    jsonw_str(w, "created_by", t->created_by);
    jsonw_time(w, "expires", t->expires_ms);
    jsonw_time(w, "revoked", t->revoked_ms);
    jsonw_time(w, "last_used", t->last_used_ms);
}

static int list_tokens(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct db_token *rows = NULL;
    const char *after = NULL;
    int64_t limit = 0;
    size_t n = 0;
    int rc = request_page(rq, &limit, &after, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_token_list(r.db, after, limit + 1, rq->arena, &rows, &n, e);
    if (rc)
        return rc;
    bool is_more = n > (size_t)limit;
    n = is_more ? (size_t)limit : n;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(&w, NULL);
        write_token(&w, &rows[i]);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    if (is_more)
        jsonw_str(&w, "next", rows[n - 1].id);
    jsonw_end(&w);
    return 0;
}

/* "expires": a duration from now ("90d") or a time. */
static int read_expiry(const json_t *body, int64_t now_ms, int64_t *expires_ms, struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(body, "", "expires", 64, &text, e);
    if (rc || !text)
        return rc;
    int64_t ms = 0;
    if (when_parse_duration(text, &ms, NULL) == 0 && ms > 0) {
        *expires_ms = now_ms + ms;
        return 0;
    }
    rc = when_parse(text, expires_ms, e);
    if (rc)
        return err_at(e, ERR_INVALID, "/expires", "write a duration like \"90d\" or a time");
    if (*expires_ms <= now_ms)
        return err_at(e, ERR_INVALID, "/expires", "this time has passed");
    return 0;
}

static int read_grant(struct request *rq, struct auth_grant *g, struct err *e)
{
    static const char *const known[] = {"name",   "role",        "models", "expires",
                                        "reason", "environment", "root",   NULL};
    int rc = json_only(rq->json, "", known, e);
    if (!rc)
        rc = json_get_str(rq->json, "", "name", DEFAULT_NAME_BYTES, &g->name, e);
    if (!rc)
        rc = json_get_str(rq->json, "", "role", 32, &g->role, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "models", sizeof rq->caller.models - 1, &g->models, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "environment", sizeof rq->caller.environment - 1,
                          &g->environment, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "root", sizeof rq->caller.root - 1, &g->root, e);
    if (!rc)
        rc = request_reason(rq, &g->reason, e);
    if (!rc)
        rc = read_expiry(rq->json, rq->now_ms, &g->expires_ms, e);
    if (!g->models)
        g->models = "*";
    g->actor = rq->caller.actor;
    return rc;
}

static int create_token(struct request *rq, struct reply *rp, struct err *e)
{
    struct auth_grant grant = {0};
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    int rc = read_grant(rq, &grant, e);
    if (!rc)
        rc = auth_create(rq->app->auth, &grant, token, id, e);
    if (rc)
        return rc;
    struct jsonw w;
    rp->status = 201;
    rp->is_secret = true;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "id", id);
    jsonw_str(&w, "name", grant.name);
    jsonw_str(&w, "role", grant.role);
    jsonw_str(&w, "models", grant.models);
    write_scope(&w, grant.environment, grant.root);
    jsonw_time(&w, "expires", grant.expires_ms);
    jsonw_str(&w, "token", token);
    jsonw_end(&w);
    explicit_bzero(token, sizeof token);
    return 0;
}

static int delete_token(struct request *rq, struct reply *rp, struct err *e)
{
    const char *reason = NULL;
    int rc = request_reason(rq, &reason, e);
    if (!rc)
        rc = auth_revoke(rq->app->auth, rq->params[0], rq->caller.actor, reason, e);
    if (!rc)
        rp->status = 204;
    return rc;
}

const struct route api_access_routes[] = {
    {METHOD_GET, "/api/v1", PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0, get_index,
     "this registry and its API"},
    {METHOD_GET, "/api/v1/trust/allowed_signers", PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0,
     get_allowed_signers, "public keys of this registry, one OpenSSH line each"},
    {METHOD_GET, "/api/v1/whoami", PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_whoami,
     "the caller's token"},
    {METHOD_GET, "/api/v1/tokens", PERM_AUDIT, BODY_NONE, WORK_LIGHT, 0, list_tokens,
     "list tokens"},
    {METHOD_POST, "/api/v1/tokens", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 4096, create_token,
     "create a token; its text is shown once"},
    {METHOD_DELETE, "/api/v1/tokens/{id}", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_token,
     "revoke a token"},
    {METHOD_GET, NULL, PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0, NULL, NULL},
};
