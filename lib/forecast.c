/*
 * A forecast: the planner is asked again and again in an imagined world (forecast_world.c), and
 * what it does there is written down; once to the end, and once with a rollback just before. Knows
 * nothing of stores, sockets or clocks. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "forecast_inner.h"
#include "steps.h"

#define MAX_ROUNDS 60000
#define MIN_SAMPLE_MS 5000

/* --- what is written down --------------------------------------------------------------------- */

static void note_capacity(struct dream *d)
{
    int n_serving = 0;
    int k = 0;
    for (int i = 0; i < d->in->n_nodes; i++) {
        while (k < d->status.n_nodes && d->status.nodes[k].node_id < d->in->nodes[i].node_id)
            k++;
        bool is_in = k < d->status.n_nodes && d->status.nodes[k].node_id == d->in->nodes[i].node_id;
        bool is_disturbed = is_in && move_disturbs(&d->status.nodes[k].move);
        n_serving += d->in->nodes[i].is_reachable && !is_disturbed && d->nodes[i].seen.n_ready > 0;
    }
    if (d->is_aborted) {
        d->back_low = n_serving < d->back_low ? n_serving : d->back_low;
    } else if (!d->goes_back && n_serving < d->out->low_point) {
        d->out->low_point = n_serving;
        d->out->low_at_ms = d->now_ms - d->in->now_ms;
    }
}

/* Requests per 1000 s to nodes with the new version: by weight, or as they come to those nodes. */
static int64_t new_traffic(const struct dream *d, const struct rollout_step *step)
{
    int64_t all = 0;
    int64_t some = 0;
    for (int i = 0; i < d->in->n_nodes; i++)
        all += d->in->nodes[i].milli_rps;
    for (int i = 0; i < d->status.n_nodes; i++) {
        const struct rollout_node *n = &d->status.nodes[i];
        for (int k = 0; n->step > 0 && k < d->in->n_nodes; k++)
            some += d->in->nodes[k].node_id == n->node_id ? d->in->nodes[k].milli_rps : 0;
    }
    return step->weight_bp >= 0 ? all * step->weight_bp / 10000 : some;
}

static void note_evidence(struct dream *d, const struct rollout_step *step,
                          struct forecast_step *out)
{
    out->milli_rps = new_traffic(d, step);
    for (int i = 0; i < d->policy->n_gates && step->bake_ms > 0; i++) {
        const struct policy_gate *g = &d->policy->gates[i];
        bool is_counted = g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY ||
                          g->kind == GATE_ERROR_RATIO || g->kind == GATE_SLOW_RATIO;
        if (is_counted && !g->is_report_only && g->min_requests > out->n_wanted)
            out->n_wanted = g->min_requests;
    }
    if (out->n_wanted > 0)
        out->evidence_ms =
            out->milli_rps > 0 ? out->n_wanted * 1000000 / out->milli_rps : INT64_C(-1);
}

static void note_steps(struct dream *d)
{
    struct forecast *out = d->out;
    if (d->goes_back || d->status.n_steps == 0)
        return;
    if (out->steps == NULL) {
        out->n_steps = d->status.n_steps;
        out->steps = arena_alloc(d->a, (size_t)out->n_steps * sizeof out->steps[0]);
    }
    for (int k = 0; k < out->n_steps; k++) {
        const struct rollout_step *from = &d->status.steps[k];
        struct forecast_step *to = &out->steps[k];
        to->n_nodes = from->n_nodes;
        to->bake_ms = from->bake_ms;
        to->max_bake_ms = from->max_bake_ms;
        to->weight_bp = from->weight_bp;
        to->wave = arena_strdup(d->a, from->wave);
        to->n_approvals = d->n_approvals != NULL ? d->n_approvals[k].n_approvals : 0;
        to->begin_ms = from->started_ms != 0 ? from->started_ms - d->in->now_ms : to->begin_ms;
        to->end_ms = from->ended_ms != 0 ? from->ended_ms - d->in->now_ms : to->end_ms;
        bool is_baking =
            k == d->status.step - 1 && (from->phase == STEP_BAKE || from->phase == STEP_GATE);
        if (is_baking && to->n_wanted == 0)
            note_evidence(d, from, to);
    }
}

/* --- the loop --------------------------------------------------------------------------------- */

static void take_over(struct dream *d, const struct plan *plan)
{
    int next = 1 - d->at_keep;
    struct rollout_status copy;
    arena_clear(&d->keep[next]);
    rollout_status_copy(&plan->status, &d->keep[next], &copy);
    d->status = copy;
    d->at_keep = next;
    if (plan->weights_bp != NULL && d->in->n_nodes > 0) {
        memcpy(d->wanted_bp, plan->weights_bp, (size_t)d->in->n_nodes * sizeof d->wanted_bp[0]);
        memcpy(d->wants_mirror, plan->is_mirrored,
               (size_t)d->in->n_nodes * sizeof d->wants_mirror[0]);
    }
}

/* Plans with a command, or none. Just before it would end, with the new version everywhere,
 * somebody aborts it. */
static void plan_once(struct dream *d, const struct rollout_command *given, struct arena *a,
                      struct plan *plan)
{
    struct rollout_command abort = {
        .seq = d->status.command_seq + 1, .verb = COMMAND_ABORT, .actor = "forecast"};
    struct view *v = arena_alloc(a, sizeof *v);
    dream_view(d, a, v);
    v->commands = given;
    v->n_commands = given != NULL ? 1 : 0;
    plan_rollout(v, a, plan);
    if (!d->goes_back || d->is_aborted || plan->status.phase != ROLLOUT_FINALIZING)
        return;
    d->is_aborted = true;
    d->back_from_ms = d->now_ms;
    v->commands = &abort;
    v->n_commands = 1;
    plan_rollout(v, a, plan);
}

