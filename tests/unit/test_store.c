/*
 * The store: group commit, savepoints, what facts and work may do, snapshots, statements, backups.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "store.h"
#include "support_dir.h"

static struct temp_dir dir;
static struct arena arena;
static struct err err;
static int64_t fake_now = 1000;

static int64_t fake_clock(void *unused)
{
    (void)unused;
    return fake_now;
}

static struct store *open_store(const char *path)
{
    struct store *s = NULL;
    struct store_options options = {.path = path, .n_readers = 2, .now_ms = fake_clock};
    if (store_open(&options, &s, &err) != ERR_OK)
        fail_msg("%s", err.message);
    return s;
}

static int setup(void **state)
{
    temp_dir_make(&dir);
    fake_now = 1000;
    *state = open_store(temp_dir_file(&dir, &arena, "m.db"));
    return 0;
}

static int teardown(void **state)
{
    store_close(*state);
    temp_dir_remove(&dir);
    arena_clear(&arena);
    return 0;
}

static int64_t count(struct store *s, const char *sql)
{
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = -1;
    assert_int_equal(reader_begin(s, &r, &err), ERR_OK);
    assert_int_equal(db_int(r.db, &n, NULL, &err, sql, ""), ERR_OK);
    return n;
}

/* ---- transactions ---- */

static int add_journal(struct tx *tx, struct err *e)
{
    return db_run(tx_db(tx), e,
                  "INSERT INTO journal (seq, ts, epoch, actor, kind, object, fmt, message)"
                  " VALUES (?1, ?2, ?3, 't-1', 'model.create', 'm', 1, 'x')",
                  "iii", tx_journaled(tx), tx_now_ms(tx), tx_epoch(tx));
}

static int add_model(struct tx *tx, const char *name, struct err *e)
{
    return db_run(tx_db(tx), e,
                  "INSERT INTO models (name, created_seq, created_ts, updated_ts)"
                  " VALUES (?1, 1, 1, 1)",
                  "t", name);
}

/* What a step does: f fact row, j journal row, c counted only, w work row, d DDL, t ends the
 * transaction, p a pragma, q a query left open, e an error. */
static int steps(struct tx *tx, void *ctx, struct err *e)
{
    int code = ERR_OK;
    for (const char *step = ctx; *step && !code; step++) {
        struct stmt *q;
        switch (*step) {
        case 'f':
            code = add_model(tx, "m", e);
            break;
        case 'j':
            code = add_journal(tx, e);
            break;
        case 'c':
            tx_journaled(tx);
            break;
        case 'w':
            code = db_run(tx_db(tx), e, "INSERT INTO token_use VALUES ('t-1', 5)", "");
            break;
        case 'd':
            code = db_run(tx_db(tx), e, "CREATE TABLE extra (a INTEGER)", "");
            break;
        case 't':
            code = db_run(tx_db(tx), e, "COMMIT", "");
            break;
        case 'p':
            code = db_run(tx_db(tx), e, "PRAGMA synchronous = OFF", "");
            break;
        case 'q':
            code = db_query(tx_db(tx), &q, e, "SELECT name FROM models", "");
            break;
        default:
            code = err_set(e, ERR_REFUSED, "asked to fail");
        }
    }
    return code;
}

