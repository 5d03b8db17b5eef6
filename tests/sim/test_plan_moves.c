/*
 * What a move makes of the end of an operation, and of what a node says: one node without a router,
 * driven phase by phase. Whatever a call answered, only a look that is newer counts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "move.h"

#define BEGIN_MS 1000000

/* A move to `number` on a node that serves version 1, and its world. */
struct ride {
    struct move m;
    struct op_view op;
    struct observation seen;
    struct move_in in;
    struct move_out out;
    int n_actions[OP_ACTION_COUNT];
};

static void begin(struct ride *r, int64_t number, bool wants_golden)
{
    *r = (struct ride){
        .seen = {.observed_ms = BEGIN_MS, .looked_ms = BEGIN_MS, .ready = {1}, .n_ready = 1}};
    r->in = (struct move_in){.now_ms = BEGIN_MS + 1,
                             .op = &r->op,
                             .seen = &r->seen,
                             .n_golden = 3,
                             .node_deadline_ms = 600000,
                             .is_idle = true,
                             .may_switch = true,
                             .routed_bp = -1,
                             .n_sessions = -1};
    move_begin(&r->m, number, wants_golden, r->in.now_ms);
}

/* One decision; an operation that it wants is open then. */
static void step(struct ride *r)
{
    move_step(&r->m, &r->in, &r->out);
    if (!r->out.has_action)
        return;
    r->n_actions[r->out.action]++;
    if (!op_is_read(r->out.action))
        r->op =
            (struct op_view){.state = OP_OPEN, .action = r->out.action, .attempt = r->m.attempt};
}

static void end_op(struct ride *r, enum op_state state, enum op_class why)
{
    r->in.now_ms += 10;
    r->op.state = state;
    r->op.why = why;
    r->op.ended_ms = r->in.now_ms;
    r->in.now_ms += 10;
}

/* Everything works until the phase has its operation out. */
static void ride_to(struct ride *r, enum move_phase phase)
{
    step(r);
    for (int i = 0; i < 20 && r->m.phase != phase; i++) {
        if (r->out.has_action && op_is_read(r->out.action)) {
            r->in.now_ms += 10;
            r->seen.observed_ms = r->seen.looked_ms = r->in.now_ms;
            r->seen.ready[0] = r->m.number;
        } else {
            end_op(r, OP_DONE, OP_CLASS_NONE);
        }
        step(r);
    }
    assert_int_equal(r->m.phase, phase);
}

/* Also on the way back, where the version that is wanted was seen before the load. */
static void test_a_load_is_seen(void **state)
{
    (void)state;
    for (int64_t number = 1; number <= 2; number++) {
        struct ride r;
        begin(&r, number, false);
        r.seen.ready[0] = number;
        ride_to(&r, MOVE_LOAD);
        end_op(&r, OP_DONE, OP_CLASS_NONE);
        step(&r);
        assert_int_equal(r.out.outcome, MOVE_GOES_ON);
        assert_int_equal(r.m.phase, MOVE_OBSERVE);
        assert_int_equal(r.out.action, OP_OBSERVE);
        r.in.now_ms += 10;
        r.seen.observed_ms = r.seen.looked_ms = r.in.now_ms;
        step(&r);
        assert_int_equal(r.out.outcome, MOVE_DONE);
    }
}

static void test_every_golden_request(void **state)
{
    (void)state;
    struct ride r;
    begin(&r, 2, true);
    ride_to(&r, MOVE_GOLDEN);
    for (int i = 0; i < 10 && r.out.outcome == MOVE_GOES_ON; i++) {
        assert_int_equal(r.out.golden, i);
        end_op(&r, OP_DONE, OP_CLASS_NONE);
        step(&r);
    }
    assert_int_equal(r.out.outcome, MOVE_DONE);
    assert_int_equal(r.n_actions[OP_GOLDEN], 3);
}

/* Ends of operations: where the move goes, and what it asks for after the longest back-off. */
static void test_ends(void **state)
{
    static const struct {
        const char *what;
        enum move_phase at;
        enum op_state state;
        enum op_class why;
        enum move_outcome outcome;
        enum move_phase to;
        enum op_action next;
    } cases[] = {
        {"staged, perhaps", MOVE_STAGE, OP_UNKNOWN, OP_CLASS_NONE, MOVE_GOES_ON, MOVE_STAGE,
         OP_STAGE},
        {"switched, perhaps", MOVE_SWITCH, OP_UNKNOWN, OP_CLASS_NONE, MOVE_GOES_ON, MOVE_SWITCH,
         OP_SWITCH},
        {"loaded, perhaps", MOVE_LOAD, OP_UNKNOWN, OP_CLASS_NONE, MOVE_GOES_ON, MOVE_OBSERVE,
         OP_OBSERVE},
        {"asked, perhaps", MOVE_GOLDEN, OP_UNKNOWN, OP_CLASS_NONE, MOVE_GOES_ON, MOVE_GOLDEN,
         OP_GOLDEN},
        {"not staged", MOVE_STAGE, OP_FAILED, OP_CLASS_TRANSIENT, MOVE_GOES_ON, MOVE_STAGE,
         OP_STAGE},
        {"not switched", MOVE_SWITCH, OP_FAILED, OP_CLASS_TRANSIENT, MOVE_GOES_ON, MOVE_SWITCH,
         OP_SWITCH},
        {"nothing staged", MOVE_SWITCH, OP_FAILED, OP_CLASS_MISSING, MOVE_GOES_ON, MOVE_STAGE,
         OP_STAGE},
        {"no files", MOVE_LOAD, OP_FAILED, OP_CLASS_MISSING, MOVE_GOES_ON, MOVE_STAGE, OP_STAGE},
        {"not loaded any more", MOVE_GOLDEN, OP_FAILED, OP_CLASS_MISSING, MOVE_GOES_ON,
         MOVE_OBSERVE, OP_OBSERVE},
        {"refused", MOVE_SWITCH, OP_FAILED, OP_CLASS_PERMANENT, MOVE_FAILED, MOVE_SWITCH,
         OP_SWITCH},
        {"does not load", MOVE_LOAD, OP_FAILED, OP_CLASS_VERSION, MOVE_FAILED, MOVE_LOAD, OP_LOAD},
        {"answers wrongly", MOVE_GOLDEN, OP_FAILED, OP_CLASS_VERSION, MOVE_FAILED, MOVE_GOLDEN,
         OP_GOLDEN},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct ride r;
        begin(&r, 2, true);
        ride_to(&r, cases[i].at);
        if (cases[i].at == MOVE_GOLDEN) /* what was seen fits no more */
            r.seen.n_ready = cases[i].why == OP_CLASS_MISSING ? 0 : 1;
        int attempt = r.m.attempt;
        end_op(&r, cases[i].state, cases[i].why);
        step(&r);
        if (r.out.outcome != cases[i].outcome || r.m.phase != cases[i].to)
            fail_msg("%s: outcome %d, phase %s", cases[i].what, (int)r.out.outcome,
                     move_phase_name(r.m.phase));
        if (r.out.outcome == MOVE_FAILED)
            continue;
        r.in.now_ms += 5000;
        if (!r.out.has_action)
            step(&r);
        if (!r.out.has_action || r.out.action != cases[i].next)
            fail_msg("%s: then %s", cases[i].what,
                     r.out.has_action ? op_action_name(r.out.action) : "nothing");
        if (!op_is_read(cases[i].next) && r.m.attempt <= attempt)
            fail_msg("%s: attempt %d again", cases[i].what, r.m.attempt);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_load_is_seen),
        cmocka_unit_test(test_every_golden_request),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
