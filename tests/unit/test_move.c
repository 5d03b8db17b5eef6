/*
 * Bringing one node to one version behind a router: single decisions by table, and random worlds in
 * which a router, a node and somebody who routes by hand do what they like.
 */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "move.h"

static const struct op_view no_op = {.state = OP_NONE};

/* A node that serves version 1, is idle and may be disturbed, behind a router. */
static struct move_in calm(const struct observation *seen)
{
    return (struct move_in){.now_ms = 10000,
                            .op = &no_op,
                            .seen = seen,
                            .node_deadline_ms = 60000,
                            .is_idle = true,
                            .may_switch = true,
                            .has_route = true,
                            .routed_bp = 2500,
                            .n_sessions = 3,
                            .routed_ms = 9000,
                            .drain_ms = 30000};
}

static const struct observation old = {.observed_ms = 9000, .ready = {1}, .n_ready = 1};

/* --- single decisions --- */

static void a_switch_waits_for_the_router(void **unused)
{
    static const struct {
        const char *what;
        enum move_phase from;
        bool has_route, is_busy, is_drained;
        int routed_bp, n_sessions;
        int64_t routed_ms, now_ms; /* the phase began at 10000 */
        enum move_phase to;
        bool has_action;
    } cases[] = {
        {"no router", MOVE_SWITCH, false, false, false, -1, -1, 0, 10001, MOVE_SWITCH, true},
        {"routed", MOVE_SWITCH, true, false, false, 2500, 3, 9000, 10001, MOVE_UNROUTE, false},
        {"not known", MOVE_SWITCH, true, false, false, -1, -1, 0, 10001, MOVE_UNROUTE, false},
        {"old news", MOVE_UNROUTE, true, false, false, 0, 0, 9000, 10001, MOVE_UNROUTE, false},
        {"weights are being set", MOVE_UNROUTE, true, true, false, 0, 0, 10500, 10600, MOVE_UNROUTE,
         false},
        {"still routed", MOVE_UNROUTE, true, false, false, 1, 0, 10500, 10600, MOVE_UNROUTE, false},
        {"out: drains", MOVE_UNROUTE, true, false, false, 0, 5, 10500, 10600, MOVE_DRAIN, false},
        /* One look that says zero is not enough: it is looked at twice. */
        {"out and empty", MOVE_UNROUTE, true, false, false, 0, 0, 10500, 10600, MOVE_DRAIN, false},
        {"requests run", MOVE_DRAIN, true, false, false, 0, 1, 10500, 10600, MOVE_DRAIN, false},
        {"not counted", MOVE_DRAIN, true, false, false, 0, -1, 10500, 10600, MOVE_DRAIN, false},
        {"empty", MOVE_DRAIN, true, false, false, 0, 0, 10500, 10600, MOVE_SWITCH, true},
        {"long enough", MOVE_DRAIN, true, false, false, 0, 1, 10500, 40000, MOVE_SWITCH, true},
        {"routed again", MOVE_DRAIN, true, false, false, 100, 0, 10500, 10600, MOVE_UNROUTE, false},
        {"load while routed", MOVE_LOAD, true, false, true, 2500, 0, 10500, 10600, MOVE_UNROUTE,
         false},
        {"load, not known", MOVE_LOAD, true, false, true, -1, 0, 10500, 10600, MOVE_UNROUTE, false},
        {"load", MOVE_LOAD, true, false, true, 0, 0, 10500, 10600, MOVE_LOAD, true},
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct move m = {.phase = cases[i].from,
                         .number = 2,
                         .since_ms = 10000,
                         .is_drained = cases[i].is_drained,
                         .deadline_ms = cases[i].from == MOVE_SWITCH ? 0 : MOVE_NO_DEADLINE};
        struct move_in in = calm(&old);
        struct move_out out;
        in.now_ms = cases[i].now_ms;
        in.has_route = cases[i].has_route;
        in.is_router_busy = cases[i].is_busy;
        in.routed_bp = cases[i].routed_bp;
        in.n_sessions = cases[i].n_sessions;
        in.routed_ms = cases[i].routed_ms;
        move_step(&m, &in, &out);
        if (m.phase != cases[i].to || out.has_action != cases[i].has_action)
            fail_msg("%s: now in %s, %s", cases[i].what, move_phase_name(m.phase),
                     out.has_action ? op_action_name(out.action) : "no action");
        bool waits = m.phase == MOVE_UNROUTE || m.phase == MOVE_DRAIN;
        assert_int_equal(out.wants_routes, waits);
    }
}

