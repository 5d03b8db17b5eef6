/* The routes of the reference node: from a method and a path to a reply, and what is counted for
 * it. Knows nothing of sockets. Worker threads. */
#include "refnode.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct route_call {
    struct rn_node *node;
    const char *name;    /* NULL where the path has none */
    const char *version; /* the same */
    const char *body;
    struct rn_reply *reply;
};

static void get_live(struct route_call *call)
{
    rn_reply_text(call->reply, 200, NULL);
}

static void get_ready(struct route_call *call)
{
    bool ready = true;
    pthread_mutex_lock(&call->node->lock);
    for (const struct rn_version *v = call->node->versions; v; v = v->next)
        ready = ready && v->ready;
    ready = ready || call->node->faults.lie_ready;
    pthread_mutex_unlock(&call->node->lock);
    rn_reply_text(call->reply, ready ? 200 : 400, NULL);
}

static void get_server(struct route_call *call)
{
    rn_reply_json(
        call->reply, 200,
        json_pack("{s:s, s:s, s:[]}", "name", "mreg-node", "version", "1.7.1", "extensions"));
}

static void get_model_ready(struct route_call *call)
{
    pthread_mutex_lock(&call->node->lock);
    const struct rn_version *v = rn_find(call->node, call->name, call->version);
    bool known = v != NULL;
    bool lie = call->node->faults.lie_ready;
    bool ready = lie || (known && v->ready);
    pthread_mutex_unlock(&call->node->lock);
    if (known || lie)
        rn_reply_text(call->reply, ready ? 200 : 400, NULL);
    else
        rn_not_found(call->reply, call->name, call->version);
}

static void get_model(struct route_call *call)
{
    pthread_mutex_lock(&call->node->lock);
    bool known = rn_find(call->node, call->name, call->version) != NULL;
    pthread_mutex_unlock(&call->node->lock);
    if (!known)
        rn_not_found(call->reply, call->name, call->version);
    else
        rn_reply_json(call->reply, 200,
                      json_pack("{s:s, s:[], s:s, s:[], s:[], s:{}}", "name", call->name,
                                "versions", "platform", "", "inputs", "outputs", "parameters"));
}

static void post_infer(struct route_call *call)
{
    struct timespec start;
    struct timespec end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    rn_infer(call->node, call->name, call->version, call->body, call->reply);
    clock_gettime(CLOCK_MONOTONIC, &end);
    double seconds =
        (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9;
    rn_count_infer(call->node, call->name, call->version, call->reply->status, seconds);
}

static void post_index(struct route_call *call)
{
    json_t *body = json_loads(call->body, 0, NULL);
    if (json_is_object(body))
        rn_index(call->node, json_is_true(json_object_get(body, "ready")), call->reply);
    else
        rn_reply_detail(call->reply, 422, "Field required: body");
    json_decref(body);
}

static void post_load(struct route_call *call)
{
    rn_load(call->node, call->name, call->reply);
    pthread_mutex_lock(&call->node->lock);
    bool lie = call->node->faults.lie_ready;
    pthread_mutex_unlock(&call->node->lock);
    if (lie)
        rn_reply_text(call->reply, 200, NULL);
}

static void post_unload(struct route_call *call)
{
    rn_unload(call->node, call->name, call->reply);
}

static void get_metrics(struct route_call *call)
{
    pthread_mutex_lock(&call->node->lock);
    bool off = call->node->faults.metrics_off;
    pthread_mutex_unlock(&call->node->lock);
    if (off) {
        rn_reply_detail(call->reply, 404, "Not Found");
        return;
    }
    rn_reply_text(call->reply, 200, rn_metrics(call->node));
    call->reply->type = "text/plain; version=0.0.4; charset=utf-8";
}

static void show_faults(struct route_call *call)
{
    pthread_mutex_lock(&call->node->lock);
    json_t *value = rn_faults_show(&call->node->faults);
    json_object_set_new(value, "n_during_load",
                        json_integer((json_int_t)call->node->n_during_load));
    pthread_mutex_unlock(&call->node->lock);
    rn_reply_json(call->reply, 200, value);
}

static void post_faults(struct route_call *call)
{
    const char *why = NULL;
    json_t *body = json_loads(call->body, JSON_REJECT_DUPLICATES, NULL);
    pthread_mutex_lock(&call->node->lock);
    bool done = rn_faults_merge(&call->node->faults, body, &why);
    pthread_mutex_unlock(&call->node->lock);
    if (done)
        show_faults(call);
    else
        rn_reply_error(call->reply, 422, "not a setting of the faults: %s", why);
    json_decref(body);
}

static const struct {
    const char *method;
    const char *path;
    void (*run)(struct route_call *call);
} routes[] = {
    {"GET", "/v2", get_server},
    {"GET", "/v2/health/live", get_live},
    {"GET", "/v2/health/ready", get_ready},
    {"GET", "/v2/models/{model_name}", get_model},
    {"GET", "/v2/models/{model_name}/ready", get_model_ready},
    {"POST", "/v2/models/{model_name}/infer", post_infer},
    {"GET", "/v2/models/{model_name}/versions/{model_version}", get_model},
    {"GET", "/v2/models/{model_name}/versions/{model_version}/ready", get_model_ready},
    {"POST", "/v2/models/{model_name}/versions/{model_version}/infer", post_infer},
    {"POST", "/v2/repository/index", post_index},
    {"POST", "/v2/repository/models/{model_name}/load", post_load},
    {"POST", "/v2/repository/models/{model_name}/unload", post_unload},
    {"GET", "/metrics", get_metrics},
    {"GET", "/faults", show_faults},
    {"POST", "/faults", post_faults},
};

/* Copies the segment at *path, which must not be empty, and moves *path behind it. */
static bool take_segment(const char **path, char *out)
{
    size_t n = strcspn(*path, "/");
    if (n == 0 || n >= RN_NAME_MAX)
        return false;
    memcpy(out, *path, n);
    out[n] = 0;
    *path += n;
    return true;
}

/* names[0] gets the model, names[1] the version. */
static bool path_matches(const char *pattern, const char *path, char names[2][RN_NAME_MAX])
{
    names[0][0] = names[1][0] = 0;
    for (; *pattern && *path; pattern++) {
        if (*pattern == '{') {
            if (!take_segment(&path, names[pattern[7] == 'v']))
                return false;
            pattern += strcspn(pattern, "}");
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return !*pattern && !*path;
}

void rn_route(struct rn_node *node, const char *method, const char *path, const char *body,
              struct rn_reply *reply, const char **pattern)
{
    char names[2][RN_NAME_MAX];
    *pattern = NULL;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++) {
        if (!path_matches(routes[i].path, path, names))
            continue;
        *pattern = routes[i].path;
        if (strcmp(routes[i].method, method) != 0)
            continue;
        struct route_call call = {.node = node, .body = body, .reply = reply};
        call.name = names[0][0] ? names[0] : NULL;
        call.version = names[1][0] ? names[1] : NULL;
        routes[i].run(&call);
        return;
    }
    if (*pattern)
        rn_reply_detail(reply, 405, "Method Not Allowed");
    else
        rn_reply_detail(reply, 404, "Not Found");
}
