/*
 * What the rest of mreg would write: a database with an environment, nodes, models and versions,
 * submitted rollouts and commands.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "db_fleet.h"
#include "db_journal.h"
#include "db_nodes.h"
#include "db_queue.h"
#include "db_router.h"
#include "journal.h"
#include "manifest.h"
#include "rollout_names.h"
#include "sim.h"
#include "store_inner.h"

bool sim_is_fine(struct sim *s, int rc, const struct err *e)
{
    bool is_expected =
        rc == ERR_CONFLICT || rc == ERR_FORBIDDEN || rc == ERR_REFUSED || rc == ERR_NOT_FOUND;
    if (rc != ERR_OK && !is_expected)
        sim_fail(s, "a rule: %s", e->message);
    if (rc != ERR_OK)
        sim_say(s, "refused: %s", e->message);
    return rc == ERR_OK;
}

static void must(struct sim *s, int rc, const struct err *e)
{
    if (rc != ERR_OK)
        sim_fail(s, "database: %s", e->message);
}

static int64_t store_clock(void *ctx)
{
    return sim_clock(ctx);
}

void sim_store_open(struct sim *s)
{
    struct err e;
    struct store_options o = {
        .path = ":memory:", .n_readers = 1, .now_ms = store_clock, .now_ctx = s, .is_inline = true};
    must(s, store_open(&o, &s->store, &e), &e);
}

/* All tables with something in them that was not there from the start. */
static void list_tables(struct sim *s, struct db *db, struct buf *script)
{
    struct err e;
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = true;
    must(s,
         db_query(db, &q, &e,
                  "SELECT name FROM sqlite_schema WHERE type = 'table'"
                  " AND name NOT IN ('meta', 'schema_migrations') ORDER BY rowid DESC",
                  ""),
         &e);
    must(s, stmt_next(q, &row, &e), &e);
    for (; row; must(s, stmt_next(q, &row, &e), &e))
        buf_putf(script, "DELETE FROM %s;", stmt_text(q, 0));
}

/* A transaction that SQLite ends makes the writer look again where the journal ends. */
static int lose_fn(struct tx *tx, void *ctx, struct err *e)
{
    (void)ctx;
    db_set_mode(tx_db(tx), DB_OWNER);
    return db_script(tx_db(tx), "ROLLBACK", e);
}

void sim_store_empty(struct sim *s)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    struct buf script CLEANUP(buf_clear);
    buf_init(&script, 1 << 16);
    must(s, reader_begin(s->store, &r, &e), &e); /* also writes: the store is inline */
    list_tables(s, r.db, &script);
    must(s, db_script(r.db, buf_str(&script), &e), &e);
    reader_end(&r);
    (void)!store_write(s->store, TX_WORK, lose_fn, NULL, &e);
}

void sim_blobs_open(struct sim *s)
{
    struct err e;
    must(s, blobs_open(s->dir, s->store, &s->blobs, &e), &e);
}

/* --- setting up --- */

/* A version that answers wrongly only does so to the second one. */
static const char golden[2][40] = {"{\"request\":{\"x\":1},\"expect\":{\"ok\":1}}",
                                   "{\"request\":{\"x\":2},\"expect\":{\"ok\":1}}"};

static int put_golden(struct db *db, const char *text, struct digest *digest, struct err *e)
{
    size_t n = strlen(text);
    digest_of(text, n, digest);
    return db_run(db, e,
                  "INSERT INTO blobs (digest, size, bytes, created_ts) VALUES (?1, ?2, ?3, 1)"
                  " ON CONFLICT (digest) DO NOTHING",
                  "dib", digest, (int64_t)n, text, n);
}

static int put_version(struct db *db, int64_t model_id, int64_t number, struct err *e)
{
    struct buf bytes CLEANUP(buf_clear);
    struct manifest_file files[3] = {{.path = "golden/a.json", .size = (int64_t)strlen(golden[0])},
                                     {.path = "golden/b.json", .size = (int64_t)strlen(golden[1])},
                                     {.path = "model.joblib", .size = 100 + number}};
    struct manifest m = {.files = files, .n_files = 3, .format = "pickle", .total_bytes = 200};
    struct digest content;
    buf_init(&bytes, MANIFEST_MAX_BYTES);
    digest_of(&model_id, sizeof model_id, &files[2].sha256);
    files[2].sha256.b[0] = (uint8_t)number;
    int rc = put_golden(db, golden[0], &files[0].sha256, e);
    if (rc == ERR_OK)
        rc = put_golden(db, golden[1], &files[1].sha256, e);
    if (rc == ERR_OK)
        rc = manifest_write(&m, &bytes, &content, e);
    if (rc == ERR_OK)
        rc = db_document_put(db, &content, bytes.data, bytes.len, e);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "INSERT INTO versions (model_id, number, content_digest, statement_digest,"
                    " format, size_bytes, n_files, created_seq, created_ts, created_by)"
                    " VALUES (?1, ?2, ?3, ?3, 'pickle', 200, 2, 1, 1, 't-1')",
                    "iid", model_id, number, &content);
    return rc;
}

