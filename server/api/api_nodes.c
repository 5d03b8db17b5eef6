/*
 * Nodes over HTTP: their records, and the route rows of everything below /nodes. Translates only:
 * no rules, no SQL. Runs on the worker of the request.
 */
#include "api_nodes.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_then.h"

#define TEXT_MAX_BYTES 4096

/* "zone=a" as the member that it is in the labels' JSON text. */
static int read_label(struct request *rq, const char *text, const char **out, struct err *e)
{
    const char *sign = strchr(text, '=');
    char *member = NULL;
    json_t *j;

    if (sign == NULL || sign == text || strlen(text) > TEXT_MAX_BYTES)
        return err_set(e, ERR_INVALID, "?label= wants NAME=VALUE");
    j = json_object();
    if (json_object_set_new(j, arena_printf(rq->arena, "%.*s", (int)(sign - text), text),
                            json_string(sign + 1)) == 0)
        member = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (member == NULL)
        return err_set(e, ERR_INVALID, "?label= must be UTF-8");
    *out = arena_printf(rq->arena, "%.*s", (int)strlen(member) - 2, member + 1);
    free(member);
    return ERR_OK;
}

static int read_pick(struct request *rq, struct node_pick *pick, struct err *e)
{
    static const char *const states[] = {"reachable", "unreachable", "cordoned"};
    const char *word = NULL, *label = NULL;
    bool is_known = false;
    int rc = cursor_read(rq, &pick->limit, &pick->after, e);

    if (rc == ERR_OK)
        rc = request_query(rq, "state", &pick->state, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "q", &word, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "label", &label, e);
    if (rc != ERR_OK)
        return rc;
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        is_known = is_known || (pick->state != NULL && strcmp(pick->state, states[i]) == 0);
    if (pick->state != NULL && !is_known)
        return err_set(e, ERR_INVALID, "?state= is none of reachable, unreachable, cordoned");
    if (word != NULL) {
        char *lower = arena_strdup(rq->arena, word);

        for (char *p = lower; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        pick->word = lower;
    }
    return label != NULL ? read_label(rq, label, &pick->label, e) : ERR_OK;
}

static int list_nodes(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct node_row *rows = NULL;
    struct env_row env;
    struct node_pick pick = {0};
    struct jsonw w;
    int64_t limit;
    size_t n = 0;
    int rc = read_pick(rq, &pick, e);

    pick.env = rq->params[0];
    if (rc == ERR_OK)
        rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK && look_is_past(&l))
        return then_nodes(rq, rp, &l, &pick, e);
    limit = pick.limit++;
    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        pick.env = env.name;
    if (rc == ERR_OK)
        rc = db_node_pick(l.scope.db, &pick, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n && (int64_t)i < limit; i++) {
        if ((rc = write_node(rq, &l, &w, &rows[i], e)) != ERR_OK)
            return rc;
        jsonw_end(&w);
    }
    jsonw_end(&w);
    if ((int64_t)n > limit)
        cursor_write(rq, &w, rows[limit - 1].name);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

static int get_node(struct request *rq, struct reply *rp, struct err *e)
{
    const char *at = NULL;
    int rc = request_query(rq, "at", &at, e);

    if (rc != ERR_OK)
        return rc;
    return at != NULL ? then_node(rq, rp, e) : reply_node(rq, rp, rq->params[1], e);
}

int read_node_spec(struct request *rq, struct node_spec *spec, struct fleet_change *c,
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
    return reply_node_probed(rq, rp, spec.name, e);
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

const struct route api_nodes_routes[] = {
    {METHOD_GET, ENV "/nodes", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_nodes, "list nodes"},
    {METHOD_POST, ENV "/nodes", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, create_node, "add a node"},
    {METHOD_POST, ENV "/nodes/register", PERM_NODE, BODY_JSON, WORK_LIGHT, 0, api_node_register,
     "a node enters itself, or says that it is still there"},
    {METHOD_GET, NODE, PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_node, "show a node"},
    {METHOD_PATCH, NODE, PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, patch_node, "change a node"},
    {METHOD_DELETE, NODE, PERM_DEPLOY, BODY_NONE, WORK_LIGHT, 0, delete_node, "remove a node"},
    {METHOD_POST, NODE "/leave", PERM_NODE, BODY_JSON, WORK_LIGHT, 0, api_node_leave,
     "a node that registered itself goes"},
    {METHOD_POST, NODE "/check", PERM_DEPLOY, BODY_JSON, WORK_HEAVY, 0, api_node_check,
     "look at a node now and say what is missing"},
    {METHOD_POST, NODE "/adopt", PERM_DEPLOY, BODY_JSON, WORK_HEAVY, 0, api_node_adopt,
     "take over what a node serves already"},
    {METHOD_POST, NODE "/cordon", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, api_node_cordon,
     "put nothing new on a node"},
    {METHOD_POST, NODE "/uncordon", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, api_node_uncordon,
     "end a node's cordon"},
    {METHOD_POST, NODE "/drain", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, api_node_drain,
     "take a node out of service"},
    {.handler = NULL},
};
