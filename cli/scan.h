/*
 * The local side of a version: lists a folder's files with sizes and SHA-256, remembering hashes of
 * files that have not changed.
 */
#ifndef MREG_SCAN_H
#define MREG_SCAN_H

#include <stdbool.h>

#include "manifest.h"
#include "progress.h"

struct scan_file {
    const char *path;       /* in the version, '/' between parts; in arena */
    const char *local_path; /* in arena */
    int64_t size;
    struct digest sha256;
};
struct scan {
    struct scan_file *files; /* sorted by path; heap */
    size_t n, cap;
    int64_t total_bytes;
    struct arena arena;
};

/* Lists a folder (recursively) or a single file; an empty folder gives no files. Left out: see
 * scan_leaves_out. ERR_INVALID: a symbolic link, an odd file or a bad name; ERR_LOCAL_IO. */
MUST_USE int scan_path(const char *path, struct scan *out, struct err *e);
/* True if a part of the path is ".git", ".mreg" (in any case) or begins with ".mreg-": such files
 * are not pushed, and never written by pull. */
bool scan_leaves_out(const char *path);
/* The file of that path, or NULL. */
const struct scan_file *scan_find(const struct scan *s, const char *path);
/* Hashes all files; unchanged ones (device, inode, size, times) come from the cache file, whose
 * number is *n_cached. Files that changed within the last two seconds are not remembered: another
 * change may leave the times as they are. Hashing reports to p. */
MUST_USE int scan_hash(struct scan *s, struct progress *p, size_t *n_cached, struct err *e);
/* Hash of one file of known size, which is no link. ERR_CORRUPT when it is shorter or longer;
 * ERR_LOCAL_IO. */
MUST_USE int scan_hash_file(const char *path, int64_t size, struct progress *p, struct digest *out,
                            struct err *e);
void scan_clear(struct scan *s);

#endif
