/*
 * Traffic in the plan: which share every node shall have, setting weights when the router does
 * something else, and looking at the router while somebody waits for it. Nodes only say whether
 * they want out; a router is only believed by what was seen after the last operation. Pure; any
 * thread.
 */
#include <assert.h>

#include "plan_inner.h"
#include "traffic.h"

#define ROUTE_LOOK_MS 250
#define RETRY_MS 2000
#define RETRY_REFUSED_MS 15000

int64_t planner_beside(const struct planner *p)
{
    const struct rollout_record *r = p->v->rollout;
    bool keeps = r != NULL && r->from != r->to && p->v->policy->residency == RESIDENCY_BOTH &&
                 (p->v->driver_flags & DRIVER_KEEPS_OTHERS) != 0;
    /* The highest ready version takes the traffic: an older one cannot be brought beside it. */
    bool is_hidden = (p->v->driver_flags & DRIVER_DEFAULT_IS_HIGHEST) != 0;
    return keeps && (!is_hidden || r->to > r->from) ? r->from : 0;
}

/* --- who gets what ---------------------------------------------------------------------------- */

static bool has_new_version(const struct planner *p, const struct rollout_node *n)
{
    if (p->v->rollout == NULL || n->is_back)
        return false;
    /* Until its files are switched back, a node still answers with the new version. */
    if (n->is_returning)
        return n->is_touched && n->move.phase < MOVE_LOAD;
    return n->is_done || (n->step > 0 && n->move.phase == MOVE_ROUTE);
}

static bool is_idle(const struct planner *p, const struct view_node *vn)
{
    if (vn->seen.observed_ms != 0)
        return vn->seen.n_ready == 0;
    return p->v->rollout != NULL && p->v->rollout->from == 0;
}

static enum traffic_role role_of(const struct planner *p, const struct rollout_node *n,
                                 const struct view_node *vn)
{
    if (!vn->has_route || vn->is_drained || (n != NULL && move_wants_out(&n->move)))
        return TRAFFIC_OUT;
    if (is_idle(p, vn))
        return TRAFFIC_IDLE;
    return n != NULL && has_new_version(p, n) ? TRAFFIC_CANARY : TRAFFIC_BASE;
}

/* Roles of the view's nodes, in the planner's arena. */
static enum traffic_role *find_roles(const struct planner *p)
{
    const struct view *v = p->v;
    enum traffic_role *roles = arena_alloc(p->a, ((size_t)v->n_nodes + 1) * sizeof roles[0]);
    int k = 0;
    for (int i = 0; i < v->n_nodes; i++) {
        bool is_in = k < p->s->n_nodes && p->s->nodes[k].node_id == v->nodes[i].node_id;
        roles[i] = role_of(p, is_in ? &p->s->nodes[k] : NULL, &v->nodes[i]);
        k += is_in;
    }
    return roles;
}

static int count_role(const struct planner *p, const enum traffic_role *roles,
                      enum traffic_role role)
{
    int n = 0;
    for (int i = 0; i < p->v->n_nodes; i++)
        n += roles[i] == role;
    return n;
}

/* Going back, the new version loses its traffic at once if the others can carry it: they did so
 * before, or half of the nodes are there. */
static int share_back(const struct planner *p, const enum traffic_role *roles)
{
    int n_base = count_role(p, roles, TRAFFIC_BASE);
    int n_new = count_role(p, roles, TRAFFIC_CANARY);
    bool can_carry =
        n_base > 0 && (n_base >= n_new || p->v->policy->strategy == STRATEGY_BLUE_GREEN);
    return can_carry ? 0 : -1;
}

/* While nodes of a step are still being changed, those that are ready do not carry the share of
 * all of them. */
static int share_of_step(const struct planner *p, const enum traffic_role *roles)
{
    const struct rollout_step *step = &p->s->steps[p->s->step - 1];
    int before = p->s->step > 1 ? step[-1].weight_bp : 0;
    int n_wanted = step->n_nodes < p->s->n_nodes ? step->n_nodes : p->s->n_nodes;
    int n_new = count_role(p, roles, TRAFFIC_CANARY);
    if (step->weight_bp <= 0 || step->phase > STEP_APPLY || n_new >= n_wanted)
        return step->weight_bp;
    int share = (int)((int64_t)step->weight_bp * n_new / n_wanted);
    return share < before && before <= step->weight_bp ? before : share;
}

static int canary_share(const struct planner *p, const enum traffic_role *roles)
{
    bool has_step = p->v->rollout != NULL && p->s->step > 0 && p->s->step <= p->s->n_steps;
    if (!has_step || p->s->phase == ROLLOUT_FINALIZING)
        return -1;
    return planner_is_rolling_back(p) ? share_back(p, roles) : share_of_step(p, roles);
}

static int *find_wanted(const struct planner *p, int *canary_bp)
{
    int *wanted = arena_alloc(p->a, ((size_t)p->v->n_nodes + 1) * sizeof wanted[0]);
    enum traffic_role *roles = find_roles(p);
    *canary_bp = canary_share(p, roles);
    traffic_wanted(roles, p->v->n_nodes, *canary_bp, wanted);
    return wanted;
}

/* --- what the router does --------------------------------------------------------------------- */

