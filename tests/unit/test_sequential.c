/*
 * The sequential judge: values worked out by hand, the evidence table of docs/judge.md, and what
 * must hold for any data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "replay.h"
#include "sequential.h"

static const struct seq_prior plain = {.phi = 1, .widen = 1};

/* A generator of its own: the same numbers everywhere. */
static uint64_t next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
}

static int64_t below(uint64_t *seed, int64_t n)
{
    return (int64_t)(next(seed) % (uint64_t)n);
}

/* n requests with the chance ppm each. */
static int64_t some_bad(uint64_t *seed, int64_t n, int64_t ppm)
{
    int64_t bad = 0;
    for (int64_t i = 0; i < n; i++)
        bad += below(seed, 1000000) < ppm;
    return bad;
}

static void judge(const struct seq_settings *s, const struct seq_prior *prior,
                  const struct seq_interval *in, size_t n, struct seq_result *out)
{
    struct seq_state st;
    seq_init(&st, prior);
    for (size_t i = 0; i < n; i++)
        seq_step(&st, s, &in[i]);
    seq_verdict(&st, s, SEQ_FRESH, out);
}

static void assert_same(const struct seq_result *a, const struct seq_result *b)
{
    assert_int_equal(a->verdict, b->verdict);
    assert_int_equal(a->is_grey, b->is_grey);
    assert_int_equal(a->log_rel_milli, b->log_rel_milli);
    assert_int_equal(a->log_floor_milli, b->log_floor_milli);
    assert_int_equal(a->log_pass_milli, b->log_pass_milli);
    assert_int_equal(a->n_to_fail, b->n_to_fail);
    assert_int_equal(a->n_to_pass, b->n_to_pass);
    assert_int_equal(a->phi_milli, b->phi_milli);
    assert_int_equal(a->ratio_milli, b->ratio_milli);
    assert_memory_equal(&a->sum, &b->sum, sizeof a->sum);
}

/* The formulas once more, written as they stand in docs/judge.md, with pow(). */
static double plain_log_mean(const double *v)
{
    double sum = 0, top = v[0];
    for (int j = 1; j < SEQ_GRID; j++)
        top = fmax(top, v[j]);
    for (int j = 0; j < SEQ_GRID; j++)
        sum += exp(v[j] - top);
    return top + log(sum / SEQ_GRID);
}

static double plain_rel(double w, double r0, double phi, double e_c, double e_b)
{
    double v[SEQ_GRID];
    double q0 = w * r0 / (w * r0 + 1 - w);
    for (int j = 1; j <= SEQ_GRID; j++) {
        double r = r0 * pow(2, j / 2.0);
        double q = w * r / (w * r + 1 - w);
        v[j - 1] = (e_c * log(q / q0) + e_b * log((1 - q) / (1 - q0))) / phi;
    }
    return plain_log_mean(v);
}

static double plain_floor(double p_f, double n, double bad)
{
    double v[SEQ_GRID];
    for (int j = 1; j <= SEQ_GRID; j++) {
        double p = fmin(0.95, p_f * pow(1.35, j));
        v[j - 1] = bad * log(p / p_f) + (n - bad) * log((1 - p) / (1 - p_f));
    }
    return plain_log_mean(v);
}

static double plain_pass(double p_max, double n, double bad)
{
    double v[SEQ_GRID];
    for (int j = 1; j <= SEQ_GRID; j++) {
        double u = j == SEQ_GRID ? p_max * 1e-6 : p_max * pow(0.7, j);
        v[j - 1] = bad * log(u / p_max) + (n - bad) * log((1 - u) / (1 - p_max));
    }
    return plain_log_mean(v);
}

