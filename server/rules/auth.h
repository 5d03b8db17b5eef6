/*
 * Who is asking: tokens with roles and model globs. Stored as keyed BLAKE2b hashes, shown once.
 * Token text: "mrg_" + 30 base62 letters + 6 base62 digits of the CRC-32 over the 30.
 */
#ifndef MREG_AUTH_H
#define MREG_AUTH_H

#include "caller.h"
#include "journal.h"

struct auth;

#define AUTH_TOKEN_BYTES 48

/* pepper: 32 bytes, copied. The object holds a small cache of known hashes, the back-off table and
 * the list of last-used times that is flushed now and then. Any thread. */
struct auth *auth_new(struct store *store, const uint8_t pepper[32]);
void auth_free(struct auth *a);

/* Identifies the bearer of `token` (NULL: nobody) and fills *out. ERR_UNAUTHENTICATED, the same
 * text for unknown, expired and revoked; ERR_THROTTLED when `remote` guessed too often (10 a
 * minute, then a delay that doubles). */
MUST_USE int auth_identify(struct auth *a, const char *token, const char *remote, int64_t now_ms,
                           struct caller *out, struct err *e);
/* Milliseconds until `remote` may try again after ERR_THROTTLED; 0 when it may now. */
int64_t auth_retry_after_ms(struct auth *a, const char *remote, int64_t now_ms);
/* Counts a wrong guess from `remote`, of whatever kind. */
void auth_count_guess(struct auth *a, const char *remote, int64_t now_ms);
/* Drops all cached identities (after revoking). */
void auth_forget(struct auth *a);
/* Writes pending last-used times (TX_WORK). Called once a minute and at shutdown. */
MUST_USE int auth_flush(struct auth *a, struct err *e);

/* True if the text has the form of a token and its checksum fits. Pure. */
bool auth_token_ok(const char *token);

/* True if the role exists; fills may[]. */
bool auth_role(const char *role, bool may[PERM_COUNT]);
/* What a list of model globs must be: ERR_INVALID with pointer /models, which names the byte. Pure.
 */
MUST_USE int auth_check_models(const char *models, struct err *e);
/* Creates a token; its text goes to token[] and is stored nowhere. ERR_INVALID role, name, globs.
 */
struct auth_grant {
    const char *name, *role, *models, *actor, *reason;
    /* Role "node", and only it: the environment whose nodes it may register, and the absolute path
     * of the folder in which their roots lie. */
    const char *environment, *root;
    int64_t expires_ms; /* 0: never */
};
MUST_USE int auth_create(struct auth *a, const struct auth_grant *grant,
                         char token[AUTH_TOKEN_BYTES], char id[32], struct err *e);
/* ERR_NOT_FOUND; revoking twice is fine. */
MUST_USE int auth_revoke(struct auth *a, const char *id, const char *actor, const char *reason,
                         struct err *e);

#endif
