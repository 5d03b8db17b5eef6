/*
 * The life of one request: guard, route, caller, permission, room, body, repeat, handler, answer,
 * log. Each step either passes or fills the reply with a problem. Must not know CivetWeb, SQL or
 * what any handler does. Runs on the worker of the request; what workers share is in struct
 * service.
 */
#include "exchange.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "auth.h"
#include "clock.h"
#include "config.h"
#include "credentials.h"
#include "identify.h"
#include "history.h"
#include "log.h"
#include "metrics.h"
#include "outbound.h"
#include "pulse.h"
#include "watchdog.h"

#define KEEP_BUFFER_BYTES ((size_t)256 << 10)

/* One request on its way. Lives in the worker, because worker stacks are small. */
struct turn {
    struct service *service;
    struct worker *worker;
    const struct head *head;
    struct peer *peer;
    struct guard guard;
    struct match match;
    struct request rq;
    struct reply rp;
    struct body body;
    struct buf raw; /* bytes of a JSON body */
    struct err err;
    enum idempotency_answer repeat;
    bool is_inside;  /* holds a place in its class of work */
    bool must_close; /* the connection cannot be used again */
    char remote[48];
    char challenge[64];
    char retry_after[16];
    char allow[64];
};

struct worker {
    struct buf out;
    struct arena arena;
    struct answer_clock clock;
    struct turn turn;
};

struct worker *worker_new(void)
{
    struct worker *w = mem_alloc(sizeof *w);
    buf_init(&w->out, REPLY_MAX_BYTES + ((size_t)1 << 20));
    arena_init(&w->arena);
    return w;
}

void worker_free(struct worker *w)
{
    if (!w)
        return;
    buf_clear(&w->out);
    arena_clear(&w->arena);
    free(w);
}

/* ---- refusing ---- */

/* Turns t->err into the reply. */
static void refuse(struct turn *t, int status)
{
    reply_problem(&t->rp, &t->err, status, t->rq.id);
    if (t->rp.status == 401 && t->challenge[0])
        reply_header(&t->rp, "WWW-Authenticate", t->challenge);
    if (t->rp.status == 503 && !t->retry_after[0])
        snprintf(t->retry_after, sizeof t->retry_after, "1");
    if ((t->rp.status == 503 || t->rp.status == 429) && t->retry_after[0])
        reply_header(&t->rp, "Retry-After", t->retry_after);
    if (t->rp.status == 405)
        reply_header(&t->rp, "Allow", t->allow);
}

static int refuse_guard(struct turn *t)
{
    metrics_add(t->service->app->metrics, METRIC_REJECTED_GUARD, 1);
    t->must_close = true;
    enum err_code code = t->guard.status == 431 ? ERR_TOO_LARGE : ERR_INVALID;
    int rc = err_set(&t->err, code, "%s", t->guard.detail);
    refuse(t, t->guard.status);
    return rc;
}

/* ---- routing ---- */

#define GIT_PREFIX "/history.git/"

static bool is_web_path(const char *path)
{
    return strncmp(path, "/api/", 5) != 0 && strcmp(path, "/api") != 0 &&
           strncmp(path, GIT_PREFIX, strlen(GIT_PREFIX)) != 0;
}

static int refuse_route(struct turn *t)
{
    if (!t->match.methods) {
        int rc = err_set(&t->err, ERR_NOT_FOUND, "there is nothing at %.200s", t->head->path);
        refuse(t, 404);
        return rc;
    }
    method_list(t->match.methods, t->allow);
    int rc = err_set(&t->err, ERR_INVALID, "%.20s is not possible here; %s is", t->head->method,
                     t->allow);
    refuse(t, 405);
    return rc;
}

