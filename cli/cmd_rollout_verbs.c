/*
 * mreg rollout show, and the commands to a rollout that is under way. What may be done is the
 * server's to judge; here people are told what it does first. One thread.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "rollout_ask.h"

static const char *path_of(struct cli *cli, const char *rest)
{
    return cli_printf(cli, "/api/v1/rollouts/%s%s", cli_quote(cli, cli->args[0]), rest);
}

int cmd_rollout_show(struct cli *cli)
{
    struct err e = {0};
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "GET", path_of(cli, ""), NULL, &rollout, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, rollout);
    else
        watch_print(cli, rollout);
    return EXIT_DONE;
}

/* What the end of a step will do is told, and asked on a terminal. EXIT_DONE: go on, and only if
 * the rollout is at *step still (0: at any). */
static int before_promote(struct cli *cli, int64_t *step)
{
    struct err e = {0};
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "GET", path_of(cli, ""), NULL, &rollout, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (*text_at(rollout, "ended") || int_at(rollout, "step", 0) == 0 || !ask_may_promote(rollout))
        return EXIT_DONE; /* the registry says why not */
    if (*step == 0)
        *step = int_at(rollout, "step", 0);
    const char *text = ask_promote_text(cli, rollout, opt_has(cli, "full"), true);
    if (opt_has(cli, "yes") || !cli_can_ask(cli)) {
        out_say(&cli->out, "%s", text);
        return EXIT_DONE;
    }
    return cli_ask(cli, cli_printf(cli, "%s.\nEnd this step%s?", text,
                                   ask_is_paused(rollout) ? "" : " now"))
               ? EXIT_DONE
               : EXIT_REFUSED;
}

/* The same for the end of a rollout; a script is not told. */
static int before_end(struct cli *cli, bool is_halt)
{
    struct err e = {0};
    json_t *rollout CLEANUP(json_decref_ptr) = NULL;
    if (opt_has(cli, "yes") || !cli_can_ask(cli) ||
        cli_call(cli, "GET", path_of(cli, ""), NULL, &rollout, &e) != ERR_OK ||
        *text_at(rollout, "ended"))
        return EXIT_DONE; /* the registry says what is wrong */
    const char *text = ask_end_text(cli, rollout, is_halt);
    return cli_ask(cli, cli_printf(cli, "%s.\n%s %s?", text, is_halt ? "Halt" : "Abort",
                                   text_at(rollout, "id")))
               ? EXIT_DONE
               : EXIT_REFUSED;
}

static int before(struct cli *cli, const char *verb, int64_t *step)
{
    bool is_halt = strcmp(verb, "halt") == 0;
    if (strcmp(verb, "promote") == 0)
        return before_promote(cli, step);
    return is_halt || strcmp(verb, "abort") == 0 ? before_end(cli, is_halt) : EXIT_DONE;
}

static json_t *command_body(struct cli *cli, const char *verb, int64_t step)
{
    json_t *body = json_pack("{s:s, s:s*}", "verb", verb, "reason", opt(cli, "reason"));
    if (step)
        json_object_set_new(body, "expected_step", json_integer(step));
    if (opt(cli, "lift"))
        json_object_set_new(body, "pauses", targets_overrides(opt(cli, "lift")));
    if (opt(cli, "for"))
        json_object_set_new(body, "for", json_string(opt(cli, "for")));
    return body;
}

int cmd_rollout_command(struct cli *cli)
{
    struct err e = {0};
    const char *verb = strchr(cli->command->name, ' ') + 1;
    int64_t step = 0;
    if (cli_number(cli, "step", 1, 1000000, &step, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (strcmp(verb, "extend") == 0 && !opt(cli, "for")) {
        err_set(&e, ERR_INVALID, "rollout extend needs --for DURATION, as in --for 10m");
        return cli_fail(cli, &e);
    }
    int code = before(cli, verb, &step);
    if (code != EXIT_DONE)
        return code;
    if (opt_has(cli, "full"))
        verb = "promote-full";
    json_t *body CLEANUP(json_decref_ptr) = command_body(cli, verb, step);
    json_t *answer CLEANUP(json_decref_ptr) = NULL;
    int rc = cli_call(cli, "POST", path_of(cli, "/commands"), body, &answer, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->out.is_json)
        cli_json(cli, answer);
    else if (strncmp(verb, "promote", 7) == 0 && ask_is_paused(answer))
        out_say(&cli->out, "%s: %s accepted; it stays paused until: mreg rollout resume %s",
                cli->args[0], verb, cli->args[0]);
    else
        out_say(&cli->out, "%s: %s accepted; see: mreg rollout watch %s", cli->args[0], verb,
                cli->args[0]);
    return EXIT_DONE;
}
