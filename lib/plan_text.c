/*
 * Why nothing happens, in words: what a rollout waits for and what would help. Pure; any thread.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "plan_inner.h"
#include "when.h"

static int count_done(const struct planner *p)
{
    int n = 0;
    for (int i = 0; i < p->s->n_nodes; i++)
        n += p->s->nodes[i].is_done;
    return n;
}

/* The first node that is at work, with what it does. */
static const struct rollout_node *busy_node(const struct planner *p)
{
    const struct rollout_node *first = NULL;
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->move.phase == MOVE_NONE)
            continue;
        if (first == NULL || (move_disturbs(&n->move) && !move_disturbs(&first->move)))
            first = n;
    }
    return first;
}

static void explain_node(const struct rollout_node *n, char *text, size_t size)
{
    if (n == NULL)
        text[0] = '\0';
    else if (n->move.text[0] != '\0')
        snprintf(text, size, "; node %.60s: %s (%.120s)", n->name, move_phase_name(n->move.phase),
                 n->move.text);
    else
        snprintf(text, size, "; node %.60s: %s", n->name, move_phase_name(n->move.phase));
}

static const char *unreachable_name(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (!p->seen[i]->is_reachable)
            return p->s->nodes[i].name;
    }
    return NULL;
}

static void explain_apply(struct planner *p)
{
    struct rollout_status *s = p->s;
    const struct rollout_step *step = &s->steps[s->step - 1];
    char node[256];
    explain_node(busy_node(p), node, sizeof node);
    snprintf(s->waiting, sizeof s->waiting, "step %d/%d: version %" PRId64 " on %d of %d nodes%s",
             s->step, s->n_steps, p->v->rollout->to, count_done(p), step->n_nodes, node);
    const char *gone = unreachable_name(p);
    if (gone != NULL)
        snprintf(s->unblock, sizeof s->unblock,
                 "node %.100s cannot be reached: bring it back, or "
                 "delete it",
                 gone);
    else if (p->is_held_by_limit)
        snprintf(s->unblock, sizeof s->unblock,
                 "%d of at most %" PRId64 " nodes of the environment are unavailable",
                 p->n_unavailable, p->v->policy->max_unavailable);
}

static int64_t most_missing(const struct planner *p)
{
    int64_t most = 0;
    for (int i = 0; i < p->s->n_gates; i++) {
        if (p->s->gates[i].n_missing > most)
            most = p->s->gates[i].n_missing;
    }
    return most;
}

static void explain_bake(struct planner *p)
{
    struct rollout_status *s = p->s;
    const struct rollout_step *step = &s->steps[s->step - 1];
    int64_t left = s->bake_since_ms + step->bake_ms - p->v->now_ms;
    int64_t missing = most_missing(p);
    char duration[WHEN_TEXT_BYTES];
    char time[WHEN_TEXT_BYTES + 16] = "time is over";
    char evidence[64] = "";
    if (left > 0)
        snprintf(time, sizeof time, "%s left",
                 when_format_duration((left + 999) / 1000 * 1000, duration));
    if (missing > 0)
        snprintf(evidence, sizeof evidence, ", needs %" PRId64 " more requests", missing);
    snprintf(s->waiting, sizeof s->waiting, "step %d/%d: baking %d of %d nodes; %s%s", s->step,
             s->n_steps, count_done(p), s->n_nodes, time, evidence);
    snprintf(s->unblock, sizeof s->unblock, "mreg rollout promote %s ends this step now",
             p->v->rollout->id);
}

static void explain_pause(struct planner *p)
{
    struct rollout_status *s = p->s;
    const struct rollout_pause *pause = &s->pauses[s->n_pauses - 1];
    snprintf(s->waiting, sizeof s->waiting, "paused (%s): %.250s", pause_reason_name(pause->reason),
             pause->text);
    snprintf(s->unblock, sizeof s->unblock,
             "mreg rollout resume %s, promote to go on without, or abort to roll back",
             p->v->rollout->id);
}

static void explain_back(struct planner *p)
{
    struct rollout_status *s = p->s;
    int n_left = 0;
    for (int i = 0; i < s->n_nodes; i++)
        n_left += s->nodes[i].step > 0 && !s->nodes[i].is_back;
    char node[256];
    explain_node(busy_node(p), node, sizeof node);
    snprintf(s->waiting, sizeof s->waiting, "rolling back: %d node%s to go%s", n_left,
             n_left == 1 ? "" : "s", node);
    const char *gone = unreachable_name(p);
    if (gone != NULL)
        snprintf(s->unblock, sizeof s->unblock,
                 "node %.100s cannot be reached: bring it back, or "
                 "delete it",
                 gone);
}

static void explain_running(struct planner *p)
{
    struct rollout_status *s = p->s;
    switch (s->steps[s->step - 1].phase) {
    case STEP_PENDING:
    case STEP_APPLY:
        explain_apply(p);
        break;
    case STEP_SETTLE:
        snprintf(s->waiting, sizeof s->waiting, "step %d/%d: %d nodes have to stay ready a while",
                 s->step, s->n_steps, count_done(p));
        break;
    case STEP_BAKE:
    case STEP_GATE:
        explain_bake(p);
        break;
    default:
        break;
    }
}

void planner_explain(struct planner *p)
{
    struct rollout_status *s = p->s;
    s->waiting[0] = '\0';
    s->unblock[0] = '\0';
    if (s->phase == ROLLOUT_PAUSED && s->n_pauses > 0)
        explain_pause(p);
    else if (s->phase == ROLLOUT_RUNNING && s->step > 0)
        explain_running(p);
    else if (planner_is_rolling_back(p))
        explain_back(p);
    else if (s->phase == ROLLOUT_FINALIZING)
        snprintf(s->waiting, sizeof s->waiting, "removing files that are needed no more");
}
