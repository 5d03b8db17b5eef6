/*
 * Making threads and what they wait for.
 */
#ifndef MREG_THREAD_H
#define MREG_THREAD_H

#include <pthread.h>

#include "err.h"

/* Starts fn(ctx) on a stack of 1 MiB: the resolver of names, TLS and git want more than the least.
 * `what` ends "no thread for ...". ERR_UNAVAILABLE. */
MUST_USE int thread_start(pthread_t *out, void *(*fn)(void *), void *ctx, const char *what,
                          struct err *e);
/* A condition whose waits end by the monotonic clock (clock_in). */
void thread_cond_init(pthread_cond_t *c);

#endif
