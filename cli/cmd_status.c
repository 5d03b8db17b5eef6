/*
 * mreg status: what is live where, since when and by whom, and what each node serves; now or at a
 * past time, in the same columns. One thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "listing.h"

#define MAX_ROLLOUTS 5000 /* that are looked at for who put a past version live */

/* One line: a node of a target. */
struct line {
    const char *env, *model, *since, *by, *rollout, *reason, *under_way;
    const char *node, *state;
    int64_t live, version;
};

struct status {
    struct cli *cli;
    struct table table;
    bool has_env;       /* the column of the environment is shown */
    bool has_under_way; /* that of what is under way */
    bool has_reason;
    size_t n;
};

/* only: the environment that was asked for, or NULL. A short table need not repeat it. */
static void begin_table(struct status *s, const char *only, bool has_under_way)
{
    static const char *const heads[] = {"ENV",     "MODEL", "VERSION", "SINCE", "BY",
                                        "ROLLOUT", "NODE",  "SERVES",  "STATE"};
    static const char *const lesser[] = {"ROLLOUT", "BY", "SINCE", NULL};
    const char *all[TABLE_MAX_COLUMNS];
    int n = 0;
    bool is_short = out_is_short(&s->cli->out) && !s->cli->out.wanted;
    s->has_env = !is_short || !only;
    s->has_under_way = !is_short || has_under_way;
    s->has_reason = !is_short;
    for (size_t i = s->has_env ? 0 : 1; i < ARRAY_LEN(heads); i++)
        all[n++] = heads[i];
    if (s->has_under_way)
        all[n++] = "MOVES";
    if (s->has_reason)
        all[n++] = "REASON";
    table_init(&s->table, &s->cli->out, n, all);
    s->table.lesser = lesser;
}

static enum tone tone_of(const char *state)
{
    return strcmp(state, "ok") == 0            ? TONE_GOOD
           : strcmp(state, "unreachable") == 0 ? TONE_BAD
                                               : TONE_WARN;
}

static void put_line(struct status *s, const struct line *l)
{
    struct cli *cli = s->cli;
    struct table *t = &s->table;
    char ago[40];
    if (s->has_env)
        table_cell(t, TONE_PLAIN, l->env);
    table_cell(t, TONE_PLAIN, l->model);
    table_cell(t, TONE_STRONG, cli_version(cli, l->live, ""));
    table_cell(t, TONE_PLAIN, out_ago(&cli->out, l->since, ago));
    table_cell(t, TONE_PLAIN, l->by);
    table_cell(t, TONE_PLAIN, l->rollout);
    table_cell(t, TONE_PLAIN, l->node);
    table_cell(t, TONE_PLAIN, cli_version(cli, l->version, ""));
    table_cell(t, tone_of(l->state), l->state);
    if (s->has_under_way)
        table_cell(t, TONE_WARN, l->under_way);
    if (s->has_reason)
        table_cell(t, TONE_PLAIN, l->reason);
    s->n++;
}

/* The models, each once. */
static void print_names(struct cli *cli, const json_t *items)
{
    json_t *item;
    size_t i;
    json_t *list = json_array();
    json_t *seen CLEANUP(json_decref_ptr) = json_object();
    json_t *names CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", list);
    json_array_foreach((json_t *)(uintptr_t)items, i, item)
    {
        const char *model = text_at(item, "model");
        if (*model && !json_object_get(seen, model))
            json_array_append_new(list, json_pack("{s:s}", "name", model));
        json_object_set_new(seen, model, json_true());
    }
    cli_json(cli, names);
}

static bool wants_names(const struct cli *cli)
{
    return cli->out.format == FORMAT_NAME || cli->out.format == FORMAT_ID;
}

/* --- now --- */

