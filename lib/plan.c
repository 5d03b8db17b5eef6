/*
 * The planner's top: what was asked, what went wrong and what holds come together here, in one
 * order of precedence, and the phase decides who goes on. Knows nothing of stores, sockets or
 * clocks. Pure; any thread.
 */
#include "plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

void planner_set_phase(struct planner *p, enum rollout_phase to)
{
    assert(rollout_phase_may(p->s->phase, to));
    p->s->phase = to;
}

void planner_fail(struct planner *p, enum pause_reason reason, enum rollout_fault fault,
                  const char *text)
{
    if (planner_is_way_back(p)) {
        p->s->n_rollback_failures++;
        planner_start_anew(p);
    } else if (p->v->policy->rolls_back) {
        planner_begin_rollback(p, text, fault);
    } else {
        planner_pause(p, reason, text);
    }
}

/* --- what went wrong --- */

/* A node that gave up by losing readiness has no move yet. */
static const struct rollout_node *return_failed(struct planner *p)
{
    const struct rollout_node *first = NULL;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (!n->has_failed)
            continue;
        if (!n->is_returning && n->is_touched)
            planner_return(p, n, i);
        first = first == NULL ? n : first;
    }
    return first;
}

/* Evidence that turns bad counts while the step bakes, also while only the controller holds it. */
static bool has_failed_gate(struct planner *p)
{
    enum step_phase phase = p->s->steps[p->s->step - 1].phase;
    return (phase == STEP_BAKE || phase == STEP_GATE) && planner_judge(p) == VERDICT_FAIL;
}

static bool has_failed_set(const struct planner *p)
{
    return p->v->limits.is_in_set && p->v->limits.set_failed;
}

/* What failed was decided about already: somebody was asked what to do. */
static bool is_decided(const struct planner *p)
{
    return !p->v->policy->rolls_back && planner_has_pause(p, PAUSE_GATE);
}

static void fail(struct planner *p)
{
    const struct rollout_node *n = return_failed(p);
    const char *set = p->v->limits.set_text;
    if (n != NULL)
        planner_fail(p, PAUSE_GATE,
                     n->is_fault_ours ? ROLLOUT_FAULT_INFRASTRUCTURE : ROLLOUT_FAULT_VERSION,
                     arena_printf(p->a, "node %s: %s", n->name, n->move.text));
    else if (has_failed_set(p))
        planner_begin_rollback(
            p,
            arena_printf(p->a, "its set failed%s%.200s", set != NULL ? ": " : "", set ? set : ""),
            ROLLOUT_FAULT_NONE);
    else
        planner_fail_gate(p);
}

/* --- one tick --- */

static void obey_abort(struct planner *p, const struct rollout_command *c)
{
    const char *cause = planner_command_text(p, c);
    if (planner_is_waiting(p))
        planner_begin_halt(p, cause, false);
    else
        planner_begin_rollback(p, cause, ROLLOUT_FAULT_USER);
}

/* A promotion answers what the controller paused for; what holds from outside goes on. */
static void promote(struct planner *p)
{
    planner_lift(p, PAUSE_BIT(PAUSE_FREEZE) - 1 - PAUSE_BIT(PAUSE_USER));
    if (p->s->phase == ROLLOUT_RUNNING)
        planner_run_step(p);
}

static void go_on(struct planner *p)
{
    if (p->s->phase == ROLLOUT_RUNNING)
        planner_run_step(p);
}

static void find_signals(struct planner *p, const struct wishes *wishes, struct plan_signals *s)
{
    bool is_forward = p->s->phase == ROLLOUT_RUNNING || p->s->phase == ROLLOUT_PAUSED;
    *s = (struct plan_signals){.aborts = wishes->abort != NULL,
                               .halts = wishes->halt != NULL,
                               .is_replaced = wishes->supersede != NULL,
                               .promotes = wishes->promotes,
                               .promotes_full = wishes->promotes_full};
    if (!is_forward || s->aborts || s->halts || s->is_replaced)
        return;
    s->is_newly_held = planner_update_holds(p);
    s->is_paused_by_user = planner_has_pause(p, PAUSE_USER);
    if (s->is_paused_by_user || is_decided(p))
        return;
    s->has_failed = return_failed(p) != NULL || has_failed_set(p) || has_failed_gate(p);
}

