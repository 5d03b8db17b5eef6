/*
 * The bytes: content-addressed files "blobs/aa/<hex>", at most 16 KiB inline in the database, and
 * uploads that are staged on the same filesystem, hashed by the server as their contiguous prefix
 * grows, fsynced (file and folder) before the database row that makes them visible.
 */
#ifndef MREG_BLOB_H
#define MREG_BLOB_H

#include "digest.h"
#include "store.h"

#define BLOB_INLINE_MAX ((int64_t)16384)
#define BLOB_PART_BYTES ((int64_t)16 << 20)

struct blobs;

/* dir: data folder (blobs/ and staging/ are made in it). Borrows store. */
MUST_USE int blobs_open(const char *dir, struct store *store, struct blobs **out, struct err *e);
void blobs_close(struct blobs *b);

/* --- reading --- */
struct blob_file {
    int fd; /* -1 when inline */
    int64_t size;
    char *inline_bytes; /* heap, size bytes; NULL when a file */
};
/* Opens a blob for reading; caller ends with blob_file_close. ERR_NOT_FOUND, ERR_CORRUPT (size). */
MUST_USE int blob_open(struct blobs *b, const struct digest *d, struct blob_file *out,
                       struct err *e);
void blob_file_close(struct blob_file *f); /* CLEANUP */
/* Whole blob of at most max bytes, in arena. ERR_TOO_LARGE. */
MUST_USE int blob_read(struct blobs *b, const struct digest *d, size_t max, struct arena *a,
                       const char **bytes, size_t *n, struct err *e);
/* True if the blob is stored (row and bytes). Runs on a read or write connection. */
MUST_USE int blob_exists(struct db *db, const struct digest *d, bool *yes, struct err *e);

/* --- uploads: rows in `uploads`, `upload_files`, `upload_parts` (TX_WORK) --- */
/* One file of an upload, planned by the registry: index from 0. */
struct upload_file {
    int64_t size;
    struct digest sha256;
    bool have;             /* already stored: nothing to send */
    int64_t n_parts;       /* ceil(size / BLOB_PART_BYTES), 1 for an empty file */
    const char *path;      /* in arena */
    const uint8_t *bitmap; /* n_parts bits, 1 = received; in arena; LSB first */
};
struct upload {
    char id[40];
    int64_t expires_ms;
    size_t n_files;
    struct upload_file *files; /* in arena */
    const char *model, *actor; /* in arena */
};
/* Creates the upload rows for files[0..n) (size, sha256, path filled; have: this caller may have
 * the bytes without sending them, if they are stored) and marks what is had. id: 20 base62 letters.
 * An empty or inline-sized file is also sent as a part. */
MUST_USE int upload_create(struct blobs *b, const char *model, const char *actor,
                           const struct upload_file *files, size_t n, char id[40], struct err *e);
/* Loads an upload with its bitmaps. ERR_NOT_FOUND (also expired or committed). */
MUST_USE int upload_load(struct blobs *b, const char *id, struct arena *a, struct upload *out,
                         struct err *e);

/* Where the bytes of a request body come from: read() fills up to n bytes, *got is 0 at the end. */
struct body_source {
    void *self;
    int (*read)(void *self, void *bytes, size_t n, size_t *got, struct err *e);
};
/* Receives one part: exactly the part's length; `expect` (may be NULL) is its SHA-256. The row is
 * written after the bytes are in the staging file. Sending a received part again is fine when the
 * digest is equal, else ERR_CONFLICT. ERR_CORRUPT: wrong digest or short body (nothing recorded);
 * ERR_NO_SPACE; ERR_NOT_FOUND. Many threads at once, any order. */
MUST_USE int upload_put_part(struct blobs *b, const char *id, size_t file, int64_t part,
                             const struct digest *expect, struct body_source *body, struct err *e);
/* Receives a whole file in one body of its planned size (hashed while it is read). Same errors. */
MUST_USE int upload_put_file(struct blobs *b, const char *id, size_t file, struct body_source *body,
                             struct err *e);
/* Makes file `i` of the upload a blob: all parts there, whole digest equal, fsync of file and
 * folder, rename (or link) to its name; then upload_adopt puts the row inside the publishing
 * transaction. ERR_CONFLICT: parts missing; ERR_CORRUPT: the digest differs, the file's parts are
 * forgotten so that it can be sent again. Idempotent. Not on the writer thread. */
MUST_USE int upload_finish_file(struct blobs *b, const char *id, size_t file, struct err *e);
/* Inserts the blobs row (ON CONFLICT DO NOTHING) of a finished file; inside any tx. */
MUST_USE int upload_adopt(struct blobs *b, struct tx *tx, const char *id, size_t file,
                          struct err *e);
/* Removes the upload's rows inside tx (after publish or abandon); staging files go by the sweep. */
MUST_USE int upload_forget(struct blobs *b, struct tx *tx, const char *id, struct err *e);
/* Deletes expired uploads, staging files without rows and temporary leftovers. Returns the number
 * removed in *n. Called at start and hourly. */
MUST_USE int blobs_sweep(struct blobs *b, int64_t now_ms, int64_t *n, struct err *e);
/* First bytes of a finished or partly received file, for format recognition: up to n bytes. */
MUST_USE int upload_head(struct blobs *b, const char *id, size_t file, void *bytes, size_t n,
                         size_t *got, struct err *e);

#endif