static void test_formulas(void **state)
{
    (void)state;
    static const struct {
        struct seq_interval in;
        double phi, widen;
    } cases[] = {{{250, 10, 750, 3}, 1, 1},   {{250, 10, 750, 3}, 2.5, 1},
                 {{100, 0, 900, 40}, 1, 1},   {{50, 7, 50, 7}, 1, 1},
                 {{1, 1, 1000, 0}, 1.5, 1.7}, {{5000, 60, 5000, 20}, 3, 2},
                 {{100, 100, 10, 0}, 20, 4},  {{100000, 1, 900000, 2}, 1, 1}};
    struct seq_settings s;
    seq_settings_errors(&s);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct seq_interval *in = &cases[i].in;
        struct seq_prior prior = {.phi = cases[i].phi, .widen = cases[i].widen};
        struct seq_result r;
        double n = (double)in->n_canary, bad = (double)in->bad_canary;
        double w = n / (n + (double)in->n_base);
        judge(&s, &prior, in, 1, &r);
        double rel = plain_rel(w, 1.5 * prior.widen, prior.phi, bad, (double)in->bad_base);
        assert_int_equal(r.log_rel_milli, (int64_t)floor(1000 * rel + 0.5));
        assert_int_equal(r.log_floor_milli,
                         (int64_t)floor(1000 * plain_floor(0.005, n, bad) + 0.5));
        if (!r.is_base_bad)
            assert_int_equal(r.log_pass_milli,
                             (int64_t)floor(1000 * plain_pass(0.02, n, bad) + 0.5));
    }
}

/* Fixed numbers, worked out with another program: also the test above may be wrong. */
static void test_by_hand(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_result r;
    seq_settings_errors(&s);
    judge(&s, &plain, &(struct seq_interval){250, 10, 750, 3}, 1, &r);
    assert_int_equal(r.log_rel_milli, 3996);
    assert_int_equal(r.log_floor_milli, 10387);
    assert_int_equal(r.log_pass_milli, -4795);
    assert_int_equal(r.log_rel_at_milli, 6908);
    assert_int_equal(r.log_floor_at_milli, 4605);
    assert_int_equal(r.log_pass_at_milli, 2996);
    assert_int_equal(r.rate_ppm, 40000);
    assert_int_equal(r.base_ppm, 4000);
    assert_int_equal(r.ratio_milli, 1500);
}

/* Canary errors that fail when the others have none, by share of the traffic and alpha. */
static void test_evidence_table(void **state)
{
    (void)state;
    static const int share_percent[] = {5, 10, 25, 33, 50};
    static const int alpha_ppm[] = {10000, 1000, 100};
    static const int want[3][5] = {{3, 3, 5, 7, 11}, {4, 5, 7, 9, 15}, {5, 6, 10, 12, 20}};
    for (size_t a = 0; a < 3; a++)
        for (size_t i = 0; i < 5; i++) {
            struct seq_settings s;
            struct seq_result r;
            seq_settings_errors(&s);
            s.alpha_ppm = alpha_ppm[a];
            /* Only the comparison: a floor that is passed at once. */
            s.floor_ppm = 1;
            struct seq_interval in = {share_percent[i] * 1000, 0, (100 - share_percent[i]) * 1000,
                                      0};
            judge(&s, &plain, &in, 1, &r);
            assert_int_equal(r.n_to_fail, want[a][i]);
            /* And it is so when they come. */
            in.bad_canary = want[a][i];
            judge(&s, &plain, &in, 1, &r);
            assert_int_equal(r.verdict, VERDICT_FAIL);
            assert_int_equal(r.n_to_fail, 0);
            in.bad_canary--;
            judge(&s, &plain, &in, 1, &r);
            assert_int_not_equal(r.verdict, VERDICT_FAIL);
            assert_int_equal(r.n_to_fail, 1);
        }
}

/* Clean canary requests that pass. */
static void test_pass_table(void **state)
{
    (void)state;
    static const struct {
        int64_t max_ppm, want;
    } cases[] = {{50000, 65}, {10000, 331}, {5000, 664}, {1000, 3324}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seq_settings s;
        struct seq_result r;
        seq_settings_errors(&s);
        s.max_ppm = cases[i].max_ppm;
        judge(&s, &plain, NULL, 0, &r);
        assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
        assert_int_equal(r.n_to_pass, cases[i].want);
        assert_int_equal(r.n_to_fail, -1);
        struct seq_interval in = {cases[i].want - 1, 0, 100, 0};
        judge(&s, &plain, &in, 1, &r);
        assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
        assert_int_equal(r.n_to_pass, 1);
        in.n_canary++;
        judge(&s, &plain, &in, 1, &r);
        assert_int_equal(r.verdict, VERDICT_PASS);
        assert_int_equal(r.n_to_pass, 0);
    }
}

