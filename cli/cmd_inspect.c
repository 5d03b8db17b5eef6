/*
 * mreg env show, target show, audit list, rollout logs, server settings and storage: what
 * the API tells of one object, as lines and tables. Changes nothing. Main thread.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "listing.h"

static const char *clean(struct cli *cli, const char *text)
{
    return out_clean(arena_strdup(&cli->arena, text));
}

/* The object at the path, printed already when JSON is wanted. */
static int fetch(struct cli *cli, const char *path, json_t **out)
{
    struct err e = {0};
    if (cli_call(cli, "GET", path, NULL, out, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, *out);
    return EXIT_DONE;
}

static void print_fact(struct cli *cli, const char *name, const char *value)
{
    printf("  %s%-16s%s %s\n", out_on(&cli->out, TONE_FAINT), name, out_off(&cli->out), value);
}

static void print_number(struct cli *cli, const char *name, int64_t n)
{
    print_fact(cli, name, cli_printf(cli, "%lld", (long long)n));
}

/* A policy member by member, each value as JSON; of a list each item on a line of its own. */
static void print_member(struct cli *cli, const char *name, const json_t *value)
{
    size_t i;
    json_t *item;
    if (json_is_array(value) && json_array_size(value) > 1) {
        json_array_foreach((json_t *)(uintptr_t)value, i, item)
            print_member(cli, i ? "" : name, item);
        return;
    }
    char *text CLEANUP(mem_free_ptr) = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    const char *plain = json_string_value(value);
    print_fact(cli, name, clean(cli, plain ? plain : text ? text : ""));
}

/* The policy that holds; what was set there is marked. */
static void print_effective(struct cli *cli, const json_t *object)
{
    const json_t *own = json_object_get(object, "policy");
    json_t *whole CLEANUP(json_decref_ptr) =
        json_deep_copy(json_object_get(object, "effective_policy"));
    const char *key;
    json_t *value;
    printf("policy that holds (* set here)\n");
    json_object_foreach(whole, key, value) print_member(
        cli,
        cli_printf(cli, "%s%s", clean(cli, key), json_object_get(own, key) != NULL ? " *" : ""),
        value);
}

static void print_policy(struct cli *cli, const char *head, const json_t *policy)
{
    const char *key;
    json_t *value;
    printf("%s\n", head);
    if (json_object_size(policy) == 0)
        printf("  nothing of its own\n");
    json_object_foreach((json_t *)(uintptr_t)policy, key, value)
        print_member(cli, clean(cli, key), value);
}

/* --- an environment --- */

/* "5 on 40, 6 on 2" */
static const char *tally_of(struct cli *cli, const json_t *target)
{
    const char *text = "";
    size_t i;
    json_t *one;
    json_array_foreach(json_object_get(target, "versions"), i, one)
    {
        int64_t number = int_at(one, "version", 0);
        text =
            cli_printf(cli, "%s%s%s on %lld", text, i ? ", " : "",
                       cli_version(cli, number, "nothing"), (long long)int_at(one, "n_nodes", 0));
    }
    return text;
}

static void print_targets(struct cli *cli, const json_t *summary)
{
    static const char *const heads[] = {"MODEL",    "LIVE",    "LAST GOOD",
                                        "VERSIONS", "ROLLOUT", "UNREACHABLE"};
    struct table t;
    size_t i;
    json_t *one;
    if (json_array_size(json_object_get(summary, "targets")) == 0)
        return;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(summary, "targets"), i, one)
    {
        table_cell(&t, TONE_STRONG, text_at(one, "model"));
        table_cell(&t, TONE_PLAIN, cli_version(cli, int_at(one, "live", 0), ""));
        table_cell(&t, TONE_PLAIN, cli_version(cli, int_at(one, "last_good", 0), ""));
        table_cell(&t, TONE_PLAIN, tally_of(cli, one));
        table_cell(&t, TONE_WARN, text_at(one, "rollout"));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(one, "n_unreachable", 0));
    }
    table_print(&t);
}

