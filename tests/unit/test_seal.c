/* Keys and signatures: the known answers and strictness. Stock tools: test_seal_stock.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "seal.h"

#define LINE "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
#define KEY_ID "SHA256:lbmsoA0yIEcEiVDRnMWuzm+nV+3ZEEpVIURqFoeSspg"
#define BLOB_BYTES 174 /* SSHSIG of "hello\n", namespace "file", sha512 */
#define BLOB                                                                                       \
    "U1NIU0lHAAAAAQAAADMAAAALc3NoLWVkMjU1MTkAAAAgA6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbgAAAAE" \
    "ZmlsZQAAAAAAAAAGc2hhNTEyAAAAUwAAAAtzc2gtZWQyNTUxOQAAAECj1RtZvt6I4PbyS3vCoOtxHNLn32IFU9PWZjMm" \
    "d/bHTaE8/Am9GA2ObV4bitmidDqxVtLTMJrpBlsFIsyaaT4E"
#define BEGIN "-----BEGIN SSH SIGNATURE-----\n"
#define END "\n-----END SSH SIGNATURE-----"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct seal_key known_key(void)
{
    struct seal_key k;
    uint8_t seed[SEAL_SEED_BYTES];
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)i;
    seal_key_from_seed(&k, seed);
    return k;
}

static size_t base64_decode(const char *text, uint8_t *out)
{
    size_t n = 0;
    uint32_t bits = 0;
    unsigned have = 0;
    for (; *text && *text != '='; text++) {
        const char *p = strchr(alphabet, *text);
        assert_non_null(p);
        bits = bits << 6 | (uint32_t)(p - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (uint8_t)(bits >> have);
        }
    }
    return n;
}

/* Armor around n bytes, on one line. */
static void armor_of(const uint8_t *blob, size_t n, char out[SEAL_ARMOR_MAX])
{
    char *p = stpcpy(out, BEGIN);
    for (size_t i = 0; i < n; i += 3) {
        uint32_t v = (uint32_t)blob[i] << 16;
        v |= i + 1 < n ? (uint32_t)blob[i + 1] << 8 : 0;
        v |= i + 2 < n ? blob[i + 2] : 0;
        *p++ = alphabet[v >> 18];
        *p++ = alphabet[v >> 12 & 63];
        *p++ = i + 1 < n ? alphabet[v >> 6 & 63] : '=';
        *p++ = i + 2 < n ? alphabet[v & 63] : '=';
    }
    strcpy(p, END "\n");
}

static void test_known_key(void **state)
{
    (void)state;
    struct seal_key k = known_key();
    struct seal_public p;
    char line[SEAL_LINE_BYTES];
    char id[SEAL_ID_BYTES];
    assert_string_equal(k.id, KEY_ID);
    seal_public_line(&k.pub, line);
    assert_string_equal(line, LINE);
    seal_key_id(&k.pub, id);
    assert_string_equal(id, KEY_ID);
    static const char *const good[] = {LINE, LINE " me@host", LINE "\n", LINE " a b\r\n", LINE " "};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        memset(&p, 0, sizeof p);
        assert_int_equal(seal_public_parse(good[i], &p, NULL), ERR_OK);
        assert_memory_equal(p.b, k.pub.b, sizeof p.b);
    }
    seal_key_clear(&k);
    static const struct seal_key empty;
    assert_memory_equal(&k, &empty, sizeof k);
    seal_key_clear(NULL);
}

static void test_public_lines_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        " " LINE,
        LINE "=",
        LINE "A",
        LINE "\n\n",
        LINE "\nssh-ed25519 AAAA",
        "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVT",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE4AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAHwOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3ch\x6D\xAF\xAC\xA9"
        "\xA8G4", /* libsodium alone would take these for letters */
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAOhB7_zzhC-HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct seal_public p = {{42}};
        if (seal_public_parse(bad[i], &p, NULL) != ERR_INVALID || p.b[0] != 42)
            fail_msg("\"%s\" was accepted", bad[i]);
    }
}

