/*
 * The command line: finds the command in the tables, parses options in any position. Knows no
 * command by name.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

const struct option global_options[] = {
    {"output", 'o', "FORMAT", "table, wide, json, ndjson, yaml, name, id or plain"},
    {"json", 0, NULL, "print one JSON object, also on failure"},
    {"jq", 0, "EXPRESSION", "what this gives of the JSON (needs the program jq)"},
    {"columns", 0, "LIST", "only these columns or members, as in NAME,VERSIONS"},
    {"no-header", 0, NULL, "tables without heads"},
    {"color", 0, "WHEN", "auto, always or never"},
    {"accessible", 0, NULL, "nothing is drawn over, words instead of faint colours"},
    {"quiet", 'q', NULL, "no talk on stderr"},
    {"debug", 0, NULL, "say each call on stderr"},
    {"context", 0, "CONTEXT", "context to use (else MREG_CONTEXT, .mreg, \"mreg context use\")"},
    {"registry", 0, "URL", "registry to talk to (else MREG_URL, else the context's)"},
    {"token-file", 0, "FILE", "file that holds the token (else MREG_TOKEN, else the context's)"},
    {"yes", 'y', NULL, "answer yes to questions"},
    {"confirm", 0, "NAME", "the name that a question wants typed (repeatable)"},
    {"no-input", 0, NULL, "never ask"},
    {"help", 'h', NULL, "show help for the command"},
    {NULL, 0, NULL, NULL},
};

/* An option as it was written: "--metric=auc=0.9", "-m". */
struct written {
    const char *name; /* not NUL-terminated */
    size_t n;
    const char *value; /* behind '=', or NULL */
    bool is_letter;    /* one dash */
};

static struct written read_written(const char *text)
{
    struct written w = {.name = text + 1, .is_letter = text[1] != '-'};
    w.name += !w.is_letter;
    w.n = strcspn(w.name, "=");
    w.value = w.name[w.n] ? w.name + w.n + 1 : NULL;
    return w;
}

static const struct option *find_in(const struct option *o, const struct written *w)
{
    for (; o && o->name; o++) {
        bool is_it = w->is_letter ? w->n == 1 && o->letter && o->letter == w->name[0]
                                  : strlen(o->name) == w->n && strncmp(o->name, w->name, w->n) == 0;
        if (is_it)
            return o;
    }
    return NULL;
}

const struct option *opt_find(const struct option *list, const char *name)
{
    const struct written w = {.name = name, .n = strlen(name)};
    return find_in(list, &w);
}

static const struct option *find_option(const struct cli *cli, const struct written *w)
{
    const struct option *o = cli->command ? find_in(cli->command->options, w) : NULL;
    return o ? o : find_in(global_options, w);
}

const struct option *opt_written(const struct cli *cli, const char *text)
{
    const struct written w = read_written(text);
    return find_option(cli, &w);
}

size_t opt_commands(const struct command *const *tables, const struct command *list[MAX_COMMANDS])
{
    size_t n = 0;
    for (; *tables; tables++)
        for (const struct command *c = *tables; c->name && n < MAX_COMMANDS; c++)
            list[n++] = c;
    return n;
}

/* Matches "rollout pause" or "push" at the first words; *used tells how many. */
static const struct command *find_command(const struct command *const *tables,
                                          const char *const *words, int n_words, int *used)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    char two[128] = "";
    if (n_words > 1)
        snprintf(two, sizeof two, "%s %s", words[0], words[1]);
    for (size_t i = 0; i < n; i++) {
        if (n_words > 1 && strcmp(list[i]->name, two) == 0) {
            *used = 2;
            return list[i];
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (n_words > 0 && strcmp(list[i]->name, words[0]) == 0) {
            *used = 1;
            return list[i];
        }
    }
    return NULL;
}

/* True if an option in front of the command takes the next word. The command is not known yet, but
 * an option of one name is of one shape everywhere (a test sees to it). */
static bool takes_value(const struct command *const *tables, const struct written *w)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    const struct option *o = find_in(global_options, w);
    for (size_t i = 0; i < n && !o; i++)
        o = find_in(list[i]->options, w);
    return o && o->value && !w->value;
}

static bool is_noun(const struct command *const *tables, const char *word)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    size_t length = strlen(word);
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i]->name, word, length) == 0 && list[i]->name[length] == ' ')
            return true;
    return false;
}

