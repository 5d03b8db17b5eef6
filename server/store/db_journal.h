/*
 * SQL of the journal: rows, documents, the "as of" index, commits and the registry's keys. No rules
 * here; journal.c checks what goes in.
 */
#ifndef MREG_DB_JOURNAL_H
#define MREG_DB_JOURNAL_H

#include "store.h"

#define DB_SEQ_OPEN INT64_MAX /* doc_spans.to_seq of what is true now */

struct db_journal_row {
    int64_t seq, ts, epoch, fmt;
    const char *actor, *kind, *object;
    const char *reason; /* may be NULL */
    const char *message;
    const char *commit_id, *signature; /* NULL when there is no commit yet; ignored by inserts */
};
struct db_journal_doc {
    const char *path;
    struct digest digest;
    const void *bytes; /* NULL: the path is deleted */
    size_t n;
};

/* Inserts the row (strings borrowed). On a write connection. */
MUST_USE int db_journal_insert(struct db *db, const struct db_journal_row *row, struct err *e);
/* Stores a document's bytes (borrowed) under their digest; present already is fine. */
MUST_USE int db_document_put(struct db *db, const struct digest *digest, const void *bytes,
                             size_t n, struct err *e);
/* Records that row seq sets path to digest (NULL: deletes it) and keeps the "as of" index. */
MUST_USE int db_journal_doc(struct db *db, int64_t seq, const char *path,
                            const struct digest *digest, struct err *e);
/* Last sequence number, 0 if the journal is empty. */
MUST_USE int db_journal_last(struct db *db, int64_t *seq, struct err *e);
/* Last sequence number with ts <= ms, 0 if none. */
MUST_USE int db_journal_seq_at(struct db *db, int64_t ms, int64_t *seq, struct err *e);
/* Bytes of the document at path as of seq, in arena. ERR_NOT_FOUND. */
MUST_USE int db_document_at(struct db *db, const char *path, int64_t seq, struct arena *a,
                            const char **bytes, size_t *n, struct err *e);

/* Up to `limit` rows after seq, ascending, with what is known of their commits; rows[] and their
 * strings in arena. */
MUST_USE int db_journal_after(struct db *db, int64_t seq, int64_t limit, struct arena *a,
                              struct db_journal_row **rows, size_t *n, struct err *e);
/* Documents of one row by path, in arena. ERR_CORRUPT: the bytes of one are missing. */
MUST_USE int db_journal_docs(struct db *db, int64_t seq, struct arena *a,
                             struct db_journal_doc **docs, size_t *n, struct err *e);

/* --- commits (working): what git history made of a row --- */
struct db_commit {
    int64_t seq;
    const char *commit_id, *key_id, *signature;
};
/* Keeps an existing row. */
MUST_USE int db_commit_put(struct db *db, const struct db_commit *commit, struct err *e);
/* Commit id of a row, in arena; NULL when there is none. */
MUST_USE int db_commit_id(struct db *db, int64_t seq, struct arena *a, const char **id,
                          struct err *e);
/* Newest row that has a commit; 0 if none. */
MUST_USE int db_commit_last(struct db *db, int64_t *seq, struct err *e);
/* Time of the first row without a commit; untouched when every row has one. */
MUST_USE int db_commit_pending_ms(struct db *db, int64_t *ms, struct err *e);

/* --- public keys of the registry and its identity --- */
struct db_key {
    const char *key_id, *public_line;
    int64_t valid_after, valid_before; /* ms; valid_before 0: none */
    const char *state;                 /* "active" or "retired" */
};
MUST_USE int db_key_put(struct db *db, const struct db_key *key, struct err *e);
/* valid_before is at least a second after valid_after: OpenSSH refuses an empty interval. */
MUST_USE int db_key_retire(struct db *db, const char *key_id, int64_t valid_before, struct err *e);
/* All keys, oldest first, in arena. */
MUST_USE int db_keys(struct db *db, struct arena *a, struct db_key **keys, size_t *n,
                     struct err *e);
/* Value of a meta row, in arena; NULL when there is none. */
MUST_USE int db_meta_get(struct db *db, const char *key, struct arena *a, const char **value,
                         struct err *e);
MUST_USE int db_meta_put(struct db *db, const char *key, const char *value, struct err *e);

#endif