/* Below the floor nothing fails, however bad the ratio; within the ratio neither. */
static void test_both_are_needed(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_result r;
    seq_settings_errors(&s);
    judge(&s, &plain, &(struct seq_interval){100000, 200, 300000, 0}, 1, &r);
    assert_true(r.log_rel_milli > r.log_rel_at_milli);
    assert_int_equal(r.verdict, VERDICT_PASS);
    judge(&s, &plain, &(struct seq_interval){1000, 100, 3000, 300}, 1, &r);
    assert_true(r.log_floor_milli > r.log_floor_at_milli);
    assert_int_equal(r.verdict, VERDICT_PASS); /* by comparison: the others are as bad */
    judge(&s, &plain, &(struct seq_interval){1000, 30, 3000, 60}, 1, &r);
    assert_true(r.log_floor_milli > r.log_floor_at_milli);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    judge(&s, &plain, &(struct seq_interval){1000, 100, 3000, 100}, 1, &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    /* Something, but not enough. */
    judge(&s, &plain, &(struct seq_interval){100, 5, 300, 1}, 1, &r);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    assert_true(r.is_grey);
}

/* Others that are bad themselves: a version that is clearly no worse passes by comparison. */
static void test_bad_base(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_result r;
    seq_settings_errors(&s);
    judge(&s, &plain, &(struct seq_interval){2000, 60, 6000, 180}, 1, &r);
    assert_true(r.is_base_bad);
    assert_int_equal(r.verdict, VERDICT_PASS);
    judge(&s, &plain, &(struct seq_interval){2000, 120, 6000, 180}, 1, &r);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    /* How many more clean requests, at this rate of the others, would do. */
    judge(&s, &plain, &(struct seq_interval){100, 3, 300, 9}, 1, &r);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    assert_in_range(r.n_to_pass, 1, 300);
    struct seq_interval two[2] = {{100, 3, 300, 9}, {r.n_to_pass, 0, 3 * r.n_to_pass, 0}};
    two[1].bad_base = (9 * r.n_to_pass + 99) / 100;
    judge(&s, &plain, two, 2, &r);
    assert_int_equal(r.verdict, VERDICT_PASS);
    /* Good others: only the share counts, however much the ratio allows. */
    judge(&s, &plain, &(struct seq_interval){2000, 60, 6000, 0}, 1, &r);
    assert_false(r.is_base_bad);
    s.ratio_ppm = 4000000;
    judge(&s, &plain, &(struct seq_interval){10000, 198, 30000, 270}, 1, &r);
    assert_false(r.is_base_bad);
    assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
    /* From half of max on they are bad. */
    judge(&s, &plain, &(struct seq_interval){10000, 198, 30000, 300}, 1, &r);
    assert_true(r.is_base_bad);
    assert_int_equal(r.verdict, VERDICT_PASS);
}

static void test_sources(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_state st;
    struct seq_result r;
    static const enum verdict clean[] = {VERDICT_PASS, VERDICT_INSUFFICIENT, VERDICT_NO_DATA,
                                         VERDICT_ERROR};
    seq_settings_errors(&s);
    seq_init(&st, &plain);
    seq_step(&st, &s, &(struct seq_interval){5000, 0, 5000, 0});
    for (int i = 0; i < 4; i++) {
        seq_verdict(&st, &s, (enum seq_source)i, &r);
        assert_int_equal(r.verdict, clean[i]);
    }
    /* A failure stays one, also when the counters go away or later requests are clean. */
    seq_step(&st, &s, &(struct seq_interval){5000, 1000, 5000, 0});
    seq_step(&st, &s, &(struct seq_interval){50000000, 0, 5000, 5000});
    for (int i = 0; i < 4; i++) {
        seq_verdict(&st, &s, (enum seq_source)i, &r);
        assert_int_equal(r.verdict, VERDICT_FAIL);
        assert_int_equal(r.n_to_fail, 0);
    }
}

/* An interval in which one side has no request is put to the next; absolute evidence is not. */
static void test_carry(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_result one, three;
    seq_settings_errors(&s);
    static const struct seq_interval apart[] = {{10, 4, 0, 0}, {0, 0, 30, 1}, {0, 0, 0, 0}};
    judge(&s, &plain, apart, 1, &one);
    assert_int_equal(one.log_rel_milli, 0);
    assert_true(one.log_floor_milli > 0);
    judge(&s, &plain, &(struct seq_interval){10, 4, 30, 1}, 1, &one);
    judge(&s, &plain, apart, 3, &three);
    assert_same(&one, &three);
    assert_true(one.log_rel_milli > 0);
}

/* The order of intervals does not matter (to a thousandth). */
static void test_order(void **state)
{
    (void)state;
    struct seq_settings s;
    seq_settings_errors(&s);
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct seq_interval in[40];
        uint64_t dice = seed;
        for (int i = 0; i < 40; i++) {
            in[i] = (struct seq_interval){1 + below(&dice, 50), 0, 1 + below(&dice, 200), 0};
            in[i].bad_canary = some_bad(&dice, in[i].n_canary, 20000);
            in[i].bad_base = some_bad(&dice, in[i].n_base, 10000);
        }
        struct seq_result a, b;
        judge(&s, &plain, in, 40, &a);
        for (int i = 39; i > 0; i--) {
            int64_t k = below(&dice, i + 1);
            struct seq_interval t = in[i];
            in[i] = in[k];
            in[k] = t;
        }
        judge(&s, &plain, in, 40, &b);
        assert_in_range(a.log_rel_milli - b.log_rel_milli + 1, 0, 2);
        assert_in_range(a.log_floor_milli - b.log_floor_milli + 1, 0, 2);
        assert_in_range(a.log_pass_milli - b.log_pass_milli + 1, 0, 2);
    }
}

