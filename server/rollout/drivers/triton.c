/*
 * NVIDIA Triton, started with --model-control-mode=explicit: the same calls as v2, but a load keeps
 * the versions that are loaded and unchanged, new ones are ready before old ones go, and answers
 * differ in their statuses. Which versions a load brings is up to the model's config.pbtxt: two at
 * a time need "version_policy { all {} }" there. Pure: no network, clock or database.
 */
#include "triton.h"

#include <stdio.h>
#include <string.h>

#include "v2.h"

#define NOT_READY 404

static int triton_n_calls(const struct driver_request *rq)
{
    return driver_v2.n_calls(rq);
}

static int triton_make(const struct driver_node *node, const struct driver_request *rq, int k,
                       struct arena *a, struct http_call *out, struct err *e)
{
    return driver_v2.make(node, rq, k, a, out, e);
}

/* "failed to poll from model repository": the model's folder is not there. */
static bool lacks_files(const struct http_answer *answer)
{
    return answer->status == 500 && answer->body != NULL &&
           strstr(answer->body, "failed to poll") != NULL;
}

/* 503 to a load is no busy server but one that was started in another mode. */
static bool refuses_loads(const struct http_answer *answer)
{
    return answer->status == 503 && answer->body != NULL &&
           strstr(answer->body, "not allowed") != NULL;
}

static bool fail(struct driver_result *out, enum fault fault, const char *text)
{
    out->fault = fault;
    snprintf(out->text, sizeof(out->text), "%s", text);
    return false;
}

static bool triton_read(const struct driver_request *rq, int k, const struct http_answer *answer,
                        struct driver_result *out)
{
    struct http_answer same = *answer;
    bool changes = rq->action == DRIVER_LOAD || rq->action == DRIVER_UNLOAD;

    if (answer->outcome == HTTP_ANSWERED && changes && lacks_files(answer))
        return fail(out, FAULT_NOT_FOUND, "the node does not find the model's folder (500)");
    if (answer->outcome == HTTP_ANSWERED && changes && refuses_loads(answer))
        return fail(out, FAULT_REJECTED,
                    "the node was not started with --model-control-mode=explicit (503)");
    /* 503: the version is known, but not ready. */
    if (rq->action == DRIVER_OBSERVE && k > 0 && answer->status == 503)
        same.status = NOT_READY;
    return driver_v2.read(rq, k, &same, out);
}

static bool triton_scrape(const struct http_answer *answer, const char *const *names, size_t n,
                          struct driver_counts *out, struct driver_page *page,
                          struct driver_result *fault)
{
    return driver_v2.scrape(answer, names, n, out, page, fault);
}

static bool triton_histogram(const struct http_answer *answer, const char *serve_as,
                             struct histogram *out, enum driver_timing *what)
{
    return driver_v2.histogram(answer, serve_as, out, what);
}

const struct driver driver_triton = {
    .name = "triton",
    .flags = DRIVER_DEFAULT_IS_HIGHEST | DRIVER_KEEPS_OTHERS | DRIVER_FAILED_LOAD_KEEPS_OLD |
             DRIVER_NEEDS_FILES,
    .n_calls = triton_n_calls,
    .make = triton_make,
    .read = triton_read,
    .scrape = triton_scrape,
    .histogram = triton_histogram,
};
