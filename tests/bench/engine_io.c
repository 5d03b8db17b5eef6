/*
 * Nodes of bench_engine: everything works and takes a few milliseconds of simulated time. Version 2
 * of some targets answers golden requests wrongly.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define HTTP_MS 8
#define FILE_MS 60

struct job_there {
    struct due due; /* first: the queue hands it back */
    char key[JOB_KEY_BYTES];
    enum job_kind kind;
    int status;
    const char *body; /* borrowed, or own */
    char *own;
    size_t bad_at; /* 1 + target whose wrong answer this is */
};

static int64_t io_now(void *self)
{
    const struct engine *e = self;
    return e->now_ms;
}

static void io_wake(void *self)
{
    (void)self;
}

/* Index of a target's state on a node; model and node are numbered through. */
static size_t slot_of(const struct engine *e, int64_t node_id, int64_t model_id)
{
    return (size_t)(model_id - 1) * (size_t)e->n_nodes + (size_t)((node_id - 1) % e->n_nodes);
}

static bool is_bad(const struct engine *e, int64_t model_id)
{
    return (model_id - 1) % e->n_targets < e->n_bad;
}

/* The durations of all models of a server: 60 in 100 take up to the first bound, and so on. */
static size_t add_durations(char *text, size_t size, int64_t count)
{
    static const char *const bounds[] = {"0.005", "0.01", "0.025", "0.05", "0.075",
                                         "0.1",   "0.25", "0.5",   "0.75", "1.0",
                                         "2.5",   "5.0",  "7.5",   "10.0", "+Inf"};
    size_t n = 0;
    for (size_t i = 0; i < ARRAY_LEN(bounds) && n < size; i++) {
        int64_t share = i < 8 ? 60 + 5 * (int64_t)i : 100;
        n += (size_t)snprintf(
            text + n, size - n,
            "rest_server_request_duration_seconds_bucket{le=\"%s\",method=\"POST\","
            "path=\"/v2/models/{model_name}/versions/{model_version}/infer\","
            "status_code=\"200\"} %" PRId64 "\n",
            bounds[i], count * share / 100);
    }
    return n;
}

static char *metrics_page(const struct engine *e, int64_t node_id)
{
    int n_models = e->compares ? e->n_targets : e->n_rollouts;
    size_t size = (size_t)n_models * 260 + 4000;
    int64_t count = (e->now_ms - INT64_C(1700000000000)) / 50;
    char *text = mem_alloc(size);
    size_t n = e->compares ? add_durations(text, size, count) : 0;
    int64_t first = (node_id - 1) / e->n_nodes * e->n_targets + 1;
    for (int64_t m = first; m < first + n_models && n < size; m++) {
        n += (size_t)snprintf(text + n, size - n,
                              "model_infer_request_success_total{model=\"m%" PRId64 "\"} %" PRId64
                              "\nmodel_infer_request_duration_sum{model=\"m%" PRId64 "\"} %.3f\n",
                              m, count, m, (double)count / 200);
    }
    return text;
}

static void answer_http(struct engine *e, const struct job *job, struct job_there *mine)
{
    int64_t node = 0;
    int64_t model = 0;
    int64_t number = 0;
    const char *path = strchr(job->call.url + 7, '/');
    mine->status = 200;
    mine->body = "";
    (void)sscanf(job->call.url, "http://n%" SCNd64, &node);
    if (strcmp(path, "/metrics") == 0) {
        mine->body = mine->own = metrics_page(e, node);
    } else if (strcmp(path, "/v2/repository/index") == 0) {
        mine->body = "[]";
    } else if (sscanf(path, "/v2/repository/models/m%" SCNd64, &model) == 1) {
        size_t at = slot_of(e, node, model);
        bool is_load = strstr(path, "/load") != NULL;
        e->ready[at] = is_load ? e->visible[at] : 0;
    } else if (sscanf(path, "/v2/models/m%" SCNd64 "/versions/%" SCNd64, &model, &number) == 2) {
        bool is_ready = (e->ready[slot_of(e, node, model)] & (1U << number)) != 0;
        bool is_wrong = number == 2 && is_bad(e, model) && strstr(path, "/infer") != NULL;
        mine->status = is_ready ? 200 : 404;
        mine->body = !is_ready  ? "{\"error\":\"not ready\"}"
                     : is_wrong ? "{\"ok\":2}"
                                : "{\"ok\":1}";
        mine->bad_at = is_wrong ? (size_t)model : 0;
    }
}

