/*
 * The rules of nodes beyond their records, over a real store: cordons, leases that are renewed, end
 * and come back, what is refused, and taking over what is served already.
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

#include "db_nodes.h"
#include "fleet_nodes.h"
#include "fleet_router.h"
#include "support_fleet.h"

static const struct fleet_change me = {.actor = "t-1", .reason = "because"};

static struct node_row find(struct fleet_fixture *f, const char *name, bool *found)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct node_row v = {0};

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_node_find(r.db, "production", name, &f->arena, &v, found, &f->e));
    return v;
}

static struct node_row node_of(struct fleet_fixture *f, const char *name)
{
    bool found = false;
    struct node_row v = find(f, name, &found);

    assert_true(found);
    return v;
}

static bool is_there(struct fleet_fixture *f, const char *name)
{
    bool found = false;

    (void)find(f, name, &found);
    return found;
}

static const char *new_root(struct fleet_fixture *f, const char *name)
{
    char *path = temp_dir_file(&f->dir, &f->arena, name);

    (void)mkdir(path, 0755);
    return path;
}

static const char *kind_now(struct fleet_fixture *f)
{
    const char *kind = NULL;

    (void)fixture_message(f, &kind);
    return kind;
}

/* --- cordons ---------------------------------------------------------------------------------- */

static void test_cordons(void **state)
{
    struct fleet_fixture *f = *state;
    static const struct {
        enum node_cordon kind;
        const char *name, *journal;
        bool is_news;
    } steps[] = {
        {NODE_UNCORDON, NULL, NULL, false},           {NODE_CORDON, "cordon", "node.cordon", true},
        {NODE_CORDON, "cordon", NULL, false},         {NODE_DRAIN, "drain", "node.cordon", true},
        {NODE_UNLOAD, "unload", "node.cordon", true}, {NODE_UNCORDON, NULL, "node.uncordon", true},
        {NODE_UNCORDON, NULL, NULL, false},
    };

    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        const char *kind, *before = fixture_message(f, &kind);

        FLEET_OK(f, fleet_node_cordon(f->store, &me, "production", "n1", steps[i].kind, &f->e));
        struct node_row v = node_of(f, "n1");
        if (steps[i].name == NULL) {
            assert_null(v.cordon);
            assert_null(v.cordon_by);
            assert_int_equal(v.cordon_ms, 0);
        } else {
            assert_string_equal(v.cordon, steps[i].name);
            assert_string_equal(v.cordon_by, "t-1");
            assert_string_equal(v.cordon_reason, "because");
        }
        if (steps[i].is_news)
            assert_string_equal(kind_now(f), steps[i].journal);
        else
            assert_string_equal(fixture_message(f, NULL), before);
    }
    const char *doc = fixture_doc(f, journal_path_node(&f->arena, "production", "n1"));
    assert_null(strstr(doc, "cordon"));
    FLEET_OK(f, fleet_node_cordon(f->store, &me, "production", "n1", NODE_DRAIN, &f->e));
    doc = fixture_doc(f, journal_path_node(&f->arena, "production", "n1"));
    assert_non_null(strstr(doc, "\"kind\": \"drain\""));
    fixture_refused(f, fleet_node_cordon(f->store, &me, "production", "n9", NODE_CORDON, &f->e),
                    ERR_NOT_FOUND, "did you mean");
}

/* --- leases ----------------------------------------------------------------------------------- */

static struct node_register register_of(struct fleet_fixture *f, const char *name)
{
    return (struct node_register){
        .spec = {.env = "production",
                 .name = name,
                 .admin_url = arena_printf(&f->arena, "http://127.0.0.1:9/%s", name),
                 .root = new_root(f, name)},
        .lease_ms = 10000};
}

static enum node_register_result enter(struct fleet_fixture *f, const struct node_register *in)
{
    enum node_register_result out = NODE_IS_NEW;

    FLEET_OK(f, fleet_node_register(f->store, &me, in, &out, &f->e));
    return out;
}

static int leave(struct fleet_fixture *f, const char *name, const char *root_below)
{
    struct node_leave in = {.env = "production", .name = name, .root_below = root_below};

    return fleet_node_leave(f->store, &me, &in, &f->e);
}

