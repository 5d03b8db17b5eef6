/*
 * Canonical JSON: one text per value, so that its hash and its signature are well defined and git
 * shows a line per change. The form is what Python writes for
 * json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n". Pure: any thread.
 */
#include "json.h"
#include "utf8.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The way from the value being written up to the top, to name the place of a fault. */
struct step {
    const struct step *up;
    const char *key; /* NULL in an array */
    size_t index;
    int depth;
};

static int put_value(const json_t *j, const struct step *s, struct buf *out, struct err *e);

static int fail(const struct step *s, const char *what, struct err *e)
{
    char pointer[256];
    char part[256];
    size_t at = sizeof pointer - 1;
    pointer[at] = '\0';
    for (; s->up; s = s->up) {
        if (s->key)
            snprintf(part, sizeof part, "/%s", s->key);
        else
            snprintf(part, sizeof part, "/%zu", s->index);
        size_t n = strlen(part);
        if (n > at)
            break;
        at -= n;
        memcpy(pointer + at, part, n);
    }
    return err_at(e, ERR_INVALID, pointer + at, "canonical JSON has no %s", what);
}

static void put_indent(struct buf *out, int depth)
{
    buf_putc(out, '\n');
    for (int i = 0; i < depth; i++)
        buf_put(out, "  ", 2);
}

static void put_escape(struct buf *out, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *p = strchr(from, c);
    if (p)
        buf_putf(out, "\\%c", to[p - from]);
    else
        buf_putf(out, "\\u%04x", (unsigned)(unsigned char)c);
}

static int put_text(const char *text, size_t n, const struct step *s, struct buf *out,
                    struct err *e)
{
    if (memchr(text, '\0', n))
        return fail(s, "U+0000", e);
    if (!utf8_ok(text, n))
        return fail(s, "text that is not UTF-8", e);
    buf_putc(out, '"');
    size_t from = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        buf_put(out, text + from, i - from);
        put_escape(out, text[i]);
        from = i + 1;
    }
    buf_put(out, text + from, n - from);
    buf_putc(out, '"');
    return ERR_OK;
}

static int put_int(int64_t v, const struct step *s, struct buf *out, struct err *e)
{
    if (v > JSON_MAX_INT || v < -JSON_MAX_INT)
        return fail(s, "integer beyond 2^53 - 1", e);
    buf_putf(out, "%" PRId64, v);
    return ERR_OK;
}

static int put_array(const json_t *j, const struct step *s, struct buf *out, struct err *e)
{
    size_t n = json_array_size(j);
    buf_putc(out, '[');
    for (size_t i = 0; i < n; i++) {
        struct step inner = {s, NULL, i, s->depth + 1};
        put_indent(out, inner.depth);
        int rc = put_value(json_array_get(j, i), &inner, out, e);
        if (rc != ERR_OK)
            return rc;
        if (i + 1 < n)
            buf_putc(out, ',');
    }
    if (n)
        put_indent(out, s->depth);
    buf_putc(out, ']');
    return ERR_OK;
}

struct member {
    const char *key;
    size_t len;
    const json_t *value;
};

static int compare_members(const void *a, const void *b)
{
    const struct member *x = a;
    const struct member *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int order = memcmp(x->key, y->key, n);
    return order ? order : (x->len > y->len) - (x->len < y->len);
}

/* The members in byte order of their keys. Caller frees. */
static struct member *sorted_members(const json_t *j, size_t n)
{
    struct member *m = mem_resize(NULL, n, sizeof *m);
    /* Jansson's iterators take a pointer to non-const but do not write to the object. */
    json_t *o = (json_t *)(uintptr_t)j;
    size_t i = 0;
    for (void *it = json_object_iter(o); it && i < n; it = json_object_iter_next(o, it))
        m[i++] = (struct member){json_object_iter_key(it), json_object_iter_key_len(it),
                                 json_object_iter_value(it)};
    qsort(m, n, sizeof *m, compare_members);
    return m;
}

static int put_object(const json_t *j, const struct step *s, struct buf *out, struct err *e)
{
    size_t n = json_object_size(j);
    CLEANUP(mem_free_ptr) struct member *members = sorted_members(j, n);
    buf_putc(out, '{');
    for (size_t i = 0; i < n; i++) {
        struct step inner = {s, members[i].key, 0, s->depth + 1};
        put_indent(out, inner.depth);
        int rc = put_text(members[i].key, members[i].len, &inner, out, e);
        if (rc != ERR_OK)
            return rc;
        buf_put(out, ": ", 2);
        rc = put_value(members[i].value, &inner, out, e);
        if (rc != ERR_OK)
            return rc;
        if (i + 1 < n)
            buf_putc(out, ',');
    }
    if (n)
        put_indent(out, s->depth);
    buf_putc(out, '}');
    return ERR_OK;
}

static int put_value(const json_t *j, const struct step *s, struct buf *out, struct err *e)
{
    if (s->depth > JSON_MAX_DEPTH)
        return fail(s, "nesting this deep", e);
    if (json_is_object(j))
        return put_object(j, s, out, e);
    if (json_is_array(j))
        return put_array(j, s, out, e);
    if (json_is_string(j))
        return put_text(json_string_value(j), json_string_length(j), s, out, e);
    if (json_is_integer(j))
        return put_int(json_integer_value(j), s, out, e);
    if (json_is_boolean(j)) {
        buf_puts(out, json_is_true(j) ? "true" : "false");
        return ERR_OK;
    }
    return fail(s, json_is_real(j) ? "real number" : "null", e);
}

int json_canonical(const json_t *j, struct buf *out, struct err *e)
{
    size_t before = out->len;
    struct step top = {0};
    int rc = put_value(j, &top, out, e);
    if (rc == ERR_OK)
        buf_putc(out, '\n');
    if (rc == ERR_OK && !buf_ok(out))
        rc = err_set(e, ERR_TOO_LARGE, "canonical JSON of more than %zu bytes", out->max);
    if (rc != ERR_OK && out->data) {
        out->len = before;
        out->data[before] = '\0';
    }
    return rc;
}
