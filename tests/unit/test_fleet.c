/*
 * The rules of environments, nodes, targets and of asking for rollouts, over a real store: what is
 * refused and why, what is written, and that each change is one journal row with its documents.
 */
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
#include <unistd.h>

#include "db_rollout.h"
#include "driver.h"
#include "support_fleet.h"

static const struct fleet_change me = {.actor = "t-1", .reason = "because"};

/* A version of one file whose content is `text`. */
static int64_t publish(struct fleet_fixture *w, const char *model, const char *path,
                       const char *text)
{
    struct fixture_file file = {path, text, 0};

    return fixture_publish(w, model, &file, 1);
}

static int64_t last_seq(struct fleet_fixture *w)
{
    struct reader r CLEANUP(reader_end) = {0};
    int64_t seq = 0;

    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, journal_seq_at(r.db, INT64_MAX, &seq, &w->e));
    return seq;
}

static int make_env(struct fleet_fixture *w, const char *name, const char *policy)
{
    json_t *j CLEANUP(json_decref_ptr) = policy != NULL ? json_loads(policy, 0, NULL) : NULL;
    struct env_spec spec = {.name = name, .policy = j, .position = -1};

    return fleet_env_create(w->store, &me, &spec, &w->e);
}

static const char *make_root(struct fleet_fixture *w, const char *name)
{
    char *path = temp_dir_file(&w->dir, &w->arena, name);

    (void)mkdir(path, 0755);
    return path;
}

static int make_node(struct fleet_fixture *w, const char *env, const char *name)
{
    struct node_spec spec = {.env = env,
                             .name = name,
                             .admin_url = "http://127.0.0.1:8080/",
                             .root = make_root(w, arena_printf(&w->arena, "root-%s", name))};

    return fleet_node_create(w->store, &me, &spec, &w->e);
}

static struct node_row find_node(struct fleet_fixture *w, const char *env, const char *name)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct node_row row = {0};

    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, fleet_node_find(r.db, env, name, &w->arena, &row, &w->e));
    return row;
}

static struct target_row find_target(struct fleet_fixture *w, const char *env, const char *model)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct target_row row = {0};

    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, fleet_target_find(r.db, env, model, &w->arena, &row, &w->e));
    return row;
}

static int ask_for(struct fleet_fixture *w, const char *model, const char *version,
                   struct rollout_answer *out)
{
    struct rollout_ask ask = {.model = model, .environment = "production", .version = version};

    return fleet_rollout_submit(w->store, &me, &ask, out, &w->e);
}

/* Refused unless nothing else is under way. */
static int ask_alone(struct fleet_fixture *w, const char *version, struct rollout_answer *out)
{
    json_t *strategy CLEANUP(json_decref_ptr) = json_pack("{s:s}", "queue", "reject");
    struct rollout_ask ask = {
        .model = "fraud", .environment = "production", .version = version, .strategy = strategy};

    return fleet_rollout_submit(w->store, &me, &ask, out, &w->e);
}

static int ask_back(struct fleet_fixture *w, const char *version, bool dry,
                    struct rollout_answer *out)
{
    struct rollout_ask ask = {.model = "fraud",
                              .environment = "production",
                              .version = version,
                              .is_rollback = true,
                              .is_dry_run = dry};

    return fleet_rollout_submit(w->store, &me, &ask, out, &w->e);
}

static int command(struct fleet_fixture *w, const char *id, enum command_verb verb, int64_t step)
{
    struct rollout_order order = {.id = id, .verb = verb, .expected_step = step};

    return fleet_rollout_command(w->store, &me, &order, &w->e);
}

/* What the controller does when a rollout has come through, or back. */
static void end_rollout(struct fleet_fixture *w, const char *id, enum rollout_phase phase)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct rollout_record record;
    struct rollout_status status;
    struct target_row t;
    struct rollout_progress in = {.id = id, .message = "ended", .is_fact = true};

    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, db_rollout_get(r.db, id, &w->arena, &record, &w->e));
    FLEET_OK(w, db_rollout_status(r.db, id, 0, &w->arena, &status, &w->e));
    FLEET_OK(w, fleet_target_find(r.db, record.environment, record.model, &w->arena, &t, &w->e));
    in.record = &record;
    in.model_id = t.model_id;
    in.base_revision = status.revision++;
    status.phase = phase;
    in.status = &status;
    FLEET_OK(w, rollout_progress(w->store, &in, &w->e));
}