static void put_target(struct status *s, const json_t *target)
{
    json_t *node;
    size_t i;
    json_t *nodes = json_object_get(target, "nodes");
    json_t *none CLEANUP(json_decref_ptr) = json_pack("[{s:s}]", "state", "no nodes");
    struct line l = {.env = text_at(target, "environment"),
                     .model = text_at(target, "model"),
                     .live = int_at(target, "live", 0),
                     .since = text_at(target, "live_since"),
                     .by = list_actor(s->cli, target, "live_by"),
                     .rollout = text_at(target, "live_rollout"),
                     .reason = text_at(target, "live_reason"),
                     .under_way = text_at(target, "rollout")};
    json_array_foreach(json_array_size(nodes) ? nodes : none, i, node)
    {
        l.node = text_at(node, "node");
        l.version = int_at(node, "version", 0);
        l.state = text_at(node, "state");
        put_line(s, &l);
    }
}

static int add_targets(struct cli *cli, const char *env, json_t *all, struct err *e)
{
    json_t *targets CLEANUP(json_decref_ptr) = NULL;
    int rc = list_some(cli, cli_printf(cli, "/api/v1/environments/%s/targets", cli_quote(cli, env)),
                       10000, &targets, NULL, e);
    if (rc == ERR_OK)
        json_array_extend(all, targets);
    return rc;
}

static void print_targets(struct cli *cli, const char *only, const json_t *all)
{
    struct status s = {.cli = cli};
    json_t *target;
    size_t i;
    bool is_moving = false;
    json_array_foreach((json_t *)(uintptr_t)all, i, target) is_moving =
        is_moving || *text_at(target, "rollout");
    begin_table(&s, only, is_moving);
    json_array_foreach((json_t *)(uintptr_t)all, i, target) put_target(&s, target);
    table_print(&s.table);
}

static int status_now(struct cli *cli, const char *only, struct err *e)
{
    json_t *envs CLEANUP(json_decref_ptr) = NULL;
    json_t *all = json_array();
    json_t *result CLEANUP(json_decref_ptr) = json_pack("{s:o}", "items", all);
    json_t *env;
    size_t i;
    int rc = only ? add_targets(cli, only, all, e)
                  : list_some(cli, "/api/v1/environments", 1000, &envs, NULL, e);
    json_array_foreach(envs, i, env)
    {
        if (rc == ERR_OK)
            rc = add_targets(cli, text_at(env, "name"), all, e);
    }
    if (rc != ERR_OK)
        return rc;
    if (wants_names(cli))
        print_names(cli, all);
    else if (cli->out.is_json)
        cli_json(cli, result);
    else
        print_targets(cli, only, all);
    if (json_array_size(all) == 0)
        out_say(&cli->out, "nothing is live yet; promote a version: mreg promote MODEL@REF ENV");
    return ERR_OK;
}

/* --- then --- */

/* Two rollouts of each target, under "env/model": the newest that had succeeded, and under
 * "env/model " the one that was under way. Newest come first. */
static json_t *movers_of(const json_t *rollouts, struct cli *cli)
{
    json_t *movers = json_object();
    json_t *one;
    size_t i;
    json_array_foreach((json_t *)(uintptr_t)rollouts, i, one)
    {
        const char *phase = text_at(one, "phase");
        bool is_over = *text_at(one, "ended") != '\0';
        const char *key = cli_printf(cli, "%s/%s%s", text_at(one, "environment"),
                                     text_at(one, "model"), is_over ? "" : " ");
        bool counts = is_over ? strcmp(phase, "succeeded") == 0 : strcmp(phase, "queued") != 0;
        if (counts && !json_object_get(movers, key))
            json_object_set(movers, key, one);
    }
    return movers;
}

/* Adds to what a node served who had put it live. */
static void add_mover(struct cli *cli, json_t *item, const json_t *movers)
{
    const char *key =
        cli_printf(cli, "%s/%s", text_at(item, "environment"), text_at(item, "model"));
    const json_t *by = json_object_get(movers, key);
    const json_t *under_way = json_object_get(movers, cli_printf(cli, "%s ", key));
    static const char *const pairs[][2] = {{"live_by", "actor"},
                                           {"live_by_name", "actor_name"},
                                           {"live_since", "ended"},
                                           {"live_rollout", "id"},
                                           {"live_reason", "reason"}};
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
        if (*text_at(by, pairs[i][1]))
            json_object_set_new(item, pairs[i][0], json_string(text_at(by, pairs[i][1])));
    if (by)
        json_object_set_new(item, "live", json_integer(int_at(by, "to", 0)));
    if (under_way)
        json_object_set_new(item, "rollout", json_string(text_at(under_way, "id")));
}

