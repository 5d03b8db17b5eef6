/*
 * The queue of a target: who waits for the active rollout, in which order, and what becomes of them
 * when it ends. What takes a tx runs on the writer inside somebody's change, whose journal row gets
 * the documents; the rest is for any thread but the writer.
 */
#ifndef MREG_FLEET_QUEUE_H
#define MREG_FLEET_QUEUE_H

#include "db_queue.h"
#include "fleet.h"
#include "fleet_doc.h"

#define FLEET_QUEUE_MAX 16
#define QUEUE_MAX_DOCS (FLEET_QUEUE_MAX + 3)

/* Starts whoever is next, when nothing is active: called where a rollout ends. Those that cannot go
 * any more (their version was deleted, quarantined or is live by now) end without touching
 * anything. *started is the id, in arena, or NULL; text (ROLLOUT_TEXT_BYTES) says in words what
 * happened, "" for nothing. */
struct queue_turn {
    struct arena *arena;
    struct doc_list *docs; /* room for QUEUE_MAX_DOCS more */
    const char *started;
    char text[ROLLOUT_TEXT_BYTES];
};
MUST_USE int queue_next(struct tx *tx, int64_t target_id, struct queue_turn *turn, struct err *e);
/* Ends one that waits, as `phase`, with these words; its document goes to docs. */
struct queue_end {
    const char *id;
    enum rollout_phase phase;
    const char *outcome;
};
MUST_USE int queue_end_waiting(struct tx *tx, const struct queue_end *how, struct queue_turn *turn,
                               struct err *e);
/* Adds the document of the target as it is now (queue, quarantine, live). */
MUST_USE int queue_target_doc(struct tx *tx, int64_t target_id, struct queue_turn *turn,
                              struct err *e);
/* Raises the target's generation: `how` in words, by whom. *generation is the new one. */
MUST_USE int queue_raise(struct tx *tx, int64_t target_id, const char *by, const char *how,
                         int64_t *generation, struct err *e);
/* ERR_CONFLICT unless expected is 0 or the target's generation; says who was faster, and how long
 * ago. */
MUST_USE int queue_check_generation(struct db *db, int64_t target_id, int64_t expected,
                                    int64_t now_ms, struct err *e);
/* Makes the status of a rollout that waits in the queue say so; others are left alone. */
MUST_USE int queue_explain(struct db *db, const struct rollout_more *more, struct arena *a,
                           struct rollout_status *status, struct err *e);

/* A new order: ids of all that wait, next first. ERR_CONFLICT: others wait by now; ERR_INVALID. */
struct queue_order {
    const char *env, *model;
    const char *ids[FLEET_QUEUE_MAX];
    size_t n;
    int64_t expected_generation; /* 0: whatever it is */
};
MUST_USE int fleet_queue_reorder(struct store *s, const struct fleet_change *c,
                                 const struct queue_order *order, struct err *e);
/* Takes one out: it ends as cancelled. ERR_CONFLICT: it does not wait (any more). */
MUST_USE int fleet_queue_remove(struct store *s, const struct fleet_change *c, const char *id,
                                struct err *e);
/* Starts the next one of a queue that stands because a rollout was halted. ERR_CONFLICT: a rollout
 * is active; ERR_NOT_FOUND: nobody waits. */
MUST_USE int fleet_queue_start(struct store *s, const struct fleet_change *c, const char *env,
                               const char *model, struct err *e);

#endif
