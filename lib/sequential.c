/*
 * The sequential judge: four kinds of evidence as sums of logarithms of likelihood ratios, each a
 * mixture over a grid of alternatives, and the decision by them. What people are shown of it is in
 * seq_show.c, what is measured before a rollout in seq_prior.c. Knows nothing of nodes or time.
 * Pure; any thread.
 */
#include "sequential.h"

#include <math.h>
#include <string.h>

#include "seq_inner.h"

#define PPM 1e6
#define ROOT_OF_2 1.4142135623730951
#define FLOOR_GROWTH 1.35
#define FLOOR_MOST 0.95
#define PASS_SHRINK 0.7
#define NEARLY_NEVER 1e-6
#define PASS_RATIO 2.0
#define MIN_BASE_BAD 5
#define MOST_FLOOR_PPM 900000
#define MOST_MAX_PPM 999999

void seq_settings_errors(struct seq_settings *s)
{
    *s = (struct seq_settings){.ratio_ppm = 1500000,
                               .floor_ppm = 5000,
                               .max_ppm = 20000,
                               .alpha_ppm = 1000,
                               .alpha_floor_ppm = 10000,
                               .beta_ppm = 50000};
}

void seq_settings_slow(struct seq_settings *s)
{
    seq_settings_errors(s);
    s->ratio_ppm = 1250000;
    s->floor_ppm = 50000;
    s->max_ppm = 500000;
}

static int64_t cut(int64_t v, int64_t most)
{
    if (v < 0)
        return 0;
    return v < most ? v : most;
}

/* A policy may say 0 and 1; the formulas need less. */
static int64_t within(int64_t ppm, int64_t most)
{
    return ppm > 0 ? cut(ppm, most) : 1;
}

void seq_settings_of(const struct policy_gate *gate, struct seq_settings *out)
{
    if (gate->kind == GATE_SLOW_RATIO)
        seq_settings_slow(out);
    else
        seq_settings_errors(out);
    out->ratio_ppm = gate->ratio_ppm;
    out->floor_ppm = within(gate->floor_ppm, MOST_FLOOR_PPM);
    out->max_ppm = within(gate->max_ppm, MOST_MAX_PPM);
    out->alpha_ppm = gate->alpha_ppm;
}

void seq_init(struct seq_state *st, const struct seq_prior *prior)
{
    memset(st, 0, sizeof *st);
    st->prior = (struct seq_prior){.phi = SEQ_PHI_UNKNOWN, .widen = 1};
    if (prior != NULL)
        st->prior = *prior;
}

double seq_ratio(const struct seq_state *st, const struct seq_settings *s)
{
    return (double)s->ratio_ppm / PPM * st->prior.widen;
}

/* Comparing: given that a request was bad, on which side it was. The canary's probability is
 * q(r) = w r / (w r + 1 - w) for its share w of the requests and the ratio r of the rates. */
static void weigh_ratio(double null, double r, double share, struct seq_weights *out, int j)
{
    double side = log((share * null + 1 - share) / (share * r + 1 - share));
    out->bad_canary[j] = log(r / null) + side;
    out->bad_base[j] = side;
    out->good_canary[j] = 0;
}

/* Absolute: whether a request of the canary was bad. */
static void weigh_rate(double null, double p, struct seq_weights *out, int j)
{
    out->bad_canary[j] = log(p / null);
    out->good_canary[j] = log((1 - p) / (1 - null));
    out->bad_base[j] = 0;
}

void seq_weigh(const struct seq_state *st, const struct seq_settings *s, enum seq_kind kind,
               double share, struct seq_weights *out)
{
    double ratio = seq_ratio(st, s);
    double floor_rate = (double)within(s->floor_ppm, MOST_FLOOR_PPM) / PPM;
    double max_rate = (double)within(s->max_ppm, MOST_MAX_PPM) / PPM;
    double pass_ratio = ratio > PASS_RATIO ? ratio : PASS_RATIO;
    double up = 1, up_floor = 1, down = 1;

    for (int j = 0; j < SEQ_GRID; j++) {
        up *= ROOT_OF_2;
        up_floor *= FLOOR_GROWTH;
        down = j == SEQ_GRID - 1 ? NEARLY_NEVER : down * PASS_SHRINK;
        double p = floor_rate * up_floor;
        if (kind == SEQ_FAIL_REL)
            weigh_ratio(ratio, ratio * up, share, out, j);
        else if (kind == SEQ_FAIL_FLOOR)
            weigh_rate(floor_rate, p < FLOOR_MOST ? p : FLOOR_MOST, out, j);
        else if (kind == SEQ_PASS_MAX)
            weigh_rate(max_rate, max_rate * down, out, j);
        else
            weigh_ratio(pass_ratio, pass_ratio * down, share, out, j);
    }
}

static const double *sums_of(const struct seq_state *st, enum seq_kind kind)
{
    const double *all[SEQ_KIND_COUNT] = {st->fail_rel, st->fail_floor, st->pass_max, st->pass_rel};
    return all[kind];
}

