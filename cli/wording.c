/*
 * Words of messages that several commands put together: counts, names in printed commands. Pure.
 */
#include <string.h>

#include "cli.h"

const char *cli_shell(struct cli *cli, const char *text)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%_+=:,./-";
    struct buf b CLEANUP(buf_clear) = {0};
    if (*text && strspn(text, plain) == strlen(text))
        return text;
    buf_init(&b, strlen(text) * 4 + 3);
    buf_puts(&b, "'");
    for (const char *p = text; *p; p++) {
        if (*p == '\'')
            buf_puts(&b, "'\\'"); /* out of the quotes and in again */
        buf_putc(&b, *p);
    }
    buf_puts(&b, "'");
    return out_clean(arena_strdup(&cli->arena, buf_str(&b)));
}

const char *cli_count(struct cli *cli, int64_t n, const char *thing)
{
    return cli_printf(cli, "%lld %s%s", (long long)n, thing, n == 1 ? "" : "s");
}

const char *cli_version(struct cli *cli, int64_t n, const char *none)
{
    return n ? cli_printf(cli, "%lld", (long long)n) : none;
}
