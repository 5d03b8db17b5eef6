/*
 * Policies as JSON and back: the tables of their members, and what several of them mean together.
 * Knows nothing of rollouts in progress. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "policy_params.h"
#include "rollout_names.h"

#define DAY_MS INT64_C(86400000)
#define MAX_KEYS 48

#define ALL ((int64_t)-1)
#define ONE_OF(a, b, c) (((int64_t)1 << (a)) | ((int64_t)1 << (b)) | ((int64_t)1 << (c)))

#define IN_POLICY(member) offsetof(struct policy, member)
#define TIME(key_, member, lo_, hi_)                                                       \
    {                                                                                      \
        .key = key_, .type = PARAM_DURATION, .at = IN_POLICY(member), .lo = lo_, .hi = hi_ \
    }
#define QUIET_TIME(key_, member, hi_)                                                             \
    {                                                                                             \
        .key = key_, .type = PARAM_DURATION, .at = IN_POLICY(member), .hi = hi_, .is_quiet = true \
    }
#define CHOICE(key_, member, names_, which)                                                      \
    {                                                                                            \
        .key = key_, .type = PARAM_CHOICE, .at = IN_POLICY(member), .names = names_, .hi = which \
    }
#define AMOUNT(key_, member)                                       \
    {                                                              \
        .key = key_, .type = PARAM_AMOUNT, .at = IN_POLICY(member) \
    }
#define COUNT(key_, type_, member, hi_)                                                  \
    {                                                                                    \
        .key = key_, .type = type_, .at = IN_POLICY(member), .hi = hi_, .is_quiet = true \
    }
#define LABEL(key_, member)                                      \
    {                                                            \
        .key = key_, .type = PARAM_NAME, .at = IN_POLICY(member) \
    }

static const struct param policy_params[] = {
    CHOICE("strategy", strategy, strategy_names, ALL),
    AMOUNT("batch", batch),
    AMOUNT("max_unavailable", max_unavailable),
    AMOUNT("rollback_max_unavailable", rollback_max_unavailable),
    LABEL("order_by", order_by),
    LABEL("wave_by", wave_by),
    QUIET_TIME("wave_bake", wave_bake_ms, 7 * DAY_MS),
    COUNT("holdback", PARAM_INT64, n_holdback, 1000),
    QUIET_TIME("max_bake", max_bake_ms, 14 * DAY_MS),
    CHOICE("on_insufficient", on_insufficient, choice_names,
           ONE_OF(CHOICE_PAUSE, CHOICE_PROMOTE, CHOICE_ROLLBACK)),
    CHOICE("on_no_data", on_no_data, choice_names,
           ONE_OF(CHOICE_PAUSE, CHOICE_IGNORE, CHOICE_ROLLBACK)),
    CHOICE("on_error", on_error, choice_names, ONE_OF(CHOICE_PAUSE, CHOICE_IGNORE, CHOICE_PAUSE)),
    CHOICE("residency", residency, residency_names, ALL),
    TIME("drain", drain_ms, 0, 3600000),
    TIME("preview", preview_ms, 0, 7 * DAY_MS),
    TIME("teardown", teardown_ms, 0, 7 * DAY_MS),
    COUNT("approvals", PARAM_INT, n_approvals, POLICY_MAX_APPROVALS),
    CHOICE("queue", queue, queue_names, ALL),
    COUNT("unreachable_max", PARAM_INT64, n_unreachable_max, POLICY_MAX_UNREACHABLE),
    TIME("lost_after", lost_after_ms, 1000, DAY_MS),
    TIME("repair_every", repair_every_ms, 0, 3600000),
    {.key = "prometheus", .type = PARAM_TEXT, .at = IN_POLICY(prometheus_at), .hi = 255},
    TIME("min_healthy", min_healthy_ms, 0, 3600000),
    TIME("bake", bake_ms, 0, 7 * DAY_MS),
    TIME("node_deadline", node_deadline_ms, 1000, DAY_MS),
    TIME("step_deadline", step_deadline_ms, 1000, 14 * DAY_MS),
    {.key = "reload_control",
     .type = PARAM_BOOL,
     .at = IN_POLICY(reloads_control),
     .is_quiet = true},
    {.key = "auto_rollback", .type = PARAM_BOOL, .at = IN_POLICY(rolls_back)},
};
static const struct param budget_params[] = {
    {.key = "failures",
     .type = PARAM_INT64,
     .at = IN_POLICY(n_failures_max),
     .lo = 1,
     .hi = 1000,
     .is_required = true},
    {.key = "window",
     .type = PARAM_DURATION,
     .at = IN_POLICY(failures_window_ms),
     .lo = 60000,
     .hi = 90 * DAY_MS,
     .is_required = true},
};

static const struct param requires_params[] = {
    {.key = "environment",
     .type = PARAM_TEXT,
     .at = IN_POLICY(requires_at),
     .hi = 255,
     .is_required = true},
    {.key = "soak", .type = PARAM_DURATION, .at = IN_POLICY(soak_ms), .hi = 90 * DAY_MS},
};

#define IN_STEP(member) offsetof(struct policy_step, member)
static const struct param step_params[] = {
    {.key = "nodes",
     .type = PARAM_INT64,
     .at = IN_STEP(n_nodes),
     .lo = 1,
     .hi = 100000,
     .is_quiet = true},
    {.key = "percent",
     .type = PARAM_INT64,
     .at = IN_STEP(percent),
     .lo = 1,
     .hi = 100,
     .is_quiet = true},
    {.key = "weight",
     .type = PARAM_WEIGHT,
     .at = IN_STEP(weight_bp),
     .hi = 10000,
     .n_decimals = 2,
     .why = "must be a share of the traffic in percent as text, such as \"12.5\""},
    {.key = "bake", .type = PARAM_DURATION, .at = IN_STEP(bake_ms), .hi = 7 * DAY_MS},
    {.key = "max_bake",
     .type = PARAM_DURATION,
     .at = IN_STEP(max_bake_ms),
     .hi = 14 * DAY_MS,
     .is_quiet = true},
    {.key = "approvals",
     .type = PARAM_INT,
     .at = IN_STEP(n_approvals),
     .hi = POLICY_MAX_APPROVALS,
     .is_quiet = true},
};

static int check_step(const struct policy *p, int i, const char *at, struct err *e)
{
    const struct policy_step *s = &p->steps[i];
    if ((s->n_nodes == 0) == (s->percent == 0))
        return err_at(e, ERR_INVALID, at, "a step has either \"nodes\" or \"percent\"");
    if (s->max_bake_ms != 0 && s->max_bake_ms < s->bake_ms)
        return policy_blame(e, at, "max_bake", "must not be shorter than \"bake\"");
    if (i == 0)
        return ERR_OK;
    const struct policy_step *before = &p->steps[i - 1];
    bool has_fallen = (s->n_nodes > 0 && before->n_nodes > s->n_nodes) ||
                      (s->percent > 0 && before->percent > s->percent);
    if (has_fallen)
        return err_at(e, ERR_INVALID, at, "a step must not be smaller than the one before");
    if (s->weight_bp >= 0 && s->weight_bp < before->weight_bp)
        return policy_blame(e, at, "weight", "must not be smaller than in the step before");
    return ERR_OK;
}

static int parse_step(const json_t *j, const char *at, struct policy *p, int i, struct err *e)
{
    const char *keys[MAX_KEYS];
    struct policy_step *s = &p->steps[i];
    *s = (struct policy_step){.weight_bp = -1};
    params_keys(step_params, ARRAY_LEN(step_params), keys, 0);
    int rc = json_only(j, at, keys, e);
    if (rc == ERR_OK)
        rc =
            params_read(j, step_params, ARRAY_LEN(step_params), &(struct param_place){s, p, at}, e);
    if (rc != ERR_OK)
        return rc;
    if (s->weight_bp >= 0 && s->n_nodes == 0 && s->percent == 0)
        s->n_nodes = i > 0 && p->steps[i - 1].n_nodes > 0 ? p->steps[i - 1].n_nodes : 1;
    return check_step(p, i, at, e);
}

static int parse_steps(const json_t *j, const char *at, struct policy *p, struct err *e)
{
    json_t *steps = NULL;
    int rc = json_opt_array(j, at, "steps", POLICY_MAX_STEPS, &steps, e);
    if (rc != ERR_OK || steps == NULL)
        return rc;
    if (json_array_size(steps) == 0)
        return policy_blame(e, at, "steps", "needs at least one step");
    p->n_steps = (int)json_array_size(steps);
    for (int i = 0; i < p->n_steps && rc == ERR_OK; i++) {
        char place[256];
        snprintf(place, sizeof place, "%s/steps/%d", at, i);
        rc = parse_step(json_array_get(steps, (size_t)i), place, p, i, e);
    }
    return rc;
}

/* --- the whole --- */

