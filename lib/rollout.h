/*
 * A rollout: its record (what was asked for), its status (where it stands) and the tables of phases
 * with their allowed moves. The status is stored as JSON text; readers use the functions here.
 */
#ifndef MREG_ROLLOUT_H
#define MREG_ROLLOUT_H

#include "judge.h"
#include "jsonw.h"
#include "move.h"
#include "policy.h"

#define ROLLOUT_MAX_NODES 2000
#define ROLLOUT_MAX_STEPS (ROLLOUT_MAX_NODES + 2 * POLICY_MAX_STEPS)
#define ROLLOUT_STATUS_MAX_BYTES (8 << 20)
#define ROLLOUT_TEXT_BYTES 320
#define ROLLOUT_MAX_APPROVALS 96

enum rollout_phase {
    ROLLOUT_SUBMITTED,
    ROLLOUT_QUEUED, /* waits for its turn, a freeze, the budget, approvals, its set */
    ROLLOUT_RUNNING,
    ROLLOUT_PAUSED,
    ROLLOUT_FINALIZING,
    ROLLOUT_SUCCEEDED,
    ROLLOUT_ROLLING_BACK,
    ROLLOUT_ROLLED_BACK,
    ROLLOUT_ROLLBACK_STUCK, /* goes on trying */
    ROLLOUT_HALTED,
    ROLLOUT_REJECTED,
    ROLLOUT_CANCELLED,
    ROLLOUT_SUPERSEDED, /* a newer one took its place, where it stood */
    ROLLOUT_PHASE_COUNT
};
enum step_phase {
    STEP_PENDING,
    STEP_APPLY,  /* nodes get the version */
    STEP_SETTLE, /* all have it; min_healthy runs */
    STEP_BAKE,   /* the bake time runs */
    STEP_GATE,   /* the bake time is over; gates want more evidence */
    STEP_DONE,
    STEP_PHASE_COUNT
};
enum node_state {
    NODE_OLD,
    NODE_WAITING,
    NODE_PLACING,
    NODE_SWITCHING,
    NODE_LOADING,
    NODE_OBSERVING,
    NODE_GOLDEN,
    NODE_DRAINING, /* out of traffic, requests in flight end */
    NODE_ROUTING,  /* into traffic again */
    NODE_LEFT_OUT, /* could not be reached for long: it comes later */
    NODE_SERVING,
    NODE_FAILED,
    NODE_UNREACHABLE,
    NODE_ROLLING_BACK,
    NODE_RELOADING, /* the control: it gets the old version again */
    NODE_STATE_COUNT
};
enum pause_reason {
    PAUSE_USER,
    PAUSE_GATE,           /* a gate or a node failed and the policy does not roll back */
    PAUSE_INCONCLUSIVE,   /* too few requests until the step's deadline */
    PAUSE_NO_DATA,        /* no metrics */
    PAUSE_UNREACHABLE,    /* nodes of the step are not reachable */
    PAUSE_DEADLINE,       /* the step took too long and the policy does not roll back */
    PAUSE_METRICS_ERROR,  /* metrics could not be read */
    PAUSE_FREEZE,         /* from here on: what holds it from outside, see plan_hold.c */
    PAUSE_STOP,           /* stop-the-line */
    PAUSE_FAILURE_BUDGET, /* too many rollouts of the environment failed */
    PAUSE_DEPENDENCY,     /* something else has to be live first */
    PAUSE_APPROVAL,       /* people have to agree to the step */
    PAUSE_REASON_COUNT
};

const char *rollout_phase_name(enum rollout_phase p);
const char *step_phase_name(enum step_phase p);
const char *node_state_name(enum node_state s);
const char *pause_reason_name(enum pause_reason r);
/* False if the name is unknown; *out is then untouched. */
bool pause_reason_by_name(const char *name, enum pause_reason *out);
bool rollout_phase_by_name(const char *name, enum rollout_phase *out);
/* No transition leads out of a terminal phase. */
bool rollout_phase_is_terminal(enum rollout_phase p);
/* The tables of allowed moves; staying is allowed. */
bool rollout_phase_may(enum rollout_phase from, enum rollout_phase to);
bool step_phase_may(enum step_phase from, enum step_phase to);
bool node_state_may(enum node_state from, enum node_state to);

enum command_verb {
    COMMAND_PAUSE,
    COMMAND_RESUME,
    COMMAND_PROMOTE,
    COMMAND_PROMOTE_FULL,
    COMMAND_ABORT,
    COMMAND_APPROVE,
    COMMAND_REJECT,    /* of an approver: as abort */
    COMMAND_HALT,      /* abort without touching anything */
    COMMAND_EXTEND,    /* bake longer, by arg milliseconds */
    COMMAND_SUPERSEDE, /* a newer rollout takes its place where it stands; never by people */
    COMMAND_VERB_COUNT
};
const char *command_verb_name(enum command_verb v);
/* NULL-terminated list, for errors and did-you-mean. */
const char *const *command_verb_names(void);
bool command_verb_by_name(const char *name, enum command_verb *out);
/* False where a command comes too early or too late: it does nothing there. */
bool command_counts(enum command_verb verb, enum rollout_phase phase);
struct rollout_command {
    int64_t seq;
    enum command_verb verb;
    int64_t expected_step;       /* 0: none named */
    int64_t expected_generation; /* of the target; 0: none named */
    int64_t arg; /* COMMAND_EXTEND: ms; COMMAND_RESUME: PAUSE_BIT of the reasons, 0: all it may */
    const char *actor, *reason;
    const char *name; /* of the actor, for people; NULL: it has none */
    int64_t ts_ms;
};