static size_t expire(struct fleet_fixture *f, int64_t grace_ms)
{
    struct lease_count count;

    FLEET_OK(f, fleet_node_expire(f->store, f->now_ms, grace_ms, &count, &f->e));
    return count.n_gone;
}

static void test_lease_life(void **state)
{
    struct fleet_fixture *f = *state;
    struct node_register in = register_of(f, "auto");

    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    assert_string_equal(kind_now(f), "node.register");
    int64_t first_id = node_of(f, "auto").node_id;
    f->now_ms += 6000;
    assert_int_equal(enter(f, &in), NODE_IS_RENEWED);
    assert_string_equal(kind_now(f), "node.register"); /* a sign of life is no row */
    f->now_ms += 9999;
    assert_int_equal(expire(f, 0), 0);
    assert_int_equal(expire(f, f->now_ms), 0);
    f->now_ms += 1;
    assert_int_equal(expire(f, f->now_ms - 9999), 0); /* nobody listened for a while */
    assert_int_equal(expire(f, f->now_ms - 10000), 1);
    assert_false(is_there(f, "auto"));
    assert_string_equal(kind_now(f), "node.leave");
    assert_string_equal(fixture_doc(f, journal_path_node(&f->arena, "production", "auto")), "");
    assert_int_equal(expire(f, 0), 0);
    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    assert_true(node_of(f, "auto").node_id > first_id); /* not taken for the one before */
    FLEET_OK(f, leave(f, "auto", NULL));
    FLEET_OK(f, leave(f, "auto", NULL));
    assert_false(is_there(f, "auto"));
}

/* Silent together: the way to them is broken. Silent alone: gone. */
static void test_many_leases_at_once(void **state)
{
    struct fleet_fixture *f = *state;
    static const struct {
        int n_nodes, n_silent;
        bool is_held;
    } cases[] = {{1, 1, false}, {2, 1, false}, {2, 2, true},  {3, 1, false}, {3, 2, true},
                 {5, 2, false}, {5, 3, true},  {8, 4, false}, {8, 8, true}};

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct lease_count count;
        struct node_register in[8];

        for (int k = 0; k < cases[i].n_nodes; k++) {
            in[k] = register_of(f, arena_printf(&f->arena, "m%zu-%d", i, k));
            assert_int_equal(enter(f, &in[k]), NODE_IS_NEW);
            f->now_ms += 300; /* not all in the same moment */
        }
        f->now_ms += 5900;
        for (int k = cases[i].n_silent; k < cases[i].n_nodes; k++)
            assert_int_equal(enter(f, &in[k]), NODE_IS_RENEWED);
        f->now_ms += 10000 - 5900 - 300 * cases[i].n_nodes; /* the first has just ended */
        FLEET_OK(f, fleet_node_expire(f->store, f->now_ms, 0, &count, &f->e));
        assert_int_equal(count.n_gone, !cases[i].is_held);
        assert_int_equal(count.n_held, cases[i].is_held);
        assert_string_equal(count.held_env, cases[i].is_held ? "production" : "");
        f->now_ms += 4000;
        if (cases[i].is_held) { /* heard again, but for the last one */
            FLEET_OK(f, fleet_node_expire(f->store, f->now_ms, 0, &count, &f->e));
            assert_int_equal(count.n_held, cases[i].n_silent);
            for (int k = 1; k < cases[i].n_nodes; k++)
                assert_int_equal(enter(f, &in[k]), NODE_IS_RENEWED);
            assert_int_equal(expire(f, 0), 1);
        }
        for (int k = 0; k < cases[i].n_nodes; k++)
            FLEET_OK(f, leave(f, in[k].spec.name, NULL));
    }
}

/* --- names at the routers --------------------------------------------------------------------- */

static int label_node(struct fleet_fixture *f, const char *name, const char *server)
{
    json_t *labels CLEANUP(json_decref_ptr) = json_pack("{s:s*}", "srv", server);
    struct node_spec spec = {.env = "production", .name = name, .labels = labels};

    return fleet_node_update(f->store, &me, &spec, &f->e);
}

