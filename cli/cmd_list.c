/*
 * mreg list: models, versions, and every other list of the API as a table. One row of columns each.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"

/* How one member of an item is shown. */
enum shape { SHAPE_TEXT, SHAPE_INT, SHAPE_BYTES, SHAPE_AGO, SHAPE_WORDS, SHAPE_MAP };
struct column {
    const char *head, *key;
    enum shape shape;
};
struct listing {
    struct column columns[TABLE_MAX_COLUMNS]; /* ends with head NULL */
};

int list_some(struct cli *cli, const char *path, size_t max, json_t **items, bool *has_more,
              struct err *e)
{
    const char *cursor = "";
    json_t *all = json_array();
    int rc = ERR_OK;
    while (rc == ERR_OK && cursor && json_array_size(all) < max) {
        json_t *page CLEANUP(json_decref_ptr) = NULL;
        size_t left = max - json_array_size(all);
        const char *url =
            cli_query(cli, path, "limit", cli_printf(cli, "%zu", left < 500 ? left : (size_t)500));
        url = cli_query(cli, url, "cursor", *cursor ? cursor : NULL);
        rc = cli_call(cli, "GET", url, NULL, &page, e);
        if (rc != ERR_OK)
            break;
        json_array_extend(all, json_object_get(page, "items"));
        const char *next = json_string_value(json_object_get(page, "next"));
        cursor = next ? arena_strdup(&cli->arena, next) : NULL;
    }
    if (rc != ERR_OK)
        json_decref(all);
    else
        *items = all;
    if (has_more)
        *has_more = cursor != NULL;
    return rc;
}

/* "a, b" of an array of strings, or "k=v, k=v" of an object. */
static const char *join(struct cli *cli, const json_t *value)
{
    struct buf b CLEANUP(buf_clear);
    const char *key;
    json_t *v;
    size_t i;
    buf_init(&b, 400);
    json_array_foreach((json_t *)(uintptr_t)value, i, v)
    {
        if (json_is_string(v))
            buf_putf(&b, "%s%s", b.len ? "," : "", json_string_value(v));
        else if (json_is_object(v))
            buf_putf(&b, "%s%s@%lld", b.len ? "," : "", text_at(v, "serve_as"),
                     (long long)int_at(v, "version", 0));
    }
    json_object_foreach((json_t *)(uintptr_t)value, key, v)
    {
        if (json_is_string(v))
            buf_putf(&b, "%s%s=%s", b.len ? "," : "", key, json_string_value(v));
        else if (json_is_integer(v))
            buf_putf(&b, "%s%s=%lld", b.len ? "," : "", key, (long long)json_integer_value(v));
    }
    return arena_strdup(&cli->arena, buf_str(&b));
}

static void add_cell(struct cli *cli, struct table *t, const struct column *c, const json_t *item)
{
    char text[40];
    const json_t *value = json_object_get(item, c->key);
    int64_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    switch (c->shape) {
    case SHAPE_TEXT:
        table_cell(t, TONE_PLAIN, text_at(item, c->key));
        break;
    case SHAPE_INT:
        if (json_is_integer(value))
            table_cellf(t, TONE_PLAIN, "%lld", (long long)n);
        else
            table_cell(t, TONE_PLAIN,
                       json_is_true(value)    ? "yes"
                       : json_is_false(value) ? "no"
                                              : "");
        break;
    case SHAPE_BYTES:
        table_cell(t, TONE_PLAIN,
                   cli->out.stdout_is_tty ? out_bytes(n, text)
                                          : cli_printf(cli, "%lld", (long long)n));
        break;
    case SHAPE_AGO:
        table_cell(t, TONE_PLAIN, out_ago(&cli->out, json_string_value(value), text));
        break;
    case SHAPE_WORDS:
    case SHAPE_MAP:
        table_cell(t, TONE_PLAIN, join(cli, value));
        break;
    }
}

static int print_list(struct cli *cli, const char *path, const struct listing *l)
{
    struct err e = {0};
    json_t *items CLEANUP(json_decref_ptr) = NULL;
    int64_t max = 100;
    bool has_more = false;
    int rc = cli_number(cli, "limit", 1, 1000000, &max, &e);
    if (rc == ERR_OK)
        rc = list_some(cli, path, (size_t)max, &items, &has_more, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:O, s:b}", "items", items, "more", has_more);
        cli_json(cli, j);
        return EXIT_DONE;
    }
    const char *heads[TABLE_MAX_COLUMNS];
    int n = 0;
    for (; n < TABLE_MAX_COLUMNS && l->columns[n].head; n++)
        heads[n] = l->columns[n].head;
    struct table t;
    json_t *item;
    size_t i;
    table_init(&t, &cli->out, n, heads);
    json_array_foreach(items, i, item)
    {
        for (int c = 0; c < n; c++)
            add_cell(cli, &t, &l->columns[c], item);
    }
    table_print(&t);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "nothing here yet");
    if (has_more)
        out_say(&cli->out, "there are more than these %lld: --limit N shows them", (long long)max);
    return EXIT_DONE;
}

