/*
 * The judging of a rollout as people see it: per gate what both sides counted, how strong the
 * evidence is on its scale, what is missing, and bounded series for charts. Any thread.
 */
#include "analysis_inner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rollout_names.h"

static const char *const timing_units[] = {"s", "ms", "s"};
static const char *const timing_names[] = {"model", "first-response", "server"};

bool analysis_compares(enum gate_kind kind)
{
    return kind == GATE_ERROR_RATIO || kind == GATE_SLOW_RATIO;
}

static bool reads_values(enum gate_kind kind)
{
    return kind == GATE_PROMQL || kind == GATE_METRIC;
}

/* --- numbers --- */

static void write_log(struct jsonw *w, const char *key, int64_t milli)
{
    jsonw_real(w, key, (double)milli / 1e3);
}

static void write_arm(struct jsonw *w, const char *key, int64_t n, int64_t bad)
{
    jsonw_object(w, key);
    jsonw_int(w, "requests", n);
    jsonw_int(w, "bad", bad);
    if (n > 0)
        jsonw_real(w, "rate", (double)bad / (double)n);
    jsonw_end(w);
}

void analysis_write_sums(struct jsonw *w, const struct seq_interval *sum)
{
    write_arm(w, "canary", sum->n_canary, sum->bad_canary);
    write_arm(w, "baseline", sum->n_base, sum->bad_base);
    if (sum->n_canary > 0 && sum->n_base > 0 && sum->bad_base > 0)
        jsonw_real(w, "ratio",
                   ((double)sum->bad_canary / (double)sum->n_canary) /
                       ((double)sum->bad_base / (double)sum->n_base));
}

/* How far the evidence is on its way to each of the two ends. */
void analysis_write_evidence(struct jsonw *w, const struct seq_result *r)
{
    jsonw_object(w, "evidence");
    write_log(w, "ratio", r->log_rel_milli);
    write_log(w, "ratio_fails_at", r->log_rel_at_milli);
    write_log(w, "floor", r->log_floor_milli);
    write_log(w, "floor_fails_at", r->log_floor_at_milli);
    write_log(w, "pass", r->log_pass_milli);
    write_log(w, "passes_at", r->log_pass_at_milli);
    jsonw_end(w);
    if (r->verdict == VERDICT_INSUFFICIENT && r->n_to_fail >= 0)
        jsonw_int(w, "needs_to_fail", r->n_to_fail);
    if (r->verdict == VERDICT_INSUFFICIENT && r->n_to_pass >= 0)
        jsonw_int(w, "needs_to_pass", r->n_to_pass);
    jsonw_real(w, "burstiness", (double)r->phi_milli / 1e3);
    jsonw_real(w, "allowed_ratio", (double)r->ratio_milli / 1e3);
    if (r->is_grey)
        jsonw_bool(w, "grey", true);
}

/* --- series --- */

/* Merges neighbours so that at most n_points are left. */
struct thinning {
    size_t n, n_points;
};

static bool is_last_of_point(const struct thinning *t, size_t i)
{
    return i + 1 == t->n || (i + 1) * t->n_points / t->n != i * t->n_points / t->n;
}

static void write_point(struct jsonw *w, int64_t ts_ms, const struct seq_interval *in,
                        const struct seq_result *r)
{
    jsonw_object(w, NULL);
    jsonw_time(w, "time", ts_ms);
    jsonw_int(w, "canary", in->n_canary);
    jsonw_int(w, "canary_bad", in->bad_canary);
    jsonw_int(w, "baseline", in->n_base);
    jsonw_int(w, "baseline_bad", in->bad_base);
    if (r != NULL) {
        write_log(w, "evidence", r->log_rel_milli);
        write_log(w, "pass", r->log_pass_milli);
    }
    jsonw_end(w);
}

static void add(struct seq_interval *sum, const struct seq_interval *in)
{
    sum->n_canary += in->n_canary;
    sum->bad_canary += in->bad_canary;
    sum->n_base += in->n_base;
    sum->bad_base += in->bad_base;
}

/* Of a series of intervals. */
struct course {
    const struct seq_settings *settings;
    struct seq_prior prior;
    struct seq_state state;
    struct seq_interval sum; /* since the last point */
};

static void take_interval(struct course *c, const struct analysis_interval *in)
{
    add(&c->sum, &in->in);
    if (in->kind == INTERVAL_RESTART)
        seq_init(&c->state, &c->prior);
    else if (in->kind == INTERVAL_JUDGED)
        seq_step(&c->state, c->settings, &in->in);
}

