/*
 * Policies: their names, the default, merging, and small questions about them. Knows nothing of
 * rollouts in progress. Pure; any thread.
 */
#include "rollout_names.h"

#include <string.h>

const char *const strategy_names[] = {"rolling",    "canary", "all-at-once",
                                      "blue-green", "shadow", NULL};
const char *const gate_kind_names[GATE_KIND_COUNT] = {
    "health", "golden", "error-rate", "latency", "error-ratio", "slow-ratio", "promql", "metric"};
const char *const choice_names[] = {"pause", "ignore", "promote", "rollback", NULL};
const char *const residency_names[] = {"swap", "both", NULL};
const char *const queue_names[] = {"coalesce", "replace", "reject", "queue", NULL};

const char *gate_name(enum gate_kind g)
{
    return gate_kind_names[g];
}

const char *policy_gate_name(const struct policy_gate *g)
{
    return g->name[0] != '\0' ? g->name : gate_kind_names[g->kind];
}

bool gate_is_judged(enum gate_kind g)
{
    return g >= GATE_ERROR_RATIO;
}

const char *policy_text(const struct policy *p, int at)
{
    return at > 0 && at < p->n_text_bytes ? p->texts + at : "";
}

int policy_text_add(struct policy *p, const char *text)
{
    size_t n = strlen(text) + 1;
    int at = p->n_text_bytes > 0 ? p->n_text_bytes : 1;
    if (n > sizeof p->texts - (size_t)at)
        return -1;
    memcpy(p->texts + at, text, n);
    p->n_text_bytes = at + (int)n;
    return at;
}

int policy_amount_nodes(const struct policy_amount *amount, int n_nodes)
{
    int64_t n = amount->n_nodes > 0 ? amount->n_nodes : n_nodes * amount->percent / 100;
    n = n > 100000 ? 100000 : n;
    return n < 1 ? 1 : (int)n;
}

int policy_max_unavailable(const struct policy *p, int n_nodes, bool is_rollback)
{
    const struct policy_amount *own = &p->rollback_max_unavailable;
    bool has_own = is_rollback && (own->n_nodes > 0 || own->percent > 0);
    return policy_amount_nodes(has_own ? own : &p->max_unavailable, n_nodes);
}

void policy_default(struct policy *p)
{
    static const struct policy standard = {
        .strategy = STRATEGY_ROLLING,
        .steps = {{.n_nodes = 1, .weight_bp = -1, .bake_ms = 30000},
                  {.percent = 50, .weight_bp = -1, .bake_ms = 60000},
                  {.percent = 100, .weight_bp = -1}},
        .n_steps = 3,
        .batch = {.n_nodes = 1},
        .max_unavailable = {.n_nodes = 1},
        .min_healthy_ms = 2000,
        .bake_ms = 30000,
        .gates = {{.kind = GATE_HEALTH},
                  {.kind = GATE_GOLDEN},
                  {.kind = GATE_ERROR_RATE, .max_ppm = 20000, .min_requests = 50}},
        .n_gates = 3,
        .node_deadline_ms = 300000,
        .step_deadline_ms = 900000,
        .drain_ms = 30000,
        .preview_ms = 600000,
        .teardown_ms = 600000,
        .lost_after_ms = 120000,
        .repair_every_ms = 10000,
        .n_text_bytes = 1,
        .rolls_back = true,
    };
    memcpy(p, &standard, sizeof *p);
}

int policy_merge(const json_t *base, const json_t *over, json_t **out, struct err *e)
{
    if ((base != NULL && !json_is_object(base)) || (over != NULL && !json_is_object(over)))
        return err_at(e, ERR_INVALID, "", "a policy must be an object");
    json_t *merged = json_object();
    /* Jansson's update takes non-const objects but only reads the second. */
    if (base != NULL)
        json_object_update(merged, (json_t *)(uintptr_t)base);
    if (over != NULL)
        json_object_update(merged, (json_t *)(uintptr_t)over);
    *out = merged;
    return ERR_OK;
}

void policy_for_rollback(struct policy *p)
{
    p->strategy = STRATEGY_ROLLING;
    if (p->rollback_max_unavailable.n_nodes > 0 || p->rollback_max_unavailable.percent > 0)
        p->max_unavailable = p->rollback_max_unavailable;
    p->batch = (struct policy_amount){.n_nodes = 100000};
    p->order_by[0] = p->wave_by[0] = '\0';
    p->bake_ms = p->max_bake_ms = p->wave_bake_ms = 0;
    p->min_healthy_ms = 0;
    p->n_holdback = 0;
    p->reloads_control = false;
    p->n_approvals = 0;
    /* A node that is gone must not hold the way back: it comes later, by the repairs. */
    p->n_unreachable_max = POLICY_MAX_UNREACHABLE;
    p->n_gates = 1;
    p->gates[0] = (struct policy_gate){.kind = GATE_HEALTH};
}
