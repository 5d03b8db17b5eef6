/*
 * Redrawing a terminal without flicker. Knows escape sequences and UTF-8, not what is drawn. Pure.
 */
#include "frame.h"

#include <stdbool.h>
#include <string.h>

/* Length of the escape sequence at p ("\033[…m"), 0 if there is none. */
static size_t escape_length(const char *p)
{
    if (p[0] != '\033' || p[1] != '[')
        return 0;
    size_t n = 2 + strspn(p + 2, "0123456789;");
    return p[n] ? n + 1 : n;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* Copies one line up to `columns` characters; returns the rest of the text behind its end. */
static const char *draw_line(const char *p, int columns, struct buf *out)
{
    int n = 0;
    while (*p && *p != '\n') {
        size_t escape = escape_length(p);
        if (escape) {
            buf_put(out, p, escape);
            p += escape;
            continue;
        }
        n += begins_character(*p);
        if (n <= columns)
            buf_putc(out, *p);
        p++;
    }
    buf_puts(out, n > columns ? "\033[0m\033[K" : "\033[K");
    return *p ? p + 1 : p;
}

void frame_draw(const char *picture, int columns, int rows, struct buf *out)
{
    const char *p = picture;
    buf_puts(out, "\033[H");
    for (int row = 0; *p && (rows == 0 || row < rows); row++) {
        buf_puts(out, row ? "\r\n" : "");
        p = draw_line(p, columns, out);
    }
    buf_puts(out, "\033[J");
}
