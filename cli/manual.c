/*
 * Manual pages in mdoc, from the command tables and the topics. Knows no command by name. Pure.
 */
#include "manual.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "topics.h"

#define RELEASE_DATE "November 21, 2026"

static void put_plain(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\\')
            buf_puts(out, "\\e");
        else if (*text == '~')
            buf_puts(out, "\\(ti");
        else
            buf_putc(out, *text);
    }
}

/* Text at the start of a line: it must not be taken for a request. */
static void put_text(struct buf *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        buf_puts(out, "\\&");
    put_plain(out, text);
}

/* A word of a macro's line: "\&" keeps a short one from being taken for a macro. */
static void put_word(struct buf *out, const char *text)
{
    if (strlen(text) <= 3)
        buf_puts(out, "\\&");
    for (; *text; text++) {
        if (*text == ' ')
            buf_puts(out, "\\ ");
        else if (*text == '"')
            buf_puts(out, "\\(dq");
        else if (*text == '\\')
            buf_puts(out, "\\e");
        else if (*text == '-')
            buf_puts(out, "\\-");
        else if (*text == '~')
            buf_puts(out, "\\(ti");
        else
            buf_putc(out, *text);
    }
}

/* Text on lines of at most 78 characters; a sentence begins a line of its own, as mdoc wants it. */
static void put_sentences(struct buf *out, const char *text)
{
    size_t column = 0;
    while (*text) {
        char word[256];
        size_t n = strcspn(text, " ");
        bool ends = n && text[n - 1] == '.' && text[n] == ' ';
        snprintf(word, sizeof word, "%.*s", (int)n, text);
        if (column && column + 1 + n > 78) {
            buf_putc(out, '\n');
            column = 0;
        }
        if (column)
            buf_putc(out, ' ');
        if (column)
            put_plain(out, word);
        else
            put_text(out, word);
        column += n + 1;
        text += n + strspn(text + n, " ");
        if (ends) {
            buf_putc(out, '\n');
            column = 0;
        }
    }
    if (column)
        buf_putc(out, '\n');
}

static void put_head(struct buf *out, const char *title)
{
    buf_puts(out, ".\\\" Made by \"mreg help --man\" from the command table.\n.Dd " RELEASE_DATE
                  "\n.Dt ");
    for (; *title; title++)
        buf_putc(out, (char)toupper((unsigned char)*title));
    buf_puts(out, " 1\n.Os\n");
}

static void put_options(struct buf *out, const struct option *options)
{
    buf_puts(out, ".Bl -tag -width Ds\n");
    for (const struct option *o = options; o->name; o++) {
        buf_puts(out, ".It ");
        if (o->letter)
            buf_putf(out, "Fl %c , ", o->letter);
        buf_puts(out, "Fl \\-");
        put_word(out, o->name);
        if (o->value) {
            buf_puts(out, " Ar ");
            put_word(out, o->value);
        }
        buf_putc(out, '\n');
        put_sentences(out, o->help);
    }
    buf_puts(out, ".El\n");
}

static void put_rows(struct buf *out, const struct topic *topic)
{
    put_sentences(out, topic->text);
    buf_puts(out, ".Bl -tag -width Ds\n");
    for (const struct topic_row *r = topic->rows; r->term; r++) {
        buf_puts(out, ".It ");
        put_word(out, r->term);
        buf_putc(out, '\n');
        put_sentences(out, r->text);
    }
    buf_puts(out, ".El\n");
}

void manual_name(const struct command *c, char name[64])
{
    snprintf(name, 64, "mreg-%s", c->name);
    for (char *p = name; *p; p++)
        if (*p == ' ')
            *p = '-';
}

/* "Push a folder." without its capital and full stop. */
static void put_summary(struct buf *out, const char *summary)
{
    char text[256];
    snprintf(text, sizeof text, "%s", summary);
    size_t n = strlen(text);
    if (n && text[n - 1] == '.')
        text[n - 1] = '\0';
    if (isupper((unsigned char)text[0]) && !isupper((unsigned char)text[1]))
        text[0] = (char)tolower((unsigned char)text[0]);
    put_text(out, text);
    buf_putc(out, '\n');
}

static void put_example(struct buf *out, const char *example)
{
    buf_puts(out, ".Dl ");
    for (const char *p = example; *p; p++)
        buf_puts(out, *p == '"'    ? "\\(dq"
                      : *p == '\\' ? "\\e"
                      : *p == '-'  ? "\\-"
                                   : (char[]){*p, 0});
    buf_putc(out, '\n');
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const struct command *const *)a)->name,
                  (*(const struct command *const *)b)->name);
}

