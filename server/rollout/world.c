/*
 * The controller's memory: finding things in it, counting what targets do to the nodes that they
 * share, and waking whoever has to be planned again. Everything here can be rebuilt from the
 * database at any time (world_load.c). Controller's thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"

/* --- finding --- */

struct env *world_env(struct world *w, int64_t env_id)
{
    int lo = 0;
    int hi = w != NULL ? w->n_envs : 0;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (w->envs[mid].env_id < env_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return w != NULL && lo < w->n_envs && w->envs[lo].env_id == env_id ? &w->envs[lo] : NULL;
}

int world_node(const struct env *env, int64_t node_id)
{
    int lo = 0;
    int hi = env->n_nodes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (env->nodes[mid].node_id < node_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < env->n_nodes && env->nodes[lo].node_id == node_id ? lo : -1;
}

struct target *world_target(struct env *env, int64_t target_id)
{
    int lo = 0;
    int hi = env->n_targets;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (env->targets[mid].target_id < target_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool is_there = lo < env->n_targets && env->targets[lo].target_id == target_id;
    return is_there ? &env->targets[lo] : NULL;
}

void op_key_make(char key[JOB_KEY_BYTES], const struct target *t, int64_t node_id, int attempt)
{
    int64_t generation = t->is_rolling ? t->record.generation : 0;
    snprintf(key, JOB_KEY_BYTES, "t%" PRId64 "/g%" PRId64 "/%s/n%" PRId64 "/%d", t->target_id,
             generation, t->lane.id, node_id, attempt);
}

void target_versions(const struct target *t, int64_t *number, int64_t *other)
{
    if (t->is_rolling) {
        *number = t->record.to;
        *other = t->record.from;
    } else {
        *number = t->live != 0 ? t->live : t->last_to;
        *other = t->last_to != *number ? t->last_to : t->last_good;
    }
    if (*other == *number)
        *other = 0;
}

/* --- counting --- */

static void set_busy(struct env *env, struct target *t, bool is_busy)
{
    if (is_busy == (t->busy_at != 0))
        return;
    if (is_busy) {
        env->busy[env->n_busy++] = (int)(t - env->targets);
        t->busy_at = env->n_busy;
        return;
    }
    int last = env->busy[--env->n_busy];
    env->busy[t->busy_at - 1] = last;
    env->targets[last].busy_at = t->busy_at;
    t->busy_at = 0;
}

static void count_spot(struct node *n, struct spot *spot, bool disturbs, bool lacks)
{
    if (disturbs != spot->disturbs || lacks != spot->lacks)
        n->env->has_changed = true;
    n->n_disturbing += (int)disturbs - (int)spot->disturbs;
    n->n_lacking += (int)lacks - (int)spot->lacks;
    spot->disturbs = disturbs;
    spot->lacks = lacks;
}

void target_count(struct env *env, struct target *t)
{
    const struct rollout_status *s = &t->lane.status;
    bool is_new = target_is_new(t);
    bool is_busy = t->is_rolling && !rollout_phase_is_terminal(s->phase);
    int n_repairs = 0;
    int at = 0;
    for (int i = 0; i < env->n_nodes; i++) {
        struct spot *spot = &t->spots[i];
        const struct observation *o = &spot->seen;
        while (at < s->n_nodes && s->nodes[at].node_id < env->nodes[i].node_id)
            at++;
        bool is_in = at < s->n_nodes && s->nodes[at].node_id == env->nodes[i].node_id;
        const struct move *m = is_in && !is_new ? &s->nodes[at].move : NULL;
        bool disturbs = m != NULL ? move_disturbs(m) : is_new && spot->was_midway;
        bool moves = disturbs || (m != NULL && m->phase != MOVE_NONE);
        n_repairs += moves && !t->is_rolling;
        is_busy = is_busy || moves || (m != NULL && s->nodes[at].odd_since_ms != 0);
        bool lacks = t->live != 0 && o->observed_ms != 0 && o->n_ready == 0;
        count_spot(&env->nodes[i], spot, disturbs, lacks);
    }
    env->has_changed = env->has_changed || n_repairs != t->n_repairs;
    env->n_repairs += n_repairs - t->n_repairs;
    if (s->repair_ms > env->last_repair_ms)
        env->last_repair_ms = s->repair_ms;
    t->n_repairs = n_repairs;
    set_busy(env, t, is_busy);
}

void target_uncount(struct env *env, struct target *t)
{
    for (int i = 0; i < env->n_nodes; i++)
        count_spot(&env->nodes[i], &t->spots[i], false, false);
    env->n_repairs -= t->n_repairs;
    t->n_repairs = 0;
    set_busy(env, t, false);
}

/* --- waking --- */

void target_wake(struct controller *c, struct target *t)
{
    if (!t->is_broken)
        due_hasten(&c->plans, &t->plan, c->now_ms);
}

void env_wake(struct controller *c, struct env *env, const struct target *but)
{
    for (int i = 0; i < env->n_busy; i++) {
        struct target *t = &env->targets[env->busy[i]];
        if (t != but)
            target_wake(c, t);
    }
}

void env_stir(struct controller *c, struct env *env, const struct target *but)
{
    for (int i = 0; i < env->n_busy; i++) {
        struct target *t = &env->targets[env->busy[i]];
        if (t != but && (t->waits || env->has_changed))
            target_wake(c, t);
    }
    env->has_changed = false;
}

void marks_add(struct marks *m, int64_t env_id, int64_t node_id, int64_t target_id)
{
    if (m->n == m->cap) {
        m->cap = m->cap * 2 + 64;
        m->items = mem_resize(m->items, m->cap, sizeof m->items[0]);
    }
    m->items[m->n++] = (struct mark){.env_id = env_id, .node_id = node_id, .target_id = target_id};
}

void marks_drop(struct marks *m, size_t n)
{
    m->n -= n;
    if (m->n > 0)
        memmove(m->items, m->items + n, m->n * sizeof m->items[0]);
}

void marks_clear(struct marks *m)
{
    free(m->items);
    *m = (struct marks){0};
}

void spot_changed(struct controller *c, const struct env *env, struct target *t, int node)
{
    if (!t->spots[node].is_unwritten)
        marks_add(&c->unwritten, env->env_id, env->nodes[node].node_id, t->target_id);
    t->spots[node].is_unwritten = true;
}

void node_changed(struct controller *c, struct node *n)
{
    if (!n->is_unwritten)
        marks_add(&c->unwritten, n->env->env_id, n->node_id, 0);
    n->is_unwritten = true;
}

void node_serves_changed(struct controller *c, struct node *n)
{
    if (!n->serves_changed)
        marks_add(&c->serving, n->env->env_id, n->node_id, 0);
    n->serves_changed = true;
}

/* --- ending --- */

static void spot_clear(struct controller *c, struct spot *spot)
{
    c->n_windows -= spot->counted != NULL && spot->counted->cells != NULL;
    if (spot->counted != NULL)
        counted_clear(spot->counted);
    free(spot->counted);
    free(spot->op_text);
    free(spot->drift);
}

void target_clear(struct controller *c, struct target *t)
{
    due_drop(&c->plans, &t->plan);
    counted_times_clear(&t->times);
    judging_free(t->judging);
    for (int i = 0; t->spots != NULL && i < t->env->n_nodes; i++)
        spot_clear(c, &t->spots[i]);
    free(t->spots);
    arena_clear(&t->lane.arena);
    golden_set_clear(&t->golden);
    arena_clear(&t->arena);
    *t = (struct target){0};
}

void env_clear(struct controller *c, struct env *env)
{
    for (int i = 0; i < env->n_targets; i++)
        target_clear(c, &env->targets[i]);
    for (int i = 0; i < env->n_nodes; i++)
        due_drop(&c->looks, &env->nodes[i].look);
    due_drop(&c->samplings, &env->sampling);
    arena_clear(&env->arena);
    *env = (struct env){0};
}

void world_free(struct controller *c, struct world *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < w->n_envs; i++)
        env_clear(c, &w->envs[i]);
    arena_clear(&w->arena);
    free(w);
}
