/*
 * A policy: by which strategy a version goes live, under which limits and behind which gates. JSON
 * shape: docs/api.md "Policy". An environment's policy is overridden by a target's, that by the
 * strategy of one rollout: merge the JSON, then parse. All numbers are integers.
 */
#ifndef MREG_POLICY_H
#define MREG_POLICY_H

#include "json.h"

#define POLICY_MAX_STEPS 16
#define POLICY_MAX_GATES 16
#define POLICY_MAX_BYTES 65536
#define POLICY_MAX_APPROVALS 5
#define POLICY_MAX_UNREACHABLE 2000
#define POLICY_NAME_BYTES 40
#define POLICY_TEXT_BYTES 2048

enum strategy_kind {
    STRATEGY_ROLLING,
    STRATEGY_CANARY,
    STRATEGY_ALL_AT_ONCE,
    STRATEGY_BLUE_GREEN, /* half of the nodes out of traffic, then all traffic there, then the rest
                          */
    STRATEGY_SHADOW,     /* one node with mirrored traffic first, then as rolling */
    STRATEGY_COUNT
};
enum gate_kind {
    GATE_HEALTH,
    GATE_GOLDEN,
    GATE_ERROR_RATE,  /* absolute, over what was counted since the node has the version */
    GATE_LATENCY,     /* absolute, the mean */
    GATE_ERROR_RATIO, /* sequential, against the nodes with the old version */
    GATE_SLOW_RATIO,  /* sequential: share of requests that are slower than the old p95 */
    GATE_PROMQL,      /* a query against Prometheus, over a window */
    GATE_METRIC,      /* a number that somebody posts */
    GATE_KIND_COUNT
};
/* What happens when a gate cannot say anything. */
enum policy_choice {
    CHOICE_PAUSE,
    CHOICE_IGNORE,   /* on_no_data, on_error: pass the gate over */
    CHOICE_PROMOTE,  /* on_insufficient: go on without */
    CHOICE_ROLLBACK, /* as if it had failed */
    CHOICE_COUNT
};
enum policy_residency {
    RESIDENCY_SWAP, /* one version is loaded at a time */
    RESIDENCY_BOTH, /* the old one stays loaded to the end: a rollback needs no load */
    RESIDENCY_COUNT
};
/* What becomes of a rollout that is submitted while another one is active. */
enum policy_queue { QUEUE_COALESCE, QUEUE_REPLACE, QUEUE_REJECT, QUEUE_KEEP, QUEUE_COUNT };

/* A number of nodes: a count, or a share of those there are. */
struct policy_amount {
    int64_t n_nodes; /* 0: use percent */
    int64_t percent; /* 1..100; both 0: not set */
};

/* One step of a canary: how many nodes have the new version when it is done. */
struct policy_step {
    int64_t n_nodes;     /* 0: use percent */
    int64_t percent;     /* of the target's nodes, rounded up; 1..100 */
    int weight_bp;       /* share of the traffic for all of them together; -1: as it comes */
    int n_approvals;     /* people who have to agree before the step begins */
    int64_t bake_ms;     /* at least */
    int64_t max_bake_ms; /* for evidence that is late; 0: as the policy says */
};

struct policy_gate {
    enum gate_kind kind;
    char name[POLICY_NAME_BYTES]; /* tells several of a kind apart; "": the name of the kind */
    bool is_report_only;          /* shown, never decides */
    int64_t max_ppm; /* GATE_ERROR_RATE: failures per million; *_RATIO: the share that passes */
    int64_t max_us;  /* GATE_LATENCY: mean duration */
    int64_t min_requests;  /* evidence needed before the gate can pass or fail */
    int64_t ratio_ppm;     /* *_RATIO: allowed ratio to the old version, 1500000 is 1.5 */
    int64_t floor_ppm;     /* *_RATIO: a share below it is never a failure */
    int64_t alpha_ppm;     /* *_RATIO: chance of a false alarm per rollout */
    int64_t quantile_ppm;  /* GATE_SLOW_RATIO: of the old version's durations; 950000 */
    bool has_max, has_min; /* GATE_PROMQL, GATE_METRIC */
    int64_t max_micro, min_micro;
    int64_t for_ms;   /* over how long the limit must be broken to fail */
    int64_t every_ms; /* GATE_PROMQL: how often it is asked */
    int query_at;     /* GATE_PROMQL: policy_text() gives the query */
};

