/*
 * From what is wanted of a router to jobs. One exchange is a row of calls that the router's kind
 * makes. Setting weights was recorded before it comes here; looks need no record. Controller's
 * thread only; nothing here waits.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"
#include "traffic.h"

#define CALL_TIMEOUT_MS 4000
#define MOST_LOOKS 24
#define PLACE_EVERY_MS 10000

static int find_id(const int64_t *ids, int n, int64_t id)
{
    for (int i = 0; i < n; i++) {
        if (ids[i] == id)
            return i;
    }
    return -1;
}

/* --- what is wanted --------------------------------------------------------------------------- */

static void set_wanted(const struct env *env, struct routed *r, const struct plan *plan)
{
    size_t n = (size_t)env->n_nodes + 1;
    r->wanted_ids = mem_resize(r->wanted_ids, n, sizeof r->wanted_ids[0]);
    r->wanted_bp = mem_resize(r->wanted_bp, n, sizeof r->wanted_bp[0]);
    r->wanted_mirror = mem_resize(r->wanted_mirror, n, sizeof r->wanted_mirror[0]);
    r->n_wanted = env->n_nodes;
    for (int i = 0; i < env->n_nodes; i++) {
        r->wanted_ids[i] = env->nodes[i].node_id;
        r->wanted_bp[i] = plan->weights_bp[i];
        r->wanted_mirror[i] = plan->is_mirrored != NULL && plan->is_mirrored[i];
    }
}

void routes_take_plan(struct controller *c, const struct env *env, const struct target *t,
                      const struct plan *plan)
{
    const struct env_routes *all = routes_of(c, env->env_id);
    struct routed *r = all != NULL ? route_of(all, t->target_id) : NULL;
    if (r == NULL || plan->weights_bp == NULL)
        return;
    set_wanted(env, r, plan);
    for (int i = 0; i < plan->n_actions; i++) {
        const struct plan_action *act = &plan->actions[i];
        if (act->action != OP_WEIGHTS)
            continue;
        op_key_make(r->op_key, t, 0, act->attempt);
        r->op_text[0] = '\0';
        r->op = (struct op_view){
            .state = OP_OPEN, .action = OP_WEIGHTS, .attempt = act->attempt, .text = r->op_text};
        r->n_open = 0;
        r->worst = OP_DONE;
        r->worst_why = OP_CLASS_NONE;
    }
}

/* --- pools ------------------------------------------------------------------------------------ */

/* One exchange while it is made. */
struct making {
    struct controller *c;
    const struct env *env;
    const struct env_routes *all;
    struct flight *f;
    struct route_flight *rf;
    int at; /* which router */
};

/* Shares of a target that is not being changed: as seen, else as wanted before, else equal. */
static void fill_others(const struct making *m, const struct routed *r, struct router_pool *pool)
{
    const struct link *l = &r->links[m->at];
    int n = pool->n_servers;
    int *weights = arena_alloc(&m->f->arena, ((size_t)n + 1) * sizeof weights[0]);
    int *shares = arena_alloc(&m->f->arena, ((size_t)n + 1) * sizeof shares[0]);
    for (int i = 0; i < n; i++) {
        int64_t id = m->env->nodes[i].node_id;
        int seen = find_id(l->node_ids, l->n_nodes, id);
        int wanted = find_id(r->wanted_ids, r->n_wanted, id);
        bool is_seen = l->seen_ms != 0;
        weights[i] = is_seen           ? seen >= 0 ? l->seen[seen].weight : 0
                     : r->n_wanted > 0 ? wanted >= 0 ? r->wanted_bp[wanted] : 0
                                       : 1;
        pool->servers[i].is_mirrored = is_seen && seen >= 0 && l->seen[seen].is_mirrored;
    }
    traffic_shares(weights, n, shares);
    for (int i = 0; i < n; i++)
        pool->servers[i].share_bp = shares[i];
}

