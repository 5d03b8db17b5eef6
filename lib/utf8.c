/*
 * UTF-8 by the table of well-formed sequences (Unicode standard, table 3-7). Knows nothing of what
 * the text means. Pure: any thread.
 */
#include "utf8.h"

static bool is_tail(unsigned char c)
{
    return (c & 0xC0U) == 0x80U;
}

size_t utf8_next(const char *p, size_t n, uint32_t *code)
{
    if (n == 0)
        return 0;
    const unsigned char *u = (const unsigned char *)p;
    uint32_t c = u[0];
    size_t len = c < 0x80 ? 1 : c < 0xC2 ? 0 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : c < 0xF5 ? 4 : 0;
    if (len == 0 || len > n)
        return 0;
    if (len > 1)
        c &= 0x7FU >> len;
    for (size_t i = 1; i < len; i++) {
        if (!is_tail(u[i]))
            return 0;
        c = c << 6 | (u[i] & 0x3FU);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (c < least[len] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return 0;
    if (code)
        *code = c;
    return len;
}

bool utf8_ok(const char *p, size_t n)
{
    while (n) {
        size_t len = utf8_next(p, n, NULL);
        if (len == 0)
            return false;
        p += len;
        n -= len;
    }
    return true;
}

size_t utf8_plain(const char *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        uint32_t code = 0;
        size_t len = utf8_next(p + at, n - at, &code);
        if (len == 0 || utf8_is_control(code))
            return at;
        at += len;
    }
    return n;
}

bool utf8_is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}
