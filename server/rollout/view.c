/*
 * Makes the planner's view of one target out of the controller's memory and the commands that are
 * waiting in the database. Decides nothing. Controller's thread only.
 */
#include <string.h>

#include "view_limits.h"
#include "routes.h"
#include "judging.h"

/* When the version that node has was loaded by the present lane; 0: not by it. */
static int64_t loaded_ms(const struct target *t, int64_t node_id)
{
    const struct rollout_status *s = &t->lane.status;
    int lo = 0;
    int hi = s->n_nodes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (s->nodes[mid].node_id < node_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    bool is_in = lo < s->n_nodes && s->nodes[lo].node_id == node_id;
    return is_in ? s->nodes[lo].move.loaded_ms : 0;
}

/* What target t itself adds to the node's counts must not hold it back. */
static void make_node(const struct env *env, const struct target *t, int i, struct view_node *out)
{
    const struct node *n = &env->nodes[i];
    const struct spot *spot = &t->spots[i];
    bool is_foreign = n->driver == NULL || n->owner_epoch != 0;
    *out = (struct view_node){
        .node_id = n->node_id,
        .name = n->name,
        .is_reachable = n->is_reachable && !is_foreign,
        .reachable_since_ms = n->since_ms,
        .owner_epoch = n->owner_epoch,
        .is_foreign = is_foreign,
        .is_busy = n->n_busy > 0 || is_foreign,
        .is_disturbed = n->n_disturbing > (int)spot->disturbs,
        .was_midway = spot->was_midway,
        .left = spot->left,
        .family = n->driver != NULL ? n->driver->name : NULL,
        .labels = n->labels,
        .is_lacking = n->n_lacking > (int)spot->lacks,
        .is_cordoned = n->is_cordoned,
        .wants_none = n->wants_none,
        .has_drifted = files_have_drifted(spot),
        .shown = spot->shown,
        .restarted_ms = n->process.restarted_ms,
        .has_restarted = nodes_has_restarted(n, t, loaded_ms(t, n->node_id)),
        .seen = spot->seen,
        .sample = spot->sample,
        .sampled_ms = spot->sampled_ms,
        .op = spot->op,
    };
}

/* The value of a node's label, in a; NULL without. */
static const char *label(const struct node *n, const char *name, struct arena *a)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    if (n->labels == NULL || name[0] == '\0' ||
        json_parse(n->labels, strlen(n->labels), 4, &j, NULL) != ERR_OK)
        return NULL;
    return arena_strdup(a, json_string_value(json_object_get(j, name)));
}

/* Order and waves are found when the rollout begins; later they stand in its status. */
static void add_labels(const struct env *env, const struct target *t, struct arena *a,
                       struct view_node *nodes)
{
    const struct policy *p = t->strategy;
    bool is_begun = !t->is_rolling || t->lane.status.n_steps > 0;
    for (int i = 0; i < env->n_nodes && !is_begun; i++) {
        nodes[i].order_key = label(&env->nodes[i], p->order_by, a);
        nodes[i].wave = label(&env->nodes[i], p->wave_by, a);
    }
}

static int wants_golden(const struct target *t)
{
    for (int i = 0; t->is_rolling && i < t->strategy->n_gates; i++) {
        if (t->strategy->gates[i].kind == GATE_GOLDEN)
            return true;
    }
    return false;
}

static int load_commands(struct db *db, struct target *t, struct arena *a, struct view *out,
                         struct err *e)
{
    struct rollout_command *list = NULL;
    size_t n = 0;
    int rc = db_rollout_commands(db, t->record.id, t->lane.status.command_seq, a, &list, &n, e);
    if (rc == ERR_OK) {
        out->commands = list;
        out->n_commands = (int)n;
        t->has_commands = n > 0; /* asked again until there are none: these may not be recorded */
    }
    return rc;
}

/* What only the database knows. */
static int load_rest(struct controller *c, struct target *t, struct arena *a, struct view *out,
                     struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    bool lacks_golden = wants_golden(t) && t->golden.number != t->record.to;
    if (!lacks_golden && !t->has_commands)
        return ERR_OK;
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK && lacks_golden)
        golden_set_load(c, r.db, t, t->record.to);
    if (rc == ERR_OK && t->has_commands)
        rc = load_commands(r.db, t, a, out, e);
    return rc;
}

/* What all drivers of the environment do. */
static unsigned common_flags(const struct env *env)
{
    unsigned flags = env->n_nodes > 0 ? ~0U : 0;
    for (int i = 0; i < env->n_nodes; i++)
        flags &= env->nodes[i].driver != NULL ? env->nodes[i].driver->flags : 0;
    return flags;
}

int view_make(struct controller *c, struct env *env, struct target *t, struct arena *a,
              struct view *out, struct err *e)
{
    const struct rollout_status *s = &t->lane.status;
    struct view_node *nodes = arena_alloc(a, (size_t)env->n_nodes * sizeof nodes[0]);
    for (int i = 0; i < env->n_nodes; i++)
        make_node(env, t, i, &nodes[i]);
    add_labels(env, t, a, nodes);
    *out = (struct view){
        .now_ms = c->now_ms,
        .rollout = t->is_rolling ? &t->record : NULL,
        .status = s,
        .policy = t->is_rolling ? t->strategy : t->policy,
        .live = t->live,
        .last_good = t->last_good,
        .last_to = t->last_to,
        .last_ended_ms = t->last_ended_ms,
        .is_halted = t->is_halted,
        .last_repair_ms = env->last_repair_ms,
        .nodes = nodes,
        .n_nodes = env->n_nodes,
        .driver_flags = common_flags(env),
        .n_env_repairs = env->n_repairs - t->n_repairs,
        .observe_every_ms = c->o.observe_every_ms,
        .sample_every_ms = c->o.sample_every_ms,
        .n_max_actions = MAX_FLIGHTS - c->n_flights,
    };
    int rc = routes_view(c, env, t, nodes, out, e);
    if (rc != ERR_OK || !t->is_rolling)
        return rc;
    out->verdicts = judging_results(t, a);
    if ((rc = limits_view(c, env, t, a, out, e)) != ERR_OK)
        return rc;
    rc = load_rest(c, t, a, out, e);
    out->n_golden = wants_golden(t) ? t->golden.n : 0;
    return rc;
}
