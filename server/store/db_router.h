/*
 * SQL of routers: their records, and what was last seen of them. Rows as plain data in the caller's
 * arena; no rules here. All functions run on the thread that uses the connection; those that write
 * need the writer's connection (tx_db). Besides the codes named, every function returns the errors
 * of store.h.
 */
#ifndef MREG_DB_ROUTER_H
#define MREG_DB_ROUTER_H

#include "routing.h"
#include "store.h"

struct router_row {
    int64_t router_id, env_id, created_seq, created_ms;
    const char *env;
    struct router_config config;
    /* What was seen of it; seen_ms 0: never looked at. */
    bool is_reachable;
    int64_t since_ms, seen_ms;
    const char *detail; /* may be NULL */
};
MUST_USE int db_router_find(struct db *db, const char *env, const char *name, struct arena *a,
                            struct router_row *out, bool *found, struct err *e);
/* All routers of an environment by name; there are few. */
MUST_USE int db_router_list(struct db *db, int64_t env_id, struct arena *a, struct router_row **out,
                            size_t *n, struct err *e);
/* A router of whatever environment that has that address or file (may be NULL), in arena:
 * "environment/name", or NULL. */
MUST_USE int db_router_user(struct db *db, const struct router_row *v, struct arena *a,
                            const char **user, struct err *e);
MUST_USE int db_router_insert(struct db *db, const struct router_row *v, struct err *e);
/* Sets everything but env, name, driver and the times. */
MUST_USE int db_router_update(struct db *db, const struct router_row *v, struct err *e);
/* The router and what was seen of it. */
MUST_USE int db_router_delete(struct db *db, int64_t router_id, struct err *e);

/* Sets router_id, is_reachable, since_ms, seen_ms, detail. */
MUST_USE int db_router_health_put(struct db *db, const struct router_row *v, struct err *e);
struct router_view {
    int64_t router_id, target_id, observed_ms;
    const char *model, *serve_as;    /* filled by lists */
    const char *state, *observation; /* observation: JSON text */
};
/* What a router was last seen doing, by target. */
MUST_USE int db_router_views(struct db *db, int64_t router_id, struct arena *a,
                             struct router_view **out, size_t *n, struct err *e);
/* What the routers of a target were last seen doing; router names in `serve_as`. */
MUST_USE int db_target_routes(struct db *db, int64_t target_id, struct arena *a,
                              struct router_view **out, size_t *n, struct err *e);
/* Uses router_id, target_id, state, observation, observed_ms. */
MUST_USE int db_router_view_put(struct db *db, const struct router_view *v, struct err *e);

#endif
