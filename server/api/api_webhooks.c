/*
 * Handlers of webhooks and their deliveries. Words of HTTP only; the rules are in hooks.c, sending
 * is the matter of server/outbound. A secret is in the answer that makes it and nowhere else. Runs
 * on the worker of the request.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "app.h"
#include "commit_status.h"
#include "hook_spec.h"
#include "hooks.h"
#include "outbound.h"
#include "when.h"

#define DAY_MS INT64_C(86400000)

static struct hooks hooks_of(const struct request *rq)
{
    return (struct hooks){.store = rq->app->store, .data = rq->app->data};
}

static void wake(const struct request *rq)
{
    if (rq->app->outbound)
        outbound_wake(rq->app->outbound);
}

/* --- writing ---------------------------------------------------------------------------------- */

static void write_words(struct jsonw *w, const char *key, const char *list, size_t max)
{
    json_t *words CLEANUP(json_decref_ptr) = hook_words(list);
    jsonw_array(w, key);
    for (size_t i = 0; i < json_array_size(words) && i < max; i++)
        jsonw_str(w, NULL, json_string_value(json_array_get(words, i)));
    jsonw_end(w);
}

static const char *text_or_none(const char *text)
{
    return text && *text ? text : NULL;
}

static void write_hook(struct jsonw *w, const struct hook_row *h, int64_t n_pending, int64_t now_ms)
{
    bool has_old = h->old_until_ms > now_ms;
    jsonw_str(w, "id", h->id);
    jsonw_str(w, "name", h->name);
    jsonw_str(w, "url", h->url);
    jsonw_str(w, "format", h->format);
    write_words(w, "kinds", h->kinds, SIZE_MAX);
    jsonw_str(w, "environment", text_or_none(h->env));
    jsonw_str(w, "models", h->models);
    jsonw_str(w, "repository", text_or_none(h->repository));
    jsonw_bool(w, "enabled", h->is_enabled);
    jsonw_str(w, "why", h->why);
    write_words(w, "public_keys", h->public_keys, has_old ? 2 : 1);
    jsonw_time(w, "old_valid_until", has_old ? h->old_until_ms : 0);
    jsonw_time(w, "created", h->created_ms);
    jsonw_str(w, "created_by", h->created_by);
    jsonw_int(w, "cursor", h->cursor);
    jsonw_int(w, "n_pending", n_pending);
    jsonw_time(w, "failing_since", h->failing_since_ms);
    jsonw_time(w, "last_delivered", h->last_ok_ms);
    jsonw_time(w, "last_tried", h->last_try_ms);
    if (h->last_status)
        jsonw_int(w, "last_status", h->last_status);
    jsonw_str(w, "last_detail", text_or_none(h->last_detail));
}

/* The whole object of a hook, with the secret if one was just made. */
static int reply_hook(struct request *rq, struct reply *rp, const char *id, const char *secret,
                      struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct hook_row h;
    int64_t n_pending = 0;
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_hook_get(r.db, id, rq->arena, &h, e);
    if (!rc)
        rc = db_delivery_pending(r.db, id, &n_pending, e);
    if (rc)
        return rc;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    write_hook(&w, &h, n_pending, rq->now_ms);
    if (secret && *secret)
        jsonw_str(&w, "secret", secret);
    jsonw_end(&w);
    return ERR_OK;
}

static void write_delivery(struct jsonw *w, const struct delivery_row *d)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "number", d->number);
    if (d->seq)
        jsonw_int(w, "seq", d->seq);
    jsonw_str(w, "kind", d->kind);
    jsonw_str(w, "origin", d->origin);
    jsonw_str(w, "state", d->state);
    jsonw_int(w, "attempts", d->attempts);
    jsonw_time(w, "created", d->created_ms);
    jsonw_time(w, "next", d->ended_ms ? 0 : d->next_ms);
    jsonw_time(w, "ended", d->ended_ms);
    if (d->status)
        jsonw_int(w, "status", d->status);
    if (d->attempts)
        jsonw_int(w, "took_ms", d->took_ms);
    jsonw_str(w, "detail", text_or_none(d->detail));
    jsonw_end(w);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int read_texts(const json_t *body, struct hook_spec *s, struct err *e)
{
    const struct {
        const char *key, **out;
        size_t max;
    } texts[] = {{"name", &s->name, 255},
                 {"url", &s->url, 1000},
                 {"environment", &s->environment, 255},
                 {"models", &s->models, 1000},
                 {"repository", &s->repository, 1000},
                 {"token", &s->token, WEBHOOK_TOKEN_MAX}};
    int rc = ERR_OK;
    for (size_t i = 0; !rc && i < ARRAY_LEN(texts); i++)
        rc = json_opt_str(body, "", texts[i].key, texts[i].max, texts[i].out, e);
    return rc;
}