static void test_known_signature(void **state)
{
    (void)state;
    struct seal_key k = known_key();
    char armor[SEAL_ARMOR_MAX];
    char joined[SEAL_ARMOR_MAX] = "";
    seal_sign(&k, "file", "hello\n", 6, armor);
    assert_int_equal(strncmp(armor, BEGIN, strlen(BEGIN)), 0);
    char *save = NULL;
    CLEANUP(mem_free_ptr) char *copy = mem_strdup(armor);
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        assert_true(strlen(line) <= 70);
        if (*line != '-')
            strcat(joined, line);
    }
    assert_string_equal(joined, BLOB);
    struct seal_public by;
    assert_int_equal(seal_verify(armor, "file", "hello\n", 6, &by, NULL), ERR_OK);
    assert_memory_equal(by.b, k.pub.b, sizeof by.b);
    assert_int_equal(seal_verify(armor, "file", "hellO\n", 6, &by, NULL), ERR_CORRUPT);
    assert_int_equal(seal_verify(armor, "file", "hello\n", 5, &by, NULL), ERR_CORRUPT);
    assert_int_equal(seal_verify(armor, "git", "hello\n", 6, &by, NULL), ERR_CORRUPT);
    assert_int_equal(seal_verify(armor, "", "hello\n", 6, &by, NULL), ERR_CORRUPT);
}

static void test_sizes_and_namespaces(void **state)
{
    (void)state;
    struct seal_key k;
    seal_key_generate(&k);
    char ns[256];
    char armor[SEAL_ARMOR_MAX];
    struct seal_public by;
    static const uint8_t message[3000] = {1, 2, 3};
    for (size_t n = 1; n < sizeof ns; n++) {
        memset(ns, 'n', n);
        ns[n] = '\0';
        seal_sign(&k, ns, message, n * 11, armor);
        assert_true(strlen(armor) < SEAL_ARMOR_MAX);
        assert_int_equal(seal_verify(armor, ns, message, n * 11, &by, NULL), ERR_OK);
        assert_memory_equal(by.b, k.pub.b, sizeof by.b);
    }
}

/* No single changed bit of a signature may pass. */
static void test_every_bit_counts(void **state)
{
    (void)state;
    uint8_t blob[BLOB_BYTES];
    char armor[SEAL_ARMOR_MAX];
    struct seal_public by;
    assert_int_equal(base64_decode(BLOB, blob), BLOB_BYTES);
    armor_of(blob, sizeof blob, armor);
    assert_int_equal(seal_verify(armor, "file", "hello\n", 6, &by, NULL), ERR_OK);
    for (size_t bit = 0; bit < 8 * sizeof blob; bit++) {
        blob[bit / 8] ^= (uint8_t)(1U << bit % 8);
        armor_of(blob, sizeof blob, armor);
        if (seal_verify(armor, "file", "hello\n", 6, &by, NULL) == ERR_OK)
            fail_msg("bit %zu", bit);
        blob[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t n = 0; n < sizeof blob; n++) {
        armor_of(blob, n, armor);
        assert_int_equal(seal_verify(armor, "file", "hello\n", 6, &by, NULL), ERR_INVALID);
    }
}

/* Bytes inserted at `at`, with the lengths that enclose it raised: all but the innermost format
 * rule is kept. */
static void test_nothing_may_be_left_over(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        size_t lengths[2]; /* offsets of the low bytes of length fields to raise; 0: none */
    } cases[] = {
        {174, {0, 0}},    /* after the whole */
        {174, {94, 0}},   /* after the inner signature */
        {174, {94, 113}}, /* signature of 65 bytes */
        {65, {13, 0}},    /* after the key inside its blob */
        {65, {13, 32}},   /* key of 33 bytes */
    };
    uint8_t blob[BLOB_BYTES + 1];
    char armor[SEAL_ARMOR_MAX];
    struct seal_public by;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        base64_decode(BLOB, blob);
        memmove(blob + cases[i].at + 1, blob + cases[i].at, BLOB_BYTES - cases[i].at);
        blob[cases[i].at] = 0;
        for (size_t l = 0; l < 2; l++)
            if (cases[i].lengths[l])
                blob[cases[i].lengths[l]]++;
        armor_of(blob, sizeof blob, armor);
        struct err e;
        assert_int_equal(seal_verify(armor, "file", "hello\n", 6, &by, &e), ERR_INVALID);
    }
}

