/*
 * The response writer: JSON text straight into a buffer, commas by itself. Misuse (unbalanced
 * calls, too deep) is a bug and stops the process. Pure: any thread, one writer per thread.
 */
#include "jsonw.h"
#include "utf8.h"
#include "when.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool holds, const char *what)
{
    if (holds)
        return;
    fprintf(stderr, "jsonw: %s\n", what);
    abort();
}

void jsonw_init(struct jsonw *w, struct buf *out)
{
    *w = (struct jsonw){.out = out};
}

static const char *escape_of(char c, char text[8])
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    const char *p = strchr(from, c);
    if (c && p)
        snprintf(text, 8, "\\%c", to[p - from]);
    else
        snprintf(text, 8, "\\u%04x", (unsigned)(unsigned char)c);
    return text;
}

/* Runs of bytes that need no change are copied at once. */
static void put_text(struct buf *out, const char *s, size_t n)
{
    char text[8];
    size_t from = 0;
    size_t i = 0;
    buf_putc(out, '"');
    while (i < n) {
        unsigned char c = (unsigned char)s[i];
        size_t len = c < 0x80 ? 1 : utf8_next(s + i, n - i, NULL);
        if (len && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        buf_put(out, s + from, i - from);
        buf_puts(out, len ? escape_of(s[i], text) : "\xEF\xBF\xBD");
        from = ++i;
    }
    buf_put(out, s + from, n - from);
    buf_putc(out, '"');
}

/* What comes in front of every value: a comma if needed, and the key. */
static void begin_value(struct jsonw *w, const char *key)
{
    bool keyed = w->depth > 0 && !w->in_array[w->depth - 1];
    must(keyed == (key != NULL), "a key goes with members of an object only");
    if (w->depth == 0)
        return;
    if (w->has_items[w->depth - 1])
        buf_putc(w->out, ',');
    w->has_items[w->depth - 1] = true;
    if (key) {
        put_text(w->out, key, strlen(key));
        buf_putc(w->out, ':');
    }
}

static void open_level(struct jsonw *w, const char *key, bool is_array)
{
    must(w->depth < JSONW_MAX_DEPTH, "nested too deep");
    begin_value(w, key);
    buf_putc(w->out, is_array ? '[' : '{');
    w->in_array[w->depth] = is_array;
    w->has_items[w->depth] = false;
    w->depth++;
}

void jsonw_object(struct jsonw *w, const char *key)
{
    open_level(w, key, false);
}

void jsonw_array(struct jsonw *w, const char *key)
{
    open_level(w, key, true);
}

void jsonw_end(struct jsonw *w)
{
    must(w->depth > 0, "nothing to end");
    w->depth--;
    buf_putc(w->out, w->in_array[w->depth] ? ']' : '}');
}

void jsonw_str(struct jsonw *w, const char *key, const char *s)
{
    if (s)
        jsonw_strn(w, key, s, strlen(s));
    else if (!key)
        jsonw_raw(w, NULL, "null", 4); /* an item of an array has to be something */
}

void jsonw_strn(struct jsonw *w, const char *key, const char *s, size_t n)
{
    begin_value(w, key);
    put_text(w->out, s, n);
}

void jsonw_strf(struct jsonw *w, const char *key, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    must(n >= 0, "bad format");
    if ((size_t)n < sizeof text) {
        jsonw_strn(w, key, text, (size_t)n);
        return;
    }
    CLEANUP(mem_free_ptr) char *longer = mem_alloc((size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(longer, (size_t)n + 1, fmt, ap);
    va_end(ap);
    jsonw_strn(w, key, longer, (size_t)n);
}

void jsonw_int(struct jsonw *w, const char *key, int64_t v)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t left = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    begin_value(w, key);
    do
        digits[--at] = (char)('0' + left % 10);
    while ((left /= 10) != 0);
    if (v < 0)
        digits[--at] = '-';
    buf_put(w->out, digits + at, sizeof digits - at);
}

/* Six places after the point for what is counted or timed; six digits for the very small and the
 * very large. */
void jsonw_real(struct jsonw *w, const char *key, double v)
{
    if (!isfinite(v))
        return;
    char text[40];
    double size = fabs(v);
    if (size < 1 || size >= 1e15) {
        snprintf(text, sizeof text, "%.6g", size > 0 ? v : 0.0);
    } else {
        int n = snprintf(text, sizeof text, "%.6f", v);
        while (text[n - 1] == '0')
            n--;
        if (text[n - 1] == '.')
            n--;
        text[n] = '\0';
    }
    begin_value(w, key);
    buf_puts(w->out, text);
}

void jsonw_bool(struct jsonw *w, const char *key, bool v)
{
    begin_value(w, key);
    buf_puts(w->out, v ? "true" : "false");
}

void jsonw_time(struct jsonw *w, const char *key, int64_t ms)
{
    char text[WHEN_TEXT_BYTES];
    if (ms != 0)
        jsonw_str(w, key, when_format(ms, text));
}

void jsonw_raw(struct jsonw *w, const char *key, const char *json, size_t n)
{
    begin_value(w, key);
    buf_put(w->out, json, n);
}
