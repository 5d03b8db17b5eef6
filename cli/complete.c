/*
 * Finds out what is being completed, from the command tables: a command, an option, its value, an
 * argument. Knows no command by name. One thread.
 */
#include "complete.h"

#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "complete_source.h"
#include "plugin.h"
#include "profile.h"
#include "remote.h"
#include "setup.h"
#include "topics.h"

/* Words that an option or an argument takes. */
static const struct {
    const char *name; /* option's name, or placeholder */
    const char *words[12];
} choices[] = {
    {"output", {"table", "wide", "json", "ndjson", "yaml", "name", "id", "plain"}},
    {"color", {"auto", "always", "never"}},
    {"role", {"reader", "pusher", "deployer", "approver", "auditor", "admin", "node"}},
    {"strategy", {"canary", "rolling", "all-at-once"}},
    {"override", {"freeze", "stop", "budget", "quarantine", "dependency"}},
    {"SHELL", {"bash", "zsh", "fish"}},
    {"SYSTEM", {"github", "gitlab", "jenkins", "circleci", "travis"}},
    {"METHOD", {"GET", "POST", "PUT", "PATCH", "DELETE"}},
};

static bool offer_choices(const struct place *p, const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(choices); i++) {
        if (strcmp(choices[i].name, name) != 0)
            continue;
        for (size_t k = 0; k < ARRAY_LEN(choices[i].words) && choices[i].words[k]; k++)
            complete_offer(p, choices[i].words[k], "");
        return true;
    }
    return false;
}

/* --- commands --- */

static void offer_plugin(void *user, const char *name, const char *path)
{
    complete_offer(user, name, path);
}

static void offer_commands(struct place *p)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(command_tables, list);
    for (size_t i = 0; i < n; i++) {
        const char *word = arena_copy(&p->cli->arena, list[i]->name, strcspn(list[i]->name, " "));
        bool is_noun = strchr(list[i]->name, ' ') != NULL;
        if (opt_of_word(command_tables, word) == list[i]) /* a noun's first verb stands for all */
            complete_offer(p, word, is_noun ? "" : list[i]->summary);
    }
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        complete_offer(p, a->alias, a->name);
    plugin_each(offer_plugin, p);
}

static void offer_help(struct place *p)
{
    offer_commands(p);
    for (const struct topic *t = topics; t->name; t++)
        complete_offer(p, t->name, t->title);
}

static void offer_contexts(const struct place *p)
{
    const char **names = setup_contexts(p->cli->setup, &p->cli->arena);
    for (; *names; names++)
        complete_offer(p, *names, setup_of_context(p->cli->setup, *names, "url"));
}

static void offer_settings(const struct place *p)
{
    for (const struct setting_row *r = setup_rows; r->key; r++)
        complete_offer(p, r->key, r->variable);
}

static void offer_value(struct place *p, const char *option)
{
    static const char *const files[] = {"FILE", "PATH", "A", NULL};
    if (offer_choices(p, option ? option : p->placeholder) || offer_choices(p, p->placeholder))
        return;
    if (strcmp(p->placeholder, "CONTEXT") == 0)
        offer_contexts(p);
    else if (strcmp(p->placeholder, "COMMAND|TOPIC") == 0)
        offer_help(p);
    else if (strcmp(p->placeholder, "KEY") == 0)
        offer_settings(p);
    else if (strcmp(p->placeholder, "FOLDER") == 0 || strcmp(p->placeholder, "DIR") == 0)
        puts(":folders");
    else if (!complete_from_registry(p))
        for (size_t i = 0; files[i]; i++)
            if (strcmp(files[i], p->placeholder) == 0)
                puts(":files");
}

/* --- verbs and options --- */

static void offer_verbs(const struct place *p, const char *noun)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(command_tables, list);
    size_t length = strlen(noun);
    for (size_t i = 0; i < n; i++)
        if (strncmp(list[i]->name, noun, length) == 0 && list[i]->name[length] == ' ')
            complete_offer(p, list[i]->name + length + 1, list[i]->summary);
}

