/* Trusted keys: lines of allowed_signers, and signed documents against them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "profile.h"
#include "signers.h"
#include "trust.h"

#define DOMAIN "models.example"
#define SPACES "git,mreg-manifest@" DOMAIN ",mreg-statement@" DOMAIN
#define NOW INT64_C(1777802400000) /* 2026-05-03T10:00:00Z */

struct world {
    struct seal_key key, other;
    char line[SEAL_LINE_BYTES], other_line[SEAL_LINE_BYTES];
    struct arena arena;
    char manifest_sig[SEAL_ARMOR_MAX], statement_sig[SEAL_ARMOR_MAX];
    struct buf manifest, statement;
};

static int setup(void **state)
{
    struct world *w = mem_alloc(sizeof *w);
    uint8_t seed[SEAL_SEED_BYTES] = {1};
    assert_int_equal(seal_init(NULL), ERR_OK);
    seal_key_from_seed(&w->key, seed);
    seed[0] = 2;
    seal_key_from_seed(&w->other, seed);
    seal_public_line(&w->key.pub, w->line);
    seal_public_line(&w->other.pub, w->other_line);
    struct manifest_file file = {.path = "model.bin", .size = 3};
    struct manifest m = {.files = &file, .n_files = 1, .format = "unknown", .total_bytes = 3};
    struct statement s = {.registry = "reg-1",
                          .model = "fraud",
                          .publisher = "t-1",
                          .format = "unknown",
                          .version = 3,
                          .created_ms = NOW};
    digest_of("abc", 3, &file.sha256);
    buf_init(&w->manifest, 1 << 20);
    buf_init(&w->statement, 1 << 20);
    assert_int_equal(manifest_write(&m, &w->manifest, &s.content, NULL), ERR_OK);
    assert_int_equal(statement_write(&s, &w->statement, NULL, NULL), ERR_OK);
    seal_sign(&w->key, "mreg-manifest@" DOMAIN, w->manifest.data, w->manifest.len, w->manifest_sig);
    seal_sign(&w->key, "mreg-statement@" DOMAIN, w->statement.data, w->statement.len,
              w->statement_sig);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    buf_clear(&w->manifest);
    buf_clear(&w->statement);
    arena_clear(&w->arena);
    free(w);
    return 0;
}

static void docs_of(struct world *w, struct trust_docs *d)
{
    *d = (struct trust_docs){.manifest = mem_strdup(buf_str(&w->manifest)),
                             .manifest_sig = mem_strdup(w->manifest_sig),
                             .statement = mem_strdup(buf_str(&w->statement)),
                             .statement_sig = mem_strdup(w->statement_sig),
                             .n_manifest = w->manifest.len,
                             .n_statement = w->statement.len};
}

static int check(struct world *w, const struct trust_docs *d, const char *signers, struct err *e)
{
    struct trust_result found = {0};
    int rc = trust_check(d, signers, &w->arena, &found, e);
    if (rc == ERR_OK) {
        assert_string_equal(found.key_id, w->key.id);
        assert_string_equal(found.statement.model, "fraud");
        assert_int_equal(found.manifest.n_files, 1);
    }
    return rc;
}

