/*
 * Bringing one node to one version of one model: fetch, switch the files, load, observe, golden
 * requests. Used by rollouts, by rollbacks and for nodes that came back with something else. Pure:
 * it is told what was seen and what became of the last operation, and says what to do next.
 */
#ifndef MREG_MOVE_H
#define MREG_MOVE_H

#include <stdbool.h>
#include <stddef.h>

#include "mem.h"

/* What a driver's server really does; the planner and the plan shown to people depend on it. */
enum driver_flags {
    DRIVER_DEFAULT_IS_HIGHEST = 1 << 0, /* highest ready version takes version-less traffic */
    DRIVER_LOAD_RECREATES_ALL = 1 << 1, /* load re-creates every version of the model */
    DRIVER_FAILED_LOAD_KEEPS_OLD = 1 << 2,
    DRIVER_NEEDS_FILES = 1 << 3,
    DRIVER_KEEPS_OTHERS = 1 << 4 /* load leaves versions alone that are loaded and still wanted */
};

enum move_phase {
    MOVE_NONE,    /* nothing to do */
    MOVE_STAGE,   /* files of the version are fetched and checked beside the root */
    MOVE_UNROUTE, /* until the router sends nothing here any more */
    MOVE_DRAIN,   /* until requests in flight have ended, or waited for long enough */
    MOVE_SWITCH,  /* new files in, old ones out: from here the node counts as unavailable */
    MOVE_LOAD,    /* the server is told to load (or unload) */
    MOVE_OBSERVE, /* until the version is ready and no other is */
    MOVE_GOLDEN,  /* golden requests, one after the other */
    MOVE_ROUTE,   /* until the router sends requests here again, where it should */
    MOVE_CLEAN,   /* files that are needed no more are removed */
    MOVE_PHASE_COUNT
};
const char *move_phase_name(enum move_phase p);

enum op_action {
    OP_STAGE,
    OP_SWITCH,
    OP_LOAD,
    OP_UNLOAD,
    OP_GOLDEN,
    OP_REMOVE,
    OP_WEIGHTS, /* of the target's router: no node */
    OP_OBSERVE, /* reads: no intent is recorded for these */
    OP_SAMPLE,
    OP_ROUTES, /* what the target's router does: no node */
    OP_ACTION_COUNT
};
const char *op_action_name(enum op_action a);
bool op_is_read(enum op_action a);

enum op_state { OP_NONE, OP_OPEN, OP_DONE, OP_FAILED, OP_UNKNOWN };
/* Why an operation failed, as far as the next decision depends on it. */
enum op_class {
    OP_CLASS_NONE,
    OP_CLASS_TRANSIENT, /* not reached, busy, disk full: again later */
    OP_CLASS_PERMANENT, /* will not work by repeating: refused, unmanaged files in the way */
    OP_CLASS_VERSION,   /* the version's fault: does not load, answers wrongly */
    OP_CLASS_MISSING    /* what it needs is not there: start from the files again */
};
const char *op_state_name(enum op_state s);
const char *op_class_name(enum op_class c);

/* The last operation of this move's owner on the node. */
struct op_view {
    enum op_state state;
    enum op_class why;
    enum op_action action;
    int attempt; /* tells operations apart: never used twice by one owner on one node */
    int64_t ended_ms;
    const char *text; /* in words, for a failure; may be NULL */
};

#define MOVE_MAX_READY 16
/* What the node last said about the served name. */
struct observation {
    int64_t observed_ms;           /* 0: never answered */
    int64_t looked_ms;             /* when it was last asked, answer or not */
    int64_t ready[MOVE_MAX_READY]; /* ready versions, ascending */
    int n_ready;
};
bool observation_has(const struct observation *o, int64_t number);
/* True if exactly this version is ready; 0: none is. */
bool observation_fits(const struct observation *o, int64_t number);
/* As above, but the version `other` (0: none) may be ready too. */
bool observation_fits_with(const struct observation *o, int64_t number, int64_t other);
/* The version that takes version-less requests: the highest ready one, or 0. */
int64_t observation_serves(const struct observation *o);

