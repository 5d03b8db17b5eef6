/*
 * mreg, the command: main. Chooses between help, an error and a command's function, and ends with
 * its exit code. One thread.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "interrupt.h"
#include "profile.h"
#include "remote.h"
#include "seal.h"

/* Help for what was parsed: all, a noun's verbs, or one command. */
static int help(const struct cli *cli)
{
    if (cli->noun)
        opt_help_noun(command_tables, cli->noun);
    else
        opt_help(command_tables, cli->command);
    return EXIT_DONE;
}

/* "mreg help [COMMAND...]": as "mreg COMMAND... --help". */
static int help_command(struct cli *cli, int argc, char **argv)
{
    struct err e = {0};
    char *words[4] = {argv[0], NULL, NULL, NULL};
    int n = 1;
    for (int i = 2; i < argc && n < 3; i++)
        if (argv[i][0] != '-')
            words[n++] = argv[i];
    bool has_verb = n > 2;
    int rc = opt_parse(cli, n, words, command_tables, &e);
    return rc == ERR_OK || cli->command || (cli->noun && !has_verb) ? help(cli) : cli_fail(cli, &e);
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

static int run(struct cli *cli)
{
    struct err e = {0};
    struct profile profile = {0};
    bool is_offline = cli->command->run == cmd_login || cli->command->run == cmd_logout ||
                      cli->command->run == cmd_version;
    cli->profile = &profile;
    warn_variables(cli);
    int rc = is_offline ? ERR_OK
                        : profile_load(&profile, opt(cli, "registry"), opt(cli, "token-file"), &e);
    int code = rc == ERR_OK ? cli->command->run(cli) : cli_fail(cli, &e);
    remote_free(cli->remote);
    profile_clear(&profile);
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

static int parse_and_run(struct cli *cli, int argc, char **argv)
{
    struct err e = {0};
    if (seal_init(&e) != ERR_OK)
        return cli_fail(cli, &e);
    if (argc > 1 && strcmp(argv[1], "help") == 0)
        return help_command(cli, argc, argv);
    if (argc == 2 && strcmp(argv[1], "--version") == 0)
        return cmd_version(cli);
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
    struct cli cli = {0};
    out_init(&cli.out);
    cli.out.is_json = has_word(argc, argv, "--json");
    int code = parse_and_run(&cli, argc, argv);
    arena_clear(&cli.arena);
    return end(code);
}
