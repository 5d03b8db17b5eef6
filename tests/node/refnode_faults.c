/* What the reference node does wrong on purpose: the settings, read from a file or a request, and
 * the counters that make them happen at the same requests each time. Knows nothing of routes or
 * models. Any thread, with the node's lock where refnode.h says so. */
#include "refnode.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static bool take_number(const json_t *object, const char *key, long *out, const char **why)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        json_integer_value(value) > 86400000) {
        *why = key;
        return false;
    }
    *out = (long)json_integer_value(value);
    return true;
}

static bool take_flag(const json_t *object, const char *key, bool *out, const char **why)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    if (!json_is_boolean(value)) {
        *why = key;
        return false;
    }
    *out = json_is_true(value);
    return true;
}

static bool take_text(const json_t *object, const char *key, char *out, const char **why)
{
    const json_t *value = json_object_get(object, key);
    if (!value)
        return true;
    const char *text = json_string_value(value);
    if (!json_is_null(value) && (!text || strlen(text) >= RN_NAME_MAX)) {
        *why = key;
        return false;
    }
    snprintf(out, RN_NAME_MAX, "%s", text ? text : "");
    return true;
}

static bool take_rate(const json_t *object, struct rn_faults *faults, const char **why)
{
    const json_t *value = json_object_get(object, "error_rate");
    if (!value)
        return true;
    double rate = json_number_value(value);
    if (!json_is_number(value) || rate < 0 || rate > 1) {
        *why = "error_rate";
        return false;
    }
    faults->error_rate = rate;
    faults->error_owed = 0;
    return true;
}

static bool known_members(const json_t *object, const char **why)
{
    static const char *const known[] = {
        "load_delay_ms", "latency_ms",    "error_rate",   "crash_after_requests",
        "wrong_answers", "lie_ready",     "fail_load",    "metrics_off",
        "only_version",  "model_buckets", "busy_loading", "keeps_others"};
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)object, key, value)
    {
        bool found = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            found = found || strcmp(key, known[i]) == 0;
        if (!found) {
            *why = key;
            return false;
        }
    }
    return true;
}

bool rn_faults_merge(struct rn_faults *faults, const json_t *object, const char **why)
{
    struct rn_faults next = *faults;
    *why = "the body: an object is wanted";
    if (!json_is_object(object))
        return false;
    if (!known_members(object, why) ||
        !take_number(object, "load_delay_ms", &next.load_delay_ms, why) ||
        !take_number(object, "latency_ms", &next.latency_ms, why) ||
        !take_number(object, "crash_after_requests", &next.crash_after_requests, why) ||
        !take_flag(object, "wrong_answers", &next.wrong_answers, why) ||
        !take_flag(object, "lie_ready", &next.lie_ready, why) ||
        !take_flag(object, "metrics_off", &next.metrics_off, why) ||
        !take_flag(object, "model_buckets", &next.model_buckets, why) ||
        !take_flag(object, "busy_loading", &next.busy_loading, why) ||
        !take_flag(object, "keeps_others", &next.keeps_others, why) ||
        !take_text(object, "fail_load", next.fail_load, why) ||
        !take_text(object, "only_version", next.only_version, why) ||
        !take_rate(object, &next, why))
        return false;
    *faults = next;
    return true;
}

bool rn_faults_read(struct rn_faults *faults, const char *path, const char **why)
{
    json_t *object = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    *why = "the file is not JSON";
    bool done = object && rn_faults_merge(faults, object, why);
    json_decref(object);
    return done;
}

json_t *rn_faults_show(const struct rn_faults *faults)
{
    json_t *object =
        json_pack("{s:I, s:I, s:f, s:I, s:b, s:b, s:b, s:b, s:s, s:s}", "load_delay_ms",
                  (json_int_t)faults->load_delay_ms, "latency_ms", (json_int_t)faults->latency_ms,
                  "error_rate", faults->error_rate, "crash_after_requests",
                  (json_int_t)faults->crash_after_requests, "wrong_answers",
                  (int)faults->wrong_answers, "lie_ready", (int)faults->lie_ready, "metrics_off",
                  (int)faults->metrics_off, "model_buckets", (int)faults->model_buckets,
                  "fail_load", faults->fail_load, "only_version", faults->only_version);
    json_object_set_new(object, "busy_loading", json_boolean(faults->busy_loading));
    json_object_set_new(object, "keeps_others", json_boolean(faults->keeps_others));
    return object;
}

bool rn_error_due(double rate, double *owed)
{
    *owed += rate;
    /* A sum of tenths stays a little below 1, so compare with room for that. */
    if (rate <= 0 || *owed < 1 - 1e-9)
        return false;
    *owed -= 1;
    return true;
}

void rn_pause(struct rn_node *node, long ms)
{
    struct timespec until;
    if (ms <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&node->lock);
    int rc = 0;
    while (!node->stopping && rc != ETIMEDOUT)
        rc = pthread_cond_timedwait(&node->wake, &node->lock, &until);
    pthread_mutex_unlock(&node->lock);
}
