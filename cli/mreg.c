/*
 * mreg, the command: main. Chooses between help, an error and a command's function, and ends with
 * its exit code. One thread.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "again.h"
#include "commands.h"
#include "complete.h"
#include "confirm.h"
#include "crash.h"
#include "filter.h"
#include "interrupt.h"
#include "plugin.h"
#include "profile.h"
#include "remote.h"
#include "seal.h"
#include "setup.h"
#include "when.h"

#define CLOCK_SKEW_S 300 /* between here and the registry */

/* Help for what was parsed: all, a noun's verbs, or one command. */
static int help(const struct cli *cli)
{
    if (cli->noun)
        opt_help_noun(command_tables, cli->noun);
    else
        opt_help(command_tables, cli->command);
    return EXIT_DONE;
}

static void warn_variables(const struct cli *cli)
{
    char name[64];
    const char *near = NULL;
    size_t i = 0;
    while (profile_odd_variable(environ, &i, name, &near))
        out_say(&cli->out,
                near ? "warning: %s is unknown; did you mean %s?"
                     : "warning: %s is unknown and has no effect",
                name, near);
}

/* Commands that find out themselves whom to talk to, or talk to nobody. */
static bool is_offline(const struct command *c)
{
    static int (*const commands[])(struct cli *) = {
        cmd_login,          cmd_logout,       cmd_version,      cmd_ci_init,
        cmd_help,           cmd_completion,   cmd_doctor,       cmd_plugin_list,
        cmd_config_get,     cmd_config_set,   cmd_config_list,  cmd_context_add,
        cmd_context_remove, cmd_context_list, cmd_context_show, cmd_context_use,
    };
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (c->run == commands[i])
            return true;
    return false;
}

/* Needs no configuration: it works although that is damaged. */
static bool is_simple(const struct command *c)
{
    return c->run == cmd_version || c->run == cmd_help || c->run == cmd_completion ||
           c->run == cmd_ci_init;
}

/* "status --watch", "list --watch": drawn again and again. */
static bool is_repeated(const struct cli *cli)
{
    return opt_has(cli, "watch") && !opt_find(cli->command->options, "timeout");
}

static int apply_output(struct cli *cli, struct err *e)
{
    const char *format = opt_has(cli, "json") ? "json" : setup_get(cli, "output", NULL);
    const char *colour = setup_get(cli, "color", NULL);
    int rc = setup_check("output", format, e);
    if (rc == ERR_OK)
        rc = setup_check("color", colour, e);
    for (int i = 0; rc == ERR_OK && out_formats[i]; i++)
        if (strcmp(out_formats[i], format) == 0)
            out_set_format(&cli->out, (enum format)i);
    if (opt(cli, "jq") && !cli->out.is_json)
        out_set_format(&cli->out, FORMAT_JSON);
    cli->out.filter = opt(cli, "jq");
    cli->out.wanted = opt(cli, "columns");
    if (rc == ERR_OK && cli->out.wanted && !*cli->out.wanted)
        rc = err_set(e, ERR_INVALID, "--columns is empty");
    if (rc == ERR_OK && opt(cli, "progress"))
        rc = out_set_progress(&cli->out, opt(cli, "progress"), e);
    if (rc == ERR_OK && cli->out.filter)
        rc = filter_check(e);
    out_set_colour(&cli->out, colour);
    cli->out.is_headless = opt_has(cli, "no-header");
    cli->out.is_accessible = setup_is_on(cli, "accessible");
    return rc;
}

/* Nobody knows what will be. Of what was, ages are told as they were then. */
static int check_at(struct cli *cli, struct err *e)
{
    const char *at = opt(cli, "at");
    int64_t ms = 0;
    int64_t now = time(NULL) + CLOCK_SKEW_S;
    if (!at || when_parse_past(at, now * 1000, &ms, NULL) != ERR_OK)
        return ERR_OK; /* the registry says what is wrong with its form */
    if (ms / 1000 < time(NULL))
        cli->out.as_of_ms = ms;
    if (ms / 1000 <= now)
        return ERR_OK;
    return err_set(e, ERR_INVALID, "--at %.60s is in the future; without --at it is as of now", at);
}

