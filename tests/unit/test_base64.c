/* base64: the vectors of RFC 4648, and texts that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "base64.h"

static const struct {
    const char *plain, *standard, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void round_trips(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        size_t n = strlen(vectors[i].plain);
        const char *texts[] = {vectors[i].standard, vectors[i].url};
        for (int kind = 0; kind < 2; kind++) {
            char *out = NULL;
            size_t length = 0;
            struct err e;
            assert_string_equal(base64_encode((enum base64_kind)kind, vectors[i].plain, n, &a),
                                texts[kind]);
            assert_int_equal(base64_decode((enum base64_kind)kind, texts[kind], strlen(texts[kind]),
                                           &a, &out, &length, &e),
                             ERR_OK);
            assert_int_equal(length, n);
            assert_memory_equal(out, vectors[i].plain, n);
        }
    }
    arena_clear(&a);
}

static void refuses(void **state)
{
    (void)state;
    static const struct {
        enum base64_kind kind;
        const char *text;
    } bad[] = {
        {BASE64_STANDARD, "Zg"},   {BASE64_STANDARD, "Zg=a"}, {BASE64_STANDARD, "Zh=="},
        {BASE64_STANDARD, "Zm9="}, {BASE64_STANDARD, "===="}, {BASE64_STANDARD, "-__-"},
        {BASE64_STANDARD, "Zm 9"}, {BASE64_URL, "Zg=="},      {BASE64_URL, "Z"},
        {BASE64_URL, "+//+"},      {BASE64_URL, "Zh"},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        char *out = NULL;
        size_t length = 0;
        struct err e;
        if (base64_decode(bad[i].kind, bad[i].text, strlen(bad[i].text), &a, &out, &length, &e) !=
            ERR_INVALID)
            fail_msg("%s was taken", bad[i].text);
    }
    arena_clear(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
