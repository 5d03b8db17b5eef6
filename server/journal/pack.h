/*
 * Writes git objects as one pack with its index (formats: gitformat-pack). Objects are stored, not
 * deflated: five times faster, and consolidation deflates them later.
 */
#ifndef MREG_PACK_H
#define MREG_PACK_H

#include <stdbool.h>

#include "buf.h"
#include "digest.h"

#define GIT_ID_HEX_BYTES 41

struct git_id {
    uint8_t b[DIGEST_SHA1_BYTES];
};
/* Lower-case hex. Returns out. */
char *git_id_hex(const struct git_id *id, char out[GIT_ID_HEX_BYTES]);
/* Reads exactly 40 lower-case hex digits at the start of text; false otherwise. */
bool git_id_parse(const char *text, struct git_id *out);
bool git_id_equal(const struct git_id *a, const struct git_id *b);

/* Values of the pack format. */
enum pack_kind { PACK_COMMIT = 1, PACK_TREE = 2, PACK_BLOB = 3 };

struct pack;

/* An empty pack in memory. Caller frees with pack_free, which accepts NULL. One thread. */
struct pack *pack_new(void);
void pack_free(struct pack *p);
/* Forgets the objects, keeps the memory. */
void pack_reset(struct pack *p);
/* Adds an object of n bytes (borrowed) unless the pack has it; *id is its name. */
void pack_add(struct pack *p, enum pack_kind kind, const void *bytes, size_t n, struct git_id *id);
size_t pack_bytes(const struct pack *p);
/* Writes pack-<hash>.pack and .idx into dir ("…/objects/pack"): temporary name, fsync, rename (pack
 * first), fsync of dir. Nothing to do for an empty pack. name[] becomes "pack-<hash>".
 * ERR_NO_SPACE, ERR_INTERNAL, ERR_TOO_LARGE. */
#define PACK_NAME_BYTES 48
MUST_USE int pack_write(struct pack *p, const char *dir, char name[PACK_NAME_BYTES], struct err *e);

#endif