static void test_kinds(void **state)
{
    static const struct {
        enum tx_kind kind;
        char steps[8];
        int code;
    } cases[] = {
        {TX_FACT, "fj", ERR_OK},        {TX_FACT, "f", ERR_INTERNAL},
        {TX_FACT, "fjj", ERR_INTERNAL}, {TX_FACT, "fc", ERR_INTERNAL},
        {TX_FACT, "", ERR_INTERNAL},    {TX_FACT, "fje", ERR_REFUSED},
        {TX_FACT, "wj", ERR_OK},        {TX_FACT, "dj", ERR_INTERNAL},
        {TX_FACT, "tj", ERR_INTERNAL},  {TX_FACT, "pj", ERR_INTERNAL},
        {TX_FACT, "fqj", ERR_OK},       {TX_WORK, "w", ERR_OK},
        {TX_WORK, "", ERR_OK},          {TX_WORK, "f", ERR_INTERNAL},
        {TX_WORK, "c", ERR_INTERNAL},   {TX_WORK, "j", ERR_INTERNAL},
        {TX_WORK, "wf", ERR_INTERNAL},  {TX_WORK, "d", ERR_INTERNAL},
        {TX_WORK, "qw", ERR_OK},        {TX_WORK, "we", ERR_REFUSED},
    };
    static const char left[] =
        "SELECT (SELECT count(*) FROM models) + (SELECT count(*) FROM token_use)";
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)state;
        struct store *s = open_store(arena_printf(&arena, "%s/%zu.db", dir.path, i));
        int code = store_write(s, cases[i].kind, steps, (void *)(uintptr_t)cases[i].steps, &err);
        if (code != cases[i].code)
            fail_msg("\"%s\": %s %s", cases[i].steps, err_name((enum err_code)code), err.message);
        if (code)
            assert_int_equal(count(s, left), 0);
        else
            assert_int_equal(count(s, left),
                             strcspn(cases[i].steps, "fw") < strlen(cases[i].steps));
        /* The statements of the other kind were prepared under other rules. */
        static char fact[] = "fj";
        if (!strchr(cases[i].steps, 'f') || code)
            assert_int_equal(store_write(s, TX_FACT, steps, fact, &err), ERR_OK);
        store_close(s);
    }
}

static void test_message_names_table(void **state)
{
    static char f[] = "f";
    assert_int_equal(store_write(*state, TX_WORK, steps, f, &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "models"));
}

struct one_write {
    char name[32];
    bool fails;
    int64_t now_ms, seq;
};

static int write_fact(struct tx *tx, void *ctx, struct err *e)
{
    struct one_write *w = ctx;
    int code = add_model(tx, w->name, e);
    if (!code)
        code = add_journal(tx, e);
    w->now_ms = tx_now_ms(tx);
    if (!code && w->fails)
        return err_set(e, ERR_REFUSED, "%s", w->name);
    return code;
}

#define N_THREADS 16
#define N_EACH 60

struct thread_arg {
    struct store *s;
    int number;
    atomic_int *n_wrong;
};

static void *write_many(void *ctx)
{
    struct thread_arg *arg = ctx;
    for (int i = 0; i < N_EACH; i++) {
        struct one_write w = {.fails = i % 5 == 4};
        struct err e = {0};
        snprintf(w.name, sizeof w.name, "m-%d-%d", arg->number, i);
        int code = store_write(arg->s, TX_FACT, write_fact, &w, &e);
        bool is_right = w.fails ? code == ERR_REFUSED && strcmp(e.message, w.name) == 0 : !code;
        if (!is_right)
            atomic_fetch_add(arg->n_wrong, 1);
    }
    return NULL;
}

static void test_group_commit(void **state)
{
    pthread_t threads[N_THREADS];
    struct thread_arg args[N_THREADS];
    atomic_int n_wrong = 0;
    struct store_stats stats;
    for (int i = 0; i < N_THREADS; i++) {
        args[i] = (struct thread_arg){*state, i, &n_wrong};
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &args[i]), 0);
    }
    for (int i = 0; i < N_THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(n_wrong, 0);
    int64_t expected = (int64_t)N_THREADS * N_EACH * 4 / 5;
    assert_int_equal(count(*state, "SELECT count(*) FROM models"), expected);
    assert_int_equal(count(*state, "SELECT count(*) FROM models WHERE name LIKE '%4'"
                                   " AND CAST(substr(name, -1) AS INTEGER) % 5 = 4"),
                     0);
    assert_int_equal(count(*state, "SELECT count(*) FROM journal"), expected);
    assert_int_equal(count(*state, "SELECT max(seq) FROM journal"), expected);
    store_get_stats(*state, &stats);
    assert_int_equal(stats.n_writes, expected);
    assert_int_equal(stats.n_waiting, 0);
    assert_int_equal(stats.last_write_ok_ms, 1000);
    assert_true(stats.wal_bytes > 0);
    assert_true(stats.n_commits >= 1 && stats.n_commits < expected);
}

