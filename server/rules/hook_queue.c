/*
 * Deliveries that people ask for: a test event, or one of the log again. Work, not facts: no row of
 * the journal. Any thread but the writer; the functions with a tx run on it.
 */
#include <string.h>

#include "hooks.h"

struct queueing {
    const char *id;
    int64_t old; /* number of the delivery to repeat; 0: a test event */
    int64_t number;
};

static int check_old(struct db *db, const struct queueing *q, struct arena *a,
                     struct delivery_row *out, struct err *e)
{
    struct delivery_row old;
    int rc = db_delivery_get(db, q->id, q->old, a, &old, e);
    if (rc)
        return rc;
    if (strcmp(old.state, "pending") == 0)
        return err_set(e, ERR_CONFLICT, "delivery %lld is still pending", (long long)q->old);
    out->seq = old.seq;
    out->kind = old.kind;
    out->origin = old.seq ? "redelivery" : "ping";
    return ERR_OK;
}

static int queue_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct queueing *q = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    struct hook_row row;
    bool moved = false;
    struct delivery_row d = {
        .kind = "ping", .origin = "ping", .next_ms = tx_now_ms(tx), .created_ms = tx_now_ms(tx)};
    int rc = db_hook_get(tx_db(tx), q->id, &a, &row, e);
    if (!rc && q->old)
        rc = check_old(tx_db(tx), q, &a, &d, e);
    if (!rc && !d.seq && strcmp(row.format, "standard") != 0)
        rc = err_set(e, ERR_CONFLICT, "a commit status needs a rollout: there is no test event");
    if (rc)
        return rc;
    struct hook_move move = {.cursor = row.cursor, .n_new = 1};
    rc = db_hook_move(tx_db(tx), &row, &move, &moved, e);
    d.hook_id = q->id;
    d.number = q->number = row.next_number;
    return rc ? rc : db_delivery_insert(tx_db(tx), &d, e);
}

int hooks_ping(const struct hooks *h, const char *id, int64_t *number, struct err *e)
{
    struct queueing q = {.id = id};
    int rc = store_write(h->store, TX_WORK, queue_fn, &q, e);
    *number = q.number;
    return rc;
}

int hooks_redeliver(const struct hooks *h, const char *id, int64_t old, int64_t *number,
                    struct err *e)
{
    struct queueing q = {.id = id, .old = old};
    int rc = store_write(h->store, TX_WORK, queue_fn, &q, e);
    *number = q.number;
    return rc;
}
