/*
 * What the files of nodes over HTTP share. Nobody else includes this.
 */
#ifndef MREG_API_NODES_H
#define MREG_API_NODES_H

#include "api_fleet.h"
#include "when.h"

/* One node as JSON; the object is left open for more members. */
MUST_USE int write_node(struct request *rq, struct look *l, struct jsonw *w,
                        const struct node_row *v, struct err *e);
/* Answers {env}/name as it is now. */
MUST_USE int reply_node(struct request *rq, struct reply *rp, const char *name, struct err *e);
/* As above, after looking at it. */
MUST_USE int reply_node_probed(struct request *rq, struct reply *rp, const char *name,
                               struct err *e);
/* The members of a node's body that create, change and register share. */
MUST_USE int read_node_spec(struct request *rq, struct node_spec *spec, struct fleet_change *c,
                            struct err *e);

/* The node {env}/name as it is now, in the request's arena. */
MUST_USE int find_node(struct request *rq, const char *name, struct node_row *out, struct err *e);

/* --- looks (api_node_probe.c) --- */
#define NODE_CHECK_MS 8000 /* how long an answer is waited for when it is asked for */
#define NODE_ADD_MS 3000   /* and when a node is added */
#define LOW_SPACE_BYTES ((int64_t)256 << 20)
struct probe_ask {
    int64_t node_id, number, patience_ms;
    const char *serve_as; /* NULL: no version is asked about */
    const char *model;    /* NULL: its files are not taken over */
};
/* Asks the controller to look at the node now. *out: its report, owned by the caller, or NULL when
 * none came in time. */
MUST_USE int node_probe(struct request *rq, const struct probe_ask *ask, json_t **out,
                        struct err *e);
/* The last report, or NULL. */
MUST_USE int node_probe_last(struct request *rq, int64_t node_id, json_t **out, struct err *e);
/* Adds to the report (given away, may be NULL) what its root is like; tries: also by writing there.
 * Caller owns the result. */
json_t *node_report(struct request *rq, const struct node_row *v, json_t *probe, bool tries);

/* --- parts of it (api_node_state.c) --- */
MUST_USE int write_node_cordon(struct request *rq, struct look *l, struct jsonw *w,
                               const struct node_row *v, const struct node_work *work,
                               struct err *e);
MUST_USE int write_node_operations(struct request *rq, struct look *l, struct jsonw *w,
                                   const struct node_row *v, struct err *e);
/* When something is tried again there, if something waits for that. */
MUST_USE int write_node_next(struct request *rq, struct look *l, struct jsonw *w,
                             const struct node_row *v, struct err *e);
MUST_USE int write_node_drifts(struct request *rq, struct look *l, struct jsonw *w,
                               const struct node_row *v, struct err *e);

route_handler api_node_adopt, api_node_check, api_node_cordon, api_node_uncordon, api_node_drain;
route_handler api_node_register, api_node_leave;

#endif
