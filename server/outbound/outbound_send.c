/*
 * Sends what is due: one attempt at a time for each hook, so that one's order is kept and a slow
 * receiver holds up nobody else. What is sent is made from the journal each time, and is the same
 * each time. Outbound thread.
 */
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hook_secrets.h"
#include "journal.h"
#include "outbound_inner.h"

#define BODY_MAX_BYTES ((size_t)256 << 10)
#define ANSWER_MAX_BYTES 4096

/* What goes out. Everything is in the round's arena. */
struct parcel {
    struct webhook_event event;
    struct http_call call;
    json_t *doc;
    struct buf body, signature;
};

static void parcel_clear(struct parcel *p)
{
    json_decref(p->doc);
    buf_clear(&p->body);
    buf_clear(&p->signature);
}

/* --- contents --------------------------------------------------------------------------------- */

static int load_rollout(struct db *db, struct parcel *p, struct arena *a, struct err *e)
{
    const char *bytes = NULL;
    size_t n = 0;
    const char *path = journal_path_rollout(a, p->event.object);
    int rc = journal_doc_at(db, path, p->event.seq, a, &bytes, &n, e);
    if (!rc)
        rc = json_parse(bytes, n, JSON_MAX_DEPTH, &p->doc, e);
    p->event.rollout_doc = p->doc;
    return rc;
}

static int load_event(struct db *db, const struct delivery_row *d, struct parcel *p,
                      struct arena *a, struct err *e)
{
    struct hook_change *row = NULL;
    size_t n = 0;
    int rc = db_hook_changes(db, d->seq - 1, 1, a, &row, &n, e);
    if (!rc && (!n || row->seq != d->seq))
        rc = err_set(e, ERR_NOT_FOUND, "change %lld is gone", (long long)d->seq);
    if (rc)
        return rc;
    struct webhook_event *ev = &p->event;
    ev->seq = row->seq;
    ev->ts_ms = row->ts;
    ev->kind = row->kind;
    ev->actor = row->actor;
    ev->object = row->object;
    ev->reason = row->reason;
    ev->message = row->message;
    ev->env = row->env;
    ev->model = row->model;
    webhook_event_scope(ev, a);
    return strncmp(ev->kind, "rollout.", 8) == 0 ? load_rollout(db, p, a, e) : ERR_OK;
}

static void make_ping(const struct hook_row *row, const struct delivery_row *d, struct parcel *p)
{
    p->event.ts_ms = d->created_ms;
    p->event.kind = "ping";
    p->event.actor = "mregd";
    p->event.object = row->id;
    p->event.message = "test event";
}

static const char *event_id(const struct delivery_row *d, const struct parcel *p, struct arena *a)
{
    if (d->seq)
        return webhook_event_id(&p->event, a);
    return arena_printf(a, "%s_%s_%lld", webhook_event_id(&p->event, a), d->hook_id,
                        (long long)d->number);
}

static void make_standard(const struct hook_row *row, const struct delivery_row *d,
                          const struct webhook_keyring *keyring, struct parcel *p, struct round *r)
{
    struct arena *a = &r->arena;
    const char *id = event_id(d, p, a);
    buf_init(&p->body, BODY_MAX_BYTES);
    buf_init(&p->signature, 4096);
    webhook_event_body(&p->event, id, &p->body);
    /* The receiver compares it with its own clock. */
    struct webhook_message message = {.id = id,
                                      .timestamp_s = clock_wall_ms() / 1000,
                                      .body = buf_str(&p->body),
                                      .n = p->body.len};
    webhook_sign(keyring, r->now_ms, &message, &p->signature);
    p->call.method = "POST";
    p->call.url = row->url;
    p->call.body = message.body;
    p->call.body_len = message.n;
    p->call.headers[0] = "Content-Type: application/cloudevents+json; charset=utf-8";
    p->call.headers[1] = arena_printf(a, "webhook-id: %s", id);
    p->call.headers[2] = arena_printf(a, "webhook-timestamp: %lld", (long long)message.timestamp_s);
    p->call.headers[3] = arena_printf(a, "webhook-signature: %s", buf_str(&p->signature));
}

static int make_status(struct db *db, const struct hook_row *row, const struct flight *f,
                       struct parcel *p, struct arena *a, struct err *e)
{
    struct hook_lineage l;
    int rc = db_hook_lineage(db, p->event.object, a, &l, e);
    if (rc)
        return rc;
    const char *repository = l.repository ? commit_repository(l.repository, a) : NULL;
    struct commit_status s = {.format = f->format,
                              .base_url = row->url,
                              .repository = repository ? repository : row->repository,
                              .commit = l.commit,
                              .token = f->keyring.token,
                              .event = &p->event};
    if (!l.commit || !*s.repository)
        return err_set(e, ERR_INVALID, "the version has no commit any more");
    return commit_status_call(&s, a, &p->call, e);
}

/* What an attempt is made of. */
struct attempt {
    const struct hook_row *row;
    const struct delivery_row *d;
    struct flight *flight;
};

