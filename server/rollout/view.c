/*
 * Makes the planner's view of one target out of the controller's memory and the commands that are
 * waiting in the database. Decides nothing. Controller's thread only.
 */
#include "controller_inner.h"

/* What target t itself adds to the node's counts must not hold it back. */
static void make_node(const struct env *env, const struct target *t, int i, int own_disturbs,
                      struct view_node *out)
{
    const struct node *n = &env->nodes[i];
    const struct spot *spot = &t->spots[i];
    int own_lacks = t->live != 0 && spot->seen.observed_ms != 0 && spot->seen.n_ready == 0;
    *out = (struct view_node){
        .node_id = n->node_id,
        .name = n->name,
        .is_reachable = n->is_reachable && n->driver != NULL,
        .reachable_since_ms = n->since_ms,
        .is_busy = n->n_busy > 0 || n->driver == NULL,
        .is_disturbed = n->n_disturbing > own_disturbs,
        .is_repairing = spot->is_repairing,
        .is_lacking = n->n_lacking > own_lacks,
        .seen = spot->seen,
        .sample = spot->sample,
        .sampled_ms = spot->sampled_ms,
        .op = spot->op,
    };
}

static int wants_golden(const struct target *t)
{
    for (int i = 0; t->is_rolling && i < t->strategy.n_gates; i++) {
        if (t->strategy.gates[i].kind == GATE_GOLDEN)
            return true;
    }
    return false;
}

static int load_commands(struct db *db, const struct target *t, struct arena *a, struct view *out,
                         struct err *e)
{
    struct rollout_command *list = NULL;
    size_t n = 0;
    int rc = db_rollout_commands(db, t->record.id, t->lane.status.command_seq, a, &list, &n, e);
    if (rc == ERR_OK) {
        out->commands = list;
        out->n_commands = (int)n;
    }
    return rc;
}

/* What only the database knows. */
static int load_rest(struct controller *c, struct target *t, struct arena *a, struct view *out,
                     struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    bool lacks_golden = wants_golden(t) && t->golden.number != t->record.to;
    bool lacks_commands = t->command_seq < c->world->command_seq;
    if (!lacks_golden && !lacks_commands)
        return ERR_OK;
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK && lacks_golden)
        golden_set_load(c, r.db, t, t->record.to);
    if (rc == ERR_OK && lacks_commands)
        rc = load_commands(r.db, t, a, out, e);
    return rc;
}

int view_make(struct controller *c, struct env *env, struct target *t, struct arena *a,
              struct view *out, struct err *e)
{
    const struct rollout_status *s = &t->lane.status;
    struct view_node *nodes = arena_alloc(a, (size_t)env->n_nodes * sizeof nodes[0]);
    int at = 0;
    for (int i = 0; i < env->n_nodes; i++) {
        while (at < s->n_nodes && s->nodes[at].node_id < env->nodes[i].node_id)
            at++;
        bool is_in = at < s->n_nodes && s->nodes[at].node_id == env->nodes[i].node_id;
        bool disturbs =
            is_in ? move_disturbs(&s->nodes[at].move) : s->n_nodes == 0 && t->spots[i].is_repairing;
        make_node(env, t, i, disturbs, &nodes[i]);
    }
    *out = (struct view){
        .now_ms = c->now_ms,
        .rollout = t->is_rolling ? &t->record : NULL,
        .status = s,
        .policy = t->is_rolling ? &t->strategy : &t->policy,
        .live = t->live,
        .last_good = t->last_good,
        .last_to = t->last_to,
        .last_ended_ms = t->last_ended_ms,
        .nodes = nodes,
        .n_nodes = env->n_nodes,
        .n_env_repairs = env_repairs(env, t),
        .observe_every_ms = c->o.observe_every_ms,
        .sample_every_ms = c->o.sample_every_ms,
        .n_max_actions = MAX_FLIGHTS - c->n_flights,
    };
    if (!t->is_rolling)
        return ERR_OK;
    int rc = load_rest(c, t, a, out, e);
    out->n_golden = wants_golden(t) ? t->golden.n : 0;
    return rc;
}
