/*
 * Pauses: a set of reasons, each with its owner, and the order of precedence when several things
 * come together. Pure; any thread.
 */

#include "plan_inner.h"

enum plan_act planner_choose(const struct plan_signals *s)
{
    const struct {
        bool is_given;
        enum plan_act act;
    } by_rank[] = {
        {s->aborts, PLAN_ABORT},          {s->halts, PLAN_HALT},
        {s->is_replaced, PLAN_GIVE_WAY},  {s->is_paused_by_user, PLAN_STAND},
        {s->is_newly_held, PLAN_HOLD},    {s->has_failed, PLAN_FAIL},
        {s->promotes_full, PLAN_PROMOTE}, {s->promotes, PLAN_PROMOTE},
    };
    for (size_t i = 0; i < ARRAY_LEN(by_rank); i++) {
        if (by_rank[i].is_given)
            return by_rank[i].act;
    }
    return PLAN_GO_ON;
}

bool planner_has_pause(const struct planner *p, enum pause_reason r)
{
    for (int i = 0; i < p->s->n_pauses; i++) {
        if (p->s->pauses[i].reason == r)
            return true;
    }
    return false;
}

void planner_add_pause(struct planner *p, const struct rollout_pause *pause)
{
    if (planner_has_pause(p, pause->reason))
        return;
    if (p->s->n_pauses == 0)
        p->s->paused_since_ms = p->v->now_ms;
    char *why = arena_strdup(p->a, pause->text);
    planner_clean(why);
    struct rollout_pause *added = &p->s->pauses[p->s->n_pauses++];
    *added = *pause;
    added->since_ms = p->v->now_ms;
    added->text = why;
    /* One that has not begun yet begins with it. */
    if (p->s->phase == ROLLOUT_RUNNING)
        planner_set_phase(p, ROLLOUT_PAUSED);
}

void planner_pause(struct planner *p, enum pause_reason reason, const char *text)
{
    planner_add_pause(p, &(struct rollout_pause){.reason = reason, .text = text});
}

void planner_start_anew(struct planner *p)
{
    struct rollout_status *s = p->s;
    int64_t now = p->v->now_ms;
    s->anew_ms = now;
    for (int i = 0; i < s->n_nodes; i++) {
        struct rollout_node *n = &s->nodes[i];
        if (n->is_done)
            evidence_begin(&n->evidence, now);
        if (n->has_failed && !n->is_returning)
            n->step = n->order = 0;
        n->has_failed = false;
    }
    if (s->step_deadline_ms != 0)
        s->step_deadline_ms = now + p->v->policy->step_deadline_ms;
    if (s->bake_until_ms != 0)
        s->bake_until_ms = now + s->steps[s->step - 1].max_bake_ms;
}

/* Time in pause does not count. */
static void shift_clocks(struct planner *p, bool was_judged)
{
    struct rollout_status *s = p->s;
    int64_t paused_ms = p->v->now_ms - s->paused_since_ms;
    int64_t *const clocks[] = {&s->step_deadline_ms, &s->bake_until_ms, &s->bake_since_ms,
                               &s->exposed_ms};
    for (size_t i = 0; i < ARRAY_LEN(clocks) && !was_judged; i++) {
        if (*clocks[i] != 0)
            *clocks[i] += paused_ms;
    }
}

void planner_lift(struct planner *p, int64_t reasons)
{
    struct rollout_status *s = p->s;
    int kept = 0;
    int n_before = s->n_pauses;
    bool was_judged = false;
    for (int i = 0; i < n_before; i++) {
        enum pause_reason r = s->pauses[i].reason;
        if ((reasons & PAUSE_BIT(r)) == 0)
            s->pauses[kept++] = s->pauses[i];
        else
            was_judged = was_judged || (pause_is_lifted(r) && r != PAUSE_USER);
    }
    if (kept == n_before)
        return;
    s->n_pauses = kept;
    if (was_judged)
        planner_start_anew(p);
    if (kept > 0)
        return;
    shift_clocks(p, was_judged);
    s->control_until_ms = 0; /* its time begins anew with the next wait */
    s->paused_since_ms = 0;
    if (s->phase != ROLLOUT_PAUSED)
        return;
    p->has_bad_news = false;
    p->plans_again = true;
    planner_set_phase(p, ROLLOUT_RUNNING);
}
