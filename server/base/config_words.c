/*
 * Words that settings and options are written in: sizes and addresses. Must not know which setting
 * one belongs to. Pure functions; any thread.
 */
#include "config.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int config_size(const char *text, int64_t *bytes, struct err *e)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"B", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}, {"TiB", 40}};
    char *end = NULL;
    errno = 0;
    long long n = isdigit((unsigned char)text[0]) ? strtoll(text, &end, 10) : -1;
    if (n < 0 || errno)
        return err_set(e, ERR_INVALID, "\"%.40s\" is no size; write 500, 64KiB, 16MiB or 2GiB",
                       text);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (strcmp(end, units[i].unit) != 0)
            continue;
        if (n > (INT64_MAX >> units[i].shift))
            return err_set(e, ERR_INVALID, "\"%.40s\" is too large", text);
        *bytes = n << units[i].shift;
        return 0;
    }
    return err_set(e, ERR_INVALID, "\"%.40s\" has no unit of B KiB MiB GiB TiB", text);
}

int config_address(const char *text, char address[16], int *port, struct err *e)
{
    unsigned part[4];
    unsigned number = 0;
    int used = 0;
    int n = sscanf(text, "%3u.%3u.%3u.%3u:%5u%n", &part[0], &part[1], &part[2], &part[3], &number,
                   &used);
    bool fits = n == 5 && text[used] == 0 && number <= 65535 && isdigit((unsigned char)text[0]);
    for (int i = 0; fits && i < 4; i++)
        fits = part[i] <= 255;
    if (!fits || strpbrk(text, " +-\t"))
        return err_set(e, ERR_INVALID, "\"%.80s\" is no IPv4 address and port like 127.0.0.1:7070",
                       text);
    snprintf(address, 16, "%u.%u.%u.%u", part[0] & 255, part[1] & 255, part[2] & 255,
             part[3] & 255);
    *port = (int)number;
    return 0;
}

bool config_is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0;
}
