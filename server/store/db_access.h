/*
 * SQL of who may do what: tokens, their last use, and replies kept for Idempotency-Key. No rules
 * here; auth.c and idempotency.c know them.
 */
#ifndef MREG_DB_ACCESS_H
#define MREG_DB_ACCESS_H

#include "store.h"

struct db_token {
    const char *id, *name, *hint, *role, *models, *created_by;
    const char *environment, *root; /* of role "node", else NULL */
    int64_t created_ms;
    int64_t expires_ms;   /* 0: never */
    int64_t revoked_ms;   /* 0: not revoked */
    int64_t last_used_ms; /* 0: never */
};

/* Inserts a token under the hash of its text (strings borrowed). ERR_EXISTS. On a write
 * connection. */
MUST_USE int db_token_insert(struct db *db, const struct db_token *t, const struct digest *hash,
                             struct err *e);
/* Marks as revoked; *changed is false when it was already or does not exist. */
MUST_USE int db_token_revoke(struct db *db, const char *id, int64_t now_ms, bool *changed,
                             struct err *e);
/* The token with this hash; strings in arena. ERR_NOT_FOUND. */
MUST_USE int db_token_by_hash(struct db *db, const struct digest *hash, struct arena *a,
                              struct db_token *out, struct err *e);
/* The token with this id. ERR_NOT_FOUND. */
MUST_USE int db_token_by_id(struct db *db, const char *id, struct arena *a, struct db_token *out,
                            struct err *e);
/* Up to `limit` tokens, oldest first, that were made after the token with id `after` (NULL: from
 * the start). *out (in arena) has *n rows. */
MUST_USE int db_token_list(struct db *db, const char *after, int64_t limit, struct arena *a,
                           struct db_token **out, size_t *n, struct err *e);
/* True if some living admin token has ever been used. */
MUST_USE int db_token_admin_used(struct db *db, bool *yes, struct err *e);
/* Records a last use (TX_WORK). */
MUST_USE int db_token_used(struct db *db, const char *id, int64_t ms, struct err *e);

struct db_replay {
    struct digest request;
    int64_t status;
    const char *body; /* NULL: none, or not kept */
    int64_t ts;
};
/* The reply kept under (actor, key); *found tells. Strings in arena. */
MUST_USE int db_replay_get(struct db *db, const char *actor, const char *key, struct arena *a,
                           struct db_replay *out, bool *found, struct err *e);
/* Keeps a reply, replacing an older one (TX_WORK). */
MUST_USE int db_replay_put(struct db *db, const char *actor, const char *key,
                           const struct db_replay *r, struct err *e);
/* Drops replies kept before ms (TX_WORK). */
MUST_USE int db_replay_purge(struct db *db, int64_t ms, struct err *e);

#endif
