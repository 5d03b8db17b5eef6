/*
 * The checks of a request's head that its parser (CivetWeb) does not make: fields lost beyond the
 * 64th, lengths that two readers would understand differently, a missing Host, disguised path
 * segments. Must not know routes, callers or sockets: pure functions, run by the worker first of
 * all.
 */
#include "guard.h"

#include <string.h>
#include <strings.h>

#include "mem.h"
#include "utf8.h"

const char *head_get(const struct head *h, const char *name)
{
    for (int i = 0; i < h->n_fields; i++)
        if (strcasecmp(h->fields[i].name, name) == 0)
            return h->fields[i].value;
    return NULL;
}

int head_count(const struct head *h, const char *name)
{
    int n = 0;
    for (int i = 0; i < h->n_fields; i++)
        n += strcasecmp(h->fields[i].name, name) == 0;
    return n;
}

static bool list_has(const char *list, const char *token)
{
    size_t length = strlen(token);
    while (*list) {
        list += strspn(list, " \t,");
        size_t word = strcspn(list, " \t,");
        if (word == length && strncasecmp(list, token, word) == 0)
            return true;
        list += word;
    }
    return false;
}

bool head_has_token(const struct head *h, const char *name, const char *token)
{
    for (int i = 0; i < h->n_fields; i++)
        if (strcasecmp(h->fields[i].name, name) == 0 && list_has(h->fields[i].value, token))
            return true;
    return false;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Decodes one byte at *at and moves past it; -1 for a bad escape or NUL. */
static int next_byte(const char **at)
{
    const char *p = *at;
    if (*p != '%') {
        *at = p + 1;
        return (unsigned char)*p;
    }
    int high = hex_value(p[1]);
    int low = high < 0 ? -1 : hex_value(p[2]);
    if (low < 0 || (high == 0 && low == 0))
        return -1;
    *at = p + 3;
    return high * 16 + low;
}

/* Feeds one decoded byte into a UTF-8 sequence of up to four bytes; false when it cannot be one. */
static bool utf8_feed(char pending[4], size_t *n, int byte)
{
    pending[(*n)++] = (char)byte;
    if (utf8_next(pending, *n, NULL)) {
        *n = 0;
        return true;
    }
    return *n < 4 && ((unsigned char)pending[0] & 0xC0) == 0xC0;
}

/* Checks the segment that starts at *at and moves to its end. */
static const char *check_segment(const char **at)
{
    char pending[4];
    size_t n_pending = 0;
    size_t n = 0;
    bool is_dots = true;
    while (**at && **at != '/') {
        int byte = next_byte(at);
        if (byte < 0)
            return "the path has a bad percent escape";
        if (!utf8_feed(pending, &n_pending, byte))
            return "the path is not UTF-8";
        is_dots = is_dots && byte == '.';
        n++;
    }
    if (n_pending)
        return "the path is not UTF-8";
    if (is_dots && (n == 1 || n == 2))
        return "the path has a \".\" or \"..\" segment";
    return NULL;
}

const char *guard_path(const char *path)
{
    if (!path || path[0] != '/')
        return "the path does not begin with \"/\"";
    while (*path) {
        path++; /* the slash */
        const char *fault = check_segment(&path);
        if (fault)
            return fault;
    }
    return NULL;
}

static void refuse(struct guard *g, int status, const char *detail)
{
    if (g->status)
        return;
    g->status = status;
    g->detail = detail;
}

static void check_length(const struct head *h, struct guard *g)
{
    const char *text = head_get(h, "Content-Length");
    if (!text)
        return;
    if (head_count(h, "Content-Length") > 1)
        refuse(g, 400, "more than one Content-Length");
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || text[digits] || digits > 18) {
        refuse(g, 400, "Content-Length is not a plain number");
        return;
    }
    int64_t n = 0;
    for (const char *p = text; *p; p++)
        n = n * 10 + (*p - '0');
    g->content_length = n;
}

static void check_framing(const struct head *h, struct guard *g)
{
    check_length(h, g);
    const char *coding = head_get(h, "Transfer-Encoding");
    if (coding) {
        g->is_chunked = true;
        if (head_count(h, "Transfer-Encoding") > 1 || strcasecmp(coding, "chunked") != 0)
            refuse(g, 400, "Transfer-Encoding is not \"chunked\" alone");
        if (head_get(h, "Content-Length"))
            refuse(g, 400, "Content-Length together with Transfer-Encoding");
        if (g->is_old)
            refuse(g, 400, "Transfer-Encoding in HTTP/1.0");
    }
    g->has_body = g->is_chunked || g->content_length > 0;
    static const char *const with_body[] = {"POST", "PUT", "PATCH"};
    for (size_t i = 0; i < ARRAY_LEN(with_body); i++)
        if (strcmp(h->method, with_body[i]) == 0 && !g->is_chunked && g->content_length < 0)
            refuse(g, 411, "neither Content-Length nor chunked Transfer-Encoding");
}

static void check_expect(const struct head *h, struct guard *g)
{
    const char *expect = head_get(h, "Expect");
    if (!expect)
        return;
    if (head_count(h, "Expect") > 1 || strcasecmp(expect, "100-continue") != 0)
        refuse(g, 417, "only \"Expect: 100-continue\" is understood");
    g->expects_continue = g->has_body && !g->is_old;
}

static void check_identity_fields(const struct head *h, struct guard *g)
{
    int hosts = head_count(h, "Host");
    if (hosts > 1 || (hosts == 0 && !g->is_old))
        refuse(g, 400, hosts ? "more than one Host" : "no Host");
    if (head_count(h, "Authorization") > 1)
        refuse(g, 400, "more than one Authorization");
    if (head_count(h, "Idempotency-Key") > 1)
        refuse(g, 400, "more than one Idempotency-Key");
}

void guard_check(const struct head *h, struct guard *out)
{
    *out = (struct guard){.content_length = -1};
    out->is_old = strcmp(h->version, "1.1") != 0;
    out->wants_keep_alive = out->is_old ? head_has_token(h, "Connection", "keep-alive")
                                        : !head_has_token(h, "Connection", "close");
    /* Beyond 64 fields the parser drops them without a word, Content-Length and all. */
    if (h->n_fields >= HEAD_MAX_HEADERS)
        refuse(out, 431, "64 or more header fields");
    check_framing(h, out);
    check_identity_fields(h, out);
    check_expect(h, out);
    const char *fault = guard_path(h->path);
    if (fault)
        refuse(out, 400, fault);
}
