/*
 * The folders of one served name on one node, and whose they are: markers tell. Runs on the
 * file-job threads.
 */
#include "place_site.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "name.h"
#include "place_dir.h"
#include "registry.h"

#define MARKER_MAX_BYTES ((size_t)8192)

void site_close(struct site *s)
{
    dir_close_fd(&s->root);
    dir_close_fd(&s->hidden);
    dir_close_fd(&s->shown);
}

void site_number(int64_t number, char out[SITE_NUMBER_BYTES])
{
    (void)snprintf(out, SITE_NUMBER_BYTES, "%" PRId64, number);
}

int site_open(struct site *s, struct err *e)
{
    int top CLEANUP(dir_close_fd) = -1;
    int rc;

    if ((rc = name_check_served(s->job->serve_as, e)) != ERR_OK ||
        (rc = dir_open_root(s->job->root, &s->root, e)) != ERR_OK ||
        (rc = dir_open(s->root, PLACE_HIDDEN, true, &top, e)) != ERR_OK ||
        (rc = dir_open(top, s->job->serve_as, true, &s->hidden, e)) != ERR_OK)
        return rc;
    rc = dir_open(s->root, s->job->serve_as, false, &s->shown, e);
    return rc == ERR_NOT_FOUND ? ERR_OK : rc;
}

/* --- markers ---------------------------------------------------------------------------------- */

static bool says(const json_t *j, const char *key, const char *value)
{
    const char *found = json_string_value(json_object_get(j, key));

    return found != NULL && strcmp(found, value) == 0;
}

/* Whose folder `name` in dir is; *content (may be NULL) is the content digest it was placed as. */
enum holder site_holder(const struct site *s, int dir, const char *name, struct digest *content)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    int fd CLEANUP(dir_close_fd) = -1;
    char *text, number[SITE_NUMBER_BYTES];
    size_t n;

    if (dir < 0 || !dir_has(dir, name))
        return HOLDER_NOBODY;
    if (dir_open(dir, name, false, &fd, NULL) != ERR_OK ||
        dir_read(fd, PLACE_MARKER, MARKER_MAX_BYTES, s->arena, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, 4, &j, NULL) != ERR_OK)
        return HOLDER_OTHER;
    site_number(json_integer_value(json_object_get(j, "version")), number);
    if (!says(j, "kind", "mreg.placed") || !says(j, "model", s->job->model) ||
        !says(j, "registry", s->place->registry_id) || strcmp(number, name) != 0)
        return HOLDER_OTHER;
    if (content != NULL &&
        digest_parse(json_string_value(json_object_get(j, "content")), content, NULL) != ERR_OK)
        return HOLDER_OTHER;
    return HOLDER_US;
}

int site_mark(const struct site *s, int dir, const struct digest *content,
              const struct digest *settings, struct err *e)
{
    char text[DIGEST_TEXT_BYTES], own[DIGEST_TEXT_BYTES];
    struct buf out CLEANUP(buf_clear);
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:s*}", "kind", "mreg.placed", "model", s->job->model,
                  "registry", s->place->registry_id, "content", digest_text(content, text),
                  "version", (json_int_t)s->job->number, "settings",
                  settings != NULL ? digest_text(settings, own) : NULL);
    int rc;

    buf_init(&out, MARKER_MAX_BYTES);
    if (j == NULL)
        return err_set(e, ERR_INTERNAL, "the marker cannot be made");
    if ((rc = json_canonical(j, &out, e)) != ERR_OK)
        return rc;
    return dir_write(dir, PLACE_MARKER, out.data, out.len, e);
}

int site_manifest(const struct site *s, struct manifest *m, struct digest *content, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct buf bytes CLEANUP(buf_clear);
    int rc;

    buf_init(&bytes, MANIFEST_MAX_BYTES);
    if ((rc = reader_begin(s->place->store, &r, e)) != ERR_OK ||
        (rc = registry_manifest(r.db, s->job->model, s->job->number, s->arena, m, e)) != ERR_OK)
        return rc;
    return manifest_write(m, &bytes, content, e);
}

int site_settings(const struct site *s, const struct manifest *m, struct buf *out, struct err *e)
{
    const struct manifest_file *source = layout_source(m);
    const char *own = NULL;
    size_t n = 0;
    int rc;

    if (source != NULL && (rc = blob_read(s->place->blobs, &source->sha256, LAYOUT_MAX_BYTES,
                                          s->arena, &own, &n, e)) != ERR_OK)
        return rc;
    return layout_write(m, s->job->serve_as, s->job->number, own, n, out, e);
}

/* Settings are written by us, under the registry's name and number. */
bool site_is_settings(const struct manifest *m, const struct manifest_file *f)
{
    return f == layout_source(m) || strcmp(f->path, LAYOUT_FILE) == 0;
}

/* True if every file is there with its size: what a whole staged folder has. */
bool site_is_whole(int dir, const char *name, const struct manifest *m)
{
    char path[SITE_NUMBER_BYTES + 1100];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", name, LAYOUT_FILE);
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    for (size_t i = 0; i < m->n_files; i++) {
        if (site_is_settings(m, &m->files[i]))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", name, m->files[i].path);
        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
            st.st_size != m->files[i].size)
            return false;
    }
    return true;
}

bool site_is_adopted(const struct site *s, const char *name)
{
    int fd CLEANUP(dir_close_fd) = -1;
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    char *text;
    size_t n;

    return dir_open(s->shown, name, false, &fd, NULL) == ERR_OK &&
           dir_read(fd, PLACE_MARKER, MARKER_MAX_BYTES, s->arena, &text, &n, NULL) == ERR_OK &&
           json_parse(text, n, 4, &j, NULL) == ERR_OK && json_object_get(j, "settings") != NULL;
}
