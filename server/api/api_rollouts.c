/*
 * Rollouts over HTTP: asking for one, watching it, steering it. Translates only: no rules, no SQL.
 * Runs on the worker of the request.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_actor.h"
#include "api_rollouts.h"
#include "api_then.h"
#include "fleet_queue.h"
#include "fleet_set.h"

#define REFERENCE_MAX_BYTES 512

/* "freeze,budget" as a list. */
static void write_list(struct jsonw *w, const char *key, const char *text)
{
    if (text[0] == '\0')
        return;
    jsonw_array(w, key);
    while (*text != '\0') {
        size_t n = strcspn(text, ",");

        jsonw_strn(w, NULL, text, n);
        text += n + (text[n] == ',');
    }
    jsonw_end(w);
}

/* The others that were under way when it failed, as far as the caller may see them. */
static void write_in_flight(const struct look *l, struct jsonw *w, const char *text)
{
    json_t *list CLEANUP(json_decref_ptr) = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const json_t *one;
    size_t i;

    if (list == NULL)
        return;
    jsonw_array(w, "in_flight");
    json_array_foreach(list, i, one)
    {
        const char *model = json_string_value(json_object_get(one, "model"));
        char *whole CLEANUP(mem_free_ptr) = json_dumps(one, JSON_COMPACT | JSON_SORT_KEYS);

        if (model != NULL && registry_may_see(l->scope.globs, model))
            jsonw_raw(w, NULL, whole, strlen(whole));
    }
    jsonw_end(w);
}

static void write_more(const struct look *l, struct jsonw *w, const struct rollout_more *more)
{
    if (more->position > 0)
        jsonw_int(w, "queue_position", more->position);
    if (more->is_hotfix)
        jsonw_bool(w, "hotfix", true);
    write_list(w, "overrides", more->overrides);
    if (more->set_id != NULL)
        jsonw_str(w, "set", more->set_id);
    write_in_flight(l, w, more->in_flight);
}

void rollout_look_write(const struct look *l, struct jsonw *w, const struct rollout_look *look)
{
    const struct rollout_record *r = &look->record;

    jsonw_object(w, NULL);
    jsonw_str(w, "id", r->id);
    jsonw_str(w, "model", r->model);
    jsonw_str(w, "environment", r->environment);
    jsonw_str(w, "serve_as", r->serve_as);
    if (r->from != 0)
        jsonw_int(w, "from", r->from);
    jsonw_int(w, "to", r->to);
    jsonw_str(w, "kind", r->kind);
    jsonw_int(w, "generation", r->generation);
    actor_write(w, "actor", r->actor, l->scope.db, l->scope.arena);
    if (r->reason != NULL)
        jsonw_str(w, "reason", r->reason);
    jsonw_time(w, "created", r->created_ms);
    jsonw_time(w, "ended", r->ended_ms);
    write_more(l, w, &look->more);
    jsonw_raw(w, "strategy", r->strategy, strlen(r->strategy));
    rollout_status_api(r, look->status, w);
}

int rollout_look_load(struct request *rq, struct look *l, const char *id, struct rollout_look *out,
                      struct err *e)
{
    int rc = db_rollout_get(l->scope.db, id, rq->arena, &out->record, e);

    out->status = arena_alloc(rq->arena, sizeof(*out->status));
    if (rc == ERR_OK && !registry_may_see(l->scope.globs, out->record.model))
        return err_set(e, ERR_NOT_FOUND, "no rollout \"%.100s\"", id);
    if (rc == ERR_OK)
        rc = db_rollout_more(l->scope.db, id, rq->arena, &out->more, e);
    if (rc == ERR_OK)
        rc = db_rollout_status(l->scope.db, id, rq->now_ms, rq->arena, out->status, e);
    if (rc == ERR_OK && out->more.position > 0)
        out->record.from = out->more.live; /* it starts from what is live then: now, that is this */
    return rc == ERR_OK ? queue_explain(l->scope.db, &out->more, rq->arena, out->status, e) : rc;
}

int reply_rollout(struct request *rq, struct reply *rp, const char *id, const char *flag,
                  struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_look r;
    struct jsonw w;
    int64_t traffic_ms = 0;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = rollout_look_load(rq, &l, id, &r, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    rollout_look_write(&l, &w, &r);
    if ((rc = routers_write_traffic(rq, &l, &w, &r.record, &traffic_ms, e)) != ERR_OK)
        return rc;
    if (flag != NULL)
        jsonw_bool(&w, flag, true);
    jsonw_end(&w);
    rp->etag =
        arena_printf(rq->arena, "\"%s.%" PRId64 ".%" PRId64 ".%" PRId64 ".%" PRId64 "\"",
                     r.record.id, r.status->revision, r.more.position, r.record.from, traffic_ms);
    return buf_ok(&rp->body) ? ERR_OK : err_set(e, ERR_TOO_LARGE, "the rollout is too large");
}

static int get_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    const char *at = NULL;
    int rc = request_query(rq, "at", &at, e);

    if (rc != ERR_OK)
        return rc;
    return at != NULL ? then_rollout(rq, rp, e) : reply_rollout(rq, rp, rq->params[0], NULL, e);
}