/* --- environments
 * --------------------------------------------------------------------------------- */

static void test_env(void **state)
{
    struct fleet_fixture *w = *state;
    json_t *bad CLEANUP(json_decref_ptr) = json_pack("{s:s}", "strategy", "sideways");
    json_t *policy CLEANUP(json_decref_ptr) = json_pack("{s:s}", "strategy", "rolling");
    struct env_spec change = {.name = "production", .policy = policy, .position = -1};
    struct alias_move move = {.alias = "canary", .number = 1, .expected = -1};
    struct registry_change rc = {.model = "fraud", .actor = "t-1"};
    struct reader r CLEANUP(reader_end) = {0};
    struct env_row *rows;
    int64_t seq, previous;
    size_t n;

    FLEET_OK(w, make_env(w, "staging", NULL));
    FLEET_OK(w, make_env(w, "production", "{\"bake\":\"5s\"}"));
    fixture_refused(w, make_env(w, "production", NULL), ERR_EXISTS, "production");
    fixture_refused(w, make_env(w, "7", NULL), ERR_INVALID, "/name");
    fixture_refused(w, make_env(w, "latest", NULL), ERR_INVALID, "/name");
    fixture_refused(w, make_env(w, "a/b", NULL), ERR_INVALID, "/name");
    fixture_refused(w, make_env(w, "x", "{\"strategy\":\"sideways\"}"), ERR_INVALID,
                    "/policy/strategy");
    fixture_refused(w, make_env(w, "x", "{\"bake\":1.5}"), ERR_INVALID, "/policy/bake");
    fixture_push(w, "fraud", 1);
    FLEET_OK(w, registry_set_alias(&w->r, &rc, &move, &previous, &w->e));
    fixture_refused(w, make_env(w, "canary", NULL), ERR_CONFLICT, "has an alias");

    seq = last_seq(w);
    FLEET_OK(w, fleet_env_update(w->store, &me, &change, &w->e));
    FLEET_OK(w, fleet_env_update(w->store, &me, &change, &w->e)); /* nothing to change: no row */
    assert_int_equal(last_seq(w), seq + 1);
    change.policy = bad;
    fixture_refused(w, fleet_env_update(w->store, &me, &change, &w->e), ERR_INVALID, "/policy");
    change.name = "producton";
    change.policy = NULL;
    fixture_refused(w, fleet_env_update(w->store, &me, &change, &w->e), ERR_NOT_FOUND,
                    "did you mean \"production\"");
    assert_non_null(
        strstr(fixture_doc(w, "environments/production/environment.json"), "\"rolling\""));
    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, db_env_list(r.db, &w->arena, &rows, &n, &w->e));
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].name, "staging");
    assert_int_equal(rows[1].position, 1);

    FLEET_OK(w, make_node(w, "staging", "a"));
    fixture_refused(w, fleet_env_delete(w->store, &me, "staging", &w->e), ERR_CONFLICT, "1 nodes");
    FLEET_OK(w, fleet_node_delete(w->store, &me, "staging", "a", &w->e));
    FLEET_OK(w, fleet_env_delete(w->store, &me, "staging", &w->e));
    assert_string_equal(fixture_doc(w, "environments/staging/environment.json"), "");
    fixture_refused(w, fleet_env_delete(w->store, &me, "staging", &w->e), ERR_NOT_FOUND, "staging");
}

/* --- nodes
 * ------------------------------------------------------------------------------------------ */

struct url_case {
    const char *url;
    bool is_ok;
};

static const struct url_case urls[] = {
    {"http://127.0.0.1:8080", true},
    {"http://127.0.0.1:8080///", true},
    {"https://node-1.example.org/base/path", true},
    {"http://[::1]:8080", true},
    {"http://10.0.0.7", true},
    {"ftp://a", false},
    {"file:///etc/passwd", false},
    {"127.0.0.1:8080", false},
    {"http://", false},
    {"http:///x", false},
    {"http://user:pw@a", false},
    {"http://a?x=1", false},
    {"http://a#f", false},
    {"http://a b", false},
    {"http://a\nb", false},
    {"http://a:0", false},
    {"http://a:99999", false},
    {"http://a:x", false},
    {"http://a_b", false},
    {"http://169.254.169.254/latest", false},
    {"http://[fe80::1]:80", false},
    {"http://[::1", false},
    {"http://[]:80", false},
};

