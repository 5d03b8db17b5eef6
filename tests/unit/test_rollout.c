/*
 * Rollouts as data: the tables of moves, the stored status there and back, commands, and what the
 * API and the history are given.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "rollout.h"

static const struct rollout_record record = {
    .id = "r-55",
    .model = "fraud",
    .environment = "production",
    .serve_as = "fraud",
    .target_id = 3,
    .from = 1,
    .to = 2,
    .kind = "promote",
    .actor = "t-1",
    .generation = 7,
    .created_ms = INT64_C(1700000000000),
    .strategy = "{\"strategy\":\"canary\"}",
};

static void test_terminal(void **state)
{
    (void)state;
    static const enum rollout_phase terminal[] = {ROLLOUT_SUCCEEDED, ROLLOUT_ROLLED_BACK,
                                                  ROLLOUT_HALTED,    ROLLOUT_REJECTED,
                                                  ROLLOUT_CANCELLED, ROLLOUT_SUPERSEDED};
    int n = 0;
    for (int p = 0; p < ROLLOUT_PHASE_COUNT; p++)
        n += rollout_phase_is_terminal((enum rollout_phase)p);
    assert_int_equal(n, ARRAY_LEN(terminal));
    for (size_t i = 0; i < ARRAY_LEN(terminal); i++) {
        assert_true(rollout_phase_is_terminal(terminal[i]));
        for (int to = 0; to < ROLLOUT_PHASE_COUNT; to++)
            assert_true((enum rollout_phase)to == terminal[i] ||
                        !rollout_phase_may(terminal[i], (enum rollout_phase)to));
    }
    assert_false(rollout_phase_may(ROLLOUT_ROLLING_BACK, ROLLOUT_RUNNING));
    assert_false(rollout_phase_may(ROLLOUT_PAUSED, ROLLOUT_SUCCEEDED));
    assert_false(rollout_phase_may(ROLLOUT_RUNNING, ROLLOUT_SUCCEEDED));
    assert_true(rollout_phase_may(ROLLOUT_PAUSED, ROLLOUT_ROLLING_BACK));
    assert_false(step_phase_may(STEP_APPLY, STEP_BAKE));
    assert_false(step_phase_may(STEP_BAKE, STEP_DONE));
    assert_false(step_phase_may(STEP_DONE, STEP_BAKE));
}

/* Every phase can be reached from the first one. */
static void test_reachable(void **state)
{
    (void)state;
    bool is_reached[ROLLOUT_PHASE_COUNT] = {[ROLLOUT_SUBMITTED] = true};
    for (int round = 0; round < ROLLOUT_PHASE_COUNT; round++) {
        for (int from = 0; from < ROLLOUT_PHASE_COUNT; from++) {
            for (int to = 0; to < ROLLOUT_PHASE_COUNT; to++) {
                if (is_reached[from] &&
                    rollout_phase_may((enum rollout_phase)from, (enum rollout_phase)to))
                    is_reached[to] = true;
            }
        }
    }
    for (int p = 0; p < ROLLOUT_PHASE_COUNT; p++)
        assert_true(is_reached[p]);
}

static void test_names(void **state)
{
    (void)state;
    for (int p = 0; p < ROLLOUT_PHASE_COUNT; p++) {
        enum rollout_phase back = ROLLOUT_CANCELLED;
        assert_true(rollout_phase_by_name(rollout_phase_name((enum rollout_phase)p), &back));
        assert_int_equal(back, p);
    }
    for (int v = 0; v < COMMAND_VERB_COUNT; v++) {
        enum command_verb back = COMMAND_PAUSE;
        assert_true(command_verb_by_name(command_verb_name((enum command_verb)v), &back));
        assert_int_equal(back, v);
    }
    enum rollout_phase phase;
    enum command_verb verb;
    assert_false(rollout_phase_by_name("done", &phase));
    assert_false(command_verb_by_name("stop", &verb));
    assert_null(command_verb_names()[COMMAND_VERB_COUNT]);
}

