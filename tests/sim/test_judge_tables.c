/*
 * The tables of docs/judge.md measured again: made-up traffic, the sequential judge and the usual
 * rules with a threshold, 600 s in steps of 5 s. Each figure is compared with the one of the
 * reference within what chance allows. MREG_JUDGE_RUNS sets the runs per row.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "mem.h"
#include "sequential.h"

#define N_SCRAPES 120
#define SCRAPE_S 5
#define WINDOW_SCRAPES 12 /* a minute: the threshold rules look once in it */
#define REFERENCE_RUNS 4000
#define UNKNOWN (-1)

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif
#ifdef IS_SANITIZED
#define DEFAULT_RUNS 400
#else
#define DEFAULT_RUNS 2000
#endif

enum rule {
    RULE_LIMIT_0,
    RULE_LIMIT_3,
    RULE_FLAGGER,
    RULE_PLAIN, /* phi is 1 */
    RULE_AUTO,  /* phi is measured before, as in the reference */
    RULE_PRIOR, /* and the allowed ratio is widened, as in mreg; the reference has no figures */
    RULE_COUNT
};
static const char *const rule_names[RULE_COUNT] = {"limit 0", "limit 3",  "5 failures",
                                                   "phi=1",   "phi auto", "and widened"};
/* Failed minutes that end a rollout. */
static const int rule_failures[] = {1, 4, 5};

enum event { NOTHING, OUTAGE, SHIFT };
/* What the reference found: percent of the runs, seconds of the median. */
struct figure {
    double percent;
    int median_s;
};
struct row {
    const char *name;
    double rate, share, base, canary; /* requests a second; shares */
    double burst;                     /* mean size, 1: alone */
    enum event event;
    struct figure want[RULE_COUNT];
};
#define ROW(name_, rate_, share_, base_, canary_, burst_, event_, ...) \
    {                                                                  \
        name_, rate_, share_, base_, canary_, burst_, event_,          \
        {                                                              \
            __VA_ARGS__                                                \
        }                                                              \
    }
struct tally {
    int n_caught, n_passed, n_refused;
    int *seconds;
};

