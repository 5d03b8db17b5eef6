/*
 * What is stored of a judging over a real store: rows are bounded and nothing new is lost by that,
 * a gate that began anew does so when it is judged again, and what was counted before a rollout
 * outlives mregd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "support_dir.h"
#include "support_judging.h"

struct bench {
    struct judge_bench *b;
    struct world world;
    struct temp_dir dir;
    struct arena arena;
    struct store *store;
    struct err e;
};

static void ok(struct bench *s, int rc)
{
    if (rc != ERR_OK)
        fail_msg("%s %s", s->e.message, s->e.pointer);
}

static int setup(void **state)
{
    struct bench *s = mem_alloc(sizeof *s);
    void *b = NULL;
    judge_bench_setup(&b);
    s->b = b;
    s->world = (struct world){.envs = &s->b->env, .n_envs = 1};
    s->b->c.world = &s->world;
    temp_dir_make(&s->dir);
    struct store_options options = {.path = temp_dir_file(&s->dir, &s->arena, "mreg.db"),
                                    .n_readers = 1};
    ok(s, store_open(&options, &s->store, &s->e));
    *state = s;
    return 0;
}

static int teardown(void **state)
{
    struct bench *s = *state;
    void *b = s->b;
    marks_clear(&s->b->c.windows);
    s->b->c.world = NULL;
    judge_bench_teardown(&b);
    store_close(s->store);
    arena_clear(&s->arena);
    temp_dir_remove(&s->dir);
    free(s);
    return 0;
}

static int put_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct controller *c = ctx;
    int rc = judging_put_all(c, tx_db(tx), e);
    return rc == ERR_OK ? windows_put_all(c, tx_db(tx), e) : rc;
}

static void put(struct bench *s)
{
    ok(s, store_write(s->store, TX_WORK, put_fn, &s->b->c, &s->e));
    judging_mark_all(&s->b->c);
    windows_mark_all(&s->b->c);
}

/* With many nodes counts alone are stored now and then, and before anything moves on. */
static void test_stored_now_and_then(void **state)
{
    struct bench *s = *state;
    struct judge_bench *b = s->b;

    judge_bench_begin(b);
    judge_bench_turn(b, 20, 0, 60, 0);
    put(s);
    struct judging *j = b->target.judging;
    assert_false(j->is_ahead || judging_is_behind(&b->c, &b->target));
    b->c.o.sample_every_ms = 100; /* four nodes are 120 ms */
    j->stored_ms = b->c.now_ms + JUDGE_EVERY;
    judge_bench_turn(b, 20, 0, 60, 0);
    assert_true(j->is_ahead);
    assert_false(j->is_unwritten);
    assert_true(j->n_intervals > 0); /* nothing is forgotten meanwhile */
    assert_true(judging_is_behind(&b->c, &b->target));
    assert_true(j->is_unwritten);
    put(s);
    assert_false(j->is_ahead || j->is_unwritten);
    assert_int_equal(j->n_intervals, 0);
    judge_bench_turn(b, 20, 0, 60, 0); /* it is time again */
    assert_true(j->is_unwritten);
    put(s);
    j->stored_ms = b->c.now_ms + 100 * JUDGE_EVERY;
    for (int i = 0; i < 50 && judge_bench_result(b)->verdict != VERDICT_FAIL; i++) {
        assert_false(j->is_unwritten);
        judge_bench_turn(b, 0, 20, 60, 0);
    }
    assert_int_equal(judge_bench_result(b)->verdict, VERDICT_FAIL);
    assert_true(j->is_unwritten); /* a verdict at once */
    put(s);
}

