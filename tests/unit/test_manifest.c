/* The two signed documents: reading, refusing, writing, and equal bytes after a round trip. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "manifest.h"

#define A "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define B "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define FILE_OF(path) "{\"path\":\"" path "\",\"sha256\":\"" A "\",\"size\":1}"
#define FILES(list) "{\"files\":[" list "],\"format\":\"onnx\"}"

static json_t *parse(const char *text)
{
    struct err e;
    json_t *j = NULL;
    if (json_parse(text, strlen(text), JSON_MAX_DEPTH, &j, &e) != ERR_OK)
        fail_msg("%s: %s", text, e.message);
    return j;
}

static void test_read_sorts_and_sums(void **state)
{
    (void)state;
    struct arena a;
    struct manifest m;
    arena_init(&a);
    CLEANUP(json_decref_ptr)
    json_t *j = parse("{\"format\":\"sklearn-joblib\",\"files\":["
                      "{\"path\":\"z\",\"sha256\":\"sha256:" A "\",\"size\":0},"
                      "{\"path\":\"a/b\",\"sha256\":\"" B "\",\"size\":10},"
                      "{\"path\":\"a-b\",\"sha256\":\"" B "\",\"size\":9007199254740981}]}");
    assert_int_equal(manifest_from_json(j, "", &a, &m, NULL), ERR_OK);
    assert_int_equal(m.n_files, 3);
    assert_string_equal(m.files[0].path, "a-b");
    assert_string_equal(m.files[1].path, "a/b");
    assert_string_equal(m.files[2].path, "z");
    assert_int_equal(m.files[1].size, 10);
    assert_int_equal(m.total_bytes, JSON_MAX_INT);
    assert_string_equal(m.format, "sklearn-joblib");
    char hex[DIGEST_HEX_BYTES];
    assert_string_equal(digest_hex(&m.files[2].sha256, hex), A);
    arena_clear(&a);
}

/* The bytes are a contract: they are hashed, signed and kept in git. */
static void test_write_is_byte_exact(void **state)
{
    (void)state;
    static const char want[] = "{\n"
                               "  \"files\": [\n"
                               "    {\n"
                               "      \"path\": \"a\",\n"
                               "      \"sha256\": \"" B "\",\n"
                               "      \"size\": 0\n"
                               "    },\n"
                               "    {\n"
                               "      \"path\": \"b/\xC3\xA9\",\n"
                               "      \"sha256\": \"" A "\",\n"
                               "      \"size\": 3\n"
                               "    }\n"
                               "  ],\n"
                               "  \"format\": \"unknown\",\n"
                               "  \"kind\": \"mreg.manifest\",\n"
                               "  \"schema\": 1\n"
                               "}\n";
    struct arena a;
    struct manifest m;
    struct manifest again;
    struct digest d;
    struct digest of_bytes;
    CLEANUP(buf_clear) struct buf out;
    CLEANUP(buf_clear) struct buf second;
    arena_init(&a);
    buf_init(&out, MANIFEST_MAX_BYTES);
    buf_init(&second, MANIFEST_MAX_BYTES);
    CLEANUP(json_decref_ptr)
    json_t *j = parse("{\"files\":[{\"path\":\"b/\xC3\xA9\",\"size\":3,\"sha256\":\"" A "\"},"
                      "{\"path\":\"a\",\"size\":0,\"sha256\":\"" B "\"}]}");
    assert_int_equal(manifest_from_json(j, "", &a, &m, NULL), ERR_OK);
    assert_int_equal(manifest_write(&m, &out, &d, NULL), ERR_OK);
    assert_string_equal(buf_str(&out), want);
    digest_of(want, sizeof want - 1, &of_bytes);
    assert_true(digest_equal(&d, &of_bytes));

    CLEANUP(json_decref_ptr) json_t *stored = parse(want);
    assert_int_equal(manifest_from_json(stored, "", &a, &again, NULL), ERR_OK);
    buf_puts(&second, "before");
    assert_int_equal(manifest_write(&again, &second, &d, NULL), ERR_OK);
    assert_string_equal(buf_str(&second) + 6, want);
    assert_true(digest_equal(&d, &of_bytes)); /* of the document, not of what was before it */
    arena_clear(&a);
}

