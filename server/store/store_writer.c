/*
 * The writer: one thread that owns the writing connection. It takes the whole queue of requests,
 * runs each in a savepoint inside one transaction, commits once and wakes all of them, so that many
 * callers share one fsync; no delay is added, because the next batch forms while this one syncs.
 *
 * It must not know what the requests do. A request that fails undoes only itself. When SQLite ends
 * the whole transaction (disk full, I/O error, failing COMMIT) the batch is run again one request
 * at a time, so that each gets its own answer.
 */
#include "store_inner.h"

#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "clock.h"
#include "thread.h"

#define BATCH_LIMIT 256
#define BATCH_NS INT64_C(10000000) /* work per commit */
#define IDLE_MS 1000               /* quiet time before the log is moved into the database */

/* Lives on its caller's stack until `done` is posted. */
struct request {
    enum tx_kind kind;
    store_fn *fn;
    void *ctx;
    struct err *e;
    int code;
    sem_t done;
    struct request *next;
};

struct writer {
    struct db *db; /* the thread's own from here to clean_log */
    int64_t (*now_ms)(void *);
    void *now_ctx;
    int64_t batch_limit;
    bool is_inline; /* there is no thread */
    int64_t epoch;
    int64_t seq;     /* last journal row, inside the running transaction */
    int64_t last_ts; /* its time, committed */
    int64_t tx_ts;   /* time of the running transaction */
    bool has_log;    /* committed since the last checkpoint */
    pthread_t thread;

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t wake;
    struct request *first, **last;
    bool is_closing;
    struct store_stats stats;
};

struct tx {
    struct writer *w;
    int n_journaled;
};

static int64_t system_ms(void *unused)
{
    (void)unused;
    return clock_now_ms();
}

struct db *tx_db(struct tx *tx)
{
    return tx->w->db;
}

int64_t tx_now_ms(const struct tx *tx)
{
    return tx->w->tx_ts;
}

int64_t tx_epoch(const struct tx *tx)
{
    return tx->w->epoch;
}

int64_t tx_journaled(struct tx *tx)
{
    tx->n_journaled++;
    return ++tx->w->seq;
}

/* ---- one transaction ---- */

/* Learns from the database where the journal ends. */
static int read_end(struct writer *w, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int code = db_query(w->db, &q, e, "SELECT seq, ts FROM journal ORDER BY seq DESC LIMIT 1", "");
    if (!code)
        code = stmt_next(q, &row, e);
    if (code)
        return code;
    w->seq = row ? stmt_int(q, 0) : 0;
    w->last_ts = row ? stmt_int(q, 1) : 0;
    return ERR_OK;
}

static int begin(struct writer *w, struct err *e)
{
    int64_t now = w->now_ms(w->now_ctx);
    w->tx_ts = now > w->last_ts ? now : w->last_ts;
    return db_run(w->db, e, "BEGIN IMMEDIATE", "");
}

/* Ends a transaction that cannot be committed, if SQLite has not done so, and forgets its numbers.
 */
static void undo(struct writer *w)
{
    struct err ignored;
    if (db_in_transaction(w->db))
        (void)!db_run(w->db, &ignored, "ROLLBACK", "");
    (void)!read_end(w, &ignored);
}

static int commit(struct writer *w, int64_t seq_before, struct err *e)
{
    int code = db_run(w->db, e, "COMMIT", "");
    if (code)
        return code;
    if (w->seq != seq_before)
        w->last_ts = w->tx_ts;
    w->has_log = true;
    return ERR_OK;
}

/* A fact must have written exactly one journal row, under the number it was given; work none. */
static int check_journal(const struct tx *tx, enum tx_kind kind, int64_t seq_before, struct err *e)
{
    bool found = true;
    int64_t one;
    if (tx->n_journaled != (kind == TX_FACT ? 1 : 0))
        return err_set(e, ERR_INTERNAL, "a transaction wrote %d journal rows instead of %d",
                       tx->n_journaled, kind == TX_FACT ? 1 : 0);
    if (kind != TX_FACT)
        return ERR_OK;
    int code = db_int(tx->w->db, &one, &found, e, "SELECT 1 FROM journal WHERE seq = ?1", "i",
                      seq_before + 1);
    if (!code && !found)
        return err_set(e, ERR_INTERNAL, "journal row %" PRId64 " was counted but not written",
                       seq_before + 1);
    return code;
}

