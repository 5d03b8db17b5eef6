/*
 * Nodes in and out of service over HTTP: cordons, registration by the nodes themselves. Translates
 * only: no rules, no SQL. Runs on the worker of the request.
 */
#include <string.h>

#include "api_nodes.h"
#include "fleet_nodes.h"
#include "when.h"

/* --- cordons ---------------------------------------------------------------------------------- */

static int cordon(struct request *rq, struct reply *rp, enum node_cordon kind, struct err *e)
{
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = fleet_node_cordon(rq->app->store, &c, rq->params[0], rq->params[1], kind, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return reply_node(rq, rp, rq->params[1], e);
}

static int only_reason(struct request *rq, struct err *e)
{
    static const char *const known[] = {"reason", NULL};

    return json_only(rq->json, "", known, e);
}

int api_node_cordon(struct request *rq, struct reply *rp, struct err *e)
{
    int rc = only_reason(rq, e);

    return rc == ERR_OK ? cordon(rq, rp, NODE_CORDON, e) : rc;
}

int api_node_uncordon(struct request *rq, struct reply *rp, struct err *e)
{
    int rc = only_reason(rq, e);

    return rc == ERR_OK ? cordon(rq, rp, NODE_UNCORDON, e) : rc;
}

int api_node_drain(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"unload", "reason", NULL};
    bool unloads = false;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "unload", &unloads, e);
    return rc == ERR_OK ? cordon(rq, rp, unloads ? NODE_UNLOAD : NODE_DRAIN, e) : rc;
}

/* --- registration ----------------------------------------------------------------------------- */

/* A token of role node speaks for one environment; others do not exist for it. */
static int check_scope(const struct request *rq, struct err *e)
{
    const char *own = rq->caller.environment;

    if (own[0] == '\0' || strcmp(own, rq->params[0]) == 0)
        return ERR_OK;
    return err_set(e, ERR_FORBIDDEN, "this token registers nodes in \"%.120s\" only", own);
}

static const char *own_root(const struct request *rq)
{
    return rq->caller.root[0] != '\0' ? rq->caller.root : NULL;
}

static int read_lease(const json_t *body, int64_t *ms, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_str(body, "", "lease", 32, &text, e);

    if (rc == ERR_OK && when_parse_duration(text, ms, NULL) != ERR_OK)
        return err_at(e, ERR_INVALID, "/lease", "not a duration like \"30s\"");
    return rc;
}

int api_node_register(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name",   "driver",   "admin_url",   "infer_url",
                                        "root",   "delivery", "metrics_url", "labels",
                                        "reason", "lease",    NULL};
    static const char *const results[] = {"new", "changed", "renewed"};
    struct node_register in = {.root_below = own_root(rq)};
    enum node_register_result result = NODE_IS_NEW;
    struct fleet_change c;
    struct jsonw w;
    char text[WHEN_TEXT_BYTES];
    int rc = check_scope(rq, e);

    if (rc == ERR_OK)
        rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "name", NAME_MAX_BYTES, &in.spec.name, e);
    if (rc == ERR_OK)
        rc = read_node_spec(rq, &in.spec, &c, e);
    if (rc == ERR_OK)
        rc = read_lease(rq->json, &in.lease_ms, e);
    if (rc == ERR_OK)
        rc = fleet_node_register(rq->app->store, &c, &in, &result, e);
    if (rc != ERR_OK)
        return rc;
    if (result != NODE_IS_RENEWED)
        fleet_wake(rq);
    rp->status = result == NODE_IS_NEW ? 201 : 200;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "name", in.spec.name);
    jsonw_str(&w, "environment", in.spec.env);
    jsonw_str(&w, "lease", when_format_duration(in.lease_ms, text));
    jsonw_str(&w, "result", results[result]);
    jsonw_end(&w);
    return ERR_OK;
}

int api_node_leave(struct request *rq, struct reply *rp, struct err *e)
{
    struct node_leave in = {
        .env = rq->params[0], .name = rq->params[1], .root_below = own_root(rq)};
    struct fleet_change c;
    int rc = check_scope(rq, e);

    if (rc == ERR_OK)
        rc = only_reason(rq, e);
    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_node_leave(rq->app->store, &c, &in, e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}
