/*
 * A policy: by which strategy a version goes live, under which limits and behind which gates. JSON
 * shape: docs/api.md "Policy". An environment's policy is overridden by a target's, that by the
 * strategy of one rollout: merge the JSON, then parse. All numbers are integers.
 */
#ifndef MREG_POLICY_H
#define MREG_POLICY_H

#include "json.h"

#define POLICY_MAX_STEPS 16
#define POLICY_MAX_GATES 8
#define POLICY_MAX_BYTES 65536

enum strategy_kind { STRATEGY_ROLLING, STRATEGY_CANARY, STRATEGY_ALL_AT_ONCE, STRATEGY_COUNT };
enum gate_kind { GATE_HEALTH, GATE_GOLDEN, GATE_ERROR_RATE, GATE_LATENCY, GATE_KIND_COUNT };

/* One step of a canary: how many nodes have the new version when it is done. */
struct policy_step {
    int64_t n_nodes; /* 0: use percent */
    int64_t percent; /* of the target's nodes, rounded up; 1..100 */
    int64_t bake_ms;
};

struct policy_gate {
    enum gate_kind kind;
    int64_t max_ppm;      /* GATE_ERROR_RATE: failures per million requests */
    int64_t max_us;       /* GATE_LATENCY: mean duration */
    int64_t min_requests; /* evidence needed before the gate can pass or fail */
};

struct policy {
    enum strategy_kind strategy;
    struct policy_step steps[POLICY_MAX_STEPS]; /* canary */
    int n_steps;
    int64_t batch;           /* rolling: nodes per step */
    int64_t max_unavailable; /* nodes of the environment, over all rollouts; not for all-at-once */
    int64_t min_healthy_ms;  /* ready without interruption before a node counts as done */
    int64_t bake_ms;         /* of each rolling step and of all-at-once */
    struct policy_gate gates[POLICY_MAX_GATES];
    int n_gates;
    int64_t node_deadline_ms; /* from the switch of files on a node until it serves */
    int64_t step_deadline_ms; /* of a step, pushed by each node that gets done */
    bool pauses_on_no_data;   /* false: a gate without data is passed over */
    bool rolls_back;          /* auto_rollback */
};

const char *strategy_name(enum strategy_kind s);
const char *gate_name(enum gate_kind g);

/* The policy that holds when nobody says anything (docs/api.md). */
void policy_default(struct policy *p);
/* Members of over (borrowed, may be NULL) replace members of base (borrowed, may be NULL). *out:
 * caller owns one reference. ERR_INVALID: one of them is no object. */
MUST_USE int policy_merge(const json_t *base, const json_t *over, json_t **out, struct err *e);
/* Reads a (merged or partial) policy; absent members keep their default. `at` is the JSON pointer
 * of j. ERR_INVALID with the pointer of the fault. */
MUST_USE int policy_parse(const json_t *j, const char *at, struct policy *out, struct err *e);
/* As above from text, for columns of the database; NULL or "" is the default policy. */
MUST_USE int policy_read(const char *text, struct policy *out, struct err *e);
/* The whole policy as JSON; caller owns one reference. policy_parse gives the same policy back. */
json_t *policy_json(const struct policy *p);
/* Appends the canonical JSON of the whole policy. */
MUST_USE int policy_write(const struct policy *p, struct buf *out, struct err *e);
/* What a rollout of kind "rollback" uses of a policy: rolling without bake, health only. */
void policy_for_rollback(struct policy *p);

/* Cumulative number of nodes of step k (from 0) among n_nodes, and the number of steps. A canary
 * whose last step does not reach every node gets one more step that does. */
int policy_n_steps(const struct policy *p, int n_nodes);
int policy_step_nodes(const struct policy *p, int n_nodes, int k);
int64_t policy_step_bake_ms(const struct policy *p, int n_nodes, int k);

#endif
