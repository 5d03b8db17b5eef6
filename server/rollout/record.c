/*
 * Writes what the controller decided and saw: a plan with its intents before anything is done, and
 * what came back in one transaction per round. Memory follows the database, never leads it.
 * Controller's thread; the inner functions run on the writer.
 */
#include <stdlib.h>
#include <string.h>

#include "routes.h"
#include "judging.h"
#include "rollout_end.h"

#define SWITCH_TIMEOUT_MS 60000
#define GOLDEN_TIMEOUT_MS 30000

int64_t op_timeout_ms(const struct target *t, enum op_action action)
{
    const struct policy *p = t->is_rolling ? t->strategy : t->policy;
    switch (action) {
    case OP_STAGE:
        return p->step_deadline_ms;
    case OP_LOAD:
    case OP_UNLOAD:
        return p->node_deadline_ms;
    case OP_GOLDEN:
        return GOLDEN_TIMEOUT_MS;
    default:
        return SWITCH_TIMEOUT_MS;
    }
}

/* --- plans --- */

static size_t make_ops(struct controller *c, struct env *env, struct target *t,
                       const struct plan *plan, struct arena *a, struct op_row *ops)
{
    size_t n = 0;
    for (int i = 0; i < plan->n_actions; i++) {
        const struct plan_action *act = &plan->actions[i];
        if (op_is_read(act->action))
            continue;
        int64_t node_id = act->node >= 0 ? env->nodes[act->node].node_id : 0;
        char *key = arena_alloc(a, JOB_KEY_BYTES);
        op_key_make(key, t, node_id, act->attempt);
        ops[n++] = (struct op_row){
            .op_key = key,
            .rollout_id = t->is_rolling ? t->record.id : NULL,
            .target_id = t->target_id,
            .node_id = node_id,
            .number = act->number,
            .generation = t->is_rolling ? t->record.generation : 0,
            .action = act->action,
            .attempt = act->attempt,
            .started_ms = c->now_ms,
            .deadline_ms = c->now_ms + op_timeout_ms(t, act->action),
        };
    }
    return n;
}

static void take_over(struct env *env, struct target *t, const struct plan *plan)
{
    struct arena fresh;
    struct rollout_status status;
    arena_init(&fresh);
    rollout_status_copy(&plan->status, &fresh, &status);
    arena_clear(&t->lane.arena);
    t->lane.arena = fresh;
    t->lane.status = status;
    for (int i = 0; i < plan->n_actions; i++) {
        const struct plan_action *act = &plan->actions[i];
        if (op_is_read(act->action) || act->node < 0)
            continue;
        struct spot *spot = &t->spots[act->node];
        free(spot->op_text);
        spot->op_text = NULL;
        spot->op =
            (struct op_view){.state = OP_OPEN, .action = act->action, .attempt = act->attempt};
    }
    target_count(env, t);
}

static void fill_progress(struct controller *c, const struct recording *r, struct arena *a,
                          struct rollout_progress *out)
{
    struct target *t = r->t;
    const struct plan *plan = r->plan;
    struct op_row *ops = arena_alloc(a, ((size_t)plan->n_actions + 1) * sizeof ops[0]);
    *out = (struct rollout_progress){
        .id = t->lane.id,
        .record = t->is_rolling ? &t->record : NULL,
        .model_id = t->model_id,
        .live = t->live,
        .last_good = t->last_good,
        .base_revision = t->lane.status.revision,
        .status = &plan->status,
        .message = plan->message,
        .is_fact = t->is_rolling && plan->has_moved,
        .ops = ops,
        .n_ops = make_ops(c, t->env, t, plan, a, ops),
        .rc = r->rc,
        .e = r->e,
    };
}

void record_plans(struct controller *c, struct recording *list, int n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_progress *in = arena_alloc(&a, ((size_t)n + 1) * sizeof in[0]);
    for (int i = 0; i < n; i++)
        fill_progress(c, &list[i], &a, &in[i]);
    rollout_progress_all(c->o.store, in, (size_t)n);
    for (int i = 0; i < n; i++) {
        if (*list[i].rc == ERR_OK)
            take_over(list[i].t->env, list[i].t, list[i].plan);
    }
}

/* --- what was seen --- */

struct seen_ctx {
    struct controller *c;
    int64_t trim_before_ms;
};

static void write_observation(const struct observation *o, struct buf *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "ready");
    for (int i = 0; i < o->n_ready; i++)
        jsonw_int(&w, NULL, o->ready[i]);
    jsonw_end(&w);
    jsonw_end(&w);
}

static int put_spot(struct db *db, const struct node *n, const struct target *t,
                    const struct spot *spot, struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 4096);
    write_observation(&spot->seen, &text);
    struct watch_view row = {.target_id = t->target_id,
                             .node_id = n->node_id,
                             .observed_ms = spot->seen.observed_ms,
                             .observation = buf_str(&text)};
    return db_node_view_put(db, &row, e);
}