int cmd_list(struct cli *cli)
{
    static const struct listing models = {{{"MODEL", "name", SHAPE_TEXT},
                                           {"VERSIONS", "n_versions", SHAPE_INT},
                                           {"LATEST", "latest", SHAPE_INT},
                                           {"LIVE", "live", SHAPE_MAP},
                                           {"ALIASES", "aliases", SHAPE_MAP},
                                           {"UPDATED", "updated", SHAPE_AGO},
                                           {NULL, NULL, SHAPE_TEXT}}};
    static const struct listing versions = {{{"VERSION", "version", SHAPE_INT},
                                             {"PUSHED", "created", SHAPE_AGO},
                                             {"SIZE", "size", SHAPE_BYTES},
                                             {"FORMAT", "format", SHAPE_TEXT},
                                             {"METRICS", "metrics", SHAPE_MAP},
                                             {"ALIASES", "aliases", SHAPE_WORDS},
                                             {"LIVE", "live", SHAPE_WORDS},
                                             {"BY", "created_by", SHAPE_TEXT},
                                             {NULL, NULL, SHAPE_TEXT}}};
    if (cli->n_args == 0)
        return print_list(cli, "/api/v1/models", &models);
    return print_list(cli,
                      cli_printf(cli, "/api/v1/models/%s/versions", cli_quote(cli, cli->args[0])),
                      &versions);
}

int cmd_alias_list(struct cli *cli)
{
    static const struct listing l = {{{"ALIAS", "alias", SHAPE_TEXT},
                                      {"VERSION", "version", SHAPE_INT},
                                      {"SINCE", "since", SHAPE_AGO},
                                      {"BY", "by", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return print_list(
        cli, cli_printf(cli, "/api/v1/models/%s/aliases", cli_quote(cli, cli->args[0])), &l);
}

int cmd_env_list(struct cli *cli)
{
    static const struct listing l = {{{"ENVIRONMENT", "name", SHAPE_TEXT},
                                      {"POSITION", "position", SHAPE_INT},
                                      {"NODES", "n_nodes", SHAPE_INT},
                                      {"CREATED", "created", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return print_list(cli, "/api/v1/environments", &l);
}

int cmd_node_list(struct cli *cli)
{
    static const struct listing l = {{{"NODE", "name", SHAPE_TEXT},
                                      {"DRIVER", "driver", SHAPE_TEXT},
                                      {"ADMIN", "admin_url", SHAPE_TEXT},
                                      {"REACHABLE", "reachable", SHAPE_INT},
                                      {"SERVING", "serving", SHAPE_WORDS},
                                      {"SEEN", "seen", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return print_list(
        cli, cli_printf(cli, "/api/v1/environments/%s/nodes", cli_quote(cli, cli->args[0])), &l);
}

int cmd_target_list(struct cli *cli)
{
    static const struct listing l = {{{"MODEL", "model", SHAPE_TEXT},
                                      {"SERVED AS", "serve_as", SHAPE_TEXT},
                                      {"LIVE", "live", SHAPE_INT},
                                      {"LAST GOOD", "last_good", SHAPE_INT},
                                      {"ROLLOUT", "rollout", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return print_list(
        cli, cli_printf(cli, "/api/v1/environments/%s/targets", cli_quote(cli, cli->args[0])), &l);
}

int cmd_token_list(struct cli *cli)
{
    static const struct listing l = {{{"TOKEN", "id", SHAPE_TEXT},
                                      {"NAME", "name", SHAPE_TEXT},
                                      {"ROLE", "role", SHAPE_TEXT},
                                      {"MODELS", "models", SHAPE_TEXT},
                                      {"CREATED", "created", SHAPE_AGO},
                                      {"LAST USED", "last_used", SHAPE_AGO},
                                      {"EXPIRES", "expires", SHAPE_TEXT},
                                      {"REVOKED", "revoked", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return print_list(cli, "/api/v1/tokens", &l);
}

int cmd_rollout_list(struct cli *cli)
{
    static const struct listing l = {{{"ROLLOUT", "id", SHAPE_TEXT},
                                      {"MODEL", "model", SHAPE_TEXT},
                                      {"ENVIRONMENT", "environment", SHAPE_TEXT},
                                      {"FROM", "from", SHAPE_INT},
                                      {"TO", "to", SHAPE_INT},
                                      {"PHASE", "phase", SHAPE_TEXT},
                                      {"STARTED", "created", SHAPE_AGO},
                                      {"BY", "actor", SHAPE_TEXT},
                                      {"OUTCOME", "outcome", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *path = cli_query(cli, "/api/v1/rollouts", "env", opt(cli, "env"));
    path = cli_query(cli, path, "model", opt(cli, "model"));
    return print_list(cli, cli_query(cli, path, "active", opt_has(cli, "active") ? "true" : NULL),
                      &l);
}

int cmd_history(struct cli *cli)
{
    static const struct listing l = {{{"SEQ", "seq", SHAPE_INT},
                                      {"TIME", "time", SHAPE_TEXT},
                                      {"ACTOR", "actor", SHAPE_TEXT},
                                      {"WHAT", "kind", SHAPE_TEXT},
                                      {"MESSAGE", "message", SHAPE_TEXT},
                                      {"REASON", "reason", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *path =
        cli_query(cli, "/api/v1/history", "model", cli->n_args ? cli->args[0] : NULL);
    path = cli_query(cli, path, "env", opt(cli, "env"));
    return print_list(cli, cli_query(cli, path, "at", opt(cli, "at")), &l);
}
