/*
 * Settings: the four sources, bounds, what is said about mistakes, reloading; the command line.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "daemon_options.h"
#include "settings.h"
#include "support_dir.h"

static struct temp_dir dir;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    temp_dir_make(&dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(&dir);
    arena_clear(&arena);
    return 0;
}

static const char *write_file(const char *text)
{
    const char *path = temp_dir_file(&dir, &arena, "mregd.conf");
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    return path;
}

static void test_defaults_fit(void **state)
{
    (void)state;
    struct config *c CLEANUP(config_free_ptr) = config_new();
    assert_int_equal(config_int(c, "server.threads"), 512);
    assert_int_equal(config_int(c, "server.keep-alive"), 15000);
    assert_int_equal(config_int(c, "limits.json"), 1 << 20);
    assert_int_equal(config_int(c, "log.level"), 1);
    assert_string_equal(config_text(c, "log.level"), "info");
    assert_true(config_bool(c, "log.access"));
    for (size_t i = 0; settings[i].name; i++) {
        assert_non_null(strchr(settings[i].name, '.'));
        assert_null(strchr(settings[i].name, '_')); /* git's format has no underscore in names */
        assert_true(strlen(settings[i].help) > 10);
        assert_false(settings[i].is_reloadable && settings[i].type == SETTING_TEXT);
    }
}

static void test_file(void **state)
{
    (void)state;
    struct config *c CLEANUP(config_free_ptr) = config_new();
    struct err e = {0};
    const char *path =
        write_file("# comment\n[server]\n\tthreads = 64\n  listen = 127.0.0.1:1 ; more\n"
                   "[log]\n\taccess = false\n[limits]\n json = \"2MiB\"\n");
    if (config_file(c, path, &e))
        fail_msg("%s", e.message);
    assert_int_equal(config_int(c, "server.threads"), 64);
    assert_string_equal(config_text(c, "server.listen"), "127.0.0.1:1");
    assert_false(config_bool(c, "log.access"));
    assert_int_equal(config_int(c, "limits.json"), 2 << 20);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"[server]\n\n  treads = 5\n", "mregd.conf:3: no setting \"server.treads\"; did you mean "
                                       "\"server.threads\"?"},
        {"[log]\nlevel = info\n[server]\nthreads = 1\n",
         "mregd.conf:4: server.threads: \"1\" is not between"},
        {"[server]\nthreads = many\n", "whole number"},
        {"[server]\nkeep-alive = 15\n", "mregd.conf:2: server.keep-alive"},
        {"[limits]\njson = 1MB\n", "no unit"},
        {"[log]\nlevel = loud\n", "none of: debug info warning error"},
        {"[log] access = perhaps\n", "neither true nor false"},
        {"[server\nthreads = 5\n", "mregd.conf"},
        {"[server]\nthreads = 64\nthreads = 3\n", "server.threads"},
        {"[other]\nx = 1\n", "no setting \"other.x\""},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct config *c CLEANUP(config_free_ptr) = config_new();
        struct err e = {0};
        assert_int_equal(config_file(c, write_file(rows[i].text), &e), ERR_INVALID);
        if (!strstr(e.message, rows[i].says))
            fail_msg("%s: %s", rows[i].text, e.message);
    }
    struct config *c CLEANUP(config_free_ptr) = config_new();
    struct err e = {0};
    assert_int_equal(config_file(c, temp_dir_file(&dir, &arena, "none"), &e), ERR_NOT_FOUND);
}

static void test_environment(void **state)
{
    (void)state;
    char *const good[] = {"PATH=/bin",
                          "MREG_SERVER_BODY_TIMEOUT=4s",
                          "MREG_LOG_LEVEL=debug",
                          "MREG_TOKEN=x",
                          "MREG_SERVER_TREADS=5",
                          "MREG_BUILD=/b",
                          "MREG_LOGG_X=1",
                          NULL};
    struct config *c CLEANUP(config_free_ptr) = config_new();
    struct buf unknown CLEANUP(buf_clear);
    struct err e = {0};
    buf_init(&unknown, 1000);
    assert_int_equal(config_environment(c, good, &unknown, &e), 0);
    assert_int_equal(config_int(c, "server.body-timeout"), 4000);
    assert_int_equal(config_int(c, "log.level"), 0);
    assert_string_equal(buf_str(&unknown), "MREG_SERVER_TREADS");
    char *const bad[] = {"MREG_SERVER_THREADS=0", NULL};
    assert_int_equal(config_environment(c, bad, &unknown, &e), ERR_INVALID);
    assert_non_null(strstr(e.message, "MREG_SERVER_THREADS"));
}

