/*
 * How to speak to one kind of serving software: pure translation between what mreg wants of a node
 * and HTTP calls. A driver never touches the network, the clock or the database; it is tested with
 * recorded answers.
 */
#ifndef MREG_DRIVER_H
#define MREG_DRIVER_H

#include <stdbool.h>

#include "err.h"
#include "http.h"
#include "mem.h"

/* What a driver's server really does; the planner and the plan shown to people depend on it. */
enum driver_flags {
    DRIVER_DEFAULT_IS_HIGHEST = 1 << 0, /* highest ready version takes version-less traffic */
    DRIVER_LOAD_RECREATES_ALL = 1 << 1, /* load re-creates every version of the model */
    DRIVER_FAILED_LOAD_KEEPS_OLD = 1 << 2,
    DRIVER_NEEDS_FILES = 1 << 3
};

struct driver_node {
    const char *admin_url, *infer_url, *metrics_url; /* without a trailing slash */
};

enum driver_action {
    DRIVER_LOAD,    /* make the node load exactly the versions now visible under serve_as */
    DRIVER_UNLOAD,  /* no version of serve_as any more */
    DRIVER_OBSERVE, /* which versions are there and ready */
    DRIVER_GOLDEN,  /* one golden request to one version */
    DRIVER_SAMPLE,  /* read the counters */
    DRIVER_HEALTH   /* is the server alive */
};

struct driver_request {
    enum driver_action action;
    const char *serve_as;
    int64_t number;     /* OBSERVE: version whose readiness matters; GOLDEN */
    int64_t other;      /* OBSERVE: a second version to ask about, for ready[]; 0: none */
    const char *golden; /* GOLDEN: the golden file's JSON text */
    int64_t timeout_ms;
};

/* Why an operation did not work; decides about retry (transient), rollback (load-failed) or
 * looking first (unknown). */
enum fault {
    FAULT_NONE,
    FAULT_TRANSPORT, /* not reached: retry */
    FAULT_UNKNOWN,   /* outcome unknown: observe first */
    FAULT_BUSY,      /* 409, 429, 503: retry later */
    FAULT_REJECTED,  /* bad request, auth, unsupported: permanent */
    FAULT_LOAD,      /* the model's fault */
    FAULT_NOT_FOUND,
    FAULT_WRONG_ANSWER, /* golden request answered, but not as expected */
    FAULT_INFRA         /* disk full, files unreadable: not the version's fault */
};

#define DRIVER_MAX_VERSIONS 16
#define DRIVER_TEXT_BYTES 200

struct driver_result {
    enum fault fault;
    char text[DRIVER_TEXT_BYTES]; /* in words, "" when all is well */
    /* OBSERVE */
    bool is_alive;
    int64_t ready[DRIVER_MAX_VERSIONS]; /* of those asked about, the ready ones, ascending */
    int n_ready;
    bool number_is_ready; /* the version asked about */
    /* SAMPLE: totals over all version labels of serve_as */
    int64_t n_success, n_failure, duration_us;
    bool has_counters;
};

struct driver {
    const char *name; /* "v2" */
    unsigned flags;
    /* Number of HTTP calls that the action takes on this server (they run one after another; each
     * answer is read before the next is made). */
    int (*n_calls)(const struct driver_request *rq);
    /* Builds call k in arena. ERR_INVALID: the input cannot be expressed (bad golden file). */
    int (*make)(const struct driver_node *node, const struct driver_request *rq, int k,
                struct arena *a, struct http_call *out, struct err *e);
    /* Reads answer k into *out, which was zeroed before call 0. Returns true when the next call
     * shall be made, false when the action is decided. */
    bool (*read)(const struct driver_request *rq, int k, const struct http_answer *answer,
                 struct driver_result *out);
};

/* Driver by name, or NULL. driver_names: NULL-terminated, for errors and did-you-mean. */
const struct driver *driver_find(const char *name);
const char *const *driver_names(void);
const char *fault_name(enum fault f);

#endif
