/*
 * Reads and edits settings in text files, line by line. Knows no setting. Pure: any thread.
 */
#include "ini.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096

/* One line, cut into what it is. */
struct line {
    enum { LINE_EMPTY, LINE_SECTION, LINE_KEY, LINE_BAD } kind;
    char section[128], subsection[256];
    char key[128], value[LINE_MAX_BYTES];
};

static const char *skip_blanks(const char *p)
{
    return p + strspn(p, " \t\r");
}

static bool is_comment(char c)
{
    return c == '#' || c == ';';
}

/* A word of letters, digits, '-' and '_', in lower case. */
static const char *read_word(const char *p, char *out, size_t room)
{
    size_t n = 0;
    for (; isalnum((unsigned char)*p) || *p == '-' || *p == '_'; p++)
        if (n + 1 < room)
            out[n++] = (char)tolower((unsigned char)*p);
    out[n] = '\0';
    return p;
}

/* Behind the opening quote; NULL when it is not closed or too long. */
static const char *read_quoted(const char *p, char *out, size_t room, size_t *used)
{
    size_t n = *used;
    for (; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        if (n + 1 >= room)
            return NULL;
        out[n++] = *p;
    }
    out[n] = '\0';
    *used = n;
    return *p ? p + 1 : NULL;
}

static bool read_section(const char *p, struct line *l)
{
    size_t n = 0;
    p = skip_blanks(read_word(skip_blanks(p), l->section, sizeof l->section));
    if (*p == '"')
        p = read_quoted(p + 1, l->subsection, sizeof l->subsection, &n);
    if (!p || !l->section[0])
        return false;
    p = skip_blanks(p);
    if (*p != ']')
        return false;
    p = skip_blanks(p + 1);
    return !*p || is_comment(*p);
}

static bool read_value(const char *p, struct line *l)
{
    size_t n = 0;
    size_t kept = 0; /* up to here nothing is a trailing blank */
    for (p = skip_blanks(p); *p && !is_comment(*p);) {
        if (*p == '"') {
            p = read_quoted(p + 1, l->value, sizeof l->value, &n);
            if (!p)
                return false;
            kept = n;
            continue;
        }
        if (n + 1 >= sizeof l->value)
            return false;
        l->value[n++] = *p++;
        if (!strchr(" \t\r", l->value[n - 1]))
            kept = n;
    }
    l->value[kept] = '\0';
    return true;
}

static void read_line(const char *text, struct line *l)
{
    const char *p = skip_blanks(text);
    l->kind = LINE_EMPTY;
    l->value[0] = l->key[0] = '\0';
    if (!*p || is_comment(*p))
        return;
    if (*p == '[') {
        l->section[0] = l->subsection[0] = '\0';
        l->kind = read_section(p + 1, l) ? LINE_SECTION : LINE_BAD;
        return;
    }
    p = skip_blanks(read_word(p, l->key, sizeof l->key));
    bool is_good = l->key[0] && *p == '=' && read_value(p + 1, l);
    l->kind = is_good ? LINE_KEY : LINE_BAD;
}

/* Copies the next line into `line`; the rest, or NULL at the end. A line that is too long comes as
 * one that is none. */
static const char *next_line(const char *text, char line[LINE_MAX_BYTES])
{
    if (!*text)
        return NULL;
    size_t n = strcspn(text, "\n");
    snprintf(line, LINE_MAX_BYTES, "%.*s", n < LINE_MAX_BYTES ? (int)n : 1, text);
    return text + n + (text[n] == '\n');
}

