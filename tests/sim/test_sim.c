/*
 * The real controller in a simulated world, over many seeds. MREG_SIM_SEEDS: how many (300; 100
 * with a sanitizer, to which a fork is dear); MREG_SIM_FIRST: the first seed (1), also to go on
 * where a long run ended; MREG_SIM_JOBS: in how many processes (1); MREG_SIM_LOUD=1: tell what
 * happens. The digest is of everything that happened in all of the seeds: the same program gives
 * the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
    char file[160];
    for (unsigned i = 0; i < 256; i++) {
        snprintf(file, sizeof file, "%s/blobs/%02x", path, i);
        (void)rmdir(file);
    }
    snprintf(file, sizeof file, "%s/blobs", path);
    (void)rmdir(file);
    snprintf(file, sizeof file, "%s/staging", path);
    (void)rmdir(file);
    (void)rmdir(path);
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define N_SEEDS 100
#else
#define N_SEEDS 300
#endif
#define MAX_FAILURES 10
#define SEEDS_PER_PROCESS 16
#define WARM_FROM 50 /* seeds of a process, for fewer it is not worth it */

/* What a process of the run found out. */
struct tally {
    uint64_t n_seeds;
    int64_t n_rounds, n_actions, n_by_end[ROLLOUT_PHASE_COUNT];
    uint64_t n_failed;
    uint64_t digest;   /* of all seeds, in any order */
    char failure[600]; /* the last; "": none */
};

static void add_run(struct tally *t, const struct sim *s)
{
    t->n_seeds++;
    t->n_rounds += s->n_rounds;
    t->n_actions += s->n_actions;
    t->digest += s->digest;
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++)
        t->n_by_end[i] += s->n_by_end[i];
}

static void tell_failure(struct tally *t, uint64_t seed, const struct sim *s)
{
    printf("simulated seed %" PRIu64 " failed: %s\n", seed, s->failure);
    t->n_failed++;
    snprintf(t->failure, sizeof t->failure, "%s", s->failure);
}

/* What the processes of some seeds share. */
struct shared {
    struct sim sim;
    struct tally tally;
    uint64_t seed; /* the one that runs */
};

/* A few seeds have a process of their own: it begins with the same empty database, copied for
 * nothing, and a seed that crashes is known. It ends after a seed that failed. */
static void run_some(struct shared *w, uint64_t end, uint64_t step)
{
    struct sim *s = &w->sim;
    int status = 0;
    (void)fflush(stdout);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int i = 0; i < SEEDS_PER_PROCESS && w->seed < end && s->failure[0] == '\0'; i++) {
            if (sim_run(s, w->seed)) {
                add_run(&w->tally, s);
                w->seed += step;
            }
        }
        (void)fflush(stdout);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (status != 0)
        snprintf(s->failure, sizeof s->failure, "its process ended with signal %d, code %d",
                 WTERMSIG(status), WEXITSTATUS(status));
    if (s->failure[0] == '\0')
        return;
    tell_failure(&w->tally, w->seed, s);
    s->failure[0] = '\0';
    w->seed += step;
}

/* Every step-th seed up to end, until a few failed. */
static void run_seeds(struct tally *t, uint64_t seed, uint64_t end, uint64_t step)
{
    char dir[64];
    make_dir(dir);
    struct shared *w =
        mmap(NULL, sizeof *w, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(w, MAP_FAILED);
    struct sim *s = &w->sim;
    s->is_loud = setting("MREG_SIM_LOUD", 0) != 0;
    log_configure(s->is_loud ? LOG_DEBUG : LOG_ERROR, LOG_TEXT);
    /* Memory that is given back to the system only comes again. */
    mallopt(M_TRIM_THRESHOLD, 256 << 20);
    mallopt(M_MMAP_THRESHOLD, 16 << 20);
    mallopt(M_TOP_PAD, 4 << 20);
    bool is_open = sim_open(s, dir);
    if (is_open && end - seed >= WARM_FROM * step && !sim_warm_up(s))
        is_open = sim_open(s, dir); /* the seed that fails is told of when its turn comes */
    if (!is_open)
        tell_failure(&w->tally, 0, s);
    s->failure[0] = '\0';
    for (w->seed = seed; w->seed < end && w->tally.n_failed < MAX_FAILURES;)
        run_some(w, end, step);
    *t = w->tally;
    (void)fflush(stdout);
    sim_close(s);
    munmap(w, sizeof *w);
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
    sum->digest += t.digest;
    if (t.failure[0] != '\0')
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
    uint64_t n = setting("MREG_SIM_SEEDS", N_SEEDS);
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
    printf("; digest %016" PRIx64 "\n", sum.digest);
    if (sum.failure[0] != '\0')
        printf("again: MREG_SIM_FIRST=the seed MREG_SIM_SEEDS=1 MREG_SIM_LOUD=1\n");
    assert_string_equal(sum.failure, "");
    /* A simulation in which nothing ends well, or nothing badly, tests little. */
    if (n >= 100) {
        assert_true(sum.n_by_end[ROLLOUT_SUCCEEDED] > 0);
        assert_true(sum.n_by_end[ROLLOUT_ROLLED_BACK] > 0);
    }
}

/* What happens in a seed is decided by the seed. */
static void test_same(void **state)
{
    (void)state;
    static struct tally one;
    static struct tally two;
    if (setting("MREG_SIM_LOUD", 0) != 0)
        skip();
    run_children(&one, 1, 11, 1);
    run_children(&two, 1, 11, 2);
    assert_int_equal(one.n_seeds, 10);
    assert_true(one.digest == two.digest && one.n_rounds == two.n_rounds);
    run_children(&two, 11, 12, 1);
    assert_true(one.digest != two.digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same), cmocka_unit_test(test_seeds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
