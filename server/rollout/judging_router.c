/*
 * What routers count per node, for comparing where the nodes themselves count no requests. Which of
 * the two is used is settled before the first interval: their numbers do not go together.
 * Controller's thread.
 */
#include "controller_inner.h"
#include "judging.h"
#include "routes.h"

/* What one router saw of the node; NULL if it does not count, or does not know it. */
static const struct router_seen *seen_by(const struct link *l, int64_t node_id)
{
    for (int i = 0; l->state == LINK_KNOWN && l->has_counts && l->seen_ms > 0 && i < l->n_nodes;
         i++) {
        if (l->node_ids[i] == node_id)
            return l->seen[i].is_known ? &l->seen[i] : NULL;
    }
    return NULL;
}

bool judging_is_routed(const struct controller *c, const struct target *t, int64_t node_id,
                       int64_t *ts_ms)
{
    const struct env_routes *r = routes_of(c, t->env->env_id);
    const struct routed *route = r != NULL ? route_of(r, t->target_id) : NULL;
    *ts_ms = 0;
    for (int i = 0; route != NULL && i < r->n_balancers; i++) {
        const struct link *l = &route->links[i];
        if (seen_by(l, node_id) != NULL && (*ts_ms == 0 || l->seen_ms < *ts_ms))
            *ts_ms = l->seen_ms;
    }
    return *ts_ms > 0;
}

/* --- counting: each router by itself, for each starts again by itself --- */

static struct feed *link_feed(struct judged_node *n, int64_t router_id, int feed)
{
    for (int i = 0; i < n->n_links; i++) {
        if (n->links[i].router_id == router_id && n->links[i].feed == feed)
            return &n->links[i].counts;
    }
    n->links = mem_resize(n->links, (size_t)n->n_links + 1, sizeof n->links[0]);
    struct judged_link *l = &n->links[n->n_links++];
    *l = (struct judged_link){.router_id = router_id, .feed = feed};
    /* Of one that joins, the first reading is the base line. */
    feed_begin(&l->counts, n->since_ms);
    return &l->counts;
}

void judging_feed_links(const struct controller *c, const struct target *t, struct judged_node *n,
                        struct judged_take *take)
{
    const struct env_routes *r = routes_of(c, t->env->env_id);
    const struct routed *route = r != NULL ? route_of(r, t->target_id) : NULL;
    for (int i = 0; route != NULL && i < r->n_balancers; i++) {
        const struct router_seen *seen = seen_by(&route->links[i], n->node_id);
        int64_t count = 0, bad = 0;
        if (seen == NULL || seen->n_errors > seen->n_requests)
            continue;
        struct feed_reading reading = {.ts_ms = route->links[i].seen_ms,
                                       .n_total = seen->n_requests,
                                       .n_good = seen->n_requests - seen->n_errors};
        struct feed *f = link_feed(n, r->balancers[i].router_id, take->feed);
        if (!feed_add(f, &take->warm, &reading, &count, &bad))
            continue;
        take->n += count;
        take->bad += bad;
    }
}

/* --- who counts --- */

/* Every node that takes part is counted by a router, and one of them counts nothing itself. */
static bool needs_router(const struct controller *c, const struct env *env, const struct target *t)
{
    bool is_dark = false;
    for (int i = 0; i < env->n_nodes; i++) {
        const struct judged_node *n = judging_node(t->judging, env->nodes[i].node_id);
        const struct counted *counted = t->spots[i].counted;
        int64_t ts_ms = 0;
        if (n == NULL || n->arm == ARM_NONE)
            continue;
        if (!judging_is_routed(c, t, n->node_id, &ts_ms))
            return false;
        is_dark = is_dark || counted == NULL || !counted->has_requests;
    }
    return is_dark;
}

void judging_choose_source(struct controller *c, const struct env *env, struct target *t)
{
    struct judging *j = t->judging;
    for (int i = 0; i < j->n_gates; i++) {
        struct judged_gate *g = &j->gates[i];
        bool is_open = g->kind == GATE_ERROR_RATIO && g->state.n_intervals == 0;
        bool is_routed = is_open && needs_router(c, env, t);
        if (!is_open || is_routed == g->is_routed)
            continue;
        g->is_routed = is_routed;
        for (int k = 0; k < j->n_nodes; k++)
            judging_begin_feed(&j->nodes[k], g->feed, c->now_ms - 1);
        judging_changed(c, t);
    }
}