static int fill_parcel(struct outbound *o, struct db *db, struct round *r, const struct attempt *t,
                       struct parcel *p, struct err *e)
{
    p->event.registry_id = o->o.registry_id;
    p->event.public_url = o->o.public_url;
    p->call.timeout_ms = o->o.timeout_ms;
    p->call.max_answer_bytes = ANSWER_MAX_BYTES;
    p->call.may_cut = true;
    p->call.refuses_private = o->o.refuses_private;
    int rc = hook_secrets_load(o->o.data, t->row->secrets, &t->flight->keyring, e);
    if (!rc && t->d->seq)
        rc = load_event(db, t->d, p, &r->arena, e);
    else if (!rc)
        make_ping(t->row, t->d, p);
    if (rc)
        return rc;
    if (t->flight->format != HOOK_STANDARD)
        return make_status(db, t->row, t->flight, p, &r->arena, e);
    make_standard(t->row, t->d, &t->flight->keyring, p, r);
    return buf_ok(&p->body) ? ERR_OK : err_set(e, ERR_TOO_LARGE, "the event is too large");
}

/* --- one attempt ------------------------------------------------------------------------------ */

static struct flight *new_flight(const struct hook_row *row, const struct delivery_row *d)
{
    struct flight *f = mem_alloc(sizeof *f);
    snprintf(f->hook_id, sizeof f->hook_id, "%s", row->id);
    (void)hook_format_by_name(row->format, &f->format);
    f->number = d->number;
    f->seq = d->seq;
    f->attempts = d->attempts;
    f->created_ms = d->created_ms;
    f->is_ping = strcmp(d->origin, "ping") == 0;
    return f;
}

/* Starts the attempt, or leaves it to `unsent` with the reason: no connection is lent by then. */
static void start(struct outbound *o, struct db *db, struct round *r, const struct attempt *t,
                  struct err *e)
{
    struct parcel p CLEANUP(parcel_clear) = {0};
    int rc = fill_parcel(o, db, r, t, &p, e);
    if (!rc)
        rc = wire_submit(o->wire, &p.call, t->flight, r->now_ms + 2 * o->o.timeout_ms, e);
    /* the headers hold a token; the arena is not wiped by itself */
    for (int i = 0; i < HTTP_MAX_HEADERS && p.call.headers[i] && *t->flight->keyring.token; i++)
        if (strstr(p.call.headers[i], t->flight->keyring.token))
            explicit_bzero((char *)(uintptr_t)p.call.headers[i], strlen(p.call.headers[i]));
    if (rc)
        return;
    t->flight->next = o->flights;
    o->flights = t->flight;
}

static bool is_flying(const struct outbound *o, const char *hook_id)
{
    for (const struct flight *f = o->flights; f; f = f->next)
        if (strcmp(f->hook_id, hook_id) == 0)
            return true;
    return false;
}

/* Looks for work of one hook. *unsent: an attempt that could not be started, and why. */
static int serve_hook(struct outbound *o, struct round *r, const struct hook_row *row,
                      int64_t *next_ms, struct flight **unsent, struct err *why)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct delivery_due due = {.now_ms = r->now_ms, .patience = OUTBOUND_PATIENCE};
    struct delivery_row d;
    bool found = false;
    int64_t later_ms = INT64_MAX;
    int rc = reader_begin(o->o.store, &reader, why);
    if (!rc)
        rc = db_delivery_due(reader.db, row->id, &due, &r->arena, &d, &found, &later_ms, why);
    if (rc)
        return rc;
    if (!found) {
        *next_ms = later_ms < *next_ms ? later_ms : *next_ms;
        return ERR_OK;
    }
    struct attempt t = {.row = row, .d = &d, .flight = new_flight(row, &d)};
    start(o, reader.db, r, &t, why);
    if (o->flights != t.flight)
        *unsent = t.flight;
    return ERR_OK;
}

static void count(struct outbound *o, struct round *r)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct err e = {0};
    int64_t n_hooks = 0;
    int64_t n_pending = 0;
    int rc = reader_begin(o->o.store, &reader, &e);
    for (size_t i = 0; !rc && i < r->n_rows; i++) {
        int64_t n = 0;
        rc = db_delivery_pending(reader.db, r->rows[i].id, &n, &e);
        n_pending += n;
        n_hooks += r->rows[i].is_enabled;
    }
    pthread_mutex_lock(&o->lock);
    o->stats.n_hooks = n_hooks;
    o->stats.n_pending = n_pending;
    pthread_mutex_unlock(&o->lock);
}

int outbound_send(struct outbound *o, struct round *r, int64_t *next_ms, struct err *e)
{
    int rc = ERR_OK;
    *next_ms = INT64_MAX;
    count(o, r);
    if (r->now_ms < o->quiet_until_ms) {
        *next_ms = o->quiet_until_ms;
        return ERR_OK;
    }
    for (size_t i = 0; !rc && i < r->n_rows; i++) {
        struct flight *unsent = NULL;
        if (is_flying(o, r->rows[i].id))
            continue;
        rc = serve_hook(o, r, &r->rows[i], next_ms, &unsent, e);
        if (unsent) {
            outbound_settle_unsent(o, unsent, e->message);
            *next_ms = r->now_ms;
        }
    }
    return rc;
}