static void fill(struct rollout_status *s, struct arena *a)
{
    rollout_status_init(s, 5000);
    s->revision = 9;
    s->phase = ROLLOUT_PAUSED;
    s->step = 1;
    s->n_steps = 2;
    s->steps = arena_alloc(a, 2 * sizeof s->steps[0]);
    s->steps[0] = (struct rollout_step){.n_nodes = 1,
                                        .bake_ms = 30000,
                                        .phase = STEP_GATE,
                                        .started_ms = 4000,
                                        .is_promoted = true};
    s->steps[1].n_nodes = 2;
    s->n_nodes = 2;
    s->nodes = arena_alloc(a, 2 * sizeof s->nodes[0]);
    s->nodes[0] = (struct rollout_node){.node_id = 11,
                                        .name = "n1",
                                        .state = NODE_SERVING,
                                        .step = 1,
                                        .order = 1,
                                        .is_touched = true,
                                        .is_done = true,
                                        .version = 2,
                                        .ready_since_ms = 4500};
    s->nodes[0].evidence.since_ms = 4500;
    s->nodes[0].evidence.n_success = 41;
    s->nodes[0].evidence.last =
        (struct sample){.ts_ms = 4900, .has_counters = true, .n_success = 90};
    s->nodes[0].move.attempt = 4;
    s->nodes[1] = (struct rollout_node){.node_id = 12, .name = "n\"2", .state = NODE_FAILED};
    s->nodes[1].move =
        (struct move){.phase = MOVE_LOAD, .number = 1, .is_issued = true, .attempt = 3};
    snprintf(s->nodes[1].move.text, sizeof s->nodes[1].move.text, "load: no");
    s->nodes[1].has_failed = true;
    s->n_pauses = 1;
    s->pauses[0] =
        (struct rollout_pause){.reason = PAUSE_NO_DATA, .since_ms = 4800, .text = "no metrics"};
    s->steps[0].weight_bp = -1;
    s->steps[0].wave = "eu";
    s->steps[1].max_bake_ms = 90000;
    s->n_approvals = 1;
    s->approvals = arena_alloc(a, sizeof s->approvals[0]);
    s->approvals[0] = (struct rollout_approval){.step = 2, .actor = "t-9", .at_ms = 4100};
    s->fault = ROLLOUT_FAULT_INFRASTRUCTURE;
    s->weight_bp = -1;
    s->way_back = (struct rollout_way_back){
        .n_nodes = 1, .n_at_a_time = 1, .low_point = 1, .eta_ms = 9000, .needs_load = true};
    s->control = CONTROL_LOST;
    s->control_id = 12;
    s->control_ms = 4700;
    s->control_until_ms = 9900;
    snprintf(s->control_text, sizeof s->control_text, "control n\"2 given up: load: no");
    s->nodes[1].move.reloads = true;
    s->n_gates = 1;
    s->gates = arena_alloc(a, sizeof s->gates[0]);
    s->gates[0] = (struct gate_result){.kind = GATE_ERROR_RATE,
                                       .name = "strict",
                                       .verdict = VERDICT_NO_DATA,
                                       .limit = 20000,
                                       .n_missing = 50};
    snprintf(s->waiting, sizeof s->waiting, "paused");
}

