/*
 * Looking: which nodes are asked again, when, and whether counters are read too. Pure; any thread.
 */
#include "plan_inner.h"

#define SETTLE_LOOK_MS 1000
#define BUSY_RETRY_MS 200

/* Looks at nodes with the new version often enough for the phase, and reads their counters. */
static void watch_node(struct planner *p, int i, bool is_settling)
{
    const struct view_node *vn = p->seen[i];
    int64_t now = p->v->now_ms;
    int64_t every = is_settling ? SETTLE_LOOK_MS : p->v->sample_every_ms;
    int64_t look_at = vn->seen.looked_ms + every;
    int64_t sample_at = vn->sampled_ms + p->v->sample_every_ms;
    if (now >= look_at)
        planner_read(p, i, OP_OBSERVE, p->v->rollout->to);
    else
        planner_wake(p, look_at);
    if (!planner_wants_samples(p))
        return;
    if (now >= sample_at && !planner_read(p, i, OP_SAMPLE, p->v->rollout->to))
        planner_wake(p, now + BUSY_RETRY_MS);
    else if (now < sample_at)
        planner_wake(p, sample_at);
}

void planner_watch(struct planner *p)
{
    if (p->s->step == 0)
        return;
    enum step_phase phase = p->s->steps[p->s->step - 1].phase;
    bool is_watched = phase == STEP_SETTLE || phase == STEP_BAKE || phase == STEP_GATE;
    for (int i = 0; i < p->s->n_nodes && is_watched; i++) {
        const struct rollout_node *n = &p->s->nodes[i];
        if (n->is_done && n->move.phase == MOVE_NONE)
            watch_node(p, i, phase == STEP_SETTLE);
    }
}
