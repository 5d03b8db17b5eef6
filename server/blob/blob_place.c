/*
 * Files of the blob store: names, whole reads and writes, and the one way in which a file appears
 * in blobs/ (synced, renamed, folder synced, under the lock of its digest, which the sweep takes
 * too). Knows no rows. Any thread; blocks on the disk, so never on the writer.
 */
#include "blob_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

int blob_io_fail(const char *what, struct err *e)
{
    int cause = errno;
    if (cause == ENOSPC || cause == EDQUOT || cause == EFBIG)
        return err_set(e, ERR_NO_SPACE, "the disk that holds the files is full");
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", what, strerror(cause));
}

char *blob_name(const struct digest *d, char out[BLOB_NAME_BYTES])
{
    char hex[DIGEST_HEX_BYTES];
    digest_hex(d, hex);
    snprintf(out, BLOB_NAME_BYTES, "%.2s/%s", hex, hex);
    return out;
}

char *stage_name(const struct plan *p, char out[STAGE_NAME_BYTES])
{
    snprintf(out, STAGE_NAME_BYTES, "%s-%zu", p->id, p->file);
    return out;
}

char *stage_temp_name(struct blobs *b, const struct plan *p, char out[STAGE_NAME_BYTES])
{
    uint64_t n = atomic_fetch_add(&b->n_temp, 1);
    snprintf(out, STAGE_NAME_BYTES, "%s-%zu.%" PRIu64, p->id, p->file, n);
    return out;
}

pthread_mutex_t *blob_place_lock(struct blobs *b, const struct digest *d)
{
    return &b->place_locks[d->b[0] % BLOB_PLACE_LOCKS];
}

bool blob_is_placed(struct blobs *b, const struct digest *d, int64_t size)
{
    char name[BLOB_NAME_BYTES];
    struct stat st;
    return fstatat(b->blobs_fd, blob_name(d, name), &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISREG(st.st_mode) && st.st_size == size;
}

/* Syncs "blobs/aa", which holds the new name. */
static int sync_shard(struct blobs *b, const char *name, struct err *e)
{
    char shard[3] = {name[0], name[1], '\0'};
    int fd CLEANUP(close_fd) = openat(b->blobs_fd, shard, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        return blob_io_fail("sync of a blob folder", e);
    return ERR_OK;
}

/* With the digest's lock held. A file of the right size under the name is the blob, because nothing
 * gets a name there before it is whole; one of a wrong size was damaged since and is replaced. */
static int place_locked(struct blobs *b, const struct plan *p, const char *from, struct err *e)
{
    char to[BLOB_NAME_BYTES];
    blob_name(&p->sha256, to);
    if (blob_is_placed(b, &p->sha256, p->size))
        unlinkat(b->staging_fd, from, 0);
    else if (renameat(b->staging_fd, from, b->blobs_fd, to) != 0)
        return blob_io_fail("naming of a blob", e);
    return sync_shard(b, to, e);
}

int blob_place(struct blobs *b, const struct plan *p, int fd, const char *name, struct err *e)
{
    pthread_mutex_t *lock = blob_place_lock(b, &p->sha256);
    if (fsync(fd) != 0)
        return blob_io_fail("sync of a file", e);
    pthread_mutex_lock(lock);
    int code = place_locked(b, p, name, e);
    pthread_mutex_unlock(lock);
    return code;
}

int blob_write_at(int fd, const void *bytes, size_t n, int64_t offset, struct err *e)
{
    const char *from = bytes;
    while (n > 0) {
        ssize_t k = pwrite(fd, from, n, offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return blob_io_fail("writing a file", e);
        from += k;
        offset += k;
        n -= (size_t)k;
    }
    return ERR_OK;
}

int blob_read_at(int fd, void *bytes, size_t n, int64_t offset, size_t *got, struct err *e)
{
    char *to = bytes;
    size_t done = 0;
    while (done < n) {
        ssize_t k = pread(fd, to + done, n - done, offset + (int64_t)done);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return blob_io_fail("reading a file", e);
        if (k == 0)
            break;
        done += (size_t)k;
    }
    *got = done;
    return ERR_OK;
}

int blob_hash_range(int fd, int64_t offset, int64_t n, struct digest_ctx *c, struct err *e)
{
    size_t room = n < (int64_t)BLOB_BUFFER_BYTES ? (size_t)n : BLOB_BUFFER_BYTES;
    char *buffer CLEANUP(mem_free_ptr) = mem_alloc(room);
    while (n > 0) {
        size_t want = n < (int64_t)room ? (size_t)n : room, got = 0;
        int code = blob_read_at(fd, buffer, want, offset, &got, e);
        if (code)
            return code;
        if (got < want)
            return err_set(e, ERR_CORRUPT, "a file is shorter than what was received");
        digest_add(c, buffer, got);
        offset += (int64_t)got;
        n -= (int64_t)got;
    }
    return ERR_OK;
}
