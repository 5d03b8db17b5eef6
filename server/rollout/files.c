/*
 * Files on nodes that are not any more what was placed there: somebody edited, removed or added
 * some, or a disk lost them. Found by comparing now and then while nothing goes on; repaired like
 * any other deviation. A check disturbs nobody. Controller's thread only; the inner functions run
 * on the writer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "db_nodes.h"
#include "log.h"

#define CHECK_TIMEOUT_MS 600000

/* What is wrong with the files of one target on one node. */
struct drift {
    bool is_repairable; /* what is wrong is ours */
    char text[256];
};

static int clear_fn(struct tx *tx, void *ctx, struct err *e)
{
    (void)ctx;
    return db_drift_clear(tx_db(tx), e);
}

static int put_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_drift_put(tx_db(tx), ctx, e);
}

/* What an earlier process found is found again. */
static void forget_all(struct controller *c)
{
    struct err e;
    if (c->has_files)
        return;
    c->has_files = true;
    if (store_write(c->o.store, TX_WORK, clear_fn, NULL, &e) != ERR_OK)
        log_err(LOG_WARNING, "files", &e);
}

static void set_drift(struct controller *c, struct env *env, struct target *t, int i,
                      const struct err *error)
{
    struct spot *spot = &t->spots[i];
    const char *text = error != NULL ? error->message : "";
    const char *before = spot->drift != NULL ? spot->drift->text : "";
    struct err e;
    if (strncmp(text, before, sizeof spot->drift->text - 1) == 0)
        return;
    free(spot->drift);
    spot->drift = NULL;
    if (*text != '\0') {
        spot->drift = mem_alloc(sizeof *spot->drift);
        snprintf(spot->drift->text, sizeof spot->drift->text, "%.*s",
                 (int)sizeof spot->drift->text - 1, text);
        spot->drift->is_repairable = error->code != ERR_CONFLICT;
        log_line(LOG_WARNING, "files", "%s/%s: %s", env->name, env->nodes[i].name, text);
    }
    struct drift_row row = {.node_id = env->nodes[i].node_id,
                            .target_id = t->target_id,
                            .since_ms = c->now_ms,
                            .detail = text};
    if (store_write(c->o.store, TX_WORK, put_fn, &row, &e) != ERR_OK)
        log_err(LOG_WARNING, "files", &e);
    target_wake(c, t);
}

/* --- checking --- */

static bool is_due(const struct controller *c, const struct env *env, const struct target *t, int i)
{
    const struct spot *spot = &t->spots[i];
    const struct node *n = &env->nodes[i];
    bool is_quiet = !t->is_rolling && t->n_repairs == 0 && spot->op.state != OP_OPEN;
    /* With nothing live nothing of ours shall lie there: a node that is back under its name may
     * bring along what was there before its record was made. What a halted rollout left stays. */
    bool is_ours = n->root != NULL && !n->wants_none && !(t->live == 0 && t->is_halted) &&
                   observation_fits(&spot->seen, t->live);
    return c->o.check_every_ms > 0 && is_quiet && is_ours && !t->is_broken &&
           c->now_ms >= spot->checked_ms + c->o.check_every_ms && c->n_flights < MAX_FLIGHTS / 2;
}

void files_look(struct controller *c, struct env *env, struct target *t, int i)
{
    struct err e;
    if (!is_due(c, env, t, i))
        return;
    struct flight *f = flight_new(c);
    if (f == NULL)
        return;
    forget_all(c);
    t->spots[i].checked_ms = c->now_ms;
    f->kind = FLIGHT_FILES;
    f->job = JOB_CHECK;
    f->env_id = env->env_id;
    f->node_id = env->nodes[i].node_id;
    f->target_id = t->target_id;
    f->asked_ms = c->now_ms;
    f->rq.number = t->live;
    f->deadline_ms = c->now_ms + CHECK_TIMEOUT_MS;
    snprintf(f->key, sizeof f->key, "files/%" PRId64 "/n%" PRId64, ++c->read_seq, f->node_id);
    struct job job = {.kind = JOB_CHECK,
                      .deadline_ms = f->deadline_ms,
                      .file = {.root = env->nodes[i].root,
                               .serve_as = t->serve_as,
                               .model = t->model,
                               .number = t->live,
                               .keep = &t->live,
                               .n_keep = t->live != 0}};
    memcpy(job.key, f->key, sizeof job.key);
    if (c->o.io->submit(c->o.io->self, &job, &e) != ERR_OK)
        flight_end(c, f);
}

void files_take(struct controller *c, struct flight *f, const struct err *error)
{
    struct env *env = world_env(c->world, f->env_id);
    int i = env != NULL ? world_node(env, f->node_id) : -1;
    struct target *t = i >= 0 ? world_target(env, f->target_id) : NULL;
    bool is_valid = t != NULL && !t->is_rolling && t->live == f->rq.number && t->n_repairs == 0 &&
                    t->spots[i].op.state != OP_OPEN && t->spots[i].op.ended_ms < f->asked_ms;
    flight_end(c, f);
    if (!is_valid)
        return; /* it was changed meanwhile */
    switch (error->code) {
    case ERR_OK:
        set_drift(c, env, t, i, NULL);
        break;
    case ERR_CORRUPT:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
        set_drift(c, env, t, i, error);
        break;
    default: /* nothing was learnt */
        break;
    }
}

void files_switched(struct controller *c, struct env *env, struct target *t, int i)
{
    set_drift(c, env, t, i, NULL);
    t->spots[i].checked_ms = 0;
}

bool files_have_drifted(const struct spot *spot)
{
    return spot->drift != NULL && spot->drift->is_repairable;
}