static json_t *replay(struct bench *s)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct buf out CLEANUP(buf_clear);
    json_t *nothing CLEANUP(json_decref_ptr) = json_object();
    json_t *j = NULL;
    struct jsonw w;
    buf_init(&out, 1 << 20);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    ok(s, reader_begin(s->store, &r, &s->e));
    struct analysis in = {.db = r.db,
                          .record = &s->b->target.record,
                          .status = &s->b->target.lane.status,
                          .policy = &s->b->policy,
                          .n_points = 10};
    ok(s, analysis_replay(&in, nothing, &w, &s->e));
    jsonw_end(&w);
    ok(s, json_parse(buf_str(&out), out.len, 12, &j, &s->e));
    return j;
}

static json_int_t int_of(const json_t *j, const char *key)
{
    return json_integer_value(json_object_get(j, key));
}

static int64_t n_rows(struct bench *s)
{
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = 0;
    ok(s, reader_begin(s->store, &r, &s->e));
    ok(s, db_analysis_count(r.db, "r-1", 1, &n, &s->e));
    return n;
}

#define MANY 45000
#define AT_ONCE 1500

/* Two days of intervals; it began anew shortly before the end, and then it failed. */
static void test_many_intervals(void **state)
{
    struct bench *s = *state;
    struct judging *j = s->b->target.judging;
    for (int i = 0; i < MANY; i++) {
        struct seq_interval in = {10 + i % 3, i % 50 == 0, 30 + i % 7, i % 20 == 0};
        if (i == MANY - 100)
            judging_keep(j, 0, 1000 + i * 5, &(struct seq_interval){0}, INTERVAL_RESTART);
        if (i >= MANY - 20)
            in.bad_canary = 9;
        judging_keep(j, 0, 1000 + i * 5, &in, INTERVAL_JUDGED);
        if (i % AT_ONCE != AT_ONCE - 1)
            continue;
        judging_changed(&s->b->c, &s->b->target);
        put(s);
        assert_true(n_rows(s) < JUDGING_MAX_ROWS);
        assert_int_equal(n_rows(s), j->gates[0].n_rows);
    }
    json_t *answer CLEANUP(json_decref_ptr) = replay(s);
    const json_t *gate = json_array_get(json_object_get(answer, "gates"), 0);
    assert_string_equal(json_string_value(json_object_get(gate, "verdict")), "fail");
    assert_string_equal(json_string_value(json_object_get(gate, "failed")),
                        "1970-01-01T00:03:45.910Z");
    assert_int_equal(int_of(gate, "n_intervals"), MANY);
    assert_int_equal(int_of(json_object_get(gate, "canary"), "requests"), 1101);
    assert_int_equal(int_of(gate, "restarts"), 1);
    const json_t *merged = json_object_get(gate, "merged");
    assert_true(int_of(merged, "intervals") > MANY / 2);
    assert_true(int_of(merged, "into") < JUDGING_MAX_ROWS);
    assert_true(int_of(merged, "rough") < int_of(merged, "into"));
}

/* A job that posts each second for half a day, and the last values break the limit. */
static void test_many_values(void **state)
{
    struct bench *s = *state;
    judge_bench_use_policy(s->b,
                           "{\"kind\":\"metric\",\"name\":\"m\",\"max\":\"1\",\"for\":\"0\"}");
    struct judging *j = s->b->target.judging;
    for (int i = 0; i < MANY; i++) {
        struct analysis_value v = {.ts_ms = 1000 + i,
                                   .has_value = i % 100 != 7,
                                   .value_micro = i < MANY - 3 ? 500000 + i % 9 : 2000000,
                                   .n_merged = 1};
        judging_keep_value(j, &v);
        if (i % AT_ONCE != AT_ONCE - 1)
            continue;
        judging_changed(&s->b->c, &s->b->target);
        put(s);
        assert_true(n_rows(s) < JUDGING_MAX_ROWS);
    }
    json_t *answer CLEANUP(json_decref_ptr) = replay(s);
    const json_t *gate = json_array_get(json_object_get(answer, "gates"), 0);
    assert_string_equal(json_string_value(json_object_get(gate, "verdict")), "fail");
    assert_string_equal(json_string_value(json_object_get(gate, "failed")),
                        "1970-01-01T00:00:45.997Z");
    assert_int_equal(int_of(gate, "n_values"), MANY);
    assert_true(int_of(json_object_get(gate, "merged"), "values") > MANY / 2);
}

