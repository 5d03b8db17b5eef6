/*
 * Models in environments over HTTP: what is live, what each node serves of it. Translates only: no
 * rules, no SQL. Runs on the worker of the request.
 */
#include <string.h>

#include "api_actor.h"
#include "api_fleet.h"
#include "db_limits.h"
#include "db_queue.h"
#include "db_nodes.h"

#define PAGE_BYTES 500000 /* a target has all its nodes: a page that long ends */

/* A target with the status of its active rollout, if there is one. */
struct target_look {
    const struct target_row *row;
    struct rollout_record record;
    struct rollout_status status;
    struct drift_row *drifts; /* nodes whose files differ */
    size_t n_drifts;
};

static int load_rollout(struct request *rq, struct db *db, struct target_look *t, struct err *e)
{
    int rc;

    if (t->row->rollout == NULL)
        return ERR_OK;
    rc = db_rollout_get(db, t->row->rollout, rq->arena, &t->record, e);
    if (rc == ERR_OK)
        rc = db_rollout_status(db, t->row->rollout, rq->now_ms, rq->arena, &t->status, e);
    return rc;
}

static const struct rollout_node *rollout_node_of(const struct target_look *t, int64_t node_id)
{
    for (int i = 0; t->row->rollout != NULL && i < t->status.n_nodes; i++)
        if (t->status.nodes[i].node_id == node_id)
            return &t->status.nodes[i];
    return NULL;
}

/* What a node shall serve: today's version, or what a rollout has put there. */
static int64_t wanted_of(const struct target_look *t, const struct rollout_node *n)
{
    if (n == NULL)
        return t->row->live;
    if (n->move.phase != MOVE_NONE && n->move.phase != MOVE_CLEAN)
        return n->move.number;
    return n->is_touched && !n->has_failed ? t->record.to : t->row->live;
}

static bool has_drifted(const struct target_look *t, int64_t node_id)
{
    for (size_t i = 0; i < t->n_drifts; i++)
        if (t->drifts[i].node_id == node_id)
            return true;
    return false;
}

static void write_target_node(struct jsonw *w, const struct target_look *t,
                              const struct node_sight *sight)
{
    const struct rollout_node *n = rollout_node_of(t, sight->node_id);
    int64_t ready[16];
    int n_ready = read_observation(sight->observation, ready, (int)ARRAY_LEN(ready));
    int64_t version = n_ready > 0 ? ready[n_ready - 1] : 0;
    int64_t wanted = wanted_of(t, n);
    const char *state = version == wanted ? "ok" : "behind";

    if (has_drifted(t, sight->node_id))
        state = "drifted";
    if (!sight->is_reachable)
        state = "unreachable";
    else if (n != NULL && n->move.phase != MOVE_NONE && n->move.phase != MOVE_CLEAN)
        state = "moving";
    jsonw_object(w, NULL);
    jsonw_str(w, "node", sight->node);
    if (version != 0)
        jsonw_int(w, "version", version);
    if (wanted != 0)
        jsonw_int(w, "wanted", wanted);
    jsonw_bool(w, "ready", version != 0 && version == wanted && sight->is_reachable);
    jsonw_str(w, "state", state);
    jsonw_time(w, "seen", sight->seen_ms);
    jsonw_end(w);
}

static int write_nodes(struct request *rq, struct db *db, struct jsonw *w,
                       const struct target_row *row, struct err *e)
{
    struct target_look t = {.row = row};
    struct node_sight *sights = NULL;
    size_t n = 0;
    int rc = load_rollout(rq, db, &t, e);

    if (rc == ERR_OK)
        rc = db_target_sights(db, row->target_id, rq->arena, &sights, &n, e);
    if (rc == ERR_OK)
        rc = db_drift_list(db, 0, row->target_id, rq->arena, &t.drifts, &t.n_drifts, e);
    if (rc != ERR_OK)
        return rc;
    jsonw_array(w, "nodes");
    for (size_t i = 0; i < n; i++)
        write_target_node(w, &t, &sights[i]);
    jsonw_end(w);
    return ERR_OK;
}

/* Who waits for it, and which versions failed here. */
static int write_holds(struct request *rq, struct db *db, struct jsonw *w,
                       const struct target_row *t, struct err *e)
{
    struct queue_item *items = NULL;
    struct quarantine_row *bad = NULL;
    size_t n_items = 0, n_bad = 0;
    int rc = db_queue_list(db, t->target_id, rq->arena, &items, &n_items, e);

    if (rc == ERR_OK)
        rc = db_quarantine_list(db, t->env_id, t->target_id, rq->arena, &bad, &n_bad, e);
    if (n_items > 0) {
        jsonw_array(w, "queue");
        for (size_t i = 0; i < n_items; i++)
            jsonw_str(w, NULL, items[i].id);
        jsonw_end(w);
    }
    if (n_bad > 0) {
        jsonw_array(w, "quarantine");
        for (size_t i = 0; i < n_bad; i++)
            jsonw_int(w, NULL, bad[i].number);
        jsonw_end(w);
    }
    return rc;
}