/* What was seen before the last operation ended is not what holds now. */
static bool is_seen(const struct planner *p)
{
    const struct view *v = p->v;
    return v->routes_seen_ms != 0 && !v->is_router_busy && v->router_op.state != OP_OPEN &&
           v->routes_seen_ms > v->router_op.ended_ms;
}

/* Per node of the view: it has the new version in a step whose nodes get copies of requests. */
static bool *find_mirrored(const struct planner *p)
{
    const struct view *v = p->v;
    bool *out = arena_alloc(p->a, ((size_t)v->n_nodes + 1) * sizeof out[0]);
    bool has_step = v->rollout != NULL && p->s->step > 0 && p->s->step <= p->s->n_steps;
    bool mirrors = has_step && v->can_mirror && p->s->steps[p->s->step - 1].is_mirrored &&
                   !planner_is_rolling_back(p) && p->s->phase != ROLLOUT_FINALIZING;
    int k = 0;
    for (int i = 0; i < v->n_nodes && mirrors; i++) {
        bool is_in = k < p->s->n_nodes && p->s->nodes[k].node_id == v->nodes[i].node_id;
        if (is_in)
            out[i] = has_new_version(p, &p->s->nodes[k++]) && v->nodes[i].has_route;
    }
    return out;
}

static bool is_as_wanted(const struct planner *p, const int *wanted)
{
    const struct view *v = p->v;
    const bool *mirrored = find_mirrored(p);
    int *seen = arena_alloc(p->a, ((size_t)v->n_nodes + 1) * sizeof seen[0]);
    for (int i = 0; i < v->n_nodes; i++) {
        bool is_unknown = v->nodes[i].has_route && v->nodes[i].routed_bp < 0;
        if (is_unknown || v->nodes[i].is_mirrored != mirrored[i])
            return false;
        seen[i] = v->nodes[i].has_route ? v->nodes[i].routed_bp : 0;
    }
    return traffic_fits(wanted, seen, v->n_nodes, v->router_max_weight);
}

bool planner_traffic_fits(struct planner *p)
{
    int canary_bp = -1;
    if (!p->v->has_router)
        return true;
    int *wanted = find_wanted(p, &canary_bp);
    return is_seen(p) && is_as_wanted(p, wanted);
}

void planner_route_in(const struct planner *p, int i, struct move_in *in)
{
    const struct view_node *vn = p->seen[i];
    const struct rollout_node *n = &p->s->nodes[i];
    bool has_step = p->v->rollout != NULL && p->s->step > 0 && p->s->step <= p->s->n_steps;
    bool is_forward = has_step && n->step > 0 && !n->is_returning;
    in->has_route = p->v->has_router && vn->has_route;
    in->is_router_busy = p->v->is_router_busy || p->v->router_op.state == OP_OPEN ||
                         p->v->routes_seen_ms <= p->v->router_op.ended_ms;
    in->is_dark = is_forward && p->s->steps[p->s->step - 1].weight_bp == 0;
    in->routed_bp = vn->routed_bp;
    in->n_sessions = vn->n_sessions;
    in->routed_ms = vn->routed_ms;
    in->drain_ms = p->v->policy->drain_ms;
}

/* --- asking ----------------------------------------------------------------------------------- */

static bool has_room(const struct planner *p)
{
    return p->out->n_actions < p->v->n_max_actions && !p->v->is_router_busy &&
           p->v->router_op.state != OP_OPEN;
}

static void look(struct planner *p)
{
    int64_t at = p->v->routes_looked_ms + ROUTE_LOOK_MS;
    if (p->v->now_ms < at || !has_room(p)) {
        planner_wake(p, at > p->v->now_ms ? at : p->v->now_ms + ROUTE_LOOK_MS);
        return;
    }
    p->out->actions[p->out->n_actions++] = (struct plan_action){.action = OP_ROUTES, .node = -1};
}

static int64_t retry_at(const struct planner *p)
{
    const struct op_view *op = &p->v->router_op;
    if (op->state != OP_FAILED)
        return 0;
    return op->ended_ms + (op->why == OP_CLASS_TRANSIENT ? RETRY_MS : RETRY_REFUSED_MS);
}

static void set_weights(struct planner *p)
{
    int64_t at = retry_at(p);
    if (p->v->now_ms < at || !has_room(p)) {
        planner_wake(p, at > p->v->now_ms ? at : p->v->now_ms + ROUTE_LOOK_MS);
        return;
    }
    p->s->router_attempt++;
    p->out->actions[p->out->n_actions++] =
        (struct plan_action){.action = OP_WEIGHTS, .node = -1, .attempt = p->s->router_attempt};
}

void planner_traffic(struct planner *p)
{
    const struct view *v = p->v;
    /* With nothing live the shares are somebody else's, but for taking away what mreg brought. */
    bool is_ours = v->rollout != NULL || v->live != 0 || p->wants_routes;
    p->s->weight_bp = -1;
    if (!v->has_router || !is_ours)
        return;
    p->out->weights_bp = find_wanted(p, &p->s->weight_bp);
    p->out->is_mirrored = find_mirrored(p);
    bool is_fit = is_seen(p) && is_as_wanted(p, p->out->weights_bp);
    if (is_seen(p) && !is_fit)
        set_weights(p);
    else if (!is_fit || p->wants_routes)
        look(p);
}
