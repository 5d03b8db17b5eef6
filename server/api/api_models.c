/*
 * Models and aliases over HTTP, and the route rows of everything below /models. Translates only:
 * no rules, no SQL. Runs on the worker of the request.
 */
#include "api.h"
#include "api_actor.h"
#include "api_registry.h"

static int list_models(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct model_page page;
    const char *prefix = NULL;
    const char *after = NULL;
    int64_t limit = 0;
    struct jsonw w;
    int rc = cursor_read(rq, &limit, &after, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "q", &prefix, e);
    if (rc == ERR_OK)
        rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_list_models(&l.scope, prefix ? prefix : "", after, limit, &page, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < page.n; i++)
        write_model(&w, &page.items[i]);
    jsonw_end(&w);
    if (page.next)
        cursor_write(rq, &w, page.next);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

/* tags, and metrics when the object has such members: versions only. */
static int read_edit(struct request *rq, struct registry_edit *edit, struct err *e)
{
    int rc = read_description(rq->json, &edit->description, e);
    if (rc == ERR_OK)
        rc = pairs_from_json(json_object_get(rq->json, "tags"), "/tags", false, rq->arena,
                             &edit->tags, e);
    return rc;
}

static int create_model(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"name", "description", "tags", "reason", NULL};
    struct registry r = registry_of(rq);
    struct registry_change c = {.actor = rq->caller.actor};
    struct registry_edit edit = {0};
    bool created = false;
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "name", NAME_MAX_BYTES, &c.model, e);
    if (rc == ERR_OK)
        rc = request_reason(rq, &c.reason, e);
    if (rc == ERR_OK)
        rc = read_edit(rq, &edit, e);
    if (rc == ERR_OK && name_check_model(c.model, e) != ERR_OK)
        return err_at(e, ERR_INVALID, "/name", "%s", arena_strdup(rq->arena, e->message));
    if (rc == ERR_OK)
        rc = request_may_model(rq, c.model, e);
    if (rc == ERR_OK)
        rc = registry_create_model(&r, &c, &edit, &created, e);
    if (rc != ERR_OK)
        return rc;
    rp->status = created ? 201 : 200;
    return reply_model(rq, rp, c.model, e);
}

static int get_model(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct model_row m;
    struct jsonw w;
    int rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_get_model(&l.scope, rq->params[0], &m, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_model(&w, &m);
    return reply_etag(rq, rp, e);
}

static int patch_model(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"description", "tags", "reason", NULL};
    struct registry r = registry_of(rq);
    struct registry_change c;
    struct registry_edit edit = {0};
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = read_edit(rq, &edit, e);
    if (rc == ERR_OK)
        rc = registry_update_model(&r, &c, &edit, e);
    return rc == ERR_OK ? reply_model(rq, rp, c.model, e) : rc;
}

static int delete_model(struct request *rq, struct reply *rp, struct err *e)
{
    struct registry r = registry_of(rq);
    struct registry_change c;
    int rc = change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = registry_delete_model(&r, &c, e);
    rp->status = 204;
    return rc;
}

int api_alias_list(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct alias_row *rows = NULL;
    size_t n = 0;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = registry_list_aliases(&l.scope, rq->params[0], &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n; i++) {
        jsonw_object(&w, NULL);
        jsonw_str(&w, "alias", rows[i].alias);
        jsonw_int(&w, "version", rows[i].number);
        jsonw_time(&w, "since", rows[i].set_ms);
        actor_write(&w, "by", rows[i].set_by, l.scope.db, rq->arena);
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

int api_alias_put(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"version", "expected", "reason", NULL};
    struct registry r = registry_of(rq);
    struct registry_change c;
    struct alias_move move = {.alias = rq->params[1], .expected = -1};
    int64_t previous = 0;
    struct jsonw w;
    int rc = json_only(rq->json, "", known, e);
    if (rc == ERR_OK)
        rc = json_get_int(rq->json, "", "version", 1, JSON_MAX_INT, &move.number, e);
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected", 0, JSON_MAX_INT, &move.expected, e);
    if (rc == ERR_OK)
        rc = change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = registry_set_alias(&r, &c, &move, &previous, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "alias", move.alias);
    jsonw_int(&w, "version", move.number);
    if (previous)
        jsonw_int(&w, "previous", previous);
    jsonw_end(&w);
    return ERR_OK;
}

int api_alias_delete(struct request *rq, struct reply *rp, struct err *e)
{
    struct registry r = registry_of(rq);
    struct registry_change c;
    int rc = change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = registry_delete_alias(&r, &c, rq->params[1], e);
    rp->status = 204;
    return rc;
}

#define MODEL "/api/v1/models/{model}"
#define VERSION MODEL "/versions/{ref}"

const struct route api_models_routes[] = {
    {METHOD_GET, "/api/v1/models", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_models, "list models"},
    {METHOD_POST, "/api/v1/models", PERM_PUSH, BODY_JSON, WORK_LIGHT, 0, create_model,
     "create a model"},
    {METHOD_GET, MODEL, PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_model, "show a model"},
    {METHOD_PATCH, MODEL, PERM_PUSH, BODY_JSON, WORK_LIGHT, 0, patch_model,
     "change description or tags of a model"},
    {METHOD_DELETE, MODEL, PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, delete_model, "delete a model"},
    {METHOD_GET, MODEL "/versions", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_version_list,
     "list versions, newest first"},
    {METHOD_GET, VERSION, PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_version_get, "show a version"},
    {METHOD_PATCH, VERSION, PERM_PUSH, BODY_JSON, WORK_LIGHT, 0, api_version_patch,
     "change description, tags or metrics of a version"},
    {METHOD_DELETE, VERSION, PERM_ADMIN, BODY_NONE, WORK_LIGHT, 0, api_version_delete,
     "delete a version"},
    {METHOD_GET, VERSION "/manifest", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_manifest,
     "what a version is"},
    {METHOD_GET, VERSION "/manifest.sig", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_manifest_sig,
     "signature over the manifest"},
    {METHOD_GET, VERSION "/statement", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_statement,
     "who says so"},
    {METHOD_GET, VERSION "/statement.sig", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_statement_sig,
     "signature over the statement"},
    {METHOD_GET, VERSION "/files/{path}", PERM_READ, BODY_NONE, WORK_DOWNLOAD, 0, api_file,
     "download a file"},
    {METHOD_GET, MODEL "/aliases", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_alias_list,
     "list aliases"},
    {METHOD_PUT, MODEL "/aliases/{alias}", PERM_PUSH, BODY_JSON, WORK_LIGHT, 0, api_alias_put,
     "set an alias"},
    {METHOD_DELETE, MODEL "/aliases/{alias}", PERM_PUSH, BODY_NONE, WORK_LIGHT, 0, api_alias_delete,
     "delete an alias"},
    {.handler = NULL},
};
