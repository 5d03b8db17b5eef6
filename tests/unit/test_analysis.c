/*
 * What people are shown of a judging, over a real store: sums and evidence as they were judged,
 * series that are bounded and lose nothing, judging again with other settings, and what is removed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "analysis.h"
#include "support_dir.h"

#define N_BEFORE 20
#define N_AFTER 100

struct bench {
    struct temp_dir dir;
    struct store *store;
    struct arena arena;
    struct policy policy;
    struct rollout_record record;
    struct rollout_status status;
    struct judging *judging;
    struct err e;
};

static void ok(struct bench *b, int rc)
{
    if (rc != ERR_OK)
        fail_msg("%s %s", b->e.message, b->e.pointer);
}

static int put_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct bench *b = ctx;
    struct buf text CLEANUP(buf_clear);
    int rc = ERR_OK;
    buf_init(&text, 1 << 20);
    judging_write(b->judging, &text);
    rc = db_analysis_put(tx_db(tx), "r-1", buf_str(&text), 5000, e);
    for (size_t i = 0; rc == ERR_OK && i < b->judging->n_intervals; i++)
        rc = db_interval_put(tx_db(tx), "r-1", &b->judging->intervals[i], e);
    for (int i = 0; rc == ERR_OK && i < 10; i++) {
        struct analysis_value v = {.gate = 1,
                                   .ts_ms = 2000 + i,
                                   .has_value = i != 3,
                                   .value_micro = i * 100000,
                                   .n_merged = 1};
        rc = db_value_put(tx_db(tx), "r-1", &v, e);
    }
    return rc;
}

/* A tenth of the canary's requests fail, none of the others'. */
static void judge(struct bench *b)
{
    struct judged_gate *g = &b->judging->gates[0];
    for (int i = 0; i < N_BEFORE + N_AFTER; i++) {
        bool is_before = i < N_BEFORE;
        struct seq_interval in = {10, is_before ? 0 : 1, 30, 0};
        if (!is_before)
            seq_step(&g->state, &g->settings, &in);
        judging_keep(b->judging, 0, 1000 + i * 5, &in,
                     is_before ? INTERVAL_BEFORE : INTERVAL_JUDGED);
    }
    g->result.verdict = VERDICT_FAIL;
    g->result.since_ms = 1500;
    b->judging->begun_ms = 1100;
    b->judging->closed_ms = 1600;
    window_begin(&b->judging->gates[1].window, 1100);
}

static int setup(void **state)
{
    struct bench *b = mem_alloc(sizeof *b);
    temp_dir_make(&b->dir);
    struct store_options options = {.path = temp_dir_file(&b->dir, &b->arena, "mreg.db"),
                                    .n_readers = 1};
    ok(b, store_open(&options, &b->store, &b->e));
    ok(b, policy_read("{\"gates\":[{\"kind\":\"error-ratio\"},{\"kind\":\"metric\",\"name\":\"m\","
                      "\"max\":\"0.5\",\"for\":\"0\"},{\"kind\":\"health\"}]}",
                      &b->policy, &b->e));
    b->record = (struct rollout_record){.id = "r-1", .from = 1, .to = 2};
    b->judging = judging_new("r-1", &b->policy);
    judge(b);
    ok(b, store_write(b->store, TX_WORK, put_fn, b, &b->e));
    *state = b;
    return 0;
}

static int teardown(void **state)
{
    struct bench *b = *state;
    judging_free(b->judging);
    store_close(b->store);
    arena_clear(&b->arena);
    temp_dir_remove(&b->dir);
    free(b);
    return 0;
}

/* The answer as JSON; gates NULL: what was judged, else judged again with them. */
static json_t *answer(struct bench *b, int64_t n_points, const char *gates, int wanted)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct buf out CLEANUP(buf_clear);
    json_t *settings CLEANUP(json_decref_ptr) = NULL;
    json_t *j = NULL;
    struct jsonw w;
    buf_init(&out, 1 << 20);
    jsonw_init(&w, &out);
    jsonw_object(&w, NULL);
    ok(b, reader_begin(b->store, &r, &b->e));
    struct analysis in = {.db = r.db,
                          .record = &b->record,
                          .status = &b->status,
                          .policy = &b->policy,
                          .n_points = n_points};
    int rc;
    if (gates == NULL) {
        rc = analysis_write(&in, &w, &b->e);
    } else {
        ok(b, json_parse(gates, strlen(gates), 8, &settings, &b->e));
        rc = analysis_replay(&in, settings, &w, &b->e);
    }
    assert_int_equal(rc, wanted);
    if (rc != ERR_OK)
        return NULL;
    jsonw_end(&w);
    ok(b, json_parse(buf_str(&out), out.len, 12, &j, &b->e));
    return j;
}

static json_int_t int_of(const json_t *gate, const char *side, const char *key)
{
    return json_integer_value(json_object_get(json_object_get(gate, side), key));
}

static const char *text_of(const json_t *j, const char *key)
{
    const char *text = json_string_value(json_object_get(j, key));
    return text != NULL ? text : "";
}

