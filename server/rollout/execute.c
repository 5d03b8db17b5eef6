/*
 * From an action to jobs: one action is one file job or a row of HTTP calls that the node's driver
 * makes. An operation was recorded before it comes here; reads need no record. Controller's thread
 * only; nothing here waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"

#define LOOK_TIMEOUT_MS 5000
#define SAMPLE_TIMEOUT_MS 10000

struct flight *flight_new(struct controller *c)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        struct flight *f = &c->flights[i];
        if (f->key[0] != '\0')
            continue;
        *f = (struct flight){0};
        c->n_flights++;
        return f;
    }
    return NULL;
}

void flight_end(struct controller *c, struct flight *f)
{
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    if (at >= 0)
        env->nodes[at].n_busy--;
    arena_clear(&f->arena);
    f->key[0] = '\0';
    c->n_flights--;
}

int execute_call(struct controller *c, struct flight *f, const struct node *node, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct job job = {.kind = JOB_HTTP, .deadline_ms = f->deadline_ms};
    memcpy(job.key, f->key, sizeof job.key);
    int rc = node->driver->make(&node->urls, &f->rq, f->call, &a, &job.call, e);
    if (rc == ERR_OK)
        rc = c->o.io->submit(c->o.io->self, &job, e);
    return rc;
}

static int submit_file(struct controller *c, struct flight *f, const struct node *node,
                       const struct target *t, const struct plan_action *act, struct err *e)
{
    if (node->root == NULL)
        return err_set(e, ERR_INVALID, "the node has no root for files");
    int64_t keep = act->number;
    struct job job = {
        .kind = f->job,
        .deadline_ms = f->deadline_ms,
        .file = {.root = node->root,
                 .serve_as = t->serve_as,
                 .model = t->model,
                 .number = act->number,
                 .keep = &keep,
                 .n_keep = act->number != 0},
    };
    memcpy(job.key, f->key, sizeof job.key);
    return c->o.io->submit(c->o.io->self, &job, e);
}

static struct flight *begin(struct controller *c, const struct env *env, struct node *node,
                            const struct target *t)
{
    struct flight *f = flight_new(c);
    if (f == NULL)
        return NULL;
    f->env_id = env->env_id;
    f->node_id = node->node_id;
    f->target_id = t != NULL ? t->target_id : 0;
    if (t != NULL)
        f->rq.serve_as = arena_strdup(&f->arena, t->serve_as);
    node->n_busy++;
    return f;
}

/* --- operations --- */

static const struct {
    bool is_file;
    enum job_kind job;
    enum driver_action driver;
} by_action[OP_ACTION_COUNT] = {
    [OP_STAGE] = {.is_file = true, .job = JOB_STAGE},
    [OP_SWITCH] = {.is_file = true, .job = JOB_SWITCH},
    [OP_REMOVE] = {.is_file = true, .job = JOB_REMOVE},
    [OP_LOAD] = {.driver = DRIVER_LOAD},
    [OP_UNLOAD] = {.driver = DRIVER_UNLOAD},
    [OP_GOLDEN] = {.driver = DRIVER_GOLDEN},
    [OP_OBSERVE] = {.driver = DRIVER_OBSERVE},
    [OP_SAMPLE] = {.driver = DRIVER_SAMPLE},
};

static int submit_op(struct controller *c, struct flight *f, struct node *node,
                     const struct target *t, const struct plan_action *act, struct err *e)
{
    f->deadline_ms = c->now_ms + op_timeout_ms(t, act->action);
    if (by_action[act->action].is_file) {
        f->job = by_action[act->action].job;
        return submit_file(c, f, node, t, act, e);
    }
    f->job = JOB_HTTP;
    f->rq.action = by_action[act->action].driver;
    f->rq.number = act->number;
    f->rq.timeout_ms = op_timeout_ms(t, act->action);
    if (act->action == OP_GOLDEN) {
        if (act->golden >= t->golden.n)
            return err_set(e, ERR_INVALID, "there is no golden request %d", act->golden);
        f->rq.golden = arena_strdup(&f->arena, t->golden.texts[act->golden]);
    }
    return execute_call(c, f, node, e);
}

