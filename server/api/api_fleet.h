/*
 * What the handlers of environments, nodes, targets and rollouts share. Nobody else includes this.
 */
#ifndef MREG_API_FLEET_H
#define MREG_API_FLEET_H

#include "api_registry.h"
#include "db_rollout.h"
#include "fleet.h"

/* The change by the caller; the reason is the body's, or ?reason= without a body. */
MUST_USE int fleet_change_begin(struct request *rq, struct fleet_change *c, struct err *e);
/* Optional object member that may be absent (*out NULL, borrowed otherwise). */
MUST_USE int read_object(const json_t *body, const char *key, const json_t **out, struct err *e);
/* Writes member "effective_policy": the policy with all defaults, from its stored text. */
MUST_USE int write_effective(struct request *rq, struct jsonw *w, const char *policy,
                             struct err *e);
/* Wakes the controller: look again now. */
void fleet_wake(const struct request *rq);
/* Ready versions of a stored observation, ascending; returns their number, at most max. */
int read_observation(const char *text, int64_t *versions, int max);

/* Writes member "traffic" of a rollout that has not ended: which share of its target's requests the
 * routers were last seen sending where; nothing without a router. *seen_ms: when, at the latest. */
MUST_USE int routers_write_traffic(struct request *rq, struct look *l, struct jsonw *w,
                                   const struct rollout_record *r, int64_t *seen_ms, struct err *e);

/* Ids of freezes and stops that hold now for the whole environment, as member "freezes", if any
 * (api_freezes.c). */
MUST_USE int write_holding(struct request *rq, struct db *db, struct jsonw *w,
                           const struct env_row *env, struct err *e);

/* Writes who put the live version of a target live, when, why and by which rollout, as members
 * live_since, live_by, live_rollout, live_reason, if a rollout did; and as back_to the version that
 * a rollback without a version goes to (api_targets.c). */
MUST_USE int target_write_live(struct request *rq, struct db *db, struct jsonw *w,
                               const struct target_row *t, struct err *e);

/* Handlers of targets (api_targets.c); their rows are in api_fleet.c. */
route_handler api_target_list, api_target_get, api_target_put;

#endif