static void test_status(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf first CLEANUP(buf_clear);
    struct buf second CLEANUP(buf_clear);
    static struct rollout_status s;
    static struct rollout_status back;
    static struct rollout_status copy;
    struct err e;
    buf_init(&first, ROLLOUT_STATUS_MAX_BYTES);
    buf_init(&second, ROLLOUT_STATUS_MAX_BYTES);
    fill(&s, &a);
    rollout_status_write(&s, &first);
    assert_int_equal(rollout_status_read(buf_str(&first), first.len, &a, &back, &e), ERR_OK);
    assert_int_equal(back.phase, ROLLOUT_PAUSED);
    assert_int_equal(back.nodes[0].evidence.n_success, 41);
    assert_true(back.nodes[0].evidence.last.has_counters);
    assert_int_equal(back.nodes[1].move.phase, MOVE_LOAD);
    assert_string_equal(back.nodes[1].name, "n\"2");
    assert_string_equal(back.nodes[1].move.text, "load: no");
    assert_string_equal(back.pauses[0].text, "no metrics");
    assert_int_equal(back.gates[0].verdict, VERDICT_NO_DATA);
    assert_true(back.steps[0].is_promoted);
    assert_int_equal(back.steps[0].weight_bp, -1);
    assert_string_equal(back.steps[0].wave, "eu");
    assert_null(back.steps[1].wave);
    assert_int_equal(back.steps[1].max_bake_ms, 90000);
    assert_string_equal(back.gates[0].name, "strict");
    assert_string_equal(back.approvals[0].actor, "t-9");
    assert_int_equal(back.fault, ROLLOUT_FAULT_INFRASTRUCTURE);
    assert_int_equal(back.way_back.eta_ms, 9000);
    assert_true(back.way_back.needs_load);
    assert_int_equal(back.control, CONTROL_LOST);
    assert_int_equal(back.control_id, 12);
    assert_int_equal(back.control_ms, 4700);
    assert_int_equal(back.control_until_ms, 9900);
    assert_string_equal(back.control_text, s.control_text);
    assert_true(back.nodes[1].move.reloads);
    rollout_status_copy(&back, &a, &copy);
    rollout_status_write(&copy, &second);
    assert_string_equal(buf_str(&first), buf_str(&second));
}

static void test_bad_status(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "7",
        "{}",
        "{\"pauses\":[],\"gates\":[],\"steps\":[]}",
        "{\"phase\":\"going\",\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[]}",
        "{\"step\":1,\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[]}",
        "{\"step\":-1,\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[]}",
        "{\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[{}]}",
        "{\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[7]}",
        "{\"pauses\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}",
        "{\"approvals\":7,\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[]}",
        "{\"fault\":\"mine\",\"pauses\":[],\"gates\":[],\"steps\":[],\"nodes\":[]}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct rollout_status s;
        struct err e;
        if (rollout_status_read(texts[i], strlen(texts[i]), &a, &s, &e) != ERR_CORRUPT)
            fail_msg("%s was taken", texts[i]);
    }
}

/* What earlier programs stored is read as what it meant. */
static void test_old_status(void **state)
{
    (void)state;
    static const char text[] =
        "{\"phase\":\"paused\",\"pauses\":[{\"reason\":\"no_data\",\"since_ms\":5,\"text\":\"x\"},"
        "{\"reason\":\"gate\",\"text\":\"y\"}],\"gates\":[],\"steps\":[],\"nodes\":[]}";
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status s;
    struct err e;
    assert_int_equal(rollout_status_read(text, strlen(text), &a, &s, &e), ERR_OK);
    assert_int_equal(s.pauses[0].reason, PAUSE_NO_DATA);
    assert_int_equal(s.pauses[1].reason, PAUSE_GATE);
    assert_int_equal(s.n_approvals, 0);
}

static void test_pause_names(void **state)
{
    (void)state;
    for (int r = 0; r < PAUSE_REASON_COUNT; r++) {
        enum pause_reason back = PAUSE_USER;
        assert_true(pause_reason_by_name(pause_reason_name((enum pause_reason)r), &back));
        assert_int_equal(back, r);
        assert_null(strchr(pause_reason_name((enum pause_reason)r), '_'));
    }
    enum pause_reason r;
    assert_false(pause_reason_by_name("lunch", &r));
    assert_true(pause_is_lifted(PAUSE_METRICS_ERROR));
    assert_false(pause_is_lifted(PAUSE_FREEZE));
    assert_false(pause_is_lifted(PAUSE_APPROVAL));
}

