/*
 * What a failed rollout leaves behind: whose fault it was, what else was under way at that moment,
 * and a version in quarantine. Called where a rollout's moves are made durable, on the writer.
 */
#ifndef MREG_FLEET_FAULT_H
#define MREG_FLEET_FAULT_H

#include "fleet.h"
#include "rollout.h"

/* Notes fault and the other rollouts of the environment when the rollout begins to go back, and
 * adds them to *message (borrowed; the new one is in arena). Does nothing for other moves. */
MUST_USE int fault_note(struct tx *tx, const struct rollout_record *r,
                        const struct rollout_status *s, struct arena *a, const char **message,
                        struct err *e);
/* Puts the version of a rollout that was rolled back by its fault in quarantine. Infrastructure and
 * people's aborts do not, nor does a failed way back. */
MUST_USE int fault_quarantine(struct tx *tx, const struct rollout_record *r,
                              const struct rollout_status *s, struct err *e);

/* Takes a version out of quarantine. ERR_NOT_FOUND: it is not in it; ERR_INVALID: no reason. */
struct quarantine_lift {
    const char *env, *model;
    int64_t number;
};
MUST_USE int fleet_quarantine_lift(struct store *s, const struct fleet_change *c,
                                   const struct quarantine_lift *lift, struct err *e);

#endif
