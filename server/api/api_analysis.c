/*
 * Judging over HTTP: what a rollout's gates saw, judging it again with other settings, and metrics
 * that others post. Translates only: no rules, no SQL. Runs on the worker of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "api.h"
#include "api_rollouts.h"
#include "posted_metric.h"
#include "when.h"

#define DEFAULT_POINTS 240

/* What a rollout's analysis is made from, in the request's arena. */
static int load_analysis(struct request *rq, struct look *l, struct analysis *out, struct err *e)
{
    struct rollout_look *look = arena_alloc(rq->arena, sizeof(*look));
    struct policy *policy = arena_alloc(rq->arena, sizeof(*policy));
    int rc = look_begin(rq, l, e);

    if (rc == ERR_OK)
        rc = rollout_look_load(rq, l, rq->params[0], look, e);
    if (rc == ERR_OK)
        rc = policy_read(look->record.strategy, policy, e);
    if (rc != ERR_OK)
        return rc;
    if (strcmp(look->record.kind, "rollback") == 0)
        policy_for_rollback(policy);
    *out = (struct analysis){.db = l->scope.db,
                             .record = &look->record,
                             .status = look->status,
                             .policy = policy,
                             .n_points = DEFAULT_POINTS};
    return ERR_OK;
}

static int read_points(struct request *rq, int64_t *out, struct err *e)
{
    const char *text = NULL;
    char *end = NULL;
    int rc = request_query(rq, "points", &text, e);

    if (rc != ERR_OK || text == NULL)
        return rc;
    *out = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || *out < 1 || *out > ANALYSIS_MAX_POINTS)
        return err_set(e, ERR_INVALID, "points is not within 1 and %d", ANALYSIS_MAX_POINTS);
    return ERR_OK;
}

static int get_analysis(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct analysis in = {0};
    struct jsonw w;
    int64_t n_points = DEFAULT_POINTS;
    int rc = read_points(rq, &n_points, e);

    if (rc == ERR_OK)
        rc = load_analysis(rq, &l, &in, e);
    if (rc != ERR_OK)
        return rc;
    in.n_points = n_points;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "rollout", in.record->id);
    rc = analysis_write(&in, &w, e);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

static int replay_analysis(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"gates", NULL};
    struct look l CLEANUP(look_end) = {0};
    struct analysis in = {0};
    json_t *gates = NULL;
    struct jsonw w;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_opt_object(rq->json, "", "gates", &gates, e);
    if (rc == ERR_OK)
        rc = load_analysis(rq, &l, &in, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "rollout", in.record->id);
    rc = analysis_replay(&in, gates, &w, e);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

/* --- posted metrics --------------------------------------------------------------------------- */

/* A number, or text that holds one. */
static int read_value(const json_t *body, int64_t *micro, struct err *e)
{
    const json_t *v = json_object_get(body, "value");
    char *text CLEANUP(mem_free_ptr) = NULL;

    if (json_is_string(v))
        return posted_metric_value(json_string_value(v), micro, e);
    if (!json_is_number(v))
        return err_at(e, ERR_INVALID, "/value", "a decimal number, as text, is wanted");
    text = json_dumps(v, JSON_ENCODE_ANY);
    return posted_metric_value(text != NULL ? text : "", micro, e);
}

static int read_metric(struct request *rq, struct posted_metric *m, struct err *e)
{
    static const char *const known[] = {"value", "time", "node", NULL};
    const char *time = NULL;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = request_query(rq, "environment", &m->environment, e);
    if (rc == ERR_OK && m->environment == NULL)
        rc = err_set(e, ERR_INVALID, "?environment= is missing");
    if (rc == ERR_OK)
        rc = read_value(rq->json, &m->value_micro, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "node", NAME_MAX_BYTES, &m->node, e);
    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "time", 64, &time, e);
    if (rc == ERR_OK && time != NULL)
        rc = json_blame(when_parse_past(time, rq->now_ms, &m->ts_ms, e), "", "time", e);
    return rc == ERR_OK ? request_may_model(rq, m->model, e) : rc;
}

static int post_metric(struct request *rq, struct reply *rp, struct err *e)
{
    struct posted_metric m = {.model = rq->params[0],
                              .ref = rq->params[1],
                              .name = rq->params[2],
                              .actor = rq->caller.actor};
    struct jsonw w;
    int64_t number = 0;
    int rc = read_metric(rq, &m, e);

    if (rc == ERR_OK)
        rc = posted_metric_put(rq->app->store, &m, &number, e);
    if (rc != ERR_OK)
        return rc;
    rp->status = 202;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_str(&w, "model", m.model);
    jsonw_int(&w, "version", number);
    jsonw_str(&w, "environment", m.environment);
    jsonw_str(&w, "metric", m.name);
    jsonw_real(&w, "value", (double)m.value_micro / 1e6);
    jsonw_end(&w);
    return ERR_OK;
}

const struct route api_analysis_routes[] = {
    {METHOD_GET, "/api/v1/rollouts/{id}/analysis", PERM_READ, BODY_NONE, WORK_LIGHT, 0,
     get_analysis, "what the gates of a rollout saw"},
    {METHOD_POST, "/api/v1/rollouts/{id}/analysis/replay", PERM_READ, BODY_JSON, WORK_LIGHT, 0,
     replay_analysis, "judge a rollout again with other settings"},
    {METHOD_POST, "/api/v1/models/{model}/versions/{ref}/metrics/{name}", PERM_PUSH, BODY_JSON,
     WORK_LIGHT, 0, post_metric, "post a metric about a version in an environment"},
    {.handler = NULL},
};