static int find_route(struct turn *t)
{
    t->rq.is_head = strcmp(t->head->method, "HEAD") == 0;
    t->rq.method = t->rq.is_head ? METHOD_GET : method_parse(t->head->method);
    const char *path = t->rq.path;
    if (strncmp(path, "/api/v1" GIT_PREFIX, strlen("/api/v1" GIT_PREFIX)) == 0)
        path += strlen("/api/v1"); /* both forms are documented */
    if (is_web_path(path)) {
        t->match =
            (struct match){.index = router_count(t->service->router), .methods = 1u << METHOD_GET};
        return t->rq.method == METHOD_GET ? 0 : refuse_route(t);
    }
    router_match(t->service->router, t->rq.method, path, t->rq.arena, &t->match);
    t->rq.route = t->match.row;
    memcpy(t->rq.params, t->match.params, sizeof t->rq.params);
    return t->match.row ? 0 : refuse_route(t);
}

/* ---- who and whether ---- */

static void find_remote(struct turn *t)
{
    const char *forwarded =
        t->service->is_behind_proxy ? head_get(t->head, "X-Forwarded-For") : NULL;
    if (!forwarded || !credentials_forwarded(forwarded, t->remote))
        snprintf(t->remote, sizeof t->remote, "%s", t->head->remote);
    t->rq.remote = t->remote;
}

static int refuse_caller(struct turn *t, int rc)
{
    struct app *app = t->service->app;
    metrics_add(app->metrics, rc == ERR_THROTTLED ? METRIC_REJECTED_THROTTLE : METRIC_AUTH_FAILURES,
                1);
    int64_t wait_ms = auth_retry_after_ms(app->auth, t->remote, t->rq.now_ms);
    if (rc == ERR_THROTTLED)
        snprintf(t->retry_after, sizeof t->retry_after, "%d", (int)(wait_ms / 1000 + 1));
    refuse(t, 0);
    return rc;
}

/* Says who may, and with what the caller came. */
static int refuse_role(const struct caller *c, enum permission needed, struct err *e)
{
    char list[ROLE_LIST_BYTES];
    return err_set(e, ERR_FORBIDDEN, "this needs the role %s; \"%s\" has the role %s",
                   role_list(needed, list), c->name, c->role);
}

static int identify(struct turn *t, enum permission needed, bool wants_basic)
{
    if (needed == PERM_PUBLIC)
        return 0;
    /* A browser would open a window of its own for Basic: only git and the plain page get it. */
    snprintf(t->challenge, sizeof t->challenge, "%s realm=\"mreg\"",
             wants_basic ? "Basic" : "Bearer");
    int rc = identify_caller(&t->rq, &t->err);
    if (rc == ERR_UNAUTHENTICATED || rc == ERR_THROTTLED)
        return refuse_caller(t, rc);
    if (!rc && !t->rq.caller.may[needed])
        rc = refuse_role(&t->rq.caller, needed, &t->err);
    if (rc)
        refuse(t, 0);
    return rc;
}

static int take_place(struct turn *t)
{
    t->is_inside = gates_enter(&t->service->gates, t->rq.route->work);
    if (t->is_inside)
        return 0;
    metrics_add(t->service->app->metrics, METRIC_REJECTED_BUSY, 1);
    int rc = err_set(&t->err, ERR_UNAVAILABLE, "too many requests of this kind at the moment");
    refuse(t, 0);
    return rc;
}

/* ---- body ---- */

static int64_t body_limit(const struct turn *t)
{
    const struct route *row = t->rq.route;
    if (row->max_body_bytes)
        return row->max_body_bytes;
    return row->body == BODY_STREAM ? INT64_MAX
                                    : config_int(t->service->app->config, "limits.json");
}

static int read_json(struct turn *t)
{
    const struct config *config = t->service->app->config;
    t->body.deadline_ms = clock_monotonic_ms() + config_int(config, "server.body-timeout");
    return body_json(&t->body, &t->raw, &t->rq.json, &t->err);
}

static int take_body(struct turn *t)
{
    const struct route *row = t->rq.route;
    int64_t limit = body_limit(t);
    body_init(&t->body, t->peer, &t->guard, limit);
    t->rq.content_length = t->guard.content_length;
    int rc = 0;
    if (row->body != BODY_NONE && t->guard.content_length > limit)
        rc =
            err_set(&t->err, ERR_TOO_LARGE, "the body is larger than %lld bytes", (long long)limit);
    else if (row->body == BODY_STREAM)
        t->rq.body = &t->body.source;
    else if (row->body == BODY_JSON)
        rc = read_json(t);
    if (rc)
        refuse(t, t->body.status);
    return rc;
}

