/*
 * Parts of a node's page that take several looks: how far a drain is, what was done there lately
 * and when it is tried again, which files differ. Translates only: no rules, no SQL. Runs on the
 * worker of the request.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_actor.h"
#include "api_nodes.h"
#include "db_nodes.h"
#include "db_router.h"

#define MAX_OPERATIONS 20

/* --- drains ----------------------------------------------------------------------------------- */

/* How far a drain is: what it waits for, "" when it is done. */
struct draining {
    struct request *rq;
    struct look *look;
    const struct node_row *node;
    bool has_router;
    char waiting[300];
};

/* Who may not see a model is not told its name. */
static const char *name_for(const struct draining *d, const char *model, const char *serve_as)
{
    return registry_may_see(d->look->scope.globs, model) ? serve_as : "a model";
}

/* What one router still does with the node. */
static void see_route(struct draining *d, const struct router_row *router,
                      const struct router_view *view)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const json_t *one;
    size_t i;

    if (json_parse(view->observation, strlen(view->observation), 6, &j, NULL) != ERR_OK)
        return;
    json_array_foreach(json_object_get(j, "nodes"), i, one)
    {
        int64_t share = json_integer_value(json_object_get(one, "share"));
        int64_t sessions = json_integer_value(json_object_get(one, "sessions"));

        if (json_integer_value(json_object_get(one, "id")) != d->node->node_id ||
            !json_is_true(json_object_get(one, "known")))
            continue;
        if (view->observed_ms <= d->node->cordon_ms)
            (void)snprintf(d->waiting, sizeof(d->waiting), "router %.100s was not seen since",
                           router->config.name);
        else if (share > 0)
            (void)snprintf(d->waiting, sizeof(d->waiting),
                           "router %.100s still sends %" PRId64 ".%02" PRId64
                           " %% of the requests to %.64s here",
                           router->config.name, share / 100, share % 100,
                           name_for(d, view->model, view->serve_as));
        else if (sessions > 0)
            (void)snprintf(d->waiting, sizeof(d->waiting),
                           "%" PRId64 " requests to %.64s are still in flight", sessions,
                           name_for(d, view->model, view->serve_as));
    }
}

static int see_routers(struct draining *d, struct err *e)
{
    struct router_row *routers = NULL;
    size_t n = 0;
    int rc = db_router_list(d->look->scope.db, d->node->env_id, d->rq->arena, &routers, &n, e);

    d->has_router = n > 0;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct router_view *views = NULL;
        size_t n_views = 0;

        rc = db_router_views(d->look->scope.db, routers[i].router_id, d->rq->arena, &views,
                             &n_views, e);
        for (size_t k = 0; rc == ERR_OK && k < n_views; k++)
            see_route(d, &routers[i], &views[k]);
    }
    return rc;
}

static int see_models(struct draining *d, struct err *e)
{
    struct node_sight *sights = NULL;
    size_t n = 0;
    int rc = db_node_sights(d->look->scope.db, d->node->node_id, d->rq->arena, &sights, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n && d->waiting[0] == '\0'; i++) {
        int64_t ready[16];
        int n_ready = read_observation(sights[i].observation, ready, (int)ARRAY_LEN(ready));

        if (n_ready > 0)
            (void)snprintf(d->waiting, sizeof(d->waiting), "it still serves %.64s %" PRId64,
                           name_for(d, sights[i].model, sights[i].serve_as), ready[n_ready - 1]);
    }
    return rc;
}

static int see_drain(struct draining *d, const struct node_work *work, struct err *e)
{
    int rc = see_routers(d, e);

    if (rc == ERR_OK && d->waiting[0] == '\0' && work->action != NULL)
        (void)snprintf(d->waiting, sizeof(d->waiting), "an operation goes on there: %.40s",
                       work->action);
    if (rc == ERR_OK && strcmp(d->node->cordon, "unload") == 0 && d->node->is_reachable)
        rc = see_models(d, e);
    return rc;
}

int write_node_cordon(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
                      const struct node_work *work, struct err *e)
{
    struct draining d = {.rq = rq, .look = l, .node = v};
    bool is_drain = v->cordon != NULL && strcmp(v->cordon, "cordon") != 0;
    int rc = is_drain ? see_drain(&d, work, e) : ERR_OK;

    if (rc != ERR_OK || v->cordon == NULL)
        return rc;
    jsonw_object(w, "cordon");
    jsonw_str(w, "kind", v->cordon);
    actor_write(w, "by", v->cordon_by, l->scope.db, rq->arena);
    if (v->cordon_reason != NULL)
        jsonw_str(w, "reason", v->cordon_reason);
    jsonw_time(w, "since", v->cordon_ms);
    if (is_drain)
        jsonw_bool(w, "is_drained", d.waiting[0] == '\0');
    if (d.waiting[0] != '\0')
        jsonw_str(w, "waiting", d.waiting);
    else if (is_drain && !d.has_router)
        jsonw_str(w, "note",
                  "the environment has no router that mreg commands: requests stop when your load "
                  "balancer stops sending them");
    jsonw_end(w);
    return ERR_OK;
}

