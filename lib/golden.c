/*
 * Golden requests: reading the file and comparing an answer with what the file expects. Knows
 * nothing about nodes or how the request gets there. Recursion is bounded by JSON_MAX_DEPTH, which
 * json_parse checks. Any thread.
 */
#include "golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TOLERANCE 1e-6

/* The comparison's settings and where it is, for the words of a difference. */
struct compare {
    double tolerance;
    char *why;
    size_t cap;
    char at[128];
};

/* A number, or one as text ("0.01"), which survives documents without real numbers. */
static int read_tolerance(const json_t *doc, double *out, struct err *e)
{
    const json_t *t = json_object_get(doc, "tolerance");
    const char *text = json_string_value(t);
    char *end = NULL;

    *out = DEFAULT_TOLERANCE;
    if (t == NULL)
        return ERR_OK;
    double value = text ? strtod(text, &end) : json_is_number(t) ? json_number_value(t) : -1;
    if (!(value >= 0) || isinf(value) || (text && (end == text || *end)))
        return err_at(e, ERR_INVALID, "/tolerance", "not a number of 0 or more");
    *out = value;
    return ERR_OK;
}

int golden_parse(const char *text, size_t n, struct golden *out, struct err *e)
{
    static const char *const known[] = {"request", "expect", "tolerance", "description", NULL};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    double tolerance;
    int rc;

    if (n > GOLDEN_MAX_BYTES)
        return err_set(e, ERR_TOO_LARGE, "a golden file is over 4 MiB");
    if ((rc = json_parse(text, n, JSON_MAX_DEPTH, &doc, e)) != ERR_OK)
        return rc;
    if (!json_is_object(doc))
        return err_at(e, ERR_INVALID, "", "a golden file is an object with request and expect");
    if ((rc = json_only(doc, "", known, e)) != ERR_OK ||
        (rc = read_tolerance(doc, &tolerance, e)) != ERR_OK)
        return rc;
    if (!json_is_object(json_object_get(doc, "request")))
        return err_at(e, ERR_INVALID, "/request", "missing, or not an object");
    if (!json_is_object(json_object_get(doc, "expect")))
        return err_at(e, ERR_INVALID, "/expect", "missing, or not an object");
    out->document = json_incref(doc);
    out->request = json_object_get(doc, "request");
    out->expect = json_object_get(doc, "expect");
    out->tolerance = tolerance;
    return ERR_OK;
}

void golden_clear(struct golden *g)
{
    if (g == NULL)
        return;
    json_decref(g->document);
    memset(g, 0, sizeof(*g));
}

char *golden_request(const struct golden *g, struct arena *a, size_t *n)
{
    size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    size_t need = json_dumpb(g->request, NULL, 0, flags);
    char *text = arena_alloc(a, need + 1);

    *n = json_dumpb(g->request, text, need, flags);
    return text;
}

static bool differ(struct compare *c, const char *what)
{
    (void)snprintf(c->why, c->cap, "%s: %s", c->at[0] != '\0' ? c->at : "answer", what);
    return false;
}

static bool same_number(struct compare *c, const json_t *want, const json_t *got)
{
    double w = json_number_value(want), g = json_number_value(got);
    char text[96];

    if (json_is_integer(want) && json_is_integer(got) &&
        json_integer_value(want) == json_integer_value(got))
        return true;
    if (fabs(w - g) <= c->tolerance)
        return true;
    (void)snprintf(text, sizeof(text), "expected %.9g, got %.9g", w, g);
    return differ(c, text);
}

static const char *kind_of(const json_t *j)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "null";
    }
}

static bool same_scalar(struct compare *c, const json_t *want, const json_t *got)
{
    char text[160];

    if (json_is_number(want) && json_is_number(got))
        return same_number(c, want, got);
    if (json_is_string(want) && json_is_string(got)) {
        if (json_equal(want, got))
            return true;
        (void)snprintf(text, sizeof(text), "expected \"%.50s\", got \"%.50s\"",
                       json_string_value(want), json_string_value(got));
        return differ(c, text);
    }
    if (json_typeof(want) == json_typeof(got))
        return true;
    if (json_is_boolean(want) && json_is_boolean(got))
        return differ(c,
                      json_is_true(want) ? "expected true, got false" : "expected false, got true");
    (void)snprintf(text, sizeof(text), "expected %s, got %s", kind_of(want), kind_of(got));
    return differ(c, text);
}

