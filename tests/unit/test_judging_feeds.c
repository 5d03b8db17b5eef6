/*
 * What a rollout is judged by: counts of several routers that come, go and start again, mreg's own
 * golden requests, and what was counted before the rollout.
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
#include "support_judging.h"

/* --- routers --- */

#define ROUTERS 2

struct routed_bench {
    struct env_routes routes;
    struct balancer balancers[ROUTERS];
    struct routed route;
    struct link links[ROUTERS];
    int64_t node_ids[JUDGE_NODES];
    struct router_seen seen[ROUTERS][JUDGE_NODES];
};

static void add_routers(struct judge_bench *b, struct routed_bench *r)
{
    *r = (struct routed_bench){.routes = {.balancers = r->balancers,
                                          .n_balancers = ROUTERS,
                                          .routes = &r->route,
                                          .n_routes = 1},
                               .route = {.links = r->links}};
    for (int i = 0; i < JUDGE_NODES; i++) {
        r->node_ids[i] = i + 1;
        b->spots[i].n_own = 1000; /* golden requests do not come through routers */
    }
    for (int k = 0; k < ROUTERS; k++) {
        r->balancers[k].router_id = 7 + k;
        r->links[k] = (struct link){.state = LINK_KNOWN,
                                    .has_counts = true,
                                    .node_ids = r->node_ids,
                                    .seen = r->seen[k],
                                    .n_nodes = JUDGE_NODES};
        for (int i = 0; i < JUDGE_NODES; i++)
            r->seen[k][i] = (struct router_seen){.is_known = true, .n_requests = 5000};
    }
    b->c.routes = &r->routes;
}

/* Each router counts so many more requests of each node; those of node 0 with errors. The nodes'
 * own pages count none. */
static void routed_turn(struct judge_bench *b, struct routed_bench *r, int64_t n, int64_t bad)
{
    b->c.now_ms += JUDGE_EVERY;
    for (int k = 0; k < ROUTERS; k++) {
        r->links[k].seen_ms = b->c.now_ms;
        for (int i = 0; i < JUDGE_NODES; i++) {
            r->seen[k][i].n_requests += n;
            r->seen[k][i].n_errors += i == 0 ? bad : 0;
        }
    }
    for (int i = 0; i < JUDGE_NODES; i++) {
        b->counted[i].ts_ms = b->spots[i].sampled_ms = b->c.now_ms;
        b->spots[i].n_own += 3;
    }
    judging_take(&b->c, &b->env, &b->target);
}

static void begin_routed(struct judge_bench *b, struct routed_bench *r)
{
    add_routers(b, r);
    routed_turn(b, r, 10, 0);
    judge_bench_change(b, 0);
    routed_turn(b, r, 10, 0); /* begins, */
    routed_turn(b, r, 10, 0); /* has the base lines, */
    routed_turn(b, r, 20, 0); /* has the warm-up */
    assert_true(b->target.judging->gates[0].is_routed);
}

/* One of two routers is not known for a while: what it counted in its life is no evidence. */
static void test_router_returns(void **state)
{
    struct judge_bench *b = *state;
    struct routed_bench r;
    begin_routed(b, &r);
    for (int i = 0; i < 3; i++)
        routed_turn(b, &r, 10, 0);
    int64_t n = judge_bench_result(b)->n_requests;
    r.links[1].state = LINK_UNKNOWN;
    routed_turn(b, &r, 10, 0);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 10);
    r.links[1].state = LINK_KNOWN;
    routed_turn(b, &r, 10, 0);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 40); /* nothing is lost */
    assert_int_equal(judge_bench_result(b)->n_failures, 0);
    r.links[1].has_counts = false;
    routed_turn(b, &r, 10, 1);
    r.links[1].has_counts = true;
    routed_turn(b, &r, 10, 0);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 80);
    assert_int_equal(judge_bench_result(b)->n_failures, 2);
}

/* One of two routers starts again: only its own counts do. */
static void test_router_restarts(void **state)
{
    struct judge_bench *b = *state;
    struct routed_bench r;
    struct buf text CLEANUP(buf_clear);
    struct err e;
    begin_routed(b, &r);
    int64_t n = judge_bench_result(b)->n_requests;
    for (int i = 0; i < JUDGE_NODES; i++)
        r.seen[0][i].n_requests = r.seen[0][i].n_errors = 0;
    routed_turn(b, &r, 10, 1);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 20);
    assert_int_equal(judge_bench_result(b)->n_failures, 2);
    assert_int_equal(judge_bench_result(b)->n_base_requests,
                     3 * judge_bench_result(b)->n_requests + 3 * 2 * 20);
    /* mregd as well. */
    buf_init(&text, 1 << 20);
    judging_write(b->target.judging, &text);
    struct judging *back = judging_new("r-1", &b->policy);
    if (judging_read(buf_str(&text), back, &e) != ERR_OK)
        fail_msg("%s", e.message);
    judging_free(b->target.judging);
    b->target.judging = back;
    routed_turn(b, &r, 10, 1);
    assert_int_equal(judge_bench_result(b)->n_requests, n + 40);
    assert_int_equal(judge_bench_result(b)->n_failures, 4);
}

/* --- golden requests --- */

static bool read_nothing(const struct driver_request *rq, int call,
                         const struct http_answer *answer, struct driver_result *out)
{
    (void)rq, (void)call, (void)answer, (void)out;
    return true;
}

static int one_call(const struct driver_request *rq)
{
    (void)rq;
    return 1;
}

