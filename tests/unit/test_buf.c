/* The growing buffer and its maximum. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "buf.h"

static void test_empty(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 10);
    assert_string_equal(buf_str(&b), "");
    assert_true(buf_ok(&b));
    assert_null(b.data);
    buf_reset(&b);
    buf_clear(NULL);
}

static void test_writes(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 100000);
    buf_puts(&b, "ab");
    buf_putc(&b, 'c');
    buf_put(&b, "d\0e", 3);
    buf_put(&b, NULL, 0);
    buf_putf(&b, "%04d", 42);
    assert_int_equal(b.len, 10);
    assert_memory_equal(b.data, "abcd\0e0042", 11);
    for (int i = 0; i < 9000; i++)
        buf_puts(&b, "0123456789");
    assert_true(buf_ok(&b));
    assert_int_equal(b.len, 90010);
    assert_int_equal(strlen(buf_str(&b) + 10), 90000);
    buf_reset(&b);
    assert_string_equal(buf_str(&b), "");
}

static void test_maximum(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 5);
    buf_puts(&b, "12345"); /* exactly full is fine */
    assert_true(buf_ok(&b));
    buf_put(&b, "", 0);
    assert_true(buf_ok(&b));
    buf_putc(&b, '6');
    assert_false(buf_ok(&b));
    assert_string_equal(buf_str(&b), "12345");
    buf_reset(&b);
    assert_true(buf_ok(&b));
    buf_puts(&b, "123");
    buf_puts(&b, "456"); /* dropped whole, and so is what would fit after it */
    buf_putc(&b, '7');
    assert_string_equal(buf_str(&b), "123");
    assert_false(buf_ok(&b));
    buf_clear(&b);
    assert_int_equal(b.max, 5);
    assert_true(buf_ok(&b));
    buf_putf(&b, "%d", 123456);
    assert_false(buf_ok(&b));
}

static void test_room(void **state)
{
    (void)state;
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, 1000);
    char *room = buf_room(&b, 600);
    assert_non_null(room);
    memcpy(room, "xyz", 3);
    buf_grown(&b, 3);
    assert_string_equal(buf_str(&b), "xyz");
    assert_null(buf_room(&b, 998));
    assert_false(buf_ok(&b));
    assert_null(buf_room(&b, SIZE_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_maximum),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
