/*
 * Commits per second: the store's group commit beside a reference in the same run, which is one
 * connection behind a mutex with a transaction per request, the same settings and the same rows.
 * Also point reads from the pool while nothing writes.
 *
 *     bench_store [FOLDER [MILLISECONDS]]      ratio > 1: the store is faster
 *
 * Preload slow_fsync to see ordinary storage. Not part of ctest.
 */
#include <inttypes.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "embed.h"
#include "store.h"

#define MAX_THREADS 64

struct bench {
    struct store *store;
    sqlite3 *raw;
    sqlite3_stmt *begin, *commit, *model, *journal;
    pthread_mutex_t lock;
    int64_t seq;
    atomic_llong n_done;
    atomic_llong n_name;
    atomic_bool is_over;
    int (*one)(struct bench *b, const char *name);
};

static const char insert_model[] = "INSERT INTO models (name, created_seq, created_ts, updated_ts)"
                                   " VALUES (?1, ?2, 1, 1)";
static const char insert_journal[] =
    "INSERT INTO journal (seq, ts, epoch, actor, kind, object, fmt, message)"
    " VALUES (?2, 1, 1, 't-1', 'model.create', ?1, 1, 'a model was created by the benchmark')";

static void die(const char *what)
{
    fprintf(stderr, "bench_store: %s\n", what);
    exit(1);
}

/* ---- what is measured ---- */

static int write_model(struct tx *tx, void *ctx, struct err *e)
{
    int64_t seq = tx_journaled(tx);
    int code = db_run(tx_db(tx), e, insert_model, "ti", ctx, seq);
    return code ? code : db_run(tx_db(tx), e, insert_journal, "ti", ctx, seq);
}

static int one_group(struct bench *b, const char *name)
{
    struct err e;
    return store_write(b->store, TX_FACT, write_model, (void *)(uintptr_t)name, &e);
}

static int step(sqlite3_stmt *q, const char *name, int64_t seq)
{
    if (sqlite3_bind_parameter_count(q) == 2) {
        sqlite3_bind_text(q, 1, name, -1, SQLITE_STATIC);
        sqlite3_bind_int64(q, 2, seq);
    }
    int rc = sqlite3_step(q);
    sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : 1;
}

static int one_mutex(struct bench *b, const char *name)
{
    pthread_mutex_lock(&b->lock);
    b->seq++;
    int wrong = step(b->begin, name, b->seq) + step(b->model, name, b->seq) +
                step(b->journal, name, b->seq) + step(b->commit, name, b->seq);
    pthread_mutex_unlock(&b->lock);
    return wrong;
}

static int one_read(struct bench *b, const char *name)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct err e;
    int64_t id;
    (void)name;
    int code = reader_begin(b->store, &r, &e);
    return code ? code
                : db_int(r.db, &id, NULL, &e, "SELECT model_id FROM models WHERE name = ?1", "t",
                         "model-7");
}

/* ---- the run ---- */

static void *work(void *ctx)
{
    struct bench *b = ctx;
    char name[32];
    while (!atomic_load(&b->is_over)) {
        snprintf(name, sizeof name, "model-%lld", atomic_fetch_add(&b->n_name, 1));
        if (b->one(b, name) != 0)
            die("a request failed");
        atomic_fetch_add(&b->n_done, 1);
    }
    return NULL;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double per_second(struct bench *b, int (*one)(struct bench *, const char *), int n_threads,
                         long ms)
{
    pthread_t threads[MAX_THREADS];
    b->one = one;
    atomic_store(&b->is_over, false);
    atomic_store(&b->n_done, 0);
    double start = now_s();
    for (int i = 0; i < n_threads; i++)
        if (pthread_create(&threads[i], NULL, work, b) != 0)
            die("no thread");
    usleep((useconds_t)ms * 1000);
    atomic_store(&b->is_over, true);
    for (int i = 0; i < n_threads; i++)
        pthread_join(threads[i], NULL);
    return (double)atomic_load(&b->n_done) / (now_s() - start);
}

static sqlite3_stmt *prepare(sqlite3 *db, const char *sql)
{
    sqlite3_stmt *q = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &q, NULL) != SQLITE_OK)
        die(sqlite3_errmsg(db));
    return q;
}

static void open_reference(struct bench *b, const char *path)
{
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &b->raw, flags, NULL) != SQLITE_OK ||
        sqlite3_exec(b->raw,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA foreign_keys = ON; PRAGMA cache_size = -2000",
                     NULL, NULL, NULL) != SQLITE_OK)
        die("the reference cannot be opened");
    for (const struct embed_file *f = embed_migrations; f->name; f++)
        if (sqlite3_exec(b->raw, (const char *)f->bytes, NULL, NULL, NULL) != SQLITE_OK)
            die(sqlite3_errmsg(b->raw));
    b->begin = prepare(b->raw, "BEGIN IMMEDIATE");
    b->commit = prepare(b->raw, "COMMIT");
    b->model = prepare(b->raw, insert_model);
    b->journal = prepare(b->raw, insert_journal);
}

static void close_reference(struct bench *b)
{
    sqlite3_finalize(b->begin);
    sqlite3_finalize(b->commit);
    sqlite3_finalize(b->model);
    sqlite3_finalize(b->journal);
    sqlite3_close(b->raw);
}

static void remove_files(const char *path)
{
    char name[300];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        snprintf(name, sizeof name, "%s%s", path, ends[i]);
        unlink(name);
    }
}

static void measure(struct bench *b, long ms)
{
    static const int counts[] = {1, 4, 16, 64};
    puts("threads   mutex/s   group/s   ratio     reads/s");
    for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
        double mutex = per_second(b, one_mutex, counts[i], ms);
        double group = per_second(b, one_group, counts[i], ms);
        double reads = per_second(b, one_read, counts[i], ms);
        printf("%7d %9.0f %9.0f %7.2f %11.0f\n", counts[i], mutex, group, group / mutex, reads);
        fflush(stdout);
    }
}

int main(int argc, char **argv)
{
    static struct bench b;
    char group[280], mutex[280];
    struct err e;
    const char *folder = argc > 1 ? argv[1] : "/tmp";
    long ms = argc > 2 ? strtol(argv[2], NULL, 10) : 2000;
    snprintf(group, sizeof group, "%.200s/bench-group-%d.db", folder, (int)getpid());
    snprintf(mutex, sizeof mutex, "%.200s/bench-mutex-%d.db", folder, (int)getpid());
    struct store_options options = {.path = group, .n_readers = 8};
    if (ms <= 0 || store_open(&options, &b.store, &e) != ERR_OK)
        die("usage: bench_store [FOLDER [MILLISECONDS]]");
    pthread_mutex_init(&b.lock, NULL);
    open_reference(&b, mutex);
    measure(&b, ms);
    close_reference(&b);
    store_close(b.store);
    remove_files(group);
    remove_files(mutex);
    return 0;
}
