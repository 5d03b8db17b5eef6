/* The counters of the reference node under MLServer's names, as Prometheus text. Knows nothing of
 * what is counted. Any thread; takes the node's lock. */
#include "refnode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double bounds[RN_N_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5,
                                            0.75,  1,    2.5,   5,    7.5,   10,  1e300};

static struct rn_series *series_for(struct rn_node *node, const char *name, const char *version)
{
    for (struct rn_series *s = node->series; s; s = s->next) {
        if (strcmp(s->model, name) == 0 && strcmp(s->version, version) == 0)
            return s;
    }
    struct rn_series *s = rn_alloc(1, sizeof *s);
    snprintf(s->model, sizeof s->model, "%s", name);
    snprintf(s->version, sizeof s->version, "%s", version);
    s->next = node->series;
    node->series = s;
    return s;
}

void rn_count_infer(struct rn_node *node, const char *name, const char *version, int status,
                    double seconds)
{
    if (status == 422) /* refused before it reached the model's counters */
        return;
    pthread_mutex_lock(&node->lock);
    struct rn_series *s = series_for(node, name, version ? version : "None");
    if (status == 200)
        s->n_ok++;
    else
        s->n_failed++;
    s->sum_s += seconds;
    for (size_t i = 0; i < RN_N_BUCKETS; i++)
        s->buckets[i] += seconds <= bounds[i];
    pthread_mutex_unlock(&node->lock);
}

void rn_count_rest(struct rn_node *node, const char *method, const char *path, int status,
                   double seconds)
{
    pthread_mutex_lock(&node->lock);
    struct rn_rest *r = node->rest;
    while (r &&
           (r->status != status || strcmp(r->method, method) != 0 || strcmp(r->path, path) != 0))
        r = r->next;
    if (!r) {
        r = rn_alloc(1, sizeof *r);
        snprintf(r->method, sizeof r->method, "%s", method);
        snprintf(r->path, sizeof r->path, "%s", path);
        r->status = status;
        r->next = node->rest;
        node->rest = r;
    }
    r->n++;
    r->sum_s += seconds;
    for (size_t i = 0; i < RN_N_BUCKETS; i++)
        r->buckets[i] += seconds <= bounds[i];
    pthread_mutex_unlock(&node->lock);
}

static void write_label(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            fputs("\\n", out);
        else if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

/* One sample; le NULL: without that label. */
static void write_sample(FILE *out, const char *metric, const struct rn_series *s, const char *le,
                         double value)
{
    fprintf(out, "%s{model=\"", metric);
    write_label(out, s->model);
    fputs("\",version=\"", out);
    write_label(out, s->version);
    if (le)
        fprintf(out, "\",le=\"%s", le);
    fprintf(out, "\"} %.17g\n", value);
}

static void write_counts(FILE *out, const struct rn_series *all)
{
    fputs("# HELP model_infer_request_success_total Model infer request success count\n"
          "# TYPE model_infer_request_success_total counter\n",
          out);
    for (const struct rn_series *s = all; s; s = s->next) {
        if (s->n_ok)
            write_sample(out, "model_infer_request_success_total", s, NULL, (double)s->n_ok);
    }
    fputs("# HELP model_infer_request_failure_total Model infer request failure count\n"
          "# TYPE model_infer_request_failure_total counter\n",
          out);
    for (const struct rn_series *s = all; s; s = s->next)
        write_sample(out, "model_infer_request_failure_total", s, NULL, (double)s->n_failed);
}

static const char *bound_text(size_t i, char text[32])
{
    if (i + 1 < RN_N_BUCKETS)
        snprintf(text, 32, bounds[i] < 1 || bounds[i] > 1.5 ? "%g" : "%.1f", bounds[i]);
    else
        snprintf(text, 32, "+Inf");
    return text;
}

static void write_durations(FILE *out, const struct rn_series *all, bool has_buckets)
{
    fprintf(out,
            "# HELP model_infer_request_duration Model infer request duration\n"
            "# TYPE model_infer_request_duration %s\n",
            has_buckets ? "histogram" : "summary");
    for (const struct rn_series *s = all; s; s = s->next) {
        for (size_t i = 0; has_buckets && i < RN_N_BUCKETS; i++) {
            char le[32];
            write_sample(out, "model_infer_request_duration_bucket", s, bound_text(i, le),
                         (double)s->buckets[i]);
        }
        write_sample(out, "model_infer_request_duration_count", s, NULL,
                     (double)(s->n_ok + s->n_failed));
        write_sample(out, "model_infer_request_duration_sum", s, NULL, s->sum_s);
    }
}

static void write_rest_sample(FILE *out, const char *metric, const struct rn_rest *r,
                              const char *le, double value)
{
    fprintf(out, "%s{app_name=\"mlserver\"", metric);
    if (le)
        fprintf(out, ",le=\"%s\"", le);
    fprintf(out, ",method=\"%s\",path=\"%s\",status_code=\"%d\"} %.17g\n", r->method, r->path,
            r->status, value);
}

static void write_rest(FILE *out, const struct rn_rest *all)
{
    fputs("# HELP rest_server_requests_total Total HTTP requests\n"
          "# TYPE rest_server_requests_total counter\n",
          out);
    for (const struct rn_rest *r = all; r; r = r->next)
        write_rest_sample(out, "rest_server_requests_total", r, NULL, (double)r->n);
    fputs("# HELP rest_server_request_duration_seconds HTTP request duration, in seconds\n"
          "# TYPE rest_server_request_duration_seconds histogram\n",
          out);
    for (const struct rn_rest *r = all; r; r = r->next) {
        for (size_t i = 0; i < RN_N_BUCKETS; i++) {
            char le[32];
            write_rest_sample(out, "rest_server_request_duration_seconds_bucket", r,
                              bound_text(i, le), (double)r->buckets[i]);
        }
        write_rest_sample(out, "rest_server_request_duration_seconds_count", r, NULL, (double)r->n);
        write_rest_sample(out, "rest_server_request_duration_seconds_sum", r, NULL, r->sum_s);
    }
}

char *rn_metrics(struct rn_node *node)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        abort();
    fprintf(out,
            "# HELP process_start_time_seconds Start time of the process since unix epoch in "
            "seconds.\n# TYPE process_start_time_seconds gauge\n"
            "process_start_time_seconds %.3f\n",
            node->started);
    pthread_mutex_lock(&node->lock);
    write_counts(out, node->series);
    write_durations(out, node->series, node->faults.model_buckets);
    write_rest(out, node->rest);
    pthread_mutex_unlock(&node->lock);
    fclose(out);
    return text;
}
