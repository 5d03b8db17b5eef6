/*
 * mreg router: the software before an environment's nodes that spreads requests over them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

static const char *path_of(struct cli *cli, const char *name)
{
    const char *base =
        cli_printf(cli, "/api/v1/environments/%s/routers", cli_quote(cli, cli->args[0]));
    return name ? cli_printf(cli, "%s/%s", base, cli_quote(cli, name)) : base;
}

static const char *clean(struct cli *cli, const char *text)
{
    return out_clean(arena_strdup(&cli->arena, text));
}

/* --- changes ---------------------------------------------------------------------------------- */

/* A relative path is meant from here; the server sees the same one or it is absolute. */
static const char *whole_path(struct cli *cli, const char *path)
{
    char *cwd CLEANUP(mem_free_ptr) = path && *path != '/' ? realpath(".", NULL) : NULL;
    return cwd ? cli_printf(cli, "%s/%s", cwd, path) : path;
}

int cmd_router_add(struct cli *cli)
{
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    const char *driver = opt(cli, "driver");
    if (!opt(cli, "address")) {
        err_set(&e, ERR_INVALID, "router add needs --address");
        return cli_fail(cli, &e);
    }
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:s*}", "name", cli->args[1], "driver",
                  driver ? driver : "haproxy", "address", opt(cli, "address"), "file",
                  whole_path(cli, opt(cli, "file")), "pid_file",
                  whole_path(cli, opt(cli, "pid-file")), "backend", opt(cli, "backend"),
                  "server_label", opt(cli, "server-label"), "reason", opt(cli, "reason"));
    int rc = cli_call(cli, "POST", path_of(cli, NULL), body, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        out_say(&cli->out, "router %s added to %s; next: mreg router check %s %s", cli->args[1],
                cli->args[0], cli_shell(cli, cli->args[0]), cli_shell(cli, cli->args[1]));
    return EXIT_DONE;
}

int cmd_router_remove(struct cli *cli)
{
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    if (!cli_confirm(cli, cli_printf(cli, "remove router %s of %s?", cli->args[1], cli->args[0])))
        return EXIT_REFUSED;
    const char *query = cli_query(cli, "", "reason", opt(cli, "reason"));
    int rc = cli_call(cli, "DELETE", cli_printf(cli, "%s%s", path_of(cli, cli->args[1]), query),
                      NULL, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    out_say(&cli->out, "router removed; it goes on as it was left");
    return EXIT_DONE;
}

/* --- showing ---------------------------------------------------------------------------------- */

int cmd_router_list(struct cli *cli)
{
    static const char *const heads[] = {"ROUTER", "DRIVER", "ADDRESS", "REACHABLE", "SEEN"};
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    json_t *one;
    size_t i;
    struct table t;
    char ago[40];
    int rc = cli_call(cli, "GET", path_of(cli, NULL), NULL, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        cli_json(cli, answer);
        return EXIT_DONE;
    }
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(answer, "items"), i, one)
    {
        bool is_there = json_is_true(json_object_get(one, "reachable"));
        table_cell(&t, TONE_PLAIN, text_at(one, "name"));
        table_cell(&t, TONE_PLAIN, text_at(one, "driver"));
        table_cell(&t, TONE_PLAIN, text_at(one, "address"));
        table_cell(&t, is_there ? TONE_PLAIN : TONE_WARN, is_there ? "yes" : "no");
        table_cell(&t, TONE_PLAIN, out_ago(&cli->out, text_at(one, "seen"), ago));
    }
    table_print(&t);
    table_clear(&t);
    return EXIT_DONE;
}

static const char *count_at(struct cli *cli, const json_t *node, const char *key)
{
    return json_object_get(node, key) ? cli_printf(cli, "%lld", (long long)int_at(node, key, 0))
                                      : "-";
}

static void print_route(struct cli *cli, const json_t *route)
{
    static const char *const heads[] = {"NODE", "SHARE %",  "WANTED %", "WEIGHT",
                                        "UP",   "SESSIONS", "REQUESTS", "ERRORS"};
    struct table t;
    json_t *node;
    size_t i;
    printf("\n%s as backend %s%s\n", clean(cli, text_at(route, "model")),
           clean(cli, text_at(route, "backend")),
           strcmp(text_at(route, "state"), "absent") == 0 ? ": not there" : "");
    if (json_array_size(json_object_get(route, "nodes")) == 0)
        return;
    table_init(&t, &cli->out, (int)ARRAY_LEN(heads), heads);
    json_array_foreach(json_object_get(route, "nodes"), i, node)
    {
        bool is_up = json_is_true(json_object_get(node, "up"));
        bool is_known = json_is_true(json_object_get(node, "known"));
        const char *wanted = text_at(node, "wanted");
        table_cell(&t, TONE_PLAIN, text_at(node, "node"));
        table_cell(&t, TONE_PLAIN, is_known ? text_at(node, "share") : "-");
        table_cell(&t, TONE_PLAIN, *wanted ? wanted : "-");
        table_cell(&t, TONE_PLAIN, count_at(cli, node, "weight"));
        table_cell(&t, is_up ? TONE_PLAIN : TONE_WARN,
                   is_known ? is_up ? "yes" : "no" : "not a server");
        table_cell(&t, TONE_PLAIN, count_at(cli, node, "sessions"));
        table_cell(&t, TONE_PLAIN, count_at(cli, node, "requests"));
        table_cell(&t, TONE_PLAIN, count_at(cli, node, "errors"));
    }
    table_print(&t);
    table_clear(&t);
}

