/*
 * MLServer's model-settings.json for a version: name and version are the registry's, the rest is
 * the publisher's own file or follows from the format. Pure; touches no files. Any thread.
 */
#include "layout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct manifest_file *find_file(const struct manifest *m, const char *path)
{
    for (size_t i = 0; i < m->n_files; i++)
        if (strcmp(m->files[i].path, path) == 0)
            return &m->files[i];
    return NULL;
}

const struct manifest_file *layout_source(const struct manifest *m)
{
    const struct manifest_file *f = find_file(m, LAYOUT_SOURCE);

    return f != NULL ? f : find_file(m, LAYOUT_FILE);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? slash + 1 : path;
}

static bool is_under(const char *path, const char *folder)
{
    return strncmp(path, folder, strlen(folder)) == 0;
}

static bool ends_with(const char *path, const char *end)
{
    size_t n = strlen(path), k = strlen(end);

    return n > k && strcmp(path + n - k, end) == 0;
}

int layout_check_paths(const struct manifest *m, struct err *e)
{
    for (size_t i = 0; i < m->n_files; i++) {
        const char *path = m->files[i].path;
        int depth = 0;

        for (const char *c = path; *c != '\0'; c++)
            depth += *c == '/';
        if (depth >= LAYOUT_MAX_DEPTH)
            return err_set(e, ERR_INVALID, "%.100s: folders nested too deep for delivery", path);
        if (strcmp(path, LAYOUT_MARKER) == 0)
            return err_set(e, ERR_INVALID, "a version cannot hold a file " LAYOUT_MARKER);
        if (strcmp(base_name(path), LAYOUT_FILE) == 0 && strcmp(path, LAYOUT_SOURCE) != 0 &&
            strcmp(path, LAYOUT_FILE) != 0)
            return err_set(e, ERR_INVALID,
                           "%.100s would be served as a model of its own; the place for settings "
                           "is " LAYOUT_SOURCE,
                           path);
    }
    return ERR_OK;
}

/* The one file outside serving/ and golden/ with one of the endings; n counts them. */
static const char *only_file(const struct manifest *m, const char *const *endings, int *n)
{
    const char *found = NULL;

    *n = 0;
    for (size_t i = 0; i < m->n_files; i++) {
        const char *path = m->files[i].path;

        if (is_under(path, "serving/") || is_under(path, "golden/"))
            continue;
        for (size_t k = 0; endings[k] != NULL; k++) {
            if (!ends_with(path, endings[k]))
                continue;
            found = path;
            (*n)++;
        }
    }
    return found;
}

struct recipe {
    const char *format, *implementation;
    const char *endings[5];
    bool is_folder; /* uri is the folder of the file */
};

static const struct recipe recipes[] = {
    {"pickle", "mlserver_sklearn.SKLearnModel", {".joblib", ".pkl", ".pickle"}, false},
    {"mlflow", "mlserver_mlflow.MLflowRuntime", {"/MLmodel"}, true},
    {"mreg-linear", "mreg_node.Linear", {".json"}, false},
};

/* uri of the model relative to the version's folder, in text. */
static int recipe_uri(const struct manifest *m, const struct recipe *r, char *text, size_t cap,
                      struct err *e)
{
    const char *path;
    int n;

    if (r->is_folder && find_file(m, base_name(r->endings[0])) != NULL) {
        (void)snprintf(text, cap, "./");
        return ERR_OK;
    }
    path = only_file(m, r->endings, &n);
    if (n != 1)
        return err_set(e, ERR_INVALID,
                       "cannot tell which of %d files (*%s) is the model to serve; add "
                       "%s to the version",
                       n, r->endings[0], LAYOUT_SOURCE);
    (void)snprintf(text, cap, "./%.*s",
                   r->is_folder ? (int)(base_name(path) - path) : (int)strlen(path), path);
    return ERR_OK;
}

static int make_by_format(const struct manifest *m, json_t **out, struct err *e)
{
    char uri[1100];
    int rc;

    for (size_t i = 0; i < ARRAY_LEN(recipes); i++) {
        if (strcmp(recipes[i].format, m->format) != 0)
            continue;
        if ((rc = recipe_uri(m, &recipes[i], uri, sizeof(uri), e)) != ERR_OK)
            return rc;
        *out = json_pack("{s:s, s:{s:s}}", "implementation", recipes[i].implementation,
                         "parameters", "uri", uri);
        return *out != NULL ? ERR_OK : err_set(e, ERR_INTERNAL, "settings cannot be made");
    }
    return err_set(e, ERR_INVALID,
                   "format \"%s\" has no settings of its own; add " LAYOUT_SOURCE " to the version",
                   m->format);
}

static int read_own(const char *own, size_t n, json_t **out, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    json_t *parameters;
    int rc;

    if ((rc = json_parse(own, n, JSON_MAX_DEPTH, &j, e)) != ERR_OK) {
        err_prefix(e, LAYOUT_FILE ": ");
        return rc;
    }
    if (!json_is_string(json_object_get(j, "implementation")))
        return err_set(e, ERR_INVALID, LAYOUT_FILE " names no implementation");
    parameters = json_object_get(j, "parameters");
    if (parameters == NULL)
        json_object_set_new(j, "parameters", json_object());
    else if (!json_is_object(parameters))
        return err_set(e, ERR_INVALID, LAYOUT_FILE ": parameters is not an object");
    *out = json_incref(j);
    return ERR_OK;
}

int layout_write(const struct manifest *m, const char *serve_as, int64_t number, const char *own,
                 size_t n, struct buf *out, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    char version[24];
    char *text;
    int rc;

    rc = own != NULL ? read_own(own, n, &j, e) : make_by_format(m, &j, e);
    if (rc != ERR_OK)
        return rc;
    (void)snprintf(version, sizeof(version), "%" PRId64, number);
    json_object_set_new(j, "name", json_string(serve_as));
    json_object_set_new(json_object_get(j, "parameters"), "version", json_string(version));
    text = json_dumps(j, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    if (text == NULL)
        return err_set(e, ERR_INTERNAL, "settings cannot be written");
    buf_puts(out, text);
    buf_putc(out, '\n');
    mem_free_ptr(&text);
    return buf_ok(out) ? ERR_OK : err_set(e, ERR_INVALID, LAYOUT_FILE " is too large");
}

int layout_check(const struct manifest *m, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    int rc = layout_check_paths(m, e);

    if (rc != ERR_OK || layout_source(m) != NULL)
        return rc;
    return make_by_format(m, &j, e);
}