/* A node that is not in the step may be found gone at any time, also right after a start. */
static void test_gone_at_any_time(void **state)
{
    (void)state;
    static const enum node_state of_rest[] = {NODE_OLD, NODE_ROLLING_BACK, NODE_RELOADING,
                                              NODE_UNREACHABLE};
    for (size_t i = 0; i < ARRAY_LEN(of_rest); i++) {
        assert_true(node_state_may(of_rest[i], NODE_LEFT_OUT));
        assert_true(node_state_may(of_rest[i], NODE_UNREACHABLE));
    }
}

static void test_commands(void **state)
{
    (void)state;
    static const struct {
        enum rollout_phase phase;
        enum command_verb verb;
        int64_t expected;
        int code;
    } cases[] = {
        {ROLLOUT_RUNNING, COMMAND_PAUSE, 0, ERR_OK},
        {ROLLOUT_RUNNING, COMMAND_PROMOTE, 2, ERR_OK},
        {ROLLOUT_RUNNING, COMMAND_PROMOTE, 1, ERR_CONFLICT},
        {ROLLOUT_SUCCEEDED, COMMAND_ABORT, 0, ERR_CONFLICT},
        {ROLLOUT_ROLLING_BACK, COMMAND_RESUME, 0, ERR_CONFLICT},
        {ROLLOUT_ROLLING_BACK, COMMAND_ABORT, 0, ERR_OK},
        {ROLLOUT_ROLLBACK_STUCK, COMMAND_PROMOTE_FULL, 0, ERR_CONFLICT},
        {ROLLOUT_ROLLBACK_STUCK, COMMAND_HALT, 0, ERR_OK},
        {ROLLOUT_ROLLING_BACK, COMMAND_EXTEND, 0, ERR_CONFLICT},
        {ROLLOUT_SUPERSEDED, COMMAND_APPROVE, 0, ERR_CONFLICT},
        {ROLLOUT_RUNNING, COMMAND_RESUME, 0, ERR_CONFLICT}, /* nothing would change */
        {ROLLOUT_FINALIZING, COMMAND_PAUSE, 0, ERR_CONFLICT},
        {ROLLOUT_FINALIZING, COMMAND_PROMOTE, 0, ERR_CONFLICT},
        {ROLLOUT_FINALIZING, COMMAND_EXTEND, 0, ERR_CONFLICT},
        {ROLLOUT_FINALIZING, COMMAND_ABORT, 0, ERR_OK},
        {ROLLOUT_FINALIZING, COMMAND_HALT, 0, ERR_OK},
        {ROLLOUT_QUEUED, COMMAND_PROMOTE, 0, ERR_CONFLICT},
        {ROLLOUT_QUEUED, COMMAND_ABORT, 0, ERR_OK},
        {ROLLOUT_QUEUED, COMMAND_APPROVE, 0, ERR_OK},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct rollout_status s = {.phase = cases[i].phase, .step = 2, .n_steps = 3};
        struct err e;
        assert_int_equal(rollout_command_check(&s, cases[i].verb, cases[i].expected, &e),
                         cases[i].code);
    }
}

/* The end of the last step is refused while no node serves the new version. */
static void test_end_of_what_nobody_serves(void **state)
{
    (void)state;
    struct rollout_node nodes[2] = {0};
    struct rollout_status s = {
        .phase = ROLLOUT_RUNNING, .step = 1, .n_steps = 2, .nodes = nodes, .n_nodes = 2};
    struct err e;
    assert_int_equal(rollout_command_check(&s, COMMAND_PROMOTE, 0, &e), ERR_OK);
    s.step = 2;
    assert_int_equal(rollout_command_check(&s, COMMAND_PROMOTE, 0, &e), ERR_CONFLICT);
    assert_int_equal(rollout_command_check(&s, COMMAND_PROMOTE_FULL, 0, &e), ERR_CONFLICT);
    assert_int_equal(rollout_command_check(&s, COMMAND_PAUSE, 0, &e), ERR_OK);
    nodes[1].is_done = true;
    assert_int_equal(rollout_command_check(&s, COMMAND_PROMOTE, 0, &e), ERR_OK);
}

