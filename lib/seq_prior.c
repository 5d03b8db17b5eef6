/*
 * What is measured before a rollout, when every node has the old version: how bursty bad requests
 * are, how much worse the first nodes are than the others already, and whether the judge would fail
 * the old version against itself. Pure; any thread.
 */
#include <math.h>

#include "sequential.h"

#define MIN_CELLS 5
#define PHI_IS_ONE 1.2
#define MIN_EXPECTED 5.0
#define NORMAL_90 1.2815515655446004

static double n_of(const struct seq_interval *in)
{
    return (double)in->n_canary + (double)in->n_base;
}

static double bad_of(const struct seq_interval *in)
{
    return (double)in->bad_canary + (double)in->bad_base;
}

double seq_phi(const struct seq_interval *in, size_t n)
{
    double requests = 0, bad = 0;
    for (size_t i = 0; i < n; i++) {
        requests += n_of(&in[i]);
        bad += bad_of(&in[i]);
    }
    double rate = requests > 0 ? bad / requests : 0;
    double chi2 = 0, expected = 0, seen = 0;
    int n_cells = 0;
    for (size_t i = 0; i < n; i++) {
        expected += rate * n_of(&in[i]);
        seen += bad_of(&in[i]);
        if (expected < 1)
            continue;
        chi2 += (seen - expected) * (seen - expected) / expected;
        n_cells++;
        expected = 0;
        seen = 0;
    }
    /* The rest, in which less than 1 is expected, says nothing. */
    if (n_cells < MIN_CELLS)
        return SEQ_PHI_UNKNOWN;
    double phi = chi2 / (n_cells - 1);
    if (phi < PHI_IS_ONE)
        return 1;
    return phi < SEQ_MAX_PHI ? phi : SEQ_MAX_PHI;
}

static void sum_all(const struct seq_interval *in, size_t n, struct seq_interval *out)
{
    *out = (struct seq_interval){0};
    for (size_t i = 0; i < n; i++) {
        out->n_canary += in[i].n_canary;
        out->bad_canary += in[i].bad_canary;
        out->n_base += in[i].n_base;
        out->bad_base += in[i].bad_base;
    }
}

double seq_widen(const struct seq_interval *in, size_t n, double phi)
{
    struct seq_interval sum;
    sum_all(in, n, &sum);
    double all = n_of(&sum), bad = bad_of(&sum);
    double n_canary = (double)sum.n_canary, n_base = (double)sum.n_base;
    if (all <= 0 || bad * n_canary / all < MIN_EXPECTED || bad * n_base / all < MIN_EXPECTED)
        return 1;
    /* The logarithm of the ratio is nearly normal; half an event keeps it finite. */
    double c = (double)sum.bad_canary + 0.5, b = (double)sum.bad_base + 0.5;
    double ratio = c / n_canary / (b / n_base);
    double bound = ratio * exp(NORMAL_90 * sqrt(phi * (1 / c + 1 / b)));
    if (bound < 1)
        return 1;
    return bound < SEQ_MAX_WIDEN ? bound : SEQ_MAX_WIDEN;
}

bool seq_aa(const struct seq_settings *s, const struct seq_interval *in, size_t n, double phi)
{
    struct seq_state st;
    seq_init(&st, &(struct seq_prior){.phi = phi, .widen = 1});
    for (size_t i = 0; i < n && !st.has_failed; i++)
        seq_step(&st, s, &in[i]);
    return st.has_failed;
}

void seq_prior_of(const struct seq_settings *s, const struct seq_interval *in, size_t n,
                  struct seq_prior *out)
{
    out->phi = seq_phi(in, n);
    out->widen = seq_widen(in, n, out->phi);
    out->is_false = seq_aa(s, in, n, out->phi);
}