static void test_node_urls(void **state)
{
    struct fleet_fixture *w = *state;

    FLEET_OK(w, make_env(w, "production", NULL));
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct node_spec spec = {.env = "production",
                                 .name = arena_printf(&w->arena, "n%zu", i),
                                 .admin_url = urls[i].url,
                                 .root = make_root(w, arena_printf(&w->arena, "r%zu", i))};
        int rc = fleet_node_create(w->store, &me, &spec, &w->e);

        if ((rc == ERR_OK) != urls[i].is_ok)
            fail_msg("%s: %s", urls[i].url, w->e.message);
        if (rc != ERR_OK)
            assert_string_equal(w->e.pointer, "/admin_url");
    }
    assert_string_equal(find_node(w, "production", "n1").admin_url, "http://127.0.0.1:8080");
}

static void test_node(void **state)
{
    struct fleet_fixture *w = *state;
    const char *root = make_root(w, "root-a"), *link = temp_dir_file(&w->dir, &w->arena, "link");
    struct node_spec spec = {
        .env = "production", .name = "a", .admin_url = "http://127.0.0.1:8080/", .root = root};
    struct node_row row;
    int64_t seq;

    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_NOT_FOUND,
                    "no environment");
    FLEET_OK(w, make_env(w, "production", NULL));
    FLEET_OK(w, fleet_node_create(w->store, &me, &spec, &w->e));
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_EXISTS, "\"a\"");
    row = find_node(w, "production", "a");
    assert_string_equal(row.driver, "v2");
    assert_string_equal(row.infer_url, "http://127.0.0.1:8080");
    assert_string_equal(row.metrics_url, "http://127.0.0.1:8080/metrics");

    spec.name = "b";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_CONFLICT, "/root");
    assert_int_equal(symlink(root, link), 0);
    spec.root = link; /* the same folder by another name */
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_CONFLICT, "its own");
    spec.root = make_root(w, "root-a/inside");
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_CONFLICT, "its own");
    spec.root = w->dir.path; /* around it */
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_CONFLICT, "its own");
    spec.root = "relative";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/root");
    spec.root = "/nonexistent";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/root");
    spec.root = "/etc/passwd";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/root");
    spec.root = NULL;
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/root");
    spec.root = make_root(w, "root-ab"); /* a longer name is not inside */
    spec.driver = "v3";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/driver");
    spec.driver = NULL;
    spec.delivery = "push";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/delivery");
    spec.delivery = "path";
    spec.name = "x/y";
    fixture_refused(w, fleet_node_create(w->store, &me, &spec, &w->e), ERR_INVALID, "/name");
    spec.name = "b";
    FLEET_OK(w, fleet_node_create(w->store, &me, &spec, &w->e));

    seq = last_seq(w);
    spec = (struct node_spec){.env = "production", .name = "a", .metrics_url = ""};
    FLEET_OK(w, fleet_node_update(w->store, &me, &spec, &w->e));
    FLEET_OK(w, fleet_node_update(w->store, &me, &spec, &w->e));
    assert_int_equal(last_seq(w), seq + 1);
    assert_null(find_node(w, "production", "a").metrics_url);
    spec.root = make_root(w, "root-ab");
    fixture_refused(w, fleet_node_update(w->store, &me, &spec, &w->e), ERR_CONFLICT, "/root");
    spec.root = make_root(w, "root-new");
    FLEET_OK(w, fleet_node_update(w->store, &me, &spec, &w->e));
    spec.name = "aa";
    fixture_refused(w, fleet_node_update(w->store, &me, &spec, &w->e), ERR_NOT_FOUND,
                    "did you mean");
}