static void print_groups(struct cli *cli, const json_t *summary, const char *label)
{
    const char *const heads[] = {label, "NODES", "UNREACHABLE", "CORDONED"};
    struct table t;
    size_t i;
    json_t *one;
    if (json_array_size(json_object_get(summary, "groups")) == 0)
        return;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(summary, "groups"), i, one)
    {
        table_cell(&t, TONE_PLAIN, *text_at(one, "value") ? text_at(one, "value") : "-");
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(one, "n_nodes", 0));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(one, "n_unreachable", 0));
        table_cellf(&t, TONE_PLAIN, "%lld", (long long)int_at(one, "n_cordoned", 0));
    }
    table_print(&t);
}

static void print_environment(struct cli *cli, const json_t *env, const json_t *summary)
{
    size_t i;
    json_t *id;
    printf("%s%s%s  %s, %lld unreachable, %lld cordoned\n", out_on(&cli->out, TONE_STRONG),
           clean(cli, text_at(env, "name")), out_off(&cli->out),
           cli_count(cli, int_at(summary, "n_nodes", 0), "node"),
           (long long)int_at(summary, "n_unreachable", 0),
           (long long)int_at(summary, "n_cordoned", 0));
    print_number(cli, "position", int_at(env, "position", 0));
    json_array_foreach(json_object_get(env, "freezes"), i, id)
        print_fact(cli, "held by", clean(cli, json_string_value(id)));
    print_policy(cli, "policy", json_object_get(env, "policy"));
    if (opt_has(cli, "effective"))
        print_effective(cli, env);
    print_targets(cli, summary);
    if (opt(cli, "by"))
        print_groups(cli, summary, opt(cli, "by"));
}

int cmd_env_show(struct cli *cli)
{
    struct err e = {0};
    json_t *env CLEANUP(json_decref_ptr) = NULL;
    json_t *summary CLEANUP(json_decref_ptr) = NULL;
    const char *path = cli_printf(cli, "/api/v1/environments/%s", cli_quote(cli, cli->args[0]));
    const char *numbers = cli_query(cli, cli_printf(cli, "%s/summary", path), "by", opt(cli, "by"));
    int rc = cli_call(cli, "GET", path, NULL, &env, &e);
    if (rc == ERR_OK)
        rc = cli_call(cli, "GET", numbers, NULL, &summary, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        json_object_set(env, "summary", summary);
        cli_json(cli, env);
    } else {
        print_environment(cli, env, summary);
    }
    return EXIT_DONE;
}

/* --- a target --- */

static void print_target_nodes(struct cli *cli, const json_t *target)
{
    static const char *const heads[] = {"NODE", "VERSION", "WANTED", "STATE"};
    struct table t;
    size_t i;
    json_t *one;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(target, "nodes"), i, one)
    {
        bool is_good = strcmp(text_at(one, "state"), "ok") == 0;
        table_cell(&t, TONE_PLAIN, text_at(one, "node"));
        table_cell(&t, TONE_PLAIN, cli_version(cli, int_at(one, "version", 0), ""));
        table_cell(&t, TONE_PLAIN, cli_version(cli, int_at(one, "wanted", 0), ""));
        table_cell(&t, is_good ? TONE_GOOD : TONE_WARN, text_at(one, "state"));
    }
    table_print(&t);
}

static void print_list(struct cli *cli, const char *name, const json_t *list)
{
    size_t i;
    json_t *one;
    json_array_foreach((json_t *)(uintptr_t)list, i, one)
    {
        if (json_is_string(one))
            print_fact(cli, name, clean(cli, json_string_value(one)));
        else
            print_number(cli, name, json_integer_value(one));
    }
}

