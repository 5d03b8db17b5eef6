/*
 * Counters of requests on a page of metrics. MLServer and Triton call them differently; both label
 * them with the model, and with a version that says little (MLServer: the one in the request's
 * URL), so all versions are summed. Knows names of metrics, nothing of nodes or rollouts. Pure.
 */
#include "counters.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "prom.h"

enum counted { COUNTED_SUCCESS, COUNTED_FAILURE, COUNTED_TIME };

/* `scale` makes microseconds of a time. */
static const struct {
    const char *name;
    enum counted what;
    double scale;
} metrics[] = {
    {"model_infer_request_success_total", COUNTED_SUCCESS, 1},
    {"model_infer_request_failure_total", COUNTED_FAILURE, 1},
    {"model_infer_request_duration_sum", COUNTED_TIME, 1e6},
    {"nv_inference_request_success", COUNTED_SUCCESS, 1},
    {"nv_inference_request_failure", COUNTED_FAILURE, 1},
    {"nv_inference_request_duration_us", COUNTED_TIME, 1},
};

/* One of these is on the page, at least in a comment, of a server whose requests can be counted.
 * Triton's has its counters of requests only once a model is loaded. */
static const char *const families[] = {"model_infer_request_success",
                                       "nv_inference_request_success", "# TYPE nv_"};

/* Adds v to *total, keeping it a sane count. */
static void add_count(int64_t *total, double v)
{
    if (!(v > 0) || v > 9e15 || *total > INT64_MAX / 2)
        return;
    *total += llround(v);
}

/* Plain text of a label's escaped value; false if it is longer than any served name. */
static bool plain_value(const struct prom_label *l, char out[256])
{
    size_t len = 0;
    for (size_t i = 0; i < l->value_len; i++) {
        char c = l->value[i];
        if (c == '\\' && i + 1 < l->value_len) {
            c = l->value[++i];
            c = c == 'n' ? '\n' : c;
        }
        if (len == 255)
            return false;
        out[len++] = c;
    }
    out[len] = '\0';
    return true;
}

static int compare_names(const void *key, const void *item)
{
    return strcmp(key, *(const char *const *)item);
}

/* The place in `names` of the model that the sample is about, or -1. */
static ptrdiff_t find_model(const struct prom_sample *s, const char *const *names, size_t n_names)
{
    char model[256];
    for (int i = 0; i < s->n_labels; i++) {
        const struct prom_label *l = &s->labels[i];
        if (l->name_len != 5 || memcmp(l->name, "model", 5) != 0)
            continue;
        if (!plain_value(l, model))
            return -1;
        const char *const *hit = bsearch(model, names, n_names, sizeof names[0], compare_names);
        return hit != NULL ? hit - names : -1;
    }
    return -1;
}

static void take(const struct prom_sample *s, const char *const *names, size_t n_names,
                 struct driver_counts *out)
{
    for (size_t i = 0; i < ARRAY_LEN(metrics); i++) {
        if (!prom_is(s, metrics[i].name))
            continue;
        ptrdiff_t at = find_model(s, names, n_names);
        if (at < 0)
            return;
        struct driver_counts *c = &out[at];
        if (metrics[i].what == COUNTED_SUCCESS)
            add_count(&c->n_success, s->value);
        else if (metrics[i].what == COUNTED_FAILURE)
            add_count(&c->n_failure, s->value);
        else
            add_count(&c->duration_us, s->value * metrics[i].scale);
        c->is_there = true;
        return;
    }
}

bool counters_are_on(const char *text, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (memmem(text, n, families[i], strlen(families[i])) != NULL)
            return true;
    }
    return false;
}

void counters_read(const char *text, size_t n, const char *const *names, size_t n_names,
                   struct driver_counts *out, struct driver_page *page)
{
    struct prom p;
    struct prom_sample s;
    memset(out, 0, n_names * sizeof out[0]);
    prom_init(&p, text, n);
    while (prom_next(&p, &s))
        take(&s, names, n_names, out);
    page->has_samples = p.n_samples > 0;
    /* A series appears with its first request, so none means 0, if the page knows such a metric at
     * all; a page without comments cannot tell. */
    page->has_requests =
        page->has_samples && (counters_are_on(text, n) || memmem(text, n, "# ", 2) == NULL);
}

static bool collect(const char *text, size_t n, const char *name,
                    const struct histogram_label *labels, size_t n_labels, struct histogram *out)
{
    return histogram_collect(text, n, name, labels, n_labels, out) && !out->is_odd &&
           out->n_buckets > 1;
}

/* MLServer times requests per path template, not per model: predictions of all models together. */
static bool collect_rest(const char *text, size_t n, struct histogram *out)
{
    static const char name[] = "rest_server_request_duration_seconds";
    struct histogram_label with = {"path",
                                   "/v2/models/{model_name}/versions/{model_version}/infer"};
    struct histogram_label without = {"path", "/v2/models/{model_name}/infer"};
    struct histogram *more = mem_alloc(sizeof *more);
    bool found = collect(text, n, name, &without, 1, out);
    if (collect(text, n, name, &with, 1, more)) {
        if (found)
            histogram_add(out, more);
        else
            *out = *more;
        found = !out->is_odd;
    }
    free(more);
    return found;
}

bool counters_histogram(const char *text, size_t n, const char *serve_as, struct histogram *out,
                        enum driver_timing *what)
{
    struct histogram_label model = {"model", serve_as};
    *what = DRIVER_TIMES_MODEL;
    if (collect(text, n, "model_infer_request_duration", &model, 1, out))
        return true;
    *what = DRIVER_TIMES_FIRST_RESPONSE;
    if (collect(text, n, "nv_inference_first_response_histogram_ms", &model, 1, out))
        return true;
    *what = DRIVER_TIMES_SERVER;
    return collect_rest(text, n, out);
}
