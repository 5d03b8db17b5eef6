/*
 * What every command shares: the command table's row, the parsed command line, exit codes.
 */
#ifndef MREG_CLI_H
#define MREG_CLI_H

#include <stdbool.h>

#include "json.h"
#include "out.h"

/* Exit codes are frozen; ERR_* map to them by err_exit_code, topics.c has their meaning in words.
 */
enum exit_code {
    EXIT_DONE = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_NO_LOGIN = 4,
    EXIT_FORBIDDEN = 5,
    EXIT_CONFLICT = 6,
    EXIT_CHANGED = 7, /* verification failed */
    EXIT_UNREACHABLE = 8,
    EXIT_TOO_MUCH = 9,
    EXIT_ROLLED_BACK = 10,
    EXIT_STILL_RUNNING = 11,
    EXIT_PARTLY = 12,
    EXIT_REFUSED = 13,
    EXIT_APPROVAL = 14, /* it waits for people to agree */
    EXIT_LOCAL_IO = 20,
    EXIT_BUG = 70,
    EXIT_INTERRUPTED = 130,
    EXIT_TERMINATED = 143
};

#define CLI_MAX_ARGS 64
#define MAX_COMMANDS 256
#define CLI_MAX_VALUES 64

struct option {
    const char *name;  /* "alias"; the table ends with name NULL */
    char letter;       /* 0: none */
    const char *value; /* placeholder for help ("NAME"); NULL: a flag */
    const char *help;
};

struct cli;

struct command {
    const char *name; /* "push" or "rollout pause" */
    const char *args; /* "MODEL PATH" as help shows them; optional ones in brackets */
    int min_args, max_args;
    const struct option *options; /* may be NULL */
    const char *summary;
    const char *example;
    /* Returns an exit code; errors are printed through cli_fail. */
    int (*run)(struct cli *cli);
};

/* Another word for a command or a verb, kept forever. */
struct command_alias {
    const char *alias, *name;
};
extern const struct command_alias command_aliases[]; /* ends with alias NULL */
/* What is often looked for where it is not, and the command that does it; ends with alias NULL. */
extern const struct command_alias command_pointers[];

struct remote;
struct profile;
struct setup;

struct cli {
    const struct command *command; /* NULL: none was named */
    const char *noun;              /* "rollout" when its verb is missing or unknown */
    const char *args[CLI_MAX_ARGS];
    int n_args;
    struct {
        const char *name;  /* option's name */
        const char *value; /* "" for flags */
    } values[CLI_MAX_VALUES];
    int n_values;
    struct out out;
    struct setup *setup;
    struct profile *profile;
    bool makes_context;            /* the command may name a context that does not exist yet */
    const struct err *setup_fault; /* doctor only: what is wrong with the configuration */
    bool lacks_registry;           /* no URL is known from anywhere */
    bool is_refused;               /* a call failed because nobody agreed to it */
    bool is_confirmed;             /* a change in a protected context was agreed to */
    bool goes_back;        /* a rollout that is watched and rolled back is what was wanted */
    struct remote *remote; /* made by cli_remote on first use */
    const char *request;   /* what cli_request keeps */
    struct arena arena;
};

/* --- opt.c --- */
/* Options that every command takes. */
extern const struct option global_options[];
/* Parses argv (whose words are kept, and set to NULL where they name the command) against the
 * NULL-terminated list of tables (each ends with name NULL). Options may stand anywhere, also in
 * front of the command. ERR_INVALID with a suggestion; cli->noun is then set if only the verb is
 * missing. A command of NULL without an error means: print the overview. */
MUST_USE int opt_parse(struct cli *cli, int argc, char **argv, const struct command *const *tables,
                       struct err *e);
/* Last value of an option, or NULL. Flags give "". */
const char *opt(const struct cli *cli, const char *name);
bool opt_has(const struct cli *cli, const char *name);
/* i-th value of a repeated option, or NULL. */
const char *opt_nth(const struct cli *cli, const char *name, int i);
/* All rows of the tables as one list; returns how many. */
size_t opt_commands(const struct command *const *tables, const struct command *list[MAX_COMMANDS]);
/* Index in argv of the first word that is no option (nor an option's value), 0 if there is none. */
int opt_first_word(int argc, char **argv, const struct command *const *tables);
/* The command or (as its first row) the noun of that word; NULL when there is none. */
const struct command *opt_of_word(const struct command *const *tables, const char *word);
/* The option that is written as "--env", "--env=x" or "-e" for the parsed command, or NULL. */
const struct option *opt_written(const struct cli *cli, const char *text);
/* The option of that name in a list that ends with name NULL, or NULL. */
const struct option *opt_find(const struct option *list, const char *name);