/* ---- handler ---- */

static int run_handler(struct turn *t)
{
    int rc = t->rq.route->handler(&t->rq, &t->rp, &t->err);
    if (!rc && !buf_ok(&t->rp.body))
        rc = err_set(&t->err, ERR_TOO_LARGE, "the answer would be too large; ask for less");
    if (rc)
        refuse(t, t->body.status);
    else if (t->rq.method != METHOD_GET && t->rq.route->body != BODY_STREAM &&
             t->service->app->history) { /* streams write no facts */
        history_wake(t->service->app->history);
        pulse_beat(t->service->app->pulse);
        outbound_wake(t->service->app->outbound);
    }
    return rc;
}

static int run_route(struct turn *t)
{
    const struct route *row = t->rq.route;
    if (row->body != BODY_JSON && row->body != BODY_NONE)
        return run_handler(t);
    /* Heartbeats come for ever and may be repeated as they are: no replies are kept for them. */
    if (row->permission == PERM_NODE)
        return run_handler(t);
    int rc =
        idempotency_begin(t->service->idempotency, &t->rq, &t->raw, &t->rp, &t->repeat, &t->err);
    if (rc) {
        refuse(t, 0);
        return rc;
    }
    if (t->repeat == IDEMPOTENCY_REPLAY) {
        metrics_add(t->service->app->metrics, METRIC_IDEMPOTENT_REPLAYS, 1);
        return 0;
    }
    rc = run_handler(t);
    struct err e = {0};
    if (t->repeat == IDEMPOTENCY_RUN &&
        idempotency_end(t->service->idempotency, &t->rq, &t->raw, &t->rp, &e))
        log_err(LOG_WARNING, "idempotency", &e);
    return rc;
}

static int run_web(struct turn *t)
{
    if (web_is_plain(t->service->web) && identify(t, PERM_READ, true))
        return ERR_UNAUTHENTICATED;
    int rc = web_reply(t->service->web, &t->rq, &t->rp, &t->err);
    if (rc)
        refuse(t, 0);
    return rc;
}

static int run_steps(struct turn *t)
{
    body_init(&t->body, t->peer, &t->guard, 0);
    guard_check(t->head, &t->guard);
    if (t->guard.status)
        return refuse_guard(t);
    int rc = find_route(t);
    if (rc || !t->rq.route)
        return rc ? rc : run_web(t);
    bool is_for_git = strstr(t->rq.route->pattern, GIT_PREFIX) != NULL;
    rc = identify(t, t->rq.route->permission, is_for_git);
    if (!rc)
        rc = take_place(t);
    if (!rc)
        rc = take_body(t);
    return rc ? rc : run_route(t);
}

/* ---- the whole ---- */

static const char *field_of(void *headers, const char *name)
{
    return head_get(headers, name);
}

static void begin(struct turn *t)
{
    uint64_t number = atomic_fetch_add(&t->service->n_requests, 1);
    t->err = (struct err){.code = ERR_OK};
    t->rq = (struct request){.app = t->service->app,
                             .path = t->head->path,
                             .query = t->head->query,
                             .content_length = -1,
                             .arena = &t->worker->arena,
                             .now_ms = clock_now_ms(),
                             .headers = (void *)t->head, /* only field_of reads it */
                             .get_header = field_of};
    snprintf(t->rq.id, sizeof t->rq.id, "%08x-%llx", t->service->id_prefix,
             (unsigned long long)number);
    buf_init(&t->raw, 0);
    reply_init(&t->rp);
    find_remote(t);
}