/* More errors of the canary are never evidence for it; more of the others never against it. */
static void test_monotone(void **state)
{
    (void)state;
    struct seq_settings s;
    seq_settings_errors(&s);
    for (uint64_t seed = 1; seed <= 200; seed++) {
        uint64_t dice = seed * 77;
        struct seq_prior prior = {.phi = 1 + (double)below(&dice, 100) / 20, .widen = 1};
        struct seq_interval in = {2 + below(&dice, 500), 0, 2 + below(&dice, 2000), 0};
        in.bad_canary = below(&dice, in.n_canary);
        in.bad_base = below(&dice, in.n_base);
        struct seq_result a, worse, better;
        judge(&s, &prior, &in, 1, &a);
        in.bad_canary++;
        judge(&s, &prior, &in, 1, &worse);
        assert_true(worse.log_rel_milli >= a.log_rel_milli);
        assert_true(worse.log_floor_milli >= a.log_floor_milli);
        if (a.is_base_bad == worse.is_base_bad)
            assert_true(worse.log_pass_milli <= a.log_pass_milli);
        in.bad_canary--;
        in.bad_base++;
        judge(&s, &prior, &in, 1, &better);
        assert_true(better.log_rel_milli <= a.log_rel_milli);
        assert_true(better.log_floor_milli == a.log_floor_milli);
        assert_true(better.log_pass_milli >= a.log_pass_milli);
    }
}

