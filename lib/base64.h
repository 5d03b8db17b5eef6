/*
 * Base64 of RFC 4648: the standard alphabet with padding (HTTP digests), and the URL-safe one
 * without (cursors).
 */
#ifndef MREG_BASE64_H
#define MREG_BASE64_H

#include "err.h"

enum base64_kind { BASE64_STANDARD, BASE64_URL };

/* Text of n bytes of p (borrowed), in arena. Any thread. */
char *base64_encode(enum base64_kind kind, const void *p, size_t n, struct arena *a);
/* Bytes of n letters of text (borrowed), in arena with a NUL behind them; *length counts them.
 * Strict: padding as the kind wants it, no blanks, no stray bits. ERR_INVALID. Any thread. */
MUST_USE int base64_decode(enum base64_kind kind, const char *text, size_t n, struct arena *a,
                           char **out, size_t *length, struct err *e);

#endif
