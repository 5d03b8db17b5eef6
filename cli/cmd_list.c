/*
 * mreg list: models, versions, and every other list of the API as a table. One row of columns each;
 * listing.c prints them.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "listing.h"

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
                                             {"BY", "created_by", SHAPE_ACTOR},
                                             {NULL, NULL, SHAPE_TEXT}}};
    if (cli->n_args == 0)
        return list_print(cli, cli_query(cli, "/api/v1/models", "at", opt(cli, "at")), &models);
    const char *path = cli_printf(cli, "/api/v1/models/%s/versions", cli_quote(cli, cli->args[0]));
    return list_print(cli, cli_query(cli, path, "at", opt(cli, "at")), &versions);
}

int cmd_alias_list(struct cli *cli)
{
    static const struct listing l = {{{"ALIAS", "alias", SHAPE_TEXT},
                                      {"VERSION", "version", SHAPE_INT},
                                      {"SINCE", "since", SHAPE_AGO},
                                      {"BY", "by", SHAPE_ACTOR},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(
        cli, cli_printf(cli, "/api/v1/models/%s/aliases", cli_quote(cli, cli->args[0])), &l);
}

int cmd_env_list(struct cli *cli)
{
    static const struct listing l = {{{"ENVIRONMENT", "name", SHAPE_TEXT},
                                      {"POSITION", "position", SHAPE_INT},
                                      {"NODES", "n_nodes", SHAPE_INT},
                                      {"UNREACHABLE", "n_unreachable", SHAPE_INT},
                                      {"CREATED", "created", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(cli, "/api/v1/environments", &l);
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
    const char *path =
        cli_printf(cli, "/api/v1/environments/%s/nodes", cli_quote(cli, cli->args[0]));
    path = cli_query(cli, path, "state", opt(cli, "state"));
    path = cli_query(cli, path, "label", opt(cli, "label"));
    path = cli_query(cli, path, "at", opt(cli, "at"));
    return list_print(cli, cli_query(cli, path, "q", opt(cli, "search")), &l);
}

int cmd_target_list(struct cli *cli)
{
    static const struct listing l = {{{"MODEL", "model", SHAPE_TEXT},
                                      {"SERVED AS", "serve_as", SHAPE_TEXT},
                                      {"LIVE", "live", SHAPE_INT},
                                      {"LAST GOOD", "last_good", SHAPE_INT},
                                      {"ROLLOUT", "rollout", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(
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
    return list_print(cli, "/api/v1/tokens", &l);
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
                                      {"BY", "actor", SHAPE_ACTOR},
                                      {"OUTCOME", "outcome", SHAPE_LONG},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *path = cli_query(cli, "/api/v1/rollouts", "env", opt(cli, "env"));
    path = cli_query(cli, path, "model", opt(cli, "model"));
    path = cli_query(cli, path, "at", opt(cli, "at"));
    path = cli_query(cli, path, "active", opt_has(cli, "active") ? "true" : NULL);
    return list_print_of(cli, path, &l, (const char *const[2]){opt(cli, "env"), opt(cli, "model")});
}

int cmd_history(struct cli *cli)
{
    static const struct listing l = {{{"SEQ", "seq", SHAPE_INT},
                                      {"TIME", "time", SHAPE_AGO},
                                      {"ACTOR", "actor", SHAPE_ACTOR},
                                      {"WHAT", "kind", SHAPE_TEXT},
                                      {"MESSAGE", "message", SHAPE_MESSAGE},
                                      {"REASON", "reason", SHAPE_REASON},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *path =
        cli_query(cli, "/api/v1/history", "model", cli->n_args ? cli->args[0] : NULL);
    path = cli_query(cli, path, "env", opt(cli, "env"));
    return list_print_of(
        cli, cli_query(cli, path, "at", opt(cli, "at")), &l,
        (const char *const[2]){opt(cli, "env"), cli->n_args ? cli->args[0] : NULL});
}

int cmd_webhook_list(struct cli *cli)
{
    static const struct listing l = {{{"WEBHOOK", "id", SHAPE_TEXT},
                                      {"NAME", "name", SHAPE_TEXT},
                                      {"FORMAT", "format", SHAPE_TEXT},
                                      {"URL", "url", SHAPE_TEXT},
                                      {"KINDS", "kinds", SHAPE_WORDS},
                                      {"ENABLED", "enabled", SHAPE_INT},
                                      {"PENDING", "n_pending", SHAPE_INT},
                                      {"DELIVERED", "last_delivered", SHAPE_AGO},
                                      {"FAILING", "failing_since", SHAPE_AGO},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(cli, "/api/v1/webhooks", &l);
}

int cmd_webhook_deliveries(struct cli *cli)
{
    static const struct listing l = {{{"NUMBER", "number", SHAPE_INT},
                                      {"SEQ", "seq", SHAPE_INT},
                                      {"KIND", "kind", SHAPE_TEXT},
                                      {"ORIGIN", "origin", SHAPE_TEXT},
                                      {"STATE", "state", SHAPE_TEXT},
                                      {"ATTEMPTS", "attempts", SHAPE_INT},
                                      {"STATUS", "status", SHAPE_INT},
                                      {"CREATED", "created", SHAPE_AGO},
                                      {"DETAIL", "detail", SHAPE_TEXT},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(
        cli, cli_printf(cli, "/api/v1/webhooks/%s/deliveries", cli_quote(cli, cli->args[0])), &l);
}

int cmd_queue_list(struct cli *cli)
{
    static const struct listing l = {{{"ROLLOUT", "id", SHAPE_TEXT},
                                      {"PLACE", "queue_position", SHAPE_INT},
                                      {"MODEL", "model", SHAPE_TEXT},
                                      {"ENVIRONMENT", "environment", SHAPE_TEXT},
                                      {"TO", "to", SHAPE_INT},
                                      {"SUBMITTED", "created", SHAPE_AGO},
                                      {"BY", "actor", SHAPE_ACTOR},
                                      {"WAITING", "waiting", SHAPE_LONG},
                                      {NULL, NULL, SHAPE_TEXT}}};
    const char *path = cli_query(cli, "/api/v1/rollouts?queued=true", "env",
                                 cli->n_args > 0 ? cli->args[0] : NULL);
    path = cli_query(cli, path, "model", cli->n_args > 1 ? cli->args[1] : NULL);
    return list_print_of(cli, path, &l,
                         (const char *const[2]){cli->n_args > 0 ? cli->args[0] : NULL,
                                                cli->n_args > 1 ? cli->args[1] : NULL});
}

int cmd_freeze_list(struct cli *cli)
{
    static const struct listing l = {{{"ID", "id", SHAPE_TEXT},
                                      {"TYPE", "type", SHAPE_TEXT},
                                      {"STATE", "state", SHAPE_TEXT},
                                      {"ENVIRONMENT", "environment", SHAPE_TEXT},
                                      {"MODEL", "model", SHAPE_TEXT},
                                      {"WEEKLY", "weekly", SHAPE_TEXT},
                                      {"UNTIL", "holds_until", SHAPE_TEXT},
                                      {"NEXT", "next", SHAPE_TEXT},
                                      {"BY", "actor", SHAPE_ACTOR},
                                      {"REASON", "reason", SHAPE_LONG}}};
    const char *env = cli->n_args > 0 ? cli->args[0] : NULL;
    return list_print_of(cli, cli_query(cli, "/api/v1/freezes", "env", env), &l,
                         (const char *const[2]){env, NULL});
}

int cmd_quarantine_list(struct cli *cli)
{
    static const struct listing l = {{{"MODEL", "model", SHAPE_TEXT},
                                      {"VERSION", "version", SHAPE_INT},
                                      {"SINCE", "since", SHAPE_AGO},
                                      {"ROLLOUT", "rollout", SHAPE_TEXT},
                                      {"CAUSE", "cause", SHAPE_LONG},
                                      {NULL, NULL, SHAPE_TEXT}}};
    return list_print(
        cli, cli_printf(cli, "/api/v1/environments/%s/quarantine", cli_quote(cli, cli->args[0])),
        &l);
}

int cmd_approval_list(struct cli *cli)
{
    static const struct listing l = {{{"ROLLOUT", "rollout", SHAPE_TEXT},
                                      {"MODEL", "model", SHAPE_TEXT},
                                      {"ENVIRONMENT", "environment", SHAPE_TEXT},
                                      {"FROM", "from", SHAPE_INT},
                                      {"TO", "to", SHAPE_INT},
                                      {"STEP", "step", SHAPE_INT},
                                      {"NEEDED", "needed", SHAPE_INT},
                                      {"GIVEN", "given", SHAPE_WORDS},
                                      {"BY", "actor", SHAPE_ACTOR},
                                      {"REASON", "reason", SHAPE_LONG}}};
    const char *env = cli->n_args > 0 ? cli->args[0] : NULL;
    return list_print_of(cli, cli_query(cli, "/api/v1/approvals", "env", env), &l,
                         (const char *const[2]){env, NULL});
}