static void test_labels(void **state)
{
    struct fleet_fixture *w = *state;
    json_t *good CLEANUP(json_decref_ptr) = json_pack("{s:s}", "zone", "a");
    json_t *bad CLEANUP(json_decref_ptr) = json_pack("{s:i}", "zone", 1);
    struct node_spec spec = {.env = "production", .name = "a", .labels = good};

    FLEET_OK(w, make_env(w, "production", NULL));
    FLEET_OK(w, make_node(w, "production", "a"));
    FLEET_OK(w, fleet_node_update(w->store, &me, &spec, &w->e));
    assert_string_equal(find_node(w, "production", "a").labels, "{\"zone\":\"a\"}");
    spec.labels = bad;
    fixture_refused(w, fleet_node_update(w->store, &me, &spec, &w->e), ERR_INVALID, "/labels");
}

/* The rules' list of drivers is the drivers that there are. */
static void test_drivers(void **state)
{
    size_t n = 0;

    (void)state;
    for (; fleet_drivers()[n] != NULL; n++)
        assert_non_null(driver_find(fleet_drivers()[n]));
    for (size_t i = 0; driver_names()[i] != NULL; i++)
        assert_true(i < n);
}

/* --- rollouts
 * --------------------------------------------------------------------------------------- */

static void make_fleet(struct fleet_fixture *w)
{
    fixture_push(w, "fraud", 3);
    FLEET_OK(w, make_env(w, "production", "{\"bake\":\"5s\",\"strategy\":\"rolling\"}"));
    FLEET_OK(w, make_node(w, "production", "a"));
    FLEET_OK(w, make_node(w, "production", "b"));
}

static void test_submit(void **state)
{
    struct fleet_fixture *w = *state;
    static struct rollout_answer a;
    struct target_row t;
    char id[32];
    int64_t seq;

    fixture_push(w, "fraud", 3);
    fixture_refused(w, ask_for(w, "fraud", "1", &a), ERR_NOT_FOUND, "no environment");
    FLEET_OK(w, make_env(w, "production", "{\"bake\":\"5s\",\"strategy\":\"rolling\"}"));
    fixture_refused(w, ask_for(w, "fraud", "1", &a), ERR_CONFLICT, "no nodes");
    FLEET_OK(w, make_node(w, "production", "a"));
    FLEET_OK(w, make_node(w, "production", "b"));
    fixture_refused(w, ask_for(w, "frod", "1", &a), ERR_NOT_FOUND, "frod");
    fixture_refused(w, ask_for(w, "fraud", "9", &a), ERR_NOT_FOUND, "9");
    fixture_refused(w, ask_for(w, "fraud", NULL, &a), ERR_INVALID, "/version");
    seq = last_seq(w);
    FLEET_OK(w, ask_for(w, "fraud", "latest", &a));
    assert_int_equal(a.result, ROLLOUT_ASK_SUBMITTED);
    assert_int_equal(a.from, 0);
    assert_int_equal(a.to, 3);
    assert_int_equal(a.policy.bake_ms, 5000);
    assert_int_equal(last_seq(w), seq + 1);
    (void)snprintf(id, sizeof(id), "r-%" PRId64, seq + 1);
    assert_string_equal(a.id, id);
    t = find_target(w, "production", "fraud");
    assert_string_equal(t.serve_as, "fraud");
    assert_string_equal(t.rollout, id);
    assert_int_equal(t.generation, 1);
    assert_int_equal(t.live, 0);
    assert_non_null(strstr(fixture_doc(w, journal_path_rollout(&w->arena, id)),
                           "\"environment\": \"production\""));
    assert_non_null(strstr(fixture_doc(w, journal_path_target(&w->arena, "production", "fraud")),
                           "\"serve_as\": \"fraud\""));
    fixture_refused(w, ask_alone(w, "2", &a), ERR_CONFLICT, id);
    assert_non_null(strstr(w->e.message, "t-1"));
    fixture_refused(w, fleet_node_delete(w->store, &me, "production", "a", &w->e), ERR_CONFLICT,
                    id);

    end_rollout(w, id, ROLLOUT_SUCCEEDED);
    FLEET_OK(w, ask_for(w, "fraud", "3", &a));
    assert_int_equal(a.result, ROLLOUT_ASK_ALREADY);
    FLEET_OK(w, ask_for(w, "fraud", "2", &a));
    assert_int_equal(a.from, 3);
    assert_int_equal(find_target(w, "production", "fraud").generation, 2);
    fixture_refused(w, fleet_env_delete(w->store, &me, "production", &w->e), ERR_CONFLICT,
                    "2 nodes");
}

