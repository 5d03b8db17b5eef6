/*
 * The route table: matching, precedence, parameters, the checks at start; and what handlers ask of
 * a request.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "api.h"
#include "route.h"

static int nothing(struct request *rq, struct reply *rp, struct err *e)
{
    (void)rq, (void)rp, (void)e;
    return 0;
}

#define ROW(method, pattern)                                                     \
    {                                                                            \
        method, pattern, PERM_READ, BODY_NONE, WORK_LIGHT, 0, nothing, "summary" \
    }
#define END             \
    {                   \
        .handler = NULL \
    }

static const struct route first[] = {ROW(METHOD_GET, "/api/v1"),
                                     ROW(METHOD_GET, "/api/v1/models"),
                                     ROW(METHOD_POST, "/api/v1/models"),
                                     ROW(METHOD_GET, "/api/v1/models/{model}"),
                                     ROW(METHOD_DELETE, "/api/v1/models/{model}"),
                                     END};
static const struct route second[] = {ROW(METHOD_GET, "/api/v1/models/{model}/{what}"),
                                      ROW(METHOD_GET, "/api/v1/models/{model}/aliases"),
                                      ROW(METHOD_GET, "/api/v1/models/special/{what}"),
                                      ROW(METHOD_PUT, "/a/{w}/{x}/{y}/{z}"),
                                      ROW(METHOD_GET, "/history.git/{path...}"),
                                      END};
static const struct route *const tables[] = {first, second, NULL};

static struct arena arena;
static struct router *router;

static int setup(void **state)
{
    (void)state;
    struct err e = {0};
    return router_new(tables, &router, &e);
}

static int teardown(void **state)
{
    (void)state;
    router_free(router);
    arena_clear(&arena);
    return 0;
}

static const struct match_case {
    enum method method;
    const char *path, *pattern; /* NULL: none */
    unsigned methods;
    const char *params[REQUEST_MAX_PARAMS];
} match_cases[] = {
    {METHOD_GET, "/api/v1", "/api/v1", 1, {0}},
    {METHOD_GET, "/api/v1/", NULL, 0, {0}},
    {METHOD_GET, "/api", NULL, 0, {0}},
    {METHOD_GET, "/api/v1/models", "/api/v1/models", 3, {0}},
    {METHOD_POST, "/api/v1/models", "/api/v1/models", 3, {0}},
    {METHOD_PUT, "/api/v1/models", NULL, 3, {0}},
    {METHOD_COUNT, "/api/v1/models", NULL, 3, {0}},
    {METHOD_GET, "/api/v1/Models", NULL, 0, {0}},
    {METHOD_GET, "/api/v1/model%73", NULL, 0, {0}},
    {METHOD_GET, "/api/v1/models/fraud", "/api/v1/models/{model}", 17, {"fraud"}},
    {METHOD_GET, "/api/v1/models/", NULL, 0, {0}},
    {METHOD_GET, "/api/v1/models//", NULL, 0, {0}},
    {METHOD_GET, "/api/v1/models/team%2Ffraud", "/api/v1/models/{model}", 17, {"team/fraud"}},
    {METHOD_GET, "/api/v1/models/a%20b%c3%A9%25", "/api/v1/models/{model}", 17, {"a b\xC3\xA9%"}},
    {METHOD_GET,
     "/api/v1/models/team/fraud",
     "/api/v1/models/{model}/{what}",
     1,
     {"team", "fraud"}},
    {METHOD_GET, "/api/v1/models/m/aliases", "/api/v1/models/{model}/aliases", 1, {"m"}},
    {METHOD_GET, "/api/v1/models/special/x", "/api/v1/models/special/{what}", 1, {"x"}},
    {METHOD_GET, "/api/v1/models/special/aliases", "/api/v1/models/special/{what}", 1, {"aliases"}},
    {METHOD_PUT, "/a/1/2/3/4", "/a/{w}/{x}/{y}/{z}", 4, {"1", "2", "3", "4"}},
    {METHOD_PUT, "/a/1/2/3", NULL, 0, {0}},
    {METHOD_PUT, "/a/1/2/3/4/5", NULL, 0, {0}},
    {METHOD_GET, "/history.git/info/refs", "/history.git/{path...}", 1, {"info/refs"}},
    {METHOD_GET, "/history.git/HEAD", "/history.git/{path...}", 1, {"HEAD"}},
    {METHOD_GET, "/history.git/", NULL, 0, {0}},
    {METHOD_GET, "/history.git", NULL, 0, {0}},
    {METHOD_GET, "/history.git/..%2Fmreg.db", NULL, 0, {0}},
    {METHOD_GET, "/history.git/x/..%2fmreg.db", NULL, 0, {0}},
};

static void test_matching(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(match_cases); i++) {
        const struct match_case *c = &match_cases[i];
        struct match m;
        router_match(router, c->method, c->path, &arena, &m);
        const char *found = m.row ? m.row->pattern : NULL;
        if ((found == NULL) != (c->pattern == NULL) || (found && strcmp(found, c->pattern) != 0))
            fail_msg("%s: %s", c->path, found ? found : "none");
        if (m.methods != c->methods)
            fail_msg("%s: methods %u", c->path, m.methods);
        for (int p = 0; p < REQUEST_MAX_PARAMS; p++) {
            if (c->params[p])
                assert_string_equal(m.params[p], c->params[p]);
            else
                assert_null(m.params[p]);
        }
        assert_int_equal(m.index < router_count(router), m.row != NULL);
    }
}