/* --- lists ------------------------------------------------------------------------------------ */

static int read_query(struct request *rq, struct rollout_query *query, struct err *e)
{
    const char *active = NULL, *queued = NULL, *key = NULL;
    char *end = NULL;
    int rc = cursor_read(rq, &query->limit, &key, e);

    if (rc == ERR_OK)
        rc = request_query(rq, "env", &query->env, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "model", &query->model, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "active", &active, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "queued", &queued, e);
    if (rc != ERR_OK)
        return rc;
    query->is_queued = queued != NULL && strcmp(queued, "true") == 0;
    query->is_active = active != NULL && strcmp(active, "true") == 0;
    query->below = INT64_MAX;
    if (*key == '\0')
        return ERR_OK;
    query->below = strtoll(key, &end, 10);
    if (*end != '\0' || query->below <= 0)
        return err_set(e, ERR_INVALID, "cursor is none of this server's");
    return ERR_OK;
}

static int write_item(struct request *rq, struct look *l, struct jsonw *w,
                      const struct rollout_id *item, struct err *e)
{
    struct rollout_look r;
    int rc = rollout_look_load(rq, l, item->id, &r, e);

    if (rc != ERR_OK)
        return rc;
    r.status->n_nodes = 0; /* lists stay short: a rollout of its own has the nodes */
    rollout_look_write(l, w, &r);
    jsonw_end(w);
    return ERR_OK;
}

