/*
 * The outbound thread: start, stop and its loop. A fault of the store is logged, and everything is
 * tried again a little later; what cannot be sent is the matter of the schedule. Must not know HTTP
 * handlers.
 */
#include "outbound.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "hook_secrets.h"
#include "log.h"
#include "outbound_inner.h"
#include "thread.h"

#define IDLE_MS 300
#define FAULT_MS 2000

struct outbound *outbound_new(const struct outbound_options *options)
{
    struct outbound *o = mem_alloc(sizeof *o);
    o->o = *options;
    o->o.data = mem_strdup(options->data);
    o->o.registry_id = mem_strdup(options->registry_id);
    o->o.public_url = mem_strdup(options->public_url);
    o->hooks = (struct hooks){.store = options->store, .data = o->o.data};
    pthread_mutex_init(&o->lock, NULL);
    atomic_init(&o->must_stop, false);
    return o;
}

void outbound_free(struct outbound *o)
{
    if (!o)
        return;
    outbound_stop(o);
    wire_free(o->wire);
    while (o->flights) {
        struct flight *f = o->flights;
        o->flights = f->next;
        outbound_flight_free(f);
    }
    pthread_mutex_destroy(&o->lock);
    free((void *)(uintptr_t)o->o.data);
    free((void *)(uintptr_t)o->o.registry_id);
    free((void *)(uintptr_t)o->o.public_url);
    free(o);
}

void outbound_get_stats(struct outbound *o, struct outbound_stats *out)
{
    pthread_mutex_lock(&o->lock);
    *out = o->stats;
    pthread_mutex_unlock(&o->lock);
}

void outbound_flight_free(struct flight *f)
{
    if (!f)
        return;
    webhook_keyring_clear(&f->keyring);
    free(f);
}

/* --- the loop --------------------------------------------------------------------------------- */

static void round_clear(struct round *r)
{
    arena_clear(&r->arena);
}

static void land(struct outbound *o, struct flight *f)
{
    struct flight **at = &o->flights;
    while (*at != f)
        at = &(*at)->next;
    *at = f->next;
}

static void take_answers(struct outbound *o)
{
    struct http_answer answer;
    void *tag = NULL;
    while (wire_take(o->wire, &tag, &answer)) {
        struct flight *f = tag;
        land(o, f);
        outbound_settle(o, f, &answer);
        http_answer_clear(&answer);
    }
}

/* One round; gives the time to wait before the next. */
static int64_t run_round(struct outbound *o)
{
    struct round r CLEANUP(round_clear) = {.now_ms = store_now_ms(o->o.store)};
    struct err e = {0};
    bool more = false;
    int64_t next_ms = INT64_MAX;
    int rc = outbound_scan(o, &r, &more, &e);
    if (!rc)
        rc = outbound_send(o, &r, &next_ms, &e);
    if (rc) {
        log_err(LOG_WARNING, "webhooks", &e);
        return FAULT_MS;
    }
    if (more)
        return 0;
    int64_t left_ms = next_ms == INT64_MAX ? IDLE_MS : next_ms - r.now_ms;
    return left_ms < IDLE_MS ? (left_ms > 0 ? left_ms : 0) : IDLE_MS;
}

static void *run(void *ctx)
{
    struct outbound *o = ctx;
    while (!atomic_load(&o->must_stop)) {
        take_answers(o);
        wire_wait(o->wire, run_round(o));
    }
    return NULL;
}

/* --- start and stop --------------------------------------------------------------------------- */

static int sweep(struct outbound *o, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct hook_row *rows = NULL;
    const char *names[HOOKS_MAX];
    size_t n = 0;
    int rc = reader_begin(o->o.store, &r, e);
    if (!rc)
        rc = db_hook_list(r.db, 0, HOOKS_MAX, &a, &rows, &n, e);
    for (size_t i = 0; !rc && i < n; i++)
        names[i] = rows[i].secrets;
    if (!rc)
        hook_secrets_sweep(o->o.data, names, n);
    return rc;
}

int outbound_start(struct outbound *o, struct err *e)
{
    int rc = sweep(o, e);
    if (!rc)
        rc = wire_new(&o->wire, e);
    if (!rc)
        rc = thread_start(&o->thread, run, o, "webhooks", e);
    o->is_running = !rc;
    return rc;
}

void outbound_stop(struct outbound *o)
{
    if (!o->is_running)
        return;
    atomic_store(&o->must_stop, true);
    wire_wake(o->wire);
    pthread_join(o->thread, NULL);
    o->is_running = false;
}

void outbound_wake(struct outbound *o)
{
    if (o && o->is_running)
        wire_wake(o->wire);
}
