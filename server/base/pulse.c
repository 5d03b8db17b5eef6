/*
 * A beat that many threads can wait for. Must not know what changed. Any thread.
 */
#include "pulse.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "mem.h"
#include "thread.h"

struct pulse {
    pthread_mutex_t lock;
    pthread_cond_t beats;
    uint64_t n;
};

struct pulse *pulse_new(void)
{
    struct pulse *p = mem_alloc(sizeof *p);
    thread_cond_init(&p->beats);
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void pulse_free(struct pulse *p)
{
    if (!p)
        return;
    pthread_cond_destroy(&p->beats);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

void pulse_beat(struct pulse *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->n++;
    pthread_cond_broadcast(&p->beats);
    pthread_mutex_unlock(&p->lock);
}

uint64_t pulse_wait(struct pulse *p, uint64_t seen, int64_t timeout_ms)
{
    struct timespec until = clock_in(timeout_ms);
    pthread_mutex_lock(&p->lock);
    int code = 0;
    while (p->n == seen && code == 0)
        code = pthread_cond_timedwait(&p->beats, &p->lock, &until);
    uint64_t n = p->n;
    pthread_mutex_unlock(&p->lock);
    return n;
}
