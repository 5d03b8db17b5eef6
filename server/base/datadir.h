/*
 * The data folder: who holds it, and small files in it.
 */
#ifndef MREG_DATADIR_H
#define MREG_DATADIR_H

#include <stdbool.h>

#include "buf.h"
#include "err.h"

/* Makes the folder (0700) if it is missing, takes all rights of others from it, and takes its lock,
 * DIR/lock, for the life of the process. *lock_fd: caller closes at the end. ERR_CONFLICT: another
 * process holds it (message says which); ERR_UNAVAILABLE. */
MUST_USE int datadir_open(const char *dir, int *lock_fd, struct err *e);
/* True if dir/name exists. */
bool datadir_has(const char *dir, const char *name);
/* Writes dir/name with mode 0600: temporary name, fsync, rename, fsync of the folder.
 * ERR_UNAVAILABLE, ERR_NO_SPACE. */
MUST_USE int datadir_write(const char *dir, const char *name, const void *bytes, size_t n,
                           struct err *e);
/* Reads exactly n bytes of dir/name. ERR_NOT_FOUND, ERR_CORRUPT another length. */
MUST_USE int datadir_read(const char *dir, const char *name, void *bytes, size_t n, struct err *e);
/* Writes a file anywhere so that readers see it whole or not at all. */
MUST_USE int datadir_publish(const char *path, const char *text, struct err *e);
/* Bytes free for this process on the folder's filesystem; -1 unknown. */
int64_t datadir_free_bytes(const char *dir);

#endif
