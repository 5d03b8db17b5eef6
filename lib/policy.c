/*
 * Policies: reading with bounds, merging, the default, and the steps that a policy means for a
 * number of nodes. Knows nothing of rollouts in progress. Pure; any thread.
 */
#include "rollout_names.h"

#include <stdio.h>
#include <string.h>

#include "when.h"

#define DAY_MS ((int64_t)86400000)

static const char *const strategy_names[] = {"rolling", "canary", "all-at-once", NULL};
const char *const gate_kind_names[GATE_KIND_COUNT] = {"health", "golden", "error-rate", "latency"};

const char *strategy_name(enum strategy_kind s)
{
    return strategy_names[s];
}

const char *gate_name(enum gate_kind g)
{
    return gate_kind_names[g];
}

void policy_default(struct policy *p)
{
    *p = (struct policy){
        .strategy = STRATEGY_ROLLING,
        .steps = {{.n_nodes = 1, .bake_ms = 30000},
                  {.percent = 50, .bake_ms = 60000},
                  {.percent = 100}},
        .n_steps = 3,
        .batch = 1,
        .max_unavailable = 1,
        .min_healthy_ms = 2000,
        .bake_ms = 30000,
        .gates = {{.kind = GATE_HEALTH},
                  {.kind = GATE_GOLDEN},
                  {.kind = GATE_ERROR_RATE, .max_ppm = 20000, .min_requests = 50}},
        .n_gates = 3,
        .node_deadline_ms = 300000,
        .step_deadline_ms = 900000,
        .pauses_on_no_data = true,
        .rolls_back = true,
    };
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

static int at_member(struct err *e, const char *at, const char *key, const char *why)
{
    char pointer[256];
    snprintf(pointer, sizeof pointer, "%s/%s", at, key);
    return err_at(e, ERR_INVALID, pointer, "%s", why);
}

/* A duration as text, lo..hi; keeps *out when absent. */
struct span {
    const char *key;
    int64_t lo_ms, hi_ms;
};

static int read_duration(const json_t *j, const char *at, const struct span *span, int64_t *out,
                         struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(j, at, span->key, 64, &text, e);
    if (rc != ERR_OK || text == NULL)
        return rc;
    int64_t ms = 0;
    struct err cause;
    if (when_parse_duration(text, &ms, &cause) != ERR_OK)
        return at_member(e, at, span->key, "must be a duration such as \"30s\" or \"1h30m\"");
    if (ms < span->lo_ms || ms > span->hi_ms)
        return at_member(e, at, span->key, "the duration is out of bounds");
    *out = ms;
    return ERR_OK;
}

static int read_choice(const json_t *j, const char *at, const char *key, const char *const *names,
                       int *out, struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(j, at, key, 64, &text, e);
    if (rc != ERR_OK || text == NULL)
        return rc;
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = i;
            return ERR_OK;
        }
    }
    char why[256];
    const char *near = json_nearest(text, names);
    snprintf(why, sizeof why, "unknown value \"%.60s\"%s%s%s", text,
             near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return at_member(e, at, key, why);
}

/* Reads "0.02" with up to n_decimals digits after the point as an integer of that scale. */
static bool parse_decimal(const char *text, int n_decimals, int64_t *out)
{
    int64_t v = 0;
    int n_digits = 0;
    for (; *text >= '0' && *text <= '9' && n_digits < 9; text++, n_digits++)
        v = v * 10 + (*text - '0');
    if (n_digits == 0)
        return false;
    bool has_point = *text == '.';
    if (has_point)
        text++;
    int n = 0;
    for (; has_point && *text >= '0' && *text <= '9' && n < n_decimals; text++, n++)
        v = v * 10 + (*text - '0');
    if (*text != '\0' || (has_point && n == 0))
        return false;
    for (; n < n_decimals; n++)
        v *= 10;
    *out = v;
    return true;
}

struct decimal {
    const char *key;
    int n_decimals;
    int64_t max;
    const char *why;
};

static int read_decimal(const json_t *j, const char *at, const struct decimal *d, int64_t *out,
                        struct err *e)
{
    const char *text = NULL;
    int rc = json_get_str(j, at, d->key, 32, &text, e);
    if (rc != ERR_OK)
        return rc;
    int64_t v = 0;
    if (!parse_decimal(text, d->n_decimals, &v) || v > d->max)
        return at_member(e, at, d->key, d->why);
    *out = v;
    return ERR_OK;
}

static int parse_step(const json_t *j, const char *at, struct policy_step *out, struct err *e)
{
    static const char *const known[] = {"nodes", "percent", "bake", NULL};
    *out = (struct policy_step){0};
    int rc = json_only(j, at, known, e);
    if (rc == ERR_OK)
        rc = json_opt_int(j, at, "nodes", 1, 100000, &out->n_nodes, e);
    if (rc == ERR_OK)
        rc = json_opt_int(j, at, "percent", 1, 100, &out->percent, e);
    if (rc == ERR_OK)
        rc = read_duration(j, at, &(struct span){"bake", 0, 7 * DAY_MS}, &out->bake_ms, e);
    if (rc != ERR_OK)
        return rc;
    if ((out->n_nodes == 0) == (out->percent == 0))
        return err_at(e, ERR_INVALID, at, "a step has either \"nodes\" or \"percent\"");
    return ERR_OK;
}

