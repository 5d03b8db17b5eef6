/* The queue of a target: what becomes of a newcomer under each policy, who is next when the active
 * one ends, changing the order, two people at once, quarantine and approvals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_fault.h"
#include "fleet_queue.h"
#include "support_fleet.h"

#define KEEP "{\"queue\":\"queue\"}"

static struct fleet_fixture *begin(void **state, const char *policy)
{
    struct fleet_fixture *f = *state;

    fixture_env(f, "production", policy, 2);
    fixture_push(f, "fraud", 6);
    return f;
}

static void assert_phase(struct fleet_fixture *f, const char *id, enum rollout_phase phase)
{
    struct fixture_seen seen;

    fixture_see(f, id, &seen);
    if (seen.status.phase != phase)
        fail_msg("%s is %s (%s), not %s", id, rollout_phase_name(seen.status.phase),
                 seen.status.outcome, rollout_phase_name(phase));
}

static void assert_active(struct fleet_fixture *f, const char *id)
{
    struct target_row t = fixture_target(f, "production", "fraud");

    if (id == NULL)
        assert_null(t.rollout);
    else
        assert_string_equal(t.rollout, id);
}

static const char *doc_of(struct fleet_fixture *f, const char *id)
{
    return fixture_doc(f, journal_path_rollout(&f->arena, id));
}

static const char *target_doc(struct fleet_fixture *f)
{
    return fixture_doc(f, journal_path_target(&f->arena, "production", "fraud"));
}

static void test_coalesce(void **state)
{
    struct fleet_fixture *f = begin(state, "{}");
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    const char *b = fixture_ask(f, "t-1", "2", NULL);
    struct rollout_answer *again = arena_alloc(&f->arena, sizeof(*again));
    struct rollout_ask ask = {.model = "fraud", .environment = "production", .version = "3"};
    struct fixture_seen seen;
    const char *c, *kind;

    fixture_see(f, b, &seen);
    assert_int_equal(seen.status.phase, ROLLOUT_QUEUED);
    assert_int_equal(seen.more.position, 1);
    assert_non_null(strstr(seen.status.waiting, a));
    assert_non_null(strstr(doc_of(f, b), "\"phase\": \"queued\""));
    assert_non_null(strstr(target_doc(f), b));
    c = fixture_ask(f, "t-2", "3", NULL);
    assert_non_null(strstr(fixture_message(f, NULL), "supersedes"));
    assert_phase(f, b, ROLLOUT_SUPERSEDED);
    assert_non_null(strstr(doc_of(f, b), "\"phase\": \"superseded\""));
    assert_active(f, a);

    FLEET_OK(f, fixture_try(f, "t-3", &ask, again)); /* the very same */
    assert_int_equal(again->result, ROLLOUT_ASK_ALREADY);
    assert_string_equal(again->id, c);

    fixture_move(f, a, ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    assert_non_null(strstr(fixture_message(f, &kind), "is next"));
    assert_string_equal(kind, "rollout.end");
    assert_active(f, c);
    fixture_see(f, c, &seen);
    assert_int_equal(seen.record.from, 1);
    assert_int_equal(seen.record.generation, fixture_target(f, "production", "fraud").generation);
    assert_non_null(strstr(doc_of(f, c), "\"phase\": \"submitted\""));
    assert_null(strstr(target_doc(f), "\"queue\""));
    assert_non_null(strstr(target_doc(f), "\"live\": 1"));
}

static void test_reject(void **state)
{
    struct fleet_fixture *f = begin(state, "{\"queue\":\"reject\"}");
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));
    struct rollout_ask ask = {.model = "fraud", .environment = "production", .version = "2"};

    fixture_refused(f, fixture_try(f, "t-2", &ask, out), ERR_CONFLICT, a);
    assert_non_null(strstr(f->e.message, "t-1"));
}

static int n_commands(struct fleet_fixture *f, const char *id, enum command_verb verb)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct rollout_command *list = NULL;
    size_t n = 0;
    int found = 0;

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_rollout_commands(r.db, id, 0, &f->arena, &list, &n, &f->e));
    for (size_t i = 0; i < n; i++)
        found += list[i].verb == verb;
    return found;
}

/* The version of the newest rollout that began, as the controller reads it. */
static int64_t last_to(struct fleet_fixture *f)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct target_row t = fixture_target(f, "production", "fraud");
    struct watch_target row = {0};
    bool found = false;

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_watch_target(r.db, t.target_id, &f->arena, &row, &found, &f->e));
    return row.last_to;
}

