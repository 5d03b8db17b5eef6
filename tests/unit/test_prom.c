/*
 * The Prometheus reader: which lines are samples, what their parts are, and that nothing beyond
 * the end of the text is read.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "prom.h"

struct line_case {
    const char *text;
    int n_samples, n_bad, n_labels;
    double value;
};

static const struct line_case cases[] = {
    {"", 0, 0, 0, 0},
    {"\n\n  \n", 0, 0, 0, 0},
    {"# HELP a words {\n# TYPE a counter\n", 0, 0, 0, 0},
    {"a 1", 1, 0, 0, 1},
    {"a 1\r\n", 1, 0, 0, 1},
    {"a{} 2.5\n", 1, 0, 0, 2.5},
    {"a{b=\"c\"} 1e3 1700000000\n", 1, 0, 1, 1000},
    {"  a { b = \"c\" , d=\"e\", } 7 # {x=\"y\"} 1\n", 1, 0, 2, 7},
    {"a{b=\"}\\\"\\\\\"} 3\n", 1, 0, 1, 3},
    {"a +Inf\n", 1, 0, 0, INFINITY},
    {"a 0x10\n", 0, 1, 0, 0},
    {"a nan(7)\n", 0, 1, 0, 0},
    {"a\n", 0, 1, 0, 0},
    {"a 1x\n", 0, 1, 0, 0},
    {"a{b=\"c} 1\n", 0, 1, 0, 0},
    {"a{b=c} 1\n", 0, 1, 0, 0},
    {"a{b=\"c\"", 0, 1, 0, 0},
    {"a{b=\"c\\", 0, 1, 0, 0},
    {"a{b=\"c\" d=\"e\"} 1\n", 0, 1, 0, 0},
    {"9a 1\n", 0, 1, 0, 0},
    {"{} 1\n", 0, 1, 0, 0},
    {"a 11111111111111111111111111111111111111111111111111111111111111111\n", 0, 1, 0, 0},
    {"bad line here\na 4\n", 1, 1, 0, 4},
};

/* Exactly the bytes on the heap, so that a sanitizer sees a read beyond the end. */
static char *exact(const char *text)
{
    size_t n = strlen(text);
    char *copy = mem_alloc(n);

    memcpy(copy, text, n);
    return copy;
}

static void test_lines(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct line_case *c = &cases[i];
        char *text = exact(c->text);
        struct prom p;
        struct prom_sample s = {0};

        prom_init(&p, text, strlen(c->text));
        while (prom_next(&p, &s)) {
            assert_int_equal(s.n_labels, c->n_labels);
            assert_true(s.value == c->value);
            assert_true(prom_is(&s, "a"));
            assert_false(prom_is(&s, "ab"));
        }
        assert_int_equal(p.n_samples, c->n_samples);
        assert_int_equal(p.n_bad, c->n_bad);
        free(text);
    }
}

static void test_labels(void **state)
{
    static const char text[] = "m_total{model=\"a\\\\b\\n\\\"c\",version=\"None\"} 1\n";
    struct prom p;
    struct prom_sample s;

    (void)state;
    prom_init(&p, text, sizeof(text) - 1);
    assert_true(prom_next(&p, &s));
    assert_true(prom_has(&s, "model", "a\\b\n\"c"));
    assert_true(prom_has(&s, "version", "None"));
    assert_false(prom_has(&s, "version", "Non"));
    assert_false(prom_has(&s, "version", "None1"));
    assert_false(prom_has(&s, "mode", "a\\b\n\"c"));
    assert_false(prom_next(&p, &s));
}

static void test_too_many_labels(void **state)
{
    char text[1024] = "a{";
    struct prom p;
    struct prom_sample s;

    (void)state;
    for (int i = 0; i < PROM_MAX_LABELS + 1; i++)
        strcat(text, "l=\"v\",");
    strcat(text, "} 1\na 2\n");
    prom_init(&p, text, strlen(text));
    assert_true(prom_next(&p, &s));
    assert_true(s.value == 2);
    assert_int_equal(p.n_bad, 1);
}

/* Only lines that begin with it, with blanks before it or not. */
static void test_seek(void **state)
{
    (void)state;
    static const char text[] = "# HELP abc x\naab 1\nx_abc 2\nabc{a=\"abc\"} 3\n \tabcd 4\nab";
    struct prom p;
    struct prom_sample s;
    prom_init(&p, text, sizeof text - 1);
    for (int want = 3; want <= 4; want++) {
        assert_true(prom_seek(&p, "abc"));
        assert_true(prom_next(&p, &s));
        assert_true(s.value > want - 0.5 && s.value < want + 0.5);
    }
    assert_false(prom_seek(&p, "abc"));
    assert_false(prom_next(&p, &s));
    prom_init(&p, text, 0);
    assert_false(prom_seek(&p, "abc"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_too_many_labels),
        cmocka_unit_test(test_seek),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
