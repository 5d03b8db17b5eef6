/* Tokens, keys and the issuer's description: nothing but the token that was signed may verify, and
 * no text may crash. The first byte chooses what the rest is. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "jwt.h"
#include "openid.h"
#include "seal.h"

#define GOOD                                                                                     \
    "eyJhbGciOiJFUzI1NiJ9."                                                                      \
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0c"  \
    "nVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU" \
    "1Q"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *good_key(void)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "kty", "EC", "crv", "P-256", "x",
                     "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y",
                     "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
}

/* The good token with pairs (position, xor) of bytes applied: only itself verifies. ECDSA has a
 * second signature of the same text, so only the signed part is compared. */
static void check_mutated(const uint8_t *data, size_t size)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct jwt t CLEANUP(jwt_clear) = {0};
    json_t *key CLEANUP(json_decref_ptr) = good_key();
    char text[] = GOOD;
    for (size_t i = 0; i + 2 < size; i += 3)
        text[((size_t)data[i] << 8 | data[i + 1]) % (sizeof text - 1)] ^=
            (char)(data[i + 2] & 0x7F);
    if (jwt_parse(text, &a, &t, NULL) == ERR_OK && jwt_verify(&t, key, NULL) == ERR_OK &&
        memcmp(text, GOOD, t.n_signed) != 0)
        abort();
}

static void check_text(const char *text)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct jwt t CLEANUP(jwt_clear) = {0};
    struct jwt_expect want = {"i", "a", "n", 0};
    json_t *key CLEANUP(json_decref_ptr) = good_key();
    if (jwt_parse(text, &a, &t, NULL) != ERR_OK)
        return;
    if (jwt_check(t.claims, &want, NULL) == ERR_OK && !json_object_get(t.claims, "exp"))
        abort();
    if (jwt_verify(&t, key, NULL) == ERR_OK && strncmp(text, GOOD, t.n_signed) != 0)
        abort();
}

static void check_documents(const char *text, size_t size)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct jwt t CLEANUP(jwt_clear) = {0};
    struct openid_issuer o;
    char name[OPENID_NAME_BYTES];
    char word[64];
    json_t *set CLEANUP(json_decref_ptr) = NULL;
    if (openid_read_issuer(text, size, "https://i", &a, &o, NULL) == ERR_OK &&
        (!openid_url_ok(o.authorize) || !openid_url_ok(o.token) || !openid_url_ok(o.keys)))
        abort();
    openid_error(text, size, word);
    if (json_parse(text, size, 16, &set, NULL) != ERR_OK)
        return;
    openid_user_name(set, "email", name);
    if (jwt_parse(GOOD, &a, &t, NULL) != ERR_OK)
        abort();
    if (jwt_verify_set(&t, set, NULL) == ERR_OK && !strstr(text, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8"))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t key[32] = {7};
    struct openid_ticket ticket;
    if (seal_init(NULL) != ERR_OK || size == 0)
        return 0;
    CLEANUP(mem_free_ptr) char *text = mem_alloc(size);
    memcpy(text, data + 1, size - 1);
    if (data[0] % 4 == 0)
        check_mutated(data + 1, size - 1);
    else if (data[0] % 4 == 1)
        check_text(text);
    else if (data[0] % 4 == 2)
        check_documents(text, size - 1);
    else if (openid_ticket_read(key, text, 0, &ticket, NULL) == ERR_OK)
        abort();
    return 0;
}