static void answer_file(struct engine *e, const struct job *job)
{
    int64_t node = 0;
    int64_t model = 0;
    (void)sscanf(job->file.root, "n%" SCNd64, &node);
    (void)sscanf(job->file.serve_as, "m%" SCNd64, &model);
    if (job->kind != JOB_SWITCH)
        return;
    unsigned char set = 0;
    for (size_t i = 0; i < job->file.n_keep; i++)
        set = (unsigned char)(set | (1U << job->file.keep[i]));
    e->visible[slot_of(e, node, model)] = set;
    double bad_s = e->bad_s[model - 1];
    if (set == 2 && bad_s > 0) {
        e->to_rollback_s[e->n_to_rollback++] = engine_now_s() - bad_s;
        e->bad_s[model - 1] = 0;
    }
}

static int io_submit(void *self, const struct job *job, struct err *err)
{
    struct engine *e = self;
    (void)err;
    struct job_there *mine = mem_alloc(sizeof *mine);
    memcpy(mine->key, job->key, sizeof mine->key);
    mine->kind = job->kind;
    mine->due.order = ++e->n_jobs;
    if (job->kind == JOB_HTTP)
        answer_http(e, job, mine);
    else
        answer_file(e, job);
    int64_t ms = job->kind == JOB_HTTP ? HTTP_MS + e->n_jobs % 5 : FILE_MS + e->n_jobs % 40;
    due_set(&e->jobs, &mine->due, e->now_ms + ms);
    e->n_in_flight++;
    if (e->n_in_flight > e->n_most_in_flight)
        e->n_most_in_flight = e->n_in_flight;
    return ERR_OK;
}

static void hand_over(struct engine *e, struct job_there *mine, struct completion *out)
{
    *out = (struct completion){.kind = mine->kind};
    memcpy(out->key, mine->key, sizeof out->key);
    if (mine->kind == JOB_HTTP) {
        out->answer.outcome = HTTP_ANSWERED;
        out->answer.status = mine->status;
        out->answer.body = mine->own != NULL ? mine->own : mem_strdup(mine->body);
        out->answer.body_len = strlen(out->answer.body);
    }
    if (mine->bad_at != 0)
        e->bad_s[mine->bad_at - 1] = engine_now_s();
    e->n_in_flight--;
    free(mine);
}

static size_t io_poll(void *self, int64_t until_ms, struct completion *out, size_t max)
{
    struct engine *e = self;
    double begun_s = engine_now_s();
    size_t n = 0;
    int64_t at_ms = due_next_ms(&e->jobs);
    int64_t now_ms = at_ms < until_ms ? at_ms : until_ms;
    e->now_ms = now_ms > e->now_ms ? now_ms : e->now_ms;
    while (n < max && due_next_ms(&e->jobs) <= e->now_ms) {
        struct job_there *mine = (struct job_there *)(void *)due_first(&e->jobs);
        due_drop(&e->jobs, &mine->due);
        hand_over(e, mine, &out[n++]);
    }
    e->waiting_s += engine_now_s() - begun_s;
    return n;
}

void engine_io_init(struct engine *e)
{
    size_t n = (size_t)e->n_envs * (size_t)e->n_targets;
    e->io = (struct io){
        .self = e, .now_ms = io_now, .submit = io_submit, .poll = io_poll, .wake = io_wake};
    e->ready = mem_alloc(n * (size_t)e->n_nodes);
    e->visible = mem_alloc(n * (size_t)e->n_nodes);
    memset(e->ready, 2, n * (size_t)e->n_nodes);
    memset(e->visible, 2, n * (size_t)e->n_nodes);
    e->bad_s = mem_alloc(n * sizeof e->bad_s[0]);
    e->to_rollback_s = mem_alloc(n * sizeof e->to_rollback_s[0]);
}

void engine_io_clear(struct engine *e)
{
    while (due_first(&e->jobs) != NULL) {
        struct job_there *mine = (struct job_there *)(void *)due_first(&e->jobs);
        due_drop(&e->jobs, &mine->due);
        free(mine->own);
        free(mine);
    }
    e->n_in_flight = 0;
}