static void test_read_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *pointer;
    } cases[] = {
        {"[]", "/m"},
        {"{}", "/m/files"},
        {"{\"files\":[]}", "/m/files"},
        {"{\"files\":{}}", "/m/files"},
        {"{\"file\":[]}", "/m/file"},
        {"{\"files\":[" FILE_OF("a") "],\"kind\":\"mreg.statement\"}", "/m/kind"},
        {"{\"files\":[" FILE_OF("a") "],\"schema\":2}", "/m/schema"},
        {"{\"files\":[" FILE_OF("a") "],\"format\":\"\"}", "/m/format"},
        {"{\"files\":[" FILE_OF("a") "],\"format\":\"Onnx\"}", "/m/format"},
        {"{\"files\":[" FILE_OF("a") "],\"format\":\"a b\"}", "/m/format"},
        {"{\"files\":[" FILE_OF("a") "],\"format\":7}", "/m/format"},
        {FILES("7"), "/m/files/0"},
        {FILES(FILE_OF("a") ",{\"path\":\"b\",\"size\":1}"), "/m/files/1/sha256"},
        {FILES("{\"path\":\"b\",\"size\":1,\"sha256\":\"\"}"), "/m/files/0/sha256"},
        {FILES("{\"path\":\"b\",\"size\":-1,\"sha256\":\"" A "\"}"), "/m/files/0/size"},
        {FILES("{\"path\":\"b\",\"size\":1.0,\"sha256\":\"" A "\"}"), "/m/files/0/size"},
        {FILES("{\"path\":\"b\",\"size\":9007199254740992,\"sha256\":\"" A "\"}"),
         "/m/files/0/size"},
        {FILES("{\"path\":\"b\",\"size\":9007199254740991,\"sha256\":\"" A "\"}," FILE_OF("c")),
         "/m/files/1/size"},
        {FILES("{\"path\":\"b\",\"size\":1,\"sha256\":\"" A "\",\"mode\":1}"), "/m/files/0/mode"},
        {FILES(FILE_OF("../x")), "/m/files/0/path"},
        {FILES(FILE_OF("a\\\\b")), "/m/files/0/path"},
        {FILES(FILE_OF("")), "/m/files/0/path"},
        {FILES(FILE_OF("a") "," FILE_OF("a")), "/m/files/1"},
        {FILES(FILE_OF("x") "," FILE_OF("Model.ONNX") "," FILE_OF("model.onnx")), "/m/files/2"},
        {FILES(FILE_OF("a/b") "," FILE_OF("a-b") "," FILE_OF("a")), "/m/files/0"},
        {FILES(FILE_OF("A") "," FILE_OF("a!") "," FILE_OF("a/b/c")), "/m/files/2"},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_decref_ptr) json_t *j = parse(cases[i].json);
        struct manifest m = {.n_files = 42};
        struct err e;
        if (manifest_from_json(j, "/m", &a, &m, &e) != ERR_INVALID)
            fail_msg("accepted: %s", cases[i].json);
        assert_string_equal(e.pointer, cases[i].pointer);
        assert_int_equal(m.n_files, 42);
        assert_int_equal(manifest_from_json(j, "/m", &a, &m, NULL), ERR_INVALID);
    }
    arena_clear(&a);
}

/* Names that look alike but are no collision. */
static void test_no_false_collisions(void **state)
{
    (void)state;
    struct arena a;
    struct manifest m;
    arena_init(&a);
    CLEANUP(json_decref_ptr)
    json_t *j = parse(FILES(FILE_OF("a/b") "," FILE_OF("a-b") "," FILE_OF("ab") "," FILE_OF(
        "a.b") "," FILE_OF("a/c/b") "," FILE_OF("\xC3\xA4") "," FILE_OF("\xC3\x84")));
    assert_int_equal(manifest_from_json(j, "", &a, &m, NULL), ERR_OK);
    arena_clear(&a);
}