static int read_spec(struct request *rq, const char *const *known, struct hook_spec *s,
                     const char **reason, struct err *e)
{
    json_t *kinds = NULL;
    bool enabled = false;
    *s = (struct hook_spec){.enabled = -1, .since = -1};
    int rc = json_only(rq->json, "", known, e);
    if (!rc)
        rc = read_texts(rq->json, s, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "format", 32, &s->format, e);
    if (!rc)
        rc = json_opt_array(rq->json, "", "kinds", 1000, &kinds, e);
    if (!rc)
        rc = json_opt_bool(rq->json, "", "enabled", &enabled, e);
    if (!rc)
        rc = json_opt_int(rq->json, "", "since", 0, JSON_MAX_INT, &s->since, e);
    if (!rc)
        rc = request_reason(rq, reason, e);
    s->kinds = kinds;
    if (json_object_get(rq->json, "enabled"))
        s->enabled = enabled;
    return rc;
}

/* --- hooks ------------------------------------------------------------------------------------ */

static int list_hooks(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct hook_row *rows = NULL;
    const char *after = NULL;
    int64_t limit = 0;
    size_t n = 0;
    int rc = request_page(rq, &limit, &after, e);
    if (!rc && after && (!*after || strlen(after) > 15 || after[strspn(after, "0123456789")]))
        rc = err_set(e, ERR_INVALID, "this is no cursor of a list of webhooks");
    if (!rc)
        rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_hook_list(r.db, after ? strtoll(after, NULL, 10) : 0, limit + 1, rq->arena, &rows,
                          &n, e);
    if (rc)
        return rc;
    bool is_more = n > (size_t)limit;
    n = is_more ? (size_t)limit : n;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; !rc && i < n; i++) {
        int64_t n_pending = 0;
        rc = db_delivery_pending(r.db, rows[i].id, &n_pending, e);
        jsonw_object(&w, NULL);
        write_hook(&w, &rows[i], n_pending, rq->now_ms);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    if (is_more)
        jsonw_strf(&w, "next", "%lld", (long long)rows[n - 1].created_seq);
    jsonw_end(&w);
    return rc;
}

static int create_hook(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name",        "url",        "format", "kinds",
                                        "environment", "models",     "token",  "enabled",
                                        "reason",      "repository", NULL};
    struct hooks h = hooks_of(rq);
    struct hook_change_by by = {.actor = rq->caller.actor};
    struct hook_spec spec;
    struct hook_made made = {0};
    int rc = read_spec(rq, known, &spec, &by.reason, e);
    if (!rc)
        rc = hooks_create(&h, &by, &spec, &made, e);
    if (!rc)
        rc = reply_hook(rq, rp, made.id, made.secret, e);
    rp->status = 201;
    rp->is_secret = made.secret[0] != '\0';
    explicit_bzero(&made, sizeof made);
    wake(rq);
    return rc;
}

static int get_hook(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_hook(rq, rp, rq->params[0], NULL, e);
}

static int change_hook(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name",   "url",        "kinds",   "environment",
                                        "models", "token",      "enabled", "since",
                                        "reason", "repository", NULL};
    struct hooks h = hooks_of(rq);
    struct hook_change_by by = {.actor = rq->caller.actor};
    struct hook_spec spec;
    int rc = read_spec(rq, known, &spec, &by.reason, e);
    if (!rc)
        rc = hooks_update(&h, &by, rq->params[0], &spec, e);
    if (!rc)
        rc = reply_hook(rq, rp, rq->params[0], NULL, e);
    wake(rq);
    return rc;
}

static int delete_hook(struct request *rq, struct reply *rp, struct err *e)
{
    struct hooks h = hooks_of(rq);
    struct hook_change_by by = {.actor = rq->caller.actor};
    int rc = request_reason(rq, &by.reason, e);
    if (!rc)
        rc = hooks_delete(&h, &by, rq->params[0], e);
    if (!rc)
        rp->status = 204;
    return rc;
}

