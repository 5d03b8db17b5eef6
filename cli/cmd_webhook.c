/*
 * mreg webhook: who is told about changes. Secrets go to stdout once, tokens come from files and
 * never from the command line.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "profile.h"

#define TOKEN_MAX 512
#define POLL_MS 200
#define TEST_MS 30000

static const char *hook_path(struct cli *cli, const char *id, const char *rest)
{
    return cli_printf(cli, "/api/v1/webhooks/%s%s", cli_quote(cli, id), rest);
}

/* --- filling the request ---------------------------------------------------------------------- */

static void add_text(struct cli *cli, json_t *body, const char *option, const char *key)
{
    if (opt(cli, option))
        json_object_set_new(body, key, json_string(opt(cli, option)));
}

/* --api-token FILE as member "token". */
static int add_token(struct cli *cli, json_t *body, struct err *e)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    const char *file = opt(cli, "api-token");
    size_t n = 0;
    int rc = file ? file_read(file, TOKEN_MAX + 2, &text, &n, e) : ERR_OK;
    if (rc != ERR_OK || !file)
        return rc;
    text[strcspn(text, " \t\r\n")] = '\0';
    json_object_set_new(body, "token", json_string(text));
    explicit_bzero(text, n);
    return ERR_OK;
}

static int add_filter(struct cli *cli, json_t *body, struct err *e)
{
    const char *kind = NULL;
    json_t *kinds = json_array();
    for (int i = 0; (kind = opt_nth(cli, "kind", i)); i++)
        json_array_append_new(kinds, json_string(kind));
    if (json_array_size(kinds))
        json_object_set(body, "kinds", kinds);
    json_decref(kinds);
    add_text(cli, body, "env", "environment");
    add_text(cli, body, "models", "models");
    add_text(cli, body, "repository", "repository");
    add_text(cli, body, "reason", "reason");
    return add_token(cli, body, e);
}

/* --- making and changing ---------------------------------------------------------------------- */

static int made(struct cli *cli, const json_t *hook, const char *what)
{
    const char *secret = text_at(hook, "secret");
    if (cli->out.is_json) {
        cli_json(cli, hook);
        return EXIT_DONE;
    }
    printf("%s\n", text_at(hook, "id"));
    if (*secret)
        printf("%s\n", secret);
    out_say(&cli->out, "webhook %s %s%s", text_at(hook, "id"), what,
            *secret ? "; its secret is shown only now" : "");
    return EXIT_DONE;
}

int cmd_webhook_add(struct cli *cli)
{
    struct err e = {0};
    json_t *hook CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s}", "name", cli->args[0], "url", cli->args[1]);
    add_text(cli, body, "format", "format");
    int rc = add_filter(cli, body, &e);
    if (rc == ERR_OK)
        rc = cli_call(cli, "POST", "/api/v1/webhooks", body, &hook, &e);
    return rc == ERR_OK ? made(cli, hook, "made") : cli_fail(cli, &e);
}

static int change(struct cli *cli, json_t *body, const char *what)
{
    struct err e = {0};
    json_t *hook CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "PATCH", hook_path(cli, cli->args[0], ""), body, &hook, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, hook);
    out_say(&cli->out, "webhook %s %s", cli->args[0], what);
    return EXIT_DONE;
}