/* A failure, a resume, and nothing bad since: judged again it ends as it did. */
static void test_restart(void **state)
{
    struct bench *s = *state;
    judge_bench_begin(s->b);
    for (int i = 0; i < 8; i++)
        judge_bench_turn(s->b, 18, 2, 20, 0);
    assert_int_equal(judge_bench_result(s->b)->verdict, VERDICT_FAIL);
    s->b->target.lane.status.anew_ms = s->b->c.now_ms;
    for (int i = 0; i < 20; i++)
        judge_bench_turn(s->b, 50, 0, 50, 0);
    assert_int_equal(judge_bench_result(s->b)->verdict, VERDICT_PASS);
    put(s);
    json_t *answer CLEANUP(json_decref_ptr) = replay(s);
    const json_t *gate = json_array_get(json_object_get(answer, "gates"), 0);
    assert_string_equal(json_string_value(json_object_get(gate, "was")), "pass");
    assert_string_equal(json_string_value(json_object_get(gate, "verdict")), "pass");
    assert_non_null(json_object_get(gate, "failed"));
    assert_int_equal(int_of(gate, "restarts"), 1);
    assert_int_equal(int_of(json_object_get(gate, "canary"), "bad"), 0);
}

static void test_restart_of_values(void **state)
{
    struct bench *s = *state;
    judge_bench_use_policy(s->b,
                           "{\"kind\":\"metric\",\"name\":\"m\",\"max\":\"1\",\"for\":\"0\"}");
    struct judged_gate *g = &s->b->target.judging->gates[0];
    judge_bench_begin(s->b);
    for (int i = 0; i < 3; i++) {
        s->b->c.now_ms += 1000;
        struct window_reading r = {
            .ts_ms = s->b->c.now_ms, .look = WINDOW_VALUE, .value_micro = i == 0 ? 5000000 : 1};
        judging_value(&s->b->c, &s->b->target, g, &r);
        judging_judge(&s->b->c, &s->b->env, &s->b->target);
        assert_int_equal(g->result.verdict, i == 0 ? VERDICT_FAIL : VERDICT_PASS);
        s->b->target.lane.status.anew_ms = s->b->c.now_ms;
        judging_take_sides(&s->b->c, &s->b->target);
    }
    put(s);
    json_t *answer CLEANUP(json_decref_ptr) = replay(s);
    const json_t *gate = json_array_get(json_object_get(answer, "gates"), 0);
    assert_string_equal(json_string_value(json_object_get(gate, "verdict")), "pass");
    assert_non_null(json_object_get(gate, "failed"));
}

/* --- merging --- */

static void judge(struct seq_state *st, const struct analysis_interval *list, size_t n)
{
    struct seq_settings settings;
    seq_settings_errors(&settings);
    seq_init(st, &(struct seq_prior){.phi = 1, .widen = 1});
    for (size_t i = 0; i < n; i++) {
        if (list[i].kind == INTERVAL_RESTART)
            seq_init(st, &(struct seq_prior){.phi = 1, .widen = 1});
        else if (list[i].kind == INTERVAL_JUDGED)
            seq_step(st, &settings, &list[i].in);
    }
}

static void expect_same(const struct seq_state *x, const struct seq_state *y)
{
    assert_memory_equal(&x->sum, &y->sum, sizeof x->sum);
    for (int i = 0; i < SEQ_GRID; i++) {
        assert_true(fabs(x->fail_rel[i] - y->fail_rel[i]) < 1e-6);
        assert_true(fabs(x->pass_rel[i] - y->pass_rel[i]) < 1e-6);
        assert_true(fabs(x->fail_floor[i] - y->fail_floor[i]) < 1e-6);
        assert_true(fabs(x->pass_max[i] - y->pass_max[i]) < 1e-6);
    }
}

