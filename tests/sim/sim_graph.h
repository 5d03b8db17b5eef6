/*
 * A small world for the exhaustive search of test_graph.c: the planner, up to three nodes with
 * disk and memory, and everything that may happen to them, one event at a time. A state can be
 * copied, packed and compared; times in it matter only relative to its own clock.
 */
#ifndef MREG_SIM_GRAPH_H
#define MREG_SIM_GRAPH_H

#include "plan.h"

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
    int64_t from; /* 0 or 1; the new version is 2 */
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
/* The same for states that only differ in what does not matter. */
uint64_t graph_hash(const struct graph *g, const struct graph_state *s);
/* Packs s (caller frees *out), and back. */
size_t graph_pack(const struct graph_state *s, void **out);
void graph_unpack(const void *bytes, size_t n, struct graph_state *s);
void graph_describe(struct graph_event e, char text[80]);

#endif
