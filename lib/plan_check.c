/*
 * What must hold of every plan, whatever the view: checked before it leaves the planner, in
 * production too. A plan that breaks one of these must not be carried out; the process ends instead
 * and the next one starts from what is stored. Pure; any thread.
 */
#include <assert.h>

#include "plan_inner.h"

/* Nobody is given the new version before it begins, nor once going back or ending has begun. */
static void check_direction(const struct planner *p)
{
    bool goes_forward = p->v->rollout != NULL && !planner_is_rolling_back(p) && !p->s->is_halting &&
                        !planner_is_waiting(p);
    for (int i = 0; i < p->out->n_actions && p->v->rollout != NULL; i++) {
        const struct plan_action *action = &p->out->actions[i];
        bool gives =
            action->action == OP_STAGE || action->action == OP_SWITCH || action->action == OP_LOAD;
        bool is_new =
            action->number == p->v->rollout->to && p->v->rollout->to != p->v->rollout->from;
        assert(goes_forward || !gives || !is_new);
    }
}

/* Nothing is begun that a person or a cause from outside holds. */
static void check_held(const struct planner *p)
{
    enum rollout_phase phase = p->s->phase;
    assert(phase != ROLLOUT_SUBMITTED || p->out->n_actions == 0);
    for (int i = 0; i < p->s->n_nodes; i++)
        assert(!planner_is_waiting(p) || p->s->nodes[i].step == 0);
    assert((phase == ROLLOUT_PAUSED) <= (p->s->n_pauses > 0));
}

/* The step is one of those there are, those before it are done, and those after it not begun. */
static void check_steps(const struct planner *p)
{
    const struct rollout_status *s = p->s;
    assert(s->step <= s->n_steps);
    for (int i = 0; i < s->n_steps; i++) {
        assert(i >= s->step - 1 || s->steps[i].phase == STEP_DONE);
        assert(i < s->step || s->steps[i].phase == STEP_PENDING);
        assert(i == 0 || s->steps[i].n_nodes >= s->steps[i - 1].n_nodes);
    }
}

/* All of the traffic goes somewhere, or none where nobody can take it. */
static void check_weights(const struct planner *p)
{
    int sum = 0;
    for (int i = 0; i < p->v->n_nodes && p->out->weights_bp != NULL; i++) {
        assert(p->out->weights_bp[i] >= 0);
        sum += p->out->weights_bp[i];
    }
    assert(sum == 0 || sum == 10000);
}

/* One plan makes up to two moves: paused, then going back; going back, then there already. */
static bool may_come(enum rollout_phase from, enum rollout_phase to)
{
    for (int via = 0; via < ROLLOUT_PHASE_COUNT; via++) {
        if (rollout_phase_may(from, (enum rollout_phase)via) &&
            rollout_phase_may((enum rollout_phase)via, to))
            return true;
    }
    return false;
}

/* No pass without its evidence; and no way out of a terminal phase. */
static void check_ends(const struct planner *p)
{
    const struct rollout_status *before = p->v->status;
    for (int i = 0; i < p->s->n_gates; i++)
        assert(p->s->gates[i].verdict != VERDICT_PASS || p->s->gates[i].n_missing == 0);
    assert(may_come(before->phase, p->s->phase));
    assert(!rollout_phase_is_terminal(before->phase) || p->s->phase == before->phase);
    assert(!rollout_phase_is_terminal(p->s->phase) || p->out->n_actions == 0);
    assert(p->s->command_seq >= before->command_seq);
}

void planner_check(const struct planner *p)
{
    check_direction(p);
    check_weights(p);
    check_ends(p);
    if (p->v->rollout == NULL)
        return;
    check_held(p);
    check_steps(p);
}