static uint64_t next_random(uint64_t *dice)
{
    *dice = *dice * 6364136223846793005U + 1442695040888963407U;
    return *dice >> 33;
}

/* Traffic that comes and goes on both sides, a few errors. */
static size_t make_intervals(uint64_t seed, struct analysis_interval *list, size_t n)
{
    uint64_t dice = seed;
    for (size_t i = 0; i < n; i++) {
        struct seq_interval in = {(int64_t)(next_random(&dice) % 4) * 5, 0,
                                  (int64_t)(next_random(&dice) % 4) * 10, 0};
        bool is_bad = next_random(&dice) % 5 == 0;
        in.bad_canary = is_bad && in.n_canary > 0 ? 1 : 0;
        in.bad_base = next_random(&dice) % 7 == 0 && in.n_base > 0 ? 2 : 0;
        bool is_restart = next_random(&dice) % 40 == 0;
        list[i] = (struct analysis_interval){.ts_ms = (int64_t)i,
                                             .kind = i < 3        ? INTERVAL_BEFORE
                                                     : is_restart ? INTERVAL_RESTART
                                                                  : INTERVAL_JUDGED,
                                             .n_merged = 1};
        if (list[i].kind != INTERVAL_RESTART)
            list[i].in = in;
    }
    return n;
}

/* Rows that are not rough change no evidence; rough ones change no sum. */
static void test_merging(void **state)
{
    static struct analysis_interval list[200], whole[200];
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct seq_state before, after;
        size_t n = make_intervals(seed, list, 200);
        memcpy(whole, list, sizeof whole);
        size_t left = judging_merge_intervals(list, n);
        size_t n_rough = 0, at = 0;
        assert_in_range(left, 90, 140);
        for (size_t i = 0; i < left; i++) {
            struct seq_interval sum = {0};
            n_rough += list[i].is_rough;
            for (int64_t k = 0; k < list[i].n_merged; k++, at++) {
                assert_int_equal(whole[at].kind, list[i].kind);
                sum.n_canary += whole[at].in.n_canary;
                sum.bad_base += whole[at].in.bad_base;
            }
            assert_int_equal(list[i].ts_ms, whole[at - 1].ts_ms);
            assert_int_equal(sum.n_canary, list[i].in.n_canary);
            assert_int_equal(sum.bad_base, list[i].in.bad_base);
            /* Up to the first rough one it is the same at each row's end. */
            judge(&before, whole, at);
            judge(&after, list, i + 1);
            if (n_rough == 0)
                expect_same(&before, &after);
        }
        assert_int_equal(at, n);
        judge(&before, whole, n);
        judge(&after, list, left);
        assert_memory_equal(&before.sum, &after.sum, sizeof before.sum);
    }
}

/* --- before the rollout --- */

#define SLICE (6 * (int64_t)JUDGE_EVERY)

/* Node 0 has twice the errors of the others, and errors come in bursts; n slices. */
static void count_before(struct bench *s, int n)
{
    struct judge_bench *b = s->b;
    for (int i = 0; i < n; i++) {
        b->c.now_ms += SLICE;
        struct counted_when when = {.now_ms = b->c.now_ms, .every_ms = SLICE};
        for (int k = 0; k < JUDGE_NODES; k++) {
            b->good[k] += 1000;
            b->bad[k] += i % 4 == 0 ? (k == 0 ? 24 : 12) : 0;
            struct driver_counts counts = {.n_success = b->good[k], .n_failure = b->bad[k]};
            counted_add(&b->counted[k], &counts, &when);
            counted_restore(&b->counted[k], 1, b->c.now_ms / SLICE, SLICE,
                            &(struct counted_cell){50, 5});
        }
        window_note(&b->c, &b->target);
        put(s);
    }
}

