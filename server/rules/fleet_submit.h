/*
 * What asking for one rollout and for a set of them share: the steps of a submission, inside a tx.
 * Nobody else includes this.
 */
#ifndef MREG_FLEET_SUBMIT_H
#define MREG_FLEET_SUBMIT_H

#include "fleet_inner.h"
#include "fleet_rollout.h"

/* A submission while it is decided. */
struct submission {
    const struct rollout_ask *ask;
    struct rollout_answer *out;
    struct env_row env;
    struct target_row target; /* target_id 0: not there yet */
    int64_t model_id;
    const char *strategy;          /* JSON text, in the edit's arena */
    char text[ROLLOUT_TEXT_BYTES]; /* what else it does, in words */
    const char *set_id;            /* NULL: it moves by itself */
    int place;                     /* in its set, from 0 */
};

/* Environment and target; ERR_NOT_FOUND, ERR_CONFLICT for a stale generation. */
MUST_USE int submission_load(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                             struct err *e);
/* Everything that can be refused. *is_decided: there is nothing to do, out->id says why. */
MUST_USE int submission_decide(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                               bool *is_decided, struct err *e);
/* Writes the rollout; its documents go to row, whose object and message become its own. */
MUST_USE int submission_write(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                              struct fleet_row *row, struct err *e);

#endif
