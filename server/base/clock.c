/*
 * Reads the system's clocks, and keeps the one even clock of the process. Must not know what
 * anybody wants the time for. Any thread.
 */
#include "clock.h"

#include <pthread.h>
#include <stdbool.h>

#include "steady.h"

static struct {
    pthread_mutex_t lock;
    struct steady steady;
    bool is_begun; /* all under the lock */
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

static int64_t read_ns(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t clock_wall_ms(void)
{
    return read_ns(CLOCK_REALTIME) / 1000000;
}

/* Locked. */
static int64_t now_ms(void)
{
    int64_t monotonic_ms = read_ns(CLOCK_BOOTTIME) / 1000000; /* with the time asleep */
    int64_t wall_ms = clock_wall_ms();
    if (!process.is_begun)
        steady_begin(&process.steady, monotonic_ms, wall_ms);
    process.is_begun = true;
    return steady_at(&process.steady, monotonic_ms, wall_ms);
}

int64_t clock_now_ms(void)
{
    pthread_mutex_lock(&process.lock);
    int64_t ms = now_ms();
    pthread_mutex_unlock(&process.lock);
    return ms;
}

void clock_not_before(int64_t ms)
{
    pthread_mutex_lock(&process.lock);
    if (now_ms() < ms)
        steady_begin(&process.steady, process.steady.monotonic_ms, ms);
    pthread_mutex_unlock(&process.lock);
}

int64_t clock_monotonic_ms(void)
{
    return read_ns(CLOCK_MONOTONIC) / 1000000;
}

int64_t clock_monotonic_ns(void)
{
    return read_ns(CLOCK_MONOTONIC);
}

struct timespec clock_in(int64_t ms)
{
    int64_t ns = read_ns(CLOCK_MONOTONIC) + ms * 1000000;
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

void clock_pause(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}
