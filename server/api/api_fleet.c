/*
 * Environments over HTTP, and the route rows of environments and targets.
 * Translates only: no rules, no SQL. Runs on the worker of the request.
 */
#include "api_fleet.h"

#include <string.h>

#include "api.h"
#include "api_then.h"
#include "controller.h"

#define MAX_POSITION 1000000

int fleet_change_begin(struct request *rq, struct fleet_change *c, struct err *e)
{
    *c = (struct fleet_change){.actor = rq->caller.actor};
    return request_reason(rq, &c->reason, e);
}

int read_object(const json_t *body, const char *key, const json_t **out, struct err *e)
{
    json_t *found = NULL;
    int rc = json_opt_object(body, "", key, &found, e);

    if (rc == ERR_OK)
        *out = found;
    return rc;
}

void fleet_wake(const struct request *rq)
{
    if (rq->app->controller != NULL)
        controller_wake(rq->app->controller);
}

int read_observation(const char *text, int64_t *versions, int max)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const json_t *ready;
    int n = 0;

    if (text == NULL || json_parse(text, strlen(text), 4, &j, NULL) != ERR_OK)
        return 0;
    ready = json_object_get(j, "ready");
    for (size_t i = 0; i < json_array_size(ready) && n < max; i++)
        versions[n++] = json_integer_value(json_array_get(ready, i));
    return n;
}

int write_effective(struct request *rq, struct jsonw *w, const char *policy, struct err *e)
{
    struct policy *p = arena_alloc(rq->arena, sizeof(*p));
    json_t *whole CLEANUP(json_decref_ptr) = NULL;
    char *text CLEANUP(mem_free_ptr) = NULL;
    int rc = policy_read(policy, p, e);

    if (rc != ERR_OK)
        return rc;
    whole = policy_effective(p);
    text = json_dumps(whole, JSON_COMPACT | JSON_SORT_KEYS);
    if (text != NULL)
        jsonw_raw(w, "effective_policy", text, strlen(text));
    return ERR_OK;
}

/* --- environments ----------------------------------------------------------------------------- */

static int write_env(struct request *rq, struct db *db, struct jsonw *w, const struct env_row *v,
                     struct err *e)
{
    int64_t n_unreachable = 0;
    int rc = db_env_unreachable(db, v->env_id, &n_unreachable, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_object(w, NULL);
    jsonw_str(w, "name", v->name);
    jsonw_int(w, "position", v->position);
    jsonw_raw(w, "policy", v->policy, strlen(v->policy));
    jsonw_int(w, "n_nodes", v->n_nodes);
    jsonw_int(w, "n_unreachable", n_unreachable);
    jsonw_time(w, "created", v->created_ms);
    return write_holding(rq, db, w, v, e); /* left open for more members */
}

static int reply_env(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct env_row v;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, name, rq->arena, &v, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    rc = write_env(rq, l.scope.db, &w, &v, e);
    if (rc == ERR_OK)
        rc = write_effective(rq, &w, v.policy, e);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int list_envs(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct env_row *rows = NULL;
    struct jsonw w;
    size_t n = 0;
    int rc = look_begin_at(rq, &l, e);

    if (rc == ERR_OK && look_is_past(&l))
        return then_envs(rq, rp, &l, e);
    if (rc == ERR_OK)
        rc = db_env_list(l.scope.db, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        rc = write_env(rq, l.scope.db, &w, &rows[i], e);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int get_env(struct request *rq, struct reply *rp, struct err *e)
{
    const char *at = NULL;
    int rc = request_query(rq, "at", &at, e);

    if (rc != ERR_OK)
        return rc;
    return at != NULL ? then_env(rq, rp, e) : reply_env(rq, rp, rq->params[0], e);
}

static int read_env_spec(struct request *rq, struct env_spec *spec, struct fleet_change *c,
                         struct err *e)
{
    int rc = read_object(rq->json, "policy", &spec->policy, e);

    spec->position = -1;
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "position", 0, MAX_POSITION, &spec->position, e);
    return rc == ERR_OK ? fleet_change_begin(rq, c, e) : rc;
}

static int create_env(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name", "policy", "position", "reason", NULL};
    struct env_spec spec = {0};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "name", NAME_MAX_BYTES, &spec.name, e);
    if (rc == ERR_OK)
        rc = read_env_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_env_create(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 201;
    return reply_env(rq, rp, spec.name, e);
}

static int patch_env(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"policy", "position", "reason", NULL};
    struct env_spec spec = {.name = rq->params[0]};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_env_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_env_update(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return reply_env(rq, rp, spec.name, e);
}

static int delete_env(struct request *rq, struct reply *rp, struct err *e)
{
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = fleet_env_delete(rq->app->store, &c, rq->params[0], e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}

#define ENV "/api/v1/environments/{env}"
#define TARGET ENV "/targets/{model}"

const struct route api_fleet_routes[] = {
    {METHOD_GET, "/api/v1/environments", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_envs,
     "list environments in order"},
    {METHOD_POST, "/api/v1/environments", PERM_ADMIN, BODY_JSON, WORK_LIGHT, 0, create_env,
     "create an environment"},
    {METHOD_GET, ENV, PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_env, "show an environment"},
    {METHOD_PATCH, ENV, PERM_ADMIN, BODY_JSON, WORK_LIGHT, 0, patch_env,
     "change policy or position of an environment"},
    {METHOD_DELETE, ENV, PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_env,
     "delete an environment that was never used"},
    {METHOD_GET, ENV "/targets", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_target_list,
     "list what is deployed in an environment"},
    {METHOD_GET, TARGET, PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_target_get,
     "show a model in an environment"},
    {METHOD_PUT, TARGET, PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, api_target_put,
     "set how a model is served in an environment"},
    {.handler = NULL},
};
