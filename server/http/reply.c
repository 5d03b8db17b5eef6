/*
 * Turns a reply into the bytes of its head and decides conditions and ranges. Must not know
 * sockets, handlers or the library that sends: all is data, so it is tested and fuzzed without a
 * server. Runs on the worker of the request.
 */
#include "reply.h"

#include <stdio.h>
#include <string.h>

void reply_init(struct reply *rp)
{
    *rp = (struct reply){.status = 200, .content_type = "application/json"};
    rp->file.fd = -1;
    buf_init(&rp->body, REPLY_MAX_BYTES);
}

void reply_clear(struct reply *rp)
{
    if (rp->has_file)
        blob_file_close(&rp->file);
    rp->has_file = false;
    buf_clear(&rp->body);
}

void reply_problem(struct reply *rp, const struct err *e, int status, const char *request_id)
{
    if (rp->has_file)
        blob_file_close(&rp->file);
    rp->has_file = false;
    rp->etag = NULL;
    rp->is_secret = false;
    rp->n_headers = 0;
    rp->status = status ? status : err_http_status(e->code);
    rp->content_type = "application/problem+json";
    buf_reset(&rp->body);
    struct jsonw w;
    jsonw_init(&w, &rp->body);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "type", "about:blank");
    jsonw_str(&w, "title", err_name(e->code));
    jsonw_int(&w, "status", rp->status);
    jsonw_str(&w, "code", err_name(e->code));
    jsonw_str(&w, "detail", e->message);
    if (e->pointer[0])
        jsonw_str(&w, "pointer", e->pointer);
    jsonw_str(&w, "request_id", request_id);
    jsonw_end(&w);
}

const char *reply_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {{200, "OK"},
                {201, "Created"},
                {202, "Accepted"},
                {204, "No Content"},
                {206, "Partial Content"},
                {301, "Moved Permanently"},
                {304, "Not Modified"},
                {400, "Bad Request"},
                {401, "Unauthorized"},
                {403, "Forbidden"},
                {404, "Not Found"},
                {405, "Method Not Allowed"},
                {408, "Request Timeout"},
                {409, "Conflict"},
                {411, "Length Required"},
                {412, "Precondition Failed"},
                {413, "Content Too Large"},
                {416, "Range Not Satisfiable"},
                {417, "Expectation Failed"},
                {422, "Unprocessable Content"},
                {429, "Too Many Requests"},
                {431, "Request Header Fields Too Large"},
                {500, "Internal Server Error"},
                {503, "Service Unavailable"},
                {504, "Gateway Timeout"},
                {507, "Insufficient Storage"}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].status == status)
            return rows[i].text;
    return status < 400 ? "OK" : "Error";
}

/* Reads digits; -1 when there are none or too many. */
static int64_t read_digits(const char **at)
{
    size_t n = strspn(*at, "0123456789");
    int64_t value = 0;
    if (n == 0 || n > 18)
        return -1;
    for (size_t i = 0; i < n; i++)
        value = value * 10 + ((*at)[i] - '0');
    *at += n;
    return value;
}

static void range_suffix(const char *at, int64_t size, struct range *out)
{
    int64_t n = read_digits(&at);
    if (n < 0 || *at)
        return;
    out->kind = n == 0 || size == 0 ? RANGE_NONE : RANGE_PART;
    out->first = n > size ? 0 : size - n;
    out->last = size - 1;
}

void range_parse(const char *field, int64_t size, struct range *out)
{
    *out = (struct range){.kind = RANGE_WHOLE};
    if (!field || strncmp(field, "bytes=", 6) != 0)
        return;
    const char *at = field + 6;
    at += strspn(at, " \t");
    if (*at == '-') {
        range_suffix(at + 1, size, out);
        return;
    }
    int64_t first = read_digits(&at);
    if (first < 0 || *at++ != '-')
        return;
    int64_t last = *at ? read_digits(&at) : INT64_MAX;
    if (*at || last < first)
        return; /* several ranges, rubbish, or backwards: not understood, so ignored */
    if (first >= size) {
        out->kind = RANGE_NONE;
        return;
    }
    *out = (struct range){RANGE_PART, first, last < size ? last : size - 1};
}