/* Runs one request in a savepoint; false when the whole transaction is lost. */
static bool run_one(struct writer *w, struct request *r)
{
    struct tx tx = {.w = w};
    int64_t seq_before = w->seq;
    r->code = db_run(w->db, r->e, "SAVEPOINT one", "");
    if (r->code)
        return false;
    db_set_mode(w->db, r->kind == TX_FACT ? DB_FACT : DB_WORK);
    r->code = r->fn(&tx, r->ctx, r->e);
    db_set_mode(w->db, DB_OWNER);
    db_end_queries(w->db);
    if (!db_in_transaction(w->db))
        return false;
    if (!r->code)
        r->code = check_journal(&tx, r->kind, seq_before, r->e);
    struct err failure;
    if (!r->code)
        return db_run(w->db, &failure, "RELEASE one", "") == ERR_OK;
    w->seq = seq_before;
    return db_run(w->db, &failure, "ROLLBACK TO one", "") == ERR_OK &&
           db_run(w->db, &failure, "RELEASE one", "") == ERR_OK;
}

/* Runs one request in a transaction of its own, after its batch was lost. */
static void run_alone(struct writer *w, struct request *r)
{
    int64_t seq_before = w->seq;
    r->code = begin(w, r->e);
    if (r->code)
        return;
    bool is_whole = run_one(w, r);
    if (is_whole && !r->code)
        r->code = commit(w, seq_before, r->e);
    else if (!r->code)
        r->code = err_set(r->e, ERR_UNAVAILABLE, "the database gave up the transaction");
    if (r->code)
        undo(w);
}

/* Runs requests from the front of *queue in one transaction until the batch is full; *batch is the
 * list of those that ran, taken from the queue. False: nothing of it was kept. */
static bool run_together(struct writer *w, struct request **queue, struct request **batch)
{
    struct err failure;
    int64_t seq_before = w->seq, deadline_ns = clock_monotonic_ns() + BATCH_NS, n = 0;
    struct request *last;
    bool is_whole;
    *batch = *queue;
    do {
        last = *queue;
        *queue = last->next;
        is_whole = run_one(w, last);
        n++;
    } while (is_whole && *queue && n < w->batch_limit && clock_monotonic_ns() < deadline_ns);
    last->next = NULL;
    if (is_whole && commit(w, seq_before, &failure) == ERR_OK)
        return true;
    undo(w);
    return false;
}

/* Takes a batch from *queue, runs it and returns it with every code filled. */
static struct request *run_batch(struct writer *w, struct request **queue)
{
    struct err failure;
    struct request *batch;
    int code = begin(w, &failure);
    if (code) { /* somebody else holds the database: nobody here can get further */
        batch = *queue;
        *queue = NULL;
        for (struct request *r = batch; r; r = r->next)
            r->code = err_set(r->e, failure.code, "%s", failure.message);
        return batch;
    }
    if (!run_together(w, queue, &batch))
        for (struct request *r = batch; r; r = r->next)
            run_alone(w, r);
    return batch;
}

/* ---- the thread and its queue ---- */

/* Counts a finished batch and wakes its callers; each request is gone once it was posted. */
static void answer(struct writer *w, struct request *batch)
{
    int64_t n = 0, n_ok = 0;
    for (struct request *r = batch; r; r = r->next) {
        n++;
        n_ok += r->code == ERR_OK;
    }
    pthread_mutex_lock(&w->lock);
    w->stats.n_waiting -= n;
    w->stats.n_writes += n_ok;
    if (n_ok) {
        w->stats.n_commits++;
        w->stats.last_write_ok_ms = w->tx_ts;
    }
    pthread_mutex_unlock(&w->lock);
    while (batch) {
        struct request *next = batch->next;
        sem_post(&batch->done);
        batch = next;
    }
}

/* Waits for work; NULL when closing and nothing is left. A quiet second empties the log. */
static struct request *take_queue(struct writer *w)
{
    struct timespec until = clock_in(IDLE_MS);
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->is_closing) {
        if (!w->has_log) {
            pthread_cond_wait(&w->wake, &w->lock);
        } else if (pthread_cond_timedwait(&w->wake, &w->lock, &until) != 0) {
            w->has_log = false;
            pthread_mutex_unlock(&w->lock);
            db_checkpoint(w->db);
            pthread_mutex_lock(&w->lock);
        }
    }
    struct request *queue = w->first;
    w->first = NULL;
    w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return queue;
}

static void serve(struct writer *w, struct request *queue)
{
    while (queue)
        answer(w, run_batch(w, &queue));
}

static void *writer_main(void *self)
{
    struct writer *w = self;
    struct request *queue;
    while ((queue = take_queue(w)) != NULL)
        serve(w, queue);
    db_checkpoint(w->db);
    return NULL;
}