static void test_replace(void **state)
{
    struct fleet_fixture *f = begin(state, "{\"queue\":\"replace\"}");
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    const char *b = fixture_ask(f, "t-2", "2", NULL);

    assert_int_equal(n_commands(f, a, COMMAND_SUPERSEDE), 1);
    assert_int_equal(n_commands(f, a, COMMAND_ABORT), 0);
    assert_non_null(strstr(fixture_message(f, NULL), "takes the place of"));
    assert_phase(f, b, ROLLOUT_QUEUED);
    fixture_move(f, a, ROLLOUT_SUPERSEDED, ROLLOUT_FAULT_USER);
    assert_active(f, b);
    assert_int_equal(last_to(f), 2);
}

/* What may wait for long leaves no node in the middle: the active one goes back first. */
static void test_replace_later(void **state)
{
    static const char *const policies[] = {
        "{\"queue\":\"replace\",\"approvals\":1}",
        "{\"queue\":\"replace\",\"requires\":{\"environment\":\"staging\",\"soak\":\"1h\"}}"};
    struct fleet_fixture *f = begin(state, "{}");

    for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
        json_t *strategy CLEANUP(json_decref_ptr) = json_loads(policies[i], 0, NULL);
        struct rollout_ask ask = {.strategy = strategy};
        const char *a = fixture_ask(f, "t-1", i == 0 ? "1" : "3", NULL);

        (void)fixture_ask(f, "t-2", i == 0 ? "2" : "4", &ask);
        assert_int_equal(n_commands(f, a, COMMAND_ABORT), 1);
        assert_int_equal(n_commands(f, a, COMMAND_SUPERSEDE), 0);
        fixture_move(f, a, ROLLOUT_ROLLED_BACK, ROLLOUT_FAULT_USER);
        fixture_move(f, fixture_target(f, "production", "fraud").rollout, ROLLOUT_CANCELLED,
                     ROLLOUT_FAULT_NONE);
    }
}

