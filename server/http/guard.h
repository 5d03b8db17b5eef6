/*
 * Refuses requests that parsers read in different ways, before anything else looks at them.
 */
#ifndef MREG_GUARD_H
#define MREG_GUARD_H

#include <stdint.h>

#include "head.h"

struct guard {
    int status;             /* 0: passed; else the HTTP status of the refusal */
    const char *detail;     /* why, static text */
    int64_t content_length; /* -1: none given */
    bool is_chunked;
    bool has_body;         /* a body follows the head: length above 0, or chunked */
    bool expects_continue; /* the client waits for "100 Continue" */
    bool is_old;           /* HTTP/1.0 */
    bool wants_keep_alive; /* by version and Connection field */
};

/* Checks the head (borrowed) and fills *out. A refused request's connection must be closed, because
 * where its body ends is not certain. Pure; any thread. */
void guard_check(const struct head *h, struct guard *out);
/* The path's part of it: begins with "/", good escapes, no NUL, no "." or ".." segment in any
 * spelling, each segment UTF-8 once decoded. NULL: good; else why not (static). */
const char *guard_path(const char *path);

#endif
