/*
 * Typed reads from parsed JSON: every fault names the JSON pointer of the member at fault. Knows
 * nothing of what a document means. Pure: any thread.
 */
#include "json.h"

#include <inttypes.h>
#include <string.h>

#define POINTER_BYTES sizeof(((struct err *)0)->pointer)

/* at + "/" + key with '~' and '/' escaped (RFC 6901), cut to fit. */
static const char *pointer_to(const char *at, const char *key, char out[POINTER_BYTES])
{
    size_t n = strlen(at);
    if (n > POINTER_BYTES - 2)
        n = POINTER_BYTES - 2;
    memcpy(out, at, n);
    out[n++] = '/';
    for (; *key && n < POINTER_BYTES - 2; key++) {
        bool special = *key == '~' || *key == '/';
        out[n++] = special ? '~' : *key;
        if (special)
            out[n++] = *key == '~' ? '0' : '1';
    }
    out[n] = '\0';
    return out;
}

static int fail(const char *at, const char *key, const char *what, struct err *e)
{
    char pointer[POINTER_BYTES];
    return err_at(e, ERR_INVALID, pointer_to(at, key, pointer), "\"%.64s\" %s", key, what);
}

int json_blame(int rc, const char *at, const char *key, struct err *e)
{
    if (rc != ERR_OK && e)
        pointer_to(at, key, e->pointer);
    return rc;
}

/* The member, or NULL (*out) when it is absent and optional. */
static int member(const json_t *obj, const char *at, const char *key, bool optional, json_t **out,
                  struct err *e)
{
    if (!json_is_object(obj))
        return err_at(e, ERR_INVALID, at, "must be an object");
    json_t *v = json_object_get(obj, key);
    if (!v && !optional)
        return fail(at, key, "is missing", e);
    *out = v;
    return ERR_OK;
}

static int check_str(const json_t *v, const char *at, const char *key, size_t max_bytes,
                     struct err *e)
{
    if (!json_is_string(v))
        return fail(at, key, "must be a string", e);
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    if (strlen(s) != n)
        return fail(at, key, "must not contain U+0000", e);
    if (n > max_bytes) {
        char what[64];
        snprintf(what, sizeof what, "must be at most %zu bytes", max_bytes);
        return fail(at, key, what, e);
    }
    return ERR_OK;
}

int json_get_str(const json_t *obj, const char *at, const char *key, size_t max_bytes,
                 const char **out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, false, &v, e);
    if (rc == ERR_OK)
        rc = check_str(v, at, key, max_bytes, e);
    if (rc == ERR_OK)
        *out = json_string_value(v);
    return rc;
}

int json_opt_str(const json_t *obj, const char *at, const char *key, size_t max_bytes,
                 const char **out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, true, &v, e);
    if (rc == ERR_OK && v)
        rc = check_str(v, at, key, max_bytes, e);
    if (rc == ERR_OK)
        *out = v ? json_string_value(v) : NULL;
    return rc;
}

/* Bounds of an integer, as one argument. */
struct range {
    int64_t lo;
    int64_t hi;
};

static int check_int(const json_t *v, const char *at, const char *key, struct range r,
                     struct err *e)
{
    if (!json_is_integer(v))
        return fail(at, key, "must be an integer", e);
    int64_t n = json_integer_value(v);
    if (n < r.lo || n > r.hi) {
        char what[96];
        snprintf(what, sizeof what, "must be from %" PRId64 " to %" PRId64, r.lo, r.hi);
        return fail(at, key, what, e);
    }
    return ERR_OK;
}

int json_get_int(const json_t *obj, const char *at, const char *key, int64_t lo, int64_t hi,
                 int64_t *out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, false, &v, e);
    if (rc == ERR_OK)
        rc = check_int(v, at, key, (struct range){lo, hi}, e);
    if (rc == ERR_OK)
        *out = json_integer_value(v);
    return rc;
}

int json_opt_int(const json_t *obj, const char *at, const char *key, int64_t lo, int64_t hi,
                 int64_t *out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, true, &v, e);
    if (rc != ERR_OK || !v)
        return rc;
    rc = check_int(v, at, key, (struct range){lo, hi}, e);
    if (rc == ERR_OK)
        *out = json_integer_value(v);
    return rc;
}

int json_opt_bool(const json_t *obj, const char *at, const char *key, bool *out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, true, &v, e);
    if (rc != ERR_OK || !v)
        return rc;
    if (!json_is_boolean(v))
        return fail(at, key, "must be true or false", e);
    *out = json_is_true(v);
    return ERR_OK;
}

static int check_array(const json_t *v, const char *at, const char *key, size_t max_items,
                       struct err *e)
{
    if (!json_is_array(v))
        return fail(at, key, "must be an array", e);
    if (json_array_size(v) > max_items) {
        char what[64];
        snprintf(what, sizeof what, "must have at most %zu items", max_items);
        return fail(at, key, what, e);
    }
    return ERR_OK;
}

int json_get_array(const json_t *obj, const char *at, const char *key, size_t max_items,
                   json_t **out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, false, &v, e);
    if (rc == ERR_OK)
        rc = check_array(v, at, key, max_items, e);
    if (rc == ERR_OK)
        *out = v;
    return rc;
}

int json_opt_array(const json_t *obj, const char *at, const char *key, size_t max_items,
                   json_t **out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, true, &v, e);
    if (rc == ERR_OK && v)
        rc = check_array(v, at, key, max_items, e);
    if (rc == ERR_OK)
        *out = v;
    return rc;
}

int json_opt_object(const json_t *obj, const char *at, const char *key, json_t **out, struct err *e)
{
    json_t *v = NULL;
    int rc = member(obj, at, key, true, &v, e);
    if (rc == ERR_OK && v && !json_is_object(v))
        rc = fail(at, key, "must be an object", e);
    if (rc == ERR_OK)
        *out = v;
    return rc;
}

static bool is_listed(const char *word, const char *const *list)
{
    for (size_t i = 0; list[i]; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

int json_only(const json_t *obj, const char *at, const char *const *known, struct err *e)
{
    if (!json_is_object(obj))
        return err_at(e, ERR_INVALID, at, "must be an object");
    /* Jansson's iterators take a pointer to non-const but do not write to the object. */
    json_t *o = (json_t *)(uintptr_t)obj;
    int rc = ERR_OK;
    for (void *it = json_object_iter(o); it && rc == ERR_OK; it = json_object_iter_next(o, it)) {
        const char *key = json_object_iter_key(it);
        if (is_listed(key, known))
            continue;
        char what[128];
        const char *near = json_nearest(key, known);
        snprintf(what, sizeof what, near ? "is unknown; did you mean \"%.64s\"?" : "is unknown%s",
                 near ? near : "");
        rc = fail(at, key, what, e);
    }
    return rc;
}
