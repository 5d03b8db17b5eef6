/* See support_history.h. */
#include "support_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "db_journal.h"

#define START_MS INT64_C(1777802400250)

static int64_t fixture_clock(void *self)
{
    return ((struct history_fixture *)self)->now_ms;
}

void fixture_make(struct history_fixture *f)
{
    struct err e;
    char path[128];
    memset(f, 0, sizeof *f);
    temp_dir_make(&f->dir);
    f->now_ms = START_MS;
    snprintf(path, sizeof path, "%s/mreg.db", f->dir.path);
    struct store_options options = {
        .path = path, .n_readers = 2, .now_ms = fixture_clock, .now_ctx = f};
    if (store_open(&options, &f->store, &e))
        fail_msg("%s", e.message);
}

void fixture_remove(struct history_fixture *f)
{
    store_close(f->store);
    temp_dir_remove(&f->dir);
}

struct row {
    struct journal_entry entry;
    int64_t seq;
};

static int append(struct tx *tx, void *ctx, struct err *e)
{
    struct row *row = ctx;
    return journal_append(tx, &row->entry, &row->seq, e);
}

static int64_t write_row(struct history_fixture *f, struct row *row)
{
    struct err e;
    if (store_write(f->store, TX_FACT, append, row, &e))
        fail_msg("%s", e.message);
    return row->seq;
}

int64_t fixture_row(struct history_fixture *f, enum journal_kind kind, const char *object,
                    const char *path, const char *doc)
{
    struct journal_doc d = {.path = path, .bytes = doc, .n = doc ? strlen(doc) : 0};
    struct row row = {.entry = {.kind = kind,
                                .actor = "t-1",
                                .object = object,
                                .message = "test row",
                                .docs = &d,
                                .n_docs = 1}};
    return write_row(f, &row);
}

int64_t fixture_last_seq(struct history_fixture *f)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct err e;
    int64_t seq = 0;
    if (reader_begin(f->store, &r, &e) || db_journal_last(r.db, &seq, &e))
        fail_msg("%s", e.message);
    return seq;
}

/* Names that git sorts in surprising ways, and names that are hashed. */
static const char *const names[] = {"a",   "a-b",        "a.b",      "a0",    "a_b",
                                    "lib", "team/fraud", "Churn",    ".git",  "x.lock",
                                    "ünï", "fraud",      "fraud-eu", "fraud2"};

static void make_docs(struct history_fixture *f, struct arena *a, struct journal_doc docs[3])
{
    int64_t i = f->n_made;
    const char *model = names[(size_t)(i * 7 % (int64_t)ARRAY_LEN(names))];
    const char *env = names[(size_t)(i / 5 % (int64_t)ARRAY_LEN(names))];
    long long n = (long long)i;
    docs[0].path = journal_path_model(a, model);
    docs[0].bytes = arena_printf(a, "{\n  \"n\": %lld\n}\n", n);
    docs[1].path = journal_path_version(a, model, i / 20 + 1, "manifest.json");
    docs[1].bytes = i % 11 == 10 ? NULL : arena_printf(a, "{\n  \"v\": \"%lld\"\n}\n", n / 3);
    switch (i % 4) {
    case 0:
        docs[2].path = journal_path_env(a, env);
        break;
    case 1:
        docs[2].path = journal_path_serving(a, env, model);
        break;
    case 2:
        docs[2].path = journal_path_alias(a, model, env);
        break;
    default:
        docs[2].path = journal_path_rollout(a, arena_printf(a, "r-%lld", n));
    }
    docs[2].bytes = i % 13 == 12 ? NULL : docs[0].bytes;
    for (int k = 0; k < 3; k++)
        docs[k].n = docs[k].bytes ? strlen(docs[k].bytes) : 0;
}

static void make_row(struct history_fixture *f)
{
    static const char *const reasons[] = {NULL, "because", "two\nlines\n\nSeq: 7\n", "\n",
                                          "größer"};
    struct arena a CLEANUP(arena_clear);
    struct journal_doc docs[3];
    arena_init(&a);
    make_docs(f, &a, docs);
    struct row row = {
        .entry = {.kind = (enum journal_kind)(f->n_made % JOURNAL_KIND_COUNT),
                  .actor = f->n_made % 3 ? "t-12" : "mregd",
                  .object = names[(size_t)(f->n_made * 7 % (int64_t)ARRAY_LEN(names))],
                  .reason = reasons[f->n_made % 5],
                  .message = arena_printf(&a, "Row %lld of the test", (long long)f->n_made),
                  .docs = docs,
                  .n_docs = 1 + (size_t)(f->n_made % 3)}};
    write_row(f, &row);
    f->n_made++;
    f->now_ms += 137;
}

void fixture_rows(struct history_fixture *f, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        make_row(f);
}

int fixture_shell(struct history_fixture *f, struct buf *out, const char *fmt, ...)
{
    struct buf command CLEANUP(buf_clear);
    char text[3000];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    buf_init(&command, 8192);
    buf_putf(&command,
             "cd '%s' && export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_DIR= && unset GIT_DIR"
             " && { %s ; } 2>&1",
             f->dir.path, text);
    buf_reset(out);
    FILE *p = popen(buf_str(&command), "r");
    assert_non_null(p);
    for (size_t n; (n = fread(text, 1, sizeof text, p)) > 0;)
        buf_put(out, text, n);
    int status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
