/*
 * Rules of routers: the software before the nodes of an environment that spreads requests over
 * them. All functions are for any thread but the writer.
 */
#ifndef MREG_FLEET_ROUTER_H
#define MREG_FLEET_ROUTER_H

#include "db_router.h"
#include "fleet.h"

struct router_spec {
    const char *env, *name;
    /* NULL: the default at creation, else unchanged; "" for file, pid_file and server_label: none.
     */
    const char *driver, *address, *file, *pid_file, *backend, *server_label;
};
/* Driver "haproxy", backend "{serve_as}" by default. ERR_INVALID with pointer, ERR_EXISTS,
 * ERR_NOT_FOUND (environment), ERR_CONFLICT: another router has that address or file. */
MUST_USE int fleet_router_create(struct store *s, const struct fleet_change *c,
                                 const struct router_spec *spec, struct err *e);
/* ERR_INVALID also for another driver: add another router instead. */
MUST_USE int fleet_router_update(struct store *s, const struct fleet_change *c,
                                 const struct router_spec *spec, struct err *e);
/* What it does stays as it is. ERR_CONFLICT while a rollout is active in the environment. */
MUST_USE int fleet_router_delete(struct store *s, const struct fleet_change *c, const char *env,
                                 const char *name, struct err *e);
/* ERR_NOT_FOUND with a did-you-mean, also for the environment. */
MUST_USE int fleet_router_find(struct db *db, const char *env, const char *name, struct arena *a,
                               struct router_row *out, struct err *e);

#endif
