/*
 * The token in an Authorization field.
 */
#ifndef MREG_CREDENTIALS_H
#define MREG_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>

#define CREDENTIALS_MAX_BYTES 256

/* Takes the token out of "Bearer <token>" or "Basic base64(user:<token>)" (for git). False when the
 * field (borrowed) is neither or the token is too long; `token` is then "". Pure. */
bool credentials_token(const char *field, char token[CREDENTIALS_MAX_BYTES]);
/* True if the field (borrowed) is of the kind that browsers ask for, keep and send by themselves.
 */
bool credentials_is_basic(const char *field);

/* The value of the cookie `name` out of a Cookie field (both borrowed); false when there is none or
 * it has `size` bytes or more. Pure. */
bool credentials_named(const char *field, const char *name, char *value, size_t size);
/* True if an Origin field (borrowed) names the host of the Host field (borrowed), whatever the
 * scheme: a proxy may speak TLS for us. Pure. */
bool credentials_same_origin(const char *origin, const char *host);

/* The last address of an X-Forwarded-For field (borrowed): the one that the nearest proxy added.
 * False when it is no address. Pure. */
bool credentials_forwarded(const char *field, char address[48]);

#endif
