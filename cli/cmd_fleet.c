/*
 * mreg env, node, target, alias, token and version set/delete: small changes, one call each.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "name.h"

static const char *reason_query(struct cli *cli)
{
    return cli_query(cli, "", "reason", opt(cli, "reason"));
}

/* --policy FILE as member "policy". */
static int add_policy(struct cli *cli, json_t *body, struct err *e)
{
    json_t *policy = NULL;
    const char *file = opt(cli, "policy");
    int rc = file ? cli_read_json(file, &policy, e) : ERR_OK;
    if (rc == ERR_OK && policy)
        json_object_set_new(body, "policy", policy);
    return rc;
}

int cmd_env_create(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_pack("{s:s}", "name", cli->args[0]);
    if (add_policy(cli, body, &e) != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    return cli_change(
        cli, "POST", "/api/v1/environments", body,
        cli_printf(cli,
                   "environment %s made; next: mreg node add %s NAME --url URL --root "
                   "FOLDER",
                   cli->args[0], cli_shell(cli, cli->args[0])));
}

int cmd_env_set(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_object();
    int64_t position = -1;
    int rc = add_policy(cli, body, &e);
    if (rc == ERR_OK)
        rc = cli_number(cli, "position", 0, 1000000, &position, &e);
    if (rc == ERR_OK && position >= 0)
        json_object_set_new(body, "position", json_integer(position));
    if (rc == ERR_OK && json_object_size(body) == 0)
        rc = err_set(&e, ERR_INVALID, "env set needs --policy FILE or --position N");
    if (rc != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    return cli_change(cli, "PATCH",
                      cli_printf(cli, "/api/v1/environments/%s", cli_quote(cli, cli->args[0])),
                      body, "environment changed");
}

int cmd_env_delete(struct cli *cli)
{
    if (!cli_confirm(cli, cli_printf(cli, "remove environment %s?", cli->args[0])))
        return EXIT_REFUSED;
    return cli_change(cli, "DELETE",
                      cli_printf(cli, "/api/v1/environments/%s%s", cli_quote(cli, cli->args[0]),
                                 reason_query(cli)),
                      NULL, "environment removed");
}

/* Adds the node of the body (given away) and prints what the first look at it found. */
static int add_node(struct cli *cli, json_t *body)
{
    struct err e = {0};
    json_t *mine CLEANUP(json_decref_ptr) = body;
    json_t *node CLEANUP(json_decref_ptr) = NULL;
    if (opt(cli, "reason"))
        json_object_set_new(mine, "reason", json_string(opt(cli, "reason")));
    int rc = cli_call(
        cli, "POST", cli_printf(cli, "/api/v1/environments/%s/nodes", cli_quote(cli, cli->args[0])),
        mine, &node, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json) {
        cli_json(cli, node);
        return EXIT_DONE;
    }
    out_say(&cli->out, "node %s added to %s", cli->args[1], cli->args[0]);
    node_print_report(cli, json_object_get(node, "probe"));
    return EXIT_DONE;
}

int cmd_node_add(struct cli *cli)
{
    struct err e = {0};
    json_t *labels = json_object();
    const char *root = opt(cli, "root");
    /* A relative folder is meant from here; an absolute one may be the server's alone. */
    char *whole CLEANUP(mem_free_ptr) = root && *root != '/' ? realpath(root, NULL) : NULL;
    json_t *body =
        json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:o}", "name", cli->args[1], "driver",
                  opt(cli, "driver") ? opt(cli, "driver") : "v2", "admin_url", opt(cli, "url"),
                  "infer_url", opt(cli, "infer-url"), "metrics_url", opt(cli, "metrics-url"),
                  "root", whole ? whole : root, "labels", labels);
    int rc = opt(cli, "url") && root
                 ? cli_pairs(cli, "label", labels, &e)
                 : err_set(&e, ERR_INVALID, "node add needs --url URL and --root FOLDER");
    if (rc != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    return add_node(cli, body);
}

int cmd_node_remove(struct cli *cli)
{
    if (!cli_confirm(cli, cli_printf(cli, "remove node %s of %s?", cli->args[1], cli->args[0])))
        return EXIT_REFUSED;
    return cli_change(cli, "DELETE",
                      cli_printf(cli, "/api/v1/environments/%s/nodes/%s%s",
                                 cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1]),
                                 reason_query(cli)),
                      NULL, "node removed; what it serves was left as it is");
}

