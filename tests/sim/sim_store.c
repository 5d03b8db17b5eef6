/*
 * What the rest of mreg would write: a database with an environment, nodes, models and versions,
 * submitted rollouts and commands.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "blob.h"
#include "db_fleet.h"
#include "db_journal.h"
#include "db_router.h"
#include "journal.h"
#include "manifest.h"
#include "sim.h"

static void must(struct sim *s, int rc, const struct err *e)
{
    if (rc != ERR_OK)
        sim_fail(s, "database: %s", e->message);
}

static int64_t store_clock(void *ctx)
{
    struct sim *s = ctx;
    return s->now_ms;
}

/* The migrated, empty database is made once and copied for every seed. */
static char *template_bytes;
static size_t template_size;

static void make_template(struct sim *s, const char *path)
{
    struct err e;
    struct store_options o = {.path = path, .n_readers = 1, .now_ms = store_clock, .now_ctx = s};
    must(s, store_open(&o, &s->store, &e), &e);
    store_close(s->store);
    s->store = NULL;
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0)
        sim_fail(s, "the template cannot be read");
    template_size = (size_t)st.st_size;
    template_bytes = mem_alloc(template_size);
    if (read(fd, template_bytes, template_size) != (ssize_t)template_size)
        sim_fail(s, "the template cannot be read");
    close(fd);
}

static void copy_template(struct sim *s, const char *path)
{
    char other[200];
    snprintf(other, sizeof other, "%s-wal", path);
    unlink(other);
    snprintf(other, sizeof other, "%s-shm", path);
    unlink(other);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, template_bytes, template_size) != (ssize_t)template_size)
        sim_fail(s, "the database cannot be written");
    close(fd);
}

void sim_store_open(struct sim *s, const char *dir)
{
    struct err e;
    char path[160];
    snprintf(path, sizeof path, "%s/sim.db", dir);
    if (template_bytes == NULL)
        make_template(s, path);
    copy_template(s, path);
    struct store_options o = {.path = path, .n_readers = 4, .now_ms = store_clock, .now_ctx = s};
    must(s, store_open(&o, &s->store, &e), &e);
    must(s, blobs_open(dir, s->store, &s->blobs, &e), &e);
}

void sim_store_close(struct sim *s)
{
    blobs_close(s->blobs);
    store_close(s->store);
    s->blobs = NULL;
    s->store = NULL;
}

/* --- setting up --- */

static const char golden[] = "{\"request\":{\"x\":1},\"expect\":{\"ok\":1}}";

static int put_version(struct db *db, int64_t model_id, int64_t number, struct err *e)
{
    struct buf bytes CLEANUP(buf_clear);
    struct manifest_file files[2] = {{.path = "golden/a.json", .size = sizeof golden - 1},
                                     {.path = "model.joblib", .size = 100 + number}};
    struct manifest m = {
        .files = files, .n_files = 2, .format = "sklearn-joblib", .total_bytes = 200};
    struct digest content;
    buf_init(&bytes, MANIFEST_MAX_BYTES);
    digest_of(golden, sizeof golden - 1, &files[0].sha256);
    digest_of(&model_id, sizeof model_id, &files[1].sha256);
    files[1].sha256.b[0] = (uint8_t)number;
    int rc = manifest_write(&m, &bytes, &content, e);
    if (rc == ERR_OK)
        rc = db_document_put(db, &content, bytes.data, bytes.len, e);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "INSERT INTO versions (model_id, number, content_digest, statement_digest,"
                    " format, size_bytes, n_files, created_seq, created_ts, created_by)"
                    " VALUES (?1, ?2, ?3, ?3, 'sklearn-joblib', 200, 2, 1, 1, 't-1')",
                    "iid", model_id, number, &content);
    if (rc == ERR_OK)
        rc = db_run(db, e,
                    "INSERT INTO blobs (digest, size, bytes, created_ts) VALUES (?1, ?2, ?3, 1)"
                    " ON CONFLICT (digest) DO NOTHING",
                    "dib", &files[0].sha256, (int64_t)sizeof golden - 1, golden, sizeof golden - 1);
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
    struct node_row row = {.env_id = s->env_id,
                           .env = "prod",
                           .name = n->name,
                           .driver = "v2",
                           .admin_url = url,
                           .infer_url = url,
                           .metrics_url = metrics,
                           .root = n->name,
                           .delivery = "path",
                           .labels = "{}",
                           .created_seq = 1,
                           .created_ms = 1};
    int rc = db_node_insert(db, &row, e);
    if (rc == ERR_OK)
        rc = db_int(db, &n->node_id, NULL, e, "SELECT node_id FROM nodes WHERE name = ?1", "t",
                    n->name);
    return rc;
}

