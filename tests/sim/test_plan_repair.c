/*
 * Repairs outside of rollouts: which nodes are brought back, when, and in which order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim_bench.h"

static void test_repair(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[2].seen.ready[0] = 5;
    bench_reconcile(b, 60000, 1);
    assert_int_equal(b->n_switches, 0); /* another target is being repaired */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 2);
    for (int i = 0; i < b->n_nodes; i++)
        assert_int_equal(b->nodes[i].seen.ready[0], 1);
}

static void test_repair_leaves_unmanaged(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->live = 0;
    b->nodes[0].seen.ready[0] = 77; /* somebody else's */
    b->nodes[1].seen.ready[0] = 2;  /* what the last rollout left behind */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->nodes[0].seen.ready[0], 77);
    assert_int_equal(b->nodes[1].seen.n_ready, 0);
    assert_int_equal(b->n_switches, 1);
}

/* One node is empty, another has a wrong version and would only wait for the limit: the empty one
 * is helped first, whatever comes first in order or began first. */
static void test_empty_first(void **state)
{
    (void)state;
    for (int begun = 0; begun < 2; begun++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        b->nodes[0].seen.ready[0] = 5;
        if (begun) { /* its files are fetched when the other one dies */
            b->is_frozen = true;
            bench_reconcile(b, 20000, 0);
            assert_int_equal(b->status.nodes[0].move.phase, MOVE_STAGE);
            b->is_frozen = false;
            b->nodes[0].op.state = OP_DONE;
            b->nodes[0].op.ended_ms = b->now_ms;
        }
        b->nodes[2].seen.n_ready = 0;
        bench_reconcile(b, 60000, 0);
        for (int i = 0; i < b->n_nodes; i++) {
            assert_int_equal(b->nodes[i].seen.n_ready, 1);
            assert_int_equal(b->nodes[i].seen.ready[0], 1);
        }
        assert_int_equal(b->n_switches, 2);
        assert_int_equal(b->most_out, 1);
    }
}

/* Whatever went wrong on many nodes at once may go on: not one repair right after the other. */
static void test_rate(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) =
        bench_new("{\"gates\":[],\"repair_every\":\"30s\",\"max_unavailable\":3}", 3);
    for (int i = 0; i < 3; i++)
        b->nodes[i].seen.n_ready = 0;
    bench_reconcile(b, 25000, 0);
    assert_int_equal(b->n_switches, 1);
    bench_reconcile(b, 30000, 0);
    assert_int_equal(b->n_switches, 2);
    bench_reconcile(b, 30000, 0);
    assert_int_equal(b->n_switches, 3);
    /* Also after one of another target. */
    b->last_repair_ms = b->now_ms;
    b->nodes[0].seen.n_ready = 0;
    bench_reconcile(b, 28000, 0);
    assert_int_equal(b->n_switches, 3);
    bench_reconcile(b, 10000, 0);
    assert_int_equal(b->n_switches, 4);
}

static void test_left_alone(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->nodes[0].seen.n_ready = 0;
    b->nodes[0].is_cordoned = true;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
    b->nodes[0].is_cordoned = false;
    b->is_halted = true; /* somebody has to decide first */
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
    b->is_halted = false;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 1);
}

