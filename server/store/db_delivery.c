/*
 * SQL of the log of webhook deliveries, which is also the list of what is still to be sent. Must
 * not know the schedule. Runs on the thread that uses the connection.
 */
#include <limits.h>
#include <string.h>

#include "db_webhook.h"

static int64_t number_of(struct stmt *q, int column)
{
    return stmt_is_null(q, column) ? 0 : stmt_int(q, column);
}

static void read_delivery(struct stmt *q, struct arena *a, struct delivery_row *out)
{
    *out = (struct delivery_row){
        .hook_id = arena_strdup(a, stmt_text(q, 0)),
        .number = stmt_int(q, 1),
        .seq = stmt_int(q, 2),
        .kind = arena_strdup(a, stmt_text(q, 3)),
        .origin = arena_strdup(a, stmt_text(q, 4)),
        .state = arena_strdup(a, stmt_text(q, 5)),
        .attempts = stmt_int(q, 6),
        .next_ms = stmt_int(q, 7),
        .status = number_of(q, 8),
        .took_ms = number_of(q, 9),
        .detail = arena_strdup(a, stmt_text(q, 10)),
        .created_ms = stmt_int(q, 11),
        .ended_ms = number_of(q, 12),
    };
}

int db_delivery_insert(struct db *db, const struct delivery_row *d, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO webhook_deliveries (hook_id, number, seq, kind, origin, state,"
                  " attempts, next_ts, created_ts) VALUES (?1, ?2, ?3, ?4, ?5, 'pending', 0, ?6,"
                  " ?7) ON CONFLICT DO NOTHING",
                  "tiittii", d->hook_id, d->number, d->seq, d->kind, d->origin, d->next_ms,
                  d->created_ms);
}

int db_delivery_note(struct db *db, const struct delivery_row *d, bool *changed, struct err *e)
{
    int rc = db_run(db, e,
                    "UPDATE webhook_deliveries SET state = ?1, attempts = ?2, next_ts = ?3,"
                    " status = ?4, took_ms = ?5, detail = ?6, ended_ts = ?7"
                    " WHERE hook_id = ?8 AND number = ?9 AND state = 'pending'",
                    "tiiiititi", d->state, d->attempts, d->next_ms, d->status, d->took_ms,
                    d->detail, d->ended_ms, d->hook_id, d->number);
    *changed = !rc && db_changes(db) == 1;
    return rc;
}

int db_delivery_get(struct db *db, const char *hook_id, int64_t number, struct arena *a,
                    struct delivery_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT hook_id, number, seq, kind, origin, state, attempts, next_ts, status,"
                      " took_ms, detail, created_ts, ended_ts FROM webhook_deliveries"
                      " WHERE hook_id = ?1 AND number = ?2",
                      "ti", hook_id, number);
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "webhook %.40s has no delivery %lld any more", hook_id,
                       (long long)number);
    read_delivery(q, a, out);
    return ERR_OK;
}

int db_delivery_list(struct db *db, const char *hook_id, const struct delivery_page *page,
                     struct arena *a, struct delivery_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct delivery_row *rows = arena_alloc(a, (size_t)page->limit * sizeof *rows);
    size_t count = 0;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT hook_id, number, seq, kind, origin, state, attempts, next_ts, status,"
                      " took_ms, detail, created_ts, ended_ts FROM webhook_deliveries"
                      " WHERE hook_id = ?1 AND number < ?2 ORDER BY number DESC LIMIT ?3",
                      "tii", hook_id, page->before, page->limit);
    while (!rc && !(rc = stmt_next(q, &row, e)) && row && count < (size_t)page->limit)
        read_delivery(q, a, &rows[count++]);
    *out = rows;
    *n = count;
    return rc;
}

/* The first pending delivery with a number above `above` that is due. */
static int oldest_due(struct db *db, const char *hook_id, int64_t now_ms, int64_t *number,
                      bool *found, struct err *e)
{
    return db_int(db, number, found, e,
                  "SELECT number FROM webhook_deliveries WHERE hook_id = ?1 AND state = 'pending'"
                  " AND next_ts <= ?2 ORDER BY number LIMIT 1",
                  "ti", hook_id, now_ms);
}

/* The oldest due one that no event holds up: pings and redeliveries pass. */
static int oldest_free(struct db *db, const char *hook_id, int64_t now_ms, int64_t *number,
                       bool *found, struct err *e)
{
    return db_int(db, number, found, e,
                  "SELECT number FROM webhook_deliveries WHERE hook_id = ?1 AND state = 'pending'"
                  " AND next_ts <= ?2 AND origin <> 'event' ORDER BY number LIMIT 1",
                  "ti", hook_id, now_ms);
}

static int is_held(struct db *db, const char *hook_id, int64_t number,
                   const struct delivery_due *due, bool *yes, struct err *e)
{
    int64_t one = 0;
    return db_int(db, &one, yes, e,
                  "SELECT 1 FROM webhook_deliveries WHERE hook_id = ?1 AND state = 'pending'"
                  " AND next_ts > ?2 AND number < ?3 AND attempts <= ?4 AND origin = 'event'"
                  " LIMIT 1",
                  "tiii", hook_id, due->now_ms, number, due->patience);
}

int db_delivery_due(struct db *db, const char *hook_id, const struct delivery_due *due,
                    struct arena *a, struct delivery_row *out, bool *found, int64_t *next_ms,
                    struct err *e)
{
    int64_t number = 0;
    bool held = false;
    *next_ms = INT64_MAX;
    int rc = oldest_due(db, hook_id, due->now_ms, &number, found, e);
    if (!rc && *found)
        rc = is_held(db, hook_id, number, due, &held, e);
    if (!rc && held)
        rc = oldest_free(db, hook_id, due->now_ms, &number, found, e);
    if (!rc && *found)
        return db_delivery_get(db, hook_id, number, a, out, e);
    if (rc)
        return rc;
    bool has_later = false;
    return db_int(db, next_ms, &has_later, e,
                  "SELECT next_ts FROM webhook_deliveries WHERE hook_id = ?1 AND state = 'pending'"
                  " AND next_ts > ?2 ORDER BY next_ts LIMIT 1",
                  "ti", hook_id, due->now_ms);
}

int db_delivery_pending(struct db *db, const char *hook_id, int64_t *n, struct err *e)
{
    return db_int(db, n, NULL, e,
                  "SELECT COUNT(*) FROM webhook_deliveries WHERE hook_id = ?1"
                  " AND state = 'pending'",
                  "t", hook_id);
}

int db_delivery_drop(struct db *db, const char *hook_id, int64_t now_ms, struct err *e)
{
    return db_run(db, e,
                  "UPDATE webhook_deliveries SET state = 'dropped', ended_ts = ?1"
                  " WHERE hook_id = ?2 AND state = 'pending'",
                  "it", now_ms, hook_id);
}

int db_delivery_trim(struct db *db, const char *hook_id, int64_t below, struct err *e)
{
    return db_run(db, e,
                  "DELETE FROM webhook_deliveries WHERE hook_id = ?1 AND number < ?2"
                  " AND state <> 'pending'",
                  "ti", hook_id, below);
}
