/*
 * One node as JSON: its record, its state and what is known of it. Translates only: no rules, no
 * SQL. Runs on the worker of the request.
 */
#include <inttypes.h>
#include <string.h>

#include "api_actor.h"
#include "api_history.h"
#include "api_nodes.h"
#include "place.h"
#include "when.h"

#define LEASE_END_MS 5000 /* nodes are not removed in the very moment */

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

/* One that ended long ago is kept because most nodes of the environment are silent at the same
 * time. */
static void write_lease(struct request *rq, const struct look *l, struct jsonw *w,
                        const struct node_row *v)
{
    char text[WHEN_TEXT_BYTES];

    if (v->lease_ms == 0)
        return;
    jsonw_object(w, "lease");
    jsonw_str(w, "lasts", when_format_duration(v->lease_ms, text));
    actor_write(w, "by", v->registered_by, l->scope.db, rq->arena);
    jsonw_time(w, "renewed", v->renewed_ms);
    jsonw_time(w, "ends", v->renewed_ms + v->lease_ms);
    if (rq->now_ms > v->renewed_ms + v->lease_ms + LEASE_END_MS)
        jsonw_bool(w, "held", true);
    jsonw_end(w);
}

static void write_process(struct jsonw *w, const struct node_row *v)
{
    jsonw_time(w, "started", v->started_ms);
    jsonw_int(w, "restarts", v->n_restarts);
    jsonw_time(w, "restarted", v->restarted_ms);
}

static void write_record(struct request *rq, const struct look *l, struct jsonw *w,
                         const struct node_row *v)
{
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
    write_lease(rq, l, w, v);
    jsonw_bool(w, "reachable", v->is_reachable);
    jsonw_time(w, "since", v->since_ms);
    jsonw_time(w, "seen", v->seen_ms);
    if (v->detail != NULL && v->detail[0] != '\0')
        jsonw_str(w, "detail", v->detail);
    write_process(w, v);
}

int find_node(struct request *rq, const char *name, struct node_row *out, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    int rc = look_begin(rq, &l, e);

    return rc == ERR_OK ? fleet_node_find(l.scope.db, rq->params[0], name, rq->arena, out, e) : rc;
}

static void write_busy(struct look *l, struct jsonw *w, const struct node_work *work)
{
    if (work->action != NULL && registry_may_see(l->scope.globs, work->model))
        jsonw_strf(w, "busy", "%s %s %" PRId64, work->action, work->model, work->number);
    else if (work->action != NULL)
        jsonw_str(w, "busy", work->action);
}

int write_node(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
               struct err *e)
{
    struct node_work work;
    int rc = db_node_busy(l->scope.db, v->node_id, rq->arena, &work, e);

    if (rc != ERR_OK)
        return rc;
    jsonw_object(w, NULL);
    write_record(rq, l, w, v);
    if ((rc = write_node_cordon(rq, l, w, v, &work, e)) != ERR_OK ||
        (rc = write_serving(rq, l, w, v, e)) != ERR_OK ||
        (rc = write_node_drifts(rq, l, w, v, e)) != ERR_OK)
        return rc;
    write_unmanaged(rq, w, v);
    write_busy(l, w, &work);
    return ERR_OK;
}

/* What only the node's own page has. */
static int write_page(struct request *rq, struct look *l, struct jsonw *w, const struct node_row *v,
                      const json_t *probe, struct err *e)
{
    int rc = write_node_operations(rq, l, w, v, e);

    if (rc == ERR_OK)
        rc = write_node_next(rq, l, w, v, e);
    if (rc == ERR_OK && probe != NULL) {
        char *text CLEANUP(mem_free_ptr) = json_dumps(probe, JSON_COMPACT | JSON_SORT_KEYS);

        jsonw_raw(w, "probe", text, strlen(text));
    }
    return rc;
}

static int reply_with(struct request *rq, struct reply *rp, const char *name, const json_t *probe,
                      struct err *e)
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
    if (rc == ERR_OK)
        rc = write_page(rq, &l, &w, &v, probe, e);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

int reply_node(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    json_t *probe CLEANUP(json_decref_ptr) = NULL;
    struct node_row v = {0};
    int rc = find_node(rq, name, &v, e);

    if (rc == ERR_OK && history_sees_all(rq)) /* a report names models */
        rc = node_probe_last(rq, v.node_id, &probe, e);
    if (rc == ERR_OK && probe != NULL)
        probe = node_report(rq, &v, probe, false);
    return rc == ERR_OK ? reply_with(rq, rp, name, probe, e) : rc;
}

int reply_node_probed(struct request *rq, struct reply *rp, const char *name, struct err *e)
{
    json_t *probe CLEANUP(json_decref_ptr) = NULL;
    struct node_row v = {0};
    int rc = find_node(rq, name, &v, e);
    struct probe_ask ask = {.node_id = v.node_id, .patience_ms = NODE_ADD_MS};

    if (rc == ERR_OK)
        rc = node_probe(rq, &ask, &probe, e);
    if (rc != ERR_OK)
        return rc;
    probe = node_report(rq, &v, probe, true);
    if (!history_sees_all(rq))
        json_object_del(probe, "models");
    return reply_with(rq, rp, name, probe, e);
}
