/*
 * From an action to jobs: one action is one file job or a row of HTTP calls that the node's driver
 * makes. An operation was recorded before it comes here; reads need no record. Controller's thread
 * only; nothing here waits.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "routes.h"

#define LOOK_TIMEOUT_MS 5000

struct flight *flight_new(struct controller *c)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        struct flight *f = &c->flights[i];
        if (c->flight_hash[i] != 0)
            continue;
        *f = (struct flight){0};
        c->flight_hash[i] = 1;
        c->n_flights++;
        return f;
    }
    return NULL;
}

bool flight_is_work(const struct flight *f)
{
    return f->kind != FLIGHT_SCRAPE && f->kind != FLIGHT_QUERY && f->kind != FLIGHT_PROBE &&
           f->kind != FLIGHT_FILES;
}

void flight_end(struct controller *c, struct flight *f)
{
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    if (at >= 0 && flight_is_work(f) && --env->nodes[at].n_busy == 0)
        due_set(&c->looks, &env->nodes[at].look, c->now_ms);
    arena_clear(&f->arena);
    f->key[0] = '\0';
    c->flight_hash[f - c->flights] = 0;
    c->n_flights--;
}

int execute_call(struct controller *c, struct flight *f, const struct node *node, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct job job = {.kind = JOB_HTTP, .deadline_ms = f->deadline_ms};
    memcpy(job.key, f->key, sizeof job.key);
    int rc = node->driver->make(&node->urls, &f->rq, f->call, &a, &job.call, e);
    if (rc == ERR_OK) {
        leader_sign(c, f, &a, &job.call);
        rc = c->o.io->submit(c->o.io->self, &job, e);
    }
    return rc;
}

static int submit_file(struct controller *c, struct flight *f, const struct node *node,
                       const struct target *t, const struct plan_action *act, struct err *e)
{
    if (node->root == NULL)
        return err_set(e, ERR_INVALID, "the node has no root for files");
    int64_t keep[2] = {act->number, act->keep};
    struct job job = {
        .kind = f->job,
        .deadline_ms = f->deadline_ms,
        .file = {.root = node->root,
                 .serve_as = t->serve_as,
                 .model = t->model,
                 .number = act->number,
                 .keep = keep,
                 .n_keep = act->number == 0 ? 0
                           : act->keep != 0 ? 2
                                            : 1},
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
    due_drop(&c->looks, &node->look);
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
    f->rq.number = act->number;
    if (by_action[act->action].is_file) {
        f->job = by_action[act->action].job;
        return submit_file(c, f, node, t, act, e);
    }
    f->job = JOB_HTTP;
    f->rq.action = by_action[act->action].driver;
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
    f->rq.timeout_ms = LOOK_TIMEOUT_MS;
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
    node->looked_ms = t->spots[i].seen.looked_ms = c->now_ms;
    f->kind = FLIGHT_LOOK;
    f->rq.number = number;
    f->rq.other = other;
    submit_read(c, f, node, DRIVER_OBSERVE);
}

void execute_action(struct controller *c, struct env *env, struct target *t,
                    const struct plan_action *act)
{
    if (act->node < 0)
        routes_execute(c, env, t, act);
    else if (act->action == OP_OBSERVE)
        look_at_target(c, env, t, act->node);
    else if (act->action == OP_SAMPLE)
        (void)sampling_ask(c, env, act->node);
    else
        execute_op(c, env, t, act);
}

/* --- idle looks --- */

#define LOOKS_PER_S 500

/* How often each target is looked at on each node: seldom when there are very many of them. */
static int64_t look_every_ms(const struct controller *c)
{
    int64_t spread_ms = c->world->n_spots * 1000 / LOOKS_PER_S;
    return spread_ms > c->o.observe_every_ms ? spread_ms : c->o.observe_every_ms;
}

static bool is_askable(const struct target *t)
{
    int64_t number = 0;
    int64_t other = 0;
    target_versions(t, &number, &other);
    return number != 0 && !t->is_broken;
}

/* The target that was not looked at for longest on node i, or NULL. */
static struct target *oldest_look(struct env *env, int i)
{
    struct target *oldest = NULL;
    for (int k = 0; k < env->n_targets; k++) {
        struct target *t = &env->targets[k];
        bool is_older =
            oldest == NULL || t->spots[i].seen.looked_ms < oldest->spots[i].seen.looked_ms;
        if (is_older && is_askable(t))
            oldest = t;
    }
    return oldest;
}

/* A node that serves no model of ours is asked whether it is alive. */
static void look_at_health(struct controller *c, struct env *env, int i)
{
    struct flight *f = begin(c, env, &env->nodes[i], NULL);
    if (f == NULL)
        return;
    env->nodes[i].looked_ms = c->now_ms;
    f->kind = FLIGHT_HEALTH;
    submit_read(c, f, &env->nodes[i], DRIVER_HEALTH);
}

/* One read at a time: a node that loads answers nobody meanwhile. Whatever is asked tells whether
 * the node is alive. */
static void look_at_node(struct controller *c, struct node *n)
{
    struct env *env = n->env;
    int i = (int)(n - env->nodes);
    if (n->driver == NULL || n->n_busy > 0) {
        due_drop(&c->looks, &n->look); /* the end of what runs there brings it back */
        return;
    }
    struct target *t = oldest_look(env, i);
    int64_t at = n->looked_ms + c->o.observe_every_ms;
    if (t != NULL && t->spots[i].seen.looked_ms + look_every_ms(c) < at)
        at = t->spots[i].seen.looked_ms + look_every_ms(c);
    if (c->now_ms >= at && nodes_wants_page(c, n))
        (void)sampling_ask(c, env, i);
    if (c->now_ms < at)
        due_set(&c->looks, &n->look, at);
    else if (t != NULL) {
        files_look(c, env, t, i);
        look_at_target(c, env, t, i);
    } else
        look_at_health(c, env, i);
}

void execute_looks(struct controller *c)
{
    struct due *d = due_first(&c->looks);
    while (d != NULL && d->at_ms <= c->now_ms && c->n_flights < MAX_FLIGHTS_OF_LOOKS) {
        look_at_node(c, (struct node *)((char *)d - offsetof(struct node, look)));
        d = due_first(&c->looks);
    }
}
