/* Names, references, paths, folder names, globs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "name.h"

#define TEXT "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

/* n times 'a' in a buffer that is good until the next call. */
static const char *letters(size_t n)
{
    static char text[2048];
    memset(text, 'a', n);
    text[n] = '\0';
    return text;
}

static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_name;
        bool is_model;
    } cases[] = {
        {"fraud", true, true},
        {"Fraud 2 (old)", true, true},
        {"Betr\xC3\xBCger", true, true},
        {"\xF0\x9F\x98\x80", true, true},
        {".git", true, true},
        {"...", true, true},
        {"-", true, true},
        {"", false, false},
        {".", false, false},
        {"..", false, false},
        {"a:b", false, false},
        {"a@b", false, false},
        {"a\nb", false, false},
        {"a\x7F", false, false},
        {"a\xC2\x85", false, false}, /* U+0085, a control character */
        {"a\xC2\xA0", true, true},   /* U+00A0 is none */
        {"\xFF", false, false},
        {"\xC3", false, false},
        {"\xC0\xAF", false, false},
        {"team/fraud", false, true},
        {"/fraud", false, false},
        {"team/", false, false},
        {"a/b/c", false, false},
        {"../x", false, false},
        {"x/..", false, false},
        {"/", false, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int want_name = cases[i].is_name ? ERR_OK : ERR_INVALID;
        int want_model = cases[i].is_model ? ERR_OK : ERR_INVALID;
        if (name_check("node", cases[i].name, NULL) != want_name ||
            name_check_model(cases[i].name, NULL) != want_model)
            fail_msg("case %zu: \"%s\"", i, cases[i].name);
    }
    assert_int_equal(name_check("node", letters(255), NULL), ERR_OK);
    assert_int_equal(name_check("node", letters(256), NULL), ERR_INVALID);
    assert_int_equal(name_check_model(letters(255), NULL), ERR_OK);
    assert_int_equal(name_check_model(letters(256), NULL), ERR_INVALID);
    struct err e;
    assert_int_equal(name_check("node", "a:b", &e), ERR_INVALID);
    assert_string_equal(e.message, "node name \"a:b\" must not contain ':'");
}

/* A namespace does not make names longer: the whole is 255 bytes at most. */
static void test_model_name_with_namespace_is_bounded(void **state)
{
    (void)state;
    char name[300];
    snprintf(name, sizeof name, "team/%.280s", letters(250));
    assert_int_equal(name_check_model(name, NULL), ERR_OK);
    snprintf(name, sizeof name, "team/%.280s", letters(251));
    assert_int_equal(name_check_model(name, NULL), ERR_INVALID);
}

