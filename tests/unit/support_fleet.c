/* See the header. */
#include "support_fleet.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "db_changes.h"
#include "db_rollout.h"
#include "fleet_queue.h"

void fixture_ok(struct fleet_fixture *f, int rc, const char *call)
{
    if (rc != ERR_OK)
        fail_msg("%s: %s: %s %s", call, err_name((enum err_code)rc), f->e.message, f->e.pointer);
}

void fixture_refused(struct fleet_fixture *f, int rc, enum err_code code, const char *words)
{
    if (rc != (int)code ||
        (strstr(f->e.message, words) == NULL && strstr(f->e.pointer, words) == NULL))
        fail_msg("wanted %s \"%s\", got %s \"%s\" %s", err_name(code), words,
                 err_name((enum err_code)rc), f->e.message, f->e.pointer);
}

static int64_t clock_ms(void *ctx)
{
    return ((struct fleet_fixture *)ctx)->now_ms;
}

void fleet_fixture_open(struct fleet_fixture *f)
{
    uint8_t seed[SEAL_SEED_BYTES] = {7};

    temp_dir_make(&f->dir);
    f->now_ms = INT64_C(1795000000000);
    struct store_options options = {.path = temp_dir_file(&f->dir, &f->arena, "mreg.db"),
                                    .n_readers = 2,
                                    .now_ms = clock_ms,
                                    .now_ctx = f};
    assert_int_equal(seal_init(&f->e), ERR_OK);
    FLEET_OK(f, store_open(&options, &f->store, &f->e));
    FLEET_OK(f, blobs_open(f->dir.path, f->store, &f->blobs, &f->e));
    seal_key_from_seed(&f->key, seed);
    f->r = (struct registry){f->store, f->blobs, &f->key, "reg-test", "test.local"};
}

void fleet_fixture_close(struct fleet_fixture *f)
{
    blobs_close(f->blobs);
    store_close(f->store);
    arena_clear(&f->arena);
    temp_dir_remove(&f->dir);
}

int fleet_fixture_setup(void **state)
{
    struct fleet_fixture *f = mem_alloc(sizeof(*f));

    fleet_fixture_open(f);
    *state = f;
    return 0;
}

int fleet_fixture_teardown(void **state)
{
    fleet_fixture_close(*state);
    free(*state);
    return 0;
}

static const struct fleet_change setup_change = {.actor = "t-1"};

void fixture_env(struct fleet_fixture *f, const char *env, const char *policy, int n_nodes)
{
    json_t *j CLEANUP(json_decref_ptr) = json_loads(policy, 0, NULL);
    struct env_spec spec = {.name = env, .policy = j, .position = -1};

    assert_non_null(j);
    FLEET_OK(f, fleet_env_create(f->store, &setup_change, &spec, &f->e));
    for (int i = 0; i < n_nodes; i++) {
        char *root =
            temp_dir_file(&f->dir, &f->arena, arena_printf(&f->arena, "root-%s-%d", env, i));
        struct node_spec node = {.env = env,
                                 .name = arena_printf(&f->arena, "n%d", i + 1),
                                 .admin_url = "http://127.0.0.1:8080",
                                 .root = root};

        (void)mkdir(root, 0755);
        FLEET_OK(f, fleet_node_create(f->store, &setup_change, &node, &f->e));
    }
}

void fixture_policy(struct fleet_fixture *f, const char *env, const char *policy)
{
    json_t *j CLEANUP(json_decref_ptr) = json_loads(policy, 0, NULL);
    struct env_spec spec = {.name = env, .policy = j, .position = -1};

    assert_non_null(j);
    FLEET_OK(f, fleet_env_update(f->store, &setup_change, &spec, &f->e));
}

static int read_bytes(void *self, void *bytes, size_t n, size_t *got, struct err *e)
{
    struct fixture_bytes *s = self;

    (void)e;
    *got = n < s->left ? n : s->left;
    memcpy(bytes, s->at, *got);
    s->at += *got;
    s->left -= *got;
    return ERR_OK;
}

struct body_source fixture_body(struct fixture_bytes *bytes)
{
    return (struct body_source){bytes, read_bytes};
}

