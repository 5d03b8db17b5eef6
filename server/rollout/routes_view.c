/*
 * What the planner may know of routers: of several, only what they agree about. Controller's thread
 * only.
 */
#include <stdlib.h>
#include <string.h>

#include "routes.h"
#include "traffic.h"

/* Two routers that differ by less than this in a share do the same. */
#define SAME_BP 100

/* The operation that the lane's status speaks of, after a restart or at the start of a rollout. */
static int load_op(struct controller *c, const struct target *t, struct routed *r, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader reader CLEANUP(reader_end) = {0};
    struct op_row row;
    bool found = false;
    int attempt = t->lane.status.router_attempt;
    /* Nobody waits for the weights of the lane before any more: when its flights end, this one has
     * taken their place. */
    if (r->op.state == OP_OPEN && r->n_open > 0) {
        r->op.state = OP_UNKNOWN;
        r->op.why = OP_CLASS_NONE;
        collect_close(c, r->op_key, &r->op);
    }
    memcpy(r->lane, t->lane.id, sizeof r->lane);
    r->op = (struct op_view){.state = OP_NONE};
    r->op_key[0] = '\0';
    r->n_open = 0;
    if (attempt == 0)
        return ERR_OK;
    op_key_make(r->op_key, t, 0, attempt);
    int rc = reader_begin(c->o.store, &reader, e);
    if (rc == ERR_OK)
        rc = db_op_get(reader.db, r->op_key, &a, &row, &found, e);
    if (rc != ERR_OK || !found)
        return rc;
    snprintf(r->op_text, sizeof r->op_text, "%s", row.detail != NULL ? row.detail : "");
    r->op = (struct op_view){.state = row.state,
                             .why = row.why,
                             .action = row.action,
                             .attempt = row.attempt,
                             .ended_ms = row.ended_ms,
                             .text = r->op_text};
    return ERR_OK;
}

static int find_seen(const struct link *l, int64_t node_id)
{
    for (int i = 0; i < l->n_nodes; i++) {
        if (l->node_ids[i] == node_id)
            return i;
    }
    return -1;
}

/* One router's word about the nodes of the view. */
static void view_link(const struct link *l, struct view_node *nodes, int n, struct arena *a)
{
    int *weights = arena_alloc(a, ((size_t)n + 1) * sizeof weights[0]);
    int *shares = arena_alloc(a, ((size_t)n + 1) * sizeof shares[0]);
    int *at = arena_alloc(a, ((size_t)n + 1) * sizeof at[0]);
    for (int i = 0; i < n; i++) {
        at[i] = find_seen(l, nodes[i].node_id);
        weights[i] = at[i] >= 0 && l->seen[at[i]].is_known ? l->seen[at[i]].weight : 0;
    }
    traffic_shares(weights, n, shares);
    for (int i = 0; i < n; i++) {
        struct view_node *v = &nodes[i];
        if (at[i] < 0 || !l->seen[at[i]].is_known)
            continue;
        const struct router_seen *s = &l->seen[at[i]];
        bool is_same = !v->has_route || ((v->routed_bp > 0) == (shares[i] > 0) &&
                                         abs(v->routed_bp - shares[i]) <= SAME_BP);
        bool is_first = !v->has_route;
        v->has_route = true;
        v->routed_bp = is_same && (is_first || v->routed_bp >= 0) ? shares[i] : -1;
        v->n_sessions = is_first                                 ? s->n_sessions
                        : v->n_sessions < 0 || s->n_sessions < 0 ? -1
                                                                 : v->n_sessions + s->n_sessions;
        v->is_mirrored = v->is_mirrored || s->is_mirrored;
        if (is_first || l->seen_ms < v->routed_ms)
            v->routed_ms = l->seen_ms;
    }
}

/* A router that was never seen with this target may send requests to every node. */
static void view_unknown(struct view_node *nodes, int n)
{
    for (int i = 0; i < n; i++) {
        nodes[i].has_route = true;
        nodes[i].routed_bp = -1;
        nodes[i].n_sessions = -1;
        nodes[i].routed_ms = 0;
    }
}

static void view_links(const struct env_routes *r, const struct routed *t, struct view_node *nodes,
                       struct view *out)
{
    struct arena a CLEANUP(arena_clear) = {0};
    int64_t seen_ms = INT64_MAX;
    bool is_unknown = false;
    for (int i = 0; i < r->n_balancers; i++) {
        const struct balancer *b = &r->balancers[i];
        const struct link *l = &t->links[i];
        if (b->kind == NULL || l->state == LINK_ABSENT)
            continue;
        int most = b->kind->max_weight;
        out->can_mirror = out->can_mirror || (b->kind->flags & ROUTER_MIRRORS) != 0;
        out->router_max_weight =
            !out->has_router || most < out->router_max_weight ? most : out->router_max_weight;
        out->has_router = true;
        out->is_router_busy = out->is_router_busy || l->is_looking || l->n_setting > 0;
        if (l->looked_ms > out->routes_looked_ms)
            out->routes_looked_ms = l->looked_ms;
        seen_ms = l->seen_ms < seen_ms ? l->seen_ms : seen_ms;
        is_unknown = is_unknown || l->seen_ms == 0;
        if (l->seen_ms != 0)
            view_link(l, nodes, out->n_nodes, &a);
    }
    out->routes_seen_ms = out->has_router ? seen_ms : 0;
    if (is_unknown)
        view_unknown(nodes, out->n_nodes);
}

int routes_view(struct controller *c, const struct env *env, const struct target *t,
                struct view_node *nodes, struct view *out, struct err *e)
{
    const struct env_routes *r = routes_of(c, env->env_id);
    struct routed *route = r != NULL ? route_of(r, t->target_id) : NULL;
    for (int i = 0; i < out->n_nodes; i++) {
        nodes[i].routed_bp = -1;
        nodes[i].n_sessions = -1;
        nodes[i].is_drained = env->nodes[i].is_drained;
    }
    if (route == NULL)
        return ERR_OK;
    if (strcmp(route->lane, t->lane.id) != 0) {
        int rc = load_op(c, t, route, e);
        if (rc != ERR_OK) {
            route->lane[0] = '\0';
            return rc;
        }
    }
    view_links(r, route, nodes, out);
    out->router_op = route->op;
    return ERR_OK;
}
