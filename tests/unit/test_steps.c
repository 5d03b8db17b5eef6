/*
 * Steps: what each strategy means for given nodes, in which order, over waves, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "steps.h"

#define MAX_NODES 12

/* Nodes as a text of two letters each, wave and order key, '-' for none: "az bz b-". */
static int read_nodes(const char *text, struct step_node *nodes, char values[][2])
{
    int n = 0;
    for (; text[0] != '\0'; text += text[2] == ' ' ? 3 : 2, n++) {
        values[2 * n][0] = text[0];
        values[2 * n + 1][0] = text[1];
        nodes[n].wave = text[0] == '-' ? NULL : values[2 * n];
        nodes[n].order_key = text[1] == '-' ? "" : values[2 * n + 1];
    }
    return n;
}

/* "2/3:30s w5000 m ?1" is a step of 2 nodes that may reach 3, bakes 30 s, with weight, mirrored,
 * one approval. */
static void show(const struct rollout_step *s, char *out, size_t size)
{
    int n = snprintf(out, size, "%d", s->n_nodes);
    if (s->reach != s->n_nodes)
        n += snprintf(out + n, size - (size_t)n, "/%d", s->reach);
    if (s->bake_ms > 0)
        n += snprintf(out + n, size - (size_t)n, ":%d", (int)(s->bake_ms / 1000));
    if (s->weight_bp >= 0)
        n += snprintf(out + n, size - (size_t)n, "w%d", s->weight_bp);
    if (s->is_mirrored)
        n += snprintf(out + n, size - (size_t)n, "m");
    if (s->n_approvals > 0)
        snprintf(out + n, size - (size_t)n, "?%d", s->n_approvals);
}

static const char *all_steps(const char *policy, const char *nodes)
{
    static char out[512];
    static struct policy p;
    struct arena a CLEANUP(arena_clear) = {0};
    struct step_node labels[MAX_NODES] = {{0}};
    char values[2 * MAX_NODES][2] = {{0}};
    struct rollout_step *steps = NULL;
    struct err e;
    int n_nodes = read_nodes(nodes, labels, values);
    if (policy_read(policy, &p, &e) != ERR_OK)
        fail_msg("%s: %s", policy, e.message);
    int n = steps_make(&p, labels, n_nodes, &a, &steps);
    out[0] = '\0';
    for (int i = 0; i < n; i++) {
        char one[64];
        show(&steps[i], one, sizeof one);
        snprintf(out + strlen(out), sizeof out - strlen(out), "%s%s", i > 0 ? " " : "", one);
        /* What holds whatever the policy says. */
        assert_true(steps[i].n_nodes <= steps[i].reach);
        assert_true(steps[i].max_bake_ms >= steps[i].bake_ms);
        assert_true(i == 0 || steps[i].n_nodes >= steps[i - 1].n_nodes);
    }
    assert_int_equal(steps[n - 1].n_nodes, n_nodes);
    return out;
}

