/*
 * Ed25519 keys and SSHSIG signatures (OpenSSH PROTOCOL.sshsig), accepted by stock
 * `ssh-keygen -Y verify` and `git verify-commit`. Hash: sha512. One door to libsodium in lib.
 */
#ifndef MREG_SEAL_H
#define MREG_SEAL_H

#include <stdbool.h>

#include "buf.h"
#include "err.h"

#define SEAL_SEED_BYTES 32
#define SEAL_PUBLIC_BYTES 32
#define SEAL_ID_BYTES 52 /* "SHA256:" + 43 and a NUL: OpenSSH fingerprint */
#define SEAL_LINE_BYTES 96
#define SEAL_ARMOR_MAX 1024

struct seal_public {
    uint8_t b[SEAL_PUBLIC_BYTES];
};
struct seal_key {
    uint8_t secret[64]; /* libsodium form: seed, then public; wiped by seal_key_clear */
    struct seal_public pub;
    char id[SEAL_ID_BYTES];
};

/* Must be called once per process before anything else here. ERR_INTERNAL if libsodium fails. */
MUST_USE int seal_init(struct err *e);
/* Key from a 32-byte seed (borrowed). */
void seal_key_from_seed(struct seal_key *k, const uint8_t seed[SEAL_SEED_BYTES]);
/* New random key. */
void seal_key_generate(struct seal_key *k);
void seal_key_clear(struct seal_key *k);
/* "SHA256:..." fingerprint of a public key. */
void seal_key_id(const struct seal_public *p, char out[SEAL_ID_BYTES]);
/* "ssh-ed25519 AAAA..." without comment; and back (a comment is allowed). ERR_INVALID. */
void seal_public_line(const struct seal_public *p, char out[SEAL_LINE_BYTES]);
MUST_USE int seal_public_parse(const char *line, struct seal_public *out, struct err *e);

/* Armored SSHSIG over n bytes of message, with final newline, in out (reset first). */
void seal_sign(const struct seal_key *k, const char *name_space, const void *message, size_t n,
               char out[SEAL_ARMOR_MAX]);
/* Checks the armor over the message and the expected namespace; on success *by is the embedded
 * key: the caller must still check that it is trusted. ERR_INVALID: malformed; ERR_CORRUPT: the
 * signature does not fit the message or namespace. sha256 and sha512 are accepted. */
MUST_USE int seal_verify(const char *armor, const char *name_space, const void *message, size_t n,
                         struct seal_public *by, struct err *e);
/* HMAC-SHA256 with a key of any length; all borrowed. Any thread. */
#define SEAL_HMAC_BYTES 32
void seal_hmac(const void *key, size_t n_key, const void *message, size_t n,
               uint8_t out[SEAL_HMAC_BYTES]);
/* The bare Ed25519 signature (RFC 8032), without any envelope, and its check. Any thread. */
#define SEAL_BARE_BYTES 64
void seal_sign_bare(const struct seal_key *k, const void *message, size_t n,
                    uint8_t out[SEAL_BARE_BYTES]);
bool seal_bare_fits(const struct seal_public *p, const void *message, size_t n,
                    const uint8_t signature[SEAL_BARE_BYTES]);
/* Argon2id text of a password (borrowed), at libsodium's interactive limits: about 0.1 s and 64
 * MiB. ERR_UNAVAILABLE: no memory. */
#define SEAL_PASSWORD_BYTES 128
MUST_USE int seal_password_hash(const char *password, char out[SEAL_PASSWORD_BYTES], struct err *e);
/* True if the password fits the text; takes as long as making it. */
bool seal_password_fits(const char *text, const char *password);
/* 32 random bytes; random id of n base62 letters. */
void seal_random(void *out, size_t n);
void seal_random_base62(char *out, size_t n); /* writes n letters and a NUL */
/* Keyed BLAKE2b-256 of a token: what is stored instead of it. */
void seal_token_hash(const char *token, const uint8_t pepper[32], uint8_t out[32]);
bool seal_equal(const void *a, const void *b, size_t n); /* constant time */

#endif
