/* Commit statuses: repository names, states of every phase, and the exact calls of three APIs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "commit_status.h"
#include "rollout.h"

#define COMMIT "4f1c2e9d8b7a6f5e4d3c2b1a0f9e8d7c6b5a4f3e"

static void test_repository(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"team/fraud", "team/fraud"},
        {"https://github.com/team/fraud.git", "team/fraud"},
        {"https://gitlab.example.com/a/b/c", "a/b/c"},
        {"git@github.com:team/fraud.git", "team/fraud"},
        {"ssh://git@host:2222/team/fraud.git", "team/fraud"},
        {"https://user@host/team/fraud/", "team/fraud"},
        {"https://host/team/a.b-c_d.git", "team/a.b-c_d"},
        {"fraud", NULL},
        {"", NULL},
        {"https://host", NULL},
        {"https://host/", NULL},
        {"a//b", NULL},
        {"../x", NULL},
        {"a/../b", NULL},
        {"a/b?c=d", NULL},
        {"a/b#c", NULL},
        {"a b/c", NULL},
        {"/a/b", "a/b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        const char *got = commit_repository(cases[i].text, &a);
        if (!got != !cases[i].wanted || (got && strcmp(got, cases[i].wanted) != 0))
            fail_msg("\"%s\" gave %s", cases[i].text, got ? got : "nothing");
    }
}

static void test_commit_id(void **state)
{
    (void)state;
    assert_true(commit_id_ok(COMMIT));
    assert_true(commit_id_ok(COMMIT "012345670123456701234567"));
    assert_false(commit_id_ok("4f1c2e9"));
    assert_false(commit_id_ok("../../../../../../../../../../../../etc/x"));
    assert_false(commit_id_ok("4F1C2E9D8B7A6F5E4D3C2B1A0F9E8D7C6B5A4F3E"));
    assert_false(commit_id_ok(""));
}

static json_t *doc_of(const char *phase, const char *outcome)
{
    json_t *doc = json_pack("{s:s,s:s,s:s,s:i,s:s,s:[]}", "id", "r-5", "model", "team/fraud",
                            "environment", "production", "to", 7, "phase", phase, "pauses");
    if (outcome)
        json_object_set_new(doc, "outcome", json_string(outcome));
    return doc;
}

static struct http_call call_of(enum hook_format format, const json_t *doc, const char *repository,
                                struct arena *a)
{
    static struct webhook_event ev;
    struct http_call call = {0};
    struct err e;
    ev = (struct webhook_event){
        .kind = "rollout.move", .object = "r-5", .public_url = "http://m", .rollout_doc = doc};
    struct commit_status s = {.format = format,
                              .base_url = "https://api.example.com/",
                              .repository = repository,
                              .commit = COMMIT,
                              .token = "tok",
                              .event = &ev};
    assert_int_equal(commit_status_call(&s, a, &call, &e), ERR_OK);
    assert_string_equal(call.method, "POST");
    assert_int_equal(call.body_len, strlen(call.body));
    assert_string_equal(call.headers[0], "Content-Type: application/json");
    return call;
}

static void test_github(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc = doc_of("succeeded", "3 nodes serve version 7");
    struct http_call c = call_of(HOOK_GITHUB, doc, "team/fraud", &a);
    assert_string_equal(c.url, "https://api.example.com/repos/team/fraud/statuses/" COMMIT);
    assert_string_equal(c.headers[1], "Accept: application/vnd.github+json");
    assert_string_equal(c.headers[2], "X-GitHub-Api-Version: 2022-11-28");
    assert_string_equal(c.headers[3], "Authorization: Bearer tok");
    assert_null(c.headers[4]);
    assert_string_equal(c.body, "{\"state\":\"success\",\"target_url\":\"http://m/rollouts/r-5\","
                                "\"description\":\"version 7: succeeded, 3 nodes serve version 7\","
                                "\"context\":\"mreg/production/team/fraud\"}");
    json_decref(doc);
}

static void test_gitlab(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc = doc_of("rolled-back", NULL);
    struct http_call c = call_of(HOOK_GITLAB, doc, "group/sub/fraud", &a);
    assert_string_equal(c.url, "https://api.example.com/api/v4/projects/group%2Fsub%2Ffraud/"
                               "statuses/" COMMIT);
    assert_string_equal(c.headers[1], "PRIVATE-TOKEN: tok");
    assert_null(c.headers[2]);
    assert_string_equal(c.body, "{\"state\":\"failed\",\"target_url\":\"http://m/rollouts/r-5\","
                                "\"description\":\"version 7: rolled-back\","
                                "\"name\":\"mreg/production/team/fraud\"}");
    json_decref(doc);
}

static void test_gitea(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc = doc_of("cancelled", NULL);
    struct http_call c = call_of(HOOK_GITEA, doc, "team/fraud", &a);
    assert_string_equal(c.url, "https://api.example.com/api/v1/repos/team/fraud/statuses/" COMMIT);
    assert_string_equal(c.headers[1], "Authorization: token tok");
    assert_string_equal(c.body, "{\"state\":\"warning\",\"target_url\":\"http://m/rollouts/r-5\","
                                "\"description\":\"version 7: cancelled\","
                                "\"context\":\"mreg/production/team/fraud\"}");
    json_decref(doc);
}

/* Every phase has a word that the API knows; what has not ended is never red or green. */
static void test_all_phases(void **state)
{
    (void)state;
    static const char *const known[HOOK_FORMAT_COUNT] = {
        "", " pending success failure error ", " pending running success failed canceled ",
        " pending success failure error warning "};
    for (int p = 0; p < ROLLOUT_PHASE_COUNT; p++) {
        for (int f = HOOK_GITHUB; f < HOOK_FORMAT_COUNT; f++) {
            struct arena a CLEANUP(arena_clear) = {0};
            struct err e;
            json_t *j = NULL;
            json_t *doc = doc_of(rollout_phase_name((enum rollout_phase)p), NULL);
            struct http_call c = call_of((enum hook_format)f, doc, "team/fraud", &a);
            assert_int_equal(json_parse(c.body, c.body_len, 3, &j, &e), ERR_OK);
            const char *word = json_string_value(json_object_get(j, "state"));
            assert_non_null(strstr(known[f], arena_printf(&a, " %s ", word)));
            bool is_open = !strcmp(word, "pending") || !strcmp(word, "running");
            assert_int_equal(is_open, !rollout_phase_is_terminal((enum rollout_phase)p));
            bool is_good = !strcmp(word, "success");
            assert_int_equal(is_good, p == ROLLOUT_SUCCEEDED);
            json_decref(j);
            json_decref(doc);
        }
    }
}

