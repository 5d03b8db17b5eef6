/*
 * The statement: who says what a version is, with its metrics, parameters and lineage. Declared in
 * manifest.h. Knows nothing of signatures. Pure: any thread.
 */
#include "manifest.h"
#include "name.h"
#include "utf8.h"
#include "when.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define KIND "mreg.statement"
#define PAIRS_MAX 256
#define PAIR_KEY_MAX_BYTES 128
#define PAIR_VALUE_MAX_BYTES 4096
#define DECIMAL_MAX_BYTES 64
#define TEXT_MAX_BYTES 255

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9')
        p++;
    return p;
}

/* JSON's grammar of numbers, and finite as a double, because gates compare doubles. */
static bool is_decimal(const char *text)
{
    const char *p = text + (*text == '-');
    const char *digits = p;
    p = skip_digits(p);
    if (p == digits || (*digits == '0' && p > digits + 1))
        return false;
    if (*p == '.') {
        digits = ++p;
        p = skip_digits(p);
        if (p == digits)
            return false;
    }
    if (*p == 'e' || *p == 'E') {
        p++;
        p += *p == '+' || *p == '-';
        digits = p;
        p = skip_digits(p);
        if (p == digits)
            return false;
    }
    return !*p && strlen(text) <= DECIMAL_MAX_BYTES && isfinite(strtod(text, NULL));
}

/* The shortest text that reads back as v. */
static const char *decimal_of(double v, struct arena *a)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, v);
        if (strtod(text, NULL) <= v && strtod(text, NULL) >= v)
            break;
    }
    return arena_strdup(a, text);
}

static bool has_control(const char *text)
{
    uint32_t code = 0;
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        size_t len = utf8_next(text + i, n - i, &code);
        if (len == 0 || utf8_is_control(code))
            return true;
        i += len;
    }
    return false;
}

/* The text of a value, in arena; NULL when it may not be one. */
static const char *value_text(const json_t *v, bool decimals, struct arena *a)
{
    if (decimals && json_is_integer(v))
        return arena_printf(a, "%" PRId64, (int64_t)json_integer_value(v));
    if (decimals && json_is_real(v))
        return decimal_of(json_real_value(v), a);
    const char *s = json_string_value(v);
    if (!s || strlen(s) != json_string_length(v) || strlen(s) > PAIR_VALUE_MAX_BYTES)
        return NULL;
    return decimals && !is_decimal(s) ? NULL : arena_strdup(a, s);
}

static int read_pair(const char *key, const json_t *v, bool decimals, struct arena *a,
                     struct pair *out)
{
    size_t n = strlen(key);
    if (n == 0 || n > PAIR_KEY_MAX_BYTES || has_control(key))
        return ERR_INVALID;
    out->key = arena_strdup(a, key);
    out->value = value_text(v, decimals, a);
    return out->value ? ERR_OK : ERR_INVALID;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a;
    const struct pair *y = b;
    return strcmp(x->key, y->key);
}

int pairs_from_json(const json_t *j, const char *at, bool decimals, struct arena *a,
                    struct pairs *out, struct err *e)
{
    struct pairs p = {0};
    if (j && !json_is_object(j))
        return err_at(e, ERR_INVALID, at, "must be an object");
    if (json_object_size(j) > PAIRS_MAX)
        return err_at(e, ERR_INVALID, at, "must have at most %d members", PAIRS_MAX);
    p.items = arena_alloc(a, json_object_size(j) * sizeof *p.items);
    /* Jansson's iterators take a pointer to non-const but do not write to the object. */
    json_t *o = (json_t *)(uintptr_t)j;
    for (void *it = json_object_iter(o); it; it = json_object_iter_next(o, it)) {
        const char *key = json_object_iter_key(it);
        if (read_pair(key, json_object_iter_value(it), decimals, a, &p.items[p.n++]) == ERR_OK)
            continue;
        int rc = err_set(e, ERR_INVALID,
                         "\"%.64s\": the name must be 1 to %d bytes without control characters, "
                         "the value %s of at most %d bytes",
                         key, PAIR_KEY_MAX_BYTES, decimals ? "a finite decimal number" : "text",
                         decimals ? DECIMAL_MAX_BYTES : PAIR_VALUE_MAX_BYTES);
        return json_blame(rc, at, key, e);
    }
    qsort(p.items, p.n, sizeof *p.items, compare_pairs);
    *out = p;
    return ERR_OK;
}

static json_t *pairs_to_json(const struct pairs *p)
{
    json_t *j = json_object();
    for (size_t i = 0; i < p->n; i++) {
        if (json_object_set_new(j, p->items[i].key, json_string(p->items[i].value)) == 0)
            continue;
        json_decref(j);
        return NULL;
    }
    return j;
}

