/*
 * The feed, the history pages, "what served then" and the repository's files: handlers called with
 * request literals on a real store.
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

#include "api_history.h"
#include "app.h"
#include "support_history.h"

static struct history_fixture fixture;
static struct app app;
static struct arena arena;
static struct err err;

static int run_sql(struct tx *tx, void *ctx, struct err *e)
{
    static const struct journal_doc doc = {.path = "registry.json", .bytes = "{}\n", .n = 3};
    struct journal_entry entry = {.kind = JOURNAL_REGISTRY_INIT,
                                  .actor = "mregd",
                                  .object = "registry",
                                  .message = "Registry created",
                                  .docs = &doc,
                                  .n_docs = 1};
    int64_t seq;
    (void)ctx;
    int rc = journal_append(tx, &entry, &seq, e);
    if (!rc)
        rc =
            db_run(tx_db(tx), e,
                   "INSERT INTO models (model_id, name, created_seq, created_ts, updated_ts) VALUES"
                   " (1, 'fraud', 1, 1, 1), (2, 'churn', 1, 1, 1), (3, 'production', 1, 1, 1)",
                   "");
    if (!rc)
        rc = db_run(tx_db(tx), e,
                    "INSERT INTO environments (env_id, name, position, policy, created_seq,"
                    " created_ts) VALUES (1, 'staging', 0, '{}', 1, 1),"
                    " (2, 'production', 1, '{}', 1, 1)",
                    "");
    if (!rc)
        rc = db_run(tx_db(tx), e,
                    "INSERT INTO targets (target_id, env_id, model_id, serve_as, policy,"
                    " created_seq, created_ts) VALUES (1, 1, 1, 'fraud', '{}', 1, 1),"
                    " (2, 2, 1, 'fraud', '{}', 1, 1), (3, 2, 2, 'churn', '{}', 1, 1)",
                    "");
    if (!rc)
        rc = db_run(tx_db(tx), e,
                    "INSERT INTO rollouts (rollout_id, target_id, to_number, kind, strategy, actor,"
                    " phase, is_active, generation, submitted_seq, created_ts) VALUES"
                    " ('r-8', 1, 1, 'promote', '{}', 't-1', 'succeeded', 0, 1, 8, 1),"
                    " ('r-10', 2, 1, 'promote', '{}', 't-1', 'running', 1, 1, 10, 1),"
                    " ('r-12', 3, 1, 'promote', '{}', 't-1', 'succeeded', 0, 1, 12, 1),"
                    " ('r-14', 1, 2, 'promote', '{}', 't-1', 'running', 1, 2, 14, 1)",
                    "");
    return rc;
}

/* Row 1 is registry.init; the rest in order. */
static const struct {
    enum journal_kind kind;
    const char *object;
} rows[] = {
    {JOURNAL_MODEL_CREATE, "fraud"},          /* 2 */
    {JOURNAL_MODEL_CREATE, "churn"},          /* 3 */
    {JOURNAL_ENV_CREATE, "production"},       /* 4 */
    {JOURNAL_MODEL_CREATE, "production"},     /* 5: a model of the same name */
    {JOURNAL_NODE_CREATE, "production/n1"},   /* 6 */
    {JOURNAL_TARGET_SET, "staging/fraud"},    /* 7 */
    {JOURNAL_ROLLOUT_SUBMIT, "r-8"},          /* 8 */
    {JOURNAL_ROLLOUT_END, "r-8"},             /* 9 */
    {JOURNAL_ROLLOUT_SUBMIT, "r-10"},         /* 10 */
    {JOURNAL_TOKEN_CREATE, "t-11"},           /* 11 */
    {JOURNAL_ROLLOUT_SUBMIT, "r-12"},         /* 12 */
    {JOURNAL_NODE_SERVES, "production/n1"},   /* 13 */
    {JOURNAL_ROLLOUT_SUBMIT, "r-14"},         /* 14 */
    {JOURNAL_ROLLOUT_MOVE, "r-10"},           /* 15: older rollout, newer row */
    {JOURNAL_ALIAS_SET, "fraud"},             /* 16 */
    {JOURNAL_ENV_CREATE, "production-2"},     /* 17 */
    {JOURNAL_TARGET_SET, "production/churn"}, /* 18 */
};

static int setup(void **state)
{
    (void)state;
    fixture_make(&fixture);
    arena_init(&arena);
    app.store = fixture.store;
    if (store_write(fixture.store, TX_FACT, run_sql, NULL, &err))
        fail_msg("%s", err.message);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        fixture.now_ms += 1000;
        fixture_row(&fixture, rows[i].kind, rows[i].object, "tokens/t-1.json", "{}\n");
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_clear(&arena);
    fixture_remove(&fixture);
    return 0;
}

