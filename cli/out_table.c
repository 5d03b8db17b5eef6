/*
 * Tables: rows are collected, then printed in aligned columns or as lines with tabs. Knows nothing
 * of commands or the registry.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "json.h"
#include "out.h"

#define WORDS_MIN_COLUMNS 24 /* less room than this beside a row is not worth having */
#define WORDS_INDENT 4

/* The columns that are printed, in their order. */
struct layout_of {
    int n;
    int columns[TABLE_MAX_COLUMNS];
    int widths[TABLE_MAX_COLUMNS];
    int indent;    /* where the last column begins, if its text goes over several lines; else 0 */
    bool is_below; /* it stands below the row: there is no room beside it */
};

void table_init(struct table *t, const struct out *o, int n, const char *const *heads)
{
    *t = (struct table){.out = o, .n_columns = n};
    for (int i = 0; i < n; i++)
        table_cell(t, TONE_FAINT, heads[i]);
}

void table_cell(struct table *t, enum tone tone, const char *text)
{
    if (t->n_cells == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = mem_resize(t->cells, t->cap, sizeof *t->cells);
        t->tones = mem_resize(t->tones, t->cap, sizeof *t->tones);
    }
    t->cells[t->n_cells] = out_clean(arena_strdup(&t->arena, text && *text ? text : "-"));
    t->tones[t->n_cells++] = tone;
}

void table_cellf(struct table *t, enum tone tone, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    table_cell(t, tone, text);
}

