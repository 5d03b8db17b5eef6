/*
 * Queries to Prometheus as text. Values come as decimal strings and are kept in millionths; what is
 * not a number says nothing. Knows nothing of rollouts or of sending. Pure; any thread.
 */
#include "promql.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json.h"

#define MAX_DEPTH 12
#define MOST 9e12

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

void promql_expand(const char *query, const struct promql_word *words, size_t n, struct buf *out)
{
    while (*query != '\0') {
        size_t plain = strcspn(query, "$");
        buf_put(out, query, plain);
        query += plain;
        if (*query == '\0')
            return;
        size_t len = 1;
        while (is_word(query[len]))
            len++;
        const char *value = NULL;
        for (size_t i = 0; i < n; i++) {
            if (strlen(words[i].name) == len - 1 && memcmp(words[i].name, query + 1, len - 1) == 0)
                value = words[i].value;
        }
        if (value != NULL)
            buf_puts(out, value);
        else
            buf_put(out, query, len);
        query += len;
    }
}

void promql_add_name(struct buf *regex, const char *name)
{
    if (regex->len > 0)
        buf_putc(regex, '|');
    for (; *name != '\0'; name++) {
        if (strchr("\\.+*?()|[]{}^$\"", *name) != NULL)
            buf_puts(regex, "\\\\");
        if (*name == '\\' || *name == '"')
            buf_putc(regex, '\\');
        buf_putc(regex, *name);
    }
}

void promql_add_quoted(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

void promql_body(const char *query, struct buf *out)
{
    buf_puts(out, "query=");
    for (; *query != '\0'; query++) {
        unsigned char c = (unsigned char)*query;
        if (is_word((char)c) || c == '-' || c == '.' || c == '~')
            buf_putc(out, (char)c);
        else
            buf_putf(out, "%%%02X", c);
    }
}

/* How far beyond its limits a value is: larger is worse. */
static int64_t badness(int64_t v, const struct window_limits *l)
{
    int64_t over = l->has_max ? v - l->max_micro : INT64_MIN;
    int64_t under = l->has_min ? l->min_micro - v : INT64_MIN;
    return over > under ? over : under;
}

/* [time, "value"] */
static void take_value(const json_t *pair, const struct window_limits *l,
                       struct window_reading *out)
{
    const char *text = json_string_value(json_array_get(pair, 1));
    char *end = NULL;
    double v = text != NULL ? strtod(text, &end) : NAN;
    if (text == NULL || end == text || *end != '\0' || isnan(v))
        return;
    v = v > MOST ? MOST : v < -MOST ? -MOST : v;
    int64_t micro = llround(v * 1e6);
    if (out->look == WINDOW_VALUE && badness(out->value_micro, l) >= badness(micro, l))
        return;
    out->look = WINDOW_VALUE;
    out->value_micro = micro;
}

static void read_result(const json_t *data, const struct window_limits *l,
                        struct window_reading *out)
{
    const char *type = json_string_value(json_object_get(data, "resultType"));
    const json_t *result = json_object_get(data, "result");
    if (type != NULL && strcmp(type, "scalar") == 0) {
        take_value(result, l, out);
        return;
    }
    for (size_t i = 0; i < json_array_size(result); i++)
        take_value(json_object_get(json_array_get(result, i), "value"), l, out);
}

void promql_read(int status, const char *body, size_t n, const struct window_limits *l,
                 struct window_reading *out, char why[160])
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    out->look = WINDOW_ERROR;
    out->value_micro = 0;
    why[0] = '\0';
    if (json_parse(body, n, MAX_DEPTH, &j, NULL) != ERR_OK || !json_is_object(j)) {
        snprintf(why, 160, "Prometheus answered %d without JSON", status);
        return;
    }
    const char *word = json_string_value(json_object_get(j, "status"));
    const char *error = json_string_value(json_object_get(j, "error"));
    const json_t *data = json_object_get(j, "data");
    if (status != 200 || word == NULL || strcmp(word, "success") != 0) {
        snprintf(why, 160, "Prometheus answered %d: %.110s", status,
                 error != NULL ? error : "no reason given");
        return;
    }
    const char *type = json_string_value(json_object_get(data, "resultType"));
    bool is_known = type != NULL && (strcmp(type, "scalar") == 0 || strcmp(type, "vector") == 0);
    if (!is_known) {
        snprintf(why, 160, "the query gives no vector and no scalar");
        return;
    }
    out->look = WINDOW_EMPTY;
    read_result(data, l, out);
}