/* A manifest of n files with paths of two parts of path_bytes each. Caller frees. */
static json_t *many_files(size_t n, int path_bytes)
{
    json_t *files = json_array();
    for (size_t i = 0; i < n; i++) {
        char path[600];
        snprintf(path, sizeof path, "d%0*zu/%0*zu", path_bytes, i % 7, path_bytes, i);
        json_array_append_new(
            files, json_pack("{s:s,s:s,s:i}", "path", path, "sha256", A, "size", (int)i));
    }
    return json_pack("{s:o}", "files", files);
}

static void test_limits(void **state)
{
    (void)state;
    struct arena a;
    struct manifest m;
    CLEANUP(buf_clear) struct buf out;
    arena_init(&a);
    buf_init(&out, 2 * MANIFEST_MAX_BYTES);
    CLEANUP(json_decref_ptr) json_t *most = many_files(MANIFEST_MAX_FILES, 20);
    assert_int_equal(manifest_from_json(most, "", &a, &m, NULL), ERR_OK);
    assert_int_equal(m.n_files, MANIFEST_MAX_FILES);
    for (size_t i = 1; i < m.n_files; i++)
        assert_true(strcmp(m.files[i - 1].path, m.files[i].path) < 0);
    assert_int_equal(manifest_write(&m, &out, NULL, NULL), ERR_OK);
    CLEANUP(json_decref_ptr) json_t *too_many = many_files(MANIFEST_MAX_FILES + 1, 20);
    assert_int_equal(manifest_from_json(too_many, "", &a, &m, NULL), ERR_INVALID);
    CLEANUP(json_decref_ptr) json_t *too_long = many_files(MANIFEST_MAX_FILES, 250);
    assert_int_equal(manifest_from_json(too_long, "", &a, &m, NULL), ERR_OK);
    buf_reset(&out);
    buf_puts(&out, "before");
    assert_int_equal(manifest_write(&m, &out, NULL, NULL), ERR_TOO_LARGE);
    assert_string_equal(buf_str(&out), "before");
    arena_clear(&a);
}

static void test_pairs(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        const char *value; /* of the first pair in key order; NULL: refused */
        bool decimals;
    } cases[] = {
        {"{\"b\":\"x\",\"a\":\"\"}", "", false},
        {"{\"a\":\"0.93\"}", "0.93", true},
        {"{\"a\":\"-1.50e-07\"}", "-1.50e-07", true},
        {"{\"a\":7}", "7", true},
        {"{\"a\":0.93}", "0.93", true},
        {"{\"a\":0.1}", "0.1", true},
        {"{\"a\":1e100}", "1e+100", true},
        {"{\"a\":0.30000000000000004}", "0.30000000000000004", true},
        {"{\"a/b\":\"0\"}", "0", true},
        {"[]", NULL, false},
        {"{\"\":\"x\"}", NULL, false},
        {"{\"a\\n\":\"x\"}", NULL, false},
        {"{\"a\":7}", NULL, false},
        {"{\"a\":null}", NULL, false},
        {"{\"a\":{}}", NULL, true},
        {"{\"a\":true}", NULL, true},
        {"{\"a\":\"\"}", NULL, true},
        {"{\"a\":\"-\"}", NULL, true},
        {"{\"a\":\"01\"}", NULL, true},
        {"{\"a\":\"+1\"}", NULL, true},
        {"{\"a\":\".5\"}", NULL, true},
        {"{\"a\":\"5.\"}", NULL, true},
        {"{\"a\":\"1e\"}", NULL, true},
        {"{\"a\":\"0x10\"}", NULL, true},
        {"{\"a\":\"NaN\"}", NULL, true},
        {"{\"a\":\"inf\"}", NULL, true},
        {"{\"a\":\"1e999\"}", NULL, true},
        {"{\"a\":\"1 \"}", NULL, true},
        {"{\"a\":\"0.00000000000000000000000000000000000000000000000000000000000000001\"}", NULL,
         true},
    };
    struct arena a;
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_decref_ptr) json_t *j = parse(cases[i].json);
        struct pairs p = {0};
        struct err e;
        int rc = pairs_from_json(j, "/metrics", cases[i].decimals, &a, &p, &e);
        if (rc != (cases[i].value ? ERR_OK : ERR_INVALID))
            fail_msg("%s: %d", cases[i].json, rc);
        if (cases[i].value)
            assert_string_equal(p.items[0].value, cases[i].value);
        else
            assert_int_equal(strncmp(e.pointer, "/metrics", 8), 0);
    }
    struct pairs p = {NULL, 42};
    assert_int_equal(pairs_from_json(NULL, "", true, &a, &p, NULL), ERR_OK);
    assert_int_equal(p.n, 0);
    arena_clear(&a);
}