static void fill_wanted(const struct making *m, const struct routed *r, struct router_pool *pool)
{
    for (int i = 0; i < pool->n_servers; i++) {
        int at = find_id(r->wanted_ids, r->n_wanted, m->rf->node_ids[i]);
        pool->servers[i].share_bp = at >= 0 ? r->wanted_bp[at] : 0;
        pool->servers[i].is_mirrored = at >= 0 && r->wanted_mirror[at];
    }
}

static void fill_pool(const struct making *m, const struct target *t, const char *backend,
                      struct router_pool *pool)
{
    struct arena *a = &m->f->arena;
    *pool = (struct router_pool){.backend = routing_backend(a, backend, t->serve_as),
                                 .n_servers = m->env->n_nodes};
    pool->servers = arena_alloc(a, ((size_t)m->env->n_nodes + 1) * sizeof pool->servers[0]);
    for (int i = 0; i < m->env->n_nodes; i++) {
        const struct node *n = &m->env->nodes[i];
        int named = find_id(m->all->node_ids, m->all->n_nodes, n->node_id);
        pool->servers[i].name = arena_strdup(a, named >= 0 ? m->all->server_names[named] : n->name);
        pool->servers[i].address = routing_host(a, n->urls.infer_url);
    }
}

/* Commands name servers one by one: only those that are there. */
static void drop_unknown(const struct making *m, const struct link *l, struct router_pool *pool)
{
    int kept = 0;
    for (int i = 0; i < pool->n_servers; i++) {
        int seen = find_id(l->node_ids, l->n_nodes, m->rf->node_ids[i]);
        if (seen < 0 || !l->seen[seen].is_known)
            continue;
        pool->servers[kept] = pool->servers[i];
        m->rf->node_ids[kept++] = m->rf->node_ids[i];
    }
    pool->n_servers = kept;
}

static void make_pools(const struct making *m, int64_t target_id)
{
    struct route_flight *rf = m->rf;
    bool takes_all = rf->is_set && (rf->kind->flags & ROUTER_SETS_ALL) != 0;
    size_t most = takes_all ? (size_t)m->env->n_targets : 1;
    struct router_pool *pools = arena_alloc(&m->f->arena, (most + 1) * sizeof pools[0]);
    rf->rq.pools = pools;
    for (int i = 0; i < m->env->n_targets; i++) {
        const struct target *t = &m->env->targets[i];
        const struct routed *r = route_of(m->all, t->target_id);
        bool is_it = t->target_id == target_id;
        if (r == NULL || (!takes_all && !is_it))
            continue;
        struct router_pool *pool = &pools[rf->rq.n_pools];
        fill_pool(m, t, rf->config.backend, pool);
        if (is_it && rf->is_set && !rf->is_placing)
            fill_wanted(m, r, pool);
        else
            fill_others(m, r, pool);
        if (is_it && rf->is_set && !takes_all)
            drop_unknown(m, &r->links[m->at], pool);
        rf->rq.at = is_it ? rf->rq.n_pools : rf->rq.at;
        rf->rq.n_pools++;
    }
}

/* --- flights ---------------------------------------------------------------------------------- */

static void copy_config(const struct router_config *from, struct arena *a, struct router_config *to)
{
    *to = (struct router_config){.name = arena_strdup(a, from->name),
                                 .driver = arena_strdup(a, from->driver),
                                 .address = arena_strdup(a, from->address),
                                 .file = arena_strdup(a, from->file),
                                 .pid_file = arena_strdup(a, from->pid_file),
                                 .backend = arena_strdup(a, from->backend),
                                 .server_label = arena_strdup(a, from->server_label)};
}

