/*
 * Help in a terminal, made from the command tables. Knows no command by name but the overview's.
 */
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define LEFT_BYTES 96
#define WIDTH 80

/* Text from this column on, in lines of at most 80 characters, and a line's end. */
static void print_wrapped(int column, const char *text)
{
    size_t most = (size_t)(WIDTH - column);
    while (strlen(text) > most) {
        size_t n = most;
        while (n > 0 && text[n] != ' ')
            n--;
        if (n == 0)
            break;
        printf("%.*s\n%*s", (int)n, text, column, "");
        text += n + 1;
    }
    puts(text);
}

static void print_option(const struct option *o)
{
    char left[LEFT_BYTES];
    snprintf(left, sizeof left, "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
    int column = printf("  %c%c %-26s ", o->letter ? '-' : ' ', o->letter ? o->letter : ' ', left);
    print_wrapped(column, o->help);
}

static void print_row(const struct command *c)
{
    char left[LEFT_BYTES];
    snprintf(left, sizeof left, "%s%s%s", c->name, *c->args ? " " : "", c->args);
    if (strlen(left) > 38)
        printf("  %s\n  %-38s ", left, "");
    else
        printf("  %-38s ", left);
    print_wrapped(41, c->summary);
}

static bool is_of(const struct command *c, const char *noun)
{
    size_t n = strlen(noun);
    return strncmp(c->name, noun, n) == 0 && c->name[n] == ' ';
}

/* "rollout    list show watch ...", in lines of at most 80 characters. */
static void print_verbs(const struct command *const *list, size_t n, const char *noun)
{
    int column = printf("  %-12s", noun);
    for (size_t i = 0; i < n; i++) {
        if (!is_of(list[i], noun))
            continue;
        const char *verb = strchr(list[i]->name, ' ') + 1;
        if (column + (int)strlen(verb) + 1 > 80) {
            printf("\n  %-12s", "");
            column = 14;
        }
        column += printf(" %s", verb);
    }
    putchar('\n');
}

static bool is_first_of_noun(const struct command *const *list, size_t at)
{
    char noun[64];
    snprintf(noun, sizeof noun, "%.*s", (int)strcspn(list[at]->name, " "), list[at]->name);
    for (size_t i = 0; i < at; i++)
        if (is_of(list[i], noun))
            return false;
    return strchr(list[at]->name, ' ') != NULL;
}

static void print_overview(const struct command *const *tables)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    puts("usage: mreg COMMAND ...\n");
    for (size_t i = 0; i < n; i++)
        if (!strchr(list[i]->name, ' '))
            print_row(list[i]);
    puts("\nobjects and their verbs (\"mreg help rollout\" explains those of one):");
    for (size_t i = 0; i < n; i++) {
        char noun[64];
        if (!is_first_of_noun(list, i))
            continue;
        snprintf(noun, sizeof noun, "%.*s", (int)strcspn(list[i]->name, " "), list[i]->name);
        print_verbs(list, n, noun);
    }
    fputs("\nother words, also for verbs (\"env ls\"):", stdout);
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        printf(" %s = %s%s", a->alias, a->name, a[1].alias ? "," : "\n");
    puts("\noptions of every command:");
}

void opt_help_noun(const struct command *const *tables, const char *noun)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    if (noun)
        printf("usage: mreg %s VERB ...\n\n", noun);
    else
        puts("usage: mreg COMMAND ...\n");
    for (size_t i = 0; i < n; i++)
        if (!noun || is_of(list[i], noun))
            print_row(list[i]);
}

void opt_help(const struct command *const *tables, const struct command *command)
{
    if (!command) {
        print_overview(tables);
    } else {
        printf("usage: mreg %s%s%s\n\n%s\n\nexample:\n  %s\n\noptions:\n", command->name,
               *command->args ? " " : "", command->args, command->summary, command->example);
        for (const struct option *o = command->options; o && o->name; o++)
            print_option(o);
    }
    for (const struct option *o = global_options; o->name; o++)
        print_option(o);
    if (!command)
        puts("\n\"mreg help COMMAND\" shows one command, \"mreg help topics\" what else there is.\n"
             "First: mreg login URL --token-file FILE");
}