/* Pages of the other verbs of a noun. */
static void put_siblings(struct buf *out, const struct command *const *tables,
                         const struct command *of)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    size_t length = strcspn(of->name, " ");
    char name[64];
    qsort(list, n, sizeof(const struct command *), by_name);
    buf_puts(out, ".Sh SEE ALSO\n.Xr mreg 1");
    for (size_t i = 0; i < n && of->name[length]; i++) {
        if (list[i] == of || strncmp(list[i]->name, of->name, length + 1) != 0)
            continue;
        manual_name(list[i], name);
        buf_putf(out, " ,\n.Xr %s 1", name);
    }
    buf_putc(out, '\n');
}

void manual_page(const struct command *const *tables, const struct command *c, struct buf *out)
{
    char name[64];
    manual_name(c, name);
    put_head(out, name);
    buf_putf(out, ".Sh NAME\n.Nm %s\n.Nd ", name);
    put_summary(out, c->summary);
    buf_putf(out, ".Sh SYNOPSIS\n.Nm mreg %s\n.Op Ar option ...\n", c->name);
    if (*c->args) {
        buf_puts(out, ".Ar ");
        put_word(out, c->args);
        buf_putc(out, '\n');
    }
    buf_puts(out, ".Sh DESCRIPTION\n");
    put_sentences(out, c->summary);
    if (c->options && c->options->name) {
        buf_puts(out, ".Pp\nThe options are, beside those of every command (see\n.Xr mreg 1 ) :\n");
        put_options(out, c->options);
    } else {
        buf_puts(out, ".Pp\nThere are only the options of every command, see\n.Xr mreg 1 .\n");
    }
    buf_puts(out, ".Sh EXIT STATUS\nThe codes are those of\n.Xr mreg 1 .\n.Sh EXAMPLES\n");
    put_example(out, c->example);
    put_siblings(out, tables, c);
}

static void put_commands(struct buf *out, const struct command *const *tables)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    char name[64];
    buf_puts(out, ".Sh COMMANDS\n.Bl -tag -width Ds\n");
    for (size_t i = 0; i < n; i++) {
        manual_name(list[i], name);
        buf_putf(out, ".It Xr %s 1\n", name);
        put_sentences(out, list[i]->summary);
    }
    buf_puts(out, ".El\n");
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        buf_putf(out, "%s\n.Cm %s\nis\n.Cm %s .\n", a == command_aliases ? ".Pp" : ".br", a->alias,
                 a->name);
}

static void put_section(struct buf *out, const struct topic *t)
{
    buf_puts(out, ".Sh ");
    for (const char *p = t->title; *p; p++)
        buf_putc(out, (char)toupper((unsigned char)*p));
    buf_putc(out, '\n');
    put_rows(out, t);
}

void manual_overview(const struct command *const *tables, struct buf *out)
{
    put_head(out, "mreg");
    buf_puts(out, ".Sh NAME\n.Nm mreg\n.Nd model registry and deployment control plane\n"
                  ".Sh SYNOPSIS\n.Nm\n.Ar command\n.Op Ar option ...\n.Op Ar argument ...\n"
                  ".Sh DESCRIPTION\n"
                  "Talks to a registry of models: pushes and pulls versions, takes them\n"
                  "live by rollouts, and tells what was live when and by whom.\n"
                  "Options may stand anywhere;\n.Sq \\-\\-\nends them.\n"
                  ".Pp\nThe options of every command are:\n");
    put_options(out, global_options);
    put_commands(out, tables);
    put_section(out, topic_find("references"));
    put_section(out, topic_find("output"));
    put_section(out, topic_find("contexts"));
    put_section(out, topic_find("plugins"));
    put_section(out, topic_find("environment"));
    put_section(out, topic_find("exit-codes"));
    buf_puts(out, ".Sh EXAMPLES\n"
                  ".Dl mreg login http://127.0.0.1:7070 \\-\\-token\\-file admin.token\n"
                  ".Dl mreg push fraud ./out \\-\\-alias candidate \\-\\-metric auc=0.941\n"
                  ".Dl mreg promote fraud@candidate production \\-\\-watch\n"
                  ".Dl mreg rollback fraud \\-\\-env production\n");
    put_section(out, topic_find("errors"));
}
