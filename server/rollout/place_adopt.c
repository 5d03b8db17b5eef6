/*
 * Taking over a folder that somebody else put there: if it holds exactly a version's files and is
 * served under its name and number, it gets our marker. Nothing is moved and no file that is there
 * is changed, so the server need not know. Runs on the file-job threads.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "place_copy.h"
#include "place_dir.h"
#include "place_site.h"

/* Files that no server reads: they may be missing and are added. */
#define OWN_FILES "golden/"

struct adopting {
    const struct site *site;
    const struct manifest *m;
    int dir;
    char name[SITE_NUMBER_BYTES];
};

static int refuse(struct err *e, const struct adopting *a, const char *path, const char *how)
{
    return err_set(e, ERR_CONFLICT, "%s/%s/%s/%.200s %s", a->site->job->root,
                   a->site->job->serve_as, a->name, path, how);
}

static int check_file(const struct adopting *a, const struct manifest_file *f, struct err *e)
{
    int fd CLEANUP(dir_close_fd) = -1;
    struct digest found;
    struct stat st;
    int rc = site_open_file(a->dir, f->path, &fd, e);

    if (rc != ERR_OK)
        return rc;
    if (fd < 0 && strncmp(f->path, OWN_FILES, strlen(OWN_FILES)) == 0)
        return place_copy(a->site->place, a->dir, f, a->site->deadline_ms, e);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return refuse(e, a, f->path, "is not there");
    if (st.st_size != f->size)
        return refuse(e, a, f->path, "has another size than in the version");
    if ((rc = site_digest(a->site, fd, &found, e)) != ERR_OK)
        return rc;
    return digest_equal(&found, &f->sha256)
               ? ERR_OK
               : refuse(e, a, f->path, "holds other bytes than in the version");
}

/* The server must know it under the name and number by which it will be asked for. */
static int check_settings(const struct adopting *a, struct digest *out, struct err *e)
{
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const char *name, *version;
    char *text;
    size_t n;
    int rc = dir_read(a->dir, LAYOUT_FILE, 2 * LAYOUT_MAX_BYTES, a->site->arena, &text, &n, e);

    if (rc == ERR_NOT_FOUND)
        return refuse(e, a, LAYOUT_FILE, "is not there");
    if (rc != ERR_OK)
        return rc;
    if (json_parse(text, n, JSON_MAX_DEPTH, &j, NULL) != ERR_OK)
        return refuse(e, a, LAYOUT_FILE, "is not valid JSON");
    name = json_string_value(json_object_get(j, "name"));
    version = json_string_value(json_object_get(json_object_get(j, "parameters"), "version"));
    if (name == NULL || strcmp(name, a->site->job->serve_as) != 0)
        return refuse(e, a, LAYOUT_FILE, "has another \"name\" than the folder above");
    if (version == NULL || strcmp(version, a->name) != 0)
        return refuse(e, a, LAYOUT_FILE,
                      "has another \"parameters\": {\"version\"} than the version's number");
    digest_of(text, n, out);
    return ERR_OK;
}

/* Other versions in sight would block every later switch. */
static int check_beside(const struct adopting *a, struct err *e)
{
    const struct site *s = a->site;
    char **names;
    size_t n;
    int rc = dir_list(s->shown, SITE_MAX_ENTRIES, s->arena, &names, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int fd CLEANUP(dir_close_fd) = -1;
        bool is_folder = dir_open(s->shown, names[i], false, &fd, NULL) == ERR_OK;
        bool is_settings = strcmp(names[i], LAYOUT_FILE) == 0;

        if (names[i][0] == '.' || strcmp(names[i], a->name) == 0 || (!is_folder && !is_settings))
            continue;
        if (is_settings || site_holder(s, s->shown, names[i], NULL) == HOLDER_OTHER)
            rc = err_set(e, ERR_CONFLICT,
                         "%s/%s/%.100s lies there too; move it away first: only what was adopted "
                         "may be visible",
                         s->job->root, s->job->serve_as, names[i]);
    }
    return rc;
}

static int check_folder(struct adopting *a, struct digest *settings, struct err *e)
{
    int rc = check_settings(a, settings, e);

    for (size_t i = 0; rc == ERR_OK && i < a->m->n_files; i++)
        if (!site_is_settings(a->m, &a->m->files[i]))
            rc = check_file(a, &a->m->files[i], e);
    return rc;
}

int site_run_adopt(const struct site *s, struct err *e)
{
    struct manifest m = {0};
    struct adopting a = {.site = s, .m = &m, .dir = -1};
    struct digest content, settings;
    int rc = site_manifest(s, &m, &content, e);

    if (rc != ERR_OK)
        return rc;
    site_number(s->job->number, a.name);
    if (s->shown < 0 || !dir_has(s->shown, a.name))
        return err_set(e, ERR_CONFLICT, "%s/%s/%s is not there", s->job->root, s->job->serve_as,
                       a.name);
    if (site_holder(s, s->shown, a.name, NULL) == HOLDER_US)
        return site_check(s, &m, &content, e);
    if ((rc = check_beside(&a, e)) != ERR_OK ||
        (rc = dir_open(s->shown, a.name, false, &a.dir, e)) != ERR_OK)
        return rc;
    if (dir_has(a.dir, PLACE_MARKER))
        rc = refuse(e, &a, PLACE_MARKER, "says that another registry or model placed it");
    if (rc == ERR_OK)
        rc = check_folder(&a, &settings, e);
    if (rc == ERR_OK)
        rc = site_mark(s, a.dir, &content, &settings, e);
    if (rc == ERR_OK)
        rc = dir_sync(a.dir, e);
    dir_close_fd(&a.dir);
    return rc;
}