/* Somebody answers what it waits for, so that the rest can be foreseen. */
static void answer_pause(struct dream *d, struct arena *a, struct plan *plan)
{
    struct rollout_command go = {
        .seq = plan->status.command_seq + 1, .verb = COMMAND_PROMOTE, .actor = "forecast"};
    const struct rollout_pause *why = &plan->status.pauses[0];
    if (!d->goes_back && d->n_promoted == 0) {
        snprintf(d->out->outcome, sizeof d->out->outcome, "step %d pauses (%s): %.250s",
                 plan->status.step, pause_reason_name(why->reason), why->text);
        d->out->stops_step = plan->status.step;
        d->out->stops_ms = d->now_ms - d->in->now_ms;
    }
    d->n_promoted++;
    take_over(d, plan);
    plan_once(d, &go, a, plan);
}

/* One plan and the time until the next; false: it ended, or nothing will ever happen. */
static bool go_on(struct dream *d)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct plan *plan = arena_alloc(&a, sizeof *plan);
    plan_once(d, NULL, &a, plan);
    if (plan->status.phase == ROLLOUT_PAUSED && d->n_promoted < ROLLOUT_MAX_STEPS)
        answer_pause(d, &a, plan);
    take_over(d, plan);
    for (int i = 0; i < plan->n_actions; i++)
        dream_begin_action(d, &plan->actions[i]);
    note_capacity(d);
    note_steps(d);
    if (rollout_phase_is_terminal(d->status.phase))
        return false;
    int64_t done = dream_next_ms(d);
    int64_t next = done < plan->wake_ms ? done : plan->wake_ms;
    if (next == INT64_MAX)
        return false;
    d->now_ms = next > d->now_ms ? next : d->now_ms;
    dream_finish(d);
    return true;
}

/* How many people each step asks for is told, but nobody is waited for. */
static void keep_approvals(struct dream *d)
{
    size_t n = (size_t)d->in->n_nodes;
    struct step_node *labels = arena_alloc(d->a, (n + 1) * sizeof labels[0]);
    for (size_t i = 0; i < n; i++)
        labels[i] = (struct step_node){.order_key = d->in->nodes[i].order_key,
                                       .wave = d->in->nodes[i].wave};
    (void)steps_make(d->in->policy, labels, d->in->n_nodes, d->a, &d->n_approvals);
}

static void begin_dream(struct dream *d)
{
    int64_t longest = 0;
    if (!d->goes_back)
        keep_approvals(d);
    d->now_ms = d->in->now_ms;
    rollout_status_init(&d->status, d->now_ms);
    dream_begin_world(d);
    for (int i = 0; i < d->policy->n_steps; i++) {
        d->policy->steps[i].n_approvals = 0;
        if (d->policy->steps[i].bake_ms > longest)
            longest = d->policy->steps[i].bake_ms;
    }
    longest = d->policy->bake_ms > longest ? d->policy->bake_ms : longest;
    d->policy->n_approvals = 0;
    d->sample_every_ms = longest / 20 > MIN_SAMPLE_MS ? longest / 20 : MIN_SAMPLE_MS;
    d->out->low_point = d->goes_back ? d->out->low_point : d->in->n_nodes;
    d->back_low = d->in->n_nodes;
}

static void run(struct dream *d)
{
    begin_dream(d);
    int n = 0;
    while (n < MAX_ROUNDS && go_on(d))
        n++;
    if (!d->goes_back) {
        d->out->total_ms = d->now_ms - d->in->now_ms;
        d->out->is_complete = d->status.phase == ROLLOUT_SUCCEEDED;
        if (d->out->outcome[0] == '\0')
            snprintf(d->out->outcome, sizeof d->out->outcome, "%.300s",
                     n == MAX_ROUNDS                ? "it takes too long to be foreseen"
                     : d->status.outcome[0] != '\0' ? d->status.outcome
                                                    : d->status.waiting);
    } else if (d->is_aborted && d->status.phase == ROLLOUT_ROLLED_BACK) {
        d->out->back_ms = d->now_ms - d->back_from_ms;
        d->out->back_low_point = d->back_low;
        d->out->n_back_nodes = d->status.n_nodes;
    }
    arena_clear(&d->keep[0]);
    arena_clear(&d->keep[1]);
}

void forecast_make(const struct forecast_in *in, struct arena *a, struct forecast *out)
{
    struct arena work CLEANUP(arena_clear) = {0};
    size_t n = (size_t)in->n_nodes + 1;
    *out = (struct forecast){.ops = arena_alloc(a, FORECAST_MAX_OPS * sizeof out->ops[0])};
    for (int i = 0; i < 2; i++) {
        struct dream *d = arena_alloc(&work, sizeof *d);
        *d = (struct dream){.in = in, .out = out, .a = a, .goes_back = i == 1};
        d->nodes = arena_alloc(&work, n * sizeof d->nodes[0]);
        d->views = arena_alloc(&work, n * sizeof d->views[0]);
        d->wanted_bp = arena_alloc(&work, n * sizeof d->wanted_bp[0]);
        d->wants_mirror = arena_alloc(&work, n * sizeof d->wants_mirror[0]);
        d->policy = arena_alloc(&work, sizeof *d->policy);
        memcpy(d->policy, in->policy, sizeof *d->policy);
        if (in->n_nodes > 0)
            run(d);
    }
}