static void the_limit_comes_before_the_traffic(void **unused)
{
    struct move m = {0};
    struct move_in in = calm(&old);
    struct move_out out;
    (void)unused;
    move_begin(&m, 2, false, 9000);
    m.phase = MOVE_SWITCH;
    in.may_switch = false;
    move_step(&m, &in, &out);
    assert_true(out.is_blocked);
    assert_false(move_wants_out(&m));
    assert_false(move_disturbs(&m));
    in.may_switch = true;
    move_step(&m, &in, &out);
    assert_false(out.is_blocked);
    assert_true(move_wants_out(&m));
    assert_true(move_disturbs(&m));
}

static void the_deadline_starts_with_the_switch(void **unused)
{
    struct move m = {.phase = MOVE_UNROUTE, .number = 2, .since_ms = 10000};
    struct move_in in = calm(&old);
    struct move_out out;
    (void)unused;
    move_step(&m, &in, &out);
    assert_int_equal(m.deadline_ms, MOVE_NO_DEADLINE);
    assert_true(m.is_leaving);
    m.phase = MOVE_SWITCH;
    m.is_drained = true;
    in.routed_bp = 0;
    in.now_ms = 500000;
    move_step(&m, &in, &out);
    assert_true(out.has_action && out.action == OP_SWITCH);
    assert_int_equal(m.deadline_ms, 560000);
}

/* Somebody paused while it drained. */
static void a_node_that_was_not_changed_goes_back(void **unused)
{
    static const enum move_phase phases[] = {MOVE_UNROUTE, MOVE_DRAIN, MOVE_SWITCH};
    (void)unused;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        struct move m = {.phase = phases[i],
                         .number = 2,
                         .since_ms = 9000,
                         .is_leaving = true,
                         .is_drained = phases[i] == MOVE_SWITCH,
                         .deadline_ms = MOVE_NO_DEADLINE};
        struct move_in in = calm(&old);
        struct move_out out;
        in.routed_bp = in.n_sessions = 0;
        in.routed_ms = 9500;
        in.may_switch = false;
        move_step(&m, &in, &out);
        assert_true(out.is_blocked && !out.has_action);
        assert_false(move_disturbs(&m));
        assert_false(move_wants_out(&m));
        assert_false(m.is_drained);
        in.may_switch = true;
        in.routed_bp = 2500;
        move_step(&m, &in, &out);
        assert_int_equal(m.phase, MOVE_UNROUTE);
        assert_true(move_wants_out(&m));
    }
}

static void traffic_comes_back_when_it_serves(void **unused)
{
    static const struct observation both = {.observed_ms = 9500, .ready = {1, 2}, .n_ready = 2};
    static const struct observation fresh = {.observed_ms = 9500, .ready = {2}, .n_ready = 1};
    static const struct {
        const char *what;
        const struct observation *seen;
        int64_t keep;
        bool has_route, is_dark;
        int routed_bp;
        int64_t routed_ms;
        enum move_outcome outcome;
        enum move_phase phase;
    } cases[] = {
        {"no router", &fresh, 0, false, false, -1, 0, MOVE_DONE, MOVE_OBSERVE},
        {"out of traffic", &fresh, 0, true, false, 0, 9900, MOVE_GOES_ON, MOVE_ROUTE},
        {"in, old news", &fresh, 0, true, false, 2500, 9900, MOVE_GOES_ON, MOVE_ROUTE},
        {"shall stay out", &fresh, 0, true, true, 0, 9900, MOVE_DONE, MOVE_ROUTE},
        {"two versions", &both, 0, true, false, 0, 9900, MOVE_GOES_ON, MOVE_OBSERVE},
        {"two, one is kept", &both, 1, true, true, 0, 9900, MOVE_DONE, MOVE_ROUTE},
        {"two, another is kept", &both, 7, true, true, 0, 9900, MOVE_GOES_ON, MOVE_OBSERVE},
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct move m = {.phase = MOVE_OBSERVE,
                         .number = 2,
                         .keep = cases[i].keep,
                         .since_ms = 9000,
                         .loaded_ms = 9100,
                         .is_drained = true,
                         .deadline_ms = 60000};
        struct move_in in = calm(cases[i].seen);
        struct move_out out;
        in.has_route = cases[i].has_route;
        in.is_dark = cases[i].is_dark;
        in.routed_bp = cases[i].routed_bp;
        in.routed_ms = cases[i].routed_ms;
        move_step(&m, &in, &out);
        if (m.phase != cases[i].phase || out.outcome != cases[i].outcome)
            fail_msg("%s: in %s, outcome %d", cases[i].what, move_phase_name(m.phase),
                     (int)out.outcome);
        assert_true(m.phase != MOVE_ROUTE || !move_wants_out(&m));
    }
    struct move m = {
        .phase = MOVE_ROUTE, .number = 2, .since_ms = 9000, .deadline_ms = MOVE_NO_DEADLINE};
    struct move_in in = calm(&fresh);
    struct move_out out;
    in.routed_ms = 9500;
    in.routed_bp = 0;
    move_step(&m, &in, &out);
    assert_int_equal(out.outcome, MOVE_GOES_ON);
    assert_true(out.wants_routes);
    in.routed_bp = 2500;
    move_step(&m, &in, &out);
    assert_int_equal(out.outcome, MOVE_DONE);
}

