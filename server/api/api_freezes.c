/*
 * Freeze windows and stop-the-line over HTTP. Translates only: no rules, no SQL. Runs on the worker
 * of the request.
 */
#include <string.h>

#include "api.h"
#include "api_actor.h"
#include "api_fleet.h"
#include "fleet_freeze.h"
#include "when.h"

#define MODEL_MAX_BYTES (2 * NAME_MAX_BYTES + 1)

static const char *state_of(const struct freeze_rule *rule, int64_t now_ms)
{
    if (freeze_holds(rule, now_ms, NULL))
        return "holds";
    return freeze_next_ms(rule, now_ms) == INT64_MAX ? "ended" : "planned";
}

static int write_freeze(struct request *rq, struct db *db, struct jsonw *w,
                        const struct freeze_row *v, struct err *e)
{
    struct freeze_rule rule;
    int64_t now_ms = rq->now_ms, until = 0, next;
    int rc = freeze_rule_of(v, &rule, e);

    if (rc != ERR_OK)
        return rc;
    (void)freeze_holds(&rule, now_ms, &until);
    next = freeze_next_ms(&rule, now_ms);
    jsonw_object(w, NULL);
    jsonw_str(w, "id", v->id);
    jsonw_str(w, "type", v->kind);
    if (v->env != NULL)
        jsonw_str(w, "environment", v->env);
    if (v->model != NULL)
        jsonw_str(w, "model", v->model);
    jsonw_time(w, "from", v->from_ms);
    jsonw_time(w, "until", v->until_ms);
    if (v->weekly != NULL)
        jsonw_str(w, "weekly", v->weekly);
    jsonw_str(w, "reason", v->reason);
    actor_write(w, "actor", v->actor, db, rq->arena);
    jsonw_time(w, "created", v->created_ms);
    jsonw_str(w, "state", state_of(&rule, now_ms));
    jsonw_time(w, "holds_until", until);
    jsonw_time(w, "next", next == INT64_MAX ? 0 : next);
    jsonw_end(w);
    return ERR_OK;
}

static bool is_about(const struct freeze_row *v, const char *env, const char *globs)
{
    if (v->model != NULL && !registry_may_see(globs, v->model))
        return false;
    return env == NULL || v->env == NULL || strcmp(v->env, env) == 0;
}

int write_holding(struct request *rq, struct db *db, struct jsonw *w, const struct env_row *env,
                  struct err *e)
{
    struct freeze_row *rows = NULL;
    bool is_open = false;
    size_t n = 0;
    int rc = db_freeze_list(db, rq->arena, &rows, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct freeze_rule rule;

        if (rows[i].model_id != 0 || (rows[i].env_id != 0 && rows[i].env_id != env->env_id))
            continue;
        rc = freeze_rule_of(&rows[i], &rule, e);
        if (rc != ERR_OK || !freeze_holds(&rule, rq->now_ms, NULL))
            continue;
        if (!is_open)
            jsonw_array(w, "freezes");
        is_open = true;
        jsonw_str(w, NULL, rows[i].id);
    }
    if (is_open)
        jsonw_end(w);
    return rc;
}

static int list_freezes(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct freeze_row *rows = NULL;
    const char *env = NULL;
    struct jsonw w;
    size_t n = 0;
    int rc = request_query(rq, "env", &env, e);

    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = db_freeze_list(l.scope.db, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (is_about(&rows[i], env, l.scope.globs))
            rc = write_freeze(rq, l.scope.db, &w, &rows[i], e);
    jsonw_end(&w);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int read_time(const json_t *body, const char *key, int64_t *ms, struct err *e)
{
    const char *text = NULL;
    int rc = json_opt_str(body, "", key, 64, &text, e);

    if (rc != ERR_OK || text == NULL)
        return rc;
    return json_blame(when_parse(text, ms, e), "", key, e);
}

static int read_freeze(struct request *rq, struct freeze_spec *spec, struct err *e)
{
    static const char *const known[] = {"environment", "model",  "from", "until",
                                        "weekly",      "reason", NULL};
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "environment", NAME_MAX_BYTES, &spec->env, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "model", MODEL_MAX_BYTES, &spec->model, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "weekly", 64, &spec->weekly, e);
    if (rc == ERR_OK)
        rc = read_time(rq->json, "from", &spec->from_ms, e);
    if (rc == ERR_OK)
        rc = read_time(rq->json, "until", &spec->until_ms, e);
    if (rc == ERR_OK && spec->model != NULL)
        rc = request_may_model(rq, spec->model, e);
    return rc;
}

static int add_freeze(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct freeze_spec spec = {0};
    struct freeze_row row;
    struct fleet_change c;
    struct jsonw w;
    bool found = false;
    char id[32];
    int rc = read_freeze(rq, &spec, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_freeze_add(rq->app->store, &c, &spec, id, e);
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = db_freeze_get(l.scope.db, id, rq->arena, &row, &found, e);
    if (rc == ERR_OK && !found)
        rc = err_set(e, ERR_NOT_FOUND, "freeze %s was removed meanwhile", id);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 201;
    reply_json(rp, &w);
    return write_freeze(rq, l.scope.db, &w, &row, e);
}

/* Freezes of models that the caller may not see do not exist for him. */
static int check_visible_freeze(struct request *rq, const char *id, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct freeze_row row;
    bool found = false;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = db_freeze_get(l.scope.db, id, rq->arena, &row, &found, e);
    if (rc == ERR_OK && found && !is_about(&row, NULL, l.scope.globs))
        return err_set(e, ERR_NOT_FOUND, "no freeze \"%.60s\"", id);
    return rc;
}

static int remove_freeze(struct request *rq, struct reply *rp, struct err *e)
{
    struct fleet_change c;
    int rc = fleet_change_begin(rq, &c, e);

    if (rc == ERR_OK)
        rc = check_visible_freeze(rq, rq->params[0], e);
    if (rc == ERR_OK)
        rc = fleet_freeze_remove(rq->app->store, &c, rq->params[0], e);
    if (rc == ERR_OK)
        fleet_wake(rq);
    rp->status = 204;
    return rc;
}

static int set_stop_line(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"on", "environment", "reason", NULL};
    struct stop_line stop = {0};
    struct fleet_change c;
    struct jsonw w;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK && !json_is_boolean(json_object_get(rq->json, "on")))
        return err_at(e, ERR_INVALID, "/on", "must be true or false");
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "on", &stop.is_on, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "environment", NAME_MAX_BYTES, &stop.env, e);
    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_stop_line(rq->app->store, &c, &stop, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "on", stop.is_on);
    if (stop.env != NULL)
        jsonw_str(&w, "environment", stop.env);
    jsonw_end(&w);
    return ERR_OK;
}

const struct route api_freezes_routes[] = {
    {METHOD_GET, "/api/v1/freezes", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_freezes,
     "list freeze windows and stops of the line"},
    {METHOD_POST, "/api/v1/freezes", PERM_APPROVE, BODY_JSON, WORK_LIGHT, 0, add_freeze,
     "add a freeze window"},
    {METHOD_DELETE, "/api/v1/freezes/{id}", PERM_APPROVE, BODY_NONE, WORK_LIGHT, 0, remove_freeze,
     "remove a freeze window"},
    {METHOD_PUT, "/api/v1/stop-line", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, set_stop_line,
     "stop the line, or let it go on"},
    {.handler = NULL},
};
