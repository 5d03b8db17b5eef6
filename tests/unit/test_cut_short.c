/*
 * Repairs that somebody else was in the middle of, over a real store: whoever has the target next
 * finds them when it is loaded, and until it is planned their node counts as disturbed.
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

#include "controller_inner.h"
#include "support_fleet.h"

#define N_NODES 2

struct stored {
    const char *id;
    struct rollout_status status;
};

static int put_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct stored *s = ctx;
    int64_t base = s->status.revision++;

    return db_rollout_status_put(tx_db(tx), s->id, base, &s->status, e);
}

/* The lane is in the middle of a node, which is of this step. */
static void put_in_the_middle(struct fleet_fixture *f, const char *id, int step, int node,
                              enum move_phase phase)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct stored s = {.id = id};
    struct watch_fleet fleet;

    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_rollout_status(r.db, id, f->now_ms, &f->arena, &s.status, &f->e));
    FLEET_OK(f, db_watch_fleet(r.db, 0, &f->arena, &fleet, &f->e));
    reader_end(&r);
    r = (struct reader){0};
    s.status.updated_ms = f->now_ms;
    s.status.nodes = arena_alloc(&f->arena, sizeof(s.status.nodes[0]));
    s.status.nodes[0] =
        (struct rollout_node){.node_id = fleet.nodes[node].node_id, .name = "n", .step = step};
    s.status.n_nodes = 1;
    move_begin(&s.status.nodes[0].move, 1, false, f->now_ms);
    move_limit(&s.status.nodes[0].move, f->now_ms, 60000);
    if (phase != MOVE_NONE)
        s.status.nodes[0].move.phase = phase;
    FLEET_OK(f, store_write(f->store, TX_WORK, put_fn, &s, &f->e));
}

/* Loads the target as the controller does: what it finds on each node, and what it adds to it. */
static void load(struct fleet_fixture *f, bool found[N_NODES], int n_disturbing[N_NODES])
{
    struct reader r CLEANUP(reader_end) = {0};
    struct watch_fleet fleet;
    struct node nodes[N_NODES] = {0};
    struct target t;
    int busy[1];
    struct controller *c = arena_alloc(&f->arena, sizeof(*c));
    struct env env = {.nodes = nodes, .n_nodes = N_NODES, .busy = busy};

    c->now_ms = f->now_ms;
    FLEET_OK(f, reader_begin(f->store, &r, &f->e));
    FLEET_OK(f, db_watch_fleet(r.db, 0, &f->arena, &fleet, &f->e));
    assert_int_equal(fleet.n_nodes, N_NODES);
    assert_int_equal(fleet.n_targets, 1);
    env.policy_text = fleet.envs[0].policy;
    for (int i = 0; i < N_NODES; i++)
        nodes[i] = (struct node){.env = &env, .node_id = fleet.nodes[i].node_id};
    FLEET_OK(f, target_fill(c, r.db, &env, &fleet.targets[0], &t, &f->e));
    env.targets = &t;
    env.n_targets = 1;
    target_count(&env, &t);
    for (int i = 0; i < N_NODES; i++) {
        found[i] = t.spots[i].was_midway;
        n_disturbing[i] = nodes[i].n_disturbing;
    }
    assert_true(env.n_busy == 1 || !(found[0] || found[1]));
    assert_int_equal(env.n_repairs, t.is_rolling ? 0 : n_disturbing[0] + n_disturbing[1]);
    target_clear(c, &t);
    arena_clear(&env.arena);
}

/* A rollout that ends before it looked at a node. */
static void end_another(struct fleet_fixture *f)
{
    const char *id = fixture_ask(f, "t-1", "3", NULL);
    f->now_ms += 1000;
    fixture_move(f, id, ROLLOUT_CANCELLED, ROLLOUT_FAULT_NONE);
}

/* What happens between the end of the rollout and the look at what it left. */
enum since {
    TURN = 1 << 0,  /* repairs begin on the other node */
    ENDED = 1 << 1, /* another rollout ends */
    NEXT = 1 << 2   /* another rollout is active */
};

