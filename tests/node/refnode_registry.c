/* What is loaded in the reference node, with MLServer's habits: a load creates every version on
 * disk anew, one after the other; a failing one ends it; a new version is registered, and takes the
 * version-less traffic, before it is loaded; what is no longer on disk goes last. Knows nothing of
 * HTTP but the replies. Worker threads. */
#include "refnode.h"

#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct rn_model *rn_model_ref(struct rn_model *model)
{
    model->refs++;
    return model;
}

static void unref_locked(struct rn_model *model)
{
    if (model && --model->refs == 0)
        rn_model_free(model);
}

void rn_model_unref(struct rn_node *node, struct rn_model *model)
{
    pthread_mutex_lock(&node->lock);
    unref_locked(model);
    pthread_mutex_unlock(&node->lock);
}

/* Numbers compare as numbers, anything else as text; no version beats all. */
static int version_compare(const char *a, const char *b)
{
    char *end_a;
    char *end_b;
    if (!*a || !*b)
        return *b ? 1 : *a ? -1 : 0;
    long long x = strtoll(a, &end_a, 10);
    long long y = strtoll(b, &end_b, 10);
    if (*end_a || *end_b)
        return strcmp(a, b);
    return x < y ? -1 : x > y;
}

struct rn_version *rn_find(struct rn_node *node, const char *name, const char *version)
{
    struct rn_version *best = NULL;
    for (struct rn_version *v = node->versions; v; v = v->next) {
        if (strcmp(v->name, name) != 0)
            continue;
        if (version && strcmp(v->version, version) == 0)
            return v;
        if (!version && (!best || version_compare(v->version, best->version) > 0))
            best = v;
    }
    return best;
}

void rn_not_found(struct rn_reply *reply, const char *name, const char *version)
{
    if (version)
        rn_reply_error(reply, 404, "Model %s with version %s not found", name, version);
    else
        rn_reply_error(reply, 404, "Model %s not found", name);
}

static void unlink_version(struct rn_version **link)
{
    struct rn_version *v = *link;
    *link = v->next;
    unref_locked(v->model);
    free(v);
}

/* Returns how many versions it dropped; version NULL: all of the name. */
static size_t drop_locked(struct rn_node *node, const char *name, const char *version)
{
    size_t n_dropped = 0;
    struct rn_version **link = &node->versions;
    while (*link) {
        const struct rn_version *v = *link;
        if (strcmp(v->name, name) == 0 && (!version || strcmp(v->version, version) == 0)) {
            unlink_version(link);
            n_dropped++;
        } else {
            link = &(*link)->next;
        }
    }
    return n_dropped;
}

/* Registers a version that is not there yet, as not ready. Returns false if there was one. */
static bool register_version(struct rn_node *node, const struct rn_settings *settings)
{
    pthread_mutex_lock(&node->lock);
    bool is_new = !rn_find(node, settings->name, settings->version);
    if (is_new) {
        struct rn_version *v = rn_alloc(1, sizeof *v);
        snprintf(v->name, sizeof v->name, "%s", settings->name);
        snprintf(v->version, sizeof v->version, "%s", settings->version);
        v->next = node->versions;
        node->versions = v;
    }
    pthread_mutex_unlock(&node->lock);
    return is_new;
}

static struct rn_model *read_version(struct rn_node *node, const struct rn_settings *settings,
                                     struct rn_reply *reply)
{
    char id[2 * RN_NAME_MAX + 2];
    snprintf(id, sizeof id, "%s/%s", settings->name, settings->version);
    pthread_mutex_lock(&node->lock);
    struct rn_faults faults = node->faults;
    pthread_mutex_unlock(&node->lock);
    rn_pause(node, faults.load_delay_ms);
    if (access(settings->file, F_OK) != 0) {
        rn_reply_error(reply, 422, "Invalid URI specified for model %s (%s)", settings->name,
                       settings->file);
        return NULL;
    }
    if (faults.fail_load[0] && fnmatch(faults.fail_load, id, 0) == 0) {
        rn_reply_raise(reply, "the load of %s was told to fail", id);
        return NULL;
    }
    char *why = NULL;
    struct rn_model *model = rn_model_read(settings->file, &why);
    if (!model)
        rn_reply_raise(reply, "cannot load %s: %s", id, why);
    free(why);
    return model;
}

