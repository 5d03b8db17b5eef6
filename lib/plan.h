/*
 * THE planner: a view of one target goes in, a plan comes out. Pure and total: every view has a
 * plan, `now` is in the view, nothing else is asked. The controller stores the plan's status, then
 * carries out its actions; `mreg rollout simulate`, the tests and the fuzzers run the same code.
 */
#ifndef MREG_PLAN_H
#define MREG_PLAN_H

#include "rollout.h"
#include "shown.h"

struct view_node {
    int64_t node_id;
    const char *name;
    bool is_reachable;          /* false: not observed for several looks */
    int64_t reachable_since_ms; /* since when is_reachable is what it is */
    int64_t owner_epoch;        /* it follows another registry of that epoch; 0: it does not */
    bool is_foreign;            /* it follows another registry, or its driver is not known: it
                                   cannot be reached and not be asked */
    bool is_busy;               /* an operation or a read runs on it, for whomever */
    bool is_disturbed;          /* another target's move disturbs it: hands off */
    bool was_midway;            /* at first: whoever had the target before was in the middle of
                                   this node: a repair, a replaced or an ended rollout */
    int64_t left;               /* at admission: what a replaced rollout brought here; 0: none */
    bool is_lacking;            /* another target is not served here as it should be */
    bool is_cordoned;           /* nothing forward begins here */
    bool wants_none;            /* cordoned, and outside of rollouts its models are unloaded */
    bool has_drifted;           /* files of today's version on it are not what was placed; with
                                   nothing live: files of ours lie there */
    struct shown_files shown;   /* what mreg itself switched its folder to last */
    bool has_restarted;         /* its process is not the one in which the version was loaded */
    int64_t restarted_ms;       /* another process was noticed there last; 0: never */
    const char *order_key;      /* value of the policy's order_by label; "" or NULL: none */
    const char *wave;           /* value of the policy's wave_by label; "" or NULL: none */
    const char *family;         /* kind of its server; NULL: not known */
    const char *labels;         /* JSON object; NULL: none */
    bool is_drained;            /* somebody wants no traffic there */
    bool has_route;             /* the target's router knows it */
    int routed_bp;              /* observed share of the target's traffic; -1: not known */
    bool is_mirrored;           /* the router was seen sending it copies of requests */
    int n_sessions;             /* requests in flight there; -1: not known */
    int64_t routed_ms;          /* when routed_bp was observed; 0: never */
    struct observation seen;
    struct sample sample; /* the newest */
    int64_t sampled_ms;   /* when counters were last asked for, answer or not */
    struct op_view op;    /* the last operation of this rollout (or repair) on the node */
};

/* What holds a target from outside; words are NULL where nothing does. */
struct view_limits {
    const char *freeze;      /* a freeze that holds now */
    int64_t freeze_until_ms; /* 0: not known */
    const char *stop;        /* stop-the-line */
    const char *budget;      /* the failure budget of the environment is spent */
    const char *dependency;  /* something else has to be live first */
    const char *turn;        /* another rollout of the target comes first */
    bool overrides_freeze, overrides_stop, overrides_budget;
    bool is_in_set;  /* false: set_step, set_failed and set_text say nothing */
    int set_step;    /* lowest step that every member of its set has finished; INT_MAX: no set */
    bool set_failed; /* a member of its set failed */
    const char *set_text;  /* which, in words; may be NULL */
    int n_start_approvals; /* given so far */
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
    bool is_halted;              /* its last rollout was halted: nothing is repaired until another
                                    one has ended */
    int64_t last_repair_ms;      /* when a repair of the environment began last; 0: never */
    bool has_router, can_mirror; /* of the target */
    bool is_router_busy;         /* weights are being set, or the router is being looked at */
    int router_max_weight;       /* what its weights can express */
    int64_t routes_looked_ms;    /* when it was last asked, answer or not */
    int64_t routes_seen_ms;      /* when it last answered; 0: never */
    struct op_view router_op;    /* the last OP_WEIGHTS of this rollout */
    unsigned driver_flags;       /* of the nodes' drivers, those that all have */
    const struct gate_result *verdicts; /* one per gate of the policy, for those that
                                           gate_is_judged; NULL: none yet */
    struct view_limits limits;
    int n_max_actions; /* operations that may be begun now */
};

struct plan_action {
    enum op_action action;
    int node;       /* index into view.nodes; -1: OP_WEIGHTS, OP_ROUTES */
    int64_t number; /* version; OP_OBSERVE: the one whose readiness matters */
    int64_t keep;   /* OP_SWITCH: another version that stays visible; 0: none */
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
    bool waits;      /* something waits for a node to be free, for the limit or for a free place */
    int *weights_bp; /* wanted per node of the view, sum 10000 or 0; NULL without a router */
    bool *is_mirrored; /* per node of the view: gets copies of requests; NULL without a router */
    int64_t wake_ms; /* plan again at this time at the latest; INT64_MAX: when something happens */
};

/* Decides about a rollout. Arrays of *out are in a; names and texts may be borrowed from the view,
 * which must outlive the plan. */
void plan_rollout(const struct view *v, struct arena *a, struct plan *out);
/* Decides about a target without a rollout: nodes that do not serve today's version are brought to
 * it, one at a time in the environment. Its status uses only revision and nodes. */
void plan_reconcile(const struct view *v, struct arena *a, struct plan *out);

#endif
