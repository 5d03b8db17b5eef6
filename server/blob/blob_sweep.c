/*
 * The sweep: what nobody can ask for any more goes. Expired uploads lose their rows; staging files
 * whose upload is gone and blobs that no row names are removed. Runs on a thread that may block, at
 * start and hourly.
 *
 * Order makes it safe beside running requests: a staging file is made after its upload's row, so a
 * file that was listed before the rows are read has its row in them. A blob gets its name before
 * its row, but its upload's row names the digest all that time; a young file is left alone all the
 * same.
 */
#include "blob_inner.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ORPHAN_AGE_MS (INT64_C(3600) * 1000)

struct names {
    char **items;
    size_t n, room;
};

static void names_clear(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct names){0};
}

static void names_add(struct names *l, const char *name)
{
    if (l->n == l->room) {
        l->room = l->room * 2 + 16;
        l->items = mem_resize(l->items, l->room, sizeof *l->items);
    }
    l->items[l->n++] = mem_strdup(name);
}

/* All names in parent/folder but those that begin with a dot. */
static int list(int parent, const char *folder, struct names *out, struct err *e)
{
    int fd = openat(parent, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        int code = blob_io_fail("listing a folder", e);
        close_fd(&fd);
        return code;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL)
        if (entry->d_name[0] != '.')
            names_add(out, entry->d_name);
    closedir(dir);
    return ERR_OK;
}

/* ---- expired uploads ---- */

struct expiry {
    int64_t now_ms, n;
};

static int expire(struct tx *tx, void *ctx, struct err *e)
{
    struct expiry *x = ctx;
    int code = db_run(tx_db(tx), e,
                      "DELETE FROM upload_parts WHERE upload_id IN"
                      " (SELECT upload_id FROM uploads WHERE expires_ts <= ?1)",
                      "i", x->now_ms);
    if (!code)
        code = db_run(tx_db(tx), e,
                      "DELETE FROM upload_files WHERE upload_id IN"
                      " (SELECT upload_id FROM uploads WHERE expires_ts <= ?1)",
                      "i", x->now_ms);
    if (!code)
        code = db_run(tx_db(tx), e, "DELETE FROM uploads WHERE expires_ts <= ?1", "i", x->now_ms);
    x->n = code ? 0 : db_changes(tx_db(tx));
    return code;
}

/* ---- staging ---- */

/* Splits "<id>-<file>" or "<id>-<file>.<number>". */
static bool split_name(const char *name, char id[BLOB_ID_BYTES], size_t *file, bool *is_temp)
{
    const char *dash = strchr(name, '-');
    char *end;
    if (!dash || dash - name >= BLOB_ID_BYTES)
        return false;
    memcpy(id, name, (size_t)(dash - name));
    id[dash - name] = '\0';
    *file = strtoul(dash + 1, &end, 10);
    *is_temp = *end == '.';
    return *end == '\0' || *is_temp;
}

/* Temporary files of an upload that lives may be in use. */
static int is_staging_needed(struct db *db, const char *id, bool *yes, struct err *e)
{
    int64_t one;
    return db_int(db, &one, yes, e, "SELECT 1 FROM uploads WHERE upload_id = ?1", "t", id);
}

static int sweep_staging(struct blobs *b, int64_t *n, struct err *e)
{
    struct names names CLEANUP(names_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    int code = list(b->staging_fd, ".", &names, e);
    if (!code)
        code = reader_begin(b->store, &r, e);
    for (size_t i = 0; i < names.n && !code; i++) {
        char id[BLOB_ID_BYTES];
        size_t file = 0;
        bool is_temp = false, is_needed = false;
        bool is_ours = split_name(names.items[i], id, &file, &is_temp);
        if (is_ours)
            code = is_staging_needed(r.db, id, &is_needed, e);
        if (code || is_needed)
            continue;
        if (is_ours && !is_temp)
            trails_drop(b->trails, id, file);
        *n += unlinkat(b->staging_fd, names.items[i], 0) == 0;
    }
    return code;
}

int blob_drop_temps(struct blobs *b, struct err *e)
{
    struct names names CLEANUP(names_clear) = {0};
    int code = list(b->staging_fd, ".", &names, e);
    for (size_t i = 0; i < names.n; i++)
        if (strchr(names.items[i], '.'))
            unlinkat(b->staging_fd, names.items[i], 0);
    return code;
}

/* ---- blobs without a row ---- */

static int is_named(struct db *db, const struct digest *d, bool *yes, struct err *e)
{
    int64_t one;
    int code = blob_exists(db, d, yes, e);
    if (code || *yes)
        return code;
    return db_int(db, &one, yes, e, "SELECT 1 FROM upload_files WHERE digest = ?1 LIMIT 1 /*scan*/",
                  "d", d);
}

static bool is_old(struct blobs *b, const char *name, int64_t now_ms)
{
    struct stat st;
    if (fstatat(b->blobs_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    return (int64_t)st.st_ctim.tv_sec * 1000 < now_ms - ORPHAN_AGE_MS;
}

/* Looks again with the digest's lock held, so that nobody can find the file just before it goes. */
static int remove_orphan(struct blobs *b, const struct digest *d, int64_t *n, struct err *e)
{
    char name[BLOB_NAME_BYTES];
    struct reader r CLEANUP(reader_end) = {0};
    bool is_needed = true;
    pthread_mutex_t *lock = blob_place_lock(b, d);
    pthread_mutex_lock(lock);
    int code = reader_begin(b->store, &r, e);
    if (!code)
        code = is_named(r.db, d, &is_needed, e);
    if (!code && !is_needed)
        *n += unlinkat(b->blobs_fd, blob_name(d, name), 0) == 0;
    pthread_mutex_unlock(lock);
    return code;
}

static int find_orphans(struct blobs *b, const char *shard, int64_t now_ms, struct names *out,
                        struct err *e)
{
    struct names names CLEANUP(names_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct err ignored;
    int code = list(b->blobs_fd, shard, &names, e);
    if (!code)
        code = reader_begin(b->store, &r, e);
    for (size_t i = 0; i < names.n && !code; i++) {
        char path[BLOB_NAME_BYTES];
        struct digest d;
        bool yes = true;
        if (digest_parse(names.items[i], &d, &ignored) != ERR_OK ||
            !is_old(b, blob_name(&d, path), now_ms))
            continue;
        code = is_named(r.db, &d, &yes, e);
        if (!code && !yes)
            names_add(out, names.items[i]);
    }
    return code;
}

static int sweep_shard(struct blobs *b, unsigned shard, int64_t now_ms, int64_t *n, struct err *e)
{
    struct names orphans CLEANUP(names_clear) = {0};
    char folder[3];
    snprintf(folder, sizeof folder, "%02x", shard & 0xff);
    int code = find_orphans(b, folder, now_ms, &orphans, e);
    for (size_t i = 0; i < orphans.n && !code; i++) {
        struct digest d;
        code = digest_parse(orphans.items[i], &d, e);
        if (!code)
            code = remove_orphan(b, &d, n, e);
    }
    return code;
}

int blobs_sweep(struct blobs *b, int64_t now_ms, int64_t *n, struct err *e)
{
    struct expiry x = {.now_ms = now_ms};
    int64_t n_files = 0;
    int code = store_write(b->store, TX_WORK, expire, &x, e);
    if (!code)
        code = sweep_staging(b, &n_files, e);
    for (unsigned shard = 0; shard < 256 && !code; shard++)
        code = sweep_shard(b, shard, now_ms, &n_files, e);
    if (!code)
        *n = x.n + n_files;
    return code;
}
