/*
 * Stored intervals judged again: the same functions that judged them when they came, with settings
 * that may differ. Pure; any thread.
 */
#include "replay.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

/* phi, widen and the check of old against old, from the points before the rollout. */
static void measure(const struct replay_options *o, const struct replay_point *points, size_t n,
                    struct seq_prior *out)
{
    struct seq_interval *before = mem_alloc((n + 1) * sizeof *before);
    size_t n_before = 0;

    for (size_t i = 0; i < n; i++)
        if (points[i].is_before)
            before[n_before++] = points[i].in;
    out->phi = o->phi >= 1 ? o->phi : seq_phi(before, n_before);
    out->widen = o->widen >= 1 ? o->widen : seq_widen(before, n_before, out->phi);
    out->is_false = seq_aa(&o->settings, before, n_before, out->phi);
    free(before);
}

static void take(struct replay_summary *sum, int64_t ts_ms, const struct seq_result *r)
{
    sum->last = *r;
    if (r->verdict == VERDICT_FAIL && sum->failed_ms == 0)
        sum->failed_ms = ts_ms;
    if (r->verdict == VERDICT_PASS && sum->passed_ms == 0)
        sum->passed_ms = ts_ms;
    if (r->log_rel_milli < sum->min_log_rel_milli)
        sum->min_log_rel_milli = r->log_rel_milli;
    if (r->log_rel_milli > sum->max_log_rel_milli)
        sum->max_log_rel_milli = r->log_rel_milli;
}

void replay_run(const struct replay_options *o, const struct replay_point *points, size_t n,
                struct replay_step *steps, size_t *n_steps, struct replay_summary *out)
{
    struct seq_state st;
    struct seq_result r;
    size_t n_done = 0;

    memset(out, 0, sizeof *out);
    measure(o, points, n, &out->prior);
    seq_init(&st, &out->prior);
    seq_verdict(&st, &o->settings, SEQ_FRESH, &out->last);
    for (size_t i = 0; i < n; i++) {
        if (points[i].is_before)
            continue;
        if (points[i].is_restart) {
            seq_init(&st, &out->prior);
            seq_verdict(&st, &o->settings, SEQ_FRESH, &out->last);
            continue;
        }
        seq_step(&st, &o->settings, &points[i].in);
        seq_verdict(&st, &o->settings, SEQ_FRESH, &r);
        take(out, points[i].ts_ms, &r);
        if (steps != NULL)
            steps[n_done] = (struct replay_step){points[i].ts_ms, r};
        n_done++;
    }
    if (n_steps != NULL)
        *n_steps = n_done;
}