/* After a load of which nobody knows the outcome a look tells, unless the version was ready before.
 */
static void a_load_in_doubt(void **unused)
{
    static const struct {
        int64_t ready; /* before the load */
        int n_failures;
        enum move_phase to;
    } cases[] = {
        {0, 0, MOVE_OBSERVE}, {1, 0, MOVE_OBSERVE}, {2, 0, MOVE_LOAD},
        {2, 2, MOVE_LOAD},    {2, 3, MOVE_OBSERVE}, /* it has to do */
    };
    (void)unused;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct observation seen = {.observed_ms = 9000, .ready = {cases[i].ready}};
        seen.n_ready = cases[i].ready != 0;
        struct op_view op = {
            .state = OP_UNKNOWN, .action = OP_LOAD, .attempt = 3, .ended_ms = 9999};
        struct move_in in = calm(&seen);
        in.op = &op;
        in.has_route = false;
        struct move m = {.phase = MOVE_LOAD,
                         .number = 2,
                         .attempt = 3,
                         .is_issued = true,
                         .n_failures = cases[i].n_failures,
                         .deadline_ms = 60000};
        struct move_out out;
        move_step(&m, &in, &out);
        assert_int_equal(m.phase, cases[i].to);
        assert_int_equal(out.outcome, MOVE_GOES_ON);
    }
}

static void a_drop_disturbs_nobody(void **unused)
{
    struct move m = {.attempt = 4};
    struct move_in in = calm(&old);
    struct move_out out;
    (void)unused;
    move_begin_drop(&m, 2, 9000);
    in.may_switch = false;
    move_step(&m, &in, &out);
    assert_true(out.has_action && out.action == OP_SWITCH);
    assert_false(move_disturbs(&m));
    assert_false(move_wants_out(&m));
    assert_int_equal(m.attempt, 5);
}

/* --- random worlds --- */

static uint64_t state;

static int random_below(int n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (int)((state >> 11) % (uint64_t)n);
}

struct play {
    int64_t now_ms;
    struct move m;
    struct op_view op;
    struct observation seen;
    int64_t on_disk, loaded;
    bool is_routed; /* what the router really does */
    int n_sessions; /* and what really runs on the node */
    int shown_bp, shown_sessions;
    int64_t shown_ms;
    bool is_mischievous; /* somebody routes by hand now and then */
};

