/*
 * What to do next after an error: the command that shows what there is, or that puts it right.
 * Knows the words of messages only as far as it needs them; without a hint nothing is lost. Pure.
 */
#include <string.h>

#include "cli.h"
#include "profile.h"

/* What a message says, and the command that helps. */
static const struct {
    enum err_code code;
    const char *words, *hint;
} hints[] = {
    {ERR_NOT_FOUND, "no model \"", "mreg list shows the models"},
    {ERR_NOT_FOUND, " has no version ", "mreg list MODEL shows its versions"},
    {ERR_NOT_FOUND, " has no alias ", "mreg alias list MODEL shows its aliases"},
    {ERR_NOT_FOUND, "no environment \"", "mreg env list shows the environments"},
    {ERR_NOT_FOUND, "no node \"", "mreg node list ENV shows the nodes"},
    {ERR_NOT_FOUND, "no router \"", "mreg router list ENV shows the routers"},
    {ERR_NOT_FOUND, "no rollout \"", "mreg rollout list shows the rollouts, as r-12"},
    {ERR_NOT_FOUND, "no webhook \"", "mreg webhook list shows the webhooks, as h-12"},
    {ERR_NOT_FOUND, "no token \"", "mreg token list shows the tokens, as t-12"},
    {ERR_NOT_FOUND, "no freeze \"", "mreg freeze list shows the freezes, as f-12"},
    {ERR_NOT_FOUND, "no user \"", "mreg user list shows the people"},
    {ERR_NOT_FOUND, " is not a target ", "mreg target list ENV shows what is served there"},
    {ERR_CONFLICT, "does not wait in a queue", "mreg queue list shows what waits"},
    {ERR_REFUSED, "--override quarantine",
     "the role approver may do that, or end it: mreg quarantine lift ENV MODEL@VERSION --reason "
     "WHY"},
    {ERR_INVALID, " needs a reason", "add --reason WHY"},
    {ERR_INVALID, "takes no steps", "add --strategy canary"},
    {ERR_CONFLICT, "has not ended", "mreg rollout watch ID follows it"},
};

/* Does the API know a thing at this path? */
static bool is_there(struct cli *cli, const char *path)
{
    struct err e = {0};
    return cli_call(cli, "GET", path, NULL, NULL, &e) == ERR_OK;
}

/* "promote production fraud": the environment stands where the model belongs. */
static const char *swapped(struct cli *cli, const struct err *e)
{
    bool is_one = cli->command && strncmp(cli->command->args, "MODEL", 5) == 0 &&
                  strstr(cli->command->args, "ENV") && e->code == ERR_NOT_FOUND && cli->n_args == 2;
    if (!is_one || strchr(cli->args[0], '@'))
        return NULL;
    const char *model = arena_copy(&cli->arena, cli->args[1], strcspn(cli->args[1], "@"));
    bool is_it =
        is_there(cli, cli_printf(cli, "/api/v1/environments/%s", cli_quote(cli, cli->args[0]))) &&
        is_there(cli, cli_printf(cli, "/api/v1/models/%s", cli_quote(cli, model)));
    return is_it ? cli_printf(cli, "the model comes first: mreg %s %s %s", cli->command->name,
                              cli_shell(cli, cli->args[1]), cli_shell(cli, cli->args[0]))
                 : NULL;
}

/* "rollout show fraud": the ids of the rollouts of that model. */
static const char *rollouts_of(struct cli *cli, const struct err *e)
{
    json_t *list CLEANUP(json_decref_ptr) = NULL;
    struct err unused = {0};
    const char *ids = "";
    json_t *one;
    size_t i;
    if (e->code != ERR_NOT_FOUND || !strstr(e->message, "no rollout \"") || cli->n_args < 1 ||
        !is_there(cli, cli_printf(cli, "/api/v1/models/%s", cli_quote(cli, cli->args[0]))))
        return NULL;
    const char *path = cli_query(cli, "/api/v1/rollouts?limit=5", "model", cli->args[0]);
    if (cli_call(cli, "GET", path, NULL, &list, &unused) != ERR_OK)
        return NULL;
    json_array_foreach(json_object_get(list, "items"), i, one) ids =
        cli_printf(cli, "%s%s%s (%s, %s)", ids, i ? ", " : "", text_at(one, "id"),
                   text_at(one, "environment"), text_at(one, "phase"));
    return cli_printf(cli,
                      "%s is a model; its newest rollouts: %s; mreg rollout list --model %s "
                      "shows all",
                      cli->args[0], *ids ? ids : "none", cli_shell(cli, cli->args[0]));
}

/* "fraud@staging": an environment where nothing of that model is live. */
static const char *idle_environment(struct cli *cli, const struct err *e)
{
    const char *at = e->code == ERR_NOT_FOUND && strstr(e->message, " has no alias \"")
                         ? strstr(e->message, " has no alias \"") + strlen(" has no alias \"")
                         : NULL;
    if (!at)
        return NULL;
    const char *env = arena_copy(&cli->arena, at, strcspn(at, "\""));
    if (!is_there(cli, cli_printf(cli, "/api/v1/environments/%s", cli_quote(cli, env))))
        return NULL;
    return cli_printf(cli,
                      "%s is an environment, and no version of this model is live there: mreg "
                      "status %s",
                      env, cli_shell(cli, env));
}

