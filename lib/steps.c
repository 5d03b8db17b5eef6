/*
 * Policies as steps: rolling batches, canaries by node and weight, blue-green, all at once, shadow;
 * split at the ends of waves, with nodes that are held back to the end. Knows nothing of rollouts
 * in progress. Pure; any thread.
 */
#include "steps.h"

#include <stdlib.h>
#include <string.h>

#define MIN_PATIENCE_MS 60000
#define BAKE_GROWTH 3 /* how much longer than it must, a bake may wait for evidence */

static int64_t n_first(const struct policy *p, int n_nodes)
{
    const struct policy_step *s = &p->steps[0];
    return s->n_nodes > 0 ? s->n_nodes : ((int64_t)n_nodes * s->percent + 99) / 100;
}

static const char *refuse_control(const struct policy *p, int n_nodes)
{
    bool compares = false;
    for (int i = 0; i < p->n_gates; i++)
        compares =
            compares || p->gates[i].kind == GATE_ERROR_RATIO || p->gates[i].kind == GATE_SLOW_RATIO;
    if (p->strategy != STRATEGY_CANARY)
        return "reload_control is for the strategy canary: the others have no step that compares "
               "a few nodes with the rest";
    if (!compares)
        return "reload_control needs a gate that compares: error-ratio or slow-ratio";
    if (p->steps[0].bake_ms == 0)
        return "reload_control needs a bake in the first step: nothing is compared without";
    if (n_first(p, n_nodes) >= n_nodes && (p->n_holdback == 0 || n_nodes < 2))
        return "reload_control needs a node that keeps the old version in the first step, and "
               "there is none";
    return NULL;
}

const char *steps_refuse(const struct policy *p, int n_nodes, bool has_router, bool can_mirror)
{
    bool has_weights = false;
    for (int i = 0; p->strategy == STRATEGY_CANARY && i < p->n_steps; i++)
        has_weights = has_weights || p->steps[i].weight_bp >= 0;
    if (p->strategy == STRATEGY_BLUE_GREEN && !has_router)
        return "blue-green needs a router for the target: mreg router add";
    if (p->strategy == STRATEGY_BLUE_GREEN && n_nodes < 2)
        return "blue-green needs at least two nodes";
    if (p->strategy == STRATEGY_SHADOW && !has_router)
        return "shadow needs a router for the target: mreg router add";
    if (p->strategy == STRATEGY_SHADOW && !can_mirror)
        return "shadow needs a router that can mirror requests";
    if (has_weights && !has_router)
        return "steps by weight need a router for the target: mreg router add";
    if (p->reloads_control)
        return refuse_control(p, n_nodes);
    return NULL;
}

/* --- order --- */

struct ranked {
    const char *wave, *key;
    int index;
};

/* Nodes without the label come after all others. */
static int compare_label(const char *x, const char *y)
{
    bool has_x = x[0] != '\0';
    bool has_y = y[0] != '\0';
    return has_x != has_y ? has_y - has_x : strcmp(x, y);
}

static int compare_ranked(const void *x, const void *y)
{
    const struct ranked *a = x;
    const struct ranked *b = y;
    int c = compare_label(a->wave, b->wave);
    if (c == 0)
        c = compare_label(a->key, b->key);
    return c != 0 ? c : a->index - b->index;
}

static const char *label(const char *by, const char *value)
{
    return by[0] != '\0' && value != NULL ? value : "";
}

static struct ranked *rank(const struct policy *p, const struct step_node *nodes, int n_nodes,
                           struct arena *a)
{
    struct ranked *ranked = arena_alloc(a, ((size_t)n_nodes + 1) * sizeof ranked[0]);
    for (int i = 0; i < n_nodes; i++) {
        const struct step_node *node = nodes != NULL ? &nodes[i] : &(struct step_node){0};
        ranked[i] = (struct ranked){.wave = label(p->wave_by, node->wave),
                                    .key = label(p->order_by, node->order_key),
                                    .index = i};
    }
    qsort(ranked, (size_t)n_nodes, sizeof ranked[0], compare_ranked);
    return ranked;
}

void steps_order(const struct policy *p, const struct step_node *nodes, int n_nodes,
                 struct arena *a, int *order)
{
    const struct ranked *ranked = rank(p, nodes, n_nodes, a);
    for (int i = 0; i < n_nodes; i++)
        order[i] = ranked[i].index;
}

/* --- making --- */

struct maker {
    const struct policy *p;
    const struct ranked *ranked;
    const int *wave_ends;
    int n_nodes;
    int n_main; /* without those that are held back */
    struct rollout_step *steps;
    int n, cap;
};

/* For every node of the order how many there are up to the end of its wave. */
static const int *find_wave_ends(const struct ranked *ranked, int n_nodes, struct arena *a)
{
    int *ends = arena_alloc(a, ((size_t)n_nodes + 1) * sizeof ends[0]);
    for (int i = n_nodes - 1; i >= 0; i--) {
        bool is_last = i == n_nodes - 1 || strcmp(ranked[i].wave, ranked[i + 1].wave) != 0;
        ends[i] = is_last ? i + 1 : ends[i + 1];
    }
    return ends;
}

static int64_t longest_bake(const struct policy *p, const struct rollout_step *step, int64_t asked)
{
    int64_t longest = asked != 0 ? asked : p->max_bake_ms;
    if (step->bake_ms == 0)
        return 0;
    if (longest == 0)
        longest = BAKE_GROWTH * step->bake_ms;
    /* A bake of seconds still has to see a few samples. */
    if (asked == 0 && p->max_bake_ms == 0 && longest < step->bake_ms + MIN_PATIENCE_MS)
        longest = step->bake_ms + MIN_PATIENCE_MS;
    return longest > step->bake_ms ? longest : step->bake_ms;
}

