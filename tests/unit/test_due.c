/*
 * The queue of due things against a plain search, over random changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#include "due.h"
#include "mem.h"

#define N 50

static const struct due *first_of(const struct due *items, const bool *is_in)
{
    const struct due *best = NULL;
    for (int i = 0; i < N; i++) {
        bool is_better =
            is_in[i] && (best == NULL || items[i].at_ms < best->at_ms ||
                         (items[i].at_ms == best->at_ms && items[i].order < best->order));
        best = is_better ? &items[i] : best;
    }
    return best;
}

static void change(struct due_queue *q, struct due *d, bool *is_in, uint32_t random)
{
    int64_t at_ms = random % 40;
    switch (random / 64 % 4) {
    case 0:
        due_drop(q, d);
        *is_in = false;
        break;
    case 1: {
        int64_t before = *is_in ? d->at_ms : INT64_MAX;
        due_hasten(q, d, at_ms);
        assert_int_equal(d->at_ms, at_ms < before ? at_ms : before);
        *is_in = true;
        break;
    }
    case 2:
        due_set(q, d, INT64_MAX);
        *is_in = false;
        break;
    default:
        due_set(q, d, at_ms);
        *is_in = true;
        break;
    }
}

static void test_random_changes(void **state)
{
    (void)state;
    struct due items[N] = {0};
    bool is_in[N] = {false};
    struct due_queue q = {0};
    uint32_t random = 12345;
    for (int i = 0; i < N; i++)
        items[i].order = i;
    for (int i = 0; i < 200000; i++) {
        random = random * 1664525U + 1013904223U;
        uint32_t which = (random >> 8) % N;
        change(&q, &items[which], &is_in[which], random >> 4);
        const struct due *want = first_of(items, is_in);
        assert_ptr_equal(due_first(&q), want);
        assert_int_equal(due_next_ms(&q), want != NULL ? want->at_ms : INT64_MAX);
    }
    due_clear(&q);
}

static void test_order(void **state)
{
    (void)state;
    struct due items[N] = {0};
    struct due_queue q = {0};
    for (int i = 0; i < N; i++) {
        items[i].order = N - i;
        due_set(&q, &items[i], 7);
    }
    for (int i = N - 1; i >= 0; i--) {
        assert_ptr_equal(due_first(&q), &items[i]);
        due_drop(&q, &items[i]);
        due_drop(&q, &items[i]);
    }
    assert_null(due_first(&q));
    due_clear(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random_changes),
                                       cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
