/*
 * The planner's top: admission, commands by precedence, phases, rolling back and ending. Knows
 * nothing of stores, sockets or clocks. Pure; any thread.
 */
#include "plan.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

#define STUCK_AFTER_FAILURES 5

void planner_set_phase(struct planner *p, enum rollout_phase to)
{
    assert(rollout_phase_may(p->s->phase, to));
    p->s->phase = to;
}

static char *shown(struct planner *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
static char *shown(struct planner *p, const char *fmt, ...)
{
    char text[ROLLOUT_TEXT_BYTES];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return arena_strdup(p->a, text);
}

void planner_pause(struct planner *p, enum pause_reason reason, const char *text)
{
    if (planner_has_pause(p, reason))
        return;
    if (p->s->n_pauses == 0)
        p->s->paused_since_ms = p->v->now_ms;
    char *why = arena_strdup(p->a, text);
    planner_clean(why);
    p->s->pauses[p->s->n_pauses++] =
        (struct rollout_pause){.reason = reason, .since_ms = p->v->now_ms, .text = why};
    planner_set_phase(p, ROLLOUT_PAUSED);
}

/* From here on nothing is given the new version; what has it goes back, newest first. */
static void begin_rollback(struct planner *p, const char *cause)
{
    if (planner_is_rolling_back(p))
        return;
    snprintf(p->s->cause, sizeof p->s->cause, "%s", cause);
    p->s->n_pauses = 0;
    p->s->paused_since_ms = 0;
    p->s->step_deadline_ms = 0;
    p->s->bake_since_ms = 0;
    planner_set_phase(p, ROLLOUT_ROLLING_BACK);
    p->plans_again = true;
}

void planner_fail(struct planner *p, enum pause_reason reason, const char *text)
{
    if (p->v->policy->rolls_back)
        begin_rollback(p, text);
    else
        planner_pause(p, reason, text);
}

static void end(struct planner *p, enum rollout_phase phase, const char *outcome)
{
    planner_set_phase(p, phase);
    snprintf(p->s->outcome, sizeof p->s->outcome, "%s", outcome);
    p->s->waiting[0] = '\0';
    p->s->unblock[0] = '\0';
    p->out->n_actions = 0;
}

/* --- admission --- */

static void admit(struct planner *p)
{
    const struct view *v = p->v;
    if (v->n_nodes == 0 || v->n_nodes > ROLLOUT_MAX_NODES) {
        end(p, ROLLOUT_REJECTED,
            v->n_nodes == 0 ? "the environment has no nodes"
                            : "the environment has too many nodes");
        return;
    }
    p->s->nodes = arena_alloc(p->a, (size_t)v->n_nodes * sizeof p->s->nodes[0]);
    p->s->n_nodes = v->n_nodes;
    for (int i = 0; i < v->n_nodes; i++) {
        p->s->nodes[i].node_id = v->nodes[i].node_id;
        p->s->nodes[i].name = v->nodes[i].name;
        p->seen[i] = &v->nodes[i];
        /* What a repair began is the rollout's to finish: nobody else counts this node as busy. */
        if (v->nodes[i].is_repairing) {
            move_begin(&p->s->nodes[i].move, v->rollout->from, false, v->now_ms);
            p->s->nodes[i].move.deadline_ms = MOVE_NO_DEADLINE;
        }
    }
    p->s->n_steps = policy_n_steps(v->policy, v->n_nodes);
    p->s->steps = arena_alloc(p->a, (size_t)p->s->n_steps * sizeof p->s->steps[0]);
    for (int k = 0; k < p->s->n_steps; k++) {
        p->s->steps[k].n_nodes = policy_step_nodes(v->policy, v->n_nodes, k);
        p->s->steps[k].bake_ms = policy_step_bake_ms(v->policy, v->n_nodes, k);
    }
    p->s->step = 1;
    planner_set_phase(p, ROLLOUT_RUNNING);
    p->plans_again = true;
}

/* --- commands --- */

struct wishes {
    const struct rollout_command *abort;
    bool promotes;
};

/* What the controller paused for is looked at anew: evidence and deadline start again, failed nodes
 * get another chance. */
static void lift_pauses(struct planner *p, bool also_user)
{
    struct rollout_status *s = p->s;
    bool was_own = false;
    int kept = 0;
    for (int i = 0; i < s->n_pauses; i++) {
        if (s->pauses[i].reason == PAUSE_USER && !also_user)
            s->pauses[kept++] = s->pauses[i];
        else
            was_own = was_own || s->pauses[i].reason != PAUSE_USER;
    }
    s->n_pauses = kept;
    int64_t now = p->v->now_ms;
    for (int i = 0; i < s->n_nodes && was_own; i++) {
        struct rollout_node *n = &s->nodes[i];
        if (n->is_done)
            evidence_begin(&n->evidence, now);
        if (n->has_failed && !n->is_returning)
            n->step = n->order = 0;
        n->has_failed = false;
    }
    if (was_own && s->step_deadline_ms != 0)
        s->step_deadline_ms = now + p->v->policy->step_deadline_ms;
    if (kept > 0 || s->phase != ROLLOUT_PAUSED)
        return;
    /* Time in pause does not count. */
    int64_t paused_ms = now - s->paused_since_ms;
    if (!was_own && s->step_deadline_ms != 0)
        s->step_deadline_ms += paused_ms;
    if (s->bake_since_ms != 0)
        s->bake_since_ms += was_own ? 0 : paused_ms;
    s->paused_since_ms = 0;
    p->has_bad_news = false;
    planner_set_phase(p, ROLLOUT_RUNNING);
}

static void take_command(struct planner *p, const struct rollout_command *c, struct wishes *wishes)
{
    struct rollout_status *s = p->s;
    bool is_forward = s->phase == ROLLOUT_RUNNING || s->phase == ROLLOUT_PAUSED;
    bool is_stale = c->expected_step != 0 && c->expected_step != s->step;
    if (c->verb == COMMAND_ABORT) {
        wishes->abort = wishes->abort != NULL ? wishes->abort : c;
        return;
    }
    if (!is_forward || is_stale)
        return;
    if (c->verb == COMMAND_PAUSE) {
        planner_pause(p, PAUSE_USER,
                      c->reason != NULL ? shown(p, "%s: %s", c->actor, c->reason)
                                        : shown(p, "paused by %s", c->actor));
    } else if (c->verb == COMMAND_RESUME) {
        lift_pauses(p, true);
    } else {
        wishes->promotes = true;
        s->steps[s->step - 1].is_promoted = true;
        s->promotes_full = s->promotes_full || c->verb == COMMAND_PROMOTE_FULL;
    }
}

static void take_commands(struct planner *p, struct wishes *wishes)
{
    *wishes = (struct wishes){0};
    for (int i = 0; i < p->v->n_commands; i++) {
        const struct rollout_command *c = &p->v->commands[i];
        if (c->seq <= p->s->command_seq)
            continue;
        p->s->command_seq = c->seq;
        take_command(p, c, wishes);
    }
}

/* --- running --- */

static void obey_abort(struct planner *p, const struct rollout_command *c)
{
    char *cause = c->reason != NULL ? shown(p, "aborted by %s: %s", c->actor, c->reason)
                                    : shown(p, "aborted by %s", c->actor);
    bool is_early = p->s->phase == ROLLOUT_SUBMITTED || p->s->phase == ROLLOUT_QUEUED;
    if (is_early)
        end(p, ROLLOUT_CANCELLED, cause);
    else
        begin_rollback(p, cause);
}

/* A node on which the new version failed; its move already leads it back. */
static void check_failures(struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (!n->has_failed)
            continue;
        /* A node that gave up by losing readiness has no move yet. */
        if (!n->is_returning && n->is_touched)
            planner_return(p, n, i);
        planner_fail(p, PAUSE_GATE, shown(p, "node %s: %s", n->name, n->move.text));
        return;
    }
}

