/*
 * Reads Authorization and X-Forwarded-For fields. Must not know whether a token is valid. Pure.
 */
#include "credentials.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "base64.h"

static bool copy_token(const char *from, char token[CREDENTIALS_MAX_BYTES])
{
    size_t n = strlen(from);
    if (n == 0 || n >= CREDENTIALS_MAX_BYTES)
        return false;
    memcpy(token, from, n + 1);
    return true;
}

bool credentials_is_basic(const char *field)
{
    return strncasecmp(field, "Basic ", 6) == 0;
}

bool credentials_token(const char *field, char token[CREDENTIALS_MAX_BYTES])
{
    token[0] = 0;
    if (strncasecmp(field, "Bearer ", 7) == 0)
        return copy_token(field + 7 + strspn(field + 7, " "), token);
    if (!credentials_is_basic(field))
        return false;
    struct arena a CLEANUP(arena_clear) = {0};
    const char *text = field + 6 + strspn(field + 6, " ");
    size_t length = 0;
    char *pair = NULL;
    if (strlen(text) > 4 * CREDENTIALS_MAX_BYTES ||
        base64_decode(BASE64_STANDARD, text, strlen(text), &a, &pair, &length, NULL))
        return false;
    const char *colon = strchr(pair, ':');
    bool is_found = strlen(pair) == length && colon && copy_token(colon + 1, token);
    explicit_bzero(pair, length);
    return is_found;
}

/* The value of cookie `name` in the list; its length, 0 when it is not there. */
static size_t find_cookie(const char *list, const char *name, const char **value)
{
    size_t n = strlen(name);
    for (const char *at = list; *at;) {
        at += strspn(at, " ;");
        size_t length = strcspn(at, ";");
        if (length > n && strncmp(at, name, n) == 0 && at[n] == '=') {
            *value = at + n + 1;
            return length - n - 1;
        }
        at += length;
    }
    return 0;
}

bool credentials_named(const char *field, const char *name, char *value, size_t size)
{
    const char *at = NULL;
    size_t n = find_cookie(field, name, &at);
    if (n == 0 || n >= size)
        return false;
    memcpy(value, at, n);
    value[n] = '\0';
    return true;
}

bool credentials_same_origin(const char *origin, const char *host)
{
    const char *slashes = strstr(origin, "://");
    return slashes && strcasecmp(slashes + 3, host) == 0;
}

bool credentials_forwarded(const char *field, char address[48])
{
    const char *comma = strrchr(field, ',');
    const char *last = comma ? comma + 1 : field;
    last += strspn(last, " \t");
    size_t n = strcspn(last, " \t");
    unsigned char binary[16];
    char text[48];
    if (n == 0 || n >= sizeof text)
        return false;
    memcpy(text, last, n);
    text[n] = 0;
    if (inet_pton(AF_INET, text, binary) != 1 && inet_pton(AF_INET6, text, binary) != 1)
        return false;
    memcpy(address, text, n + 1);
    return true;
}
