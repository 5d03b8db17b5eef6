/*
 * From the journal to deliveries: the rows behind a hook's cursor that its filter wants. The
 * deliveries and the cursor move in one transaction, so that a row becomes a delivery once, however
 * often the process dies. Outbound thread; the functions with a tx run on the writer.
 */
#include <string.h>

#include "outbound_inner.h"

#define PAGE 200
#define MAX_PENDING 10000 /* a hook with more waits with its cursor */
#define LAZY_ROWS 1000    /* rows that nobody wants are passed without a write up to here */

/* What one hook gets. */
struct batch {
    const struct hook_row *row;
    struct delivery_row *new; /* in the round's arena */
    size_t n_new;
    int64_t cursor; /* to be stored */
};
struct batches {
    struct batch *items;
    size_t n;
};

/* --- what was looked at before ---------------------------------------------------------------- */

static struct scan_note *note_of(struct outbound *o, const struct hook_row *row)
{
    struct scan_note *note = NULL;
    for (size_t i = 0; i < o->n_notes && !note; i++)
        if (strcmp(o->notes[i].hook_id, row->id) == 0)
            note = &o->notes[i];
    if (!note && o->n_notes == HOOKS_MAX) /* hooks that are gone fill it */
        o->n_notes = 0;
    if (!note) {
        note = &o->notes[o->n_notes++];
        *note = (struct scan_note){.cursor = -1};
        memcpy(note->hook_id, row->id, strnlen(row->id, sizeof note->hook_id - 1));
    }
    if (note->cursor != row->cursor) {
        note->cursor = row->cursor;
        note->scanned = row->cursor;
    }
    return note;
}

/* --- which rows are wanted -------------------------------------------------------------------- */

/* True if the rollout's version comes from a commit whose status can be told. */
static int has_commit(struct db *db, const struct hook_row *row, const char *rollout_id,
                      struct arena *a, bool *yes, struct err *e)
{
    struct hook_lineage l;
    int rc = db_hook_lineage(db, rollout_id, a, &l, e);
    const char *repository = !rc && l.repository ? commit_repository(l.repository, a) : NULL;
    if (!repository && *row->repository)
        repository = row->repository;
    *yes = !rc && l.commit && commit_id_ok(l.commit) && repository &&
           (!*row->repository || strcmp(repository, row->repository) == 0);
    return rc;
}

static int is_wanted(struct db *db, const struct hook_row *row, const struct hook_change *c,
                     struct arena *a, bool *yes, struct err *e)
{
    struct webhook_event ev = {
        .kind = c->kind, .object = c->object, .env = c->env, .model = c->model};
    struct webhook_filter filter = {.kinds = row->kinds, .env = row->env, .models = row->models};
    webhook_event_scope(&ev, a);
    *yes = webhook_wants(&filter, &ev);
    if (!*yes || strcmp(row->format, "standard") == 0)
        return ERR_OK;
    return has_commit(db, row, c->object, a, yes, e);
}

static int fill_batch(struct db *db, struct outbound *o, struct round *r, struct batch *b,
                      bool *more, struct err *e)
{
    struct scan_note *note = note_of(o, b->row);
    struct hook_change *rows = NULL;
    size_t n = 0;
    int rc = db_hook_changes(db, note->scanned, PAGE, &r->arena, &rows, &n, e);
    b->new = arena_alloc(&r->arena, (n + 1) * sizeof *b->new);
    for (size_t i = 0; !rc && i < n; i++) {
        bool yes = false;
        rc = is_wanted(db, b->row, &rows[i], &r->arena, &yes, e);
        if (rc || !yes)
            continue;
        b->new[b->n_new] = (struct delivery_row){.hook_id = b->row->id,
                                                 .number = b->row->next_number + (int64_t)b->n_new,
                                                 .seq = rows[i].seq,
                                                 .kind = rows[i].kind,
                                                 .origin = "event",
                                                 .next_ms = r->now_ms,
                                                 .created_ms = r->now_ms};
        b->n_new++;
    }
    if (rc || !n)
        return rc;
    note->scanned = rows[n - 1].seq;
    *more = *more || n == PAGE;
    b->cursor = note->scanned;
    return ERR_OK;
}

/* --- making them durable ---------------------------------------------------------------------- */

static int store_batch(struct tx *tx, const struct batch *b, struct err *e)
{
    bool moved = false;
    struct hook_move move = {.cursor = b->cursor, .n_new = (int64_t)b->n_new};
    int rc = db_hook_move(tx_db(tx), b->row, &move, &moved, e);
    /* Somebody changed the hook meanwhile: the next round sees how. */
    for (size_t i = 0; !rc && moved && i < b->n_new; i++)
        rc = db_delivery_insert(tx_db(tx), &b->new[i], e);
    return rc;
}

static int store_fn_batches(struct tx *tx, void *ctx, struct err *e)
{
    const struct batches *all = ctx;
    int rc = ERR_OK;
    for (size_t i = 0; !rc && i < all->n; i++)
        rc = store_batch(tx, &all->items[i], e);
    return rc;
}

static bool is_due(const struct batch *b)
{
    return b->n_new > 0 || b->cursor - b->row->cursor >= LAZY_ROWS;
}

static int look(struct outbound *o, struct round *r, struct batches *all, bool *more, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    int rc = reader_begin(o->o.store, &reader, e);
    if (!rc)
        rc = db_hook_list(reader.db, 0, HOOKS_MAX, &r->arena, &r->rows, &r->n_rows, e);
    all->items = arena_alloc(&r->arena, (r->n_rows + 1) * sizeof *all->items);
    for (size_t i = 0; !rc && i < r->n_rows; i++) {
        struct batch *b = &all->items[all->n];
        int64_t pending = 0;
        if (!r->rows[i].is_enabled)
            continue;
        rc = db_delivery_pending(reader.db, r->rows[i].id, &pending, e);
        if (rc || pending >= MAX_PENDING)
            continue;
        *b = (struct batch){.row = &r->rows[i]};
        rc = fill_batch(reader.db, o, r, b, more, e);
        all->n += !rc && is_due(b);
    }
    return rc;
}

int outbound_scan(struct outbound *o, struct round *r, bool *more, struct err *e)
{
    struct batches all = {0};
    *more = false;
    int rc = look(o, r, &all, more, e);
    if (!rc && all.n)
        rc = store_write(o->o.store, TX_WORK, store_fn_batches, &all, e);
    /* What was looked at and is not stored is looked at again: a hook that somebody changed
     * meanwhile stayed where it was. */
    if (rc || all.n)
        o->n_notes = 0;
    return rc;
}
