/*
 * A small world for the exhaustive search of test_graph.c: the planner, up to three nodes with
 * disk and memory, and everything that may happen to them, one event at a time. A state can be
 * levelled (sim_graph_level.c) and packed into a key (sim_graph_key.c).
 */
#ifndef MREG_SIM_GRAPH_H
#define MREG_SIM_GRAPH_H

#include "plan.h"

#define GRAPH_NOW_MS INT64_C(1700000000000) /* of every levelled state, down to the second */
#define GRAPH_ANCIENT_MS 1                  /* a time before all others */
#define GRAPH_LONG_AGO_MS 2                 /* after that one, before all others */
#define GRAPH_MAX_NODES 3
#define GRAPH_MAX_STEPS 4
#define GRAPH_MAX_GATES 2

/* What may happen. Faults and commands are counted: a path has only so many. */
enum graph_kind {
    GRAPH_TIME,    /* until the plan wants to be made again, or a node is due for a look */
    GRAPH_OP_DONE, /* the open operation of a node ends, from here on */
    GRAPH_OP_TRANSIENT,
    GRAPH_OP_PERMANENT,
    GRAPH_OP_VERSION,
    GRAPH_OP_MISSING,
    GRAPH_OP_LOST_DONE, /* nobody learns that it was done, */
    GRAPH_OP_LOST,      /* or that it was not */
    GRAPH_DIES,
    GRAPH_NOTICED, /* that a node is gone, or there again */
    GRAPH_RETURNS,
    GRAPH_RETURNS_EMPTY,
    GRAPH_VERDICT, /* arg: enum verdict */
    GRAPH_FREEZE,
    GRAPH_THAW,
    GRAPH_COMMAND, /* arg: enum command_verb */
    GRAPH_RESTART, /* of the controller */
    GRAPH_KIND_COUNT
};
struct graph_event {
    uint8_t kind, node, arg;
};

struct graph_node {
    bool is_up, is_reachable;
    uint8_t visible, hidden, ready; /* bits of versions */
    int64_t reachable_since_ms;
    struct observation seen;
    struct op_view op;
    int64_t op_number, op_keep;
};

/* A search: what stays the same in it. */
struct graph {
    const char *name;
    const char *policy_text; /* JSON */
    int n_nodes;
    int64_t from;  /* 0 or 1; the new version is 2, */
    unsigned left; /* or 3, if nodes (bits) have 2 by a rollout that it replaces */
    int n_faults, n_commands;
    unsigned verbs; /* bits of the commands that are given; 0: all */
    unsigned driver_flags;
    struct policy policy;
    struct rollout_record record;
};

struct graph_state {
    struct rollout_status status; /* its arrays are those below */
    struct rollout_node nodes[GRAPH_MAX_NODES];
    struct rollout_step steps[GRAPH_MAX_STEPS];
    struct gate_result gates[GRAPH_MAX_GATES];
    struct rollout_approval approvals[2];
    struct graph_node world[GRAPH_MAX_NODES];
    int64_t now_ms, wake_ms, abort_ms;
    enum verdict verdict;
    bool is_frozen, was_aborted;
    int n_faults, n_commands; /* so far */
    char broken[200];         /* "": what must hold does */
};

/* Reads the policy of g. */
void graph_init(struct graph *g);
/* Where it begins: submitted, nothing planned. */
void graph_begin(const struct graph *g, struct graph_state *s);
/* All that may happen in s; returns how many. */
#define GRAPH_MAX_EVENTS 80
int graph_events(const struct graph *g, const struct graph_state *s, struct graph_event *out);
/* Lets it happen and plans until nothing is to be decided at once. Sets s->broken. */
void graph_apply(const struct graph *g, struct graph_state *s, struct graph_event e);
/* What somebody kind does: everything works, and pauses are answered. turn: how often it was asked
 * already. */
struct graph_event graph_kind_event(const struct graph *g, const struct graph_state *s, int turn);
bool graph_has_ended(const struct graph_state *s);
/* Until when time passes if nothing else happens. */
int64_t graph_until(const struct graph *g, const struct graph_state *s);
/* Takes away what has no influence: two states that differ only in that are the same afterwards. */
void graph_level(const struct graph *g, struct graph_state *s);

/* All of a levelled state in a few bytes: what is not in them does not exist for the search. */
#define GRAPH_KEY_BYTES 1000
struct graph_key {
    size_t n;
    uint8_t bytes[GRAPH_KEY_BYTES];
};
void graph_encode(struct graph_state *s, struct graph_key *out);
void graph_decode(const uint8_t *bytes, size_t n, struct graph_state *s);
uint64_t graph_hash(const struct graph_key *key);
/* Points the state's arrays at what it holds itself. */
void graph_adopt(struct graph_state *s);
/* The bit of a version; none for 0, which means no version. */
#define GRAPH_BIT(number) ((uint8_t)(1U << (unsigned)(number)))
uint8_t graph_bit(int64_t number);
/* Something does not hold: the first words count. */
void graph_break(struct graph_state *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* The invariants (sim_graph_check.c): of an operation that begins, of a plan as such, and that the
 * same view gives the same plan. */
void graph_check_action(const struct graph *g, struct graph_state *s, const struct view *v,
                        const struct plan_action *act);
void graph_check_plan(const struct graph *g, struct graph_state *s, const struct view *v,
                      const struct plan *plan);
void graph_check_again(struct graph_state *s, const struct view *v, struct arena *a,
                       const struct plan *plan);
void graph_describe(struct graph_event e, char text[80]);

#endif
