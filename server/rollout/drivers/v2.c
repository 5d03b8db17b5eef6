/*
 * KServe v2 repository protocol as MLServer speaks it: requests for each action and what the
 * answers mean. Believes neither the 200 of a load (a version with unreadable settings is skipped)
 * nor the index (it repeats the default version's state), only the readiness of the one version.
 * Pure: no network, clock or database. Facts: docs/mlserver.md.
 */
#include "v2.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "counters.h"
#include "golden.h"
#include "name.h"
#include "probe.h"
#include "v2_faults.h"
#include "words.h"

#define SHORT_TIMEOUT_MS 10000
#define HEALTH_TIMEOUT_MS 2000
#define LOAD_TIMEOUT_MS (15 * 60 * 1000)
#define METRICS_MAX_BYTES ((size_t)16 << 20)

enum observe_call { OBSERVE_INDEX, OBSERVE_NUMBER, OBSERVE_OTHER };

/* --- requests --------------------------------------------------------------------------------- */

static int v2_n_calls(const struct driver_request *rq)
{
    if (rq->action == DRIVER_PROBE)
        return probe_n_calls(rq);
    if (rq->action != DRIVER_OBSERVE)
        return 1;
    return rq->other > 0 && rq->other != rq->number ? OBSERVE_OTHER + 1 : OBSERVE_NUMBER + 1;
}

static void set_post(struct http_call *out, const char *body, size_t n)
{
    out->method = "POST";
    out->body = body;
    out->body_len = n;
    out->headers[0] = "Content-Type: application/json";
}

static void make_observe(const struct driver_node *node, const struct driver_request *rq, int k,
                         struct arena *a, struct http_call *out)
{
    if (k == OBSERVE_INDEX) {
        out->url = arena_printf(a, "%s/v2/repository/index", node->admin_url);
        set_post(out, "{}", 2);
        return;
    }
    out->url = arena_printf(a, "%s/v2/models/%s/versions/%" PRId64 "/ready", node->admin_url,
                            rq->serve_as, k == OBSERVE_OTHER ? rq->other : rq->number);
}

static int make_golden(const struct driver_node *node, const struct driver_request *rq,
                       struct arena *a, struct http_call *out, struct err *e)
{
    struct golden g CLEANUP(golden_clear) = {0};
    const char *body;
    size_t n;
    int rc;

    if (rq->golden == NULL)
        return err_set(e, ERR_INVALID, "no golden request was given");
    if ((rc = golden_parse(rq->golden, strlen(rq->golden), &g, e)) != ERR_OK)
        return rc;
    out->url = arena_printf(a, "%s/v2/models/%s/versions/%" PRId64 "/infer", node->infer_url,
                            rq->serve_as, rq->number);
    body = golden_request(&g, a, &n);
    set_post(out, body, n);
    return ERR_OK;
}

static int make_sample(const struct driver_node *node, struct arena *a, struct http_call *out,
                       struct err *e)
{
    if (node->metrics_url == NULL || node->metrics_url[0] == '\0')
        return err_set(e, ERR_INVALID, "the node has no metrics URL");
    out->url = arena_strdup(a, node->metrics_url);
    out->max_answer_bytes = METRICS_MAX_BYTES;
    return ERR_OK;
}

static int64_t default_timeout_ms(enum driver_action action)
{
    if (action == DRIVER_LOAD)
        return LOAD_TIMEOUT_MS;
    return action == DRIVER_HEALTH ? HEALTH_TIMEOUT_MS : SHORT_TIMEOUT_MS;
}

static int v2_make(const struct driver_node *node, const struct driver_request *rq, int k,
                   struct arena *a, struct http_call *out, struct err *e)
{
    int rc;

