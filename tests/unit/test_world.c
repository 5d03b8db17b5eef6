/*
 * The controller's memory of one environment: what its targets do to the nodes that they share is
 * counted, and whoever waits for a node or for the limit is planned again when that changes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "routes.h"

#define N_NODES 3
#define N_TARGETS 3
#define NOW_MS 5000

/* An environment in which every target rolls out to every node. */
struct small {
    struct controller *c;
    struct env env;
    struct node nodes[N_NODES];
    struct target targets[N_TARGETS];
    struct spot spots[N_TARGETS][N_NODES];
    struct rollout_node moved[N_TARGETS][N_NODES];
    int busy[N_TARGETS];
};

static void count(struct small *w, int t)
{
    target_count(&w->env, &w->targets[t]);
}

static int set_up(void **state)
{
    struct small *w = mem_alloc(sizeof *w);
    *w = (struct small){.c = mem_alloc(sizeof *w->c)};
    w->c->now_ms = NOW_MS;
    w->env = (struct env){.env_id = 1,
                          .nodes = w->nodes,
                          .n_nodes = N_NODES,
                          .targets = w->targets,
                          .n_targets = N_TARGETS,
                          .busy = w->busy};
    for (int i = 0; i < N_NODES; i++)
        w->nodes[i] = (struct node){.env = &w->env, .node_id = 10 + i};
    for (int t = 0; t < N_TARGETS; t++) {
        w->targets[t] =
            (struct target){.env = &w->env, .target_id = 20 + t, .live = 1, .is_rolling = true};
        w->targets[t].spots = w->spots[t];
        w->targets[t].lane.status = (struct rollout_status){
            .phase = ROLLOUT_RUNNING, .nodes = w->moved[t], .n_nodes = N_NODES};
        for (int i = 0; i < N_NODES; i++)
            w->moved[t][i].node_id = 10 + i;
        count(w, t);
    }
    w->env.has_changed = false;
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct small *w = *state;
    due_clear(&w->c->plans);
    free(w->c);
    free(w);
    return 0;
}

static void disturb(struct small *w, int t, int node, bool does)
{
    w->moved[t][node].move.phase = does ? MOVE_SWITCH : MOVE_NONE;
    w->moved[t][node].move.deadline_ms = does ? NOW_MS + 1000 : 0;
    count(w, t);
}

static void test_nodes_that_are_disturbed(void **state)
{
    struct small *w = *state;
    disturb(w, 0, 1, true);
    assert_true(w->env.has_changed);
    disturb(w, 1, 1, true);
    count(w, 1); /* counted again, it is no more */
    assert_int_equal(w->nodes[0].n_disturbing, 0);
    assert_int_equal(w->nodes[1].n_disturbing, 2);
    disturb(w, 0, 1, false);
    assert_int_equal(w->nodes[1].n_disturbing, 1);
    target_uncount(&w->env, &w->targets[1]);
    assert_int_equal(w->nodes[1].n_disturbing, 0);
}

static void test_nodes_that_lack_it(void **state)
{
    struct small *w = *state;
    w->spots[2][0].seen = (struct observation){.observed_ms = NOW_MS};
    count(w, 2);
    assert_int_equal(w->nodes[0].n_lacking, 1);
    w->spots[2][0].seen.n_ready = 1;
    count(w, 2);
    assert_int_equal(w->nodes[0].n_lacking, 0);
}

static bool is_due(const struct small *w, int t)
{
    return w->targets[t].plan.place != 0 && w->targets[t].plan.at_ms <= NOW_MS;
}

static void sleep_all(struct small *w)
{
    for (int t = 0; t < N_TARGETS; t++)
        due_set(&w->c->plans, &w->targets[t].plan, NOW_MS + 60000);
}

static void test_who_waits_is_woken(void **state)
{
    struct small *w = *state;
    sleep_all(w);
    w->targets[1].waits = true;
    env_stir(w->c, &w->env, &w->targets[0]);
    assert_false(is_due(w, 0));
    assert_true(is_due(w, 1));
    assert_false(is_due(w, 2));
}

/* What they share changed: that may be what any of them waits for. */
static void test_a_change_wakes_all(void **state)
{
    struct small *w = *state;
    sleep_all(w);
    disturb(w, 0, 1, true);
    env_stir(w->c, &w->env, &w->targets[0]);
    assert_false(is_due(w, 0));
    assert_true(is_due(w, 1));
    assert_true(is_due(w, 2));
    sleep_all(w);
    env_stir(w->c, &w->env, NULL); /* it was told already */
    assert_false(is_due(w, 0) || is_due(w, 1) || is_due(w, 2));
}

/* Weights that a rollout or a repair was setting when the next one came: nobody else closes the
 * operation, and the lane that comes back would wait for it for ever. */
static void test_weights_of_the_lane_before(void **state)
{
    struct small *w = *state;
    struct target *t = &w->targets[0];
    struct routed routed = {.target_id = 20, .n_open = 1, .op = {.state = OP_OPEN, .attempt = 1}};
    struct env_routes all = {.env_id = 1, .routes = &routed, .n_routes = 1};
    struct view_node nodes[N_NODES] = {0};
    struct view v = {.nodes = nodes, .n_nodes = N_NODES};
    struct err e;
    snprintf(routed.lane, sizeof routed.lane, "target-20");
    snprintf(routed.op_key, sizeof routed.op_key, "t20/g0/target-20/n0/1");
    snprintf(t->lane.id, sizeof t->lane.id, "r-1");
    w->c->routes = &all;
    assert_int_equal(routes_view(w->c, &w->env, t, nodes, &v, &e), ERR_OK);
    assert_int_equal(v.router_op.state, OP_NONE);
    assert_int_equal(w->c->n_closings, 1);
    assert_string_equal(w->c->closings[0].key, "t20/g0/target-20/n0/1");
    assert_int_equal(w->c->closings[0].state, OP_UNKNOWN);
    assert_int_equal(routes_view(w->c, &w->env, t, nodes, &v, &e), ERR_OK);
    assert_int_equal(w->c->n_closings, 1);
    free(w->c->closings);
}

/* A node that does not answer once or twice is still there. */
static void test_one_miss_is_none(void **state)
{
    struct small *w = *state;
    struct node *n = &w->nodes[0];
    struct world world = {.envs = &w->env, .n_envs = 1};
    w->c->world = &world;
    n->is_reachable = true;
    for (int k = 1; k <= MISSED_LOOKS + 1; k++) {
        struct flight *f = &w->c->flights[0];
        *f = (struct flight){.kind = FLIGHT_HEALTH, .env_id = 1, .node_id = n->node_id};
        n->n_busy++;
        collect_failure(w->c, f, FAULT_TRANSPORT, "no answer");
        assert_int_equal(n->n_missed, k);
        assert_int_equal(n->n_busy, 0);
        assert_int_equal(n->is_reachable, k < MISSED_LOOKS);
    }
    assert_int_equal(n->since_ms, NOW_MS);
    assert_string_equal(n->detail, "no answer");
    marks_clear(&w->c->unwritten);
    marks_clear(&w->c->serving);
    due_clear(&w->c->looks);
    w->c->world = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nodes_that_are_disturbed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nodes_that_lack_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_waits_is_woken, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_change_wakes_all, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_weights_of_the_lane_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_miss_is_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
