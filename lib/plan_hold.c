/*
 * What holds a rollout from outside: freezes, stop-the-line, the failure budget, dependencies,
 * approvals, its turn and its set. Before it begins they keep it queued, later they pause
 * it, and they end with their cause. Nothing here ever holds a way back. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

bool planner_is_way_back(const struct planner *p)
{
    return strcmp(p->v->rollout->kind, "rollback") == 0;
}

bool planner_is_waiting(const struct planner *p)
{
    return p->s->phase == ROLLOUT_SUBMITTED || p->s->phase == ROLLOUT_QUEUED;
}

bool planner_is_barred(const struct planner *p, const struct view_node *vn)
{
    bool is_way_back = p->v->rollout != NULL && planner_is_way_back(p);
    return vn->is_cordoned && (vn->wants_none || !is_way_back);
}

/* The words of a cause that holds now and is not overridden, or NULL. */
static const char *cause_of(const struct planner *p, enum pause_reason reason)
{
    const struct view_limits *limits = &p->v->limits;
    switch (reason) {
    case PAUSE_FREEZE:
        return limits->overrides_freeze ? NULL : limits->freeze;
    case PAUSE_STOP:
        return limits->overrides_stop ? NULL : limits->stop;
    case PAUSE_FAILURE_BUDGET:
        return limits->overrides_budget ? NULL : limits->budget;
    case PAUSE_DEPENDENCY:
        return limits->dependency;
    default:
        return NULL;
    }
}

/* --- approvals --- */

int planner_approvals(const struct planner *p, int step)
{
    int n = 0;
    for (int i = 0; i < p->s->n_approvals; i++)
        n += p->s->approvals[i].step == step;
    int given = p->v->limits.n_start_approvals;
    return step == 0 && given > n ? given : n;
}

/* The step that waits for people now: 0 before the rollout began, -1: none. */
static int awaited_step(const struct planner *p)
{
    const struct rollout_status *s = p->s;
    if (planner_is_waiting(p))
        return p->v->policy->n_approvals > 0 ? 0 : -1;
    const struct rollout_step *step = &s->steps[s->step - 1];
    bool waits = step->phase == STEP_PENDING && planner_approvals(p, s->step) < step->n_approvals;
    return waits ? s->step : -1;
}

void planner_approve(struct planner *p, const struct rollout_command *c)
{
    struct rollout_status *s = p->s;
    int step = awaited_step(p);
    bool is_asker = strcmp(c->actor, p->v->rollout->actor) == 0;
    if (step < 0 || is_asker || s->n_approvals >= ROLLOUT_MAX_APPROVALS)
        return;
    for (int i = 0; i < s->n_approvals; i++) {
        if (s->approvals[i].step == step && strcmp(s->approvals[i].actor, c->actor) == 0)
            return;
    }
    size_t n = (size_t)s->n_approvals;
    struct rollout_approval *list = arena_alloc(p->a, (n + 1) * sizeof list[0]);
    if (n > 0)
        memcpy(list, s->approvals, n * sizeof list[0]);
    list[n] = (struct rollout_approval){
        .step = step, .actor = arena_strdup(p->a, c->actor), .at_ms = c->ts_ms};
    s->approvals = list;
    s->n_approvals++;
}

static const char *approval_text(struct planner *p, int step, int n_needed)
{
    return arena_printf(p->a, "%d of %d approvals%s", planner_approvals(p, step), n_needed,
                        step == 0 ? "" : " of the step");
}

/* --- before it begins --- */

/* It goes on with what a replaced rollout left on the nodes. */
static bool has_taken_over(const struct planner *p)
{
    bool has = false;
    for (int i = 0; i < p->v->n_nodes; i++)
        has = has || p->v->nodes[i].left != 0;
    for (int i = 0; i < p->s->n_nodes; i++)
        has = has || p->s->nodes[i].base != 0;
    return has;
}

bool planner_is_queued(struct planner *p, struct rollout_pause *why)
{
    static const enum pause_reason reasons[] = {PAUSE_STOP, PAUSE_FREEZE, PAUSE_FAILURE_BUDGET,
                                                PAUSE_DEPENDENCY};
    const struct view_limits *limits = &p->v->limits;
    int n_needed = p->v->policy->n_approvals;
    *why = (struct rollout_pause){.reason = PAUSE_REASON_COUNT, .text = limits->turn};
    if (limits->turn != NULL)
        return true;
    if (planner_is_way_back(p))
        return false;
    bool is_begun = has_taken_over(p);
    for (size_t i = 0; i < ARRAY_LEN(reasons); i++) {
        const char *cause = cause_of(p, reasons[i]);
        /* The others pause it as soon as it has begun, and its nodes are put right then. */
        if (cause == NULL || (is_begun && reasons[i] != PAUSE_DEPENDENCY))
            continue;
        bool is_freeze = reasons[i] == PAUSE_FREEZE;
        *why = (struct rollout_pause){.reason = reasons[i],
                                      .text = cause,
                                      .until_ms = is_freeze ? limits->freeze_until_ms : 0};
        return true;
    }
    if (planner_approvals(p, 0) >= n_needed)
        return false;
    *why = (struct rollout_pause){.reason = PAUSE_APPROVAL, .text = approval_text(p, 0, n_needed)};
    return true;
}

/* --- while it goes on --- */

/* Adds or lifts the pause; true if it was added. A cause that somebody lifted by name counts again
 * only after it was gone once. */
static bool update_hold(struct planner *p, enum pause_reason reason, const char *cause)
{
    struct rollout_status *s = p->s;
    bool is_paused = planner_has_pause(p, reason);
    if (cause == NULL)
        s->waived &= ~PAUSE_BIT(reason);
    bool holds = cause != NULL && (s->waived & PAUSE_BIT(reason)) == 0;
    if (is_paused && !holds)
        planner_lift(p, PAUSE_BIT(reason));
    if (is_paused || !holds)
        return false;
    struct rollout_pause pause = {.reason = reason, .text = cause};
    if (reason == PAUSE_FREEZE)
        pause.until_ms = p->v->limits.freeze_until_ms;
    planner_add_pause(p, &pause);
    return true;
}

bool planner_update_holds(struct planner *p)
{
    bool is_new = false;
    for (int r = PAUSE_FREEZE; r < PAUSE_APPROVAL; r++) {
        const char *cause = planner_is_way_back(p) ? NULL : cause_of(p, (enum pause_reason)r);
        is_new = update_hold(p, (enum pause_reason)r, cause) || is_new;
    }
    int step = awaited_step(p);
    const char *cause = step > 0 ? approval_text(p, step, p->s->steps[step - 1].n_approvals) : NULL;
    return update_hold(p, PAUSE_APPROVAL, cause) || is_new;
}

bool planner_waits_for_set(const struct planner *p)
{
    const struct view_limits *limits = &p->v->limits;
    return limits->is_in_set && limits->set_step < p->s->step;
}