/* The evidence is computed again from the same intervals, as it was then. */
static void write_intervals(struct jsonw *w, const struct judged_gate *g, int64_t n_points,
                            const struct analysis_interval *list, size_t n)
{
    struct thinning thin = {.n = n, .n_points = (size_t)n_points};
    struct course c = {.settings = &g->settings, .prior = g->state.prior};
    struct seq_result r;
    seq_init(&c.state, &c.prior);
    jsonw_array(w, "series");
    for (size_t i = 0; i < n; i++) {
        bool is_before = list[i].kind == INTERVAL_BEFORE;
        take_interval(&c, &list[i]);
        bool is_last = is_last_of_point(&thin, i) ||
                       (is_before && i + 1 < n && list[i + 1].kind != INTERVAL_BEFORE);
        if (!is_last)
            continue;
        if (!is_before)
            seq_verdict(&c.state, &g->settings, SEQ_FRESH, &r);
        write_point(w, list[i].ts_ms, &c.sum, is_before ? NULL : &r);
        c.sum = (struct seq_interval){0};
    }
    jsonw_end(w);
}

void analysis_write_merged(struct jsonw *w, const struct analysis_interval *list, size_t n)
{
    int64_t n_merged = 0, n_rows = 0, n_rough = 0, until_ms = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].n_merged <= 1)
            continue;
        n_merged += list[i].n_merged;
        n_rows++;
        n_rough += list[i].is_rough;
        until_ms = list[i].ts_ms;
    }
    if (n_rows == 0)
        return;
    jsonw_object(w, "merged");
    jsonw_int(w, "intervals", n_merged);
    jsonw_int(w, "into", n_rows);
    jsonw_int(w, "rough", n_rough);
    jsonw_time(w, "until", until_ms);
    jsonw_end(w);
}

void analysis_write_thinned(struct jsonw *w, const struct analysis_value *list, size_t n)
{
    int64_t n_merged = 0, n_rows = 0, until_ms = 0;
    for (size_t i = 0; i < n; i++) {
        if (list[i].n_merged <= 1)
            continue;
        n_merged += list[i].n_merged;
        n_rows++;
        until_ms = list[i].ts_ms;
    }
    if (n_rows == 0)
        return;
    jsonw_object(w, "merged");
    jsonw_int(w, "values", n_merged);
    jsonw_int(w, "into", n_rows);
    jsonw_time(w, "until", until_ms);
    jsonw_end(w);
}

static void write_before(struct jsonw *w, const struct analysis_interval *list, size_t n)
{
    struct seq_interval sum = {0};
    size_t n_before = 0;
    for (; n_before < n && list[n_before].kind == INTERVAL_BEFORE; n_before++)
        add(&sum, &list[n_before].in);
    if (n_before == 0)
        return;
    jsonw_object(w, "before");
    jsonw_time(w, "since", list[0].ts_ms);
    analysis_write_sums(w, &sum);
    jsonw_end(w);
}

static void write_values(struct jsonw *w, int64_t n_points, const struct analysis_value *list,
                         size_t n)
{
    struct thinning thin = {.n = n, .n_points = (size_t)n_points};
    jsonw_array(w, "series");
    for (size_t i = 0; i < n; i++) {
        if (list[i].is_restart || !is_last_of_point(&thin, i))
            continue;
        jsonw_object(w, NULL);
        jsonw_time(w, "time", list[i].ts_ms);
        if (list[i].has_value)
            jsonw_real(w, "value", (double)list[i].value_micro / 1e6);
        jsonw_end(w);
    }
    jsonw_end(w);
}

/* --- gates --- */

/* Numbers in the unit that people write in a policy. */
static void write_limits(struct jsonw *w, const struct gate_result *r)
{
    double scale = r->kind == GATE_LATENCY ? 1e3 : 1e6;
    if (r->kind == GATE_HEALTH || r->kind == GATE_GOLDEN || r->verdict == VERDICT_NONE)
        return;
    jsonw_real(w, "value", (double)r->value / scale);
    jsonw_real(w, "limit", (double)r->limit / scale);
    if (!reads_values(r->kind)) {
        jsonw_int(w, "n_requests", r->n_requests);
        jsonw_int(w, "n_failures", r->n_failures);
    }
}

static int write_compared(const struct analysis *in, int gate, const struct judged_gate *g,
                          struct jsonw *w, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_interval *list = NULL;
    struct seq_result r;
    size_t n = 0;
    int rc = db_intervals(in->db, in->record->id, gate, ANALYSIS_MAX_ROWS, &a, &list, &n, e);
    if (rc != ERR_OK)
        return rc;
    seq_verdict(&g->state, &g->settings, SEQ_FRESH, &r);
    r.verdict = g->result.verdict;
    jsonw_str(w, "source", g->is_routed ? "router" : "nodes");
    analysis_write_sums(w, &r.sum);
    analysis_write_evidence(w, &r);
    if (g->kind == GATE_SLOW_RATIO && g->bound > 0) {
        jsonw_object(w, "slower_than");
        jsonw_real(w, "value", g->bound);
        jsonw_str(w, "unit", timing_units[g->timing]);
        jsonw_str(w, "of", timing_names[g->timing]);
        jsonw_end(w);
    }
    write_before(w, list, n);
    analysis_write_merged(w, list, n);
    write_intervals(w, g, in->n_points, list, n);
    return ERR_OK;
}