static double real(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* Above 60, a rounded normal. */
static int64_t poisson(uint64_t *seed, double mean)
{
    if (mean > 60) {
        double size = sqrt(-2 * log(1 - real(seed)));
        double normal = size * cos(2 * 3.14159265358979 * real(seed));
        double v = floor(mean + sqrt(mean) * normal + 0.5);
        return v > 0 ? (int64_t)v : 0;
    }
    double limit = exp(-mean), product = real(seed);
    int64_t n = 0;
    while (product > limit) {
        product *= real(seed);
        n++;
    }
    return n;
}

/* Bursts of a geometric size; in an interval no more can be bad than there are requests. */
static void draw(uint64_t *seed, double rate, double bad_share, double burst, int64_t *n,
                 int64_t *bad)
{
    if (burst <= 1) {
        *bad = poisson(seed, rate * bad_share * SCRAPE_S);
        *n = *bad + poisson(seed, rate * (1 - bad_share) * SCRAPE_S);
        return;
    }
    *n = poisson(seed, rate * SCRAPE_S);
    *bad = 0;
    for (int64_t k = poisson(seed, (double)*n * bad_share / burst); k > 0; k--) {
        int64_t size = 1;
        while (real(seed) > 1 / burst)
            size++;
        *bad += size;
    }
    if (*bad > *n)
        *bad = *n;
}

/* The interval that begins at second t of the rollout. */
static void draw_interval(const struct row *row, uint64_t *seed, int t, struct seq_interval *in)
{
    double share = row->share, base = row->base, canary = row->canary;
    if (row->event == OUTAGE && t >= 300 && t < 360)
        base = canary = 0.3;
    if (row->event == SHIFT && t >= 300) {
        share /= 5;
        base *= 6;
        canary *= 6;
    }
    draw(seed, row->rate * share, canary, row->burst, &in->n_canary, &in->bad_canary);
    draw(seed, row->rate * (1 - share), base, row->burst, &in->n_base, &in->bad_base);
}

/* The ten minutes before: phi as the reference measured it, of the nodes that stay, and all that
 * mreg measures. */
static double measure_before(const struct row *row, const struct seq_settings *s, uint64_t *seed,
                             struct seq_prior *prior)
{
    struct seq_interval both[N_SCRAPES], base[N_SCRAPES];
    for (int k = 0; k < N_SCRAPES; k++) {
        struct seq_interval *in = &both[k];
        draw(seed, row->rate * row->share, row->base, row->burst, &in->n_canary, &in->bad_canary);
        draw(seed, row->rate * (1 - row->share), row->base, row->burst, &in->n_base, &in->bad_base);
        base[k] = *in;
        base[k].n_canary = base[k].bad_canary = 0;
    }
    seq_prior_of(s, both, N_SCRAPES, prior);
    return seq_phi(base, N_SCRAPES);
}

static void caught(struct tally *t, int t_s)
{
    t->seconds[t->n_caught++] = t_s;
}

/* Success of 99 % within each minute; one without requests has failed. */
static void run_thresholds(const struct seq_interval *in, struct tally *tally)
{
    int n_failed = 0;
    int64_t n = 0, bad = 0;
    for (int k = 0; k < N_SCRAPES; k++) {
        n += in[k].n_canary;
        bad += in[k].bad_canary;
        if ((k + 1) % WINDOW_SCRAPES != 0)
            continue;
        bool has_failed = n == 0 || bad * 100 > n;
        n = bad = 0;
        if (!has_failed)
            continue;
        n_failed++;
        for (int rule = RULE_LIMIT_0; rule <= RULE_FLAGGER; rule++)
            if (n_failed == rule_failures[rule])
                caught(&tally[rule], (k + 1) * SCRAPE_S);
    }
}

static void run_judge(const struct seq_settings *s, const struct seq_interval *in,
                      const struct seq_prior *prior, struct tally *tally)
{
    struct seq_state st;
    bool has_passed = false;
    seq_init(&st, prior);
    tally->n_refused += prior->is_false;
    for (int k = 0; k < N_SCRAPES && !st.has_failed; k++) {
        seq_step(&st, s, &in[k]);
        if (st.has_failed)
            caught(tally, (k + 1) * SCRAPE_S);
        else if (!has_passed)
            has_passed = seq_decide(&st, s) == VERDICT_PASS;
    }
    tally->n_passed += has_passed;
}

static int n_runs(void)
{
    const char *text = getenv("MREG_JUDGE_RUNS");
    long n = text != NULL ? strtol(text, NULL, 10) : DEFAULT_RUNS;
    return n >= 50 && n <= 1000000 ? (int)n : DEFAULT_RUNS;
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

/* Four deviations of the difference of two measured shares, and half a point. */
static bool is_near(double percent, double want, int n)
{
    double p = (percent + want) / 200;
    double deviation = sqrt(p * (1 - p) * (1.0 / n + 1.0 / REFERENCE_RUNS));
    return fabs(percent - want) <= 100 * 4 * deviation + 0.5;
}

/* For the median: a look (5 s, or the minute of the threshold rules, where it may just tip over),
 * and four deviations by the spread of the middle half. */
static double slack_of(enum rule rule, const struct tally *t, const struct figure *want)
{
    double n = t->n_caught + 1, n_want = want->percent / 100 * REFERENCE_RUNS;
    int last = N_SCRAPES * SCRAPE_S;
    int spread =
        t->n_caught > 0 ? t->seconds[t->n_caught * 3 / 4] - t->seconds[t->n_caught / 4] : last;
    double look = rule <= RULE_FLAGGER && spread > 0 ? WINDOW_SCRAPES : 1.5;
    return look * SCRAPE_S + 3.7 * spread * sqrt(1 / n + 1 / n_want);
}

static void check(const char *name, enum rule rule, const struct figure *want, struct tally *t,
                  int n)
{
    double percent = 100.0 * t->n_caught / n;
    qsort(t->seconds, (size_t)t->n_caught, sizeof *t->seconds, by_value);
    int median = t->n_caught > 0 ? t->seconds[t->n_caught / 2] : 0;
    if (t->n_refused * 1000 > n * 10 + 2000)
        fail_msg("%s: old against old fails in %d runs", name, t->n_refused);
    if (want->percent >= 0 && !is_near(percent, want->percent, n))
        fail_msg("%s, %s: %.2f %%, should be near %.1f %%", name, rule_names[rule], percent,
                 want->percent);
    if (want->median_s > 0 && abs(median - want->median_s) > slack_of(rule, t, want))
        fail_msg("%s, %s: %d s, should be near %d s", name, rule_names[rule], median,
                 want->median_s);
    if (want->median_s != 0 && t->n_caught > 0)
        printf(" | %6.2f (%3d)", percent, median);
    else
        printf(" | %6.2f      ", percent);
}

static void run_row(const struct row *row, const struct seq_settings *s, bool has_rules,
                    bool may_pass)
{
    static const struct figure unknown = {UNKNOWN, UNKNOWN};
    int n = n_runs();
    struct tally tally[RULE_COUNT];
    for (int rule = 0; rule < RULE_COUNT; rule++)
        tally[rule] = (struct tally){.seconds = mem_alloc((size_t)n * sizeof(int))};
    for (int run = 0; run < n; run++) {
        struct seq_interval in[N_SCRAPES];
        struct seq_prior prior, plain = {.phi = 1, .widen = 1};
        uint64_t seed = (uint64_t)run * 1000003 + (uint64_t)(row->rate * 7919 + row->canary * 1e6);
        double phi = measure_before(row, s, &seed, &prior);
        for (int k = 0; k < N_SCRAPES; k++)
            draw_interval(row, &seed, k * SCRAPE_S, &in[k]);
        run_judge(s, in, &plain, &tally[RULE_PLAIN]);
        run_judge(s, in, &prior, &tally[RULE_PRIOR]);
        if (!has_rules)
            continue;
        run_thresholds(in, tally);
        plain.phi = phi;
        run_judge(s, in, &plain, &tally[RULE_AUTO]);
    }
    printf("%-32s", row->name);
    for (int rule = 0; rule < RULE_COUNT; rule++)
        if (has_rules || rule == RULE_PLAIN || rule == RULE_PRIOR)
            check(row->name, (enum rule)rule, rule == RULE_PRIOR ? &unknown : &row->want[rule],
                  &tally[rule], n);
    const struct tally *last = &tally[has_rules ? RULE_AUTO : RULE_PLAIN];
    bool is_alike = row->base >= row->canary;
    if (is_alike && tally[RULE_PRIOR].n_caught * 1000 > n * 10 + 2000)
        fail_msg("%s: failed in %d runs", row->name, tally[RULE_PRIOR].n_caught);
    double passed = 100.0 * last->n_passed / n;
    printf(" | %6.2f\n", passed);
    /* It is above the share that passes: beta at most, and four deviations of that. */
    if (!may_pass && passed > 5 + 400 * sqrt(0.05 * 0.95 / n))
        fail_msg("%s: passed in %.2f %%", row->name, passed);
    for (int rule = 0; rule < RULE_COUNT; rule++)
        free(tally[rule].seconds);
}

static void print_head(const char *title, bool has_rules)
{
    printf("\n%s, %d runs a row: %% failed (median seconds) ... %% passed\n%-32s", title, n_runs(),
           "");
    for (int rule = 0; rule < RULE_COUNT; rule++)
        if (has_rules || rule == RULE_PLAIN || rule == RULE_PRIOR)
            printf(" | %-12s", rule_names[rule]);
    printf(" | passed\n");
}

/* Canary and others alike: how often it is rolled back for nothing. */
static void test_false_alarms(void **state)
{
    (void)state;
    /* The reference does not say how many errors there are before the shift: 0.4 % fits. */
    static const struct row rows[] = {
        ROW("0.1 req/s, 0.2 %", 0.1, 0.25, 0.002, 0.002, 1, NOTHING, {92.6, 0}, {16.8, 0}, {5.7, 0},
            {0, 0}, {0, 0}),
        ROW("1 req/s, 0.2 %", 1, 0.25, 0.002, 0.002, 1, NOTHING, {25.6, 0}, {0, 0}, {0, 0}, {0, 0},
            {0, 0}),
        ROW("10 req/s, 0.2 %", 10, 0.25, 0.002, 0.002, 1, NOTHING, {30.8, 0}, {0, 0}, {0, 0},
            {0, 0}, {0, 0}),
        ROW("10 req/s, 0.8 %", 10, 0.25, 0.008, 0.008, 1, NOTHING, {98.0, 0}, {45.1, 0}, {21.9, 0},
            {0, 0}, {0, 0}),
        ROW("100 req/s, 0.8 %", 100, 0.25, 0.008, 0.008, 1, NOTHING, {87.2, 0}, {10.0, 0}, {2.8, 0},
            {0, 0}, {0, 0}),
        ROW("outage of 30 % for 60 s, 100", 100, 0.25, 0.002, 0.002, 1, OUTAGE, {100, 0}, {0, 0},
            {0, 0}, {0, 0}, {0, 0}),
        ROW("share / 5, errors * 6, 100", 100, 0.25, 0.004, 0.004, 1, SHIFT, {100, 0}, {98.8, 0},
            {78.5, 0}, {0, 0}, {0, 0}),
        ROW("bursts of 5, 0.5 %, 10 req/s", 10, 0.25, 0.005, 0.005, 5, NOTHING, {70.6, 0}, {2.0, 0},
            {0.3, 0}, {9.7, 0}, {0.6, 0}),
        ROW("bursts of 5, 0.5 %, 100 req/s", 100, 0.25, 0.005, 0.005, 5, NOTHING, {83.0, 0},
            {6.9, 0}, {1.7, 0}, {14.8, 0}, {0.1, 0}),
    };
    struct seq_settings s;
    seq_settings_errors(&s);
    print_head("False alarms", true);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i], &s, true, true);
}