static int list_rollouts(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_query query = {0};
    struct rollout_id *items = NULL;
    struct jsonw w;
    size_t n = 0;
    int64_t limit;
    int rc = read_query(rq, &query, e);

    if (rc == ERR_OK)
        rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK && look_is_past(&l))
        return then_rollouts(rq, rp, &l, &query, e);
    limit = query.limit++;
    if (rc == ERR_OK)
        rc = db_rollout_page(l.scope.db, &query, rq->arena, &items, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (size_t i = 0; i < n && (int64_t)i < limit; i++)
        if (registry_may_see(l.scope.globs, items[i].model) &&
            (rc = write_item(rq, &l, &w, &items[i], e)) != ERR_OK)
            return rc;
    jsonw_end(&w);
    if ((int64_t)n > limit)
        cursor_write(rq, &w, arena_printf(rq->arena, "%" PRId64, items[limit - 1].seq));
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

/* --- submission ------------------------------------------------------------------------------- */

/* "version" is a number or a text. */
static int read_version(struct request *rq, const json_t *body, const char *at, const char **out,
                        struct err *e)
{
    const json_t *v = json_object_get(body, "version");

    if (json_is_integer(v) && json_integer_value(v) > 0) {
        *out = arena_printf(rq->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return ERR_OK;
    }
    return json_opt_str(body, at, "version", REFERENCE_MAX_BYTES, out, e);
}

static int read_kind(const json_t *body, bool *is_rollback, struct err *e)
{
    const char *kind = NULL;
    int rc = json_opt_str(body, "", "kind", 32, &kind, e);

    if (rc != ERR_OK || kind == NULL)
        return rc;
    *is_rollback = strcmp(kind, "rollback") == 0;
    if (!*is_rollback && strcmp(kind, "promote") != 0)
        return err_at(e, ERR_INVALID, "/kind", "neither \"promote\" nor \"rollback\"");
    return ERR_OK;
}

int read_ask(struct request *rq, const json_t *body, const char *at, struct rollout_ask *ask,
             struct err *e)
{
    int rc = json_get_str(body, at, "model", 2 * NAME_MAX_BYTES + 1, &ask->model, e);

    if (rc == ERR_OK)
        rc = read_version(rq, body, at, &ask->version, e);
    return rc == ERR_OK ? request_may_model(rq, ask->model, e) : rc;
}

static int read_all(struct request *rq, struct rollout_ask *ask, struct err *e)
{
    static const char *const known[] = {"model",
                                        "version",
                                        "environment",
                                        "kind",
                                        "strategy",
                                        "reason",
                                        "dry_run",
                                        "hotfix",
                                        "override",
                                        "plan",
                                        "expected_generation",
                                        NULL};
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_ask(rq, rq->json, "", ask, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "environment", NAME_MAX_BYTES, &ask->environment, e);
    if (rc == ERR_OK)
        rc = read_object(rq->json, "strategy", &ask->strategy, e);
    if (rc == ERR_OK)
        rc = read_kind(rq->json, &ask->is_rollback, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "dry_run", &ask->is_dry_run, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "hotfix", &ask->is_hotfix, e);
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected_generation", 0, INT64_C(1) << 53,
                          &ask->expected_generation, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "plan", PLAN_TOKEN_BYTES, &ask->plan_token, e);
    return rc == ERR_OK ? read_overrides(rq, &ask->overrides, e) : rc;
}

/* The version is live, or the very same rollout was asked for before. */
static int reply_already(struct request *rq, struct reply *rp, const struct rollout_ask *ask,
                         const struct rollout_answer *answer, struct err *e)
{
    struct jsonw w;

    if (answer->id[0] != '\0')
        return reply_rollout(rq, rp, answer->id, "already", e);
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_bool(&w, "already", true);
    jsonw_str(&w, "model", ask->model);
    jsonw_str(&w, "environment", ask->environment);
    jsonw_int(&w, "version", answer->to);
    jsonw_end(&w);
    return ERR_OK;
}

/* --- sets ------------------------------------------------------------------------------------- */

static int read_set(struct request *rq, struct set_ask *set, struct err *e)
{
    static const char *const known[] = {"together", "environment", "strategy", "reason",
                                        "hotfix",   "override",    NULL};
    static const char *const of_member[] = {"model", "version", NULL};
    struct rollout_ask common = {0};
    json_t *list = NULL;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_array(rq->json, "", "together", FLEET_SET_MAX, &list, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "environment", NAME_MAX_BYTES, &common.environment, e);
    if (rc == ERR_OK)
        rc = read_object(rq->json, "strategy", &common.strategy, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "hotfix", &common.is_hotfix, e);
    if (rc == ERR_OK)
        rc = read_overrides(rq, &common.overrides, e);
    for (size_t i = 0; rc == ERR_OK && i < json_array_size(list); i++) {
        const char *at = arena_printf(rq->arena, "/together/%zu", i);
        const json_t *one = json_array_get(list, i);

        set->members[i] = common;
        set->n = i + 1;
        if (!json_is_object(one))
            return err_at(e, ERR_INVALID, at, "must be an object");
        rc = json_only(one, at, of_member, e);
        if (rc == ERR_OK)
            rc = read_ask(rq, one, at, &set->members[i], e);
    }
    return rc;
}

static int reply_set(struct request *rq, struct reply *rp, const struct set_ask *ask,
                     const struct set_answer *answer, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    if (answer->id[0] != '\0')
        jsonw_str(&w, "set", answer->id);
    else
        jsonw_bool(&w, "already", true);
    jsonw_array(&w, "items");
    for (size_t i = 0; rc == ERR_OK && i < ask->n; i++)
        if (answer->ids[i][0] != '\0')
            rc = write_item(rq, &l, &w, &(struct rollout_id){.id = answer->ids[i]}, e);
    jsonw_end(&w);
    jsonw_end(&w);
    return rc;
}

static int submit_set(struct request *rq, struct reply *rp, struct err *e)
{
    struct set_ask *ask = arena_alloc(rq->arena, sizeof(*ask));
    struct set_answer answer;
    struct fleet_change c;
    int rc = read_set(rq, ask, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_set_submit(rq->app->store, &c, ask, &answer, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = answer.id[0] != '\0' ? 201 : 200;
    return reply_set(rq, rp, ask, &answer, e);
}

static int submit_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    struct rollout_ask ask = {0};
    struct rollout_answer *answer CLEANUP(mem_free_ptr) = mem_alloc(sizeof(*answer));
    struct fleet_change c;
    int rc;

    if (json_object_get(rq->json, "together") != NULL)
        return submit_set(rq, rp, e);
    rc = read_all(rq, &ask, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_rollout_submit(rq->app->store, &c, &ask, answer, e);
    if (rc != ERR_OK)
        return rc;
    switch (answer->result) {
    case ROLLOUT_ASK_ALREADY:
        return reply_already(rq, rp, &ask, answer, e);
    case ROLLOUT_ASK_PLANNED:
        return reply_plan(rq, rp, &ask, answer, e);
    case ROLLOUT_ASK_ABORTING:
        fleet_wake(rq);
        rp->status = 202;
        return reply_rollout(rq, rp, answer->id, "aborting", e);
    case ROLLOUT_ASK_SUBMITTED:
        break;
    }
    fleet_wake(rq);
    rp->status = 201;
    return reply_rollout(rq, rp, answer->id, NULL, e);
}

const struct route api_rollouts_routes[] = {
    {METHOD_POST, "/api/v1/rollouts", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, submit_rollout,
     "take a version live, or back"},
    {METHOD_GET, "/api/v1/rollouts", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_rollouts,
     "list rollouts, newest first"},
    {METHOD_GET, "/api/v1/rollouts/{id}", PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_rollout,
     "show a rollout"},
    {METHOD_POST, "/api/v1/rollouts/{id}/commands", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0,
     api_rollout_command, "pause, resume, promote, approve or abort a rollout"},
    {METHOD_POST, "/api/v1/rollouts/{id}/overrides", PERM_APPROVE, BODY_JSON, WORK_LIGHT, 0,
     api_rollout_override, "let a rollout pass over what holds it"},
    {METHOD_GET, "/api/v1/approvals", PERM_READ, BODY_NONE, WORK_LIGHT, 0, api_approval_list,
     "list rollouts that wait for an approval"},
    {.handler = NULL},
};