static void test_armor_is_strict(void **state)
{
    (void)state;
    static const struct {
        const char *armor;
        int rc;
    } cases[] = {
        {BEGIN BLOB END "\n", ERR_OK},
        {BEGIN BLOB END, ERR_OK},
        {"", ERR_INVALID},
        {BLOB, ERR_INVALID},
        {BEGIN, ERR_INVALID},
        {BEGIN END, ERR_INVALID},
        {BEGIN "\n" BLOB END, ERR_INVALID},
        {BEGIN BLOB "\n" END, ERR_INVALID},
        {BEGIN BLOB END "\n\n", ERR_INVALID},
        {BEGIN BLOB END "x", ERR_INVALID},
        {"\n" BEGIN BLOB END, ERR_INVALID},
        {BEGIN BLOB " " END, ERR_INVALID},
        {BEGIN BLOB "\r" END, ERR_INVALID},
        {BEGIN BLOB "=" END, ERR_INVALID},
        {BEGIN BLOB "AA==" END, ERR_INVALID}, /* one byte more */
        {BEGIN "U1NIU0lH" END, ERR_INVALID},
        {BEGIN BLOB "\n-----END SSH SIGNATURE----", ERR_INVALID},
    };
    struct seal_public by;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (seal_verify(cases[i].armor, "file", "hello\n", 6, &by, NULL) != cases[i].rc)
            fail_msg("case %zu", i);
    CLEANUP(mem_free_ptr) char *huge = mem_alloc(1 << 20);
    memset(huge, 'A', (1 << 20) - 1);
    memcpy(huge, BEGIN, strlen(BEGIN));
    memcpy(huge + (1 << 20) - 1 - strlen(END), END, strlen(END));
    assert_int_equal(seal_verify(huge, "file", "hello\n", 6, &by, NULL), ERR_INVALID);
}

static void test_random_and_hash(void **state)
{
    (void)state;
    uint8_t a[32] = {0};
    uint8_t b[32] = {0};
    seal_random(a, sizeof a);
    seal_random(b, sizeof b);
    assert_memory_not_equal(a, b, sizeof a);
    char id[41];
    bool seen[256] = {false};
    size_t n_seen = 0;
    for (int i = 0; i < 200; i++) {
        seal_random_base62(id, 40);
        assert_int_equal(strlen(id), 40);
        for (const char *p = id; *p; p++) {
            n_seen += !seen[(unsigned char)*p];
            seen[(unsigned char)*p] = true;
        }
    }
    assert_int_equal(n_seen, 62); /* of 8000 letters, one missing has odds below 1e-50 */
    uint8_t h1[32];
    uint8_t h2[32];
    seal_token_hash("token", a, h1);
    seal_token_hash("token", a, h2);
    assert_true(seal_equal(h1, h2, 32));
    seal_token_hash("tokem", a, h2);
    assert_false(seal_equal(h1, h2, 32));
    seal_token_hash("token", b, h2);
    assert_false(seal_equal(h1, h2, 32));
    /* BLAKE2b-256 of "abc" under the key 00..1f; from Python's hashlib. */
    static const uint8_t want[32] = {0xd6, 0x3a, 0x32, 0xd3, 0xe4, 0x47, 0x38, 0xd7,
                                     0x90, 0x7f, 0x96, 0x43, 0x16, 0xc2, 0x41, 0xad,
                                     0xab, 0xa0, 0xab, 0xfe, 0xab, 0xc3, 0x23, 0x49,
                                     0x67, 0x75, 0x78, 0xa1, 0x5a, 0x20, 0x3f, 0x7f};
    for (size_t i = 0; i < 32; i++)
        a[i] = (uint8_t)i;
    seal_token_hash("abc", a, h1);
    assert_memory_equal(h1, want, 32);
}

static int start(void **state)
{
    (void)state;
    struct err e;
    return seal_init(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_key),        cmocka_unit_test(test_public_lines_refused),
        cmocka_unit_test(test_known_signature),  cmocka_unit_test(test_sizes_and_namespaces),
        cmocka_unit_test(test_every_bit_counts), cmocka_unit_test(test_nothing_may_be_left_over),
        cmocka_unit_test(test_armor_is_strict),  cmocka_unit_test(test_random_and_hash),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
