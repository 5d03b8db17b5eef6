/*
 * The controller's loop: collect, look, decide, commit intent, act, sleep. One thread; others only
 * write to the database and wake it. Must not know HTTP paths, files or strategies: drivers, jobs
 * and the planner do. Everything can be dropped at any point and loaded again.
 */
#include "controller.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "controller_inner.h"
#include "log.h"

#define INBOX 64
#define RETRY_MS 1000
#define NOTICE_EVERY_MS 1000
#define STACK_BYTES ((size_t)1 << 20)
/* A plan may ask to be made again at once; more often than this in one round is a bug. */
#define MAX_PLANS_PER_ROUND 50

struct thread_state {
    pthread_t thread;
    atomic_bool stops;
};

struct controller *controller_new(const struct controller_options *options)
{
    struct controller *c = mem_alloc(sizeof *c);
    c->o = *options;
    if (c->o.observe_every_ms <= 0)
        c->o.observe_every_ms = 10000;
    if (c->o.sample_every_ms <= 0)
        c->o.sample_every_ms = 5000;
    c->inbox = mem_alloc(INBOX * sizeof c->inbox[0]);
    return c;
}

void controller_free(struct controller *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < MAX_FLIGHTS; i++)
        arena_clear(&c->flights[i].arena);
    world_free(c->world);
    free(c->closings);
    free(c->samples);
    free(c->inbox);
    free(c);
}

void controller_wake(struct controller *c)
{
    atomic_store(&c->is_woken, true);
    c->o.io->wake(c->o.io->self);
}

/* --- looking --- */

static int reload(struct controller *c, struct db *db, struct err *e)
{
    struct world *fresh = NULL;
    int rc = world_load(c, db, c->world, &fresh, e);
    if (rc != ERR_OK)
        return rc;
    world_free(c->world);
    c->world = fresh;
    for (int i = 0; i < fresh->n_envs; i++)
        env_count(&fresh->envs[i]);
    return ERR_OK;
}

static void plan_all(struct controller *c)
{
    for (int i = 0; i < c->world->n_envs; i++) {
        for (int k = 0; k < c->world->envs[i].n_targets; k++)
            c->world->envs[i].targets[k].plan_at_ms = 0;
    }
}

/* What others did meanwhile: a changed fleet is loaded again, a command makes everybody look. */
static int read_changes(struct controller *c, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    bool has_changed = c->world == NULL;
    int64_t journal = 0;
    int64_t command = 0;
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK && c->world != NULL)
        rc = db_watch_changed(r.db, c->world->journal_seq, &has_changed, &journal, e);
    if (rc == ERR_OK)
        rc = db_command_last(r.db, &command, e);
    if (rc == ERR_OK && has_changed)
        rc = reload(c, r.db, e);
    if (rc != ERR_OK)
        return rc;
    if (!has_changed)
        c->world->journal_seq = journal;
    if (command != c->world->command_seq)
        plan_all(c);
    c->world->command_seq = command;
    return ERR_OK;
}

/* Who changes something wakes the controller; asking now and then as well costs little. */
static int notice_changes(struct controller *c, struct err *e)
{
    bool is_due = atomic_exchange(&c->is_woken, false) || c->world == NULL ||
                  c->now_ms >= c->noticed_ms + NOTICE_EVERY_MS;
    int rc = is_due ? read_changes(c, e) : ERR_OK;
    if (rc != ERR_OK)
        atomic_store(&c->is_woken, true);
    else if (is_due)
        c->noticed_ms = c->now_ms;
    return rc;
}

/* --- deciding and acting --- */

static int make_plan(struct controller *c, struct env *env, struct target *t, struct arena *a,
                     struct plan *plan, struct err *e)
{
    struct view view;
    int rc = view_make(c, env, t, a, &view, e);
    if (rc != ERR_OK)
        return rc;
    if (t->is_rolling)
        plan_rollout(&view, a, plan);
    else
        plan_reconcile(&view, a, plan);
    return ERR_OK;
}

static void mark_neighbours(struct env *env, const struct target *t)
{
    for (int k = 0; k < env->n_targets; k++) {
        if (&env->targets[k] != t)
            env->targets[k].plan_at_ms = 0;
    }
}

/* One plan of one target. The intent is on disk before the first action. */
static int plan_target(struct controller *c, struct env *env, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct plan *plan = arena_alloc(&a, sizeof *plan);
    int rc = make_plan(c, env, t, &a, plan, e);
    if (rc == ERR_OK && plan->is_changed)
        rc = record_plan(c, env, t, plan, e);
    if (rc != ERR_OK)
        return rc;
    t->command_seq = c->world->command_seq;
    t->plan_at_ms = plan->wake_ms > c->now_ms ? plan->wake_ms : 0;
    for (int i = 0; i < plan->n_actions; i++)
        execute_action(c, env, t, &plan->actions[i]);
    if (plan->n_actions > 0)
        mark_neighbours(env, t);
    return ERR_OK;
}