/* --- help.c --- */
/* Help on stdout: all commands (command NULL) or one. */
void opt_help(const struct command *const *tables, const struct command *command);
/* Commands whose first word is `noun` (NULL: all), as a list on stdout. */
void opt_help_noun(const struct command *const *tables, const char *noun);

/* --- shared by commands (call.c) --- */
/* Fills cli->profile from the settings; url (may be NULL) wins over all of them. */
MUST_USE int cli_profile(struct cli *cli, const char *url, struct err *e);
/* The connection to the registry the profile or --registry names. ERR_INVALID when none is set. */
MUST_USE int cli_remote(struct cli *cli, struct remote **out, struct err *e);
/* One JSON call; *out (may be NULL) is owned by the caller. */
MUST_USE int cli_call(struct cli *cli, const char *method, const char *path, const json_t *body,
                      json_t **out, struct err *e);
/* One call that changes something, with --reason in its body (may be NULL; given away); prints
 * `done`, or the answer with --json. Returns the exit code. */
int cli_change(struct cli *cli, const char *method, const char *path, json_t *body,
               const char *done);
/* Prints the error in the house's style (or as JSON) with the hint that fits its code, and returns
 * its exit code. */
int cli_fail(struct cli *cli, const struct err *e);
/* The request that failed last, as the server names it, or "". Kept, whatever is asked meanwhile,
 * until the error is told; cli->request NULL forgets it. */
const char *cli_request(struct cli *cli);
/* As cli_fail with a hint: the command to run next. */
int cli_fail_hint(struct cli *cli, const struct err *e, const char *hint);
/* The next command after an error, or NULL; in the cli's arena. In hints.c. */
const char *cli_hint(struct cli *cli, const struct err *e);
/* Percent-encodes one path segment or query value, in the cli's arena. */
const char *cli_quote(struct cli *cli, const char *text);
const char *cli_printf(struct cli *cli, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* path with "?key=value" or "&key=value" behind it; unchanged when value is NULL. In arena. */
const char *cli_query(struct cli *cli, const char *path, const char *key, const char *value);
/* An option that is a whole number of lo..hi; *out keeps its value when it is not given. */
MUST_USE int cli_number(const struct cli *cli, const char *option, int64_t lo, int64_t hi,
                        int64_t *out, struct err *e);
/* Prints j as the result, in the format of -o (JSON, YAML, names ...) with the members of
 * --columns. In format.c. */
void cli_json(struct cli *cli, const json_t *j);
/* Members of a JSON object with defaults, for printing. */
const char *text_at(const json_t *obj, const char *key);          /* "" when absent */
int64_t int_at(const json_t *obj, const char *key, int64_t none); /* none when absent */
/* "key=value" options into an object; ERR_INVALID names the option. */
MUST_USE int cli_pairs(struct cli *cli, const char *option, json_t *into, struct err *e);
/* Reads a JSON file ("-" is stdin) given by an option. */
MUST_USE int cli_read_json(const char *path, json_t **out, struct err *e);

/* --- wording.c --- */
/* A word of a printed command as a shell wants it: quoted if it has to be. */
const char *cli_shell(struct cli *cli, const char *text);
/* "1 node", "2 nodes". */
const char *cli_count(struct cli *cli, int64_t n, const char *thing);
/* The number of a version; `none` for 0, when there is none: "" in tables, "nothing" in sentences.
 */
const char *cli_version(struct cli *cli, int64_t n, const char *none);

/* --- confirm.c --- */
/* Asks [y/N] on a terminal; --yes answers yes; without a terminal it is a refusal. When false, the
 * refusal has been printed: return EXIT_REFUSED. */
bool cli_confirm(struct cli *cli, const char *question);
/* As cli_confirm, but asks on a terminal only: without one it goes on. For what is often done by
 * scripts and in a hurry. */
bool cli_ask(struct cli *cli, const char *question);
/* Would a question reach somebody? */
bool cli_can_ask(const struct cli *cli);
/* As cli_confirm for what cannot be undone: wants the name itself, typed or by --confirm NAME. */
bool cli_confirm_name(struct cli *cli, const char *question, const char *name);

#endif
