/*
 * The command tables as Markdown (docs/commands.md) and as JSON. Knows no command by name. Pure.
 */
#include <string.h>

#include "manual.h"
#include "topics.h"

/* "|" would end a cell of a table, "<" begin a tag. */
static void put_cell(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '|' || *text == '<')
            buf_putc(out, '\\');
        buf_putc(out, *text);
    }
}

static void put_options(struct buf *out, const struct option *options)
{
    buf_puts(out, "| option | |\n| --- | --- |\n");
    for (const struct option *o = options; o->name; o++) {
        buf_puts(out, "| `");
        if (o->letter)
            buf_putf(out, "-%c`, `", o->letter);
        buf_putf(out, "--%s%s%s` | ", o->name, o->value ? " " : "", o->value ? o->value : "");
        put_cell(out, o->help);
        buf_puts(out, " |\n");
    }
}

static void put_command(struct buf *out, const struct command *c)
{
    buf_putf(out, "\n### mreg %s%s%s\n\n%s\n\n```\n%s\n```\n", c->name, *c->args ? " " : "",
             c->args, c->summary, c->example);
    if (c->options && c->options->name) {
        buf_putc(out, '\n');
        put_options(out, c->options);
    }
}

static void put_topic(struct buf *out, const struct topic *t)
{
    buf_putf(out, "\n## %s\n\n%s\n\n| | |\n| --- | --- |\n", t->title, t->text);
    for (const struct topic_row *r = t->rows; r->term; r++) {
        buf_putf(out, "| `%s` | ", r->term);
        put_cell(out, r->text);
        buf_puts(out, " |\n");
    }
}

void manual_markdown(const struct command *const *tables, struct buf *out)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    buf_puts(out, "# Commands of mreg\n\n"
                  "Made by `mreg help --markdown` from the command table.\n\n"
                  "## Options of every command\n\n");
    put_options(out, global_options);
    buf_puts(out, "\nOther words:");
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        buf_putf(out, " `%s` is `%s`%s", a->alias, a->name, a[1].alias ? "," : ".\n");
    buf_puts(out, "\n## Commands\n");
    for (size_t i = 0; i < n; i++)
        put_command(out, list[i]);
    for (const struct topic *t = topics; t->name; t++)
        put_topic(out, t);
}

static json_t *json_options(const struct option *options)
{
    json_t *list = json_array();
    for (const struct option *o = options; o && o->name; o++) {
        char letter[2] = {o->letter, '\0'};
        json_array_append_new(list, json_pack("{s:s, s:s*, s:s*, s:s}", "name", o->name, "letter",
                                              o->letter ? letter : NULL, "value", o->value, "help",
                                              o->help));
    }
    return list;
}

json_t *manual_json_command(const struct command *c)
{
    return json_pack("{s:s, s:s, s:i, s:i, s:s, s:s, s:o}", "name", c->name, "args", c->args,
                     "min_args", c->min_args, "max_args", c->max_args, "summary", c->summary,
                     "example", c->example, "options", json_options(c->options));
}

static json_t *json_topics(void)
{
    json_t *list = json_array();
    for (const struct topic *t = topics; t->name; t++) {
        json_t *rows = json_array();
        for (const struct topic_row *r = t->rows; r->term; r++)
            json_array_append_new(rows, json_pack("{s:s, s:s}", "term", r->term, "text", r->text));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:o}", "name", t->name, "title",
                                              t->title, "text", t->text, "rows", rows));
    }
    return list;
}

json_t *manual_json(const struct command *const *tables)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(tables, list);
    json_t *commands = json_array();
    json_t *aliases = json_object();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(commands, manual_json_command(list[i]));
    for (const struct command_alias *a = command_aliases; a->alias; a++)
        json_object_set_new(aliases, a->alias, json_string(a->name));
    return json_pack("{s:s, s:o, s:o, s:o, s:o}", "version", MREG_VERSION, "commands", commands,
                     "options", json_options(global_options), "aliases", aliases, "topics",
                     json_topics());
}