static void test_not_servable(void **state)
{
    struct fleet_fixture *w = *state;
    static struct rollout_answer a;

    make_fleet(w);
    publish(w, "odd", "model.bin", "some bytes of nothing");
    fixture_refused(w, ask_for(w, "odd", "1", &a), ERR_INVALID, "serving/model-settings.json");
}

static void test_dry_run(void **state)
{
    struct fleet_fixture *w = *state;
    json_t *strategy CLEANUP(json_decref_ptr) = json_pack("{s:s}", "bake", "7s");
    json_t *bad CLEANUP(json_decref_ptr) = json_pack("{s:i}", "max_unavailable", -3);
    struct rollout_ask ask = {.model = "fraud",
                              .environment = "production",
                              .version = "1",
                              .strategy = strategy,
                              .is_dry_run = true};
    static struct rollout_answer a;
    int64_t seq;

    make_fleet(w);
    seq = last_seq(w);
    FLEET_OK(w, fleet_rollout_submit(w->store, &me, &ask, &a, &w->e));
    assert_int_equal(a.result, ROLLOUT_ASK_PLANNED);
    assert_int_equal(a.policy.bake_ms, 7000);
    assert_int_equal(a.policy.strategy, STRATEGY_ROLLING);
    assert_int_equal(a.n_nodes, 2);
    assert_int_equal(last_seq(w), seq);
    ask.strategy = bad;
    fixture_refused(w, fleet_rollout_submit(w->store, &me, &ask, &a, &w->e), ERR_INVALID,
                    "/strategy/max_unavailable");
    ask.strategy = strategy;
    ask.is_dry_run = false;
    FLEET_OK(w, fleet_rollout_submit(w->store, &me, &ask, &a, &w->e));
    assert_int_equal(last_seq(w), seq + 1);
}

static void test_commands(void **state)
{
    struct fleet_fixture *w = *state;
    static struct rollout_answer a;
    struct reader r CLEANUP(reader_end) = {0};
    struct rollout_command *list;
    int64_t seq;
    size_t n;

    make_fleet(w);
    FLEET_OK(w, ask_for(w, "fraud", "1", &a));
    fixture_refused(w, command(w, "r-999999", COMMAND_PAUSE, 0), ERR_NOT_FOUND, "r-999999");
    seq = last_seq(w);
    FLEET_OK(w, command(w, a.id, COMMAND_PAUSE, 0));
    assert_int_equal(last_seq(w), seq + 1);
    fixture_refused(w, command(w, a.id, COMMAND_PROMOTE, 2), ERR_CONFLICT, "\"pause\" by t-1");
    FLEET_OK(w, reader_begin(w->store, &r, &w->e));
    FLEET_OK(w, db_rollout_commands(r.db, a.id, 0, &w->arena, &list, &n, &w->e));
    assert_int_equal(n, 1);
    assert_int_equal(list[0].verb, COMMAND_PAUSE);
    assert_string_equal(list[0].reason, "because");
    end_rollout(w, a.id, ROLLOUT_CANCELLED);
    fixture_refused(w, command(w, a.id, COMMAND_RESUME, 0), ERR_CONFLICT, "ended");
}