/* A resume that could end nothing is refused, with what it waits for. */
static void test_resume_of_a_freeze(void **state)
{
    (void)state;
    struct rollout_status s = {.phase = ROLLOUT_PAUSED, .step = 1, .n_steps = 1, .n_pauses = 1};
    struct err e;
    s.pauses[0].reason = PAUSE_FREEZE;
    snprintf(s.waiting, sizeof s.waiting, "paused (freeze): release week");
    assert_int_equal(rollout_command_check(&s, COMMAND_RESUME, 0, &e), ERR_CONFLICT);
    assert_non_null(strstr(e.message, "release week"));
    assert_int_equal(rollout_command_check(&s, COMMAND_ABORT, 0, &e), ERR_OK);
    s.pauses[0].reason = PAUSE_DEPENDENCY; /* may be lifted by name */
    assert_int_equal(rollout_command_check(&s, COMMAND_RESUME, 0, &e), ERR_OK);
}

static void test_api(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf out CLEANUP(buf_clear);
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    struct rollout_status s;
    struct jsonw w;
    struct err e;
    buf_init(&out, 1 << 20);
    fill(&s, &a);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    rollout_status_api(&record, &s, &w);
    jsonw_end(&w);
    assert_int_equal(json_parse(buf_str(&out), out.len, 16, &j, &e), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(j, "phase")), "paused");
    assert_string_equal(json_string_value(json_object_get(j, "step_phase")), "gate");
    assert_int_equal(json_integer_value(json_object_get(j, "revision")), 9);
    const json_t *nodes = json_object_get(j, "nodes");
    assert_int_equal(json_array_size(nodes), 2);
    const json_t *first = json_array_get(nodes, 0);
    assert_int_equal(json_integer_value(json_object_get(first, "wanted")), 2);
    const json_t *second = json_array_get(nodes, 1);
    assert_int_equal(json_integer_value(json_object_get(second, "wanted")), 1);
    assert_string_equal(json_string_value(json_object_get(second, "state")), "failed");
    assert_string_equal(json_string_value(json_object_get(
                            json_array_get(json_object_get(j, "pauses"), 0), "reason")),
                        "no-data");
}

static void test_document(void **state)
{
    (void)state;
    struct arena a CLEANUP(arena_clear) = {0};
    struct buf out CLEANUP(buf_clear);
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    json_t *early CLEANUP(json_decref_ptr) = NULL;
    struct rollout_status s;
    struct err e;
    buf_init(&out, 1 << 20);
    fill(&s, &a);
    assert_int_equal(rollout_document(&record, &s, &doc, &e), ERR_OK);
    /* It goes into the history: canonical JSON has no reals and no nulls. */
    assert_int_equal(json_canonical(doc, &out, &e), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(doc, "kind")), "mreg.rollout");
    assert_int_equal(json_array_size(json_object_get(doc, "failed_nodes")), 1);
    assert_int_equal(rollout_document(&record, NULL, &early, &e), ERR_OK);
    assert_string_equal(json_string_value(json_object_get(early, "phase")), "submitted");
    struct rollout_record bad = record;
    bad.strategy = "{";
    assert_int_equal(rollout_document(&bad, &s, &early, &e), ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_reachable),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_bad_status),
        cmocka_unit_test(test_old_status),
        cmocka_unit_test(test_pause_names),
        cmocka_unit_test(test_gone_at_any_time),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_end_of_what_nobody_serves),
        cmocka_unit_test(test_resume_of_a_freeze),
        cmocka_unit_test(test_api),
        cmocka_unit_test(test_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
