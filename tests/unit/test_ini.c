/* Settings files: what is read, what is refused, and edits that leave everything else as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "ini.h"

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const char *text, *section, *subsection, *key, *value;
    } cases[] = {
        {"a = b", "", "", "a", "b"},
        {"a=b", "", "", "a", "b"},
        {"  A  =  b c  \t\r\n", "", "", "a", "b c"},
        {"a =", "", "", "a", ""},
        {"a = b # c", "", "", "a", "b"},
        {"a = b;c", "", "", "a", "b"},
        {"a = \"b # c\"", "", "", "a", "b # c"},
        {"a = \" b \"c", "", "", "a", " b c"},
        {"a = \"\\\"\\\\\"", "", "", "a", "\"\\"},
        {"a = 1\na = 2", "", "", "a", "2"},
        {"[core]\na-b_c = d", "core", "", "a-b_c", "d"},
        {"[Core] # x\n\n;y\nk = v", "core", "", "k", "v"},
        {"[context \"Prod\"]\nk = v", "context", "Prod", "k", "v"},
        {"[context \"a\\\"]\"]\nk = v", "context", "a\"]", "k", "v"},
        {"[a]\nk = 1\n[b]\nk = 2\n[a]\nk = 3", "a", "", "k", "3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ini ini;
        struct err e = {0};
        print_message("%s\n", cases[i].text);
        assert_int_equal(ini_parse(cases[i].text, &ini, &e), ERR_OK);
        const struct ini_entry *x =
            ini_find(&ini, cases[i].section, cases[i].subsection, cases[i].key);
        assert_non_null(x);
        assert_string_equal(x->value, cases[i].value);
        assert_null(ini_find(&ini, cases[i].section, cases[i].subsection, "none"));
        ini_clear(&ini);
    }
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *part;
    } cases[] = {
        {"nonsense", "line 1"},    {"\n= v", "line 2"},     {"a = b\n[", "line 2"},
        {"[]", "line 1"},          {"[a", "line 1"},        {"[a \"b]", "line 1"},
        {"[a \"b\" c]", "line 1"}, {"[a] k = v", "line 1"}, {"a = \"b", "line 1"},
        {"a b = c", "line 1"},     {"a = \"b\\", "line 1"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ini ini;
        struct err e = {0};
        print_message("%s\n", cases[i].text);
        assert_int_equal(ini_parse(cases[i].text, &ini, &e), ERR_INVALID);
        assert_non_null(strstr(e.message, cases[i].part));
        ini_clear(&ini);
    }
}

static void test_long_lines(void **state)
{
    (void)state;
    char text[6000];
    struct ini ini;
    struct err e = {0};
    memset(text, 'x', sizeof text);
    memcpy(text, "a = ", 4);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ini_parse(text, &ini, &e), ERR_INVALID);
    ini_clear(&ini);
    text[4000] = '\0';
    assert_int_equal(ini_parse(text, &ini, &e), ERR_OK);
    assert_int_equal(strlen(ini_find(&ini, "", "", "a")->value), 3996);
    ini_clear(&ini);
}

static void test_set(void **state)
{
    (void)state;
    static const struct {
        const char *text, *section, *subsection, *key, *value, *after;
    } cases[] = {
        {"", "core", "", "a", "b", "[core]\n    a = b\n"},
        {"", "", "", "a", "b", "a = b\n"},
        {"# x", "core", "", "a", "b", "# x\n[core]\n    a = b\n"},
        {"[core]\na = 1 # one\nb = 2\n", "core", "", "a", "9", "[core]\n    a = 9\nb = 2\n"},
        {"[core]\na = 1\nb = 2\n", "core", "", "a", NULL, "[core]\nb = 2\n"},
        {"[core]\na = 1\n", "core", "", "none", NULL, "[core]\na = 1\n"},
        {"[core]\na = 1", "core", "", "b", "2", "[core]\na = 1\n    b = 2\n"},
        {"[core]\n[x]\nk = v\n", "core", "", "a", "1", "[core]\n    a = 1\n[x]\nk = v\n"},
        {"[c \"p\"]\nk = v\n", "c", "q", "k", "w", "[c \"p\"]\nk = v\n[c \"q\"]\n    k = w\n"},
        {"[a]\nk = 1\n[a]\nk = 2\n", "a", "", "k", "3", "[a]\n    k = 3\n[a]\n"},
        {"", "c", "a\"b", "k", " x#", "[c \"a\\\"b\"]\n    k = \" x#\"\n"},
        {"", "c", "", "k", "", "[c]\n    k = \"\"\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf out;
        const struct ini_entry place = {.section = cases[i].section,
                                        .subsection = cases[i].subsection,
                                        .key = cases[i].key,
                                        .value = cases[i].value};
        buf_init(&out, 1000);
        ini_set(cases[i].text, &place, &out);
        assert_string_equal(buf_str(&out), cases[i].after);
        buf_clear(&out);
    }
}

static void test_drop(void **state)
{
    (void)state;
    static const char text[] =
        "# all\n[c \"a\"]\nk = 1\n# of a\n[c \"b\"]\nk = 2\n[c \"a\"]\nk = 3\n";
    struct buf out;
    buf_init(&out, 1000);
    ini_drop(text, "c", "a", &out);
    assert_string_equal(buf_str(&out), "# all\n[c \"b\"]\nk = 2\n");
    buf_reset(&out);
    ini_drop(text, "c", "none", &out);
    assert_string_equal(buf_str(&out), text);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_long_lines), cmocka_unit_test(test_set),
        cmocka_unit_test(test_drop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