static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } rows[] = {{"0", 0},
                {"500", 500},
                {"5B", 5},
                {"1KiB", 1024},
                {"16MiB", 16 << 20},
                {"2GiB", INT64_C(2) << 30},
                {"1kb", -1},
                {"-1", -1},
                {"", -1},
                {"KiB", -1},
                {" 1", -1},
                {"1 KiB", -1},
                {"99999999999999999999", -1},
                {"9999999999TiB", -1}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        int64_t bytes = -1;
        int rc = config_size(rows[i].text, &bytes, &e);
        if ((rc == 0) != (rows[i].bytes >= 0) || bytes != rows[i].bytes)
            fail_msg("%s", rows[i].text);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:0", "0.0.0.0:65535", "255.255.255.255:80"};
    static const char *const bad[] = {"",
                                      "127.0.0.1",
                                      ":80",
                                      "localhost:80",
                                      "127.0.0.1:65536",
                                      "256.0.0.1:1",
                                      "127.0.0.1:80s",
                                      "127.0.0.1:-1",
                                      " 127.0.0.1:1",
                                      "127.0.0.1:1,0.0.0.0:2",
                                      "[::1]:80",
                                      "1.2.3:4",
                                      "127.0.0.1: 80"};
    char address[16];
    int port = 0;
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(config_address(good[i], address, &port, &e), 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (!config_address(bad[i], address, &port, &e))
            fail_msg("%s", bad[i]);
    assert_true(config_is_loopback("127.8.0.1"));
    assert_false(config_is_loopback("128.0.0.1"));
}

static void check_rows(const struct config *c)
{
    static const struct {
        const char *name, *value, *origin;
    } cases[] = {{"server.threads", "512", "default"},
                 {"server.keep-alive", "15s", "default"},
                 {"server.min-rate", "5120", "reloaded"},
                 {"log.level", "error", "reloaded"},
                 {"log.access", "false", "reloaded"}};
    struct config_row row;
    size_t n_found = 0, n = 0;
    for (; config_row(c, n, &row); n++) {
        assert_string_equal(row.name, settings[n].name);
        assert_int_equal(row.is_default, strcmp(row.origin, "default") == 0);
        for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
            if (strcmp(cases[k].name, row.name) != 0)
                continue;
            n_found++;
            assert_string_equal(row.value, cases[k].value);
            assert_string_equal(row.origin, cases[k].origin);
        }
    }
    assert_null(settings[n].name);
    assert_int_equal(n_found, sizeof cases / sizeof cases[0]);
}

static void test_reload(void **state)
{
    (void)state;
    struct config *c CLEANUP(config_free_ptr) = config_new();
    struct config *fresh CLEANUP(config_free_ptr) = config_new();
    struct buf restart CLEANUP(buf_clear);
    struct err e = {0};
    buf_init(&restart, 1000);
    assert_int_equal(config_set(fresh, "log.level", "error", "test", &e), 0);
    assert_int_equal(config_set(fresh, "server.min-rate", "5KiB", "test", &e), 0);
    assert_int_equal(config_set(fresh, "server.threads", "9", "test", &e), 0);
    assert_int_equal(config_set(fresh, "server.listen", "127.0.0.1:9", "test", &e), 0);
    assert_int_equal(config_set(fresh, "log.access", "no", "test", &e), 0);
    config_reload(c, fresh, &restart);
    assert_int_equal(config_int(c, "log.level"), 3);
    assert_int_equal(config_int(c, "server.min-rate"), 5120);
    assert_int_equal(config_int(c, "server.threads"), 512);
    assert_string_equal(buf_str(&restart), "server.listen, server.threads");
    check_rows(c);
    struct config *standard CLEANUP(config_free_ptr) = config_new();
    config_reload(c, standard, &restart); /* and back to what it was at the start */
    assert_int_equal(config_int(c, "log.level"), 1);
}

/* What is printed can be read back and gives the same values. */
static void test_print(void **state)
{
    (void)state;
    struct config *c CLEANUP(config_free_ptr) = config_new();
    struct config *again CLEANUP(config_free_ptr) = config_new();
    struct buf text CLEANUP(buf_clear);
    struct err e = {0};
    buf_init(&text, 65536);
    assert_int_equal(config_set(c, "server.threads", "77", "option --x", &e), 0);
    config_print(c, &text);
    assert_non_null(strstr(buf_str(&text), "threads = 77 ; option --x\n"));
    assert_int_equal(config_file(again, write_file(buf_str(&text)), &e), 0);
    for (size_t i = 0; settings[i].name; i++)
        assert_int_equal(config_int(c, settings[i].name), config_int(again, settings[i].name));
}

static void test_command_line(void **state)
{
    (void)state;
    static const struct {
        char *argv[8];
        int rc, verb;
    } rows[] = {
        {{"mregd", "--data", "d"}, 0, DAEMON_SERVE},
        {{"mregd", "--data=d", "--listen=127.0.0.1:0", "--ops", "127.0.0.1:0"}, 0, DAEMON_SERVE},
        {{"mregd", "--data", "d", "rotate-key", "--reason", "old"}, 0, DAEMON_ROTATE_KEY},
        {{"mregd", "--help"}, 0, DAEMON_HELP},
        {{"mregd", "--version"}, 0, DAEMON_VERSION},
        {{"mregd", "--print-config"}, 0, DAEMON_PRINT_CONFIG},
        {{"mregd"}, ERR_INVALID, 0},
        {{"mregd", "--data"}, ERR_INVALID, 0},
        {{"mregd", "--data", ""}, ERR_INVALID, 0},
        {{"mregd", "--dat", "d"}, ERR_INVALID, 0},
        {{"mregd", "--help=yes"}, ERR_INVALID, 0},
        {{"mregd", "--data", "d", "extra"}, ERR_INVALID, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct daemon_options o;
        struct err e = {0};
        char *argv[9] = {NULL};
        int argc = 0;
        for (; argc < 8 && rows[i].argv[argc]; argc++)
            argv[argc] = rows[i].argv[argc];
        if (daemon_options_read(argc, argv, &o, &e) != rows[i].rc)
            fail_msg("row %zu: %s", i, e.message);
        if (!rows[i].rc)
            assert_int_equal(o.verb, rows[i].verb);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_fit), cmocka_unit_test(test_file),
        cmocka_unit_test(test_bad_files),    cmocka_unit_test(test_environment),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_reload),       cmocka_unit_test(test_print),
        cmocka_unit_test(test_command_line),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