/* Who asks for what is live while another one is on its way wants the way back. */
static void test_replace_by_live(void **state)
{
    struct fleet_fixture *f = begin(state, "{\"queue\":\"replace\"}");

    fixture_move(f, fixture_ask(f, "t-1", "1", NULL), ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    const char *a = fixture_ask(f, "t-1", "2", NULL);
    (void)fixture_ask(f, "t-2", "1", NULL);
    assert_int_equal(n_commands(f, a, COMMAND_ABORT), 1);
    assert_int_equal(n_commands(f, a, COMMAND_SUPERSEDE), 0);
}

/* What waits or never began is not what was brought last. */
static void test_brought_last(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    const char *a = fixture_ask(f, "t-1", "1", NULL);

    assert_int_equal(last_to(f), 1);
    fixture_move(f, a, ROLLOUT_ROLLED_BACK, ROLLOUT_FAULT_NONE);
    const char *b = fixture_ask(f, "t-1", "2", NULL);
    (void)fixture_ask(f, "t-1", "3", NULL);
    assert_int_equal(last_to(f), 2);
    fixture_move(f, b, ROLLOUT_CANCELLED, ROLLOUT_FAULT_NONE);
    assert_int_equal(last_to(f), 3);
    fixture_move(f, fixture_target(f, "production", "fraud").rollout, ROLLOUT_REJECTED,
                 ROLLOUT_FAULT_NONE);
    assert_int_equal(last_to(f), 1);
}

static void test_hotfix(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    struct rollout_ask hotfix = {.is_hotfix = true};
    struct fleet_change silent = {.actor = "t-1"};
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    const char *b = fixture_ask(f, "t-1", "2", NULL);
    const char *c = fixture_ask(f, "t-1", "3", &hotfix);

    assert_int_equal(n_commands(f, a, COMMAND_ABORT), 1);
    assert_non_null(strstr(fixture_message(f, NULL), "aborts"));
    fixture_move(f, a, ROLLOUT_ROLLED_BACK, ROLLOUT_FAULT_USER);
    assert_active(f, c);
    assert_phase(f, b, ROLLOUT_QUEUED);
    hotfix.model = "fraud";
    hotfix.environment = "production";
    hotfix.version = "4";
    fixture_refused(f, fleet_rollout_submit(f->store, &silent, &hotfix, out, &f->e), ERR_INVALID,
                    "/reason");
}

/* A way back is not taken back: a hotfix waits for it. */
static void test_hotfix_during_rollback(void **state)
{
    struct fleet_fixture *f = begin(state, "{}");
    struct rollout_ask hotfix = {.is_hotfix = true};
    struct rollout_ask back = {.is_rollback = true};
    const char *a, *b;

    fixture_move(f, fixture_ask(f, "t-1", "1", NULL), ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    fixture_move(f, fixture_ask(f, "t-1", "2", NULL), ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    a = fixture_ask(f, "t-1", "1", &back);
    b = fixture_ask(f, "t-1", "3", &hotfix);
    assert_int_equal(n_commands(f, a, COMMAND_ABORT), 0);
    assert_phase(f, b, ROLLOUT_QUEUED);
}

static void test_order(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    struct fleet_change me = {.actor = "t-4", .reason = "because"};
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    const char *b = fixture_ask(f, "t-1", "2", NULL);
    const char *c = fixture_ask(f, "t-1", "3", NULL);
    const char *d = fixture_ask(f, "t-1", "4", NULL);
    struct queue_order order = {.env = "production", .model = "fraud", .ids = {d, b, c}, .n = 3};
    struct fixture_seen seen;
    const char *kind;

    FLEET_OK(f, fleet_queue_reorder(f->store, &me, &order, &f->e));
    assert_non_null(strstr(fixture_message(f, &kind), d));
    assert_string_equal(kind, "target.queue");
    fixture_see(f, d, &seen);
    assert_int_equal(seen.more.position, 1);
    order.n = 2;
    fixture_refused(f, fleet_queue_reorder(f->store, &me, &order, &f->e), ERR_CONFLICT, c);
    order = (struct queue_order){.env = "production", .model = "fraud", .ids = {d, d, b}, .n = 3};
    fixture_refused(f, fleet_queue_reorder(f->store, &me, &order, &f->e), ERR_INVALID, "twice");

    FLEET_OK(f, fleet_queue_remove(f->store, &me, d, &f->e));
    assert_phase(f, d, ROLLOUT_CANCELLED);
    fixture_message(f, &kind);
    assert_string_equal(kind, "rollout.end");
    fixture_refused(f, fleet_queue_remove(f->store, &me, d, &f->e), ERR_CONFLICT, "cancelled");
    fixture_refused(f, fleet_queue_remove(f->store, &me, a, &f->e), ERR_CONFLICT, "not wait");
    FLEET_OK(f, fixture_command(f, "t-2", &(struct rollout_order){.id = b, .verb = COMMAND_ABORT}));
    assert_phase(f, b, ROLLOUT_CANCELLED);
    fixture_refused(
        f, fixture_command(f, "t-2", &(struct rollout_order){.id = c, .verb = COMMAND_PAUSE}),
        ERR_CONFLICT, "queue");
    fixture_move(f, a, ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    assert_active(f, c);
}

/* Two people saw generation n; the second is told who was faster. */
static void test_race(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    struct rollout_ask ask = {.model = "fraud", .environment = "production", .version = "2"};
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    struct rollout_order order = {.id = a, .verb = COMMAND_PAUSE};

    ask.expected_generation = order.expected_generation =
        fixture_target(f, "production", "fraud").generation;
    FLEET_OK(f, fixture_try(f, "t-2", &ask, out));
    f->now_ms += 4000;
    ask.version = "3";
    fixture_refused(f, fixture_try(f, "t-3", &ask, out), ERR_CONFLICT, "t-2 submitted");
    assert_non_null(strstr(f->e.message, "4s ago"));
    fixture_refused(f, fixture_command(f, "t-3", &order), ERR_CONFLICT, "t-2 submitted");
    order.expected_generation++;
    FLEET_OK(f, fixture_command(f, "t-3", &order));
}

static void test_full(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    struct rollout_ask ask = {.model = "fraud", .environment = "production"};
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));
    int rc = ERR_OK;

    for (int i = 0; i < FLEET_QUEUE_MAX + 1; i++)
        (void)fixture_ask(f, "t-1", i % 2 == 0 ? "1" : "2", NULL);
    ask.version = "3";
    rc = fixture_try(f, "t-1", &ask, out);
    fixture_refused(f, rc, ERR_CONFLICT, "16 rollouts wait");
}

/* Those that cannot go any more end, and the next one goes. */
static void test_obstacles(void **state)
{
    struct fleet_fixture *f = begin(state, KEEP);
    const char *a = fixture_ask(f, "t-1", "2", NULL);
    const char *deleted = fixture_ask(f, "t-1", "3", NULL);
    const char *live = fixture_ask(f, "t-1", "2", NULL);
    const char *good = fixture_ask(f, "t-1", "4", NULL);
    struct registry_change rc = {.model = "fraud", .actor = "t-1"};

    FLEET_OK(f, registry_delete_version(&f->r, &rc, 3, &f->e));
    fixture_move(f, a, ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    assert_phase(f, deleted, ROLLOUT_REJECTED);
    assert_phase(f, live, ROLLOUT_CANCELLED);
    assert_active(f, good);
}

/* After a halt nobody follows until somebody says so. */
static void test_halt(void **state)
{
    struct fleet_fixture *f = begin(state, "{}");
    struct fleet_change me = {.actor = "t-4", .reason = "because"};
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    const char *b = fixture_ask(f, "t-1", "2", NULL);
    struct fixture_seen seen;

    fixture_move(f, a, ROLLOUT_RUNNING, ROLLOUT_FAULT_NONE);
    fixture_refused(f, fleet_queue_start(f->store, &me, "production", "fraud", &f->e), ERR_CONFLICT,
                    a);
    fixture_move(f, a, ROLLOUT_HALTED, ROLLOUT_FAULT_USER);
    assert_active(f, NULL);
    fixture_see(f, b, &seen);
    assert_non_null(strstr(seen.status.waiting, "halted"));
    FLEET_OK(f, fleet_queue_start(f->store, &me, "production", "fraud", &f->e));
    assert_active(f, b);
}

/* --- quarantine ------------------------------------------------------------------------------- */

static void test_quarantine(void **state)
{
    static const enum rollout_fault innocent[] = {ROLLOUT_FAULT_USER, ROLLOUT_FAULT_INFRASTRUCTURE};
    struct fleet_fixture *f = begin(state, KEEP);
    struct fleet_change me = {.actor = "t-4", .reason = "trained again"};
    struct fleet_change silent = {.actor = "t-4"};
    struct quarantine_lift lift = {.env = "production", .model = "fraud", .number = 2};
    struct rollout_ask ask = {.model = "fraud", .environment = "production", .version = "2"};
    struct rollout_answer *out = arena_alloc(&f->arena, sizeof(*out));
    const char *a, *waiting, *kind;

    for (size_t i = 0; i < ARRAY_LEN(innocent); i++) {
        a = fixture_ask(f, "t-1", "2", NULL);
        fixture_move(f, a, ROLLOUT_ROLLING_BACK, innocent[i]);
        fixture_move(f, a, ROLLOUT_ROLLED_BACK, innocent[i]);
        assert_null(strstr(target_doc(f), "quarantine"));
    }
    a = fixture_ask(f, "t-1", "2", NULL);
    (void)fixture_ask(f, "t-1", "3", NULL);
    waiting = fixture_ask(f, "t-1", "2", NULL);
    fixture_move(f, a, ROLLOUT_ROLLING_BACK, ROLLOUT_FAULT_VERSION);
    fixture_move(f, a, ROLLOUT_ROLLED_BACK, ROLLOUT_FAULT_VERSION);
    assert_non_null(strstr(target_doc(f), "\"quarantine\""));
    assert_non_null(strstr(target_doc(f), "gate golden failed"));
    fixture_move(f, fixture_target(f, "production", "fraud").rollout, ROLLOUT_SUCCEEDED,
                 ROLLOUT_FAULT_NONE);
    assert_phase(f, waiting, ROLLOUT_REJECTED);
    fixture_refused(f, fixture_try(f, "t-1", &ask, out), ERR_REFUSED, a);

    ask.overrides = "quarantine";
    FLEET_OK(f, fixture_try(f, "t-1", &ask, out));
    fixture_move(f, out->id, ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    assert_null(strstr(target_doc(f), "quarantine")); /* it has proven itself */
    fixture_refused(f, fleet_quarantine_lift(f->store, &me, &lift, &f->e), ERR_NOT_FOUND, "2");

    a = fixture_ask(f, "t-1", "4", NULL);
    fixture_move(f, a, ROLLOUT_ROLLED_BACK, ROLLOUT_FAULT_VERSION);
    lift.number = 4;
    fixture_refused(f, fleet_quarantine_lift(f->store, &silent, &lift, &f->e), ERR_INVALID,
                    "/reason");
    FLEET_OK(f, fleet_quarantine_lift(f->store, &me, &lift, &f->e));
    assert_non_null(strstr(fixture_message(f, &kind), "version 4"));
    assert_string_equal(kind, "target.release");
    (void)fixture_ask(f, "t-1", "4", NULL);
}

/* What else was under way is named, once, and kept. */
static void test_correlation(void **state)
{
    struct fleet_fixture *f = begin(state, "{}");
    struct rollout_ask other = {.model = "price"};
    struct fixture_seen seen;
    const char *a, *b;

    fixture_push(f, "price", 2);
    fixture_push(f, "rank", 1);
    fixture_move(f, fixture_ask(f, "t-1", "1", &(struct rollout_ask){.model = "rank"}),
                 ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    b = fixture_ask(f, "t-1", "1", &other);
    a = fixture_ask(f, "t-1", "1", NULL);
    fixture_move(f, a, ROLLOUT_ROLLING_BACK, ROLLOUT_FAULT_VERSION);
    assert_non_null(strstr(fixture_message(f, NULL), "also under way: "));
    assert_non_null(strstr(fixture_message(f, NULL), b));
    assert_non_null(strstr(fixture_message(f, NULL), "live since shortly before: r-"));
    assert_non_null(strstr(doc_of(f, a), "\"model\": \"price\""));
    fixture_see(f, a, &seen);
    assert_string_equal(seen.more.fault, rollout_fault_name(ROLLOUT_FAULT_VERSION));
    assert_non_null(strstr(seen.more.in_flight, "price"));
}

/* --- approvals -------------------------------------------------------------------------------- */

static void test_approvals(void **state)
{
    struct fleet_fixture *f = begin(state, "{\"approvals\":2}");
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    struct rollout_order order = {.id = a, .verb = COMMAND_APPROVE};
    struct reader r CLEANUP(reader_end) = {0};
    struct approval_need need;
    struct fixture_seen seen;

    fixture_refused(f, fixture_command(f, "t-1", &order), ERR_FORBIDDEN, "another person");
    FLEET_OK(f, fixture_command(f, "t-2", &order));
    fixture_refused(f, fixture_command(f, "t-2", &order), ERR_CONFLICT, "1 of 2");
    FLEET_OK(f, fixture_command(f, "t-3", &order));
    fixture_see(f, a, &seen);
    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, fleet_approval_need(r.db, &seen.record, &seen.status, &f->arena, &need, &f->e));
    assert_int_equal(need.n_needed, 2);
    assert_int_equal(need.n_given, 2);
    reader_end(&r);
    r = (struct reader){0};
    fixture_move(f, a, ROLLOUT_RUNNING, ROLLOUT_FAULT_NONE);
    fixture_refused(f, fixture_command(f, "t-4", &order), ERR_CONFLICT, "does not wait");
}

static void test_override(void **state)
{
    struct fleet_fixture *f = begin(state, "{}");
    struct fleet_change me = {.actor = "t-4", .reason = "incident"};
    const char *a = fixture_ask(f, "t-1", "1", NULL);
    struct rollout_pass pass = {.id = a, .overrides = "freeze"};
    struct fixture_seen seen;

    FLEET_OK(f, fleet_rollout_override(f->store, &me, &pass, &f->e));
    pass.overrides = "budget,freeze";
    FLEET_OK(f, fleet_rollout_override(f->store, &me, &pass, &f->e));
    fixture_see(f, a, &seen);
    assert_string_equal(seen.more.overrides, "freeze,budget");
    assert_non_null(strstr(doc_of(f, a), "\"overrides\""));
    me.reason = NULL;
    fixture_refused(f, fleet_rollout_override(f->store, &me, &pass, &f->e), ERR_INVALID, "/reason");
    assert_true(rollout_overrides("freeze,budget", "budget"));
    assert_false(rollout_overrides("freeze,budgets", "budget"));
    assert_false(rollout_overrides(NULL, "budget"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_coalesce, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_reject, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_replace, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_replace_later, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_replace_by_live, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_brought_last, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_hotfix, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_hotfix_during_rollback, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_order, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_race, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_full, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_obstacles, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_halt, fleet_fixture_setup, fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_quarantine, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_correlation, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_approvals, fleet_fixture_setup,
                                        fleet_fixture_teardown),
        cmocka_unit_test_setup_teardown(test_override, fleet_fixture_setup, fleet_fixture_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
