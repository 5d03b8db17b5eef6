/*
 * When two states of the small world are the same. graph_level takes away what has no influence any
 * more: words, counters that are only shown, times that nothing will be compared with again. What
 * is left of time is relative: whole seconds from now, and below that only the order of what
 * happened. The search goes on from the levelled state, so nothing that it lost is explored.
 *
 * Where it is coarser than the planner: what is waited for (deadlines, back-offs, the longest bake)
 * ends on the next full second, a back-off lasts 5 s at most, and a pause in a bake that lasted 10
 * s is as one that lasts longer.
 */
#include "sim_graph.h"

#include <stdlib.h>
#include <string.h>

#define SECOND_MS 1000
#define OLD_MS 22000 /* more than whatever is waited for; older times keep only their order */
#define MAX_TIMES 80
#define MAX_FAILURES 2
#define RELOAD_AFTER_MS 20000
#define MAX_PAUSE_MS 10000

/* --- which times there are --- */

struct times {
    int64_t *at[MAX_TIMES];
    int n;
};

static void add_time(struct times *t, int64_t *ms)
{
    if (*ms <= GRAPH_LONG_AGO_MS || *ms == MOVE_NO_DEADLINE || *ms == INT64_MAX)
        return;
    if (t->n == MAX_TIMES)
        abort();
    t->at[t->n++] = ms;
}

static void find_times(struct graph_state *s, struct times *t)
{
    struct rollout_status *st = &s->status;
    int64_t *const heads[] = {&s->now_ms,           &s->wake_ms,        &st->step_deadline_ms,
                              &st->bake_since_ms,   &st->bake_until_ms, &st->exposed_ms,
                              &st->paused_since_ms, &st->queued_ms,     &st->control_ms,
                              &st->control_until_ms};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++)
        add_time(t, heads[i]);
    for (int i = 0; i < st->n_nodes; i++) {
        struct rollout_node *n = &s->nodes[i];
        int64_t *const times[] = {&n->ready_since_ms,  &n->odd_since_ms,   &n->evidence.since_ms,
                                  &n->move.since_ms,   &n->move.loaded_ms, &n->move.not_before_ms,
                                  &n->move.deadline_ms};
        for (size_t k = 0; k < ARRAY_LEN(times); k++)
            add_time(t, times[k]);
    }
    for (int i = 0; i < GRAPH_MAX_NODES; i++) {
        struct graph_node *n = &s->world[i];
        int64_t *const times[] = {&n->reachable_since_ms, &n->seen.observed_ms, &n->seen.looked_ms,
                                  &n->op.ended_ms};
        for (size_t k = 0; k < ARRAY_LEN(times); k++)
            add_time(t, times[k]);
    }
}

/* --- times as seconds from now and an order --- */

static int64_t second_of(int64_t ms)
{
    return ms - ms % SECOND_MS;
}

/* What lies ahead comes with the next full second. */
static void put_off(const struct graph_state *s, int64_t *ms)
{
    if (*ms > s->now_ms && *ms != MOVE_NO_DEADLINE && *ms != INT64_MAX)
        *ms = second_of(*ms + SECOND_MS - 1);
}

static int compare(const void *x, const void *y)
{
    int64_t a = *(const int64_t *)x;
    int64_t b = *(const int64_t *)y;
    return a < b ? -1 : a > b;
}

static int sort_unique(int64_t *list, int n)
{
    int kept = 0;
    qsort(list, (size_t)n, sizeof list[0], compare);
    for (int i = 0; i < n; i++) {
        if (kept == 0 || list[kept - 1] != list[i])
            list[kept++] = list[i];
    }
    return kept;
}

static int rank_of(const int64_t *list, int n, int64_t value)
{
    int rank = 0;
    while (rank < n && list[rank] < value)
        rank++;
    return rank;
}

