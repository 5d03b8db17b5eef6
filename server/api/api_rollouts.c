/*
 * Rollouts over HTTP: asking for one, watching it, steering it. Translates only: no rules, no SQL.
 * Runs on the worker of the request.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_fleet.h"
#include "fleet_rollout.h"
#include "when.h"

#define REFERENCE_MAX_BYTES 512

/* The rollout as one object, left open for more members. */
static void write_rollout(struct jsonw *w, const struct rollout_record *r,
                          const struct rollout_status *s)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "id", r->id);
    jsonw_str(w, "model", r->model);
    jsonw_str(w, "environment", r->environment);
    jsonw_str(w, "serve_as", r->serve_as);
    if (r->from != 0)
        jsonw_int(w, "from", r->from);
    jsonw_int(w, "to", r->to);
    jsonw_str(w, "kind", r->kind);
    jsonw_str(w, "actor", r->actor);
    if (r->reason != NULL)
        jsonw_str(w, "reason", r->reason);
    jsonw_time(w, "created", r->created_ms);
    jsonw_time(w, "ended", r->ended_ms);
    jsonw_raw(w, "strategy", r->strategy, strlen(r->strategy));
    rollout_status_api(r, s, w);
}

static int load_rollout(struct request *rq, struct look *l, const char *id,
                        struct rollout_record *r, struct rollout_status *s, struct err *e)
{
    int rc = db_rollout_get(l->scope.db, id, rq->arena, r, e);

    if (rc == ERR_OK && !registry_may_see(l->scope.globs, r->model))
        return err_set(e, ERR_NOT_FOUND, "no rollout \"%.100s\"", id);
    if (rc == ERR_OK)
        rc = db_rollout_status(l->scope.db, id, rq->now_ms, rq->arena, s, e);
    return rc;
}

/* `flag` (may be NULL) is a boolean member that says what came of the request. */
static int reply_rollout(struct request *rq, struct reply *rp, const char *id, const char *flag,
                         struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_record r;
    struct rollout_status s;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = load_rollout(rq, &l, id, &r, &s, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    write_rollout(&w, &r, &s);
    if (flag != NULL)
        jsonw_bool(&w, flag, true);
    jsonw_end(&w);
    rp->etag = arena_printf(rq->arena, "\"%s.%" PRId64 "\"", r.id, s.revision);
    return buf_ok(&rp->body) ? ERR_OK : err_set(e, ERR_TOO_LARGE, "the rollout is too large");
}

static int get_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    return reply_rollout(rq, rp, rq->params[0], NULL, e);
}

/* --- lists ------------------------------------------------------------------------------------ */

static int read_query(struct request *rq, struct rollout_query *query, struct err *e)
{
    const char *active = NULL, *key = NULL;
    char *end = NULL;
    int rc = cursor_read(rq, &query->limit, &key, e);

    if (rc == ERR_OK)
        rc = request_query(rq, "env", &query->env, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "model", &query->model, e);
    if (rc == ERR_OK)
        rc = request_query(rq, "active", &active, e);
    if (rc != ERR_OK)
        return rc;
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
    struct rollout_record r;
    struct rollout_status s;
    int rc = load_rollout(rq, l, item->id, &r, &s, e);

    if (rc != ERR_OK)
        return rc;
    s.n_nodes = 0; /* lists stay short: a rollout of its own has the nodes */
    write_rollout(w, &r, &s);
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

    limit = query.limit++;
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
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
static int read_version(struct request *rq, const char **out, struct err *e)
{
    const json_t *v = json_object_get(rq->json, "version");

    if (json_is_integer(v) && json_integer_value(v) > 0) {
        *out = arena_printf(rq->arena, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
        return ERR_OK;
    }
    return json_opt_str(rq->json, "", "version", REFERENCE_MAX_BYTES, out, e);
}

static int read_kind(struct request *rq, bool *is_rollback, struct err *e)
{
    const char *kind = NULL;
    int rc = json_opt_str(rq->json, "", "kind", 32, &kind, e);

    if (rc != ERR_OK || kind == NULL)
        return rc;
    *is_rollback = strcmp(kind, "rollback") == 0;
    if (!*is_rollback && strcmp(kind, "promote") != 0)
        return err_at(e, ERR_INVALID, "/kind", "neither \"promote\" nor \"rollback\"");
    return ERR_OK;
}

static int read_ask(struct request *rq, struct rollout_ask *ask, struct err *e)
{
    static const char *const known[] = {"model", "version", "environment", "strategy",
                                        "kind",  "reason",  "dry_run",     NULL};
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "model", 2 * NAME_MAX_BYTES + 1, &ask->model, e);
    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "environment", NAME_MAX_BYTES, &ask->environment, e);
    if (rc == ERR_OK)
        rc = read_version(rq, &ask->version, e);
    if (rc == ERR_OK)
        rc = read_object(rq->json, "strategy", &ask->strategy, e);
    if (rc == ERR_OK)
        rc = read_kind(rq, &ask->is_rollback, e);
    if (rc == ERR_OK)
        rc = json_opt_bool(rq->json, "", "dry_run", &ask->is_dry_run, e);
    return rc == ERR_OK ? request_may_model(rq, ask->model, e) : rc;
}

