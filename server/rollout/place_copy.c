/*
 * One file from the blob store to a node: a reflink where the filesystem can (the copy is then read
 * once for its digest), else read, hash and write in one pass. Never a hard link: a node that
 * writes into its files must not change the registry's. Runs on the file-job threads.
 */
#include "place_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place_dir.h"

#define STEP_BYTES ((size_t)1 << 20)

int place_check_time(const struct place *p, int64_t deadline_ms, struct err *e)
{
    if (p->stops != NULL && atomic_load(p->stops))
        return err_set(e, ERR_UNAVAILABLE, "the server is stopping");
    if (p->now_ms(p->self) > deadline_ms)
        return err_set(e, ERR_TIMEOUT, "the time for the file job is over");
    return ERR_OK;
}

/* Where the bytes come from and go to. */
struct copy {
    const struct place *place;
    const struct manifest_file *file;
    const struct blob_file *from;
    struct digest_ctx *hash;
    int64_t deadline_ms;
    int64_t done;
    int to;
    bool writes; /* false: `to` has the bytes already, only hash it */
};

static int write_step(const struct copy *c, const char *bytes, size_t n, struct err *e)
{
    while (n > 0) {
        ssize_t w = write(c->to, bytes, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return dir_error(e, "writing", c->file->path);
        bytes += w;
        n -= (size_t)w;
    }
    return ERR_OK;
}

static int take_step(struct copy *c, const char *bytes, size_t n, struct err *e)
{
    digest_add(c->hash, bytes, n);
    c->done += (int64_t)n;
    return c->writes ? write_step(c, bytes, n, e) : ERR_OK;
}

static int read_through(struct copy *c, int fd, struct err *e)
{
    char *bytes CLEANUP(mem_free_ptr) = mem_alloc(STEP_BYTES);

    for (;;) {
        ssize_t n = pread(fd, bytes, STEP_BYTES, c->done);
        int rc;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dir_error(e, "reading", c->file->path);
        if (n == 0)
            return ERR_OK;
        if ((rc = place_check_time(c->place, c->deadline_ms, e)) != ERR_OK ||
            (rc = take_step(c, bytes, (size_t)n, e)) != ERR_OK)
            return rc;
    }
}

static int copy_bytes(struct copy *c, struct err *e)
{
    struct digest got;
    int rc;

    if (c->from->fd < 0) {
        rc = take_step(c, c->from->inline_bytes, (size_t)c->from->size, e);
    } else {
        c->writes = ioctl(c->to, FICLONE, c->from->fd) != 0;
        rc = read_through(c, c->writes ? c->from->fd : c->to, e);
    }
    if (rc != ERR_OK)
        return rc;
    digest_peek(c->hash, &got);
    if (c->done != c->file->size || !digest_equal(&got, &c->file->sha256))
        return err_set(e, ERR_CORRUPT, "%s: the stored bytes are not those that were published",
                       c->file->path);
    if (fchmod(c->to, 0644) != 0 || fsync(c->to) != 0)
        return dir_error(e, "writing", c->file->path);
    return ERR_OK;
}

/* Opens the folder that holds path's last part, making what is missing; *last is that part. */
static int open_parent(int dir, const char *path, int *parent, const char **last, struct err *e)
{
    int at CLEANUP(dir_close_fd) = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const char *slash;
    char part[256];

    if (at < 0)
        return dir_error(e, "opening", path);
    while ((slash = strchr(path, '/')) != NULL) {
        size_t n = (size_t)(slash - path);
        int next, rc;

        if (n == 0 || n >= sizeof(part) || strncmp(path, "..", n) == 0)
            return err_set(e, ERR_INTERNAL, "a file's path is not clean");
        memcpy(part, path, n);
        part[n] = '\0';
        if ((rc = dir_open(at, part, true, &next, e)) != ERR_OK)
            return rc;
        close(at);
        at = next;
        path = slash + 1;
    }
    *parent = at;
    at = -1;
    *last = path;
    return ERR_OK;
}

int place_copy(const struct place *p, int dir, const struct manifest_file *f, int64_t deadline_ms,
               struct err *e)
{
    struct digest_ctx *hash CLEANUP(digest_free_ptr) = NULL;
    struct blob_file from CLEANUP(blob_file_close) = {.fd = -1};
    int parent CLEANUP(dir_close_fd) = -1;
    int to CLEANUP(dir_close_fd) = -1;
    struct copy c = {.place = p, .file = f, .deadline_ms = deadline_ms, .writes = true};
    const char *last = NULL;
    int rc;

    if ((rc = blob_open(p->blobs, &f->sha256, &from, e)) != ERR_OK) {
        err_prefix(e, "%s: ", f->path);
        return rc == ERR_NOT_FOUND ? ERR_CORRUPT : rc;
    }
    if ((rc = open_parent(dir, f->path, &parent, &last, e)) != ERR_OK)
        return rc;
    to = openat(parent, last, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (to < 0)
        return dir_error(e, "writing", f->path);
    hash = digest_new();
    c.from = &from;
    c.hash = hash;
    c.to = to;
    return copy_bytes(&c, e);
}