int target_write_live(struct request *rq, struct db *db, struct jsonw *w,
                      const struct target_row *t, struct err *e)
{
    struct rollout_record r;
    const char *id = NULL;
    int64_t back = 0;
    int rc = db_target_brought(db, t->target_id, t->live, rq->arena, &id, e);

    if (rc == ERR_OK)
        rc = fleet_target_back(db, t, rq->arena, &back, e);
    if (rc == ERR_OK && back != 0)
        jsonw_int(w, "back_to", back);
    if (rc != ERR_OK || id == NULL)
        return rc;
    rc = db_rollout_get(db, id, rq->arena, &r, e);
    if (rc != ERR_OK)
        return rc;
    jsonw_time(w, "live_since", r.ended_ms);
    actor_write(w, "live_by", r.actor, db, rq->arena);
    jsonw_str(w, "live_rollout", id);
    if (r.reason != NULL && r.reason[0] != '\0')
        jsonw_str(w, "live_reason", r.reason);
    return ERR_OK;
}

static int write_target(struct request *rq, struct db *db, struct jsonw *w,
                        const struct target_row *t, struct err *e)
{
    json_t *policy CLEANUP(json_decref_ptr) = NULL;
    char *text CLEANUP(mem_free_ptr) = NULL;
    int rc = fleet_target_policy(t, NULL, &policy, e);

    if (rc != ERR_OK)
        return rc;
    text = json_dumps(policy, JSON_COMPACT);
    jsonw_object(w, NULL);
    jsonw_str(w, "model", t->model);
    jsonw_str(w, "environment", t->env);
    jsonw_str(w, "serve_as", t->serve_as);
    jsonw_raw(w, "policy", t->policy, strlen(t->policy));
    if ((rc = write_effective(rq, w, text, e)) != ERR_OK)
        return rc;
    jsonw_int(w, "generation", t->generation);
    if (t->live != 0) {
        jsonw_int(w, "live", t->live);
        if ((rc = target_write_live(rq, db, w, t, e)) != ERR_OK)
            return rc;
    }
    if (t->last_good != 0)
        jsonw_int(w, "last_good", t->last_good);
    if (t->rollout != NULL)
        jsonw_str(w, "rollout", t->rollout);
    jsonw_time(w, "created", t->created_ms);
    rc = write_holds(rq, db, w, t, e);
    if (rc == ERR_OK)
        rc = write_nodes(rq, db, w, t, e);
    jsonw_end(w);
    return rc;
}

int api_target_list(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct target_row *rows = NULL;
    struct env_row env;
    const char *after = NULL;
    struct jsonw w;
    int64_t limit = 0;
    size_t n = 0, done;
    int rc = cursor_read(rq, &limit, &after, e);

    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc == ERR_OK)
        rc = fleet_env_find(l.scope.db, rq->params[0], rq->arena, &env, e);
    if (rc == ERR_OK)
        rc = db_target_page(l.scope.db, env.name, after, limit + 1, rq->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    for (done = 0; done < n && (int64_t)done < limit && rp->body.len < PAGE_BYTES; done++)
        if (registry_may_see(l.scope.globs, rows[done].model) &&
            (rc = write_target(rq, l.scope.db, &w, &rows[done], e)) != ERR_OK)
            return rc;
    jsonw_end(&w);
    if (done < n)
        cursor_write(rq, &w, rows[done - 1].model);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

int api_target_get(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct model_row m;
    struct target_row t;
    struct jsonw w;
    int rc = look_begin(rq, &l, e);

    if (rc == ERR_OK)
        rc = registry_get_model(&l.scope, rq->params[1], &m, e);
    if (rc == ERR_OK)
        rc = fleet_target_find(l.scope.db, rq->params[0], rq->params[1], rq->arena, &t, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    rc = write_target(rq, l.scope.db, &w, &t, e);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

int api_target_put(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"serve_as", "policy", "reason", NULL};
    struct target_spec spec = {.env = rq->params[0], .model = rq->params[1]};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = json_opt_str(rq->json, "", "serve_as", NAME_MAX_BYTES, &spec.serve_as, e);
    if (rc == ERR_OK)
        rc = read_object(rq->json, "policy", &spec.policy, e);
    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = request_may_model(rq, spec.model, e);
    if (rc == ERR_OK)
        rc = fleet_target_set(rq->app->store, &c, &spec, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return api_target_get(rq, rp, e);
}
