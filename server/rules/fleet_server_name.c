/*
 * What routers call the nodes of an environment: by their names, or by a label. Two nodes under one
 * name would get each other's traffic. Must not know HTTP or routers' protocols. Any thread that
 * may use the connection.
 */
#include <stdlib.h>
#include <string.h>

#include "db_router.h"
#include "fleet_inner.h"

#define PAGE 500

struct named {
    const char *server, *node;
};

/* The label by which the routers of an environment go, with one of them as it will be (NULL: as
 * they are); NULL: by the nodes' names. In arena. */
static int find_label(struct db *db, int64_t env_id, const struct router_row *changed,
                      struct arena *a, const char **out, struct err *e)
{
    struct router_row *rows = NULL;
    size_t n = 0;
    int rc = db_router_list(db, env_id, a, &rows, &n, e);

    *out = NULL;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        bool is_changed = changed != NULL && rows[i].router_id == changed->router_id;

        if (!is_changed && rows[i].config.server_label[0] != '\0')
            *out = rows[i].config.server_label;
    }
    if (changed != NULL && changed->config.server_label[0] != '\0')
        *out = changed->config.server_label;
    return rc;
}

static const char *server_of(const struct node_row *v, const char *label, struct arena *a)
{
    json_t *labels CLEANUP(json_decref_ptr) = NULL;
    const char *value = NULL;

    if (v->labels != NULL && json_parse(v->labels, strlen(v->labels), 4, &labels, NULL) == ERR_OK)
        value = json_string_value(json_object_get(labels, label));
    return arena_strdup(a, value != NULL ? value : v->name);
}

/* The nodes of the environment, but for the one that is changed. */
static int list_names(struct db *db, const char *env, const char *label, int64_t but,
                      struct arena *a, struct named **out, size_t *n, struct err *e)
{
    struct named *list = NULL;
    const char *after = "";
    size_t len = 0;

    for (size_t got = PAGE; got == PAGE;) {
        struct node_row *rows = NULL;
        int rc = db_node_page(db, env, after, PAGE, a, &rows, &got, e);

        if (rc != ERR_OK)
            return rc;
        for (size_t i = 0; i < got; i++) {
            if (rows[i].node_id == but)
                continue;
            list = arena_grow(a, list, len, sizeof(*list));
            list[len++] =
                (struct named){.server = server_of(&rows[i], label, a), .node = rows[i].name};
        }
        after = got > 0 ? rows[got - 1].name : "";
    }
    *out = list;
    *n = len;
    return ERR_OK;
}

int fleet_server_of_node(struct db *db, const struct node_row *v, struct arena *a, struct err *e)
{
    struct named *list = NULL;
    const char *label, *mine;
    size_t n = 0;
    int rc = find_label(db, v->env_id, NULL, a, &label, e);

    if (rc != ERR_OK || label == NULL)
        return rc;
    mine = server_of(v, label, a);
    rc = list_names(db, v->env, label, v->node_id, a, &list, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (strcmp(list[i].server, mine) == 0)
            return err_at(e, ERR_CONFLICT, "/labels",
                          "to the routers of \"%.100s\", node \"%.100s\" is server \"%.100s\" "
                          "(label \"%.60s\"); each node needs its own",
                          v->env, list[i].node, mine, label);
    return rc;
}

static int by_server(const void *x, const void *y)
{
    return strcmp(((const struct named *)x)->server, ((const struct named *)y)->server);
}

int fleet_server_of_router(struct db *db, const struct router_row *v, struct arena *a,
                           struct err *e)
{
    struct named *list = NULL;
    const char *label;
    size_t n = 0;
    int rc = find_label(db, v->env_id, v, a, &label, e);

    if (rc != ERR_OK || label == NULL)
        return rc;
    rc = list_names(db, v->env, label, 0, a, &list, &n, e);
    if (rc == ERR_OK && n > 1)
        qsort(list, n, sizeof(*list), by_server);
    for (size_t i = 1; rc == ERR_OK && i < n; i++)
        if (strcmp(list[i].server, list[i - 1].server) == 0)
            return err_at(e, ERR_CONFLICT, "/server_label",
                          "nodes \"%.100s\" and \"%.100s\" would both be server \"%.100s\" (label "
                          "\"%.60s\"); each node needs its own",
                          list[i - 1].node, list[i].node, list[i].server, label);
    return rc;
}
