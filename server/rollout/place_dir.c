/*
 * Folder operations for delivery. A node's root is written by others too, so no name is trusted to
 * stay what it was: each component is opened by descriptor with O_NOFOLLOW. Knows nothing about
 * models. Runs on the file-job threads.
 */
#include "place_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

void dir_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int dir_error(struct err *e, const char *what, const char *name)
{
    int n = errno;

    if (n == ENOSPC || n == EDQUOT)
        return err_set(e, ERR_NO_SPACE, "%s %s: no space left on the node's disk", what, name);
    if (n == ENOENT)
        return err_set(e, ERR_NOT_FOUND, "%s %s: not there", what, name);
    if (n == ENOTDIR || n == ELOOP)
        return err_set(e, ERR_CONFLICT, "%s %s: not a folder", what, name);
    return err_set(e, ERR_UNAVAILABLE, "%s %s: %s", what, name, strerror(n));
}

int dir_open_root(const char *path, int *fd, struct err *e)
{
    int got = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (got < 0) {
        dir_error(e, "root", path);
        if (e != NULL && e->code != ERR_NO_SPACE)
            e->code = ERR_UNAVAILABLE;
        return ERR_UNAVAILABLE;
    }
    *fd = got;
    return ERR_OK;
}

int dir_open(int dir, const char *name, bool makes, int *fd, struct err *e)
{
    int got CLEANUP(dir_close_fd) = -1;
    bool is_new = makes && mkdirat(dir, name, 0755) == 0;

    if (makes && !is_new && errno != EEXIST)
        return dir_error(e, "making", name);
    got = openat(dir, name, FOLDER_FLAGS);
    if (got < 0)
        return dir_error(e, "opening", name);
    /* The server may run as somebody else, whatever our umask is. */
    if (is_new && fchmod(got, 0755) != 0)
        return dir_error(e, "making", name);
    *fd = got;
    got = -1;
    return ERR_OK;
}

bool dir_has(int dir, const char *name)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static int write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, bytes, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return -1;
        bytes += w;
        n -= (size_t)w;
    }
    return 0;
}

int dir_write(int dir, const char *name, const char *bytes, size_t n, struct err *e)
{
    int fd CLEANUP(dir_close_fd) =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);

    if (fd < 0 || fchmod(fd, 0644) != 0 || write_all(fd, bytes, n) != 0 || fsync(fd) != 0)
        return dir_error(e, "writing", name);
    return ERR_OK;
}

int dir_read(int dir, const char *name, size_t max, struct arena *a, char **bytes, size_t *n,
             struct err *e)
{
    int fd CLEANUP(dir_close_fd) =
        openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    struct stat st;
    size_t have = 0;
    char *p;

    if (fd < 0 || fstat(fd, &st) != 0)
        return dir_error(e, "reading", name);
    if (!S_ISREG(st.st_mode) || st.st_size > (off_t)max)
        return err_set(e, ERR_TOO_LARGE, "%s is no file of at most %zu bytes", name, max);
    p = arena_alloc(a, (size_t)st.st_size + 1);
    while (have < (size_t)st.st_size) {
        ssize_t r = read(fd, p + have, (size_t)st.st_size - have);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return dir_error(e, "reading", name);
        if (r == 0)
            break;
        have += (size_t)r;
    }
    *bytes = p;
    *n = have;
    return ERR_OK;
}

static void close_dir(DIR **d)
{
    if (*d != NULL)
        closedir(*d);
}

/* A stream over the folder `dir` (which stays open). NULL on failure, with errno. */
static DIR *stream_of(int dir)
{
    int fd = openat(dir, ".", FOLDER_FLAGS);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);

    if (d == NULL && fd >= 0)
        close(fd);
    return d;
}

