/*
 * The store as its users see it: opens the database (migrating it), starts the writer, lends
 * read-only connections from a small pool, copies the database for backups. Any thread; what a
 * reader lends belongs to the borrowing thread until it is given back.
 */
#include "store_inner.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "log.h"
#include "migrate.h"
#include "thread.h"
#include "when.h"

#define BEHIND_MS 60000 /* a clock so far behind is worth a word */
#define MAX_READERS 64
#define READ_WAIT_S 5

const char *const store_working_tables[] = {
    "rollout_status",
    "node_ops",
    "node_views",
    "node_health",
    "samples",
    "token_use",
    "idempotency",
    "uploads",
    "upload_files",
    "upload_parts",
    "commits",
    "node_leases",
    "node_probes",
    "node_drifts",
    "epochs_refused",
    "webhook_state",
    "webhook_deliveries",
    "analyses",
    "analysis_intervals",
    "analysis_values",
    "target_windows",
    "metric_points",
    "sessions",
    "user_logins",
    "router_health",
    "router_views",
    NULL,
};

struct store {
    char *path;
    char *log_path; /* the write-ahead log, for its size */
    struct writer *writer;
    pthread_mutex_t lock; /* guards idle and n_idle */
    pthread_cond_t given_back;
    struct db *idle[MAX_READERS]; /* a stack: the warmest cache is used first */
    int n_idle;
    struct db *only; /* of an inline store: the writer's, for everybody */
    int n_lent;      /* readers of it */
};

static int open_readers(struct store *s, int n, struct err *e)
{
    for (int i = 0; i < n; i++) {
        int code = db_open(s->path, false, &s->idle[s->n_idle], e);
        if (code)
            return code;
        s->n_idle++;
    }
    return ERR_OK;
}

static int open_writer(struct store *s, const struct store_options *options, struct err *e)
{
    struct db *db = NULL;
    int code = db_open(s->path, true, &db, e);
    if (code)
        return code;
    code = migrate_run(db, s->path, embed_migrations, e);
    if (!code)
        code = writer_start(db, options, &s->writer, e);
    if (code)
        db_close(db);
    else if (options->is_inline)
        s->only = db;
    return code;
}

/* Time goes on where the journal ends, also where the machine's clock was set back meanwhile. */
static void go_on_from(int64_t last_ts)
{
    char behind[WHEN_TEXT_BYTES];
    int64_t behind_ms = last_ts - clock_wall_ms();
    clock_not_before(last_ts);
    if (behind_ms > BEHIND_MS)
        log_line(
            LOG_WARNING, "store",
            "the machine's clock is %s behind the journal's last entry; time goes on from there",
            when_format_duration(behind_ms, behind));
}

int store_open(const struct store_options *options, struct store **out, struct err *e)
{
    if (options->n_readers < 1 || options->n_readers > MAX_READERS)
        return err_set(e, ERR_INVALID, "1 to %d readers, not %d", MAX_READERS, options->n_readers);
    struct store *s = mem_alloc(sizeof *s);
    size_t n = strlen(options->path);
    s->path = mem_strdup(options->path);
    s->log_path = mem_alloc(n + 5);
    memcpy(s->log_path, s->path, n);
    memcpy(s->log_path + n, "-wal", 5);
    pthread_mutex_init(&s->lock, NULL);
    thread_cond_init(&s->given_back);
    int code = open_writer(s, options, e);
    if (!code && !options->now_ms)
        go_on_from(writer_last_ts(s->writer));
    if (!code && !options->is_inline)
        code = open_readers(s, options->n_readers, e);
    if (code) {
        store_close(s);
        return code;
    }
    *out = s;
    return ERR_OK;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_idle; i++)
        db_close(s->idle[i]);
    writer_stop(s->writer);
    pthread_cond_destroy(&s->given_back);
    pthread_mutex_destroy(&s->lock);
    free(s->log_path);
    free(s->path);
    free(s);
}

/* Of an inline store: the transaction would end what is being read. */
static int check_lent(const struct store *s, struct err *e)
{
    if (s->n_lent > 0)
        return err_set(e, ERR_INTERNAL, "who reads an inline store may not write");
    return ERR_OK;
}

int store_write(struct store *s, enum tx_kind kind, store_fn *fn, void *ctx, struct err *e)
{
    int code = check_lent(s, e);
    if (code)
        return code;
    return writer_submit(s->writer, kind, fn, ctx, e);
}

void store_write_all(struct store *s, struct store_request *list, size_t n)
{
    bool may = true;
    for (size_t i = 0; i < n; i++)
        may = (list[i].code = check_lent(s, list[i].e)) == ERR_OK && may;
    if (may)
        writer_submit_all(s->writer, list, n);
}

int64_t store_now_ms(const struct store *s)
{
    return writer_now_ms(s->writer);
}

