/*
 * Loads one target from the database: its policy, its rollout or repairs with their status, the
 * last operations and samples. What was seen of it comes from memory or from world_load.c.
 * Controller's thread only.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"
#include "db_queue.h"
#include "log.h"

/* The target's policy, shared by all targets of the environment that say the same. */
static int find_policy(struct env *env, const char *over, const struct policy **out, struct err *e)
{
    json_t *base CLEANUP(json_decref_ptr) = NULL;
    json_t *own CLEANUP(json_decref_ptr) = NULL;
    json_t *both CLEANUP(json_decref_ptr) = NULL;
    for (const struct shared_policy *p = env->policies; p != NULL; p = p->next) {
        if (strcmp(p->over, over) == 0) {
            *out = &p->policy;
            return ERR_OK;
        }
    }
    struct shared_policy *shared = arena_alloc(&env->arena, sizeof *shared);
    int rc = json_parse(env->policy_text, strlen(env->policy_text), 8, &base, e);
    if (rc == ERR_OK)
        rc = json_parse(over, strlen(over), 8, &own, e);
    if (rc == ERR_OK)
        rc = policy_merge(base, own, &both, e);
    if (rc == ERR_OK)
        rc = policy_parse(both, "", &shared->policy, e);
    if (rc != ERR_OK)
        return rc;
    shared->next = env->policies;
    shared->over = arena_strdup(&env->arena, over);
    env->policies = shared;
    *out = &shared->policy;
    return ERR_OK;
}

static int fill_rollout(struct db *db, const char *id, struct target *t, struct err *e)
{
    struct policy *strategy = arena_alloc(&t->arena, sizeof *strategy);
    int rc = db_rollout_get(db, id, &t->arena, &t->record, e);
    if (rc == ERR_OK)
        rc = policy_read(t->record.strategy, strategy, e);
    if (rc != ERR_OK)
        return rc;
    if (strcmp(t->record.kind, "rollback") == 0)
        policy_for_rollback(strategy);
    t->strategy = strategy;
    t->is_rolling = t->has_commands = true;
    return ERR_OK;
}

static int fill_lane(struct controller *c, struct db *db, const struct watch_target *row,
                     struct target *t, struct err *e)
{
    int rc = find_policy(t->env, row->policy, &t->policy, e);
    if (rc == ERR_OK && row->rollout_id != NULL)
        rc = fill_rollout(db, row->rollout_id, t, e);
    if (rc != ERR_OK)
        return rc;
    if (t->is_rolling)
        snprintf(t->lane.id, sizeof t->lane.id, "%s", t->record.id);
    else
        snprintf(t->lane.id, sizeof t->lane.id, "target-%" PRId64, t->target_id);
    return db_rollout_status(db, t->lane.id, c->now_ms, &t->lane.arena, &t->lane.status, e);
}

/* The last operation of the lane on each node: its attempt is in the status. */
static int fill_ops(struct db *db, const struct env *env, struct target *t, struct err *e)
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
        spot->op_text = mem_strdup(row.detail);
        spot->op = (struct op_view){.state = row.state,
                                    .why = row.why,
                                    .action = row.action,
                                    .attempt = row.attempt,
                                    .ended_ms = row.ended_ms,
                                    .text = spot->op_text};
    }
    return ERR_OK;
}

/* What its folders show, whichever lane switched them last. */
static int fill_shown(struct db *db, const struct env *env, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct op_row *list = NULL;
    size_t n = 0;
    int rc = db_ops_switches(db, t->target_id, &a, &list, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int at = world_node(env, list[i].node_id);
        if (at >= 0)
            shown_take(&t->spots[at].shown, list[i].number, list[i].state, list[i].why);
    }
    return rc;
}

bool target_is_new(const struct target *t)
{
    const struct rollout_status *s = &t->lane.status;
    return t->is_rolling ? s->n_nodes == 0 : rollout_status_is_older(s, t->last_ended_ms);
}

static bool ended_as(const struct ended_row *r, enum rollout_phase phase)
{
    return strcmp(r->phase, rollout_phase_name(phase)) == 0;
}

static bool came_to_its_end(const struct ended_row *r)
{
    return ended_as(r, ROLLOUT_SUCCEEDED) || ended_as(r, ROLLOUT_ROLLED_BACK);
}

/* One that cannot be read has left nothing that anybody could take over; *is_known is false. */
static int read_status(struct controller *c, struct db *db, const char *id, struct arena *a,
                       struct rollout_status *out, bool *is_known, struct err *e)
{
    int rc = db_rollout_status(db, id, c->now_ms, a, out, e);
    *is_known = rc == ERR_OK;
    if (rc != ERR_CORRUPT && rc != ERR_INVALID)
        return rc;
    log_line(LOG_ERROR, "rollout", "what %s left cannot be read: %s", id, e->message);
    rollout_status_init(out, c->now_ms);
    return ERR_OK;
}

/* Nodes that a lane was in the middle of; one that only waits for its router serves. Those that a
 * rollout had chosen itself go on only in the rollout that replaced it: there may be more of them
 * than repairs may disturb. */
