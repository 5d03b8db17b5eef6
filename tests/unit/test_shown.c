/*
 * What a folder shows, by what became of the switches, one after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "shown.h"

struct ended {
    int64_t number;
    enum op_state state;
    enum op_class why;
};

static void test_rows(void **state)
{
    (void)state;
    static const struct {
        struct ended list[4];
        int n;
        bool differs[3]; /* from nothing, version 1 and version 2 */
    } rows[] = {
        {{{0}}, 0, {false, false, false}}, /* nothing is known, so nothing is wrong */
        {{{1, OP_DONE, OP_CLASS_NONE}}, 1, {true, false, true}},
        {{{0, OP_DONE, OP_CLASS_NONE}}, 1, {false, true, true}},
        {{{1, OP_DONE, 0}, {2, OP_DONE, 0}}, 2, {true, true, false}},
        {{{1, OP_DONE, 0}, {2, OP_UNKNOWN, 0}}, 2, {true, true, true}},
        {{{1, OP_DONE, 0}, {2, OP_OPEN, 0}}, 2, {true, true, true}},
        {{{1, OP_DONE, 0}, {2, OP_FAILED, OP_CLASS_TRANSIENT}}, 2, {true, true, true}},
        /* What was refused was not begun. */
        {{{1, OP_DONE, 0}, {2, OP_FAILED, OP_CLASS_PERMANENT}}, 2, {true, false, true}},
        {{{2, OP_FAILED, OP_CLASS_PERMANENT}}, 1, {false, false, false}},
        /* Whether it was done again or not, it is the same. */
        {{{1, OP_DONE, 0}, {1, OP_UNKNOWN, 0}}, 2, {true, false, true}},
        {{{2, OP_UNKNOWN, 0}, {2, OP_UNKNOWN, 0}}, 2, {true, true, true}},
        {{{1, OP_DONE, 0}, {2, OP_UNKNOWN, 0}, {1, OP_UNKNOWN, 0}}, 3, {true, true, true}},
        {{{1, OP_DONE, 0}, {2, OP_UNKNOWN, 0}, {1, OP_DONE, 0}}, 3, {true, false, true}},
        {{{1, OP_NONE, 0}}, 1, {false, false, false}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct shown_files f = {0};
        for (int k = 0; k < rows[i].n; k++)
            shown_take(&f, rows[i].list[k].number, rows[i].list[k].state, rows[i].list[k].why);
        for (int64_t number = 0; number < 3; number++)
            assert_int_equal(shown_differs(&f, number), rows[i].differs[number]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