static void test_steps(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *nodes, *steps;
    } cases[] = {
        {"{\"bake\":\"5s\"}", "-- -- --", "1/3:5 2/3:5 3:5"},
        {"{\"bake\":\"0\",\"batch\":2}", "-- -- -- -- --", "2/5 4/5 5"},
        {"{\"bake\":\"0\",\"batch\":\"50%\"}", "-- -- -- -- --", "2/5 4/5 5"},
        {"{\"bake\":\"0\",\"batch\":\"1%\"}", "-- -- --", "1/3 2/3 3"},
        {"{\"bake\":\"0\",\"batch\":10}", "-- -- -- -- --", "5"},
        {"{\"strategy\":\"all-at-once\",\"bake\":\"1s\"}", "-- -- --", "3:1"},
        /* A canary: the last step always reaches everybody, and none is smaller than before. */
        {"{\"strategy\":\"canary\"}", "-- -- -- -- -- --", "1/6:30 3/6:60 6"},
        {"{\"strategy\":\"canary\"}", "--", "1:30 1:60 1"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1}]}", "-- -- -- --", "1/4 4"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":9}]}", "-- -- -- --", "4"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"percent\":1},{\"percent\":26}]}", "-- -- -- --",
         "1/4 2/4 4"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":2},{\"percent\":10}]}", "-- -- -- -- --",
         "2/5 2/5 5"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"weight\":\"1\"},{\"weight\":\"12.5\",\"nodes\":2,"
         "\"approvals\":1}]}",
         "-- -- -- --", "1/4w100 2/4w1250?1 4"},
        /* Holdback: the last nodes follow when everything has been judged. */
        {"{\"bake\":\"5s\",\"holdback\":1}", "-- -- --", "1/2:5 2:5 3"},
        {"{\"bake\":\"5s\",\"holdback\":7}", "-- -- --", "1:5 3"},
        {"{\"bake\":\"5s\",\"holdback\":7}", "--", "1:5"},
        {"{\"strategy\":\"all-at-once\",\"bake\":\"5s\",\"holdback\":1}", "-- -- --", "2:5 3"},
        {"{\"strategy\":\"canary\",\"holdback\":1}", "-- -- -- --", "1/3:30 2/3:60 3 4"},
        /* Waves: no step reaches over the end of one. */
        {"{\"wave_by\":\"z\",\"bake\":\"0\",\"batch\":2}", "b- a- a- b- a-", "2/3 3 5"},
        {"{\"wave_by\":\"z\",\"bake\":\"1s\",\"wave_bake\":\"9s\"}", "a- a- b-", "1/2:1 2:9 3:1"},
        {"{\"wave_by\":\"z\",\"bake\":\"9s\",\"wave_bake\":\"1s\"}", "a- b-", "1:9 2:9"},
        {"{\"wave_by\":\"z\",\"strategy\":\"all-at-once\",\"bake\":\"0\"}", "a- b- -- b-", "1 3 4"},
        {"{\"wave_by\":\"z\",\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"approvals\":2},"
         "{\"percent\":75,\"bake\":\"3s\",\"approvals\":1}]}",
         "a- a- b- b-", "1/2?2 2:3?1 3/4:3 4"},
        {"{\"wave_by\":\"z\",\"holdback\":2,\"bake\":\"0\",\"batch\":9}", "a- a- b-", "1 2 3"},
        /* Without the policy's label there are no waves. */
        {"{\"bake\":\"0\",\"batch\":9}", "a- b-", "2"},
        /* Blue and green: half without traffic, half with all of it, then the other half. */
        {"{\"strategy\":\"blue-green\",\"preview\":\"7s\",\"teardown\":\"9s\",\"bake\":\"5s\"}",
         "-- -- -- --", "2/4:7w0 2/4:9w10000 4:5"},
        {"{\"strategy\":\"blue-green\",\"preview\":\"7s\",\"teardown\":\"0\",\"bake\":\"5s\"}",
         "-- -- --", "2/3:7w0 2/3:5w10000 3:5"},
        {"{\"strategy\":\"shadow\",\"bake\":\"5s\",\"batch\":2}", "-- -- --", "1/3:5w0m 2/3:5 3:5"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *steps = all_steps(cases[i].policy, cases[i].nodes);
        if (strcmp(steps, cases[i].steps) != 0)
            fail_msg("%s of %s: %s, not %s", cases[i].policy, cases[i].nodes, steps,
                     cases[i].steps);
    }
}

static void test_patience(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int64_t max_ms; /* of the first step */
    } cases[] = {
        {"{\"bake\":\"10m\"}", 1800000},
        {"{\"bake\":\"5s\"}", 65000}, /* a few samples at least */
        {"{\"bake\":\"0\"}", 0},
        {"{\"bake\":\"5s\",\"max_bake\":\"7s\"}", 7000},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"2s\"}],\"bake\":\"1s\","
         "\"max_bake\":\"4s\"}",
         4000},
        {"{\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"2s\",\"max_bake\":\"3s\"}],"
         "\"bake\":\"1s\",\"max_bake\":\"9s\"}",
         3000},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static struct policy p;
        struct arena a CLEANUP(arena_clear) = {0};
        struct rollout_step *steps = NULL;
        struct err e;
        assert_int_equal(policy_read(cases[i].policy, &p, &e), ERR_OK);
        steps_make(&p, NULL, 3, &a, &steps);
        assert_int_equal(steps[0].max_bake_ms, cases[i].max_ms);
    }
}

