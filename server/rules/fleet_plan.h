/*
 * Plan tokens: what a plan depends on, as digests in one text. Who applies a plan gives the token
 * back, and is told what changed since. Tokens are no secrets and prove nothing.
 */
#ifndef MREG_FLEET_PLAN_H
#define MREG_FLEET_PLAN_H

#include "fleet.h"
#include "fleet_rollout.h"

/* What a plan is about. Everything is borrowed. */
struct plan_subject {
    const struct env_row *env;
    const struct target_row *target; /* target_id 0: not there yet */
    const struct rollout_ask *ask;
    int64_t model_id, to;
};
/* The token as of now, inside a snapshot or a tx. */
MUST_USE int plan_token_make(struct db *db, const struct plan_subject *s,
                             char token[PLAN_TOKEN_BYTES], struct err *e);
/* ERR_CONFLICT: something changed since the token was made; the message says what. ERR_INVALID: it
 * is none. */
MUST_USE int plan_token_check(struct db *db, const struct plan_subject *s, const char *token,
                              struct err *e);

#endif