/* A canary that is worse: how often, and after what time, it is found. */
static void test_detection(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("50 %, 1 req/s", 1, 0.25, 0.002, 0.5, 1, NOTHING, {100, 60}, {100, 240}, {100, 300},
            {100, 70}, {100, 100}),
        ROW("50 %, 10 req/s", 10, 0.25, 0.002, 0.5, 1, NOTHING, {100, 60}, {100, 240}, {100, 300},
            {100, 10}, {100, 10}),
        ROW("5 %, 10 req/s", 10, 0.25, 0.002, 0.05, 1, NOTHING, {100, 60}, {100, 240}, {100, 300},
            {100, 80}, {100, 90}),
        ROW("5 %, 100 req/s", 100, 0.25, 0.002, 0.05, 1, NOTHING, {100, 60}, {100, 240}, {100, 300},
            {100, 10}, {100, 10}),
        ROW("2 %, 10 req/s", 10, 0.25, 0.002, 0.02, 1, NOTHING, {100, 60}, {100, 300}, {99.4, 360},
            {92.8, 295}, {83.8, 320}),
        ROW("0.8 %, 1000 req/s", 1000, 0.1, 0.002, 0.008, 1, NOTHING, {37, 300}, {0, UNKNOWN},
            {0, UNKNOWN}, {100, 95}, {100, 95}),
        ROW("5 %, 1 req/s", 1, 0.25, 0.002, 0.05, 1, NOTHING, {100, 60}, {87, 420}, {68, 480},
            {24.6, 460}, {3.8, 525}),
        ROW("100 %, 0.1 req/s", 0.1, 0.25, 0.002, 1, 1, NOTHING, {100, 60}, {100, 240}, {100, 300},
            {99.3, 360}, {76.8, 505}),
        ROW("bursts, 10 % by 0.5 %, 10 req/s", 10, 0.25, 0.005, 0.1, 5, NOTHING, {100, 60},
            {100, 240}, {100, 300}, {100, 45}, {82.3, 240}),
    };
    struct seq_settings s;
    seq_settings_errors(&s);
    print_head("Detection", true);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i], &s, true, rows[i].canary < 0.02);
}