static void go_forward(struct planner *p, enum plan_act act)
{
    if (p->s->n_pauses > 0 && p->s->phase == ROLLOUT_RUNNING)
        planner_set_phase(p, ROLLOUT_PAUSED); /* paused before it began */
    switch (act) {
    case PLAN_HOLD: /* seen as such first; a failure is looked at right after */
        p->plans_again = true;
        break;
    case PLAN_FAIL:
        fail(p);
        break;
    case PLAN_PROMOTE:
        promote(p);
        break;
    case PLAN_GO_ON:
        go_on(p);
        break;
    default:
        break;
    }
}

static void decide(struct planner *p)
{
    struct wishes wishes;
    struct plan_signals signals;
    planner_take_commands(p, &wishes);
    find_signals(p, &wishes, &signals);
    enum plan_act act = planner_choose(&signals);
    if (act == PLAN_ABORT)
        obey_abort(p, wishes.abort);
    else if (act == PLAN_HALT)
        planner_begin_halt(p, planner_command_text(p, wishes.halt), false);
    else if (act == PLAN_GIVE_WAY) /* what it brought stays: the newer one goes on from there */
        planner_begin_halt(p, planner_command_text(p, wishes.supersede), true);
    if (p->s->is_halting) {
        planner_halt(p);
        return;
    }
    switch (p->s->phase) {
    case ROLLOUT_SUBMITTED:
    case ROLLOUT_QUEUED:
        planner_admit(p);
        break;
    case ROLLOUT_RUNNING:
    case ROLLOUT_PAUSED:
        go_forward(p, act);
        break;
    case ROLLOUT_FINALIZING:
        planner_finalize(p);
        break;
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLBACK_STUCK:
        planner_roll_back(p);
        break;
    default:
        break;
    }
}

static void describe_move(struct planner *p)
{
    const struct rollout_status *before = p->v->status;
    char step[48] = "";
    if (p->s->step != before->step)
        snprintf(step, sizeof step, ", step %d of %d", p->s->step, p->s->n_steps);
    const char *why = p->s->outcome[0] != '\0' ? p->s->outcome : p->s->cause;
    if (p->s->phase == ROLLOUT_PAUSED && p->s->n_pauses > 0)
        why = p->s->pauses[p->s->n_pauses - 1].text;
    else if (p->s->phase == ROLLOUT_QUEUED)
        why = p->s->waiting;
    snprintf(p->out->message, sizeof p->out->message, "rollout %s: %s%s%s%.200s", p->v->rollout->id,
             rollout_phase_name(p->s->phase), step, why[0] != '\0' ? ": " : "", why);
}

static void carry_on(struct planner *p)
{
    bool is_queued = p->s->phase == ROLLOUT_QUEUED;
    bool drives = !p->s->is_halting && !(is_queued && p->s->n_nodes == 0);
    if (drives) {
        planner_drive(p);
        planner_traffic(p);
    }
    if (drives && !is_queued) {
        if (!planner_is_rolling_back(p))
            planner_watch(p);
        planner_forecast(p);
    }
    planner_explain(p);
}

void plan_rollout(const struct view *v, struct arena *a, struct plan *out)
{
    struct planner p;
    planner_begin(&p, v, a, out);
    if (rollout_phase_is_terminal(v->status->phase))
        return;
    planner_absorb(&p);
    planner_watch_control(&p);
    decide(&p);
    if (!rollout_phase_is_terminal(p.s->phase))
        carry_on(&p);
    planner_finish(&p);
    if (out->has_moved)
        describe_move(&p);
}
