/* Signatures: no input but the one that seal_sign made may verify, and public lines that parse must
 * print as what was parsed. The first byte chooses between raw text and a mutated good armor. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "seal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* The good armor with pairs (position, xor) of bytes applied. */
static void mutate(char armor[SEAL_ARMOR_MAX], const uint8_t *data, size_t size)
{
    size_t n = strlen(armor);
    for (size_t i = 0; i + 2 < size; i += 3)
        armor[((size_t)data[i] << 8 | data[i + 1]) % n] ^= (char)(data[i + 2] & 0x7F);
}

static void check_armor(const uint8_t *data, size_t size)
{
    static const uint8_t seed[SEAL_SEED_BYTES] = {1};
    struct seal_key k;
    struct seal_public by;
    char good[SEAL_ARMOR_MAX];
    char armor[SEAL_ARMOR_MAX];
    seal_key_from_seed(&k, seed);
    seal_sign(&k, "file", "message", 7, good);
    memcpy(armor, good, sizeof armor);
    mutate(armor, data, size);
    if (seal_verify(armor, "file", "message", 7, &by, NULL) != ERR_OK)
        return;
    must(memcmp(by.b, k.pub.b, sizeof by.b) == 0);
    /* Only line breaks carry no meaning. */
    const char *p = armor;
    for (const char *q = good; *q || *p;) {
        p += *p == '\n';
        q += *q == '\n';
        must(*p == *q);
        p += *p != '\0';
        q += *q != '\0';
    }
}

static void check_text(const uint8_t *data, size_t size)
{
    CLEANUP(mem_free_ptr) char *text = mem_alloc(size + 1);
    if (size)
        memcpy(text, data, size);
    struct seal_public p;
    char line[SEAL_LINE_BYTES];
    struct err e;
    int rc = seal_verify(text, "file", "message", 7, &p, &e);
    must(rc == ERR_OK || rc == ERR_INVALID || rc == ERR_CORRUPT);
    if (seal_public_parse(text, &p, &e) != ERR_OK)
        return;
    seal_public_line(&p, line);
    must(strncmp(text, line, strlen(line)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err e;
    if (seal_init(&e) != ERR_OK || size == 0)
        return 0;
    if (data[0] & 1)
        check_armor(data + 1, size - 1);
    else
        check_text(data + 1, size - 1);
    return 0;
}
