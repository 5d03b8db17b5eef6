/*
 * mreg queue, freeze, stop-line, quarantine, approval and rollout override: small changes of what
 * holds rollouts, one call each. Who may do what is the server's to judge.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "name.h"

static const char *with_reason(struct cli *cli, const char *path)
{
    return cli_query(cli, path, "reason", opt(cli, "reason"));
}

static const char *target_path(struct cli *cli, const char *env, const char *model,
                               const char *rest)
{
    return cli_printf(cli, "/api/v1/environments/%s/targets/%s/%s", cli_quote(cli, env),
                      cli_quote(cli, model), rest);
}

/* --- queue --- */

/* Model and environment of a rollout. */
static int find_rollout(struct cli *cli, const char *id, json_t **out, struct err *e)
{
    return cli_call(cli, "GET", cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, id)), NULL,
                    out, e);
}

/* The ids that wait, with `id` at place `to` (from 1). */
static int new_order(const json_t *queue, const char *id, int64_t to, json_t **out, struct err *e)
{
    json_t *order = json_array();
    json_t *item;
    size_t i;
    bool is_there = false;
    json_array_foreach(json_object_get(queue, "items"), i, item)
    {
        const char *other = text_at(item, "id");
        is_there = is_there || strcmp(other, id) == 0;
        if (strcmp(other, id) != 0)
            json_array_append_new(order, json_string(other));
    }
    if (!is_there) {
        json_decref(order);
        return err_set(e, ERR_CONFLICT, "%s does not wait in a queue", id);
    }
    size_t n = json_array_size(order);
    json_array_insert_new(order, (size_t)to - 1 < n ? (size_t)to - 1 : n, json_string(id));
    *out = order;
    return ERR_OK;
}

int cmd_queue_move(struct cli *cli)
{
    struct err e = {0};
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    json_t *queue CLEANUP(json_decref_ptr) = NULL;
    json_t *order = NULL;
    const char *id = cli->args[0];
    int64_t to = 1;
    int rc = cli_number(cli, "place", 1, 1000, &to, &e);
    if (rc == ERR_OK)
        rc = find_rollout(cli, id, &rollout, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    const char *path =
        target_path(cli, text_at(rollout, "environment"), text_at(rollout, "model"), "queue");
    rc = cli_call(cli, "GET", path, NULL, &queue, &e);
    if (rc == ERR_OK)
        rc = new_order(queue, id, to, &order, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    return cli_change(cli, "PATCH", path,
                      json_pack("{s:o, s:I}", "order", order, "expected_generation",
                                (json_int_t)int_at(queue, "generation", 0)),
                      cli_printf(cli, "%s is number %lld in the queue now", id, (long long)to));
}

int cmd_queue_remove(struct cli *cli)
{
    struct err e = {0};
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    const char *id = cli->args[0];
    if (find_rollout(cli, id, &rollout, &e) != ERR_OK)
        return cli_fail(cli, &e);
    const char *path = target_path(cli, text_at(rollout, "environment"), text_at(rollout, "model"),
                                   cli_printf(cli, "queue/%s", cli_quote(cli, id)));
    return cli_change(cli, "DELETE", with_reason(cli, path), NULL,
                      cli_printf(cli, "%s was taken out of the queue", id));
}

int cmd_queue_start(struct cli *cli)
{
    return cli_change(cli, "POST", target_path(cli, cli->args[0], cli->args[1], "queue/start"),
                      json_object(), "the next rollout has begun");
}

/* --- freezes --- */

int cmd_freeze_add(struct cli *cli)
{
    const char *env = cli->n_args > 0 ? cli->args[0] : NULL;
    json_t *body = json_pack("{s:s*, s:s*, s:s*, s:s*, s:s*}", "environment", env, "model",
                             cli->n_args > 1 ? cli->args[1] : NULL, "from", opt(cli, "from"),
                             "until", opt(cli, "until"), "weekly", opt(cli, "weekly"));
    return cli_change(cli, "POST", "/api/v1/freezes", body,
                      cli_printf(cli, "frozen: %s%s%s; rollouts wait, rollbacks go on",
                                 env ? env : "all environments", cli->n_args > 1 ? ", " : "",
                                 cli->n_args > 1 ? cli->args[1] : ""));
}

int cmd_freeze_remove(struct cli *cli)
{
    return cli_change(
        cli, "DELETE",
        with_reason(cli, cli_printf(cli, "/api/v1/freezes/%s", cli_quote(cli, cli->args[0]))), NULL,
        "the freeze was removed");
}

int cmd_stop_line(struct cli *cli)
{
    bool is_on = strcmp(strchr(cli->command->name, ' ') + 1, "on") == 0;
    const char *env = cli->n_args > 0 ? cli->args[0] : NULL;
    json_t *body = json_pack("{s:b, s:s*}", "on", is_on, "environment", env);
    const char *where = env ? env : "all environments";
    return cli_change(cli, "PUT", "/api/v1/stop-line", body,
                      is_on ? cli_printf(cli, "stopped: nothing new begins in %s", where)
                            : cli_printf(cli, "the line goes on in %s", where));
}

/* --- quarantine, approvals, overrides --- */

int cmd_quarantine_lift(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    if (ref_split(cli->args[1], model, &ref, &e) != ERR_OK)
        return cli_fail(cli, &e);
    const char *path = target_path(cli, cli->args[0], model,
                                   cli_printf(cli, "quarantine/%s", cli_quote(cli, ref)));
    return cli_change(cli, "DELETE", with_reason(cli, path), NULL,
                      cli_printf(cli, "%s is out of quarantine in %s", cli->args[1], cli->args[0]));
}

int cmd_approval_give(struct cli *cli)
{
    struct err e = {0};
    const char *verb = strchr(cli->command->name, ' ') + 1;
    json_t *body = json_pack("{s:s}", "verb", verb);
    int64_t step = 0;
    if (cli_number(cli, "step", 1, 1000000, &step, &e) != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    if (step)
        json_object_set_new(body, "expected_step", json_integer(step));
    return cli_change(cli, "POST",
                      cli_printf(cli, "/api/v1/rollouts/%s/commands", cli_quote(cli, cli->args[0])),
                      body,
                      cli_printf(cli, "%s: %sd", cli->args[0],
                                 strcmp(verb, "approve") == 0 ? "approve" : "rejecte"));
}

json_t *targets_overrides(const char *text)
{
    json_t *list = json_array();
    char *copy CLEANUP(mem_free_ptr) = mem_strdup(text);
    char *rest = copy;
    char *word;
    while ((word = strsep(&rest, ",")))
        if (*word)
            json_array_append_new(list, json_string(word));
    return list;
}

int cmd_rollout_override(struct cli *cli)
{
    json_t *body = json_pack("{s:o}", "override", targets_overrides(cli->args[1]));
    return cli_change(
        cli, "POST", cli_printf(cli, "/api/v1/rollouts/%s/overrides", cli_quote(cli, cli->args[0])),
        body, cli_printf(cli, "%s passes over %s", cli->args[0], cli->args[1]));
}
