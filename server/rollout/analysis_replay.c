/*
 * Judging again what was stored of a rollout, with other settings: what the verdict would have
 * been, and when. Changes nothing. Any thread with a connection.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "analysis_inner.h"
#include "replay.h"
#include "rollout_names.h"

/* "/gates/1/ratio" is the policy's pointer, the request's is "/gates/error-ratio/ratio". */
static void point_by_name(const struct policy *p, struct err *e)
{
    char tail[sizeof e->pointer];
    int gate = -1, n = 0;
    if (sscanf(e->pointer, "/gates/%d%n", &gate, &n) != 1 || gate < 0 || gate >= p->n_gates)
        return;
    snprintf(tail, sizeof tail, "%s", e->pointer + n);
    snprintf(e->pointer, sizeof e->pointer, "/gates/%s%.200s", policy_gate_name(&p->gates[gate]),
             tail);
}

/* The policy with the given members put into its gates of these names. */
static int override(const struct policy *p, const json_t *gates, struct policy *out, struct err *e)
{
    json_t *whole CLEANUP(json_decref_ptr) = policy_json(p);
    json_t *list = json_object_get(whole, "gates");
    const char *name;
    json_t *over;
    json_object_foreach((json_t *)gates, name, over)
    {
        int found = -1;
        for (int i = 0; i < p->n_gates; i++) {
            if (strcmp(policy_gate_name(&p->gates[i]), name) == 0)
                found = i;
        }
        bool can = found >= 0 && gate_is_judged(p->gates[found].kind) && json_is_object(over);
        if (!can)
            return err_at(e, ERR_INVALID, "/gates",
                          "\"%.60s\" is no gate of this rollout that can be judged again", name);
        if (json_object_get(over, "quantile") != NULL || json_object_get(over, "query") != NULL)
            return err_at(e, ERR_INVALID, "/gates",
                          "what was counted does not tell what another quantile or query gives");
        json_object_update(json_array_get(list, (size_t)found), over);
    }
    int rc = policy_parse(whole, "", out, e);
    if (rc != ERR_OK)
        point_by_name(p, e);
    return rc;
}

static void write_decided(struct jsonw *w, enum verdict v, int64_t failed_ms, int64_t passed_ms)
{
    jsonw_str(w, "verdict", verdict_name(v));
    jsonw_time(w, "failed", failed_ms);
    jsonw_time(w, "passed", passed_ms);
}

/* Of how many intervals, and how often it began anew. */
static void write_counts(struct jsonw *w, const struct analysis_interval *list, size_t n)
{
    int64_t n_intervals = 0, n_restarts = 0;
    for (size_t i = 0; i < n; i++) {
        n_restarts += list[i].kind == INTERVAL_RESTART;
        n_intervals += list[i].kind != INTERVAL_RESTART ? list[i].n_merged : 0;
    }
    jsonw_int(w, "n_intervals", n_intervals);
    if (n_restarts > 0)
        jsonw_int(w, "restarts", n_restarts);
}

static int replay_compared(const struct analysis *in, int gate, const struct judged_gate *g,
                           struct jsonw *w, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_interval *list = NULL;
    struct replay_summary sum;
    size_t n = 0;
    int rc = db_intervals(in->db, in->record->id, gate, ANALYSIS_MAX_ROWS, &a, &list, &n, e);
    if (rc != ERR_OK)
        return rc;
    struct replay_point *points = arena_alloc(&a, (n + 1) * sizeof points[0]);
    for (size_t i = 0; i < n; i++)
        points[i] = (struct replay_point){.ts_ms = list[i].ts_ms,
                                          .in = list[i].in,
                                          .is_before = list[i].kind == INTERVAL_BEFORE,
                                          .is_restart = list[i].kind == INTERVAL_RESTART};
    struct replay_options o = {.settings = g->settings};
    replay_run(&o, points, n, NULL, NULL, &sum);
    write_decided(w, sum.last.verdict, sum.failed_ms, sum.passed_ms);
    write_counts(w, list, n);
    analysis_write_merged(w, list, n);
    analysis_write_sums(w, &sum.last.sum);
    analysis_write_evidence(w, &sum.last);
    jsonw_real(w, "evidence_max", (double)sum.max_log_rel_milli / 1e3);
    return ERR_OK;
}

/* What became of the values so far. */
struct values_course {
    struct window window;
    struct window_result last;
    int64_t failed_ms, passed_ms, n_values;
};

static void take_value(struct values_course *c, const struct window_limits *l,
                       const struct analysis_value *v)
{
    struct window_reading one = {.ts_ms = v->ts_ms,
                                 .look = v->has_value ? WINDOW_VALUE : WINDOW_EMPTY,
                                 .value_micro = v->value_micro};
    if (v->is_restart) {
        window_begin(&c->window, v->ts_ms);
        return;
    }
    c->n_values += v->n_merged;
    (void)window_add(&c->window, l, &one);
    window_verdict(&c->window, l, v->ts_ms, &c->last);
    if (c->last.verdict == VERDICT_FAIL && c->failed_ms == 0)
        c->failed_ms = v->ts_ms;
    if (c->last.verdict == VERDICT_PASS && c->passed_ms == 0)
        c->passed_ms = v->ts_ms;
}

static int replay_values(const struct analysis *in, int gate, const struct judged_gate *g,
                         int64_t begun_ms, struct jsonw *w, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct analysis_value *list = NULL;
    struct values_course c = {.last.verdict = VERDICT_NO_DATA};
    size_t n = 0;
    int rc = db_values(in->db, in->record->id, gate, ANALYSIS_MAX_ROWS, &a, &list, &n, e);
    window_begin(&c.window, begun_ms);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        take_value(&c, &g->limits, &list[i]);
    if (rc != ERR_OK)
        return rc;
    write_decided(w, c.last.verdict, c.failed_ms, c.passed_ms);
    jsonw_int(w, "n_values", c.n_values);
    analysis_write_thinned(w, list, n);
    return ERR_OK;
}

int analysis_replay(const struct analysis *in, const json_t *gates, struct jsonw *w, struct err *e)
{
    struct policy *p = mem_alloc(sizeof *p);
    struct judging *stored = NULL, *j = NULL;
    int rc = override(in->policy, gates, p, e);
    if (rc == ERR_OK)
        rc = analysis_load(in, &stored, e);
    if (rc == ERR_OK)
        j = judging_new(in->record->id, p);
    if (rc == ERR_OK)
        jsonw_array(w, "gates");
    for (int i = 0; rc == ERR_OK && i < p->n_gates; i++) {
        if (!gate_is_judged(p->gates[i].kind))
            continue;
        analysis_begin_gate(w, i, &p->gates[i]);
        jsonw_str(w, "was", verdict_name(stored->gates[i].result.verdict));
        rc = analysis_compares(p->gates[i].kind)
                 ? replay_compared(in, i, &j->gates[i], w, e)
                 : replay_values(in, i, &j->gates[i], stored->begun_ms, w, e);
        jsonw_end(w);
    }
    if (rc == ERR_OK)
        jsonw_end(w);
    judging_free(stored);
    judging_free(j);
    free(p);
    return rc;
}