static int put_health(struct db *db, const struct node *n, struct err *e)
{
    struct watch_health row = {.node_id = n->node_id,
                               .is_reachable = n->is_reachable,
                               .since_ms = n->since_ms,
                               .observed_ms = n->observed_ms,
                               .detail = n->detail[0] != '\0' ? n->detail : NULL,
                               .started_ms = n->process.started_ms,
                               .restarted_ms = n->process.restarted_ms,
                               .n_restarts = n->process.n_restarts};
    return db_node_health_put(db, &row, e);
}

/* Where a mark points at; node is NULL when it is gone, target when the node as such is meant. */
struct marked {
    struct node *node;
    struct target *target;
    struct spot *spot;
};

static struct marked find_marked(struct controller *c, const struct mark *m)
{
    struct marked at = {0};
    struct env *env = world_env(c->world, m->env_id);
    int i = env != NULL ? world_node(env, m->node_id) : -1;
    struct target *t = i >= 0 && m->target_id != 0 ? world_target(env, m->target_id) : NULL;
    if (i < 0 || (t == NULL && m->target_id != 0))
        return at;
    at.node = &env->nodes[i];
    at.target = t;
    at.spot = t != NULL ? &t->spots[i] : NULL;
    return at;
}

static int put_marked(struct db *db, const struct marked *at, struct err *e)
{
    if (at->node == NULL)
        return ERR_OK;
    if (at->spot != NULL)
        return put_spot(db, at->node, at->target, at->spot, e);
    return put_health(db, at->node, e);
}

static int seen_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct seen_ctx *in = ctx;
    struct controller *c = in->c;
    struct db *db = tx_db(tx);
    int64_t n = 0;
    int rc = c->was_doubted ? ERR_OK : db_ops_doubt(db, c->now_ms, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < c->n_closings; i++) {
        const struct closing *cl = &c->closings[i];
        struct op_row row = {.op_key = cl->key,
                             .state = cl->state,
                             .why = cl->why,
                             .detail = cl->text[0] != '\0' ? cl->text : NULL,
                             .ended_ms = cl->ended_ms};
        rc = db_op_close(db, &row, e);
    }
    for (size_t i = 0; rc == ERR_OK && i < c->n_samples; i++)
        rc = db_sample_put(db, &c->samples[i], e);
    if (rc == ERR_OK)
        rc = routes_put(c, db, e);
    if (rc == ERR_OK)
        rc = judging_put_all(c, db, e);
    if (rc == ERR_OK)
        rc = windows_put_all(c, db, e);
    for (size_t i = 0; rc == ERR_OK && i < c->unwritten.n; i++) {
        struct marked at = find_marked(c, &c->unwritten.items[i]);
        rc = put_marked(db, &at, e);
    }
    if (rc == ERR_OK && in->trim_before_ms > 0)
        rc = db_watch_trim(db, in->trim_before_ms, e);
    if (rc == ERR_OK && in->trim_before_ms > 0)
        rc = db_analysis_trim(db, in->trim_before_ms, e);
    return rc;
}

static void mark_written(struct controller *c)
{
    c->n_closings = 0;
    c->n_samples = 0;
    routes_written(c);
    c->was_doubted = true;
    judging_mark_all(c);
    windows_mark_all(c);
    for (size_t i = 0; i < c->unwritten.n; i++) {
        struct marked at = find_marked(c, &c->unwritten.items[i]);
        if (at.spot != NULL) {
            at.spot->written_ms = c->now_ms;
            at.spot->is_unwritten = false;
        } else if (at.node != NULL) {
            at.node->written_ms = c->now_ms;
            at.node->is_unwritten = false;
        }
    }
    c->unwritten.n = 0;
}

#define TRIM_EVERY_MS ((int64_t)3600000)
#define KEEP_MS ((int64_t)7 * 86400000)

int record_seen(struct controller *c, struct err *e)
{
    bool trims = c->now_ms >= c->trimmed_ms + TRIM_EVERY_MS;
    bool is_needed = !c->was_doubted || c->n_closings > 0 || c->n_samples > 0 || trims ||
                     routes_are_unwritten(c) || c->unwritten.n > 0 || c->judged.n > 0 ||
                     c->windows.n > 0;
    if (!is_needed)
        return ERR_OK;
    struct seen_ctx ctx = {.c = c, .trim_before_ms = trims ? c->now_ms - KEEP_MS : 0};
    int rc = store_write(c->o.store, TX_WORK, seen_fn, &ctx, e);
    if (rc != ERR_OK)
        return rc;
    if (trims)
        c->trimmed_ms = c->now_ms;
    mark_written(c);
    return ERR_OK;
}