static void test_aliases(void **state)
{
    (void)state;
    static const char *const good[] = {"champion", "v7", "7a", "Latest", "latest2"};
    static const char *const bad[] = {"7", "007", "latest", TEXT, "sha256:", "", "a/b", "@{x}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_int_equal(name_check_alias(good[i], NULL), ERR_OK);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(name_check_alias(bad[i], NULL), ERR_INVALID);
}

static void test_served(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "7up", "-a", "a_b", "A", "a.b", "a/b", "\xC3\xA9"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(name_check_served(bad[i], NULL), ERR_INVALID);
    assert_int_equal(name_check_served("a", NULL), ERR_OK);
    assert_int_equal(name_check_served("fraud-2", NULL), ERR_OK);
    assert_int_equal(name_check_served(letters(63), NULL), ERR_OK);
    assert_int_equal(name_check_served(letters(64), NULL), ERR_INVALID);

    static const struct {
        const char *model;
        const char *served;
    } cases[] = {
        {"fraud", "fraud"}, {"Team/Fraud v2", "team-fraud-v2"},
        {"7up", "m-7up"},   {"\xC3\xA9", "m---"},
        {"", "m-"},         {"a_b.c", "a-b-c"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char out[64];
        name_make_served(cases[i].model, out);
        assert_string_equal(out, cases[i].served);
        assert_int_equal(name_check_served(out, NULL), ERR_OK);
    }
    char out[64];
    name_make_served(letters(300), out);
    assert_int_equal(strlen(out), 63);
    assert_int_equal(name_check_served(out, NULL), ERR_OK);
}

static void test_paths(void **state)
{
    (void)state;
    static const char *const good[] = {"model.pkl", "a/b/c",        "serving/config.pbtxt",
                                       ".hidden",   "a b/\xC3\xA9", "...",
                                       "xy:z",      "ab:c/d",       "~",
                                       "a/...b"};
    static const char *const bad[] = {
        "",      "/etc/passwd", "a//b", "a/",      "/",   ".",    "..",      "a/../b", "./a",
        "a/..",  "a/.",         "a\\b", "C:/x",    "c:x", "a\nb", "a/\x01",  "\xFF",   "a/\xC3",
        "a\x7F", "\\\\host\\x", "../x", "a/b/../", "Z:",  "x:y",  "\xC2\x9F"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (name_check_path(good[i], NULL) != ERR_OK)
            fail_msg("\"%s\" was refused", good[i]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (name_check_path(bad[i], NULL) != ERR_INVALID)
            fail_msg("\"%s\" was accepted", bad[i]);
    assert_int_equal(name_check_path(letters(255), NULL), ERR_OK);
    assert_int_equal(name_check_path(letters(256), NULL), ERR_INVALID);
    char path[2048];
    size_t n = 0;
    while (n < 1023) {
        path[n++] = 'd';
        path[n++] = '/';
    }
    path[1023] = 'd';
    path[1024] = '\0';
    assert_int_equal(name_check_path(path, NULL), ERR_OK);
    strcpy(path + 1024, "d");
    assert_int_equal(name_check_path(path, NULL), ERR_INVALID);
}

static void test_refs(void **state)
{
    (void)state;
    struct ref r;
    char text[DIGEST_TEXT_BYTES];
    assert_int_equal(ref_parse("7", &r, NULL), ERR_OK);
    assert_int_equal(r.kind, REF_NUMBER);
    assert_int_equal(r.number, 7);
    assert_int_equal(ref_parse("999999999999999", &r, NULL), ERR_OK);
    assert_int_equal(r.number, 999999999999999);
    assert_int_equal(ref_parse("champion", &r, NULL), ERR_OK);
    assert_int_equal(r.kind, REF_ALIAS);
    assert_string_equal(r.alias, "champion");
    assert_int_equal(ref_parse("latest", &r, NULL), ERR_OK);
    assert_int_equal(r.kind, REF_LATEST);
    assert_int_equal(ref_parse(TEXT, &r, NULL), ERR_OK);
    assert_int_equal(r.kind, REF_DIGEST);
    assert_string_equal(digest_text(&r.digest, text), TEXT);
    assert_int_equal(ref_parse("@{2026-05-03T08:00:00Z}", &r, NULL), ERR_OK);
    assert_int_equal(r.kind, REF_TIME);
    assert_int_equal(r.time_ms, 1777795200000);

    static const char too_long[] =
        "@{1970-01-01T00:00:00.000000000000000000000000000000000000000000000000000000000Z}";
    static const char *const bad[] = {"",      "0",   "07",   "1000000000000000", "sha256:abc",
                                      "@{}",   "@{",  "@{x}", "@{2026-05-03",     "@{2026-05-03}x",
                                      "@x",    "a@b", "a/b",  "sha256:",          "-1",
                                      too_long};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct ref before = {.number = 42};
        bool is_alias = strcmp(bad[i], "-1") == 0; /* odd, but a name */
        if (ref_parse(bad[i], &before, NULL) != (is_alias ? ERR_OK : ERR_INVALID))
            fail_msg("\"%s\"", bad[i]);
        if (!is_alias)
            assert_int_equal(before.number, 42);
    }
}

static void test_split(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *model; /* NULL: refused */
        const char *ref;
    } cases[] = {
        {"fraud", "fraud", "latest"},
        {"fraud@7", "fraud", "7"},
        {"team/fraud@champion", "team/fraud", "champion"},
        {"fraud@" TEXT, "fraud", TEXT},
        {"fraud@{2026-05-03}", "fraud", "@{2026-05-03}"},
        {"fraud@a@b", "fraud", "a@b"}, /* ref_parse refuses it */
        {"fraud@", NULL, NULL},
        {"@7", NULL, NULL},
        {"", NULL, NULL},
        {"a/b/c@7", NULL, NULL},
        {"fraud:7", NULL, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char model[NAME_MAX_BYTES * 2 + 2] = "untouched";
        const char *ref = NULL;
        int rc = ref_split(cases[i].text, model, &ref, NULL);
        if (cases[i].model) {
            assert_int_equal(rc, ERR_OK);
            assert_string_equal(model, cases[i].model);
            assert_string_equal(ref, cases[i].ref);
        } else {
            assert_int_equal(rc, ERR_INVALID);
            assert_string_equal(model, "untouched");
            assert_null(ref);
        }
    }
    char model[NAME_MAX_BYTES * 2 + 2];
    const char *ref = NULL;
    assert_int_equal(ref_split(letters(2000), model, &ref, NULL), ERR_INVALID);
}

static void test_folders(void **state)
{
    (void)state;
    static const char *const plain[] = {"fraud", "7", "a.b_c-d", "fraud.locks", "a.git", "lock"};
    static const char *const hashed[] = {"Fraud", ".git", "a..b", "a.lock", "a.", "a/b",
                                         "",      "_a",   "-a",   "a b",    "~a", "\xC3\xA9",
                                         "a:b",   "a\\b", "con ", "A",      ".a"};
    char out[NAME_FOLDER_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        name_folder(plain[i], out);
        assert_string_equal(out, plain[i]);
    }
    for (size_t i = 0; i < ARRAY_LEN(hashed); i++) {
        name_folder(hashed[i], out);
        assert_int_equal(out[0], '~');
        assert_int_equal(strlen(out), 41);
        assert_int_equal(strspn(out + 1, "0123456789abcdef"), 40);
    }
    name_folder("a/b", out); /* the SHA-256 of the name, cut */
    assert_string_equal(out, "~c14cddc033f64b9dea80ea675cf280a015e67251");
    name_folder(letters(100), out);
    assert_string_equal(out, letters(100));
    name_folder(letters(101), out);
    assert_int_equal(out[0], '~');
    char shard[6];
    name_shard("abc", shard); /* ba7816bf... */
    assert_string_equal(shard, "b/a/7");
}

static void test_globs(void **state)
{
    (void)state;
    static const struct {
        const char *glob;
        const char *name;
        bool matches;
    } cases[] = {
        {"", "", true},
        {"", "a", false},
        {"*", "", true},
        {"*", "team/fraud", true},
        {"a", "a", true},
        {"a", "ab", false},
        {"a*", "abc", true},
        {"*c", "abc", true},
        {"a*c", "abcbc", true},
        {"a*d", "abcbc", false},
        {"?", "", false},
        {"?", "a", true},
        {"a?c", "abc", true},
        {"**a**", "xay", true},
        {"*a*b", "aabab", true},
        {"team/*", "team/x", true},
        {"team/*", "teamx", false},
        {"[a]", "a", false},
        {"[a]", "[a]", true},
        {"\\*", "*", false},
        {"a*b*c", "aXbXbc", true},
        {"?*", "", false},
        {"*?", "x", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (name_glob(cases[i].glob, cases[i].name) != cases[i].matches)
            fail_msg("\"%s\" on \"%s\"", cases[i].glob, cases[i].name);
    char glob[101];
    for (size_t i = 0; i < 100; i++)
        glob[i] = i % 2 ? '*' : 'a';
    glob[99] = 'b';
    glob[100] = '\0';
    assert_false(name_glob(glob, letters(2000))); /* a naive one would never end */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_model_name_with_namespace_is_bounded),
        cmocka_unit_test(test_aliases), cmocka_unit_test(test_served),
        cmocka_unit_test(test_paths),   cmocka_unit_test(test_refs),
        cmocka_unit_test(test_split),   cmocka_unit_test(test_folders),
        cmocka_unit_test(test_globs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
