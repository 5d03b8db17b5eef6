/*
 * Asks people before changes: y/N, or a name to type. Never asks without a terminal, with
 * --no-input, or while another screen has the keyboard. One thread.
 */
#include "confirm.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "interrupt.h"
#include "profile.h"
#include "setup.h"

#define ANSWER_BYTES 600

bool cli_can_ask(const struct cli *cli)
{
    struct termios state;
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO) && !cli->out.is_json &&
           !opt_has(cli, "no-input") && tcgetattr(STDIN_FILENO, &state) == 0 &&
           (state.c_lflag & ICANON);
}

/* One line without its end; "" when there is none. */
static const char *ask(const char *question, char answer[ANSWER_BYTES])
{
    fputs(question, stderr);
    fflush(stderr);
    if (!fgets(answer, ANSWER_BYTES, stdin))
        answer[0] = '\0';
    answer[strcspn(answer, "\r\n")] = '\0';
    return answer;
}

int confirm_refuse(struct cli *cli, const char *what, const char *hint)
{
    if (out_tells_errors(&cli->out)) {
        json_t *j CLEANUP(json_decref_ptr) =
            json_pack("{s:{s:s, s:s, s:s*, s:i}}", "error", "code", "unconfirmed", "message", what,
                      "hint", hint, "exit", EXIT_REFUSED);
        cli_json(cli, j);
        return EXIT_REFUSED;
    }
    fprintf(stderr, "%serror%s: unconfirmed: %s\n", out_err_on(&cli->out, TONE_BAD),
            out_err_off(&cli->out), what);
    if (hint)
        fprintf(stderr, "hint: %s\n", hint);
    return EXIT_REFUSED;
}

static bool is_named(const struct cli *cli, const char *name)
{
    const char *given;
    for (int i = 0; (given = opt_nth(cli, "confirm", i)); i++)
        if (strcmp(given, name) == 0)
            return true;
    return false;
}

bool cli_confirm(struct cli *cli, const char *question)
{
    char answer[ANSWER_BYTES];
    bool is_asked = cli_can_ask(cli);
    if (opt_has(cli, "yes") || cli->is_confirmed)
        return true;
    if (is_asked) {
        ask(cli_printf(cli, "%s [y/N] ", question), answer);
        if (answer[0] == 'y' || answer[0] == 'Y')
            return true;
    }
    confirm_refuse(cli,
                   cli_printf(cli, "nothing was changed; %s: %s",
                              is_asked ? "declined" : "nobody was there to ask",
                              strrchr(question, '\n') ? strrchr(question, '\n') + 1 : question),
                   is_asked ? NULL : "add --yes to do it without being asked");
    return false;
}

bool cli_ask(struct cli *cli, const char *question)
{
    return !cli_can_ask(cli) || cli_confirm(cli, question);
}

/* True if the name was given or typed. *what: why not. */
static bool name_given(struct cli *cli, const char *question, const char *name, const char **what)
{
    char answer[ANSWER_BYTES];
    if (is_named(cli, name))
        return true;
    *what = "nobody was there to ask";
    if (!cli_can_ask(cli))
        return false;
    ask(cli_printf(cli, "%s Type %s to go on: ", question, name), answer);
    *what = "another name was typed";
    return strcmp(answer, name) == 0;
}

bool cli_confirm_name(struct cli *cli, const char *question, const char *name)
{
    const char *what = NULL;
    if (name_given(cli, question, name, &what))
        return true;
    confirm_refuse(cli, cli_printf(cli, "nothing was changed; %s: %s", what, question),
                   cli_printf(cli, "add --confirm %s to do it without being asked", name));
    return false;
}

/* One line that is not shown. */
static const char *ask_hidden(const char *question, char answer[ANSWER_BYTES])
{
    struct termios before;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return "";
    struct termios hidden = before;
    hidden.c_lflag &= ~(tcflag_t)ECHO;
    interrupt_terminal(&before);
    if (tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden) == 0)
        ask(question, answer);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    interrupt_terminal(NULL);
    fputc('\n', stderr);
    return answer;
}

int confirm_token(struct cli *cli, const char *url, struct err *e)
{
    char answer[ANSWER_BYTES] = "";
    if (!cli_can_ask(cli))
        return err_set(e, ERR_INVALID, "a token is needed, and nobody was there to ask");
    if (!*ask_hidden(cli_printf(cli, "Token for %s (it is not shown): ", url), answer))
        return err_set(e, ERR_INVALID, "no token was typed");
    int rc = profile_set_token(cli->profile, answer, e);
    explicit_bzero(answer, sizeof answer);
    return rc;
}

static const char *context_of(const struct cli *cli)
{
    return cli->setup ? cli->setup->context : "";
}

static bool needs_question(const struct cli *cli)
{
    return cli->profile && cli->profile->is_protected && !cli->is_confirmed;
}

/* --reason, or one that is typed and then stands as if it had been given. */
static bool has_reason(struct cli *cli)
{
    char answer[ANSWER_BYTES];
    const char *given = opt(cli, "reason");
    if (given)
        return *given != '\0';
    if (!cli_can_ask(cli) || cli->n_values == CLI_MAX_VALUES || !*ask("Reason: ", answer))
        return false;
    cli->values[cli->n_values].name = "reason";
    cli->values[cli->n_values++].value = arena_strdup(&cli->arena, answer);
    return true;
}

bool confirm_command(struct cli *cli)
{
    const char *what = NULL;
    if (!needs_question(cli) || !opt_find(cli->command->options, "reason") ||
        opt_has(cli, "dry-run"))
        return true;
    const char *question = cli_printf(cli, "context %s is protected.", context_of(cli));
    if (!name_given(cli, question, context_of(cli), &what)) {
        confirm_refuse(cli, cli_printf(cli, "nothing was changed; %s %s", question, what),
                       cli_printf(cli, "add --confirm %s and --reason TEXT", context_of(cli)));
        return false;
    }
    if (!has_reason(cli)) {
        confirm_refuse(cli, cli_printf(cli, "nothing was changed; %s It wants a reason.", question),
                       "add --reason TEXT");
        return false;
    }
    cli->is_confirmed = true;
    return true;
}

int confirm_call(struct cli *cli, const char *method, const char *path, const json_t *body,
                 struct err *e)
{
    const char *what = NULL;
    bool is_change = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
                     !strstr(path, "/analysis/replay") &&
                     !json_is_true(json_object_get(body, "dry_run"));
    if (!is_change || !needs_question(cli))
        return ERR_OK;
    const char *question = cli_printf(cli, "context %s is protected.", context_of(cli));
    if (name_given(cli, question, context_of(cli), &what)) {
        cli->is_confirmed = true;
        return ERR_OK;
    }
    cli->is_refused = true;
    return err_set(e, ERR_REFUSED, "nothing was changed; %s %s; it takes --confirm %s", question,
                   what, context_of(cli));
}