static void act(struct play *p, const struct move_out *out)
{
    if (op_is_read(out->action)) {
        p->seen = (struct observation){.observed_ms = p->now_ms, .looked_ms = p->now_ms};
        p->seen.n_ready = p->loaded != 0;
        p->seen.ready[0] = p->loaded;
        return;
    }
    bool disturbs = out->action == OP_SWITCH || out->action == OP_LOAD || out->action == OP_UNLOAD;
    /* What the move was told last: reality may be ahead by one look. */
    assert_true(!disturbs || p->shown_bp == 0);
    assert_true(!disturbs || p->is_mischievous || (!p->is_routed && p->n_sessions == 0));
    int fate = random_below(10);
    p->op = (struct op_view){.state = OP_DONE,
                             .action = out->action,
                             .attempt = p->m.attempt,
                             .ended_ms = p->now_ms + 5};
    if (fate == 0)
        p->op.state = OP_UNKNOWN;
    if (fate == 1) {
        p->op.state = OP_FAILED;
        p->op.why = OP_CLASS_TRANSIENT;
    }
    if (fate > 1 || (fate == 0 && random_below(2))) {
        p->on_disk = out->action == OP_SWITCH ? p->m.number : p->on_disk;
        p->loaded = out->action == OP_LOAD ? p->on_disk : p->loaded;
    }
}

static void router_moves(struct play *p)
{
    bool wants_out = move_wants_out(&p->m);
    if (random_below(3) == 0)
        p->is_routed = !wants_out;
    if (p->is_mischievous && random_below(15) == 0)
        p->is_routed = !p->is_routed;
    if (!p->is_routed && p->n_sessions > 0 && random_below(3) == 0)
        p->n_sessions--;
    if (p->is_routed && random_below(2))
        p->n_sessions++;
    if (random_below(2) == 0) {
        p->shown_bp = random_below(12) == 0 ? -1 : p->is_routed ? 2500 : 0;
        p->shown_sessions = p->n_sessions;
        p->shown_ms = p->now_ms;
    }
}

static enum move_outcome play(struct play *p, int rounds)
{
    struct move_out out = {.outcome = MOVE_GOES_ON};
    for (int i = 0; i < rounds && out.outcome == MOVE_GOES_ON; i++) {
        struct move_in in = {.now_ms = p->now_ms,
                             .op = &p->op,
                             .seen = &p->seen,
                             .is_idle = random_below(5) != 0,
                             .may_switch = random_below(3) != 0,
                             .has_route = true,
                             .routed_bp = p->shown_bp,
                             .n_sessions = p->shown_sessions,
                             .routed_ms = p->shown_ms,
                             .drain_ms = (int64_t)1 << 40};
        move_step(&p->m, &in, &out);
        if (out.has_action)
            act(p, &out);
        p->now_ms += 1 + random_below(400);
        router_moves(p);
    }
    return out.outcome;
}

static void no_traffic_is_disturbed(void **unused)
{
    (void)unused;
    for (int seed = 1; seed <= 3000; seed++) {
        struct play p = {.now_ms = 1000,
                         .on_disk = 1,
                         .loaded = 1,
                         .is_routed = true,
                         .n_sessions = 2,
                         .shown_bp = -1,
                         .shown_sessions = -1};
        state = 3037000493U + 2654435761U * (uint64_t)(unsigned)seed;
        move_begin(&p.m, 2, false, p.now_ms);
        if (play(&p, 4000) != MOVE_DONE)
            fail_msg("seed %d: still in %s", seed, move_phase_name(p.m.phase));
        assert_int_equal(p.loaded, 2);
    }
}

static void routing_by_hand_is_noticed(void **unused)
{
    (void)unused;
    for (int seed = 1; seed <= 1000; seed++) {
        struct play p = {.now_ms = 1000,
                         .on_disk = 1,
                         .loaded = 1,
                         .is_routed = true,
                         .shown_bp = -1,
                         .shown_sessions = -1,
                         .is_mischievous = true};
        state = 7U + 2654435761U * (uint64_t)(unsigned)seed;
        move_begin(&p.m, 2, false, p.now_ms);
        (void)play(&p, 1500); /* act() checks */
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_switch_waits_for_the_router),
        cmocka_unit_test(the_limit_comes_before_the_traffic),
        cmocka_unit_test(the_deadline_starts_with_the_switch),
        cmocka_unit_test(a_node_that_was_not_changed_goes_back),
        cmocka_unit_test(traffic_comes_back_when_it_serves),
        cmocka_unit_test(a_load_in_doubt),
        cmocka_unit_test(a_drop_disturbs_nobody),
        cmocka_unit_test(no_traffic_is_disturbed),
        cmocka_unit_test(routing_by_hand_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