/* Two nodes that a router would take for one are refused, whatever is changed. */
static void test_names_at_routers(void **state)
{
    struct fleet_fixture *f = *state;
    struct router_spec lb = {.env = "production", .name = "lb", .address = "unix:/run/lb.sock"};
    struct router_spec more = {
        .env = "production", .name = "more", .address = "unix:/run/more.sock"};
    struct node_register in = register_of(f, "auto");
    json_t *labels CLEANUP(json_decref_ptr) = json_pack("{s:s}", "srv", "a");
    enum node_register_result out;

    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    FLEET_OK(f, label_node(f, "n1", "a"));
    FLEET_OK(f, label_node(f, "n2", "a")); /* no router goes by it */
    FLEET_OK(f, fleet_router_create(f->store, &me, &lb, &f->e));
    lb.server_label = "srv";
    fixture_refused(f, fleet_router_update(f->store, &me, &lb, &f->e), ERR_CONFLICT,
                    "/server_label");
    more.server_label = "srv";
    fixture_refused(f, fleet_router_create(f->store, &me, &more, &f->e), ERR_CONFLICT,
                    "/server_label");
    FLEET_OK(f, label_node(f, "n2", "auto")); /* the name of the one without a label */
    fixture_refused(f, fleet_router_update(f->store, &me, &lb, &f->e), ERR_CONFLICT, "\"auto\"");
    FLEET_OK(f, label_node(f, "n2", "b"));
    FLEET_OK(f, fleet_router_update(f->store, &me, &lb, &f->e));
    fixture_refused(f, label_node(f, "n2", "a"), ERR_CONFLICT, "/labels");
    fixture_refused(f, label_node(f, "n2", "auto"), ERR_CONFLICT, "/labels");
    FLEET_OK(f, label_node(f, "n2", "c"));
    in.spec.labels = labels;
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_CONFLICT,
                    "/labels");
    struct node_register late = register_of(f, "late");
    late.spec.labels = labels;
    fixture_refused(f, fleet_node_register(f->store, &me, &late, &out, &f->e), ERR_CONFLICT,
                    "node \"n1\"");
    late.spec.labels = NULL;
    assert_int_equal(enter(f, &late), NODE_IS_NEW);
}

static void test_register_changes(void **state)
{
    struct fleet_fixture *f = *state;
    struct node_register in = register_of(f, "moves");
    json_t *labels CLEANUP(json_decref_ptr) = json_pack("{s:s}", "zone", "b");

    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    FLEET_OK(f, fleet_node_cordon(f->store, &me, "production", "moves", NODE_CORDON, &f->e));
    in.spec.labels = labels;
    assert_int_equal(enter(f, &in), NODE_HAS_CHANGED);
    assert_int_equal(enter(f, &in), NODE_IS_RENEWED);
    struct node_row v = node_of(f, "moves");
    assert_string_equal(v.labels, "{\"zone\":\"b\"}");
    assert_string_equal(v.cordon, "cordon"); /* only people end it */
    in.lease_ms = 20000;
    assert_int_equal(enter(f, &in), NODE_HAS_CHANGED);
    assert_int_equal(node_of(f, "moves").lease_ms, 20000);
}

static void test_register_refused(void **state)
{
    struct fleet_fixture *f = *state;
    enum node_register_result out;
    struct node_register in = register_of(f, "bad");

    in.lease_ms = NODE_LEASE_MIN_MS - 1;
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_INVALID, "/lease");
    in.lease_ms = NODE_LEASE_MAX_MS + 1;
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_INVALID, "/lease");
    in.lease_ms = 10000;
    in.root_below = new_root(f, "other");
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_FORBIDDEN,
                    "/root");
    in.root_below = "/nonexistent";
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_FORBIDDEN,
                    "/root");
    in.root_below = f->dir.path;
    in.spec.name = "n1"; /* added by hand */
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_CONFLICT,
                    "by hand");
    fixture_refused(f, leave(f, "n1", NULL), ERR_CONFLICT, "by hand");
    in.spec.name = "bad";
    in.spec.env = "nowhere";
    fixture_refused(f, fleet_node_register(f->store, &me, &in, &out, &f->e), ERR_NOT_FOUND,
                    "nowhere");
    assert_false(is_there(f, "bad"));
    in.spec.env = "production";
    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    struct node_register twin = register_of(f, "twin");
    twin.spec.root = in.spec.root;
    fixture_refused(f, fleet_node_register(f->store, &me, &twin, &out, &f->e), ERR_CONFLICT,
                    "its own");
}