static int plan_until_quiet(struct controller *c, struct env *env, struct target *t, struct err *e)
{
    for (int i = 0; i < MAX_PLANS_PER_ROUND && t->plan_at_ms <= c->now_ms; i++) {
        if (t->is_rolling && rollout_phase_is_terminal(t->lane.status.phase)) {
            t->plan_at_ms = INT64_MAX; /* the next round loads what is left of it */
            break;
        }
        int rc = plan_target(c, env, t, e);
        if (rc != ERR_OK)
            return rc;
        if (t->plan_at_ms == 0)
            continue;
    }
    /* Planning again and again without end would starve everybody else. */
    if (t->plan_at_ms <= c->now_ms)
        t->plan_at_ms = c->now_ms + RETRY_MS;
    return ERR_OK;
}

/* A target whose plan cannot be recorded is tried again a little later; the others go on. */
static bool plan_env(struct controller *c, struct env *env)
{
    bool is_stale = false;
    for (int k = 0; k < env->n_targets; k++) {
        struct target *t = &env->targets[k];
        struct err e;
        if (t->is_broken || t->plan_at_ms > c->now_ms)
            continue;
        int rc = plan_until_quiet(c, env, t, &e);
        if (rc != ERR_OK) {
            log_err(LOG_WARNING, "rollout", &e);
            t->plan_at_ms = c->now_ms + RETRY_MS;
        }
        is_stale = is_stale || rc == ERR_CONFLICT;
    }
    return is_stale;
}

static int64_t next_plan_ms(const struct controller *c)
{
    int64_t at = INT64_MAX;
    for (int i = 0; i < c->world->n_envs; i++) {
        for (int k = 0; k < c->world->envs[i].n_targets; k++) {
            const struct target *t = &c->world->envs[i].targets[k];
            if (!t->is_broken && t->plan_at_ms < at)
                at = t->plan_at_ms;
        }
    }
    return at;
}

static bool has_ended(const struct env *env)
{
    for (int k = 0; k < env->n_targets; k++) {
        const struct target *t = &env->targets[k];
        if (t->is_rolling && rollout_phase_is_terminal(t->lane.status.phase))
            return true;
    }
    return false;
}

static void act(struct controller *c, struct err *e)
{
    bool is_stale = false;
    c->due_ms = INT64_MAX;
    for (int i = 0; i < c->world->n_envs; i++) {
        struct env *env = &c->world->envs[i];
        /* The history of what nodes serve must not hold up what they are told. */
        if (record_serving(c, env, e) != ERR_OK)
            log_err(LOG_ERROR, "serving", e);
        is_stale = plan_env(c, env) || is_stale;
        execute_looks(c, env);
        if (has_ended(env)) {
            atomic_store(&c->is_woken, true);
            c->due_ms = c->now_ms;
        }
    }
    int64_t plan_ms = next_plan_ms(c);
    c->due_ms = plan_ms < c->due_ms ? plan_ms : c->due_ms;
    if (is_stale) {
        /* Somebody else wrote: what memory holds is worth nothing. */
        world_free(c->world);
        c->world = NULL;
        c->due_ms = c->now_ms + RETRY_MS;
    }
}

static int round_once(struct controller *c, struct err *e)
{
    int rc = record_seen(c, e);
    if (rc == ERR_OK)
        rc = notice_changes(c, e);
    if (rc == ERR_OK)
        act(c, e);
    return rc;
}

int controller_tick(struct controller *c, int64_t until_ms, struct err *e)
{
    struct io *io = c->o.io;
    int64_t until = c->due_ms < until_ms ? c->due_ms : until_ms;
    size_t n = io->poll(io->self, until, c->inbox, INBOX);
    c->now_ms = io->now_ms(io->self);
    collect(c, c->inbox, n);
    collect_overdue(c);
    int rc = round_once(c, e);
    if (rc != ERR_OK)
        c->due_ms = c->now_ms + RETRY_MS;
    return rc;
}

/* --- the thread --- */

static void *run(void *arg)
{
    struct controller *c = arg;
    while (!atomic_load(&c->thread->stops)) {
        struct err e;
        int64_t until = c->o.io->now_ms(c->o.io->self) + 60000;
        if (controller_tick(c, until, &e) != ERR_OK)
            log_err(LOG_ERROR, "controller", &e);
    }
    return NULL;
}

int controller_start(struct controller *c, struct err *e)
{
    pthread_attr_t attr;
    c->thread = mem_alloc(sizeof *c->thread);
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    int rc = pthread_create(&c->thread->thread, &attr, run, c);
    pthread_attr_destroy(&attr);
    if (rc == 0)
        return ERR_OK;
    free(c->thread);
    c->thread = NULL;
    return err_set(e, ERR_UNAVAILABLE, "the controller's thread cannot be started");
}

void controller_stop(struct controller *c)
{
    if (c == NULL || c->thread == NULL)
        return;
    atomic_store(&c->thread->stops, true);
    controller_wake(c);
    pthread_join(c->thread->thread, NULL);
    free(c->thread);
    c->thread = NULL;
}