/* While only the controller holds it, evidence that turns bad still counts. */
static void check_gates_in_pause(struct planner *p)
{
    bool is_judged =
        planner_has_pause(p, PAUSE_INCONCLUSIVE) || planner_has_pause(p, PAUSE_NO_DATA);
    if (is_judged && !planner_has_pause(p, PAUSE_GATE) && planner_judge(p) == VERDICT_FAIL)
        planner_fail(p, PAUSE_GATE, "a gate failed while the rollout was paused");
}

static void run(struct planner *p, const struct wishes *wishes)
{
    if (planner_has_pause(p, PAUSE_USER))
        return;
    check_failures(p);
    if (p->s->phase == ROLLOUT_PAUSED)
        check_gates_in_pause(p);
    /* A failure outranks a promotion that came with it. */
    if (p->s->phase == ROLLOUT_PAUSED && wishes->promotes)
        lift_pauses(p, false);
    if (p->s->phase == ROLLOUT_RUNNING)
        planner_run_step(p);
}

/* --- rolling back and ending --- */

/* A node that is gone for long is left to the repairs when it returns, but not before its files are
 * the old ones again: it may start at any time. */
static bool is_lost(const struct planner *p, int i)
{
    const struct view_node *vn = p->seen[i];
    const struct rollout_node *n = &p->s->nodes[i];
    bool has_old_files = !n->is_touched || (n->is_returning && n->move.phase >= MOVE_LOAD);
    return has_old_files && !vn->is_reachable && vn->op.state != OP_OPEN &&
           p->v->now_ms >= vn->reachable_since_ms + p->v->policy->node_deadline_ms;
}

