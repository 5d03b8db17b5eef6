/* Where text stops being plain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "mem.h"
#include "utf8.h"

static void test_plain(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n, plain;
    } rows[] = {
        {"", 0, 0},
        {"fraud,risk-*", 12, 12},
        {"\n", 1, 0},
        {"ab\x7f", 3, 2},
        {"a\0b", 3, 1},
        {"\xc3\xa4\xe2\x82\xac", 5, 5},
        {"a\xc2\x85", 3, 1},     /* U+0085 */
        {"a\xc2\xa0", 3, 3},     /* U+00A0 */
        {"ab\xc3", 3, 2},        /* cut */
        {"a\xed\xa0\x80", 4, 1}, /* a surrogate */
        {"\xf0\x9f\x98\x80\t", 5, 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(utf8_plain(rows[i].text, rows[i].n), rows[i].plain);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
