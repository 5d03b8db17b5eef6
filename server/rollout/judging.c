/*
 * Judging a rollout by what its nodes count. An interval is closed when every node that takes part
 * was read, or is late; what was counted in it goes to the side of the node, and each gate that
 * compares gets the two sums. Must not know how counters are read or what follows from a verdict.
 * Controller's thread.
 */
#include "controller_inner.h"
#include "judging.h"

#include <stdlib.h>
#include <string.h>

#include "log.h"

/* Requests that a node answers first with a new version are slower than later ones. */
#define WARM_REQUESTS 10

/* --- making and loading --- */

static void make_gate(struct judging *j, const struct policy_gate *from, struct judged_gate *g)
{
    bool compares = from->kind == GATE_ERROR_RATIO || from->kind == GATE_SLOW_RATIO;
    *g = (struct judged_gate){.kind = from->kind, .feed = -1};
    if (compares) {
        g->feed = j->n_feeds++;
        seq_settings_of(from, &g->settings);
        seq_init(&g->state, NULL);
        return;
    }
    int64_t most = from->every_ms > from->for_ms ? from->every_ms : from->for_ms;
    /* People and jobs post less regularly than a query is asked. */
    bool is_posted = from->kind == GATE_METRIC;
    int64_t gap_ms = is_posted ? 3 * most : from->for_ms + 3 * from->every_ms + 10000;
    window_limits_of(from, is_posted && gap_ms < 600000 ? 600000 : gap_ms, &g->limits);
}

struct judging *judging_new(const char *rollout_id, const struct policy *p)
{
    struct judging *j = mem_alloc(sizeof *j);
    strncpy(j->rollout_id, rollout_id, sizeof j->rollout_id - 1);
    j->n_gates = p->n_gates;
    for (int i = 0; i < p->n_gates; i++)
        make_gate(j, &p->gates[i], &j->gates[i]);
    return j;
}

void judging_free(struct judging *j)
{
    if (j == NULL)
        return;
    for (int i = 0; i < j->n_nodes; i++) {
        free(j->nodes[i].feeds);
        free(j->nodes[i].links);
    }
    free(j->nodes);
    free(j->intervals);
    free(j->values);
    free(j);
}

static bool has_judged(const struct policy *p)
{
    for (int i = 0; i < p->n_gates; i++) {
        if (gate_is_judged(p->gates[i].kind))
            return true;
    }
    return false;
}

static int load(struct controller *c, struct target *t, struct judging *j, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct arena a CLEANUP(arena_clear) = {0};
    const char *document = NULL;
    int64_t n_rows[POLICY_MAX_GATES] = {0};
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK)
        rc = db_analysis_get(r.db, t->record.id, &a, &document, e);
    if (rc == ERR_OK)
        rc = db_analysis_count(r.db, t->record.id, j->n_gates, n_rows, e);
    for (int i = 0; i < j->n_gates; i++)
        j->gates[i].n_rows = n_rows[i];
    if (rc == ERR_OK && document != NULL)
        rc = judging_read(document, j, e);
    return rc;
}

struct judging *judging_of(struct controller *c, struct target *t)
{
    struct err e;
    if (!t->is_rolling || t->is_broken || !has_judged(t->strategy))
        return NULL;
    if (t->judging != NULL)
        return t->judging;
    struct judging *j = judging_new(t->record.id, t->strategy);
    int rc = load(c, t, j, &e);
    if (rc == ERR_INVALID) {
        /* Evidence that cannot be read is gone; a new begin is the careful way. */
        log_err(LOG_ERROR, "judging", &e);
        judging_free(j);
        j = judging_new(t->record.id, t->strategy);
    } else if (rc != ERR_OK) {
        log_err(LOG_WARNING, "judging", &e);
        judging_free(j);
        return NULL;
    }
    t->judging = j;
    return j;
}

/* --- intervals --- */

static bool is_complete(const struct controller *c, const struct env *env, const struct target *t)
{
    const struct judging *j = t->judging;
    if (c->now_ms >= j->closed_ms + 2 * c->o.sample_every_ms)
        return true;
    for (int i = 0; i < j->n_nodes; i++) {
        int at = world_node(env, j->nodes[i].node_id);
        bool is_awaited = j->nodes[i].arm != ARM_NONE && j->nodes[i].away_ms == 0 && at >= 0;
        if (is_awaited && t->spots[at].sampled_ms <= j->closed_ms)
            return false;
    }
    return true;
}

/* The counters of a node as a comparing gate reads them; false if it has none. */
static bool reading_of(const struct judged_gate *g, const struct spot *spot,
                       struct feed_reading *out)
{
    const struct counted *c = spot->counted;
    if (c == NULL || !c->has_requests || c->ts_ms == 0)
        return false;
    *out = (struct feed_reading){
        .n_own = spot->n_own, .n_own_bad = spot->n_own_bad, .n_unsure = spot->n_unsure};
    if (g->kind == GATE_ERROR_RATIO) {
        out->ts_ms = c->ts_ms;
        out->n_total = c->n_success + c->n_failure;
        out->n_good = c->n_success;
        return true;
    }
    out->ts_ms = c->timed_ms;
    /* How long golden requests took is not known: they are few and begin before the feed does. */
    out->n_own = out->n_own_bad = out->n_unsure = 0;
    return g->bound > 0 && counted_split(c, g->bound, &out->n_total, &out->n_good);
}

/* Golden requests do not come through routers. */
static void feed_node(const struct controller *c, struct target *t, const struct judged_gate *g,
                      struct judged_node *n, struct judged_take *take)
{
    struct feed_reading r;
    int64_t count = 0, bad = 0;
    int at = world_node(t->env, n->node_id);
    if (at < 0)
        return;
    if (g->is_routed) {
        judging_feed_links(c, t, n, take);
        return;
    }
    if (!reading_of(g, &t->spots[at], &r) ||
        !feed_add(&n->feeds[g->feed], &take->warm, &r, &count, &bad))
        return;
    take->n += count;
    take->bad += bad;
}

