/*
 * What each node serves, or served at a time: read from the documents
 * "environments/<env>/serving/..." as of that moment, in pages. Runs on the worker of the request.
 */
#include <stdlib.h>
#include <string.h>

#include "api_registry.h"
#include "api_history.h"
#include "app.h"
#include "db_registry.h"
#include "journal.h"
#include "name.h"
#include "registry.h"

#define MAX_LOOKED_AT 2000 /* documents for a page; the answer then says where to go on */
#define AFTER_FOLDER "~~"  /* above all paths below a folder */

struct node_state {
    const char *env, *node, *state; /* borrowed from doc */
    json_t *doc;
};

static void node_done(struct node_state *n)
{
    json_decref(n->doc);
}

struct serving {
    struct request *rq;
    struct db *db;
    struct jsonw *out;
    const char *env, *model; /* filters, or NULL */
    int64_t seq, limit, n_written, n_looked_at;
    const char *last; /* the last document of the page, as a cursor */
    bool is_full;     /* there is more behind it */
};

static void write_place(struct serving *s, const struct node_state *n)
{
    s->n_written++;
    jsonw_object(s->out, NULL);
    jsonw_str(s->out, "environment", n->env);
    jsonw_str(s->out, "node", n->node);
    jsonw_str(s->out, "state", n->state);
}

/* One served model of a node. What the caller may not see is left out. */
static int write_served(struct serving *s, const struct node_state *n, const json_t *item,
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

static int write_node(struct serving *s, const struct node_state *n, struct err *e)
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

static int read_node(struct serving *s, const char *path, struct node_state *n, struct err *e)
{
    const char *bytes = NULL;
    size_t len = 0;
    int rc = journal_doc_at(s->db, path, s->seq, s->rq->arena, &bytes, &len, e);
    if (rc)
        return rc;
    rc = json_parse(bytes, len, JSON_MAX_DEPTH, &n->doc, e);
    if (!rc)
        rc = json_get_str(n->doc, "", "environment", NAME_MAX_BYTES, &n->env, e);
    if (!rc)
        rc = json_get_str(n->doc, "", "node", NAME_MAX_BYTES, &n->node, e);
    if (!rc)
        rc = json_get_str(n->doc, "", "state", 32, &n->state, e);
    if (!rc)
        return ERR_OK;
    err_prefix(e, "%s: ", path);
    return err_set(e, ERR_CORRUPT, "%s", arena_strdup(s->rq->arena, e->message));
}

/* The rows of a node stay together. */
static int visit(struct serving *s, const char *path, struct err *e)
{
    struct node_state node CLEANUP(node_done) = {0};
    int64_t n_rows;
    if (s->n_looked_at++ == MAX_LOOKED_AT) {
        s->is_full = true;
        return ERR_OK;
    }
    int rc = read_node(s, path, &node, e);
    if (rc)
        return rc == ERR_NOT_FOUND ? ERR_OK : rc; /* there was no such node then */
    n_rows = (int64_t)json_array_size(json_object_get(node.doc, "serving"));
    s->is_full = s->n_written > 0 && s->n_written + (n_rows > 0 ? n_rows : 1) > s->limit;
    return s->is_full ? ERR_OK : write_node(s, &node, e);
}

/* ---- in order of their names, although the folders are not ---- */

static const char *name_of(const char *path)
{
    return strrchr(path, '/') + 1;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(name_of(*(const char *const *)a), name_of(*(const char *const *)b));
}

/* All that ever served in an environment, by name. */
static int list_paths(struct serving *s, const char *folder, const char ***out, size_t *n,
                      struct err *e)
{
    struct arena *a = s->rq->arena;
    const char *below = arena_printf(a, "environments/%s/serving/", folder);
    const char *path = "";
    const char **list = NULL;
    size_t count = 0;
    int rc = ERR_OK;
    while (!rc && path) {
        rc = db_path_next(s->db, below, path, a, &path, e);
        if (rc || !path)
            break;
        list = arena_grow(a, list, count, sizeof *list);
        list[count++] = path;
    }
    if (count)
        qsort(list, count, sizeof *list, compare_names);
    *out = list;
    *n = count;
    return rc;
}

/* Documents whose name comes after `after`. */
static int write_env(struct serving *s, const char *folder, const char *after, struct err *e)
{
    const char **paths = NULL;
    size_t n = 0;
    int rc = list_paths(s, folder, &paths, &n, e);
    for (size_t i = 0; !rc && i < n; i++) {
        if (strcmp(name_of(paths[i]), after) <= 0)
            continue;
        rc = visit(s, paths[i], e);
        if (s->is_full)
            break;
        s->last = arena_printf(s->rq->arena, "%s/%s", folder, name_of(paths[i]));
    }
    return rc;
}

/* The folder of the environment that comes after this one (NULL: the first); NULL: none. */
static int next_env(struct serving *s, const char *after, const char **out, struct err *e)
{
    static const char root[] = "environments/";
    struct arena *a = s->rq->arena;
    const char *path = NULL;
    int rc = db_path_next(
        s->db, root, after ? arena_printf(a, "%s%s/" AFTER_FOLDER, root, after) : "", a, &path, e);
    *out = NULL;
    if (rc || !path)
        return rc;
    path += strlen(root);
    *out = arena_printf(a, "%.*s", (int)strcspn(path, "/"), path);
    return ERR_OK;
}

/* cursor: "<folder>/<name>" of the last document before the page, or "". */
static int write_page(struct serving *s, const char *cursor, struct err *e)
{
    const char *slash = strchr(cursor, '/');
    const char *after = slash ? slash + 1 : "";
    const char *folder = NULL;
    char only[NAME_FOLDER_BYTES];
    int rc = ERR_OK;
    if (*cursor && !slash)
        return err_set(e, ERR_INVALID, "cursor is none of this server's");
    if (s->env) {
        name_folder(s->env, only);
        return write_env(s, only, after, e);
    }
    if (slash)
        folder = arena_printf(s->rq->arena, "%.*s", (int)(slash - cursor), cursor);
    else
        rc = next_env(s, NULL, &folder, e);
    while (!rc && folder && !s->is_full) {
        rc = write_env(s, folder, after, e);
        after = "";
        if (!rc)
            rc = next_env(s, folder, &folder, e);
    }
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

int api_serving(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    struct jsonw w;
    struct serving s = {.rq = rq, .out = &w, .seq = INT64_MAX};
    const char *cursor = NULL;
    int rc = read_filters(&s, e);
    if (!rc)
        rc = cursor_read(rq, &s.limit, &cursor, e);
    if (!rc)
        rc = reader_begin(rq->app->store, &reader, e);
    if (!rc)
        rc = request_at(rq, reader.db, &s.seq, e);
    if (rc)
        return rc;
    s.db = reader.db;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    rc = write_page(&s, cursor, e);
    jsonw_end(&w);
    if (s.is_full && s.last)
        cursor_write(rq, &w, s.last);
    jsonw_end(&w);
    return rc;
}