static int run_command(struct cli *cli)
{
    struct err e = {0};
    int rc = is_offline(cli->command) ? ERR_OK : cli_profile(cli, NULL, &e);
    if (rc == ERR_OK)
        rc = check_at(cli, &e);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (!confirm_command(cli))
        return EXIT_REFUSED;
    int code = is_repeated(cli) ? again_run(cli) : cli->command->run(cli);
    if (!*cli->out.fault)
        return code;
    err_set(&e, ERR_INVALID, "%s", cli->out.fault);
    return cli_fail(cli, &e);
}

static int run(struct cli *cli)
{
    struct err e = {0};
    struct profile profile = {0};
    struct setup setup = {0};
    crash_note(cli->command->name);
    cli->profile = &profile;
    cli->makes_context = cli->command->run == cmd_login || cli->command->run == cmd_context_add ||
                         cli->command->run == cmd_context_list || cli->command->run == cmd_doctor;
    int rc = is_simple(cli->command) ? ERR_OK : setup_load(cli, &setup, &e);
    if (rc != ERR_OK && cli->command->run == cmd_doctor) {
        cli->setup_fault = &e; /* it tells that among the rest */
        rc = ERR_OK;
    }
    if (rc == ERR_OK)
        rc = apply_output(cli, &e);
    warn_variables(cli);
    int code = rc == ERR_OK ? run_command(cli) : cli_fail(cli, &e);
    remote_free(cli->remote);
    profile_clear(&profile);
    setup_clear(&setup);
    return code;
}

/* A reader who has seen enough (a closed pipe) is no failure of the command; a full disk is. */
static int end(int code)
{
    struct stat st;
    bool is_pipe = fstat(STDOUT_FILENO, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode);
    if ((fflush(stdout) == 0 && !ferror(stdout)) || is_pipe)
        return code;
    fputs("error: local-io: standard output could not be written\n", stderr);
    return code == EXIT_DONE ? EXIT_LOCAL_IO : code;
}

/* Needed before the command line is understood, and when it cannot be. */
static bool has_word(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], word) == 0)
            return true;
    return false;
}

/* What -o says, as far as that can be told before the command line is understood. */
static bool wants_json(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc && strcmp(argv[i], "--") != 0; i++)
        if ((strcmp(argv[i], "-o") == 0 || strcmp(argv[i], "--output") == 0) &&
            strcmp(argv[i + 1], "json") == 0)
            return true;
    return has_word(argc, argv, "--json") || has_word(argc, argv, "--output=json") ||
           has_word(argc, argv, "-o=json");
}

static int parse_and_run(struct cli *cli, int argc, char **argv)
{
    struct err e = {0};
    if (seal_init(&e) != ERR_OK)
        return cli_fail(cli, &e);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return cmd_version(cli);
    if (argc > 1 && strcmp(argv[1], "__complete") == 0)
        return complete_words(cli, argc - 2, argv + 2);
    int word = opt_first_word(argc, argv, command_tables);
    if (word && !opt_of_word(command_tables, argv[word]) && plugin_exists(argv[word]))
        return plugin_run(cli, argc, argv, word);
    bool wants_help = has_word(argc, argv, "--help") || has_word(argc, argv, "-h");
    int rc = opt_parse(cli, argc, argv, command_tables, &e);
    cli->out.is_quiet = opt_has(cli, "quiet");
    interrupt_init(cli->out.is_quiet || cli->out.is_json);
    if ((rc == ERR_OK && opt_has(cli, "help")) || (cli->noun && wants_help))
        return help(cli);
    if (rc != ERR_OK)
        return cli_fail(cli, &e);
    if (cli->command)
        return run(cli);
    if (argc == 1)
        return help(cli), EXIT_USAGE;
    err_set(&e, ERR_INVALID, "no command is named; \"mreg help\" lists them");
    return cli_fail(cli, &e);
}

int main(int argc, char **argv)
{
    char fault[OUT_FAULT_BYTES] = "";
    struct cli cli = {0};
    crash_init();
    out_init(&cli.out);
    cli.out.fault = fault;
    if (wants_json(argc, argv))
        out_set_format(&cli.out, FORMAT_JSON);
    int code = parse_and_run(&cli, argc, argv);
    arena_clear(&cli.arena);
    return end(code);
}
