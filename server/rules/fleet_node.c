/*
 * Nodes: what a record must be like before mreg talks to the server behind it, and its changes.
 * Must not know HTTP handlers or how nodes are spoken to. The fleet_node_* functions are for any
 * thread but the writer; the inner ones run on the writer.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fleet_inner.h"
#include "name.h"
#include "when.h"

#define URL_MAX_BYTES 2000
#define MAX_LABELS 64

/* --- checks ----------------------------------------------------------------------------------- */

/* Where no serving node is, but a cloud's metadata service may be. */
static bool is_host_refused(const char *host, size_t n)
{
    static const char *const starts[] = {"169.254.", "[fe80:", "[ff", "0.0.0.0"};

    for (size_t i = 0; i < ARRAY_LEN(starts); i++)
        if (n >= strlen(starts[i]) && strncmp(host, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

static bool is_port(const char *p, size_t n)
{
    long port = 0;

    for (size_t i = 0; i < n; i++) {
        if (!isdigit((unsigned char)p[i]) || i == 5)
            return false;
        port = port * 10 + (p[i] - '0');
    }
    return n > 0 && port >= 1 && port <= 65535;
}

/* Host and port of a URL: letters, digits, dots and dashes, or an IPv6 address in brackets. */
static bool is_authority(const char *p, size_t n)
{
    size_t host = strcspn(p, ":");

    if (n > 0 && *p == '[') {
        host = strcspn(p, "]") + 1;
        if (host > n || host < 4 || strspn(p + 1, "0123456789abcdef:.") != host - 2)
            return false;
    } else {
        host = host < n ? host : n;
        for (size_t i = 0; i < host; i++)
            if (!isalnum((unsigned char)p[i]) && p[i] != '.' && p[i] != '-')
                return false;
    }
    if (host == 0 || is_host_refused(p, host))
        return false;
    return host == n || (p[host] == ':' && is_port(p + host + 1, n - host - 1));
}

/* *out: the URL without trailing slashes, in arena. */
static int check_url(const char *url, const char *pointer, struct arena *a, const char **out,
                     struct err *e)
{
    const char *rest = NULL;
    size_t n = strlen(url);

    if (n > URL_MAX_BYTES)
        return err_at(e, ERR_INVALID, pointer, "a URL of more than %d bytes", URL_MAX_BYTES);
    if (strncmp(url, "http://", 7) == 0)
        rest = url + 7;
    else if (strncmp(url, "https://", 8) == 0)
        rest = url + 8;
    if (rest == NULL)
        return err_at(e, ERR_INVALID, pointer, "not a URL that starts with http:// or https://");
    for (const char *c = url; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 127 || strchr("?#@\\\"<>", *c))
            return err_at(e, ERR_INVALID, pointer,
                          "a node's URL has no spaces, credentials, query or fragment");
    if (!is_authority(rest, strcspn(rest, "/")))
        return err_at(e, ERR_INVALID, pointer, "not a host (and port) that a node can have");
    while (n > 0 && url[n - 1] == '/')
        n--;
    *out = arena_copy(a, url, n);
    return ERR_OK;
}

static int check_labels(const json_t *labels, struct err *e)
{
    const char *key;
    json_t *value;

    if (labels == NULL)
        return ERR_OK;
    if (!json_is_object(labels) || json_object_size(labels) > MAX_LABELS)
        return err_at(e, ERR_INVALID, "/labels", "not an object of at most %d texts", MAX_LABELS);
    json_object_foreach((json_t *)(uintptr_t)labels, key, value)
    {
        if (!json_is_string(value) || json_string_length(value) > 255 || *key == '\0' ||
            strlen(key) > 128)
            return err_at(e, ERR_INVALID, "/labels", "label \"%.128s\" is not a short text", key);
    }
    return ERR_OK;
}

/* The folder's real path, in arena. Looked at when the record is written, not trusted later. */
static int check_root(const char *root, struct arena *a, const char **out, struct err *e)
{
    char *real CLEANUP(mem_free_ptr) = NULL;
    struct stat st;

    if (root == NULL || root[0] != '/')
        return err_at(e, ERR_INVALID, "/root",
                      "delivery \"path\" needs the absolute path of the node's model folder");
    real = realpath(root, NULL);
    if (real == NULL || stat(real, &st) != 0)
        return err_at(e, ERR_INVALID, "/root", "%.300s: %s", root, strerror(errno));
    if (!S_ISDIR(st.st_mode) || strcmp(real, "/") == 0)
        return err_at(e, ERR_INVALID, "/root", "%.300s is not a folder for models", root);
    if (access(real, R_OK | W_OK | X_OK) != 0)
        return err_at(e, ERR_INVALID, "/root", "mregd cannot write into %.300s", root);
    *out = arena_strdup(a, real);
    return ERR_OK;
}

static bool is_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* A server loads whatever lies in its root: two nodes with one root are one node to a canary. */
static int check_root_free(struct db *db, const struct node_row *v, struct arena *a, struct err *e)
{
    struct node_row *rows = NULL;
    size_t n = 0;
    int rc = v->root != NULL ? db_node_roots(db, a, &rows, &n, e) : ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (rows[i].node_id != v->node_id &&
            (is_inside(v->root, rows[i].root) || is_inside(rows[i].root, v->root)))
            return err_at(e, ERR_CONFLICT, "/root",
                          "node %.120s/%.120s has the root %.120s; each node needs its own",
                          rows[i].env, rows[i].name, rows[i].root);
    return rc;
}

static int check_driver(const char *driver, struct err *e)
{
    const char *const *known = fleet_drivers();
    const char *near = json_nearest(driver, known);

    for (size_t i = 0; known[i] != NULL; i++)
        if (strcmp(known[i], driver) == 0)
            return ERR_OK;
    if (near != NULL)
        return err_at(e, ERR_INVALID, "/driver", "no driver \"%.60s\"; did you mean \"%s\"?",
                      driver, near);
    return err_at(e, ERR_INVALID, "/driver", "no driver \"%.60s\"; there is \"%s\"", driver,
                  known[0]);
}

/* Puts the spec over the record *v and checks the result; a root was checked before, because this
 * also runs on the writer, which must not wait for a file system. */
static int apply_spec(const struct node_spec *spec, struct arena *a, struct node_row *v,
                      struct err *e)
{
    int rc;

    if (spec->driver != NULL)
        v->driver = spec->driver;
    if ((rc = check_driver(v->driver, e)) != ERR_OK)
        return rc;
    if (spec->delivery != NULL && strcmp(spec->delivery, "path") != 0)
        return err_at(e, ERR_INVALID, "/delivery", "there is only delivery \"path\"");
    if (spec->admin_url != NULL &&
        (rc = check_url(spec->admin_url, "/admin_url", a, &v->admin_url, e)) != ERR_OK)
        return rc;
    if (spec->infer_url != NULL &&
        (rc = check_url(spec->infer_url, "/infer_url", a, &v->infer_url, e)) != ERR_OK)
        return rc;
    if (spec->metrics_url != NULL && spec->metrics_url[0] == '\0')
        v->metrics_url = NULL;
    else if (spec->metrics_url != NULL &&
             (rc = check_url(spec->metrics_url, "/metrics_url", a, &v->metrics_url, e)) != ERR_OK)
        return rc;
    if (spec->root != NULL)
        v->root = spec->root;
    if ((rc = check_labels(spec->labels, e)) != ERR_OK)
        return rc;
    return spec->labels != NULL ? fleet_json_text(spec->labels, a, &v->labels, e) : ERR_OK;
}

/* --- finding ---------------------------------------------------------------------------------- */

int fleet_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                    struct node_row *out, struct err *e)
{
    struct env_row v;
    struct node_row *rows = NULL;
    const char **names, *near;
    size_t n = 0;
    bool found = false;
    int rc = fleet_env_find(db, env, a, &v, e);

    if (rc == ERR_OK)
        rc = db_node_find(db, env, name, a, out, &found, e);
    if (rc != ERR_OK || found)
        return rc;
    if ((rc = db_node_page(db, env, "", 1000, a, &rows, &n, e)) != ERR_OK)
        return rc;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    near = json_nearest(name, names);
    if (near != NULL)
        return err_set(e, ERR_NOT_FOUND,
                       "no node \"%.120s\" in \"%.120s\"; did you mean \"%.120s\"?", name, env,
                       near);
    return err_set(e, ERR_NOT_FOUND, "no node \"%.120s\" in \"%.120s\"", name, env);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* node document: {"admin_url","created","delivery","driver","environment","infer_url","kind":
 * "mreg.node","labels":{},"metrics_url"?,"name","root"?,"schema":1} */
static int node_doc(const struct node_row *v, json_t **out, struct err *e)
{
    char when[WHEN_TEXT_BYTES];
    json_t *labels CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_json_read(v->labels, &labels, e);

    if (rc != ERR_OK)
        return rc;
    *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:O, s:i}", "kind",
                     "mreg.node", "name", v->name, "environment", v->env, "created",
                     when_format(v->created_ms, when), "driver", v->driver, "delivery", v->delivery,
                     "admin_url", v->admin_url, "infer_url", v->infer_url, "metrics_url",
                     v->metrics_url, "root", v->root, "labels", labels, "schema", 1);
    return *out != NULL ? ERR_OK : err_set(e, ERR_INVALID, "the node's record is not valid text");
}

static int write_node(struct tx *tx, struct fleet_edit *ed, const struct node_row *v,
                      enum journal_kind kind, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct fleet_row row = {.kind = kind};
    int64_t seq;
    int rc = node_doc(v, &doc, e);

    row.object = arena_printf(&ed->arena, "%s/%s", v->env, v->name);
    row.message = arena_printf(&ed->arena, "%s node %s",
                               kind == JOURNAL_NODE_CREATE ? "added" : "changed", row.object);
    if (rc == ERR_OK)
        rc =
            fleet_row_add(&row, &ed->arena, journal_path_node(&ed->arena, v->env, v->name), doc, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &row, &seq, e) : rc;
}

static int create_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    struct node_row v = *(const struct node_row *)ed->spec;
    struct env_row env;
    bool found = false;
    int rc = fleet_env_find(tx_db(tx), v.env, &ed->arena, &env, e);

    if (rc == ERR_OK)
        rc = db_node_find(tx_db(tx), v.env, v.name, &ed->arena, &(struct node_row){0}, &found, e);
    if (rc == ERR_OK && found)
        return err_set(e, ERR_EXISTS, "node \"%.120s\" exists already in \"%.120s\"", v.name,
                       v.env);
    if (rc == ERR_OK)
        rc = check_root_free(tx_db(tx), &v, &ed->arena, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &v.created_seq, e);
    if (rc != ERR_OK)
        return rc;
    v.env_id = env.env_id;
    v.created_ms = tx_now_ms(tx);
    rc = db_node_insert(tx_db(tx), &v, e);
    return rc == ERR_OK ? write_node(tx, ed, &v, JOURNAL_NODE_CREATE, e) : rc;
}

