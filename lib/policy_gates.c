/*
 * The gates of a policy as JSON and back: what each kind has, from where it starts, and what does
 * not go together. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "policy_params.h"
#include "rollout_names.h"

#define DAY_MS INT64_C(86400000)
#define MAX_KEYS 16
#define ALL_KINDS (((int64_t)1 << GATE_KIND_COUNT) - 1)

#define IN_GATE(member) offsetof(struct policy_gate, member)
static const struct param kind_param = {.key = "kind",
                                        .type = PARAM_CHOICE,
                                        .at = IN_GATE(kind),
                                        .names = gate_kind_names,
                                        .hi = ALL_KINDS,
                                        .is_required = true};
/* What every gate has. */
static const struct param plain_params[] = {
    {.key = "name", .type = PARAM_NAME, .at = IN_GATE(name)},
    {.key = "report_only", .type = PARAM_BOOL, .at = IN_GATE(is_report_only), .is_quiet = true},
};
#define SHARE(key_, member, lo_, hi_)                                                    \
    {                                                                                    \
        .key = key_, .type = PARAM_DECIMAL, .at = IN_GATE(member), .lo = lo_, .hi = hi_, \
        .n_decimals = 6                                                                  \
    }
#define MIN_REQUESTS                                                                      \
    {                                                                                     \
        .key = "min_requests", .type = PARAM_INT64, .at = IN_GATE(min_requests), .lo = 1, \
        .hi = 1000000000                                                                  \
    }
#define LIMIT(key_, member, has)                                                         \
    {                                                                                    \
        .key = key_, .type = PARAM_LIMIT, .at = IN_GATE(member), .has_at = IN_GATE(has), \
        .hi = INT64_C(999999999999999), .n_decimals = 6                                  \
    }
#define GATE_TIME(key_, member, lo_)                                                        \
    {                                                                                       \
        .key = key_, .type = PARAM_DURATION, .at = IN_GATE(member), .lo = lo_, .hi = DAY_MS \
    }
static const struct param rate_params[] = {
    {.key = "max",
     .type = PARAM_DECIMAL,
     .at = IN_GATE(max_ppm),
     .hi = 1000000,
     .n_decimals = 6,
     .is_required = true,
     .why = "must be a share as text, \"0\" to \"1\""},
    MIN_REQUESTS,
};
static const struct param latency_params[] = {
    {.key = "max_ms",
     .type = PARAM_DECIMAL,
     .at = IN_GATE(max_us),
     .hi = INT64_C(86400000000),
     .n_decimals = 3,
     .is_required = true,
     .why = "must be milliseconds as text, such as \"250\""},
    MIN_REQUESTS,
};
static const struct param error_ratio_params[] = {
    SHARE("ratio", ratio_ppm, 1000000, 100000000),
    SHARE("floor", floor_ppm, 0, 1000000),
    SHARE("max", max_ppm, 1, 1000000),
    SHARE("alpha", alpha_ppm, 1, 500000),
};
static const struct param slow_ratio_params[] = {
    SHARE("ratio", ratio_ppm, 1000000, 100000000),
    SHARE("floor", floor_ppm, 0, 1000000),
    SHARE("max", max_ppm, 1, 1000000),
    SHARE("alpha", alpha_ppm, 1, 500000),
    SHARE("quantile", quantile_ppm, 100000, 999900),
};
static const struct param promql_params[] = {
    {.key = "query", .type = PARAM_TEXT, .at = IN_GATE(query_at), .hi = 1500, .is_required = true},
    LIMIT("max", max_micro, has_max),
    LIMIT("min", min_micro, has_min),
    GATE_TIME("for", for_ms, 0),
    GATE_TIME("every", every_ms, 1000),
};
static const struct param metric_params[] = {
    LIMIT("max", max_micro, has_max),
    LIMIT("min", min_micro, has_min),
    GATE_TIME("for", for_ms, 0),
};

