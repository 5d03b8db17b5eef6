/* SHA-256: the standard's vectors, running hashes, text forms, first use from many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "digest.h"

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
/* FIPS 180-2: a million times 'a'. */
#define MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void *hash_abc(void *arg)
{
    digest_of("abc", 3, arg);
    return NULL;
}

/* Runs first: the algorithm is fetched here, by whichever thread comes first. */
static void test_first_use_from_threads(void **state)
{
    (void)state;
    pthread_t threads[8];
    struct digest d[8];
    char hex[DIGEST_HEX_BYTES];
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hash_abc, &d[i]), 0);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_string_equal(digest_hex(&d[i], hex), ABC);
    }
}

static void test_vectors(void **state)
{
    (void)state;
    struct digest d;
    char hex[DIGEST_HEX_BYTES];
    char text[DIGEST_TEXT_BYTES];
    digest_of(NULL, 0, &d);
    assert_string_equal(digest_hex(&d, hex), EMPTY);
    digest_of("abc", 3, &d);
    assert_string_equal(digest_hex(&d, hex), ABC);
    assert_string_equal(digest_text(&d, text), "sha256:" ABC);
}

static void test_running(void **state)
{
    (void)state;
    CLEANUP(digest_free_ptr) struct digest_ctx *c = digest_new();
    struct digest d;
    char hex[DIGEST_HEX_BYTES];
    char block[1000];
    memset(block, 'a', sizeof block);
    digest_peek(c, &d);
    assert_string_equal(digest_hex(&d, hex), EMPTY);
    for (int i = 0; i < 500; i++)
        digest_add(c, block, sizeof block);
    digest_peek(c, &d); /* a look in between changes nothing */
    digest_add(c, NULL, 0);
    for (int i = 0; i < 500; i++)
        digest_add(c, block, sizeof block);
    digest_peek(c, &d);
    assert_string_equal(digest_hex(&d, hex), MILLION_A);
    digest_free(NULL);
}

static void test_parse(void **state)
{
    (void)state;
    struct digest a;
    struct digest b;
    assert_int_equal(digest_parse(ABC, &a, NULL), ERR_OK);
    assert_int_equal(digest_parse("sha256:" ABC, &b, NULL), ERR_OK);
    assert_true(digest_equal(&a, &b));
    digest_of("abc", 3, &b);
    assert_true(digest_equal(&a, &b));
    b.b[31] ^= 1;
    assert_false(digest_equal(&a, &b));
    static const char *const cases[] = {
        "",
        "sha256:",
        "sha512:" ABC,
        "SHA256:" ABC,
        ABC "0",
        ABC "\n",
        " " ABC,
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        "ga7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:sha256:" ABC,
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct digest before = a;
        assert_int_equal(digest_parse(cases[i], &a, NULL), ERR_INVALID);
        assert_true(digest_equal(&a, &before));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_use_from_threads),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_parse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