static const struct row {
    const char *what;
    enum rollout_phase end;
    int step;
    unsigned since;
    bool finds[N_NODES];
    enum move_phase phase; /* MOVE_NONE: the first */
} rows[] = {
    {"cancelled", ROLLOUT_CANCELLED, 0, 0, {true, false}, MOVE_NONE},
    {"rejected", ROLLOUT_REJECTED, 0, 0, {true, false}, MOVE_NONE},
    {"halted", ROLLOUT_HALTED, 0, 0, {true, false}, MOVE_NONE},
    {"its own node", ROLLOUT_HALTED, 1, 0, {false, false}, MOVE_NONE},
    {"replaced", ROLLOUT_SUPERSEDED, 1, NEXT, {true, false}, MOVE_NONE},
    {"replaced by none", ROLLOUT_SUPERSEDED, 1, ENDED, {false, false}, MOVE_NONE},
    {"its repair", ROLLOUT_SUPERSEDED, 0, ENDED, {true, false}, MOVE_NONE},
    {"given up", ROLLOUT_ROLLED_BACK, 0, 0, {false, false}, MOVE_NONE},
    {"looked after since", ROLLOUT_CANCELLED, 0, TURN, {false, false}, MOVE_NONE},
    {"looked after by repairs", ROLLOUT_CANCELLED, 0, TURN | NEXT, {false, true}, MOVE_NONE},
    {"none touched it since", ROLLOUT_CANCELLED, 0, TURN | ENDED, {false, true}, MOVE_NONE},
    {"another one is next", ROLLOUT_CANCELLED, 0, NEXT, {true, false}, MOVE_NONE},
    {"another one ended", ROLLOUT_CANCELLED, 0, ENDED, {true, false}, MOVE_NONE},
    {"loads", ROLLOUT_CANCELLED, 0, 0, {true, false}, MOVE_LOAD},
    {"serves", ROLLOUT_CANCELLED, 0, 0, {false, false}, MOVE_ROUTE},
};

/* What is found, and what counts: the repairs' own move does without being found. */
static void expect(struct fleet_fixture *f, const struct row *row)
{
    bool found[N_NODES];
    int n_disturbing[N_NODES];

    load(f, found, n_disturbing);
    for (int k = 0; k < N_NODES; k++) {
        bool disturbs = row->finds[k] || (row->since == TURN && k == 1);
        if (found[k] != row->finds[k] || n_disturbing[k] != (int)disturbs)
            fail_msg("%s, node %d: found %d, %d disturb it", row->what, k, found[k],
                     n_disturbing[k]);
    }
}

static void play(struct fleet_fixture *f, const struct row *row, const char *repairs)
{
    const char *id = fixture_ask(f, "t-1", "2", NULL);

    f->now_ms += 1000;
    put_in_the_middle(f, id, row->step, 0, row->phase);
    f->now_ms += 1000;
    fixture_move(f, id, row->end, ROLLOUT_FAULT_NONE);
    f->now_ms += 1000;
    if ((row->since & TURN) != 0)
        put_in_the_middle(f, repairs, 0, 1, MOVE_LOAD);
    if ((row->since & ENDED) != 0)
        end_another(f);
    const char *next = (row->since & NEXT) != 0 ? fixture_ask(f, "t-1", "3", NULL) : NULL;
    expect(f, row);
    if (next != NULL)
        fixture_move(f, next, ROLLOUT_CANCELLED, ROLLOUT_FAULT_NONE);
}

static void test_who_takes_over(void **state)
{
    struct fleet_fixture *f = *state;
    char repairs[40];

    fixture_env(f, "production", "{}", N_NODES);
    fixture_push(f, "fraud", 3);
    fixture_move(f, fixture_ask(f, "t-1", "1", NULL), ROLLOUT_SUCCEEDED, ROLLOUT_FAULT_NONE);
    struct target_row target = fixture_target(f, "production", "fraud");
    (void)snprintf(repairs, sizeof(repairs), "target-%" PRId64, target.target_id);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        play(f, &rows[i], repairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_who_takes_over, fleet_fixture_setup,
                                        fleet_fixture_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