/* ---- readers ---- */

static struct db *take_reader(struct store *s)
{
    struct timespec until = clock_in(READ_WAIT_S * 1000);
    struct db *db = NULL;
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (s->n_idle == 0 && rc == 0)
        rc = pthread_cond_timedwait(&s->given_back, &s->lock, &until);
    if (s->n_idle > 0)
        db = s->idle[--s->n_idle];
    pthread_mutex_unlock(&s->lock);
    return db;
}

static void give_back(struct store *s, struct db *db)
{
    pthread_mutex_lock(&s->lock);
    s->idle[s->n_idle++] = db;
    pthread_cond_signal(&s->given_back);
    pthread_mutex_unlock(&s->lock);
}

int store_read(struct store *s, struct db **out, struct err *e)
{
    int64_t one;
    if (s->only) {
        s->n_lent++;
        *out = s->only;
        return ERR_OK;
    }
    struct db *db = take_reader(s);
    if (!db)
        return err_set(e, ERR_UNAVAILABLE, "no reader became free within %d s", READ_WAIT_S);
    int code = db_run(db, e, "BEGIN", "");
    if (!code) /* BEGIN alone takes no snapshot, the first read does */
        code = db_int(db, &one, NULL, e, "SELECT 1 FROM meta LIMIT 1", "");
    if (code) {
        store_read_end(s, db);
        return code;
    }
    *out = db;
    return ERR_OK;
}

void store_read_end(struct store *s, struct db *db)
{
    struct err ignored;
    if (!db)
        return;
    if (s->only) {
        if (--s->n_lent == 0)
            db_end_queries(db);
        return;
    }
    db_end_queries(db);
    if (db_in_transaction(db))
        (void)!db_run(db, &ignored, "COMMIT", "");
    give_back(s, db);
}

int reader_begin(struct store *s, struct reader *r, struct err *e)
{
    r->store = s;
    return store_read(s, &r->db, e);
}

void reader_end(struct reader *r)
{
    if (r->db)
        store_read_end(r->store, r->db);
    r->db = NULL;
}

/* ---- copies ---- */

static int sync_path(const char *path, struct err *e)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int rc = fd < 0 ? -1 : fsync(fd);
    int cause = errno;
    if (fd >= 0)
        close(fd);
    if (rc != 0)
        return err_set(e, cause == ENOSPC ? ERR_NO_SPACE : ERR_UNAVAILABLE, "sync of %s: %s", path,
                       strerror(cause));
    return ERR_OK;
}

static int sync_folder_of(const char *path, struct err *e)
{
    char *folder CLEANUP(mem_free_ptr) = mem_strdup(path);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return sync_path(".", e);
    slash[slash == folder ? 1 : 0] = '\0';
    return sync_path(folder, e);
}

/* Gives the finished copy its name. A link instead of a rename refuses to replace. */
static int place_copy(const char *from, const char *to, bool replaces, struct err *e)
{
    if ((replaces ? rename(from, to) : link(from, to)) == 0)
        return sync_folder_of(to, e);
    if (errno == EEXIST)
        return err_set(e, ERR_EXISTS, "%s exists already", to);
    return err_set(e, ERR_UNAVAILABLE, "%s: %s", to, strerror(errno));
}

int db_copy(struct db *db, const char *path, bool replaces, struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    const char *part = arena_printf(&arena, "%s.part", path);
    if (!replaces && access(path, F_OK) == 0)
        return err_set(e, ERR_EXISTS, "%s exists already", path);
    unlink(part);
    int code = db_run(db, e, "VACUUM INTO ?1", "t", part);
    if (!code)
        code = sync_path(part, e);
    if (!code)
        code = place_copy(part, path, replaces, e);
    unlink(part);
    return code;
}

int store_backup(struct store *s, const char *path, struct err *e)
{
    struct db *db = NULL;
    int code = db_open(s->path, false, &db, e);
    if (!code)
        code = db_copy(db, path, false, e);
    db_close(db);
    return code;
}

void store_get_stats(struct store *s, struct store_stats *out)
{
    struct stat st;
    writer_get_stats(s->writer, out);
    if (s->only)
        return;
    out->wal_bytes = stat(s->log_path, &st) == 0 ? st.st_size : 0;
    out->db_bytes = stat(s->path, &st) == 0 ? st.st_size : 0;
}

char *db_like(struct arena *a, const char *before, const char *text)
{
    struct buf out CLEANUP(buf_clear) = {0};
    buf_init(&out, SIZE_MAX);
    buf_puts(&out, before);
    for (; text && *text; text++) {
        if (strchr("%_\\", *text))
            buf_put(&out, "\\", 1);
        buf_put(&out, text, 1);
    }
    buf_puts(&out, "%");
    return arena_strdup(a, buf_str(&out));
}
