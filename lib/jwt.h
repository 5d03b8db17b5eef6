/*
 * Signed JSON Web Tokens (RFC 7519) in compact form (RFC 7515) and the public keys (RFC 7517) that
 * they are checked with: RS256 and ES256, nothing else. Pure: no I/O, no clock.
 */
#ifndef MREG_JWT_H
#define MREG_JWT_H

#include "json.h"

#define JWT_MAX_BYTES 16384
#define JWT_SKEW_MS 60000 /* by which another machine's clock may be off */

enum jwt_alg { JWT_RS256, JWT_ES256 };

/* A token that is well-formed; nothing in it is to be believed before jwt_verify. */
struct jwt {
    enum jwt_alg alg;
    const char *kid;  /* the key's name, or NULL */
    json_t *claims;   /* an object */
    const char *text; /* borrowed; its first n_signed bytes are signed */
    size_t n_signed;
    const char *signature; /* n_signature bytes */
    size_t n_signature;
    json_t *header;
};

/* Takes a token apart; strings and the signature lie in arena, text (borrowed) must live as long.
 * ERR_INVALID: not three parts of strict base64url, not JSON, duplicate keys, an algorithm that is
 * not of ours ("none" too), a `crit` header. Clear with jwt_clear in any case. */
MUST_USE int jwt_parse(const char *text, struct arena *a, struct jwt *out, struct err *e);
/* Accepts a zeroed one. */
void jwt_clear(struct jwt *t);

/* Checks the signature by one key (a JWK object). ERR_INVALID: the key is not for this algorithm,
 * too weak (RSA below 2048 bits) or malformed; ERR_CORRUPT: the signature does not fit. */
MUST_USE int jwt_verify(const struct jwt *t, const json_t *key, struct err *e);
/* Checks it by a set of keys ({"keys":[...]}): those of the token's kid; all usable ones if it has
 * none. ERR_NOT_FOUND: the set has no such key; ERR_CORRUPT. */
MUST_USE int jwt_verify_set(const struct jwt *t, const json_t *set, struct err *e);

/* What an ID token must say. All borrowed. */
struct jwt_expect {
    const char *issuer, *audience;
    const char *nonce; /* NULL: not looked at */
    int64_t now_ms;
};
/* Checks the claims (OpenID Connect Core 3.1.3.7): iss, sub, aud and azp, exp, nbf, iat, nonce.
 * ERR_REFUSED with the reason in words. */
MUST_USE int jwt_check(const json_t *claims, const struct jwt_expect *want, struct err *e);

#endif