static int parse_budget(const json_t *j, const char *at, struct policy *p, struct err *e)
{
    json_t *budget = NULL;
    char place[256];
    const char *keys[MAX_KEYS];
    int rc = json_opt_object(j, at, "failure_budget", &budget, e);
    if (rc != ERR_OK || budget == NULL)
        return rc;
    snprintf(place, sizeof place, "%s/failure_budget", at);
    params_keys(budget_params, ARRAY_LEN(budget_params), keys, 0);
    rc = json_only(budget, place, keys, e);
    return rc != ERR_OK ? rc
                        : params_read(budget, budget_params, ARRAY_LEN(budget_params),
                                      &(struct param_place){p, p, place}, e);
}

static int parse_requires(const json_t *j, const char *at, struct policy *p, struct err *e)
{
    json_t *requires = NULL;
    char place[256];
    const char *keys[MAX_KEYS];
    int rc = json_opt_object(j, at, "requires", &requires, e);
    if (rc != ERR_OK || requires == NULL)
        return rc;
    snprintf(place, sizeof place, "%s/requires", at);
    params_keys(requires_params, ARRAY_LEN(requires_params), keys, 0);
    rc = json_only(requires, place, keys, e);
    return rc != ERR_OK ? rc
                        : params_read(requires, requires_params, ARRAY_LEN(requires_params),
                                      &(struct param_place){p, p, place}, e);
}