int fleet_node_create(struct store *s, const struct fleet_change *c, const struct node_spec *spec,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct node_row v = {
        .env = spec->env, .name = spec->name, .driver = "v2", .delivery = "path", .labels = "{}"};
    struct fleet_edit ed = {.c = c, .spec = &v, .fn = create_node_fn};
    int rc = name_check("node", spec->name, e);

    if (rc != ERR_OK) {
        if (e != NULL)
            memcpy(e->pointer, "/name", sizeof("/name"));
        return rc;
    }
    if (spec->admin_url == NULL)
        return err_at(e, ERR_INVALID, "/admin_url", "missing");
    if ((rc = apply_spec(spec, &a, &v, e)) != ERR_OK ||
        (rc = check_root(spec->root, &a, &v.root, e)) != ERR_OK)
        return rc;
    if (v.infer_url == NULL)
        v.infer_url = v.admin_url;
    if (spec->metrics_url == NULL)
        v.metrics_url = arena_printf(&a, "%s/metrics", v.admin_url);
    return fleet_edit_run(s, &ed, e);
}

static bool is_same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same_node(const struct node_row *a, const struct node_row *b)
{
    return is_same_text(a->driver, b->driver) && is_same_text(a->admin_url, b->admin_url) &&
           is_same_text(a->infer_url, b->infer_url) &&
           is_same_text(a->metrics_url, b->metrics_url) && is_same_text(a->root, b->root) &&
           is_same_text(a->labels, b->labels);
}