static void report(struct turn *t, int64_t started_us, int64_t n_bytes)
{
    struct app *app = t->service->app;
    int64_t took_us = clock_monotonic_ns() / 1000 - started_us;
    metrics_request(app->metrics, t->match.index, t->rp.status, took_us);
    if (t->rp.has_file)
        metrics_add(app->metrics, METRIC_DOWNLOAD_BYTES, n_bytes);
    if (t->rq.body)
        metrics_add(app->metrics, METRIC_UPLOAD_BYTES, t->body.n_read);
    if (!config_bool(app->config, "log.access"))
        return;
    struct log_access line = {.id = t->rq.id,
                              .method = t->head->method,
                              .route = t->rq.route ? t->rq.route->pattern : "-",
                              .actor = t->rq.caller.actor,
                              .remote = t->remote,
                              .status = t->rp.status,
                              .duration_us = took_us,
                              .bytes = n_bytes,
                              .error = t->rp.status >= 400 ? t->err.message : NULL};
    log_access_line(&line);
}

static void send(struct turn *t, int64_t started_us)
{
    int64_t n_bytes = 0;
    /* Draining: everybody is asked to come back to another process. */
    bool keeps_alive = t->guard.wants_keep_alive && !t->must_close &&
                       !atomic_load(&t->service->app->draining) && body_finish(&t->body);
    struct reply_context cx = {.head = t->head,
                               .request_id = t->rq.id,
                               .date = answer_date(&t->worker->clock, t->rq.now_ms),
                               .is_head = strcmp(t->head->method, "HEAD") == 0,
                               .is_old = t->guard.is_old,
                               .keeps_alive = keeps_alive};
    if (!keeps_alive)
        t->peer->close_after(t->peer->self);
    bool is_sent = answer_send(&t->rp, &cx, &t->worker->out, t->peer, &n_bytes);
    if (!is_sent)
        t->peer->close_after(t->peer->self);
    else if (!keeps_alive && t->guard.has_body && !t->body.is_ended &&
             (!t->guard.expects_continue || t->body.is_continued))
        t->peer->drain(t->peer->self);
    report(t, started_us, n_bytes);
}

static void send_stream(struct turn *t, int64_t started_us)
{
    const char *date = answer_date(&t->worker->clock, t->rq.now_ms);
    answer_stream(&t->rp, &t->rq, date, &t->worker->out, t->peer);
    report(t, started_us, 0);
}

static void finish(struct turn *t)
{
    if (t->is_inside)
        gates_leave(&t->service->gates, t->rq.route->work);
    json_decref(t->rq.json);
    buf_clear(&t->raw);
    reply_clear(&t->rp);
    arena_clear(&t->worker->arena);
    if (t->worker->out.cap > KEEP_BUFFER_BYTES)
        buf_clear(&t->worker->out);
}

static struct turn *start_turn(struct service *s, struct worker *w, const struct head *head,
                               struct peer *peer)
{
    struct turn *t = &w->turn;
    *t = (struct turn){.service = s, .worker = w, .head = head, .peer = peer};
    t->match.index = SIZE_MAX;
    metrics_in_flight(s->app->metrics, 1);
    begin(t);
    return t;
}

void exchange_run(struct service *s, struct worker *w, const struct head *head, struct peer *peer)
{
    int64_t started_us = clock_monotonic_ns() / 1000;
    struct turn *t = start_turn(s, w, head, peer);
    int rc = run_steps(t);
    (void)rc; /* every failure has filled the reply */
    if (t->rp.stream && t->rp.status == 200)
        send_stream(t, started_us);
    else
        send(t, started_us);
    finish(t);
    metrics_in_flight(s->app->metrics, -1);
}

void exchange_malformed(struct service *s, struct worker *w, const struct malformed *what,
                        struct peer *peer)
{
    const struct head empty = {
        .method = "-", .path = "/", .query = "", .version = "1.1", .remote = what->remote};
    int64_t started_us = clock_monotonic_ns() / 1000;
    struct turn *t = start_turn(s, w, &empty, peer);
    t->must_close = true;
    err_set(&t->err, what->status >= 500 ? ERR_INTERNAL : ERR_INVALID, "%s",
            what->status == 408 ? "the request's header came too slowly"
                                : "this is not a well-formed HTTP request");
    refuse(t, what->status);
    body_init(&t->body, peer, &t->guard, 0);
    send(t, started_us);
    finish(t);
    metrics_in_flight(s->app->metrics, -1);
}