/* A token whose nodes lie in one folder has no say over nodes whose roots lie elsewhere. */
static void test_register_of_others(void **state)
{
    struct fleet_fixture *f = *state;
    enum node_register_result out;
    struct node_register mine = register_of(f, "mine");
    const char *other = new_root(f, "others");

    mine.root_below = mine.spec.root;
    assert_int_equal(enter(f, &mine), NODE_IS_NEW);
    struct node_register theirs = mine;
    theirs.spec.root = theirs.root_below = other;
    theirs.spec.admin_url = "http://127.0.0.1:9/theirs";
    fixture_refused(f, fleet_node_register(f->store, &me, &theirs, &out, &f->e), ERR_FORBIDDEN,
                    "elsewhere");
    fixture_refused(f, leave(f, "mine", other), ERR_FORBIDDEN, "elsewhere");
    fixture_refused(f, leave(f, "mine", "/nonexistent"), ERR_FORBIDDEN, "elsewhere");
    assert_int_equal(enter(f, &mine), NODE_IS_RENEWED);
    FLEET_OK(f, leave(f, "mine", mine.spec.root));
    assert_false(is_there(f, "mine"));
}

/* A node that goes while a rollout runs is no obstacle, unlike one that people remove. */
static void test_leaves_during_rollout(void **state)
{
    struct fleet_fixture *f = *state;
    struct node_register in = register_of(f, "auto");

    assert_int_equal(enter(f, &in), NODE_IS_NEW);
    fixture_push(f, "fraud", 1);
    (void)fixture_ask(f, "t-1", "1", NULL);
    fixture_refused(f, fleet_node_delete(f->store, &me, "production", "n1", &f->e), ERR_CONFLICT,
                    "active");
    f->now_ms += 10000;
    assert_int_equal(expire(f, 0), 1);
    assert_false(is_there(f, "auto"));
}

/* --- adoption --------------------------------------------------------------------------------- */

static int adopt(struct fleet_fixture *f, const char *node, int64_t number,
                 enum node_adopt_result *out)
{
    struct node_adopt in = {
        .env = "production", .node = node, .model = "fraud", .serve_as = "fraud", .number = number};

    return fleet_node_adopt(f->store, &me, &in, out, &f->e);
}

static void test_adopt(void **state)
{
    struct fleet_fixture *f = *state;
    enum node_adopt_result result;

    fixture_push(f, "fraud", 2);
    fixture_refused(f, adopt(f, "n1", 9, &result), ERR_NOT_FOUND, "9");
    fixture_refused(f, adopt(f, "n9", 1, &result), ERR_NOT_FOUND, "n9");
    FLEET_OK(f, adopt(f, "n1", 1, &result));
    assert_int_equal(result, NODE_ADOPTED_ONE);
    assert_int_equal(fixture_target(f, "production", "fraud").live, 0);
    FLEET_OK(f, adopt(f, "n2", 2, &result)); /* another one: not the same everywhere */
    assert_int_equal(result, NODE_ADOPTED_ONE);
    FLEET_OK(f, adopt(f, "n2", 1, &result));
    assert_int_equal(result, NODE_ADOPTED_LIVE);
    struct target_row t = fixture_target(f, "production", "fraud");
    assert_int_equal(t.live, 1);
    assert_int_equal(t.last_good, 1);
    assert_int_equal(t.generation, 1); /* its served name is frozen now */
    assert_string_equal(kind_now(f), "node.adopt");
    const char *doc = fixture_doc(f, journal_path_alias(&f->arena, "fraud", "production"));
    assert_non_null(strstr(doc, "1"));
    fixture_refused(f, adopt(f, "n1", 2, &result), ERR_CONFLICT, "is live");
    FLEET_OK(f, adopt(f, "n1", 1, &result));
    assert_int_equal(result, NODE_ADOPTED_LIVE);
}

