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
    bool is_hotfix;              /* to the front of the queue; the active rollout is aborted */
    const char *overrides;       /* what it passes over, "freeze,budget"; NULL: nothing */
    int64_t expected_generation; /* of the target; 0: whatever it is */
    const char *plan_token;      /* only if nothing changed since that plan; NULL: anyway */
};
#define PLAN_TOKEN_BYTES 96
/* What a rollout can pass over, NULL-terminated: freeze stop budget quarantine dependency. */
const char *const *rollout_override_names(void);
/* True if the comma-separated list holds the name. */
bool rollout_overrides(const char *list, const char *name);
enum rollout_ask_result {
    ROLLOUT_ASK_SUBMITTED, /* id is the new rollout; it may wait in the queue */
    ROLLOUT_ASK_ALREADY,   /* the version is live and nothing is under way, or the very same was
                              asked for before: id, "" when it is live */
    ROLLOUT_ASK_ABORTING, /* a rollback was asked for while id is active: that is aborted instead */
    ROLLOUT_ASK_PLANNED   /* dry run: nothing was written */
};
struct rollout_answer {
    enum rollout_ask_result result;
    char id[32];
    char serve_as[64];
    int64_t from, to; /* from 0: nothing is live */
    int64_t n_nodes;
    int64_t generation, target_id; /* of the target before; 0: it is new */
    bool waits;                    /* it is in the queue */
    char token[PLAN_TOKEN_BYTES];  /* of a dry run */
    struct policy policy;          /* that holds for the rollout */
};
/* Submits a rollout, creating the target at its first. Another one that is active is dealt with by
 * the policy's "queue". ERR_NOT_FOUND (environment, model, version, nothing to go back to);
 * ERR_CONFLICT (another rollout is active and the policy rejects newcomers: which and by whom; the
 * queue is full; no nodes or more than ROLLOUT_MAX_NODES; the version was deleted meanwhile; stale
 * generation: who was faster); ERR_INVALID (strategy with pointer below /strategy; the version
 * cannot be served as it is; a hotfix or an override without reason); ERR_REFUSED (the version is
 * in quarantine). */
MUST_USE int fleet_rollout_submit(struct store *s, const struct fleet_change *c,
                                  const struct rollout_ask *ask, struct rollout_answer *out,
                                  struct err *e);

/* Records a command for an active rollout. expected_step 0: whatever the step. ERR_NOT_FOUND;
 * ERR_CONFLICT: it ended or stands at another step; the message says who was faster. */
struct rollout_order {
    const char *id;
    enum command_verb verb;
    int64_t expected_step;
    int64_t expected_generation; /* of the target; 0: whatever it is */
    int64_t arg;                 /* see struct rollout_command */
};
MUST_USE int fleet_rollout_command(struct store *s, const struct fleet_change *c,
                                   const struct rollout_order *order, struct err *e);

/* It passes over more from now on. The reason is required. ERR_CONFLICT: it has ended. */
struct rollout_pass {
    const char *id, *overrides;
};
MUST_USE int fleet_rollout_override(struct store *s, const struct fleet_change *c,
                                    const struct rollout_pass *pass, struct err *e);

/* How many people have to agree to what a rollout waits for, and who did. */
struct approval_need {
    int step;     /* 0: to begin at all */
    int n_needed; /* 0: nobody is asked */
    int n_given;
    const char *given[POLICY_MAX_APPROVALS * 2]; /* actors, in arena */
};
/* Reads it for a rollout that has not ended. policy: its strategy. */
MUST_USE int fleet_approval_need(struct db *db, const struct rollout_record *r,
                                 const struct rollout_status *status, struct arena *a,
                                 struct approval_need *out, struct err *e);
/* Who stands behind an actor: the user who made a token, also by way of other tokens; else the
 * actor. In a. */
MUST_USE int fleet_person(struct db *db, const char *actor, struct arena *a, const char **out,
                          struct err *e);
/* May this actor agree now? Whoever asked for it may not, and nobody counts twice, by whatever
 * token. */
enum approval_may { APPROVAL_OK, APPROVAL_ASKED, APPROVAL_GIVEN };
MUST_USE int fleet_approval_may(struct db *db, const struct rollout_record *r,
                                const struct approval_need *need, const char *actor,
                                struct arena *a, enum approval_may *out, struct err *e);

#endif
