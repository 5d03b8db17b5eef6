/*
 * SQL of people and their sessions. No rules here; user.c and session.c know them.
 */
#ifndef MREG_DB_ACCOUNT_H
#define MREG_DB_ACCOUNT_H

#include "store.h"

struct db_user {
    const char *id, *name, *role, *models, *password, *created_by;
    const char *subject; /* at the identity provider; NULL: none */
    int64_t created_ms;
    int64_t last_login_ms; /* 0: never */
};

/* ERR_EXISTS: the name or the subject is taken. On a write connection. */
MUST_USE int db_user_insert(struct db *db, const struct db_user *u, struct err *e);
/* Writes role, models and password of the user with this id. */
MUST_USE int db_user_update(struct db *db, const struct db_user *u, struct err *e);
/* Removed users keep their row; the name becomes free. */
MUST_USE int db_user_remove(struct db *db, const char *id, struct err *e);
/* Strings in arena. ERR_NOT_FOUND: no such user, or removed. */
MUST_USE int db_user_by_name(struct db *db, const char *name, struct arena *a, struct db_user *out,
                             struct err *e);
MUST_USE int db_user_by_id(struct db *db, const char *id, struct arena *a, struct db_user *out,
                           struct err *e);
MUST_USE int db_user_by_subject(struct db *db, const char *subject, struct arena *a,
                                struct db_user *out, struct err *e);
/* Up to `limit` users with names after `after` (NULL: from the start), by name, in arena. */
MUST_USE int db_user_list(struct db *db, const char *after, int64_t limit, struct arena *a,
                          struct db_user **out, size_t *n, struct err *e);
/* The name of a token ("t-12") or a user ("u-3"), also of one that is revoked; NULL for anybody
 * else. In arena. */
MUST_USE int db_actor_name(struct db *db, const char *actor, struct arena *a, const char **name,
                           struct err *e);
/* The id of the person, or else of the newest token, with this name in any case; NULL: none. In
 * arena. */
MUST_USE int db_actor_id(struct db *db, const char *name, struct arena *a, const char **id,
                         struct err *e);
/* True if somebody can log in with a password. */
MUST_USE int db_user_has_passwords(struct db *db, bool *yes, struct err *e);

/* --- sessions and logins (TX_WORK) --- */
struct db_session {
    struct digest hash;
    const char *actor;
    int64_t created_ms, expires_ms;
};
MUST_USE int db_session_put(struct db *db, const struct db_session *s, struct err *e);
/* actor in arena. ERR_NOT_FOUND. */
MUST_USE int db_session_get(struct db *db, const struct digest *hash, struct arena *a,
                            struct db_session *out, struct err *e);
MUST_USE int db_session_end(struct db *db, const struct digest *hash, struct err *e);
/* All sessions of somebody. */
MUST_USE int db_session_end_all(struct db *db, const char *actor, struct err *e);
MUST_USE int db_session_purge(struct db *db, int64_t before_ms, struct err *e);
MUST_USE int db_user_login(struct db *db, const char *id, int64_t ms, struct err *e);

#endif