static void test_adopt_beside_cordoned(void **state)
{
    struct fleet_fixture *f = *state;
    enum node_adopt_result result;

    fixture_push(f, "fraud", 1);
    FLEET_OK(f, fleet_node_cordon(f->store, &me, "production", "n2", NODE_CORDON, &f->e));
    FLEET_OK(f, adopt(f, "n1", 1, &result));
    assert_int_equal(result, NODE_ADOPTED_LIVE);
}

static void test_adopt_names(void **state)
{
    struct fleet_fixture *f = *state;
    struct reader r CLEANUP(reader_end) = {0};
    struct node_adopt in = {
        .env = "production", .node = "n1", .model = "Team/Fraud X", .number = 1};
    const char *name = NULL;

    fixture_push(f, "fraud", 1);
    (void)fixture_ask(f, "t-1", "1", NULL);
    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, fleet_adopt_name(r.db, &in, NULL, &f->arena, &name, &f->e));
    assert_string_equal(name, "team-fraud-x");
    FLEET_OK(f, fleet_adopt_name(r.db, &in, "own", &f->arena, &name, &f->e));
    assert_string_equal(name, "own");
    fixture_refused(f, fleet_adopt_name(r.db, &in, "fraud", &f->arena, &name, &f->e), ERR_CONFLICT,
                    "/serve_as");
    fixture_refused(f, fleet_adopt_name(r.db, &in, "A B", &f->arena, &name, &f->e), ERR_INVALID,
                    "");
    in.model = "fraud";
    fixture_refused(f, fleet_adopt_name(r.db, &in, NULL, &f->arena, &name, &f->e), ERR_CONFLICT,
                    "under way");
    fixture_refused(f, fleet_adopt_name(r.db, &in, "other", &f->arena, &name, &f->e), ERR_CONFLICT,
                    "/serve_as");
}

/* --- what the controller keeps ---------------------------------------------------------------- */

static int refuse_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_epoch_refused(tx_db(tx), *(int64_t *)ctx, tx_now_ms(tx), e);
}

/* The next start is above the epoch that nodes obeyed. */
static void test_epoch(void **state)
{
    struct fleet_fixture *f = *state;
    struct store_options options = {.path = temp_dir_file(&f->dir, &f->arena, "epoch.db"),
                                    .n_readers = 1};
    static const int64_t refused[] = {0, 700, 5, INT64_MAX}; /* the last: a node that lies */
    static const int64_t wanted[] = {2, 701, 702, 703};
    int64_t epoch = 0;

    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        struct store *s = NULL;
        int64_t number = refused[i];

        FLEET_OK(f, store_open(&options, &s, &f->e));
        if (number > 0)
            FLEET_OK(f, store_write(s, TX_WORK, refuse_fn, &number, &f->e));
        store_close(s);
        FLEET_OK(f, store_open(&options, &s, &f->e));
        struct reader r = {0};
        FLEET_OK(f, reader_begin(s, &r, &f->e));
        FLEET_OK(f, db_epoch(r.db, &epoch, &f->e));
        reader_end(&r);
        store_close(s);
        assert_true(epoch >= wanted[i]);
        assert_true(number == 0 || number == INT64_MAX || epoch > number);
    }
    assert_true(epoch < 710);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, fleet_fixture_teardown)

static int setup(void **state)
{
    int rc = fleet_fixture_setup(state);

    if (rc == 0)
        fixture_env(*state, "production", "{}", 2);
    return rc;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_cordons),
        T(test_lease_life),
        T(test_many_leases_at_once),
        T(test_names_at_routers),
        T(test_register_changes),
        T(test_register_refused),
        T(test_register_of_others),
        T(test_leaves_during_rollout),
        T(test_adopt),
        T(test_adopt_beside_cordoned),
        T(test_adopt_names),
        T(test_epoch),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