/* The command for what is often looked for under other words (the second may be NULL), or NULL. */
static const char *pointer_of(const char *word, const char *verb)
{
    char both[128];
    snprintf(both, sizeof both, "%s%s%s", word, verb ? " " : "", verb ? verb : "");
    for (const struct command_alias *a = command_pointers; a->alias; a++)
        if (strcmp(a->alias, both) == 0)
            return a->name;
    return NULL;
}

static int unknown_command(struct cli *cli, const struct command *const *tables, const char *word,
                           struct err *e)
{
    const struct command *list[MAX_COMMANDS];
    const char *names[MAX_COMMANDS + 1];
    size_t n = opt_commands(tables, list);
    for (size_t i = 0; i < n; i++) /* of "rollout pause" the noun: the verb has its own error */
        names[i] = arena_copy(&cli->arena, list[i]->name, strcspn(list[i]->name, " "));
    names[n] = NULL;
    const char *near = pointer_of(word, NULL);
    if (!near)
        near = json_nearest(word, names);
    return near
               ? err_set(e, ERR_INVALID, "no command \"%s\"; did you mean \"mreg %s\"?", word, near)
               : err_set(e, ERR_INVALID, "no command \"%s\"; \"mreg help\" lists them", word);
}

static int unknown_option(const struct cli *cli, const char *text, struct err *e)
{
    const char *names[64];
    size_t n = 0;
    for (const struct option *o = cli->command ? cli->command->options : NULL;
         o && o->name && n < 40; o++)
        names[n++] = o->name;
    for (const struct option *o = global_options; o->name; o++)
        names[n++] = o->name;
    names[n] = NULL;
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)strcspn(text + strspn(text, "-"), "="),
             text + strspn(text, "-"));
    const char *near = json_nearest(word, names);
    if (near)
        return err_set(e, ERR_INVALID, "no option \"%s\"; did you mean \"--%s\"?", text, near);
    return err_set(e, ERR_INVALID, "no option \"%s\"; see \"mreg help%s%s\"", text,
                   cli->command ? " " : "", cli->command ? cli->command->name : "");
}

/* Takes the option at argv[i]; returns how many words it used in *used. */
static int take_option(struct cli *cli, int argc, char **argv, int i, int *used, struct err *e)
{
    const struct written w = read_written(argv[i]);
    const struct option *o = find_option(cli, &w);
    const char *value = "";
    *used = 1;
    if (!o)
        return unknown_option(cli, argv[i], e);
    if (cli->n_values == CLI_MAX_VALUES)
        return err_set(e, ERR_INVALID, "more than %d options", CLI_MAX_VALUES);
    if (!o->value && w.value)
        return err_set(e, ERR_INVALID, "--%s takes no value", o->name);
    if (o->value && w.value) {
        value = w.value;
    } else if (o->value) {
        if (i + 1 >= argc || !argv[i + 1])
            return err_set(e, ERR_INVALID, "--%s needs a value (%s)", o->name, o->value);
        value = argv[i + 1];
        *used = 2;
    }
    cli->values[cli->n_values].name = o->name;
    cli->values[cli->n_values++].value = value;
    return ERR_OK;
}

static int check_arguments(const struct cli *cli, struct err *e)
{
    const struct command *c = cli->command;
    if (opt_has(cli, "help"))
        return ERR_OK;
    if (cli->n_args < c->min_args)
        return err_set(e, ERR_INVALID, "too few arguments: mreg %s wants %s, as in \"%s\"", c->name,
                       c->args, c->example);
    if (cli->n_args > c->max_args)
        return err_set(e, ERR_INVALID, "\"%.200s\" is one argument too many: mreg %s%s%s",
                       cli->args[c->max_args], c->name,
                       *c->args ? " wants " : " wants no arguments", c->args);
    for (int i = 0; i < cli->n_args; i++)
        if (!*cli->args[i])
            return err_set(e, ERR_INVALID, "argument %d is empty: mreg %s wants %s", i + 1, c->name,
                           c->args);
    return ERR_OK;
}

/* At most two words that are no options; their places in at. */
static int first_words(int argc, char **argv, const struct command *const *tables, int at[2])
{
    int n = 0;
    for (int i = 1; i < argc && n < 2; i++) {
        if (strcmp(argv[i], "--") == 0)
            continue;
        if (argv[i][0] != '-' || !argv[i][1]) {
            at[n++] = i;
            continue;
        }
        const struct written w = read_written(argv[i]);
        if (takes_value(tables, &w))
            i++;
    }
    return n;
}

