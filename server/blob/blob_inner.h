/*
 * Inside the blob store only: files and folders (blob_place.c), receiving bytes (blob_pump.c), the
 * hash that follows the parts of a large file (blob_trail.c), one planned file (blob_upload.c).
 */
#ifndef MREG_BLOB_INNER_H
#define MREG_BLOB_INNER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "blob.h"

#define BLOB_ID_BYTES 40
#define BLOB_NAME_BYTES 72  /* "aa/<64 hex>" */
#define STAGE_NAME_BYTES 96 /* "<id>-<file>", "<id>-<file>.<number>" */
#define BLOB_PLACE_LOCKS 64
#define BLOB_BUFFER_BYTES ((size_t)1 << 20)

struct trails;

struct blobs {
    char *dir;
    struct store *store;      /* borrowed */
    int blobs_fd, staging_fd; /* folders */
    int n_cpus;
    struct trails *trails;
    atomic_int n_receiving;                        /* bodies that are being read now */
    atomic_uint_fast64_t n_temp;                   /* makes names of temporary files unique */
    pthread_mutex_t place_locks[BLOB_PLACE_LOCKS]; /* by digest: names in blobs/ appear and go */
};

/* How far one file of an upload is. OPEN: parts are coming. WHOLE: complete, verified and, when
 * larger than an inline one, in blobs/. HAVE: stored before, nothing to send. */
enum plan_state { PLAN_OPEN, PLAN_WHOLE, PLAN_HAVE };
struct plan {
    char id[BLOB_ID_BYTES];
    size_t file;
    int64_t size, n_parts;
    struct digest sha256;
    enum plan_state state;
};
int64_t blob_n_parts(int64_t size);
/* Bytes of part `part` of a file of `size` bytes; 0 only for an empty file's part 0. */
int64_t blob_part_size(int64_t size, int64_t part);
/* Loads the plan of one file on a connection, or on a reader of its own. ERR_NOT_FOUND. */
MUST_USE int plan_load_on(struct db *db, int64_t now_ms, const char *id, size_t file,
                          struct plan *out, struct err *e);
MUST_USE int plan_load(struct blobs *b, const char *id, size_t file, struct plan *out,
                       struct err *e);
/* Row changes, each durable when they return. ERR_NOT_FOUND: the upload is gone. */
MUST_USE int plan_record_part(struct blobs *b, const struct plan *p, int64_t part,
                              const struct digest *d, struct err *e);
MUST_USE int plan_record_whole(struct blobs *b, const struct plan *p, struct err *e);
/* Forgets one part, or all when part is -1. */
MUST_USE int plan_forget_parts(struct blobs *b, const struct plan *p, int64_t part, struct err *e);
/* Recorded digest of a part; *found false when it has not been received. */
MUST_USE int plan_part_digest(struct blobs *b, const struct plan *p, int64_t part, bool *found,
                              struct digest *out, struct err *e);

/* --- files --- */
void close_fd(int *fd); /* CLEANUP; accepts -1 */
/* Error of the last system call: ERR_NO_SPACE when the disk is full, else ERR_UNAVAILABLE. */
int blob_io_fail(const char *what, struct err *e);
char *blob_name(const struct digest *d, char out[BLOB_NAME_BYTES]);
char *stage_name(const struct plan *p, char out[STAGE_NAME_BYTES]);
/* A name for a file that is dropped or renamed before its request ends. */
char *stage_temp_name(struct blobs *b, const struct plan *p, char out[STAGE_NAME_BYTES]);
pthread_mutex_t *blob_place_lock(struct blobs *b, const struct digest *d);
/* True if blobs/ has a file of this digest and size. */
bool blob_is_placed(struct blobs *b, const struct digest *d, int64_t size);
/* Syncs the staging file `name`, open as fd, and gives it its name in blobs/ durably; if the blob
 * is there already, the staging file is removed. */
MUST_USE int blob_place(struct blobs *b, const struct plan *p, int fd, const char *name,
                        struct err *e);
/* All n bytes at offset. */
MUST_USE int blob_write_at(int fd, const void *bytes, size_t n, int64_t offset, struct err *e);
MUST_USE int blob_read_at(int fd, void *bytes, size_t n, int64_t offset, size_t *got,
                          struct err *e);
/* Digest of n bytes at offset; ERR_CORRUPT when the file is shorter. */
MUST_USE int blob_hash_range(int fd, int64_t offset, int64_t n, struct digest_ctx *c,
                             struct err *e);
/* A blob on a connection the caller has. */
MUST_USE int blob_open_on(struct blobs *b, struct db *db, const struct digest *d,
                          struct blob_file *out, struct err *e);

/* Removes the temporary files of an earlier process; only while nobody receives. */
MUST_USE int blob_drop_temps(struct blobs *b, struct err *e);

/* --- receiving --- */
struct trail;
/* One request that sends a part of a trail; a later request for the same part takes over. */
struct sender {
    struct trail *trail;
    int64_t part;
    bool is_replaced, is_writing, is_recording;
    struct sender *next;
};
/* Where received bytes go: fd -1 only hashes them; sender may be NULL. */
struct sink {
    int fd;
    int64_t offset;
    struct sender *sender;
};
/* Reads exactly n bytes of the body into the sink and hashes them. ERR_CORRUPT: another length. */
MUST_USE int blob_pump(struct blobs *b, struct body_source *body, int64_t n,
                       const struct sink *sink, struct digest *out, struct err *e);

/* --- trails: one per large file that is arriving --- */
/* NULL when no thread can be started. */
struct trails *trails_start(struct blobs *b);
void trails_stop(struct trails *t);
/* The trail of a file, made when missing. Give back with trail_done. */
MUST_USE int trail_get(struct blobs *b, const struct plan *p, struct trail **out, struct err *e);
void trail_done(struct trail **t); /* CLEANUP */
int trail_fd(const struct trail *t);
/* Takes the trail out of use: the next trail_get starts anew from the rows. */
void trails_drop(struct trails *all, const char *id, size_t file);
/* Begins sending a part, unless it has been received. */
void sender_begin(struct sender *s, struct trail *t, int64_t part, bool *is_received);
/* Around each write; ERR_CONFLICT: another request has taken over. */
MUST_USE int sender_write_begin(struct sender *s, struct err *e);
void sender_write_end(struct sender *s);
/* Before the row is written: from here nobody can take over. */
MUST_USE int sender_record_begin(struct sender *s, struct err *e);
void sender_end(struct sender *s, bool is_recorded);
/* Waits until all parts are hashed. ERR_CONFLICT: parts are missing. */
MUST_USE int trail_wait(struct trail *t, struct digest *out, struct err *e);
/* Forgets all parts (the whole digest was wrong). */
void trail_restart(struct trail *t);

#endif