static void test_numbers_and_time(void **state)
{
    struct one_write w = {.name = "a"};
    fake_now = 5000;
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &w, &err), ERR_OK);
    assert_int_equal(w.now_ms, 5000);
    fake_now = 4000; /* the clock was set back */
    struct one_write back = {.name = "b", .fails = true};
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &back, &err), ERR_REFUSED);
    back.fails = false;
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &back, &err), ERR_OK);
    assert_int_equal(back.now_ms, 5000);
    assert_int_equal(count(*state, "SELECT max(seq) FROM journal"), 2);
    const char *path = temp_dir_file(&dir, &arena, "m.db");
    store_close(*state);
    *state = open_store(path);
    struct one_write again = {.name = "c"};
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &again, &err), ERR_OK);
    assert_int_equal(again.now_ms, 5000);
    assert_int_equal(count(*state, "SELECT max(seq) FROM journal"), 3);
    assert_int_equal(count(*state, "SELECT max(epoch) FROM journal"), 2);
    assert_int_equal(count(*state, "SELECT min(epoch) FROM journal"), 1);
}

static int write_inside(struct tx *tx, void *ctx, struct err *e)
{
    static char w[] = "w";
    (void)tx;
    return store_write(ctx, TX_WORK, steps, w, e);
}

static void test_write_inside_write(void **state)
{
    assert_int_equal(store_write(*state, TX_WORK, write_inside, *state, &err), ERR_INTERNAL);
}

/* ---- readers ---- */

static void test_snapshot(void **state)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct one_write w = {.name = "late"};
    int64_t n = -1;
    assert_int_equal(reader_begin(*state, &r, &err), ERR_OK);
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &w, &err), ERR_OK);
    assert_int_equal(db_int(r.db, &n, NULL, &err, "SELECT count(*) FROM models", ""), ERR_OK);
    assert_int_equal(n, 0);
    reader_end(&r);
    assert_int_equal(count(*state, "SELECT count(*) FROM models"), 1);
}

static void test_readers_are_given_back(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct reader r CLEANUP(reader_end) = {0};
        struct stmt *left_open;
        assert_int_equal(reader_begin(*state, &r, &err), ERR_OK);
        assert_int_equal(db_query(r.db, &left_open, &err, "SELECT 1 FROM meta", ""), ERR_OK);
    }
    struct reader r CLEANUP(reader_end) = {0};
    assert_int_equal(reader_begin(*state, &r, &err), ERR_OK);
    assert_int_not_equal(db_run(r.db, &err, "DELETE FROM meta", ""), ERR_OK);
}

/* ---- statements ---- */

static int bind_all(struct tx *tx, void *ctx, struct err *e)
{
    struct digest d, got;
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    size_t n;
    (void)ctx;
    digest_of("x", 1, &d);
    assert_int_equal(db_run(tx_db(tx), e, "INSERT INTO blobs VALUES (?1, ?2, ?3, ?4)", "dibi", &d,
                            INT64_MIN, "a\0b", (size_t)3, (int64_t)7),
                     ERR_OK);
    assert_int_equal(db_changes(tx_db(tx)), 1);
    assert_int_equal(db_query(tx_db(tx), &q, e, "SELECT *, ?2, ?3 FROM blobs WHERE digest = ?1",
                              "dnt", &d, NULL),
                     ERR_OK);
    assert_int_equal(stmt_next(q, &row, e), ERR_OK);
    assert_true(row);
    assert_true(stmt_digest(q, 0, &got) && digest_equal(&got, &d));
    assert_int_equal(stmt_int(q, 1), INT64_MIN);
    assert_memory_equal(stmt_blob(q, 2, &n), "a\0b", 3);
    assert_int_equal(n, 3);
    assert_false(stmt_digest(q, 2, &got));
    assert_true(stmt_is_null(q, 4) && stmt_is_null(q, 5) && !stmt_is_null(q, 0));
    assert_null(stmt_text(q, 5));
    for (int i = 0; i < 2; i++) { /* the end stays the end */
        assert_int_equal(stmt_next(q, &row, e), ERR_OK);
        assert_false(row);
    }
    return add_journal(tx, e);
}