bool etag_matches(const char *list, const char *etag)
{
    if (!list || !etag)
        return false;
    if (strcmp(list, "*") == 0)
        return true;
    size_t length = strlen(etag);
    while (*list) {
        list += strspn(list, " \t,");
        if (strncmp(list, "W/", 2) == 0)
            list += 2;
        size_t n = *list == '"' ? strcspn(list + 1, "\"") + 2 : strcspn(list, ",");
        if (n == length && strncmp(list, etag, n) == 0)
            return true;
        size_t rest = strlen(list);
        list += n < rest ? n : rest;
    }
    return false;
}

static int64_t body_size(const struct reply *rp)
{
    return rp->has_file ? rp->file.size : (int64_t)rp->body.len;
}

void reply_conditions(struct reply *rp, const struct reply_context *cx, struct range *part)
{
    *part = (struct range){.kind = RANGE_WHOLE};
    bool is_read = strcmp(cx->head->method, "GET") == 0 || cx->is_head;
    if (!is_read || rp->status != 200)
        return;
    if (rp->etag && etag_matches(head_get(cx->head, "If-None-Match"), rp->etag)) {
        rp->status = 304;
        return;
    }
    const char *if_range = head_get(cx->head, "If-Range");
    if (!rp->has_file || (if_range && (!rp->etag || strcmp(if_range, rp->etag) != 0)))
        return;
    range_parse(head_get(cx->head, "Range"), body_size(rp), part);
    if (part->kind == RANGE_PART)
        rp->status = 206;
    if (part->kind == RANGE_NONE) {
        rp->status = 416;
        rp->content_type = NULL;
    }
}

int64_t reply_length(const struct reply *rp, const struct range *part)
{
    if (rp->status == 204 || rp->status == 304 || part->kind == RANGE_NONE)
        return 0;
    if (part->kind == RANGE_PART)
        return part->last - part->first + 1;
    return body_size(rp);
}

static bool has_header(const struct reply *rp, const char *name)
{
    for (int i = 0; i < rp->n_headers; i++)
        if (strcasecmp(rp->headers[i].name, name) == 0)
            return true;
    return false;
}

/* A value with a line break would start a new field: it is cut there. */
static void put_field(struct buf *out, const char *name, const char *value)
{
    buf_putf(out, "%s: ", name);
    buf_put(out, value, strcspn(value, "\r\n"));
    buf_puts(out, "\r\n");
}

static void put_body_fields(const struct reply *rp, const struct range *part, struct buf *out)
{
    int64_t size = body_size(rp);
    if (rp->status != 204 && rp->status != 304)
        buf_putf(out, "Content-Length: %lld\r\n", (long long)reply_length(rp, part));
    if (rp->status != 204 && rp->status != 304 && rp->content_type)
        put_field(out, "Content-Type", rp->content_type);
    if (part->kind == RANGE_PART)
        buf_putf(out, "Content-Range: bytes %lld-%lld/%lld\r\n", (long long)part->first,
                 (long long)part->last, (long long)size);
    if (part->kind == RANGE_NONE)
        buf_putf(out, "Content-Range: bytes */%lld\r\n", (long long)size);
    if (rp->has_file)
        buf_puts(out, "Accept-Ranges: bytes\r\n");
    if (rp->etag)
        put_field(out, "ETag", rp->etag);
}

void reply_write_head(const struct reply *rp, const struct reply_context *cx,
                      const struct range *part, struct buf *out)
{
    buf_putf(out, "HTTP/1.1 %d %s\r\n", rp->status, reply_reason(rp->status));
    put_body_fields(rp, part, out);
    for (int i = 0; i < rp->n_headers; i++)
        put_field(out, rp->headers[i].name, rp->headers[i].value);
    if (!has_header(rp, "Cache-Control"))
        put_field(out, "Cache-Control", rp->etag ? "no-cache" : "no-store");
    put_field(out, "X-Content-Type-Options", "nosniff");
    put_field(out, "X-Request-Id", cx->request_id);
    put_field(out, "Date", cx->date);
    if (!cx->keeps_alive)
        put_field(out, "Connection", "close");
    else if (cx->is_old)
        put_field(out, "Connection", "keep-alive");
    buf_puts(out, "\r\n");
}
