/*
 * THE planner: a view of one target goes in, a plan comes out. Pure and total: every view has a
 * plan, `now` is in the view, nothing else is asked. The controller stores the plan's status, then
 * carries out its actions; `mreg rollout simulate`, the tests and the fuzzers run the same code.
 */
#ifndef MREG_PLAN_H
#define MREG_PLAN_H

#include "rollout.h"

struct view_node {
    int64_t node_id;
    const char *name;
    bool is_reachable;          /* false: not observed for several looks */
    int64_t reachable_since_ms; /* since when is_reachable is what it is */
    bool is_busy;               /* an operation or a read runs on it, for whomever */
    bool is_disturbed;          /* another target's move disturbs it: hands off */
    bool is_repairing;          /* at admission: a repair of this target was under way here */
    bool is_lacking;            /* another target is not served here as it should be */
    struct observation seen;
    struct sample sample; /* the newest */
    int64_t sampled_ms;   /* when counters were last asked for, answer or not */
    struct op_view op;    /* the last operation of this rollout (or repair) on the node */
};

struct view {
    int64_t now_ms;
    const struct rollout_record *rollout; /* NULL in plan_reconcile */
    const struct rollout_status *status;
    const struct policy *policy;
    int64_t live;                  /* today's version of the target; 0: none */
    int64_t last_good;             /* 0: none */
    int64_t last_to;               /* what the last rollout brought; 0: none */
    int64_t last_ended_ms;         /* when a rollout of the target ended last; 0: none did */
    const struct view_node *nodes; /* of the environment, by node_id */
    int n_nodes;
    const struct rollout_command *commands; /* not taken in yet, by seq */
    int n_commands;
    int n_golden;      /* golden requests of the new version; -1: unreadable */
    int n_env_repairs; /* repairs that go on in the environment for other targets */
    int64_t observe_every_ms, sample_every_ms;
    int n_max_actions; /* operations that may be begun now */
};

struct plan_action {
    enum op_action action;
    int node;       /* index into view.nodes */
    int64_t number; /* version; OP_OBSERVE: the one whose readiness matters */
    int attempt;    /* tells operations apart; 0 for reads */
    int golden;     /* OP_GOLDEN: which request */
};

struct plan {
    struct rollout_status status; /* revision is one more than before if is_changed */
    bool is_changed;              /* the status must be stored */
    bool has_moved; /* phase or step changed: worth a row of the journal; message says how */
    char message[ROLLOUT_TEXT_BYTES];
    struct plan_action *actions; /* in arena */
    int n_actions;
    int64_t wake_ms; /* plan again at this time at the latest; INT64_MAX: when something happens */
};

/* Decides about a rollout. Arrays of *out are in a; names and texts may be borrowed from the view,
 * which must outlive the plan. */
void plan_rollout(const struct view *v, struct arena *a, struct plan *out);
/* Decides about a target without a rollout: nodes that do not serve today's version are brought to
 * it, one at a time in the environment. Its status uses only revision and nodes. */
void plan_reconcile(const struct view *v, struct arena *a, struct plan *out);

#endif