/* What the node counts, for certain, perhaps, and not. */
static void test_own(void **state)
{
    static const struct {
        enum http_outcome outcome;
        int status;
        int n_own, n_own_bad, n_unsure;
    } cases[] = {
        {HTTP_ANSWERED, 200, 1, 0, 0}, {HTTP_ANSWERED, 500, 1, 1, 0}, {HTTP_ANSWERED, 404, 0, 0, 1},
        {HTTP_NOT_SENT, 0, 0, 0, 0},   {HTTP_UNKNOWN, 0, 0, 0, 1},
    };
    static const struct driver driver = {.n_calls = one_call, .read = read_nothing};
    struct judge_bench *b = *state;
    struct world world = {.envs = &b->env, .n_envs = 1};
    b->c.world = &world;
    b->nodes[1].driver = &driver;
    b->nodes[1].env = &b->env;
    for (size_t i = 0; i <= ARRAY_LEN(cases); i++) {
        bool is_overdue = i == ARRAY_LEN(cases);
        struct flight *f = flight_new(&b->c);
        struct completion done = {.kind = JOB_HTTP};
        b->spots[1].n_own = b->spots[1].n_own_bad = b->spots[1].n_unsure = 0;
        snprintf(f->key, sizeof f->key, "op/%zu", i);
        snprintf(done.key, sizeof done.key, "op/%zu", i);
        f->kind = FLIGHT_OP;
        f->node_id = 2;
        f->rq.action = DRIVER_GOLDEN;
        f->deadline_ms = b->c.now_ms - (is_overdue ? 3600000 : 0);
        b->nodes[1].n_busy = 1;
        if (is_overdue) {
            collect_overdue(&b->c);
        } else {
            done.answer =
                (struct http_answer){.outcome = cases[i].outcome, .status = cases[i].status};
            collect(&b->c, &done, 1);
        }
        assert_int_equal(b->spots[1].n_own, is_overdue ? 0 : cases[i].n_own);
        assert_int_equal(b->spots[1].n_own_bad, is_overdue ? 0 : cases[i].n_own_bad);
        assert_int_equal(b->spots[1].n_unsure, is_overdue ? 1 : cases[i].n_unsure);
        assert_int_equal(b->c.n_flights, 0);
    }
    free(b->c.closings);
    marks_clear(&b->c.unwritten);
    marks_clear(&b->c.serving);
    b->c.world = NULL;
}

/* --- before the rollout --- */

/* Buckets 0.1, 0.2, 0.4, +Inf. */
static void fill(struct histogram *h, const int64_t n[4])
{
    static const double bounds[] = {0.1, 0.2, 0.4};
    *h = (struct histogram){.n_buckets = 4};
    for (int i = 0; i < 4; i++)
        h->buckets[i] = (struct histogram_bucket){i < 3 ? bounds[i] : __builtin_inf(), n[i], 1};
}

/* Each quantile has its bound and its slow requests in the window. */
static void test_quantiles(void **state)
{
    struct judge_bench *b = *state;
    struct histogram *h = mem_alloc(2 * sizeof *h);
    struct histogram *delta = h + 1;
    bool is_new = false;
    judge_bench_use_policy(
        b, "{\"kind\":\"slow-ratio\",\"name\":\"a\"},{\"kind\":\"slow-ratio\",\"name\":"
           "\"b\",\"quantile\":\"0.5\"},{\"kind\":\"slow-ratio\",\"name\":\"c\"}");
    struct counted_times *times = &b->target.times;
    for (int i = 0; i < 20; i++) {
        b->c.now_ms += 6 * JUDGE_EVERY;
        struct counted_when when = {.now_ms = b->c.now_ms, .every_ms = 6 * JUDGE_EVERY};
        for (int k = 0; k < JUDGE_NODES; k++) {
            int64_t n[4] = {60 * (i + 1), 94 * (i + 1), 100 * (i + 1), 100 * (i + 1)};
            fill(h, n);
            counted_add_times(&b->counted[k], h, b->c.now_ms, delta);
            for (int q = 0; q < 2; q++) {
                int kind = counted_use_kind(times, q == 0 ? 950000 : 500000, b->c.now_ms, &is_new);
                assert_int_equal(kind, q);
                counted_add_slow(&b->counted[k], q, delta, times->kinds[q].bound, &when);
            }
            (void)counted_times_add(times, delta, b->c.now_ms);
        }
    }
    b->c.now_ms += 6 * JUDGE_EVERY;
    b->step.started_ms = b->c.now_ms;
    judge_bench_change(b, 0);
    judge_bench_turn(b, 0, 0, 10, 0);
    const struct judged_gate *g = b->target.judging->gates;
    assert_true(g[0].bound > 0.15 && g[0].bound < 0.25);
    assert_true(g[1].bound > 0.05 && g[1].bound < 0.15);
    assert_true(g[2].bound >= g[0].bound && g[2].bound <= g[0].bound);
    for (int i = 0; i < 3; i++)
        assert_true(g[i].state.prior.phi == 1); /* known, for each */
    int64_t n[3] = {0}, bad[3] = {0};
    for (size_t i = 0; i < b->target.judging->n_intervals; i++) {
        const struct analysis_interval *in = &b->target.judging->intervals[i];
        assert_int_equal(in->kind, INTERVAL_BEFORE);
        n[in->gate] += in->in.n_base;
        bad[in->gate] += in->in.bad_base;
    }
    assert_true(n[0] > 4000 && n[0] == n[1] && n[0] == n[2]);
    assert_int_equal(bad[0] * 100, n[0] * 6);
    assert_int_equal(bad[1] * 100, n[0] * 40);
    assert_int_equal(bad[2], bad[0]);
    counted_times_clear(times);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_router_returns, judge_bench_setup,
                                        judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_router_restarts, judge_bench_setup,
                                        judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_own, judge_bench_setup, judge_bench_teardown),
        cmocka_unit_test_setup_teardown(test_quantiles, judge_bench_setup, judge_bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