static int put_model(struct sim *s, struct db *db, struct sim_model *m, struct err *e)
{
    int rc = db_run(db, e,
                    "INSERT INTO models (name, created_seq, created_ts, updated_ts)"
                    " VALUES (?1, 1, 1, 1)",
                    "t", m->name);
    if (rc == ERR_OK)
        rc = db_int(db, &m->model_id, NULL, e, "SELECT model_id FROM models WHERE name = ?1", "t",
                    m->name);
    for (int64_t v = 1; rc == ERR_OK && v < SIM_MAX_VERSIONS; v++)
        rc = put_version(db, m->model_id, v, e);
    struct target_row row = {.env_id = s->env_id,
                             .model_id = m->model_id,
                             .serve_as = m->serve_as,
                             .policy = "{\"node_deadline\":\"40s\"}",
                             .created_seq = 1,
                             .created_ms = 1};
    return rc == ERR_OK ? db_target_insert(db, &row, &m->target_id, e) : rc;
}

static int put_node(struct sim *s, struct db *db, struct sim_node *n, struct err *e)
{
    char url[64];
    char metrics[64];
    snprintf(url, sizeof url, "http://%s", n->name);
    snprintf(metrics, sizeof metrics, "http://%s/metrics", n->name);
    struct node_row row = {.node_id = ++s->n_entered, /* a lease is only kept with a number */
                           .env_id = s->env_id,
                           .env = "prod",
                           .name = n->name,
                           .driver = s->ways[WAY_BOTH] ? "triton" : "v2",
                           .admin_url = url,
                           .infer_url = url,
                           .metrics_url = metrics,
                           .root = n->name,
                           .delivery = "path",
                           .labels = "{}",
                           .created_seq = 1,
                           .created_ms = 1,
                           .lease_ms = n->has_lease ? SIM_LEASE_MS : 0};
    int rc = db_node_insert(db, &row, e);
    n->node_id = row.node_id;
    n->renewed_ms = s->now_ms;
    return rc == ERR_OK && n->has_lease ? db_node_renew(db, n->node_id, sim_clock(s), e) : rc;
}

static int put_routers(struct sim *s, struct db *db, struct err *e)
{
    int rc = ERR_OK;
    for (int i = 0; rc == ERR_OK && i < s->n_routers; i++) {
        char name[16];
        char address[24];
        snprintf(name, sizeof name, "lb%d", i + 1);
        sim_router_address(i, address);
        struct router_row row = {.router_id = 7000 + i,
                                 .env_id = s->env_id,
                                 .config = {.name = name,
                                            .driver = "haproxy",
                                            .address = address,
                                            .backend = "{serve_as}",
                                            .server_label = ""},
                                 .created_seq = 1,
                                 .created_ms = 1};
        rc = db_router_insert(db, &row, e);
    }
    return rc;
}

static int setup_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct sim *s = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:s}", "name", "prod");
    struct env_row env = {.name = "prod", .policy = "{}", .created_seq = 1, .created_ms = 1};
    int64_t seq = 0;
    int rc = db_env_insert(tx_db(tx), &env, e);
    if (rc == ERR_OK)
        rc = db_int(tx_db(tx), &s->env_id, NULL, e,
                    "SELECT env_id FROM environments WHERE name = 'prod'", "");
    for (int i = 0; rc == ERR_OK && i < s->n_nodes; i++)
        rc = put_node(s, tx_db(tx), &s->nodes[i], e);
    for (int i = 0; rc == ERR_OK && i < s->n_models; i++)
        rc = put_model(s, tx_db(tx), &s->models[i], e);
    if (rc == ERR_OK)
        rc = put_routers(s, tx_db(tx), e);
    struct journal_entry entry = {
        .kind = JOURNAL_ENV_CREATE, .actor = "t-1", .object = "prod", .message = "set up"};
    if (rc == ERR_OK)
        rc = journal_append_json(tx, &entry, journal_path_env(&a, "prod"), doc, &seq, e);
    return rc;
}