struct policy {
    enum strategy_kind strategy;
    struct policy_step steps[POLICY_MAX_STEPS]; /* canary */
    int n_steps;
    struct policy_amount batch;           /* rolling: nodes per step */
    struct policy_amount max_unavailable; /* of the environment's nodes, over all rollouts; not for
                                             all-at-once */
    struct policy_amount rollback_max_unavailable; /* not set: max_unavailable */
    char order_by[POLICY_NAME_BYTES];              /* label; "": by name of the node */
    char wave_by[POLICY_NAME_BYTES];               /* label whose values are waves; "": no waves */
    int64_t wave_bake_ms; /* after the last step of a wave, instead of bake if longer */
    int64_t n_holdback;   /* nodes that keep the old version until the last bake ended */
    int64_t max_bake_ms;  /* 0: three times the bake */
    enum policy_choice on_insufficient, on_no_data, on_error;
    enum policy_residency residency;
    int64_t drain_ms;     /* longest wait for requests in flight */
    int64_t preview_ms;   /* blue-green: bake without traffic */
    int64_t teardown_ms;  /* blue-green: how long the old half is kept as it is */
    bool reloads_control; /* canary: a node with the old version is loaded again, to compare with */
    int n_approvals;      /* people who have to agree before anything is touched */
    enum policy_queue queue;
    int64_t n_unreachable_max; /* nodes of a step that may be left out as unreachable */
    int64_t lost_after_ms;     /* how long a node is unreachable before it is left out */
    int64_t n_failures_max;    /* failure budget of the environment; 0: none */
    int64_t failures_window_ms;
    int requires_at; /* policy_text(): the environment in which a version must be live before; 0:
                        none */
    int64_t soak_ms; /* for that long */
    int64_t repair_every_ms; /* from the begin of one repair to that of the next */
    int prometheus_at;       /* policy_text() gives the address; 0: none */
    int64_t min_healthy_ms;  /* ready without interruption before a node counts as done */
    int64_t bake_ms;         /* of each rolling step and of all-at-once */
    struct policy_gate gates[POLICY_MAX_GATES];
    int n_gates;
    int64_t node_deadline_ms;      /* from the switch of files on a node until it serves */
    int64_t step_deadline_ms;      /* of a step, pushed by each node that gets done */
    bool rolls_back;               /* auto_rollback */
    char texts[POLICY_TEXT_BYTES]; /* queries and addresses, each with its NUL; starts with one */
    int n_text_bytes;
};

const char *gate_name(enum gate_kind g);
/* The name of a gate: its own, or that of its kind. Borrowed from g. */
const char *policy_gate_name(const struct policy_gate *g);
/* A text of the policy by its place (query_at, prometheus_at); 0 gives "". Borrowed from p. */
const char *policy_text(const struct policy *p, int at);
/* Adds a text (borrowed) and returns its place, or -1 if there is no room. */
int policy_text_add(struct policy *p, const char *text);
/* Number of nodes that an amount means among n_nodes: a share is rounded down, at least 1. */
int policy_amount_nodes(const struct policy_amount *amount, int n_nodes);
/* How many nodes of an environment of n_nodes may be unavailable at a time. */
int policy_max_unavailable(const struct policy *p, int n_nodes, bool is_rollback);
/* True for the kinds that judge by exposure or over time, whose verdicts are made where samples are
 * collected, not by the planner. */
bool gate_is_judged(enum gate_kind g);

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
/* As above with every default spelt out, also where it is 0 or false, for people to read. What has
 * no value (a label, an address, a budget, max_bake) stays out. Caller owns one reference. */
json_t *policy_effective(const struct policy *p);
/* What a rollout of kind "rollback" uses of a policy: rolling without bake, health only. */
void policy_for_rollback(struct policy *p);

#endif