/* Appends "/<key>" to the place, returns the old length for restoring it. */
static size_t descend(struct compare *c, const char *key, size_t index)
{
    size_t n = strlen(c->at);

    if (key != NULL)
        (void)snprintf(c->at + n, sizeof(c->at) - n, "/%s", key);
    else
        (void)snprintf(c->at + n, sizeof(c->at) - n, "/%zu", index);
    return n;
}

/* The leaves of nested arrays, in order, appended to the flat array `out`. */
static void flatten(const json_t *j, json_t *out)
{
    if (!json_is_array(j)) {
        json_array_append(out, (json_t *)(uintptr_t)j);
        return;
    }
    for (size_t i = 0; i < json_array_size(j); i++)
        flatten(json_array_get(j, i), out);
}

static bool same_value(struct compare *c, const json_t *want, const json_t *got);

static bool same_array(struct compare *c, const json_t *want, const json_t *got)
{
    char text[96];

    if (json_array_size(want) != json_array_size(got)) {
        (void)snprintf(text, sizeof(text), "expected %zu items, got %zu", json_array_size(want),
                       json_array_size(got));
        return differ(c, text);
    }
    for (size_t i = 0; i < json_array_size(want); i++) {
        size_t n = descend(c, NULL, i);

        if (!same_value(c, json_array_get(want, i), json_array_get(got, i)))
            return false;
        c->at[n] = '\0';
    }
    return true;
}

static bool same_data(struct compare *c, const json_t *want, const json_t *got)
{
    json_t *w CLEANUP(json_decref_ptr) = json_array();
    json_t *g CLEANUP(json_decref_ptr) = json_array();

    flatten(want, w);
    flatten(got, g);
    return same_array(c, w, g);
}

static const json_t *tensor_named(const json_t *list, const char *name)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *t = json_array_get(list, i);
        const char *found = json_string_value(json_object_get(t, "name"));

        if (found != NULL && strcmp(found, name) == 0)
            return t;
    }
    return NULL;
}

/* Tensors: the pattern may name some of them, in any order. */
static bool same_outputs(struct compare *c, const json_t *want, const json_t *got)
{
    for (size_t i = 0; i < json_array_size(want); i++) {
        const json_t *w = json_array_get(want, i);
        const char *name = json_string_value(json_object_get(w, "name"));
        const json_t *g = name != NULL ? tensor_named(got, name) : json_array_get(got, i);
        size_t n = descend(c, name, i);

        if (g == NULL)
            return differ(c, "missing");
        if (!same_value(c, w, g))
            return false;
        c->at[n] = '\0';
    }
    return true;
}

static bool same_member(struct compare *c, const char *key, const json_t *want, const json_t *got)
{
    if (got == NULL)
        return differ(c, "missing");
    if (json_is_array(want) && json_is_array(got)) {
        if (strcmp(key, "data") == 0)
            return same_data(c, want, got);
        if (strcmp(key, "outputs") == 0)
            return same_outputs(c, want, got);
    }
    return same_value(c, want, got);
}

static bool same_object(struct compare *c, const json_t *want, const json_t *got)
{
    const char *key;
    json_t *w;

    json_object_foreach((json_t *)(uintptr_t)want, key, w)
    {
        size_t n = descend(c, key, 0);

        if (!same_member(c, key, w, json_object_get(got, key)))
            return false;
        c->at[n] = '\0';
    }
    return true;
}

static bool same_value(struct compare *c, const json_t *want, const json_t *got)
{
    if (json_is_object(want) && json_is_object(got))
        return same_object(c, want, got);
    if (json_is_array(want) && json_is_array(got))
        return same_array(c, want, got);
    return same_scalar(c, want, got);
}

bool golden_matches(const struct golden *g, const char *answer, size_t n, char *why, size_t cap)
{
    json_t *got CLEANUP(json_decref_ptr) = NULL;
    struct compare c = {.tolerance = g->tolerance, .why = why, .cap = cap};

    if (json_parse(answer, n, JSON_MAX_DEPTH, &got, NULL) != ERR_OK)
        return differ(&c, "not JSON");
    return same_value(&c, g->expect, got);
}