/* What the folder of a node shows, by mreg's own switches, and whether that is put right. */
static void test_shown_files(void **state)
{
    (void)state;
    static const struct {
        struct shown_files shown;
        int64_t live;
        bool is_gone, is_foreign;
        int n_switches;
    } rows[] = {
        {{.is_known = false, .number = 2}, 1, false, false, 0},
        {{.is_known = true, .number = 1}, 1, false, false, 0},
        /* Halted between the files and the load: it serves on from memory. */
        {{.is_known = true, .number = 2}, 1, false, false, 1},
        {{.is_known = true, .is_doubtful = true, .number = 1}, 1, false, false, 1},
        /* It was to be emptied, and is wanted again before that was done. */
        {{.is_known = true, .number = 0}, 1, false, false, 1},
        /* Its server ends whenever it starts: nobody will ever see it serve the wrong version. */
        {{.is_known = true, .number = 2}, 1, true, false, 1},
        {{.is_known = true, .number = 1}, 1, true, false, 0},
        {{.is_known = true, .number = 2}, 1, true, true, 0},
        /* Nothing is live, and it serves nothing yet. */
        {{.is_known = true, .number = 5}, 0, false, false, 1},
        {{.is_known = true, .number = 0}, 0, false, false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        struct view_node *n = &b->nodes[1];
        b->live = rows[i].live;
        for (int k = 0; k < b->n_nodes && b->live == 0; k++)
            b->nodes[k].seen.n_ready = 0;
        n->shown = rows[i].shown;
        n->is_reachable = !rows[i].is_gone;
        n->reachable_since_ms = b->now_ms;
        n->owner_epoch = rows[i].is_foreign ? 7 : 0;
        bench_reconcile(b, 60000, 0);
        assert_int_equal(b->n_switches, rows[i].n_switches);
        if (rows[i].n_switches > 0)
            assert_false(shown_differs(&n->shown, b->live));
        /* Nobody is told to load who is not there. */
        assert_int_equal(n->op.action == OP_SWITCH, rows[i].is_gone && rows[i].n_switches > 0);
        for (int k = 0; k < b->status.n_nodes; k++)
            assert_int_equal(b->status.nodes[k].move.phase, MOVE_NONE);
    }
}

/* A node that is gone, and whose files cannot be put right, holds nobody up for long. */
static void test_dead_folder(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    struct view_node *n = &b->nodes[0];
    n->shown = (struct shown_files){.is_known = true, .number = 2};
    n->is_reachable = false;
    n->reachable_since_ms = b->now_ms;
    b->is_frozen = true;
    bench_reconcile(b, 20000, 0);
    assert_int_equal(n->op.state, OP_OPEN);
    b->nodes[2].seen.n_ready = 0;
    n->op.state = OP_FAILED;
    n->op.why = OP_CLASS_TRANSIENT;
    n->op.ended_ms = b->now_ms;
    b->is_frozen = false;
    b->policy.max_unavailable.n_nodes = 2;
    while (b->nodes[2].seen.n_ready == 0 && b->n_switches == 0)
        bench_reconcile(b, 1000, 0);
    assert_int_equal(b->nodes[2].op.action, OP_LOAD);
    assert_true(shown_differs(&n->shown, 1));
    bench_reconcile(b, 60000, 0);
    assert_false(shown_differs(&n->shown, 1));
}

/* With nothing live, files of ours that were found in a folder are taken away with what they are
 * served as. */
static void test_found_files(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    b->live = 0;
    b->nodes[0].seen.ready[0] = b->nodes[1].seen.ready[0] = 77; /* nobody's, as far as is known */
    b->nodes[1].has_drifted = true;
    bench_reconcile(b, 15000, 0);
    assert_int_equal(b->nodes[0].seen.n_ready, 1);
    assert_int_equal(b->nodes[1].seen.n_ready, 0);
    assert_int_equal(b->nodes[1].op.action, OP_UNLOAD);
}

static bool is_disturbed(const struct bench *b, int64_t node_id)
{
    bool is = false;
    for (int i = 0; i < b->status.n_nodes; i++)
        is = is ||
             (b->status.nodes[i].node_id == node_id && move_disturbs(&b->status.nodes[i].move));
    return is;
}

/* A node is emptied by order, and wanted again when its models are gone but nobody looked since: it
 * goes on counting as disturbed until it serves again. */
static void test_aim_changes(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    struct view_node *n = &b->nodes[1];
    n->is_cordoned = n->wants_none = true;
    while (n->op.action != OP_UNLOAD || n->op.state != OP_DONE)
        bench_reconcile(b, 1, 0);
    assert_true(is_disturbed(b, n->node_id));
    /* The last look is older. */
    n->seen.ready[0] = 1;
    n->seen.n_ready = 1;
    n->seen.observed_ms = n->seen.looked_ms = n->op.ended_ms - 1;
    b->now_ms += b->now_ms % 1000 == 0;
    n->is_cordoned = n->wants_none = false;
    bench_reconcile(b, 1, 0);
    assert_true(is_disturbed(b, n->node_id));
    n->seen.n_ready = 0;
    while (n->seen.n_ready == 0) {
        bench_reconcile(b, 1, 0);
        assert_true(is_disturbed(b, n->node_id));
    }
    bench_reconcile(b, 60000, 0);
    assert_false(is_disturbed(b, n->node_id));
    assert_int_equal(n->seen.ready[0], 1);
}

/* The same, but the server never got the order: it serves on, and is not taken away while others
 * are unavailable. */
static void test_aim_changes_in_vain(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    struct view_node *n = &b->nodes[1];
    n->shown.is_known = true;
    n->is_cordoned = n->wants_none = true;
    while (n->op.action != OP_UNLOAD)
        bench_reconcile(b, 1, 0);
    n->op.state = OP_UNKNOWN;
    n->seen.n_ready = 1;
    n->seen.ready[0] = 1;
    n->is_cordoned = n->wants_none = false;
    b->nodes[2].is_reachable = false;
    int before = b->n_switches;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, before);
    assert_false(is_disturbed(b, n->node_id));
    b->nodes[2].is_reachable = true;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, before + 1);
    assert_false(shown_differs(&n->shown, 1));
}

