/*
 * mreg show and status: one model or version in words; what is live where, now or at a past time.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "name.h"

static void line(struct cli *cli, const char *label, const char *value)
{
    if (!value || !*value)
        return;
    const char *clean = out_clean(arena_strdup(&cli->arena, value));
    printf("%s%-12s%s %s\n", out_on(&cli->out, TONE_FAINT), label, out_off(&cli->out), clean);
}

static void map_lines(struct cli *cli, const char *label, const json_t *map)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)map, key, value)
    {
        if (json_is_string(value))
            line(cli, label, cli_printf(cli, "%s = %s", key, json_string_value(value)));
        else
            line(cli, label,
                 cli_printf(cli, "%s = version %lld", key, (long long)json_integer_value(value)));
    }
}

static void show_model(struct cli *cli, const json_t *m)
{
    char ago[40];
    printf("%s%s%s\n", out_on(&cli->out, TONE_STRONG), text_at(m, "name"), out_off(&cli->out));
    line(cli, "description", text_at(m, "description"));
    line(cli, "versions",
         cli_printf(cli, "%lld, latest %lld", (long long)int_at(m, "n_versions", 0),
                    (long long)int_at(m, "latest", 0)));
    line(cli, "created", out_ago(&cli->out, text_at(m, "created"), ago));
    map_lines(cli, "live", json_object_get(m, "live"));
    map_lines(cli, "alias", json_object_get(m, "aliases"));
    map_lines(cli, "tag", json_object_get(m, "tags"));
}

static void show_version(struct cli *cli, const json_t *v)
{
    char text[40];
    json_t *item;
    size_t i;
    printf("%s%s@%lld%s\n", out_on(&cli->out, TONE_STRONG), text_at(v, "model"),
           (long long)int_at(v, "version", 0), out_off(&cli->out));
    line(cli, "description", text_at(v, "description"));
    line(cli, "content", text_at(v, "content"));
    line(cli, "format", text_at(v, "format"));
    line(cli, "size", out_bytes(int_at(v, "size", 0), text));
    line(cli, "pushed",
         cli_printf(cli, "%s by %s", out_ago(&cli->out, text_at(v, "created"), text),
                    text_at(v, "created_by")));
    json_array_foreach(json_object_get(v, "live"), i, item)
        line(cli, "live in", json_string_value(item));
    json_array_foreach(json_object_get(v, "aliases"), i, item)
        line(cli, "alias", json_string_value(item));
    map_lines(cli, "metric", json_object_get(v, "metrics"));
    map_lines(cli, "param", json_object_get(v, "params"));
    map_lines(cli, "lineage", json_object_get(v, "lineage"));
    map_lines(cli, "tag", json_object_get(v, "tags"));
    json_array_foreach(json_object_get(v, "files"), i, item)
        line(cli, "file",
             cli_printf(cli, "%s  %s  %.12s", text_at(item, "path"),
                        out_bytes(int_at(item, "size", 0), text), text_at(item, "sha256")));
}

int cmd_show(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    json_t *found CLEANUP(json_decref_ptr) = NULL;
    const char *at = opt(cli, "at");
    bool has_ref = strchr(cli->args[0], '@') != NULL;
    int rc = ref_split(cli->args[0], model, &ref, &e);
    if (rc == ERR_OK)
        rc = cli_call(
            cli, "GET",
            cli_query(cli,
                      cli_printf(cli, "/api/v1/models/%s%s%s", cli_quote(cli, model),
                                 has_ref ? "/versions/" : "", has_ref ? cli_quote(cli, ref) : ""),
                      "at", at),
            NULL, &found, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, found);
    else if (has_ref)
        show_version(cli, found);
    else
        show_model(cli, found);
    return EXIT_DONE;
}

/* What every node served at a time, as the journal has it. */
static int serving_at(struct cli *cli, const char *at, struct err *e)
{
    static const char *const heads[] = {"ENVIRONMENT", "NODE",  "MODEL",
                                        "VERSION",     "SINCE", "STATE"};
    json_t *items CLEANUP(json_decref_ptr) = NULL;
    json_t *item;
    size_t i;
    const char *path = cli_query(cli, "/api/v1/serving", "at", at);
    int rc = list_some(cli, cli_query(cli, path, "env", opt(cli, "env")), 100000, &items, NULL, e);
    if (rc != ERR_OK)
        return rc;
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s, s:O}", "at", at, "items", items);
        cli_json(cli, j);
        return ERR_OK;
    }
    struct table t;
    table_init(&t, &cli->out, 6, heads);
    json_array_foreach(items, i, item)
    {
        int64_t number = int_at(item, "version", 0);
        table_cell(&t, TONE_PLAIN, text_at(item, "environment"));
        table_cell(&t, TONE_PLAIN, text_at(item, "node"));
        table_cell(&t, TONE_PLAIN, text_at(item, "model"));
        table_cell(&t, TONE_STRONG, number ? cli_printf(cli, "%lld", (long long)number) : "");
        table_cell(&t, TONE_PLAIN, text_at(item, "since"));
        table_cell(&t, TONE_PLAIN, text_at(item, "state"));
    }
    table_print(&t);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "nothing was live then");
    return ERR_OK;
}