static int call(route_handler *handler, const char *models, const char *query, const char *param,
                struct reply *rp)
{
    struct request rq = {.app = &app,
                         .method = METHOD_GET,
                         .path = "",
                         .query = query,
                         .arena = &arena,
                         .params = {param}};
    snprintf(rq.caller.models, sizeof rq.caller.models, "%s", models);
    memset(rp, 0, sizeof *rp);
    rp->status = 200;
    rp->file.fd = -1;
    buf_init(&rp->body, (size_t)16 << 20);
    return handler(&rq, rp, &err);
}

/* Calls and parses. */
static json_t *get(route_handler *handler, const char *models, const char *query)
{
    struct reply rp;
    json_t *j = NULL;
    if (call(handler, models, query, NULL, &rp))
        fail_msg("%s: %s", query, err.message);
    if (json_parse(rp.body.data, rp.body.len, 10, &j, &err))
        fail_msg("%s: %s", err.message, buf_str(&rp.body));
    buf_clear(&rp.body);
    return j;
}

/* "16 15 | 15": numbers of the items, and next. */
static const char *seqs(route_handler *handler, const char *models, const char *query)
{
    struct buf text CLEANUP(buf_clear);
    json_t *page CLEANUP(json_decref_ptr) = get(handler, models, query);
    json_t *item;
    size_t i;
    buf_init(&text, 4096);
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        buf_putf(&text, "%s%lld", i ? " " : "",
                 (long long)json_integer_value(json_object_get(item, "seq")));
    }
    const char *next = json_string_value(json_object_get(page, "next"));
    if (next)
        buf_putf(&text, " | %s", next);
    return arena_strdup(&arena, buf_str(&text));
}

struct page_case {
    const char *models, *query, *wanted;
};

