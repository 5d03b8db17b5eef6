/*
 * Environments and nodes over HTTP, and the route rows of everything below /environments.
 * Translates only: no rules, no SQL. Runs on the worker of the request.
 */
#include "api_fleet.h"

#include <inttypes.h>
#include <string.h>

#include "api.h"
#include "controller.h"
#include "place.h"

#define REASON_MAX_BYTES 1000
#define TEXT_MAX_BYTES 4096
#define MAX_POSITION 1000000

int fleet_change_begin(struct request *rq, struct fleet_change *c, struct err *e)
{
    int rc;

    *c = (struct fleet_change){.actor = rq->caller.actor};
    if (rq->route->body == BODY_JSON)
        return read_reason(rq->json, &c->reason, e);
    rc = request_query(rq, "reason", &c->reason, e);
    if (rc == ERR_OK && c->reason != NULL && strlen(c->reason) > REASON_MAX_BYTES)
        return err_set(e, ERR_INVALID, "reason must be at most %d bytes", REASON_MAX_BYTES);
    return rc;
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

/* --- environments ----------------------------------------------------------------------------- */

static void write_env(struct jsonw *w, const struct env_row *v)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "name", v->name);
    jsonw_int(w, "position", v->position);
    jsonw_raw(w, "policy", v->policy, strlen(v->policy));
    jsonw_int(w, "n_nodes", v->n_nodes);
    jsonw_time(w, "created", v->created_ms);
    jsonw_end(w);
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
    write_env(&w, &v);
    return reply_etag(rq, rp, e);
}

