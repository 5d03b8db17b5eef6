/*
 * What the sequential judge says about its evidence: verdict, thousandths of logarithms, and the
 * numbers of requests that would decide, found by asking the same formulas. Pure; any thread.
 */
#include <math.h>

#include "seq_inner.h"

#define PPM 1e6
#define MOST_NEEDED INT64_C(1000000000000)

/* A question with a yes from some count on: whether k more requests decide. */
struct seq_question {
    const struct seq_state *st;
    const struct seq_settings *s;
    struct seq_weights first, second;
    double base_bad_each; /* bad requests of the others for each of the canary's */
    bool has_second;
};

static bool is_reached(const struct seq_question *q, enum seq_kind kind,
                       const struct seq_weights *w, double bad, double good, double base)
{
    double v = seq_log_e(q->st, kind, w, bad, good, base);
    return seq_milli(v) >= seq_milli(seq_log_at(q->s, kind));
}

static bool fails_with(const struct seq_question *q, double k)
{
    return is_reached(q, SEQ_FAIL_REL, &q->first, k, 0, 0) &&
           is_reached(q, SEQ_FAIL_FLOOR, &q->second, k, 0, 0);
}

static bool passes_with(const struct seq_question *q, double k)
{
    if (is_reached(q, SEQ_PASS_MAX, &q->first, 0, k, 0))
        return true;
    return q->has_second && is_reached(q, SEQ_PASS_REL, &q->second, 0, k, k * q->base_bad_each);
}

/* The smallest k for which it is so, by doubling and halving; -1 if none is small enough. */
static int64_t smallest(const struct seq_question *q,
                        bool (*is_so)(const struct seq_question *q, double k))
{
    int64_t low = 0, high = 1;
    if (is_so(q, 0))
        return 0;
    while (!is_so(q, (double)high)) {
        low = high;
        high *= 2;
        if (high > MOST_NEEDED)
            return -1;
    }
    while (high - low > 1) {
        int64_t mid = low + (high - low) / 2;
        if (is_so(q, (double)mid))
            high = mid;
        else
            low = mid;
    }
    return high;
}

static void fill_needs(const struct seq_state *st, const struct seq_settings *s,
                       struct seq_result *out)
{
    struct seq_question q = {.st = st, .s = s};
    double n_canary = (double)st->sum.n_canary, n_base = (double)st->sum.n_base;
    bool has_both = st->sum.n_canary > 0 && st->sum.n_base > 0;
    double share = has_both ? n_canary / (n_canary + n_base) : 0;

    out->n_to_fail = -1;
    if (has_both) {
        seq_weigh(st, s, SEQ_FAIL_REL, share, &q.first);
        seq_weigh(st, s, SEQ_FAIL_FLOOR, share, &q.second);
        out->n_to_fail = smallest(&q, fails_with);
    }
    seq_weigh(st, s, SEQ_PASS_MAX, share, &q.first);
    q.has_second = has_both && out->is_base_bad;
    if (q.has_second) {
        seq_weigh(st, s, SEQ_PASS_REL, share, &q.second);
        q.base_bad_each = (double)st->sum.bad_base / n_canary;
    }
    out->n_to_pass = smallest(&q, passes_with);
}

static int64_t rate(int64_t bad, int64_t n)
{
    return n > 0 ? (int64_t)floor((double)bad / (double)n * PPM + 0.5) : -1;
}

/* Missing data never hides a version that has failed. */
static enum verdict with_source(enum verdict v, enum seq_source source)
{
    if (v == VERDICT_FAIL || source == SEQ_FRESH)
        return v;
    if (source == SEQ_AWAITED)
        return VERDICT_INSUFFICIENT;
    return source == SEQ_ABSENT ? VERDICT_NO_DATA : VERDICT_ERROR;
}

static int64_t log_milli(const struct seq_state *st, enum seq_kind kind)
{
    return seq_milli(seq_log_e(st, kind, NULL, 0, 0, 0));
}

void seq_verdict(const struct seq_state *st, const struct seq_settings *s, enum seq_source source,
                 struct seq_result *out)
{
    *out = (struct seq_result){
        .verdict = with_source(seq_decide(st, s), source),
        .is_refused = st->prior.is_false,
        .is_base_bad = seq_base_is_bad(st, s),
        .log_rel_milli = log_milli(st, SEQ_FAIL_REL),
        .log_floor_milli = log_milli(st, SEQ_FAIL_FLOOR),
        .log_rel_at_milli = seq_milli(seq_log_at(s, SEQ_FAIL_REL)),
        .log_floor_at_milli = seq_milli(seq_log_at(s, SEQ_FAIL_FLOOR)),
        .log_pass_milli = log_milli(st, SEQ_PASS_MAX),
        .log_pass_at_milli = seq_milli(seq_log_at(s, SEQ_PASS_MAX)),
        .sum = st->sum,
        .phi_milli = seq_milli(st->prior.phi),
        .ratio_milli = seq_milli(seq_ratio(st, s)),
        .rate_ppm = rate(st->sum.bad_canary, st->sum.n_canary),
        .base_ppm = rate(st->sum.bad_base, st->sum.n_base),
    };
    int64_t log_rel = log_milli(st, SEQ_PASS_REL);
    if (out->is_base_bad && log_rel > out->log_pass_milli)
        out->log_pass_milli = log_rel;
    fill_needs(st, s, out);
    out->is_grey =
        out->verdict == VERDICT_INSUFFICIENT && out->log_rel_milli > 0 && out->log_floor_milli > 0;
    if (out->verdict == VERDICT_FAIL)
        out->n_to_fail = 0;
}

void seq_gate(const struct seq_result *r, const struct seq_settings *s, struct gate_result *out)
{
    /* The part that is further from its limit decides when it fails. */
    bool is_floor =
        r->log_floor_milli * r->log_rel_at_milli < r->log_rel_milli * r->log_floor_at_milli;
    out->verdict = r->verdict;
    out->n_requests = r->sum.n_canary;
    out->n_failures = r->sum.bad_canary;
    out->n_base_requests = r->sum.n_base;
    out->n_base_failures = r->sum.bad_base;
    out->value = r->rate_ppm > 0 ? r->rate_ppm : 0;
    out->limit = s->max_ppm;
    out->n_missing = r->verdict != VERDICT_PASS && r->n_to_pass > 0 ? r->n_to_pass : 0;
    out->log_e_milli = is_floor ? r->log_floor_milli : r->log_rel_milli;
    out->log_e_fail_milli = is_floor ? r->log_floor_at_milli : r->log_rel_at_milli;
    out->log_pass_milli = r->log_pass_milli;
    out->log_pass_at_milli = r->log_pass_at_milli;
    out->n_to_fail = r->n_to_fail;
    out->phi_milli = r->phi_milli;
}