static void put_served(struct status *s, const json_t *item)
{
    const char *state = text_at(item, "state");
    struct line l = {.env = text_at(item, "environment"),
                     .model = text_at(item, "model"),
                     .live = int_at(item, "live", 0),
                     .since = text_at(item, "live_since"),
                     .by = list_actor(s->cli, item, "live_by"),
                     .rollout = text_at(item, "live_rollout"),
                     .reason = text_at(item, "live_reason"),
                     .under_way = text_at(item, "rollout"),
                     .node = text_at(item, "node"),
                     .version = int_at(item, "version", 0),
                     .state = strcmp(state, "serving") == 0 ? "ok" : state};
    put_line(s, &l);
}

/* As the lists of what is live now: by environment, model and node. */
static int compare_served(const void *a, const void *b)
{
    static const char *const keys[] = {"environment", "model", "node"};
    int order = 0;
    for (size_t i = 0; order == 0 && i < ARRAY_LEN(keys); i++)
        order =
            strcmp(text_at(*(json_t *const *)a, keys[i]), text_at(*(json_t *const *)b, keys[i]));
    return order;
}

static json_t *sorted(const json_t *items)
{
    size_t n = json_array_size(items);
    json_t **rows CLEANUP(mem_free_ptr) = mem_alloc((n + 1) * sizeof *rows);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        rows[i] = json_array_get(items, i);
    qsort(rows, n, sizeof *rows, compare_served);
    for (size_t i = 0; i < n; i++)
        json_array_append(list, rows[i]);
    return list;
}

static void print_served(struct cli *cli, const char *only, const json_t *items)
{
    struct status s = {.cli = cli};
    json_t *item;
    size_t i;
    bool was_moving = false;
    json_array_foreach((json_t *)(uintptr_t)items, i, item) was_moving =
        was_moving || *text_at(item, "rollout");
    begin_table(&s, only, was_moving);
    json_array_foreach((json_t *)(uintptr_t)items, i, item) put_served(&s, item);
    table_print(&s.table);
}

/* What every node served at a time, as the journal has it. */
static int status_then(struct cli *cli, const char *only, const char *at, struct err *e)
{
    json_t *items CLEANUP(json_decref_ptr) = NULL;
    json_t *rollouts CLEANUP(json_decref_ptr) = NULL;
    json_t *item;
    size_t i;
    const char *path = cli_query(cli, cli_query(cli, "/api/v1/serving", "at", at), "env", only);
    const char *moves = cli_query(cli, cli_query(cli, "/api/v1/rollouts", "at", at), "env", only);
    int rc = list_some(cli, path, 100000, &items, NULL, e);
    if (rc == ERR_OK && json_array_size(items) == 0)
        rc = list_check(cli, only, NULL, at, e);
    if (rc == ERR_OK)
        rc = list_some(cli, moves, MAX_ROLLOUTS, &rollouts, NULL, e);
    if (rc != ERR_OK)
        return rc;
    json_t *movers CLEANUP(json_decref_ptr) = movers_of(rollouts, cli);
    json_array_foreach(items, i, item) add_mover(cli, item, movers);
    json_t *list CLEANUP(json_decref_ptr) = sorted(items);
    json_t *j CLEANUP(json_decref_ptr) = json_pack("{s:s, s:O}", "at", at, "items", list);
    if (wants_names(cli))
        print_names(cli, list);
    else if (cli->out.is_json)
        cli_json(cli, j);
    else
        print_served(cli, only, list);
    if (json_array_size(items) == 0)
        out_say(&cli->out, "nothing was live then");
    return ERR_OK;
}

int cmd_status(struct cli *cli)
{
    struct err e = {0};
    const char *at = opt(cli, "at");
    const char *only = cli->n_args ? cli->args[0] : opt(cli, "env");
    int rc = at ? status_then(cli, only, at, &e) : status_now(cli, only, &e);
    return rc == ERR_OK ? EXIT_DONE : cli_fail(cli, &e);
}