static void print_fact(struct cli *cli, const json_t *router, const char *key)
{
    if (*text_at(router, key))
        printf("  %s %s\n", key, clean(cli, text_at(router, key)));
}

int cmd_router_show(struct cli *cli)
{
    static const char *const keys[] = {"address", "backend", "server_label", "file", "pid_file"};
    struct err e = {0};
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    json_t *route;
    size_t i;
    int rc = cli_call(cli, "GET", path_of(cli, cli->args[1]), NULL, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        cli_json(cli, answer);
        return EXIT_DONE;
    }
    bool is_there = json_is_true(json_object_get(answer, "reachable"));
    printf("%s (%s): %s%s%s%s%s\n", clean(cli, text_at(answer, "name")), text_at(answer, "driver"),
           out_on(&cli->out, is_there ? TONE_PLAIN : TONE_WARN),
           is_there ? "reachable" : "not reachable", out_off(&cli->out),
           *text_at(answer, "detail") ? ": " : "", clean(cli, text_at(answer, "detail")));
    for (size_t k = 0; k < ARRAY_LEN(keys); k++)
        print_fact(cli, answer, keys[k]);
    json_array_foreach(json_object_get(answer, "routes"), i, route) print_route(cli, route);
    return EXIT_DONE;
}

/* --- checking --------------------------------------------------------------------------------- */

static const json_t *route_of(const json_t *router, const char *model)
{
    json_t *route;
    size_t i;
    json_array_foreach(json_object_get(router, "routes"), i, route)
    {
        if (strcmp(text_at(route, "model"), model) == 0)
            return route;
    }
    return NULL;
}

static void add(json_t *problems, const char *text)
{
    json_array_append_new(problems, json_string(text));
}

static void check_route(struct cli *cli, const json_t *route, json_t *problems)
{
    const char *backend = text_at(route, "backend");
    json_t *node;
    size_t i;
    if (strcmp(text_at(route, "state"), "known") != 0) {
        add(problems, cli_printf(cli, "backend %s is not there: model %s is not routed", backend,
                                 text_at(route, "model")));
        return;
    }
    if (int_at(route, "others", 0) > 0)
        add(problems,
            cli_printf(cli, "backend %s also sends requests to %lld servers that are no nodes here",
                       backend, (long long)int_at(route, "others", 0)));
    json_array_foreach(json_object_get(route, "nodes"), i, node)
    {
        const char *name = text_at(node, "node");
        const char *wanted = text_at(node, "wanted");
        if (!json_is_true(json_object_get(node, "known")))
            add(problems, cli_printf(cli, "node %s is not a server of backend %s", name, backend));
        else if (!json_is_true(json_object_get(node, "up")))
            add(problems,
                cli_printf(cli, "server %s of backend %s is down or was taken out", name, backend));
        else if (*wanted &&
                 (strcmp(wanted, "0") == 0) != (strcmp(text_at(node, "share"), "0") == 0))
            add(problems, cli_printf(cli, "server %s of backend %s has %s %% instead of %s %%",
                                     name, backend, text_at(node, "share"), wanted));
    }
}

static int find_problems(struct cli *cli, const json_t *router, json_t *problems, struct err *e)
{
    json_t *targets CLEANUP(json_decref_ptr) = NULL;
    json_t *target;
    size_t i;
    if (!*text_at(router, "seen"))
        add(problems, "it was not looked at yet: try again in a few seconds");
    else if (!json_is_true(json_object_get(router, "reachable")))
        add(problems, text_at(router, "detail"));
    int rc = list_some(
        cli, cli_printf(cli, "/api/v1/environments/%s/targets", cli_quote(cli, cli->args[0])),
        10000, &targets, NULL, e);
    json_array_foreach(targets, i, target)
    {
        const json_t *route = route_of(router, text_at(target, "model"));
        if (route)
            check_route(cli, route, problems);
        else
            add(problems,
                cli_printf(cli, "model %s was not seen there yet", text_at(target, "model")));
    }
    return rc;
}

int cmd_router_check(struct cli *cli)
{
    struct err e = {0};
    json_t *router CLEANUP(json_decref_ptr) = NULL;
    json_t *problems CLEANUP(json_decref_ptr) = json_array();
    json_t *one;
    size_t i;
    int rc = cli_call(cli, "GET", path_of(cli, cli->args[1]), NULL, &router, &e);
    if (rc == ERR_OK)
        rc = find_problems(cli, router, problems, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    bool is_good = json_array_size(problems) == 0;
    if (cli->out.is_json) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:b, s:O}", "ok", is_good, "problems", problems);
        cli_json(cli, j);
        return is_good ? EXIT_DONE : EXIT_FAILED;
    }
    json_array_foreach(problems, i, one)
        printf("%sproblem%s: %s\n", out_on(&cli->out, TONE_WARN), out_off(&cli->out),
               clean(cli, json_string_value(one)));
    if (is_good)
        printf("nothing is missing\n");
    return is_good ? EXIT_DONE : EXIT_FAILED;
}
