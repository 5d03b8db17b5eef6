/*
 * mreg node edit, router edit, rollout retry: what is there already, changed or asked for again.
 * Main thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

/* Options that are members of the body under another name. */
struct member {
    const char *option, *name;
};

/* A body with those of the options that are given; ERR_INVALID when there is none of them. */
static int body_of(struct cli *cli, const struct member *members, json_t *body, struct err *e)
{
    const char *names = "";
    for (; members->option; members++) {
        const char *value = opt(cli, members->option);
        names = cli_printf(cli, "%s%s--%s", names, *names ? ", " : "", members->option);
        if (value)
            json_object_set_new(body, members->name, json_string(value));
    }
    if (json_object_size(body) > 0 || opt(cli, "label"))
        return ERR_OK;
    return err_set(e, ERR_INVALID, "nothing to change was given: %s", names);
}

/* --label NAME=VALUE onto the labels that the node has; NAME= takes one off. */
static int merge_labels(struct cli *cli, const char *path, json_t *body, struct err *e)
{
    json_t *node CLEANUP(json_decref_ptr) = NULL;
    json_t *given CLEANUP(json_decref_ptr) = json_object();
    const char *name;
    json_t *value;
    int rc = opt(cli, "label") ? cli_pairs(cli, "label", given, e) : ERR_OK;
    if (rc != ERR_OK || json_object_size(given) == 0)
        return rc;
    rc = cli_call(cli, "GET", path, NULL, &node, e);
    if (rc != ERR_OK)
        return rc;
    json_t *labels = json_object_get(node, "labels");
    json_t *all = labels ? json_copy(labels) : json_object();
    json_object_foreach(given, name, value)
    {
        if (*json_string_value(value))
            json_object_set(all, name, value);
        else
            json_object_del(all, name);
    }
    json_object_set_new(body, "labels", all);
    return ERR_OK;
}

int cmd_node_edit(struct cli *cli)
{
    static const struct member members[] = {
        {"url", "admin_url"},           {"root", "root"},     {"infer-url", "infer_url"},
        {"metrics-url", "metrics_url"}, {"driver", "driver"}, {NULL, NULL}};
    struct err e = {0};
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    const char *path = cli_printf(cli, "/api/v1/environments/%s/nodes/%s",
                                  cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1]));
    int rc = body_of(cli, members, body, &e);
    if (rc == ERR_OK)
        rc = merge_labels(cli, path, body, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    return cli_change(cli, "PATCH", path, json_incref(body),
                      cli_printf(cli, "node %s of %s changed; see: mreg node check %s %s",
                                 cli->args[1], cli->args[0], cli_shell(cli, cli->args[0]),
                                 cli_shell(cli, cli->args[1])));
}

int cmd_router_edit(struct cli *cli)
{
    static const struct member members[] = {{"address", "address"},
                                            {"driver", "driver"},
                                            {"file", "file"},
                                            {"pid-file", "pid_file"},
                                            {"backend", "backend"},
                                            {"server-label", "server_label"},
                                            {NULL, NULL}};
    struct err e = {0};
    json_t *body CLEANUP(json_decref_ptr) = json_object();
    if (body_of(cli, members, body, &e) != ERR_OK)
        return cli_fail(cli, &e);
    return cli_change(cli, "PATCH",
                      cli_printf(cli, "/api/v1/environments/%s/routers/%s",
                                 cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1])),
                      json_incref(body),
                      cli_printf(cli, "router %s of %s changed; see: mreg router check %s %s",
                                 cli->args[1], cli->args[0], cli_shell(cli, cli->args[0]),
                                 cli_shell(cli, cli->args[1])));
}

/* What an ended rollout asked for, asked for again as it was. */
static int ask_again(struct cli *cli, const json_t *old, json_t **out, struct err *e)
{
    const char *kind = text_at(old, "kind");
    const char *reason = opt(cli, "reason");
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s, s:O*, s:s}", "model", text_at(old, "model"), "environment",
                  text_at(old, "environment"), "version",
                  cli_printf(cli, "%lld", (long long)int_at(old, "to", 0)), "kind",
                  strcmp(kind, "rollback") == 0 ? "rollback" : "promote", "strategy",
                  json_object_get(old, "strategy"), "reason",
                  reason ? reason : cli_printf(cli, "again, after %s", text_at(old, "id")));
    if (opt_has(cli, "dry-run"))
        json_object_set_new(body, "dry_run", json_true());
    if (!*text_at(old, "ended"))
        return err_set(e, ERR_CONFLICT, "%s has not ended: it is %s", text_at(old, "id"),
                       text_at(old, "phase"));
    return cli_call(cli, "POST", "/api/v1/rollouts", body, out, e);
}

int cmd_rollout_retry(struct cli *cli)
{
    struct err e = {0};
    json_t *old CLEANUP(json_decref_ptr) = NULL;
    json_t *made CLEANUP(json_decref_ptr) = NULL;
    const char *path = cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, cli->args[0]));
    int rc = cli_call(cli, "GET", path, NULL, &old, &e);
    if (rc == ERR_OK)
        rc = ask_again(cli, old, &made, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    const char *id = text_at(made, "id");
    if (json_is_true(json_object_get(made, "dry_run")) && !cli->out.is_json) {
        plan_print(cli, made);
        out_say(&cli->out, "a plan only: nothing was changed");
        return EXIT_DONE;
    }
    if (opt_has(cli, "watch") && *id)
        return watch_rollout(cli, id);
    if (cli->out.is_json)
        cli_json(cli, made);
    else if (!*id)
        out_say(&cli->out, "already so: that version is live");
    else
        printf("%s\n", id);
    if (*id)
        out_say(&cli->out, "follow it: mreg rollout watch %s", id);
    return EXIT_DONE;
}
