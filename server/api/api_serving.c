/*
 * What each node serves, or served at a time: read from the documents
 * "environments/<env>/serving/..." as of that moment. Runs on the worker of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "api_history.h"
#include "app.h"
#include "db_registry.h"
#include "name.h"
#include "registry.h"

struct node_state {
    const char *env, *node, *state; /* borrowed from doc */
    json_t *doc;
};

struct serving {
    struct request *rq;
    struct jsonw *out;
    const char *env, *model;  /* filters, or NULL */
    struct node_state *nodes; /* heap; owns the documents */
    size_t n, cap;
};

static void serving_clear(struct serving *s)
{
    for (size_t i = 0; i < s->n; i++)
        json_decref(s->nodes[i].doc);
    free(s->nodes);
}

static void write_place(const struct serving *s, const struct node_state *n)
{
    jsonw_object(s->out, NULL);
    jsonw_str(s->out, "environment", n->env);
    jsonw_str(s->out, "node", n->node);
    jsonw_str(s->out, "state", n->state);
}

/* One served model of a node. What the caller may not see is left out. */
static int write_served(const struct serving *s, const struct node_state *n, const json_t *item,
                        struct err *e)
{
    const char *model;
    const char *serve_as;
    const char *since = NULL;
    int64_t version = 0;
    int rc = json_get_str(item, "", "model", NAME_MAX_BYTES * 2, &model, e);
    if (!rc)
        rc = json_get_str(item, "", "serve_as", NAME_MAX_BYTES, &serve_as, e);
    if (!rc)
        rc = json_get_int(item, "", "version", 0, JSON_MAX_INT, &version, e);
    if (!rc)
        rc = json_opt_str(item, "", "since", 64, &since, e);
    if (rc || (s->model && strcmp(s->model, model) != 0) ||
        !registry_may_see(s->rq->caller.models, model))
        return rc;
    write_place(s, n);
    jsonw_str(s->out, "model", model);
    jsonw_str(s->out, "serve_as", serve_as);
    jsonw_int(s->out, "version", version);
    jsonw_str(s->out, "since", since);
    jsonw_end(s->out);
    return ERR_OK;
}

static int write_node(const struct serving *s, const struct node_state *n, struct err *e)
{
    json_t *list = NULL;
    int rc = json_opt_array(n->doc, "", "serving", 100000, &list, e);
    for (size_t i = 0; !rc && i < json_array_size(list); i++)
        rc = write_served(s, n, json_array_get(list, i), e);
    if (!rc && !json_array_size(list) && !s->model) {
        write_place(s, n); /* nothing, and that is an answer */
        jsonw_end(s->out);
    }
    return rc;
}

/* Takes over the reference in n->doc, also when the node is not wanted. */
static int keep_node(struct serving *s, struct node_state n, struct err *e)
{
    int rc = json_get_str(n.doc, "", "environment", NAME_MAX_BYTES, &n.env, e);
    if (!rc)
        rc = json_get_str(n.doc, "", "node", NAME_MAX_BYTES, &n.node, e);
    if (!rc)
        rc = json_get_str(n.doc, "", "state", 32, &n.state, e);
    if (rc || (s->env && strcmp(s->env, n.env) != 0)) {
        json_decref(n.doc);
        return rc;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 64;
        s->nodes = mem_resize(s->nodes, s->cap, sizeof *s->nodes);
    }
    s->nodes[s->n++] = n;
    return ERR_OK;
}

static int each_document(void *ctx, const char *path, const char *bytes, size_t n, struct err *e)
{
    struct serving *s = ctx;
    struct node_state node = {0};
    if (!strstr(path, "/serving/"))
        return ERR_OK;
    int rc = json_parse(bytes, n, JSON_MAX_DEPTH, &node.doc, e);
    if (!rc)
        rc = keep_node(s, node, e);
    if (!rc)
        return ERR_OK;
    err_prefix(e, "%s: ", path);
    return err_set(e, ERR_CORRUPT, "%s", arena_strdup(s->rq->arena, e->message));
}

static int compare_nodes(const void *a, const void *b)
{
    const struct node_state *x = a;
    const struct node_state *y = b;
    int c = strcmp(x->env, y->env);
    return c ? c : strcmp(x->node, y->node);
}

/* The documents come in the order of their folders, which is nobody's. */
static int write_nodes(struct serving *s, struct err *e)
{
    int rc = ERR_OK;
    if (s->n)
        qsort(s->nodes, s->n, sizeof *s->nodes, compare_nodes);
    for (size_t i = 0; !rc && i < s->n; i++)
        rc = write_node(s, &s->nodes[i], e);
    return rc;
}

static int read_filters(struct serving *s, struct err *e)
{
    int rc = request_query(s->rq, "env", &s->env, e);
    if (!rc)
        rc = request_query(s->rq, "model", &s->model, e);
    if (!rc && s->env)
        rc = name_check("environment", s->env, e);
    if (!rc && s->model)
        rc = name_check_model(s->model, e);
    if (!rc && s->model)
        rc = history_may_see(s->rq, s->model, e);
    return rc;
}

/* The narrowest folder that holds all that was asked for. */
static const char *folder_of(const struct serving *s)
{
    char folder[NAME_FOLDER_BYTES];
    if (!s->env)
        return "environments/";
    name_folder(s->env, folder);
    return arena_printf(s->rq->arena, "environments/%s/serving/", folder);
}

int api_serving(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct jsonw w;
    struct serving s CLEANUP(serving_clear) = {.rq = rq, .out = &w};
    int64_t seq = INT64_MAX;
    int rc = read_filters(&s, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &reader, e);
    if (!rc)
        rc = request_at(rq, reader.db, &seq, e);
    if (rc)
        return rc;
    if (seq == INT64_MAX)
        seq--; /* what is true now ends at INT64_MAX, exclusive */
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    rc = db_documents_at(reader.db, folder_of(&s), seq, each_document, &s, e);
    if (!rc)
        rc = write_nodes(&s, e);
    jsonw_end(&w);
    jsonw_end(&w);
    if (!rc && !buf_ok(&rp->body))
        return err_set(e, ERR_TOO_LARGE, "too many nodes; ask for one environment with ?env=");
    return rc;
}
