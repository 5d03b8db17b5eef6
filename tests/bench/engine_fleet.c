/*
 * The database of bench_engine: environments with nodes and targets that all serve version 1, and
 * rollouts to version 2.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "db_fleet.h"
#include "db_journal.h"
#include "db_registry.h"
#include "db_rollout.h"
#include "engine.h"
#include "journal.h"
#include "manifest.h"

static const char golden[] = "{\"request\":{\"x\":1},\"expect\":{\"ok\":1}}";
static const char strategy[] =
    "{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"20s\"},"
    "{\"percent\":25,\"bake\":\"20s\"}],\"max_unavailable\":2,\"min_healthy\":\"2s\","
    "\"bake\":\"10s\",\"gates\":[{\"kind\":\"health\"},{\"kind\":\"golden\"},"
    "{\"kind\":\"error-rate\",\"max\":\"0.05\",\"min_requests\":10}]}";

#define COMPARING "{\"kind\":\"error-ratio\"},{\"kind\":\"slow-ratio\"}"
static const char comparing_policy[] = "{\"node_deadline\":\"60s\",\"gates\":[" COMPARING "]}";
static const char comparing[] =
    "{\"strategy\":\"canary\",\"steps\":[{\"percent\":10,\"bake\":\"1h\"}],\"max_unavailable\":100,"
    "\"min_healthy\":\"2s\",\"bake\":\"10s\",\"gates\":[" COMPARING "]}";

static void must(int rc, const struct err *e)
{
    if (rc != ERR_OK)
        engine_fail("database", e->message);
}

static int64_t clock_ms(void *ctx)
{
    const struct engine *e = ctx;
    return e->now_ms;
}

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
    return rc;
}

static int put_target(struct engine *en, struct db *db, int64_t env, int t, struct err *e)
{
    char name[32];
    int64_t model_id = (env - 1) * en->n_targets + t + 1;
    int64_t target_id = 0;
    snprintf(name, sizeof name, "m%" PRId64, model_id);
    struct target_row row = {.env_id = env,
                             .model_id = model_id,
                             .serve_as = name,
                             .policy = "{}",
                             .created_seq = 1,
                             .created_ms = 1};
    int rc = db_run(db, e,
                    "INSERT INTO models (model_id, name, created_seq, created_ts, updated_ts)"
                    " VALUES (?1, ?2, 1, 1, 1)",
                    "it", model_id, name);
    for (int64_t v = 1; rc == ERR_OK && v <= 2; v++)
        rc = put_version(db, model_id, v, e);
    if (rc == ERR_OK)
        rc = db_target_insert(db, &row, &target_id, e);
    if (rc == ERR_OK && target_id != model_id)
        engine_fail("fleet", "targets are not numbered like models");
    return rc == ERR_OK ? db_target_set_live(db, target_id, 1, 0, e) : rc;
}

static int put_node(const struct engine *en, struct db *db, int64_t env, int i, struct err *e)
{
    char name[32];
    char url[64];
    char metrics[80];
    int64_t node_id = (env - 1) * en->n_nodes + i + 1;
    snprintf(name, sizeof name, "n%" PRId64, node_id);
    snprintf(url, sizeof url, "http://%s", name);
    snprintf(metrics, sizeof metrics, "%s/metrics", url);
    struct node_row row = {.node_id = node_id,
                           .env_id = env,
                           .name = name,
                           .driver = "v2",
                           .admin_url = url,
                           .infer_url = url,
                           .metrics_url = metrics,
                           .root = name,
                           .delivery = "path",
                           .labels = "{}",
                           .created_seq = 1,
                           .created_ms = 1};
    struct watch_health h = {
        .node_id = node_id, .is_reachable = true, .since_ms = 1, .observed_ms = en->now_ms - 5000};
    int rc = db_node_insert(db, &row, e);
    if (rc == ERR_OK)
        rc = db_node_health_put(db, &h, e);
    struct watch_view v = {
        .node_id = node_id, .observed_ms = en->now_ms - 5000, .observation = "{\"ready\":[1]}"};
    for (int t = 0; rc == ERR_OK && t < en->n_targets; t++) {
        v.target_id = (env - 1) * en->n_targets + t + 1;
        rc = db_node_view_put(db, &v, e);
    }
    return rc;
}

static int put_env(struct engine *en, struct db *db, int64_t env, struct err *e)
{
    char name[32];
    snprintf(name, sizeof name, "env%" PRId64, env);
    struct env_row row = {.name = name,
                          .policy = en->compares ? comparing_policy : "{\"node_deadline\":\"60s\"}",
                          .created_seq = 1,
                          .created_ms = 1};
    int rc = db_env_insert(db, &row, e);
    for (int t = 0; rc == ERR_OK && t < en->n_targets; t++)
        rc = put_target(en, db, env, t, e);
    for (int i = 0; rc == ERR_OK && i < en->n_nodes; i++)
        rc = put_node(en, db, env, i, e);
    return rc;
}

static int append(struct tx *tx, enum journal_kind kind, const char *object, const char *path,
                  int64_t *seq, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = json_pack("{s:s}", "name", object);
    struct journal_entry entry = {
        .kind = kind, .actor = "t-1", .object = object, .message = "bench"};
    return journal_append_json(tx, &entry, path, doc, seq, e);
}

static int fill_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct engine *en = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    int64_t seq = 0;
    struct digest d;
    digest_of(golden, sizeof golden - 1, &d);
    int rc = db_run(tx_db(tx), e,
                    "INSERT INTO blobs (digest, size, bytes, created_ts) VALUES (?1, ?2, ?3, 1)",
                    "dib", &d, (int64_t)sizeof golden - 1, golden, sizeof golden - 1);
    for (int64_t env = 1; rc == ERR_OK && env <= en->n_envs; env++)
        rc = put_env(en, tx_db(tx), env, e);
    return rc == ERR_OK
               ? append(tx, JOURNAL_ENV_CREATE, "env1", journal_path_env(&a, "env1"), &seq, e)
               : rc;
}

void engine_open(struct engine *en, bool fill)
{
    struct err e;
    char path[300];
    snprintf(path, sizeof path, "%s/engine.db", en->dir);
    struct store_options o = {.path = path, .n_readers = 4, .now_ms = clock_ms, .now_ctx = en};
    must(store_open(&o, &en->store, &e), &e);
    must(blobs_open(en->dir, en->store, &en->blobs, &e), &e);
    if (fill)
        must(store_write(en->store, TX_FACT, fill_fn, en, &e), &e);
}

void engine_close(struct engine *en)
{
    blobs_close(en->blobs);
    store_close(en->store);
}

struct submission {
    struct engine *engine;
    int64_t target_id;
};

static int submit_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct submission *sub = ctx;
    struct arena a CLEANUP(arena_clear) = {0};
    char id[32];
    snprintf(id, sizeof id, "r-%" PRId64, sub->target_id);
    struct rollout_row row = {.target_id = sub->target_id,
                              .from = 1,
                              .to = 2,
                              .generation = 1,
                              .created_ms = sub->engine->now_ms,
                              .rollout_id = id,
                              .kind = "promote",
                              .strategy = sub->engine->compares ? comparing : strategy,
                              .actor = "t-1"};
    int rc =
        append(tx, JOURNAL_ROLLOUT_SUBMIT, id, journal_path_rollout(&a, id), &row.submitted_seq, e);
    if (rc == ERR_OK)
        rc = db_target_set_generation(tx_db(tx), sub->target_id, 1, e);
    return rc == ERR_OK ? db_rollout_insert(tx_db(tx), &row, e) : rc;
}

void engine_submit(struct engine *en)
{
    struct err e;
    for (int env = 0; env < en->n_envs; env++) {
        for (int t = 0; t < en->n_rollouts; t++) {
            struct submission sub = {.engine = en,
                                     .target_id = (int64_t)env * en->n_targets + t + 1};
            must(store_write(en->store, TX_FACT, submit_fn, &sub, &e), &e);
        }
    }
}

int64_t engine_count(struct engine *en, const char *phase)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = 0;
    must(reader_begin(en->store, &r, &e), &e);
    must(db_int(r.db, &n, NULL, &e, "SELECT /*scan*/ COUNT(*) FROM rollouts WHERE phase = ?1", "t",
                phase),
         &e);
    return n;
}