static void test_pairs_limits(void **state)
{
    (void)state;
    struct arena a;
    struct pairs p;
    char text[4098];
    arena_init(&a);
    memset(text, 'x', sizeof text);
    CLEANUP(json_decref_ptr) json_t *j = json_object();
    json_object_set_new(j, "k", json_stringn(text, 4096));
    assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_OK);
    json_object_set_new(j, "k", json_stringn(text, 4097));
    assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_INVALID);
    json_object_clear(j);
    text[128] = '\0';
    json_object_set_new(j, text, json_string(""));
    assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_OK);
    text[128] = 'x';
    text[129] = '\0';
    json_object_set_new(j, text, json_string(""));
    assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_INVALID);
    json_object_clear(j);
    for (int i = 0; i <= 256; i++) {
        snprintf(text, sizeof text, "%d", i);
        assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_OK);
        assert_int_equal(p.n, i);
        json_object_set_new(j, text, json_string(text));
    }
    assert_int_equal(pairs_from_json(j, "", false, &a, &p, NULL), ERR_INVALID);
    arena_clear(&a);
}

static const char statement_text[] = "{\n"
                                     "  \"content\": \"sha256:" A "\",\n"
                                     "  \"created\": \"2026-11-21T03:23:29.123Z\",\n"
                                     "  \"format\": \"onnx\",\n"
                                     "  \"kind\": \"mreg.statement\",\n"
                                     "  \"lineage\": {\n"
                                     "    \"commit\": \"abc\",\n"
                                     "    \"data\": \"s3://x\"\n"
                                     "  },\n"
                                     "  \"metrics\": {\n"
                                     "    \"auc\": \"0.93\"\n"
                                     "  },\n"
                                     "  \"model\": \"team/fraud\",\n"
                                     "  \"params\": {},\n"
                                     "  \"publisher\": \"t-1\",\n"
                                     "  \"registry\": \"r-1\",\n"
                                     "  \"schema\": 1,\n"
                                     "  \"version\": 7\n"
                                     "}\n";

static void test_statement_is_byte_exact(void **state)
{
    (void)state;
    struct arena a;
    struct statement s;
    struct digest d;
    struct digest of_bytes;
    CLEANUP(buf_clear) struct buf out;
    arena_init(&a);
    buf_init(&out, 10000);
    CLEANUP(json_decref_ptr) json_t *j = parse(statement_text);
    assert_int_equal(statement_from_json(j, &a, &s, NULL), ERR_OK);
    assert_string_equal(s.registry, "r-1");
    assert_string_equal(s.model, "team/fraud");
    assert_string_equal(s.publisher, "t-1");
    assert_string_equal(s.format, "onnx");
    assert_int_equal(s.version, 7);
    assert_int_equal(s.created_ms, 1795231409123);
    assert_int_equal(s.lineage.n, 2);
    assert_string_equal(s.lineage.items[1].key, "data");
    assert_int_equal(statement_write(&s, &out, &d, NULL), ERR_OK);
    assert_string_equal(buf_str(&out), statement_text);
    digest_of(statement_text, strlen(statement_text), &of_bytes);
    assert_true(digest_equal(&d, &of_bytes));
    arena_clear(&a);
}