static void start_again(struct bench *s)
{
    struct judge_bench *b = s->b;
    struct reader r CLEANUP(reader_end) = {0};
    for (int k = 0; k < JUDGE_NODES; k++) {
        counted_clear(&b->counted[k]);
        b->good[k] = b->bad[k] = 0;
    }
    counted_times_clear(&b->target.times);
    b->target.window_slot = 0;
    b->c.n_windows = 0;
    ok(s, reader_begin(s->store, &r, &s->e));
    windows_load(&b->c, r.db);
}

static struct seq_prior freeze(struct bench *s, int gate)
{
    judging_free(s->b->target.judging);
    s->b->target.judging = judging_new("r-1", &s->b->policy);
    s->b->step.started_ms = s->b->c.now_ms;
    s->b->rnodes[0].step = 1;
    judging_freeze(&s->b->c, &s->b->env, &s->b->target);
    return s->b->target.judging->gates[gate].state.prior;
}

static int64_t n_slices;

static int count_slice(void *ctx, const struct window_slice *slice, struct err *e)
{
    (void)ctx, (void)e;
    assert_true(strlen(slice->document) < 400);
    n_slices++;
    return ERR_OK;
}

static void test_window(void **state)
{
    struct bench *s = *state;
    judge_bench_use_policy(s->b, "{\"kind\":\"error-ratio\"},{\"kind\":\"slow-ratio\"}");
    s->b->target.times.timing = DRIVER_TIMES_SERVER;
    s->b->target.times.kinds[1] = (struct counted_kind){.quantile_ppm = 950000, .bound = 0.3};
    count_before(s, 140);
    struct seq_prior errors = freeze(s, 0), slow = freeze(s, 1);
    assert_true(errors.phi > 2 && errors.widen > 1.5 && slow.phi == 1);
    start_again(s);
    assert_int_equal(s->b->c.n_windows, JUDGE_NODES);
    assert_true(s->b->target.times.kinds[1].bound > 0.29);
    assert_int_equal(s->b->target.times.timing, DRIVER_TIMES_SERVER);
    struct seq_prior again = freeze(s, 0), slow_again = freeze(s, 1);
    assert_true(fabs(again.phi - errors.phi) < 1e-9 && fabs(again.widen - errors.widen) < 1e-9);
    assert_true(slow_again.phi == 1);
    /* It goes on, and no more slices are kept than the window has. */
    int64_t slot = s->b->target.window_slot;
    count_before(s, 10);
    assert_int_equal(s->b->target.window_slot, slot + 10);
    struct reader r CLEANUP(reader_end) = {0};
    ok(s, reader_begin(s->store, &r, &s->e));
    n_slices = 0;
    ok(s, db_windows(r.db, count_slice, NULL, &s->e));
    /* The slice that is under way, and the one that was when mregd ended, are not stored. */
    assert_int_equal(n_slices, counted_n_cells(SLICE) - 2);
}

/* What was slow by another bound is not mixed with what is slow now. */
static void test_window_bound(void **state)
{
    struct bench *s = *state;
    int64_t n = 0, bad = 0;
    s->b->target.times.kinds[1] = (struct counted_kind){.quantile_ppm = 950000, .bound = 0.3};
    count_before(s, 20);
    s->b->target.times.kinds[1].bound = 0.4;
    count_before(s, 5);
    start_again(s);
    for (int64_t slot = 0; slot <= 25; slot++)
        counted_slice(&s->b->counted[0], s->b->target.window_slot - slot, 1, &n, &bad);
    assert_int_equal(n, 5 * 50);
    /* A long time later it says nothing any more. */
    s->b->c.now_ms += 3600000;
    s->b->target.is_rolling = false;
    start_again(s);
    assert_int_equal(s->b->c.n_windows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_many_intervals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stored_now_and_then, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_restart_of_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merging, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window, setup, teardown),
        cmocka_unit_test_setup_teardown(test_window_bound, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