int64_t fixture_publish(struct fleet_fixture *f, const char *model,
                        const struct fixture_file *files, size_t n)
{
    struct upload_file *plan = arena_alloc(&f->arena, n * sizeof(*plan));
    struct registry_publish in = {.actor = "t-1"};
    struct published out;
    char id[40];

    for (size_t i = 0; i < n; i++) {
        size_t size = files[i].n > 0 ? files[i].n : strlen(files[i].text);

        plan[i].path = files[i].path;
        plan[i].size = (int64_t)size;
        digest_of(files[i].text, size, &plan[i].sha256);
    }
    FLEET_OK(f, upload_create(f->blobs, model, "t-1", plan, n, id, &f->e));
    for (size_t i = 0; i < n; i++) {
        struct fixture_bytes bytes = {files[i].text, (size_t)plan[i].size};
        struct body_source body = fixture_body(&bytes);

        FLEET_OK(f, upload_put_file(f->blobs, id, i, &body, &f->e));
    }
    in.upload_id = id;
    FLEET_OK(f, registry_publish(&f->r, &in, &out, &f->e));
    return out.number;
}

void fixture_push(struct fleet_fixture *f, const char *model, int n)
{
    for (int i = 1; i <= n; i++) {
        struct fixture_file file = {.path = "linear.json"};

        file.text = arena_printf(
            &f->arena, "{\"format\":\"mreg-linear\",\"name\":\"%s\",\"weights\":[%d,1],\"bias\":0}",
            model, i);
        fixture_publish(f, model, &file, 1);
    }
}

int fixture_try(struct fleet_fixture *f, const char *actor, const struct rollout_ask *ask,
                struct rollout_answer *out)
{
    struct fleet_change c = {.actor = actor, .reason = "because"};

    return fleet_rollout_submit(f->store, &c, ask, out, &f->e);
}

const char *fixture_ask(struct fleet_fixture *f, const char *actor, const char *version,
                        const struct rollout_ask *more)
{
    struct rollout_ask ask = more != NULL ? *more : (struct rollout_ask){0};
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));

    ask.model = ask.model != NULL ? ask.model : "fraud";
    ask.environment = ask.environment != NULL ? ask.environment : "production";
    ask.version = version;
    FLEET_OK(f, fixture_try(f, actor, &ask, out));
    assert_int_equal(out->result, ROLLOUT_ASK_SUBMITTED);
    return out->id;
}

int fixture_command(struct fleet_fixture *f, const char *actor, const struct rollout_order *order)
{
    struct fleet_change c = {.actor = actor, .reason = "because"};

    return fleet_rollout_command(f->store, &c, order, &f->e);
}

void fixture_move(struct fleet_fixture *f, const char *id, enum rollout_phase phase,
                  enum rollout_fault fault)
{
    struct rollout_progress in = {.id = id, .is_fact = true};
    struct fixture_seen seen;
    struct target_row t;

    fixture_see(f, id, &seen);
    t = fixture_target(f, seen.record.environment, seen.record.model);
    assert_string_equal(t.rollout, id);
    in.record = &seen.record;
    in.model_id = t.model_id;
    in.base_revision = seen.status.revision++;
    seen.status.phase = phase;
    seen.status.fault = fault;
    if (fault != ROLLOUT_FAULT_NONE)
        (void)snprintf(seen.status.cause, sizeof(seen.status.cause), "gate golden failed");
    in.status = &seen.status;
    in.message = arena_printf(&f->arena, "rollout %s: %s", id, rollout_phase_name(phase));
    FLEET_OK(f, rollout_progress(f->store, &in, &f->e));
}

void fixture_see(struct fleet_fixture *f, const char *id, struct fixture_seen *out)
{
    struct reader r CLEANUP(reader_end) = {0};

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_rollout_get(r.db, id, &f->arena, &out->record, &f->e));
    FLEET_OK(f, db_rollout_more(r.db, id, &f->arena, &out->more, &f->e));
    FLEET_OK(f, db_rollout_status(r.db, id, f->now_ms, &f->arena, &out->status, &f->e));
    FLEET_OK(f, queue_explain(r.db, &out->more, &f->arena, &out->status, &f->e));
}

struct target_row fixture_target(struct fleet_fixture *f, const char *env, const char *model)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct target_row row = {0};

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, fleet_target_find(r.db, env, model, &f->arena, &row, &f->e));
    return row;
}

const char *fixture_doc(struct fleet_fixture *f, const char *path)
{
    struct reader r CLEANUP(reader_end) = {0};
    const char *bytes;
    size_t n;

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    if (journal_doc_at(r.db, path, INT64_MAX, &f->arena, &bytes, &n, &f->e) != ERR_OK)
        return "";
    return arena_copy(&f->arena, bytes, n);
}

const char *fixture_message(struct fleet_fixture *f, const char **kind)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct change_row row;
    int64_t seq = 0;

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, journal_seq_at(r.db, INT64_MAX, &seq, &f->e));
    FLEET_OK(f, db_change(r.db, seq, &f->arena, &row, &f->e));
    if (kind != NULL)
        *kind = row.kind;
    return row.message;
}
