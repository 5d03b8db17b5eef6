/*
 * The controller's memory: loading it from the database, finding things in it, and carrying over
 * what only memory knows when the fleet changed. Everything here can be rebuilt from the database
 * at any time; only times of last looks get older by that. Controller's thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "log.h"

struct env *world_env(struct world *w, int64_t env_id)
{
    for (int i = 0; w != NULL && i < w->n_envs; i++) {
        if (w->envs[i].env_id == env_id)
            return &w->envs[i];
    }
    return NULL;
}

int world_node(const struct env *env, int64_t node_id)
{
    for (int i = 0; i < env->n_nodes; i++) {
        if (env->nodes[i].node_id == node_id)
            return i;
    }
    return -1;
}

struct target *world_target(struct env *env, int64_t target_id)
{
    for (int i = 0; i < env->n_targets; i++) {
        if (env->targets[i].target_id == target_id)
            return &env->targets[i];
    }
    return NULL;
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

void env_count(struct env *env)
{
    for (int i = 0; i < env->n_nodes; i++)
        env->nodes[i].n_disturbing = env->nodes[i].n_lacking = 0;
    for (int k = 0; k < env->n_targets; k++) {
        const struct target *t = &env->targets[k];
        const struct rollout_status *s = &t->lane.status;
        int at = 0;
        for (int i = 0; i < env->n_nodes; i++) {
            const struct observation *o = &t->spots[i].seen;
            env->nodes[i].n_disturbing += s->n_nodes == 0 && t->spots[i].is_repairing;
            env->nodes[i].n_lacking += t->live != 0 && o->observed_ms != 0 && o->n_ready == 0;
            while (at < s->n_nodes && s->nodes[at].node_id < env->nodes[i].node_id)
                at++;
            if (at < s->n_nodes && s->nodes[at].node_id == env->nodes[i].node_id)
                env->nodes[i].n_disturbing += move_disturbs(&s->nodes[at].move);
        }
    }
}

int env_repairs(const struct env *env, const struct target *but)
{
    int n = 0;
    for (int k = 0; k < env->n_targets; k++) {
        const struct target *t = &env->targets[k];
        for (int i = 0; t != but && !t->is_rolling && i < t->lane.status.n_nodes; i++)
            n += t->lane.status.nodes[i].move.phase != MOVE_NONE;
    }
    return n;
}

void world_free(struct world *w)
{
    if (w == NULL)
        return;
    for (int i = 0; i < w->n_envs; i++) {
        for (int k = 0; k < w->envs[i].n_targets; k++) {
            arena_clear(&w->envs[i].targets[k].lane.arena);
            golden_set_clear(&w->envs[i].targets[k].golden);
        }
    }
    arena_clear(&w->arena);
    free(w);
}

/* --- loading --- */

static int load_node(struct db *db, const struct watch_node *row, struct arena *a, struct node *n,
                     struct err *e)
{
    struct watch_health h;
    bool found = false;
    *n = (struct node){.node_id = row->node_id,
                       .name = row->name,
                       .root = row->root,
                       .urls = {row->admin_url, row->infer_url, row->metrics_url},
                       .driver = driver_find(row->driver),
                       .serves_changed = true};
    int rc = db_node_health(db, row->node_id, a, &h, &found, e);
    if (rc != ERR_OK || !found)
        return rc;
    n->is_reachable = h.is_reachable;
    n->since_ms = h.since_ms;
    n->observed_ms = h.observed_ms;
    n->written_ms = h.observed_ms;
    n->n_missed = h.is_reachable ? 0 : MISSED_LOOKS;
    snprintf(n->detail, sizeof n->detail, "%s", h.detail != NULL ? h.detail : "");
    return ERR_OK;
}

static int read_seen(const struct watch_view *row, struct spot *spot, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *ready = NULL;
    int rc = json_parse(row->observation, strlen(row->observation), 4, &j, e);
    if (rc == ERR_OK)
        rc = json_get_array(j, "", "ready", MOVE_MAX_READY, &ready, e);
    if (rc != ERR_OK)
        return rc;
    spot->seen.observed_ms = row->observed_ms;
    spot->seen.looked_ms = row->observed_ms;
    spot->written_ms = row->observed_ms;
    spot->seen.n_ready = (int)json_array_size(ready);
    for (int i = 0; i < spot->seen.n_ready; i++)
        spot->seen.ready[i] = json_integer_value(json_array_get(ready, (size_t)i));
    return ERR_OK;
}

static int load_spots(struct db *db, const struct env *env, struct target *t, struct arena *a,
                      struct err *e)
{
    struct watch_view *rows = NULL;
    size_t n = 0;
    int rc = db_node_views(db, t->target_id, a, &rows, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int at = world_node(env, rows[i].node_id);
        if (at >= 0)
            rc = read_seen(&rows[i], &t->spots[at], e);
    }
    for (int i = 0; rc == ERR_OK && i < env->n_nodes; i++)
        rc = db_sample_last(db, t->target_id, env->nodes[i].node_id, &t->spots[i].sample, e);
    return rc;
}