int cmd_webhook_edit(struct cli *cli)
{
    struct err e = {0};
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    int64_t since = -1;
    bool enables = opt_has(cli, "enable");
    if (enables && opt_has(cli, "disable")) {
        err_set(&e, ERR_INVALID, "--enable and --disable exclude each other");
        return cli_fail(cli, &e);
    }
    add_text(cli, body, "url", "url");
    add_text(cli, body, "name", "name");
    int rc = add_filter(cli, body, &e);
    if (rc == ERR_OK)
        rc = cli_number(cli, "since", 0, LONG_MAX, &since, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (since >= 0)
        json_object_set_new(body, "since", json_integer(since));
    if (enables || opt_has(cli, "disable"))
        json_object_set_new(body, "enabled", json_boolean(enables));
    return change(cli, body, "changed");
}

int cmd_webhook_rotate(struct cli *cli)
{
    struct err e = {0};
    json_t *hook CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    add_text(cli, body, "overlap", "overlap");
    add_text(cli, body, "reason", "reason");
    int rc = cli_call(cli, "POST", hook_path(cli, cli->args[0], "/rotate"), body, &hook, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    const char *until = text_at(hook, "old_valid_until");
    return made(cli, hook,
                *until ? cli_printf(cli, "signs with the old secret, too, until %s", until)
                       : "has another secret");
}

int cmd_webhook_remove(struct cli *cli)
{
    struct err e = {0};
    if (!cli_confirm(cli, cli_printf(cli, "remove webhook %s?", cli->args[0])))
        return EXIT_REFUSED;
    const char *path =
        cli_query(cli, hook_path(cli, cli->args[0], ""), "reason", opt(cli, "reason"));
    int rc = cli_call(cli, "DELETE", path, NULL, NULL, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s}", "removed", cli->args[0]);
    if (cli->out.is_json)
        cli_json(cli, j);
    out_say(&cli->out, "webhook %s removed", cli->args[0]);
    return EXIT_DONE;
}

/* --- showing ---------------------------------------------------------------------------------- */

static void print_member(struct cli *cli, const json_t *hook, const char *key)
{
    const json_t *value = json_object_get(hook, key);
    const char *text = json_string_value(value);
    if (json_is_array(value)) {
        size_t i;
        json_t *word;
        text = "";
        json_array_foreach(value, i, word) text =
            cli_printf(cli, "%s%s%s", text, i ? " " : "", json_string_value(word));
    } else if (json_is_integer(value)) {
        text = cli_printf(cli, "%lld", (long long)json_integer_value(value));
    } else if (json_is_boolean(value)) {
        text = json_is_true(value) ? "yes" : "no";
    }
    if (text && *text)
        printf("%-16s %s\n", key, out_clean(arena_strdup(&cli->arena, text)));
}

int cmd_webhook_show(struct cli *cli)
{
    static const char *const keys[] = {
        "id",         "name",        "url",        "format",    "kinds",         "environment",
        "models",     "repository",  "enabled",    "why",       "public_keys",   "old_valid_until",
        "created",    "created_by",  "cursor",     "n_pending", "failing_since", "last_delivered",
        "last_tried", "last_status", "last_detail"};
    struct err e = {0};
    json_t *hook CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "GET", hook_path(cli, cli->args[0], ""), NULL, &hook, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        cli_json(cli, hook);
        return EXIT_DONE;
    }
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        print_member(cli, hook, keys[i]);
    return EXIT_DONE;
}

/* --- deliveries ------------------------------------------------------------------------------- */

/* Looks at one delivery until it has ended; how it did is the exit code. */
static int follow(struct cli *cli, int64_t number)
{
    struct err e = {0};
    for (int left = TEST_MS / POLL_MS;; left--) {
        json_t *page CLEANUP(json_decref_ptr) = NULL;
        const char *path =
            cli_printf(cli, "%s&cursor=%lld", hook_path(cli, cli->args[0], "/deliveries?limit=1"),
                       (long long)number + 1);
        int rc = cli_call(cli, "GET", path, NULL, &page, &e);
        const json_t *d = json_array_get(json_object_get(page, "items"), 0);
        if (rc != ERR_OK)
            return cli_fail(cli, &e);
        bool is_tried = int_at(d, "attempts", 0) > 0 && int_at(d, "number", 0) == number;
        if (!is_tried && left > 0) {
            nanosleep(&(struct timespec){.tv_nsec = POLL_MS * 1000000L}, NULL);
            continue;
        }
        bool is_good = strcmp(text_at(d, "state"), "delivered") == 0;
        if (cli->out.is_json)
            cli_json(cli, d);
        else
            printf("%lld\t%s\t%lld\t%s\n", (long long)number, text_at(d, "state"),
                   (long long)int_at(d, "status", 0),
                   out_clean(arena_strdup(&cli->arena, text_at(d, "detail"))));
        if (!is_tried)
            return EXIT_STILL_RUNNING;
        return is_good ? EXIT_DONE : EXIT_FAILED;
    }
}

static int queue(struct cli *cli, const char *path)
{
    struct err e = {0};
    json_t *d CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    int rc = cli_call(cli, "POST", path, body, &d, &e);
    return rc == ERR_OK ? follow(cli, int_at(d, "number", 0)) : cli_fail(cli, &e);
}

int cmd_webhook_test(struct cli *cli)
{
    return queue(cli, hook_path(cli, cli->args[0], "/ping"));
}

int cmd_webhook_redeliver(struct cli *cli)
{
    return queue(
        cli, hook_path(cli, cli->args[0],
                       cli_printf(cli, "/deliveries/%s/redeliver", cli_quote(cli, cli->args[1]))));
}