void sim_setup(struct sim *s)
{
    struct err e;
    must(s, store_write(s->store, TX_FACT, setup_fn, s, &e), &e);
}

/* --- a fleet that changes --- */

struct fleet_edit {
    struct sim *s;
    struct sim_node *n;
    bool is_new;
};

static int edit_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct fleet_edit *ed = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:s}", "name", ed->n->name);
    int64_t seq = 0;
    int rc = ed->is_new ? put_node(ed->s, tx_db(tx), ed->n, e)
                        : db_node_delete(tx_db(tx), ed->n->node_id, e);
    struct journal_entry entry = {.kind = ed->is_new ? JOURNAL_NODE_CREATE : JOURNAL_NODE_DELETE,
                                  .actor = "t-1",
                                  .object = arena_printf(&a, "prod/%s", ed->n->name),
                                  .message = "node"};
    if (rc == ERR_OK)
        rc = journal_append_json(tx, &entry, journal_path_node(&a, "prod", ed->n->name), doc, &seq,
                                 e);
    return rc;
}

void sim_add_node(struct sim *s)
{
    struct err e;
    struct sim_node *n = &s->nodes[s->n_nodes++];
    struct fleet_edit ed = {.s = s, .n = n, .is_new = true};
    snprintf(n->name, sizeof n->name, "n%d", s->n_nodes);
    n->is_up = true;
    n->counted_ms = s->now_ms;
    must(s, store_write(s->store, TX_FACT, edit_fn, &ed, &e), &e);
    sim_say(s, "node %s is new", n->name);
    controller_wake(s->controller);
}

void sim_enter_node(struct sim *s, struct sim_node *n)
{
    struct err e;
    struct fleet_edit ed = {.s = s, .n = n, .is_new = true};
    must(s, store_write(s->store, TX_FACT, edit_fn, &ed, &e), &e);
    n->is_deleted = false;
    n->cordon = NODE_UNCORDON;
    sim_say(s, "node %s enters itself again", n->name);
    controller_wake(s->controller);
}

void sim_forget_node(struct sim *s, struct sim_node *n)
{
    n->is_deleted = true;
    for (int m = 0; m < s->n_models; m++) {
        n->is_busy_for[m] = n->was_disturbed[m] = n->was_told[m] = false;
        s->models[m].given &= ~(1U << (unsigned)(n - s->nodes));
    }
}

void sim_delete_node(struct sim *s, struct sim_node *n)
{
    struct err e;
    struct fleet_edit ed = {.s = s, .n = n};
    must(s, store_write(s->store, TX_FACT, edit_fn, &ed, &e), &e);
    n->is_up = false;
    n->has_lease = false; /* it does not come back */
    n->restart_ms = 0;
    sim_forget_node(s, n);
    sim_say(s, "node %s is deleted", n->name);
    controller_wake(s->controller);
}

/* --- rollouts --- */

/* The place of the rollout, or one that may be used for it. */
static struct sim_status *status_place(struct sim *s, const char *id)
{
    for (int i = 0; i < SIM_MAX_MODELS; i++) {
        if (strcmp(s->status[i].id, id) == 0)
            return &s->status[i];
    }
    return &s->status[s->n_rounds % SIM_MAX_MODELS];
}

const struct rollout_status *sim_status(struct sim *s, const char *id)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    struct sim_status *kept = status_place(s, id);
    int64_t revision = 0;
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s,
         db_int(r.db, &revision, NULL, &e,
                "SELECT revision FROM rollout_status WHERE rollout_id = ?1", "t", id),
         &e);
    if (revision != 0 && revision == kept->status.revision && strcmp(kept->id, id) == 0)
        return &kept->status;
    arena_clear(&kept->arena);
    snprintf(kept->id, sizeof kept->id, "%s", id);
    must(s, db_rollout_status(r.db, id, s->now_ms, &kept->arena, &kept->status, &e), &e);
    return &kept->status;
}

enum rollout_phase sim_phase(struct sim *s, const char *id)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct err e;
    bool row = false;
    enum rollout_phase phase = ROLLOUT_SUBMITTED;
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s, db_query(r.db, &q, &e, "SELECT phase FROM rollouts WHERE rollout_id = ?1", "t", id),
         &e);
    must(s, stmt_next(q, &row, &e), &e);
    if (!row || !rollout_phase_by_name(stmt_text(q, 0), &phase))
        sim_fail(s, "rollout %s has no phase", id);
    return phase;
}

