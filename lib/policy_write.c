/*
 * Policies as JSON, and the steps that a policy means for a number of nodes. Pure; any thread.
 */
#include <inttypes.h>
#include <stdio.h>

#include "policy.h"

/* Exact text of a duration that when_parse_duration reads back ("1h30m", "0"). */
static json_t *duration_json(int64_t ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    char text[96];
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (ms >= units[i].ms)
            n += (size_t)snprintf(text + n, sizeof text - n, "%" PRId64 "%s", ms / units[i].ms,
                                  units[i].unit);
        ms %= units[i].ms;
    }
    return json_string(n == 0 ? "0" : text);
}

/* v of 10^-n_decimals as text without trailing zeros. */
static json_t *decimal_json(int64_t v, int n_decimals)
{
    int64_t scale = 1;
    for (int i = 0; i < n_decimals; i++)
        scale *= 10;
    char text[48];
    int n = snprintf(text, sizeof text, "%" PRId64 ".%0*" PRId64, v / scale, n_decimals, v % scale);
    while (n > 0 && text[n - 1] == '0')
        text[--n] = '\0';
    if (n > 0 && text[n - 1] == '.')
        text[--n] = '\0';
    return json_string(text);
}

static json_t *gate_json(const struct policy_gate *g)
{
    json_t *j = json_object();
    json_object_set_new(j, "kind", json_string(gate_name(g->kind)));
    if (g->kind == GATE_ERROR_RATE)
        json_object_set_new(j, "max", decimal_json(g->max_ppm, 6));
    if (g->kind == GATE_LATENCY)
        json_object_set_new(j, "max_ms", decimal_json(g->max_us, 3));
    if (g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY)
        json_object_set_new(j, "min_requests", json_integer(g->min_requests));
    return j;
}

static json_t *step_json(const struct policy_step *s)
{
    json_t *j = json_object();
    if (s->n_nodes > 0)
        json_object_set_new(j, "nodes", json_integer(s->n_nodes));
    else
        json_object_set_new(j, "percent", json_integer(s->percent));
    json_object_set_new(j, "bake", duration_json(s->bake_ms));
    return j;
}

json_t *policy_json(const struct policy *p)
{
    json_t *j = json_object();
    json_t *steps = json_array();
    for (int i = 0; i < p->n_steps; i++)
        json_array_append_new(steps, step_json(&p->steps[i]));
    json_t *gates = json_array();
    for (int i = 0; i < p->n_gates; i++)
        json_array_append_new(gates, gate_json(&p->gates[i]));
    json_object_set_new(j, "strategy", json_string(strategy_name(p->strategy)));
    json_object_set_new(j, "steps", steps);
    json_object_set_new(j, "gates", gates);
    json_object_set_new(j, "batch", json_integer(p->batch));
    json_object_set_new(j, "max_unavailable", json_integer(p->max_unavailable));
    json_object_set_new(j, "min_healthy", duration_json(p->min_healthy_ms));
    json_object_set_new(j, "bake", duration_json(p->bake_ms));
    json_object_set_new(j, "node_deadline", duration_json(p->node_deadline_ms));
    json_object_set_new(j, "step_deadline", duration_json(p->step_deadline_ms));
    json_object_set_new(j, "on_no_data", json_string(p->pauses_on_no_data ? "pause" : "ignore"));
    json_object_set_new(j, "auto_rollback", json_boolean(p->rolls_back));
    return j;
}

int policy_write(const struct policy *p, struct buf *out, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = policy_json(p);
    return json_canonical(j, out, e);
}

void policy_for_rollback(struct policy *p)
{
    p->strategy = STRATEGY_ROLLING;
    p->batch = 100000;
    p->bake_ms = 0;
    p->min_healthy_ms = 0;
    p->n_gates = 1;
    p->gates[0] = (struct policy_gate){.kind = GATE_HEALTH};
}

/* Nodes of canary step k as the policy says, without the closing step. */
static int canary_nodes(const struct policy *p, int n_nodes, int k)
{
    const struct policy_step *s = &p->steps[k];
    int64_t n = s->n_nodes > 0 ? s->n_nodes : ((int64_t)n_nodes * s->percent + 99) / 100;
    return n > n_nodes ? n_nodes : (int)n;
}

int policy_n_steps(const struct policy *p, int n_nodes)
{
    if (p->strategy == STRATEGY_ALL_AT_ONCE || n_nodes == 0)
        return 1;
    if (p->strategy == STRATEGY_ROLLING)
        return (int)((n_nodes + p->batch - 1) / p->batch);
    return p->n_steps + (canary_nodes(p, n_nodes, p->n_steps - 1) < n_nodes);
}

int policy_step_nodes(const struct policy *p, int n_nodes, int k)
{
    if (k >= policy_n_steps(p, n_nodes) - 1)
        return n_nodes;
    if (p->strategy == STRATEGY_ROLLING)
        return (int)(p->batch * (k + 1));
    /* "1 node, then 10 %" of five nodes must not shrink the second step below the first. */
    int most = 0;
    for (int i = 0; i <= k; i++) {
        int n = canary_nodes(p, n_nodes, i);
        most = n > most ? n : most;
    }
    return most;
}

int64_t policy_step_bake_ms(const struct policy *p, int n_nodes, int k)
{
    if (p->strategy != STRATEGY_CANARY)
        return p->bake_ms;
    (void)n_nodes;
    return k < p->n_steps ? p->steps[k].bake_ms : 0;
}
