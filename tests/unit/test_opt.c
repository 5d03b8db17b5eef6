/* The command line: options anywhere, did-you-mean, and the command tables themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "commands.h"

#define MAX_WORDS 32

/* A command line cut at blanks; 'quotes' and "quotes" keep theirs. The text is changed. */
static int split(char *line, char *words[MAX_WORDS])
{
    int n = 0;
    for (char *p = line; *p && n < MAX_WORDS - 1;) {
        while (*p == ' ')
            p++;
        if (!*p)
            break;
        char end = *p == '\'' || *p == '"' ? *p++ : ' ';
        words[n++] = p;
        p += strcspn(p, (char[]){end, '\0'});
        if (*p)
            *p++ = '\0';
    }
    words[n] = NULL;
    return n;
}

static int parse(struct cli *cli, const char *line, char room[512], struct err *e)
{
    char *words[MAX_WORDS];
    memset(cli, 0, sizeof *cli);
    memset(e, 0, sizeof *e);
    snprintf(room, 512, "%s", line);
    int n = split(room, words);
    return opt_parse(cli, n, words, command_tables, e);
}

static void test_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *command;
        int n_args;
        const char *first, *option, *value;
    } cases[] = {
        {"mreg", NULL, 0, NULL, NULL, NULL},
        {"mreg --help", NULL, 0, NULL, "help", ""},
        {"mreg list", "list", 0, NULL, "json", NULL},
        {"mreg list --json", "list", 0, NULL, "json", ""},
        {"mreg --json list fraud", "list", 1, "fraud", "json", ""},
        {"mreg --registry http://h list fraud", "list", 1, "fraud", "registry", "http://h"},
        {"mreg --registry=http://h list", "list", 0, NULL, "registry", "http://h"},
        {"mreg --env production status", "status", 0, NULL, "env", "production"},
        {"mreg -e production status", "status", 0, NULL, "env", "production"},
        {"mreg rollout --env production list", "rollout list", 0, NULL, "env", "production"},
        {"mreg push fraud ./out -m auc=0.9", "push", 2, "fraud", "metric", "auc=0.9"},
        {"mreg push -m=auc=0.9 fraud ./out", "push", 2, "fraud", "metric", "auc=0.9"},
        {"mreg push --metric=auc=0.9 fraud -", "push", 2, "fraud", "metric", "auc=0.9"},
        {"mreg push fraud -- --odd-name", "push", 2, "fraud", "metric", NULL},
        {"mreg -- push fraud out", "push", 2, "fraud", NULL, NULL},
        {"mreg rollout pause r-1 --reason --json", "rollout pause", 1, "r-1", "reason", "--json"},
        {"mreg push --help", "push", 0, NULL, "help", ""},
        {"mreg alias list fraud", "alias list", 1, "fraud", NULL, NULL},
        {"mreg list list", "list", 1, "list", NULL, NULL},
        {"mreg version", "version", 0, NULL, NULL, NULL},
        {"mreg version delete fraud@1", "version delete", 1, "fraud@1", NULL, NULL},
        {"mreg list --limit 3 --limit 4", "list", 0, NULL, "limit", "4"},
        {"mreg ls fraud", "list", 1, "fraud", NULL, NULL},
        {"mreg --context prod get fraud", "show", 1, "fraud", "context", "prod"},
        {"mreg undo fraud", "rollback", 1, "fraud", NULL, NULL},
        {"mreg -o json log ls", "history", 1, "ls", "output", "json"},
        {"mreg help rollout pause", "help", 2, "rollout", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli cli;
        struct err e;
        char room[512];
        print_message("%s\n", cases[i].line);
        assert_int_equal(parse(&cli, cases[i].line, room, &e), ERR_OK);
        if (cases[i].command)
            assert_string_equal(cli.command->name, cases[i].command);
        else
            assert_null(cli.command);
        assert_int_equal(cli.n_args, cases[i].n_args);
        if (cases[i].first)
            assert_string_equal(cli.args[0], cases[i].first);
        const char *value = cases[i].option ? opt(&cli, cases[i].option) : NULL;
        assert_int_equal(value == NULL, cases[i].value == NULL);
        if (value)
            assert_string_equal(value, cases[i].value);
        arena_clear(&cli.arena);
    }
}

