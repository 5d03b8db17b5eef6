/* Error values and the tables of their codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "err.h"

static void test_set(void **state)
{
    (void)state;
    struct err e;
    memset(&e, 0xAA, sizeof e);
    assert_int_equal(err_set(&e, ERR_NOT_FOUND, "no model \"%s\"", "x"), ERR_NOT_FOUND);
    assert_int_equal(e.code, ERR_NOT_FOUND);
    assert_string_equal(e.message, "no model \"x\"");
    assert_string_equal(e.pointer, "");
    assert_int_equal(err_at(&e, ERR_INVALID, "/files/3", "bad"), ERR_INVALID);
    assert_string_equal(e.pointer, "/files/3");
    assert_int_equal(err_at(&e, ERR_INVALID, NULL, "bad"), ERR_INVALID);
    assert_string_equal(e.pointer, "");
    assert_int_equal(err_set(NULL, ERR_TIMEOUT, "nobody listens"), ERR_TIMEOUT);
    err_prefix(NULL, "x");
}

/* A message may be made from the message that it replaces. */
static void test_set_from_itself(void **state)
{
    (void)state;
    struct err e;
    err_set(&e, ERR_INVALID, "inner");
    err_set(&e, ERR_CORRUPT, "outer: %s", e.message);
    assert_string_equal(e.message, "outer: inner");
    err_prefix(&e, "line %d: ", 3);
    assert_string_equal(e.message, "line 3: outer: inner");
    assert_int_equal(e.code, ERR_CORRUPT);
}

static void test_long_text_is_cut(void **state)
{
    (void)state;
    struct err e;
    char text[2000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    err_at(&e, ERR_INVALID, text, "%s", text);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_int_equal(strlen(e.pointer), sizeof e.pointer - 1);
    err_prefix(&e, "b%s", text);
    assert_int_equal(strlen(e.message), sizeof e.message - 1);
    assert_int_equal(e.message[0], 'b');
}

static void test_every_code_has_its_row(void **state)
{
    (void)state;
    for (int c = 0; c < ERR_CODE_COUNT; c++) {
        enum err_code code = (enum err_code)c;
        assert_non_null(err_name(code));
        assert_int_equal(err_by_name(err_name(code)), code);
        int status = err_http_status(code);
        int exit_code = err_exit_code(code);
        if (code == ERR_OK) {
            assert_int_equal(status, 200);
            assert_int_equal(exit_code, 0);
        } else {
            assert_in_range(status, 400, 599);
            assert_in_range(exit_code, 1, 125);
        }
    }
    assert_string_equal(err_name(ERR_CODE_COUNT), "internal");
    assert_int_equal(err_by_name("nonsense"), ERR_INTERNAL);
    assert_int_equal(err_by_name(NULL), ERR_INTERNAL);
    assert_int_equal(err_http_status(ERR_CODE_COUNT), 500);
    assert_int_equal(err_exit_code(ERR_CODE_COUNT), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_set_from_itself),
        cmocka_unit_test(test_long_text_is_cut),
        cmocka_unit_test(test_every_code_has_its_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