/* The number that is told is the number that does it. */
static void test_needs(void **state)
{
    (void)state;
    struct seq_settings s;
    seq_settings_errors(&s);
    for (uint64_t seed = 1; seed <= 100; seed++) {
        uint64_t dice = seed * 1001;
        struct seq_prior prior = {.phi = 1 + (double)below(&dice, 40) / 20, .widen = 1};
        struct seq_interval in[2] = {{1 + below(&dice, 300), 0, 1 + below(&dice, 900), 0}};
        in[0].bad_base = some_bad(&dice, in[0].n_base, 3000);
        struct seq_result r;
        judge(&s, &prior, in, 1, &r);
        if (r.verdict == VERDICT_PASS || r.is_base_bad)
            continue;
        in[1] = (struct seq_interval){r.n_to_pass - 1, 0, 1, 0};
        judge(&s, &prior, in, 2, &r);
        assert_int_equal(r.verdict, VERDICT_INSUFFICIENT);
        in[1].n_canary++;
        judge(&s, &prior, in, 2, &r);
        assert_int_equal(r.verdict, VERDICT_PASS);
    }
}

/* Equal sides: over many rollouts fewer than alpha fail, looked at after every interval. */
static void test_null(void **state)
{
    (void)state;
    struct seq_settings s;
    seq_settings_errors(&s);
    s.alpha_ppm = 50000;
    s.alpha_floor_ppm = 500000;
    s.floor_ppm = 1000;
    static const int64_t ppm[] = {5000, 50000, 300000};
    for (size_t c = 0; c < ARRAY_LEN(ppm); c++) {
        int n_failed = 0;
        const int n_runs = 1000;
        for (int run = 0; run < n_runs; run++) {
            uint64_t dice = (uint64_t)run * 31 + c;
            struct seq_state st;
            seq_init(&st, &plain);
            for (int k = 0; k < 60 && !st.has_failed; k++) {
                struct seq_interval in = {below(&dice, 20), 0, below(&dice, 60), 0};
                /* 1.5 times as bad: the edge of what is allowed. */
                in.bad_canary = some_bad(&dice, in.n_canary, ppm[c] * 3 / 2);
                in.bad_base = some_bad(&dice, in.n_base, ppm[c]);
                seq_step(&st, &s, &in);
            }
            n_failed += st.has_failed;
        }
        /* 5 % and three deviations of a count of 50 in 1000. */
        assert_in_range(n_failed, 0, 71);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    struct seq_settings s;
    seq_settings_errors(&s);
    for (uint64_t seed = 0; seed < 100; seed++) {
        uint64_t dice = seed;
        struct seq_state st, back;
        struct seq_prior prior = {.phi = 1 + (double)below(&dice, 1900) / 101,
                                  .widen = 1 + (double)below(&dice, 300) / 101,
                                  .is_false = seed % 7 == 3};
        seq_init(&st, seed == 0 ? NULL : &prior);
        for (uint64_t k = 0; k < seed; k++) {
            struct seq_interval in = {below(&dice, 20), below(&dice, 3), below(&dice, 60),
                                      below(&dice, 3)};
            seq_step(&st, &s, &in);
        }
        struct buf b, again;
        struct err e;
        buf_init(&b, 65536);
        buf_init(&again, 65536);
        seq_write(&st, &b);
        assert_true(buf_ok(&b));
        assert_int_equal(seq_read(b.data, b.len, &back, &e), ERR_OK);
        seq_write(&back, &again);
        assert_string_equal(buf_str(&b), buf_str(&again));
        struct seq_result r1, r2;
        seq_verdict(&st, &s, SEQ_FRESH, &r1);
        seq_verdict(&back, &s, SEQ_FRESH, &r2);
        assert_same(&r1, &r2);
        buf_clear(&b);
        buf_clear(&again);
    }
}

static void test_read_refuses(void **state)
{
    (void)state;
    struct seq_state st;
    struct buf b;
    struct err e;
    buf_init(&b, 65536);
    seq_init(&st, &plain);
    seq_write(&st, &b);
    static const char *const changes[][2] = {
        {"0x1p+0", "0x1p+9"},        {"0x1p+0", "inf"},          {"0x1p+0", " 0x1p+0"},
        {"0x0p+0", "nan"},           {"0x0p+0", "0x1p+1023"},    {"0x0p+0", "1"},
        {"\"0x0p+0\",", ""},         {"[0,0,0,0]", "[0,1,0,0]"}, {"[0,0,0,0]", "[0,0,0]"},
        {"[0,0,0,0]", "[-1,0,0,0]"}, {"fail_rel", "fail"},       {":false", ":3"}};
    for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
        char text[8192];
        const char *at = strstr(buf_str(&b), changes[i][0]);
        assert_non_null(at);
        int n = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - b.data), b.data, changes[i][1],
                         at + strlen(changes[i][0]));
        if (seq_read(text, (size_t)n, &st, &e) != ERR_INVALID)
            fail_msg("%s to %s", changes[i][0], changes[i][1]);
    }
    assert_int_equal(seq_read("[]", 2, &st, &e), ERR_INVALID);
    assert_int_equal(seq_read("", 0, &st, &e), ERR_INVALID);
    buf_clear(&b);
}