/* --- operations ------------------------------------------------------------------------------- */

int write_node_operations(struct request *rq, struct look *l, struct jsonw *w,
                          const struct node_row *v, struct err *e)
{
    struct node_op *ops = NULL;
    size_t n = 0;
    int rc = db_node_ops(l->scope.db, v->node_id, MAX_OPERATIONS, rq->arena, &ops, &n, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_array(w, "operations");
    for (size_t i = 0; i < n; i++) {
        if (!registry_may_see(l->scope.globs, ops[i].model))
            continue;
        jsonw_object(w, NULL);
        jsonw_str(w, "action", ops[i].action);
        jsonw_str(w, "model", ops[i].model);
        jsonw_int(w, "version", ops[i].number);
        jsonw_int(w, "attempt", ops[i].attempt);
        jsonw_str(w, "state", ops[i].state);
        if (ops[i].error_class != NULL && strcmp(ops[i].error_class, "none") != 0)
            jsonw_str(w, "class", ops[i].error_class);
        if (ops[i].detail != NULL && ops[i].detail[0] != '\0')
            jsonw_str(w, "text", ops[i].detail);
        if (ops[i].rollout_id != NULL)
            jsonw_str(w, "rollout", ops[i].rollout_id);
        jsonw_time(w, "started", ops[i].started_ms);
        jsonw_time(w, "ended", ops[i].ended_ms);
        jsonw_end(w);
    }
    jsonw_end(w);
    return ERR_OK;
}

/* --- what comes next -------------------------------------------------------------------------- */

/* Of one target's rollout or repair on the node. */
static int see_lane(struct request *rq, struct look *l, const struct node_sight *sight,
                    int64_t *next_ms, struct err *e)
{
    struct target_row t = {0};
    struct rollout_status s = {0};
    bool found = false;
    const char *id;
    int rc = db_target_find(l->scope.db, rq->params[0], sight->model, rq->arena, &t, &found, e);

    if (rc != ERR_OK || !found)
        return rc;
    id = t.rollout != NULL ? t.rollout : arena_printf(rq->arena, "target-%" PRId64, t.target_id);
    rc = db_rollout_status(l->scope.db, id, rq->now_ms, rq->arena, &s, e);
    for (int i = 0; rc == ERR_OK && i < s.n_nodes; i++) {
        int64_t at_ms = s.nodes[i].move.not_before_ms;

        if (s.nodes[i].node_id == sight->node_id && at_ms > rq->now_ms &&
            (*next_ms == 0 || at_ms < *next_ms))
            *next_ms = at_ms;
    }
    return rc;
}

int write_node_next(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
                    struct err *e)
{
    struct node_sight *sights = NULL;
    int64_t next_ms = 0;
    size_t n = 0;
    int rc = db_node_sights(l->scope.db, v->node_id, rq->arena, &sights, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = see_lane(rq, l, &sights[i], &next_ms, e);
    jsonw_time(w, "next_retry", next_ms);
    return rc;
}

/* --- files ------------------------------------------------------------------------------------ */

int write_node_drifts(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
                      struct err *e)
{
    struct node_sight *sights = NULL;
    struct drift_row *drifts = NULL;
    size_t n = 0, n_drifts = 0;
    int rc = db_drift_list(l->scope.db, v->node_id, 0, rq->arena, &drifts, &n_drifts, e);

    if (rc == ERR_OK)
        rc = db_node_sights(l->scope.db, v->node_id, rq->arena, &sights, &n, e);
    if (rc != ERR_OK || n_drifts == 0)
        return rc;
    jsonw_array(w, "drifted");
    for (size_t i = 0; i < n_drifts; i++)
        for (size_t k = 0; k < n; k++) {
            if (sights[k].target_id != drifts[i].target_id ||
                !registry_may_see(l->scope.globs, sights[k].model))
                continue;
            jsonw_object(w, NULL);
            jsonw_str(w, "model", sights[k].model);
            jsonw_str(w, "text", drifts[i].detail);
            jsonw_time(w, "since", drifts[i].since_ms);
            jsonw_end(w);
        }
    jsonw_end(w);
    return ERR_OK;
}
