/*
 * What the handlers of rollouts, commands, queues and plans share. Nobody else includes this.
 */
#ifndef MREG_API_ROLLOUTS_H
#define MREG_API_ROLLOUTS_H

#include "api_fleet.h"
#include "db_queue.h"
#include "fleet_rollout.h"

/* A rollout with everything that is known of it. */
struct rollout_look {
    struct rollout_record record;
    struct rollout_more more;
    struct rollout_status *status; /* in the request's arena */
};
/* ERR_NOT_FOUND also when the caller may not see its model. */
MUST_USE int rollout_look_load(struct request *rq, struct look *l, const char *id,
                               struct rollout_look *out, struct err *e);
/* The rollout as one object, left open for more members. */
void rollout_look_write(const struct look *l, struct jsonw *w, const struct rollout_look *r);
/* Answers the rollout; `flag` (may be NULL) is a boolean member that says what came of the request.
 */
MUST_USE int reply_rollout(struct request *rq, struct reply *rp, const char *id, const char *flag,
                           struct err *e);
/* "override": a list of what it passes over, as comma-separated text in arena, "" without.
 * ERR_INVALID with pointer; ERR_FORBIDDEN unless the caller may approve. */
MUST_USE int read_overrides(struct request *rq, const char **out, struct err *e);
/* Everything of a rollout's request body but "together" and "plan"; `at` is its pointer. */
MUST_USE int read_ask(struct request *rq, const json_t *body, const char *at,
                      struct rollout_ask *ask, struct err *e);

/* Answers a dry run with its plan (api_plan.c). */
MUST_USE int reply_plan(struct request *rq, struct reply *rp, const struct rollout_ask *ask,
                        const struct rollout_answer *answer, struct err *e);

/* Commands, approvals and overrides (api_commands.c); their rows are in api_rollouts.c. */
route_handler api_rollout_command, api_rollout_override, api_approval_list;

#endif
