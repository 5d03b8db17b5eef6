/*
 * Routers over HTTP: their records and what they were seen doing. Translates only: no rules, no
 * SQL. Runs on the worker of the request.
 */
#include <string.h>

#include "api.h"
#include "api_fleet.h"
#include "fleet_router.h"

#define TEXT_MAX_BYTES 4096

/* --- showing ---------------------------------------------------------------------------------- */

/* A share as percent with at most two decimals: 1250 is "12.5". */
static void write_percent(struct jsonw *w, const char *key, int64_t bp)
{
    int64_t rest = bp % 100;

    if (rest == 0)
        jsonw_strf(w, key, "%lld", (long long)(bp / 100));
    else if (rest % 10 == 0)
        jsonw_strf(w, key, "%lld.%lld", (long long)(bp / 100), (long long)(rest / 10));
    else
        jsonw_strf(w, key, "%lld.%02lld", (long long)(bp / 100), (long long)rest);
}

/* Names of the environment's nodes by id. */
struct names {
    const struct node_row *rows;
    size_t n;
};

static const char *name_of(const struct names *names, int64_t id)
{
    for (size_t i = 0; i < names->n; i++)
        if (names->rows[i].node_id == id)
            return names->rows[i].name;
    return NULL;
}

static void write_count(struct jsonw *w, const json_t *node, const char *key)
{
    if (json_is_integer(json_object_get(node, key)))
        jsonw_int(w, key, json_integer_value(json_object_get(node, key)));
}

static void write_route_node(struct jsonw *w, const json_t *node, const struct names *names)
{
    const char *name = name_of(names, json_integer_value(json_object_get(node, "id")));
    bool is_known = json_is_true(json_object_get(node, "known"));

    if (name == NULL)
        return;
    jsonw_object(w, NULL);
    jsonw_str(w, "node", name);
    jsonw_bool(w, "known", is_known);
    if (is_known) {
        write_count(w, node, "weight");
        write_percent(w, "share", json_integer_value(json_object_get(node, "share")));
        if (json_object_get(node, "wanted") != NULL)
            write_percent(w, "wanted", json_integer_value(json_object_get(node, "wanted")));
        jsonw_bool(w, "up", json_is_true(json_object_get(node, "up")));
        jsonw_bool(w, "mirrored", json_is_true(json_object_get(node, "mirrored")));
        write_count(w, node, "sessions");
        write_count(w, node, "requests");
        write_count(w, node, "errors");
    }
    jsonw_end(w);
}

static void write_route(struct request *rq, struct jsonw *w, const struct router_row *v,
                        const struct router_view *view, const struct names *names)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const json_t *nodes;

    if (json_parse(view->observation, strlen(view->observation), 6, &j, NULL) != ERR_OK)
        return;
    nodes = json_object_get(j, "nodes");
    jsonw_object(w, NULL);
    jsonw_str(w, "model", view->model);
    jsonw_str(w, "serve_as", view->serve_as);
    jsonw_str(w, "backend", routing_backend(rq->arena, v->config.backend, view->serve_as));
    jsonw_str(w, "state", view->state);
    jsonw_time(w, "seen", view->observed_ms);
    write_count(w, j, "generation");
    write_count(w, j, "others");
    jsonw_array(w, "nodes");
    for (size_t i = 0; i < json_array_size(nodes); i++)
        write_route_node(w, json_array_get(nodes, i), names);
    jsonw_end(w);
    jsonw_end(w);
}

static int read_names(struct request *rq, struct look *l, const char *env, struct names *out,
                      struct err *e);

int routers_write_traffic(struct request *rq, struct look *l, struct jsonw *w,
                          const struct rollout_record *r, int64_t *seen_ms, struct err *e)
{
    struct router_view *views = NULL;
    struct names names = {0};
    size_t n = 0;
    int rc = r->ended_ms == 0
                 ? db_target_routes(l->scope.db, r->target_id, rq->arena, &views, &n, e)
                 : ERR_OK;

    if (rc != ERR_OK || n == 0)
        return rc;
    if ((rc = read_names(rq, l, r->environment, &names, e)) != ERR_OK)
        return rc;
    jsonw_array(w, "traffic");
    for (size_t i = 0; i < n; i++) {
        json_t *j CLEANUP(json_decref_ptr) = NULL;
        const json_t *nodes;

        if (strcmp(views[i].state, "known") != 0 ||
            json_parse(views[i].observation, strlen(views[i].observation), 6, &j, NULL) != ERR_OK)
            continue;
        *seen_ms = views[i].observed_ms > *seen_ms ? views[i].observed_ms : *seen_ms;
        nodes = json_object_get(j, "nodes");
        jsonw_object(w, NULL);
        jsonw_str(w, "router", views[i].serve_as);
        jsonw_time(w, "seen", views[i].observed_ms);
        jsonw_array(w, "nodes");
        for (size_t k = 0; k < json_array_size(nodes); k++)
            write_route_node(w, json_array_get(nodes, k), &names);
        jsonw_end(w);
        jsonw_end(w);
    }
    jsonw_end(w);
    return ERR_OK;
}