/* All parts below a second are numbered in their order, 0 stays; old times are numbered. */
static void compress(struct graph_state *s)
{
    struct times t = {.n = 0};
    int64_t parts[MAX_TIMES + 1] = {0};
    int64_t old[MAX_TIMES];
    int n_parts = 1;
    int n_old = 0;
    int64_t second_ms = second_of(s->now_ms);
    find_times(s, &t);
    for (int i = 0; i < t.n; i++) {
        if (*t.at[i] < second_ms - OLD_MS)
            old[n_old++] = *t.at[i];
        else
            parts[n_parts++] = *t.at[i] % SECOND_MS;
    }
    n_parts = sort_unique(parts, n_parts);
    n_old = sort_unique(old, n_old);
    for (int i = 0; i < t.n; i++) {
        int64_t ms = *t.at[i];
        if (ms < second_ms - OLD_MS)
            *t.at[i] = GRAPH_NOW_MS - OLD_MS - SECOND_MS + rank_of(old, n_old, ms);
        else
            *t.at[i] =
                GRAPH_NOW_MS + second_of(ms) - second_ms + rank_of(parts, n_parts, ms % SECOND_MS);
    }
}

/* --- what has no influence --- */

static void level_move(const struct graph_state *s, const struct rollout_node *n, struct move *m,
                       const struct graph_node *w, const struct graph *g)
{
    int64_t now = s->now_ms;
    int64_t share_ms = n->is_returning ? 0 : g->policy.node_deadline_ms / 4;
    int64_t patience_ms = share_ms > 0 && share_ms < RELOAD_AFTER_MS ? share_ms : RELOAD_AFTER_MS;
    bool looks = m->phase == MOVE_OBSERVE || m->phase == MOVE_GOLDEN;
    if (m->phase == MOVE_NONE)
        *m = (struct move){.attempt = m->attempt, .loaded_ms = m->loaded_ms};
    m->attempt = m->attempt != 0;
    m->n_failures = m->n_failures > MAX_FAILURES ? MAX_FAILURES : m->n_failures;
    m->n_rounds = m->n_rounds > MAX_FAILURES ? MAX_FAILURES : m->n_rounds;
    memset(m->text, 0, sizeof m->text);
    if (m->not_before_ms <= now)
        m->not_before_ms = 0;
    put_off(s, &m->not_before_ms);
    put_off(s, &m->deadline_ms);
    if (m->deadline_ms != 0 && m->deadline_ms <= now)
        m->deadline_ms = GRAPH_ANCIENT_MS;
    if (m->phase != MOVE_OBSERVE || w->seen.looked_ms > m->since_ms)
        m->since_ms = GRAPH_ANCIENT_MS;
    bool is_seen = w->seen.observed_ms > m->loaded_ms;
    if (!looks && is_seen)
        m->loaded_ms = 0;
    else if (is_seen && now >= m->loaded_ms + patience_ms)
        m->loaded_ms = GRAPH_ANCIENT_MS;
}

/* Every node of a step is asked whether it was seen ready for long enough. */
static bool is_settled(const struct graph *g, const struct graph_state *s, int64_t since_ms)
{
    for (int i = 0; i < s->status.n_nodes; i++) {
        const struct rollout_node *n = &s->nodes[i];
        int64_t seen_ms = s->world[n->node_id - 1].seen.observed_ms;
        if (n->step > 0 && !n->is_left_out && seen_ms < since_ms + g->policy.min_healthy_ms)
            return false;
    }
    return true;
}

static void level_node(const struct graph *g, const struct graph_state *s, struct rollout_node *n)
{
    const struct graph_node *w = &s->world[n->node_id - 1];
    bool goes_on = s->status.phase == ROLLOUT_RUNNING || s->status.phase == ROLLOUT_PAUSED;
    bool was_seen = w->seen.observed_ms > n->evidence.since_ms;
    int64_t since_ms = was_seen ? GRAPH_ANCIENT_MS : n->evidence.since_ms;
    n->evidence = (struct evidence){.since_ms = n->is_done && goes_on ? since_ms : 0};
    n->version = n->began_ms = n->moved_ms = n->restarted_ms = 0;
    n->is_fault_ours = false;
    if (!goes_on)
        n->ready_since_ms = 0;
    else if (n->ready_since_ms != 0 && is_settled(g, s, n->ready_since_ms))
        n->ready_since_ms = GRAPH_ANCIENT_MS;
    if (n->odd_since_ms != 0 && w->seen.observed_ms > n->odd_since_ms)
        n->odd_since_ms = GRAPH_ANCIENT_MS;
    level_move(s, n, &n->move, w, g);
}

