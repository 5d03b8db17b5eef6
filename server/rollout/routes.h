/*
 * The routers of environments as the controller holds them: what was last seen of each pool, and
 * weights that are being set. It survives reloads of the world: everything is found by ids. Shared
 * by the controller's files only; one thread.
 */
#ifndef MREG_ROUTES_H
#define MREG_ROUTES_H

#include "controller_inner.h"
#include "router.h"

/* What is known about one target's pool at one router. */
enum link_state {
    LINK_UNKNOWN, /* never seen: it may well send requests */
    LINK_ABSENT,  /* the router has no such pool: it does not route this target */
    LINK_KNOWN
};

/* What one router does with one target. */
struct link {
    enum link_state state;
    int64_t looked_ms, seen_ms; /* asked; answered (0: never) */
    int64_t written_ms;
    bool is_looking, is_unwritten, has_counts;
    int n_setting;          /* flights that write, also of a rollout that has ended since */
    int64_t set_ms;         /* weights were written last, and */
    int64_t set_generation; /* as which generation of the file; 0: routers without */
    int64_t generation;     /* that was seen in effect */
    int n_others;
    char text[DRIVER_TEXT_BYTES]; /* why it is not known better; "" */
    int64_t *node_ids;            /* n_nodes of them, rising, and what was seen of each */
    struct router_seen *seen;
    int n_nodes;
};

/* One router. */
struct balancer {
    int64_t router_id;
    struct router_config config;      /* strings in arena of env_routes */
    const struct router_driver *kind; /* NULL: unknown, never spoken to */
    bool is_reachable, is_unwritten;
    int64_t since_ms, observed_ms, written_ms;
    int64_t generation; /* highest that was seen or used */
    int64_t placed_ms;  /* its missing file was written last */
    int n_setting;      /* flights that write */
    char detail[DRIVER_TEXT_BYTES];
};

/* One target with the environment's routers. */
struct routed {
    int64_t target_id;
    char lane[64];     /* whose operation `op` is; "" at first */
    struct op_view op; /* the last OP_WEIGHTS of the lane; text is op_text */
    char op_text[DRIVER_TEXT_BYTES];
    char op_key[JOB_KEY_BYTES];
    int n_open;          /* its flights */
    enum op_state worst; /* of those that ended */
    enum op_class worst_why;
    int64_t *wanted_ids; /* node ids, and what is wanted of each */
    int *wanted_bp;
    bool *wanted_mirror;
    int n_wanted;
    struct link *links; /* one per router */
};

struct env_routes {
    struct env_routes *next;
    int64_t env_id;
    struct balancer *balancers;
    int n_balancers;
    struct routed *routes; /* by target_id */
    int n_routes;
    const char **server_names; /* per node, as node_ids */
    int64_t *node_ids;         /* rising */
    int n_nodes;
    int64_t due_ms;     /* next idle look */
    bool is_unwritten;  /* something of it is */
    struct arena arena; /* config, server names */
};

/* One exchange with a router (of a flight's `route`); all in the flight's arena. */
struct route_flight {
    int64_t router_id;
    bool is_set;
    bool is_placing; /* writes a file that is missing: no operation */
    int attempt;
    char op_key[JOB_KEY_BYTES]; /* is_set: the operation it is part of */
    struct router_config config;
    const struct router_driver *kind;
    struct router_request rq;
    struct router_result result;
    int64_t *node_ids; /* of the pool's servers */
};

void routes_free(struct controller *c);
struct env_routes *routes_of(const struct controller *c, int64_t env_id);
/* By target_id; NULL: none. */
struct routed *route_of(const struct env_routes *r, int64_t target_id);
/* Reads the routers of env, which was just loaded, and keeps what was seen of those that stayed. */
MUST_USE int routes_load(struct controller *c, struct db *db, const struct env *env, struct err *e);

/* --- routes_view.c --- */
/* Fills what the view says of the router; nodes are the view's. */
MUST_USE int routes_view(struct controller *c, const struct env *env, const struct target *t,
                         struct view_node *nodes, struct view *out, struct err *e);

/* --- routes_act.c --- */
/* Takes over what a recorded plan wants. */
void routes_take_plan(struct controller *c, const struct env *env, const struct target *t,
                      const struct plan *plan);
/* OP_WEIGHTS and OP_ROUTES. */
void routes_execute(struct controller *c, const struct env *env, const struct target *t,
                    const struct plan_action *act);
/* Looks at pools that are due. Lowers c->due_ms to the next look. */
void routes_looks(struct controller *c);
/* Writes the file of a router that has none. */
void routes_place(struct controller *c, const struct env *env, struct balancer *b);
/* Submits the present call of a flight. */
MUST_USE int routes_call(struct controller *c, struct flight *f, struct err *e);

/* --- routes_collect.c --- */
/* Ends the operation if nothing of it is under way; is_short: some of it could not be begun. */
void routes_close(struct controller *c, struct routed *r, bool is_short);
void routes_answer(struct controller *c, struct flight *f, const struct completion *done);
void routes_missed(struct controller *c, struct flight *f, enum fault fault, const char *text);

/* --- routes_record.c --- */
/* Stores views and health that changed. */
MUST_USE int routes_put(struct controller *c, struct db *db, struct err *e);
void routes_written(struct controller *c);
bool routes_are_unwritten(const struct controller *c);
/* A stored view into *link. ERR_CORRUPT. */
MUST_USE int routes_read_link(const char *text, struct link *link, struct err *e);

#endif
