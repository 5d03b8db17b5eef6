/*
 * Prometheus text format, version 0.0.4 (and the parts of OpenMetrics that look alike): what a
 * serving node says about itself. The text comes from somebody else's process, so every step is
 * bounded by the end of the text. Knows nothing about which metrics matter. Any thread.
 */
#include "prom.h"

#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER_BYTES 63

void prom_init(struct prom *p, const char *text, size_t n)
{
    p->at = text;
    p->end = text + n;
    p->n_samples = 0;
    p->n_bad = 0;
}

static bool is_name_byte(char c, bool is_first)
{
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':')
        return true;
    return !is_first && c >= '0' && c <= '9';
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t'))
        at++;
    return at;
}

/* Length of the name at `at`, 0 if there is none or it is too long. */
static size_t read_name(const char *at, const char *end)
{
    size_t n = 0;

    while (at + n < end && is_name_byte(at[n], n == 0))
        n++;
    return n <= PROM_MAX_NAME_BYTES ? n : 0;
}

/* Reads the quoted value at *at and moves behind the closing quote. */
static bool read_quoted(const char **at, const char *end, struct prom_label *label)
{
    const char *p = *at;

    if (p >= end || *p != '"')
        return false;
    label->value = ++p;
    while (p < end && *p != '"') {
        if (*p == '\\' && ++p >= end)
            return false;
        p++;
    }
    if (p >= end)
        return false;
    label->value_len = (size_t)(p - label->value);
    *at = p + 1;
    return true;
}

/* Reads one `name="value"` and the comma that may follow. */
static bool read_label(const char **at, const char *end, struct prom_label *label)
{
    const char *p = *at;

    label->name = p;
    label->name_len = read_name(p, end);
    if (label->name_len == 0)
        return false;
    p = skip_blanks(p + label->name_len, end);
    if (p >= end || *p != '=')
        return false;
    p = skip_blanks(p + 1, end);
    if (!read_quoted(&p, end, label))
        return false;
    p = skip_blanks(p, end);
    if (p < end && *p == ',')
        p = skip_blanks(p + 1, end);
    else if (p >= end || *p != '}')
        return false;
    *at = p;
    return true;
}

static bool read_labels(const char **at, const char *end, struct prom_sample *out)
{
    const char *p = *at;

    if (p >= end || *p != '{')
        return true;
    p = skip_blanks(p + 1, end);
    while (p < end && *p != '}') {
        if (out->n_labels == PROM_MAX_LABELS || !read_label(&p, end, &out->labels[out->n_labels]))
            return false;
        out->n_labels++;
    }
    if (p >= end)
        return false;
    *at = p + 1;
    return true;
}

/* A decimal number or Inf or NaN; a timestamp or an exemplar may follow and is ignored. */
static bool read_value(const char *at, const char *end, double *out)
{
    char text[MAX_NUMBER_BYTES + 1];
    char *stop;
    size_t n = 0;

    while (at + n < end && at[n] != ' ' && at[n] != '\t') {
        if (n == MAX_NUMBER_BYTES || strchr("xXpP(", at[n]))
            return false;
        text[n] = at[n];
        n++;
    }
    text[n] = '\0';
    if (n == 0)
        return false;
    *out = strtod(text, &stop);
    return *stop == '\0';
}

static bool read_line(const char *at, const char *end, struct prom_sample *out)
{
    out->n_labels = 0;
    out->name = at;
    out->name_len = read_name(at, end);
    if (out->name_len == 0)
        return false;
    at = skip_blanks(at + out->name_len, end);
    return read_labels(&at, end, out) && read_value(skip_blanks(at, end), end, &out->value);
}

bool prom_next(struct prom *p, struct prom_sample *out)
{
    while (p->at < p->end) {
        const char *line = skip_blanks(p->at, p->end);
        const char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));

        if (end == NULL)
            end = p->end;
        p->at = end < p->end ? end + 1 : end;
        if (end > line && end[-1] == '\r')
            end--;
        if (line >= end || *line == '#')
            continue;
        if (read_line(line, end, out)) {
            p->n_samples++;
            return true;
        }
        p->n_bad++;
    }
    return false;
}

static bool begins_line(const char *from, const char *at)
{
    while (at > from && (at[-1] == ' ' || at[-1] == '\t'))
        at--;
    return at == from || at[-1] == '\n';
}

bool prom_seek(struct prom *p, const char *text)
{
    size_t n = strlen(text);
    const char *from = p->at;
    for (const char *at = from; at < p->end; at++) {
        at = memmem(at, (size_t)(p->end - at), text, n);
        if (at == NULL)
            break;
        if (begins_line(from, at)) {
            p->at = at;
            return true;
        }
    }
    p->at = p->end;
    return false;
}

bool prom_is(const struct prom_sample *s, const char *name)
{
    return strlen(name) == s->name_len && memcmp(name, s->name, s->name_len) == 0;
}

/* Compares an escaped value with a plain one. */
static bool value_is(const struct prom_label *l, const char *plain)
{
    for (size_t i = 0; i < l->value_len; i++, plain++) {
        char c = l->value[i];

        if (c == '\\' && i + 1 < l->value_len) {
            c = l->value[++i];
            if (c == 'n')
                c = '\n';
        }
        if (c == '\0' || c != *plain)
            return false;
    }
    return *plain == '\0';
}

bool prom_has(const struct prom_sample *s, const char *label, const char *value)
{
    for (int i = 0; i < s->n_labels; i++) {
        const struct prom_label *l = &s->labels[i];

        if (strlen(label) == l->name_len && memcmp(label, l->name, l->name_len) == 0)
            return value_is(l, value);
    }
    return false;
}
