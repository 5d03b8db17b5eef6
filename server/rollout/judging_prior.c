/*
 * What a rollout learns about the time before it, when every node had the old version: how bursty
 * errors are, whether its first nodes are worse than the others anyway, whether old against old
 * would already fail, and from which duration on a request is slow. Frozen when the first node with
 * the new version begins to count. Controller's thread.
 */
#include <stdlib.h>

#include "controller_inner.h"
#include "judging.h"

/* The frozen side: nodes that were chosen are compared with those that were not. */
static bool is_chosen(const struct target *t, int64_t node_id)
{
    for (int i = 0; i < t->lane.status.n_nodes; i++) {
        if (t->lane.status.nodes[i].node_id == node_id)
            return t->lane.status.nodes[i].step > 0;
    }
    return false;
}

/* When the first node of the rollout began to change: later slices hold both versions. */
static int64_t changed_ms(const struct controller *c, const struct target *t)
{
    int64_t first = c->now_ms;
    for (int i = 0; i < t->lane.status.n_steps; i++) {
        int64_t at = t->lane.status.steps[i].started_ms;
        if (at != 0 && at < first)
            first = at;
    }
    return first;
}

/* kind -1: failed requests, else slow ones. */
static struct seq_interval slice_of(const struct env *env, const struct target *t, int64_t slot,
                                    int kind)
{
    struct seq_interval in = {0};
    for (int i = 0; i < env->n_nodes; i++) {
        const struct counted *counted = t->spots[i].counted;
        if (counted == NULL)
            continue;
        if (is_chosen(t, env->nodes[i].node_id))
            counted_slice(counted, slot, kind, &in.n_canary, &in.bad_canary);
        else if (judging_is_compared(&t->lane.status, env->nodes[i].node_id))
            counted_slice(counted, slot, kind, &in.n_base, &in.bad_base);
    }
    return in;
}

static void freeze_gate(struct controller *c, const struct env *env, struct target *t, int gate,
                        int kind)
{
    struct judging *j = t->judging;
    struct judged_gate *g = &j->gates[gate];
    struct seq_interval *before = mem_alloc(COUNTED_MAX_CELLS * sizeof before[0]);
    size_t n = 0;
    int64_t width = sampling_idle_ms(c);
    int64_t last = changed_ms(c, t) / width - 1;
    int64_t first = last - counted_n_cells(width) + 1;
    for (int64_t slot = first; slot <= last; slot++) {
        struct seq_interval in = slice_of(env, t, slot, kind);
        if (in.n_canary == 0 && in.n_base == 0)
            continue;
        before[n++] = in;
        judging_keep(j, gate, (slot + 1) * width, &in, INTERVAL_BEFORE);
    }
    struct seq_prior prior;
    seq_prior_of(&g->settings, before, n, &prior);
    seq_init(&g->state, &prior);
    free(before);
}

void judging_freeze(struct controller *c, struct env *env, struct target *t)
{
    struct judging *j = t->judging;
    for (int i = 0; i < j->n_gates; i++) {
        struct judged_gate *g = &j->gates[i];
        int kind = -1;
        if (g->feed < 0)
            continue;
        if (g->kind == GATE_SLOW_RATIO) {
            kind = counted_find_kind(&t->times, t->strategy->gates[i].quantile_ppm);
            g->bound = kind >= 0 ? t->times.kinds[kind].bound : 0;
            g->timing = t->times.timing;
        }
        if (g->kind == GATE_ERROR_RATIO || g->bound > 0)
            freeze_gate(c, env, t, i, kind);
    }
    judging_changed(c, t);
}

bool judging_find_bound(const struct env *env, const struct target *t, struct judged_gate *g,
                        int64_t quantile_ppm)
{
    struct histogram *sum = mem_alloc(2 * sizeof *sum);
    struct histogram *one = sum + 1;
    for (int i = 0; i < env->n_nodes; i++) {
        const struct judged_node *n = judging_node(t->judging, env->nodes[i].node_id);
        const struct counted *counted = t->spots[i].counted;
        if (n == NULL || n->arm != ARM_BASE || counted == NULL || !counted_histogram(counted, one))
            continue;
        g->timing = counted->timing;
        histogram_add(sum, one);
    }
    bool is_known = !sum->is_odd && sum->n_buckets > 0 &&
                    sum->buckets[sum->n_buckets - 1].n >= 20 &&
                    histogram_bound(sum, quantile_ppm, &g->bound);
    free(sum);
    return is_known;
}
