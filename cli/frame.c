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

static int n_lines(const char *text)
{
    int n = 0;
    for (; (text = strchr(text, '\n')); text++)
        n++;
    return n;
}

/* Draws at most `rows` lines (negative: all) behind *row others; returns what is left. */
static const char *draw_lines(const char *p, int columns, int rows, int *row, struct buf *out)
{
    for (int n = 0; *p && (rows < 0 || n < rows); n++) {
        buf_puts(out, *row ? "\r\n" : "");
        p = draw_line(p, columns, out);
        ++*row;
    }
    return p;
}

void frame_draw(const char *picture, const char *foot, int columns, int rows, struct buf *out)
{
    int row = 0;
    int n_foot = n_lines(foot);
    int room = rows == 0 ? -1 : rows > n_foot ? rows - n_foot : 0;
    bool is_cut = room > 0 && n_lines(picture) > room;
    buf_puts(out, "\033[H");
    picture = draw_lines(picture, columns, is_cut ? room - 1 : room, &row, out);
    if (is_cut) {
        buf_putf(out, "%s  ... %d more lines in a higher window\033[K", row ? "\r\n" : "",
                 n_lines(picture));
        row++;
    }
    draw_lines(foot, columns, rows == 0 ? -1 : rows - row, &row, out);
    buf_puts(out, "\033[J");
}
