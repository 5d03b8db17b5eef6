/*
 * A call to somebody else's HTTP server and its answer, as plain data. Nothing here does I/O.
 */
#ifndef MREG_HTTP_H
#define MREG_HTTP_H

#include <stdbool.h>

#include "mem.h"

#define HTTP_MAX_HEADERS 8

struct http_call {
    const char *method; /* "GET", "POST" ...; static */
    const char *url;    /* borrowed until the call is submitted, then copied */
    const char *body;   /* body_len bytes, may be NULL */
    size_t body_len;
    const char *headers[HTTP_MAX_HEADERS]; /* "Name: value", NULL-terminated unless full */
    int64_t timeout_ms;                    /* whole call */
    size_t max_answer_bytes;               /* 0: 4 MiB */
    bool may_cut;         /* an answer that is longer is cut there instead of refused */
    bool refuses_private; /* no connection to loopback or a private network */
};

/* What became of the call. A timeout or a broken answer after sending is *unknown*, not failed. */
enum http_outcome {
    HTTP_ANSWERED, /* status is valid */
    HTTP_NOT_SENT, /* no connection: nothing happened at the peer */
    HTTP_UNKNOWN   /* sent, but no whole answer: the peer may or may not have acted */
};

struct http_answer {
    enum http_outcome outcome;
    int status;
    char *body; /* heap, body_len bytes and a NUL; freed by http_answer_clear */
    size_t body_len;
    int64_t took_ms;
    int64_t retry_after_ms; /* what the server asked for; 0: nothing */
    char detail[160];       /* transport error in words */
};

/* A request of lines of text to a local service and its whole answer, until the service closes:
 * HAProxy's Runtime API, for one. The answer is a http_answer without status. */
struct lines_call {
    const char *address; /* "unix:/path" or "host:port"; borrowed until submitted, then copied */
    const char *text;
    int64_t timeout_ms;
    size_t max_answer_bytes; /* 0: 4 MiB */
};

void http_answer_clear(struct http_answer *a);

#endif
