/* Tables for terminals and pipes, cleaning of foreign text, sizes, times. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"
#include "out.h"
#include "support_dir.h"
#include "when.h"

static void test_clean(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"plain", "plain"},
        {"a\tb\nc", "a b c"},
        {"\033[31mred", " [31mred"},
        {"del\x7f", "del "},
        {"\xc2\x9b"
         "31m",
         "  31m"},
        {"\xc2\xa0x", "\xc2\xa0x"},
        {"Betr\xc3\xbcger", "Betr\xc3\xbcger"},
        {"cut \xc2", "cut \xc2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i].in);
        assert_string_equal(out_clean(text), cases[i].out);
    }
}

static void test_bytes(void **state)
{
    (void)state;
    static const struct {
        int64_t n;
        const char *text;
    } cases[] = {{0, "0 B"},
                 {999, "999 B"},
                 {1000, "1.0 kB"},
                 {99949, "99.9 kB"},
                 {99951, "100 kB"},
                 {999499, "999 kB"},
                 {999500, "1.0 MB"},
                 {6200000000, "6.2 GB"},
                 {16777216, "16.8 MB"},
                 {INT64_C(5) << 40, "5.5 TB"}};
    char text[24];
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(out_bytes(cases[i].n, text), cases[i].text);
}

static void test_ago(void **state)
{
    (void)state;
    char text[40];
    char time_text[WHEN_TEXT_BYTES];
    struct out pipe = {0};
    struct out terminal = {.stdout_is_tty = true};
    int64_t now = (int64_t)time(NULL) * 1000;
    assert_string_equal(out_ago(&pipe, "2026-05-03T10:00:00Z", text), "2026-05-03T10:00:00Z");
    assert_string_equal(out_ago(&terminal, "", text), "");
    assert_string_equal(out_ago(&terminal, NULL, text), "");
    assert_string_equal(out_ago(&terminal, "soon", text), "soon");
    static const struct {
        int64_t seconds;
        const char *text;
    } cases[] = {{3 * 86400 + 50, "3 d ago"}, {7300, "2 h ago"}, {150, "2 min ago"}, {-50, "now"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        when_format(now - cases[i].seconds * 1000, time_text);
        assert_string_equal(out_ago(&terminal, time_text, text), cases[i].text);
    }
}

/* What a function prints, in room. */
static void captured(void (*print)(const struct out *), const struct out *o, char room[4096])
{
    struct temp_dir dir CLEANUP(temp_dir_remove);
    struct arena a CLEANUP(arena_clear) = {0};
    temp_dir_make(&dir);
    const char *path = temp_dir_file(&dir, &a, "out");
    fflush(stdout);
    int saved = dup(STDOUT_FILENO);
    assert_true(saved >= 0);
    assert_non_null(freopen(path, "w", stdout));
    print(o);
    fflush(stdout);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    room[fread(room, 1, 4095, f)] = '\0';
    fclose(f);
}

static void print_table(const struct out *o)
{
    static const char *const heads[] = {"NAME", "STATE", "TEXT"};
    struct table t;
    table_init(&t, o, 3, heads);
    table_cell(&t, TONE_PLAIN, "fraud");
    table_cell(&t, TONE_GOOD, "ok");
    table_cell(&t, TONE_PLAIN, "a longer text that says more\tthan fits");
    table_cellf(&t, TONE_PLAIN, "%s", "Betr\xc3\xbcger");
    table_cell(&t, TONE_BAD, "");
    table_cell(&t, TONE_PLAIN, NULL);
    table_print(&t);
}

static void test_table(void **state)
{
    (void)state;
    static const struct {
        struct out out;
        const char *text;
    } cases[] = {
        {{.columns = 80},
         "fraud\tok\ta longer text that says more than fits\nBetr\xc3\xbcger\t-\t-\n"},
        {{.columns = 80, .stdout_is_tty = true},
         "NAME      STATE  TEXT\n"
         "fraud     ok     a longer text that says more than fits\n"
         "Betr\xc3\xbcger  -      -\n"},
        {{.columns = 40, .stdout_is_tty = true},
         "NAME      STATE  TEXT\n"
         "fraud     ok     a longer text that say…\n"
         "Betr\xc3\xbcger  -      -\n"},
        {{.columns = 5, .stdout_is_tty = true}, /* narrower than sense: six letters each */
         "NAME    STATE  TEXT\n"
         "fraud   ok     a lon…\n"
         "Betr\xc3\xbc…  -      -\n"},
        {{.columns = 80, .stdout_is_tty = true, .has_colour = true},
         "\033[2mNAME\033[0m      \033[2mSTATE\033[0m  \033[2mTEXT\033[0m\n"
         "fraud\033[0m     \033[32mok\033[0m     a longer text that says more than fits\033[0m\n"
         "Betr\xc3\xbcger\033[0m  \033[31m-\033[0m      -\033[0m\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[4096];
        captured(print_table, &cases[i].out, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void test_colour(void **state)
{
    (void)state;
    struct out o;
    setenv("COLUMNS", "123", 1);
    setenv("NO_COLOR", "1", 1);
    out_init(&o);
    assert_int_equal(o.columns, 123);
    assert_false(o.has_colour);
    assert_false(o.stderr_has_colour);
    assert_string_equal(out_on(&o, TONE_BAD), "");
    assert_string_equal(out_err_off(&o), "");
    o.stderr_has_colour = true;
    assert_string_equal(out_on(&o, TONE_BAD), "");
    assert_string_equal(out_err_on(&o, TONE_BAD), "\033[31m");
    setenv("COLUMNS", "nonsense", 1);
    out_init(&o);
    assert_true(o.columns >= 20);
}

static void test_numbers_and_queries(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rc;
        int64_t n;
    } cases[] = {{"1", ERR_OK, 1},         {"100", ERR_OK, 100},
                 {"0", ERR_INVALID, -1},   {"101", ERR_INVALID, -1},
                 {"x", ERR_INVALID, -1},   {"1x", ERR_INVALID, -1},
                 {"", ERR_INVALID, -1},    {"-1", ERR_INVALID, -1},
                 {" 1", ERR_INVALID, -1},  {"+1", ERR_INVALID, -1},
                 {"1e1", ERR_INVALID, -1}, {"99999999999999999999", ERR_INVALID, -1}};
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli cli = {.values = {{"limit", cases[i].text}}, .n_values = 1};
        int64_t n = -1;
        assert_int_equal(cli_number(&cli, "limit", 1, 100, &n, &e), cases[i].rc);
        assert_int_equal(n, cases[i].n);
        assert_int_equal(cli_number(&cli, "step", 1, 100, &n, &e), ERR_OK);
    }
    struct cli cli = {0};
    assert_string_equal(cli_query(&cli, "/x", "a", NULL), "/x");
    assert_string_equal(cli_query(&cli, "/x", "a", "b c/%"), "/x?a=b%20c%2F%25");
    assert_string_equal(cli_query(&cli, "/x?a=1", "b", "\xc3\xbc"), "/x?a=1&b=%C3%BC");
    char big[5000];
    memset(big, 'a', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(strlen(cli_printf(&cli, "%s!", big)), 5000);
    arena_clear(&cli.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),  cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_ago),    cmocka_unit_test(test_table),
        cmocka_unit_test(test_colour), cmocka_unit_test(test_numbers_and_queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
