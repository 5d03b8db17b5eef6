/*
 * What handlers ask of a request and do to a reply (request.h): headers, query parameters, paging,
 * "as of", model globs. Pure but for request_at, which reads the journal. Must not know sockets or
 * routes. Runs on the worker of the request.
 */
#include "request.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "journal.h"
#include "registry.h"
#include "utf8.h"
#include "when.h"

#define CURSOR_MAX_BYTES 1024

const char *request_header(const struct request *rq, const char *name)
{
    return rq->get_header ? rq->get_header(rq->headers, name) : NULL;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c | 0x20 : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* Decodes n bytes of a query ("+" is a space). NULL for a bad escape, NUL or no UTF-8. */
static char *decode_query(struct arena *a, const char *p, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%') {
            out[length++] = p[i] == '+' ? ' ' : p[i];
            continue;
        }
        int high = i + 2 < n ? hex_value(p[i + 1]) : -1;
        int low = high < 0 ? -1 : hex_value(p[i + 2]);
        if (low < 0 || high + low == 0)
            return NULL;
        out[length++] = (char)(high * 16 + low);
        i += 2;
    }
    return utf8_ok(out, length) ? out : NULL;
}

int request_query(struct request *rq, const char *name, const char **out, struct err *e)
{
    const char *found = NULL;
    size_t name_length = strlen(name);
    for (const char *at = rq->query ? rq->query : ""; *at;) {
        size_t n = strcspn(at, "&");
        bool is_it = n >= name_length && memcmp(at, name, name_length) == 0 &&
                     (n == name_length || at[name_length] == '=');
        if (is_it && found)
            return err_set(e, ERR_INVALID, "parameter \"%s\" is given twice", name);
        if (is_it) {
            size_t skip = n == name_length ? n : name_length + 1;
            found = decode_query(rq->arena, at + skip, n - skip);
            if (!found)
                return err_set(e, ERR_INVALID, "parameter \"%s\" is badly encoded", name);
        }
        at += n;
        at += *at == '&';
    }
    *out = found;
    return 0;
}

int request_reason(struct request *rq, const char **out, struct err *e)
{
    if (rq->route->body == BODY_JSON)
        return json_opt_str(rq->json, "", "reason", REQUEST_REASON_MAX, out, e);
    int rc = request_query(rq, "reason", out, e);
    if (!rc && *out && strlen(*out) > REQUEST_REASON_MAX)
        rc = err_set(e, ERR_INVALID, "reason must be at most %d bytes", REQUEST_REASON_MAX);
    return rc;
}

int request_page(struct request *rq, int64_t *limit, const char **cursor, struct err *e)
{
    const char *text = NULL;
    const char *after = NULL;
    int rc = request_query(rq, "limit", &text, e);
    if (!rc)
        rc = request_query(rq, "cursor", &after, e);
    if (rc)
        return rc;
    int64_t n = 50;
    if (text) {
        bool is_number = text[0] && strspn(text, "0123456789") == strlen(text) && strlen(text) < 6;
        n = is_number ? strtoll(text, NULL, 10) : 0;
    }
    if (n < 1 || n > 500)
        return err_set(e, ERR_INVALID, "limit must be a number from 1 to 500");
    if (after && strlen(after) > CURSOR_MAX_BYTES)
        return err_set(e, ERR_INVALID, "cursor is none of this server's");
    *limit = n;
    *cursor = after && after[0] ? after : NULL;
    return 0;
}

int request_at(struct request *rq, struct db *db, int64_t *seq, struct err *e)
{
    const char *text = NULL;
    int64_t ms = 0;
    int rc = request_query(rq, "at", &text, e);
    if (rc)
        return rc;
    if (!text) {
        *seq = INT64_MAX;
        return 0;
    }
    rc = when_parse(text, &ms, e);
    if (rc) {
        err_prefix(e, "at: ");
        return rc;
    }
    return journal_seq_at(db, ms, seq, e);
}

int request_may_model(const struct request *rq, const char *model, struct err *e)
{
    if (registry_may_see(rq->caller.models, model))
        return 0;
    return err_set(e, ERR_FORBIDDEN, "your token covers the models \"%s\", not \"%.120s\"",
                   rq->caller.models, model);
}

void reply_header(struct reply *rp, const char *name, const char *value)
{
    assert(rp->n_headers < REPLY_MAX_HEADERS);
    rp->headers[rp->n_headers].name = name;
    rp->headers[rp->n_headers].value = value;
    rp->n_headers++;
}

void reply_json(struct reply *rp, struct jsonw *w)
{
    rp->content_type = "application/json";
    jsonw_init(w, &rp->body);
}
