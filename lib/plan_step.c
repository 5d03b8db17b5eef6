/*
 * One step of a rollout: choosing nodes, settling, baking, and leaving it. Pure; any thread.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

#define SETTLE_LOOK_MS 1000
#define SET_LOOK_MS 5000

static struct rollout_step *present(const struct planner *p)
{
    return &p->s->steps[p->s->step - 1];
}

bool planner_is_waived(const struct planner *p)
{
    return present(p)->is_promoted || p->s->promotes_full;
}

/* A step without bake time waits for no evidence: only a gate that fails counts. Its verdict is
 * recorded as what it was, so nothing is called a pass. */
static bool wants_evidence(const struct planner *p)
{
    return present(p)->bake_ms > 0 && !planner_is_waived(p);
}

static void enter(struct planner *p, enum step_phase to)
{
    struct rollout_step *step = present(p);
    assert(step_phase_may(step->phase, to));
    step->phase = to;
}

/* Nodes beyond the end of a wave, or held back, are not this step's. */
static bool is_in_reach(const struct planner *p, const struct rollout_node *n)
{
    int reach = present(p)->reach;
    return reach == 0 || n->rank <= reach;
}

/* Nodes that were deleted meanwhile are not replaced by those beyond. With none left the step is
 * not applied: nothing was proven. */
static int n_wanted(const struct planner *p)
{
    int n_there = 0;
    for (int i = 0; i < p->s->n_nodes; i++)
        n_there += p->s->nodes[i].step > 0 || is_in_reach(p, &p->s->nodes[i]);
    n_there = n_there > 0 ? n_there : p->s->n_nodes;
    return present(p)->n_nodes < n_there ? present(p)->n_nodes : n_there;
}

void planner_count(const struct planner *p, struct counts *c)
{
    *c = (struct counts){0};
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        const struct view_node *vn = p->seen[i];
        c->n_chosen += n->step > 0;
        c->n_left_out += n->is_left_out;
        c->n_done += n->is_done && n->move.phase == MOVE_NONE;
        c->n_failed += n->has_failed;
        if (n->step > 0 || !is_in_reach(p, n))
            continue;
        bool is_barred = planner_is_barred(p, vn);
        c->n_free_rest += vn->is_reachable && !is_barred;
        c->n_cordoned_rest += vn->is_reachable && is_barred;
        c->n_unreachable_rest += !vn->is_reachable;
    }
}

/* --- applying --- */

/* Indices of the nodes by rank, those that a replaced rollout left something on before all others;
 * nodes of records from before ranks come as they are. */
static const int *by_rank(struct planner *p)
{
    int n = p->s->n_nodes;
    int most = n;
    for (int i = 0; i < n; i++)
        most = p->s->nodes[i].rank > most ? p->s->nodes[i].rank : most;
    int *places = arena_alloc(p->a, ((size_t)most + 1) * sizeof places[0]);
    int *list = arena_alloc(p->a, ((size_t)n + 1) * sizeof list[0]);
    for (int i = 0; i < n; i++) {
        int rank = p->s->nodes[i].rank;
        places[rank > 0 ? rank - 1 : i] = i + 1;
    }
    int k = 0;
    for (int i = 0; i < 2 * most; i++) {
        int place = places[i % most];
        if (place > 0 && (p->s->nodes[place - 1].base != 0) == (i < most))
            list[k++] = place - 1;
    }
    return list;
}

static void choose(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    n->step = p->s->step;
    n->order = ++p->s->n_chosen;
    n->n_lost = 0;
    move_begin(&n->move, p->v->rollout->to, planner_wants_golden(p), p->v->now_ms);
    n->move.keep = planner_beside(p);
}

/* Files are fetched to all nodes of the step at once; only the switch waits for the limit. */
static void choose_nodes(struct planner *p)
{
    struct counts c;
    planner_count(p, &c);
    int n_missing = n_wanted(p) - c.n_chosen;
    const int *order = n_missing > 0 ? by_rank(p) : NULL;
    for (int k = 0; k < p->s->n_nodes && n_missing > 0; k++) {
        int i = order[k];
        const struct rollout_node *n = &p->s->nodes[i];
        const struct view_node *vn = p->seen[i];
        bool is_mended = planner_is_mended(p, n);
        bool is_open = vn->op.state == OP_OPEN;
        bool is_free = n->step == 0 && (n->move.phase == MOVE_NONE || is_mended) &&
                       vn->is_reachable && !planner_is_barred(p, vn) && is_in_reach(p, n);
        if (!is_free || (is_open && !is_mended))
            continue;
        if (!is_open) /* else its place is kept until the operation of the repair has ended */
            choose(p, i);
        n_missing--;
    }
    planner_count(p, &c);
    assert(c.n_chosen <= n_wanted(p) || c.n_chosen <= c.n_done + c.n_left_out);
}

