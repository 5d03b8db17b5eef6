/*
 * Threads with a stack of known size, and conditions that wait by a clock that nobody sets. Must
 * not know what runs. Any thread.
 */
#include "thread.h"

#include <string.h>
#include <time.h>

#define STACK_BYTES ((size_t)1 << 20)

int thread_start(pthread_t *out, void *(*fn)(void *), void *ctx, const char *what, struct err *e)
{
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int code = pthread_create(out, &attr, fn, ctx);
    pthread_attr_destroy(&attr);
    return code ? err_set(e, ERR_UNAVAILABLE, "no thread for %s: %s", what, strerror(code)) : 0;
}

void thread_cond_init(pthread_cond_t *c)
{
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(c, &attr);
    pthread_condattr_destroy(&attr);
}
