/*
 * The blob store: opens its folders and reads what is stored. Content never changes under its name,
 * so a reader needs no lock. Any thread but the writer's.
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

/* Opens dir/name, making it if needed. */
static int open_folder(int parent, const char *name, int *fd, struct err *e)
{
    if (mkdirat(parent, name, 0750) != 0 && errno != EEXIST)
        return blob_io_fail(name, e);
    *fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *fd < 0 ? blob_io_fail(name, e) : ERR_OK;
}

static int make_shards(struct blobs *b, struct err *e)
{
    for (unsigned i = 0; i < 256; i++) {
        char name[3];
        snprintf(name, sizeof name, "%02x", i);
        if (mkdirat(b->blobs_fd, name, 0750) != 0 && errno != EEXIST)
            return blob_io_fail(name, e);
    }
    return fsync(b->blobs_fd) != 0 ? blob_io_fail("sync of blobs", e) : ERR_OK;
}

static int open_folders(struct blobs *b, struct err *e)
{
    int dir CLEANUP(close_fd) = open(b->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return blob_io_fail(b->dir, e);
    int code = open_folder(dir, "blobs", &b->blobs_fd, e);
    if (!code)
        code = open_folder(dir, "staging", &b->staging_fd, e);
    if (!code)
        code = make_shards(b, e);
    if (!code && fsync(dir) != 0)
        code = blob_io_fail("sync of the data folder", e);
    return code;
}

int blobs_open(const char *dir, struct store *store, struct blobs **out, struct err *e)
{
    struct blobs *b = mem_alloc(sizeof *b);
    b->dir = mem_strdup(dir);
    b->store = store;
    b->blobs_fd = b->staging_fd = -1;
    b->n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
    atomic_init(&b->n_receiving, 0);
    atomic_init(&b->n_temp, 0);
    for (size_t i = 0; i < BLOB_PLACE_LOCKS; i++)
        pthread_mutex_init(&b->place_locks[i], NULL);
    int code = open_folders(b, e);
    if (!code)
        code = blob_drop_temps(b, e);
    if (!code && (b->trails = trails_start(b)) == NULL)
        code = err_set(e, ERR_UNAVAILABLE, "the hash threads could not be started");
    if (code) {
        blobs_close(b);
        return code;
    }
    *out = b;
    return ERR_OK;
}

void blobs_close(struct blobs *b)
{
    if (!b)
        return;
    trails_stop(b->trails);
    close_fd(&b->blobs_fd);
    close_fd(&b->staging_fd);
    for (size_t i = 0; i < BLOB_PLACE_LOCKS; i++)
        pthread_mutex_destroy(&b->place_locks[i]);
    free(b->dir);
    free(b);
}

/* ---- reading ---- */

static int open_file(struct blobs *b, const struct digest *d, int64_t size, int *fd, struct err *e)
{
    char name[BLOB_NAME_BYTES];
    struct stat st;
    int f CLEANUP(close_fd) =
        openat(b->blobs_fd, blob_name(d, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (f < 0 && errno != ENOENT && errno != ELOOP)
        return blob_io_fail("opening a blob", e);
    if (f < 0)
        return err_set(e, ERR_CORRUPT, "the bytes of blob %s are gone", name + 3);
    if (fstat(f, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size != size)
        return err_set(e, ERR_CORRUPT, "blob %s does not have its %" PRId64 " bytes", name + 3,
                       size);
    *fd = f;
    f = -1;
    return ERR_OK;
}

static int take_inline(struct stmt *q, int64_t size, char **bytes, struct err *e)
{
    size_t n;
    const void *stored = stmt_blob(q, 1, &n);
    if ((int64_t)n != size)
        return err_set(e, ERR_CORRUPT, "an inline blob does not have its %" PRId64 " bytes", size);
    *bytes = mem_alloc(n + 1);
    if (n > 0)
        memcpy(*bytes, stored, n);
    return ERR_OK;
}

int blob_open_on(struct blobs *b, struct db *db, const struct digest *d, struct blob_file *out,
                 struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct blob_file f = {.fd = -1};
    bool row = false;
    int code = db_query(db, &q, e, "SELECT size, bytes FROM blobs WHERE digest = ?1", "d", d);
    if (!code)
        code = stmt_next(q, &row, e);
    if (!code && !row)
        code = err_set(e, ERR_NOT_FOUND, "no such blob");
    if (code)
        return code;
    f.size = stmt_int(q, 0);
    code = stmt_is_null(q, 1) ? open_file(b, d, f.size, &f.fd, e)
                              : take_inline(q, f.size, &f.inline_bytes, e);
    if (!code)
        *out = f;
    return code;
}

int blob_open(struct blobs *b, const struct digest *d, struct blob_file *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int code = reader_begin(b->store, &r, e);
    return code ? code : blob_open_on(b, r.db, d, out, e);
}

void blob_file_close(struct blob_file *f)
{
    close_fd(&f->fd);
    free(f->inline_bytes);
    f->inline_bytes = NULL;
}

int blob_read(struct blobs *b, const struct digest *d, size_t max, struct arena *a,
              const char **bytes, size_t *n, struct err *e)
{
    struct blob_file f CLEANUP(blob_file_close) = {.fd = -1};
    size_t got = 0;
    int code = blob_open(b, d, &f, e);
    if (code)
        return code;
    if ((uint64_t)f.size > max)
        return err_set(e, ERR_TOO_LARGE, "the file has %" PRId64 " bytes, more than %zu", f.size,
                       max);
    char *copy = arena_alloc(a, (size_t)f.size + 1);
    if (f.inline_bytes)
        memcpy(copy, f.inline_bytes, (size_t)f.size);
    else
        code = blob_read_at(f.fd, copy, (size_t)f.size, 0, &got, e);
    if (!code && !f.inline_bytes && got < (size_t)f.size)
        code = err_set(e, ERR_CORRUPT, "a blob ended early");
    if (code)
        return code;
    *bytes = copy;
    *n = (size_t)f.size;
    return ERR_OK;
}

int blob_exists(struct db *db, const struct digest *d, bool *yes, struct err *e)
{
    int64_t one;
    return db_int(db, &one, yes, e, "SELECT 1 FROM blobs WHERE digest = ?1", "d", d);
}
