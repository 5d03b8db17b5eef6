/*
 * Journals what each node serves, when that changes: the answer to "what answered requests at T". A
 * node that cannot be observed keeps its last list under the state "unobserved". Controller's
 * thread; the inner function runs on the writer.
 */
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"
#include "journal.h"
#include "log.h"
#include "when.h"

struct serving {
    const struct env *env;
    const struct node *node;
    int at; /* of the node in env */
    int64_t now_ms;
    struct arena *a;
    const json_t *before; /* the last document, or NULL */
    json_t *doc;
    const char *path;
};

/* Since when, if the document of before says the same; else now. Its list mostly has the same
 * order: *at is where the last one was found. */
static const char *since_of(const struct serving *s, const struct target *t, int64_t version,
                            size_t *at)
{
    char now[WHEN_TEXT_BYTES];
    const json_t *list = json_object_get(s->before, "serving");
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        const json_t *one = json_array_get(list, (*at + i) % n);
        const char *model = json_string_value(json_object_get(one, "model"));
        const char *since = json_string_value(json_object_get(one, "since"));
        bool is_same = model != NULL && since != NULL && strcmp(model, t->model) == 0 &&
                       json_integer_value(json_object_get(one, "version")) == version;
        if (!is_same)
            continue;
        *at = (*at + i + 1) % n;
        return arena_strdup(s->a, since);
    }
    return arena_strdup(s->a, when_format(s->now_ms, now));
}

static json_t *serving_list(const struct serving *s)
{
    json_t *list = json_array();
    size_t at = 0;
    for (int k = 0; k < s->env->n_targets; k++) {
        const struct target *t = &s->env->targets[k];
        int64_t version = observation_serves(&t->spots[s->at].seen);
        if (version == 0)
            continue;
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:I}", "model", t->model, "serve_as",
                                              t->serve_as, "since", since_of(s, t, version, &at),
                                              "version", (json_int_t)version));
    }
    return list;
}

/* The last restart that fell into its service. */
static void set_restarted(const struct serving *s)
{
    char when[WHEN_TEXT_BYTES];
    json_t *before = json_object_get(s->before, "restarted");
    if (s->node->process.is_unsaid)
        json_object_set_new(s->doc, "restarted",
                            json_string(when_format(s->node->process.restarted_ms, when)));
    else if (before != NULL)
        json_object_set(s->doc, "restarted", before);
}

/* Fills s->doc; false if there is nothing new to say. */
static bool serving_doc(struct serving *s)
{
    json_t *list = serving_list(s);
    const char *state = json_array_size(list) > 0 ? "serving" : "none";
    if (!s->node->is_reachable)
        state = "unobserved";
    bool is_first = s->before == NULL;
    bool is_empty = is_first && json_array_size(list) == 0;
    s->doc =
        json_pack("{s:s,s:s,s:s,s:i,s:o,s:s}", "environment", s->env->name, "kind", "mreg.serving",
                  "node", s->node->name, "schema", 1, "serving", list, "state", state);
    set_restarted(s);
    return !is_empty && (is_first || json_equal(s->doc, s->before) == 0);
}

static void describe(const struct serving *s, char *text, size_t size)
{
    const json_t *list = json_object_get(s->doc, "serving");
    const char *state = json_string_value(json_object_get(s->doc, "state"));
    size_t n = (size_t)snprintf(text, size, "node %.100s%s: %s", s->node->name,
                                s->node->process.is_unsaid ? " restarted" : "", state);
    for (size_t i = 0; i < json_array_size(list) && i < 5 && n < size; i++) {
        const json_t *one = json_array_get(list, i);
        n += (size_t)snprintf(text + n, size - n, "%s %.60s %lld", i == 0 ? "" : ",",
                              json_string_value(json_object_get(one, "serve_as")),
                              (long long)json_integer_value(json_object_get(one, "version")));
    }
}

static int serving_fn(struct tx *tx, void *ctx, struct err *e)
{
    const struct serving *s = ctx;
    char message[600];
    char object[600];
    int64_t seq = 0;
    describe(s, message, sizeof message);
    snprintf(object, sizeof object, "%s/%s", s->env->name, s->node->name);
    struct journal_entry entry = {.kind = s->node->process.is_unsaid ? JOURNAL_NODE_RESTART
                                                                     : JOURNAL_NODE_SERVES,
                                  .actor = "mregd",
                                  .object = object,
                                  .message = message};
    return journal_append_json(tx, &entry, s->path, s->doc, &seq, e);
}

static int load_before(struct controller *c, const char *path, struct arena *a, json_t **out,
                       struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    const char *bytes = NULL;
    size_t n = 0;
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK)
        rc = journal_doc_at(r.db, path, INT64_MAX, a, &bytes, &n, e);
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    return rc == ERR_OK ? json_parse(bytes, n, JSON_MAX_DEPTH, out, e) : rc;
}

static int record_node(struct controller *c, struct env *env, int at, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *before CLEANUP(json_decref_ptr) = NULL;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct serving s = {
        .env = env, .node = &env->nodes[at], .at = at, .now_ms = c->now_ms, .a = &a};
    s.path = journal_path_serving(&a, env->name, s.node->name);
    int rc = load_before(c, s.path, &a, &before, e);
    if (rc != ERR_OK)
        return rc;
    s.before = before;
    bool is_news = serving_doc(&s);
    doc = s.doc;
    rc = is_news ? store_write(c->o.store, TX_FACT, serving_fn, &s, e) : ERR_OK;
    if (rc == ERR_OK)
        env->nodes[at].process.is_unsaid = false;
    return rc;
}

/* Nodes whose list may have changed wait in controller.serving. */
#define NODES_PER_ROUND 2
#define RETRY_MS 1000

/* One that was never seen, or is gone, has nothing to say: seeing it first brings it back. */
static int record_mark(struct controller *c, const struct mark *m, struct err *e)
{
    struct env *env = world_env(c->world, m->env_id);
    int i = env != NULL ? world_node(env, m->node_id) : -1;
    if (i < 0 || !env->nodes[i].serves_changed)
        return ERR_OK;
    struct node *n = &env->nodes[i];
    bool was_seen = n->observed_ms != 0 || n->n_missed >= MISSED_LOOKS;
    int rc = was_seen ? record_node(c, env, i, e) : ERR_OK;
    n->serves_changed = rc != ERR_OK;
    return rc;
}

void record_serving(struct controller *c)
{
    struct err e;
    size_t n = 0;
    int rc = ERR_OK;
    while (rc == ERR_OK && n < c->serving.n && n < NODES_PER_ROUND) {
        rc = record_mark(c, &c->serving.items[n], &e);
        n += rc == ERR_OK;
    }
    marks_drop(&c->serving, n);
    if (rc != ERR_OK)
        log_err(LOG_ERROR, "serving", &e);
    int64_t again_ms = rc == ERR_OK ? c->now_ms : c->now_ms + RETRY_MS;
    if (c->serving.n > 0 && again_ms < c->due_ms)
        c->due_ms = again_ms;
}