/* What a gate of each kind is when nothing else is said, and its own members. */
static const struct {
    struct policy_gate start;
    const struct param *params;
    size_t n_params;
} gate_kinds[GATE_KIND_COUNT] = {
    [GATE_HEALTH] = {.start = {.kind = GATE_HEALTH, .min_requests = 50}},
    [GATE_GOLDEN] = {.start = {.kind = GATE_GOLDEN, .min_requests = 50}},
    [GATE_ERROR_RATE] = {{.kind = GATE_ERROR_RATE, .min_requests = 50},
                         rate_params,
                         ARRAY_LEN(rate_params)},
    [GATE_LATENCY] = {{.kind = GATE_LATENCY, .min_requests = 50},
                      latency_params,
                      ARRAY_LEN(latency_params)},
    [GATE_ERROR_RATIO] = {{.kind = GATE_ERROR_RATIO,
                           .ratio_ppm = 1500000,
                           .floor_ppm = 5000,
                           .max_ppm = 20000,
                           .alpha_ppm = 1000},
                          error_ratio_params,
                          ARRAY_LEN(error_ratio_params)},
    [GATE_SLOW_RATIO] = {{.kind = GATE_SLOW_RATIO,
                          .ratio_ppm = 1250000,
                          .floor_ppm = 50000,
                          .max_ppm = 500000,
                          .alpha_ppm = 1000,
                          .quantile_ppm = 950000},
                         slow_ratio_params,
                         ARRAY_LEN(slow_ratio_params)},
    [GATE_PROMQL] = {{.kind = GATE_PROMQL, .for_ms = 60000, .every_ms = 15000},
                     promql_params,
                     ARRAY_LEN(promql_params)},
    [GATE_METRIC] = {{.kind = GATE_METRIC, .for_ms = 60000},
                     metric_params,
                     ARRAY_LEN(metric_params)},
};

static int check_gate(const struct policy *p, int i, const char *at, struct err *e)
{
    const struct policy_gate *g = &p->gates[i];
    bool is_limited = g->kind != GATE_PROMQL && g->kind != GATE_METRIC;
    if (!is_limited && !g->has_max && !g->has_min)
        return policy_blame(e, at, "max", "a gate of this kind has \"max\" or \"min\"");
    if (g->kind == GATE_METRIC && g->name[0] == '\0')
        return policy_blame(e, at, "name", "is missing: the name under which it is posted");
    if (gate_is_judged(g->kind) && is_limited && g->floor_ppm >= g->max_ppm)
        return policy_blame(e, at, "floor", "must be smaller than \"max\"");
    for (int k = 0; k < i; k++) {
        if (strcmp(policy_gate_name(&p->gates[k]), policy_gate_name(g)) == 0)
            return err_at(e, ERR_INVALID, at,
                          "there is another gate of this name; give it a \"name\" of its own");
    }
    return ERR_OK;
}

static int parse_gate(const json_t *j, const char *at, struct policy *p, int i, struct err *e)
{
    struct policy_gate *g = &p->gates[i];
    struct param_place place = {g, p, at};
    const char *keys[MAX_KEYS] = {"kind"};
    if (!json_is_object(j))
        return err_at(e, ERR_INVALID, at, "a gate must be an object");
    int rc = params_read(j, &kind_param, 1, &place, e);
    if (rc != ERR_OK)
        return rc;
    const struct param *own = gate_kinds[g->kind].params;
    size_t n_own = gate_kinds[g->kind].n_params;
    *g = gate_kinds[g->kind].start;
    size_t n = params_keys(plain_params, ARRAY_LEN(plain_params), keys, 1);
    params_keys(own, n_own, keys, n);
    rc = json_only(j, at, keys, e);
    if (rc == ERR_OK)
        rc = params_read(j, plain_params, ARRAY_LEN(plain_params), &place, e);
    if (rc == ERR_OK)
        rc = params_read(j, own, n_own, &place, e);
    return rc == ERR_OK ? check_gate(p, i, at, e) : rc;
}

int policy_gates_parse(const json_t *j, const char *at, struct policy *p, struct err *e)
{
    json_t *gates = NULL;
    int rc = json_opt_array(j, at, "gates", POLICY_MAX_GATES, &gates, e);
    if (rc != ERR_OK || gates == NULL)
        return rc;
    p->n_gates = (int)json_array_size(gates);
    for (int i = 0; i < p->n_gates && rc == ERR_OK; i++) {
        char place[256];
        snprintf(place, sizeof place, "%s/gates/%d", at, i);
        rc = parse_gate(json_array_get(gates, (size_t)i), place, p, i, e);
    }
    return rc;
}

static json_t *gate_json(const struct policy *p, const struct policy_gate *g)
{
    json_t *j = json_object();
    params_write(j, &kind_param, 1, g, p);
    params_write(j, plain_params, ARRAY_LEN(plain_params), g, p);
    params_write(j, gate_kinds[g->kind].params, gate_kinds[g->kind].n_params, g, p);
    return j;
}

json_t *policy_gates_json(const struct policy *p)
{
    json_t *gates = json_array();
    for (int i = 0; i < p->n_gates; i++)
        json_array_append_new(gates, gate_json(p, &p->gates[i]));
    return gates;
}
