/*
 * mreg login, logout, whoami, version: the credential file and the pinned keys; who we are.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "confirm.h"
#include "profile.h"
#include "setup.h"
#include "trust.h"
#include "trusted.h"

/* A known registry that shows other keys than the pinned ones: refuse unless told to pin anew. The
 * keys themselves count, not the fingerprint that the server says it has. */
static int check_pin(struct cli *cli, const char *signers, struct err *e)
{
    const char *pinned = cli->profile->signers;
    if (!pinned || strcmp(pinned, signers) == 0 || opt_has(cli, "pin"))
        return ERR_OK;
    return err_set(e, ERR_CORRUPT,
                   "the registry shows other keys (%s) than the pinned ones (%s); nothing was "
                   "changed. If its key was replaced on purpose, log in again with --pin",
                   trust_key_ids(signers, &cli->arena), trust_key_ids(pinned, &cli->arena));
}

/* The fingerprint that is shown must be that of a key that is then trusted. */
static int check_key_id(struct cli *cli, const char *signers, const char *key_id, struct err *e)
{
    return *key_id && strstr(trust_key_ids(signers, &cli->arena), key_id)
               ? ERR_OK
               : err_set(e, ERR_CORRUPT,
                         "the registry says that its key is \"%s\", but does not show that key",
                         key_id);
}

static void warn_plain_http(struct cli *cli)
{
    static const char *const local[] = {"http://127.", "http://localhost", "http://[::1]"};
    const char *url = cli->profile->url;
    bool is_open = strncmp(url, "http://", 7) == 0;
    for (size_t i = 0; i < ARRAY_LEN(local); i++)
        is_open = is_open && strncmp(url, local[i], strlen(local[i])) != 0;
    if (is_open)
        out_say(&cli->out, "warning: %s is not encrypted: others on the way can read the token",
                url);
}

/* Was a token given for this login? One of a former login may be over. */
static bool has_token(const struct cli *cli)
{
    const char *token = getenv("MREG_TOKEN");
    const char *file = getenv("MREG_TOKEN_FILE");
    bool is_given = opt(cli, "token-file") || (token && *token) || (file && *file) ||
                    cli->profile->helper ||
                    setup_of_context(cli->setup, cli->setup->context, "token-file");
    return is_given || (cli->profile->token && !cli_can_ask(cli));
}

static int login(struct cli *cli, json_t **who, struct err *e)
{
    char domain[256];
    json_t *about CLEANUP(json_decref_ptr) = NULL;
    char *signers CLEANUP(mem_free_ptr) = NULL;
    struct profile *p = cli->profile;
    if (!has_token(cli) && cli_can_ask(cli) && confirm_token(cli, p->url, e) != ERR_OK)
        return ERR_INVALID;
    if (!p->token)
        return err_set(
            e, ERR_INVALID,
            "login needs a token: --token-file FILE (- for standard input) or MREG_TOKEN");
    warn_plain_http(cli);
    int rc = cli_call(cli, "GET", "/api/v1", NULL, &about, e);
    const char *key_id = text_at(about, "key_id");
    if (rc == ERR_OK)
        rc = trusted_fetch(cli, &signers, e);
    if (rc == ERR_OK)
        rc = check_key_id(cli, signers, key_id, e);
    if (rc == ERR_OK)
        rc = check_pin(cli, signers, e);
    if (rc == ERR_OK)
        rc = cli_call(cli, "GET", "/api/v1/whoami", NULL, who, e);
    if (rc != ERR_OK || !trust_domain(signers, domain))
        return rc;
    struct profile fresh = {.url = mem_strdup(p->url),
                            .token = mem_strdup(p->token),
                            .domain = mem_strdup(domain),
                            .key_id = mem_strdup(key_id),
                            .signers = mem_strdup(signers)};
    const char *context = cli->setup->context;
    rc = profile_save(&fresh, setup_credentials(&cli->arena, context), e);
    bool is_new = strcmp(context, "default") != 0 && !setup_of_context(cli->setup, context, "url");
    if (rc == ERR_OK && is_new)
        rc = setup_write(cli->setup, context, "url", fresh.url, e);
    profile_clear(p);
    *p = fresh;
    return rc;
}

/* url has no slash at its end; the one in the configuration may. */
static bool is_same_url(const char *known, const char *url)
{
    size_t n = strlen(url);
    return strncmp(known, url, n) == 0 && known[n + strspn(known + n, "/")] == '\0';
}

int cmd_login(struct cli *cli)
{
    struct err e = {0};
    json_t *who CLEANUP(json_decref_ptr) = NULL;
    struct profile *p = cli->profile;
    const char *context = cli->setup->context;
    const char *known = setup_of_context(cli->setup, context, "url");
    bool is_first = true; /* nobody has logged in from here yet */
    /* The URL is this command's argument; a pinned key is kept when it is the same registry. */
    int rc = cli_profile(cli, cli->n_args ? cli->args[0] : NULL, &e);
    if (rc == ERR_OK && !p->url)
        rc = err_set(&e, ERR_INVALID, "login needs a URL: context %s has none", context);
    if (rc == ERR_OK && known && !is_same_url(known, p->url))
        rc = err_set(&e, ERR_INVALID,
                     "context %s is of %s; \"mreg login %s --context NAME\" makes another one",
                     context, known, p->url);
    is_first = !p->signers;
    if (rc == ERR_OK)
        rc = login(cli, &who, &e);
    if (rc == ERR_UNAUTHENTICATED)
        return cli_fail_hint(cli, &e,
                             is_first ? "the first admin's token is in DATA/admin.token of mregd"
                                      : "the token is unknown, revoked or expired; an admin makes "
                                        "another one: mreg token create NAME --role ROLE");
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_object_set_new(who, "url", json_string(p->url));
        json_object_set_new(who, "key_id", json_string(p->key_id));
        cli_json(cli, who);
    } else {
        printf("%s\t%s\t%s\n", p->url, text_at(who, "name"), text_at(who, "role"));
        out_say(&cli->out, "registry key pinned: %s (registry@%s)", p->key_id, p->domain);
    }
    return EXIT_DONE;
}

int cmd_logout(struct cli *cli)
{
    struct err e = {0};
    char *path CLEANUP(mem_free_ptr) =
        profile_path(setup_credentials(&cli->arena, cli->setup->context));
    bool was_there = unlink(path) == 0;
    if (!was_there && errno != ENOENT) {
        err_set(&e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
        return cli_fail(cli, &e);
    }
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:b}", "was_logged_in", was_there);
    if (cli->out.is_json)
        cli_json(cli, j);
    out_say(&cli->out, was_there ? "logged out" : "was not logged in");
    return EXIT_DONE;
}

int cmd_whoami(struct cli *cli)
{
    struct err e = {0};
    json_t *who CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "GET", "/api/v1/whoami", NULL, &who, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, who);
    else
        printf("%s\t%s\t%s\t%s\tmodels %s\n", cli->profile->url, text_at(who, "actor"),
               text_at(who, "name"), text_at(who, "role"), text_at(who, "models"));
    return EXIT_DONE;
}

int cmd_version(struct cli *cli)
{
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s}", "version", MREG_VERSION);
    if (cli->out.is_json)
        cli_json(cli, j);
    else
        puts("mreg " MREG_VERSION);
    return EXIT_DONE;
}