/* The last operation of the lane on each node: its attempt is in the status. */
static int load_ops(struct db *db, const struct env *env, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    for (int i = 0; i < t->lane.status.n_nodes; i++) {
        const struct rollout_node *n = &t->lane.status.nodes[i];
        int at = world_node(env, n->node_id);
        char key[JOB_KEY_BYTES];
        struct op_row row;
        bool found = false;
        if (at < 0 || n->move.attempt == 0)
            continue;
        op_key_make(key, t, n->node_id, n->move.attempt);
        int rc = db_op_get(db, key, &a, &row, &found, e);
        if (rc != ERR_OK)
            return rc;
        if (!found)
            continue;
        struct spot *spot = &t->spots[at];
        snprintf(spot->op_text, sizeof spot->op_text, "%s", row.detail != NULL ? row.detail : "");
        spot->op = (struct op_view){.state = row.state,
                                    .why = row.why,
                                    .action = row.action,
                                    .attempt = row.attempt,
                                    .ended_ms = row.ended_ms,
                                    .text = spot->op_text};
    }
    return ERR_OK;
}

static int load_policy(const struct watch_env *env, const struct watch_target *row,
                       struct policy *out, struct err *e)
{
    json_t *base CLEANUP(json_decref_ptr) = NULL;
    json_t *over CLEANUP(json_decref_ptr) = NULL;
    json_t *both CLEANUP(json_decref_ptr) = NULL;
    int rc = json_parse(env->policy, strlen(env->policy), 8, &base, e);
    if (rc == ERR_OK)
        rc = json_parse(row->policy, strlen(row->policy), 8, &over, e);
    if (rc == ERR_OK)
        rc = policy_merge(base, over, &both, e);
    return rc == ERR_OK ? policy_parse(both, "", out, e) : rc;
}

static int load_rollout(struct db *db, const char *id, struct arena *a, struct target *t,
                        struct err *e)
{
    int rc = db_rollout_get(db, id, a, &t->record, e);
    if (rc == ERR_OK)
        rc = policy_read(t->record.strategy, &t->strategy, e);
    if (rc != ERR_OK)
        return rc;
    if (strcmp(t->record.kind, "rollback") == 0)
        policy_for_rollback(&t->strategy);
    t->is_rolling = true;
    return ERR_OK;
}

/* One environment while it is loaded. */
struct loading {
    struct controller *c;
    struct db *db;
    struct arena *a;
    const struct watch_env *row;
    struct env *env;
};

static int load_lane(struct loading *l, const struct watch_target *row, struct target *t,
                     struct err *e)
{
    int rc = load_policy(l->row, row, &t->policy, e);
    if (rc == ERR_OK && row->rollout_id != NULL)
        rc = load_rollout(l->db, row->rollout_id, l->a, t, e);
    if (rc != ERR_OK)
        return rc;
    if (t->is_rolling)
        snprintf(t->lane.id, sizeof t->lane.id, "%s", t->record.id);
    else
        snprintf(t->lane.id, sizeof t->lane.id, "target-%" PRId64, t->target_id);
    return db_rollout_status(l->db, t->lane.id, l->c->now_ms, &t->lane.arena, &t->lane.status, e);
}

/* A rollout takes over the repairs that it finds. */
static int load_repairs(struct loading *l, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status s;
    char id[64];
    if (!t->is_rolling || t->lane.status.n_nodes > 0)
        return ERR_OK;
    snprintf(id, sizeof id, "target-%" PRId64, t->target_id);
    int rc = db_rollout_status(l->db, id, l->c->now_ms, &a, &s, e);
    for (int i = 0; rc == ERR_OK && i < s.n_nodes; i++) {
        int at = world_node(l->env, s.nodes[i].node_id);
        if (at >= 0 && s.updated_ms > t->last_ended_ms)
            t->spots[at].is_repairing = move_disturbs(&s.nodes[i].move);
    }
    return rc;
}

/* A target that cannot be read is left alone, loudly: the others go on. */
static int load_target(struct loading *l, const struct watch_target *row, struct target *t,
                       struct err *e)
{
    *t = (struct target){.target_id = row->target_id,
                         .model_id = row->model_id,
                         .model = row->model,
                         .serve_as = row->serve_as,
                         .live = row->live,
                         .last_good = row->last_good,
                         .last_to = row->last_to,
                         .last_ended_ms = row->last_ended_ms};
    t->spots = arena_alloc(l->a, (size_t)l->env->n_nodes * sizeof t->spots[0]);
    int rc = load_lane(l, row, t, e);
    if (rc == ERR_CORRUPT || rc == ERR_INVALID) {
        log_line(LOG_ERROR, "rollout", "target %s in %s cannot be read: %s", row->model,
                 l->row->name, e->message);
        rollout_status_init(&t->lane.status, l->c->now_ms);
        t->is_broken = true;
        return ERR_OK;
    }
    if (rc == ERR_OK)
        rc = load_spots(l->db, l->env, t, l->a, e);
    if (rc == ERR_OK)
        rc = load_ops(l->db, l->env, t, e);
    return rc == ERR_OK ? load_repairs(l, t, e) : rc;
}