/* Width on screen: bytes that start a UTF-8 character. */
static int text_width(const char *s)
{
    int n = 0;
    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

/* Bytes of the first n characters of s. */
static int text_bytes(const char *s, int n)
{
    int i = 0;
    for (; s[i]; i++)
        if (((unsigned char)s[i] & 0xc0) != 0x80 && n-- == 0)
            break;
    return i;
}

static void print_cell(const struct table *t, size_t at, int width, bool is_last)
{
    const char *text = t->cells[at];
    int n = text_width(text);
    bool is_cut = n > width;
    int bytes = text_bytes(text, is_cut ? width - 1 : n);
    printf("%s%.*s%s%s%*s", out_on(t->out, t->tones[at]), bytes, text, is_cut ? "…" : "",
           out_off(t->out), is_last || is_cut ? 0 : width - n, "");
}

/* Bytes of text that fit into so many characters, up to a blank if there is one. */
static int line_bytes(const char *text, int width)
{
    int n = text_bytes(text, width);
    int at = n;
    if (!text[n])
        return n;
    while (at > 0 && text[at] != ' ')
        at--;
    return at ? at : n;
}

/* The last cell of a row over several lines, each behind `indent` blanks; the first one goes on
 * where the row has come to, or stands below it. */
static void print_words(const struct table *t, size_t row, size_t at, const struct layout_of *l)
{
    const char *text = t->cells[at];
    int width = t->out->columns - l->indent;
    bool is_first = !l->is_below;
    bool is_left_out = l->is_below && (row == 0 || strcmp(text, "-") == 0);
    if (l->is_below)
        putchar('\n');
    while (*text && !is_left_out) {
        int n = line_bytes(text, width);
        printf("%*s%s%.*s%s\n", is_first ? 0 : l->indent, "", out_on(t->out, t->tones[at]), n, text,
               out_off(t->out));
        text += n;
        text += strspn(text, " ");
        is_first = false;
    }
}

static void print_row(const struct table *t, size_t row, const struct layout_of *l)
{
    bool is_aligned = out_is_aligned(t->out);
    for (int i = 0; i < l->n; i++) {
        size_t at = row * (size_t)t->n_columns + (size_t)l->columns[i];
        bool is_last = i + 1 == l->n;
        if (is_last && l->indent) {
            print_words(t, row, at, l);
            continue;
        }
        bool is_end = is_last || (l->is_below && i + 2 == l->n);
        if (is_aligned)
            print_cell(t, at, l->widths[i], is_end);
        else
            fputs(t->cells[at], stdout);
        fputs(is_last ? "\n" : !is_aligned ? "\t" : is_end ? "" : "  ", stdout);
    }
}

static int total_width(const struct layout_of *l, int n)
{
    int total = 2 * (n - 1);
    for (int c = 0; c < n; c++)
        total += l->widths[c];
    return total;
}

/* Takes from the widest column until the rows fit; no column goes below 6. */
static void fit_widths(struct layout_of *l, int n, int columns)
{
    for (int total = total_width(l, n); total > columns; total--) {
        int widest = 0;
        for (int c = 1; c < n; c++)
            if (l->widths[c] > l->widths[widest])
                widest = c;
        if (l->widths[widest] <= 6)
            return;
        l->widths[widest]--;
    }
}

/* Leaves out what matters less, until the rows fit. */
static void leave_out(const struct table *t, struct layout_of *l)
{
    const char *const *head = t->out->wanted ? NULL : t->lesser;
    for (; head && *head && total_width(l, l->n) > t->out->columns; head++)
        for (int i = 0; i < l->n; i++) {
            if (strcmp(t->cells[l->columns[i]], *head) != 0)
                continue;
            l->n--;
            memmove(l->columns + i, l->columns + i + 1, (size_t)(l->n - i) * sizeof *l->columns);
            memmove(l->widths + i, l->widths + i + 1, (size_t)(l->n - i) * sizeof *l->widths);
            break;
        }
}

/* Gives the rest of the line to the last column, or the lines below the row when that is little. */
static void fit_words(const struct table *t, struct layout_of *l)
{
    int others = 0;
    for (int i = 0; i + 1 < l->n; i++)
        others += l->widths[i] + 2;
    if (others + l->widths[l->n - 1] <= t->out->columns)
        return;
    l->is_below = t->out->columns - others < WORDS_MIN_COLUMNS;
    l->indent = l->is_below ? WORDS_INDENT : others;
    l->widths[l->n - 1] = 0;
}

static int find_column(const struct table *t, const char *name, size_t n)
{
    for (int c = 0; c < t->n_columns; c++)
        if (strlen(t->cells[c]) == n && strncasecmp(t->cells[c], name, n) == 0)
            return c;
    return -1;
}

static void report_column(const struct table *t, const char *name, int n)
{
    const char *heads[TABLE_MAX_COLUMNS + 1] = {NULL};
    char word[64];
    for (int c = 0; c < t->n_columns; c++)
        heads[c] = t->cells[c];
    snprintf(word, sizeof word, "%.*s", n, name);
    for (char *p = word; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    const char *near = json_nearest(word, heads);
    size_t used =
        (size_t)snprintf(t->out->fault, OUT_FAULT_BYTES, "--columns: no column \"%.40s\"; ", word);
    if (near) {
        snprintf(t->out->fault + used, OUT_FAULT_BYTES - used, "did you mean %s?", near);
        return;
    }
    for (int c = 0; c < t->n_columns && used < OUT_FAULT_BYTES; c++)
        used += (size_t)snprintf(t->out->fault + used, OUT_FAULT_BYTES - used, "%s%s",
                                 c ? ", " : "there are ", heads[c]);
}

/* Which columns, in which order. False when one does not exist. */
static bool choose_columns(const struct table *t, struct layout_of *l)
{
    const char *p = t->out->wanted;
    if (!p) {
        for (l->n = 0; l->n < t->n_columns; l->n++)
            l->columns[l->n] = l->n;
        return true;
    }
    while (*p && l->n < TABLE_MAX_COLUMNS) {
        size_t n = strcspn(p, ",");
        int c = find_column(t, p, n);
        if (c < 0) {
            report_column(t, p, (int)n);
            return false;
        }
        l->columns[l->n++] = c;
        p += n + (p[n] == ',');
    }
    return true;
}

void table_print(struct table *t)
{
    struct layout_of l = {.n = 0};
    size_t n = (size_t)t->n_columns;
    if (!choose_columns(t, &l)) {
        table_clear(t);
        return;
    }
    bool is_aligned = out_is_aligned(t->out);
    bool has_heads = is_aligned && !t->out->is_headless;
    for (size_t row = has_heads ? 0 : 1; row < t->n_cells / n; row++) {
        for (int i = 0; i < l.n; i++) {
            int w = text_width(t->cells[row * n + (size_t)l.columns[i]]);
            l.widths[i] = w > l.widths[i] ? w : l.widths[i];
        }
    }
    bool is_bounded = t->out->stdout_is_tty && t->out->format != FORMAT_WIDE;
    bool has_words = t->is_wordy && l.n > 1 && l.columns[l.n - 1] == t->n_columns - 1;
    if (is_bounded && is_aligned)
        leave_out(t, &l);
    if (is_bounded && is_aligned && has_words)
        fit_words(t, &l);
    if (is_bounded)
        fit_widths(&l, l.n - (l.indent > 0), t->out->columns);
    for (size_t row = has_heads ? 0 : 1; row < t->n_cells / n; row++)
        print_row(t, row, &l);
    table_clear(t);
}

void table_clear(struct table *t)
{
    free(t->cells);
    free(t->tones);
    arena_clear(&t->arena);
    *t = (struct table){.out = t->out};
}