/* Next entry that is neither "." nor ".."; NULL at the end (errno 0) or on failure. */
static const char *next_name(DIR *d)
{
    struct dirent *entry;

    do {
        errno = 0;
        entry = readdir(d);
    } while (entry != NULL &&
             (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0));
    return entry != NULL ? entry->d_name : NULL;
}

static int remove_all(int dir, const char *name, int depth, struct err *e);

static int empty_folder(int dir, int depth, struct err *e)
{
    DIR *d CLEANUP(close_dir) = stream_of(dir);
    const char *name;
    int rc;

    if (d == NULL)
        return dir_error(e, "listing", "a folder");
    while ((name = next_name(d)) != NULL)
        if ((rc = remove_all(dir, name, depth + 1, e)) != ERR_OK)
            return rc;
    return errno == 0 ? ERR_OK : dir_error(e, "listing", "a folder");
}

static int remove_all(int dir, const char *name, int depth, struct err *e)
{
    int fd CLEANUP(dir_close_fd) = -1;
    int rc;

    if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
        return ERR_OK;
    if (errno != EISDIR && errno != EPERM)
        return dir_error(e, "removing", name);
    if (depth > 2 * PLACE_MAX_DEPTH)
        return err_set(e, ERR_UNAVAILABLE, "removing %s: folders nested too deep", name);
    fd = openat(dir, name, FOLDER_FLAGS);
    if (fd < 0)
        return dir_error(e, "removing", name);
    if ((rc = empty_folder(fd, depth, e)) != ERR_OK)
        return rc;
    if (unlinkat(dir, name, AT_REMOVEDIR) != 0 && errno != ENOENT)
        return dir_error(e, "removing", name);
    return ERR_OK;
}

int dir_remove(int dir, const char *name, const char *first, struct err *e)
{
    int fd CLEANUP(dir_close_fd) = -1;

    if (first != NULL) {
        fd = openat(dir, name, FOLDER_FLAGS);
        if (fd >= 0 && unlinkat(fd, first, 0) == 0 && fsync(fd) != 0)
            return dir_error(e, "removing", name);
    }
    return remove_all(dir, name, 0, e);
}

int dir_sync(int dir, struct err *e)
{
    return fsync(dir) == 0 ? ERR_OK : dir_error(e, "syncing", "a folder");
}

static int sync_below(int dir, int depth, struct err *e)
{
    DIR *d CLEANUP(close_dir) = stream_of(dir);
    const char *name;
    int rc;

    if (d == NULL || depth > PLACE_MAX_DEPTH + 1)
        return dir_error(e, "syncing", "a folder");
    while ((name = next_name(d)) != NULL) {
        int fd CLEANUP(dir_close_fd) = openat(dir, name, FOLDER_FLAGS);

        if (fd >= 0 && (rc = sync_below(fd, depth + 1, e)) != ERR_OK)
            return rc;
    }
    return dir_sync(dir, e);
}

int dir_sync_tree(int dir, struct err *e)
{
    return sync_below(dir, 0, e);
}

int dir_rename(int from, const char *old_name, int to, const char *new_name, struct err *e)
{
    int rc;

    if (renameat(from, old_name, to, new_name) != 0)
        return dir_error(e, "moving", old_name);
    if ((rc = dir_sync(to, e)) != ERR_OK)
        return rc;
    return dir_sync(from, e);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int dir_list(int dir, size_t max, struct arena *a, char ***names, size_t *n, struct err *e)
{
    DIR *d CLEANUP(close_dir) = stream_of(dir);
    char **list = arena_alloc(a, max * sizeof(*list));
    const char *name = NULL;
    size_t count = 0;

    if (d == NULL)
        return dir_error(e, "listing", "a folder");
    while (count < max && (name = next_name(d)) != NULL)
        list[count++] = arena_strdup(a, name);
    if (name == NULL && count < max && errno != 0)
        return dir_error(e, "listing", "a folder");
    qsort(list, count, sizeof(*list), by_name);
    *names = list;
    *n = count;
    return ERR_OK;
}
