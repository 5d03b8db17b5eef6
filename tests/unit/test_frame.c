/* Redrawing: lines are cut by characters, escape sequences take no room, colours do not run on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frame.h"

static void test_draw(void **state)
{
    (void)state;
    static const struct {
        const char *picture, *foot;
        int columns, rows;
        const char *bytes;
    } rows[] = {
        {"", "", 10, 0, "\033[H\033[J"},
        {"ab\n", "", 10, 0, "\033[Hab\033[K\033[J"},
        {"ab\ncd\n", "", 10, 0, "\033[Hab\033[K\r\ncd\033[K\033[J"},
        {"ab\ncd\n", "", 10, 2, "\033[Hab\033[K\r\ncd\033[K\033[J"},
        {"ab\ncd\nef\n", "", 40, 2,
         "\033[Hab\033[K\r\n  ... 2 more lines in a higher window\033[K\033[J"},
        {"ab\ncd\nef\n", "q\n", 40, 3,
         "\033[Hab\033[K\r\n  ... 2 more lines in a higher window\033[K\r\nq\033[K\033[J"},
        {"ab\ncd\n", "q\n", 40, 0, "\033[Hab\033[K\r\ncd\033[K\r\nq\033[K\033[J"},
        {"ab\ncd\n", "q\nr\n", 40, 1, "\033[Hq\033[K\033[J"},
        {"", "q\n", 40, 5, "\033[Hq\033[K\033[J"},
        {"abcdef\n", "", 4, 0, "\033[Habcd\033[0m\033[K\033[J"},
        {"✓ né!\n", "", 4, 0, "\033[H✓ né\033[0m\033[K\033[J"},
        {"\033[1mabc\033[0m\n", "", 3, 0, "\033[H\033[1mabc\033[0m\033[K\033[J"},
        {"\033[1mabcd\033[0mx\n", "", 3, 0, "\033[H\033[1mabc\033[0m\033[0m\033[K\033[J"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct buf out = {0};
        buf_init(&out, 1 << 16);
        frame_draw(rows[i].picture, rows[i].foot, rows[i].columns, rows[i].rows, &out);
        assert_string_equal(buf_str(&out), rows[i].bytes);
        buf_clear(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_draw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
