/*
 * The imagined world of a forecast: nodes that do what they are told in typical time, counters that
 * grow as they do today, a router that follows. Decides nothing. Pure; any thread.
 */
#include <string.h>

#include "forecast_inner.h"

#define READ_MS 20

void forecast_default_times(int64_t size_bytes, int64_t took_ms[OP_ACTION_COUNT])
{
    static const int64_t plain[OP_ACTION_COUNT] = {
        [OP_SWITCH] = 100,      [OP_LOAD] = 3000,      [OP_UNLOAD] = 500,
        [OP_GOLDEN] = 100,      [OP_REMOVE] = 100,     [OP_WEIGHTS] = 300,
        [OP_OBSERVE] = READ_MS, [OP_SAMPLE] = READ_MS, [OP_ROUTES] = READ_MS};
    for (int i = 0; i < OP_ACTION_COUNT; i++)
        took_ms[i] = plain[i] > 0 ? plain[i] : READ_MS;
    took_ms[OP_STAGE] = 200 + size_bytes / 200000; /* 200 MB/s */
}

/* --- the world -------------------------------------------------------------------------------- */

static void count_requests(struct dream *d, int i)
{
    struct dream_node *n = &d->nodes[i];
    int64_t ms = d->now_ms - n->counted_ms;
    n->counted_ms = d->now_ms;
    if (n->seen.n_ready > 0)
        n->n_milli += d->in->nodes[i].milli_rps * ms / 1000;
}

static void see(struct dream *d, struct dream_node *n)
{
    n->seen.observed_ms = n->seen.looked_ms = d->now_ms;
}

static void set_ready(struct dream_node *n, int64_t x, int64_t y)
{
    int64_t low = x < y ? x : y;
    int64_t high = x < y ? y : x;
    n->seen.n_ready = 0;
    if (low != 0)
        n->seen.ready[n->seen.n_ready++] = low;
    if (high != 0 && high != low)
        n->seen.ready[n->seen.n_ready++] = high;
}

/* What an operation on a node changes there. */
static void take_effect(struct dream *d, int i, const struct plan_action *act)
{
    struct dream_node *n = &d->nodes[i];
    count_requests(d, i);
    switch (act->action) {
    case OP_SWITCH:
        n->visible[0] = act->number;
        n->visible[1] = act->keep;
        break;
    case OP_LOAD:
        set_ready(n, n->visible[0], n->visible[1]);
        break;
    case OP_UNLOAD:
        set_ready(n, 0, 0);
        break;
    case OP_OBSERVE:
        see(d, n);
        break;
    case OP_SAMPLE:
        n->sampled_ms = d->now_ms;
        n->sample = (struct sample){.ts_ms = d->now_ms,
                                    .has_counters = true,
                                    .n_success = n->n_milli / 1000,
                                    .duration_us = n->n_milli / 1000};
        break;
    default:
        break;
    }
}

static void finish_node(struct dream *d, int i)
{
    struct dream_node *n = &d->nodes[i];
    if (n->done_ms == 0 || n->done_ms > d->now_ms)
        return;
    take_effect(d, i, &n->doing);
    if (!op_is_read(n->doing.action)) {
        n->op.state = OP_DONE;
        n->op.ended_ms = d->now_ms;
    }
    n->done_ms = 0;
}

static void finish_router(struct dream *d)
{
    if (d->routed_ms == 0 || d->routed_ms > d->now_ms)
        return;
    if (d->routing.action == OP_WEIGHTS) {
        for (int i = 0; i < d->in->n_nodes; i++) {
            d->nodes[i].routed_bp = d->wanted_bp[i];
            d->nodes[i].is_mirrored = d->wants_mirror[i];
        }
        d->router_op.state = OP_DONE;
        d->router_op.ended_ms = d->now_ms;
    }
    d->routes_seen_ms = d->now_ms;
    d->routed_ms = 0;
}

static int64_t typical_ms(const struct dream *d, enum op_action action)
{
    int64_t ms = d->in->took_ms[action];
    return ms > 0 ? ms : 1;
}

/* File jobs wait for one of the threads that do them. */
static int64_t done_at(struct dream *d, enum op_action action)
{
    int64_t took = typical_ms(d, action);
    bool is_file = action == OP_STAGE || action == OP_SWITCH || action == OP_REMOVE;
    if (!is_file)
        return d->now_ms + took;
    int lane = 0;
    for (int i = 1; i < FORECAST_FILE_LANES; i++)
        lane = d->file_free_ms[i] < d->file_free_ms[lane] ? i : lane;
    int64_t begin = d->file_free_ms[lane] > d->now_ms ? d->file_free_ms[lane] : d->now_ms;
    d->file_free_ms[lane] = begin + took;
    return begin + took;
}

