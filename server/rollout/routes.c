/*
 * The controller's memory of routers: loading their records, and keeping what was seen of them when
 * the fleet or the routers change. Controller's thread only.
 */
#include "routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_fleet.h"
#include "db_router.h"

#define PAGE 500

struct env_routes *routes_of(const struct controller *c, int64_t env_id)
{
    for (struct env_routes *r = c->routes; r != NULL; r = r->next) {
        if (r->env_id == env_id)
            return r;
    }
    return NULL;
}

struct routed *route_of(const struct env_routes *r, int64_t target_id)
{
    int lo = 0;
    int hi = r->n_routes;
    while (lo < hi) {
        int mid = lo + (hi - lo) / 2;
        if (r->routes[mid].target_id < target_id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < r->n_routes && r->routes[lo].target_id == target_id ? &r->routes[lo] : NULL;
}

static void link_clear(struct link *l)
{
    free(l->node_ids);
    free(l->seen);
}

static void route_clear(struct routed *t, int n_links)
{
    for (int i = 0; t->links != NULL && i < n_links; i++)
        link_clear(&t->links[i]);
    free(t->links);
    free(t->wanted_ids);
    free(t->wanted_bp);
    free(t->wanted_mirror);
}

static void env_routes_free(struct env_routes *r)
{
    for (int i = 0; i < r->n_routes; i++)
        route_clear(&r->routes[i], r->n_balancers);
    free(r->routes);
    free(r->balancers);
    arena_clear(&r->arena);
    free(r);
}

void routes_free(struct controller *c)
{
    while (c->routes != NULL) {
        struct env_routes *r = c->routes;
        c->routes = r->next;
        env_routes_free(r);
    }
}

/* --- loading ---------------------------------------------------------------------------------- */

static void load_balancer(const struct router_row *row, struct arena *a, struct balancer *b)
{
    const struct router_config *c = &row->config;
    *b = (struct balancer){
        .router_id = row->router_id,
        .config = {.name = arena_strdup(a, c->name),
                   .driver = arena_strdup(a, c->driver),
                   .address = arena_strdup(a, c->address),
                   .file = arena_strdup(a, c->file),
                   .pid_file = arena_strdup(a, c->pid_file),
                   .backend = arena_strdup(a, c->backend),
                   .server_label = arena_strdup(a, c->server_label)},
        .kind = router_find(c->driver),
        .is_reachable = row->is_reachable,
        .since_ms = row->since_ms,
        .observed_ms = row->seen_ms,
        .written_ms = row->seen_ms,
    };
    snprintf(b->detail, sizeof b->detail, "%s", row->detail != NULL ? row->detail : "");
}

/* The text of a label, in arena, or NULL. */
static char *label_of(const char *labels, const char *key, struct arena *a)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    if (json_parse(labels, strlen(labels), 4, &j, NULL) != ERR_OK)
        return NULL;
    return arena_strdup(a, json_string_value(json_object_get(j, key)));
}

static void name_server(struct env_routes *r, const struct node_row *row, const char *label)
{
    for (int i = 0; i < r->n_nodes; i++) {
        char *name =
            r->node_ids[i] == row->node_id ? label_of(row->labels, label, &r->arena) : NULL;
        if (name != NULL)
            r->server_names[i] = name;
    }
}

/* Labels are read only where a router goes by one; all routers of an environment by the same. */
static int load_labels(struct db *db, const struct env *env, struct env_routes *r, struct err *e)
{
    const char *label = NULL;
    const char *after = "";
    for (int i = 0; i < r->n_balancers; i++) {
        if (r->balancers[i].config.server_label[0] != '\0')
            label = r->balancers[i].config.server_label;
    }
    for (size_t n = PAGE; label != NULL && n == PAGE;) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct node_row *rows = NULL;
        int rc = db_node_page(db, env->name, after, PAGE, &a, &rows, &n, e);
        if (rc != ERR_OK)
            return rc;
        for (size_t i = 0; i < n; i++)
            name_server(r, &rows[i], label);
        after = n > 0 ? arena_strdup(&r->arena, rows[n - 1].name) : "";
    }
    return ERR_OK;
}

static void load_nodes(const struct env *env, struct env_routes *r)
{
    r->n_nodes = env->n_nodes;
    r->node_ids = arena_alloc(&r->arena, ((size_t)env->n_nodes + 1) * sizeof r->node_ids[0]);
    r->server_names =
        arena_alloc(&r->arena, ((size_t)env->n_nodes + 1) * sizeof r->server_names[0]);
    for (int i = 0; i < env->n_nodes; i++) {
        r->node_ids[i] = env->nodes[i].node_id;
        r->server_names[i] = arena_strdup(&r->arena, env->nodes[i].name);
    }
}

/* What an earlier process saw: enough to know which targets are routed, not to act by. */
static int load_links(struct db *db, struct env_routes *r, int at, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct router_view *rows = NULL;
    size_t n = 0;
    int rc = db_router_views(db, r->balancers[at].router_id, &a, &rows, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct routed *t = route_of(r, rows[i].target_id);
        if (t == NULL || t->links[at].state != LINK_UNKNOWN)
            continue;
        rc = routes_read_link(rows[i].observation, &t->links[at], e);
        t->links[at].state = strcmp(rows[i].state, "absent") == 0 ? LINK_ABSENT : LINK_KNOWN;
        t->links[at].written_ms = rows[i].observed_ms;
    }
    return rc;
}