static int list_envs(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct env_row *rows = NULL;
    struct jsonw w;
    size_t n = 0;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = db_env_list(l.scope.db, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++)
        write_env(&w, &rows[i]);
    jsonw_end(&w);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

static int get_env(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_env(rq, rp, rq->params[0], e);
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

/* --- nodes ------------------------------------------------------------------------------------ */

/* What it was last seen serving, of the models that the caller may see. */
static int write_serving(struct request *rq, struct look *l, struct jsonw *w,
                         const struct node_row *v, struct err *e)
{
    struct node_sight *sights = NULL;
    size_t n = 0;
    int rc = db_node_sights(l->scope.db, v->node_id, rq->arena, &sights, &n, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_array(w, "serving");
    for (size_t i = 0; i < n; i++) {
        int64_t ready[16];
        int n_ready = read_observation(sights[i].observation, ready, (int)ARRAY_LEN(ready));

        for (int k = 0; k < n_ready && registry_may_see(l->scope.globs, sights[i].model); k++) {
            jsonw_object(w, NULL);
            jsonw_str(w, "model", sights[i].model);
            jsonw_str(w, "serve_as", sights[i].serve_as);
            jsonw_int(w, "version", ready[k]);
            jsonw_bool(w, "ready", true);
            jsonw_end(w);
        }
    }
    jsonw_end(w);
    return ERR_OK;
}

/* What lies in its root that mreg did not place. A root that cannot be read has no list. */
static void write_unmanaged(struct request *rq, struct jsonw *w, const struct node_row *v)
{
    const char **names = NULL;
    size_t n = 0;

    if (v->root == NULL || place_unmanaged(v->root, rq->arena, &names, &n, NULL) != ERR_OK)
        return;
    jsonw_array(w, "unmanaged");
    for (size_t i = 0; i < n; i++)
        jsonw_str(w, NULL, names[i]);
    jsonw_end(w);
}

static int write_node(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
                      struct err *e)
{
    struct node_work work;
    int rc = db_node_busy(l->scope.db, v->node_id, rq->arena, &work, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_object(w, NULL);
    jsonw_str(w, "name", v->name);
    jsonw_str(w, "environment", v->env);
    jsonw_str(w, "driver", v->driver);
    jsonw_str(w, "admin_url", v->admin_url);
    jsonw_str(w, "infer_url", v->infer_url);
    if (v->metrics_url != NULL)
        jsonw_str(w, "metrics_url", v->metrics_url);
    jsonw_str(w, "delivery", v->delivery);
    if (v->root != NULL)
        jsonw_str(w, "root", v->root);
    jsonw_raw(w, "labels", v->labels, strlen(v->labels));
    jsonw_time(w, "created", v->created_ms);
    jsonw_bool(w, "reachable", v->is_reachable);
    jsonw_time(w, "since", v->since_ms);
    jsonw_time(w, "seen", v->seen_ms);
    if (v->detail != NULL && v->detail[0] != '\0')
        jsonw_str(w, "detail", v->detail);
    if ((rc = write_serving(rq, l, w, v, e)) != ERR_OK)
        return rc;
    write_unmanaged(rq, w, v);
    if (work.action != NULL && registry_may_see(l->scope.globs, work.model))
        jsonw_strf(w, "busy", "%s %s %" PRId64, work.action, work.model, work.number);
    else if (work.action != NULL)
        jsonw_str(w, "busy", work.action);
    jsonw_end(w);
    return ERR_OK;
}

static int reply_node(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct node_row v;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_node_find(l.scope.db, rq->params[0], name, rq->arena, &v, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    rc = write_node(rq, &l, &w, &v, e);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int list_nodes(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct node_row *rows = NULL;
    struct env_row env;
    const char *after = NULL;
    struct jsonw w;
    int64_t limit = 0;
    size_t n = 0;
    int rc = cursor_read(rq, &limit, &after, e);

    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        rc = db_node_page(l.scope.db, env.name, after, limit + 1, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n && (int64_t)i < limit; i++)
        if ((rc = write_node(rq, &l, &w, &rows[i], e)) != ERR_OK)
            return rc;
    jsonw_end(&w);
    if ((int64_t)n > limit)
        cursor_write(rq, &w, rows[limit - 1].name);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

static int get_node(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_node(rq, rp, rq->params[1], e);
}

static int read_node_spec(struct request *rq, struct node_spec *spec, struct fleet_change *c,
                          struct err *e)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"driver", &spec->driver},       {"admin_url", &spec->admin_url},
                 {"infer_url", &spec->infer_url}, {"metrics_url", &spec->metrics_url},
                 {"delivery", &spec->delivery},   {"root", &spec->root}};
    int rc = read_object(rq->json, "labels", &spec->labels, e);

    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(texts); i++)
        rc = json_opt_str(rq->json, "", texts[i].key, TEXT_MAX_BYTES, texts[i].out, e);
    spec->env = rq->params[0];
    return rc == ERR_OK ? fleet_change_begin(rq, c, e) : rc;
}

static int create_node(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name", "driver", "admin_url",   "infer_url", "delivery",
                                        "root", "labels", "metrics_url", "reason",    NULL};
    struct node_spec spec = {0};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "name", NAME_MAX_BYTES, &spec.name, e);
    if (rc == ERR_OK)
        rc = read_node_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_node_create(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 201;
    return reply_node(rq, rp, spec.name, e);
}

static int patch_node(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"driver",      "admin_url", "infer_url",
                                        "metrics_url", "delivery",  "root",
                                        "labels",      "reason",    NULL};
    struct node_spec spec = {.name = rq->params[1]};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_node_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_node_update(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return reply_node(rq, rp, spec.name, e);
}

static int delete_node(struct request *rq, struct reply *rp, struct err *e)
{
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = fleet_node_delete(rq->app->store, &c, rq->params[0], rq->params[1], e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}

#define ENV "/api/v1/environments/{env}"
#define NODE ENV "/nodes/{node}"
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
    {METHOD_GET, ENV "/nodes", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_nodes, "list nodes"},
    {METHOD_POST, ENV "/nodes", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, create_node, "add a node"},
    {METHOD_GET, NODE, PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_node, "show a node"},
    {METHOD_PATCH, NODE, PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, patch_node, "change a node"},
    {METHOD_DELETE, NODE, PERM_DEPLOY, BODY_NONE, WORK_LIGHT, 0, delete_node, "remove a node"},
    {METHOD_GET, ENV "/targets", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_target_list,
     "list what is deployed in an environment"},
    {METHOD_GET, TARGET, PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_target_get,
     "show a model in an environment"},
    {METHOD_PUT, TARGET, PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, api_target_put,
     "set how a model is served in an environment"},
    {.handler = NULL},
};
