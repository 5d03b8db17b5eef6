/*
 * Makes the planner's decisions durable: status and intents as work, moves and the end of a rollout
 * as facts with their journal row. Must not know why a decision was made, nor HTTP or nodes. Called
 * on the controller's thread; the inner functions run on the writer.
 */
#include "rollout_end.h"

#include <string.h>

#include "db_limits.h"
#include "fleet_fault.h"
#include "fleet_queue.h"
#include "fleet_rollout.h"
#include "registry.h"

#define END_MAX_DOCS (QUEUE_MAX_DOCS + 3)

int64_t rollout_next_good(const struct rollout_record *r)
{
    /* After going back to a version, what was left is not what one wants to go back to. */
    bool is_back = strcmp(r->kind, "rollback") == 0;
    return is_back || r->from == 0 ? r->to : r->from;
}

/* The journal row of a move or an end while it is made. */
struct row {
    struct arena arena;
    struct buf alias;
    struct journal_doc docs[END_MAX_DOCS];
    struct doc_list list;
    const char *message;
};

static void row_clear(struct row *r)
{
    buf_clear(&r->alias);
    arena_clear(&r->arena);
}

static int add_rollout(struct row *row, struct db *db, const struct rollout_progress *in,
                       int64_t ended_ms, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct rollout_record record = *in->record;
    record.ended_ms = ended_ms;
    int rc = fleet_doc_rollout(db, &record, in->status, &row->arena, &doc, e);
    if (rc != ERR_OK)
        return rc;
    return fleet_doc_add(&row->list, &row->arena, journal_path_rollout(&row->arena, record.id), doc,
                         e);
}

/* What only the success of a rollout may do: move what is live. */
static int go_live(struct tx *tx, struct row *row, const struct rollout_progress *in, struct err *e)
{
    const struct rollout_record *r = in->record;
    const char *path = NULL;
    int rc = db_target_set_live(tx_db(tx), r->target_id, r->to, rollout_next_good(r), e);
    if (rc == ERR_OK) /* it has proven itself, whatever it was before */
        rc = db_quarantine_drop(tx_db(tx), r->target_id, r->to, e);
    if (rc == ERR_OK)
        rc = registry_move_alias(tx, in->model_id, r->model, r->environment, r->to, r->actor,
                                 &row->arena, &path, &row->alias, e);
    if (rc == ERR_OK)
        row->docs[row->list.n++] =
            (struct journal_doc){.path = path, .bytes = buf_str(&row->alias), .n = row->alias.len};
    return rc;
}

/* The end of a rollout is the begin of the next one, in the same transaction. After a halt nobody
 * follows by itself: the fleet is mixed, and somebody has to decide. */
static int end_rollout(struct tx *tx, struct row *row, const struct rollout_progress *in,
                       struct err *e)
{
    enum rollout_phase phase = in->status->phase;
    struct queue_turn turn = {.arena = &row->arena, .docs = &row->list};
    int rc = ERR_OK;
    if (phase == ROLLOUT_SUCCEEDED)
        rc = go_live(tx, row, in, e);
    else if (phase == ROLLOUT_ROLLED_BACK)
        rc = fault_quarantine(tx, in->record, in->status, e);
    if (rc == ERR_OK && phase != ROLLOUT_HALTED)
        rc = queue_next(tx, in->record->target_id, &turn, e);
    if (rc == ERR_OK)
        rc = queue_target_doc(tx, in->record->target_id, &turn, e);
    if (rc == ERR_OK && turn.text[0] != '\0')
        row->message = arena_printf(&row->arena, "%s; %s", row->message, turn.text);
    return rc;
}

static int write_fact(struct tx *tx, const struct rollout_progress *in, struct err *e)
{
    struct row row CLEANUP(row_clear) = {.message = in->message};
    enum rollout_phase phase = in->status->phase;
    bool is_end = rollout_phase_is_terminal(phase);
    int64_t ended_ms = is_end ? tx_now_ms(tx) : 0;
    int64_t seq = 0;
    buf_init(&row.alias, 1 << 20);
    row.list = (struct doc_list){.docs = row.docs, .max = END_MAX_DOCS};
    int rc = db_rollout_set_phase(tx_db(tx), in->id, phase, ended_ms, e);
    if (rc == ERR_OK)
        rc = fault_note(tx, in->record, in->status, &row.arena, &row.message, e);
    if (rc == ERR_OK)
        rc = add_rollout(&row, tx_db(tx), in, ended_ms, e);
    if (rc == ERR_OK && is_end)
        rc = end_rollout(tx, &row, in, e);
    if (rc != ERR_OK)
        return rc;
    struct journal_entry entry = {
        .kind = is_end ? JOURNAL_ROLLOUT_END : JOURNAL_ROLLOUT_MOVE,
        .actor = "mregd",
        .object = in->id,
        .message = row.message,
        .docs = row.docs,
        .n_docs = row.list.n,
    };
    return journal_append(tx, &entry, &seq, e);
}

/* A quarantined version is never put on a node without an override: submission and queue see to it,
 * so that to find one here is a bug. */
static int check_quarantine(struct tx *tx, const struct rollout_progress *in, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct quarantine_row bad = {0};
    struct rollout_more more;
    bool is_switch = false;
    for (size_t i = 0; in->record != NULL && i < in->n_ops; i++)
        is_switch =
            is_switch || (in->ops[i].action == OP_SWITCH && in->ops[i].number == in->record->to);
    if (!is_switch)
        return ERR_OK;
    int rc = db_quarantine_get(tx_db(tx), in->record->target_id, in->record->to, &a, &bad, e);
    if (rc != ERR_OK || bad.rollout == NULL)
        return rc;
    rc = db_rollout_more(tx_db(tx), in->record->id, &a, &more, e);
    if (rc != ERR_OK || rollout_overrides(more.overrides, "quarantine"))
        return rc;
    return err_set(e, ERR_INTERNAL, "rollout %s would load a version that is in quarantine",
                   in->record->id);
}

static int progress_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct rollout_progress *in = ctx;
    int rc = db_rollout_status_put(tx_db(tx), in->id, in->base_revision, in->status, e);
    if (rc == ERR_OK)
        rc = check_quarantine(tx, in, e);
    for (size_t i = 0; rc == ERR_OK && i < in->n_ops; i++)
        rc = db_op_open(tx_db(tx), &in->ops[i], e);
    if (rc == ERR_OK && in->is_fact)
        rc = write_fact(tx, in, e);
    return rc;
}

int rollout_progress(struct store *store, const struct rollout_progress *in, struct err *e)
{
    struct rollout_progress copy = *in;
    return store_write(store, in->is_fact ? TX_FACT : TX_WORK, progress_fn, &copy, e);
}

void rollout_progress_all(struct store *store, const struct rollout_progress *list, size_t n)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_progress *copies = arena_alloc(&a, (n + 1) * sizeof copies[0]);
    struct store_request *requests = arena_alloc(&a, (n + 1) * sizeof requests[0]);
    for (size_t i = 0; i < n; i++) {
        copies[i] = list[i];
        requests[i] = (struct store_request){.kind = list[i].is_fact ? TX_FACT : TX_WORK,
                                             .fn = progress_fn,
                                             .ctx = &copies[i],
                                             .e = list[i].e};
    }
    store_write_all(store, requests, n);
    for (size_t i = 0; i < n; i++)
        *list[i].rc = requests[i].code;
}
