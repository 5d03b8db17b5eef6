/*
 * SQL of webhooks: their records, where each stands in the journal, and the log of deliveries. No
 * rules here; hooks.c and server/outbound know them. Rows as plain data in the caller's arena.
 */
#ifndef MREG_DB_WEBHOOK_H
#define MREG_DB_WEBHOOK_H

#include "store.h"

struct hook_row {
    const char *id, *name, *url, *format;
    const char *kinds, *env, *models; /* filter as in struct webhook_filter */
    const char *repository;           /* of commit statuses; "": the lineage's */
    const char *secrets;              /* name of the file with its keyring */
    const char *public_keys;          /* "whpk_...", newest first, with commas */
    const char *why;                  /* it is disabled; NULL otherwise */
    const char *created_by;
    int64_t created_seq, created_ms;
    int64_t old_until_ms; /* the older key signs until then; 0: there is none */
    bool is_enabled;
    /* of webhook_state: */
    int64_t cursor, next_number;
    int64_t failing_since_ms, last_ok_ms, last_try_ms; /* 0: not, never */
    int64_t last_status;                               /* 0: no answer */
    const char *last_detail;
};

/* Inserts the record and its state (cursor, next_number 1). ERR_EXISTS. On a write connection of a
 * TX_FACT, as the next two. */
MUST_USE int db_hook_insert(struct db *db, const struct hook_row *h, struct err *e);
/* Writes everything but id, created_* and the state. */
MUST_USE int db_hook_update(struct db *db, const struct hook_row *h, struct err *e);
/* Removes the record, its state and its deliveries. */
MUST_USE int db_hook_delete(struct db *db, const char *id, struct err *e);
/* ERR_NOT_FOUND. */
MUST_USE int db_hook_get(struct db *db, const char *id, struct arena *a, struct hook_row *out,
                         struct err *e);
/* Up to `limit` hooks by age whose created_seq is above after_seq. */
MUST_USE int db_hook_list(struct db *db, int64_t after_seq, int64_t limit, struct arena *a,
                          struct hook_row **out, size_t *n, struct err *e);
MUST_USE int db_hook_count(struct db *db, int64_t *n, struct err *e);

/* --- state (TX_WORK, or within a TX_FACT) --- */
/* Moves the cursor and the number of the next delivery if both still are as in *h. *moved tells. */
struct hook_move {
    int64_t cursor, n_new; /* n_new: deliveries that get numbers from h->next_number on */
};
MUST_USE int db_hook_move(struct db *db, const struct hook_row *h, const struct hook_move *to,
                          bool *moved, struct err *e);
/* Sets the cursor wherever it stood, and forgets that the hook was failing. Ended deliveries of
 * later rows become of origin "earlier": these rows may be delivered again. */
MUST_USE int db_hook_restart(struct db *db, const char *id, int64_t cursor, struct err *e);
/* How the last attempt went: uses id, failing_since_ms, last_*. */
MUST_USE int db_hook_note(struct db *db, const struct hook_row *h, struct err *e);

/* --- deliveries --- */
struct delivery_row {
    const char *hook_id;
    int64_t number;
    int64_t seq;      /* 0: a ping */
    const char *kind; /* of the change; "ping" */
    const char *origin, *state;
    int64_t attempts, next_ms;
    int64_t status, took_ms; /* of the last attempt; status 0: no answer */
    const char *detail;      /* NULL: none */
    int64_t created_ms, ended_ms;
};
/* An event that is there already is left as it is. */
MUST_USE int db_delivery_insert(struct db *db, const struct delivery_row *d, struct err *e);
/* Writes state, attempts, next_ms, status, took_ms, detail and ended_ms of a pending delivery;
 * *changed is false when it is not pending any more. */
MUST_USE int db_delivery_note(struct db *db, const struct delivery_row *d, bool *changed,
                              struct err *e);
/* ERR_NOT_FOUND. */
MUST_USE int db_delivery_get(struct db *db, const char *hook_id, int64_t number, struct arena *a,
                             struct delivery_row *out, struct err *e);
/* Newest first, numbers below `before`, at most `limit`. */
struct delivery_page {
    int64_t before, limit;
};
MUST_USE int db_delivery_list(struct db *db, const char *hook_id, const struct delivery_page *page,
                              struct arena *a, struct delivery_row **out, size_t *n, struct err *e);
/* The next delivery of a hook that is due at now_ms: the oldest one, unless an event before it has
 * failed at most `patience` times and waits to be tried again. *found tells; otherwise *next_ms is
 * when one will be due (INT64_MAX: none is pending). */
struct delivery_due {
    int64_t now_ms, patience;
};
MUST_USE int db_delivery_due(struct db *db, const char *hook_id, const struct delivery_due *due,
                             struct arena *a, struct delivery_row *out, bool *found,
                             int64_t *next_ms, struct err *e);
MUST_USE int db_delivery_pending(struct db *db, const char *hook_id, int64_t *n, struct err *e);
/* Marks all pending ones as dropped. */
MUST_USE int db_delivery_drop(struct db *db, const char *hook_id, int64_t now_ms, struct err *e);
/* Removes ended deliveries numbered below `below`. */
MUST_USE int db_delivery_trim(struct db *db, const char *hook_id, int64_t below, struct err *e);

/* --- changes --- */
struct hook_change {
    int64_t seq, ts;
    const char *actor, *kind, *object, *message;
    const char *reason;      /* may be NULL */
    const char *model, *env; /* of a rollout's row; else NULL */
};
/* Rows after seq, ascending, at most `limit`. */
MUST_USE int db_hook_changes(struct db *db, int64_t seq, int64_t limit, struct arena *a,
                             struct hook_change **out, size_t *n, struct err *e);
/* Commit and repository in the lineage of the version that a rollout takes live, in arena; NULL
 * where there is none. */
struct hook_lineage {
    const char *commit, *repository;
};
MUST_USE int db_hook_lineage(struct db *db, const char *rollout_id, struct arena *a,
                             struct hook_lineage *out, struct err *e);

#endif
