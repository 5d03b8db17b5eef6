/*
 * Inside the store only: connections (store_sqlite.c) and the writer (store_writer.c) as seen by
 * store.c and migrate.c. Nothing outside this folder includes this file.
 */
#ifndef MREG_STORE_INNER_H
#define MREG_STORE_INNER_H

#include "store.h"

/* What statements prepared on a writing connection may do. Each mode has its own statement cache,
 * because the check happens when a statement is prepared. */
enum db_mode {
    DB_OWNER, /* the store itself: everything */
    DB_FACT,  /* no DDL, no transaction control, no PRAGMA */
    DB_WORK   /* as DB_FACT, and writes only to store_working_tables */
};

/* Opens one connection: writing (creates the file, WAL, synchronous FULL) or read-only. *out:
 * caller closes with db_close. ERR_CORRUPT not a database; ERR_NO_SPACE; ERR_UNAVAILABLE. */
MUST_USE int db_open(const char *path, bool is_writer, struct db **out, struct err *e);
/* Finalises all statements and closes. Accepts NULL. */
void db_close(struct db *db);
void db_set_mode(struct db *db, enum db_mode mode);
/* False after SQLite itself has ended the transaction (disk full, I/O error). */
bool db_in_transaction(struct db *db);
/* Ends queries that were left open, so that they cannot hold a snapshot. */
void db_end_queries(struct db *db);
/* Runs a script of several statements; not cached. Same errors as db_run. */
MUST_USE int db_script(struct db *db, const char *sql, struct err *e);
/* Moves the whole log into the database file and empties it, unless somebody reads: never waits. */
void db_checkpoint(struct db *db);
/* Writes a copy of the database to a new file at path and syncs it and its folder; an older file
 * there is replaced when `replaces`, else ERR_EXISTS. Outside a transaction. */
MUST_USE int db_copy(struct db *db, const char *path, bool replaces, struct err *e);

/* The writer thread: owns the writing connection from start to stop. */
struct writer;
/* Takes over db. Raises the epoch, reads where the journal ends, starts the thread. */
MUST_USE int writer_start(struct db *db, const struct store_options *options, struct writer **out,
                          struct err *e);
/* Refuses new requests, finishes queued ones, ends the thread, closes db. Accepts NULL. */
void writer_stop(struct writer *w);
MUST_USE int writer_submit(struct writer *w, enum tx_kind kind, store_fn *fn, void *ctx,
                           struct err *e);
void writer_submit_all(struct writer *w, struct store_request *list, size_t n);
int64_t writer_now_ms(const struct writer *w);
/* Of the last journal row; while nobody writes. */
int64_t writer_last_ts(const struct writer *w);
/* Fills all but wal_bytes and db_bytes. Any thread. */
void writer_get_stats(struct writer *w, struct store_stats *out);

#endif