/* %s is the key that signed. */
static void test_lines(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *head;
        bool is_trusted;
    } cases[] = {
        {"registry@" DOMAIN " namespaces=\"" SPACES "\" %s", true},
        {"registry@" DOMAIN " namespaces=\"" SPACES "\",valid-after=\"20260503100000Z\" %s", true},
        {"registry@" DOMAIN " valid-after=\"20260503100001Z\" %s", false},
        {"registry@" DOMAIN " valid-before=\"20260503100001Z\" %s", true},
        {"registry@" DOMAIN " valid-before=\"20260503100000Z\" %s", false},
        {"registry@" DOMAIN " valid-before=\"20260504Z\" %s a comment", true},
        {"registry@" DOMAIN " valid-before=\"202605031001Z\" %s", true},
        {"registry@" DOMAIN " valid-before=\"20270101\" %s", false}, /* whose midnight? */
        {"registry@" DOMAIN " valid-before=\"soon\" %s", false},
        {"registry@" DOMAIN " valid-before=\"20269903100001Z\" %s", false},
        {"registry@" DOMAIN " %s", true},
        {"  registry@" DOMAIN "\t%s", true},
        {"ana@example,registry@" DOMAIN " %s", true},
        {"# a comment\n\nregistry@" DOMAIN " %s\r\n", true},
        {"#registry@" DOMAIN " %s", false},
        {"ana@example %s", false},
        {"ana@example %s registry@" DOMAIN, false},
        {"registry@other.example %s", false},
        {"registry@" DOMAIN ".evil %s", false},
        {"registry@ %s", false},
        {"registry@* %s", false},
        {"!registry@" DOMAIN " %s", false},
        {"registry@" DOMAIN " namespaces=\"git\" %s", false},
        {"registry@" DOMAIN " namespaces=\"mreg-manifest@" DOMAIN "\" %s", false},
        {"registry@" DOMAIN " namespaces=\"x" SPACES "x\" %s", false},
        {"registry@" DOMAIN " namespaces=\"mreg-manifest@" DOMAIN ".org,mreg-statement@" DOMAIN
         ".org\" %s",
         false},
        {"registry@" DOMAIN " cert-authority %s", false},
        {"registry@" DOMAIN " cert-authority,namespaces=\"" SPACES "\" %s", false},
        {"registry@" DOMAIN " namespaces=\"" SPACES " %s", false},
        {"registry@" DOMAIN " namespaces=\"" SPACES "\",colour=\"red\" %s", false},
        {"registry@" DOMAIN, false},
        {"", false},
    };
    struct trust_docs d;
    docs_of(w, &d);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e = {0};
        char text[1024];
        const char *at = strstr(cases[i].head, "%s");
        int n = at ? (int)(at - cases[i].head) : (int)strlen(cases[i].head);
        snprintf(text, sizeof text, "%.*s%s%s", n, cases[i].head, at ? w->line : "",
                 at ? at + 2 : "");
        int rc = check(w, &d, text, &e);
        if (rc != (cases[i].is_trusted ? ERR_OK : ERR_CORRUPT))
            print_error("%s: %s\n", text, e.message);
        assert_int_equal(rc, cases[i].is_trusted ? ERR_OK : ERR_CORRUPT);
        assert_int_equal(*e.message == '\0', cases[i].is_trusted);
    }
    trust_docs_clear(&d);
}

/* Keys change: the old one stays for what it signed in its time. */
static void test_many_keys(void **state)
{
    struct world *w = *state;
    struct trust_docs d;
    struct err e = {0};
    char text[1024];
    docs_of(w, &d);
    snprintf(text, sizeof text, "registry@" DOMAIN " %s\nregistry@" DOMAIN " %s\n", w->other_line,
             w->line);
    assert_int_equal(check(w, &d, text, &e), ERR_OK);
    char ids[256];
    snprintf(ids, sizeof ids, "%s, %s", w->other.id, w->key.id);
    assert_string_equal(trust_key_ids(text, &w->arena), ids);
    snprintf(text, sizeof text, "registry@" DOMAIN " %s\n", w->other_line);
    assert_int_equal(check(w, &d, text, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.message, w->key.id));
    assert_non_null(strstr(e.message, "not a trusted key"));
    snprintf(text, sizeof text,
             "registry@" DOMAIN " valid-before=\"20200101Z\" %s\nregistry@" DOMAIN " %s\n", w->line,
             w->other_line);
    assert_int_equal(check(w, &d, text, &e), ERR_CORRUPT);
    char domain[256];
    assert_true(trust_domain(text, domain));
    assert_string_equal(domain, DOMAIN);
    assert_false(trust_domain("ana@example ssh-ed25519 AAAA\n", domain));
    assert_false(trust_domain(NULL, domain));
    trust_docs_clear(&d);
}