static void refused(const struct route *row)
{
    const struct route two[] = {*row, END};
    const struct route *const with[] = {first, two, NULL};
    struct router *r = NULL;
    struct err e = {0};
    assert_int_equal(router_new(with, &r, &e), ERR_INTERNAL);
    assert_null(r);
}

static void test_bad_rows(void **state)
{
    (void)state;
    static const struct route rows[] = {
        {METHOD_GET, "/x", PERM_NONE, BODY_NONE, WORK_LIGHT, 0, nothing, "no permission"},
        {METHOD_GET, "/x", PERM_COUNT, BODY_NONE, WORK_LIGHT, 0, nothing, "no such permission"},
        {METHOD_COUNT, "/x", PERM_READ, BODY_NONE, WORK_LIGHT, 0, nothing, "no method"},
        {METHOD_GET, "/x", PERM_READ, BODY_NONE, WORK_COUNT, 0, nothing, "no class"},
        {METHOD_GET, "/x", PERM_READ, BODY_NONE, WORK_LIGHT, 0, nothing, NULL},
        ROW(METHOD_GET, "x"),
        ROW(METHOD_GET, "/x//y"),
        ROW(METHOD_GET, "/x/"),
        ROW(METHOD_GET, "/x/{y"),
        ROW(METHOD_GET, "/{a}/{b}/{c}/{d}/{e}"),
        ROW(METHOD_GET, "/api/v1/models"),
        ROW(METHOD_GET, "/api/v1/models/{other}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(&rows[i]);
}

/* The real table passes the checks; every row demands something. */
static void test_real_table(void **state)
{
    (void)state;
    struct router *r = NULL;
    struct err e = {0};
    if (router_new(api_tables, &r, &e))
        fail_msg("%s", e.message);
    assert_true(router_count(r) > 40);
    for (size_t i = 0; i < router_count(r); i++) {
        const struct route *row = router_row(r, i);
        /* Logging in and out, and judging anew what is stored, change nothing of the registry. */
        bool is_change = row->method != METHOD_GET && !strstr(row->pattern, "/session") &&
                         !strstr(row->pattern, "/analysis/replay");
        if (is_change && (row->permission == PERM_READ || row->permission == PERM_PUBLIC))
            fail_msg("%s %s changes things for readers", method_name(row->method), row->pattern);
    }
    router_free(r);
}

static struct request request_with(const char *query)
{
    return (struct request){.query = query, .arena = &arena};
}

static void test_query(void **state)
{
    (void)state;
    static const struct {
        const char *query, *value;
        int rc;
    } rows[] = {{"", NULL, 0},
                {"a=1", "1", 0},
                {"b=2&a=1", "1", 0},
                {"a=", "", 0},
                {"a", "", 0},
                {"aa=1", NULL, 0},
                {"a=x+y%20z", "x y z", 0},
                {"a=%26%3D", "&=", 0},
                {"a=%", NULL, ERR_INVALID},
                {"a=%0", NULL, ERR_INVALID},
                {"a=%00", NULL, ERR_INVALID},
                {"a=%ff", NULL, ERR_INVALID},
                {"a=1&a=2", NULL, ERR_INVALID},
                {"&&a=1&", "1", 0},
                {"=1", NULL, 0}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request rq = request_with(rows[i].query);
        struct err e = {0};
        const char *value = NULL;
        if (request_query(&rq, "a", &value, &e) != rows[i].rc)
            fail_msg("%s", rows[i].query);
        if (rows[i].value)
            assert_string_equal(value, rows[i].value);
        else
            assert_null(value);
    }
}

static void test_page(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        int64_t limit; /* 0: refused */
        const char *cursor;
    } rows[] = {{"", 50, NULL},
                {"limit=1", 1, NULL},
                {"limit=500", 500, NULL},
                {"limit=0", 0, NULL},
                {"limit=501", 0, NULL},
                {"limit=-1", 0, NULL},
                {"limit=", 0, NULL},
                {"limit=1e2", 0, NULL},
                {"limit=99999999999", 0, NULL},
                {"cursor=abc", 50, "abc"},
                {"cursor=", 50, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request rq = request_with(rows[i].query);
        struct err e = {0};
        int64_t limit = 0;
        const char *cursor = NULL;
        int rc = request_page(&rq, &limit, &cursor, &e);
        assert_int_equal(rc, rows[i].limit ? 0 : ERR_INVALID);
        assert_int_equal(limit, rows[i].limit);
        if (rows[i].cursor)
            assert_string_equal(cursor, rows[i].cursor);
        else
            assert_null(cursor);
    }
}

static void test_may_model(void **state)
{
    (void)state;
    static const struct {
        const char *globs, *model;
        bool may;
    } rows[] = {{"*", "fraud", true},
                {"fraud", "fraud", true},
                {"fraud", "fraud2", false},
                {"a,fraud", "fraud", true},
                {"team/*", "team/fraud", true},
                {"team/*", "other/fraud", false},
                {"", "fraud", false}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct request rq = request_with("");
        struct err e = {0};
        strcpy(rq.caller.models, rows[i].globs);
        assert_int_equal(request_may_model(&rq, rows[i].model, &e),
                         rows[i].may ? 0 : ERR_FORBIDDEN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matching),   cmocka_unit_test(test_bad_rows),
        cmocka_unit_test(test_real_table), cmocka_unit_test(test_query),
        cmocka_unit_test(test_page),       cmocka_unit_test(test_may_model),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
