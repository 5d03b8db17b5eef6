/*
 * Writes what the controller decided and saw: a plan with its intents before anything is done, and
 * what came back in one transaction per round. Memory follows the database, never leads it.
 * Controller's thread; the inner functions run on the writer.
 */
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "rollout_end.h"

#define SWITCH_TIMEOUT_MS 60000
#define GOLDEN_TIMEOUT_MS 30000

int64_t op_timeout_ms(const struct target *t, enum op_action action)
{
    const struct policy *p = t->is_rolling ? &t->strategy : &t->policy;
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
        int64_t node_id = env->nodes[act->node].node_id;
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
        struct spot *spot = &t->spots[act->node];
        if (op_is_read(act->action))
            continue;
        spot->op_text[0] = '\0';
        spot->op = (struct op_view){.state = OP_OPEN,
                                    .action = act->action,
                                    .attempt = act->attempt,
                                    .text = spot->op_text};
    }
    env_count(env);
}

int record_plan(struct controller *c, struct env *env, struct target *t, const struct plan *plan,
                struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct op_row *ops = arena_alloc(&a, ((size_t)plan->n_actions + 1) * sizeof ops[0]);
    struct rollout_progress in = {
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
        .n_ops = make_ops(c, env, t, plan, &a, ops),
    };
    int rc = rollout_progress(c->o.store, &in, e);
    if (rc == ERR_OK)
        take_over(env, t, plan);
    return rc;
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
    struct watch_view row = {.node_id = n->node_id,
                             .observed_ms = spot->seen.observed_ms,
                             .observation = buf_str(&text)};
    return db_node_view_put(db, t->target_id, &row, e);
}

static int put_health(struct db *db, const struct node *n, struct err *e)
{
    struct watch_health row = {.node_id = n->node_id,
                               .is_reachable = n->is_reachable,
                               .since_ms = n->since_ms,
                               .observed_ms = n->observed_ms,
                               .detail = n->detail[0] != '\0' ? n->detail : NULL};
    return db_node_health_put(db, &row, e);
}

static int put_env(struct db *db, const struct env *env, struct err *e)
{
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && i < env->n_nodes; i++) {
        const struct node *n = &env->nodes[i];
        if (n->is_unwritten)
            rc = put_health(db, n, e);
        for (int k = 0; rc == ERR_OK && k < env->n_targets; k++) {
            const struct spot *spot = &env->targets[k].spots[i];
            if (spot->is_unwritten)
                rc = put_spot(db, n, &env->targets[k], spot, e);
        }
    }
    return rc;
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
    for (int i = 0; rc == ERR_OK && c->is_dirty && c->world != NULL && i < c->world->n_envs; i++)
        rc = put_env(db, &c->world->envs[i], e);
    if (rc == ERR_OK && in->trim_before_ms > 0)
        rc = db_watch_trim(db, in->trim_before_ms, e);
    return rc;
}

static void mark_written(struct controller *c)
{
    c->n_closings = 0;
    c->n_samples = 0;
    c->was_doubted = true;
    if (!c->is_dirty)
        return;
    c->is_dirty = false;
    for (int i = 0; c->world != NULL && i < c->world->n_envs; i++) {
        struct env *env = &c->world->envs[i];
        for (int k = 0; k < env->n_nodes; k++) {
            struct node *n = &env->nodes[k];
            if (n->is_unwritten)
                n->written_ms = c->now_ms;
            n->is_unwritten = false;
            for (int t = 0; t < env->n_targets; t++) {
                struct spot *spot = &env->targets[t].spots[k];
                if (spot->is_unwritten)
                    spot->written_ms = c->now_ms;
                spot->is_unwritten = false;
            }
        }
    }
}

#define TRIM_EVERY_MS ((int64_t)3600000)
#define KEEP_MS ((int64_t)7 * 86400000)

int record_seen(struct controller *c, struct err *e)
{
    bool trims = c->now_ms >= c->trimmed_ms + TRIM_EVERY_MS;
    bool is_needed =
        !c->was_doubted || c->n_closings > 0 || c->n_samples > 0 || trims || c->is_dirty;
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
