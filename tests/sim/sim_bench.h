/*
 * The planner alone, against nodes and a router that obey at once: one target, its view, and
 * helpers that plan until something happens. For the test_plan*.c programs.
 */
#ifndef MREG_SIM_BENCH_H
#define MREG_SIM_BENCH_H

#include "plan.h"

#define BENCH_MAX_NODES 8

/* One target with its nodes, and the status as it was stored last. */
struct bench {
    struct arena arena; /* of status */
    struct rollout_record record;
    struct rollout_status status;
    struct policy policy;
    struct view_node nodes[BENCH_MAX_NODES];
    int n_nodes;
    struct rollout_command commands[16];
    int n_commands;
    int64_t now_ms, live, last_good, last_repair_ms, last_ended_ms;
    int n_golden;
    int64_t n_requests, n_failures; /* counters that every node shows */
    bool has_counters;
    int64_t fails_to_load;   /* a version that does not load; 0: none */
    enum op_class fails_how; /* OP_CLASS_NONE: OP_CLASS_VERSION */
    int64_t never_ready;     /* a version that loads, but never is ready; 0: none */
    unsigned driver_flags;
    bool is_halted;
    bool is_frozen;  /* operations stay open */
    bool has_router; /* it does what it is told at once */
    struct op_view router_op;
    int64_t routes_ms; /* when the router was looked at last */
    int weights[BENCH_MAX_NODES];
    struct view_limits limits;
    struct gate_result verdicts[POLICY_MAX_GATES]; /* of the judged kinds */
    int n_switches, n_removes, n_new_loads, n_unloads;
    int n_switches_back; /* to the version that it comes from */
    int most_out;        /* most nodes that were disturbed at a time */
    unsigned given;      /* nodes that got the new version */
    char message[ROLLOUT_TEXT_BYTES];
    int64_t wake_ms; /* of the last plan */
};

extern const char bench_plain[];  /* rolling, health only, no bake */
extern const char bench_judged[]; /* error-rate 10 % over 10 requests, bake 30s */

/* Nodes n1, n2, … serve version 1; version 2 is rolled out. The policy is JSON text. Never NULL;
 * bench_free. */
struct bench *bench_new(const char *policy, int n_nodes);
/* For CLEANUP. */
void bench_free(struct bench **b);
void bench_command(struct bench *b, enum command_verb verb, int64_t step);
/* As above by somebody else; returns the command to complete it. */
struct rollout_command *bench_command_by(struct bench *b, enum command_verb verb,
                                         const char *actor);
void bench_view(struct bench *b, struct view *v);
/* The node of the action does what it is told, at once. */
void bench_obey(struct bench *b, const struct plan_action *act);
void bench_take_over(struct bench *b, const struct plan *plan);
/* One plan; returns when the next one is wanted. */
int64_t bench_step(struct bench *b);
/* Plans until the phase is there or `ms` have passed. */
void bench_until(struct bench *b, enum rollout_phase phase, int64_t ms);
/* As above until the present step is in the phase; fails the test if it does not get there. */
void bench_until_step(struct bench *b, int step, enum step_phase phase, int64_t ms);
/* Brings a rollout to where node 1 serves and the first step bakes. */
void bench_bake(struct bench *b);
/* The first step of 3 nodes bakes under the policy. */
struct bench *bench_baking(const char *policy);
void bench_expect(const struct bench *b, enum rollout_phase phase);
/* Fails the test unless the text that it waits with, and what would help, contain these; NULL: any.
 */
void bench_expect_words(const struct bench *b, const char *waiting, const char *unblock);
/* Plans of the lane without a rollout, for `ms`. */
void bench_reconcile(struct bench *b, int64_t ms, int n_env_repairs);

#endif