int statement_write(const struct statement *s, struct buf *out, struct digest *digest,
                    struct err *e)
{
    char content[DIGEST_TEXT_BYTES];
    char created[WHEN_TEXT_BYTES];
    /* json_pack takes over the three objects also when it fails. */
    CLEANUP(json_decref_ptr)
    json_t *j =
        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "kind", KIND,
                  "schema", 1, "registry", s->registry, "model", s->model, "publisher",
                  s->publisher, "format", s->format, "created", when_format(s->created_ms, created),
                  "content", digest_text(&s->content, content), "version", (json_int_t)s->version,
                  "metrics", pairs_to_json(&s->metrics), "params", pairs_to_json(&s->params),
                  "lineage", pairs_to_json(&s->lineage));
    if (!j)
        return err_set(e, ERR_INVALID, "a text of the statement is missing or not UTF-8");
    return manifest_put_document(j, out, digest, e);
}

/* A required text of 1..TEXT_MAX_BYTES bytes, copied into the arena. */
static int read_text(const json_t *j, const char *key, struct arena *a, const char **out,
                     struct err *e)
{
    const char *s = NULL;
    int rc = json_get_str(j, "", key, TEXT_MAX_BYTES, &s, e);
    if (rc != ERR_OK)
        return rc;
    if (!*s)
        return json_blame(err_set(e, ERR_INVALID, "\"%s\" must not be empty", key), "", key, e);
    *out = arena_strdup(a, s);
    return ERR_OK;
}

static int check_kind(const json_t *j, struct err *e)
{
    const char *kind = NULL;
    int64_t schema = 0;
    int rc = json_get_str(j, "", "kind", 64, &kind, e);
    if (rc != ERR_OK)
        return rc;
    if (strcmp(kind, KIND) != 0)
        return json_blame(err_set(e, ERR_INVALID, "\"kind\" must be \"" KIND "\""), "", "kind", e);
    return json_get_int(j, "", "schema", 1, 1, &schema, e);
}

static int read_texts(const json_t *j, struct arena *a, struct statement *s, struct err *e)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"registry", &s->registry},
                 {"model", &s->model},
                 {"publisher", &s->publisher},
                 {"format", &s->format}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        int rc = read_text(j, texts[i].key, a, texts[i].out, e);
        if (rc != ERR_OK)
            return rc;
    }
    int rc = json_blame(name_check_model(s->model, e), "", "model", e);
    if (rc != ERR_OK)
        return rc;
    return json_blame(manifest_check_format(s->format, e), "", "format", e);
}

/* Only the form that statement_write gives: reading and writing again must give equal bytes. */
static int read_created(const json_t *j, int64_t *out, struct err *e)
{
    char again[WHEN_TEXT_BYTES];
    const char *text = NULL;
    int64_t ms = 0;
    int rc = json_get_str(j, "", "created", WHEN_TEXT_BYTES, &text, e);
    if (rc != ERR_OK)
        return rc;
    rc = when_parse(text, &ms, e);
    if (rc == ERR_OK && strcmp(when_format(ms, again), text) != 0)
        rc = err_set(e, ERR_INVALID, "\"created\" is not in UTC or not in the usual form");
    if (rc == ERR_OK)
        *out = ms;
    return json_blame(rc, "", "created", e);
}

static int read_content(const json_t *j, struct digest *out, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_str(j, "", "content", DIGEST_TEXT_BYTES, &text, e);
    if (rc != ERR_OK)
        return rc;
    if (strncmp(text, "sha256:", 7) != 0)
        rc = err_set(e, ERR_INVALID, "\"content\" must start with \"sha256:\"");
    else
        rc = digest_parse(text, out, e);
    return json_blame(rc, "", "content", e);
}

static int read_pairs(const json_t *j, struct arena *a, struct statement *s, struct err *e)
{
    const struct {
        const char *key;
        const char *at;
        bool decimals;
        struct pairs *out;
    } sets[] = {{"metrics", "/metrics", true, &s->metrics},
                {"params", "/params", false, &s->params},
                {"lineage", "/lineage", false, &s->lineage}};
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        json_t *set = json_object_get(j, sets[i].key);
        if (!set)
            return err_at(e, ERR_INVALID, sets[i].at, "\"%s\" is missing", sets[i].key);
        int rc = pairs_from_json(set, sets[i].at, sets[i].decimals, a, sets[i].out, e);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

int statement_from_json(const json_t *j, struct arena *a, struct statement *out, struct err *e)
{
    static const char *const known[] = {"content", "created", "format", "kind",      "lineage",
                                        "metrics", "model",   "params", "publisher", "registry",
                                        "schema",  "version", NULL};
    struct statement s = {0};
    int rc = json_only(j, "", known, e);
    if (rc == ERR_OK)
        rc = check_kind(j, e);
    if (rc == ERR_OK)
        rc = read_texts(j, a, &s, e);
    if (rc == ERR_OK)
        rc = read_created(j, &s.created_ms, e);
    if (rc == ERR_OK)
        rc = read_content(j, &s.content, e);
    if (rc == ERR_OK)
        rc = json_get_int(j, "", "version", 1, JSON_MAX_INT, &s.version, e);
    if (rc == ERR_OK)
        rc = read_pairs(j, a, &s, e);
    if (rc == ERR_OK)
        *out = s;
    return rc;
}
