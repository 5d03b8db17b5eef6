/* Arenas and checked allocation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mem.h"

static void test_alloc_is_zeroed(void **state)
{
    (void)state;
    static const unsigned char zeros[4096];
    CLEANUP(mem_free_ptr) unsigned char *p = mem_alloc(sizeof zeros);
    assert_memory_equal(p, zeros, sizeof zeros);
    CLEANUP(mem_free_ptr) void *nothing = mem_alloc(0);
    assert_non_null(nothing);
}

static void test_resize_keeps_content(void **state)
{
    (void)state;
    CLEANUP(mem_free_ptr) int *p = mem_resize(NULL, 2, sizeof *p);
    p[0] = 11;
    p[1] = 22;
    p = mem_resize(p, 1000, sizeof *p);
    p[999] = 33;
    assert_int_equal(p[0] + p[1] + p[999], 66);
    p = mem_resize(p, 0, sizeof *p);
    assert_non_null(p);
}

static void test_strdup(void **state)
{
    (void)state;
    assert_null(mem_strdup(NULL));
    char *s = mem_strdup("abc");
    assert_string_equal(s, "abc");
    mem_free_ptr(&s);
    assert_null(s);
}

static void test_arena_gives_aligned_zeroed_memory(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    for (size_t n = 0; n < 300; n++) {
        unsigned char *p = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)p % _Alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, n); /* what comes next must not overlap */
    }
    unsigned char *large = arena_alloc(&a, 1 << 20);
    assert_int_equal(large[(1 << 20) - 1], 0);
    arena_clear(&a);
    assert_null(a.head);
    assert_non_null(arena_alloc(&a, 1)); /* usable again */
    arena_clear(&a);
    arena_clear(&a);
    arena_clear(NULL);
}

static void test_arena_copies(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    char *copy = arena_copy(&a, "a\0b", 3);
    assert_memory_equal(copy, "a\0b\0", 4);
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_strdup(&a, "x"), "x");
    assert_string_equal(arena_printf(&a, "%d-%s", 7, "y"), "7-y");
    char *longer = arena_printf(&a, "%*d", 20000, 1);
    assert_int_equal(strlen(longer), 20000);
    arena_clear(&a);
}

/* An overflowing size has to stop the process: tried in a child. */
static void test_overflow_stops(void **state)
{
    (void)state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        free(mem_resize(NULL, SIZE_MAX / 2, 4));
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc_is_zeroed),
        cmocka_unit_test(test_resize_keeps_content),
        cmocka_unit_test(test_strdup),
        cmocka_unit_test(test_arena_gives_aligned_zeroed_memory),
        cmocka_unit_test(test_arena_copies),
        cmocka_unit_test(test_overflow_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