static const struct rollout_node *status_node(const struct graph_state *s, int i)
{
    for (int k = 0; k < s->status.n_nodes; k++) {
        if (s->nodes[k].node_id == i + 1)
            return &s->nodes[k];
    }
    return NULL;
}

static void level_world(const struct graph *g, struct graph_state *s, int i)
{
    struct graph_node *w = &s->world[i];
    const struct rollout_node *n = status_node(s, i);
    int64_t gone_ms = g->policy.node_deadline_ms > g->policy.lost_after_ms
                          ? g->policy.node_deadline_ms
                          : g->policy.lost_after_ms;
    bool is_waited_for =
        w->op.state != OP_OPEN && n != NULL && n->move.phase != MOVE_NONE && n->move.is_issued;
    if (w->op.state != OP_OPEN && !is_waited_for)
        w->op =
            (struct op_view){.state = w->op.attempt != 0 ? OP_DONE : OP_NONE,
                             .attempt = w->op.attempt,
                             .ended_ms = w->seen.observed_ms > w->op.ended_ms ? 0 : w->op.ended_ms};
    w->op.attempt = w->op.attempt != 0;
    w->op.text = NULL;
    if (w->op.state == OP_OPEN)
        w->op.ended_ms = 0;
    else
        w->op_number = w->op_keep = 0;
    if (w->is_reachable && w->seen.observed_ms >= w->reachable_since_ms)
        w->reachable_since_ms = GRAPH_ANCIENT_MS;
    else if (!w->is_reachable && s->now_ms > w->reachable_since_ms + gone_ms)
        w->reachable_since_ms = s->now_ms - gone_ms;
    /* Whatever it is older than is younger still, and what is older was made ancient. */
    if (!w->is_reachable && w->seen.observed_ms != 0)
        w->seen.observed_ms = GRAPH_LONG_AGO_MS;
}

static bool may_extend(const struct graph *g, const struct graph_state *s)
{
    bool is_given = g->verbs == 0 || (g->verbs & 1U << COMMAND_EXTEND) != 0;
    return is_given && s->n_commands < g->n_commands;
}

/* Time in pause does not count, whatever became of it: clocks stand still. */
static void level_pause(struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    int64_t *const clocks[] = {&t->step_deadline_ms, &t->bake_until_ms, &t->bake_since_ms,
                               &t->exposed_ms};
    int64_t most_ms = t->bake_since_ms != 0 ? MAX_PAUSE_MS : 0;
    int64_t shift_ms = s->now_ms - t->paused_since_ms - most_ms;
    if (t->n_pauses == 0 || t->paused_since_ms == 0 || shift_ms <= 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(clocks); i++) {
        if (*clocks[i] != 0)
            *clocks[i] += shift_ms;
    }
    t->paused_since_ms += shift_ms;
}

/* Since when its state is what it is, matters until the node was seen after that. */
static void level_control(struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    bool is_used = t->control == CONTROL_WARM && t->control_id != 0;
    int64_t seen_ms = is_used ? s->world[t->control_id - 1].seen.observed_ms : 0;
    if (!is_used)
        t->control_ms = 0;
    else if (seen_ms > t->control_ms)
        t->control_ms = GRAPH_ANCIENT_MS;
    memset(t->control_text, 0, sizeof t->control_text);
    put_off(s, &t->control_until_ms);
    if (t->control_until_ms != 0 && t->control_until_ms < s->now_ms)
        t->control_until_ms = s->now_ms;
}