/* Puts them at the end of the queue; false if the database is closing. */
static bool enqueue(struct writer *w, struct request *list, size_t n)
{
    pthread_mutex_lock(&w->lock);
    bool is_open = !w->is_closing;
    for (size_t i = 0; is_open && i < n; i++) {
        *w->last = &list[i];
        w->last = &list[i].next;
        w->stats.n_waiting++;
    }
    if (is_open)
        pthread_cond_signal(&w->wake);
    struct request *mine = w->is_inline ? w->first : NULL;
    if (w->is_inline) {
        w->first = NULL;
        w->last = &w->first;
    }
    pthread_mutex_unlock(&w->lock);
    serve(w, mine);
    return is_open;
}

static void await(struct request *r)
{
    while (sem_wait(&r->done) != 0)
        continue; /* a signal handler ran */
}

int writer_submit(struct writer *w, enum tx_kind kind, store_fn *fn, void *ctx, struct err *e)
{
    struct request mine = {.kind = kind, .fn = fn, .ctx = ctx, .e = e};
    if (!w->is_inline && pthread_equal(pthread_self(), w->thread))
        return err_set(e, ERR_INTERNAL, "a write was asked for on the writer thread");
    sem_init(&mine.done, 0, 0);
    bool is_open = enqueue(w, &mine, 1);
    if (is_open)
        await(&mine);
    sem_destroy(&mine.done);
    return is_open ? mine.code : err_set(e, ERR_UNAVAILABLE, "the database is closing");
}

void writer_submit_all(struct writer *w, struct store_request *list, size_t n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct request *mine = arena_alloc(&a, (n + 1) * sizeof mine[0]);
    for (size_t i = 0; i < n; i++) {
        mine[i].kind = list[i].kind;
        mine[i].fn = list[i].fn;
        mine[i].ctx = list[i].ctx;
        mine[i].e = list[i].e;
        sem_init(&mine[i].done, 0, 0);
    }
    bool is_open = n > 0 && enqueue(w, mine, n);
    for (size_t i = 0; i < n; i++) {
        if (is_open)
            await(&mine[i]);
        list[i].code =
            is_open ? mine[i].code : err_set(list[i].e, ERR_UNAVAILABLE, "the database is closing");
        sem_destroy(&mine[i].done);
    }
}

int64_t writer_now_ms(const struct writer *w)
{
    return w->now_ms(w->now_ctx);
}

int64_t writer_last_ts(const struct writer *w)
{
    return w->last_ts;
}

void writer_get_stats(struct writer *w, struct store_stats *out)
{
    pthread_mutex_lock(&w->lock);
    *out = w->stats;
    pthread_mutex_unlock(&w->lock);
}

/* ---- start and stop ---- */

static int raise_epoch(struct writer *w, struct err *e)
{
    int64_t epoch = 0;
    int64_t refused = 0; /* nodes obeyed a registry of that epoch and not this one */
    char text[24];
    int code = db_int(w->db, &epoch, NULL, e,
                      "SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'epoch'", "");
    if (!code)
        code = db_int(w->db, &refused, NULL, e,
                      "SELECT COALESCE(MAX(epoch), 0) FROM epochs_refused"
                      " WHERE epoch < 9007199254740991", /* no registry started so often */
                      "");
    if (code)
        return code;
    w->epoch = (refused > epoch ? refused : epoch) + 1;
    snprintf(text, sizeof text, "%" PRId64, w->epoch);
    return db_run(w->db, e,
                  "INSERT INTO meta (key, value) VALUES ('epoch', ?1)"
                  " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                  "t", text);
}

static void init_lock(struct writer *w)
{
    pthread_mutex_init(&w->lock, NULL);
    thread_cond_init(&w->wake);
    w->last = &w->first;
}

int writer_start(struct db *db, const struct store_options *options, struct writer **out,
                 struct err *e)
{
    struct writer *w = mem_alloc(sizeof *w);
    w->db = db;
    w->now_ms = options->now_ms ? options->now_ms : system_ms;
    w->now_ctx = options->now_ctx;
    w->is_inline = options->is_inline;
    w->batch_limit = options->batch_limit > 0 ? options->batch_limit : BATCH_LIMIT;
    int code = raise_epoch(w, e);
    if (!code)
        code = read_end(w, e);
    if (code) {
        free(w);
        return code;
    }
    w->has_log = true;
    init_lock(w);
    if (!w->is_inline && pthread_create(&w->thread, NULL, writer_main, w) != 0) {
        free(w);
        return err_set(e, ERR_UNAVAILABLE, "the writer thread could not be started");
    }
    *out = w;
    return ERR_OK;
}

void writer_stop(struct writer *w)
{
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_closing = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    if (!w->is_inline)
        pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    db_close(w->db);
    free(w);
}
