/*
 * Documents of rollouts and targets as they are at this moment of a transaction, with everything
 * that is kept beside their records: queue, quarantine, overrides, sets. Used by the rules only.
 */
#ifndef MREG_FLEET_DOC_H
#define MREG_FLEET_DOC_H

#include "db_queue.h"
#include "journal.h"
#include "rollout.h"

/* The document of a rollout, as rollout_document with "overrides", "set", "hotfix", "fault" and
 * "in_flight" where it has them. status may be NULL at submission. Caller owns *out. */
MUST_USE int fleet_doc_rollout(struct db *db, const struct rollout_record *r,
                               const struct rollout_status *status, struct arena *a, json_t **out,
                               struct err *e);
/* The document of a target: its stored one with what changed since, "queue" and "quarantine". The
 * model's and the environment's name in *model and *env (in arena). Caller owns *out. */
MUST_USE int fleet_doc_target(struct db *db, int64_t target_id, struct arena *a, const char **env,
                              const char **model, json_t **out, struct err *e);
/* Adds j (borrowed) as a canonical document at path (in arena) to the list. ERR_INTERNAL: there are
 * `max` already. */
struct doc_list {
    struct journal_doc *docs;
    size_t n, max;
};
MUST_USE int fleet_doc_add(struct doc_list *list, struct arena *a, const char *path,
                           const json_t *j, struct err *e);

#endif
