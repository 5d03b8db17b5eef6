/*
 * mreg keys: which keys the registry signs with, as a table or as the text that ssh-keygen and
 * --allowed-signers take. Asks the server each time. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "profile.h"
#include "signers.h"
#include "trusted.h"
#include "when.h"

/* One end of a lifetime, or NULL when there is none. */
static const char *moment(struct cli *cli, int64_t ms)
{
    char text[WHEN_TEXT_BYTES];
    bool is_set = ms > 0 && ms < INT64_MAX;
    return is_set ? arena_strdup(&cli->arena, when_format(ms, text)) : NULL;
}

/* Is it among the keys that a login pinned? */
static bool is_pinned(const struct cli *cli, const struct signer *key)
{
    const char *text = cli->profile->signers;
    struct signer one;
    while (text && signers_next(&text, &one))
        if (memcmp(&one.key, &key->key, sizeof one.key) == 0)
            return true;
    return false;
}

static json_t *key_json(struct cli *cli, const struct signer *key)
{
    char id[SEAL_ID_BYTES];
    seal_key_id(&key->key, id);
    return json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:b}", "key_id", id, "domain", key->domain,
                     "namespaces", key->namespaces, "from", moment(cli, key->after_ms), "until",
                     moment(cli, key->before_ms), "pinned", is_pinned(cli, key));
}

static void print_keys(struct cli *cli, const json_t *items)
{
    static const char *const heads[] = {"KEY", "DOMAIN", "PINNED", "FROM", "UNTIL"};
    struct table t;
    char ago[40];
    size_t i;
    json_t *key;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach((json_t *)(uintptr_t)items, i, key)
    {
        bool has_pin = json_is_true(json_object_get(key, "pinned"));
        table_cell(&t, TONE_STRONG, text_at(key, "key_id"));
        table_cell(&t, TONE_PLAIN, text_at(key, "domain"));
        table_cell(&t, has_pin ? TONE_GOOD : TONE_WARN, has_pin ? "yes" : "no");
        table_cell(&t, TONE_PLAIN, out_ago(&cli->out, text_at(key, "from"), ago));
        table_cell(&t, TONE_PLAIN, text_at(key, "until"));
    }
    table_print(&t);
}

int cmd_keys_list(struct cli *cli)
{
    struct err e = {0};
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *items CLEANUP(json_decref_ptr) = json_array();
    struct signer key;
    if (trusted_fetch(cli, &text, &e) != ERR_OK)
        return cli_fail(cli, &e);
    const char *at = text;
    while (signers_next(&at, &key))
        json_array_append_new(items, key_json(cli, &key));
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:O, s:b}", "items", items, "more", false);
        cli_json(cli, j);
    } else {
        print_keys(cli, items);
    }
    return EXIT_DONE;
}

int cmd_keys_export(struct cli *cli)
{
    struct err e = {0};
    char *text CLEANUP(mem_free_ptr) = NULL;
    if (trusted_fetch(cli, &text, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s}", "allowed_signers", text);
        cli_json(cli, j);
    } else {
        fputs(text, stdout);
    }
    return EXIT_DONE;
}