static void test_repeated_options(void **state)
{
    (void)state;
    struct cli cli;
    struct err e;
    char room[512];
    assert_int_equal(parse(&cli, "mreg push -a x fraud out --alias y", room, &e), ERR_OK);
    assert_string_equal(opt_nth(&cli, "alias", 0), "x");
    assert_string_equal(opt_nth(&cli, "alias", 1), "y");
    assert_null(opt_nth(&cli, "alias", 2));
    assert_false(opt_has(&cli, "metric"));
    arena_clear(&cli.arena);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *line, *part;
    } cases[] = {
        {"mreg pusj fraud out", "did you mean \"mreg push\"?"},
        {"mreg rolout list", "did you mean \"mreg rollout\"?"},
        {"mreg zzzzzzz", "\"mreg help\" lists them"},
        {"mreg rollout", "needs a verb"},
        {"mreg rollout pase r-1", "did you mean \"rollout pause\"?"},
        {"mreg rollout zzzzzzz", "\"mreg help rollout\" lists them"},
        {"mreg push fraud", "too few arguments: mreg push wants MODEL PATH"},
        {"mreg push", "too few arguments"},
        {"mreg push fraud out more", "\"more\" is one argument too many"},
        {"mreg logout now", "wants no arguments"},
        {"mreg push fraud '' ", "argument 2 is empty"},
        {"mreg push fraud out --metic auc=1", "did you mean \"--metric\"?"},
        {"mreg push fraud out --metic=auc=1", "did you mean \"--metric\"?"},
        {"mreg push fraud out --zzzzzzz", "see \"mreg help push\""},
        {"mreg push fraud out -z", "no option \"-z\""},
        {"mreg push fraud out -metric auc=1", "no option \"-metric\"; did you mean \"--metric\"?"},
        {"mreg push fraud out --m auc=1", "no option \"--m\""},
        {"mreg push fraud out --metric", "--metric needs a value (NAME=VALUE)"},
        {"mreg list --json=yes", "--json takes no value"},
        {"mreg --nothing", "no option \"--nothing\"; see \"mreg help\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli cli;
        struct err e;
        char room[512];
        int rc = parse(&cli, cases[i].line, room, &e);
        print_message("%s: %s\n", cases[i].line, e.message);
        assert_int_equal(rc, ERR_INVALID);
        assert_non_null(strstr(e.message, cases[i].part));
        arena_clear(&cli.arena);
    }
}

static void test_too_many(void **state)
{
    (void)state;
    struct cli cli = {0};
    struct err e = {0};
    char *words[CLI_MAX_VALUES + 4] = {"mreg", "list"};
    for (int i = 2; i < CLI_MAX_VALUES + 3; i++)
        words[i] = "-q";
    assert_int_equal(opt_parse(&cli, CLI_MAX_VALUES + 2, words, command_tables, &e), ERR_OK);
    words[1] = "list";
    cli = (struct cli){0};
    assert_int_equal(opt_parse(&cli, CLI_MAX_VALUES + 3, words, command_tables, &e), ERR_INVALID);
    for (int i = 2; i < CLI_MAX_ARGS + 3; i++)
        words[i] = "x";
    words[1] = "list";
    cli = (struct cli){0};
    assert_int_equal(opt_parse(&cli, CLI_MAX_ARGS + 3, words, command_tables, &e), ERR_INVALID);
}

static void for_each_command(void (*check)(const struct command *c))
{
    int n = 0;
    for (const struct command *const *t = command_tables; *t; t++)
        for (const struct command *c = *t; c->name; c++, n++)
            check(c);
    assert_true(n > 30 && n < MAX_COMMANDS);
}

static void check_example(const struct command *c)
{
    struct cli cli;
    struct err e;
    char room[512];
    int rc = parse(&cli, c->example, room, &e);
    if (rc != ERR_OK || cli.command != c)
        print_error("%s: %s\n", c->example, e.message);
    assert_int_equal(rc, ERR_OK);
    assert_ptr_equal(cli.command, c);
    arena_clear(&cli.arena);
}

/* The help's examples are command lines that work. */
static void test_examples(void **state)
{
    (void)state;
    for_each_command(check_example);
}

static void check_row(const struct command *c)
{
    assert_non_null(c->run);
    assert_true(strlen(c->summary) > 5 && c->summary[strlen(c->summary) - 1] == '.');
    assert_true(c->min_args <= c->max_args);
    assert_int_equal(c->max_args == 0, *c->args == '\0');
    for (const struct option *o = c->options; o && o->name; o++) {
        for (const struct option *g = global_options; g->name; g++) {
            assert_string_not_equal(o->name, g->name);
            assert_true(!o->letter || o->letter != g->letter);
        }
        for (const struct option *other = o + 1; other->name; other++) {
            assert_string_not_equal(o->name, other->name);
            assert_true(!o->letter || o->letter != other->letter);
        }
    }
}

static void test_rows(void **state)
{
    (void)state;
    for_each_command(check_row);
}

static const struct option *compared;

static void check_shape(const struct command *c)
{
    for (const struct option *o = c->options; o && o->name; o++) {
        if (strcmp(o->name, compared->name) == 0)
            assert_int_equal(o->value == NULL, compared->value == NULL);
        if (o->letter && o->letter == compared->letter)
            assert_string_equal(o->name, compared->name);
    }
}

static void check_shapes(const struct command *c)
{
    for (compared = c->options; compared && compared->name; compared++)
        for_each_command(check_shape);
}

/* Options may stand in front of the command, so their shape may not depend on it. */
static void test_shapes(void **state)
{
    (void)state;
    for_each_command(check_shapes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),    cmocka_unit_test(test_repeated_options),
        cmocka_unit_test(test_mistakes), cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_examples), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
