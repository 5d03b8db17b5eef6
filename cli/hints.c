/*
 * What to do next after an error: the command that shows what there is, or that puts it right.
 * Knows the words of messages only as far as it needs them; without a hint nothing is lost. Pure.
 */
#include <string.h>

#include "cli.h"
#include "profile.h"
#include "remote.h"

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
    {ERR_CONFLICT, " has ended", "mreg rollout retry ID asks for the same again"},
    {ERR_CONFLICT, "has not ended", "mreg rollout watch ID follows it"},
};

/* "promote production fraud@3": the environment stands where the model belongs. */
static const char *swapped(struct cli *cli, const struct err *e)
{
    bool is_promote = cli->command && strncmp(cli->command->args, "MODEL[@REF] ENV", 15) == 0;
    bool is_it = e->code == ERR_NOT_FOUND && is_promote && cli->n_args == 2 &&
                 strchr(cli->args[1], '@') && !strchr(cli->args[0], '@');
    return is_it ? cli_printf(cli, "the model comes first: mreg %s %s %s", cli->command->name,
                              cli->args[1], cli->args[0])
                 : NULL;
}

static const char *by_words(const struct err *e)
{
    for (size_t i = 0; i < ARRAY_LEN(hints); i++)
        if (hints[i].code == e->code && strstr(e->message, hints[i].words))
            return hints[i].hint;
    return NULL;
}

const char *cli_hint(struct cli *cli, const struct err *e)
{
    const char *url = cli->profile && cli->profile->url ? cli->profile->url : "URL";
    const char *hint = swapped(cli, e);
    if (!hint)
        hint = by_words(e);
    if (hint)
        return hint;
    switch (e->code) {
    case ERR_UNAUTHENTICATED:
        return cli_printf(cli, "mreg login %s --token-file FILE", url);
    case ERR_FORBIDDEN:
        return "\"mreg whoami\" shows this token's role; an admin can make another one";
    case ERR_UNAVAILABLE:
    case ERR_TIMEOUT:
    case ERR_THROTTLED:
        return "nothing was lost; the same command can be run again";
    case ERR_LOCAL_IO:
        return "nothing was lost; put it right and run the same command again";
    case ERR_INVALID:
        if (cli->lacks_registry)
            return "mreg login URL --token-file FILE";
        if (!cli->command || (cli->remote && *remote_problem_id(cli->remote)))
            return NULL; /* the server has said what is wrong */
        return cli_printf(cli, "mreg help %s", cli->command->name);
    default:
        return NULL;
    }
}