static void roll_back(struct planner *p)
{
    int n_left = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        if (n->step == 0 || n->is_back)
            continue;
        if (is_lost(p, i)) {
            move_end(&n->move);
            n->is_back = true;
            n->is_returning = false;
            continue;
        }
        if (n->has_failed && !n->is_returning && !n->is_touched && n->move.phase == MOVE_NONE)
            n->is_back = true;
        else
            planner_return(p, n, i);
        n_left += !n->is_back;
        if (!p->seen[i]->is_reachable)
            planner_wake(p, p->seen[i]->reachable_since_ms + p->v->policy->node_deadline_ms);
    }
    if (n_left == 0) {
        int64_t from = p->v->rollout->from;
        char outcome[ROLLOUT_TEXT_BYTES];
        if (from == 0)
            snprintf(outcome, sizeof outcome, "rolled back to nothing; %.250s", p->s->cause);
        else
            snprintf(outcome, sizeof outcome, "rolled back to version %lld; %.250s",
                     (long long)from, p->s->cause);
        end(p, ROLLOUT_ROLLED_BACK, outcome);
    } else if (p->s->n_rollback_failures >= STUCK_AFTER_FAILURES) {
        planner_set_phase(p, ROLLOUT_ROLLBACK_STUCK);
    }
}

/* Files of the version before the last are needed no more. */
static void finalize(struct planner *p)
{
    const struct rollout_record *r = p->v->rollout;
    int64_t old = p->v->last_good;
    bool has_old = old != 0 && old != r->from && old != r->to;
    int n_left = 0;
    for (int i = 0; i < p->s->n_nodes; i++) {
        struct rollout_node *n = &p->s->nodes[i];
        bool is_todo = has_old && n->is_done && !n->is_back && p->seen[i]->op.state != OP_OPEN;
        if (is_todo && n->move.phase == MOVE_NONE) {
            move_begin_clean(&n->move, old, p->v->now_ms);
            n->is_back = true;
        }
        n_left += n->move.phase == MOVE_CLEAN;
    }
    if (n_left == 0)
        end(p, ROLLOUT_SUCCEEDED, shown(p, "version %lld is live", (long long)r->to));
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
    snprintf(p->out->message, sizeof p->out->message, "rollout %s: %s%s%s%.200s", p->v->rollout->id,
             rollout_phase_name(p->s->phase), step, why[0] != '\0' ? ": " : "", why);
}

static void decide(struct planner *p)
{
    struct wishes wishes;
    take_commands(p, &wishes);
    if (wishes.abort != NULL)
        obey_abort(p, wishes.abort);
    switch (p->s->phase) {
    case ROLLOUT_SUBMITTED:
    case ROLLOUT_QUEUED:
        admit(p);
        break;
    case ROLLOUT_RUNNING:
    case ROLLOUT_PAUSED:
        run(p, &wishes);
        break;
    case ROLLOUT_FINALIZING:
        finalize(p);
        break;
    case ROLLOUT_ROLLING_BACK:
    case ROLLOUT_ROLLBACK_STUCK:
        roll_back(p);
        break;
    default:
        break;
    }
}

void plan_rollout(const struct view *v, struct arena *a, struct plan *out)
{
    struct planner p;
    planner_begin(&p, v, a, out);
    if (rollout_phase_is_terminal(v->status->phase))
        return;
    planner_absorb(&p);
    decide(&p);
    bool has_ended = rollout_phase_is_terminal(p.s->phase);
    if (!has_ended) {
        planner_drive(&p);
        if (!planner_is_rolling_back(&p))
            planner_watch(&p);
        planner_explain(&p);
    }
    planner_finish(&p);
    if (out->has_moved)
        describe_move(&p);
}