static void take_middle(const struct env *env, struct target *t, const struct rollout_status *s)
{
    bool goes_on = t->is_rolling && s->phase == ROLLOUT_SUPERSEDED;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct rollout_node *n = &s->nodes[i];
        int at = world_node(env, n->node_id);
        bool is_repair = n->step == 0 && !n->is_returning;
        bool is_middle = move_wants_out(&n->move) && !n->move.is_leaving;
        if (at >= 0 && is_middle && (is_repair || goes_on))
            t->spots[at].was_midway = true;
    }
}

/* What was begun is taken over by whoever is next: from the last lane that had nodes. */
static int fill_middle(struct controller *c, struct db *db, const struct env *env, struct target *t,
                       struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status *s = arena_alloc(&a, sizeof *s);
    struct rollout_status *repairs = arena_alloc(&a, sizeof *repairs);
    struct ended_row *list = NULL;
    char id[64];
    size_t n = 0;
    bool is_known = true;
    int rc = ERR_OK;
    if (!target_is_new(t) || (!t->is_rolling && t->last_ended_ms == 0))
        return ERR_OK;
    snprintf(id, sizeof id, "target-%" PRId64, t->target_id);
    *repairs = t->lane.status;
    if (t->is_rolling)
        rc = read_status(c, db, id, &a, repairs, &is_known, e);
    int64_t since_ms = repairs->revision > 0 ? repairs->updated_ms : 0;
    if (rc == ERR_OK && is_known)
        rc = db_ended_list(db, t->target_id, since_ms, &a, &list, &n, e);
    for (size_t i = 0; rc == ERR_OK && is_known && i < n && s->n_nodes == 0; i++) {
        if (came_to_its_end(&list[i]))
            return ERR_OK;
        rc = read_status(c, db, list[i].id, &a, s, &is_known, e);
    }
    if (rc == ERR_OK && is_known)
        take_middle(env, t, s->n_nodes > 0 ? s : repairs);
    return rc;
}

/* What one that gave way left on the nodes. */
static void take_left(const struct env *env, struct target *t, int64_t to,
                      const struct rollout_status *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        const struct rollout_node *n = &s->nodes[i];
        int at = world_node(env, n->node_id);
        if (at < 0)
            continue;
        if (n->is_touched)
            t->spots[at].left = n->step > 0 ? to : n->base;
        t->takes_over = t->takes_over || n->is_touched;
    }
}

/* A rollout takes over from the one in whose place it came: the newest that gave way, and had
 * begun, since another one ended otherwise. */
static int fill_left(struct controller *c, struct db *db, const struct env *env, struct target *t,
                     struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status *s = arena_alloc(&a, sizeof *s);
    struct ended_row *list = NULL;
    struct rollout_record r;
    bool is_known = true;
    size_t n = 0;
    if (!t->is_rolling || t->lane.status.n_nodes > 0)
        return ERR_OK;
    int rc = db_ended_list(db, t->target_id, 0, &a, &list, &n, e);
    for (size_t i = 0; rc == ERR_OK && is_known && i < n && s->n_nodes == 0; i++) {
        if (came_to_its_end(&list[i]) || ended_as(&list[i], ROLLOUT_HALTED))
            return ERR_OK;
        if (!ended_as(&list[i], ROLLOUT_SUPERSEDED))
            continue;
        rc = db_rollout_get(db, list[i].id, &a, &r, e);
        if (rc == ERR_OK)
            rc = read_status(c, db, list[i].id, &a, s, &is_known, e);
    }
    if (rc == ERR_OK && s->n_nodes > 0)
        take_left(env, t, r.to, s);
    return rc;
}

/* Counters matter to a rollout only. */
static int fill_samples(struct db *db, const struct env *env, struct target *t, struct err *e)
{
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && t->is_rolling && i < env->n_nodes; i++)
        rc = db_sample_last(db, t->target_id, env->nodes[i].node_id, &t->spots[i].sample, e);
    return rc;
}

int target_fill(struct controller *c, struct db *db, struct env *env,
                const struct watch_target *row, struct target *t, struct err *e)
{
    *t = (struct target){.plan.order = row->target_id,
                         .env = env,
                         .target_id = row->target_id,
                         .model_id = row->model_id,
                         .model = row->model,
                         .serve_as = row->serve_as,
                         .live = row->live,
                         .last_good = row->last_good,
                         .last_to = row->last_to,
                         .last_ended_ms = row->last_ended_ms,
                         .is_halted = row->is_halted};
    t->spots = mem_alloc((size_t)env->n_nodes * sizeof t->spots[0]);
    int rc = fill_lane(c, db, row, t, e);
    if (rc == ERR_CORRUPT || rc == ERR_INVALID) {
        log_line(LOG_ERROR, "rollout", "target %s in %s cannot be read: %s", row->model, env->name,
                 e->message);
        rollout_status_init(&t->lane.status, c->now_ms);
        t->is_broken = true;
        t->is_rolling = false;
        return ERR_OK;
    }
    if (rc == ERR_OK)
        rc = fill_ops(db, env, t, e);
    if (rc == ERR_OK)
        rc = fill_shown(db, env, t, e);
    if (rc == ERR_OK)
        rc = fill_middle(c, db, env, t, e);
    if (rc == ERR_OK)
        rc = fill_left(c, db, env, t, e);
    return rc == ERR_OK ? fill_samples(db, env, t, e) : rc;
}
