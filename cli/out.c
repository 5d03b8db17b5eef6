/*
 * Terminal or pipe: tables, tones, relative times. Knows nothing of commands or the registry.
 */
#include "out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "when.h"

static int terminal_width(void)
{
    struct winsize size;
    const char *columns = getenv("COLUMNS");
    long n = columns ? strtol(columns, NULL, 10) : 0;
    if (n >= 20 && n <= 1000)
        return (int)n;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20)
        return size.ws_col;
    return 80;
}

void out_init(struct out *o)
{
    const char *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR");
    *o = (struct out){.columns = terminal_width()};
    o->stdout_is_tty = isatty(STDOUT_FILENO);
    o->stderr_is_tty = isatty(STDERR_FILENO);
    bool may_colour = !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
    o->has_colour = o->stdout_is_tty && may_colour;
    o->stderr_has_colour = o->stderr_is_tty && may_colour;
}

void out_say(const struct out *o, const char *fmt, ...)
{
    if (o->is_quiet || o->is_json)
        return;
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static const char *tone_code(enum tone tone)
{
    static const char *const codes[] = {
        [TONE_PLAIN] = "",        [TONE_GOOD] = "\033[32m", [TONE_BAD] = "\033[31m",
        [TONE_WARN] = "\033[33m", [TONE_FAINT] = "\033[2m", [TONE_STRONG] = "\033[1m",
    };
    return codes[tone];
}

const char *out_on(const struct out *o, enum tone tone)
{
    return o->has_colour ? tone_code(tone) : "";
}

const char *out_err_on(const struct out *o, enum tone tone)
{
    return o->stderr_has_colour ? tone_code(tone) : "";
}

const char *out_err_off(const struct out *o)
{
    return o->stderr_has_colour ? "\033[0m" : "";
}

char *out_clean(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            *p = ' ';
        else if (p[0] == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0) /* U+0080 to U+009F */
            p[0] = p[1] = ' ';
    }
    return text;
}

const char *out_off(const struct out *o)
{
    return o->has_colour ? "\033[0m" : "";
}

const char *out_ago(const struct out *o, const char *text, char buffer[40])
{
    int64_t ms;
    if (!text || !*text)
        return "";
    if (!o->stdout_is_tty || when_parse(text, &ms, NULL) != ERR_OK) {
        snprintf(buffer, 40, "%s", text);
        return buffer;
    }
    int64_t seconds = (int64_t)time(NULL) - ms / 1000;
    static const struct {
        int64_t unit;
        const char *word;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "min"}, {1, "s"}};
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (seconds >= units[i].unit) {
            snprintf(buffer, 40, "%lld %s ago", (long long)(seconds / units[i].unit),
                     units[i].word);
            return buffer;
        }
    }
    return "now";
}

const char *out_bytes(int64_t n, char buffer[24])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)n;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < ARRAY_LEN(units)) {
        value /= 1000;
        unit++;
    }
    snprintf(buffer, 24, unit && value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return buffer;
}

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

static void print_row(const struct table *t, size_t row, const int *widths)
{
    for (int c = 0; c < t->n_columns; c++) {
        size_t at = row * (size_t)t->n_columns + (size_t)c;
        bool is_last = c + 1 == t->n_columns;
        if (t->out->stdout_is_tty)
            print_cell(t, at, widths[c], is_last);
        else
            fputs(t->cells[at], stdout);
        fputs(is_last ? "\n" : t->out->stdout_is_tty ? "  " : "\t", stdout);
    }
}

/* Takes from the widest column until the rows fit; no column goes below 6. */
static void fit_widths(int *widths, int n, int columns)
{
    int total = 2 * (n - 1);
    for (int c = 0; c < n; c++)
        total += widths[c];
    for (; total > columns; total--) {
        int widest = 0;
        for (int c = 1; c < n; c++)
            if (widths[c] > widths[widest])
                widest = c;
        if (widths[widest] <= 6)
            return;
        widths[widest]--;
    }
}

void table_print(struct table *t)
{
    int widths[TABLE_MAX_COLUMNS] = {0};
    size_t columns = (size_t)t->n_columns;
    for (size_t i = 0; i < t->n_cells; i++) {
        int w = text_width(t->cells[i]);
        if (w > widths[i % columns])
            widths[i % columns] = w;
    }
    fit_widths(widths, t->n_columns, t->out->columns);
    for (size_t row = t->out->stdout_is_tty ? 0 : 1; row < t->n_cells / columns; row++)
        print_row(t, row, widths);
    table_clear(t);
}

void table_clear(struct table *t)
{
    free(t->cells);
    free(t->tones);
    arena_clear(&t->arena);
    *t = (struct table){.out = t->out};
}
