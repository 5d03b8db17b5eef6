/*
 * The database: one writer thread with group commit, a small pool of read-only connections, cached
 * statements. The only code that knows SQLite is store_sqlite.c; SQL elsewhere keeps to the subset
 * that SQLite and PostgreSQL share (?1 parameters, ON CONFLICT, RETURNING; no json_each).
 */
#ifndef MREG_STORE_H
#define MREG_STORE_H

#include <stdbool.h>

#include "digest.h"
#include "err.h"

struct store;
struct db;   /* one connection; used by one thread at a time */
struct stmt; /* a running query; stmt_done ends it */
struct tx;   /* one caller's part of a writer batch */

struct store_options {
    const char *path;                 /* database file; created when missing */
    int n_readers;                    /* 1..64 */
    int64_t batch_limit;              /* requests per commit, 256 when 0 */
    int64_t (*now_ms)(void *now_ctx); /* any thread; NULL: the system's clock */
    void *now_ctx;
    /* For tests of one thread: no thread, and one connection for everybody, so that path may be
     * ":memory:". Who reads may not write before it is done. */
    bool is_inline;
};

/* Tables that TX_WORK may write; ends with NULL. */
extern const char *const store_working_tables[];

/* Opens (creating, migrating, taking the process lock is the caller's job) and starts the writer
 * thread. *out: caller closes. ERR_CORRUPT: an applied migration was edited, or the file is no
 * database; ERR_REFUSED: the schema is newer than this program; ERR_NO_SPACE, ERR_UNAVAILABLE. */
MUST_USE int store_open(const struct store_options *options, struct store **out, struct err *e);
/* Finishes queued writes, checkpoints, closes. Accepts NULL. No other thread may be inside. */
void store_close(struct store *s);

/* A fact needs exactly one journal row (tx_journaled); work may touch only the working tables
 * (store_working_tables), which is enforced when its statements are prepared. */
enum tx_kind { TX_FACT, TX_WORK };

/* Runs on the writer thread inside a savepoint; touches only its tx and ctx, may be run again, and
 * undoes everything by returning non-zero with e filled. */
typedef int store_fn(struct tx *tx, void *ctx, struct err *e);
/* Queues fn and waits until the batch that holds it is on disk (fsync). Returns fn's error, or
 * ERR_NO_SPACE, ERR_UNAVAILABLE (closing), ERR_INTERNAL (a fact without a journal row). Any thread
 * but the writer's. */
MUST_USE int store_write(struct store *s, enum tx_kind kind, store_fn *fn, void *ctx,
                         struct err *e);

/* Several writes in one commit, as far as a batch reaches; each succeeds or fails by itself. */
struct store_request {
    enum tx_kind kind;
    store_fn *fn;
    void *ctx;
    struct err *e; /* filled if code is not ERR_OK */
    int code;      /* the outcome */
};
/* Queues all of them and waits for all. As store_write otherwise. */
void store_write_all(struct store *s, struct store_request *list, size_t n);

/* The clock of the store (options.now_ms). Any thread. */
int64_t store_now_ms(const struct store *s);

struct db *tx_db(struct tx *tx);
/* The time of this transaction: max(now, time of the last journal row); same for a whole batch. */
int64_t tx_now_ms(const struct tx *tx);
/* Start number of this process (rises by one per start). */
int64_t tx_epoch(const struct tx *tx);
/* Called by journal_append only: the next journal sequence number, counted as this tx's row. */
int64_t tx_journaled(struct tx *tx);

/* Lends a read-only connection with an open snapshot; waits at most 5 s for a free one. Give it
 * back with store_read_end on the same thread. ERR_UNAVAILABLE. */
MUST_USE int store_read(struct store *s, struct db **out, struct err *e);
void store_read_end(struct store *s, struct db *db);
/* For CLEANUP: `struct reader r CLEANUP(reader_end) = {0}; reader_begin(store, &r, e)`. */
struct reader {
    struct store *store;
    struct db *db;
};
MUST_USE int reader_begin(struct store *s, struct reader *r, struct err *e);
void reader_end(struct reader *r);

/*
 * Statements. `sql` must be a string literal (it is the cache key by address). `types` has one
 * letter per argument, bound to ?1, ?2 ...:
 *   i int64_t   t const char * (NULL binds NULL)   d const struct digest * (NULL binds NULL)
 *   b const void *, size_t (a blob; a NULL pointer binds NULL)   n (no argument: NULL)
 * Errors: ERR_EXISTS unique constraint, ERR_CONFLICT other constraint, ERR_NO_SPACE, ERR_CORRUPT,
 * ERR_UNAVAILABLE busy or an I/O error, ERR_INTERNAL otherwise.
 */
/* Runs a statement that returns no rows. */
MUST_USE int db_run(struct db *db, struct err *e, const char *sql, const char *types, ...);
/* Starts a query; *out: caller ends it with stmt_done (CLEANUP(stmt_done_ptr)). */
MUST_USE int db_query(struct db *db, struct stmt **out, struct err *e, const char *sql,
                      const char *types, ...);
/* First column of the first row as int64; *found (may be NULL) tells whether there was a row;
 * without a row *out is untouched. */
MUST_USE int db_int(struct db *db, int64_t *out, bool *found, struct err *e, const char *sql,
                    const char *types, ...);
/* A pattern for LIKE ... ESCAPE '\': `before` (which is a pattern itself), the text with the signs
 * of LIKE escaped, "%". text NULL: none. In arena. */
char *db_like(struct arena *a, const char *before, const char *text);
/* Rows changed by the last db_run of this connection. */
int64_t db_changes(struct db *db);
/* Fetches the next row: *row is false at the end. */
MUST_USE int stmt_next(struct stmt *q, bool *row, struct err *e);
void stmt_done(struct stmt *q);
void stmt_done_ptr(struct stmt **q);
/* Columns count from 0. Text and blobs are borrowed until the next stmt_next or stmt_done. */
int64_t stmt_int(struct stmt *q, int column);
const char *stmt_text(struct stmt *q, int column); /* NULL for NULL */
const void *stmt_blob(struct stmt *q, int column, size_t *n);
bool stmt_digest(struct stmt *q, int column, struct digest *out); /* false if not 32 bytes */
bool stmt_is_null(struct stmt *q, int column);

/* Writes a consistent copy of the database to path (must not exist). */
MUST_USE int store_backup(struct store *s, const char *path, struct err *e);
/* Counters for /metrics. */
struct store_stats {
    int64_t n_commits, n_writes, n_waiting, wal_bytes, db_bytes;
    int64_t last_write_ok_ms; /* time of the last successful commit */
};
void store_get_stats(struct store *s, struct store_stats *out);

#endif