static void test_bind(void **state)
{
    assert_int_equal(store_write(*state, TX_FACT, bind_all, NULL, &err), ERR_OK);
}

static void test_statement_errors(void **state)
{
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = 42;
    bool found = true;
    assert_int_equal(reader_begin(*state, &r, &err), ERR_OK);
    assert_int_equal(db_int(r.db, &n, &found, &err, "SELECT model_id FROM models", ""), ERR_OK);
    assert_false(found);
    assert_int_equal(n, 42);
    assert_int_equal(db_int(r.db, &n, NULL, &err, "SELECT ?1", "", (int64_t)1), ERR_INTERNAL);
    assert_int_equal(db_int(r.db, &n, NULL, &err, "SELECT ?1", "x"), ERR_INTERNAL);
    assert_int_equal(db_int(r.db, &n, NULL, &err, "SELECT nothing", ""), ERR_INTERNAL);
    assert_int_equal(db_int(r.db, &n, NULL, &err, "", ""), ERR_INTERNAL);
}

/* The same literal runs inside itself, and text that changes under one address is noticed. */
static void test_cache(void **state)
{
    static const char sql[] = "SELECT ?1 UNION ALL SELECT ?1 + 1";
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *outer CLEANUP(stmt_done_ptr) = NULL;
    int64_t sum = 0, n = 0;
    bool row = false;
    assert_int_equal(reader_begin(*state, &r, &err), ERR_OK);
    assert_int_equal(db_query(r.db, &outer, &err, sql, "i", INT64_C(10)), ERR_OK);
    while (stmt_next(outer, &row, &err) == ERR_OK && row) {
        struct stmt *inner CLEANUP(stmt_done_ptr) = NULL;
        assert_int_equal(db_query(r.db, &inner, &err, sql, "i", stmt_int(outer, 0)), ERR_OK);
        while (stmt_next(inner, &row, &err) == ERR_OK && row)
            sum += stmt_int(inner, 0);
    }
    assert_int_equal(sum, 10 + 11 + 11 + 12);
    char(*text)[24] = arena_alloc(&arena, sizeof *text * 3000);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < 3000; i++) { /* more than the cache holds */
            snprintf(text[i], sizeof text[i], "SELECT %d", i + round);
            assert_int_equal(db_int(r.db, &n, NULL, &err, text[i], ""), ERR_OK);
            assert_int_equal(n, i + round);
        }
}

static int break_rules(struct tx *tx, void *ctx, struct err *e)
{
    int *codes = ctx;
    struct err ignored;
    int code = add_model(tx, "twice", e);
    if (code)
        return code;
    codes[0] = add_model(tx, "twice", &ignored);
    codes[1] = db_run(tx_db(tx), &ignored, "INSERT INTO blobs VALUES (NULL, NULL, NULL, NULL)", "");
    codes[2] =
        db_run(tx_db(tx), &ignored, "INSERT INTO aliases VALUES (999, 'a', 1, 1, 1, 'x')", "");
    codes[3] = db_run(tx_db(tx), &ignored, "INSERT INTO meta VALUES ('epoch', 'x')", "");
    return add_journal(tx, e);
}

static void test_constraints(void **state)
{
    int codes[4];
    assert_int_equal(store_write(*state, TX_FACT, break_rules, codes, &err), ERR_OK);
    assert_int_equal(codes[0], ERR_EXISTS);
    assert_int_equal(codes[1], ERR_CONFLICT);
    assert_int_equal(codes[2], ERR_CONFLICT);
    assert_int_equal(codes[3], ERR_EXISTS);
    assert_int_equal(count(*state, "SELECT count(*) FROM models"), 1);
}

