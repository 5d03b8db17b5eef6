/*
 * Sets of rollouts that move together: each has its own target and steps, but none goes on to its
 * next step before all have finished the present one, none goes live before all can, and when one
 * fails all go back. For any thread but the writer.
 */
#ifndef MREG_FLEET_SET_H
#define MREG_FLEET_SET_H

#include "fleet_rollout.h"

#define FLEET_SET_MAX 16

struct set_ask {
    struct rollout_ask members[FLEET_SET_MAX]; /* models differ; the environment is the same */
    size_t n;
};
struct set_answer {
    char id[32];                 /* of the set; "" when nothing was to be done */
    char ids[FLEET_SET_MAX][32]; /* of the rollouts; "" for versions that are live already */
    size_t n;
};
/* Submits all or none, in one row of the journal. Errors as fleet_rollout_submit, with the pointer
 * of the member (/together/1); ERR_INVALID: fewer than two, a model twice. */
MUST_USE int fleet_set_submit(struct store *s, const struct fleet_change *c,
                              const struct set_ask *ask, struct set_answer *out, struct err *e);

#endif