void planner_repair_rest(struct planner *p)
{
    int64_t from = p->v->rollout->from;
    for (int i = 0; i < p->s->n_nodes && from != 0; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_rest = n->step == 0 && n->move.phase == MOVE_NONE && !p->seen[i]->is_cordoned &&
                       (n->base == 0 || p->seen[i]->seen.n_ready == 0);
        if (is_rest && p->seen[i]->op.state != OP_OPEN && planner_is_odd(p, i, from))
            move_begin(&n->move, from, false, p->v->now_ms);
    }
}

static bool is_applied(const struct planner *p)
{
    struct counts c;
    planner_count(p, &c);
    if (c.n_done + c.n_left_out != c.n_chosen)
        return false;
    bool is_way_back = planner_is_way_back(p);
    if (is_way_back && c.n_done == 0 && p->s->n_nodes > 0)
        return false;
    /* A promoted step does not wait for nodes that are not there, nor does a way back for those
     * that shall serve nothing. */
    bool is_rest_out = is_way_back && c.n_unreachable_rest == 0;
    return c.n_chosen >= n_wanted(p) ||
           ((planner_is_waived(p) || is_rest_out) && c.n_free_rest == 0);
}

static void miss_deadline(struct planner *p)
{
    struct counts c;
    planner_count(p, &c);
    bool lacks_nodes =
        c.n_done + c.n_left_out == c.n_chosen && c.n_free_rest == 0 && !planner_is_way_back(p);
    int n_gone = c.n_unreachable_rest;
    if (lacks_nodes && n_gone > 0)
        planner_pause(p, PAUSE_UNREACHABLE,
                      arena_printf(p->a, "%d node%s of step %d cannot be reached", n_gone,
                                   n_gone == 1 ? "" : "s", p->s->step));
    else if (lacks_nodes && c.n_cordoned_rest > 0)
        planner_pause(p, PAUSE_UNREACHABLE,
                      arena_printf(p->a, "%d node%s of step %d %s cordoned", c.n_cordoned_rest,
                                   c.n_cordoned_rest == 1 ? "" : "s", p->s->step,
                                   c.n_cordoned_rest == 1 ? "is" : "are"));
    else
        planner_fail(p, PAUSE_DEADLINE, ROLLOUT_FAULT_INFRASTRUCTURE,
                     arena_printf(p->a,
                                  "step %d was not applied within its deadline: %d of %d nodes "
                                  "serve",
                                  p->s->step, c.n_done, n_wanted(p)));
}

static bool is_late(const struct planner *p)
{
    return p->s->step_deadline_ms != 0 && p->v->now_ms >= p->s->step_deadline_ms;
}

static void apply(struct planner *p)
{
    choose_nodes(p);
    planner_repair_rest(p);
    planner_begin_control(p, is_applied(p));
    if (is_applied(p) && planner_waits_for_control(p))
        return;
    if (is_applied(p) && planner_traffic_fits(p)) {
        enter(p, STEP_SETTLE);
        return;
    }
    if (is_late(p))
        miss_deadline(p);
    else
        planner_wake(p, p->s->step_deadline_ms);
}

/* --- settling --- */

/* When the node that became ready last will have been so for min_healthy; -1: one is not ready. */
static int64_t settled_at(const struct planner *p)
{
    int64_t latest = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->step == 0 || n->is_left_out)
            continue;
        if (n->ready_since_ms == 0)
            return -1;
        if (n->ready_since_ms > latest)
            latest = n->ready_since_ms;
    }
    return latest + p->v->policy->min_healthy_ms;
}

/* Every node of the step was seen ready at or after the time. */
static bool was_seen_since(const struct planner *p, int64_t ms)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->step > 0 && !n->is_left_out && p->seen[i]->seen.observed_ms < ms)
            return false;
    }
    return true;
}

static void begin_bake(struct planner *p)
{
    enter(p, STEP_BAKE);
    p->s->bake_since_ms = p->v->now_ms;
    p->s->bake_until_ms = p->v->now_ms + present(p)->max_bake_ms;
    p->s->exposed_ms = 0;
}

static void settle(struct planner *p)
{
    if (!is_applied(p)) {
        enter(p, STEP_APPLY);
        return;
    }
    int64_t at = settled_at(p);
    if (at >= 0 && p->v->now_ms >= at && was_seen_since(p, at)) {
        begin_bake(p);
        return;
    }
    if (is_late(p))
        miss_deadline(p);
    planner_wake(p, at > p->v->now_ms ? at : p->v->now_ms + SETTLE_LOOK_MS);
}

/* --- baking --- */

static bool was_asked(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->is_done && n->evidence.n_success + n->evidence.n_failure > 0)
            return true;
    }
    for (int i = 0; i < p->s->n_gates; i++) {
        if (gate_is_judged(p->s->gates[i].kind) && p->s->gates[i].n_requests > 0)
            return true;
    }
    return false;
}

/* Evidence needs time with requests, not with a loaded model: the clock starts with the first
 * request. One that comes within the first few samples counts from the begin; where none comes, the
 * bake still ends, with too little evidence. */
static void note_exposure(struct planner *p)
{
    struct rollout_status *s = p->s;
    if (s->exposed_ms != 0 || !planner_wants_traffic(p) || !was_asked(p))
        return;
    bool is_early = p->v->now_ms <= s->bake_since_ms + 3 * p->v->sample_every_ms;
    s->exposed_ms = is_early ? s->bake_since_ms : p->v->now_ms;
}

