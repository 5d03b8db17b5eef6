/*
 * The clock-driven duties that belong to no request. Each is repeatable and may fail: it is logged
 * and tried again the next time. Must not know HTTP. One thread of its own.
 */
#include "housekeeping.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "auth.h"
#include "blob.h"
#include "clock.h"
#include "db_access.h"
#include "log.h"
#include "thread.h"

#define TICK_MS 500
#define MINUTE_MS INT64_C(60000)
#define HOUR_MS (60 * MINUTE_MS)
#define FRESH_MS INT64_C(5000) /* a write this young proves that writing works */
#define PROBE_LIMIT_MS INT64_C(10000)

struct housekeeping {
    struct app *app;
    struct idempotency *idempotency;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t stop_asked;
    bool is_stopping;
    bool is_probe_wanted;
    int64_t probe_since_ms; /* 0: none runs */
    char probe_fault[160];  /* "": the last one succeeded */
};

static void report(const char *duty, int rc, const struct err *e)
{
    if (rc)
        log_line(LOG_WARNING, duty, "%s: %s", err_name(e->code), e->message);
}

static void flush_tokens(struct housekeeping *h)
{
    struct err e = {0};
    report("token-use", auth_flush(h->app->auth, &e), &e);
}

static void hourly(struct housekeeping *h)
{
    struct err e = {0};
    int64_t n = 0;
    report("purge-replies", idempotency_purge(h->idempotency, clock_now_ms(), &e), &e);
    int rc = blobs_sweep(h->app->blobs, clock_now_ms(), &n, &e);
    report("sweep-uploads", rc, &e);
    if (!rc && n > 0)
        log_line(LOG_INFO, "sweep-uploads", "%lld leftovers of uploads removed", (long long)n);
}

/* A row that no list shows: it only has to be a real write. */
static int probe_in_tx(struct tx *tx, void *ctx, struct err *e)
{
    (void)ctx;
    return db_token_used(tx_db(tx), "-probe", tx_now_ms(tx), e);
}

static void probe(struct housekeeping *h)
{
    struct err e = {0};
    pthread_mutex_lock(&h->lock);
    bool is_wanted = h->is_probe_wanted;
    h->is_probe_wanted = false;
    h->probe_since_ms = is_wanted ? clock_now_ms() : 0;
    pthread_mutex_unlock(&h->lock);
    if (!is_wanted)
        return;
    int rc = store_write(h->app->store, TX_WORK, probe_in_tx, NULL, &e);
    pthread_mutex_lock(&h->lock);
    h->probe_since_ms = 0;
    size_t n = rc ? strnlen(e.message, sizeof h->probe_fault - 1) : 0;
    memcpy(h->probe_fault, e.message, n);
    h->probe_fault[n] = 0;
    pthread_mutex_unlock(&h->lock);
}

/* Sleeps a tick; true when it is time to stop. */
static bool wait_tick(struct housekeeping *h)
{
    struct timespec until = clock_in(TICK_MS);
    pthread_mutex_lock(&h->lock);
    if (!h->is_stopping)
        pthread_cond_timedwait(&h->stop_asked, &h->lock, &until);
    bool is_stopping = h->is_stopping;
    pthread_mutex_unlock(&h->lock);
    return is_stopping;
}

static void *run(void *ctx)
{
    struct housekeeping *h = ctx;
    int64_t minute_ms = clock_now_ms();
    int64_t hour_ms = 0;
    do {
        int64_t now_ms = clock_now_ms();
        if (now_ms - hour_ms >= HOUR_MS || now_ms < hour_ms) {
            hourly(h);
            hour_ms = now_ms;
        }
        if (now_ms - minute_ms >= MINUTE_MS || now_ms < minute_ms) {
            flush_tokens(h);
            minute_ms = now_ms;
        }
        probe(h);
    } while (!wait_tick(h));
    flush_tokens(h);
    return NULL;
}

int housekeeping_start(struct app *app, struct idempotency *idempotency, struct housekeeping **out,
                       struct err *e)
{
    struct housekeeping *h = mem_alloc(sizeof *h);
    h->app = app;
    h->idempotency = idempotency;
    pthread_mutex_init(&h->lock, NULL);
    thread_cond_init(&h->stop_asked);
    if (pthread_create(&h->thread, NULL, run, h) != 0) {
        free(h);
        return err_set(e, ERR_INTERNAL, "no thread for housekeeping");
    }
    *out = h;
    return 0;
}

void housekeeping_stop(struct housekeeping *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->is_stopping = true;
    pthread_cond_signal(&h->stop_asked);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    pthread_cond_destroy(&h->stop_asked);
    pthread_mutex_destroy(&h->lock);
    free(h);
}

bool housekeeping_can_write(struct housekeeping *h, struct buf *why)
{
    struct store_stats stats = {0};
    store_get_stats(h->app->store, &stats);
    int64_t now_ms = clock_now_ms();
    bool is_fresh = now_ms - stats.last_write_ok_ms < FRESH_MS;
    pthread_mutex_lock(&h->lock);
    bool is_stuck = h->probe_since_ms && now_ms - h->probe_since_ms > PROBE_LIMIT_MS;
    bool is_fine = is_fresh || (!is_stuck && !h->probe_fault[0]);
    if (!is_fresh && !h->probe_since_ms)
        h->is_probe_wanted = true;
    if (!is_fine)
        buf_puts(why, is_stuck ? "a write takes more than 10 seconds" : h->probe_fault);
    pthread_mutex_unlock(&h->lock);
    return is_fine;
}
