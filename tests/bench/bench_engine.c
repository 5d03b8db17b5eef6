/*
 * The rollout controller with a large fleet: 10,000 targets on 1,000 nodes, 500 rollouts at once,
 * real database, simulated nodes and clock. Prints how long the controller's rounds take, how busy
 * a core is, memory, how long a start takes, and how soon after a bad answer the way back begins.
 *
 *     bench_engine [--dir DIR] [--envs 50] [--nodes 20] [--targets 200] [--rollouts 10]
 *                  [--seconds 300] [--compare] [--gate]
 *
 * nodes, targets and rollouts are per environment, seconds are simulated. --compare: policies with
 * error-ratio and slow-ratio, so that all nodes are read all the time; ten minutes fill the windows
 * before the rollouts begin. --gate: exit 1 if p99 of
 * the rounds is 50 ms or more, memory 256 MiB or more, or a start takes a second or more.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "controller.h"
#include "engine.h"
#include "log.h"

#define START_MS INT64_C(1700000000000)

void engine_fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

double engine_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

struct rounds {
    double *s;
    size_t n, cap;
};

static int by_value(const void *x, const void *y)
{
    double a = *(const double *)x;
    double b = *(const double *)y;
    return (a > b) - (a < b);
}

/* q from 0 to 1 of sorted values. */
static double quantile(const double *s, size_t n, double q)
{
    return n == 0 ? 0 : s[(size_t)((double)(n - 1) * q)];
}

static void add_round(struct rounds *r, double s)
{
    if (r->n == r->cap) {
        r->cap = r->cap * 2 + 1024;
        r->s = mem_resize(r->s, r->cap, sizeof r->s[0]);
    }
    r->s[r->n++] = s;
}

static long memory_kib(const char *what)
{
    char line[200];
    long kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, what, strlen(what)) == 0)
            kib = strtol(line + strlen(what) + 1, NULL, 10);
    }
    (void)fclose(f);
    return kib;
}

static void tick(struct engine *en, struct controller *c, struct rounds *r)
{
    struct err e;
    double begun_s = engine_now_s();
    double waited_s = en->waiting_s;
    if (controller_tick(c, en->now_ms + 60000, &e) != ERR_OK)
        engine_fail("controller", e.message);
    add_round(r, engine_now_s() - begun_s - (en->waiting_s - waited_s));
}

static struct controller *start(struct engine *en)
{
    struct controller_options o = {.store = en->store,
                                   .io = &en->io,
                                   .blobs = en->blobs,
                                   .observe_every_ms = 10000,
                                   .sample_every_ms = 5000};
    return controller_new(&o);
}

static void print_rounds(const char *what, struct rounds *r)
{
    double sum = 0;
    for (size_t i = 0; i < r->n; i++)
        sum += r->s[i];
    qsort(r->s, r->n, sizeof r->s[0], by_value);
    printf("%s: %zu rounds, p50 %.2f ms, p90 %.2f ms, p99 %.2f ms, most %.1f ms, together %.1f s\n",
           what, r->n, quantile(r->s, r->n, 0.5) * 1e3, quantile(r->s, r->n, 0.9) * 1e3,
           quantile(r->s, r->n, 0.99) * 1e3, quantile(r->s, r->n, 1) * 1e3, sum);
}

/* Runs simulated time; returns p99 of the rounds. */
static double run(struct engine *en, struct controller *c, const char *what, int64_t ms)
{
    struct rounds r = {0};
    int64_t until_ms = en->now_ms + ms;
    int64_t n_jobs = en->n_jobs;
    double cpu = cpu_s();
    while (en->now_ms < until_ms)
        tick(en, c, &r);
    cpu = cpu_s() - cpu;
    print_rounds(what, &r);
    printf("  %.0f s simulated, %.1f %% of a core, %.0f jobs/s, at most %" PRId64 " in flight\n",
           (double)ms / 1e3, cpu / ((double)ms / 1e3) * 100,
           (double)(en->n_jobs - n_jobs) / ((double)ms / 1e3), en->n_most_in_flight);
    double p99 = quantile(r.s, r.n, 0.99);
    free(r.s);
    return p99;
}