static int load_env(struct loading *l, const struct watch_fleet *fleet, struct err *e)
{
    struct env *env = l->env;
    *env = (struct env){.env_id = l->row->env_id, .name = l->row->name};
    size_t n_nodes = 0;
    size_t n_targets = 0;
    for (size_t i = 0; i < fleet->n_nodes; i++)
        n_nodes += fleet->nodes[i].env_id == env->env_id;
    for (size_t i = 0; i < fleet->n_targets; i++)
        n_targets += fleet->targets[i].env_id == env->env_id;
    env->nodes = arena_alloc(l->a, n_nodes * sizeof env->nodes[0]);
    env->targets = arena_alloc(l->a, n_targets * sizeof env->targets[0]);
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < fleet->n_nodes; i++) {
        if (fleet->nodes[i].env_id == env->env_id)
            rc = load_node(l->db, &fleet->nodes[i], l->a, &env->nodes[env->n_nodes++], e);
    }
    for (size_t i = 0; rc == ERR_OK && i < fleet->n_targets; i++) {
        if (fleet->targets[i].env_id == env->env_id)
            rc = load_target(l, &fleet->targets[i], &env->targets[env->n_targets++], e);
    }
    return rc;
}

/* --- carrying over --- */

static void carry_node(struct node *to, const struct node *from)
{
    to->is_reachable = from->is_reachable;
    to->is_unwritten = from->is_unwritten;
    to->since_ms = from->since_ms;
    to->observed_ms = from->observed_ms;
    to->written_ms = from->written_ms;
    to->looked_ms = from->looked_ms;
    to->n_missed = from->n_missed;
    memcpy(to->detail, from->detail, sizeof to->detail);
}

static void carry_spot(struct spot *to, const struct spot *from)
{
    to->seen = from->seen;
    to->written_ms = from->written_ms;
    to->is_unwritten = from->is_unwritten;
    to->sample = from->sample;
    to->sampled_ms = from->sampled_ms;
}

static void carry_target(struct env *env, struct target *to, const struct env *old_env,
                         const struct target *from)
{
    for (int i = 0; i < env->n_nodes; i++) {
        int at = world_node(old_env, env->nodes[i].node_id);
        if (at >= 0)
            carry_spot(&to->spots[i], &from->spots[at]);
    }
}

static void carry_over(struct world *w, struct world *old)
{
    for (int i = 0; i < w->n_envs; i++) {
        struct env *env = &w->envs[i];
        struct env *before = world_env(old, env->env_id);
        for (int k = 0; before != NULL && k < env->n_nodes; k++) {
            int at = world_node(before, env->nodes[k].node_id);
            if (at >= 0)
                carry_node(&env->nodes[k], &before->nodes[at]);
        }
        for (int k = 0; before != NULL && k < env->n_targets; k++) {
            struct target *t = world_target(before, env->targets[k].target_id);
            if (t != NULL)
                carry_target(env, &env->targets[k], before, t);
        }
    }
    w->command_seq = old->command_seq;
}

static void count_flights(struct controller *c, struct world *w)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        const struct flight *f = &c->flights[i];
        struct env *env = f->key[0] != '\0' ? world_env(w, f->env_id) : NULL;
        int at = env != NULL ? world_node(env, f->node_id) : -1;
        if (at >= 0)
            env->nodes[at].n_busy++;
    }
}

static int load_all(struct controller *c, struct db *db, struct world *w, struct err *e)
{
    struct watch_fleet fleet;
    bool has_changed = false;
    int rc = db_watch_changed(db, 0, &has_changed, &w->journal_seq, e);
    if (rc == ERR_OK)
        rc = db_watch_fleet(db, &w->arena, &fleet, e);
    if (rc != ERR_OK)
        return rc;
    w->envs = arena_alloc(&w->arena, fleet.n_envs * sizeof w->envs[0]);
    for (size_t i = 0; rc == ERR_OK && i < fleet.n_envs; i++) {
        struct loading l = {
            .c = c, .db = db, .a = &w->arena, .row = &fleet.envs[i], .env = &w->envs[w->n_envs++]};
        rc = load_env(&l, &fleet, e);
    }
    return rc;
}

int world_load(struct controller *c, struct db *db, struct world *old, struct world **out,
               struct err *e)
{
    struct world *w = mem_alloc(sizeof *w);
    arena_init(&w->arena);
    int rc = load_all(c, db, w, e);
    if (rc != ERR_OK) {
        world_free(w);
        return rc;
    }
    if (old != NULL)
        carry_over(w, old);
    count_flights(c, w);
    *out = w;
    return ERR_OK;
}
