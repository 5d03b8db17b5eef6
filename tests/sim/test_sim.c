/*
 * The real controller in a simulated world, over many seeds. MREG_SIM_SEEDS: how many (300);
 * MREG_SIM_FIRST: the first seed (1); MREG_SIM_JOBS: in how many processes (1); MREG_SIM_LOUD=1:
 * tell what happens.
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "sim.h"

static int64_t real_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

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

/* What a process of the run found out. */
struct tally {
    uint64_t n_seeds;
    int64_t n_rounds, n_actions, n_by_end[ROLLOUT_PHASE_COUNT];
    uint64_t failed_seed;
    char failure[600]; /* "": none */
};

static void add_run(struct tally *t, const struct sim *s)
{
    t->n_seeds++;
    t->n_rounds += s->n_rounds;
    t->n_actions += s->n_actions;
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++)
        t->n_by_end[i] += s->n_by_end[i];
}

/* Every step-th seed up to end, until one fails. */
static void run_seeds(struct tally *t, uint64_t seed, uint64_t end, uint64_t step)
{
    static struct sim s;
    char dir[64];
    make_dir(dir);
    s.is_loud = setting("MREG_SIM_LOUD", 0) != 0;
    log_configure(s.is_loud ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    for (; seed < end && t->failure[0] == '\0'; seed += step) {
        if (sim_run(&s, seed, dir)) {
            add_run(t, &s);
            continue;
        }
        t->failed_seed = seed;
        snprintf(t->failure, sizeof t->failure, "%s", s.failure);
    }
    remove_dir(dir);
}

struct child {
    pid_t pid;
    int fd;
};

static struct child start_child(uint64_t seed, uint64_t end, uint64_t step)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    (void)fflush(stdout);
    struct child j = {.pid = fork(), .fd = fds[0]};
    assert_true(j.pid >= 0);
    if (j.pid > 0) {
        close(fds[1]);
        return j;
    }
    static struct tally t;
    run_seeds(&t, seed, end, step);
    _exit(write(fds[1], &t, sizeof t) == (ssize_t)sizeof t ? 0 : 1);
}

/* A process that ends without its tally met an assertion. */
static void end_child(const struct child *j, struct tally *sum)
{
    struct tally t = {0};
    int status = 0;
    ssize_t n = read(j->fd, &t, sizeof t);
    close(j->fd);
    assert_int_equal(waitpid(j->pid, &status, 0), j->pid);
    if (n != (ssize_t)sizeof t)
        snprintf(t.failure, sizeof t.failure, "a process ended by signal %d", WTERMSIG(status));
    sum->n_seeds += t.n_seeds;
    sum->n_rounds += t.n_rounds;
    sum->n_actions += t.n_actions;
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++)
        sum->n_by_end[i] += t.n_by_end[i];
    if (t.failure[0] == '\0')
        return;
    printf("simulated seed %" PRIu64 " failed: %s\n", t.failed_seed, t.failure);
    printf("again: MREG_SIM_FIRST=%" PRIu64 " MREG_SIM_SEEDS=1 MREG_SIM_LOUD=1\n", t.failed_seed);
    snprintf(sum->failure, sizeof sum->failure, "%s", t.failure);
}

static void run_children(struct tally *sum, uint64_t first, uint64_t end, uint64_t n_jobs)
{
    struct child jobs[64];
    for (uint64_t i = 0; i < n_jobs; i++)
        jobs[i] = start_child(first + i, end, n_jobs);
    for (uint64_t i = 0; i < n_jobs; i++)
        end_child(&jobs[i], sum);
}

static void test_seeds(void **state)
{
    (void)state;
    static struct tally sum;
    uint64_t first = setting("MREG_SIM_FIRST", 1);
    uint64_t n = setting("MREG_SIM_SEEDS", 300);
    uint64_t n_jobs = setting("MREG_SIM_JOBS", 1);
    int64_t started_ms = real_ms();
    assert_in_range(n_jobs, 1, 64);
    run_children(&sum, first, first + n, n_jobs);
    int64_t ms = real_ms() - started_ms;
    printf("%" PRIu64 " seeds in %.1f s, %.1f per second: %" PRId64 " rounds, %" PRId64 " jobs;",
           sum.n_seeds, (double)ms / 1e3, (double)sum.n_seeds * 1e3 / (double)(ms + 1),
           sum.n_rounds, sum.n_actions);
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        if (sum.n_by_end[i] > 0)
            printf(" %" PRId64 " %s", sum.n_by_end[i], rollout_phase_name((enum rollout_phase)i));
    }
    printf("\n");
    assert_string_equal(sum.failure, "");
    /* A simulation in which nothing ends well, or nothing badly, tests little. */
    if (n >= 100) {
        assert_true(sum.n_by_end[ROLLOUT_SUCCEEDED] > 0);
        assert_true(sum.n_by_end[ROLLOUT_ROLLED_BACK] > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
