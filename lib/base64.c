/*
 * Base64 both ways, strictly: one text per value. Knows nothing of what the bytes are. Pure: any
 * thread.
 */
#include "base64.h"

#include <string.h>

static const char *const alphabets[] = {
    [BASE64_STANDARD] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    [BASE64_URL] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

char *base64_encode(enum base64_kind kind, const void *p, size_t n, struct arena *a)
{
    const uint8_t *b = p;
    char *out = arena_alloc(a, (n + 2) / 3 * 4 + 1);
    char *at = out;
    for (size_t i = 0; i < n; i += 3) {
        size_t left = n - i;
        uint32_t bits = (uint32_t)b[i] << 16;
        bits |= left > 1 ? (uint32_t)b[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)b[i + 2] : 0;
        size_t letters = left > 2 ? 4 : left + 1;
        for (size_t k = 0; k < letters; k++)
            *at++ = alphabets[kind][bits >> (18 - 6 * k) & 63];
        for (size_t k = letters; k < 4 && kind == BASE64_STANDARD; k++)
            *at++ = '=';
    }
    return out;
}

/* Length without padding; SIZE_MAX when the padding is not what the kind wants. */
static size_t unpadded(enum base64_kind kind, const char *text, size_t n)
{
    if (kind == BASE64_URL)
        return n % 4 == 1 ? SIZE_MAX : n;
    if (n % 4)
        return SIZE_MAX;
    size_t pad = n && text[n - 1] == '=' ? 1 + (text[n - 2] == '=') : 0;
    return n - pad;
}

int base64_decode(enum base64_kind kind, const char *text, size_t n, struct arena *a, char **out,
                  size_t *length, struct err *e)
{
    size_t letters = unpadded(kind, text, n);
    if (letters == SIZE_MAX)
        return err_set(e, ERR_INVALID, "not base64: wrong length");
    char *bytes = arena_alloc(a, letters / 4 * 3 + 4);
    size_t done = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < letters; i++) {
        const char *at = text[i] ? strchr(alphabets[kind], text[i]) : NULL;
        if (!at)
            return err_set(e, ERR_INVALID, "not base64: letter %zu", i + 1);
        bits = bits << 6 | (uint32_t)(at - alphabets[kind]);
        if (i % 4)
            bytes[done++] = (char)(bits >> (6 - 2 * (i % 4)) & 255);
    }
    /* The last letter's low bits belong to no byte and must be 0. */
    uint32_t stray = letters % 4 == 2 ? 15 : letters % 4 == 3 ? 3 : 0;
    if (bits & stray)
        return err_set(e, ERR_INVALID, "not base64: stray bits at the end");
    bytes[done] = '\0';
    *out = bytes;
    *length = done;
    return ERR_OK;
}
