/*
 * What a node's record must be like before mreg talks to the server behind it. Must not know HTTP
 * handlers. Any thread, but check_root, which looks at the file system, not on the writer.
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

#define URL_MAX_BYTES 2000
#define MAX_LABELS 64

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
int fleet_node_root(const char *root, struct arena *a, const char **out, struct err *e)
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

bool fleet_path_inside(const char *path, const char *folder)
{
    size_t n = strlen(folder);

    return strncmp(path, folder, n) == 0 && (path[n] == '\0' || path[n] == '/');
}

/* A server loads whatever lies in its root: two nodes with one root are one node to a canary. */
int fleet_node_root_free(struct db *db, const struct node_row *v, struct arena *a, struct err *e)
{
    struct node_row *rows = NULL;
    size_t n = 0;
    int rc = v->root != NULL ? db_node_roots(db, a, &rows, &n, e) : ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (rows[i].node_id != v->node_id &&
            (fleet_path_inside(v->root, rows[i].root) || fleet_path_inside(rows[i].root, v->root)))
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
int fleet_node_apply(const struct node_spec *spec, struct arena *a, struct node_row *v,
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
