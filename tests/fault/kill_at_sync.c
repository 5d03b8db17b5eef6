/*
 * A preloaded wrapper that ends a running server by SIGKILL right after it made a write of its
 * database durable. The file named by MREG_KILL_AT is mapped: two numbers of 32 bits: at which
 * write to end (0: never), and how many there were. A write is a sync of the database's log. Runs
 * on whatever thread makes the call.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct counter {
    _Atomic int32_t kill_at, n_syncs;
};

static struct counter *counter;

__attribute__((constructor)) static void map_counter(void)
{
    const char *path = getenv("MREG_KILL_AT");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, sizeof *counter, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    counter = at == MAP_FAILED ? NULL : at;
}

static bool is_log(int fd)
{
    char link[64];
    char path[512];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path);
    return n > 4 && memcmp(path + n - 4, "-wal", 4) == 0;
}

static int after(int fd, int rc)
{
    if (rc != 0 || !counter || !is_log(fd))
        return rc;
    int32_t n = atomic_fetch_add(&counter->n_syncs, 1) + 1;
    if (n == atomic_load(&counter->kill_at))
        (void)kill(getpid(), SIGKILL);
    return rc;
}

/* dlsym gives an object pointer; POSIX promises that it may be used as a function's. */
union real {
    void *object;
    int (*sync)(int fd);
};

int fsync(int fd)
{
    union real real = {dlsym(RTLD_NEXT, "fsync")};
    return after(fd, real.sync(fd));
}

int fdatasync(int fd)
{
    union real real = {dlsym(RTLD_NEXT, "fdatasync")};
    return after(fd, real.sync(fd));
}
