/*
 * The rules of a rollout's progress as facts: its moves and its end are journalled here. Only the
 * controller calls this.
 */
#ifndef MREG_ROLLOUT_END_H
#define MREG_ROLLOUT_END_H

#include "db_rollout.h"
#include "journal.h"

/* One decision of the planner to make durable. Everything is borrowed. */
struct rollout_progress {
    const char *id;                      /* of the rollout, or of the repairs of a target */
    const struct rollout_record *record; /* NULL: repairs */
    int64_t model_id;
    int64_t live, last_good; /* of the target, before; 0: none */
    int64_t base_revision;
    const struct rollout_status *status;
    const char *message; /* of the journal row, when is_fact */
    bool is_fact;        /* phase or step changed: a journal row, and at the end alias and target */
    const struct op_row *ops; /* intents that come with it */
    size_t n_ops;
    int *rc;       /* rollout_progress_all: the outcome, */
    struct err *e; /* and what went wrong */
};
/* Stores status and intents in one transaction. Terminal phase: the record ends; after success the
 * target's live and last good version and the environment's alias move, all in one journal row with
 * the documents. ERR_CONFLICT: somebody else wrote the status or ended the rollout; nothing was
 * changed. Not on the writer thread. */
MUST_USE int rollout_progress(struct store *store, const struct rollout_progress *in,
                              struct err *e);
/* The same of several rollouts in one commit; each succeeds or fails by itself. */
void rollout_progress_all(struct store *store, const struct rollout_progress *list, size_t n);
/* What `mreg rollback` would go to after this rollout succeeded. */
int64_t rollout_next_good(const struct rollout_record *r);

#endif