static int rotate_hook(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"overlap", "reason", NULL};
    struct hooks h = hooks_of(rq);
    struct hook_change_by by = {.actor = rq->caller.actor};
    struct hook_made made = {0};
    const char *overlap = NULL;
    int64_t overlap_ms = DAY_MS;
    int rc = json_only(rq->json, "", known, e);
    if (!rc)
        rc = json_opt_str(rq->json, "", "overlap", 32, &overlap, e);
    if (!rc)
        rc = request_reason(rq, &by.reason, e);
    if (!rc && overlap)
        rc = json_blame(when_parse_duration(overlap, &overlap_ms, e), "", "overlap", e);
    if (!rc && overlap_ms > 90 * DAY_MS)
        rc = err_at(e, ERR_INVALID, "/overlap", "two secrets are valid for 90 days at most");
    if (!rc)
        rc = hooks_rotate(&h, &by, rq->params[0], overlap_ms, &made, e);
    if (!rc)
        rc = reply_hook(rq, rp, made.id, made.secret, e);
    rp->is_secret = true;
    explicit_bzero(&made, sizeof made);
    return rc;
}

/* --- deliveries ------------------------------------------------------------------------------- */

static int list_deliveries(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct delivery_row *rows = NULL;
    struct hook_row h;
    const char *before = NULL;
    int64_t limit = 0;
    size_t n = 0;
    int rc = request_page(rq, &limit, &before, e);
    if (!rc && before && (!*before || strlen(before) > 15 || before[strspn(before, "0123456789")]))
        rc = err_set(e, ERR_INVALID, "this is no cursor of a list of deliveries");
    struct delivery_page page = {.before = before ? strtoll(before, NULL, 10) : INT64_MAX,
                                 .limit = limit + 1};
    if (!rc)
        rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_hook_get(r.db, rq->params[0], rq->arena, &h, e);
    if (!rc)
        rc = db_delivery_list(r.db, h.id, &page, rq->arena, &rows, &n, e);
    if (rc)
        return rc;
    bool is_more = n > (size_t)limit;
    n = is_more ? (size_t)limit : n;
    struct jsonw w;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++)
        write_delivery(&w, &rows[i]);
    jsonw_end(&w);
    if (is_more)
        jsonw_strf(&w, "next", "%lld", (long long)rows[n - 1].number);
    jsonw_end(&w);
    return ERR_OK;
}

static int reply_queued(struct request *rq, struct reply *rp, int64_t number, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct delivery_row d;
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_delivery_get(r.db, rq->params[0], number, rq->arena, &d, e);
    if (rc)
        return rc;
    struct jsonw w;
    rp->status = 202;
    reply_json(rp, &w);
    write_delivery(&w, &d);
    return ERR_OK;
}

static int ping_hook(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {NULL};
    struct hooks h = hooks_of(rq);
    int64_t number = 0;
    int rc = json_only(rq->json, "", known, e);
    if (!rc)
        rc = hooks_ping(&h, rq->params[0], &number, e);
    if (!rc)
        rc = reply_queued(rq, rp, number, e);
    wake(rq);
    return rc;
}

static int redeliver(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {NULL};
    struct hooks h = hooks_of(rq);
    const char *text = rq->params[1];
    int64_t number = 0;
    int rc = json_only(rq->json, "", known, e);
    if (!rc && (!*text || strlen(text) > 15 || text[strspn(text, "0123456789")]))
        rc = err_set(e, ERR_NOT_FOUND, "deliveries have numbers");
    if (!rc)
        rc = hooks_redeliver(&h, rq->params[0], strtoll(text, NULL, 10), &number, e);
    if (!rc)
        rc = reply_queued(rq, rp, number, e);
    wake(rq);
    return rc;
}

const struct route api_webhooks_routes[] = {
    {METHOD_GET, "/api/v1/webhooks", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, list_hooks,
     "list webhooks"},
    {METHOD_POST, "/api/v1/webhooks", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 32768, create_hook,
     "make a webhook; its secret is shown once"},
    {METHOD_GET, "/api/v1/webhooks/{id}", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, get_hook,
     "one webhook and how it fares"},
    {METHOD_PATCH, "/api/v1/webhooks/{id}", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 32768, change_hook,
     "change, enable, disable or replay a webhook"},
    {METHOD_DELETE, "/api/v1/webhooks/{id}", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_hook,
     "remove a webhook"},
    {METHOD_POST, "/api/v1/webhooks/{id}/rotate", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 4096,
     rotate_hook, "a new secret and key; the old ones stay valid for a while"},
    {METHOD_POST, "/api/v1/webhooks/{id}/ping", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 4096, ping_hook,
     "send a test event"},
    {METHOD_GET, "/api/v1/webhooks/{id}/deliveries", PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0,
     list_deliveries, "the log of deliveries, newest first"},
    {METHOD_POST, "/api/v1/webhooks/{id}/deliveries/{number}/redeliver", PERM_ADMIN, BODY_JSON,
     WORK_LIGHT, 4096, redeliver, "send a delivery once more"},
    {METHOD_GET, NULL, PERM_PUBLIC, BODY_NONE, WORK_LIGHT, 0, NULL, NULL},
};
