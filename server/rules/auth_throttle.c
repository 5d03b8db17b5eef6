/*
 * Counts bad tokens per address in a table of fixed size, so that no flood of addresses costs
 * memory. Must not know tokens or HTTP. Any thread; one mutex, held for a few instructions.
 */
#include "auth_throttle.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

#define N_ROWS 1024
#define WINDOW_MS INT64_C(60000)
#define FREE_TRIES 10
#define FIRST_WAIT_MS INT64_C(1000)
#define LONGEST_WAIT_MS (15 * WINDOW_MS)

struct row {
    int64_t window_start_ms;
    int64_t blocked_until_ms;
    int64_t wait_ms; /* the next wait; 0: none imposed yet */
    int n_bad;
};

struct throttle {
    pthread_mutex_t lock;
    struct row rows[N_ROWS];
};

struct throttle *throttle_new(void)
{
    struct throttle *t = mem_alloc(sizeof *t);
    pthread_mutex_init(&t->lock, NULL);
    return t;
}

void throttle_free(struct throttle *t)
{
    if (!t)
        return;
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* FNV-1a. */
static struct row *row_of(struct throttle *t, const char *remote)
{
    uint32_t h = 2166136261u;
    for (; *remote; remote++)
        h = (h ^ (unsigned char)*remote) * 16777619u;
    return &t->rows[h % N_ROWS];
}

int64_t throttle_wait_ms(struct throttle *t, const char *remote, int64_t now_ms)
{
    pthread_mutex_lock(&t->lock);
    int64_t left = row_of(t, remote)->blocked_until_ms - now_ms;
    pthread_mutex_unlock(&t->lock);
    /* A clock that was set back must not block for longer than any wait. */
    return left <= 0 || left > LONGEST_WAIT_MS ? 0 : left;
}

void throttle_bad(struct throttle *t, const char *remote, int64_t now_ms)
{
    pthread_mutex_lock(&t->lock);
    struct row *r = row_of(t, remote);
    bool is_new_window = now_ms - r->window_start_ms >= WINDOW_MS || now_ms < r->window_start_ms;
    /* A quiet minute after the end of the last wait forgives everything. */
    if (is_new_window && now_ms - r->blocked_until_ms >= WINDOW_MS)
        *r = (struct row){.window_start_ms = now_ms};
    r->n_bad++;
    if (r->n_bad >= FREE_TRIES) {
        r->wait_ms = r->wait_ms ? r->wait_ms * 2 : FIRST_WAIT_MS;
        if (r->wait_ms > LONGEST_WAIT_MS)
            r->wait_ms = LONGEST_WAIT_MS;
        r->blocked_until_ms = now_ms + r->wait_ms;
    }
    pthread_mutex_unlock(&t->lock);
}