#define MOVE_TEXT_BYTES 200
#define MOVE_NO_DEADLINE ((int64_t)9007199254740991)
struct move {
    enum move_phase phase;
    int64_t number;    /* version that shall serve; 0: none */
    int64_t clean;     /* version whose files are removed at the end; 0: none */
    int64_t keep;      /* version that stays visible and may stay loaded beside it; 0: none */
    bool is_drop;      /* only takes others than `number` away: disturbs nobody */
    bool is_drained;   /* no request is in flight there any more */
    bool is_leaving;   /* out of traffic, but nothing was changed: it can still go back */
    bool was_switched; /* its files are, or may be, switched already */
    bool reloads;      /* what is loaded is unloaded first: a load alone may change nothing */
    bool is_issued;    /* an operation of this phase was issued: op_view tells its outcome */
    bool wants_golden; /* the version has to prove itself */
    int attempt;       /* of the last operation; never falls, also over several moves */
    int n_failures;    /* of one phase in a row, for the back-off */
    int n_rounds;      /* how often the whole move was begun again; counted by its owner */
    int golden;        /* next golden request */
    int64_t since_ms;  /* the phase began, or was last tried, here */
    int64_t loaded_ms; /* the last load ended here; observations before it say nothing */
    int64_t not_before_ms;
    int64_t deadline_ms; /* 0: the node is not disturbed yet; set when the files are switched */
    char text[MOVE_TEXT_BYTES]; /* last thing that went wrong, "" */
};

/* Starts a move; attempt counts on. A node that is disturbed already (by the move that this one
 * replaces) stays so and needs no may_switch, with no deadline. */
void move_begin(struct move *m, int64_t number, bool wants_golden, int64_t now_ms);
/* The node is disturbed from now on: the move ends by then. node_deadline_ms: 0: there is no end.
 */
void move_limit(struct move *m, int64_t now_ms, int64_t node_deadline_ms);
/* Starts the removal of a version's files only. */
void move_begin_clean(struct move *m, int64_t number, int64_t now_ms);
/* Starts taking away every version but `number`, which is loaded and takes the traffic already. */
void move_begin_drop(struct move *m, int64_t number, int64_t now_ms);
/* Ends it; attempt and text stay. */
void move_end(struct move *m);
/* True while the node's service is or may be disturbed by the move. */
bool move_disturbs(const struct move *m);

/* True while the router shall send nothing there: the planner makes weights of that. */
bool move_wants_out(const struct move *m);

struct move_in {
    int64_t now_ms;
    const struct op_view *op;
    const struct observation *seen;
    int n_golden;             /* -1: they could not be read */
    int64_t node_deadline_ms; /* 0: none */
    bool is_idle;             /* no other work runs on the node: an operation may be issued */
    bool may_switch;          /* the limits allow to disturb the node now */
    /* The router; has_route false: there is none, or it cannot send to this node. */
    bool has_route;
    bool is_router_busy; /* weights are being set: what was seen may be of before */
    bool is_dark;        /* the node shall get no traffic when it is ready */
    int routed_bp;       /* its share as last seen; -1: not known */
    int n_sessions;      /* requests in flight there; -1: not known */
    int64_t routed_ms;   /* when that was seen */
    int64_t drain_ms;    /* longest wait for requests in flight */
};
enum move_outcome { MOVE_GOES_ON, MOVE_DONE, MOVE_FAILED };
struct move_out {
    enum move_outcome outcome;
    bool has_action;
    enum op_action action; /* attempt is m->attempt, number m->number (OP_REMOVE: m->clean) */
    int golden;            /* OP_GOLDEN */
    int64_t wake_ms;       /* look again at this time, INT64_MAX: when something happens */
    bool is_blocked;       /* only may_switch was missing */
    bool wants_routes;     /* waits for what the router does: look at it */
};
/* One decision: takes in the outcome of the last operation and says what to do. Total: every state
 * has an answer. MOVE_FAILED leaves the reason in m->text. */
void move_step(struct move *m, const struct move_in *in, struct move_out *out);

/* Exponential back-off with deterministic jitter: 1 s doubled per failure up to 60 s. */
int64_t move_backoff_ms(int n_failures, int64_t salt);

#endif