static struct flight *begin(struct controller *c, const struct env *env, struct balancer *b,
                            int64_t target_id)
{
    struct flight *f = flight_new(c);
    if (f == NULL)
        return NULL;
    struct route_flight *rf = arena_alloc(&f->arena, sizeof *rf);
    f->kind = FLIGHT_ROUTE;
    f->env_id = env->env_id;
    f->target_id = target_id;
    f->route = rf;
    rf->router_id = b->router_id;
    rf->kind = b->kind;
    copy_config(&b->config, &f->arena, &rf->config);
    rf->rq.config = &rf->config;
    rf->rq.timeout_ms = CALL_TIMEOUT_MS;
    rf->node_ids = arena_alloc(&f->arena, ((size_t)env->n_nodes + 1) * sizeof rf->node_ids[0]);
    for (int i = 0; i < env->n_nodes; i++)
        rf->node_ids[i] = env->nodes[i].node_id;
    rf->result.n_draining = -1;
    rf->result.seen =
        arena_alloc(&f->arena, ((size_t)env->n_nodes + 1) * sizeof(struct router_seen));
    return f;
}

int routes_call(struct controller *c, struct flight *f, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct route_flight *rf = f->route;
    struct router_call call;
    int rc = rf->kind->make(&rf->rq, f->call, &a, &call, e);
    if (rc != ERR_OK)
        return rc;
    f->deadline_ms = c->now_ms + 2 * CALL_TIMEOUT_MS;
    struct job job = {.deadline_ms = f->deadline_ms, .call = call.http, .lines = call.lines};
    job.kind = call.kind == ROUTER_CALL_HTTP    ? JOB_HTTP
               : call.kind == ROUTER_CALL_LINES ? JOB_LINES
                                                : JOB_RELOAD;
    job.reload = (struct reload_job){.file = rf->config.file,
                                     .pid_file = rf->config.pid_file,
                                     .text = call.text,
                                     .service = call.service};
    memcpy(job.key, f->key, sizeof job.key);
    f->job = job.kind;
    return c->o.io->submit(c->o.io->self, &job, e);
}

static void submit(struct controller *c, struct flight *f)
{
    struct err e;
    int rc = routes_call(c, f, &e);
    if (rc != ERR_OK)
        routes_missed(c, f, rc == ERR_INVALID ? FAULT_REJECTED : FAULT_TRANSPORT, e.message);
}

static bool look_at(struct controller *c, const struct env *env, struct env_routes *all, int at,
                    struct routed *r)
{
    struct balancer *b = &all->balancers[at];
    struct flight *f = begin(c, env, b, r->target_id);
    if (f == NULL)
        return false;
    struct making m = {.c = c, .env = env, .all = all, .f = f, .rf = f->route, .at = at};
    f->route->rq.action = ROUTER_LOOK;
    make_pools(&m, r->target_id);
    r->links[at].looked_ms = c->now_ms;
    r->links[at].is_looking = true;
    snprintf(f->key, sizeof f->key, "routes/%" PRId64 "/b%" PRId64, ++c->read_seq, b->router_id);
    submit(c, f);
    return true;
}

/* A file is written by one at a time: each writes what it knows of all the others. */
static bool is_free(const struct balancer *b)
{
    return (b->kind->flags & ROUTER_SETS_ALL) == 0 || b->n_setting == 0;
}

static bool set_at(struct controller *c, const struct env *env, struct env_routes *all, int at,
                   struct routed *r)
{
    struct balancer *b = &all->balancers[at];
    struct flight *f = is_free(b) ? begin(c, env, b, r->target_id) : NULL;
    if (f == NULL)
        return false;
    struct making m = {.c = c, .env = env, .all = all, .f = f, .rf = f->route, .at = at};
    f->route->is_set = true;
    f->route->attempt = r->op.attempt;
    f->route->rq.action = ROUTER_SET;
    make_pools(&m, r->target_id);
    b->generation = b->generation < c->now_ms ? c->now_ms : b->generation + 1;
    f->route->rq.generation = b->generation;
    memcpy(f->lane, r->lane, sizeof f->lane);
    memcpy(f->route->op_key, r->op_key, sizeof r->op_key);
    snprintf(f->key, sizeof f->key, "%.120s/b%" PRId64, r->op_key, b->router_id);
    b->n_setting++;
    r->links[at].n_setting++;
    r->n_open++;
    submit(c, f);
    return true;
}

