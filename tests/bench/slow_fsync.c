/*
 * A preloaded wrapper that makes each fsync and fdatasync slower by MREG_SLOW_FSYNC_US microseconds
 * (1000 when unset): the stand-in for ordinary storage in the benchmarks. Must not know who is
 * measured. Runs on whatever thread syncs.
 */
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

typedef int sync_fn(int fd);

static void pause_before_sync(void)
{
    const char *text = getenv("MREG_SLOW_FSYNC_US");
    long us = text ? strtol(text, NULL, 10) : 1000;
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) != 0)
        continue;
}

/* dlsym gives an object pointer; POSIX promises that it may be used as a function's. */
static int call_real(const char *name, int fd)
{
    union {
        void *object;
        sync_fn *function;
    } real = {dlsym(RTLD_NEXT, name)};
    return real.function(fd);
}

int fsync(int fd)
{
    pause_before_sync();
    return call_real("fsync", fd);
}

int fdatasync(int fd)
{
    pause_before_sync();
    return call_real("fdatasync", fd);
}