static enum tone tone_of(const char *state)
{
    return strcmp(state, "ok") == 0            ? TONE_GOOD
           : strcmp(state, "unreachable") == 0 ? TONE_BAD
                                               : TONE_WARN;
}

static void target_rows(struct cli *cli, struct table *t, const char *env, const json_t *target)
{
    json_t *node;
    size_t i;
    json_t *nodes = json_object_get(target, "nodes");
    json_t *none CLEANUP(json_decref_ptr) = json_pack("[{s:s}]", "state", "no nodes");
    json_array_foreach(json_array_size(nodes) ? nodes : none, i, node)
    {
        int64_t number = int_at(node, "version", 0);
        int64_t live = int_at(target, "live", 0);
        table_cell(t, TONE_PLAIN, env);
        table_cell(t, TONE_PLAIN, text_at(target, "model"));
        table_cell(t, TONE_STRONG, live ? cli_printf(cli, "%lld", (long long)live) : "");
        table_cell(t, TONE_PLAIN, text_at(node, "node"));
        table_cell(t, TONE_PLAIN, number ? cli_printf(cli, "%lld", (long long)number) : "");
        table_cell(t, tone_of(text_at(node, "state")), text_at(node, "state"));
        table_cell(t, TONE_PLAIN, text_at(target, "rollout"));
    }
}

/* One environment's targets, in the table or under its name in `all`. */
static int status_env(struct cli *cli, struct table *t, const char *env, json_t *all, struct err *e)
{
    json_t *targets CLEANUP(json_decref_ptr) = NULL;
    json_t *target;
    size_t i;
    int rc = list_some(cli, cli_printf(cli, "/api/v1/environments/%s/targets", cli_quote(cli, env)),
                       10000, &targets, NULL, e);
    if (rc != ERR_OK)
        return rc;
    json_array_foreach(targets, i, target)
    {
        target_rows(cli, t, env, target);
        json_array_append(all, target);
    }
    return ERR_OK;
}

static int status_now(struct cli *cli, struct err *e)
{
    static const char *const heads[] = {"ENVIRONMENT", "MODEL", "LIVE",   "NODE",
                                        "VERSION",     "STATE", "ROLLOUT"};
    const char *only = opt(cli, "env");
    json_t *envs CLEANUP(json_decref_ptr) = NULL;
    json_t *all = json_array();
    json_t *result CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", all);
    json_t *env;
    size_t i;
    struct table t;
    int rc = only ? ERR_OK : list_some(cli, "/api/v1/environments", 1000, &envs, NULL, e);
    if (rc != ERR_OK)
        return rc;
    table_init(&t, &cli->out, 7, heads);
    if (only)
        rc = status_env(cli, &t, only, all, e);
    json_array_foreach(envs, i, env)
    {
        if (rc == ERR_OK)
            rc = status_env(cli, &t, text_at(env, "name"), all, e);
    }
    if (rc == ERR_OK && cli->out.is_json)
        cli_json(cli, result);
    if (rc != ERR_OK || cli->out.is_json)
        table_clear(&t);
    else
        table_print(&t);
    if (rc == ERR_OK && json_array_size(all) == 0)
        out_say(&cli->out, "nothing is live yet; promote a version: mreg promote MODEL@REF ENV");
    return rc;
}

int cmd_status(struct cli *cli)
{
    struct err e = {0};
    const char *at = opt(cli, "at");
    int rc = at ? serving_at(cli, at, &e) : status_now(cli, &e);
    return rc == ERR_OK ? EXIT_DONE : cli_fail(cli, &e);
}
