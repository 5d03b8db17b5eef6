/*
 * One HTTP request and its reply as plain data, and the route row that ties a pattern to a
 * permission and a handler. Tests build a struct request literal and call the handler.
 */
#ifndef MREG_REQUEST_H
#define MREG_REQUEST_H

#include "blob.h"
#include "caller.h"
#include "json.h"
#include "jsonw.h"
#include "store.h"

struct app; /* the process's handles: app.h */

enum method { METHOD_GET, METHOD_POST, METHOD_PUT, METHOD_PATCH, METHOD_DELETE, METHOD_COUNT };

enum body_kind { BODY_NONE, BODY_JSON, BODY_STREAM };
/* Semaphore classes; full means 503 with Retry-After. */
enum work_class { WORK_LIGHT, WORK_HEAVY, WORK_UPLOAD, WORK_DOWNLOAD, WORK_STREAM, WORK_COUNT };

struct request;
struct reply;
typedef int route_handler(struct request *rq, struct reply *rp, struct err *e);

struct route {
    enum method method;
    const char
        *pattern; /* "/api/v1/models/{model}/versions/{ref}": {x} is one decoded segment, which
                     may hold "/" as %2F; a last "{x...}" takes one or more whole segments */
    enum permission permission;
    enum body_kind body;
    enum work_class work;
    int64_t max_body_bytes; /* 0: 1 MiB for JSON */
    route_handler *handler;
    const char *summary; /* one line for the API listing */
};

#define REQUEST_MAX_PARAMS 4

struct request {
    struct app *app;
    const struct route *route;
    enum method method;
    bool is_head;                           /* HEAD is routed as GET, the body is suppressed */
    const char *path;                       /* undecoded */
    const char *query;                      /* undecoded, or "" */
    const char *params[REQUEST_MAX_PARAMS]; /* decoded, in order of the pattern's {names} */
    json_t *json;                           /* parsed body of BODY_JSON rows; {} when empty */
    struct body_source *body;               /* BODY_STREAM rows */
    int64_t content_length;                 /* -1 when chunked or none */
    struct caller caller;
    struct arena *arena;
    int64_t now_ms;
    char id[24];        /* request id, for logs and errors */
    const char *remote; /* peer address */
    void *headers;      /* opaque to handlers: use request_header */
    const char *(*get_header)(void *headers, const char *name);
};

/* Where a body goes that is written while it arises. write: false when the peer is gone. */
struct sink {
    void *self;
    bool (*write)(void *self, const void *bytes, size_t n);
    /* Nobody reads any more. A stream that is silent for long finds out only by asking. */
    bool (*is_left)(void *self);
};
/* Writes such a body; returns when it is over or the peer is gone. Runs on the request's worker. */
typedef void stream_body(struct request *rq, const struct sink *sink);

#define REPLY_MAX_HEADERS 12

struct reply {
    int status;               /* 200 unless set */
    const char *content_type; /* "application/json" unless set */
    struct buf body;          /* at most 16 MiB */
    struct {
        const char *name;
        const char *value; /* in arena or static */
    } headers[REPLY_MAX_HEADERS];
    int n_headers;
    struct blob_file
        file; /* when has_file: these bytes are the body, ranges are handled by serve */
    bool has_file;
    stream_body *stream; /* writes the body instead; the connection closes afterwards */
    bool is_secret;      /* the body must not be kept for Idempotency-Key replays */
    const char *etag;    /* quoted, in arena, or NULL: If-None-Match and If-Range are handled */
};

/* Value of a request header, case-insensitive, or NULL. Borrowed. */
const char *request_header(const struct request *rq, const char *name);
/* Decoded value of a query parameter in arena, or NULL when absent. ERR_INVALID bad encoding. */
MUST_USE int request_query(struct request *rq, const char *name, const char **out, struct err *e);
#define REQUEST_REASON_MAX 1000
/* Why a change is made: "reason" of a JSON body, or ?reason= where the route takes none. NULL when
 * absent. ERR_INVALID. */
MUST_USE int request_reason(struct request *rq, const char **out, struct err *e);
/* ?limit= (default 50, 1..500) and ?cursor= (opaque, in arena or NULL). */
MUST_USE int request_page(struct request *rq, int64_t *limit, const char **cursor, struct err *e);
/* ?at= as a journal sequence number; INT64_MAX when absent. */
MUST_USE int request_at(struct request *rq, struct db *db, int64_t *seq, struct err *e);
/* ERR_FORBIDDEN unless the caller's globs cover the model. To people who may not see it, a model
 * does not exist: reads use ERR_NOT_FOUND. */
MUST_USE int request_may_model(const struct request *rq, const char *model, struct err *e);
/* Adds a header (strings outlive the reply: static or arena). */
void reply_header(struct reply *rp, const char *name, const char *value);
/* Starts a JSON body. */
void reply_json(struct reply *rp, struct jsonw *w);

#endif
