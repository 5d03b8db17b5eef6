/*
 * A rollout of four nodes with its judging, made by hand: nothing is asked and nothing is stored.
 * Node 0 is the one that gets the new version.
 */
#ifndef MREG_SUPPORT_JUDGING_H
#define MREG_SUPPORT_JUDGING_H

#include "controller_inner.h"
#include "judging.h"

#define JUDGE_NODES 4
#define JUDGE_EVERY 1000

struct judge_bench {
    struct controller c;
    struct env env;
    struct node nodes[JUDGE_NODES];
    struct target target;
    struct spot spots[JUDGE_NODES];
    struct counted counted[JUDGE_NODES];
    struct rollout_node rnodes[JUDGE_NODES];
    struct rollout_step step;
    struct policy policy;
    int64_t good[JUDGE_NODES], bad[JUDGE_NODES];
};

/* cmocka set-up and tear-down; *state is the bench, which judges by one error-ratio. */
int judge_bench_setup(void **state);
int judge_bench_teardown(void **state);
/* Judges by these gates (JSON) from now on. */
void judge_bench_use_policy(struct judge_bench *b, const char *gates);
/* Node i has the new version from now on. */
void judge_bench_change(struct judge_bench *b, int i);
/* What node i counts grows, and is read. */
void judge_bench_read_node(struct judge_bench *b, int i, int64_t good, int64_t bad);
/* One sample interval: node 0 and the others count so much. */
void judge_bench_turn(struct judge_bench *b, int64_t good, int64_t bad, int64_t base_good,
                      int64_t base_bad);
/* One in which a node is not read. */
void judge_bench_turn_without(struct judge_bench *b, int silent, int64_t base_good);
/* Node 0 gets the new version and begins to count. */
void judge_bench_begin(struct judge_bench *b);
/* Of the first gate. */
const struct gate_result *judge_bench_result(struct judge_bench *b);
void judge_bench_expect_cause(struct judge_bench *b, enum verdict verdict, const char *words);

#endif
