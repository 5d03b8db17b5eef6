/*
 * The queue of a target and versions in quarantine over HTTP. Translates only: no rules, no SQL.
 * Runs on the worker of the request.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_actor.h"
#include "api_rollouts.h"
#include "db_limits.h"
#include "fleet_fault.h"
#include "fleet_queue.h"

#define ID_MAX_BYTES 64

/* A target of the path that the caller may see. */
static int find_target(struct request *rq, struct look *l, struct target_row *t, struct err *e)
{
    const char *env = rq->params[0], *model = rq->params[1];
    int rc = look_begin(rq, l, e);

    if (rc == ERR_OK && !registry_may_see(l->scope.globs, model))
        return err_set(e, ERR_NOT_FOUND, "model \"%.150s\" was never deployed to \"%.150s\"", model,
                       env);
    return rc == ERR_OK ? fleet_target_find(l->scope.db, env, model, rq->arena, t, e) : rc;
}

/* --- queue ------------------------------------------------------------------------------------ */

static int write_one(struct request *rq, struct look *l, struct jsonw *w, const char *key,
                     const char *id, struct err *e)
{
    struct rollout_look r;
    int rc = rollout_look_load(rq, l, id, &r, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_object(w, key);
    jsonw_str(w, "id", id);
    if (r.more.position > 0)
        jsonw_int(w, "position", r.more.position);
    if (r.record.from != 0)
        jsonw_int(w, "from", r.record.from);
    jsonw_int(w, "to", r.record.to);
    jsonw_str(w, "kind", r.record.kind);
    jsonw_str(w, "phase", rollout_phase_name(r.status->phase));
    jsonw_bool(w, "hotfix", r.more.is_hotfix);
    actor_write(w, "actor", r.record.actor, l->scope.db, rq->arena);
    if (r.record.reason != NULL)
        jsonw_str(w, "reason", r.record.reason);
    jsonw_time(w, "created", r.record.created_ms);
    if (r.status->waiting[0] != '\0')
        jsonw_str(w, "waiting", r.status->waiting);
    if (r.status->unblock[0] != '\0')
        jsonw_str(w, "unblock", r.status->unblock);
    jsonw_end(w);
    return ERR_OK;
}

static int write_policy(struct jsonw *w, const struct target_row *t, struct err *e)
{
    json_t *policy CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_target_policy(t, NULL, &policy, e);

    if (rc == ERR_OK)
        jsonw_str(w, "policy", json_string_value(json_object_get(policy, "queue")));
    return rc;
}

static int queue_show(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct queue_item *items = NULL;
    struct target_row t;
    struct jsonw w;
    size_t n = 0;
    int rc = find_target(rq, &l, &t, e);

    if (rc == ERR_OK)
        rc = db_queue_list(l.scope.db, t.target_id, rq->arena, &items, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "environment", t.env);
    jsonw_str(&w, "model", t.model);
    jsonw_int(&w, "generation", t.generation);
    rc = write_policy(&w, &t, e);
    if (rc == ERR_OK && t.rollout != NULL)
        rc = write_one(rq, &l, &w, "active", t.rollout, e);
    jsonw_array(&w, "items");
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = write_one(rq, &l, &w, NULL, items[i].id, e);
    jsonw_end(&w);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int read_new_order(struct request *rq, struct queue_order *order, struct err *e)
{
    static const char *const known[] = {"order", "expected_generation", "reason", NULL};
    json_t *list = NULL;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_array(rq->json, "", "order", FLEET_QUEUE_MAX, &list, e);
    for (size_t i = 0; rc == ERR_OK && i < json_array_size(list); i++) {
        order->ids[i] = json_string_value(json_array_get(list, i));
        if (order->ids[i] == NULL || strlen(order->ids[i]) > ID_MAX_BYTES)
            return err_at(e, ERR_INVALID, "/order", "must hold ids of rollouts");
        order->n = i + 1;
    }
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected_generation", 0, INT64_C(1) << 53,
                          &order->expected_generation, e);
    return rc;
}

static int queue_reorder(struct request *rq, struct reply *rp, struct err *e)
{
    struct queue_order order = {.env = rq->params[0], .model = rq->params[1]};
    struct fleet_change c;
    int rc = read_new_order(rq, &order, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = request_may_model(rq, order.model, e);
    if (rc == ERR_OK)
        rc = fleet_queue_reorder(rq->app->store, &c, &order, e);
    return rc == ERR_OK ? queue_show(rq, rp, e) : rc;
}

static int queue_remove(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_look r;
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = rollout_look_load(rq, &l, rq->params[2], &r, e);
    if (rc == ERR_OK && (strcmp(r.record.environment, rq->params[0]) != 0 ||
                         strcmp(r.record.model, rq->params[1]) != 0))
        rc = err_set(e, ERR_NOT_FOUND, "no rollout \"%.60s\" of that target", rq->params[2]);
    look_end(&l);
    l = (struct look){0};
    if (rc == ERR_OK)
        rc = fleet_queue_remove(rq->app->store, &c, rq->params[2], e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}

static int start_queue(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"reason", NULL};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = request_may_model(rq, rq->params[1], e);
    if (rc == ERR_OK)
        rc = fleet_queue_start(rq->app->store, &c, rq->params[0], rq->params[1], e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return queue_show(rq, rp, e);
}

/* --- quarantine ------------------------------------------------------------------------------- */

static int quarantine_list(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct quarantine_row *rows = NULL;
    struct env_row env;
    struct jsonw w;
    size_t n = 0;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        rc = db_quarantine_list(l.scope.db, env.env_id, 0, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++) {
        if (!registry_may_see(l.scope.globs, rows[i].model))
            continue;
        jsonw_object(&w, NULL);
        jsonw_str(&w, "environment", rows[i].env);
        jsonw_str(&w, "model", rows[i].model);
        jsonw_int(&w, "version", rows[i].number);
        jsonw_str(&w, "rollout", rows[i].rollout);
        jsonw_str(&w, "cause", rows[i].cause);
        jsonw_time(&w, "since", rows[i].since_ms);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

static int lift_quarantine(struct request *rq, struct reply *rp, struct err *e)
{
    struct quarantine_lift lift = {.env = rq->params[0], .model = rq->params[1]};
    struct fleet_change c;
    char *end = NULL;
    int rc = fleet_change_begin(rq, &c, e);

    lift.number = strtoll(rq->params[2], &end, 10);
    if (rc == ERR_OK && (*end != '\0' || lift.number <= 0))
        return err_set(e, ERR_INVALID, "\"%.40s\" is no number of a version", rq->params[2]);
    if (rc == ERR_OK)
        rc = request_may_model(rq, lift.model, e);
    if (rc == ERR_OK)
        rc = fleet_quarantine_lift(rq->app->store, &c, &lift, e);
    rp->status = 204;
    return rc;
}

#define ENV "/api/v1/environments/{env}"
#define TARGET ENV "/targets/{model}"

const struct route api_queue_routes[] = {
    {METHOD_GET, TARGET "/queue", PERM_READ, BODY_NONE, WORK_LIGHT, 0, queue_show,
     "who waits for a target, and for whom"},
    {METHOD_PATCH, TARGET "/queue", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, queue_reorder,
     "change the order of those that wait"},
    {METHOD_DELETE, TARGET "/queue/{id}", PERM_DEPLOY, BODY_NONE, WORK_LIGHT, 0, queue_remove,
     "take a rollout out of the queue"},
    {METHOD_POST, TARGET "/queue/start", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, start_queue,
     "start the next one after a halt"},
    {METHOD_GET, ENV "/quarantine", PERM_READ, BODY_NONE, WORK_LIGHT, 0, quarantine_list,
     "list versions that failed by their own fault"},
    {METHOD_DELETE, TARGET "/quarantine/{version}", PERM_APPROVE, BODY_NONE, WORK_LIGHT, 0,
     lift_quarantine, "take a version out of quarantine"},
    {.handler = NULL},
};
