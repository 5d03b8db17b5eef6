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

/* The last address of an X-Forwarded-For field (borrowed): the one that the nearest proxy added.
 * False when it is no address. Pure. */
bool credentials_forwarded(const char *field, char address[48]);

#endif
