/*
 * The control: one node with the old version is loaded with it again while the nodes of the first
 * step get the new one, so that what is compared is equally warm. It moves as a node that is
 * repaired does, after the nodes of the step, and never decides about the rollout: what goes wrong
 * with it is a repair, and judging goes on without. Pure; any thread.
 */
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "plan_inner.h"

#define FAMILY_WEIGHT 1000
#define HELD_WEIGHT 1000000

static const char promoted[] = "the step was promoted";

/* Index of the control in the status; -1: none was chosen, or its node was deleted. */
static int find_control(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes && p->s->control_id != 0; i++) {
        if (p->s->nodes[i].node_id == p->s->control_id)
            return i;
    }
    return -1;
}

static bool is_forward(const struct planner *p)
{
    bool is_on = p->s->phase == ROLLOUT_RUNNING || p->s->phase == ROLLOUT_PAUSED;
    return is_on && !p->s->is_halting;
}

static void set_state(struct planner *p, enum rollout_control to, const char *text)
{
    /* The time that the step waited for it does not count against the step. */
    if (p->s->control_until_ms != 0 && p->s->step_deadline_ms != 0)
        p->s->step_deadline_ms = p->v->now_ms + p->v->policy->step_deadline_ms;
    p->s->control = to;
    p->s->control_ms = p->v->now_ms;
    p->s->control_until_ms = 0;
    snprintf(p->s->control_text, sizeof p->s->control_text, "%s", text);
}

static void give_up(struct planner *p, const char *why)
{
    int i = find_control(p);
    if (i < 0)
        set_state(p, CONTROL_LOST, why);
    else
        set_state(p, CONTROL_LOST,
                  arena_printf(p->a, "control %.60s given up: %.200s", p->s->nodes[i].name, why));
}

/* --- choosing --- */

/* Labels that both have with the same value. */
static int n_alike(const char *x, const char *y)
{
    json_t *a CLEANUP(json_decref_ptr) = NULL;
    json_t *b CLEANUP(json_decref_ptr) = NULL;
    const char *key;
    json_t *value;
    int n = 0;
    if (x == NULL || y == NULL || json_parse(x, strlen(x), 4, &a, NULL) != ERR_OK ||
        json_parse(y, strlen(y), 4, &b, NULL) != ERR_OK)
        return 0;
    json_object_foreach(a, key, value)
    {
        n += json_equal(value, json_object_get(b, key));
    }
    return n;
}

static bool may_be_control(const struct planner *p, int i)
{
    const struct rollout_node *n = &p->s->nodes[i];
    const struct view_node *vn = p->seen[i];
    bool is_free = n->step == 0 && n->base == 0 && n->move.phase == MOVE_NONE &&
                   vn->op.state != OP_OPEN && !vn->is_disturbed;
    return is_free && vn->is_reachable && !vn->is_cordoned && !vn->is_drained &&
           observation_fits(&vn->seen, p->v->rollout->from);
}

static const struct view_node *first_chosen(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        if (p->s->nodes[i].order == 1)
            return p->seen[i];
    }
    return NULL;
}

/* How typical node i is of what the canary is; those that are held back serve best as they are. */
static int likeness(const struct planner *p, int i, const struct view_node *canary)
{
    const struct view_node *vn = p->seen[i];
    const struct policy *policy = p->v->policy;
    bool is_held =
        policy->n_holdback > 0 && p->s->nodes[i].rank > p->s->n_nodes - policy->n_holdback;
    int points = is_held ? -HELD_WEIGHT : 0;
    if (canary->family == NULL || vn->family == NULL || strcmp(canary->family, vn->family) == 0)
        points += FAMILY_WEIGHT;
    return points + n_alike(canary->labels, vn->labels);
}

/* The most typical one, of several the first in order; -1: none can be used now. */
static int choose_control(const struct planner *p)
{
    const struct view_node *canary = first_chosen(p);
    int best = -1;
    int best_points = 0;
    for (int i = 0; i < p->s->n_nodes && canary != NULL; i++) {
        if (!may_be_control(p, i))
            continue;
        int points = likeness(p, i, canary);
        bool is_before =
            best >= 0 && points == best_points && p->s->nodes[i].rank < p->s->nodes[best].rank;
        if (best < 0 || points > best_points || is_before) {
            best = i;
            best_points = points;
        }
    }
    return best;
}

void planner_begin_control(struct planner *p, bool is_applied)
{
    bool is_wanted = p->v->policy->reloads_control && p->s->step == 1 && p->v->rollout->from != 0 &&
                     p->v->rollout->from != p->v->rollout->to && p->s->control == CONTROL_NONE;
    if (!is_wanted || p->has_bad_news)
        return;
    if (planner_is_waived(p)) {
        give_up(p, promoted);
        return;
    }
    int i = choose_control(p);
    if (i < 0) {
        if (is_applied)
            give_up(p, "there is no control: no node with the old version could be loaded again");
        return;
    }
    struct rollout_node *n = &p->s->nodes[i];
    p->s->control_id = n->node_id;
    set_state(p, CONTROL_RELOADING, "");
    move_begin(&n->move, p->v->rollout->from, false, p->v->now_ms);
    n->move.reloads = true;
    n->odd_since_ms = 0;
}

