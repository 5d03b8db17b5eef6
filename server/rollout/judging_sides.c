/*
 * Which nodes of a rollout are compared with which: those that have the new version with those that
 * were not chosen yet. Must not know what they count. Controller's thread.
 */
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"

/* Where the node is among those of the judging, or would be. */
static int place_of(const struct judging *j, int64_t node_id)
{
    int low = 0, high = j->n_nodes;
    while (low < high) {
        int mid = low + (high - low) / 2;
        if (j->nodes[mid].node_id < node_id)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct judged_node *judging_node(const struct judging *j, int64_t node_id)
{
    int at = place_of(j, node_id);
    return at < j->n_nodes && j->nodes[at].node_id == node_id ? &j->nodes[at] : NULL;
}

static struct judged_node *add_node(struct judging *j, int64_t node_id)
{
    int at = place_of(j, node_id);
    j->nodes = mem_resize(j->nodes, (size_t)j->n_nodes + 1, sizeof j->nodes[0]);
    memmove(&j->nodes[at + 1], &j->nodes[at], (size_t)(j->n_nodes - at) * sizeof j->nodes[0]);
    j->n_nodes++;
    j->nodes[at] = (struct judged_node){.node_id = node_id};
    j->nodes[at].feeds = mem_alloc(((size_t)j->n_feeds + 1) * sizeof(struct feed));
    return &j->nodes[at];
}

bool judging_is_baseline(const struct target *t, int64_t node_id)
{
    for (int i = 0; i < t->lane.status.n_nodes; i++) {
        if (t->lane.status.nodes[i].node_id == node_id)
            return t->lane.status.nodes[i].step == 0;
    }
    return true;
}

bool judging_is_compared(const struct rollout_status *s, int64_t node_id)
{
    return s->control != CONTROL_WARM || s->control_id == node_id;
}

void judging_begin_feed(struct judged_node *n, int feed, int64_t now_ms)
{
    feed_begin(&n->feeds[feed], now_ms);
    int n_kept = 0;
    for (int i = 0; i < n->n_links; i++) {
        if (n->links[i].feed != feed)
            n->links[n_kept++] = n->links[i];
    }
    n->n_links = n_kept;
}

static void begin_feeds(struct judging *j, struct judged_node *n, int64_t now_ms)
{
    for (int k = 0; k < j->n_feeds; k++)
        judging_begin_feed(n, k, now_ms);
}

/* --- sides --- */

/* Until the control is warm nobody is compared: then both sides begin at the same moment. */
static bool awaits_control(const struct target *t)
{
    const struct rollout_status *s = &t->lane.status;
    return t->strategy->reloads_control && t->record.from != 0 && t->record.from != t->record.to &&
           s->control == CONTROL_NONE && s->step == 1 && s->steps[0].phase <= STEP_APPLY;
}

/* The side that the plan puts a node on. One with the new version stays there while it is put right
 * again; a node that is chosen leaves the old one's. */
static enum arm planned_arm(const struct target *t, const struct rollout_node *n, enum arm before)
{
    const struct rollout_status *s = &t->lane.status;
    if (s->control == CONTROL_RELOADING || awaits_control(t))
        return ARM_NONE;
    if (n->has_failed || n->is_returning || n->is_left_out)
        return ARM_NONE;
    if (n->is_done || (n->step > 0 && before == ARM_CANARY))
        return ARM_CANARY;
    bool is_base = n->step == 0 && n->base == 0 && t->record.from != 0;
    return is_base && judging_is_compared(s, n->node_id) ? ARM_BASE : ARM_NONE;
}

static bool is_quiet(const struct rollout_node *n)
{
    return n->move.phase == MOVE_NONE || n->move.phase == MOVE_CLEAN;
}

/* It quietly serves what its side serves. */
static bool does_serve(const struct env *env, const struct target *t, const struct rollout_node *n,
                       enum arm arm)
{
    int at = world_node(env, n->node_id);
    int64_t version = arm == ARM_CANARY ? t->record.to : t->record.from;
    return at >= 0 && is_quiet(n) && env->nodes[at].is_reachable &&
           observation_has(&t->spots[at].seen, version);
}

/* A side begins when the node is seen to serve; until it leaves that, it may be away. */
static void put_on_side(struct controller *c, struct target *t, const struct rollout_node *rn,
                        struct judged_node *n)
{
    enum arm arm = planned_arm(t, rn, n->arm);
    bool serves = arm != ARM_NONE && does_serve(t->env, t, rn, arm);
    if (arm != n->arm && !serves)
        arm = ARM_NONE;
    if (arm != n->arm) {
        n->arm = arm;
        n->since_ms = c->now_ms;
        begin_feeds(t->judging, n, c->now_ms);
    }
    bool is_away = arm != ARM_NONE && !serves;
    n->is_moving = is_away && !is_quiet(rn);
    if (!is_away)
        n->away_ms = 0;
    else if (n->away_ms == 0)
        n->away_ms = c->now_ms;
}

/* --- anew --- */

static void restart_gate(struct controller *c, struct judging *j, int gate)
{
    static const struct seq_interval nothing = {0};
    struct judged_gate *g = &j->gates[gate];
    if (g->feed >= 0 && g->state.has_failed) {
        struct seq_prior prior = g->state.prior;
        seq_init(&g->state, &prior);
        judging_keep(j, gate, c->now_ms, &nothing, INTERVAL_RESTART);
    } else if (g->window.has_failed) {
        struct analysis_value v = {
            .gate = gate, .ts_ms = c->now_ms, .is_restart = true, .n_merged = 1};
        window_begin(&g->window, c->now_ms);
        judging_keep_value(j, &v);
    }
}

/* Somebody looked into a failure and lets the rollout go on: what failed is judged anew. */
static void begin_again(struct controller *c, struct target *t)
{
    struct judging *j = t->judging;
    for (int i = 0; i < j->n_gates; i++)
        restart_gate(c, j, i);
    for (int i = 0; i < j->n_nodes; i++) {
        if (j->nodes[i].arm == ARM_CANARY)
            begin_feeds(j, &j->nodes[i], c->now_ms);
    }
    judging_changed(c, t);
}

bool judging_take_sides(struct controller *c, struct target *t)
{
    struct judging *j = t->judging;
    const struct rollout_status *s = &t->lane.status;
    bool has_canary = false;
    bool is_anew = s->anew_ms > j->anew_ms && j->begun_ms != 0;
    j->n_sides = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        struct judged_node *n = judging_node(j, s->nodes[i].node_id);
        if (n == NULL)
            n = add_node(j, s->nodes[i].node_id);
        put_on_side(c, t, &s->nodes[i], n);
        has_canary = has_canary || n->arm == ARM_CANARY;
        j->n_sides += n->arm != ARM_NONE;
    }
    j->anew_ms = s->anew_ms;
    if (is_anew)
        begin_again(c, t);
    return has_canary;
}