static void feed_gate(const struct controller *c, struct target *t, struct judged_gate *g,
                      struct seq_interval *sum)
{
    struct judging *j = t->judging;
    bool is_controlled = t->lane.status.control == CONTROL_WARM;
    struct judged_take canary = {
        .feed = g->feed,
        .warm = {.warm_ms = t->strategy->min_healthy_ms, .warm_requests = WARM_REQUESTS}};
    /* What was loaded again warms up as the new version does. */
    struct judged_take base = {.feed = g->feed,
                               .warm = is_controlled ? canary.warm : (struct feed_warmup){0}};
    for (int i = 0; i < j->n_nodes; i++) {
        struct judged_node *n = &j->nodes[i];
        if (n->arm != ARM_NONE)
            feed_node(c, t, g, n, n->arm == ARM_CANARY ? &canary : &base);
    }
    *sum = (struct seq_interval){canary.n, canary.bad, base.n, base.bad};
}

static void keep_interval(struct judging *j, const struct analysis_interval *in)
{
    if (j->n_intervals == j->cap_intervals) {
        j->cap_intervals = j->cap_intervals * 2 + 16;
        j->intervals = mem_resize(j->intervals, j->cap_intervals, sizeof j->intervals[0]);
    }
    j->intervals[j->n_intervals++] = *in;
}

void judging_keep(struct judging *j, int gate, int64_t ts_ms, const struct seq_interval *in,
                  enum interval_kind kind)
{
    struct analysis_interval row = {
        .gate = gate, .ts_ms = ts_ms, .kind = kind, .in = *in, .n_merged = 1};
    if (in->n_canary > 0 || in->n_base > 0 || kind == INTERVAL_RESTART)
        keep_interval(j, &row);
}

void judging_keep_value(struct judging *j, const struct analysis_value *v)
{
    if (j->n_values == j->cap_values) {
        j->cap_values = j->cap_values * 2 + 16;
        j->values = mem_resize(j->values, j->cap_values, sizeof j->values[0]);
    }
    j->values[j->n_values++] = *v;
}

static void close_interval(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = t->judging;
    judging_choose_source(c, env, t);
    for (int i = 0; i < j->n_gates; i++) {
        struct judged_gate *g = &j->gates[i];
        struct seq_interval sum = {0};
        if (g->feed < 0)
            continue;
        if (g->kind == GATE_SLOW_RATIO && g->bound <= 0 &&
            !judging_find_bound(env, t, g, t->strategy->gates[i].quantile_ppm))
            continue;
        feed_gate(c, t, g, &sum);
        if (sum.n_canary == 0 && sum.n_base == 0)
            continue;
        seq_step(&g->state, &g->settings, &sum);
        judging_keep(j, i, c->now_ms, &sum, INTERVAL_JUDGED);
    }
    j->closed_ms = c->now_ms;
    judging_went_on(c, t);
}

static bool goes_on(const struct target *t)
{
    enum rollout_phase p = t->lane.status.phase;
    return p == ROLLOUT_RUNNING || p == ROLLOUT_PAUSED;
}

void judging_heard(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = judging_of(c, t);
    if (j == NULL)
        return;
    int64_t patience_ms = (j->begun_ms == 0 ? 1 : 2) * c->o.sample_every_ms;
    int64_t since_ms = j->begun_ms == 0 ? j->looked_ms : j->closed_ms;
    if (++j->n_heard >= j->n_sides || c->now_ms >= since_ms + patience_ms)
        judging_take(c, env, t);
}

void judging_take(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = judging_of(c, t);
    if (j == NULL || !goes_on(t))
        return;
    j->looked_ms = c->now_ms;
    j->n_heard = 0;
    bool has_canary = judging_take_sides(c, t);
    if (j->begun_ms == 0 && !has_canary)
        return;
    if (j->begun_ms == 0) {
        j->begun_ms = j->closed_ms = c->now_ms;
        for (int i = 0; i < j->n_gates; i++)
            window_begin(&j->gates[i].window, c->now_ms);
        judging_freeze(c, env, t);
    } else if (c->now_ms > j->closed_ms && is_complete(c, env, t)) {
        close_interval(c, env, t);
    }
    judging_judge(c, env, t);
}

void judging_value(struct controller *c, struct target *t, struct judged_gate *g,
                   const struct window_reading *r)
{
    struct judging *j = t->judging;
    if (!window_add(&g->window, &g->limits, r))
        return;
    judging_went_on(c, t);
    if (r->look == WINDOW_ERROR)
        return;
    struct analysis_value v = {.gate = (int)(g - j->gates),
                               .ts_ms = r->ts_ms,
                               .has_value = r->look == WINDOW_VALUE,
                               .value_micro = r->value_micro,
                               .n_merged = 1};
    judging_keep_value(j, &v);
    target_wake(c, t);
}

/* --- out --- */

const struct gate_result *judging_results(const struct target *t, struct arena *a)
{
    const struct judging *j = t->judging;
    if (j == NULL || j->n_gates == 0)
        return NULL;
    struct gate_result *out = arena_alloc(a, (size_t)j->n_gates * sizeof out[0]);
    for (int i = 0; i < j->n_gates; i++) {
        const struct policy_gate *gate = &t->strategy->gates[i];
        out[i] = j->gates[i].result;
        out[i].kind = gate->kind;
        out[i].is_report_only = gate->is_report_only;
        out[i].name = gate->name[0] != '\0' ? gate->name : NULL;
    }
    return out;
}
