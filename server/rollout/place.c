/*
 * File jobs of delivery "path": stage a version beside what a node serves, switch by renames,
 * remove. A staged folder gets its name only when it is whole and synced, and carries a marker; a
 * visible folder without our marker belongs to somebody else. Knows nothing about rollouts. Runs on
 * the file-job threads, one job per root at a time.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "name.h"
#include "place_copy.h"
#include "place_dir.h"
#include "registry.h"

#define MAX_ENTRIES 1000
#define MARKER_MAX_BYTES ((size_t)8192)
#define SPACE_RESERVE_BYTES ((int64_t)4 << 20)
#define NUMBER_BYTES 24

/* The folders of one served name on one node. */
struct site {
    const struct place *place;
    const struct file_job *job;
    int64_t deadline_ms;
    struct arena *arena;
    int root, hidden; /* <root>/.mreg/<serve_as> */
    int shown;        /* <root>/<serve_as>, -1 when not there */
};

enum holder { HOLDER_NOBODY, HOLDER_US, HOLDER_OTHER };

static void site_close(struct site *s)
{
    dir_close_fd(&s->root);
    dir_close_fd(&s->hidden);
    dir_close_fd(&s->shown);
}

static void number_name(int64_t number, char out[NUMBER_BYTES])
{
    (void)snprintf(out, NUMBER_BYTES, "%" PRId64, number);
}

static int site_open(struct site *s, struct err *e)
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
static enum holder who_holds(const struct site *s, int dir, const char *name,
                             struct digest *content)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    int fd CLEANUP(dir_close_fd) = -1;
    char *text, number[NUMBER_BYTES];
    size_t n;

    if (dir < 0 || !dir_has(dir, name))
        return HOLDER_NOBODY;
    if (dir_open(dir, name, false, &fd, NULL) != ERR_OK ||
        dir_read(fd, PLACE_MARKER, MARKER_MAX_BYTES, s->arena, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, 4, &j, NULL) != ERR_OK)
        return HOLDER_OTHER;
    number_name(json_integer_value(json_object_get(j, "version")), number);
    if (!says(j, "kind", "mreg.placed") || !says(j, "model", s->job->model) ||
        !says(j, "registry", s->place->registry_id) || strcmp(number, name) != 0)
        return HOLDER_OTHER;
    if (content != NULL &&
        digest_parse(json_string_value(json_object_get(j, "content")), content, NULL) != ERR_OK)
        return HOLDER_OTHER;
    return HOLDER_US;
}

static int write_marker(const struct site *s, int dir, const struct digest *content, struct err *e)
{
    char text[DIGEST_TEXT_BYTES];
    struct buf out CLEANUP(buf_clear);
    json_t *j CLEANUP(json_decref_ptr) =
        json_pack("{s:s, s:s, s:s, s:s, s:I}", "kind", "mreg.placed", "model", s->job->model,
                  "registry", s->place->registry_id, "content", digest_text(content, text),
                  "version", (json_int_t)s->job->number);
    int rc;

    buf_init(&out, MARKER_MAX_BYTES);
    if (j == NULL)
        return err_set(e, ERR_INTERNAL, "the marker cannot be made");
    if ((rc = json_canonical(j, &out, e)) != ERR_OK)
        return rc;
    return dir_write(dir, PLACE_MARKER, out.data, out.len, e);
}