static int missing_verb(const struct command *const *tables, struct cli *cli, const char *verb,
                        struct err *e)
{
    if (!verb)
        return err_set(e, ERR_INVALID, "\"mreg %s\" needs a verb; \"mreg help %s\" lists them",
                       cli->noun, cli->noun);
    const struct command *list[MAX_COMMANDS];
    const char *verbs[MAX_COMMANDS + 1];
    size_t n = opt_commands(tables, list);
    size_t length = strlen(cli->noun);
    size_t n_verbs = 0;
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i]->name, cli->noun, length) == 0 && list[i]->name[length] == ' ')
            verbs[n_verbs++] = list[i]->name + length + 1;
    verbs[n_verbs] = NULL;
    const char *near = pointer_of(cli->noun, verb);
    if (near)
        return err_set(e, ERR_INVALID, "no command \"%s %s\"; that is \"mreg %s\"", cli->noun, verb,
                       near);
    near = json_nearest(verb, verbs);
    if (near)
        return err_set(e, ERR_INVALID, "no command \"%s %s\"; did you mean \"%s %s\"?", cli->noun,
                       verb, cli->noun, near);
    return err_set(e, ERR_INVALID, "no command \"%s %s\"; \"mreg help %s\" lists them", cli->noun,
                   verb, cli->noun);
}

static const char *aliased(const char *word)
{
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        if (strcmp(a->alias, word) == 0)
            return a->name;
    return word;
}

int opt_first_word(int argc, char **argv, const struct command *const *tables)
{
    int at[2] = {0, 0};
    return first_words(argc, argv, tables, at) ? at[0] : 0;
}

const struct command *opt_of_word(const struct command *const *tables, const char *word)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    const char *name = aliased(word);
    size_t length = strlen(name);
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i]->name, name, length) == 0 && strchr(" ", list[i]->name[length]))
            return list[i];
    return NULL;
}

/* The command's words: the first arguments that are no options. */
static int pick_command(struct cli *cli, int argc, char **argv, const struct command *const *tables,
                        struct err *e)
{
    const char *words[2] = {NULL, NULL};
    int at[2] = {0, 0};
    int used = 0;
    int n = first_words(argc, argv, tables, at);
    for (int i = 0; i < n; i++)
        words[i] = argv[at[i]];
    if (n == 0)
        return ERR_OK;
    words[0] = aliased(words[0]);
    cli->command = find_command(tables, words, n, &used);
    if (used < 2 && n > 1) { /* "env ls" */
        const char *const others[] = {words[0], aliased(words[1])};
        cli->command = find_command(tables, others, n, &used);
    }
    if (used < 2 && n > 1 && pointer_of(words[0], words[1]))
        cli->command = NULL; /* "version list": the version of this program has no list */
    if (!cli->command && is_noun(tables, words[0])) {
        cli->noun = words[0];
        return missing_verb(tables, cli, words[1], e);
    }
    if (!cli->command)
        return unknown_command(cli, tables, words[0], e);
    argv[at[0]] = NULL;
    if (used == 2)
        argv[at[1]] = NULL;
    return ERR_OK;
}

int opt_parse(struct cli *cli, int argc, char **argv, const struct command *const *tables,
              struct err *e)
{
    int rc = pick_command(cli, argc, argv, tables, e);
    if (rc != ERR_OK)
        return rc;
    bool options_end = false;
    for (int i = 1; i < argc;) {
        int used = 1;
        if (!argv[i]) {
            i++;
            continue;
        }
        if (!options_end && strcmp(argv[i], "--") == 0) {
            options_end = true;
        } else if (!options_end && argv[i][0] == '-' && argv[i][1]) {
            rc = take_option(cli, argc, argv, i, &used, e);
            if (rc != ERR_OK)
                return rc;
        } else if (cli->n_args == CLI_MAX_ARGS) {
            return err_set(e, ERR_INVALID, "more than %d arguments", CLI_MAX_ARGS);
        } else {
            cli->args[cli->n_args++] = argv[i];
        }
        i += used;
    }
    return cli->command ? check_arguments(cli, e) : ERR_OK;
}

const char *opt_nth(const struct cli *cli, const char *name, int i)
{
    for (int k = 0; k < cli->n_values; k++)
        if (strcmp(cli->values[k].name, name) == 0 && i-- == 0)
            return cli->values[k].value;
    return NULL;
}

const char *opt(const struct cli *cli, const char *name)
{
    const char *last = NULL;
    const char *value;
    for (int i = 0; (value = opt_nth(cli, name, i)); i++)
        last = value;
    return last;
}

bool opt_has(const struct cli *cli, const char *name)
{
    return opt(cli, name) != NULL;
}