/* Evidence of a second node goes into the same sum: two nodes that are each a bit bad fail
 * together, and no later than if each had a sum of its own. */
static void test_second_node(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_state st;
    struct seq_result first, second;
    static const struct seq_interval in = {100, 5, 300, 0};
    seq_settings_errors(&s);
    seq_init(&st, &plain);
    seq_step(&st, &s, &in);
    seq_verdict(&st, &s, SEQ_FRESH, &first);
    assert_int_equal(first.verdict, VERDICT_INSUFFICIENT);
    assert_true(first.is_grey);
    seq_step(&st, &s, &in);
    seq_verdict(&st, &s, SEQ_FRESH, &second);
    assert_true(second.log_rel_milli >= 2 * first.log_rel_milli);
    assert_true(second.log_floor_milli >= 2 * first.log_floor_milli);
    assert_int_equal(second.verdict, VERDICT_FAIL);
    assert_int_equal(second.sum.n_canary, 200);
}

static void test_phi(void **state)
{
    (void)state;
    struct seq_interval in[100];
    memset(in, 0, sizeof in);
    assert_true(seq_phi(in, 0) == SEQ_PHI_UNKNOWN);
    assert_true(seq_phi(in, 100) == SEQ_PHI_UNKNOWN);
    /* 3 expected in all: too little is known. */
    for (int i = 0; i < 100; i++)
        in[i].n_base = 100;
    in[50].bad_base = 3;
    assert_true(seq_phi(in, 100) == SEQ_PHI_UNKNOWN);
    /* Regular: fewer surprises than chance has. */
    for (int i = 0; i < 100; i++)
        in[i].bad_base = 1;
    assert_true(seq_phi(in, 100) == 1);
    /* 10 cells of expected 2, as 4 and 0 by turns: chi2 = 10 * 4 / 2 = 20, by 9. */
    for (int i = 0; i < 10; i++)
        in[i].bad_base = i % 2 == 0 ? 4 : 0;
    assert_in_range((int64_t)(seq_phi(in, 10) * 1000), 2222, 2223);
    /* Cells in two halves, with both sides: they are merged. */
    struct seq_interval halves[24];
    for (int i = 0; i < 24; i++)
        halves[i] = (struct seq_interval){20, i % 8 == 0 ? 2 : 0, 30, i % 8 == 1 ? 2 : 0};
    /* 12 cells of expected 1, three as 4: chi2 = 3 * 9 + 9, by 11. */
    assert_in_range((int64_t)(seq_phi(halves, 24) * 1000), 3272, 3273);
    /* All in one place. */
    for (int i = 0; i < 100; i++)
        in[i].bad_base = i == 7 ? 100 : 0;
    assert_true(seq_phi(in, 100) == SEQ_MAX_PHI);
}

