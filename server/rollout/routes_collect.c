/*
 * What came back from routers: their answers are read by their kind, looks update the controller's
 * memory, an operation is closed when all routers have answered. Nothing is stored here.
 * Controller's thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#define REWRITE_EVERY_MS 30000
/* A reload takes effect a little after it was asked for; later it is not believed in any more. */
#define RELOAD_PATIENCE_MS 10000

/* Where a flight's router and pool are now; each may be gone. */
struct where {
    struct env *env;
    struct env_routes *all;
    struct balancer *balancer;
    struct routed *route;
    struct link *link;
};

static void find_where(struct controller *c, const struct flight *f, struct where *out)
{
    *out = (struct where){.env = world_env(c->world, f->env_id), .all = routes_of(c, f->env_id)};
    if (out->all == NULL)
        return;
    out->route = route_of(out->all, f->target_id);
    for (int i = 0; i < out->all->n_balancers; i++) {
        if (out->all->balancers[i].router_id != f->route->router_id)
            continue;
        out->balancer = &out->all->balancers[i];
        out->link = out->route != NULL ? &out->route->links[i] : NULL;
    }
}

static void wake(struct controller *c, const struct where *at)
{
    struct target *t =
        at->env != NULL && at->route != NULL ? world_target(at->env, at->route->target_id) : NULL;
    if (t != NULL)
        target_wake(c, t);
}

/* --- operations ------------------------------------------------------------------------------- */

static void judge(enum fault f, enum op_state *state, enum op_class *why)
{
    *state = f == FAULT_NONE ? OP_DONE : f == FAULT_UNKNOWN ? OP_UNKNOWN : OP_FAILED;
    *why = f == FAULT_NONE || f == FAULT_UNKNOWN ? OP_CLASS_NONE
           : f == FAULT_REJECTED                 ? OP_CLASS_PERMANENT
                                                 : OP_CLASS_TRANSIENT;
}

/* An outcome that is not known outranks a failure, that a success. */
static void add_outcome(struct routed *r, enum fault fault, const char *text)
{
    enum op_state state;
    enum op_class why;
    judge(fault, &state, &why);
    bool is_worse = state == OP_UNKNOWN || (state == OP_FAILED && r->worst != OP_UNKNOWN);
    if (!is_worse)
        return;
    r->worst = state;
    r->worst_why = why;
    snprintf(r->op_text, sizeof r->op_text, "%s", text);
}

void routes_close(struct controller *c, struct routed *r, bool is_short)
{
    if (is_short)
        add_outcome(r, FAULT_BUSY, "too much is going on: weights are set a little later");
    if (r->op.state != OP_OPEN || r->n_open > 0)
        return;
    r->op.state = r->worst;
    r->op.why = r->worst_why;
    r->op.ended_ms = c->now_ms;
    collect_close(c, r->op_key, &r->op);
}

static void finish_set(struct controller *c, struct flight *f, const struct where *at)
{
    const struct route_flight *rf = f->route;
    struct routed *r = at->route;
    if (at->balancer != NULL && at->balancer->n_setting > 0)
        at->balancer->n_setting--;
    if (at->link != NULL && !rf->is_placing && at->link->n_setting > 0)
        at->link->n_setting--;
    bool is_present = r != NULL && !rf->is_placing && strcmp(r->op_key, rf->op_key) == 0;
    if (at->link != NULL && !rf->is_placing) {
        at->link->set_ms = c->now_ms;
        at->link->set_generation = (rf->kind->flags & ROUTER_SETS_ALL) != 0 ? rf->rq.generation : 0;
    }
    if (is_present) {
        r->n_open--;
        add_outcome(r, rf->result.fault, rf->result.text);
        routes_close(c, r, false);
    }
    wake(c, at);
}

/* --- looks ------------------------------------------------------------------------------------ */

static void see_balancer(struct controller *c, struct balancer *b, const struct router_result *res)
{
    bool is_there = res->fault == FAULT_NONE;
    const char *detail = is_there ? "" : res->text;
    bool is_changed = b->is_reachable != is_there || b->since_ms == 0;
    if (is_changed)
        b->since_ms = c->now_ms;
    if (is_changed || strcmp(b->detail, detail) != 0 ||
        c->now_ms >= b->written_ms + REWRITE_EVERY_MS)
        b->is_unwritten = true;
    b->is_reachable = is_there;
    b->observed_ms = c->now_ms;
    snprintf(b->detail, sizeof b->detail, "%s", detail);
    if (res->generation > b->generation)
        b->generation = res->generation;
}

/* Counters change all the time: they alone are no news. */
static bool is_same_seen(const struct link *l, const struct route_flight *rf, int n)
{
    if (l->n_nodes != n)
        return false;
    for (int i = 0; i < n; i++) {
        const struct router_seen *x = &l->seen[i];
        const struct router_seen *y = &rf->result.seen[i];
        if (l->node_ids[i] != rf->node_ids[i] || x->is_known != y->is_known ||
            x->weight != y->weight || x->is_up != y->is_up || x->is_mirrored != y->is_mirrored)
            return false;
    }
    return true;
}