/* Nothing was changed yet: it serves on. */
static void test_aim_changes_before(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
    struct view_node *n = &b->nodes[1];
    n->is_cordoned = n->wants_none = n->is_disturbed = true; /* another target comes first */
    bench_reconcile(b, 20000, 0);
    n->is_cordoned = n->wants_none = n->is_disturbed = false;
    bench_reconcile(b, 60000, 0);
    assert_int_equal(b->n_switches, 0);
    assert_int_equal(b->status.n_nodes, 0);
}

/* The last rollout was cancelled in the middle of a node that it kept up while it waited: the
 * repairs go on with that from their first plan, once. */
static void test_cut_short(void **state)
{
    (void)state;
    for (int before = 0; before < 2; before++) {
        struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 3);
        b->status.revision = 7;
        b->last_ended_ms = before ? b->now_ms - 1 : b->now_ms + 1;
        b->nodes[1].was_midway = true;
        bench_reconcile(b, 1, 0);
        assert_int_equal(is_disturbed(b, 2), !before);
        b->nodes[0].seen.ready[0] = 5; /* waits for it: the limit is one */
        bench_reconcile(b, 60000, 0);
        assert_int_equal(b->n_switches, before ? 1 : 2);
        assert_int_equal(b->nodes[0].seen.ready[0], 1);
        assert_int_equal(b->most_out, 1);
        assert_false(is_disturbed(b, 2));
    }
}

/* The first plan after a rollout is stored, once, as a newer one: also if clocks were set back. */
static void test_first_is_stored(void **state)
{
    (void)state;
    struct bench *b CLEANUP(bench_free) = bench_new(bench_plain, 2);
    bench_reconcile(b, 5000, 0);
    int64_t before = b->status.revision;
    bench_reconcile(b, 5000, 0);
    assert_int_equal(b->status.revision, before);
    b->last_ended_ms = b->now_ms + 100000;
    bench_reconcile(b, 5000, 0);
    assert_int_equal(b->status.revision, before + 1);
    assert_int_equal(b->status.updated_ms, b->last_ended_ms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_repair_leaves_unmanaged),
        cmocka_unit_test(test_empty_first),
        cmocka_unit_test(test_rate),
        cmocka_unit_test(test_left_alone),
        cmocka_unit_test(test_shown_files),
        cmocka_unit_test(test_dead_folder),
        cmocka_unit_test(test_found_files),
        cmocka_unit_test(test_aim_changes),
        cmocka_unit_test(test_aim_changes_before),
        cmocka_unit_test(test_cut_short),
        cmocka_unit_test(test_first_is_stored),
        cmocka_unit_test(test_aim_changes_in_vain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