int ini_parse(const char *text, struct ini *out, struct err *e)
{
    struct line *l CLEANUP(mem_free_ptr) = mem_alloc(sizeof *l);
    char *line CLEANUP(mem_free_ptr) = mem_alloc(LINE_MAX_BYTES);
    int number = 0;
    *out = (struct ini){.n = 0};
    while ((text = next_line(text, line))) {
        number++;
        read_line(line, l);
        if (l->kind == LINE_BAD)
            return err_set(e, ERR_INVALID, "line %d is neither [section] nor key = value", number);
        if (l->kind != LINE_KEY)
            continue;
        out->entries = mem_resize(out->entries, out->n + 1, sizeof *out->entries);
        out->entries[out->n++] = (struct ini_entry){
            .section = arena_strdup(&out->arena, l->section),
            .subsection = arena_strdup(&out->arena, l->subsection),
            .key = arena_strdup(&out->arena, l->key),
            .value = arena_strdup(&out->arena, l->value),
            .line = number,
        };
    }
    return ERR_OK;
}

void ini_clear(struct ini *ini)
{
    free(ini->entries);
    arena_clear(&ini->arena);
    *ini = (struct ini){.n = 0};
}

const struct ini_entry *ini_find(const struct ini *ini, const char *section, const char *subsection,
                                 const char *key)
{
    for (size_t i = ini->n; i-- > 0;) {
        const struct ini_entry *x = &ini->entries[i];
        if (strcmp(x->section, section) == 0 && strcmp(x->subsection, subsection) == 0 &&
            strcmp(x->key, key) == 0)
            return x;
    }
    return NULL;
}

static void put_quoted(struct buf *out, const char *text)
{
    buf_putc(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
    buf_putc(out, '"');
}

static void put_entry(struct buf *out, const struct ini_entry *x)
{
    bool is_plain = *x->value && !strpbrk(x->value, "\"\\#;") &&
                    !isspace((unsigned char)*x->value) &&
                    !isspace((unsigned char)x->value[strlen(x->value) - 1]);
    buf_putf(out, "%s%s = ", *x->section ? "    " : "", x->key);
    if (is_plain)
        buf_puts(out, x->value);
    else
        put_quoted(out, x->value);
    buf_putc(out, '\n');
}

static void put_head(struct buf *out, const struct ini_entry *x)
{
    if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
    buf_putf(out, "[%s", x->section);
    if (*x->subsection) {
        buf_putc(out, ' ');
        put_quoted(out, x->subsection);
    }
    buf_puts(out, "]\n");
}

static bool is_in(const struct line *l, const char *section, const char *subsection)
{
    return strcmp(l->section, section) == 0 && strcmp(l->subsection, subsection) == 0;
}

void ini_set(const char *text, const struct ini_entry *place, struct buf *out)
{
    struct line *l CLEANUP(mem_free_ptr) = mem_alloc(sizeof *l);
    char *line CLEANUP(mem_free_ptr) = mem_alloc(LINE_MAX_BYTES);
    bool is_put = !place->value;
    bool was_in = is_in(l, place->section, place->subsection);
    for (const char *rest; (rest = next_line(text, line)); text = rest) {
        read_line(line, l);
        bool is_inside = is_in(l, place->section, place->subsection);
        if (was_in && !is_inside && !is_put) { /* the section ends here */
            put_entry(out, place);
            is_put = true;
        }
        was_in = is_inside;
        bool is_it = is_inside && l->kind == LINE_KEY && strcmp(l->key, place->key) == 0;
        if (is_it && !is_put)
            put_entry(out, place);
        is_put = is_put || is_it;
        if (!is_it)
            buf_put(out, text, (size_t)(rest - text));
    }
    if (is_put)
        return;
    if (!was_in)
        put_head(out, place);
    else if (out->len && out->data[out->len - 1] != '\n')
        buf_putc(out, '\n');
    put_entry(out, place);
}

void ini_drop(const char *text, const char *section, const char *subsection, struct buf *out)
{
    struct line *l CLEANUP(mem_free_ptr) = mem_alloc(sizeof *l);
    char *line CLEANUP(mem_free_ptr) = mem_alloc(LINE_MAX_BYTES);
    for (const char *rest; (rest = next_line(text, line)); text = rest) {
        read_line(line, l);
        if (!is_in(l, section, subsection))
            buf_put(out, text, (size_t)(rest - text));
    }
}