/* What it was last seen doing, for the models that the caller may see. */
static int write_routes(struct request *rq, struct look *l, struct jsonw *w,
                        const struct router_row *v, const struct names *names, struct err *e)
{
    struct router_view *views = NULL;
    size_t n = 0;
    int rc = db_router_views(l->scope.db, v->router_id, rq->arena, &views, &n, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_array(w, "routes");
    for (size_t i = 0; i < n; i++)
        if (registry_may_see(l->scope.globs, views[i].model))
            write_route(rq, w, v, &views[i], names);
    jsonw_end(w);
    return ERR_OK;
}

static void write_opt(struct jsonw *w, const char *key, const char *text)
{
    if (text != NULL && text[0] != '\0')
        jsonw_str(w, key, text);
}

static int write_router(struct request *rq, struct look *l, struct jsonw *w,
                        const struct router_row *v, const struct names *names, struct err *e)
{
    int rc;

    jsonw_object(w, NULL);
    jsonw_str(w, "name", v->config.name);
    jsonw_str(w, "environment", v->env);
    jsonw_str(w, "driver", v->config.driver);
    jsonw_str(w, "address", v->config.address);
    jsonw_str(w, "backend", v->config.backend);
    write_opt(w, "file", v->config.file);
    write_opt(w, "pid_file", v->config.pid_file);
    write_opt(w, "server_label", v->config.server_label);
    jsonw_time(w, "created", v->created_ms);
    jsonw_bool(w, "reachable", v->is_reachable);
    jsonw_time(w, "since", v->since_ms);
    jsonw_time(w, "seen", v->seen_ms);
    write_opt(w, "detail", v->detail);
    if ((rc = write_routes(rq, l, w, v, names, e)) != ERR_OK)
        return rc;
    jsonw_end(w);
    return ERR_OK;
}

/* All nodes of the environment: their names. */
static int read_names(struct request *rq, struct look *l, const char *env, struct names *out,
                      struct err *e)
{
    struct node_row *rows = NULL;
    size_t n = 0;
    int rc = db_node_page(l->scope.db, env, "", 100000, rq->arena, &rows, &n, e);

    *out = (struct names){rows, n};
    return rc;
}

static int reply_router(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct names names = {0};
    struct router_row v;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_router_find(l.scope.db, rq->params[0], name, rq->arena, &v, e);
    if (rc == ERR_OK)
        rc = read_names(rq, &l, v.env, &names, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    rc = write_router(rq, &l, &w, &v, &names, e);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int list_routers(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct router_row *rows = NULL;
    struct names names = {0};
    struct env_row env;
    struct jsonw w;
    size_t n = 0;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        rc = db_router_list(l.scope.db, env.env_id, rq->arena, &rows, &n, e);
    if (rc == ERR_OK && n > 0)
        rc = read_names(rq, &l, env.name, &names, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++)
        if ((rc = write_router(rq, &l, &w, &rows[i], &names, e)) != ERR_OK)
            return rc;
    jsonw_end(&w);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

static int get_router(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_router(rq, rp, rq->params[1], e);
}

/* --- changing --------------------------------------------------------------------------------- */

static int read_spec(struct request *rq, struct router_spec *spec, struct fleet_change *c,
                     struct err *e)
{
    const struct {
        const char *key;
        const char **out;
    } texts[] = {{"driver", &spec->driver},   {"address", &spec->address},
                 {"file", &spec->file},       {"pid_file", &spec->pid_file},
                 {"backend", &spec->backend}, {"server_label", &spec->server_label}};
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(texts); i++)
        rc = json_opt_str(rq->json, "", texts[i].key, TEXT_MAX_BYTES, texts[i].out, e);
    spec->env = rq->params[0];
    return rc == ERR_OK ? fleet_change_begin(rq, c, e) : rc;
}

static int create_router(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name",    "driver",       "address", "file", "pid_file",
                                        "backend", "server_label", "reason",  NULL};
    struct router_spec spec = {0};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "name", NAME_MAX_BYTES, &spec.name, e);
    if (rc == ERR_OK)
        rc = read_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_router_create(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 201;
    return reply_router(rq, rp, spec.name, e);
}

static int patch_router(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"driver",  "address",      "file",   "pid_file",
                                        "backend", "server_label", "reason", NULL};
    struct router_spec spec = {.name = rq->params[1]};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_spec(rq, &spec, &c, e);
    if (rc == ERR_OK)
        rc = fleet_router_update(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return reply_router(rq, rp, spec.name, e);
}

static int delete_router(struct request *rq, struct reply *rp, struct err *e)
{
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = fleet_router_delete(rq->app->store, &c, rq->params[0], rq->params[1], e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}

#define ROUTERS "/api/v1/environments/{env}/routers"
#define ROUTER ROUTERS "/{router}"

const struct route api_routers_routes[] = {
    {METHOD_GET, ROUTERS, PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_routers, "list routers"},
    {METHOD_POST, ROUTERS, PERM_ADMIN, BODY_JSON, WORK_LIGHT, 0, create_router, "add a router"},
    {METHOD_GET, ROUTER, PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_router,
     "show a router and what it does"},
    {METHOD_PATCH, ROUTER, PERM_ADMIN, BODY_JSON, WORK_LIGHT, 0, patch_router, "change a router"},
    {METHOD_DELETE, ROUTER, PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_router,
     "remove a router; what it does stays"},
    {.handler = NULL},
};
