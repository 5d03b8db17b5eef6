/*
 * The route table as data: joined, checked once at start, then matched segment by segment. Some 60
 * short rows are compared in about a microsecond, so there is no index. Must not know handlers,
 * callers or sockets. Built by the main thread, then read by all.
 */
#include "route.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct router {
    const struct route *rows[ROUTER_MAX_ROWS];
    size_t n;
};

static const char *const method_names[METHOD_COUNT] = {"GET", "POST", "PUT", "PATCH", "DELETE"};

const char *method_name(enum method m)
{
    return m < METHOD_COUNT ? method_names[m] : "";
}

enum method method_parse(const char *name)
{
    enum method m = METHOD_GET;
    while (m < METHOD_COUNT && strcmp(name, method_names[m]) != 0)
        m++;
    return m;
}

const char *permission_name(enum permission p)
{
    static const char *const names[PERM_COUNT] = {
        [PERM_NONE] = "",       [PERM_PUBLIC] = "public",    [PERM_READ] = "reader",
        [PERM_PUSH] = "pusher", [PERM_DEPLOY] = "deployer",  [PERM_ADMIN] = "admin",
        [PERM_NODE] = "node",   [PERM_APPROVE] = "approver", [PERM_AUDIT] = "auditor"};
    return p < PERM_COUNT ? names[p] : "";
}

static bool is_param(const char *segment)
{
    return segment[0] == '{';
}

/* "{path...}" */
static bool is_tail(const char *segment)
{
    size_t n = strlen(segment);
    return is_param(segment) && n > 5 && strcmp(segment + n - 4, "...}") == 0;
}

static size_t segment_length(const char *at)
{
    return strcspn(at, "/");
}

/* True if both patterns accept the same paths. */
static bool same_pattern(const char *a, const char *b)
{
    while (*a && *b) {
        a++, b++; /* slashes */
        size_t na = segment_length(a);
        size_t nb = segment_length(b);
        bool same = na == nb && memcmp(a, b, na) == 0;
        if (!same && !(is_param(a) && is_param(b)))
            return false;
        a += na;
        b += nb;
    }
    return *a == *b;
}

static bool check_pattern(const char *pattern)
{
    int n_params = 0;
    if (pattern[0] != '/')
        return false;
    for (const char *at = pattern; *at;) {
        at++;
        size_t n = segment_length(at);
        if (n == 0)
            return false;
        if (is_param(at))
            n_params++;
        if (is_param(at) && at[n - 1] != '}')
            return false;
        at += n;
    }
    return n_params <= REQUEST_MAX_PARAMS;
}

static int check_row(const struct router *r, const struct route *row, struct err *e)
{
    const char *fault = NULL;
    if (row->permission <= PERM_NONE || row->permission >= PERM_COUNT)
        fault = "no permission";
    else if (row->method >= METHOD_COUNT || row->work >= WORK_COUNT || !row->summary)
        fault = "an unknown method or class of work, or no summary";
    else if (!check_pattern(row->pattern))
        fault = "a bad pattern";
    for (size_t i = 0; i < r->n && !fault; i++)
        if (r->rows[i]->method == row->method && same_pattern(r->rows[i]->pattern, row->pattern))
            fault = "the same method and pattern as another row";
    if (!fault && r->n == ROUTER_MAX_ROWS)
        fault = "no room in the table";
    if (!fault)
        return 0;
    return err_set(e, ERR_INTERNAL, "route %s %s has %s", method_name(row->method), row->pattern,
                   fault);
}

int router_new(const struct route *const *tables, struct router **out, struct err *e)
{
    struct router *r = mem_alloc(sizeof *r);
    for (; *tables; tables++) {
        for (const struct route *row = *tables; row->handler; row++) {
            int rc = check_row(r, row, e);
            if (rc) {
                free(r);
                return rc;
            }
            r->rows[r->n++] = row;
        }
    }
    *out = r;
    return 0;
}

void router_free(struct router *r)
{
    free(r);
}

size_t router_count(const struct router *r)
{
    return r->n;
}

const struct route *router_row(const struct router *r, size_t i)
{
    return r->rows[i];
}

/* One step over both: 0 no match, else the weight of this segment (a literal counts more). */
static unsigned match_segment(const char *pattern, size_t np, const char *path, size_t n)
{
    if (is_param(pattern))
        return n > 0 ? 1 : 0;
    return np == n && memcmp(pattern, path, n) == 0 ? 2 : 0;
}

/* 0: no match; otherwise a larger number is a more literal pattern (first segments count most). */
static uint64_t match_row(const char *pattern, const char *path)
{
    uint64_t score = 1;
    while (*pattern == '/' && *path == '/') {
        pattern++, path++;
        /* A tail may become a file's name: an escaped slash could hide a ".." in it. */
        if (is_tail(pattern))
            return *path && !strcasestr(path, "%2f") ? score * 4 + 1 : 0;
        size_t np = segment_length(pattern);
        size_t n = segment_length(path);
        unsigned weight = match_segment(pattern, np, path, n);
        if (!weight)
            return 0;
        score = score * 4 + weight;
        pattern += np;
        path += n;
    }
    return *pattern || *path ? 0 : score;
}

static char hex_digit(char c)
{
    if (c <= '9')
        return (char)(c - '0');
    return (char)((c | 0x20) - 'a' + 10);
}

/* Decoded copy; guard_path has checked the escapes. */
static const char *decode(struct arena *a, const char *p, size_t n)
{
    char *out = arena_alloc(a, n + 1);
    size_t length = 0;
    for (size_t i = 0; i < n; i++) {
        if (p[i] != '%' || i + 2 >= n) {
            out[length++] = p[i];
            continue;
        }
        out[length++] = (char)(hex_digit(p[i + 1]) * 16 + hex_digit(p[i + 2]));
        i += 2;
    }
    return out;
}

static void take_params(const char *pattern, const char *path, struct arena *a, struct match *out)
{
    size_t n_params = 0;
    while (*pattern == '/') {
        pattern++, path++;
        size_t np = segment_length(pattern);
        size_t n = is_tail(pattern) ? strlen(path) : segment_length(path);
        if (is_param(pattern))
            out->params[n_params++] = decode(a, path, n);
        pattern += np;
        path += n;
    }
}

void router_match(const struct router *r, enum method method, const char *path, struct arena *a,
                  struct match *out)
{
    *out = (struct match){.index = r->n};
    uint64_t best = 0;
    for (size_t i = 0; i < r->n; i++) {
        uint64_t score = match_row(r->rows[i]->pattern, path);
        if (!score)
            continue;
        out->methods |= 1u << r->rows[i]->method;
        if (r->rows[i]->method != method || score <= best)
            continue;
        best = score;
        out->index = i;
        out->row = r->rows[i];
    }
    if (out->row)
        take_params(out->row->pattern, path, a, out);
}

void method_list(unsigned methods, char out[64])
{
    size_t n = 0;
    for (unsigned m = 0; m < METHOD_COUNT; m++)
        if (methods >> m & 1u)
            n += (size_t)snprintf(out + n, 64 - n, "%s%s%s", n ? ", " : "",
                                  method_name((enum method)m), m == METHOD_GET ? ", HEAD" : "");
}
