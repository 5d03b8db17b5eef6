/*
 * Finds the keys to trust. Knows nothing of what they are used for. One thread.
 */
#include "trusted.h"

#include <stdlib.h>

#include "profile.h"
#include "remote.h"
#include "trust.h"

#define SIGNERS_MAX_BYTES ((size_t)1 << 20)

int trusted_fetch(struct cli *cli, char **out, struct err *e)
{
    char domain[256];
    struct remote *remote = NULL;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, SIGNERS_MAX_BYTES);
    int rc = cli_remote(cli, &remote, e);
    if (rc == ERR_OK)
        rc = remote_call(remote, "GET", "/api/v1/trust/allowed_signers", NULL, &b, e);
    if (rc == ERR_OK && !trust_domain(buf_str(&b), domain))
        rc = err_set(e, ERR_INTERNAL, "%s shows no key of a registry", cli->profile->url);
    if (rc == ERR_OK)
        *out = mem_strdup(buf_str(&b));
    return rc;
}

static int from_server(struct cli *cli, struct trusted *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    int rc = trusted_fetch(cli, &out->signers, e);
    out->origin = TRUSTED_SERVER;
    if (rc == ERR_OK)
        out_say(&cli->out,
                "warning: no key is pinned; trusting %s, which %s shows now. \"mreg login\" pins "
                "it, --allowed-signers FILE names a known one",
                trust_key_ids(out->signers, &a), cli->profile->url);
    return rc;
}

int trusted_keys(struct cli *cli, struct trusted *out, struct err *e)
{
    size_t n = 0;
    char domain[256];
    const char *path = opt(cli, "allowed-signers");
    *out = (struct trusted){.origin = path ? TRUSTED_FILE : TRUSTED_PINNED};
    if (path) {
        int rc = file_read(path, SIGNERS_MAX_BYTES, &out->signers, &n, e);
        if (rc == ERR_OK && !trust_domain(out->signers, domain))
            rc = err_set(e, ERR_INVALID, "%s holds no usable line for a registry's key", path);
        return rc;
    }
    if (cli->profile->signers) {
        out->signers = mem_strdup(cli->profile->signers);
        return ERR_OK;
    }
    if (!cli->profile->url)
        return err_set(e, ERR_INVALID,
                       "no key is pinned: run mreg login, or give --allowed-signers FILE");
    return from_server(cli, out, e);
}

const char *trusted_origin_name(enum trusted_origin origin)
{
    static const char *const names[] = {
        [TRUSTED_FILE] = "file", [TRUSTED_PINNED] = "pinned", [TRUSTED_SERVER] = "server"};
    return names[origin];
}

void trusted_clear(struct trusted *t)
{
    free(t->signers);
    *t = (struct trusted){0};
}