static int put_router(struct sim *s, struct db *db, struct err *e)
{
    struct router_row row = {.router_id = 7000,
                             .env_id = s->env_id,
                             .config = {.name = "lb",
                                        .driver = "haproxy",
                                        .address = "unix:/lb",
                                        .backend = "{serve_as}",
                                        .server_label = ""},
                             .created_seq = 1,
                             .created_ms = 1};
    return s->router.is_there ? db_router_insert(db, &row, e) : ERR_OK;
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
        rc = put_router(s, tx_db(tx), e);
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

void sim_delete_node(struct sim *s, struct sim_node *n)
{
    struct err e;
    struct fleet_edit ed = {.s = s, .n = n};
    must(s, store_write(s->store, TX_FACT, edit_fn, &ed, &e), &e);
    n->is_up = false;
    n->is_deleted = true;
    n->restart_ms = 0;
    for (int m = 0; m < s->n_models; m++) {
        n->is_busy_for[m] = false;
        s->models[m].given &= ~(1U << (unsigned)(n - s->nodes));
    }
    sim_say(s, "node %s is deleted", n->name);
    controller_wake(s->controller);
}

/* --- rollouts --- */

struct submission {
    struct sim_model *m;
    struct rollout_row row;
    char id[32];
};

static int submit_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct submission *sub = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:s}", "kind", "mreg.rollout");
    int64_t seq = 0;
    int64_t generation = 0;
    int rc = db_int(tx_db(tx), &generation, NULL, e,
                    "SELECT generation FROM targets WHERE target_id = ?1", "i", sub->row.target_id);
    struct journal_entry entry = {
        .kind = JOURNAL_ROLLOUT_SUBMIT, .actor = "t-1", .object = sub->id, .message = "submit"};
    if (rc == ERR_OK)
        rc = journal_append_json(tx, &entry, journal_path_rollout(&a, sub->id), doc, &seq, e);
    sub->row.submitted_seq = seq;
    sub->row.generation = generation + 1;
    if (rc == ERR_OK)
        rc = db_target_set_generation(tx_db(tx), sub->row.target_id, generation + 1, e);
    return rc == ERR_OK ? db_rollout_insert(tx_db(tx), &sub->row, e) : rc;
}

bool sim_submit(struct sim *s, struct sim_model *m, int64_t to, const struct policy *policy)
{
    struct err e;
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, POLICY_MAX_BYTES);
    must(s, policy_write(policy, &text, &e), &e);
    struct submission sub = {.m = m};
    snprintf(sub.id, sizeof sub.id, "r-%s-%d", m->name, ++m->n_rollouts);
    sub.row = (struct rollout_row){.target_id = m->target_id,
                                   .from = m->live,
                                   .to = to,
                                   .created_ms = s->now_ms,
                                   .rollout_id = sub.id,
                                   .kind = sim_chance(s, 15) ? "rollback" : "promote",
                                   .strategy = buf_str(&text),
                                   .actor = "t-1"};
    must(s, store_write(s->store, TX_FACT, submit_fn, &sub, &e), &e);
    snprintf(m->rollout, sizeof m->rollout, "%s", sub.id);
    m->from = m->live;
    m->to = to;
    m->policy = *policy;
    m->n_commands = 0;
    m->given = 0;
    m->is_rollback = strcmp(sub.row.kind, "rollback") == 0;
    if (m->is_rollback)
        policy_for_rollback(&m->policy);
    sim_say(s, "submit %s: %" PRId64 " -> %" PRId64 " %s %s", sub.id, m->from, to, sub.row.kind,
            strategy_name(policy->strategy));
    return true;
}