/* What is live, and the active rollout of the model, "". */
static void find_active(struct sim *s, struct sim_model *m, char id[32])
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s,
         db_query(r.db, &q, &e,
                  "SELECT COALESCE(t.live_number, 0), COALESCE(r.rollout_id, '') FROM targets t"
                  " LEFT JOIN rollouts r ON r.target_id = t.target_id AND r.is_active = 1"
                  " WHERE t.target_id = ?1",
                  "i", m->target_id),
         &e);
    must(s, stmt_next(q, &row, &e), &e);
    if (!row)
        sim_fail(s, "the target of %s is gone", m->name);
    m->live = stmt_int(q, 0);
    snprintf(id, 32, "%s", stmt_text(q, 1));
    must(s, stmt_next(q, &row, &e), &e);
    if (row)
        sim_fail(s, "%s and %s are active", id, stmt_text(q, 1));
}

static void take_up(struct sim *s, struct sim_model *m, const char *id)
{
    struct err e;
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct rollout_record record;
    struct rollout_more more;
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s, db_rollout_get(r.db, id, &a, &record, &e), &e);
    must(s, db_rollout_more(r.db, id, &a, &more, &e), &e);
    must(s, policy_read(record.strategy, &m->policy, &e), &e);
    snprintf(m->rollout, sizeof m->rollout, "%s", id);
    snprintf(m->overrides, sizeof m->overrides, "%s", more.overrides);
    m->is_in_set = more.set_id != NULL;
    m->from = record.from;
    m->to = record.to;
    m->given = m->touched = 0;
    m->n_served_new = 0;
    m->is_rollback = strcmp(record.kind, "rollback") == 0;
    sim_check_begun(s, m, record.generation);
    if (m->from != m->live)
        sim_fail(s, "%s starts from %" PRId64 ", live is %" PRId64, id, m->from, m->live);
    sim_say(s, "%s begins: %s %" PRId64 " -> %" PRId64 " %s %s", id, m->name, m->from, m->to,
            record.kind, strategy_names[m->policy.strategy]);
}

static void note_end(struct sim *s, struct sim_model *m)
{
    struct err e;
    enum rollout_phase phase = sim_phase(s, m->rollout);
    if (!rollout_phase_is_terminal(phase))
        sim_fail(s, "%s is not active, but %s", m->rollout, rollout_phase_name(phase));
    sim_say(s, "%s is %s; live is %" PRId64, m->rollout, rollout_phase_name(phase), m->live);
    s->n_by_end[phase]++;
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = 0;
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s,
         db_int(r.db, &n, NULL, &e, "SELECT COUNT(*) FROM rollout_commands WHERE rollout_id = ?1",
                "t", m->rollout),
         &e);
    m->n_commands = (int)n;
    reader_end(&r);
    sim_check_ended(s, m, phase);
    if (s->n_ended < SIM_MAX_ENDED) {
        struct sim_ended *end = &s->ended[s->n_ended++];
        snprintf(end->id, sizeof end->id, "%s", m->rollout);
        end->phase = phase;
    }
    /* Where nothing was ever live, what a halted rollout brought stays until another succeeds. */
    bool is_tidied = phase == ROLLOUT_SUCCEEDED || (phase == ROLLOUT_ROLLED_BACK && m->live != 0);
    bool is_open = phase == ROLLOUT_HALTED || (phase == ROLLOUT_SUPERSEDED && m->live == 0);
    m->is_halted = is_open || (m->is_halted && !is_tidied);
    /* What was half-done is left as it is, and nobody counts it as under way. */
    bool is_left = phase == ROLLOUT_HALTED || phase == ROLLOUT_SUPERSEDED;
    for (int i = 0; i < s->n_nodes && is_left; i++)
        s->nodes[i].is_busy_for[m - s->models] = false;
    m->rollout[0] = '\0';
    m->n_commands = 0;
    m->next_ms = s->now_ms + 1000 + sim_random(s, 20000);
}

void sim_refresh(struct sim *s, struct sim_model *m)
{
    char active[32];
    find_active(s, m, active);
    if (m->rollout[0] != '\0' && strcmp(active, m->rollout) != 0)
        note_end(s, m);
    if (m->rollout[0] == '\0' && active[0] != '\0')
        take_up(s, m, active);
}