/* ---- full disk ---- */

struct big_write {
    int64_t n_bytes;
    int number;
};

static int write_big(struct tx *tx, void *ctx, struct err *e)
{
    struct big_write *w = ctx;
    char *bytes CLEANUP(mem_free_ptr) = mem_alloc((size_t)w->n_bytes);
    struct digest d;
    memset(bytes, 'x', (size_t)w->n_bytes);
    digest_of(&w->number, sizeof w->number, &d);
    int code = db_run(tx_db(tx), e, "INSERT INTO blobs VALUES (?1, 0, ?2, 0)", "db", &d, bytes,
                      (size_t)w->n_bytes);
    return code ? code : add_journal(tx, e);
}

static void *write_small(void *ctx)
{
    struct thread_arg *arg = ctx;
    for (int i = 0; i < 40; i++) {
        struct err e = {0};
        bool is_big = arg->number == 0;
        struct big_write w = {is_big ? 8 << 20 : 10, arg->number * 1000 + i};
        int code = store_write(arg->s, TX_FACT, write_big, &w, &e);
        if (code != (is_big ? ERR_NO_SPACE : ERR_OK))
            atomic_fetch_add(arg->n_wrong, 1);
    }
    return NULL;
}

/* One thread keeps filling the disk, the others share its batches and must not suffer. */
static int full_disk(const char *path)
{
    pthread_t threads[4];
    struct thread_arg args[4];
    atomic_int n_wrong = 0;
    struct store *s = open_store(arena_printf(&arena, "%s/full.db", path));
    for (int i = 0; i < 4; i++) {
        args[i] = (struct thread_arg){s, i, &n_wrong};
        pthread_create(&threads[i], NULL, write_small, &args[i]);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    int64_t n = count(s, "SELECT count(*) FROM blobs");
    int64_t last = count(s, "SELECT max(seq) FROM journal");
    store_close(s);
    return n_wrong == 0 && n == 120 && last == 120 ? 0 : 1;
}

static void test_full_disk(void **state)
{
    struct temp_dir disk CLEANUP(temp_dir_remove);
    (void)state;
    temp_dir_make(&disk);
    int rc = run_on_small_disk(disk.path, 4 << 20, full_disk);
    arena_clear(&arena);
    if (rc == -1)
        skip();
    assert_int_equal(rc, 0);
}

static void test_file_limit(void **state)
{
    struct rlimit before, small;
    struct one_write w = {.name = "after"};
    struct big_write big = {1 << 20, 1};
    struct store_stats stats;
    signal(SIGXFSZ, SIG_IGN);
    store_get_stats(*state, &stats);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small = before;
    small.rlim_cur = (rlim_t)stats.wal_bytes + 100000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    int first = store_write(*state, TX_FACT, write_big, &big, &err);
    int second = store_write(*state, TX_FACT, write_big, &big, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(first, ERR_NO_SPACE);
    assert_int_equal(second, ERR_NO_SPACE);
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &w, &err), ERR_OK);
    assert_int_equal(store_write(*state, TX_FACT, write_big, &big, &err), ERR_OK);
    assert_int_equal(count(*state, "SELECT max(seq) FROM journal"), 2);
}

/* ---- copies and other files ---- */

static void test_backup(void **state)
{
    struct one_write w = {.name = "kept"};
    const char *path = temp_dir_file(&dir, &arena, "copy.db");
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &w, &err), ERR_OK);
    assert_int_equal(store_backup(*state, path, &err), ERR_OK);
    assert_int_equal(store_backup(*state, path, &err), ERR_EXISTS);
    assert_int_not_equal(access(arena_printf(&arena, "%s.part", path), F_OK), 0);
    struct store *copy = open_store(path);
    assert_int_equal(count(copy, "SELECT count(*) FROM models"), 1);
    store_close(copy);
    assert_int_not_equal(store_backup(*state, temp_dir_file(&dir, &arena, "no/folder.db"), &err),
                         ERR_OK);
}

