/* The journal: what it refuses, paths of layout 1, documents "as of" a row or a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "journal_path.h"
#include "support_history.h"

static struct history_fixture fixture;

static int setup(void **state)
{
    (void)state;
    fixture_make(&fixture);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_remove(&fixture);
    return 0;
}

static void test_kinds(void **state)
{
    (void)state;
    for (int i = 0; i < JOURNAL_KIND_COUNT; i++) {
        const char *name = journal_kind_name((enum journal_kind)i);
        assert_non_null(name);
        assert_non_null(strchr(name, '.'));
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, journal_kind_name((enum journal_kind)k));
    }
    assert_string_equal(journal_kind_name(JOURNAL_ROLLOUT_END), "rollout.end");
}

static void test_paths(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    const struct {
        const char *made, *wanted;
    } cases[] = {
        {journal_path_registry(&a), "registry.json"},
        {journal_path_model(&a, "fraud"), "models/f/0/2/fraud/model.json"},
        {journal_path_version(&a, "fraud", 12, "manifest.json"),
         "models/f/0/2/fraud/versions/12/manifest.json"},
        {journal_path_alias(&a, "fraud", "champion"), "models/f/0/2/fraud/aliases/champion.json"},
        {journal_path_alias(&a, "fraud", "Live!"),
         "models/f/0/2/fraud/aliases/~d94be7d9742f6f3c0b7c010b28c71ebf2e8cfe75.json"},
        {journal_path_env(&a, "production"), "environments/production/environment.json"},
        {journal_path_node(&a, "production", "n1"), "environments/production/nodes/6/7/6/n1.json"},
        {journal_path_serving(&a, "production", "n1"),
         "environments/production/serving/6/7/6/n1.json"},
        {journal_path_target(&a, "production", "fraud"),
         "environments/production/targets/f/0/2/fraud.json"},
        {journal_path_rollout(&a, "r-5"), "rollouts/1/c/6/r-5.json"},
        {journal_path_token(&a, "t-12"), "tokens/t-12.json"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_true(journal_path_ok(cases[i].made));
        assert_string_equal(cases[i].made, cases[i].wanted);
    }
    const char *long_name =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    assert_true(journal_path_ok(journal_path_model(&a, long_name)));
    assert_true(journal_path_ok(journal_path_model(&a, "a.json")));
    arena_clear(&a);
}

static void test_bad_paths(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "/",
        "model.json",
        "registry.json/",
        "/registry.json",
        "registry.json/x.json",
        "models/f/0/2/fraud",
        "models/f/0/2/fraud/",
        "models/9/c/fraud/model.json",
        "models/g/c/9/fraud/model.json",
        "models/99/c/9/fraud/model.json",
        "models/9/c/9/../model.json",
        "models/9/c/9/.git/model.json",
        "models/9/c/9/.gitmodules/model.json",
        "models/9/c/9/Fraud/model.json",
        "models/9/c/9/fr\nud/model.json",
        "models/9/c/9//model.json",
        "models/f/0/2/fraud/model.json ",
        "models/f/0/2/fraud/versions/0/manifest.json",
        "models/f/0/2/fraud/versions/x/manifest.json",
        "models/f/0/2/fraud/versions/1/manifest",
        "models/f/0/2/fraud/versions/1/.json",
        "models/f/0/2/fraud/versions/1/a/b.json",
        "tokens/t-1",
        "tokens/.json",
        "tokens/t-1.json.",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (journal_path_ok(bad[i]))
            fail_msg("\"%s\" was taken", bad[i]);
    assert_false(journal_path_ok(NULL));
}

struct attempt {
    struct journal_entry entry;
    int64_t seq;
};

static int append(struct tx *tx, void *ctx, struct err *e)
{
    struct attempt *a = ctx;
    return journal_append(tx, &a->entry, &a->seq, e);
}

#define DOC(p, text)                                        \
    {                                                       \
        .path = (p), .bytes = (text), .n = sizeof(text) - 1 \
    }

static void test_refusals(void **state)
{
    (void)state;
    static const struct journal_doc good[] = {DOC("registry.json", "{}\n")};
    static const struct journal_doc not_canonical[] = {DOC("registry.json", "{ }\n")};
    static const struct journal_doc no_newline[] = {DOC("registry.json", "{}")};
    static const struct journal_doc not_json[] = {DOC("registry.json", "{")};
    static const struct journal_doc with_null[] = {DOC("registry.json", "{\n  \"a\": null\n}\n")};
    static const struct journal_doc unsorted[] = {
        DOC("registry.json", "{\n  \"b\": 1,\n  \"a\": 1\n}\n")};
    static const struct journal_doc bad_path[] = {DOC("x.json", "{}\n")};
    static const struct journal_doc twice[] = {DOC("registry.json", "{}\n"),
                                               DOC("registry.json", "{}\n")};
    static const struct {
        const char *actor, *object, *message, *reason;
        const struct journal_doc *docs;
        size_t n_docs;
    } cases[] = {
        {"t-1", "fraud", "m", NULL, not_canonical, 1},
        {"t-1", "fraud", "m", NULL, no_newline, 1},
        {"t-1", "fraud", "m", NULL, not_json, 1},
        {"t-1", "fraud", "m", NULL, with_null, 1},
        {"t-1", "fraud", "m", NULL, unsorted, 1},
        {"t-1", "fraud", "m", NULL, bad_path, 1},
        {"t-1", "fraud", "m", NULL, twice, 2},
        {"t-1", "fraud", "m", NULL, good, 0},
        {"", "fraud", "m", NULL, good, 1},
        {"t <x>", "fraud", "m", NULL, good, 1},
        {NULL, "fraud", "m", NULL, good, 1},
        {"t-1", "", "m", NULL, good, 1},
        {"t-1", "a\nb", "m", NULL, good, 1},
        {"t-1", "a", "", NULL, good, 1},
        {"t-1", "a", "m\nSeq: 1", NULL, good, 1},
        {"t-1", "a", "m\xff", NULL, good, 1},
        {"t-1", "a", "m", "r\x01", good, 1},
        {"t-1", "a", "m", "r\r\n", good, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        struct attempt a = {.entry = {.kind = JOURNAL_MODEL_UPDATE,
                                      .actor = cases[i].actor,
                                      .object = cases[i].object,
                                      .message = cases[i].message,
                                      .reason = cases[i].reason,
                                      .docs = cases[i].docs,
                                      .n_docs = cases[i].n_docs}};
        int code = store_write(fixture.store, TX_FACT, append, &a, &e);
        if (code != ERR_INVALID)
            fail_msg("case %zu gave %s", i, code ? e.message : "success");
    }
    assert_int_equal(fixture_last_seq(&fixture), 0);
    assert_int_equal(
        fixture_row(&fixture, JOURNAL_REGISTRY_INIT, "registry", "registry.json", "{}\n"), 1);
}

static void check_at(const char *path, int64_t seq, const char *wanted)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct arena a CLEANUP(arena_clear);
    struct err e;
    const char *bytes = NULL;
    size_t n = 0;
    arena_init(&a);
    assert_int_equal(reader_begin(fixture.store, &r, &e), ERR_OK);
    int code = journal_doc_at(r.db, path, seq, &a, &bytes, &n, &e);
    if (!wanted) {
        assert_int_equal(code, ERR_NOT_FOUND);
        return;
    }
    if (code)
        fail_msg("%s at %lld: %s", path, (long long)seq, e.message);
    assert_int_equal(n, strlen(wanted));
    assert_memory_equal(bytes, wanted, n);
}

static void test_as_of(void **state)
{
    (void)state;
    const char *one = "{\n  \"n\": 1\n}\n";
    const char *two = "{\n  \"n\": 2\n}\n";
    const char *steps[] = {one, one, two, NULL, NULL, one, two, two};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        fixture.now_ms = 5000 + 1000 * (int64_t)i;
        fixture_row(&fixture, JOURNAL_MODEL_UPDATE, "a", "tokens/t-1.json", steps[i]);
    }
    check_at("tokens/t-1.json", 0, NULL);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++)
        check_at("tokens/t-1.json", (int64_t)i + 1, steps[i]);
    check_at("tokens/t-1.json", INT64_MAX, two);
    check_at("tokens/t-2.json", INT64_MAX, NULL);

    struct reader r CLEANUP(reader_end) = {0};
    struct err e;
    int64_t seq;
    assert_int_equal(reader_begin(fixture.store, &r, &e), ERR_OK);
    const struct {
        int64_t ms, seq;
    } times[] = {{0, 0}, {4999, 0}, {5000, 1}, {5999, 1}, {6000, 2}, {INT64_MAX, 8}};
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        assert_int_equal(journal_seq_at(r.db, times[i].ms, &seq, &e), ERR_OK);
        assert_int_equal(seq, times[i].seq);
    }
}

/* Ids are made from the number of the row to come; a clock that goes back does not. */
static int append_own_number(struct tx *tx, void *ctx, struct err *e)
{
    int64_t *out = ctx;
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    int code = journal_next_seq(tx, &out[0], e);
    if (code)
        return code;
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:I}", "seq", (json_int_t)out[0]);
    struct journal_entry entry = {
        .kind = JOURNAL_TOKEN_CREATE, .actor = "mregd", .object = "t", .message = "m"};
    out[2] = tx_now_ms(tx);
    char *path = journal_path_token(&a, arena_printf(&a, "t-%lld", (long long)out[0]));
    return journal_append_json(tx, &entry, path, doc, &out[1], e);
}

static void test_next_seq(void **state)
{
    (void)state;
    struct err e;
    int64_t out[3];
    int64_t before = 0;
    for (int64_t i = 1; i <= 3; i++) {
        fixture.now_ms -= 1000;
        assert_int_equal(store_write(fixture.store, TX_FACT, append_own_number, out, &e), ERR_OK);
        assert_int_equal(out[0], i);
        assert_int_equal(out[1], i);
        assert_true(out[2] >= before);
        before = out[2];
    }
    check_at("tokens/t-2.json", INT64_MAX, "{\n  \"seq\": 2\n}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_bad_paths),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_as_of, setup, teardown),
        cmocka_unit_test_setup_teardown(test_next_seq, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
