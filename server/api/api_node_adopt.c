/*
 * Taking over what a node serves already, over HTTP: the controller asks the server and has the
 * files checked, then the rules record it. Translates only. Runs on the worker of the request.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api_nodes.h"
#include "db_nodes.h"
#include "fleet_nodes.h"

#define ADOPT_MS 120000

struct adopt_body {
    const char *version, *wish;
};

static int read_body(struct request *rq, struct node_adopt *in, struct adopt_body *body,
                     struct fleet_change *c, struct err *e)
{
    static const char *const known[] = {"model", "version", "serve_as", "reason", NULL};
    int rc = json_only(rq->json, "", known, e);

    in->env = rq->params[0];
    in->node = rq->params[1];
    body->version = "latest";
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "model", 2 * NAME_MAX_BYTES + 1, &in->model, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "version", NAME_MAX_BYTES, &body->version, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "serve_as", 64, &body->wish, e);
    if (rc == ERR_OK)
        rc = request_may_model(rq, in->model, e);
    return rc == ERR_OK ? fleet_change_begin(rq, c, e) : rc;
}

/* What is asked for, as numbers and names. */
static int resolve(struct request *rq, struct node_adopt *in, const struct adopt_body *body,
                   struct node_row *node, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = fleet_node_find(l.scope.db, in->env, in->node, rq->arena, node, e);
    if (rc == ERR_OK)
        rc = registry_resolve(l.scope.db, in->model, body->version, NULL, &in->number, e);
    if (rc == ERR_OK)
        rc = fleet_adopt_name(l.scope.db, in, body->wish, rq->arena, &in->serve_as, e);
    return rc;
}

/* The answers of server and folder as an error, ERR_OK when the files are taken over. */
static int judge(const json_t *report, const struct node_adopt *in, struct err *e)
{
    const char *why = json_string_value(json_object_get(report, "adopt_error"));

    if (report == NULL)
        return err_set(e, ERR_TIMEOUT, "the node was not looked at in time; ask again");
    if (!json_is_true(json_object_get(report, "reachable")))
        return err_set(e, ERR_CONFLICT, "the node does not answer");
    if (!json_is_true(json_object_get(report, "version_ready")))
        return err_set(e, ERR_CONFLICT,
                       "the node does not serve version %" PRId64
                       " as \"%s\": /v2/models/%s/versions/%" PRId64 "/ready says no",
                       in->number, in->serve_as, in->serve_as, in->number);
    if (why != NULL)
        return err_set(e, ERR_CONFLICT, "%s", why);
    if (!json_is_true(json_object_get(report, "adopted")))
        return err_set(e, ERR_CONFLICT, "the files were not taken over");
    return ERR_OK;
}

int api_node_adopt(struct request *rq, struct reply *rp, struct err *e)
{
    struct node_adopt in = {0};
    struct adopt_body body = {0};
    struct node_row node = {0};
    struct fleet_change c;
    enum node_adopt_result result = NODE_ADOPTED_ONE;
    json_t *report CLEANUP(json_decref_ptr) = NULL;
    struct jsonw w;
    int rc = read_body(rq, &in, &body, &c, e);

    if (rc == ERR_OK)
        rc = resolve(rq, &in, &body, &node, e);
    struct probe_ask ask = {.node_id = node.node_id,
                            .serve_as = in.serve_as,
                            .number = in.number,
                            .model = in.model,
                            .patience_ms = ADOPT_MS};
    if (rc == ERR_OK)
        rc = node_probe(rq, &ask, &report, e);
    if (rc == ERR_OK)
        rc = judge(report, &in, e);
    if (rc == ERR_OK)
        rc = fleet_node_adopt(rq->app->store, &c, &in, &result, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "node", in.node);
    jsonw_str(&w, "environment", in.env);
    jsonw_str(&w, "model", in.model);
    jsonw_int(&w, "version", in.number);
    jsonw_str(&w, "serve_as", in.serve_as);
    jsonw_bool(&w, "is_live", result == NODE_ADOPTED_LIVE);
    jsonw_strf(&w, "text", "%s %" PRId64 " on node %s is managed now%s", in.model, in.number,
               in.node,
               result == NODE_ADOPTED_LIVE ? " and live in its environment"
                                           : "; adopt it on the other nodes, or promote it");
    jsonw_end(&w);
    return ERR_OK;
}
