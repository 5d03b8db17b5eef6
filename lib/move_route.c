/*
 * The part of a move that concerns the router: out of traffic before anything is changed, and back
 * into it. Only what was seen after the phase began counts. Pure; any thread.
 */
#include "move_inner.h"

bool move_needs_unroute(const struct move *m, const struct move_in *in)
{
    return in->has_route && !m->is_drop && (in->routed_bp != 0 || !m->is_drained);
}

/* The node leaves the service here; false if it may not yet, or may not any more: then it goes back
 * into traffic, as nothing was changed. */
static bool take_out(struct move *m, const struct move_in *in, struct move_out *out)
{
    bool is_first = m->deadline_ms == 0;
    if (!is_first && !m->is_leaving)
        return true;
    if (!in->may_switch) {
        out->is_blocked = true;
        m->is_leaving = false;
        m->deadline_ms = 0;
        return false;
    }
    m->is_leaving = true;
    m->deadline_ms = MOVE_NO_DEADLINE;
    if (is_first)
        m->since_ms = in->now_ms;
    return true;
}

static bool is_routes_news(const struct move *m, const struct move_in *in)
{
    return in->routed_ms > m->since_ms && !in->is_router_busy;
}

void move_unroute(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (!in->has_route) {
        move_enter(m, MOVE_SWITCH, in->now_ms);
        return;
    }
    if (!take_out(m, in, out))
        return;
    if (is_routes_news(m, in) && in->routed_bp == 0) {
        m->is_drained = false;
        move_enter(m, MOVE_DRAIN, in->now_ms);
        return;
    }
    out->wants_routes = true;
}

void move_drain(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (!in->has_route || in->routed_bp != 0) {
        move_enter(m, in->has_route ? MOVE_UNROUTE : MOVE_SWITCH, in->now_ms);
        return;
    }
    if (!take_out(m, in, out)) {
        move_enter(m, MOVE_UNROUTE, in->now_ms);
        return;
    }
    int64_t end_ms = m->since_ms + in->drain_ms;
    bool is_quiet = is_routes_news(m, in) && in->n_sessions == 0;
    if (is_quiet || in->now_ms >= end_ms) {
        m->is_drained = true;
        move_enter(m, MOVE_SWITCH, in->now_ms);
        return;
    }
    out->wants_routes = true;
    out->wake_ms = end_ms;
}

void move_route(const struct move *m, const struct move_in *in, struct move_out *out)
{
    bool is_in = is_routes_news(m, in) && in->routed_bp > 0;
    if (!in->has_route || in->is_dark || is_in)
        out->outcome = MOVE_DONE;
    else
        out->wants_routes = true;
}
