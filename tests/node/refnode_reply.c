/* Replies of the reference node: a status, a content type and a text, in the shapes that MLServer
 * uses for its own errors, for its web framework's and for exceptions. Knows nothing of sockets.
 * Any thread. */
#include "refnode.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void *rn_alloc(size_t n, size_t size)
{
    void *memory = calloc(n ? n : 1, size ? size : 1);
    if (!memory)
        abort();
    return memory;
}

static char *format_va(const char *format, va_list args)
{
    char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

char *rn_format(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_va(format, args);
    va_end(args);
    return text;
}

void rn_reply_clear(struct rn_reply *reply)
{
    free(reply->body);
    *reply = (struct rn_reply){0};
}

void rn_reply_text(struct rn_reply *reply, int status, char *text)
{
    rn_reply_clear(reply);
    reply->status = status;
    reply->type = "text/plain; charset=utf-8";
    reply->body = text;
}

void rn_reply_json(struct rn_reply *reply, int status, json_t *value)
{
    /* No value: a name that is not UTF-8 went into it. */
    char *text = value ? json_dumps(value, JSON_COMPACT) : rn_format("{}");
    if (!text)
        abort();
    json_decref(value);
    rn_reply_text(reply, status, text);
    reply->type = "application/json";
}

void rn_reply_error(struct rn_reply *reply, int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_va(format, args);
    va_end(args);
    rn_reply_json(reply, status, json_pack("{s:s}", "error", text));
    free(text);
}

void rn_reply_raise(struct rn_reply *reply, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *text = format_va(format, args);
    va_end(args);
    rn_reply_text(reply, 500,
                  rn_format("Traceback (most recent call last):\n  File \"node\", line 1, in call\n"
                            "    raise ValueError(\nValueError: %s\n",
                            text));
    free(text);
}

void rn_reply_detail(struct rn_reply *reply, int status, const char *detail)
{
    rn_reply_json(reply, status, json_pack("{s:s}", "detail", detail));
}
