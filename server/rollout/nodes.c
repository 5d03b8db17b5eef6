/*
 * Nodes as things of their own, whatever they serve: taken out by people, gone with their lease,
 * restarted. Controller's thread only.
 */
#include <string.h>

#include "controller_inner.h"
#include "fleet_nodes.h"
#include "identity.h"
#include "log.h"

#define LEASES_EVERY_MS 1000
#define TELL_HELD_MS 60000
/* A round that is this late means that the process slept or the clock jumped. */
#define GAP_MS 3000

void node_set_cordon(struct node *n, const char *cordon)
{
    n->is_cordoned = cordon != NULL;
    n->wants_none = cordon != NULL && strcmp(cordon, node_cordon_name(NODE_UNLOAD)) == 0;
    n->is_drained =
        n->wants_none || (cordon != NULL && strcmp(cordon, node_cordon_name(NODE_DRAIN)) == 0);
}

/* --- leases --- */

static void tell_held(struct controller *c, const struct lease_count *count)
{
    if (count->n_held == 0) {
        c->held_told_ms = 0;
        return;
    }
    if (c->held_told_ms != 0 && c->now_ms < c->held_told_ms + TELL_HELD_MS)
        return;
    c->held_told_ms = c->now_ms;
    log_line(LOG_WARNING, "node",
             "most nodes of %s are silent at the same time: %lld whose leases ended are kept, as "
             "the way to them may be broken; what is really gone has to be deleted",
             count->held_env, (long long)count->n_held);
}

int nodes_expire(struct controller *c, struct err *e)
{
    struct lease_count count = {0};
    bool is_watched = c->leases_due_ms != INT64_MAX;
    bool has_gap = c->leases_ms == 0 || (is_watched && c->now_ms > c->leases_due_ms + GAP_MS);
    if (!has_gap && c->now_ms < c->leases_ms + LEASES_EVERY_MS) {
        /* Perhaps the first lease began just now. */
        c->leases_due_ms = c->leases_ms + LEASES_EVERY_MS;
        return ERR_OK;
    }
    if (has_gap)
        c->grace_ms = c->now_ms;
    c->leases_ms = c->now_ms;
    int rc = fleet_node_expire(c->o.store, c->now_ms, c->grace_ms, &count, e);
    c->leases_due_ms =
        rc == ERR_OK && count.n_leases == 0 ? INT64_MAX : c->now_ms + LEASES_EVERY_MS;
    if (rc == ERR_OK)
        tell_held(c, &count);
    if (count.n_gone > 0) {
        log_line(LOG_INFO, "node", "%zu nodes are gone with their leases", count.n_gone);
        atomic_store(&c->is_woken, true);
    }
    return rc;
}

/* --- restarts --- */

/* Clocks of servers are read in seconds, and some compute their start from two clocks. */
#define SAME_START_MS 2000
#define LOOKS_PER_PAGE 3

static bool has_served(const struct env *env, int node)
{
    for (int k = 0; k < env->n_targets; k++) {
        if (env->targets[k].spots[node].seen.n_ready > 0)
            return true;
    }
    return false;
}

/* Its models may be gone: it is looked at now, and repaired where that shows. */
static void see_restart(struct controller *c, struct env *env, struct node *n)
{
    int at = (int)(n - env->nodes);
    n->process.restarted_ms = c->now_ms;
    n->process.n_restarts++;
    n->process.is_unsaid = has_served(env, at);
    for (int k = 0; k < env->n_targets; k++)
        env->targets[k].spots[at].seen.looked_ms = 0;
    node_changed(c, n);
    node_serves_changed(c, n);
    env_wake(c, env, NULL);
    if (n->n_busy == 0)
        due_hasten(&c->looks, &n->look, c->now_ms);
    log_line(LOG_INFO, "node", "%s/%s: another process answers now", env->name, n->name);
}

void nodes_see_page(struct controller *c, struct env *env, struct node *n,
                    const struct http_answer *answer)
{
    int64_t before = n->process.started_ms;
    int64_t now = 0;
    if (answer->outcome == HTTP_ANSWERED && answer->status == 200 && answer->body != NULL)
        now = identity_started_ms(answer->body, answer->body_len);
    n->process.asked_ms = c->now_ms;
    if (now == 0 || (now <= before + SAME_START_MS && now + SAME_START_MS >= before))
        return;
    n->process.started_ms = now;
    node_changed(c, n);
    /* A clock that was set is no other process: then the new start is not after the last answer. */
    if (before != 0 && now > before)
        see_restart(c, env, n);
}

void nodes_see_counts(struct controller *c, struct env *env, struct node *n,
                      const struct spot *spot, const struct sample *now)
{
    const struct sample *before = &spot->sample;
    bool fell = before->has_counters && now->has_counters &&
                (now->n_success < before->n_success || now->n_failure < before->n_failure);
    /* Some servers count anew after a load; those that tell their start are believed. */
    bool is_loaded = spot->op.ended_ms > before->ts_ms || spot->op.state == OP_OPEN;
    if (fell && !is_loaded && n->process.started_ms == 0 &&
        n->process.restarted_ms <= before->ts_ms)
        see_restart(c, env, n);
}

bool nodes_wants_page(const struct controller *c, const struct node *n)
{
    int64_t every_ms = LOOKS_PER_PAGE * c->o.observe_every_ms;
    return n->is_reachable && n->driver != NULL && n->driver->scrape != NULL &&
           n->urls.metrics_url != NULL && !n->is_scraping &&
           c->now_ms >= n->process.asked_ms + every_ms;
}

bool nodes_has_restarted(const struct node *n, const struct target *t, int64_t loaded_ms)
{
    int64_t since_ms =
        t->is_rolling && t->record.created_ms > loaded_ms ? t->record.created_ms : loaded_ms;
    return n->process.restarted_ms > since_ms;
}