/* A server that keeps others does not load again what is loaded. */
static bool is_kept(struct rn_node *node, const struct rn_settings *settings)
{
    pthread_mutex_lock(&node->lock);
    const struct rn_version *v = rn_find(node, settings->name, settings->version);
    bool kept = node->faults.keeps_others && v && v->ready;
    pthread_mutex_unlock(&node->lock);
    return kept;
}

static void begin_loading(struct rn_node *node)
{
    pthread_mutex_lock(&node->lock);
    node->n_loading++;
    pthread_mutex_unlock(&node->lock);
}

static bool load_version(struct rn_node *node, const struct rn_settings *settings,
                         struct rn_reply *reply)
{
    if (is_kept(node, settings))
        return true;
    begin_loading(node);
    bool is_new = register_version(node, settings);
    struct rn_model *model = read_version(node, settings, reply);
    pthread_mutex_lock(&node->lock);
    node->n_loading--;
    struct rn_version *v = rn_find(node, settings->name, settings->version);
    if (v && model) {
        unref_locked(v->model);
        v->model = model;
        v->ready = true;
    } else if (is_new) {
        drop_locked(node, settings->name, settings->version);
    }
    pthread_mutex_unlock(&node->lock);
    return model != NULL;
}

static bool on_disk(const struct rn_settings *list, const struct rn_version *v)
{
    for (; list; list = list->next) {
        if (strcmp(list->name, v->name) == 0 && strcmp(list->version, v->version) == 0)
            return true;
    }
    return false;
}

static void drop_stale(struct rn_node *node, const char *name, const struct rn_settings *list)
{
    pthread_mutex_lock(&node->lock);
    struct rn_version **link = &node->versions;
    while (*link) {
        if (strcmp((*link)->name, name) == 0 && !on_disk(list, *link))
            unlink_version(link);
        else
            link = &(*link)->next;
    }
    pthread_mutex_unlock(&node->lock);
}

void rn_load(struct rn_node *node, const char *name, struct rn_reply *reply)
{
    pthread_mutex_lock(&node->load_lock);
    struct rn_settings *list = rn_scan(node->root);
    size_t n_found = 0;
    bool failed = false;
    for (struct rn_settings *s = list; s && !failed; s = s->next) {
        if (strcmp(s->name, name) != 0)
            continue;
        n_found++;
        failed = !load_version(node, s, reply);
    }
    if (!n_found)
        rn_not_found(reply, name, NULL);
    if (n_found && !failed) {
        drop_stale(node, name, list);
        rn_reply_text(reply, 200, NULL);
    }
    rn_settings_free(list);
    pthread_mutex_unlock(&node->load_lock);
}

bool rn_load_all(struct rn_node *node, struct rn_reply *reply)
{
    pthread_mutex_lock(&node->load_lock);
    struct rn_settings *list = rn_scan(node->root);
    bool failed = false;
    for (struct rn_settings *s = list; s && !failed; s = s->next)
        failed = !load_version(node, s, reply);
    rn_settings_free(list);
    pthread_mutex_unlock(&node->load_lock);
    return !failed;
}

void rn_unload(struct rn_node *node, const char *name, struct rn_reply *reply)
{
    pthread_mutex_lock(&node->load_lock);
    pthread_mutex_lock(&node->lock);
    size_t n_dropped = drop_locked(node, name, NULL);
    pthread_mutex_unlock(&node->lock);
    pthread_mutex_unlock(&node->load_lock);
    if (n_dropped)
        rn_reply_text(reply, 200, NULL);
    else
        rn_not_found(reply, name, NULL);
}

/* The state of the default version, whatever version is asked about. */
static const char *index_state(struct rn_node *node, const char *name)
{
    pthread_mutex_lock(&node->lock);
    const struct rn_version *v = rn_find(node, name, NULL);
    const char *state = !v ? "UNAVAILABLE" : v->ready ? "READY" : "UNKNOWN";
    pthread_mutex_unlock(&node->lock);
    return state;
}

void rn_index(struct rn_node *node, bool only_ready, struct rn_reply *reply)
{
    struct rn_settings *list = rn_scan(node->root);
    json_t *items = json_array();
    for (struct rn_settings *s = list; s; s = s->next) {
        const char *state = index_state(node, s->name);
        if (only_ready && strcmp(state, "READY") != 0)
            continue;
        json_t *item = json_pack("{s:s, s:s, s:s}", "name", s->name, "state", state, "reason", "");
        if (s->version[0])
            json_object_set_new(item, "version", json_string(s->version));
        json_array_append_new(items, item);
    }
    rn_settings_free(list);
    rn_reply_json(reply, 200, items);
}