static int update_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct node_spec *spec = ed->spec;
    struct node_row before = {0}, v;
    int rc = fleet_node_find(tx_db(tx), spec->env, spec->name, &ed->arena, &before, e);

    if (rc != ERR_OK)
        return rc;
    v = before;
    if ((rc = apply_spec(spec, &ed->arena, &v, e)) != ERR_OK)
        return rc;
    ed->is_nothing = is_same_node(&before, &v);
    if (ed->is_nothing)
        return ERR_OK;
    if ((rc = check_root_free(tx_db(tx), &v, &ed->arena, e)) != ERR_OK ||
        (rc = db_node_update(tx_db(tx), &v, e)) != ERR_OK)
        return rc;
    return write_node(tx, ed, &v, JOURNAL_NODE_UPDATE, e);
}

int fleet_node_update(struct store *s, const struct fleet_change *c, const struct node_spec *spec,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct node_spec copy = *spec;
    struct fleet_edit ed = {.c = c, .spec = &copy, .fn = update_node_fn};
    int rc = spec->root != NULL ? check_root(spec->root, &a, &copy.root, e) : ERR_OK;

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

static int delete_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct node_spec *spec = ed->spec;
    struct fleet_row row = {.kind = JOURNAL_NODE_DELETE};
    struct node_row v = {0};
    const char *rollout = NULL, *path, *bytes;
    int64_t seq;
    size_t n;
    int rc = fleet_node_find(tx_db(tx), spec->env, spec->name, &ed->arena, &v, e);

    if (rc == ERR_OK)
        rc = db_env_active(tx_db(tx), v.env_id, &ed->arena, &rollout, e);
    if (rc == ERR_OK && rollout != NULL)
        return err_set(e, ERR_CONFLICT,
                       "rollout %s is active in \"%.120s\"; wait for it or abort it", rollout,
                       v.env);
    if (rc == ERR_OK)
        rc = db_node_delete(tx_db(tx), v.node_id, e);
    if (rc == ERR_OK)
        rc = fleet_row_add(&row, &ed->arena, journal_path_node(&ed->arena, v.env, v.name), NULL, e);
    if (rc != ERR_OK)
        return rc;
    path = journal_path_serving(&ed->arena, v.env, v.name);
    if (journal_doc_at(tx_db(tx), path, INT64_MAX, &ed->arena, &bytes, &n, NULL) == ERR_OK &&
        (rc = fleet_row_add(&row, &ed->arena, path, NULL, e)) != ERR_OK)
        return rc;
    row.object = arena_printf(&ed->arena, "%s/%s", v.env, v.name);
    row.message = arena_printf(&ed->arena, "removed node %s", row.object);
    return fleet_row_append(tx, ed, &row, &seq, e);
}

int fleet_node_delete(struct store *s, const struct fleet_change *c, const char *env,
                      const char *name, struct err *e)
{
    struct node_spec spec = {.env = env, .name = name};
    struct fleet_edit ed = {.c = c, .spec = &spec, .fn = delete_node_fn};

    return fleet_edit_run(s, &ed, e);
}