static int parse_steps(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    json_t *steps = NULL;
    int rc = json_opt_array(j, at, "steps", POLICY_MAX_STEPS, &steps, e);
    if (rc != ERR_OK || steps == NULL)
        return rc;
    if (json_array_size(steps) == 0)
        return at_member(e, at, "steps", "needs at least one step");
    out->n_steps = (int)json_array_size(steps);
    for (int i = 0; i < out->n_steps; i++) {
        char place[256];
        snprintf(place, sizeof place, "%s/steps/%d", at, i);
        struct policy_step *s = &out->steps[i];
        rc = parse_step(json_array_get(steps, (size_t)i), place, s, e);
        if (rc != ERR_OK)
            return rc;
        const struct policy_step *before = &out->steps[i > 0 ? i - 1 : 0];
        bool has_fallen = (s->n_nodes > 0 && before->n_nodes > s->n_nodes) ||
                          (s->percent > 0 && before->percent > s->percent);
        if (has_fallen)
            return err_at(e, ERR_INVALID, place, "a step must not be smaller than the one before");
    }
    return ERR_OK;
}

static int parse_gate(const json_t *j, const char *at, struct policy_gate *out, struct err *e)
{
    static const char *const kinds[] = {"health", "golden", "error-rate", "latency", NULL};
    static const char *const plain[] = {"kind", NULL};
    static const char *const rate[] = {"kind", "max", "min_requests", NULL};
    static const char *const latency[] = {"kind", "max_ms", "min_requests", NULL};
    static const char *const *const known[] = {plain, plain, rate, latency};
    static const struct decimal max = {"max", 6, 1000000,
                                       "must be a share as text, \"0\" to \"1\""};
    static const struct decimal max_ms = {"max_ms", 3, INT64_C(86400000000),
                                          "must be milliseconds as text, such as \"250\""};
    *out = (struct policy_gate){.min_requests = 50};
    const char *text = NULL;
    int rc = json_get_str(j, at, "kind", 64, &text, e);
    if (rc != ERR_OK)
        return rc;
    int kind = 0;
    rc = read_choice(j, at, "kind", kinds, &kind, e);
    if (rc != ERR_OK)
        return rc;
    out->kind = (enum gate_kind)kind;
    rc = json_only(j, at, known[kind], e);
    if (rc != ERR_OK || out->kind == GATE_HEALTH || out->kind == GATE_GOLDEN)
        return rc;
    rc = json_opt_int(j, at, "min_requests", 1, 1000000000, &out->min_requests, e);
    if (rc != ERR_OK)
        return rc;
    return out->kind == GATE_ERROR_RATE ? read_decimal(j, at, &max, &out->max_ppm, e)
                                        : read_decimal(j, at, &max_ms, &out->max_us, e);
}

static int parse_gates(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    json_t *gates = NULL;
    int rc = json_opt_array(j, at, "gates", POLICY_MAX_GATES, &gates, e);
    if (rc != ERR_OK || gates == NULL)
        return rc;
    out->n_gates = (int)json_array_size(gates);
    unsigned seen = 0;
    for (int i = 0; i < out->n_gates; i++) {
        char place[256];
        snprintf(place, sizeof place, "%s/gates/%d", at, i);
        rc = parse_gate(json_array_get(gates, (size_t)i), place, &out->gates[i], e);
        if (rc != ERR_OK)
            return rc;
        unsigned bit = 1U << out->gates[i].kind;
        if ((seen & bit) != 0)
            return err_at(e, ERR_INVALID, place, "there is another gate of this kind");
        seen |= bit;
    }
    return ERR_OK;
}

static int parse_limits(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    static const char *const on_no_data[] = {"ignore", "pause", NULL};
    int choice = out->pauses_on_no_data;
    int rc = json_opt_int(j, at, "batch", 1, 100000, &out->batch, e);
    if (rc == ERR_OK)
        rc = json_opt_int(j, at, "max_unavailable", 1, 100000, &out->max_unavailable, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(j, at, "auto_rollback", &out->rolls_back, e);
    if (rc == ERR_OK)
        rc = read_choice(j, at, "on_no_data", on_no_data, &choice, e);
    out->pauses_on_no_data = choice != 0;
    return rc;
}

static int parse_times(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    const struct {
        struct span span;
        int64_t *to;
    } times[] = {
        {{"min_healthy", 0, 3600000}, &out->min_healthy_ms},
        {{"bake", 0, 7 * DAY_MS}, &out->bake_ms},
        {{"node_deadline", 1000, DAY_MS}, &out->node_deadline_ms},
        {{"step_deadline", 1000, 14 * DAY_MS}, &out->step_deadline_ms},
    };
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        int rc = read_duration(j, at, &times[i].span, times[i].to, e);
        if (rc != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

int policy_parse(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    static const char *const known[] = {
        "strategy", "steps",         "batch",         "max_unavailable", "min_healthy",   "bake",
        "gates",    "node_deadline", "step_deadline", "on_no_data",      "auto_rollback", NULL};
    if (!json_is_object(j))
        return err_at(e, ERR_INVALID, at, "a policy must be an object");
    struct policy p;
    policy_default(&p);
    int strategy = (int)p.strategy;
    int rc = json_only(j, at, known, e);
    if (rc == ERR_OK)
        rc = read_choice(j, at, "strategy", strategy_names, &strategy, e);
    if (rc == ERR_OK)
        rc = parse_steps(j, at, &p, e);
    if (rc == ERR_OK)
        rc = parse_gates(j, at, &p, e);
    if (rc == ERR_OK)
        rc = parse_limits(j, at, &p, e);
    if (rc == ERR_OK)
        rc = parse_times(j, at, &p, e);
    if (rc != ERR_OK)
        return rc;
    p.strategy = (enum strategy_kind)strategy;
    *out = p;
    return ERR_OK;
}

int policy_read(const char *text, struct policy *out, struct err *e)
{
    if (text == NULL || text[0] == '\0') {
        policy_default(out);
        return ERR_OK;
    }
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    int rc = json_parse(text, strlen(text), 8, &j, e);
    return rc != ERR_OK ? rc : policy_parse(j, "", out, e);
}
