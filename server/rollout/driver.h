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
#include "move.h"

struct histogram;

struct driver_node {
    const char *admin_url, *infer_url, *metrics_url; /* without a trailing slash */
};

enum driver_action {
    DRIVER_LOAD,    /* make the node load exactly the versions now visible under serve_as */
    DRIVER_UNLOAD,  /* no version of serve_as any more */
    DRIVER_OBSERVE, /* which versions are there and ready */
    DRIVER_GOLDEN,  /* one golden request to one version */
    DRIVER_SAMPLE,  /* read the counters */
    DRIVER_HEALTH,  /* is the server alive */
    DRIVER_PROBE    /* what is there, for people: fills *probe */
};

struct driver_request {
    enum driver_action action;
    const char *serve_as;
    int64_t number;     /* OBSERVE: version whose readiness matters; GOLDEN */
    int64_t other;      /* OBSERVE: a second version to ask about, for ready[]; 0: none */
    const char *golden; /* GOLDEN: the golden file's JSON text */
    int64_t timeout_ms;
    struct driver_probe *probe; /* PROBE: filled (drivers/probe.h); serve_as may be NULL there */
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
    FAULT_INFRA,        /* disk full, files unreadable: not the version's fault */
    FAULT_DEPOSED       /* the node obeys another registry: stop acting */
};

#define DRIVER_MAX_VERSIONS 16
#define DRIVER_TEXT_BYTES 200

struct driver_result {
    enum fault fault;
    char text[DRIVER_TEXT_BYTES]; /* in words, "" when all is well */
    int64_t epoch;                /* FAULT_DEPOSED: of the other registry */
    /* OBSERVE */
    bool is_alive;
    int64_t ready[DRIVER_MAX_VERSIONS]; /* of those asked about, the ready ones, ascending */
    int n_ready;
    bool number_is_ready; /* the version asked about */
    /* SAMPLE: totals over all version labels of serve_as */
    int64_t n_success, n_failure, duration_us;
    bool has_counters;
};

/* What a page of metrics counts for one model since the server's start. */
struct driver_counts {
    int64_t n_success, n_failure, duration_us;
    bool is_there; /* the model has a series of its own already */
};
struct driver_page {
    bool has_samples;  /* it is a page of metrics */
    bool has_requests; /* requests can be counted by it */
};
/* Whose durations a histogram holds. */
enum driver_timing {
    DRIVER_TIMES_MODEL,          /* seconds, of the model alone */
    DRIVER_TIMES_FIRST_RESPONSE, /* milliseconds to the first response, of the model alone */
    DRIVER_TIMES_SERVER          /* seconds, of all models of the server together */
};

struct driver {
    const char *name; /* "v2" */
    unsigned flags;   /* enum driver_flags */
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
    /* Reads the answer of DRIVER_SAMPLE for n models at once. names (borrowed) rise by strcmp;
     * out has room for n. False: the answer is no page of metrics, *fault says why and out and page
     * are zero. NULL: the driver has no counters. */
    bool (*scrape)(const struct http_answer *answer, const char *const *names, size_t n,
                   struct driver_counts *out, struct driver_page *page,
                   struct driver_result *fault);
    /* The durations of a model's requests on that page; false if it has none. NULL: never. */
    bool (*histogram)(const struct http_answer *answer, const char *serve_as, struct histogram *out,
                      enum driver_timing *what);
};

/* Driver by name, or NULL. driver_names: NULL-terminated, for errors and did-you-mean. */
const struct driver *driver_find(const char *name);
const char *const *driver_names(void);
const char *fault_name(enum fault f);

#endif
