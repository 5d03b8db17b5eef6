/*
 * Error values and the two tables that map their codes to HTTP and to exit codes.
 */
#include "err.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int http;
    int exit;
} codes[ERR_CODE_COUNT] = {
    [ERR_OK] = {"ok", 200, 0},
    [ERR_INVALID] = {"invalid", 400, 2},
    [ERR_NOT_FOUND] = {"not-found", 404, 3},
    [ERR_EXISTS] = {"exists", 409, 6},
    [ERR_CONFLICT] = {"conflict", 409, 6},
    [ERR_FORBIDDEN] = {"forbidden", 403, 5},
    [ERR_UNAUTHENTICATED] = {"unauthenticated", 401, 4},
    [ERR_TOO_LARGE] = {"too-large", 413, 9},
    [ERR_UNAVAILABLE] = {"unavailable", 503, 8},
    [ERR_TIMEOUT] = {"timeout", 504, 8},
    [ERR_CORRUPT] = {"corrupt", 422, 7},
    [ERR_REFUSED] = {"refused", 422, 1},
    [ERR_THROTTLED] = {"throttled", 429, 9},
    [ERR_NO_SPACE] = {"no-space", 507, 9},
    [ERR_INTERNAL] = {"internal", 500, 1},
    [ERR_LOCAL_IO] = {"local-io", 500, 20},
};

static void err_fill(struct err *e, enum err_code code, const char *pointer, const char *fmt,
                     va_list ap)
{
    if (!e)
        return;
    char text[sizeof e->message];
    vsnprintf(text, sizeof text, fmt, ap);
    e->code = code;
    memcpy(e->message, text, sizeof text);
    snprintf(e->pointer, sizeof e->pointer, "%s", pointer ? pointer : "");
}

int err_set(struct err *e, enum err_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(e, code, NULL, fmt, ap);
    va_end(ap);
    return (int)code;
}

int err_at(struct err *e, enum err_code code, const char *pointer, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_fill(e, code, pointer, fmt, ap);
    va_end(ap);
    return (int)code;
}

void err_prefix(struct err *e, const char *fmt, ...)
{
    if (!e)
        return;
    char text[2 * sizeof e->message];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof e->message, fmt, ap);
    va_end(ap);
    if (n < 0)
        return;
    size_t used = strlen(text);
    snprintf(text + used, sizeof text - used, "%s", e->message);
    text[sizeof e->message - 1] = '\0';
    memcpy(e->message, text, strlen(text) + 1);
}

const char *err_name(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? codes[code].name : "internal";
}

enum err_code err_by_name(const char *name)
{
    for (unsigned i = 0; name && i < ERR_CODE_COUNT; i++)
        if (strcmp(codes[i].name, name) == 0)
            return (enum err_code)i;
    return ERR_INTERNAL;
}

int err_http_status(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? codes[code].http : 500;
}

int err_exit_code(enum err_code code)
{
    return (unsigned)code < ERR_CODE_COUNT ? codes[code].exit : 1;
}
