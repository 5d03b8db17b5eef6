/*
 * The data folder: made, locked against a second process, small secret files in it. Must not know
 * what the files mean. Runs on the main thread.
 */
#include "datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static int io_error(const char *what, const char *path, struct err *e)
{
    enum err_code code = errno == ENOSPC || errno == EDQUOT ? ERR_NO_SPACE : ERR_UNAVAILABLE;
    return err_set(e, code, "cannot %s %s: %s", what, path, strerror(errno));
}

static char *join(struct arena *a, const char *dir, const char *name)
{
    return arena_printf(a, "%s/%s", dir, name);
}

static void say_holder(int fd, const char *dir, struct err *e)
{
    char text[32] = "";
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    text[n > 0 ? strspn(text, "0123456789") : 0] = 0;
    err_set(e, ERR_CONFLICT, "another mregd%s%s uses the data folder %s",
            text[0] ? ", process " : "", text, dir);
}

/* A folder that was made by somebody else may be open to all: the database in it must not be. */
static int close_to_others(const char *dir)
{
    struct stat st;
    if (stat(dir, &st) != 0)
        return -1;
    return st.st_mode & 07 ? chmod(dir, st.st_mode & 07770) : 0;
}

int datadir_open(const char *dir, int *lock_fd, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *path = join(&a, dir, "lock");
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return io_error("make", dir, e);
    if (close_to_others(dir) != 0)
        return io_error("change the mode of", dir, e);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error("open", path, e);
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        say_holder(fd, dir, e);
        close(fd);
        return ERR_CONFLICT;
    }
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)n, 0) != n) {
        close(fd);
        return io_error("write", path, e);
    }
    *lock_fd = fd;
    return 0;
}

bool datadir_has(const char *dir, const char *name)
{
    struct arena a CLEANUP(arena_clear) = {0};
    return access(join(&a, dir, name), F_OK) == 0;
}

static int write_synced(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return -1;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return fsync(fd);
}

static int sync_folder(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    close(fd);
    return rc;
}

static int write_file(const char *path, const void *bytes, size_t n, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *temporary = arena_printf(&a, "%s.tmp", path);
    unlink(temporary);
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return io_error("make", temporary, e);
    int failed = write_synced(fd, bytes, n);
    int rc = failed ? io_error("write", temporary, e) : 0;
    close(fd);
    if (!rc && rename(temporary, path) != 0)
        rc = io_error("rename", temporary, e);
    if (rc)
        unlink(temporary);
    return rc;
}

int datadir_write(const char *dir, const char *name, const void *bytes, size_t n, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    int rc = write_file(join(&a, dir, name), bytes, n, e);
    if (!rc && sync_folder(dir) != 0)
        rc = io_error("sync", dir, e);
    return rc;
}

int datadir_read(const char *dir, const char *name, void *bytes, size_t n, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *path = join(&a, dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "there is no %s", path);
    if (fd < 0)
        return io_error("open", path, e);
    char *copy = arena_alloc(&a, n + 1);
    ssize_t got = read(fd, copy, n + 1);
    close(fd);
    if (got < 0)
        return io_error("read", path, e);
    if ((size_t)got != n)
        return err_set(e, ERR_CORRUPT, "%s does not have %zu bytes", path, n);
    memcpy(bytes, copy, n);
    explicit_bzero(copy, n);
    return 0;
}

int datadir_publish(const char *path, const char *text, struct err *e)
{
    return write_file(path, text, strlen(text), e);
}

int64_t datadir_free_bytes(const char *dir)
{
    struct statvfs v;
    if (statvfs(dir, &v) != 0)
        return -1;
    return (int64_t)(v.f_bavail * v.f_frsize);
}
