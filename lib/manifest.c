/*
 * The content manifest: what a version is. Reads and writes documents; knows nothing of where the
 * bytes of the files are. Pure: any thread.
 */
#include "manifest.h"
#include "name.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define KIND "mreg.manifest"
#define FORMAT_MAX_BYTES 64
#define PATH_MAX_BYTES 1024

int manifest_check_format(const char *format, struct err *e)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
    static const char later[] = "abcdefghijklmnopqrstuvwxyz0123456789._+-";
    size_t n = strlen(format);
    if (n == 0 || n > FORMAT_MAX_BYTES || !strchr(first, format[0]) || strspn(format, later) < n)
        return err_set(e, ERR_INVALID,
                       "format \"%.64s\" must be 1 to %d of a-z, 0-9, '.', '_', '+' and '-'",
                       format, FORMAT_MAX_BYTES);
    return ERR_OK;
}

/* The members that say which kind of document this is: right, or not there. */
static int check_kind(const json_t *j, const char *at, struct err *e)
{
    const char *kind = NULL;
    int64_t schema = 1;
    int rc = json_opt_str(j, at, "kind", 64, &kind, e);
    if (rc != ERR_OK)
        return rc;
    if (kind && strcmp(kind, KIND) != 0)
        return json_blame(err_set(e, ERR_INVALID, "\"kind\" must be \"" KIND "\""), at, "kind", e);
    return json_opt_int(j, at, "schema", 1, 1, &schema, e);
}

static int read_format(const json_t *j, const char *at, struct arena *a, const char **out,
                       struct err *e)
{
    const char *format = NULL;
    int rc = json_opt_str(j, at, "format", FORMAT_MAX_BYTES, &format, e);
    if (rc != ERR_OK)
        return rc;
    if (!format)
        format = "unknown";
    rc = manifest_check_format(format, e);
    if (rc == ERR_OK)
        *out = arena_strdup(a, format);
    return json_blame(rc, at, "format", e);
}

static int read_file(const json_t *j, const char *at, struct arena *a, struct manifest_file *out,
                     struct err *e)
{
    static const char *const known[] = {"path", "sha256", "size", NULL};
    const char *path = NULL;
    const char *sha256 = NULL;
    int rc = json_only(j, at, known, e);
    if (rc == ERR_OK)
        rc = json_get_str(j, at, "path", PATH_MAX_BYTES, &path, e);
    if (rc == ERR_OK)
        rc = json_get_str(j, at, "sha256", DIGEST_TEXT_BYTES, &sha256, e);
    if (rc == ERR_OK)
        rc = json_get_int(j, at, "size", 0, JSON_MAX_INT, &out->size, e);
    if (rc != ERR_OK)
        return rc;
    rc = name_check_path(path, e);
    if (rc != ERR_OK)
        return json_blame(rc, at, "path", e);
    out->path = arena_strdup(a, path);
    return json_blame(digest_parse(sha256, &out->sha256, e), at, "sha256", e);
}

/* A path and its place in the input. */
struct entry {
    const char *path;
    size_t index;
};

/* '/' sorts first, so that what is in a folder comes right after a file of the folder's name.
 * Control characters are not allowed in paths, so 1 is free. */
static int fold(char c)
{
    if (c == '/')
        return 1;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : (unsigned char)c;
}

static int compare_folded(const void *a, const void *b)
{
    const struct entry *left = a;
    const struct entry *right = b;
    const char *x = left->path;
    const char *y = right->path;
    while (*x && fold(*x) == fold(*y)) {
        x++;
        y++;
    }
    if (*x || *y)
        return fold(*x) < fold(*y) ? -1 : 1;
    return (left->index > right->index) - (left->index < right->index);
}

/* True if x is y, or a folder of y, on a filesystem that ignores case. */
static bool collides(const char *x, const char *y)
{
    while (*x && fold(*x) == fold(*y)) {
        x++;
        y++;
    }
    return !*x && (!*y || *y == '/');
}

