#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support_judging.h"

void judge_bench_use_policy(struct judge_bench *b, const char *gates)
{
    char text[1000];
    struct err e;
    snprintf(text, sizeof text,
             "{\"strategy\":\"all-at-once\",\"min_healthy\":\"0\",\"gates\":[%s]}", gates);
    int rc = policy_read(text, &b->policy, &e);
    if (rc != ERR_OK)
        fail_msg("%s at %s", e.message, e.pointer);
    judging_free(b->target.judging);
    b->target.judging = judging_new("r-1", &b->policy);
}

int judge_bench_setup(void **state)
{
    static const char *const names[JUDGE_NODES] = {"n1", "n2", "n3", "n4"};
    struct judge_bench *b = mem_alloc(sizeof *b);
    b->c.o = (struct controller_options){.observe_every_ms = 2 * JUDGE_EVERY,
                                         .sample_every_ms = JUDGE_EVERY};
    b->c.now_ms = 1000000;
    b->env = (struct env){
        .nodes = b->nodes, .n_nodes = JUDGE_NODES, .targets = &b->target, .n_targets = 1};
    struct target *t = &b->target;
    t->env = &b->env;
    t->record = (struct rollout_record){.id = "r-1", .from = 1, .to = 2};
    t->is_rolling = true;
    t->strategy = &b->policy;
    t->spots = b->spots;
    t->lane.status = (struct rollout_status){.phase = ROLLOUT_RUNNING,
                                             .step = 1,
                                             .steps = &b->step,
                                             .n_steps = 1,
                                             .nodes = b->rnodes,
                                             .n_nodes = JUDGE_NODES};
    b->step.started_ms = b->c.now_ms;
    for (int i = 0; i < JUDGE_NODES; i++) {
        b->nodes[i] = (struct node){.node_id = i + 1, .name = names[i], .is_reachable = true};
        b->rnodes[i] = (struct rollout_node){.node_id = i + 1, .name = names[i]};
        b->spots[i].counted = &b->counted[i];
        b->spots[i].seen = (struct observation){.observed_ms = 1, .n_ready = 1, .ready = {1}};
    }
    judge_bench_use_policy(b, "{\"kind\":\"error-ratio\"}");
    *state = b;
    return 0;
}

int judge_bench_teardown(void **state)
{
    struct judge_bench *b = *state;
    judging_free(b->target.judging);
    marks_clear(&b->c.judged);
    due_clear(&b->c.plans);
    due_clear(&b->c.looks);
    for (int i = 0; i < JUDGE_NODES; i++) {
        counted_clear(&b->counted[i]);
        free(b->spots[i].op_text);
    }
    free(b);
    return 0;
}

/* Node i has the new version from now on. */
void judge_bench_change(struct judge_bench *b, int i)
{
    b->rnodes[i].step = 1;
    b->rnodes[i].is_done = true;
    b->rnodes[i].evidence.since_ms = b->c.now_ms;
    b->spots[i].seen.ready[0] = 2;
}

/* What node i counts grows, and is read. */
void judge_bench_read_node(struct judge_bench *b, int i, int64_t good, int64_t bad)
{
    b->good[i] += good;
    b->bad[i] += bad;
    struct driver_counts counts = {.n_success = b->good[i], .n_failure = b->bad[i]};
    struct counted_when when = {.now_ms = b->c.now_ms, .every_ms = 6 * JUDGE_EVERY};
    counted_add(&b->counted[i], &counts, &when);
    b->spots[i].sampled_ms = b->c.now_ms;
}

/* One sample interval: node 0 and the others count so much. */
void judge_bench_turn(struct judge_bench *b, int64_t good, int64_t bad, int64_t base_good,
                      int64_t base_bad)
{
    b->c.now_ms += JUDGE_EVERY;
    for (int i = 0; i < JUDGE_NODES; i++)
        judge_bench_read_node(b, i, i == 0 ? good : base_good, i == 0 ? bad : base_bad);
    judging_take(&b->c, &b->env, &b->target);
}

const struct gate_result *judge_bench_result(struct judge_bench *b)
{
    return &b->target.judging->gates[0].result;
}

void judge_bench_begin(struct judge_bench *b)
{
    judge_bench_turn(b, 0, 0, 10, 0);
    assert_int_equal(b->target.judging->begun_ms, 0);
    judge_bench_change(b, 0);
    judge_bench_turn(b, 0, 0, 10, 0);
    assert_int_equal(b->target.judging->begun_ms, b->c.now_ms);
}

void judge_bench_expect_cause(struct judge_bench *b, enum verdict verdict, const char *words)
{
    if (judge_bench_result(b)->verdict != verdict ||
        strstr(judge_bench_result(b)->cause, words) == NULL)
        fail_msg("%s: %s", verdict_name(judge_bench_result(b)->verdict),
                 judge_bench_result(b)->cause);
}

/* Nodes that nobody read; the others are. */
void judge_bench_turn_without(struct judge_bench *b, int silent, int64_t base_good)
{
    b->c.now_ms += JUDGE_EVERY;
    for (int i = 0; i < JUDGE_NODES; i++) {
        if (i != silent)
            judge_bench_read_node(b, i, base_good, 0);
    }
    judging_take(&b->c, &b->env, &b->target);
}