static int write_read_values(const struct analysis *in, int gate, const struct judged_gate *g,
                             struct jsonw *w, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_value *list = NULL;
    size_t n = 0;
    int rc = db_values(in->db, in->record->id, gate, ANALYSIS_MAX_ROWS, &a, &list, &n, e);
    if (rc != ERR_OK)
        return rc;
    write_limits(w, &g->result);
    analysis_write_thinned(w, list, n);
    write_values(w, in->n_points, list, n);
    return ERR_OK;
}

void analysis_begin_gate(struct jsonw *w, int gate, const struct policy_gate *pg)
{
    jsonw_object(w, NULL);
    jsonw_int(w, "gate", gate);
    jsonw_str(w, "kind", gate_name(pg->kind));
    jsonw_str(w, "name", policy_gate_name(pg));
    if (pg->is_report_only)
        jsonw_bool(w, "report_only", true);
}

static int write_gate(const struct analysis *in, const struct judging *j, int gate, struct jsonw *w,
                      struct err *e)
{
    const struct policy_gate *pg = &in->policy->gates[gate];
    const struct judged_gate *g = &j->gates[gate];
    bool is_judged = gate_is_judged(pg->kind);
    const struct gate_result *r = is_judged                    ? &g->result
                                  : gate < in->status->n_gates ? &in->status->gates[gate]
                                                               : &g->result;
    int rc = ERR_OK;
    analysis_begin_gate(w, gate, pg);
    jsonw_str(w, "verdict", verdict_name(r->verdict));
    jsonw_time(w, "since", r->since_ms);
    if (r->cause[0] != '\0')
        jsonw_str(w, "cause", r->cause);
    if (analysis_compares(pg->kind))
        rc = write_compared(in, gate, g, w, e);
    else if (reads_values(pg->kind))
        rc = write_read_values(in, gate, g, w, e);
    else
        write_limits(w, r);
    jsonw_end(w);
    return rc;
}

/* --- nodes --- */

static void write_nodes(const struct analysis *in, const struct judging *j, struct jsonw *w)
{
    static const char *const names[ARM_COUNT] = {"none", "baseline", "canary"};
    jsonw_array(w, "nodes");
    for (int i = 0; i < in->status->n_nodes; i++) {
        const struct judged_node *n = judging_node(j, in->status->nodes[i].node_id);
        if (n == NULL || n->arm == ARM_NONE)
            continue;
        jsonw_object(w, NULL);
        jsonw_str(w, "node", in->status->nodes[i].name);
        jsonw_str(w, "side", names[n->arm]);
        jsonw_time(w, "since", n->since_ms);
        jsonw_time(w, "away", n->away_ms);
        jsonw_end(w);
    }
    jsonw_end(w);
}

int analysis_load(const struct analysis *in, struct judging **out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *document = NULL;
    struct judging *j = judging_new(in->record->id, in->policy);
    int rc = db_analysis_get(in->db, in->record->id, &a, &document, e);
    if (rc == ERR_OK && document != NULL)
        rc = judging_read(document, j, e);
    if (rc == ERR_OK) {
        *out = j;
        return ERR_OK;
    }
    judging_free(j);
    if (rc == ERR_INVALID)
        e->code = ERR_CORRUPT;
    return rc == ERR_INVALID ? (int)ERR_CORRUPT : rc;
}

int analysis_write(const struct analysis *in, struct jsonw *w, struct err *e)
{
    struct judging *j = NULL;
    int rc = analysis_load(in, &j, e);
    if (rc != ERR_OK)
        return rc;
    jsonw_time(w, "began", j->begun_ms);
    jsonw_time(w, "updated", j->closed_ms);
    char baseline[ROLLOUT_BASELINE_BYTES];
    if (rollout_baseline(in->status, baseline)[0] != '\0')
        jsonw_str(w, "baseline", baseline);
    write_nodes(in, j, w);
    jsonw_array(w, "gates");
    for (int i = 0; rc == ERR_OK && i < in->policy->n_gates; i++)
        rc = write_gate(in, j, i, w, e);
    jsonw_end(w);
    judging_free(j);
    return rc;
}
