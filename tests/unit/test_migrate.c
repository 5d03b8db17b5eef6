/*
 * Migrations: order, record, copy beforehand, refusal of edited and newer ones, and the golden
 * schema (schema/database.sql).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "migrate.h"
#include "store_inner.h"
#include "support_dir.h"

#define SQL(name, text)                                       \
    {                                                         \
        name, (const unsigned char *)(text), sizeof(text) - 1 \
    }
#define END           \
    {                 \
        NULL, NULL, 0 \
    }

static const struct embed_file one[] = {SQL("0001_a.sql", "CREATE TABLE a (x INTEGER);"), END};
static const struct embed_file two[] = {
    SQL("0001_a.sql", "CREATE TABLE a (x INTEGER);"),
    SQL("0002_b.sql", "CREATE TABLE b (x INTEGER); INSERT INTO b VALUES (7);"), END};
static const struct embed_file edited[] = {SQL("0001_a.sql", "CREATE TABLE a (y INTEGER);"), END};
static const struct embed_file broken[] = {
    SQL("0001_a.sql", "CREATE TABLE a (x INTEGER);"),
    SQL("0002_b.sql", "CREATE TABLE b (x INTEGER); INSERT INTO nothing VALUES (7);"), END};
static const struct embed_file ends_tx[] = {
    SQL("0001_a.sql", "CREATE TABLE a (x INTEGER);"),
    SQL("0002_b.sql", "CREATE TABLE b (x INTEGER); COMMIT;"), END};
static const struct embed_file dangling[] = {
    SQL("0001_a.sql", "CREATE TABLE a (x INTEGER);"),
    SQL("0002_b.sql", "CREATE TABLE p (x INTEGER PRIMARY KEY);"
                      "CREATE TABLE b (x INTEGER REFERENCES p (x)); INSERT INTO b VALUES (7);"),
    END};

static struct temp_dir dir;
static struct arena arena;
static struct err err;

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

static struct db *open_db(const char *path)
{
    struct db *db = NULL;
    assert_int_equal(db_open(path, true, &db, &err), ERR_OK);
    return db;
}

static int migrate(const char *path, const struct embed_file *files)
{
    struct db *db = open_db(path);
    int code = migrate_run(db, path, files, &err);
    assert_false(db_in_transaction(db));
    db_close(db);
    return code;
}

static int64_t count_tables(const char *path, const char *name)
{
    struct db *db = open_db(path);
    int64_t n = -1;
    assert_int_equal(
        db_int(db, &n, NULL, &err, "SELECT count(*) FROM sqlite_schema WHERE name = ?1", "t", name),
        ERR_OK);
    db_close(db);
    return n;
}

static void test_order_and_copy(void **state)
{
    const char *path = temp_dir_file(&dir, &arena, "m.db");
    const char *copy = temp_dir_file(&dir, &arena, "m.db.before-0002");
    (void)state;
    assert_int_equal(migrate(path, one), ERR_OK);
    assert_int_not_equal(access(temp_dir_file(&dir, &arena, "m.db.before-0001"), F_OK), 0);
    assert_int_equal(migrate(path, one), ERR_OK);
    assert_int_equal(migrate(path, two), ERR_OK);
    assert_int_equal(count_tables(path, "b"), 1);
    assert_int_equal(count_tables(copy, "a"), 1);
    assert_int_equal(count_tables(copy, "b"), 0);
    unlink(copy);
    assert_int_equal(migrate(path, two), ERR_OK);
    assert_int_not_equal(access(copy, F_OK), 0); /* nothing to do: no copy */
}

static void test_refusals(void **state)
{
    const char *path = temp_dir_file(&dir, &arena, "m.db");
    (void)state;
    assert_int_equal(migrate(path, two), ERR_OK);
    assert_int_equal(migrate(path, one), ERR_REFUSED);
    assert_non_null(strstr(err.message, "0002_b.sql"));
    assert_int_equal(migrate(path, edited), ERR_CORRUPT);
    assert_non_null(strstr(err.message, "0001_a.sql"));
}

static void test_failing_migration(void **state)
{
    static const struct {
        const struct embed_file *files;
        int code;
    } cases[] = {{broken, ERR_INTERNAL}, {dangling, ERR_CORRUPT}, {ends_tx, ERR_INTERNAL}};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *path = arena_printf(&arena, "%s/%zu.db", dir.path, i);
        assert_int_equal(migrate(path, one), ERR_OK);
        assert_int_equal(migrate(path, cases[i].files), cases[i].code);
        assert_non_null(strstr(err.message, "0002_b.sql"));
        if (cases[i].files == ends_tx)
            continue;
        assert_int_equal(count_tables(path, "b"), 0);
        assert_int_equal(migrate(path, two), ERR_OK);
        assert_int_equal(count_tables(path, "b"), 1);
    }
}

static void test_foreign_database(void **state)
{
    const char *path = temp_dir_file(&dir, &arena, "other.db");
    struct db *db = open_db(path);
    (void)state;
    assert_int_equal(db_script(db, "CREATE TABLE other (x INTEGER)", &err), ERR_OK);
    assert_int_equal(migrate_run(db, path, two, &err), ERR_CORRUPT);
    db_close(db);
    assert_int_equal(count_tables(path, "schema_migrations"), 0);
}

/* ---- golden schema ---- */

static void write_schema(struct db *db, struct buf *out)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    assert_int_equal(db_query(db, &q, &err,
                              "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL"
                              " ORDER BY tbl_name, type DESC, name",
                              ""),
                     ERR_OK);
    buf_puts(out, "-- The schema after all migrations. Generated by test_migrate; do not edit.\n");
    while (stmt_next(q, &row, &err) == ERR_OK && row)
        buf_putf(out, "\n%s;\n", stmt_text(q, 0));
}

static void read_file(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    char *room = buf_room(out, 1 << 20);
    if (!f)
        return;
    buf_grown(out, fread(room, 1, 1 << 20, f));
    fclose(f);
}

static void write_file(const char *path, const struct buf *content)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(content->data, 1, content->len, f), content->len);
    assert_int_equal(fclose(f), 0);
}

static void test_golden_schema(void **state)
{
    static const char golden[] = MREG_SOURCE_DIR "/schema/database.sql";
    const char *path = temp_dir_file(&dir, &arena, "m.db");
    struct buf now CLEANUP(buf_clear), stored CLEANUP(buf_clear);
    (void)state;
    buf_init(&now, 4 << 20);
    buf_init(&stored, 4 << 20);
    assert_int_equal(migrate(path, embed_migrations), ERR_OK);
    struct db *db = open_db(path);
    write_schema(db, &now);
    db_close(db);
    if (getenv("MREG_UPDATE_GOLDEN"))
        write_file(golden, &now);
    read_file(golden, &stored);
    if (strcmp(buf_str(&now), buf_str(&stored)) != 0)
        fail_msg("schema/database.sql is out of date; in the build folder run\n"
                 "    MREG_UPDATE_GOLDEN=1 ctest -R test_migrate");
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_order_and_copy),   TEST(test_refusals),      TEST(test_failing_migration),
        TEST(test_foreign_database), TEST(test_golden_schema),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