static void offer_options(const struct place *p, const struct option *o)
{
    for (; o && o->name; o++)
        complete_offer(p, cli_printf(p->cli, "--%s", o->name), o->help);
}

/* --- arguments --- */

/* The i-th placeholder of "MODEL[@REF] [FOLDER]" without its brackets; the last one with "..." goes
 * on for ever. */
static const char *placeholder_at(struct cli *cli, const char *args, int i, bool *is_optional)
{
    char *out = arena_alloc(&cli->arena, strlen(args) + 1);
    const char *p = args;
    for (; i > 0 && *p; i--) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    *is_optional = *p == '[';
    char *to = out;
    for (; *p && *p != ' '; p++)
        if (!strchr("[].", *p))
            *to++ = *p;
    return out;
}

static void offer_argument(struct place *p)
{
    const struct command *c = p->cli->command;
    bool is_optional = false;
    bool is_next_optional = true;
    int i = p->cli->n_args;
    p->placeholder = placeholder_at(p->cli, c->args, i, &is_optional);
    offer_value(p, NULL);
    if (!is_optional)
        return;
    /* "[MODEL@REF] FOLDER": it may be the folder already. */
    p->placeholder = placeholder_at(p->cli, c->args, i + 1, &is_next_optional);
    if (*p->placeholder && !is_next_optional)
        offer_value(p, NULL);
}

/* The option that waits for its value behind the last whole word, or NULL. */
static const struct option *waiting_option(const struct cli *cli, int n, char **words)
{
    const char *last = n > 1 ? words[n - 1] : NULL;
    if (!last || last[0] != '-' || strchr(last, '='))
        return NULL;
    const struct option *o = opt_written(cli, last);
    return o && o->value ? o : NULL;
}

/* n: how many words stand in front, with "mreg". */
static void offer(struct place *p, int n, const struct option *waiting)
{
    struct cli *cli = p->cli;
    const char *equals = p->word[0] == '-' ? strchr(p->word, '=') : NULL;
    bool is_bare = cli->command && !strchr(cli->command->name, ' ') && cli->n_args == 0 && n == 2;
    const struct option *o = equals ? opt_written(cli, p->word) : waiting;
    if (equals) {
        p->prefix = arena_copy(&cli->arena, p->word, (size_t)(equals - p->word) + 1);
        p->word = equals + 1;
    }
    if (o && o->value) {
        p->placeholder = o->value;
        offer_value(p, o->name);
    } else if (p->word[0] == '-') {
        offer_options(p, cli->command ? cli->command->options : NULL);
        offer_options(p, global_options);
    } else if (cli->noun) {
        offer_verbs(p, cli->noun);
    } else if (!cli->command) {
        offer_commands(p);
    } else {
        if (is_bare)
            offer_verbs(p, cli->command->name);
        offer_argument(p);
    }
}

int complete_words(struct cli *cli, int n_words, char **words)
{
    struct err e = {0};
    struct setup setup = {0};
    struct profile profile = {0};
    char *line[CLI_MAX_ARGS + 2] = {arena_strdup(&cli->arena, "mreg")};
    char *kept[CLI_MAX_ARGS + 2];
    int n = 1;
    for (int i = 0; i + 1 < n_words && n <= CLI_MAX_ARGS; i++)
        line[n++] = words[i];
    memcpy(kept, line, sizeof line);
    cli->out.is_quiet = true;
    cli->setup = &setup;
    cli->profile = &profile;
    int parsed = opt_parse(cli, n, line, command_tables, &e);
    const struct option *waiting = waiting_option(cli, n, kept);
    /* A damaged configuration leaves the commands, which need none. */
    int loaded = setup_load(cli, &setup, &e);
    loaded = loaded == ERR_OK ? cli_profile(cli, NULL, &e) : loaded;
    struct place p = {.cli = cli, .word = n_words ? words[n_words - 1] : "", .prefix = ""};
    bool is_lost = parsed != ERR_OK && !cli->command && !cli->noun && n > 1 && !waiting;
    (void)loaded;
    if (!is_lost)
        offer(&p, n, waiting);
    remote_free(cli->remote);
    profile_clear(&profile);
    setup_clear(&setup);
    return EXIT_DONE;
}