static int check_collisions(const struct manifest *m, const char *at, struct err *e)
{
    CLEANUP(mem_free_ptr) struct entry *sorted = mem_resize(NULL, m->n_files, sizeof *sorted);
    for (size_t i = 0; i < m->n_files; i++)
        sorted[i] = (struct entry){m->files[i].path, i};
    qsort(sorted, m->n_files, sizeof *sorted, compare_folded);
    for (size_t i = 1; i < m->n_files; i++) {
        const struct entry *before = &sorted[i - 1];
        const struct entry *here = &sorted[i];
        if (!collides(before->path, here->path))
            continue;
        char key[64];
        snprintf(key, sizeof key, "%zu", here->index);
        int rc = err_set(e, ERR_INVALID, "paths \"%.128s\" and \"%.128s\" cannot both exist",
                         before->path, here->path);
        char list[256];
        snprintf(list, sizeof list, "%s/files", at);
        return json_blame(rc, list, key, e);
    }
    return ERR_OK;
}

static int compare_files(const void *a, const void *b)
{
    const struct manifest_file *x = a;
    const struct manifest_file *y = b;
    return strcmp(x->path, y->path);
}

static int read_files(const json_t *j, const char *at, struct arena *a, struct manifest *m,
                      struct err *e)
{
    json_t *files = NULL;
    int rc = json_get_array(j, at, "files", MANIFEST_MAX_FILES, &files, e);
    if (rc != ERR_OK)
        return rc;
    m->n_files = json_array_size(files);
    if (m->n_files == 0)
        return json_blame(err_set(e, ERR_INVALID, "a version has at least one file"), at, "files",
                          e);
    m->files = arena_alloc(a, m->n_files * sizeof *m->files);
    for (size_t i = 0; i < m->n_files; i++) {
        char here[256];
        snprintf(here, sizeof here, "%s/files/%zu", at, i);
        rc = read_file(json_array_get(files, i), here, a, &m->files[i], e);
        if (rc != ERR_OK)
            return rc;
        if (m->files[i].size > JSON_MAX_INT - m->total_bytes)
            return json_blame(err_set(e, ERR_INVALID, "all files together pass 2^53 bytes"), here,
                              "size", e);
        m->total_bytes += m->files[i].size;
    }
    rc = check_collisions(m, at, e);
    if (rc == ERR_OK)
        qsort(m->files, m->n_files, sizeof *m->files, compare_files);
    return rc;
}

int manifest_from_json(const json_t *j, const char *at, struct arena *a, struct manifest *out,
                       struct err *e)
{
    static const char *const known[] = {"files", "format", "kind", "schema", NULL};
    struct manifest m = {0};
    int rc = json_only(j, at, known, e);
    if (rc == ERR_OK)
        rc = check_kind(j, at, e);
    if (rc == ERR_OK)
        rc = read_format(j, at, a, &m.format, e);
    if (rc == ERR_OK)
        rc = read_files(j, at, a, &m, e);
    if (rc == ERR_OK)
        *out = m;
    return rc;
}

int manifest_put_document(const json_t *j, struct buf *out, struct digest *digest, struct err *e)
{
    size_t before = out->len;
    int rc = json_canonical(j, out, e);
    if (rc != ERR_OK)
        return rc;
    if (out->len - before > MANIFEST_MAX_BYTES) {
        out->len = before;
        out->data[before] = '\0';
        return err_set(e, ERR_TOO_LARGE, "the document is larger than %d bytes",
                       MANIFEST_MAX_BYTES);
    }
    if (digest)
        digest_of(out->data + before, out->len - before, digest);
    return ERR_OK;
}

static json_t *file_to_json(const struct manifest_file *f)
{
    char hex[DIGEST_HEX_BYTES];
    return json_pack("{s:s, s:s, s:I}", "path", f->path, "sha256", digest_hex(&f->sha256, hex),
                     "size", (json_int_t)f->size);
}

int manifest_write(const struct manifest *m, struct buf *out, struct digest *digest, struct err *e)
{
    CLEANUP(json_decref_ptr) json_t *files = json_array();
    for (size_t i = 0; i < m->n_files; i++)
        if (json_array_append_new(files, file_to_json(&m->files[i])) != 0)
            return err_set(e, ERR_INVALID, "a path is not UTF-8");
    CLEANUP(json_decref_ptr)
    json_t *j = json_pack("{s:s, s:i, s:s, s:O}", "kind", KIND, "schema", 1, "format", m->format,
                          "files", files);
    if (!j)
        return err_set(e, ERR_INVALID, "the format is not UTF-8");
    return manifest_put_document(j, out, digest, e);
}
