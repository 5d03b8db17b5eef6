/*
 * What people asked for: commands are taken in once, in their order, and become wishes, pauses and
 * approvals; who wins is decided elsewhere. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"

/* Reasons that somebody may lift by name although their cause goes on. */
#define MAY_WAIVE (PAUSE_BIT(PAUSE_FAILURE_BUDGET) | PAUSE_BIT(PAUSE_DEPENDENCY))
#define MAX_EXTEND_MS INT64_C(604800000)

static struct rollout_step *present(struct planner *p)
{
    return &p->s->steps[p->s->step - 1];
}

static const char *asker(const struct rollout_command *c)
{
    return c->name != NULL ? c->name : c->actor;
}

static void take_pause(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)w;
    char *text = c->reason != NULL ? arena_printf(p->a, "%s: %s", asker(c), c->reason)
                                   : arena_printf(p->a, "paused by %s", asker(c));
    planner_add_pause(p, &(struct rollout_pause){.reason = PAUSE_USER,
                                                 .text = text,
                                                 .actor = arena_strdup(p->a, c->actor)});
}

static void take_resume(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)w;
    int64_t usual = PAUSE_BIT(PAUSE_FREEZE) - 1; /* pause_is_lifted */
    int64_t named = c->arg & (usual | MAY_WAIVE);
    p->s->waived |= named & MAY_WAIVE;
    planner_lift(p, c->arg == 0 ? usual : named);
}

static void take_promote(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    present(p)->is_promoted = true;
    w->promotes = true;
    w->promotes_full = w->promotes_full || c->verb == COMMAND_PROMOTE_FULL;
    p->s->promotes_full = p->s->promotes_full || c->verb == COMMAND_PROMOTE_FULL;
}

static void take_abort(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)p;
    if (w->abort == NULL)
        w->abort = c;
}

static void take_halt(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)p;
    if (w->halt == NULL)
        w->halt = c;
}

static void take_supersede(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)p;
    if (w->supersede == NULL)
        w->supersede = c;
}

static void take_approve(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)w;
    planner_approve(p, c);
}

static void take_extend(struct planner *p, const struct rollout_command *c, struct wishes *w)
{
    (void)w;
    struct rollout_step *step = present(p);
    int64_t ms = c->arg < 0 ? 0 : c->arg > MAX_EXTEND_MS ? MAX_EXTEND_MS : c->arg;
    step->bake_ms += ms;
    step->max_bake_ms += ms;
    if (p->s->bake_until_ms != 0)
        p->s->bake_until_ms += ms;
    /* The time was over already: it is not any more. */
    if (step->phase == STEP_GATE && ms > 0)
        step->phase = STEP_BAKE;
}

static const struct {
    void (*take)(struct planner *, const struct rollout_command *, struct wishes *);
    bool is_of_step; /* expected_step counts */
} verbs[COMMAND_VERB_COUNT] = {
    [COMMAND_PAUSE] = {take_pause, true},     [COMMAND_RESUME] = {take_resume, true},
    [COMMAND_PROMOTE] = {take_promote, true}, [COMMAND_PROMOTE_FULL] = {take_promote, true},
    [COMMAND_ABORT] = {take_abort, false},    [COMMAND_APPROVE] = {take_approve, true},
    [COMMAND_REJECT] = {take_abort, false},   [COMMAND_HALT] = {take_halt, false},
    [COMMAND_EXTEND] = {take_extend, true},   [COMMAND_SUPERSEDE] = {take_supersede, false},
};

static bool counts(const struct planner *p, const struct rollout_command *c)
{
    bool is_other_step = c->expected_step != 0 && c->expected_step != p->s->step;
    bool is_other_target =
        c->expected_generation != 0 && c->expected_generation != p->v->rollout->generation;
    return command_counts(c->verb, p->s->phase) && !is_other_target && !p->s->is_halting &&
           !(verbs[c->verb].is_of_step && is_other_step);
}

void planner_take_commands(struct planner *p, struct wishes *wishes)
{
    *wishes = (struct wishes){0};
    for (int i = 0; i < p->v->n_commands; i++) {
        const struct rollout_command *c = &p->v->commands[i];
        if (c->seq <= p->s->command_seq)
            continue;
        p->s->command_seq = c->seq;
        if (counts(p, c))
            verbs[c->verb].take(p, c, wishes);
    }
}

const char *planner_command_text(struct planner *p, const struct rollout_command *c)
{
    static const char *const done[COMMAND_VERB_COUNT] = {[COMMAND_ABORT] = "aborted",
                                                         [COMMAND_REJECT] = "rejected",
                                                         [COMMAND_HALT] = "halted",
                                                         [COMMAND_SUPERSEDE] = "superseded"};
    return c->reason != NULL
               ? arena_printf(p->a, "%s by %s: %s", done[c->verb], asker(c), c->reason)
               : arena_printf(p->a, "%s by %s", done[c->verb], asker(c));
}
