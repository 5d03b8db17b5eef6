/*
 * SHA-256 by OpenSSL EVP (4-6 times libsodium's speed). The only file of lib that hashes bytes.
 */
#ifndef MREG_DIGEST_H
#define MREG_DIGEST_H

#include <stdbool.h>

#include "err.h"

#define DIGEST_BYTES 32
#define DIGEST_HEX_BYTES 65  /* 64 and a NUL */
#define DIGEST_TEXT_BYTES 72 /* "sha256:" + 64 and a NUL */

struct digest {
    uint8_t b[DIGEST_BYTES];
};

struct digest_ctx; /* a running hash */

/* New running hash. Caller frees with digest_free. */
struct digest_ctx *digest_new(void);
void digest_free(struct digest_ctx *c);
void digest_free_ptr(struct digest_ctx **c); /* for CLEANUP */
/* Adds n bytes (borrowed). */
void digest_add(struct digest_ctx *c, const void *p, size_t n);
/* Digest of everything added so far; the hash can go on. */
void digest_peek(const struct digest_ctx *c, struct digest *out);

/* Digest of n bytes. */
void digest_of(const void *p, size_t n, struct digest *out);
bool digest_equal(const struct digest *a, const struct digest *b);
/* Lower-case hex. Return out. */
char *digest_hex(const struct digest *d, char out[DIGEST_HEX_BYTES]);
char *digest_text(const struct digest *d, char out[DIGEST_TEXT_BYTES]);
/* Reads 64 lower-case hex digits, with or without "sha256:" in front. ERR_INVALID otherwise. */
MUST_USE int digest_parse(const char *text, struct digest *out, struct err *e);

/* SHA-1 of n_head bytes of head followed by n_body bytes of body: git's object names and pack
 * checksums, nothing else; no trust rests on it. */
#define DIGEST_SHA1_BYTES 20
void digest_sha1(const void *head, size_t n_head, const void *body, size_t n_body,
                 uint8_t out[DIGEST_SHA1_BYTES]);

#endif