/* --- carrying over ---------------------------------------------------------------------------- */

static bool is_same_way(const struct balancer *a, const struct balancer *b)
{
    const struct router_config *x = &a->config;
    const struct router_config *y = &b->config;
    bool has_same_file = (x->file == NULL) == (y->file == NULL) &&
                         (x->file == NULL || strcmp(x->file, y->file) == 0);
    return a->router_id == b->router_id && has_same_file && strcmp(x->address, y->address) == 0 &&
           strcmp(x->backend, y->backend) == 0 && strcmp(x->server_label, y->server_label) == 0;
}

static int find_balancer(const struct env_routes *r, const struct balancer *b)
{
    for (int i = 0; r != NULL && i < r->n_balancers; i++) {
        if (is_same_way(&r->balancers[i], b))
            return i;
    }
    return -1;
}

/* What is on the heap moves: the old one is freed afterwards. */
static void carry_route(struct routed *to, struct routed *from, const struct env_routes *r,
                        const struct env_routes *old)
{
    struct link *links = to->links;
    *to = *from;
    to->links = links;
    from->wanted_ids = NULL;
    from->wanted_bp = NULL;
    from->wanted_mirror = NULL;
    to->op.text = to->op_text;
    for (int i = 0; i < r->n_balancers; i++) {
        int at = find_balancer(old, &r->balancers[i]);
        if (at < 0)
            continue;
        links[i] = from->links[at];
        from->links[at] = (struct link){0};
    }
}

static bool has_same_servers(const struct env_routes *a, const struct env_routes *b)
{
    if (a->n_nodes != b->n_nodes)
        return false;
    for (int i = 0; i < a->n_nodes; i++) {
        if (a->node_ids[i] != b->node_ids[i] || strcmp(a->server_names[i], b->server_names[i]) != 0)
            return false;
    }
    return true;
}

/* Nobody knows what a router does with a node that has just come. */
static void forget_looks(struct env_routes *r)
{
    for (int i = 0; i < r->n_routes; i++) {
        for (int k = 0; k < r->n_balancers; k++)
            r->routes[i].links[k].seen_ms = r->routes[i].links[k].looked_ms = 0;
    }
}

static void carry(struct env_routes *r, struct env_routes *old)
{
    for (int i = 0; i < r->n_balancers; i++) {
        int at = find_balancer(old, &r->balancers[i]);
        if (at < 0)
            continue;
        struct balancer *b = &r->balancers[i];
        const struct balancer *from = &old->balancers[at];
        b->is_reachable = from->is_reachable;
        b->since_ms = from->since_ms;
        b->observed_ms = from->observed_ms;
        b->written_ms = from->written_ms;
        b->is_unwritten = from->is_unwritten;
        b->generation = from->generation;
        b->placed_ms = from->placed_ms;
        b->n_setting = from->n_setting;
        memcpy(b->detail, from->detail, sizeof b->detail);
    }
    for (int i = 0; i < r->n_routes; i++) {
        struct routed *from = route_of(old, r->routes[i].target_id);
        if (from != NULL)
            carry_route(&r->routes[i], from, r, old);
    }
    if (!has_same_servers(r, old))
        forget_looks(r);
}

static void replace(struct controller *c, struct env_routes *fresh, int64_t env_id)
{
    struct env_routes **at = &c->routes;
    while (*at != NULL && (*at)->env_id != env_id)
        at = &(*at)->next;
    struct env_routes *old = *at;
    if (old != NULL)
        *at = old->next;
    if (fresh != NULL) {
        fresh->next = c->routes;
        c->routes = fresh;
    }
    if (old != NULL)
        env_routes_free(old);
}

static int fill(struct controller *c, struct db *db, const struct env *env, struct env_routes *r,
                struct err *e)
{
    struct env_routes *old = routes_of(c, env->env_id);
    load_nodes(env, r);
    int rc = load_labels(db, env, r, e);
    if (rc == ERR_OK && old != NULL)
        carry(r, old);
    for (int i = 0; rc == ERR_OK && i < r->n_balancers; i++)
        rc = load_links(db, r, i, e);
    return rc;
}

int routes_load(struct controller *c, struct db *db, const struct env *env, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct router_row *rows = NULL;
    size_t n = 0;
    int rc = db_router_list(db, env->env_id, &a, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    if (n == 0) {
        replace(c, NULL, env->env_id);
        return ERR_OK;
    }
    struct env_routes *r = mem_alloc(sizeof *r);
    *r = (struct env_routes){.env_id = env->env_id, .n_balancers = (int)n};
    r->balancers = mem_alloc(n * sizeof r->balancers[0]);
    for (size_t i = 0; i < n; i++)
        load_balancer(&rows[i], &r->arena, &r->balancers[i]);
    r->n_routes = env->n_targets;
    r->routes = mem_alloc(((size_t)env->n_targets + 1) * sizeof r->routes[0]);
    for (int i = 0; i < env->n_targets; i++) {
        r->routes[i].target_id = env->targets[i].target_id;
        r->routes[i].links = mem_alloc(n * sizeof r->routes[i].links[0]);
    }
    rc = fill(c, db, env, r, e);
    if (rc != ERR_OK) {
        /* What was carried over is lost: it is seen again soon, nothing is done before. */
        env_routes_free(r);
        return rc;
    }
    replace(c, r, env->env_id);
    return ERR_OK;
}