static void test_widen(void **state)
{
    (void)state;
    struct seq_interval in = {1000, 0, 3000, 0};
    assert_true(seq_widen(NULL, 0, 1) == 1);
    assert_true(seq_widen(&in, 1, 1) == 1);
    /* 3 errors: nothing is known. */
    in = (struct seq_interval){1000, 3, 3000, 0};
    assert_true(seq_widen(&in, 1, 1) == 1);
    /* Equal: 40.5/1000 by 120.5/3000, times exp(1.2816 * sqrt(1/40.5 + 1/120.5)) */
    in = (struct seq_interval){1000, 40, 3000, 120};
    assert_in_range((int64_t)(seq_widen(&in, 1, 1) * 1000), 1270, 1272);
    double burst = seq_widen(&in, 1, 4);
    assert_true(burst > 1.5 && burst < 1.7);
    /* Better than the others: no need. */
    in = (struct seq_interval){1000, 10, 3000, 120};
    assert_true(seq_widen(&in, 1, 1) == 1);
    in = (struct seq_interval){1000, 400, 3000, 120};
    assert_true(seq_widen(&in, 1, 1) == SEQ_MAX_WIDEN);
    /* How often the bound is below the truth (a ratio of 1.3): one time in ten. */
    int n_below = 0;
    for (uint64_t run = 1; run <= 1000; run++) {
        uint64_t dice = run * 12345;
        in = (struct seq_interval){1000, 0, 3000, 0};
        in.bad_canary = some_bad(&dice, 1000, 39000);
        in.bad_base = some_bad(&dice, 3000, 30000);
        n_below += seq_widen(&in, 1, 1) < 1.3;
    }
    assert_in_range(n_below, 60, 140);
}

static void test_aa(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_prior prior;
    struct seq_result r;
    struct seq_interval in[50];
    seq_settings_errors(&s);
    /* One of the nodes is broken already. */
    for (int i = 0; i < 50; i++)
        in[i] = (struct seq_interval){20, i % 2, 60, 0};
    seq_prior_of(&s, in, 50, &prior);
    assert_true(prior.is_false);
    judge(&s, &prior, in, 50, &r);
    assert_true(r.is_refused);
    assert_int_equal(r.verdict, VERDICT_ERROR);
    struct seq_interval worst = {1000, 1000, 1000, 0};
    judge(&s, &prior, &worst, 1, &r);
    assert_int_equal(r.verdict, VERDICT_ERROR);
    struct seq_state st;
    seq_init(&st, &prior);
    seq_step(&st, &s, &worst);
    assert_false(st.has_failed);
    /* Five times worse than the others: the check knows of no widening. */
    for (int i = 0; i < 50; i++)
        in[i] = (struct seq_interval){20, 1, 80, i % 5 < 4};
    assert_true(seq_widen(in, 50, 1) >= SEQ_MAX_WIDEN);
    assert_true(seq_aa(&s, in, 50, 1));
    /* Both alike. */
    for (int i = 0; i < 50; i++)
        in[i] = (struct seq_interval){20, i % 10 == 0, 60, i % 3 == 0};
    seq_prior_of(&s, in, 50, &prior);
    assert_false(prior.is_false);
}

static void test_settings(void **state)
{
    (void)state;
    struct seq_settings s;
    struct policy_gate g = {.kind = GATE_SLOW_RATIO,
                            .ratio_ppm = 2000000,
                            .floor_ppm = 30000,
                            .max_ppm = 70000,
                            .alpha_ppm = 5};
    seq_settings_of(&g, &s);
    assert_int_equal(s.ratio_ppm, 2000000);
    assert_int_equal(s.floor_ppm, 30000);
    assert_int_equal(s.max_ppm, 70000);
    assert_int_equal(s.alpha_ppm, 5);
    assert_int_equal(s.beta_ppm, 50000);
}

