/*
 * Environments as they were, and what past nodes and rollouts share with them: reading documents of
 * the journal. Must not know why they changed. Runs on the worker of the request.
 */
#include "api_then.h"

#include <stdlib.h>
#include <string.h>

#define AFTER_FOLDER "~~" /* above all paths below a folder */

bool look_is_past(const struct look *l)
{
    return l->scope.seq != INT64_MAX;
}

int then_document(const struct look *l, const char *path, json_t **out, struct err *e)
{
    const char *bytes = NULL;
    size_t n = 0;
    int rc = journal_doc_at(l->scope.db, path, l->scope.seq, l->scope.arena, &bytes, &n, e);

    *out = NULL;
    if (rc == ERR_NOT_FOUND)
        return ERR_OK;
    return rc == ERR_OK ? json_parse(bytes, n, JSON_MAX_DEPTH, out, e) : rc;
}

void then_write(struct jsonw *w, const char *key, const json_t *j)
{
    char *text CLEANUP(mem_free_ptr) = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);

    if (text != NULL)
        jsonw_raw(w, key, text, strlen(text));
}

json_t *then_unknown(const char *const *names)
{
    json_t *list = json_array();

    for (; *names != NULL; names++)
        json_array_append_new(list, json_string(*names));
    return list;
}

void then_list_begin(struct reply *rp, struct jsonw *w)
{
    reply_json(rp, w);
    jsonw_object(w, NULL);
    jsonw_array(w, "items");
}

void then_list_end(struct jsonw *w, const char *const *unknown)
{
    json_t *list CLEANUP(json_decref_ptr) = then_unknown(unknown);

    jsonw_end(w);
    then_write(w, "unknown", list);
}

int then_reply(struct request *rq, struct reply *rp, json_t *doc, const char *const *unknown,
               struct err *e)
{
    struct jsonw w;

    json_object_set_new(doc, "unknown", then_unknown(unknown));
    reply_json(rp, &w);
    then_write(&w, NULL, doc);
    return reply_etag(rq, rp, e);
}

static int no_env(const char *env, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "there was no environment \"%.120s\" then", env);
}

int then_env_check(const struct look *l, const char *env, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = name_check("environment", env, e);

    if (rc == ERR_OK)
        rc = then_document(l, journal_path_env(l->scope.arena, env), &doc, e);
    return rc == ERR_OK && doc == NULL ? no_env(env, e) : rc;
}

static int count_node(void *ctx, const char *path, const char *bytes, size_t n, struct err *e)
{
    int64_t *n_nodes = ctx;

    (void)path;
    (void)bytes;
    (void)n;
    (void)e;
    (*n_nodes)++;
    return ERR_OK;
}

/* Turns the document into what the API shows of an environment. */
static int show_env(const struct look *l, json_t *doc, struct err *e)
{
    const char *name = NULL;
    char folder[NAME_FOLDER_BYTES];
    int64_t n_nodes = 0;
    int rc = json_get_str(doc, "", "name", NAME_MAX_BYTES, &name, e);

    if (rc != ERR_OK)
        return rc;
    name_folder(name, folder);
    rc =
        db_documents_at(l->scope.db, arena_printf(l->scope.arena, "environments/%s/nodes/", folder),
                        l->scope.seq, count_node, &n_nodes, e);
    json_object_del(doc, "kind");
    json_object_del(doc, "schema");
    json_object_set_new(doc, "n_nodes", json_integer(n_nodes));
    return rc;
}

/* Adds the environment in whose folder the path lies, if it was there. */
static int add_env(const struct look *l, const char *path, json_t *list, struct err *e)
{
    const char *end = strchr(path + strlen("environments/"), '/');
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc;

    if (end == NULL)
        return ERR_OK;
    path = arena_printf(l->scope.arena, "%.*s/environment.json", (int)(end - path), path);
    rc = then_document(l, path, &doc, e);
    if (rc == ERR_OK && doc != NULL)
        rc = show_env(l, doc, e);
    if (rc == ERR_OK && doc != NULL)
        json_array_append(list, doc);
    return rc;
}

/* Where the next folder is looked for: behind everything in the folder of this path. */
static const char *behind(const struct look *l, const char *path)
{
    const char *end = strchr(path + strlen("environments/"), '/');

    if (end == NULL)
        return path;
    return arena_printf(l->scope.arena, "%.*s/" AFTER_FOLDER, (int)(end - path), path);
}

static int compare_envs(const void *a, const void *b)
{
    const json_t *x = *(json_t *const *)a;
    const json_t *y = *(json_t *const *)b;
    json_int_t p = json_integer_value(json_object_get(x, "position"));
    json_int_t q = json_integer_value(json_object_get(y, "position"));

    if (p != q)
        return p < q ? -1 : 1;
    return strcmp(json_string_value(json_object_get(x, "name")),
                  json_string_value(json_object_get(y, "name")));
}

static void write_envs(const struct look *l, struct jsonw *w, const json_t *list)
{
    size_t n = json_array_size(list);
    const json_t **sorted = arena_alloc(l->scope.arena, (n + 1) * sizeof(*sorted));

    for (size_t i = 0; i < n; i++)
        sorted[i] = json_array_get(list, i);
    if (n > 0)
        qsort(sorted, n, sizeof(*sorted), compare_envs);
    for (size_t i = 0; i < n; i++)
        then_write(w, NULL, sorted[i]);
}

static const char *const env_unknown[] = {"freezes", NULL};

int then_envs(struct request *rq, struct reply *rp, const struct look *l, struct err *e)
{
    json_t *list CLEANUP(json_decref_ptr) = json_array();
    const char *path = "";
    struct jsonw w;
    int rc = ERR_OK;

    while (rc == ERR_OK && path != NULL) {
        rc = db_path_next(l->scope.db, "environments/", path, rq->arena, &path, e);
        if (rc != ERR_OK || path == NULL)
            break;
        rc = add_env(l, path, list, e);
        path = behind(l, path);
    }
    if (rc != ERR_OK)
        return rc;
    then_list_begin(rp, &w);
    write_envs(l, &w, list);
    then_list_end(&w, env_unknown);
    jsonw_end(&w);
    return reply_etag(rq, rp, e);
}

int then_env(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = name_check("environment", rq->params[0], e);

    if (rc == ERR_OK)
        rc = look_begin_at(rq, &l, e);
    if (rc == ERR_OK)
        rc = then_document(&l, journal_path_env(rq->arena, rq->params[0]), &doc, e);
    if (rc == ERR_OK && doc == NULL)
        return no_env(rq->params[0], e);
    if (rc == ERR_OK)
        rc = show_env(&l, doc, e);
    if (rc != ERR_OK)
        return rc;
    return then_reply(rq, rp, doc, env_unknown, e);
}
