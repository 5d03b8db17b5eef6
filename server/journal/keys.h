/*
 * The registry's identity: who it is (registry id, domain) and the Ed25519 key it signs with. The
 * secret is the file DIR/identity.key (0600, the seed in hex); public keys of all times are rows.
 */
#ifndef MREG_KEYS_H
#define MREG_KEYS_H

#include "buf.h"
#include "seal.h"
#include "store.h"

#define KEYS_REGISTRY_ID_BYTES 24
#define KEYS_DOMAIN_BYTES 256

struct keys_identity {
    struct seal_key key;                      /* wipe with seal_key_clear */
    char registry_id[KEYS_REGISTRY_ID_BYTES]; /* "reg-<16 base62>" */
    char domain[KEYS_DOMAIN_BYTES];
};

/* Loads the identity. At the first start (empty journal) it makes one: key file, registry id, and
 * row 1 of the journal (registry.init) with registry.json. `domain` counts only then; afterwards
 * the stored one stands, because it is part of every commit. Also finishes a rotation that was cut
 * short. Caller holds the process lock of dir. ERR_INVALID bad domain; ERR_CORRUPT the key file is
 * missing or not the active key. */
MUST_USE int keys_open(struct store *store, const char *dir, const char *domain,
                       struct keys_identity *out, struct err *e);

/* Makes a new identity key, retires the old one and writes the journal row registry.key. Offline:
 * the caller holds the process lock and nothing else runs. `reason` may be NULL. *id (with
 * identity as loaded by keys_open) becomes the new identity. Afterwards trust/allowed_signers has
 * one line more. */
MUST_USE int keys_rotate(struct store *store, const char *dir, struct keys_identity *id,
                         const char *reason, struct err *e);

/* Appends the trust file: one OpenSSH allowed_signers line per key, oldest first. */
MUST_USE int keys_allowed_signers(struct db *db, const char *domain, struct buf *out,
                                  struct err *e);

#endif
