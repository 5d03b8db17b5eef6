/*
 * Tokens: form, roles, life, what the history says of them, back-off.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "auth.h"
#include "db_access.h"
#include "seal.h"
#include "support_dir.h"

#define NOW INT64_C(1800000000000)

static struct temp_dir dir;
static struct arena arena;
static struct store *store;
static struct auth *auth;
static const uint8_t pepper[32] = "0123456789abcdef0123456789abcde";

static int setup(void **state)
{
    (void)state;
    struct err e = {0};
    temp_dir_make(&dir);
    struct store_options options = {.path = temp_dir_file(&dir, &arena, "db"), .n_readers = 2};
    int rc = seal_init(&e);
    if (!rc)
        rc = store_open(&options, &store, &e);
    auth = auth_new(store, pepper);
    return rc;
}

static int teardown(void **state)
{
    (void)state;
    auth_free(auth);
    store_close(store);
    temp_dir_remove(&dir);
    arena_clear(&arena);
    return 0;
}

static void make(const char *role, int64_t expires_ms, char token[AUTH_TOKEN_BYTES], char id[32])
{
    struct err e = {0};
    struct auth_grant grant = {.name = "test",
                               .role = role,
                               .models = "team/*",
                               .actor = "t-1",
                               .reason = "because",
                               .expires_ms = expires_ms};
    if (auth_create(auth, &grant, token, id, &e))
        fail_msg("%s", e.message);
}

static int identify(const char *token, int64_t now_ms, struct caller *out)
{
    struct err e = {0};
    return auth_identify(auth, token, "10.0.0.1", now_ms, out, &e);
}

static void test_form(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    make("reader", 0, token, id);
    assert_int_equal(strlen(token), 40);
    assert_true(auth_token_ok(token));
    for (size_t i = 0; token[i]; i++) {
        char typo[AUTH_TOKEN_BYTES];
        memcpy(typo, token, sizeof typo);
        typo[i] = token[i] == 'a' ? 'b' : 'a';
        assert_false(auth_token_ok(typo));
        typo[i] = 0;
        assert_false(auth_token_ok(typo));
    }
    /* The checksum by zlib of thirty zeros. */
    assert_true(auth_token_ok("mrg_0000000000000000000000000000002C8GjS"));
    assert_false(auth_token_ok("mrg_000000000000000000000000000000000000"));
    assert_false(auth_token_ok(""));
}