/* A new process: its store is open when it begins; it is up when its first round is done. */
static struct controller *restart(struct engine *en, double *seconds)
{
    struct rounds r = {0};
    double begun_s = engine_now_s();
    engine_open(en, false);
    double opened_s = engine_now_s();
    struct controller *c = start(en);
    tick(en, c, &r);
    *seconds = engine_now_s() - begun_s;
    printf("start: %.0f ms, of them %.0f ms for the database\n", *seconds * 1e3,
           (opened_s - begun_s) * 1e3);
    free(r.s);
    return c;
}

static void read_options(int argc, char **argv, struct engine *en, int64_t *seconds, bool *gates)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--gate") == 0) {
            *gates = true;
            continue;
        }
        if (strcmp(argv[i], "--compare") == 0) {
            en->compares = true;
            continue;
        }
        i++;
        if (strcmp(argv[i - 1], "--dir") == 0)
            en->dir = value;
        else if (strcmp(argv[i - 1], "--envs") == 0)
            en->n_envs = atoi(value);
        else if (strcmp(argv[i - 1], "--nodes") == 0)
            en->n_nodes = atoi(value);
        else if (strcmp(argv[i - 1], "--targets") == 0)
            en->n_targets = atoi(value);
        else if (strcmp(argv[i - 1], "--rollouts") == 0)
            en->n_rollouts = atoi(value);
        else if (strcmp(argv[i - 1], "--seconds") == 0)
            *seconds = atoll(value);
        else
            engine_fail("unknown option", argv[i - 1]);
    }
}

static void print_ends(struct engine *en)
{
    static const char *const phases[] = {"succeeded", "rolled-back",  "running",
                                         "paused",    "rolling-back", "queued"};
    printf("rollouts:");
    for (size_t i = 0; i < ARRAY_LEN(phases); i++)
        printf(" %" PRId64 " %s", engine_count(en, phases[i]), phases[i]);
    printf("\n");
}

static void remove_database(const char *dir)
{
    static const char *const names[] = {"engine.db", "engine.db-wal", "engine.db-shm"};
    char path[300];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
}

int main(int argc, char **argv)
{
    static struct engine en = {.n_envs = 50,
                               .n_nodes = 20,
                               .n_targets = 200,
                               .n_rollouts = 10,
                               .n_bad = 2,
                               .dir = "/tmp",
                               .now_ms = START_MS};
    int64_t seconds = 300;
    bool gates = false;
    double start_s = 0;
    read_options(argc, argv, &en, &seconds, &gates);
    log_configure(LOG_ERROR, LOG_TEXT);
    engine_io_init(&en);
    remove_database(en.dir);
    long before_kib = memory_kib("VmRSS");
    engine_open(&en, true);
    engine_close(&en);
    struct controller *c = restart(&en, &start_s);
    run(&en, c, "idle", en.compares ? 720000 : 60000);
    if (en.compares)
        printf("windows filled: memory %.1f MiB\n", (double)memory_kib("VmRSS") / 1024);
    engine_submit(&en);
    controller_wake(c);
    double p99_s = run(&en, c, "rolling", seconds * 1000);
    print_ends(&en);
    long kib = memory_kib("VmRSS");
    printf("memory: %.0f MiB, at most %.0f MiB (of them %.0f MiB the simulated nodes)\n",
           (double)kib / 1024, (double)memory_kib("VmHWM") / 1024, (double)before_kib / 1024);
    qsort(en.to_rollback_s, en.n_to_rollback, sizeof en.to_rollback_s[0], by_value);
    printf("bad answer to first call of the way back: %zu times, p50 %.2f ms, most %.1f ms\n",
           en.n_to_rollback, quantile(en.to_rollback_s, en.n_to_rollback, 0.5) * 1e3,
           quantile(en.to_rollback_s, en.n_to_rollback, 1) * 1e3);
    controller_free(c);
    engine_close(&en);
    engine_io_clear(&en);
    c = restart(&en, &start_s);
    controller_free(c);
    engine_close(&en);
    remove_database(en.dir);
    bool is_met = p99_s < 0.05 && kib < 256 * 1024 && start_s < 1;
    printf("%s\n",
           is_met ? "ok" : "MISSED: p99 below 50 ms, memory below 256 MiB, start below 1 s");
    return gates && !is_met;
}
