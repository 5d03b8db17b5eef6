/*
 * Rules of asking for a rollout and of steering it. What then happens is decided by the planner and
 * made durable by rollout_end.h. All functions are for any thread but the writer; wake the
 * controller afterwards.
 */
#ifndef MREG_FLEET_ROLLOUT_H
#define MREG_FLEET_ROLLOUT_H

#include "fleet.h"
#include "rollout.h"

struct rollout_ask {
    const char *model, *environment;
    const char *version;    /* reference; NULL with a rollback: the last good version */
    const json_t *strategy; /* overrides of the policy, or NULL */
    bool is_rollback;
    bool is_dry_run;
};
enum rollout_ask_result {
    ROLLOUT_ASK_SUBMITTED, /* id is the new rollout */
    ROLLOUT_ASK_ALREADY,   /* the version is live and nothing is under way */
    ROLLOUT_ASK_ABORTING, /* a rollback was asked for while id is active: that is aborted instead */
    ROLLOUT_ASK_PLANNED   /* dry run: nothing was written */
};
struct rollout_answer {
    enum rollout_ask_result result;
    char id[32];
    char serve_as[64];
    int64_t from, to; /* from 0: nothing is live */
    int64_t n_nodes;
    struct policy policy; /* that holds for the rollout */
};
/* Submits a rollout, creating the target at its first. ERR_NOT_FOUND (environment, model, version,
 * nothing to go back to); ERR_CONFLICT (another rollout is active: which and by whom; no nodes; the
 * version was deleted meanwhile); ERR_INVALID (strategy with pointer below /strategy; the version
 * cannot be served as it is). */
MUST_USE int fleet_rollout_submit(struct store *s, const struct fleet_change *c,
                                  const struct rollout_ask *ask, struct rollout_answer *out,
                                  struct err *e);

/* Records a command for an active rollout. expected_step 0: whatever the step. ERR_NOT_FOUND;
 * ERR_CONFLICT: it ended or stands at another step; the message says who was faster. */
struct rollout_order {
    const char *id;
    enum command_verb verb;
    int64_t expected_step;
};
MUST_USE int fleet_rollout_command(struct store *s, const struct fleet_change *c,
                                   const struct rollout_order *order, struct err *e);

#endif
