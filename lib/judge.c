/*
 * Judging by counters: sums evidence over samples and counter resets and compares it with absolute
 * limits. Integers only. Knows nothing of nodes or time but what it is given. Pure; any thread.
 */
#include "rollout_names.h"

const char *const verdict_names[VERDICT_COUNT] = {"none",         "pass",    "fail",
                                                  "insufficient", "no-data", "error"};

const char *verdict_name(enum verdict v)
{
    return verdict_names[v];
}

void evidence_begin(struct evidence *ev, int64_t now_ms)
{
    *ev = (struct evidence){.since_ms = now_ms};
}

/* A counter that fell was reset: all that it shows is new. */
static int64_t grown(int64_t before, int64_t now, bool is_reset)
{
    int64_t d = is_reset ? now : now - before;
    return d < 0 ? 0 : d;
}

bool judge_add(struct evidence *ev, const struct sample *s)
{
    if (s->ts_ms <= ev->since_ms || s->ts_ms <= ev->last.ts_ms)
        return false;
    if (!s->has_counters) {
        /* Asked and none there: counters that were there once grow stale instead. */
        if (!ev->last.has_counters)
            ev->last.ts_ms = s->ts_ms;
        return !ev->last.has_counters;
    }
    if (ev->last.has_counters) {
        const struct sample *b = &ev->last;
        bool is_reset = s->n_success < b->n_success || s->n_failure < b->n_failure;
        ev->n_success += grown(b->n_success, s->n_success, is_reset);
        ev->n_failure += grown(b->n_failure, s->n_failure, is_reset);
        ev->duration_us += grown(b->duration_us, s->duration_us, is_reset);
    }
    ev->last = *s;
    ev->n_samples++;
    return true;
}

/* a * scale / b for the non-negative a and b > 0 without overflow for any counter below 2^43. */
static int64_t ratio(int64_t a, int64_t scale, int64_t b)
{
    while (a > INT64_MAX / (scale > 0 ? scale : 1)) {
        a /= 2;
        b = b / 2 > 0 ? b / 2 : 1;
    }
    return a * scale / b;
}

/* The evidence of all nodes together. */
struct total {
    int64_t n_success, n_failure, duration_us;
    bool has_data;   /* every node has counters */
    bool is_awaited; /* a node without counters was not asked yet, but will be soon */
    bool is_stale;
};

static void sum_up(const struct evidence *const *ev, size_t n, int64_t stale_before_ms,
                   struct total *t)
{
    *t = (struct total){.has_data = n > 0};
    for (size_t i = 0; i < n; i++) {
        const struct evidence *one = ev[i];
        t->n_success += one->n_success;
        t->n_failure += one->n_failure;
        t->duration_us += one->duration_us;
        t->has_data = t->has_data && one->last.has_counters;
        bool was_asked = one->last.ts_ms > 0;
        t->is_awaited = t->is_awaited || (!was_asked && one->since_ms >= stale_before_ms);
        t->is_stale = t->is_stale || (one->last.has_counters && one->last.ts_ms < stale_before_ms);
    }
}

static enum verdict judge_total(const struct total *t, bool is_enough, bool is_over)
{
    if (is_enough && is_over)
        return VERDICT_FAIL;
    if (!t->has_data)
        return t->is_awaited ? VERDICT_INSUFFICIENT : VERDICT_NO_DATA;
    if (t->is_stale)
        return VERDICT_ERROR;
    return is_enough ? VERDICT_PASS : VERDICT_INSUFFICIENT;
}

void judge_gate(const struct policy_gate *gate, const struct evidence *const *ev, size_t n,
                int64_t stale_before_ms, struct gate_result *out)
{
    struct total t;
    sum_up(ev, n, stale_before_ms, &t);
    int64_t n_requests = t.n_success + t.n_failure;
    bool is_rate = gate->kind == GATE_ERROR_RATE;
    *out = (struct gate_result){.kind = gate->kind,
                                .n_requests = n_requests,
                                .n_failures = t.n_failure,
                                .limit = is_rate ? gate->max_ppm : gate->max_us};
    if (n_requests > 0)
        out->value = is_rate ? ratio(t.n_failure, 1000000, n_requests) : t.duration_us / n_requests;
    bool is_enough = n_requests >= gate->min_requests;
    out->n_missing = is_enough ? 0 : gate->min_requests - n_requests;
    out->verdict = judge_total(&t, is_enough, out->value > out->limit);
}
