/*
 * Temporary folders for tests, and a small disk to fill up. Test code only; any thread.
 */
#include "support_dir.h"

#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

void temp_dir_make(struct temp_dir *d)
{
    snprintf(d->path, sizeof d->path, "/tmp/mreg-test-XXXXXX");
    if (mkdtemp(d->path))
        return;
    perror("mkdtemp");
    abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
    (void)st, (void)kind, (void)where;
    return remove(path);
}

void temp_dir_remove(struct temp_dir *d)
{
    if (d->path[0])
        nftw(d->path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    d->path[0] = '\0';
}

char *temp_dir_file(const struct temp_dir *d, struct arena *a, const char *name)
{
    return arena_printf(a, "%s/%s", d->path, name);
}

#define NO_SMALL_DISK 77

/* A mount that nobody else sees; root has the right, others get it in a user namespace. */
static int mount_small(const char *dir, long n_bytes)
{
    char size[32];
    snprintf(size, sizeof size, "size=%ld", n_bytes);
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return -1;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return -1;
    return mount("tmpfs", dir, "tmpfs", 0, size);
}

int run_on_small_disk(const char *dir, long n_bytes, int (*fn)(const char *dir))
{
    int status;
    pid_t child = fork();
    if (child < 0)
        return -1;
    if (child == 0)
        _exit(mount_small(dir, n_bytes) != 0 ? NO_SMALL_DISK : fn(dir));
    waitpid(child, &status, 0);
    if (!WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status) == NO_SMALL_DISK ? -1 : WEXITSTATUS(status);
}
