/*
 * From an upload to blobs: the last check of each file, its row in the publishing transaction, and
 * a look at its first bytes. Finishing waits for hashing and syncing, so it never runs on the
 * writer; adopting runs there and only looks at names, or reads an inline file.
 */
#include "blob_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static int parts_missing(const struct plan *p, struct err *e)
{
    return err_set(e, ERR_CONFLICT, "file %zu has not been received completely", p->file);
}

/* Reads an inline file from staging into out (BLOB_INLINE_MAX bytes). ERR_CORRUPT: it is not there
 * any more, or damaged. */
static int read_inline(struct blobs *b, const struct plan *p, char *out, struct err *e)
{
    char name[STAGE_NAME_BYTES];
    struct digest now;
    size_t got = 0;
    int fd CLEANUP(close_fd) =
        openat(b->staging_fd, stage_name(p, name), O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return blob_io_fail("opening a staging file", e);
    int code = fd < 0 ? ERR_OK : blob_read_at(fd, out, (size_t)p->size, 0, &got, e);
    if (code)
        return code;
    digest_of(out, got, &now);
    if (fd < 0 || !digest_equal(&now, &p->sha256))
        return err_set(e, ERR_CORRUPT, "file %zu was damaged while it waited: send it again",
                       p->file);
    return ERR_OK;
}

/* The recorded state is only as good as the bytes: after a crash they may be gone. */
static int check_whole(struct blobs *b, const struct plan *p, struct err *e)
{
    struct err ignored;
    int code = ERR_OK;
    if (p->size <= BLOB_INLINE_MAX) {
        char *bytes CLEANUP(mem_free_ptr) = mem_alloc((size_t)BLOB_INLINE_MAX);
        code = read_inline(b, p, bytes, e);
    } else if (!blob_is_placed(b, &p->sha256, p->size)) {
        code = err_set(e, ERR_CORRUPT, "the bytes of file %zu are gone: send it again", p->file);
    }
    if (code == ERR_CORRUPT && plan_forget_parts(b, p, -1, &ignored) != ERR_OK)
        return err_set(e, ignored.code, "%s", ignored.message);
    return code;
}

static int forget_wrong(struct blobs *b, const struct plan *p, struct trail *t, struct err *e)
{
    int code = plan_forget_parts(b, p, -1, e);
    if (code)
        return code;
    trail_restart(t);
    return err_set(e, ERR_CORRUPT, "file %zu does not have the announced digest: send it again",
                   p->file);
}

static int finish_parts(struct blobs *b, const struct plan *p, struct err *e)
{
    char name[STAGE_NAME_BYTES];
    struct trail *t CLEANUP(trail_done) = NULL;
    struct digest whole;
    int code = trail_get(b, p, &t, e);
    if (!code)
        code = trail_wait(t, &whole, e);
    if (code)
        return code;
    if (!digest_equal(&whole, &p->sha256))
        return forget_wrong(b, p, t, e);
    code = blob_place(b, p, trail_fd(t), stage_name(p, name), e);
    if (!code)
        code = plan_record_whole(b, p, e);
    if (!code)
        trails_drop(b->trails, p->id, p->file);
    return code;
}

/* A process that was killed between naming the blob and recording it left all the parts' rows and
 * no staging file. Only that order of events leads there, so the parts need not come again. */
static int is_named_already(struct blobs *b, const struct plan *p, bool *yes, struct err *e)
{
    char name[STAGE_NAME_BYTES];
    int64_t n = 0;
    *yes = false;
    if (faccessat(b->staging_fd, stage_name(p, name), F_OK, 0) == 0 || errno != ENOENT ||
        !blob_is_placed(b, &p->sha256, p->size))
        return ERR_OK;
    struct reader r CLEANUP(reader_end) = {0};
    int code = reader_begin(b->store, &r, e);
    if (!code)
        code = db_int(r.db, &n, NULL, e,
                      "SELECT count(*) FROM upload_parts WHERE upload_id = ?1 AND file = ?2", "ti",
                      p->id, (int64_t)p->file);
    *yes = n == p->n_parts;
    return code;
}

static int finish_or_recover(struct blobs *b, const struct plan *p, struct err *e)
{
    bool is_named = false;
    int code = is_named_already(b, p, &is_named, e);
    if (code)
        return code;
    return is_named ? plan_record_whole(b, p, e) : finish_parts(b, p, e);
}

int upload_finish_file(struct blobs *b, const char *id, size_t file, struct err *e)
{
    struct plan p;
    int code = plan_load(b, id, file, &p, e);
    if (!code && p.state == PLAN_OPEN && p.n_parts > 1) {
        code = finish_or_recover(b, &p, e);
        if (code != ERR_CONFLICT)
            return code;
        struct plan now; /* parts also go when another request has just finished the file */
        int look = plan_load(b, id, file, &now, e);
        if (look || now.state == PLAN_OPEN)
            return look ? look : parts_missing(&p, e);
        p = now;
    }
    if (code && code != ERR_CONFLICT)
        return code;
    if (p.state == PLAN_WHOLE)
        return check_whole(b, &p, e);
    return p.state == PLAN_HAVE ? ERR_OK : parts_missing(&p, e);
}

/* ---- the publishing transaction ---- */

static int insert_row(struct tx *tx, const struct plan *p, const char *bytes, struct err *e)
{
    if (!bytes)
        return db_run(tx_db(tx), e,
                      "INSERT INTO blobs (digest, size, bytes, created_ts)"
                      " VALUES (?1, ?2, NULL, ?3) ON CONFLICT (digest) DO NOTHING",
                      "dii", &p->sha256, p->size, tx_now_ms(tx));
    return db_run(tx_db(tx), e,
                  "INSERT INTO blobs (digest, size, bytes, created_ts)"
                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (digest) DO NOTHING",
                  "dibi", &p->sha256, p->size, bytes, (size_t)p->size, tx_now_ms(tx));
}

static int adopt_inline(struct blobs *b, struct tx *tx, const struct plan *p, struct err *e)
{
    char *bytes CLEANUP(mem_free_ptr) = mem_alloc((size_t)BLOB_INLINE_MAX);
    int code = read_inline(b, p, bytes, e);
    return code ? code : insert_row(tx, p, bytes, e);
}

int upload_adopt(struct blobs *b, struct tx *tx, const char *id, size_t file, struct err *e)
{
    struct plan p;
    bool is_stored = false;
    int code = plan_load_on(tx_db(tx), tx_now_ms(tx), id, file, &p, e);
    if (!code)
        code = blob_exists(tx_db(tx), &p.sha256, &is_stored, e);
    if (code)
        return code;
    if (p.state == PLAN_OPEN || (p.state == PLAN_HAVE && !is_stored))
        return parts_missing(&p, e);
    if (is_stored)
        return ERR_OK;
    if (p.size <= BLOB_INLINE_MAX)
        return adopt_inline(b, tx, &p, e);
    if (!blob_is_placed(b, &p.sha256, p.size))
        return parts_missing(&p, e);
    return insert_row(tx, &p, NULL, e);
}

/* ---- a look at the start ---- */

static int head_of_blob(struct blobs *b, const struct plan *p, void *bytes, size_t n, size_t *got,
                        struct err *e)
{
    struct blob_file f CLEANUP(blob_file_close) = {.fd = -1};
    int code = blob_open(b, &p->sha256, &f, e);
    if (code)
        return code;
    if (!f.inline_bytes)
        return blob_read_at(f.fd, bytes, n, 0, got, e);
    *got = (uint64_t)f.size < n ? (size_t)f.size : n;
    memcpy(bytes, f.inline_bytes, *got);
    return ERR_OK;
}

static int head_of_name(int folder, const char *name, void *bytes, size_t n, size_t *got,
                        struct err *e)
{
    int fd CLEANUP(close_fd) = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *got = 0;
    if (fd < 0)
        return errno == ENOENT ? ERR_OK : blob_io_fail("opening a file", e);
    return blob_read_at(fd, bytes, n, 0, got, e);
}

int upload_head(struct blobs *b, const char *id, size_t file, void *bytes, size_t n, size_t *got,
                struct err *e)
{
    char stage[STAGE_NAME_BYTES], name[BLOB_NAME_BYTES];
    struct digest unused;
    struct plan p;
    bool has_start = true;
    int code = plan_load(b, id, file, &p, e);
    if (!code && p.state == PLAN_OPEN)
        code = plan_part_digest(b, &p, 0, &has_start, &unused, e);
    if (code)
        return code;
    *got = 0;
    if (!has_start)
        return ERR_OK;
    if (p.state == PLAN_HAVE)
        return head_of_blob(b, &p, bytes, n, got, e);
    if (p.state == PLAN_WHOLE && p.size > BLOB_INLINE_MAX)
        return head_of_name(b->blobs_fd, blob_name(&p.sha256, name), bytes, n, got, e);
    return head_of_name(b->staging_fd, stage_name(&p, stage), bytes, n, got, e);
}
