/*
 * How to speak to one kind of software that spreads traffic over nodes: pure translation, like
 * drivers. A router never touches the network, the clock or the database.
 */
#ifndef MREG_ROUTER_H
#define MREG_ROUTER_H

#include <stdbool.h>

#include "driver.h"
#include "err.h"
#include "http.h"
#include "mem.h"
#include "routing.h"

enum router_flags {
    ROUTER_MIRRORS = 1 << 0,     /* can send copies of requests */
    ROUTER_COUNTS = 1 << 1,      /* counts requests and errors per server */
    ROUTER_MAKES_POOLS = 1 << 2, /* a pool that is not there yet is made */
    ROUTER_SETS_ALL = 1 << 3     /* setting one pool writes all of them */
};

/* One node in one pool: what is wanted of it. */
struct router_server {
    const char *name;    /* as the router calls it */
    const char *address; /* "host:port" of its inference URL; NULL: there is none */
    int share_bp;
    bool is_mirrored;
};
struct router_pool {
    const char *backend; /* as the router calls it */
    struct router_server *servers;
    int n_servers;
};

enum router_action {
    ROUTER_LOOK, /* what pool `at` does */
    ROUTER_SET   /* make pool `at` do what is wanted */
};
struct router_request {
    enum router_action action;
    const struct router_config *config;
    const struct router_pool
        *pools; /* LOOK, and SET unless ROUTER_SETS_ALL: only pool `at` counts */
    int n_pools, at;
    int64_t generation; /* SET: above all that were used before */
    int64_t timeout_ms;
};

/* What was seen of one server of the pool. */
struct router_seen {
    bool is_known; /* the router has it */
    bool is_up;    /* it is not down by the router's own checks, nor taken out by hand */
    bool is_mirrored;
    int weight;
    int n_sessions;               /* requests in flight; -1: not known */
    int64_t n_requests, n_errors; /* since the router's start; valid if has_counts */
};
struct router_result {
    enum fault fault;
    char text[DRIVER_TEXT_BYTES]; /* in words, "" when all is well */
    bool has_pool;
    bool is_missing; /* its generated file is not there at all: nothing can run by it */
    bool has_counts;
    int n_others; /* servers with a weight that are no nodes of ours */
    int64_t generation;
    int n_draining;           /* scratch between calls; -1: not known */
    struct router_seen *seen; /* as many as the pool has servers; of the caller, zeroed */
};

enum router_call_kind { ROUTER_CALL_LINES, ROUTER_CALL_HTTP, ROUTER_CALL_RELOAD };
/* What is to be sent next; strings in arena or borrowed from the request. */
struct router_call {
    enum router_call_kind kind;
    struct lines_call lines;
    struct http_call http;
    const char *text;    /* RELOAD: the new file; NULL: only how things stand */
    const char *service; /* RELOAD: name of the process */
};

struct router_driver {
    const char *name; /* "haproxy" */
    unsigned flags;
    int max_weight; /* what its weights can express */
    int (*n_calls)(const struct router_request *rq);
    /* Builds call k in arena. ERR_INVALID: it cannot be expressed. */
    int (*make)(const struct router_request *rq, int k, struct arena *a, struct router_call *out,
                struct err *e);
    /* Reads answer k (error: of RELOAD, code ERR_OK else) into *out, of which all but `seen` was
     * zeroed before call 0. Returns true when the next call shall be made. */
    bool (*read)(const struct router_request *rq, int k, const struct http_answer *answer,
                 const struct err *error, struct router_result *out);
};

/* Router by name of its kind, or NULL. */
const struct router_driver *router_find(const char *name);
/* Fills fault and text from an answer that did not come; true if it came. */
bool router_answered(const struct http_answer *answer, bool is_read, struct router_result *out);

#endif