struct order {
    const char *rollout;
    enum command_verb verb;
    int64_t step;
    int64_t now_ms;
};

static int command_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct order *o = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:s}", "kind", "mreg.rollout");
    int64_t seq = 0;
    struct command_put put = {.rollout_id = o->rollout,
                              .verb = command_verb_name(o->verb),
                              .actor = "t-1",
                              .expected_step = o->step,
                              .ms = o->now_ms};
    int rc = db_command_insert(tx_db(tx), &put, e);
    struct journal_entry entry = {.kind = JOURNAL_ROLLOUT_COMMAND,
                                  .actor = "t-1",
                                  .object = o->rollout,
                                  .message = "command"};
    if (rc == ERR_OK)
        rc = journal_append_json(tx, &entry, journal_path_rollout(&a, o->rollout), doc, &seq, e);
    return rc;
}

void sim_command(struct sim *s, struct sim_model *m, enum command_verb verb, int64_t step)
{
    struct err e;
    struct order o = {.rollout = m->rollout, .verb = verb, .step = step, .now_ms = s->now_ms};
    must(s, store_write(s->store, TX_FACT, command_fn, &o, &e), &e);
    s->n_commands++;
    m->n_commands++;
    sim_say(s, "command %s %s", m->rollout, command_verb_name(verb));
    controller_wake(s->controller);
}

bool sim_status(struct sim *s, const char *id, struct arena *a, struct rollout_status *out)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s, db_rollout_status(r.db, id, s->now_ms, a, out, &e), &e);
    return true;
}

static enum rollout_phase phase_of(struct sim *s, struct db *db, const char *id)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct err e;
    bool row = false;
    enum rollout_phase phase = ROLLOUT_SUBMITTED;
    must(s, db_query(db, &q, &e, "SELECT phase FROM rollouts WHERE rollout_id = ?1", "t", id), &e);
    must(s, stmt_next(q, &row, &e), &e);
    if (!row || !rollout_phase_by_name(stmt_text(q, 0), &phase))
        sim_fail(s, "rollout %s has no phase", id);
    return phase;
}

void sim_refresh(struct sim *s, struct sim_model *m)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    must(s, reader_begin(s->store, &r, &e), &e);
    must(s,
         db_int(r.db, &m->live, NULL, &e,
                "SELECT COALESCE(live_number, 0) FROM targets WHERE target_id = ?1", "i",
                m->target_id),
         &e);
    if (m->rollout[0] == '\0')
        return;
    enum rollout_phase phase = phase_of(s, r.db, m->rollout);
    if (!rollout_phase_is_terminal(phase))
        return;
    sim_say(s, "%s is %s; live is %" PRId64, m->rollout, rollout_phase_name(phase), m->live);
    s->n_by_end[phase]++;
    reader_end(&r);
    r = (struct reader){0};
    sim_check_ended(s, m, phase);
    /* Where nothing was ever live, what a halted rollout brought stays until another succeeds. */
    bool is_tidied = phase == ROLLOUT_SUCCEEDED || (phase == ROLLOUT_ROLLED_BACK && m->live != 0);
    m->is_halted = phase == ROLLOUT_HALTED || (m->is_halted && !is_tidied);
    /* What was half-done is left as it is, and nobody counts it as under way. */
    for (int i = 0; i < s->n_nodes && phase == ROLLOUT_HALTED; i++)
        s->nodes[i].is_busy_for[m - s->models] = false;
    m->rollout[0] = '\0';
    m->next_ms = s->now_ms + 1000 + sim_random(s, 20000);
}