static void test_order(void **state)
{
    (void)state;
    static const struct {
        const char *policy, *nodes;
        int order[6];
    } cases[] = {
        {"{}", "bz ay az", {0, 1, 2}},
        {"{\"order_by\":\"k\"}", "bz ay az", {1, 0, 2}},
        {"{\"wave_by\":\"z\"}", "bz ay az", {1, 2, 0}},
        {"{\"wave_by\":\"z\",\"order_by\":\"k\"}", "bz az ay bc", {2, 1, 3, 0}},
        /* Without a label: last. */
        {"{\"wave_by\":\"z\",\"order_by\":\"k\"}", "-a b- bz", {2, 1, 0}},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static struct policy p;
        struct arena a CLEANUP(arena_clear) = {0};
        struct step_node labels[MAX_NODES] = {{0}};
        char values[2 * MAX_NODES][2] = {{0}};
        int order[MAX_NODES];
        struct err e;
        int n = read_nodes(cases[i].nodes, labels, values);
        assert_int_equal(policy_read(cases[i].policy, &p, &e), ERR_OK);
        steps_order(&p, labels, n, &a, order);
        assert_memory_equal(order, cases[i].order, (size_t)n * sizeof order[0]);
    }
}

/* As many waves as nodes, in the largest environment. */
static void test_many(void **state)
{
    (void)state;
    static struct policy p;
    static struct step_node labels[ROLLOUT_MAX_NODES];
    static char names[ROLLOUT_MAX_NODES][8];
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_step *steps = NULL;
    struct err e;
    for (int i = 0; i < ROLLOUT_MAX_NODES; i++) {
        snprintf(names[i], sizeof names[i], "%04d", i % 10000);
        labels[i].wave = names[i];
    }
    assert_int_equal(policy_read("{\"wave_by\":\"w\",\"strategy\":\"canary\"}", &p, &e), ERR_OK);
    int n = steps_make(&p, labels, ROLLOUT_MAX_NODES, &a, &steps);
    assert_in_range(n, ROLLOUT_MAX_NODES, ROLLOUT_MAX_STEPS);
    assert_int_equal(steps[n - 1].n_nodes, ROLLOUT_MAX_NODES);
}

#define CONTROL(gate, bake)                                                                     \
    "{\"strategy\":\"canary\",\"reload_control\":true,\"steps\":[{\"nodes\":1,\"bake\":\"" bake \
    "\"}],\"gates\":[" gate "]}"

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *policy;
        int n_nodes;
        bool has_router, can_mirror;
        const char *words; /* NULL: fine */
    } cases[] = {
        {"{}", 1, false, false, NULL},
        {"{\"strategy\":\"canary\"}", 3, false, false, NULL},
        {"{\"strategy\":\"blue-green\"}", 3, false, false, "router"},
        {"{\"strategy\":\"blue-green\"}", 1, true, false, "two nodes"},
        {"{\"strategy\":\"blue-green\"}", 2, true, false, NULL},
        {"{\"strategy\":\"shadow\"}", 2, false, false, "router"},
        {"{\"strategy\":\"shadow\"}", 2, true, false, "mirror"},
        {"{\"strategy\":\"shadow\"}", 2, true, true, NULL},
        {"{\"strategy\":\"canary\",\"steps\":[{\"weight\":\"5\"}]}", 2, false, false, "weight"},
        {"{\"strategy\":\"canary\",\"steps\":[{\"weight\":\"5\"}]}", 2, true, false, NULL},
        {"{\"reload_control\":true}", 3, false, false, "strategy canary"},
        {CONTROL("{\"kind\":\"error-ratio\"}", "9s"), 3, false, false, NULL},
        {CONTROL("{\"kind\":\"slow-ratio\"}", "9s"), 2, false, false, NULL},
        {CONTROL("{\"kind\":\"health\"}", "9s"), 3, false, false, "gate that compares"},
        {CONTROL("{\"kind\":\"error-ratio\"}", "0"), 3, false, false, "bake in the first step"},
        {CONTROL("{\"kind\":\"error-ratio\"}", "9s"), 1, false, false, "there is none"},
        /* Steps are of canaries only. */
        {"{\"steps\":[{\"weight\":\"5\"}]}", 2, false, false, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        static struct policy p;
        struct err e;
        if (policy_read(cases[i].policy, &p, &e) != ERR_OK)
            fail_msg("case %zu: %s at %s", i, e.message, e.pointer);
        const char *words =
            steps_refuse(&p, cases[i].n_nodes, cases[i].has_router, cases[i].can_mirror);
        assert_int_equal(words == NULL, cases[i].words == NULL);
        assert_true(words == NULL || strstr(words, cases[i].words) != NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_steps), cmocka_unit_test(test_patience), cmocka_unit_test(test_order),
        cmocka_unit_test(test_many),  cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