static void test_feed(void **state)
{
    (void)state;
    static const struct page_case cases[] = {
        {"*", "limit=3", "1 2 3 | 3"},
        {"*", "since=3&limit=3", "4 5 6 | 6"},
        {"*", "cursor=3&limit=3", "4 5 6 | 6"},
        {"*", "since=16", "17 18 | 18"},
        {"*", "since=18", " | 18"},
        {"*", "since=999", " | 999"},
        {"*", "kind=rollout.submit", "8 10 12 14 | 14"},
        {"*", "object=r-10", "10 15 | 15"},
        {"*", "object=fraud&kind=alias.set", "16 | 16"},
        {"*", "actor=mregd", "1 | 18"},
        {"*", "kind=model.create&since=2&limit=1", "3 | 3"},
        {"churn", "", "1 3 4 6 12 17 18 | 18"},
        {"fr*", "", "1 2 4 6 7 8 9 10 14 15 16 17 | 18"},
        {"fr*,churn", "kind=rollout.submit", "8 10 12 14 | 14"},
        {"nothing", "kind=model.create", " | 5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(seqs(api_changes, cases[i].models, cases[i].query), cases[i].wanted);
}

static void test_pages(void **state)
{
    (void)state;
    static const struct page_case cases[] = {
        {"*", "limit=3", "18 17 16 | 16"},
        {"*", "before=16&limit=3", "15 14 13 | 13"},
        {"*", "before=4", "3 2 1"},
        {"*", "before=4&limit=3", "3 2 1"},
        {"*", "before=1", ""},
        {"*", "model=fraud", "16 15 14 10 9 8 7 2"},
        {"*", "model=fraud&limit=3", "16 15 14 | 14"},
        {"*", "model=fraud&limit=3&before=14", "10 9 8 | 8"},
        {"*", "model=fraud&limit=3&cursor=8", "7 2"},
        {"*", "model=fraud&env=production", "15 10"},
        {"*", "model=fraud&env=staging", "14 9 8 7"},
        {"*", "model=production", "5"},
        {"*", "model=never", ""},
        {"*", "env=production", "18 15 13 12 10 6 4"},
        {"*", "env=production&limit=2", "18 15 | 15"},
        {"*", "env=production-2", "17"},
        {"*", "env=gone", ""},
        {"churn", "env=production", "18 12 6 4"},
        {"churn", "model=churn", "18 12 3"},
        {"churn", "limit=2", "18 17 | 17"},
        {"churn", "before=17&limit=2", "12 6 | 6"},
        {"*", "model=fraud&at=2026-05-03T10:00:09Z", "9 8 7 2"},
        {"*", "at=2026-05-03T10:00:01.250Z", "2 1"},
        {"*", "at=2020-01-01", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(seqs(api_history_page, cases[i].models, cases[i].query),
                            cases[i].wanted);
}

static void test_items(void **state)
{
    (void)state;
    json_t *page CLEANUP(json_decref_ptr) = get(api_changes, "*", "since=15&limit=1");
    json_t *item = json_array_get(json_object_get(page, "items"), 0);
    assert_string_equal(json_string_value(json_object_get(item, "kind")), "alias.set");
    assert_string_equal(json_string_value(json_object_get(item, "object")), "fraud");
    assert_string_equal(json_string_value(json_object_get(item, "actor")), "t-1");
    assert_string_equal(json_string_value(json_object_get(item, "message")), "test row");
    assert_string_equal(json_string_value(json_object_get(item, "time")),
                        "2026-05-03T10:00:15.250Z");
    assert_null(json_object_get(item, "reason"));
    assert_null(json_object_get(item, "commit"));
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        route_handler *handler;
        const char *models, *query;
        int code;
    } cases[] = {
        {api_changes, "*", "since=x", ERR_INVALID},
        {api_changes, "*", "since=-1", ERR_INVALID},
        {api_changes, "*", "limit=0", ERR_INVALID},
        {api_history_page, "*", "before=99999999999999999999", ERR_INVALID},
        {api_history_page, "*", "at=yesterday", ERR_INVALID},
        {api_history_page, "*", "env=a/b", ERR_INVALID},
        {api_history_page, "fr*", "model=churn", ERR_NOT_FOUND},
        {api_serving, "fr*", "model=churn", ERR_NOT_FOUND},
        {api_serving, "*", "at=never", ERR_INVALID},
        {api_serving, "*", "cursor=eA", ERR_INVALID},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct reply rp;
        assert_int_equal(call(cases[i].handler, cases[i].models, cases[i].query, NULL, &rp),
                         cases[i].code);
        buf_clear(&rp.body);
    }
}

static const char *serving(const char *models, const char *query)
{
    json_t *page CLEANUP(json_decref_ptr) = get(api_serving, models, query);
    struct buf text CLEANUP(buf_clear);
    json_t *item;
    size_t i;
    buf_init(&text, 4096);
    json_array_foreach(json_object_get(page, "items"), i, item)
    {
        const char *model = json_string_value(json_object_get(item, "model"));
        buf_putf(&text, "%s%s/%s:%s", i ? " " : "",
                 json_string_value(json_object_get(item, "environment")),
                 json_string_value(json_object_get(item, "node")),
                 json_string_value(json_object_get(item, "state")));
        if (model)
            buf_putf(&text, "=%s@%lld", model,
                     (long long)json_integer_value(json_object_get(item, "version")));
    }
    return arena_strdup(&arena, buf_str(&text));
}

static void put_serving(const char *env, const char *node, const char *state, const char *models)
{
    struct buf doc CLEANUP(buf_clear);
    json_t *list CLEANUP(json_decref_ptr) = json_array();
    for (const char *p = models; *p; p += strcspn(p, " ") + (p[strcspn(p, " ")] == ' ')) {
        size_t n = strcspn(p, "@");
        json_array_append_new(list,
                              json_pack("{s:s%, s:s%, s:I, s:s}", "model", p, n, "serve_as", p, n,
                                        "version", (json_int_t)strtoll(p + n + 1, NULL, 10),
                                        "since", "2026-05-03T10:00:00Z"));
    }
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:O, s:s, s:i}", "environment", env, "node", node, "state",
                  state, "serving", list, "kind", "mreg.serving", "schema", 1);
    buf_init(&doc, 65536);
    assert_int_equal(json_canonical(j, &doc, &err), ERR_OK);
    fixture.now_ms = 1900000000000 + fixture_last_seq(&fixture) * 1000;
    fixture_row(&fixture, JOURNAL_NODE_SERVES, arena_printf(&arena, "%s/%s", env, node),
                journal_path_serving(&arena, env, node), buf_str(&doc));
}

static void test_serving(void **state)
{
    (void)state;
    put_serving("production", "n1", "serving", "fraud@1"); /* row 19, 1900000018 */
    put_serving("production", "n2", "none", "");
    put_serving("staging", "n1", "serving", "fraud@2 churn@7"); /* 21 */
    put_serving("production", "n1", "unobserved", "fraud@1");   /* 22 */
    put_serving("Prod EU", "n1", "serving", "churn@1");
    static const struct page_case cases[] = {
        {"*", "env=production&at=2030-03-17T17:46:59Z",
         "production/n1:serving=fraud@1 production/n2:none"},
        {"*", "env=production", "production/n1:unobserved=fraud@1 production/n2:none"},
        {"*", "model=fraud", "production/n1:unobserved=fraud@1 staging/n1:serving=fraud@2"},
        {"*", "model=churn&env=staging", "staging/n1:serving=churn@7"},
        {"fr*", "env=staging", "staging/n1:serving=fraud@2"},
        {"*", "env=Prod%20EU", "Prod EU/n1:serving=churn@1"},
        {"*", "env=gone", ""},
        {"*", "at=2026-01-01", ""},
        {"*", "",
         "production/n1:unobserved=fraud@1 production/n2:none staging/n1:serving=fraud@2 "
         "staging/n1:serving=churn@7 Prod EU/n1:serving=churn@1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_string_equal(serving(cases[i].models, cases[i].query), cases[i].wanted);
}

/* Pages end between nodes, and together they are everything once. */
static void test_serving_pages(void **state)
{
    (void)state;
    put_serving("production", "n1", "serving", "fraud@1 churn@2");
    put_serving("production", "n2", "none", "");
    put_serving("production", "n3", "serving", "churn@2");
    put_serving("staging", "n1", "serving", "fraud@3");
    for (int limit = 1; limit <= 6; limit++) {
        struct buf got CLEANUP(buf_clear);
        char *query = arena_printf(&arena, "limit=%d", limit);
        buf_init(&got, 4096);
        for (const char *next = ""; next;) {
            json_t *page CLEANUP(json_decref_ptr) = get(api_serving, "*", query);
            size_t n = json_array_size(json_object_get(page, "items"));
            assert_in_range(n, 1, limit < 2 ? 2 : limit);
            buf_putf(&got, "%s%s", got.len ? " " : "", serving("*", query));
            next = json_string_value(json_object_get(page, "next"));
            query = arena_printf(&arena, "limit=%d&cursor=%s", limit, next ? next : "");
        }
        assert_string_equal(buf_str(&got), serving("*", ""));
    }
}

static void test_repository(void **state)
{
    (void)state;
    struct seal_key key;
    struct reply rp;
    struct buf out CLEANUP(buf_clear);
    buf_init(&out, 65536);
    assert_int_equal(seal_init(&err), ERR_OK);
    seal_key_generate(&key);
    struct history_options options = {.dir = fixture.dir.path,
                                      .store = fixture.store,
                                      .key = &key,
                                      .registry_id = "reg-x",
                                      .domain = "x.test"};
    app.history = history_new(&options);
    assert_int_equal(history_publish_all(app.history, &err), ERR_OK);
    assert_int_equal(
        fixture_shell(&fixture, &out, "cd history.git/objects/pack && ls | tr -d '\\n'"), 0);
    const char *good[] = {"HEAD", "info/refs", "objects/info/packs",
                          arena_printf(&arena, "objects/pack/%.49s", buf_str(&out)),
                          arena_printf(&arena, "objects/pack/%.50s", buf_str(&out) + 49)};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (call(api_repository, "*", "", good[i], &rp))
            fail_msg("%s: %s", good[i], err.message);
        assert_true(rp.has_file && rp.file.fd >= 0 && rp.file.size > 0);
        assert_int_equal(rp.etag != NULL, i > 2);
        close(rp.file.fd);
        assert_int_equal(call(api_repository, "fr*", "", good[i], &rp), ERR_FORBIDDEN);
    }
    static const char *const bad[] = {
        "",
        "config",
        "../mreg.db",
        "../identity.key",
        "objects/pack",
        "objects/pack/../../config",
        "objects/pack/pack-0000000000000000000000000000000000000000.pack",
        "objects/pack/pack-000.pack",
        "objects/00/0",
        "objects/00/../../config",
        "refs/heads/main",
        "info/refs/",
        "HEAD%00"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(call(api_repository, "*", "", bad[i], &rp), ERR_NOT_FOUND);

    /* The feed names the commits now. */
    json_t *page CLEANUP(json_decref_ptr) = get(api_changes, "*", "since=17");
    struct history_stats stats;
    history_get_stats(app.history, &stats);
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(page, "items"), 0), "commit")),
                        stats.head);
    history_free(app.history);
    app.history = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_feed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_items, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serving, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serving_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_repository, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