/* Every single change of a document or signature is found. */
static void test_every_byte(void **state)
{
    struct world *w = *state;
    struct trust_docs d;
    struct err e = {0};
    char signers[512];
    docs_of(w, &d);
    snprintf(signers, sizeof signers, "registry@" DOMAIN " %s\n", w->line);
    char *texts[] = {d.manifest, d.statement};
    for (size_t t = 0; t < ARRAY_LEN(texts); t++) {
        for (size_t i = 0; texts[t][i]; i++) {
            texts[t][i] ^= 1;
            assert_int_equal(check(w, &d, signers, &e), ERR_CORRUPT);
            texts[t][i] ^= 1;
        }
    }
    assert_int_equal(check(w, &d, signers, &e), ERR_OK);
    char *armors[] = {d.manifest_sig, d.statement_sig};
    for (size_t t = 0; t < ARRAY_LEN(armors); t++) {
        char *middle = armors[t] + strlen(armors[t]) / 2;
        char kept = *middle;
        *middle = kept == 'A' ? 'B' : 'A';
        assert_int_equal(check(w, &d, signers, &e), ERR_CORRUPT);
        *middle = kept;
    }
    char *swap = d.manifest_sig;
    d.manifest_sig = d.statement_sig;
    d.statement_sig = swap;
    assert_int_equal(check(w, &d, signers, &e), ERR_CORRUPT);
    trust_docs_clear(&d);
}

/* Two documents that are signed well, but not for each other. */
static void test_other_content(void **state)
{
    struct world *w = *state;
    struct trust_docs d;
    struct err e = {0};
    char signers[512];
    struct manifest_file file = {.path = "model.bin", .size = 4};
    struct manifest m = {.files = &file, .n_files = 1, .format = "unknown", .total_bytes = 4};
    struct buf other CLEANUP(buf_clear);
    buf_init(&other, 1 << 20);
    docs_of(w, &d);
    assert_int_equal(manifest_write(&m, &other, NULL, NULL), ERR_OK);
    free(d.manifest);
    d.manifest = mem_strdup(buf_str(&other));
    d.n_manifest = other.len;
    seal_sign(&w->key, "mreg-manifest@" DOMAIN, other.data, other.len, w->manifest_sig);
    free(d.manifest_sig);
    d.manifest_sig = mem_strdup(w->manifest_sig);
    snprintf(signers, sizeof signers, "registry@" DOMAIN " %s\n", w->line);
    assert_int_equal(check(w, &d, signers, &e), ERR_CORRUPT);
    assert_non_null(strstr(e.message, "another content"));
    trust_docs_clear(&d);
}

/* The environment's variables: ours, the server's, and slips. */
static void test_odd_variables(void **state)
{
    (void)state;
    char *environment[] = {"PATH=/bin",
                           "MREG_URL=x",
                           "MREG_TOKEN_FILE=x",
                           "MREG_TOKE=x",
                           "MREG_SERVER_X=1",
                           "MREG_ODDITY",
                           "MREG_=",
                           NULL};
    static const struct {
        const char *name, *near;
    } odd[] = {{"MREG_TOKE", "MREG_TOKEN"}, {"MREG_ODDITY", NULL}, {"MREG_", NULL}};
    char name[64];
    const char *near = NULL;
    size_t i = 0;
    for (size_t k = 0; k < ARRAY_LEN(odd); k++) {
        assert_true(profile_odd_variable(environment, &i, name, &near));
        assert_string_equal(name, odd[k].name);
        if (odd[k].near)
            assert_string_equal(near, odd[k].near);
    }
    assert_false(profile_odd_variable(environment, &i, name, &near));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_content, setup, teardown),
        cmocka_unit_test(test_odd_variables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
