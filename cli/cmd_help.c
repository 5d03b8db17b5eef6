/*
 * mreg help: a command, a noun's verbs, a topic; and the same as manual pages, Markdown or JSON.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "manual.h"
#include "profile.h"
#include "topics.h"

#define DOCUMENT_MAX_BYTES ((size_t)4 << 20)

static int write_page(const char *folder, const char *name, const struct buf *page, struct err *e)
{
    char path[2048];
    snprintf(path, sizeof path, "%s/%s.1", folder, name);
    return file_write(path, page->data, page->len, 0644, e);
}

/* All manual pages into a folder, which is made if it is missing. */
static int write_pages(struct cli *cli, const char *folder, struct err *e)
{
    const struct command *list[MAX_COMMANDS];
    size_t n = opt_commands(command_tables, list);
    struct buf page CLEANUP(buf_clear) = {0};
    buf_init(&page, DOCUMENT_MAX_BYTES);
    if (mkdir(folder, 0755) != 0 && errno != EEXIST)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", folder, strerror(errno));
    manual_overview(command_tables, &page);
    int rc = write_page(folder, "mreg", &page, e);
    for (size_t i = 0; i < n && rc == ERR_OK; i++) {
        char name[64];
        manual_name(list[i], name);
        buf_reset(&page);
        manual_page(command_tables, list[i], &page);
        rc = write_page(folder, name, &page, e);
    }
    if (rc == ERR_OK)
        out_say(&cli->out, "%zu manual pages in %s", n + 1, folder);
    return rc;
}

static void print_markdown(void)
{
    struct buf text CLEANUP(buf_clear) = {0};
    buf_init(&text, DOCUMENT_MAX_BYTES);
    manual_markdown(command_tables, &text);
    fwrite(text.data, 1, text.len, stdout);
}

static void print_row(const struct topic_row *r)
{
    if (strlen(r->term) > 20)
        printf("  %s\n  %-20s %s\n", r->term, "", r->text);
    else
        printf("  %-20s %s\n", r->term, r->text);
}

static void print_topic(const struct topic *t)
{
    printf("%s\n\n%s\n\n", t->title, t->text);
    for (const struct topic_row *r = t->rows; r->term; r++)
        print_row(r);
}

static int unknown_term(struct cli *cli, const struct topic *t, const char *term)
{
    struct err e = {0};
    const char *terms[64];
    size_t n = 0;
    for (const struct topic_row *r = t->rows; r->term && n < ARRAY_LEN(terms) - 1; r++)
        terms[n++] = r->term;
    terms[n] = NULL;
    const char *near = json_nearest(term, terms);
    err_set(&e, ERR_INVALID, "\"mreg help %s\" has no \"%.100s\"%s%s%s", t->name, term,
            near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    return cli_fail(cli, &e);
}

static int help_topic(struct cli *cli, const struct topic *t)
{
    const char *term = cli->n_args > 1 ? cli->args[1] : NULL;
    const struct topic_row *row = term ? topic_row_find(t, term) : NULL;
    if (term && !row)
        return unknown_term(cli, t, term);
    if (row)
        printf("%s: %s\n", row->term, row->text);
    else
        print_topic(t);
    return EXIT_DONE;
}

static int list_topics(void)
{
    puts("topics of \"mreg help TOPIC\":\n");
    for (const struct topic *t = topics; t->name; t++)
        printf("  %-20s %s\n", t->name, t->title);
    return EXIT_DONE;
}

/* The words after "help" as a command line of their own: its mistakes have the same words. */
static int help_words(struct cli *cli)
{
    struct err e = {0};
    struct cli asked = {.command = NULL};
    char *words[4] = {arena_strdup(&cli->arena, "mreg"), NULL, NULL, NULL};
    int n = 1;
    for (int i = 0; i < cli->n_args && n < 3; i++)
        words[n++] = arena_strdup(&cli->arena, cli->args[i]);
    int rc = opt_parse(&asked, n, words, command_tables, &e);
    bool is_noun = asked.noun && cli->n_args == 1;
    if (rc != ERR_OK && !asked.command && !is_noun) {
        arena_clear(&asked.arena);
        return cli_fail(cli, &e);
    }
    json_t *j CLEANUP(json_decref_ptr) =
        asked.command ? manual_json_command(asked.command) : manual_json(command_tables);
    if (cli->out.is_json)
        cli_json(cli, j);
    else if (is_noun)
        opt_help_noun(command_tables, asked.noun);
    else
        opt_help(command_tables, asked.command);
    arena_clear(&asked.arena);
    return EXIT_DONE;
}

int cmd_help(struct cli *cli)
{
    struct err e = {0};
    const char *folder = opt(cli, "man");
    const struct topic *topic = cli->n_args ? topic_find(cli->args[0]) : NULL;
    if (folder && write_pages(cli, folder, &e) != ERR_OK)
        return cli_fail(cli, &e);
    if (opt_has(cli, "markdown"))
        print_markdown();
    else if (opt_has(cli, "all"))
        opt_help_noun(command_tables, NULL);
    else if (topic)
        return help_topic(cli, topic);
    else if (cli->n_args && strcmp(cli->args[0], "topics") == 0)
        return list_topics();
    else if (!folder)
        return help_words(cli);
    return EXIT_DONE;
}