/* Slow requests: the share above the bound that 5 % of the old version's are above. */
static void test_latency(void **state)
{
    (void)state;
    static const struct row rows[] = {
        ROW("5 to 10 %, 10 req/s", 10, 0.25, 0.05, 0.1, 1, NOTHING, [RULE_PLAIN] = {50, UNKNOWN}),
        ROW("5 to 10 %, 100 req/s", 100, 0.25, 0.05, 0.1, 1, NOTHING, [RULE_PLAIN] = {100, 65}),
        ROW("5 to 10 %, 1000 req/s", 1000, 0.1, 0.05, 0.1, 1, NOTHING, [RULE_PLAIN] = {100, 10}),
        ROW("5 to 20 %, 10 req/s", 10, 0.25, 0.05, 0.2, 1, NOTHING, [RULE_PLAIN] = {100, 60}),
        ROW("5 to 20 %, 100 req/s", 100, 0.25, 0.05, 0.2, 1, NOTHING, [RULE_PLAIN] = {100, 10}),
        ROW("5 %, alike, 10 req/s", 10, 0.25, 0.05, 0.05, 1, NOTHING, [RULE_PLAIN] = {0, 0}),
        ROW("5 %, alike, 100 req/s", 100, 0.25, 0.05, 0.05, 1, NOTHING, [RULE_PLAIN] = {0, 0}),
        ROW("15 %, alike, 100 req/s", 100, 0.25, 0.15, 0.15, 1, NOTHING, [RULE_PLAIN] = {0, 0}),
        ROW("30 %, alike, 100 req/s", 100, 0.25, 0.3, 0.3, 1, NOTHING, [RULE_PLAIN] = {0, 0}),
        ROW("30 %, alike, 1000 req/s", 1000, 0.1, 0.3, 0.3, 1, NOTHING, [RULE_PLAIN] = {0, 0}),
    };
    struct seq_settings s;
    seq_settings_slow(&s);
    print_head("Slow requests", false);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        run_row(&rows[i], &s, false, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_false_alarms),
        cmocka_unit_test(test_detection),
        cmocka_unit_test(test_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
