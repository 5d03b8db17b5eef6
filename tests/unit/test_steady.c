/* The even clock: how it follows a wall that is set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <inttypes.h>

#include "clock.h"
#include "err.h"
#include "steady.h"

#define START 1700000000000

/* The wall is set by `by` once, then both run for `ms` and the clock is read every `every` ms. */
static void test_follows(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int64_t by, ms, every, shown; /* shown: more than START */
    } cases[] = {
        {"not set", 0, 12345, 7, 12345},
        {"ahead, on the way", 60000, 100000, 10, 110000},
        {"ahead, there", 60000, 600000, 10, 660000},
        {"ahead, and stays with it", 60000, 900000, 10, 960000},
        {"back, on the way", -60000, 100000, 10, 90000},
        {"back, there", -60000, 600000, 10, 540000},
        {"back, and stays with it", -60000, 900000, 10, 840000},
        {"a day back", -86400000, 3600000, 1000, 3240000},
        {"read seldom", 60000, 300000, 100000, 330000},
        {"read every ms", -1000, 10000, 1, 9000},
        {"far ahead: at once", STEADY_STEP_MS + 1, 1000, 10, STEADY_STEP_MS + 1001},
        {"as far as it goes", STEADY_STEP_MS, 1000, 10, 1100},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct steady s;
        int64_t last = START;
        steady_begin(&s, 5000, START);
        for (int64_t t = cases[i].every; t <= cases[i].ms; t += cases[i].every) {
            int64_t shown = steady_at(&s, 5000 + t, START + cases[i].by + t);
            if (shown < last)
                fail_msg("%s: goes back from %" PRId64 " to %" PRId64, cases[i].label, last, shown);
            last = shown;
        }
        int64_t late = cases[i].ms % cases[i].every;
        if (last - START != cases[i].shown - late)
            fail_msg("%s: shows %" PRId64, cases[i].label, last - START);
    }
}

/* No reading may take more than its tenth, however long the clock agreed with the wall before. */
static void test_saves_nothing_up(void **state)
{
    (void)state;
    struct steady s;
    steady_begin(&s, 0, START);
    assert_int_equal(steady_at(&s, 1000000, START + 1000000), START + 1000000);
    assert_int_equal(steady_at(&s, 1000001, START), START + 1000001 - 1);
    assert_int_equal(steady_at(&s, 1000002, START), START + 1000002 - 1);
    assert_int_equal(steady_at(&s, 1000002, START + 2000000), START + 2000000);
}

/* Two readings of the machine out of order, as by two processors: time stands. */
static void test_time_that_runs_back(void **state)
{
    (void)state;
    struct steady s;
    steady_begin(&s, 1000, START);
    assert_int_equal(steady_at(&s, 900, START), START);
    assert_int_equal(steady_at(&s, 1010, START + 10), START + 10);
}

static void test_process(void **state)
{
    (void)state;
    int64_t now_ms = clock_now_ms();
    assert_in_range(now_ms, clock_wall_ms() - 1000, clock_wall_ms() + 1000);
    clock_not_before(now_ms - 1000);
    assert_in_range(clock_now_ms(), now_ms, now_ms + 1000);
    clock_not_before(now_ms + 3600000);
    assert_in_range(clock_now_ms(), now_ms + 3600000, now_ms + 3601000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_follows),
        cmocka_unit_test(test_saves_nothing_up),
        cmocka_unit_test(test_time_that_runs_back),
        cmocka_unit_test(test_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