static int check_policy(const struct policy *p, const char *at, struct err *e)
{
    const char *url = policy_text(p, p->prometheus_at);
    bool is_url = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    if (url[0] != '\0' && !is_url)
        return policy_blame(e, at, "prometheus", "must be an http or https address");
    if (p->max_bake_ms != 0 && p->max_bake_ms < p->bake_ms)
        return policy_blame(e, at, "max_bake", "must not be shorter than \"bake\"");
    return ERR_OK;
}

static int parse_all(const json_t *j, const char *at, struct policy *p, struct err *e)
{
    const char *keys[MAX_KEYS] = {"steps", "gates", "failure_budget", "requires"};
    params_keys(policy_params, ARRAY_LEN(policy_params), keys, 4);
    int rc = json_only(j, at, keys, e);
    if (rc == ERR_OK)
        rc = params_read(j, policy_params, ARRAY_LEN(policy_params),
                         &(struct param_place){p, p, at}, e);
    if (rc == ERR_OK)
        rc = parse_budget(j, at, p, e);
    if (rc == ERR_OK)
        rc = parse_requires(j, at, p, e);
    if (rc == ERR_OK)
        rc = parse_steps(j, at, p, e);
    if (rc == ERR_OK)
        rc = policy_gates_parse(j, at, p, e);
    return rc == ERR_OK ? check_policy(p, at, e) : rc;
}

int policy_parse(const json_t *j, const char *at, struct policy *out, struct err *e)
{
    if (!json_is_object(j))
        return err_at(e, ERR_INVALID, at, "a policy must be an object");
    struct policy *p CLEANUP(mem_free_ptr) = mem_alloc(sizeof *p);
    policy_default(p);
    int rc = parse_all(j, at, p, e);
    if (rc == ERR_OK)
        memcpy(out, p, sizeof *out);
    return rc;
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

json_t *policy_json(const struct policy *p)
{
    json_t *j = json_object();
    json_t *steps = json_array();
    for (int i = 0; i < p->n_steps; i++) {
        json_t *step = json_object();
        params_write(step, step_params, ARRAY_LEN(step_params), &p->steps[i], p);
        json_array_append_new(steps, step);
    }
    params_write(j, policy_params, ARRAY_LEN(policy_params), p, p);
    json_object_set_new(j, "steps", steps);
    json_object_set_new(j, "gates", policy_gates_json(p));
    if (p->n_failures_max > 0) {
        json_t *budget = json_object();
        params_write(budget, budget_params, ARRAY_LEN(budget_params), p, p);
        json_object_set_new(j, "failure_budget", budget);
    }
    if (p->requires_at != 0) {
        json_t *requires = json_object();
        params_write(requires, requires_params, ARRAY_LEN(requires_params), p, p);
        json_object_set_new(j, "requires", requires);
    }
    return j;
}

/* What a quiet member means while it is not written; NULL: nothing that could be written. */
static json_t *quiet_default(const struct param *p)
{
    if (!p->is_quiet || strcmp(p->key, "max_bake") == 0)
        return NULL;
    if (p->type == PARAM_BOOL)
        return json_false();
    return p->type == PARAM_DURATION ? json_string("0") : json_integer(0);
}

json_t *policy_effective(const struct policy *p)
{
    json_t *j = policy_json(p);
    json_t *unavailable = json_object_get(j, "max_unavailable");
    for (size_t i = 0; i < ARRAY_LEN(policy_params); i++) {
        json_t *value = NULL;
        if (json_object_get(j, policy_params[i].key) == NULL)
            value = quiet_default(&policy_params[i]);
        if (value != NULL)
            json_object_set_new(j, policy_params[i].key, value);
    }
    if (json_object_get(j, "rollback_max_unavailable") == NULL && unavailable != NULL)
        json_object_set(j, "rollback_max_unavailable", unavailable);
    return j;
}
