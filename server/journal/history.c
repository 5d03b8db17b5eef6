/*
 * The git thread: publishes journal rows as they come, retries with back-off, tidies packs when
 * idle. What it publishes and how stands in history_publish.c. A failure is logged once and shows
 * in the statistics; it never reaches a request.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "history_inner.h"
#include "log.h"
#include "thread.h"

#define IDLE_MS 1000
#define RETRY_MIN_MS 100
#define RETRY_MAX_MS 30000
#define COMMIT_MAX_BYTES ((size_t)1 << 20)

struct history *history_new(const struct history_options *options)
{
    struct history *h = mem_alloc(sizeof *h);
    size_t n = strlen(options->dir) + sizeof "/history.git";
    h->path = mem_alloc(n);
    snprintf(h->path, n, "%s/history.git", options->dir);
    h->registry_id = mem_strdup(options->registry_id);
    h->domain = mem_strdup(options->domain);
    h->store = options->store;
    h->key = options->key;
    h->pack = pack_new();
    buf_init(&h->text, COMMIT_MAX_BYTES);
    buf_init(&h->full, COMMIT_MAX_BYTES);
    pthread_mutex_init(&h->lock, NULL);
    thread_cond_init(&h->changed);
    return h;
}

void history_free(struct history *h)
{
    if (!h)
        return;
    history_stop(h, 0);
    history_detach(h);
    pack_free(h->pack);
    buf_clear(&h->text);
    buf_clear(&h->full);
    pthread_cond_destroy(&h->changed);
    pthread_mutex_destroy(&h->lock);
    free(h->path);
    free(h->registry_id);
    free(h->domain);
    free(h);
}

const char *history_path(const struct history *h)
{
    return h->path;
}

void history_get_stats(struct history *h, struct history_stats *out)
{
    pthread_mutex_lock(&h->lock);
    *out = h->stats;
    pthread_mutex_unlock(&h->lock);
}

/* Notes how an attempt went; true if that is news worth a log line. */
static bool note_outcome(struct history *h, int code, const struct err *e)
{
    pthread_mutex_lock(&h->lock);
    bool was_failing = h->stats.is_failing;
    h->stats.is_failing = code != ERR_OK;
    h->stats.n_failures += code != ERR_OK;
    snprintf(h->stats.failure, sizeof h->stats.failure, "%.250s", code ? e->message : "");
    pthread_mutex_unlock(&h->lock);
    return was_failing != (code != ERR_OK);
}

int history_publish(struct history *h, int64_t *n, struct err *e)
{
    int code = history_publish_batch(h, n, e);
    if (code)
        history_detach(h);
    if (note_outcome(h, code, e) && code)
        log_err(LOG_ERROR, "history", e);
    else if (!code && *n == 0)
        code = history_tidy(h, clock_monotonic_ms(), e);
    return code;
}

int history_publish_all(struct history *h, struct err *e)
{
    int64_t n = 1;
    int code = ERR_OK;
    while (!code && n)
        code = history_publish(h, &n, e);
    return code;
}

/* ---- the thread ---- */

/* Waits for news, at most `ms`. False when the thread shall end. */
static bool wait_for_news(struct history *h, int64_t ms)
{
    struct timespec t = clock_in(ms);
    int rc = 0;
    pthread_mutex_lock(&h->lock);
    while (!h->is_woken && !h->must_stop && !rc)
        rc = pthread_cond_timedwait(&h->changed, &h->lock, &t);
    h->is_woken = false;
    bool go_on = !h->must_stop;
    pthread_mutex_unlock(&h->lock);
    return go_on;
}

/* After a failure new rows are no reason to try again earlier. */
static bool wait_for_retry(struct history *h, int64_t ms)
{
    int64_t until = clock_monotonic_ms() + ms;
    bool go_on = true;
    while (go_on && clock_monotonic_ms() < until)
        go_on = wait_for_news(h, until - clock_monotonic_ms());
    return go_on;
}

/* True while a stopping thread may still publish. */
static bool may_go_on(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    bool yes = !h->must_stop || clock_monotonic_ms() < h->stop_at_ms;
    pthread_mutex_unlock(&h->lock);
    return yes;
}

static void *run(void *arg)
{
    struct history *h = arg;
    int64_t retry_ms = RETRY_MIN_MS;
    bool go_on = true;
    while (may_go_on(h)) {
        struct err e;
        int64_t n = 0;
        if (history_publish(h, &n, &e)) {
            if (!go_on)
                break; /* stopping, and it does not work */
            go_on = wait_for_retry(h, retry_ms);
            retry_ms = 2 * retry_ms < RETRY_MAX_MS ? 2 * retry_ms : RETRY_MAX_MS;
            continue;
        }
        retry_ms = RETRY_MIN_MS;
        if (n == 0 && !go_on)
            break; /* stopping, and everything is published */
        if (n == 0)
            go_on = wait_for_news(h, IDLE_MS);
    }
    return NULL;
}

int history_start(struct history *h, struct err *e)
{
    h->must_stop = false;
    int rc = thread_start(&h->thread, run, h, "the history", e);
    h->is_running = !rc;
    return rc;
}

void history_stop(struct history *h, int64_t deadline_ms)
{
    if (!h->is_running)
        return;
    pthread_mutex_lock(&h->lock);
    h->must_stop = true;
    h->stop_at_ms = clock_monotonic_ms() + deadline_ms;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    h->is_running = false;
}

void history_wake(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    h->is_woken = true;
    pthread_cond_broadcast(&h->changed);
    pthread_mutex_unlock(&h->lock);
}