/* A command for a rollout that has ended: back from a good end, again after another one. */
static const char *after_end(struct cli *cli, const struct err *e)
{
    json_t *r CLEANUP(json_decref_ptr) = NULL;
    struct err unused = {0};
    if (e->code != ERR_CONFLICT || !strstr(e->message, " has ended") || cli->n_args < 1)
        return NULL;
    const char *path = cli_printf(cli, "/api/v1/rollouts/%s", cli_quote(cli, cli->args[0]));
    if (cli_call(cli, "GET", path, NULL, &r, &unused) != ERR_OK)
        return NULL;
    if (strcmp(text_at(r, "phase"), "succeeded") == 0)
        return cli_printf(cli, "it succeeded; to go back: mreg rollback %s --env %s",
                          cli_shell(cli, text_at(r, "model")),
                          cli_shell(cli, text_at(r, "environment")));
    return cli_printf(cli, "it ended as %s; mreg rollout retry %s asks for the same again",
                      text_at(r, "phase"), text_at(r, "id"));
}

/* "rollout show 39", "r39": the id with its dash. */
static const char *id_with_dash(struct cli *cli, const struct err *e)
{
    const char *given = cli->n_args ? cli->args[0] : "";
    const char *digits = given + (*given == 'r' || *given == 'R');
    if (e->code != ERR_NOT_FOUND || !strstr(e->message, "no rollout \"") || !*digits ||
        digits[strspn(digits, "0123456789")])
        return NULL;
    const char *id = cli_printf(cli, "r-%s", digits);
    bool is_it = is_there(cli, cli_printf(cli, "/api/v1/rollouts/%s", id));
    return is_it ? cli_printf(cli, "did you mean %s?", id) : NULL;
}

static const char *by_words(const struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].code == e->code && strstr(e->message, hints[i].words))
            return hints[i].hint;
    return NULL;
}

/* "... needs the role deployer, approver or admin; ...": who gives it, and how. */
static const char *who_may(struct cli *cli, const struct err *e)
{
    const char *at = strstr(e->message, "the role ");
    size_t n = at ? strspn(at + 9, "abcdefghijklmnopqrstuvwxyz") : 0;
    if (n == 0)
        return "\"mreg whoami\" shows this token's role, \"mreg help roles\" what each may; an "
               "admin can make another token";
    return cli_printf(cli,
                      "ask an admin: mreg token create NAME --role %.*s; \"mreg help roles\" "
                      "shows what each may",
                      (int)n, at + 9);
}

/* "rollout r-46 of version 3 to ... is still active": what ends it, and the same again. */
static const char *still_active(struct cli *cli, const struct err *e)
{
    const char *id = strstr(e->message, "rollout r-");
    bool is_it = e->code == ERR_CONFLICT && id && strstr(e->message, "is still active");
    const char *to = opt(cli, "to");
    const char *env = opt(cli, "env");
    if (!is_it)
        return NULL;
    const char *name = arena_copy(&cli->arena, id + 8, strcspn(id + 8, " "));
    const char *abort = cli_printf(cli, "mreg rollout abort %s --reason WHY", name);
    if (!cli->command || strcmp(cli->command->name, "rollback") != 0)
        return cli_printf(cli, "%s ends it; mreg rollout watch %s follows it", abort, name);
    return cli_printf(cli, "%s, then: mreg rollback %s --env %s%s%s", abort,
                      cli_shell(cli, cli->args[0]),
                      cli_shell(cli, cli->n_args > 1 ? cli->args[1]
                                     : env           ? env
                                                     : "ENV"),
                      to ? " --to " : "", to ? cli_shell(cli, to) : "");
}

const char *cli_hint(struct cli *cli, const struct err *e)
{
    const char *url = cli->profile && cli->profile->url ? cli->profile->url : "URL";
    static const char *(*const finders[])(struct cli *, const struct err *) = {
        swapped, rollouts_of, still_active, idle_environment, after_end, id_with_dash};
    const char *hint = NULL;
    for (size_t i = 0; !hint && i < ARRAY_LEN(finders); i++)
        hint = finders[i](cli, e);
    if (!hint)
        hint = by_words(e);
    if (hint)
        return hint;
    switch (e->code) {
    case ERR_UNAUTHENTICATED:
        return cli_printf(cli, "mreg login %s --token-file FILE", url);
    case ERR_FORBIDDEN:
        return who_may(cli, e);
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_THROTTLED:
        return "nothing was lost; the same command can be run again";
    case ERR_LOCAL_IO:
        return "nothing was lost; put it right and run the same command again";
    case ERR_INVALID:
        if (cli->lacks_registry)
            return "mreg login URL --token-file FILE";
        if (!cli->command || *cli_request(cli))
            return NULL; /* the server has said what is wrong */
        return cli_printf(cli, "mreg help %s", cli->command->name);
    default:
        return NULL;
    }
}