static bool take_seen(struct link *l, const struct route_flight *rf)
{
    const struct router_result *res = &rf->result;
    int n = res->has_pool ? rf->rq.pools[rf->rq.at].n_servers : 0;
    enum link_state state = res->has_pool ? LINK_KNOWN : LINK_ABSENT;
    bool is_same = l->state == state && l->seen_ms != 0 && is_same_seen(l, rf, n) &&
                   l->n_others == res->n_others;
    size_t room = (size_t)n + 1;
    l->node_ids = mem_resize(l->node_ids, room, sizeof l->node_ids[0]);
    l->seen = mem_resize(l->seen, room, sizeof l->seen[0]);
    memcpy(l->node_ids, rf->node_ids, (size_t)n * sizeof l->node_ids[0]);
    memcpy(l->seen, res->seen, (size_t)n * sizeof l->seen[0]);
    l->n_nodes = n;
    l->state = state;
    l->n_others = res->n_others;
    l->has_counts = res->has_counts;
    l->generation = res->generation;
    return !is_same;
}

/* The reload that was asked for is still under way. */
static bool is_pending(const struct controller *c, const struct link *l,
                       const struct router_result *res)
{
    return l->set_generation > res->generation && c->now_ms < l->set_ms + RELOAD_PATIENCE_MS;
}

/* The answer is about the servers that there are: the fleet did not change meanwhile. */
static bool is_about_these(const struct env_routes *all, const struct route_flight *rf)
{
    const struct router_pool *pool = &rf->rq.pools[rf->rq.at];
    if (pool->n_servers != all->n_nodes)
        return false;
    for (int i = 0; i < all->n_nodes; i++) {
        if (rf->node_ids[i] != all->node_ids[i] ||
            strcmp(pool->servers[i].name, all->server_names[i]) != 0)
            return false;
    }
    return true;
}

/* True if it is news what the router does. */
static bool take_look(struct controller *c, const struct where *at, const struct flight *f)
{
    const struct route_flight *rf = f->route;
    struct link *l = at->link;
    snprintf(l->text, sizeof l->text, "%s", rf->result.text);
    if (rf->result.fault != FAULT_NONE)
        return false;
    if (!is_about_these(at->all, rf)) {
        l->looked_ms = 0;
        return false;
    }
    if (is_pending(c, l, &rf->result)) {
        snprintf(l->text, sizeof l->text, "the reload is not in effect yet");
        return false;
    }
    bool is_news = take_seen(l, rf);
    l->seen_ms = c->now_ms;
    if (is_news || c->now_ms >= l->written_ms + REWRITE_EVERY_MS)
        l->is_unwritten = at->all->is_unwritten = true;
    return is_news;
}

static void finish_look(struct controller *c, struct flight *f, const struct where *at)
{
    const struct router_result *res = &f->route->result;
    if (at->balancer == NULL)
        return;
    see_balancer(c, at->balancer, res);
    at->all->is_unwritten = at->all->is_unwritten || at->balancer->is_unwritten;
    if (res->is_missing && at->env != NULL)
        routes_place(c, at->env, at->balancer);
    if (at->link == NULL || at->env == NULL)
        return;
    at->link->is_looking = false;
    bool is_news = take_look(c, at, f);
    struct target *t = world_target(at->env, at->route->target_id);
    /* Whoever waits looks again, also after an answer that says nothing. */
    bool is_waited_for = t != NULL && (t->is_rolling || t->busy_at != 0);
    if (t != NULL && (is_news || is_waited_for || at->route->op.state != OP_NONE))
        target_wake(c, t);
}

/* --- flights ---------------------------------------------------------------------------------- */

static void finish(struct controller *c, struct flight *f)
{
    struct where at;
    find_where(c, f, &at);
    if (f->route->is_set)
        finish_set(c, f, &at);
    else
        finish_look(c, f, &at);
    flight_end(c, f);
}

void routes_missed(struct controller *c, struct flight *f, enum fault fault, const char *text)
{
    struct router_result *res = &f->route->result;
    res->fault = fault;
    snprintf(res->text, sizeof res->text, "%.*s", (int)sizeof res->text - 1, text);
    finish(c, f);
}

void routes_answer(struct controller *c, struct flight *f, const struct completion *done)
{
    struct route_flight *rf = f->route;
    struct err e;
    bool goes_on = rf->kind->read(&rf->rq, f->call, &done->answer, &done->error, &rf->result);
    if (!goes_on || f->call + 1 >= rf->kind->n_calls(&rf->rq)) {
        finish(c, f);
        return;
    }
    f->call++;
    int rc = routes_call(c, f, &e);
    if (rc != ERR_OK)
        routes_missed(c, f, rc == ERR_INVALID ? FAULT_REJECTED : FAULT_TRANSPORT, e.message);
}
