/*
 * Nodes as they were: their records, and what each was seen serving. Whether one could be reached
 * and what it was busy with is not kept. Must not know why they changed. Runs on the worker of the
 * request.
 */
#include "api_then.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "api_actor.h"
#include "when.h"

struct past_node {
    const char *name; /* borrowed from doc */
    json_t *doc;
};

struct past_nodes {
    const struct node_pick *pick;
    struct past_node *items; /* heap; owns the documents */
    size_t n, cap;
};

static void past_nodes_clear(struct past_nodes *list)
{
    for (size_t i = 0; i < list->n; i++)
        json_decref(list->items[i].doc);
    free(list->items);
}

static const char *const node_unknown[] = {
    "reachable", "since",    "seen",  "detail",     "busy",       "unmanaged", "drifted",
    "started",   "restarts", "probe", "operations", "next_retry", NULL};

/* --- which are wanted ------------------------------------------------------------------------- */

static bool has_word(const char *name, const char *word)
{
    char lower[NAME_MAX_BYTES + 1];
    size_t n = 0;

    for (; name[n] != '\0' && n < NAME_MAX_BYTES; n++)
        lower[n] = (char)tolower((unsigned char)name[n]);
    lower[n] = '\0';
    return strstr(lower, word) != NULL;
}

static bool is_wanted(const struct node_pick *pick, const struct past_node *node)
{
    char *labels CLEANUP(mem_free_ptr) = NULL;

    if (strcmp(node->name, pick->after) <= 0)
        return false;
    if (pick->word != NULL && !has_word(node->name, pick->word))
        return false;
    if (pick->state != NULL && json_object_get(node->doc, "cordon") == NULL)
        return false;
    if (pick->label == NULL)
        return true;
    labels = json_dumps(json_object_get(node->doc, "labels"), JSON_COMPACT);
    return labels != NULL && strstr(labels, pick->label) != NULL;
}

static int take_node(void *ctx, const char *path, const char *bytes, size_t n, struct err *e)
{
    struct past_nodes *list = ctx;
    struct past_node node = {0};
    int rc = json_parse(bytes, n, JSON_MAX_DEPTH, &node.doc, e);

    (void)path;
    if (rc == ERR_OK)
        rc = json_get_str(node.doc, "", "name", NAME_MAX_BYTES, &node.name, e);
    if (rc != ERR_OK || !is_wanted(list->pick, &node)) {
        json_decref(node.doc);
        return rc;
    }
    if (list->n == list->cap) {
        list->cap = list->cap > 0 ? 2 * list->cap : 64;
        list->items = mem_resize(list->items, list->cap, sizeof(*list->items));
    }
    list->items[list->n++] = node;
    return ERR_OK;
}

static int compare_nodes(const void *a, const void *b)
{
    return strcmp(((const struct past_node *)a)->name, ((const struct past_node *)b)->name);
}

/* --- as the API shows them -------------------------------------------------------------------- */

/* What it was seen serving, of the models that the caller may see; "state" says whether it was seen
 * at all. */
static int add_serving(struct request *rq, const struct look *l, const char *env, json_t *node,
                       struct err *e)
{
    json_t *seen CLEANUP(json_decref_ptr) = NULL;
    json_t *list = json_array();
    const char *name = json_string_value(json_object_get(node, "name"));
    json_t *one;
    size_t i;
    int rc = then_document(l, journal_path_serving(rq->arena, env, name), &seen, e);

    json_object_set_new(node, "serving", list);
    if (rc != ERR_OK || seen == NULL)
        return rc;
    json_array_foreach(json_object_get(seen, "serving"), i, one)
    {
        const char *model = json_string_value(json_object_get(one, "model"));

        if (model != NULL && registry_may_see(l->scope.globs, model))
            json_array_append(list, one);
    }
    json_object_set(node, "state", json_object_get(seen, "state"));
    if (json_object_get(seen, "restarted") != NULL)
        json_object_set(node, "restarted", json_object_get(seen, "restarted"));
    return ERR_OK;
}

static void show_lease(const struct look *l, json_t *node)
{
    char text[WHEN_TEXT_BYTES];
    json_int_t ms = json_integer_value(json_object_get(node, "lease_ms"));
    const char *by = json_string_value(json_object_get(node, "registered_by"));

    if (ms > 0)
        json_object_set_new(
            node, "lease",
            json_pack("{s:s, s:s*}", "lasts", when_format_duration(ms, text), "by", by));
    json_object_del(node, "lease_ms");
    json_object_del(node, "registered_by");
    actor_add(json_object_get(node, "lease"), "by", l->scope.db, l->scope.arena);
    actor_add(json_object_get(node, "cordon"), "by", l->scope.db, l->scope.arena);
}

static int show_node(struct request *rq, const struct look *l, const char *env, json_t *node,
                     struct err *e)
{
    json_object_del(node, "kind");
    json_object_del(node, "schema");
    show_lease(l, node);
    return add_serving(rq, l, env, node, e);
}

static int write_page(struct request *rq, const struct look *l, struct jsonw *w,
                      const struct past_nodes *list, struct err *e)
{
    const struct node_pick *pick = list->pick;
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < list->n && (int64_t)i < pick->limit; i++) {
        rc = show_node(rq, l, pick->env, list->items[i].doc, e);
        if (rc == ERR_OK)
            then_write(w, NULL, list->items[i].doc);
    }
    then_list_end(w, node_unknown);
    if ((int64_t)list->n > pick->limit)
        cursor_write(rq, w, list->items[pick->limit - 1].name);
    jsonw_end(w);
    return rc;
}

int then_nodes(struct request *rq, struct reply *rp, const struct look *l,
               const struct node_pick *pick, struct err *e)
{
    struct past_nodes list CLEANUP(past_nodes_clear) = {.pick = pick};
    char folder[NAME_FOLDER_BYTES];
    struct jsonw w;
    int rc = then_env_check(l, pick->env, e);

    if (rc == ERR_OK && pick->state != NULL && strcmp(pick->state, "cordoned") != 0)
        return err_set(e, ERR_INVALID,
                       "which nodes could be reached then is not kept; ?at= takes only "
                       "?state=cordoned");
    if (rc != ERR_OK)
        return rc;
    name_folder(pick->env, folder);
    rc = db_documents_at(l->scope.db, arena_printf(rq->arena, "environments/%s/nodes/", folder),
                         l->scope.seq, take_node, &list, e);
    if (rc != ERR_OK)
        return rc;
    if (list.n > 0)
        qsort(list.items, list.n, sizeof(*list.items), compare_nodes);
    then_list_begin(rp, &w);
    rc = write_page(rq, l, &w, &list, e);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

int then_node(struct request *rq, struct reply *rp, struct err *e)
{
    const char *env = rq->params[0], *name = rq->params[1];
    struct look l CLEANUP(look_end) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = look_begin_at(rq, &l, e);

    if (rc == ERR_OK)
        rc = then_env_check(&l, env, e);
    if (rc == ERR_OK)
        rc = name_check("node", name, e);
    if (rc == ERR_OK)
        rc = then_document(&l, journal_path_node(rq->arena, env, name), &doc, e);
    if (rc == ERR_OK && doc == NULL)
        return err_set(e, ERR_NOT_FOUND, "there was no node \"%.120s\" in \"%.120s\" then", name,
                       env);
    if (rc == ERR_OK)
        rc = show_node(rq, &l, env, doc, e);
    return rc == ERR_OK ? then_reply(rq, rp, doc, node_unknown, e) : rc;
}