static void level_clocks(const struct graph *g, struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    int64_t spare_ms = may_extend(g, s) ? 5000 : 0;
    level_pause(s);
    if (t->n_pauses > 0)
        return;
    put_off(s, &t->step_deadline_ms);
    put_off(s, &t->bake_until_ms);
    int64_t bake_ms = t->step > 0 ? s->steps[t->step - 1].bake_ms : 0;
    if (t->bake_since_ms != 0 && t->bake_since_ms < s->now_ms - bake_ms - spare_ms)
        t->bake_since_ms = s->now_ms - bake_ms - spare_ms;
    if (t->bake_until_ms != 0 && t->bake_until_ms < s->now_ms - spare_ms)
        t->bake_until_ms = s->now_ms - spare_ms;
    if (t->step_deadline_ms != 0 && t->step_deadline_ms < s->now_ms)
        t->step_deadline_ms = s->now_ms;
}

static int compare_pauses(const void *x, const void *y)
{
    return (int)((const struct rollout_pause *)x)->reason -
           (int)((const struct rollout_pause *)y)->reason;
}

static void level_steps(struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    bool goes_on = t->phase == ROLLOUT_RUNNING || t->phase == ROLLOUT_PAUSED;
    for (int i = 0; i < t->n_steps; i++) {
        struct rollout_step *step = &s->steps[i];
        step->started_ms = step->ended_ms = 0;
        step->verdict = VERDICT_NONE;
        if (i < t->step - 1 || !goes_on) {
            step->bake_ms = step->max_bake_ms = 0;
            step->is_promoted = false;
        }
        if (i == t->step - 1 && !goes_on)
            step->phase = STEP_APPLY;
    }
    if (!goes_on && t->step > 0)
        s->verdict = VERDICT_NONE;
}

static void level_status(struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    t->revision = t->updated_ms = t->command_seq = t->anew_ms = t->repair_ms = 0;
    t->queued_ms = t->queued_ms != 0 ? GRAPH_ANCIENT_MS : 0;
    t->n_rollback_failures = t->n_rollback_failures > 5 ? 5 : t->n_rollback_failures;
    t->n_version_failures = t->n_infra_failures = 0;
    t->way_back = (struct rollout_way_back){0};
    t->n_gates = 0;
    qsort(t->pauses, (size_t)t->n_pauses, sizeof t->pauses[0], compare_pauses);
    for (int i = 0; i < t->n_pauses; i++)
        t->pauses[i].since_ms = t->pauses[i].until_ms = 0;
    for (int i = 0; i < t->n_approvals; i++)
        s->approvals[i].at_ms = 0;
    t->fault = ROLLOUT_FAULT_NONE;
    t->cause[0] = t->outcome[0] = t->waiting[0] = t->unblock[0] = '\0';
}

/* Of a rollout that ended only the nodes are of interest. */
static void level_ended(const struct graph *g, struct graph_state *s)
{
    struct rollout_status *t = &s->status;
    t->n_nodes = t->n_steps = t->n_pauses = t->n_approvals = t->step = t->n_chosen = 0;
    t->n_rollback_failures = 0;
    t->control = CONTROL_NONE;
    t->control_id = t->control_ms = t->control_until_ms = 0;
    t->waived = t->queued_ms = t->paused_since_ms = 0;
    t->step_deadline_ms = t->bake_since_ms = t->bake_until_ms = t->exposed_ms = 0;
    s->wake_ms = s->now_ms;
    for (int i = 0; i < g->n_nodes; i++) {
        struct graph_node *w = &s->world[i];
        w->op = (struct op_view){0};
        w->op_number = w->op_keep = 0;
        w->reachable_since_ms = GRAPH_ANCIENT_MS;
        w->seen = (struct observation){0};
    }
}

/* Time passes until then; nobody looks at the rest of it. */
static void level_wake(const struct graph *g, struct graph_state *s)
{
    int64_t until_ms = graph_until(g, s);
    until_ms = until_ms > s->now_ms ? until_ms : s->now_ms;
    s->wake_ms = second_of(until_ms + SECOND_MS - 1);
}

void graph_level(const struct graph *g, struct graph_state *s)
{
    level_status(s);
    level_steps(s);
    level_clocks(g, s);
    level_control(s);
    for (int i = 0; i < s->status.n_nodes; i++)
        level_node(g, s, &s->nodes[i]);
    for (int i = 0; i < g->n_nodes; i++)
        level_world(g, s, i);
    level_wake(g, s);
    if (graph_has_ended(s))
        level_ended(g, s);
    compress(s);
}
