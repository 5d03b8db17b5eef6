/*
 * Sessions of browsers: a random cookie stands for a token or a person that logged in. The role is
 * looked up at each request, so a revoked token or a removed person is out at once. The cookie's
 * value is stored only as a keyed hash; the CSRF word is derived from it and stored nowhere.
 */
#ifndef MREG_SESSION_H
#define MREG_SESSION_H

#include "auth.h"

#define SESSION_SECRET_BYTES 44 /* 43 base62 letters and a NUL */
#define SESSION_MS (INT64_C(12) * 3600 * 1000)

/* What is needed to look sessions up. All borrowed. */
struct sessions {
    struct store *store;
    struct auth *auth;
    const uint8_t *pepper; /* 32 bytes */
};

/* Opens a session for an actor ("t-1", "u-3") that has proved who it is; secret[] is the cookie's
 * value. Any thread but the writer. */
MUST_USE int session_open(const struct sessions *s, const char *actor, int64_t now_ms,
                          char secret[SESSION_SECRET_BYTES], struct err *e);
/* Who the cookie stands for. ERR_UNAUTHENTICATED: unknown or over, or its owner is gone. Lengthens
 * the session when less than half of it is left. */
MUST_USE int session_identify(const struct sessions *s, const char *secret, int64_t now_ms,
                              struct caller *out, struct err *e);
/* Ends it; one that is over already is fine. */
MUST_USE int session_close(const struct sessions *s, const char *secret, struct err *e);
/* The word that a changing request of this session must carry in Mreg-Csrf. Pure. */
void session_csrf(const uint8_t pepper[32], const char *secret, char word[SESSION_SECRET_BYTES]);

#endif