/* Every member is needed, and none may have another type or a value out of bounds. */
static void test_statement_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        const char *value; /* JSON */
    } cases[] = {
        {"content", "\"" A "\""},
        {"content", "\"sha256:abc\""},
        {"created", "\"2026-11-21T03:23:29.123+00:00\""},
        {"created", "\"2026-11-21\""},
        {"created", "\"x\""},
        {"format", "\"A\""},
        {"kind", "\"mreg.manifest\""},
        {"lineage", "[]"},
        {"metrics", "{\"auc\":\"high\"}"},
        {"model", "\"a/b/c\""},
        {"model", "\"\""},
        {"params", "{\"a\":1}"},
        {"publisher", "\"\""},
        {"registry", "7"},
        {"schema", "2"},
        {"version", "0"},
        {"version", "\"7\""},
        {"extra", "1"},
    };
    struct arena a;
    struct statement s = {.version = 42};
    arena_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(json_decref_ptr) json_t *j = parse(statement_text);
        json_object_set_new(j, cases[i].key, parse(cases[i].value));
        struct err e;
        if (statement_from_json(j, &a, &s, &e) != ERR_INVALID)
            fail_msg("accepted: %s = %s", cases[i].key, cases[i].value);
        assert_int_equal(strncmp(e.pointer + 1, cases[i].key, strlen(cases[i].key)), 0);
    }
    CLEANUP(json_decref_ptr) json_t *whole = parse(statement_text);
    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(whole, key, value)
    {
        CLEANUP(json_decref_ptr) json_t *j = json_copy(whole);
        json_object_del(j, key);
        assert_int_equal(statement_from_json(j, &a, &s, NULL), ERR_INVALID);
    }
    assert_int_equal(s.version, 42);
    arena_clear(&a);
}

static void test_write_refuses_what_json_cannot_hold(void **state)
{
    (void)state;
    struct pair bad_pair = {"k", "\xFF"};
    struct pair good_pair = {"k", "v"};
    struct statement s = {.registry = "r", .model = "m", .publisher = "p", .format = "f"};
    CLEANUP(buf_clear) struct buf out;
    buf_init(&out, 10000);
    s.params = (struct pairs){&good_pair, 1};
    assert_int_equal(statement_write(&s, &out, NULL, NULL), ERR_OK);
    s.metrics = (struct pairs){&bad_pair, 1};
    assert_int_equal(statement_write(&s, &out, NULL, NULL), ERR_INVALID);
    s.metrics.n = 0;
    s.model = "\xFF";
    assert_int_equal(statement_write(&s, &out, NULL, NULL), ERR_INVALID);
    s.model = NULL;
    assert_int_equal(statement_write(&s, &out, NULL, NULL), ERR_INVALID);
    struct manifest_file f = {.path = "\xFF"};
    struct manifest m = {&f, 1, "f", 0};
    assert_int_equal(manifest_write(&m, &out, NULL, NULL), ERR_INVALID);
    f.path = "ok";
    f.size = INT64_MAX;
    assert_int_equal(manifest_write(&m, &out, NULL, NULL), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_sorts_and_sums),
        cmocka_unit_test(test_write_is_byte_exact),
        cmocka_unit_test(test_read_refuses),
        cmocka_unit_test(test_no_false_collisions),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_pairs_limits),
        cmocka_unit_test(test_statement_is_byte_exact),
        cmocka_unit_test(test_statement_refuses),
        cmocka_unit_test(test_write_refuses_what_json_cannot_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