static void put(struct maker *m, int n_nodes, const struct rollout_step *like)
{
    if (m->n == m->cap)
        return;
    struct rollout_step *step = &m->steps[m->n++];
    *step = *like;
    step->n_nodes = n_nodes;
    const char *wave = m->ranked[n_nodes - 1].wave;
    step->wave = m->p->wave_by[0] != '\0' ? wave : NULL;
    step->reach = m->wave_ends[n_nodes - 1];
    if (n_nodes <= m->n_main && step->reach > m->n_main)
        step->reach = m->n_main;
    bool ends_wave = n_nodes < m->n_nodes && strcmp(m->ranked[n_nodes].wave, wave) != 0;
    if (ends_wave && m->p->wave_bake_ms > step->bake_ms)
        step->bake_ms = m->p->wave_bake_ms;
    step->max_bake_ms = longest_bake(m->p, step, like->max_bake_ms);
}

/* A step up to n_nodes, in as many parts as there are waves in it. */
static void add(struct maker *m, int n_nodes, const struct rollout_step *like)
{
    int from = m->n > 0 ? m->steps[m->n - 1].n_nodes : 0;
    struct rollout_step part = *like;
    if (n_nodes <= from)
        put(m, from, &part);
    while (from < n_nodes) {
        int end = m->wave_ends[from];
        end = end < n_nodes ? end : n_nodes;
        put(m, end, &part);
        part.n_approvals = 0; /* asked for once */
        from = end;
    }
}

static void add_batches(struct maker *m, int from)
{
    int batch = policy_amount_nodes(&m->p->batch, m->n_nodes);
    struct rollout_step like = {.bake_ms = m->p->bake_ms, .weight_bp = -1};
    while (from < m->n_main) {
        int end = m->wave_ends[from];
        end = from + batch < end ? from + batch : end;
        end = end < m->n_main ? end : m->n_main;
        add(m, end, &like);
        from = end;
    }
}

static void add_canary(struct maker *m)
{
    int most = 0;
    for (int i = 0; i < m->p->n_steps; i++) {
        const struct policy_step *s = &m->p->steps[i];
        int64_t n = s->n_nodes > 0 ? s->n_nodes : ((int64_t)m->n_nodes * s->percent + 99) / 100;
        /* "1 node, then 10 %" of five nodes must not shrink the second step below the first. */
        most = n > most ? (int)(n < m->n_main ? n : m->n_main) : most;
        add(m, most,
            &(struct rollout_step){.bake_ms = s->bake_ms,
                                   .max_bake_ms = s->max_bake_ms,
                                   .weight_bp = s->weight_bp,
                                   .n_approvals = s->n_approvals});
    }
    /* The last step always reaches everybody. */
    if (most < m->n_main)
        add(m, m->n_main, &(struct rollout_step){.weight_bp = -1});
}

static void add_blue_green(struct maker *m)
{
    const struct policy *p = m->p;
    int half = (m->n_nodes + 1) / 2;
    int64_t kept_ms = p->teardown_ms > p->bake_ms ? p->teardown_ms : p->bake_ms;
    half = half < m->n_main ? half : m->n_main;
    add(m, half, &(struct rollout_step){.bake_ms = p->preview_ms, .weight_bp = 0});
    add(m, half, &(struct rollout_step){.bake_ms = kept_ms, .weight_bp = 10000});
    if (half < m->n_main)
        add(m, m->n_main, &(struct rollout_step){.bake_ms = p->bake_ms, .weight_bp = -1});
}

int steps_make(const struct policy *p, const struct step_node *nodes, int n_nodes, struct arena *a,
               struct rollout_step **out)
{
    bool holds_back = p->n_holdback > 0 && n_nodes > 1;
    int64_t n_held = p->n_holdback < n_nodes ? p->n_holdback : n_nodes - 1;
    struct maker m = {.p = p,
                      .ranked = rank(p, nodes, n_nodes, a),
                      .n_nodes = n_nodes,
                      .n_main = n_nodes - (holds_back ? (int)n_held : 0),
                      .cap = ROLLOUT_MAX_STEPS}; /* never reached: a step per node, and few more */
    *out = m.steps =
        arena_alloc(a, (2 * (size_t)n_nodes + 2 * POLICY_MAX_STEPS) * sizeof m.steps[0]);
    if (n_nodes == 0)
        return 1;
    m.wave_ends = find_wave_ends(m.ranked, n_nodes, a);
    switch (p->strategy) {
    case STRATEGY_CANARY:
        add_canary(&m);
        break;
    case STRATEGY_ALL_AT_ONCE:
        add(&m, m.n_main, &(struct rollout_step){.bake_ms = p->bake_ms, .weight_bp = -1});
        break;
    case STRATEGY_BLUE_GREEN:
        add_blue_green(&m);
        break;
    case STRATEGY_SHADOW:
        add(&m, 1, &(struct rollout_step){.bake_ms = p->bake_ms, .is_mirrored = true});
        add_batches(&m, 0);
        break;
    default:
        add_batches(&m, 0);
        break;
    }
    /* Nothing is left to compare with after the last bake: those held back just follow. */
    if (m.n_main < n_nodes)
        add(&m, n_nodes, &(struct rollout_step){.weight_bp = -1});
    return m.n;
}
