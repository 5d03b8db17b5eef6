/*
 * Errors by value: a function that can fail returns an enum err_code (0 is success) and fills a
 * struct err that its caller owns. err_set returns the code, so failing is one line:
 *
 *     return err_set(e, ERR_NOT_FOUND, "no model \"%s\"", name);
 */
#ifndef MREG_ERR_H
#define MREG_ERR_H

#include "mem.h"

enum err_code {
    ERR_OK = 0,
    ERR_INVALID,         /* the caller's input is wrong; `pointer` names the place */
    ERR_NOT_FOUND,       /* the named thing does not exist */
    ERR_EXISTS,          /* a thing of that name exists already, with other content */
    ERR_CONFLICT,        /* the state has moved on, or forbids this now */
    ERR_FORBIDDEN,       /* known caller, not allowed */
    ERR_UNAUTHENTICATED, /* unknown caller */
    ERR_TOO_LARGE,       /* over a limit */
    ERR_UNAVAILABLE,     /* cannot serve now; a retry is safe */
    ERR_TIMEOUT,         /* a deadline passed; the outcome may be unknown */
    ERR_CORRUPT,         /* stored or received bytes fail a check */
    ERR_REFUSED,         /* a policy says no */
    ERR_THROTTLED,       /* too many requests or over quota */
    ERR_NO_SPACE,        /* the disk is full */
    ERR_INTERNAL,        /* a bug */
    ERR_LOCAL_IO,        /* a file or device of the caller's own machine; only in the command */
    ERR_CODE_COUNT
};

struct err {
    enum err_code code;
    char message[512];
    char pointer[256]; /* JSON pointer of the fault in the input, or "" */
};

/* Fills *e (borrowed; may be NULL) and returns `code`. The pointer is cleared. A longer message is
 * cut. Any thread. */
int err_set(struct err *e, enum err_code code, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* As err_set, with the JSON pointer (copied) of the place at fault. */
int err_at(struct err *e, enum err_code code, const char *pointer, const char *fmt, ...)
    PRINTF_LIKE(4, 5);
/* Puts text in front of e's message ("while reading x: ..."). */
void err_prefix(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Stable lower-case name ("not-found"), as used in the API's problem documents. */
const char *err_name(enum err_code code);
/* Code of such a name; ERR_INTERNAL if unknown. */
enum err_code err_by_name(const char *name);
/* HTTP status (404) of a code; 200 for ERR_OK. */
int err_http_status(enum err_code code);
/* Exit code of `mreg` for a code. */
int err_exit_code(enum err_code code);

#endif