static int64_t bake_end(const struct planner *p)
{
    const struct rollout_status *s = p->s;
    int64_t since = s->exposed_ms > s->bake_since_ms ? s->exposed_ms : s->bake_since_ms;
    int64_t end = since + present(p)->bake_ms;
    return end < s->bake_until_ms || since == s->bake_since_ms ? end : s->bake_until_ms;
}

/* A node that fell out of the step takes it back to where it is applied. */
static bool fell_back(struct planner *p)
{
    if (is_applied(p))
        return false;
    enter(p, STEP_APPLY);
    present(p)->ended_ms = 0;
    p->s->bake_since_ms = p->s->bake_until_ms = p->s->exposed_ms = 0;
    if (p->s->step_deadline_ms == 0 || is_late(p))
        p->s->step_deadline_ms = p->v->now_ms + p->v->policy->step_deadline_ms;
    return true;
}

static void bake(struct planner *p)
{
    if (fell_back(p))
        return;
    if (planner_judge(p) == VERDICT_FAIL) {
        planner_fail_gate(p);
        return;
    }
    note_exposure(p);
    int64_t end = bake_end(p);
    if (p->v->now_ms >= end || planner_is_waived(p))
        enter(p, STEP_GATE);
    else
        planner_wake(p, end);
}

static void finish_step(struct planner *p, enum verdict verdict)
{
    struct rollout_step *step = present(p);
    step->verdict = verdict;
    step->ended_ms = p->v->now_ms;
    enter(p, STEP_DONE);
}

static void gate(struct planner *p)
{
    if (fell_back(p))
        return;
    enum verdict verdict = planner_judge(p);
    note_exposure(p);
    present(p)->verdict = verdict;
    bool is_long_enough = p->v->now_ms >= bake_end(p) || planner_is_waived(p);
    bool is_patient = p->v->now_ms < p->s->bake_until_ms && verdict != VERDICT_NO_DATA;
    if (verdict == VERDICT_FAIL)
        planner_fail_gate(p);
    else if (!wants_evidence(p) || (verdict == VERDICT_PASS && is_long_enough))
        finish_step(p, verdict);
    else if (verdict == VERDICT_PASS)
        planner_wake(p, bake_end(p));
    else if (is_patient)
        planner_wake(p, p->s->bake_until_ms);
    else if (planner_settle_verdict(p, verdict))
        finish_step(p, verdict);
}

/* --- from step to step --- */

static void begin_step(struct planner *p)
{
    struct rollout_step *step = present(p);
    enter(p, STEP_APPLY);
    step->started_ms = p->v->now_ms;
    p->s->step_deadline_ms = p->v->now_ms + p->v->policy->step_deadline_ms;
    p->s->bake_since_ms = p->s->bake_until_ms = p->s->exposed_ms = 0;
}

static void end_step(struct planner *p)
{
    struct counts c;
    planner_count(p, &c);
    p->s->step_deadline_ms = 0;
    bool is_last = p->s->step == p->s->n_steps;
    /* While it waits for its set, which must not go on without it. */
    if (is_last && fell_back(p))
        return;
    if (planner_waits_for_set(p)) {
        planner_wake(p, p->v->now_ms + SET_LOOK_MS);
        return;
    }
    /* What nobody serves has proven nothing: its nodes were deleted, or passed over. */
    bool is_empty = c.n_done == 0 && !(planner_is_way_back(p) && p->s->n_nodes == 0);
    if (is_last && is_empty) {
        planner_fail(p, PAUSE_UNREACHABLE, ROLLOUT_FAULT_INFRASTRUCTURE,
                     "no node serves the new version");
        return;
    }
    p->s->bake_since_ms = p->s->bake_until_ms = p->s->exposed_ms = 0;
    if (is_last)
        planner_set_phase(p, ROLLOUT_FINALIZING);
    else
        p->s->step++;
}

void planner_run_step(struct planner *p)
{
    static void (*const run[STEP_PHASE_COUNT])(struct planner *) = {
        [STEP_PENDING] = begin_step, [STEP_APPLY] = apply, [STEP_SETTLE] = settle,
        [STEP_BAKE] = bake,          [STEP_GATE] = gate,   [STEP_DONE] = end_step};
    enum step_phase at = present(p)->phase;
    if (at != STEP_PENDING && at != STEP_DONE)
        planner_leave_out(p, n_wanted(p), planner_is_waived(p));
    for (int i = 0; i < 2 * STEP_PHASE_COUNT && p->s->phase == ROLLOUT_RUNNING; i++) {
        enum step_phase before = present(p)->phase;
        int step = p->s->step;
        run[before](p);
        if (p->s->step == step && present(p)->phase == before)
            return;
        /* One row of the journal per step: stop here and come back at once. */
        if (p->s->step != step)
            break;
    }
    if (p->s->phase == ROLLOUT_RUNNING)
        p->plans_again = true;
}