    if (rq->action == DRIVER_PROBE)
        return probe_make(node, rq, k, a, out, e);
    memset(out, 0, sizeof(*out));
    out->method = "GET";
    out->timeout_ms = rq->timeout_ms > 0 ? rq->timeout_ms : default_timeout_ms(rq->action);
    if (rq->action == DRIVER_HEALTH) {
        out->url = arena_printf(a, "%s/v2/health/live", node->admin_url);
        return ERR_OK;
    }
    if ((rc = name_check_served(rq->serve_as, e)) != ERR_OK)
        return rc;
    switch (rq->action) {
    case DRIVER_LOAD:
    case DRIVER_UNLOAD:
        out->url = arena_printf(a, "%s/v2/repository/models/%s/%s", node->admin_url, rq->serve_as,
                                rq->action == DRIVER_LOAD ? "load" : "unload");
        set_post(out, "", 0);
        return ERR_OK;
    case DRIVER_OBSERVE:
        make_observe(node, rq, k, a, out);
        return ERR_OK;
    case DRIVER_GOLDEN:
        return make_golden(node, rq, a, out, e);
    case DRIVER_SAMPLE:
        return make_sample(node, a, out, e);
    default:
        return err_set(e, ERR_INTERNAL, "driver v2 has no such action");
    }
}

/* --- answers ---------------------------------------------------------------------------------- */

/* True if the server answered at all. `is_read`: asking again is harmless, so an answer that got
 * lost is not a question of what happened. */
static bool has_answer(const struct http_answer *answer, bool is_read, struct driver_result *out)
{
    if (answer->outcome == HTTP_ANSWERED)
        return true;
    out->fault = answer->outcome == HTTP_NOT_SENT || is_read ? FAULT_TRANSPORT : FAULT_UNKNOWN;
    out->text[0] = '\0';
    words_add(out, answer->detail, strnlen(answer->detail, sizeof(answer->detail)));
    if (out->text[0] == '\0')
        words_add(out, "no answer", 9);
    return false;
}

static bool is_ok(int status)
{
    return status >= 200 && status < 300;
}

/* A fault by the table of v2_faults.c; false where the action itself must decide. */
static bool read_fault(enum driver_action action, const struct http_answer *answer,
                       struct driver_result *out)
{
    return v2_fault(action, answer, out) && out->fault != FAULT_NONE;
}

static void add_ready(struct driver_result *out, int64_t number)
{
    int i = out->n_ready;

    for (int k = 0; k < out->n_ready; k++)
        if (out->ready[k] == number)
            return;
    if (i == DRIVER_MAX_VERSIONS)
        return;
    for (; i > 0 && out->ready[i - 1] > number; i--)
        out->ready[i] = out->ready[i - 1];
    out->ready[i] = number;
    out->n_ready++;
}

/* The index proves that the server is there and speaks the protocol; nothing else. */
static bool read_index(const struct http_answer *answer, struct driver_result *out)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;

    out->is_alive = true;
    if (read_fault(DRIVER_OBSERVE, answer, out))
        return false;
    if (!is_ok(answer->status)) {
        enum fault f = answer->status >= 500 ? FAULT_BUSY : FAULT_REJECTED;

        v2_set_fault(out, f, "the node does not list its models", answer);
        return false;
    }
    if (json_parse(answer->body != NULL ? answer->body : "", answer->body_len, JSON_MAX_DEPTH, &j,
                   NULL) != ERR_OK ||
        !json_is_array(j)) {
        v2_set_fault(out, FAULT_REJECTED, "the node's model list is not a v2 repository index",
                     answer);
        return false;
    }
    return true;
}

static void read_ready(const struct driver_request *rq, int k, const struct http_answer *answer,
                       struct driver_result *out)
{
    bool is_other = k == OBSERVE_OTHER;

    out->is_alive = true;
    if (is_ok(answer->status)) {
        add_ready(out, is_other ? rq->other : rq->number);
        out->number_is_ready = out->number_is_ready || !is_other;
        return;
    }
    if (is_other || answer->status == 404 || answer->status == 400) {
        if (!is_other)
            v2_set_fault(out, FAULT_NONE, "not ready", answer);
        return;
    }
    if (!read_fault(DRIVER_OBSERVE, answer, out))
        v2_set_fault(out, FAULT_BUSY, "the node cannot tell whether it is ready", answer);
}

static bool read_observe(const struct driver_request *rq, int k, const struct http_answer *answer,
                         struct driver_result *out)
{
    if (k == OBSERVE_INDEX)
        return read_index(answer, out);
    read_ready(rq, k, answer, out);
    return out->fault == FAULT_NONE && k + 1 < v2_n_calls(rq);
}

