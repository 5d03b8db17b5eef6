/*
 * Makes the planner's decisions durable: status and intents as work, moves and the end of a rollout
 * as facts with their journal row. Must not know why a decision was made, nor HTTP or nodes. Called
 * on the controller's thread; the inner functions run on the writer.
 */
#include "rollout_end.h"

#include <string.h>

#include "registry.h"

int64_t rollout_next_good(const struct rollout_record *r)
{
    /* After going back to a version, what was left is not what one wants to go back to. */
    bool is_back = strcmp(r->kind, "rollback") == 0;
    return is_back || r->from == 0 ? r->to : r->from;
}

/* The documents of the row while they are made: the arena owns the paths, the bufs the bytes. */
struct row {
    struct arena arena;
    struct buf rollout, target, alias;
    struct journal_doc docs[3];
    size_t n_docs;
};

static void row_clear(struct row *r)
{
    buf_clear(&r->rollout);
    buf_clear(&r->target);
    buf_clear(&r->alias);
    arena_clear(&r->arena);
}

static void add_doc(struct row *row, const char *path, const struct buf *bytes)
{
    row->docs[row->n_docs++] =
        (struct journal_doc){.path = path, .bytes = buf_str(bytes), .n = bytes->len};
}

static int add_rollout(struct row *row, const struct rollout_progress *in, int64_t ended_ms,
                       struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct rollout_record record = *in->record;
    record.ended_ms = ended_ms;
    int rc = rollout_document(&record, in->status, &doc, e);
    if (rc == ERR_OK)
        rc = json_canonical(doc, &row->rollout, e);
    if (rc == ERR_OK)
        add_doc(row, journal_path_rollout(&row->arena, record.id), &row->rollout);
    return rc;
}

/* The target's document with what changed in it: whoever made it knows the rest. */
static int load_target_doc(struct db *db, const char *path, struct arena *a, json_t **out,
                           struct err *e)
{
    const char *bytes = NULL;
    size_t n = 0;
    struct err none;
    int rc = journal_doc_at(db, path, INT64_MAX, a, &bytes, &n, &none);
    if (rc == ERR_NOT_FOUND) {
        *out = json_pack("{s:s,s:i}", "kind", "mreg.target", "schema", 1);
        return ERR_OK;
    }
    if (rc != ERR_OK) {
        *e = none;
        return rc;
    }
    return json_parse(bytes, n, JSON_MAX_DEPTH, out, e);
}

static int add_target(struct row *row, struct db *db, const struct rollout_record *r, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    const char *path = journal_path_target(&row->arena, r->environment, r->model);
    int rc = load_target_doc(db, path, &row->arena, &doc, e);
    if (rc != ERR_OK)
        return rc;
    json_object_set_new(doc, "model", json_string(r->model));
    json_object_set_new(doc, "environment", json_string(r->environment));
    json_object_set_new(doc, "serve_as", json_string(r->serve_as));
    json_object_set_new(doc, "live", json_integer(r->to));
    json_object_set_new(doc, "last_good", json_integer(rollout_next_good(r)));
    rc = json_canonical(doc, &row->target, e);
    if (rc == ERR_OK)
        add_doc(row, path, &row->target);
    return rc;
}

/* What only the success of a rollout may do: move what is live. */
static int go_live(struct tx *tx, struct row *row, const struct rollout_progress *in, struct err *e)
{
    const struct rollout_record *r = in->record;
    const char *path = NULL;
    int rc = db_target_set_live(tx_db(tx), r->target_id, r->to, rollout_next_good(r), e);
    if (rc == ERR_OK)
        rc = add_target(row, tx_db(tx), r, e);
    if (rc == ERR_OK)
        rc = registry_move_alias(tx, in->model_id, r->model, r->environment, r->to, r->actor,
                                 &row->arena, &path, &row->alias, e);
    if (rc == ERR_OK)
        add_doc(row, path, &row->alias);
    return rc;
}

static int write_fact(struct tx *tx, const struct rollout_progress *in, struct err *e)
{
    struct row row CLEANUP(row_clear) = {0};
    buf_init(&row.rollout, 4 << 20);
    buf_init(&row.target, 1 << 20);
    buf_init(&row.alias, 1 << 20);
    enum rollout_phase phase = in->status->phase;
    bool is_end = rollout_phase_is_terminal(phase);
    int64_t ended_ms = is_end ? tx_now_ms(tx) : 0;
    int64_t seq = 0;
    int rc = db_rollout_set_phase(tx_db(tx), in->id, phase, ended_ms, e);
    if (rc == ERR_OK)
        rc = add_rollout(&row, in, ended_ms, e);
    if (rc == ERR_OK && phase == ROLLOUT_SUCCEEDED)
        rc = go_live(tx, &row, in, e);
    if (rc != ERR_OK)
        return rc;
    struct journal_entry entry = {
        .kind = is_end ? JOURNAL_ROLLOUT_END : JOURNAL_ROLLOUT_MOVE,
        .actor = "mregd",
        .object = in->id,
        .message = in->message,
        .docs = row.docs,
        .n_docs = row.n_docs,
    };
    return journal_append(tx, &entry, &seq, e);
}

static int progress_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct rollout_progress *in = ctx;
    int rc = db_rollout_status_put(tx_db(tx), in->id, in->base_revision, in->status, e);
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