static void test_long_text(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct err e;
    json_t *j = NULL;
    char outcome[400] = "";
    for (int i = 0; i < 130; i++)
        strncat(outcome, "\xc3\xa4", sizeof outcome - strlen(outcome) - 1);
    json_t *doc = doc_of("halted", outcome);
    struct http_call c = call_of(HOOK_GITHUB, doc, "team/fraud", &a);
    assert_int_equal(json_parse(c.body, c.body_len, 3, &j, &e), ERR_OK);
    const char *text = json_string_value(json_object_get(j, "description"));
    assert_in_range(strlen(text), 137, 140);
    assert_string_equal(text + strlen(text) - 3, "...");
    json_decref(j);
    json_decref(doc);
}

static void test_refusals(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct http_call call = {0};
    struct err e;
    json_t *doc = doc_of("running", NULL);
    struct webhook_event ev = {.kind = "rollout.move", .object = "r-5", .rollout_doc = doc};
    struct commit_status s = {HOOK_GITHUB, "http://h", "a/b/c", COMMIT, "t", &ev};
    assert_int_equal(commit_status_call(&s, &a, &call, &e), ERR_INVALID); /* not owner/name */
    s.repository = "a/b";
    assert_int_equal(commit_status_call(&s, &a, &call, &e), ERR_OK);
    ev.rollout_doc = NULL;
    assert_int_equal(commit_status_call(&s, &a, &call, &e), ERR_INVALID);
    json_decref(doc);
    static const char again[] = "{\"message\":\"Cannot transition status via :run from :running\"}";
    assert_true(commit_status_is_settled(HOOK_GITLAB, 400, again));
    assert_false(commit_status_is_settled(HOOK_GITLAB, 400, "{\"message\":\"ref is invalid\"}"));
    assert_false(commit_status_is_settled(HOOK_GITHUB, 400, again));
    assert_false(commit_status_is_settled(HOOK_GITLAB, 500, again));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repository), cmocka_unit_test(test_commit_id),
        cmocka_unit_test(test_github),     cmocka_unit_test(test_gitlab),
        cmocka_unit_test(test_gitea),      cmocka_unit_test(test_all_phases),
        cmocka_unit_test(test_long_text),  cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