/* Signs of LIKE count as themselves. */
static void test_like(void **state)
{
    static const struct {
        const char *before, *text, *pattern;
    } rows[] = {
        {"", NULL, "%"},
        {"%", NULL, "%%"},
        {"%", "", "%%"},
        {"%", "fra", "%fra%"},
        {"", "r-1", "r-1%"},
        {"%", "100%", "%100\\%%"},
        {"", "a_b\\", "a\\_b\\\\%"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_string_equal(db_like(&arena, rows[i].before, rows[i].text), rows[i].pattern);
}

static void test_bad_files(void **state)
{
    const char *text = temp_dir_file(&dir, &arena, "text.db");
    const char *none = temp_dir_file(&dir, &arena, "no/such/folder.db");
    struct store_options options = {.path = text, .n_readers = 2};
    struct store *s = NULL;
    (void)state;
    FILE *f = fopen(text, "w");
    assert_non_null(f);
    for (int i = 0; i < 1000; i++)
        fputs("this is not a database\n", f);
    fclose(f);
    assert_int_equal(store_open(&options, &s, &err), ERR_CORRUPT);
    options.path = none;
    assert_int_equal(store_open(&options, &s, &err), ERR_UNAVAILABLE);
    options.n_readers = 65;
    assert_int_equal(store_open(&options, &s, &err), ERR_INVALID);
    assert_null(s);
}

/* The log is emptied when nobody has written for a second; waits for that, not for a time. */
static void test_idle_checkpoint(void **state)
{
    struct one_write w = {.name = "a"};
    struct store_stats stats;
    assert_int_equal(store_write(*state, TX_FACT, write_fact, &w, &err), ERR_OK);
    for (int i = 0; i < 1000; i++) {
        store_get_stats(*state, &stats);
        if (stats.wal_bytes == 0)
            return;
        usleep(10000);
    }
    fail_msg("the log still has %lld bytes", (long long)stats.wal_bytes);
}

/* One connection for everybody: the same rules, and whoever reads keeps what it sees. */
static void test_inline(void **state)
{
    (void)state;
    struct store *s = NULL;
    struct reader r = {0};
    struct store_options options = {
        .path = ":memory:", .n_readers = 1, .now_ms = fake_clock, .is_inline = true};
    assert_int_equal(store_open(&options, &s, &err), ERR_OK);
    assert_int_equal(store_write(s, TX_FACT, steps, "fj", &err), ERR_OK);
    assert_int_equal(store_write(s, TX_FACT, steps, "f", &err), ERR_EXISTS);
    assert_int_equal(store_write(s, TX_WORK, steps, "d", &err), ERR_INTERNAL);
    assert_int_equal(count(s, "SELECT count(*) FROM models"), 1);
    assert_int_equal(reader_begin(s, &r, &err), ERR_OK);
    assert_int_equal(count(s, "SELECT count(*) FROM journal"), 1);
    assert_int_equal(store_write(s, TX_WORK, steps, "w", &err), ERR_INTERNAL);
    assert_non_null(strstr(err.message, "may not write"));
    reader_end(&r);
    assert_int_equal(store_write(s, TX_WORK, steps, "w", &err), ERR_OK);
    struct store_stats stats;
    store_get_stats(s, &stats);
    assert_int_equal(stats.n_writes, 2);
    store_close(s);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full_disk), /* forks, so before any thread */
        TEST(test_kinds),
        TEST(test_message_names_table),
        TEST(test_group_commit),
        TEST(test_numbers_and_time),
        TEST(test_write_inside_write),
        TEST(test_snapshot),
        TEST(test_readers_are_given_back),
        TEST(test_bind),
        TEST(test_statement_errors),
        TEST(test_cache),
        TEST(test_constraints),
        TEST(test_file_limit),
        TEST(test_backup),
        TEST(test_like),
        TEST(test_bad_files),
        TEST(test_idle_checkpoint),
        cmocka_unit_test(test_inline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