static void add_up(double *sums, const struct seq_weights *w, const struct seq_interval *in)
{
    double bad = (double)in->bad_canary;
    double good = (double)(in->n_canary - in->bad_canary);
    double base = (double)in->bad_base;
    for (int j = 0; j < SEQ_GRID; j++)
        sums[j] += bad * w->bad_canary[j] + good * w->good_canary[j] + base * w->bad_base[j];
}

/* The logarithm of the mean of exp(): of the mixture's evidence, without overflow. */
static double log_mean_exp(const double *v)
{
    double top = v[0], sum = 0;
    for (int j = 1; j < SEQ_GRID; j++)
        top = v[j] > top ? v[j] : top;
    for (int j = 0; j < SEQ_GRID; j++)
        sum += exp(v[j] - top);
    return top + log(sum / SEQ_GRID);
}

double seq_log_e(const struct seq_state *st, enum seq_kind kind, const struct seq_weights *w,
                 double bad_canary, double good_canary, double bad_base)
{
    const double *sums = sums_of(st, kind);
    bool is_split = kind == SEQ_FAIL_REL || kind == SEQ_PASS_REL;
    double phi = is_split ? st->prior.phi : 1;
    double v[SEQ_GRID];
    for (int j = 0; j < SEQ_GRID; j++) {
        v[j] = sums[j];
        if (w != NULL)
            v[j] += bad_canary * w->bad_canary[j] + good_canary * w->good_canary[j] +
                    bad_base * w->bad_base[j];
        v[j] /= phi;
    }
    return log_mean_exp(v);
}

double seq_log_at(const struct seq_settings *s, enum seq_kind kind)
{
    int64_t level = s->beta_ppm;
    if (kind == SEQ_FAIL_REL)
        level = s->alpha_ppm;
    else if (kind == SEQ_FAIL_FLOOR)
        level = s->alpha_floor_ppm;
    return -log((double)level / PPM);
}

int64_t seq_milli(double v)
{
    const double most = 1e15;
    double x = v * 1000;
    if (x > most || x < -most)
        x = x > 0 ? most : -most;
    return (int64_t)floor(x + 0.5);
}

static void interval_add(struct seq_interval *to, const struct seq_interval *in)
{
    to->n_canary += in->n_canary;
    to->bad_canary += in->bad_canary;
    to->n_base += in->n_base;
    to->bad_base += in->bad_base;
}

/* The comparison needs both sides: an interval without one is put to the next. */
static void step_split(struct seq_state *st, const struct seq_settings *s,
                       const struct seq_interval *in)
{
    struct seq_interval both = st->carry;
    struct seq_weights w;

    interval_add(&both, in);
    if (both.n_canary == 0 || both.n_base == 0) {
        st->carry = both;
        return;
    }
    st->carry = (struct seq_interval){0};
    if (both.bad_canary + both.bad_base == 0)
        return;
    double share = (double)both.n_canary / (double)(both.n_canary + both.n_base);
    seq_weigh(st, s, SEQ_FAIL_REL, share, &w);
    add_up(st->fail_rel, &w, &both);
    seq_weigh(st, s, SEQ_PASS_REL, share, &w);
    add_up(st->pass_rel, &w, &both);
}

static bool reaches(const struct seq_state *st, const struct seq_settings *s, enum seq_kind kind)
{
    return seq_milli(seq_log_e(st, kind, NULL, 0, 0, 0)) >= seq_milli(seq_log_at(s, kind));
}

void seq_step(struct seq_state *st, const struct seq_settings *s, const struct seq_interval *in)
{
    struct seq_interval one = {.n_canary = cut(in->n_canary, SEQ_MAX_COUNT),
                               .n_base = cut(in->n_base, SEQ_MAX_COUNT)};
    struct seq_weights w;

    one.bad_canary = cut(in->bad_canary, one.n_canary);
    one.bad_base = cut(in->bad_base, one.n_base);
    st->n_intervals++;
    if (one.n_canary + one.n_base == 0)
        return;
    interval_add(&st->sum, &one);
    step_split(st, s, &one);
    seq_weigh(st, s, SEQ_FAIL_FLOOR, 0, &w);
    add_up(st->fail_floor, &w, &one);
    seq_weigh(st, s, SEQ_PASS_MAX, 0, &w);
    add_up(st->pass_max, &w, &one);
    if (!st->prior.is_false && reaches(st, s, SEQ_FAIL_REL) && reaches(st, s, SEQ_FAIL_FLOOR))
        st->has_failed = true;
}

bool seq_base_is_bad(const struct seq_state *st, const struct seq_settings *s)
{
    return st->sum.bad_base >= MIN_BASE_BAD &&
           (double)st->sum.bad_base * 2 * PPM >= (double)st->sum.n_base * (double)s->max_ppm;
}

enum verdict seq_decide(const struct seq_state *st, const struct seq_settings *s)
{
    if (st->prior.is_false)
        return VERDICT_ERROR;
    if (st->has_failed)
        return VERDICT_FAIL;
    if (reaches(st, s, SEQ_PASS_MAX))
        return VERDICT_PASS;
    if (seq_base_is_bad(st, s) && reaches(st, s, SEQ_PASS_REL))
        return VERDICT_PASS;
    return VERDICT_INSUFFICIENT;
}