static void test_rollback(void **state)
{
    struct fleet_fixture *w = *state;
    static struct rollout_answer a, b;
    int64_t seq;

    make_fleet(w);
    fixture_refused(w, ask_back(w, NULL, false, &a), ERR_NOT_FOUND, "is live");
    FLEET_OK(w, ask_for(w, "fraud", "1", &a));
    end_rollout(w, a.id, ROLLOUT_SUCCEEDED);
    fixture_refused(w, ask_back(w, NULL, false, &a), ERR_NOT_FOUND, "nothing to go back to");
    /* Nothing holds a way back, so it leads only where one has been. */
    fixture_refused(w, ask_back(w, "2", false, &a), ERR_CONFLICT, "never live");
    FLEET_OK(w, ask_for(w, "fraud", "2", &a));

    seq = last_seq(w); /* while a rollout is under way, it is aborted */
    FLEET_OK(w, ask_back(w, NULL, true, &b));
    assert_int_equal(b.result, ROLLOUT_ASK_ABORTING);
    assert_int_equal(last_seq(w), seq);
    FLEET_OK(w, ask_back(w, "1", false, &b));
    assert_string_equal(b.id, a.id);
    assert_int_equal(last_seq(w), seq + 1);
    fixture_refused(w, ask_back(w, "3", false, &b), ERR_CONFLICT, a.id);
    end_rollout(w, a.id, ROLLOUT_SUCCEEDED); /* the abort came too late */

    FLEET_OK(w, ask_for(w, "fraud", "3", &a));
    end_rollout(w, a.id, ROLLOUT_SUCCEEDED);
    FLEET_OK(w, ask_back(w, NULL, false, &b));
    assert_int_equal(b.from, 3);
    assert_int_equal(b.to, 2);
    assert_int_equal(b.policy.bake_ms, 0);
    fixture_refused(w, ask_back(w, NULL, false, &b), ERR_CONFLICT, "still active");
    end_rollout(w, find_target(w, "production", "fraud").rollout, ROLLOUT_SUCCEEDED);
    FLEET_OK(w, ask_back(w, NULL, false, &b)); /* further back, not forth again */
    assert_int_equal(b.from, 2);
    assert_int_equal(b.to, 1);
}

/* --- targets
 * ---------------------------------------------------------------------------------------- */

static int set_target(struct fleet_fixture *w, const char *model, const char *serve_as,
                      const char *policy)
{
    json_t *j CLEANUP(json_decref_ptr) = policy != NULL ? json_loads(policy, 0, NULL) : NULL;
    struct target_spec spec = {
        .env = "production", .model = model, .serve_as = serve_as, .policy = j};

    return fleet_target_set(w->store, &me, &spec, &w->e);
}

static void test_target(void **state)
{
    struct fleet_fixture *w = *state;
    json_t *policy CLEANUP(json_decref_ptr) = NULL;
    static struct rollout_answer a;
    struct target_row t;
    int64_t seq;

    make_fleet(w);
    fixture_push(w, "team/fraud", 1);
    fixture_push(w, "Fraud", 1);
    fixture_refused(w, set_target(w, "none", NULL, NULL), ERR_NOT_FOUND, "none");
    fixture_refused(w, set_target(w, "fraud", "Bad Name", NULL), ERR_INVALID, "/serve_as");
    fixture_refused(w, set_target(w, "fraud", NULL, "{\"batch\":\"x\"}"), ERR_INVALID,
                    "/policy/batch");
    FLEET_OK(w, set_target(w, "fraud", "fraud-detector", "{\"batch\":2}"));
    seq = last_seq(w);
    FLEET_OK(w, set_target(w, "fraud", "fraud-detector", "{\"batch\":2}"));
    assert_int_equal(last_seq(w), seq);
    FLEET_OK(w, set_target(w, "fraud", "fraud", NULL)); /* not rolled out yet */
    t = find_target(w, "production", "fraud");
    assert_string_equal(t.serve_as, "fraud");
    assert_string_equal(t.policy, "{\"batch\":2}");
    FLEET_OK(w, fleet_target_policy(&t, NULL, &policy, &w->e));
    assert_int_equal(json_integer_value(json_object_get(policy, "batch")), 2);
    assert_string_equal(json_string_value(json_object_get(policy, "strategy")), "rolling");

    fixture_refused(w, set_target(w, "team/fraud", "fraud", NULL), ERR_CONFLICT, "/serve_as");
    FLEET_OK(w, ask_for(w, "Fraud", "1", &a)); /* its own name is taken */
    assert_string_equal(a.serve_as, "fraud-2");
    FLEET_OK(w, ask_for(w, "fraud", "1", &a));
    fixture_refused(w, set_target(w, "fraud", "other", NULL), ERR_CONFLICT, "stays so");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_env, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_node_urls, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_node, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_labels, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_submit, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_not_servable, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_dry_run, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_commands, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_rollback, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_target, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test(test_drivers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