static void execute_op(struct controller *c, struct env *env, struct target *t,
                       const struct plan_action *act)
{
    struct node *node = &env->nodes[act->node];
    struct err e;
    struct flight *f = begin(c, env, node, t);
    if (f == NULL)
        return;
    f->kind = FLIGHT_OP;
    f->action = act->action;
    f->attempt = act->attempt;
    memcpy(f->lane, t->lane.id, sizeof f->lane);
    op_key_make(f->key, t, node->node_id, act->attempt);
    int rc = submit_op(c, f, node, t, act, &e);
    if (rc == ERR_INVALID)
        collect_failure(c, f, FAULT_REJECTED, e.message);
    else if (rc != ERR_OK)
        collect_failure(c, f, FAULT_TRANSPORT, e.message);
}

/* --- reads --- */

static void submit_read(struct controller *c, struct flight *f, struct node *node,
                        enum driver_action action)
{
    struct err e;
    f->job = JOB_HTTP;
    f->rq.action = action;
    f->rq.timeout_ms = action == DRIVER_SAMPLE ? SAMPLE_TIMEOUT_MS : LOOK_TIMEOUT_MS;
    f->deadline_ms = c->now_ms + f->rq.timeout_ms;
    snprintf(f->key, sizeof f->key, "read/%" PRId64 "/n%" PRId64, ++c->read_seq, node->node_id);
    int rc = execute_call(c, f, node, &e);
    if (rc != ERR_OK)
        collect_failure(c, f, FAULT_TRANSPORT, e.message);
}

static void look_at_target(struct controller *c, struct env *env, struct target *t, int i)
{
    struct node *node = &env->nodes[i];
    int64_t number = 0;
    int64_t other = 0;
    target_versions(t, &number, &other);
    struct flight *f = begin(c, env, node, t);
    if (f == NULL)
        return;
    t->spots[i].seen.looked_ms = c->now_ms;
    f->kind = FLIGHT_LOOK;
    f->rq.number = number;
    f->rq.other = other;
    submit_read(c, f, node, DRIVER_OBSERVE);
}

static void sample_target(struct controller *c, struct env *env, struct target *t, int i)
{
    struct flight *f = begin(c, env, &env->nodes[i], t);
    if (f == NULL)
        return;
    t->spots[i].sampled_ms = c->now_ms;
    f->kind = FLIGHT_SAMPLE;
    submit_read(c, f, &env->nodes[i], DRIVER_SAMPLE);
}

void execute_action(struct controller *c, struct env *env, struct target *t,
                    const struct plan_action *act)
{
    if (act->action == OP_OBSERVE)
        look_at_target(c, env, t, act->node);
    else if (act->action == OP_SAMPLE)
        sample_target(c, env, t, act->node);
    else
        execute_op(c, env, t, act);
}

/* --- idle looks --- */

static void due_at(struct controller *c, int64_t ms)
{
    if (ms < c->due_ms)
        c->due_ms = ms;
}

/* A node that serves no model of ours is asked whether it is alive; the others by what they serve.
 */
static bool look_at_health(struct controller *c, struct env *env, int i)
{
    struct node *n = &env->nodes[i];
    int64_t at = n->looked_ms + c->o.observe_every_ms;
    if (c->now_ms < at) {
        due_at(c, at);
        return false;
    }
    struct flight *f = begin(c, env, n, NULL);
    if (f == NULL)
        return false;
    n->looked_ms = c->now_ms;
    f->kind = FLIGHT_HEALTH;
    submit_read(c, f, n, DRIVER_HEALTH);
    return true;
}

static bool is_askable(const struct target *t)
{
    int64_t number = 0;
    int64_t other = 0;
    target_versions(t, &number, &other);
    return number != 0 && !t->is_broken;
}

static void look_at_node(struct controller *c, struct env *env, int i)
{
    struct node *n = &env->nodes[i];
    bool has_target = false;
    if (n->driver == NULL || n->n_busy > 0)
        return;
    for (int k = 0; k < env->n_targets; k++) {
        struct target *t = &env->targets[k];
        if (!is_askable(t))
            continue;
        has_target = true;
        int64_t at = t->spots[i].seen.looked_ms + c->o.observe_every_ms;
        if (c->now_ms < at) {
            due_at(c, at);
            continue;
        }
        /* One read at a time: a node that loads answers nobody meanwhile. */
        look_at_target(c, env, t, i);
        return;
    }
    if (!has_target)
        (void)look_at_health(c, env, i);
}

void execute_looks(struct controller *c, struct env *env)
{
    for (int i = 0; i < env->n_nodes && c->n_flights < MAX_FLIGHTS; i++)
        look_at_node(c, env, i);
}
