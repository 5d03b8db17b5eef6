/*
 * What an environment demands of every rollout cannot be talked down by a target's policy or by the
 * strategy of one rollout: people who have to agree, where a version has to be live before, the
 * failure budget. More than that may always be asked for. Must not know HTTP. Any thread.
 */
#include <string.h>

#include "fleet_inner.h"

static int most_step_approvals(const struct policy *p)
{
    int most = 0;

    for (int i = 0; p->strategy == STRATEGY_CANARY && i < p->n_steps; i++)
        most = p->steps[i].n_approvals > most ? p->steps[i].n_approvals : most;
    return most;
}

static int keep(const struct policy *from, struct policy *p, struct err *e)
{
    int n_steps = most_step_approvals(from);

    if (p->n_approvals < from->n_approvals)
        p->n_approvals = from->n_approvals;
    if (most_step_approvals(p) < n_steps && p->strategy == STRATEGY_CANARY)
        p->steps[0].n_approvals = n_steps;
    else if (most_step_approvals(p) < n_steps && p->n_approvals < n_steps)
        p->n_approvals = n_steps;
    if (from->n_failures_max != 0) {
        p->n_failures_max = from->n_failures_max;
        p->failures_window_ms = from->failures_window_ms;
    }
    if (from->requires_at == 0)
        return ERR_OK;
    p->requires_at = policy_text_add(p, policy_text(from, from->requires_at));
    p->soak_ms = from->soak_ms;
    if (p->requires_at < 0)
        return err_set(e, ERR_INVALID, "the policy has too many texts");
    return ERR_OK;
}

int fleet_keep_guards(const struct target_row *t, struct policy *p, struct err *e)
{
    struct policy *of_env CLEANUP(mem_free_ptr) = mem_alloc(sizeof(*of_env));
    struct policy *of_target CLEANUP(mem_free_ptr) = mem_alloc(sizeof(*of_target));
    json_t *merged CLEANUP(json_decref_ptr) = NULL;
    int rc = policy_read(t->env_policy, of_env, e);

    if (rc == ERR_OK)
        rc = fleet_target_policy(t, NULL, &merged, e);
    if (rc == ERR_OK)
        rc = policy_parse(merged, "", of_target, e);
    if (rc == ERR_OK)
        rc = keep(of_target, p, e);
    return rc == ERR_OK ? keep(of_env, p, e) : rc;
}
