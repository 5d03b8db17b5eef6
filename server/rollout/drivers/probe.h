/*
 * A first look at a node, in calls that change nothing: what serves there, what it lists, whether
 * it takes commands, and what can be counted. Used by the v2 driver. Pure.
 */
#ifndef MREG_PROBE_H
#define MREG_PROBE_H

#include "driver.h"

#define PROBE_MAX_MODELS 32
#define PROBE_NAME_BYTES 64

/* Whether the server loads and unloads when told to. */
enum probe_mode { PROBE_MODE_UNKNOWN, PROBE_MODE_EXPLICIT, PROBE_MODE_REFUSED, PROBE_MODE_MISSING };

struct probe_model {
    char name[PROBE_NAME_BYTES], version[24], state[24];
};
/* What was found; zeroed before the first call. Texts are well-formed UTF-8. */
struct driver_probe {
    bool is_reachable, is_v2, is_ready, has_index, lists_more;
    char server[PROBE_NAME_BYTES], version[PROBE_NAME_BYTES];
    struct probe_model models[PROBE_MAX_MODELS];
    int n_models;
    enum probe_mode mode;
    char mode_text[DRIVER_TEXT_BYTES];
    bool has_page, counts_requests, times_models, times_server, tells_start;
    char page_text[DRIVER_TEXT_BYTES]; /* why there is no page; "" */
    bool version_is_ready;             /* the version asked about, if one was */
    char text[DRIVER_TEXT_BYTES];      /* why it is not reachable, or is no v2 server; "" */
};

/* As the functions of struct driver, for DRIVER_PROBE; rq->probe is filled. */
int probe_n_calls(const struct driver_request *rq);
MUST_USE int probe_make(const struct driver_node *node, const struct driver_request *rq, int k,
                        struct arena *a, struct http_call *out, struct err *e);
bool probe_read(const struct driver_request *rq, int k, const struct http_answer *answer,
                struct driver_result *out);

#endif