static void test_roles(void **state)
{
    (void)state;
    static const struct {
        const char *role;
        bool may[PERM_COUNT];
    } rows[] = {
        {"reader", {[PERM_PUBLIC] = true, [PERM_READ] = true}},
        {"pusher", {[PERM_PUBLIC] = true, [PERM_READ] = true, [PERM_PUSH] = true}},
        {"deployer",
         {[PERM_PUBLIC] = true, [PERM_READ] = true, [PERM_DEPLOY] = true, [PERM_NODE] = true}},
        {"approver",
         {[PERM_PUBLIC] = true,
          [PERM_READ] = true,
          [PERM_DEPLOY] = true,
          [PERM_NODE] = true,
          [PERM_APPROVE] = true}},
        {"auditor", {[PERM_PUBLIC] = true, [PERM_READ] = true, [PERM_AUDIT] = true}},
        {"admin", {false, true, true, true, true, true, true, true, true}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char token[AUTH_TOKEN_BYTES];
        char id[32];
        struct caller c = {0};
        make(rows[i].role, 0, token, id);
        for (int twice = 0; twice < 2; twice++) { /* from the database, then from the cache */
            assert_int_equal(identify(token, NOW, &c), 0);
            assert_memory_equal(c.may, rows[i].may, sizeof c.may);
            assert_string_equal(c.role, rows[i].role);
            assert_string_equal(c.actor, id);
            assert_string_equal(c.models, "team/*");
        }
    }
    bool may[PERM_COUNT];
    assert_false(auth_role("king", may));
    assert_false(auth_role("", may));
}

/* It may register nodes in one environment, and nothing else. */
static void test_node_role(void **state)
{
    (void)state;
    struct auth_grant g = {.name = "scaler",
                           .role = "node",
                           .models = "*",
                           .environment = "prod",
                           .root = "/srv/nodes",
                           .actor = "t-1"};
    struct err e = {0};
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct caller c = {0};
    assert_int_equal(auth_create(auth, &g, token, id, &e), 0);
    for (int twice = 0; twice < 2; twice++) {
        assert_int_equal(identify(token, NOW, &c), 0);
        assert_string_equal(c.environment, "prod");
        assert_string_equal(c.root, "/srv/nodes");
        for (int p = PERM_PUBLIC; p < PERM_COUNT; p++)
            assert_int_equal(c.may[p], p == PERM_PUBLIC || p == PERM_NODE);
    }
}

static void test_expiry(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct caller c;
    make("reader", NOW + 1000, token, id);
    assert_int_equal(identify(token, NOW, &c), 0);
    assert_int_equal(identify(token, NOW + 999, &c), 0);
    assert_int_equal(identify(token, NOW + 1000, &c), ERR_UNAUTHENTICATED); /* though cached */
}

static void test_revoking(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct caller c;
    struct err e = {0};
    make("admin", 0, token, id);
    assert_int_equal(identify(token, NOW, &c), 0);
    assert_int_equal(auth_revoke(auth, id, "t-1", NULL, &e), 0);
    assert_int_equal(identify(token, NOW, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(auth_revoke(auth, id, "t-1", NULL, &e), 0);
    assert_int_equal(auth_revoke(auth, "t-999", "t-1", NULL, &e), ERR_NOT_FOUND);
}

/* The history names the token, never its secret. */
static void test_document(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct err e = {0};
    struct reader r CLEANUP(reader_end) = {0};
    const char *bytes = NULL;
    size_t n = 0;
    make("pusher", NOW, token, id);
    assert_int_equal(auth_revoke(auth, id, "t-9", "gone", &e), 0);
    assert_int_equal(reader_begin(store, &r, &e), 0);
    assert_int_equal(
        journal_doc_at(r.db, journal_path_token(&arena, id), INT64_MAX, &arena, &bytes, &n, &e), 0);
    assert_non_null(strstr(bytes, "\"role\": \"pusher\""));
    assert_non_null(strstr(bytes, "\"revoked_by\": \"t-9\""));
    assert_null(strstr(bytes, "mrg_"));
    assert_null(strstr(bytes, token + 36));
}

static void test_bad_grants(void **state)
{
    (void)state;
    char large[600];
    memset(large, 'a', sizeof large - 1);
    large[sizeof large - 1] = 0;
    const struct auth_grant rows[] = {
        {.name = "x", .role = "king", .models = "*"},
        {.name = "", .role = "reader", .models = "*"},
        {.name = "a/b", .role = "reader", .models = "*"},
        {.name = "x", .role = "reader", .models = ""},
        {.name = "x", .role = "reader", .models = large},
        {.name = large, .role = "reader", .models = "*"},
        {.name = "x", .role = "reader", .models = "a\nb"},
        {.name = "x", .role = "node", .models = "*"},
        {.name = "x", .role = "node", .models = "*", .environment = "prod"},
        {.name = "x", .role = "node", .models = "*", .root = "/srv"},
        {.name = "x", .role = "node", .models = "*", .environment = "prod", .root = "srv"},
        {.name = "x", .role = "node", .models = "*", .environment = "prod", .root = "/"},
        {.name = "x", .role = "reader", .models = "*", .environment = "prod"},
        {.name = "x", .role = "admin", .models = "*", .root = "/srv"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {0};
        char token[AUTH_TOKEN_BYTES];
        char id[32];
        struct auth_grant g = rows[i];
        g.actor = "t-1";
        if (auth_create(auth, &g, token, id, &e) != ERR_INVALID || !e.pointer[0])
            fail_msg("row %zu: %s", i, e.message);
    }
}

static void test_last_use(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct caller c;
    struct err e = {0};
    struct db_token t = {0};
    bool is_used = false;
    make("admin", 0, token, id);
    assert_int_equal(identify(token, NOW, &c), 0);
    assert_int_equal(identify(token, NOW + 5, &c), 0);
    assert_int_equal(auth_flush(auth, &e), 0);
    struct reader r CLEANUP(reader_end) = {0};
    assert_int_equal(reader_begin(store, &r, &e), 0);
    assert_int_equal(db_token_by_id(r.db, id, &arena, &t, &e), 0);
    assert_int_equal(t.last_used_ms, NOW + 5);
    assert_int_equal(db_token_admin_used(r.db, &is_used, &e), 0);
    assert_true(is_used);
}

static int guess(const char *remote, int64_t now_ms)
{
    struct caller c;
    struct err e = {0};
    return auth_identify(auth, "mrg_nonsense", remote, now_ms, &c, &e);
}

static void test_back_off(void **state)
{
    (void)state;
    char token[AUTH_TOKEN_BYTES];
    char id[32];
    struct caller c;
    struct err e = {0};
    int64_t now = NOW + 1000000;
    make("reader", 0, token, id);
    for (int i = 0; i < 10; i++)
        assert_int_equal(guess("9.9.9.9", now), ERR_UNAUTHENTICATED);
    int64_t last_wait = 0;
    for (int i = 0; i < 20; i++) {
        int64_t wait = auth_retry_after_ms(auth, "9.9.9.9", now);
        assert_true(wait > 0 && wait <= 15 * 60000);
        assert_true(wait >= last_wait);
        assert_int_equal(guess("9.9.9.9", now), ERR_THROTTLED);
        /* A good token that was not seen before waits too; one that was seen does not. */
        if (i == 0)
            assert_int_equal(auth_identify(auth, token, "9.9.9.9", now, &c, &e), ERR_THROTTLED);
        assert_int_equal(guess("8.8.8.8", now + i * 61000), ERR_UNAUTHENTICATED);
        now += wait;
        assert_int_equal(guess("9.9.9.9", now), ERR_UNAUTHENTICATED);
        last_wait = wait;
    }
    assert_int_equal(last_wait, 15 * 60000);
    assert_int_equal(auth_identify(auth, token, "7.7.7.7", now, &c, &e), 0);
    assert_int_equal(auth_identify(auth, token, "9.9.9.9", now, &c, &e), 0);
    /* A quiet time forgives. */
    now += 40 * 60000;
    assert_int_equal(guess("9.9.9.9", now), ERR_UNAUTHENTICATED);
    assert_int_equal(auth_retry_after_ms(auth, "9.9.9.9", now), 0);
}

static void test_nobody(void **state)
{
    (void)state;
    struct caller c;
    for (int i = 0; i < 30; i++) /* saying nothing is no guess */
        assert_int_equal(identify(NULL, NOW, &c), ERR_UNAUTHENTICATED);
    assert_int_equal(auth_retry_after_ms(auth, "10.0.0.1", NOW), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_form),       cmocka_unit_test(test_roles),
        cmocka_unit_test(test_node_role),  cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_revoking),   cmocka_unit_test(test_document),
        cmocka_unit_test(test_bad_grants), cmocka_unit_test(test_last_use),
        cmocka_unit_test(test_back_off),   cmocka_unit_test(test_nobody),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
