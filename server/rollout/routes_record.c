/*
 * Stores what was seen of routers, for people and for the next process. Controller's thread; what
 * takes a db runs on the writer.
 */
#include <stdlib.h>
#include <string.h>

#include "db_router.h"
#include "json.h"
#include "jsonw.h"
#include "routes.h"
#include "traffic.h"

#define VIEW_MAX_BYTES ((size_t)1 << 20)

/* {"generation"?,"others"?,"text"?,"nodes":[{"id","weight","share","wanted"?,"up"?,"mirrored"?,
 * "sessions"?,"requests"?,"errors"?}]} */
static void write_link(const struct routed *r, const struct link *l, struct buf *out)
{
    struct jsonw w;
    int *weights CLEANUP(mem_free_ptr) = mem_alloc(((size_t)l->n_nodes + 1) * sizeof weights[0]);
    int *shares CLEANUP(mem_free_ptr) = mem_alloc(((size_t)l->n_nodes + 1) * sizeof shares[0]);
    for (int i = 0; i < l->n_nodes; i++)
        weights[i] = l->seen[i].is_known ? l->seen[i].weight : 0;
    traffic_shares(weights, l->n_nodes, shares);
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    if (l->generation != 0)
        jsonw_int(&w, "generation", l->generation);
    if (l->n_others > 0)
        jsonw_int(&w, "others", l->n_others);
    jsonw_array(&w, "nodes");
    for (int i = 0; i < l->n_nodes; i++) {
        const struct router_seen *s = &l->seen[i];
        jsonw_object(&w, NULL);
        jsonw_int(&w, "id", l->node_ids[i]);
        jsonw_bool(&w, "known", s->is_known);
        jsonw_int(&w, "weight", s->weight);
        jsonw_int(&w, "share", shares[i]);
        jsonw_bool(&w, "up", s->is_up);
        jsonw_bool(&w, "mirrored", s->is_mirrored);
        for (int k = 0; k < r->n_wanted; k++) {
            if (r->wanted_ids[k] == l->node_ids[i])
                jsonw_int(&w, "wanted", r->wanted_bp[k]);
        }
        if (s->n_sessions >= 0)
            jsonw_int(&w, "sessions", s->n_sessions);
        if (l->has_counts) {
            jsonw_int(&w, "requests", s->n_requests);
            jsonw_int(&w, "errors", s->n_errors);
        }
        jsonw_end(&w);
    }
    jsonw_end(&w);
    jsonw_end(&w);
}

static int read_node(const json_t *j, struct link *l, int i, struct err *e)
{
    int64_t id = 0;
    int64_t weight = 0;
    int rc = json_get_int(j, "", "id", 0, JSON_MAX_INT, &id, e);
    if (rc == ERR_OK)
        rc = json_get_int(j, "", "weight", 0, 1000000, &weight, e);
    if (rc != ERR_OK)
        return rc;
    l->node_ids[i] = id;
    l->seen[i] = (struct router_seen){.is_known = json_is_true(json_object_get(j, "known")),
                                      .is_up = json_is_true(json_object_get(j, "up")),
                                      .is_mirrored = json_is_true(json_object_get(j, "mirrored")),
                                      .weight = (int)weight,
                                      .n_sessions = -1};
    return ERR_OK;
}

int routes_read_link(const char *text, struct link *link, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *nodes = NULL;
    int rc = json_parse(text, strlen(text), 6, &j, e);
    if (rc == ERR_OK)
        rc = json_get_array(j, "", "nodes", 100000, &nodes, e);
    if (rc != ERR_OK)
        return rc;
    size_t n = json_array_size(nodes);
    link->node_ids = mem_resize(link->node_ids, n + 1, sizeof link->node_ids[0]);
    link->seen = mem_resize(link->seen, n + 1, sizeof link->seen[0]);
    link->n_nodes = 0;
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = read_node(json_array_get(nodes, i), link, (int)i, e);
    if (rc == ERR_OK)
        link->n_nodes = (int)n;
    return rc;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int put_link(struct db *db, const struct balancer *b, const struct routed *r,
                    const struct link *l, struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, VIEW_MAX_BYTES);
    write_link(r, l, &text);
    if (!buf_ok(&text))
        return ERR_OK;
    struct router_view row = {.router_id = b->router_id,
                              .target_id = r->target_id,
                              .state = l->state == LINK_ABSENT ? "absent" : "known",
                              .observation = buf_str(&text),
                              .observed_ms = l->seen_ms};
    return db_router_view_put(db, &row, e);
}

static int put_balancer(struct db *db, const struct balancer *b, struct err *e)
{
    struct router_row row = {.router_id = b->router_id,
                             .is_reachable = b->is_reachable,
                             .since_ms = b->since_ms,
                             .seen_ms = b->observed_ms,
                             .detail = b->detail[0] != '\0' ? b->detail : NULL};
    return db_router_health_put(db, &row, e);
}

static int put_env(struct db *db, const struct env_routes *r, struct err *e)
{
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && i < r->n_balancers; i++) {
        const struct balancer *b = &r->balancers[i];
        if (b->is_unwritten)
            rc = put_balancer(db, b, e);
        for (int k = 0; rc == ERR_OK && k < r->n_routes; k++) {
            if (r->routes[k].links[i].is_unwritten)
                rc = put_link(db, b, &r->routes[k], &r->routes[k].links[i], e);
        }
    }
    return rc;
}

int routes_put(struct controller *c, struct db *db, struct err *e)
{
    int rc = ERR_OK;
    for (const struct env_routes *r = c->routes; rc == ERR_OK && r != NULL; r = r->next)
        rc = r->is_unwritten ? put_env(db, r, e) : ERR_OK;
    return rc;
}

bool routes_are_unwritten(const struct controller *c)
{
    for (const struct env_routes *r = c->routes; r != NULL; r = r->next) {
        if (r->is_unwritten)
            return true;
    }
    return false;
}

void routes_written(struct controller *c)
{
    for (struct env_routes *r = c->routes; r != NULL; r = r->next) {
        bool was_unwritten = r->is_unwritten;
        r->is_unwritten = false;
        for (int i = 0; was_unwritten && i < r->n_balancers; i++) {
            struct balancer *b = &r->balancers[i];
            b->written_ms = b->is_unwritten ? c->now_ms : b->written_ms;
            b->is_unwritten = false;
            for (int k = 0; k < r->n_routes; k++) {
                struct link *l = &r->routes[k].links[i];
                l->written_ms = l->is_unwritten ? c->now_ms : l->written_ms;
                l->is_unwritten = false;
            }
        }
    }
}