/* What was asked for; never changes. Strings are borrowed or in the reader's arena. */
struct rollout_record {
    const char *id; /* "r-55" */
    const char *model, *environment, *serve_as;
    int64_t target_id;
    int64_t from, to; /* from 0: nothing was live */
    const char *kind; /* "promote" or "rollback" */
    const char *actor, *reason;
    int64_t generation;
    int64_t created_ms, ended_ms;
    const char *strategy; /* JSON text of the effective policy */
};

#define PAUSE_BIT(reason) ((int64_t)1 << (reason))
/* Pauses that a resume without named reasons lifts: the user's and what was judged. The others end
 * with their cause. */
bool pause_is_lifted(enum pause_reason r);

/* Whose fault it is that a rollout does not succeed: only a version's leads to its quarantine. */
enum rollout_fault {
    ROLLOUT_FAULT_NONE,
    ROLLOUT_FAULT_VERSION,
    ROLLOUT_FAULT_INFRASTRUCTURE,
    ROLLOUT_FAULT_USER, /* somebody aborted it */
    ROLLOUT_FAULT_COUNT
};
const char *rollout_fault_name(enum rollout_fault f);

struct rollout_approval {
    int step;          /* 0: to begin at all */
    const char *actor; /* in arena */
    int64_t at_ms;
};
/* How the rollout would be taken back from where it stands: computed at admission, refreshed as
 * nodes change. Newest first is by falling `order` of the nodes. */
struct rollout_way_back {
    int n_nodes;     /* that would be touched */
    int n_at_a_time; /* unavailable at most, while going back */
    int low_point;   /* fewest nodes that serve while going back */
    int64_t eta_ms;  /* from measured moves; 0: none was measured yet */
    bool needs_load; /* false: the old version is still loaded */
};

struct rollout_pause {
    enum pause_reason reason;
    int64_t since_ms;
    const char *text;  /* in arena */
    const char *actor; /* PAUSE_USER: who; in arena, may be NULL */
    int64_t until_ms;  /* 0: not known */
};
/* One node of those with the old version is loaded with it again while the first step's nodes get
 * the new one, so that those that are compared are equally warm. */
