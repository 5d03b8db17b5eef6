/*
 * Delivery "path": file jobs on a node's model root, which mregd can reach as a folder. Layout in
 * io.h. Every job can be repeated after a crash at any point; nothing that mreg did not place is
 * touched; no symbolic link below the root is followed; bytes are copied, never hard-linked.
 */
#ifndef MREG_PLACE_H
#define MREG_PLACE_H

#include <stdatomic.h>

#include "blob.h"
#include "io.h"
#include "layout.h"

#define PLACE_MARKER LAYOUT_MARKER
#define PLACE_HIDDEN ".mreg"

struct place {
    struct store *store;
    struct blobs *blobs;
    const char *registry_id;
    const atomic_bool *stops;      /* may be NULL; true: give up soon with ERR_UNAVAILABLE */
    int64_t (*now_ms)(void *self); /* of the io, for deadlines */
    void *self;
};

/* Runs one file job on the calling thread (which needs some 256 KiB of stack), until deadline_ms.
 * ERR_NO_SPACE, ERR_NOT_FOUND (version unknown, or to be shown but not staged), ERR_CONFLICT
 * (unmanaged files in the way, or another registry's), ERR_INVALID (the version cannot be laid out:
 * no settings can be made for its format, a path clashes), ERR_CORRUPT (stored bytes fail their
 * digest), ERR_TIMEOUT, ERR_UNAVAILABLE (the root is not there, I/O error, stopping). */
MUST_USE int place_run(const struct place *p, enum job_kind kind, const struct file_job *job,
                       int64_t deadline_ms, struct err *e);

/* Names of the folders directly below the root that hold something mreg did not place, in arena,
 * sorted, at most 100. ERR_UNAVAILABLE: the root cannot be read. Any thread. */
MUST_USE int place_unmanaged(const char *root, struct arena *a, const char ***names, size_t *n,
                             struct err *e);

#endif