/* Whatever a server would take for a model must be ours. */
static int check_shown(const struct site *s, struct err *e)
{
    char **names;
    size_t n;
    int rc;

    if (s->shown < 0)
        return ERR_OK;
    if ((rc = dir_list(s->shown, MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        bool is_plain = fstatat(s->shown, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(st.st_mode) && strcmp(names[i], LAYOUT_FILE) != 0;

        if (names[i][0] == '.' || is_plain)
            continue;
        if (who_holds(s, s->shown, names[i], NULL) == HOLDER_OTHER)
            return err_set(e, ERR_CONFLICT,
                           "%s/%s/%.100s was not placed by this registry; move it away or serve "
                           "the model under another name",
                           s->job->root, s->job->serve_as, names[i]);
    }
    return ERR_OK;
}

/* --- stage ------------------------------------------------------------------------------------ */

static int load_manifest(const struct site *s, struct manifest *m, struct digest *content,
                         struct err *e)
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

static int check_space(const struct site *s, const struct manifest *m, struct err *e)
{
    struct statvfs fs;
    int64_t need, have;

    if (fstatvfs(s->root, &fs) != 0)
        return dir_error(e, "root", s->job->root);
    need = m->total_bytes + (int64_t)m->n_files * (int64_t)fs.f_bsize + SPACE_RESERVE_BYTES;
    have = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (have < need)
        return err_set(e, ERR_NO_SPACE,
                       "%s has %" PRId64 " MiB free, the version needs %" PRId64 " MiB",
                       s->job->root, have >> 20, (need + (1 << 20) - 1) >> 20);
    return ERR_OK;
}

/* Settings are written by us, under the registry's name and number. */
static bool is_settings(const struct manifest *m, const struct manifest_file *f)
{
    return f == layout_source(m) || strcmp(f->path, LAYOUT_FILE) == 0;
}

/* True if every file is there with its size: what a whole staged folder has. */
static bool is_whole(int dir, const char *name, const struct manifest *m)
{
    char path[NUMBER_BYTES + 1100];
    struct stat st;

    (void)snprintf(path, sizeof(path), "%s/%s", name, LAYOUT_FILE);
    if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    for (size_t i = 0; i < m->n_files; i++) {
        if (is_settings(m, &m->files[i]))
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", name, m->files[i].path);
        if (fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode) ||
            st.st_size != m->files[i].size)
            return false;
    }
    return true;
}

/* Deletes half-made folders of this version ("7.tmp-..."). */
static int remove_leftovers(const struct site *s, struct err *e)
{
    char start[NUMBER_BYTES + 8];
    char **names;
    size_t n;
    int rc;

    (void)snprintf(start, sizeof(start), "%" PRId64 ".tmp-", s->job->number);
    if ((rc = dir_list(s->hidden, MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], start, strlen(start)) == 0 &&
            (rc = dir_remove(s->hidden, names[i], NULL, e)) != ERR_OK)
            return rc;
    return ERR_OK;
}

static int write_settings(const struct site *s, int dir, const struct manifest *m, struct err *e)
{
    const struct manifest_file *source = layout_source(m);
    struct buf out CLEANUP(buf_clear);
    const char *own = NULL;
    size_t n = 0;
    int rc;

    buf_init(&out, 2 * LAYOUT_MAX_BYTES);
    if (source != NULL && (rc = blob_read(s->place->blobs, &source->sha256, LAYOUT_MAX_BYTES,
                                          s->arena, &own, &n, e)) != ERR_OK)
        return rc;
    rc = layout_write(m, s->job->serve_as, s->job->number, own, n, &out, e);
    return rc != ERR_OK ? rc : dir_write(dir, LAYOUT_FILE, out.data, out.len, e);
}

/* Settings first: what cannot be served is not copied. */
static int fill_folder(const struct site *s, int dir, const struct manifest *m,
                       const struct digest *content, struct err *e)
{
    int rc;

    if ((rc = write_settings(s, dir, m, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < m->n_files; i++) {
        if (is_settings(m, &m->files[i]))
            continue;
        if ((rc = place_check_time(s->place, s->deadline_ms, e)) != ERR_OK ||
            (rc = place_copy(s->place, dir, &m->files[i], s->deadline_ms, e)) != ERR_OK)
            return rc;
    }
    if ((rc = write_marker(s, dir, content, e)) != ERR_OK)
        return rc;
    return dir_sync_tree(dir, e);
}

static int make_staged(const struct site *s, const struct manifest *m, const struct digest *content,
                       struct err *e)
{
    char name[NUMBER_BYTES], tmp[NUMBER_BYTES + 24];
    int dir CLEANUP(dir_close_fd) = -1;
    uint64_t salt = 0;
    int rc;

    if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return err_set(e, ERR_UNAVAILABLE, "no random numbers: %s", strerror(errno));
    number_name(s->job->number, name);
    (void)snprintf(tmp, sizeof(tmp), "%s.tmp-%016" PRIx64, name, salt);
    if ((rc = dir_open(s->hidden, tmp, true, &dir, e)) != ERR_OK)
        return rc;
    rc = fill_folder(s, dir, m, content, e);
    if (rc == ERR_OK)
        rc = dir_rename(s->hidden, tmp, s->hidden, name, e);
    if (rc != ERR_OK && dir_remove(s->hidden, tmp, NULL, NULL) != ERR_OK)
        return rc; /* the next try removes the leftovers */
    return rc;
}

static int run_stage(const struct site *s, struct err *e)
{
    char name[NUMBER_BYTES];
    struct manifest m = {0};
    struct digest content, placed;
    enum holder holder;
    int rc;

    number_name(s->job->number, name);
    if ((rc = check_shown(s, e)) != ERR_OK || (rc = load_manifest(s, &m, &content, e)) != ERR_OK ||
        (rc = layout_check_paths(&m, e)) != ERR_OK)
        return rc;
    if (who_holds(s, s->shown, name, &placed) == HOLDER_US)
        return digest_equal(&placed, &content)
                   ? ERR_OK
                   : err_set(e, ERR_CONFLICT, "%s/%s/%s holds other content", s->job->root,
                             s->job->serve_as, name);
    holder = who_holds(s, s->hidden, name, &placed);
    if (holder == HOLDER_US && digest_equal(&placed, &content) && is_whole(s->hidden, name, &m))
        return ERR_OK;
    if ((rc = dir_remove(s->hidden, name, PLACE_MARKER, e)) != ERR_OK ||
        (rc = remove_leftovers(s, e)) != ERR_OK || (rc = check_space(s, &m, e)) != ERR_OK)
        return rc;
    return make_staged(s, &m, &content, e);
}

/* --- switch and remove ------------------------------------------------------------------------ */

static bool is_kept(const struct file_job *job, const char *name)
{
    char number[NUMBER_BYTES];

    for (size_t i = 0; i < job->n_keep; i++) {
        number_name(job->keep[i], number);
        if (strcmp(number, name) == 0)
            return true;
    }
    return false;
}

/* Nothing is moved unless everything that shall be visible is there. */
static int check_kept(const struct site *s, struct err *e)
{
    char name[NUMBER_BYTES];

    for (size_t i = 0; i < s->job->n_keep; i++) {
        number_name(s->job->keep[i], name);
        if (who_holds(s, s->shown, name, NULL) != HOLDER_US &&
            who_holds(s, s->hidden, name, NULL) != HOLDER_US)
            return err_set(e, ERR_NOT_FOUND, "version %s of %s is not staged in %s", name,
                           s->job->model, s->job->root);
    }
    return ERR_OK;
}

static int bring_in(struct site *s, struct err *e)
{
    char name[NUMBER_BYTES];
    int rc;

    if (s->job->n_keep > 0 && s->shown < 0 &&
        ((rc = dir_open(s->root, s->job->serve_as, true, &s->shown, e)) != ERR_OK ||
         (rc = dir_sync(s->root, e)) != ERR_OK))
        return rc;
    for (size_t i = 0; i < s->job->n_keep; i++) {
        number_name(s->job->keep[i], name);
        if (who_holds(s, s->shown, name, NULL) == HOLDER_US)
            continue;
        if ((rc = dir_rename(s->hidden, name, s->shown, name, e)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* A copy that was staged again meanwhile goes first: the visible folder replaces it. */
static int take_out(const struct site *s, struct err *e)
{
    char **names;
    size_t n;
    int rc;

    if (s->shown < 0)
        return ERR_OK;
    if ((rc = dir_list(s->shown, MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if (is_kept(s->job, names[i]) || who_holds(s, s->shown, names[i], NULL) != HOLDER_US)
            continue;
        if ((rc = dir_remove(s->hidden, names[i], PLACE_MARKER, e)) != ERR_OK ||
            (rc = dir_rename(s->shown, names[i], s->hidden, names[i], e)) != ERR_OK)
            return rc;
    }
    return ERR_OK;
}

/* In before out: a server that restarts between the two finds a version, not none. */
static int run_switch(struct site *s, struct err *e)
{
    int rc;

    if ((rc = check_shown(s, e)) != ERR_OK || (rc = check_kept(s, e)) != ERR_OK ||
        (rc = bring_in(s, e)) != ERR_OK || (rc = take_out(s, e)) != ERR_OK)
        return rc;
    if (s->job->n_keep == 0)
        (void)unlinkat(s->root, s->job->serve_as, AT_REMOVEDIR); /* only when empty */
    return ERR_OK;
}

static int run_remove(const struct site *s, struct err *e)
{
    char name[NUMBER_BYTES];
    int rc;

    number_name(s->job->number, name);
    if ((rc = dir_remove(s->hidden, name, PLACE_MARKER, e)) != ERR_OK ||
        (rc = remove_leftovers(s, e)) != ERR_OK)
        return rc;
    return dir_sync(s->hidden, e);
}

int place_run(const struct place *p, enum job_kind kind, const struct file_job *job,
              int64_t deadline_ms, struct err *e)
{
    struct arena arena CLEANUP(arena_clear);
    struct site s CLEANUP(site_close) = {.place = p,
                                         .job = job,
                                         .deadline_ms = deadline_ms,
                                         .arena = &arena,
                                         .root = -1,
                                         .hidden = -1,
                                         .shown = -1};
    int rc;

    arena_init(&arena);
    if ((rc = place_check_time(p, deadline_ms, e)) != ERR_OK || (rc = site_open(&s, e)) != ERR_OK)
        return rc;
    switch (kind) {
    case JOB_STAGE:
        return run_stage(&s, e);
    case JOB_SWITCH:
        return run_switch(&s, e);
    case JOB_REMOVE:
        return run_remove(&s, e);
    default:
        return err_set(e, ERR_INTERNAL, "not a file job");
    }
}
