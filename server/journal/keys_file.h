/*
 * Secret keys as files of the data folder: 0600, the seed as 64 hex digits and a newline.
 */
#ifndef MREG_KEYS_FILE_H
#define MREG_KEYS_FILE_H

#include "seal.h"

#define KEYS_FILE "identity.key"
#define KEYS_FILE_NEXT "identity.key.next" /* during a rotation */

/* Reads dir/name. ERR_NOT_FOUND; ERR_CORRUPT not such a file. Caller wipes with seal_key_clear. */
MUST_USE int keys_file_load(const char *dir, const char *name, struct seal_key *out, struct err *e);
/* Writes dir/name durably (temporary name, fsync, rename, fsync of dir). */
MUST_USE int keys_file_save(const char *dir, const char *name, const struct seal_key *key,
                            struct err *e);
/* Makes the next key the identity; drops it. Durable. */
MUST_USE int keys_file_promote(const char *dir, struct err *e);
MUST_USE int keys_file_drop_next(const char *dir, struct err *e);

#endif