static void test_shown(void **state)
{
    struct bench *b = *state;
    json_t *j CLEANUP(json_decref_ptr) = answer(b, 10, NULL, ERR_OK);
    const json_t *gate = json_array_get(json_object_get(j, "gates"), 0);
    assert_string_equal(text_of(gate, "verdict"), "fail");
    assert_int_equal(int_of(gate, "canary", "requests"), 10 * N_AFTER);
    assert_int_equal(int_of(gate, "canary", "bad"), N_AFTER);
    assert_int_equal(int_of(gate, "baseline", "requests"), 30 * N_AFTER);
    const json_t *before = json_object_get(gate, "before");
    assert_int_equal(int_of(before, "baseline", "requests"), 30 * N_BEFORE);
    const json_t *series = json_object_get(gate, "series");
    const json_t *point;
    size_t i;
    json_int_t n = 0, bad = 0;
    double last = 0;
    assert_in_range(json_array_size(series), 8, 11);
    json_array_foreach(series, i, point)
    {
        n += json_integer_value(json_object_get(point, "canary"));
        bad += json_integer_value(json_object_get(point, "canary_bad"));
        last = json_number_value(json_object_get(point, "evidence"));
    }
    assert_int_equal(n, 10 * (N_BEFORE + N_AFTER));
    assert_int_equal(bad, N_AFTER);
    const json_t *evidence = json_object_get(gate, "evidence");
    double now = json_number_value(json_object_get(evidence, "ratio"));
    assert_true(now > json_number_value(json_object_get(evidence, "ratio_fails_at")));
    assert_true(last > now * 0.999 && last < now * 1.001);
    gate = json_array_get(json_object_get(j, "gates"), 1);
    assert_int_equal(json_array_size(json_object_get(gate, "series")), 10);
    point = json_array_get(json_object_get(gate, "series"), 3);
    assert_null(json_object_get(point, "value"));
}

static void test_all_points(void **state)
{
    json_t *j CLEANUP(json_decref_ptr) = answer(*state, 1000, NULL, ERR_OK);
    const json_t *gate = json_array_get(json_object_get(j, "gates"), 0);
    assert_int_equal(json_array_size(json_object_get(gate, "series")), N_BEFORE + N_AFTER);
}

static void test_replayed(void **state)
{
    struct bench *b = *state;
    json_t *same CLEANUP(json_decref_ptr) = answer(b, 10, "{}", ERR_OK);
    const json_t *gate = json_array_get(json_object_get(same, "gates"), 0);
    assert_int_equal(json_array_size(json_object_get(same, "gates")), 2); /* health is not judged */
    assert_string_equal(text_of(gate, "was"), "fail");
    assert_string_equal(text_of(gate, "verdict"), "fail");
    assert_string_not_equal(text_of(gate, "failed"), "");
    json_t *other CLEANUP(json_decref_ptr) = answer(
        b, 10, "{\"error-ratio\":{\"floor\":\"0.2\",\"max\":\"0.3\"},\"m\":{\"max\":\"0.7\"}}",
        ERR_OK);
    gate = json_array_get(json_object_get(other, "gates"), 0);
    assert_string_equal(text_of(gate, "verdict"), "pass");
    assert_string_equal(text_of(gate, "failed"), "");
    assert_string_not_equal(text_of(gate, "passed"), "");
    gate = json_array_get(json_object_get(other, "gates"), 1);
    assert_string_equal(text_of(gate, "verdict"), "fail"); /* the last values are 0.8 and 0.9 */
    assert_string_equal(text_of(gate, "failed"), "1970-01-01T00:00:02.008Z");
}

static void test_refused(void **state)
{
    static const struct {
        const char *gates, *pointer;
    } cases[] = {
        {"{\"nope\":{}}", "/gates"},
        {"{\"health\":{}}", "/gates"},
        {"{\"error-ratio\":1}", "/gates"},
        {"{\"error-ratio\":{\"ratio\":\"0.1\"}}", "/gates/error-ratio/ratio"},
        {"{\"error-ratio\":{\"ration\":\"2\"}}", "/gates/error-ratio/ration"},
        {"{\"error-ratio\":{\"quantile\":\"0.5\"}}", "/gates"},
    };
    struct bench *b = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        (void)answer(b, 10, cases[i].gates, ERR_INVALID);
        assert_string_equal(b->e.pointer, cases[i].pointer);
    }
}

static int trim_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_analysis_trim(tx_db(tx), *(const int64_t *)ctx, e);
}

static void test_trimmed(void **state)
{
    struct bench *b = *state;
    int64_t before = 5000;
    ok(b, store_write(b->store, TX_WORK, trim_fn, &before, &b->e));
    json_t *kept CLEANUP(json_decref_ptr) = answer(b, 10, NULL, ERR_OK);
    const json_t *gate = json_array_get(json_object_get(kept, "gates"), 0);
    assert_int_equal(int_of(gate, "canary", "bad"), N_AFTER);
    before = 5001;
    ok(b, store_write(b->store, TX_WORK, trim_fn, &before, &b->e));
    json_t *gone CLEANUP(json_decref_ptr) = answer(b, 10, NULL, ERR_OK);
    gate = json_array_get(json_object_get(gone, "gates"), 0);
    assert_string_equal(text_of(gate, "verdict"), "none");
    assert_int_equal(json_array_size(json_object_get(gate, "series")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_shown, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replayed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trimmed, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
