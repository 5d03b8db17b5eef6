/*
 * Receives bodies. A file that comes in one piece (one part, or the whole-file form) goes to a
 * temporary file, is compared with its announced digest and takes its final name at once, so many
 * small files are synced by many requests at a time. Parts of larger files are written into one
 * staging file at their offsets. Rows follow bytes. Request threads; large buffers on the heap.
 */
#include "blob_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that is removed unless it was given a name to keep. */
struct temp_file {
    struct blobs *b;
    int fd;
    char name[STAGE_NAME_BYTES];
};

static void temp_drop(struct temp_file *t)
{
    if (t->fd < 0)
        return;
    close_fd(&t->fd);
    unlinkat(t->b->staging_fd, t->name, 0);
}

static int temp_make(struct blobs *b, const struct plan *p, struct temp_file *t, struct err *e)
{
    t->b = b;
    stage_temp_name(b, p, t->name);
    t->fd = openat(b->staging_fd, t->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
    return t->fd < 0 ? blob_io_fail("staging file", e) : ERR_OK;
}

/* Takes the space of a long file before its bytes are sent. Not every file system can. */
static int reserve(int fd, int64_t offset, int64_t n, struct err *e)
{
    if (n < (int64_t)BLOB_BUFFER_BYTES || fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, n) == 0)
        return ERR_OK;
    if (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)
        return blob_io_fail("reserving space", e);
    return ERR_OK;
}

/* An inline file waits in staging for its row; any other becomes a blob. */
static int keep_whole(struct blobs *b, const struct plan *p, struct temp_file *t, struct err *e)
{
    char name[STAGE_NAME_BYTES];
    int code = ERR_OK;
    if (p->size > BLOB_INLINE_MAX)
        code = blob_place(b, p, t->fd, t->name, e);
    else if (renameat(b->staging_fd, t->name, b->staging_fd, stage_name(p, name)) != 0)
        code = blob_io_fail("naming of a staging file", e);
    if (!code) {
        close_fd(&t->fd); /* nothing left to drop */
        code = plan_record_whole(b, p, e);
    }
    if (!code && p->n_parts > 1) { /* parts that came before are not needed any more */
        trails_drop(b->trails, p->id, p->file);
        unlinkat(b->staging_fd, stage_name(p, name), 0);
    }
    return code;
}

static int receive_whole(struct blobs *b, const struct plan *p, struct body_source *body,
                         struct err *e)
{
    struct temp_file t CLEANUP(temp_drop) = {.fd = -1};
    struct digest got;
    int code = temp_make(b, p, &t, e);
    if (!code)
        code = reserve(t.fd, 0, p->size, e);
    struct sink sink = {.fd = t.fd};
    if (!code)
        code = blob_pump(b, body, p->size, &sink, &got, e);
    if (!code && !digest_equal(&got, &p->sha256))
        code = err_set(e, ERR_CORRUPT, "the bytes do not have the announced digest");
    return code ? code : keep_whole(b, p, &t, e);
}

/* ---- what is there already ---- */

/* Digest of a part of a stored file. */
static int stored_digest(struct blobs *b, const struct plan *p, int64_t part, struct digest *out,
                         struct err *e)
{
    char name[BLOB_NAME_BYTES];
    struct digest_ctx *c CLEANUP(digest_free_ptr) = digest_new();
    int fd CLEANUP(close_fd) =
        openat(b->blobs_fd, blob_name(&p->sha256, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return blob_io_fail("opening a blob", e);
    int code = blob_hash_range(fd, part * BLOB_PART_BYTES, blob_part_size(p->size, part), c, e);
    if (!code)
        digest_peek(c, out);
    return code;
}

/* The body repeats something received: it must be equal, and nothing is written. */
static int compare(struct blobs *b, struct body_source *body, int64_t n, const struct digest *want,
                   struct err *e)
{
    const struct sink nowhere = {.fd = -1};
    struct digest got;
    int code = blob_pump(b, body, n, &nowhere, &got, e);
    if (!code && !digest_equal(&got, want))
        return err_set(e, ERR_CONFLICT, "other bytes were received before");
    return code;
}

static int compare_part(struct blobs *b, const struct plan *p, int64_t part,
                        struct body_source *body, struct err *e)
{
    struct digest want = p->sha256;
    bool found = true;
    int code = ERR_OK;
    if (p->n_parts > 1)
        code = p->state == PLAN_OPEN ? plan_part_digest(b, p, part, &found, &want, e)
                                     : stored_digest(b, p, part, &want, e);
    if (!code && !found) /* made whole, forgotten or lost in this moment */
        return err_set(e, ERR_CONFLICT, "the part has just changed; send it again");
    return code ? code : compare(b, body, blob_part_size(p->size, part), &want, e);
}

/* ---- parts ---- */

struct part_body {
    struct body_source *body;
    const struct digest *expect;
    int64_t part;
};

static int write_part(struct blobs *b, const struct plan *p, struct sender *s,
                      const struct part_body *in, struct err *e)
{
    int64_t offset = in->part * BLOB_PART_BYTES, n = blob_part_size(p->size, in->part);
    struct sink sink = {.fd = trail_fd(s->trail), .offset = offset, .sender = s};
    struct digest got;
    int code = reserve(sink.fd, offset, n, e);
    if (!code)
        code = blob_pump(b, in->body, n, &sink, &got, e);
    if (!code && in->expect && !digest_equal(&got, in->expect))
        code = err_set(e, ERR_CORRUPT, "the part's bytes do not have the digest sent with them");
    if (!code)
        code = sender_record_begin(s, e);
    return code ? code : plan_record_part(b, p, in->part, &got, e);
}

static int receive_part(struct blobs *b, const struct plan *p, const struct part_body *in,
                        struct err *e)
{
    struct trail *t CLEANUP(trail_done) = NULL;
    struct sender s;
    bool is_received = false;
    int code = trail_get(b, p, &t, e);
    if (code)
        return code;
    sender_begin(&s, t, in->part, &is_received);
    if (is_received)
        return compare_part(b, p, in->part, in->body, e);
    code = write_part(b, p, &s, in, e);
    sender_end(&s, code == ERR_OK);
    return code;
}

int upload_put_part(struct blobs *b, const char *id, size_t file, int64_t part,
                    const struct digest *expect, struct body_source *body, struct err *e)
{
    struct part_body in = {body, expect, part};
    struct plan p;
    int code = plan_load(b, id, file, &p, e);
    if (code)
        return code;
    if (part < 0 || part >= p.n_parts)
        return err_set(e, ERR_NOT_FOUND, "file %zu has parts 0 to %" PRId64, file, p.n_parts - 1);
    if (p.state != PLAN_OPEN)
        return compare_part(b, &p, part, body, e);
    if (p.n_parts > 1)
        return receive_part(b, &p, &in, e);
    if (expect && !digest_equal(expect, &p.sha256))
        return err_set(e, ERR_CORRUPT, "the digest differs from the announced one");
    return receive_whole(b, &p, body, e);
}

int upload_put_file(struct blobs *b, const char *id, size_t file, struct body_source *body,
                    struct err *e)
{
    struct plan p;
    int code = plan_load(b, id, file, &p, e);
    if (code)
        return code;
    if (p.state != PLAN_OPEN)
        return compare(b, body, p.size, &p.sha256, e);
    return receive_whole(b, &p, body, e);
}