void routes_place(struct controller *c, const struct env *env, struct balancer *b)
{
    struct env_routes *all = routes_of(c, env->env_id);
    if (c->now_ms < b->placed_ms + PLACE_EVERY_MS || !is_free(b) || all == NULL)
        return;
    struct flight *f = begin(c, env, b, 0);
    if (f == NULL)
        return;
    struct making m = {.c = c, .env = env, .all = all, .f = f, .rf = f->route};
    m.at = (int)(b - all->balancers);
    b->placed_ms = c->now_ms;
    b->n_setting++;
    f->route->is_set = f->route->is_placing = true;
    f->route->rq.action = ROUTER_SET;
    make_pools(&m, 0);
    b->generation = b->generation < c->now_ms ? c->now_ms : b->generation + 1;
    f->route->rq.generation = b->generation;
    snprintf(f->key, sizeof f->key, "place/%" PRId64 "/b%" PRId64, ++c->read_seq, b->router_id);
    submit(c, f);
}

/* --- actions ---------------------------------------------------------------------------------- */

void routes_execute(struct controller *c, const struct env *env, const struct target *t,
                    const struct plan_action *act)
{
    struct env_routes *all = routes_of(c, env->env_id);
    struct routed *r = all != NULL ? route_of(all, t->target_id) : NULL;
    bool is_short = false;
    for (int i = 0; r != NULL && i < all->n_balancers; i++) {
        const struct link *l = &r->links[i];
        if (all->balancers[i].kind == NULL || l->state == LINK_ABSENT)
            continue;
        if (act->action == OP_ROUTES && !l->is_looking)
            (void)look_at(c, env, all, i, r);
        /* What may have failed at once is closed already. */
        if (act->action == OP_WEIGHTS && !set_at(c, env, all, i, r))
            is_short = true;
    }
    if (act->action == OP_WEIGHTS && r != NULL)
        routes_close(c, r, is_short);
}

/* --- idle looks ------------------------------------------------------------------------------- */

static int count_looks(const struct controller *c)
{
    int n = 0;
    for (int i = 0; i < MAX_FLIGHTS; i++)
        n += c->flights[i].key[0] != '\0' && c->flights[i].kind == FLIGHT_ROUTE;
    return n;
}

static void look_around(struct controller *c, const struct env *env, struct env_routes *all)
{
    int n_looks = count_looks(c);
    all->due_ms = INT64_MAX;
    for (int k = 0; k < all->n_routes * all->n_balancers; k++) {
        struct routed *r = &all->routes[k / all->n_balancers];
        int at = k % all->n_balancers;
        const struct link *l = &r->links[at];
        if (all->balancers[at].kind == NULL || l->is_looking)
            continue;
        int64_t due = l->looked_ms == 0 ? 0 : l->looked_ms + c->o.observe_every_ms;
        if (due <= c->now_ms && n_looks < MOST_LOOKS && look_at(c, env, all, at, r)) {
            n_looks++;
            due = c->now_ms + c->o.observe_every_ms;
        }
        due = due <= c->now_ms ? c->now_ms + 50 : due;
        all->due_ms = due < all->due_ms ? due : all->due_ms;
    }
}

void routes_looks(struct controller *c)
{
    for (struct env_routes *r = c->routes; r != NULL; r = r->next) {
        const struct env *env = world_env(c->world, r->env_id);
        if (env == NULL)
            continue;
        if (c->now_ms >= r->due_ms || r->due_ms > c->now_ms + 2 * c->o.observe_every_ms)
            look_around(c, env, r);
        c->due_ms = r->due_ms < c->due_ms ? r->due_ms : c->due_ms;
    }
}
