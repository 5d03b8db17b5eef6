/*
 * From the evidence of a rollout to what its gates say, with the cause where they cannot judge:
 * which node lacks what, and since when. Controller's thread.
 */
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"

#define STALE_SAMPLES 3

/* What one node's counters are good for, as a gate needs them. */
enum reading_state { READING_FRESH, READING_AWAITED, READING_ABSENT, READING_STALE };

struct sources {
    int n_base, n_base_fresh, n_canary;
    enum reading_state worst_canary, best_base;
    char text[GATE_CAUSE_BYTES]; /* of the node that is worst */
};

static int64_t stale_after_ms(const struct controller *c)
{
    return STALE_SAMPLES * c->o.sample_every_ms + 1000;
}

/* Away, and not for a moment: what it counted before says nothing about now. */
static bool is_gone(const struct controller *c, const struct judged_node *n)
{
    return n->away_ms != 0 && c->now_ms - n->away_ms > stale_after_ms(c);
}

/* MLServer and others show durations with the first request only. */
static bool lacks_times(const struct judged_gate *g, const struct counted *counted)
{
    int64_t n_total = 0, n_good = 0;
    if (g->kind != GATE_SLOW_RATIO || counted->n_success + counted->n_failure == 0)
        return false;
    if (counted->timed_ms == 0)
        return true;
    return g->bound > 0 && !counted_split(counted, g->bound, &n_total, &n_good);
}

static enum reading_state state_of(const struct controller *c, const struct judged_gate *g,
                                   const struct target *t, const struct spot *spot,
                                   const struct judged_node *n)
{
    int64_t since = c->now_ms - stale_after_ms(c);
    int64_t ts_ms = 0;
    if (n->away_ms != 0 && n->is_moving)
        return READING_AWAITED;
    if (is_gone(c, n))
        return READING_STALE;
    if (g->is_routed) {
        /* Routers are looked at less often. */
        since -= c->o.observe_every_ms;
        bool is_counted = judging_is_routed(c, t, n->node_id, &ts_ms);
        return !is_counted ? READING_ABSENT : ts_ms > since ? READING_FRESH : READING_STALE;
    }
    bool was_read = spot->sampled_ms > since && spot->counted != NULL;
    if (was_read && spot->counted->has_requests)
        return lacks_times(g, spot->counted) ? READING_ABSENT : READING_FRESH;
    if (was_read)
        return READING_ABSENT;
    return n->since_ms > since ? READING_AWAITED : READING_STALE;
}

static void explain_gone(const struct controller *c, const struct node *node,
                         const struct judged_node *n, struct sources *out)
{
    long long s = (long long)((c->now_ms - n->away_ms) / 1000);
    if (node->is_reachable)
        snprintf(out->text, sizeof out->text, "node %.60s serves the %s version no more for %lld s",
                 node->name, n->arm == ARM_CANARY ? "new" : "old", s);
    else
        snprintf(out->text, sizeof out->text, "node %.60s cannot be reached for %lld s: %.80s",
                 node->name, s, node->detail[0] != '\0' ? node->detail : "no answer");
}

static void explain(const struct controller *c, const struct judged_gate *g,
                    const struct node *node, const struct spot *spot, struct sources *out)
{
    bool lacks = spot->counted != NULL && spot->counted->has_requests;
    if (spot->sampled_ms > c->now_ms - stale_after_ms(c) && lacks) {
        const char *what = spot->counted->timed_ms == 0
                               ? "has no histogram of durations"
                               : "has other buckets of durations than the others";
        snprintf(out->text, sizeof out->text, "node %.60s %s", node->name, what);
        return;
    }
    if (g->is_routed) {
        snprintf(out->text, sizeof out->text,
                 "neither node %.60s nor a router counts its requests lately", node->name);
        return;
    }
    const char *why = node->scrape_text[0] != '\0' ? node->scrape_text : "no answer";
    if (spot->sampled_ms == 0)
        snprintf(out->text, sizeof out->text, "node %.60s: %.100s", node->name, why);
    else
        snprintf(out->text, sizeof out->text, "node %.60s: %.80s; last read %lld s ago", node->name,
                 why, (long long)((c->now_ms - spot->sampled_ms) / 1000));
}

/* With the old version one node that counts is enough; with the new one all have to. */
static void look(const struct controller *c, const struct env *env, const struct target *t,
                 const struct judged_gate *g, struct sources *out)
{
    *out = (struct sources){.worst_canary = READING_FRESH, .best_base = READING_STALE};
    for (int i = 0; i < env->n_nodes; i++) {
        const struct judged_node *n = judging_node(t->judging, env->nodes[i].node_id);
        if (n == NULL || n->arm == ARM_NONE)
            continue;
        enum reading_state state = state_of(c, g, t, &t->spots[i], n);
        bool is_canary = n->arm == ARM_CANARY;
        bool tells = state >= READING_ABSENT &&
                     (is_canary ? state > out->worst_canary : out->worst_canary == READING_FRESH);
        if (tells && is_gone(c, n))
            explain_gone(c, &env->nodes[i], n, out);
        else if (tells)
            explain(c, g, &env->nodes[i], &t->spots[i], out);
        out->n_canary += is_canary;
        out->n_base += !is_canary;
        out->n_base_fresh += !is_canary && state == READING_FRESH;
        if (is_canary && state > out->worst_canary)
            out->worst_canary = state;
        if (!is_canary && state < out->best_base)
            out->best_base = state;
    }
}