int cmd_target_set(struct cli *cli)
{
    struct err e = {0};
    json_t *body = json_pack("{s:s*}", "serve_as", opt(cli, "serve-as"));
    if (add_policy(cli, body, &e) != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    return cli_change(cli, "PUT",
                      cli_printf(cli, "/api/v1/environments/%s/targets/%s",
                                 cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1])),
                      body, "target set");
}

/* "fraud@3" or "fraud@alias" into a version number. */
static int resolve(struct cli *cli, const char *text, char model[NAME_MAX_BYTES * 2 + 2],
                   int64_t *number, struct err *e)
{
    const char *ref = NULL;
    json_t *version CLEANUP(json_decref_ptr) = NULL;
    int rc = ref_split(text, model, &ref, e);
    if (rc == ERR_OK)
        rc = cli_call(cli, "GET",
                      cli_printf(cli, "/api/v1/models/%s/versions/%s", cli_quote(cli, model),
                                 cli_quote(cli, ref)),
                      NULL, &version, e);
    if (rc == ERR_OK)
        *number = int_at(version, "version", 0);
    return rc;
}

int cmd_alias_set(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    int64_t number = 0;
    int64_t expected = -1;
    int rc = cli_number(cli, "expect", 0, INT64_MAX, &expected, &e);
    if (rc == ERR_OK)
        rc = resolve(cli, cli->args[0], model, &number, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    json_t *body = json_pack("{s:I}", "version", (json_int_t)number);
    if (expected >= 0)
        json_object_set_new(body, "expected", json_integer(expected));
    return cli_change(
        cli, "PUT",
        cli_printf(cli, "/api/v1/models/%s/aliases/%s", cli_quote(cli, model),
                   cli_quote(cli, cli->args[1])),
        body, cli_printf(cli, "%s@%s is version %lld now", model, cli->args[1], (long long)number));
}

int cmd_alias_delete(struct cli *cli)
{
    return cli_change(cli, "DELETE",
                      cli_printf(cli, "/api/v1/models/%s/aliases/%s%s",
                                 cli_quote(cli, cli->args[0]), cli_quote(cli, cli->args[1]),
                                 reason_query(cli)),
                      NULL, "alias removed");
}

int cmd_version_set(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    int64_t number = 0;
    json_t *tags = json_object();
    json_t *metrics = json_object();
    json_t *body = json_pack("{s:s*, s:o, s:o}", "description", opt(cli, "description"), "tags",
                             tags, "metrics", metrics);
    int rc = cli_pairs(cli, "tag", tags, &e);
    if (rc == ERR_OK)
        rc = cli_pairs(cli, "metric", metrics, &e);
    if (rc == ERR_OK)
        rc = resolve(cli, cli->args[0], model, &number, &e);
    if (rc != ERR_OK) {
        json_decref(body);
        return cli_fail(cli, &e);
    }
    return cli_change(cli, "PATCH",
                      cli_printf(cli, "/api/v1/models/%s/versions/%lld", cli_quote(cli, model),
                                 (long long)number),
                      body, "version annotated");
}

int cmd_version_delete(struct cli *cli)
{
    struct err e = {0};
    char model[NAME_MAX_BYTES * 2 + 2];
    int64_t number = 0;
    if (resolve(cli, cli->args[0], model, &number, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (!cli_confirm(cli, cli_printf(cli, "delete %s version %lld? Its number is never used again.",
                                     model, (long long)number)))
        return EXIT_REFUSED;
    return cli_change(cli, "DELETE",
                      cli_printf(cli, "/api/v1/models/%s/versions/%lld%s", cli_quote(cli, model),
                                 (long long)number, reason_query(cli)),
                      NULL, "version deleted; its documents stay in the history");
}

int cmd_token_create(struct cli *cli)
{
    struct err e = {0};
    const char *role = opt(cli, "role");
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    json_t *body CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s*, s:s*, s:s*, s:s*}", "name", cli->args[0], "role",
                  role ? role : "reader", "models", opt(cli, "models") ? opt(cli, "models") : "*",
                  "expires", opt(cli, "expires"), "reason", opt(cli, "reason"), "environment",
                  opt(cli, "env"), "root", opt(cli, "root"));
    int rc = cli_call(cli, "POST", "/api/v1/tokens", body, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else
        printf("%s\n", text_at(answer, "token"));
    out_say(&cli->out, "%s: role %s, shown only now", text_at(answer, "id"),
            text_at(answer, "role"));
    return EXIT_DONE;
}

int cmd_token_revoke(struct cli *cli)
{
    return cli_change(
        cli, "DELETE",
        cli_printf(cli, "/api/v1/tokens/%s%s", cli_quote(cli, cli->args[0]), reason_query(cli)),
        NULL, "token revoked");
}