static void begin_answer(struct jsonw *w, const struct rollout_ask *ask,
                         const struct rollout_answer *answer, const char *flag)
{
    jsonw_object(w, NULL);
    jsonw_bool(w, flag, true);
    jsonw_str(w, "model", ask->model);
    jsonw_str(w, "environment", ask->environment);
    jsonw_int(w, "version", answer->to);
}

static int reply_already(struct reply *rp, const struct rollout_ask *ask,
                         const struct rollout_answer *answer)
{
    struct jsonw w;

    reply_json(rp, &w);
    begin_answer(&w, ask, answer, "already");
    jsonw_end(&w);
    return ERR_OK;
}

/* The plan in steps, as the rollout would take them today. */
static void write_steps(struct jsonw *w, const struct rollout_answer *answer)
{
    const struct policy *p = &answer->policy;
    int n_nodes = (int)answer->n_nodes;
    char text[WHEN_TEXT_BYTES];

    jsonw_array(w, "steps");
    for (int k = 0; k < policy_n_steps(p, n_nodes); k++) {
        jsonw_object(w, NULL);
        jsonw_int(w, "n_nodes", policy_step_nodes(p, n_nodes, k));
        jsonw_str(w, "bake", when_format_duration(policy_step_bake_ms(p, n_nodes, k), text));
        jsonw_end(w);
    }
    jsonw_end(w);
}

static int reply_plan(struct reply *rp, const struct rollout_ask *ask,
                      const struct rollout_answer *answer, struct err *e)
{
    json_t *policy CLEANUP(json_decref_ptr) = policy_json(&answer->policy);
    char *text CLEANUP(mem_free_ptr) = json_dumps(policy, JSON_COMPACT);
    struct jsonw w;

    if (text == NULL)
        return err_set(e, ERR_INTERNAL, "the policy cannot be written");
    reply_json(rp, &w);
    begin_answer(&w, ask, answer, "dry_run");
    if (answer->from != 0)
        jsonw_int(&w, "from", answer->from);
    jsonw_int(&w, "to", answer->to);
    jsonw_str(&w, "kind", ask->is_rollback ? "rollback" : "promote");
    jsonw_int(&w, "n_nodes", answer->n_nodes);
    jsonw_int(&w, "n_steps", policy_n_steps(&answer->policy, (int)answer->n_nodes));
    write_steps(&w, answer);
    jsonw_raw(&w, "strategy", text, strlen(text));
    jsonw_end(&w);
    return ERR_OK;
}

static int submit_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    struct rollout_ask ask = {0};
    struct rollout_answer answer;
    struct fleet_change c;
    int rc = read_ask(rq, &ask, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = fleet_rollout_submit(rq->app->store, &c, &ask, &answer, e);
    if (rc != ERR_OK)
        return rc;
    switch (answer.result) {
    case ROLLOUT_ASK_ALREADY:
        return reply_already(rp, &ask, &answer);
    case ROLLOUT_ASK_PLANNED:
        return reply_plan(rp, &ask, &answer, e);
    case ROLLOUT_ASK_ABORTING:
        fleet_wake(rq);
        rp->status = 202;
        return reply_rollout(rq, rp, answer.id, "aborting", e);
    case ROLLOUT_ASK_SUBMITTED:
        break;
    }
    fleet_wake(rq);
    rp->status = 201;
    return reply_rollout(rq, rp, answer.id, NULL, e);
}

/* --- commands --------------------------------------------------------------------------------- */

static int read_order(struct request *rq, struct rollout_order *order, struct err *e)
{
    static const char *const known[] = {"verb", "expected_step", "reason", NULL};
    const char *verb, *near;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_get_str(rq->json, "", "verb", 32, &verb, e);
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected_step", 0, 1000000, &order->expected_step, e);
    if (rc != ERR_OK)
        return rc;
    if (command_verb_by_name(verb, &order->verb))
        return ERR_OK;
    near = json_nearest(verb, command_verb_names());
    if (near != NULL)
        return err_at(e, ERR_INVALID, "/verb", "no such command; did you mean \"%s\"?", near);
    return err_at(e, ERR_INVALID, "/verb",
                  "not one of pause, resume, promote, promote-full, abort");
}

static int check_visible(struct request *rq, const char *id, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_record r;
    struct rollout_status s;
    int rc = look_begin(rq, &l, e);

    return rc == ERR_OK ? load_rollout(rq, &l, id, &r, &s, e) : rc;
}

static int command_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    struct rollout_order order = {.id = rq->params[0]};
    struct fleet_change c;
    int rc = read_order(rq, &order, e);

    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = check_visible(rq, order.id, e);
    if (rc == ERR_OK)
        rc = fleet_rollout_command(rq->app->store, &c, &order, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 202;
    return reply_rollout(rq, rp, order.id, NULL, e);
}

const struct route api_rollouts_routes[] = {
    {METHOD_POST, "/api/v1/rollouts", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0, submit_rollout,
     "take a version live, or back"},
    {METHOD_GET, "/api/v1/rollouts", PERM_READ, BODY_NONE, WORK_LIGHT, 0, list_rollouts,
     "list rollouts, newest first"},
    {METHOD_GET, "/api/v1/rollouts/{id}", PERM_READ, BODY_NONE, WORK_LIGHT, 0, get_rollout,
     "show a rollout"},
    {METHOD_POST, "/api/v1/rollouts/{id}/commands", PERM_DEPLOY, BODY_JSON, WORK_LIGHT, 0,
     command_rollout, "pause, resume, promote or abort a rollout"},
    {.handler = NULL},
};