int cmd_target_show(struct cli *cli)
{
    json_t *target CLEANUP(json_decref_ptr) = NULL;
    const char *path = cli_printf(cli, "/api/v1/environments/%s/targets/%s",
                                  cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1]));
    int code = fetch(cli, path, &target);
    if (code != EXIT_DONE || cli->out.is_json)
        return code;
    printf("%s%s%s in %s\n", out_on(&cli->out, TONE_STRONG), clean(cli, text_at(target, "model")),
           out_off(&cli->out), clean(cli, text_at(target, "environment")));
    print_fact(cli, "served as", clean(cli, text_at(target, "serve_as")));
    print_fact(cli, "live", cli_version(cli, int_at(target, "live", 0), "nothing"));
    print_fact(cli, "last good", cli_version(cli, int_at(target, "last_good", 0), "nothing"));
    if (*text_at(target, "rollout"))
        print_fact(cli, "rollout", clean(cli, text_at(target, "rollout")));
    print_list(cli, "queued", json_object_get(target, "queue"));
    print_list(cli, "in quarantine", json_object_get(target, "quarantine"));
    print_policy(cli, "policy of its own", json_object_get(target, "policy"));
    print_effective(cli, target);
    print_target_nodes(cli, target);
    return EXIT_DONE;
}

/* --- the registry's own --- */

int cmd_server_settings(struct cli *cli)
{
    static const struct listing l = {{{"SETTING", "name", SHAPE_TEXT},
                                      {"VALUE", "value", SHAPE_TEXT},
                                      {"FROM", "origin", SHAPE_TEXT},
                                      {"RELOADED", "reloadable", SHAPE_INT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(cli, "/api/v1/settings", &l);
}

int cmd_server_storage(struct cli *cli)
{
    char text[24];
    json_t *s CLEANUP(json_decref_ptr) = NULL;
    int code = fetch(cli, "/api/v1/storage", &s);
    const json_t *blobs = json_object_get(s, "blobs");
    const json_t *history = json_object_get(s, "history");
    int64_t behind = int_at(history, "rows", 0) - int_at(history, "published", 0);
    if (code != EXIT_DONE || cli->out.is_json)
        return code;
    print_number(cli, "models", int_at(s, "models", 0));
    print_number(cli, "versions", int_at(s, "versions", 0));
    print_fact(cli, "size of versions", out_bytes(int_at(s, "logical_bytes", 0), text));
    print_fact(cli, "stored once",
               cli_printf(cli, "%s in %s, %lld of them in the database",
                          out_bytes(int_at(blobs, "bytes", 0), text),
                          cli_count(cli, int_at(blobs, "n", 0), "file"),
                          (long long)int_at(blobs, "in_database", 0)));
    print_fact(cli, "database", out_bytes(int_at(s, "database_bytes", 0), text));
    print_fact(cli, "its log", out_bytes(int_at(s, "log_bytes", 0), text));
    if (json_object_get(s, "free_bytes"))
        print_fact(cli, "free", out_bytes(int_at(s, "free_bytes", 0), text));
    print_fact(cli, "history",
               cli_printf(cli, "%s, %lld without a commit yet",
                          cli_count(cli, int_at(history, "rows", 0), "row"), (long long)behind));
    return EXIT_DONE;
}

/* --- what happened --- */

static const struct listing changes = {{{"SEQ", "seq", SHAPE_INT},
                                        {"TIME", "time", SHAPE_AGO},
                                        {"ACTOR", "actor", SHAPE_ACTOR},
                                        {"WHAT", "kind", SHAPE_TEXT},
                                        {"OBJECT", "object", SHAPE_TEXT},
                                        {"MESSAGE", "message", SHAPE_MESSAGE},
                                        {"REASON", "reason", SHAPE_REASON},
                                        {NULL, NULL, SHAPE_TEXT}}};

int cmd_rollout_logs(struct cli *cli)
{
    struct err e = {0};
    const char *path = cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, cli->args[0]));
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    if (cli_call(cli, "GET", path, NULL, &rollout, &e) != ERR_OK) /* says that there is none */
        return cli_fail(cli, &e);
    return list_print(cli, cli_query(cli, "/api/v1/changes", "object", cli->args[0]), &changes);
}

int cmd_audit_list(struct cli *cli)
{
    static const char *const filters[] = {"since", "kind", "object", "actor"};
    const char *path = "/api/v1/changes";
    for (size_t i = 0; i < ARRAY_LEN(filters); i++)
        path = cli_query(cli, path, filters[i], opt(cli, filters[i]));
    return list_print(cli, path, &changes);
}
