/*
 * Deciding and acting: targets that are due are planned, a batch of them at a time, each of another
 * environment; what was decided is on disk, in one commit, before anything of it is done. Within an
 * environment targets are planned one after the other, because they share its nodes and limits.
 * Controller's thread only.
 */
#include <stddef.h>
#include <stdlib.h>

#include "controller_inner.h"
#include "judging.h"
#include "log.h"
#include "routes.h"
#include "view_limits.h"

#define BATCH 16
#define PLANS_PER_ROUND 128
#define RETRY_MS 1000
#define FULL_MS 200
/* A plan may ask to be made again at once; more often than this in one round is a bug. */
#define MAX_PLANS_AT_ONCE 50

/* A target whose plan was made. */
struct decision {
    struct target *t;
    struct plan plan;
    struct arena arena; /* of plan */
    bool is_late;       /* something has to be stored before it may be carried out */
    int rc;
    struct err e;
};

static int make_plan(struct controller *c, struct target *t, struct decision *d)
{
    struct view view;
    struct env *env = t->env;
    int rc = view_make(c, env, t, &d->arena, &view, &d->e);
    if (rc != ERR_OK)
        return rc;
    if (t->is_rolling)
        plan_rollout(&view, &d->arena, &d->plan);
    else
        plan_reconcile(&view, &d->arena, &d->plan);
    limits_after(c, env, t, &d->plan);
    /* What found no free place is tried again soon. */
    bool is_full = d->plan.waits && d->plan.n_actions >= view.n_max_actions;
    if (is_full && d->plan.wake_ms > c->now_ms + FULL_MS)
        d->plan.wake_ms = c->now_ms + FULL_MS;
    return ERR_OK;
}

/* What a rollout moves on by is stored first: it is planned again in the next round. */
static bool waits_for_store(struct controller *c, struct decision *d)
{
    if (!d->t->is_rolling || !d->plan.has_moved || !judging_is_behind(c, d->t))
        return false;
    due_set(&c->plans, &d->t->plan, c->now_ms + 1);
    return true;
}

/* The plan is on disk: it is carried out, and the target waits for its next one. */
static void carry_out(struct controller *c, struct decision *d)
{
    struct target *t = d->t;
    struct plan *plan = &d->plan;
    int64_t at_ms = plan->wake_ms > c->now_ms ? plan->wake_ms : c->now_ms;
    /* Planning again and again without end would starve everybody else. */
    if (at_ms <= c->now_ms && t->n_planned >= MAX_PLANS_AT_ONCE)
        at_ms = c->now_ms + RETRY_MS;
    t->waits = plan->waits;
    due_set(&c->plans, &t->plan, at_ms);
    routes_take_plan(c, t->env, t, plan);
    for (int i = 0; i < plan->n_actions; i++)
        execute_action(c, t->env, t, &plan->actions[i]);
    if (t->env->has_changed)
        env_stir(c, t->env, t);
    if (!t->is_rolling || !rollout_phase_is_terminal(t->lane.status.phase))
        return;
    /* The next round loads what is left of it. */
    due_drop(&c->plans, &t->plan);
    atomic_store(&c->is_woken, true);
    c->due_ms = c->now_ms;
}

/* A target whose plan cannot be recorded is tried again a little later; the others go on. If
 * somebody else wrote its status, what memory holds of it is worth nothing. */
static void give_up(struct controller *c, struct decision *d)
{
    struct target *t = d->t;
    log_err(LOG_WARNING, "rollout", &d->e);
    due_set(&c->plans, &t->plan, c->now_ms + RETRY_MS);
    if (d->rc == ERR_CONFLICT)
        marks_add(&c->stale, t->env->env_id, 0, t->target_id);
}

static bool is_in_batch(const struct decision *list, int n, const struct env *env)
{
    for (int i = 0; i < n; i++) {
        if (list[i].t->env == env)
            return true;
    }
    return false;
}

/* Takes due targets of different environments out of the queue. */
static int choose(struct controller *c, struct decision *list)
{
    struct target *left[BATCH];
    int n = 0;
    int n_left = 0;
    while (n < BATCH && n_left < BATCH && due_next_ms(&c->plans) <= c->now_ms) {
        struct due *d = due_first(&c->plans);
        struct target *t = (struct target *)((char *)d - offsetof(struct target, plan));
        due_drop(&c->plans, d);
        if (is_in_batch(list, n, t->env))
            left[n_left++] = t;
        else
            list[n++] = (struct decision){.t = t};
    }
    for (int i = 0; i < n_left; i++)
        due_set(&c->plans, &left[i]->plan, left[i]->plan.at_ms);
    return n;
}

static void decide(struct controller *c, struct decision *list, int n)
{
    struct recording recordings[BATCH];
    int n_recordings = 0;
    for (int i = 0; i < n; i++) {
        struct target *t = list[i].t;
        t->n_planned = t->planned_ms == c->now_ms ? t->n_planned + 1 : 1;
        t->planned_ms = c->now_ms;
        list[i].rc = make_plan(c, t, &list[i]);
        list[i].is_late = list[i].rc == ERR_OK && waits_for_store(c, &list[i]);
        if (list[i].rc == ERR_OK && list[i].plan.is_changed && !list[i].is_late)
            recordings[n_recordings++] = (struct recording){
                .t = t, .plan = &list[i].plan, .rc = &list[i].rc, .e = &list[i].e};
    }
    record_plans(c, recordings, n_recordings);
    for (int i = 0; i < n; i++) {
        if (list[i].rc != ERR_OK)
            give_up(c, &list[i]);
        else if (!list[i].is_late)
            carry_out(c, &list[i]);
        arena_clear(&list[i].arena);
    }
}

void decide_due(struct controller *c)
{
    struct decision *list = mem_resize(NULL, BATCH, sizeof *list);
    int n_done = 0;
    int n = 1;
    while (n > 0 && n_done < PLANS_PER_ROUND) {
        n = choose(c, list);
        decide(c, list, n);
        n_done += n;
    }
    free(list);
}