static enum seq_source source_of(const struct sources *s)
{
    static const enum seq_source by_state[] = {[READING_FRESH] = SEQ_FRESH,
                                               [READING_AWAITED] = SEQ_AWAITED,
                                               [READING_ABSENT] = SEQ_ABSENT,
                                               [READING_STALE] = SEQ_STALE};
    bool is_base_worse = s->n_base > 0 && s->best_base > s->worst_canary;
    /* All of them were left out or taken back: the evidence is of the past. */
    if (s->n_canary == 0)
        return SEQ_AWAITED;
    return by_state[is_base_worse ? s->best_base : s->worst_canary];
}

static void set_cause(struct gate_result *r, const char *text)
{
    snprintf(r->cause, sizeof r->cause, "%s", text);
}

/* Without an older version or without a node that has it there is nothing to compare with. */
static void judge_alone(const struct target *t, const struct sources *s, struct gate_result *r)
{
    if (t->record.from == 0) {
        r->verdict = VERDICT_PASS;
        set_cause(r, "there is no older version to compare with");
    } else if (s->n_base == 0 && r->verdict != VERDICT_PASS && r->verdict != VERDICT_FAIL)
        set_cause(r, "no node that can be compared with has the old version any more; a holdback "
                     "would keep one");
}

static void judge_compared(struct controller *c, const struct env *env, const struct target *t,
                           struct judged_gate *g, struct gate_result *r)
{
    struct sources s;
    struct seq_result seq;
    look(c, env, t, g, &s);
    enum seq_source source = source_of(&s);
    seq_verdict(&g->state, &g->settings, source, &seq);
    seq_gate(&seq, &g->settings, r);
    if (seq.is_refused)
        set_cause(r, "refuses to judge: before the rollout the old version already failed "
                     "against itself on these nodes");
    else if (source == SEQ_ABSENT || source == SEQ_STALE)
        set_cause(r, s.text);
    else if (g->kind == GATE_SLOW_RATIO && g->bound <= 0 && r->verdict == VERDICT_INSUFFICIENT)
        set_cause(r, "too few requests to the old version to know which are slow");
    judge_alone(t, &s, r);
    if (r->verdict == VERDICT_PASS || r->n_missing < 0)
        r->n_missing = 0;
}

static void judge_window(const struct controller *c, const struct target *t,
                         const struct judged_gate *g, struct gate_result *r)
{
    struct window_result w;
    const struct policy_gate *gate = &t->strategy->gates[g - t->judging->gates];
    window_verdict(&g->window, &g->limits, c->now_ms, &w);
    bool is_low = g->limits.has_min && w.value_ms != 0 && w.value_micro < g->limits.min_micro;
    bool uses_min = is_low || !g->limits.has_max;
    r->verdict = w.verdict;
    r->value = w.value_micro;
    r->limit = uses_min ? g->limits.min_micro : g->limits.max_micro;
    if (g->text[0] != '\0')
        set_cause(r, g->text);
    else if (g->kind == GATE_METRIC && w.value_ms == 0)
        snprintf(r->cause, sizeof r->cause, "nobody posted \"%.60s\" for this version yet",
                 policy_gate_name(gate));
    else if (w.verdict == VERDICT_NO_DATA)
        set_cause(r, "the query has no result");
    else if (w.bad_ms != 0 && w.verdict == VERDICT_INSUFFICIENT)
        snprintf(r->cause, sizeof r->cause, "%s its limit for %lld of %lld s",
                 is_low ? "below" : "above", (long long)((c->now_ms - w.bad_ms) / 1000),
                 (long long)(g->limits.for_ms / 1000));
}

void judging_judge(struct controller *c, const struct env *env, struct target *t)
{
    struct judging *j = t->judging;
    for (int i = 0; i < j->n_gates; i++) {
        struct judged_gate *g = &j->gates[i];
        struct gate_result r;
        /* The planner tells by the bytes whether anything changed. */
        memset(&r, 0, sizeof r);
        r.kind = g->kind;
        r.since_ms = g->result.since_ms;
        if (!gate_is_judged(g->kind))
            continue;
        if (g->feed >= 0)
            judge_compared(c, env, t, g, &r);
        else
            judge_window(c, t, g, &r);
        if (r.verdict != g->result.verdict || r.since_ms == 0) {
            r.since_ms = c->now_ms;
            judging_changed(c, t);
        }
        g->result = r;
    }
}