static void note_op(struct dream *d, const struct plan_action *act, int64_t done_ms)
{
    struct forecast *out = d->out;
    if (op_is_read(act->action) || d->goes_back || out->n_ops == FORECAST_MAX_OPS)
        return;
    out->ops[out->n_ops++] = (struct forecast_op){.at_ms = d->now_ms - d->in->now_ms,
                                                  .took_ms = done_ms - d->now_ms,
                                                  .node = act->node,
                                                  .action = act->action,
                                                  .number = act->number,
                                                  .step = d->status.step};
}

void dream_begin_action(struct dream *d, const struct plan_action *act)
{
    int64_t done = done_at(d, act->action);
    struct op_view op = {.state = OP_OPEN, .action = act->action, .attempt = act->attempt};
    note_op(d, act, done);
    if (act->node < 0) {
        d->routing = *act;
        d->routed_ms = done;
        if (act->action == OP_WEIGHTS)
            d->router_op = op;
        return;
    }
    struct dream_node *n = &d->nodes[act->node];
    n->doing = *act;
    n->done_ms = done;
    if (!op_is_read(act->action))
        n->op = op;
    if (d->is_aborted && act->action == OP_LOAD)
        d->out->back_needs_load = true;
}

void dream_begin_world(struct dream *d)
{
    for (int i = 0; i < d->in->n_nodes; i++) {
        struct dream_node *n = &d->nodes[i];
        *n = (struct dream_node){.counted_ms = d->now_ms, .routed_bp = 10000 / d->in->n_nodes};
        n->visible[0] = d->in->nodes[i].version;
        set_ready(n, n->visible[0], 0);
        see(d, n);
    }
    d->routes_seen_ms = d->now_ms;
}

void dream_finish(struct dream *d)
{
    for (int i = 0; i < d->in->n_nodes; i++)
        finish_node(d, i);
    finish_router(d);
}

int64_t dream_next_ms(const struct dream *d)
{
    int64_t next = d->routed_ms != 0 ? d->routed_ms : INT64_MAX;
    for (int i = 0; i < d->in->n_nodes; i++) {
        if (d->nodes[i].done_ms != 0 && d->nodes[i].done_ms < next)
            next = d->nodes[i].done_ms;
    }
    return next;
}

/* --- the view --------------------------------------------------------------------------------- */

static void show_node(struct dream *d, int i)
{
    const struct forecast_node *from = &d->in->nodes[i];
    const struct dream_node *n = &d->nodes[i];
    d->views[i] = (struct view_node){.node_id = from->node_id,
                                     .name = from->name,
                                     .is_reachable = from->is_reachable,
                                     .reachable_since_ms = d->in->now_ms,
                                     .is_busy = n->done_ms != 0,
                                     .is_cordoned = from->is_cordoned,
                                     .order_key = from->order_key,
                                     .wave = from->wave,
                                     .family = from->family,
                                     .labels = from->labels,
                                     .has_route = d->in->has_router && from->has_route,
                                     .routed_bp = d->in->has_router ? n->routed_bp : -1,
                                     .is_mirrored = n->is_mirrored,
                                     .n_sessions = d->in->has_router ? 0 : -1,
                                     .routed_ms = d->routes_seen_ms,
                                     .seen = n->seen,
                                     .sample = n->sample,
                                     .sampled_ms = n->sampled_ms,
                                     .op = n->op};
}

/* Gates that are judged elsewhere are imagined to pass. */
static struct gate_result *verdicts(struct dream *d, struct arena *a)
{
    struct gate_result *list = arena_alloc(a, ((size_t)d->policy->n_gates + 1) * sizeof list[0]);
    for (int i = 0; i < d->policy->n_gates; i++)
        list[i] = (struct gate_result){.kind = d->policy->gates[i].kind, .verdict = VERDICT_PASS};
    return list;
}

void dream_view(struct dream *d, struct arena *a, struct view *v)
{
    for (int i = 0; i < d->in->n_nodes; i++)
        show_node(d, i);
    *v = (struct view){.now_ms = d->now_ms,
                       .rollout = d->in->rollout,
                       .status = &d->status,
                       .policy = d->policy,
                       .live = d->in->live,
                       .last_good = d->in->last_good,
                       .last_to = d->in->live,
                       .nodes = d->views,
                       .n_nodes = d->in->n_nodes,
                       .n_golden = d->in->n_golden,
                       .observe_every_ms = 2 * d->sample_every_ms,
                       .sample_every_ms = d->sample_every_ms,
                       .has_router = d->in->has_router,
                       .can_mirror = d->in->can_mirror,
                       .is_router_busy = d->routed_ms != 0,
                       .router_max_weight = d->in->router_max_weight,
                       .routes_looked_ms = d->routes_seen_ms,
                       .routes_seen_ms = d->routes_seen_ms,
                       .router_op = d->router_op,
                       .driver_flags = d->in->driver_flags,
                       .verdicts = verdicts(d, a),
                       .n_max_actions = d->in->n_nodes + 1};
}