enum rollout_control {
    CONTROL_NONE,
    CONTROL_RELOADING,
    CONTROL_WARM, /* the gates that compare use it instead of all nodes with the old version */
    CONTROL_LOST, /* given up: they use all of them */
    CONTROL_OVER, /* as above: it got the new version as well */
    CONTROL_COUNT
};
const char *rollout_control_name(enum rollout_control c);
struct rollout_step {
    int n_nodes;         /* cumulative */
    int64_t bake_ms;     /* at least */
    int64_t max_bake_ms; /* at most, while evidence is missing */
    int reach;           /* only nodes up to this rank may be chosen; 0: all */
    int weight_bp;       /* traffic of all nodes with the new version; -1: as it comes */
    bool is_mirrored;    /* its nodes get copies of requests */
    int n_approvals;     /* needed before it begins */
    const char *wave;    /* in arena; NULL: no waves */
    enum step_phase phase;
    int64_t started_ms, ended_ms; /* 0: not yet */
    enum verdict verdict;
    bool is_promoted; /* somebody waived its bake and gates */
};
struct rollout_node {
    int64_t node_id;
    const char *name; /* in arena */
    enum node_state state;
    int step;             /* the step (from 1) in which it got the new version; 0: not chosen */
    int rank;             /* place in the order of choice, from 1 */
    int order;            /* in which nodes were chosen, from 1 */
    int64_t base;         /* what a rollout that was replaced brought here; 0: none did */
    bool is_touched;      /* its files are, or may be, other ones than those of the old version */
    bool is_done;         /* it serves the new version */
    bool has_failed;      /* the new version failed here */
    bool is_returning;    /* its move goes back to the old version */
    bool is_back;         /* rolling back: nothing is left to do here */
    bool is_left_out;     /* could not be reached for too long: counts as done for its step */
    bool is_fault_ours;   /* it failed for another reason than the version */
    int n_lost;           /* how often it stopped being ready with the new version */
    int n_restarts;       /* other processes were behind it while it served the new version */
    int64_t restarted_ms; /* the last of them that was counted */
    int64_t version;      /* last seen serving; 0: none */
    int64_t ready_since_ms;
    int64_t odd_since_ms; /* since when it serves something else than wanted */
    int64_t began_ms;     /* its present move began to disturb it */
    int64_t moved_ms;     /* how long its last move disturbed it; 0: not measured */
    struct evidence evidence;
    struct move move;
};
struct rollout_status {
    int64_t revision;
    int64_t updated_ms;
    enum rollout_phase phase;
    int step;                 /* present step from 1; 0 before the first */
    int64_t command_seq;      /* last command taken in */
    int64_t step_deadline_ms; /* absolute; 0: none */
    int64_t bake_since_ms;    /* 0: not begun */
    int64_t bake_until_ms;    /* evidence is waited for until then; 0: not begun */
    int64_t exposed_ms; /* first request at a node with the new version in this step; 0: none */
    int64_t queued_ms;  /* since when it waits to begin */
    int64_t waived;     /* PAUSE_BITs that somebody lifted while their cause goes on */
    int64_t paused_since_ms; /* 0: not paused */
    int64_t anew_ms; /* somebody let it go on after a verdict: it is judged anew since; 0: never */
    bool promotes_full;
    bool is_halting;   /* ends as it is as soon as no operation is open */
    bool is_replaced;  /* that end is no halt: a newer rollout goes on from there */
    int64_t repair_ms; /* without a rollout: when a repair began last */
    int n_chosen;
    int n_rollback_failures;
    int n_version_failures, n_infra_failures; /* of nodes */
    enum rollout_fault fault;
    int weight_bp; /* now wanted for the nodes with the new version together; -1: as it comes */
    int router_attempt; /* of the last OP_WEIGHTS */
    enum rollout_control control;
    int64_t control_id;       /* node; 0: none was chosen */
    int64_t control_ms;       /* since when its state is what it is */
    int64_t control_until_ms; /* the step waits for it until then; 0: it does not yet */
    char control_text[ROLLOUT_TEXT_BYTES]; /* why it is not used any more; "" */
    struct rollout_way_back way_back;
    struct rollout_approval *approvals; /* in arena */
    int n_approvals;
    struct rollout_pause pauses[PAUSE_REASON_COUNT];
    int n_pauses;
    char cause[ROLLOUT_TEXT_BYTES];   /* why it is rolled back or was ended; "" */
    char outcome[ROLLOUT_TEXT_BYTES]; /* terminal phases: in words */
    char waiting[ROLLOUT_TEXT_BYTES]; /* what it waits for; "" */
    char unblock[ROLLOUT_TEXT_BYTES]; /* what would help; "" */
    struct gate_result *gates;        /* in arena */
    int n_gates;
    struct rollout_step *steps; /* in arena */
    int n_steps;
    struct rollout_node *nodes; /* in arena */
    int n_nodes;
};

/* Status of a rollout that was just submitted: revision 0, no nodes, no steps. */
void rollout_status_init(struct rollout_status *s, int64_t now_ms);
/* Is it from before that time, or was it never stored? */
bool rollout_status_is_older(const struct rollout_status *s, int64_t than_ms);
/* Reads stored JSON text (n bytes, borrowed) into *out, arrays and strings in a. ERR_CORRUPT. */
MUST_USE int rollout_status_read(const char *text, size_t n, struct arena *a,
                                 struct rollout_status *out, struct err *e);
/* Appends the JSON text that rollout_status_read reads. */
void rollout_status_write(const struct rollout_status *s, struct buf *out);
/* Deep copy; arrays and strings in a. */
void rollout_status_copy(const struct rollout_status *s, struct arena *a,
                         struct rollout_status *out);
/* True while to end the present step would end the rollout with nobody serving the new version. */
bool rollout_promotes_nothing(const struct rollout_status *s);
/* The check that the API makes before it records a command (expected_step 0: none named).
 * ERR_CONFLICT: the rollout ended, stands at another step, or the command would do nothing. */
MUST_USE int rollout_command_check(const struct rollout_status *s, enum command_verb verb,
                                   int64_t expected_step, struct err *e);

#define ROLLOUT_BASELINE_BYTES (ROLLOUT_TEXT_BYTES + 64)
/* What the gates that compare use as their base, in words: "control n2", or "all nodes with the old
 * version (...)" when the control was given up; "" if none was asked for. Returns out. */
const char *rollout_baseline(const struct rollout_status *s, char out[ROLLOUT_BASELINE_BYTES]);
/* Writes the members of the API's rollout that come from the status into an open object: phase,
 * step, n_steps, step_phase, revision, updated, waiting, unblock, pauses, outcome, steps, gates,
 * nodes, deadline (docs/api.md "Rollout"). r gives the versions of the nodes' "wanted". */
void rollout_status_api(const struct rollout_record *r, const struct rollout_status *s,
                        struct jsonw *w);
/* The rollout's document of the history (journal_path_rollout), for the rows of submission, of
 * moves and of the end: caller owns one reference. s may be NULL at submission. Bounded: steps and
 * gates, no nodes but those that failed. ERR_INVALID: the strategy is no JSON. */
MUST_USE int rollout_document(const struct rollout_record *r, const struct rollout_status *s,
                              json_t **out, struct err *e);

#endif