static void read_golden(const struct driver_request *rq, const struct http_answer *answer,
                        struct driver_result *out)
{
    struct golden g CLEANUP(golden_clear) = {0};
    char why[160];

    if (is_ok(answer->status)) {
        if (golden_parse(rq->golden, strlen(rq->golden), &g, NULL) != ERR_OK) {
            out->fault = FAULT_REJECTED;
            words_add(out, "the golden file cannot be read", 30);
        } else if (!golden_matches(&g, answer->body != NULL ? answer->body : "", answer->body_len,
                                   why, sizeof(why))) {
            out->fault = FAULT_WRONG_ANSWER;
            words_add(out, "wrong answer: ", 14);
            words_add(out, why, strlen(why));
        }
        return;
    }
    (void)v2_fault(DRIVER_GOLDEN, answer, out);
}

/* False with the fault in *out if the answer is no page of metrics. */
static bool v2_scrape(const struct http_answer *answer, const char *const *names, size_t n,
                      struct driver_counts *out, struct driver_page *page,
                      struct driver_result *fault)
{
    memset(out, 0, n * sizeof(out[0]));
    memset(page, 0, sizeof(*page));
    if (!has_answer(answer, true, fault) || read_fault(DRIVER_SAMPLE, answer, fault))
        return false;
    if (is_ok(answer->status))
        counters_read(answer->body != NULL ? answer->body : "", answer->body_len, names, n, out,
                      page);
    if (page->has_samples)
        return true;
    v2_set_fault(fault, FAULT_NOT_FOUND,
                 is_ok(answer->status) ? "this URL has no Prometheus metrics"
                                       : "no metrics at this URL",
                 answer);
    return false;
}

static bool v2_histogram(const struct http_answer *answer, const char *serve_as,
                         struct histogram *out, enum driver_timing *what)
{
    return answer->body != NULL &&
           counters_histogram(answer->body, answer->body_len, serve_as, out, what);
}

static void read_sample(const struct driver_request *rq, const struct http_answer *answer,
                        struct driver_result *out)
{
    struct driver_counts counts;
    struct driver_page page;

    if (!v2_scrape(answer, &rq->serve_as, 1, &counts, &page, out))
        return;
    out->n_success = counts.n_success;
    out->n_failure = counts.n_failure;
    out->duration_us = counts.duration_us;
    out->has_counters = page.has_requests;
    if (!out->has_counters)
        v2_set_fault(out, FAULT_NOT_FOUND, "the page counts no requests to models", answer);
}

static void read_health(const struct http_answer *answer, struct driver_result *out)
{
    out->is_alive = is_ok(answer->status);
    if (out->is_alive || read_fault(DRIVER_HEALTH, answer, out))
        return;
    v2_set_fault(out, answer->status >= 500 ? FAULT_BUSY : FAULT_REJECTED, "the node is not live",
                 answer);
}

static bool v2_read(const struct driver_request *rq, int k, const struct http_answer *answer,
                    struct driver_result *out)
{
    bool changes = rq->action == DRIVER_LOAD || rq->action == DRIVER_UNLOAD;

    if (rq->action == DRIVER_PROBE)
        return probe_read(rq, k, answer, out);
    if (!has_answer(answer, !changes, out))
        return false;
    switch (rq->action) {
    case DRIVER_LOAD:
    case DRIVER_UNLOAD:
        (void)v2_fault(rq->action, answer, out);
        return false;
    case DRIVER_OBSERVE:
        return read_observe(rq, k, answer, out);
    case DRIVER_GOLDEN:
        read_golden(rq, answer, out);
        return false;
    case DRIVER_SAMPLE:
        read_sample(rq, answer, out);
        return false;
    case DRIVER_HEALTH:
        read_health(answer, out);
        return false;
    case DRIVER_PROBE: /* read above */
        return false;
    }
    return false;
}

const struct driver driver_v2 = {
    .name = "v2",
    .flags = DRIVER_DEFAULT_IS_HIGHEST | DRIVER_LOAD_RECREATES_ALL | DRIVER_FAILED_LOAD_KEEPS_OLD |
             DRIVER_NEEDS_FILES,
    .n_calls = v2_n_calls,
    .make = v2_make,
    .read = v2_read,
    .scrape = v2_scrape,
    .histogram = v2_histogram,
};