/* The ends of what a policy may say: no floor, any share passes. */
static void test_extreme_settings(void **state)
{
    (void)state;
    struct policy_gate g = {.kind = GATE_ERROR_RATIO, .ratio_ppm = 1000000, .alpha_ppm = 1};
    static const struct {
        int64_t floor_ppm, max_ppm;
    } cases[] = {{0, 1000000}, {999999, 1000000}, {0, 1}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seq_settings s;
        struct seq_state st;
        struct seq_result r;
        g.floor_ppm = cases[i].floor_ppm;
        g.max_ppm = cases[i].max_ppm;
        seq_settings_of(&g, &s);
        assert_true(s.floor_ppm >= 1 && s.floor_ppm < 1000000 && s.max_ppm >= 1 &&
                    s.max_ppm < 1000000);
        /* And as they are: the evidence stays finite. */
        s.floor_ppm = g.floor_ppm;
        s.max_ppm = g.max_ppm;
        seq_init(&st, &plain);
        for (int k = 0; k < 10; k++)
            seq_step(&st, &s, &(struct seq_interval){100, 10 * k, 100, 5});
        seq_verdict(&st, &s, SEQ_FRESH, &r);
        for (int k = 0; k < SEQ_GRID; k++)
            assert_true(isfinite(st.fail_floor[k]) && isfinite(st.pass_max[k]));
    }
}

/* Counts that cannot be do no harm, and huge ones stay finite. */
static void test_odd_counts(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_state st;
    struct seq_result r;
    seq_settings_errors(&s);
    seq_init(&st, &plain);
    seq_step(&st, &s, &(struct seq_interval){-5, 3, 10, 20});
    assert_int_equal(st.sum.n_canary, 0);
    assert_int_equal(st.sum.bad_canary, 0);
    assert_int_equal(st.sum.bad_base, 10);
    for (int i = 0; i < 100; i++)
        seq_step(&st, &s, &(struct seq_interval){INT64_MAX, INT64_MAX, INT64_MAX, 0});
    seq_verdict(&st, &s, SEQ_FRESH, &r);
    assert_int_equal(r.verdict, VERDICT_FAIL);
    assert_true(isfinite(st.fail_rel[15]));
    assert_true(r.log_rel_milli > 0);
}

static void test_gate(void **state)
{
    (void)state;
    struct seq_settings s;
    struct seq_result r;
    struct gate_result g = {.kind = GATE_ERROR_RATIO, .since_ms = 7};
    seq_settings_errors(&s);
    judge(&s, &plain, &(struct seq_interval){100, 5, 300, 1}, 1, &r);
    seq_gate(&r, &s, &g);
    assert_int_equal(g.kind, GATE_ERROR_RATIO);
    assert_int_equal(g.since_ms, 7);
    assert_int_equal(g.verdict, VERDICT_INSUFFICIENT);
    assert_int_equal(g.n_requests, 100);
    assert_int_equal(g.n_failures, 5);
    assert_int_equal(g.n_base_requests, 300);
    assert_int_equal(g.n_base_failures, 1);
    assert_int_equal(g.value, 50000);
    assert_int_equal(g.log_e_milli, r.log_rel_milli);
    assert_int_equal(g.log_e_fail_milli, 6908);
    assert_int_equal(g.phi_milli, 1000);
    assert_int_equal(g.n_to_fail, r.n_to_fail);
    /* The floor is what holds it back. */
    judge(&s, &plain, &(struct seq_interval){1000, 9, 100000, 1}, 1, &r);
    seq_gate(&r, &s, &g);
    assert_int_equal(g.log_e_milli, r.log_floor_milli);
    assert_int_equal(g.log_e_fail_milli, 4605);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_formulas),        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_evidence_table),  cmocka_unit_test(test_pass_table),
        cmocka_unit_test(test_both_are_needed), cmocka_unit_test(test_bad_base),
        cmocka_unit_test(test_sources),         cmocka_unit_test(test_carry),
        cmocka_unit_test(test_order),           cmocka_unit_test(test_monotone),
        cmocka_unit_test(test_needs),           cmocka_unit_test(test_null),
        cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_read_refuses),
        cmocka_unit_test(test_second_node),     cmocka_unit_test(test_phi),
        cmocka_unit_test(test_widen),           cmocka_unit_test(test_aa),
        cmocka_unit_test(test_settings),        cmocka_unit_test(test_extreme_settings),
        cmocka_unit_test(test_odd_counts),      cmocka_unit_test(test_gate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
