/*
 * The real controller in a simulated world, over many seeds. MREG_SIM_SEEDS: how many (300);
 * MREG_SIM_FIRST: the first seed (1); MREG_SIM_LOUD=1: tell what happens.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sim.h"

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* Memory-backed if there is such a place: the runs are about order, not about disks. */
static void make_dir(char path[64])
{
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(path, 64, "%s/mreg-sim-XXXXXX", base);
    assert_non_null(mkdtemp(path));
}

static void remove_dir(const char *path)
{
    static const char *const names[] = {"sim.db", "sim.db-wal", "sim.db-shm", "blobs", "staging"};
    char file[160];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(file, sizeof file, "%s/%s", path, names[i]);
        if (unlink(file) != 0)
            (void)rmdir(file);
    }
    (void)rmdir(path);
}

static void test_seeds(void **state)
{
    (void)state;
    static struct sim s;
    uint64_t first = setting("MREG_SIM_FIRST", 1);
    uint64_t n = setting("MREG_SIM_SEEDS", 300);
    int64_t n_rounds = 0;
    int64_t n_actions = 0;
    int n_by_end[ROLLOUT_PHASE_COUNT] = {0};
    char dir[64];
    make_dir(dir);
    s.is_loud = setting("MREG_SIM_LOUD", 0) != 0;
    log_configure(s.is_loud ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    time_t started = time(NULL);
    for (uint64_t seed = first; seed < first + n; seed++) {
        if (!sim_run(&s, seed, dir)) {
            printf("simulated seed %" PRIu64 " failed: %s\n", seed, s.failure);
            printf("again: MREG_SIM_FIRST=%" PRIu64 " MREG_SIM_SEEDS=1 MREG_SIM_LOUD=1\n", seed);
            fail();
        }
        n_rounds += s.n_rounds;
        n_actions += s.n_actions;
        for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++)
            n_by_end[i] += s.n_by_end[i];
    }
    remove_dir(dir);
    printf("%" PRIu64 " seeds in %lld s: %" PRId64 " rounds, %" PRId64 " jobs;", n,
           (long long)(time(NULL) - started), n_rounds, n_actions);
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        if (n_by_end[i] > 0)
            printf(" %d %s", n_by_end[i], rollout_phase_name((enum rollout_phase)i));
    }
    printf("\n");
    /* A simulation in which nothing ends well, or nothing badly, tests little. */
    if (n >= 100) {
        assert_true(n_by_end[ROLLOUT_SUCCEEDED] > 0);
        assert_true(n_by_end[ROLLOUT_ROLLED_BACK] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