/* --- while it is there --- */

/* What was not begun on the node stays as it is; what was is ended as a repair. */
static void let_go(struct planner *p, int i)
{
    struct rollout_node *n = &p->s->nodes[i];
    if (!n->move.reloads || n->move.phase == MOVE_NONE || p->seen[i]->op.state == OP_OPEN)
        return;
    if (n->move.phase < MOVE_LOAD)
        move_end(&n->move);
    n->move.reloads = false;
}

static const char *why_not_warm(const struct planner *p, int i)
{
    const struct view_node *vn = p->seen[i];
    const struct observation *o = &vn->seen;
    if (!vn->is_reachable)
        return "it cannot be reached";
    if (vn->is_drained)
        return "it was taken out of traffic";
    if (vn->restarted_ms > p->s->control_ms)
        return "its server was restarted";
    if (o->observed_ms > p->s->control_ms && !observation_has(o, p->v->rollout->from))
        return "it does not serve the old version any more";
    return p->s->nodes[i].move.phase != MOVE_NONE ? "it is being repaired" : NULL;
}

static const char *why_not_reloading(const struct planner *p, int i)
{
    const struct view_node *vn = p->seen[i];
    if (!is_forward(p))
        return "the rollout does not go on";
    if (move_disturbs(&p->s->nodes[i].move))
        return NULL; /* its deadline ends it */
    if (planner_is_waived(p))
        return promoted;
    return !vn->is_reachable ? "it cannot be reached"
           : vn->is_cordoned ? "it was cordoned"
           : vn->is_drained  ? "it was taken out of traffic"
                             : NULL;
}

void planner_watch_control(struct planner *p)
{
    int i = find_control(p);
    bool is_used = p->s->control == CONTROL_RELOADING || p->s->control == CONTROL_WARM;
    const char *why = NULL;
    if (is_used && i < 0)
        give_up(p, "the control was deleted");
    else if (is_used && p->s->nodes[i].step > 0)
        set_state(
            p, CONTROL_OVER,
            arena_printf(p->a, "control %.60s gets the new version as well", p->s->nodes[i].name));
    else if (is_used)
        why = p->s->control == CONTROL_WARM ? why_not_warm(p, i) : why_not_reloading(p, i);
    if (why != NULL)
        give_up(p, why);
    if (i >= 0 && p->s->control == CONTROL_LOST && p->s->nodes[i].step == 0)
        let_go(p, i);
}

bool planner_is_control(const struct planner *p, const struct rollout_node *n)
{
    return p->s->control_id != 0 && n->node_id == p->s->control_id;
}

/* The new version goes first: with one place for both the control waits. */
static bool is_canary_waiting(const struct planner *p)
{
    for (int i = 0; i < p->s->n_nodes; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->step > 0 && !n->is_done && !n->is_left_out && !move_disturbs(&n->move))
            return true;
    }
    return false;
}

bool planner_holds_control(const struct planner *p, const struct rollout_node *n)
{
    bool is_begun = move_disturbs(&n->move) && !n->move.is_leaving;
    if (!planner_is_control(p, n) || !n->move.reloads || is_begun)
        return false;
    return p->s->control != CONTROL_RELOADING || p->has_bad_news ||
           p->s->phase != ROLLOUT_RUNNING || planner_is_waived(p) || is_canary_waiting(p);
}

void planner_end_control(struct planner *p, const struct rollout_node *n, bool is_done)
{
    if (!planner_is_control(p, n) || p->s->control != CONTROL_RELOADING)
        return;
    if (is_done)
        set_state(p, CONTROL_WARM, "");
    else
        give_up(p, n->move.text);
}

bool planner_waits_for_control(struct planner *p)
{
    struct rollout_status *s = p->s;
    if (s->control != CONTROL_RELOADING)
        return false;
    if (s->control_until_ms == 0)
        s->control_until_ms =
            p->v->now_ms + p->v->policy->node_deadline_ms + p->v->policy->drain_ms;
    if (planner_is_waived(p))
        give_up(p, promoted);
    else if (p->v->now_ms >= s->control_until_ms)
        give_up(p, "it took too long");
    planner_wake(p, s->control_until_ms);
    p->plans_again = p->plans_again || s->control != CONTROL_RELOADING;
    return s->control == CONTROL_RELOADING;
}

bool planner_is_mended(const struct planner *p, const struct rollout_node *n)
{
    return planner_is_control(p, n) && p->s->control == CONTROL_LOST && n->step == 0 &&
           n->move.phase != MOVE_NONE;
}

int planner_unfinished_control(const struct planner *p)
{
    int i = find_control(p);
    if (i < 0)
        return -1;
    const struct rollout_node *n = &p->s->nodes[i];
    const struct move *m = &n->move;
    /* A load that found nothing begins again at the files, one after a restart at the router. */
    bool is_again = move_disturbs(m) && m->was_switched && m->phase < MOVE_GOLDEN;
    bool is_empty = n->step == 0 && (m->phase == MOVE_LOAD || m->phase == MOVE_OBSERVE || is_again);
    return is_empty && m->n_rounds == 0 && p->seen[i]->is_reachable ? i : -1;
}
