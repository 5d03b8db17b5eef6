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
#include "place_site.h"
#include "registry.h"

#define SPACE_RESERVE_BYTES ((int64_t)4 << 20)

/* Whatever a server would take for a model must be ours. */
static int check_shown(const struct site *s, struct err *e)
{
    char **names;
    size_t n;
    int rc;

    if (s->shown < 0)
        return ERR_OK;
    if ((rc = dir_list(s->shown, SITE_MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        struct stat st;
        bool is_plain = fstatat(s->shown, names[i], &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                        S_ISREG(st.st_mode) && strcmp(names[i], LAYOUT_FILE) != 0;

        if (names[i][0] == '.' || is_plain)
            continue;
        if (site_holder(s, s->shown, names[i], NULL) == HOLDER_OTHER)
            return err_set(e, ERR_CONFLICT,
                           "%s/%s/%.100s was not placed by this registry; move it away or serve "
                           "the model under another name",
                           s->job->root, s->job->serve_as, names[i]);
    }
    return ERR_OK;
}

/* --- stage ------------------------------------------------------------------------------------ */

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

/* Deletes half-made folders of this version ("7.tmp-..."). */
static int remove_leftovers(const struct site *s, struct err *e)
{
    char start[SITE_NUMBER_BYTES + 8];
    char **names;
    size_t n;
    int rc;

    (void)snprintf(start, sizeof(start), "%" PRId64 ".tmp-", s->job->number);
    if ((rc = dir_list(s->hidden, SITE_MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if (strncmp(names[i], start, strlen(start)) == 0 &&
            (rc = dir_remove(s->hidden, names[i], NULL, e)) != ERR_OK)
            return rc;
    return ERR_OK;
}

static int write_settings(const struct site *s, int dir, const struct manifest *m, struct err *e)
{
    struct buf out CLEANUP(buf_clear);
    int rc;

    buf_init(&out, 2 * LAYOUT_MAX_BYTES);
    rc = site_settings(s, m, &out, e);
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
        if (site_is_settings(m, &m->files[i]))
            continue;
        if ((rc = place_check_time(s->place, s->deadline_ms, e)) != ERR_OK ||
            (rc = place_copy(s->place, dir, &m->files[i], s->deadline_ms, e)) != ERR_OK)
            return rc;
    }
    if ((rc = site_mark(s, dir, content, NULL, e)) != ERR_OK)
        return rc;
    return dir_sync_tree(dir, e);
}

static int make_staged(const struct site *s, const struct manifest *m, const struct digest *content,
                       struct err *e)
{
    char name[SITE_NUMBER_BYTES], tmp[SITE_NUMBER_BYTES + 24];
    int dir CLEANUP(dir_close_fd) = -1;
    uint64_t salt = 0;
    int rc;

    if (getrandom(&salt, sizeof(salt), 0) != (ssize_t)sizeof(salt))
        return err_set(e, ERR_UNAVAILABLE, "no random numbers: %s", strerror(errno));
    site_number(s->job->number, name);
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
    char name[SITE_NUMBER_BYTES];
    struct manifest m = {0};
    struct digest content, placed;
    enum holder holder;
    int rc;

    site_number(s->job->number, name);
    if ((rc = check_shown(s, e)) != ERR_OK || (rc = site_manifest(s, &m, &content, e)) != ERR_OK ||
        (rc = layout_check_paths(&m, e)) != ERR_OK)
        return rc;
    if (site_holder(s, s->shown, name, &placed) == HOLDER_US) {
        if (!digest_equal(&placed, &content))
            return err_set(e, ERR_CONFLICT, "%s/%s/%s holds other content", s->job->root,
                           s->job->serve_as, name);
        rc = site_check(s, &m, &content, e);
        if (rc != ERR_CORRUPT)
            return rc;
        /* Somebody changed what was placed: a fresh copy will take its place. */
    }
    holder = site_holder(s, s->hidden, name, &placed);
    if (holder == HOLDER_US && digest_equal(&placed, &content) &&
        site_is_whole(s->hidden, name, &m))
        return ERR_OK;
    if ((rc = dir_remove(s->hidden, name, PLACE_MARKER, e)) != ERR_OK ||
        (rc = remove_leftovers(s, e)) != ERR_OK || (rc = check_space(s, &m, e)) != ERR_OK)
        return rc;
    return make_staged(s, &m, &content, e);
}

/* --- switch and remove ------------------------------------------------------------------------ */

static bool is_kept(const struct file_job *job, const char *name)
{
    char number[SITE_NUMBER_BYTES];

    for (size_t i = 0; i < job->n_keep; i++) {
        site_number(job->keep[i], number);
        if (strcmp(number, name) == 0)
            return true;
    }
    return false;
}

/* Nothing is moved unless everything that shall be visible is there. */
static int check_kept(const struct site *s, struct err *e)
{
    char name[SITE_NUMBER_BYTES];

    for (size_t i = 0; i < s->job->n_keep; i++) {
        site_number(s->job->keep[i], name);
        if (site_holder(s, s->shown, name, NULL) != HOLDER_US &&
            site_holder(s, s->hidden, name, NULL) != HOLDER_US)
            return err_set(e, ERR_NOT_FOUND, "version %s of %s is not staged in %s", name,
                           s->job->model, s->job->root);
    }
    return ERR_OK;
}

/* A copy that was staged although the version is visible is there to replace it, at once. */
static int replace_shown(const struct site *s, const char *name, struct err *e)
{
    if (site_holder(s, s->hidden, name, NULL) != HOLDER_US)
        return ERR_OK;
    if (renameat2(s->hidden, name, s->shown, name, RENAME_EXCHANGE) != 0)
        return dir_error(e, "exchange", name);
    return dir_remove(s->hidden, name, PLACE_MARKER, e);
}

static int bring_in(struct site *s, struct err *e)
{
    char name[SITE_NUMBER_BYTES];
    int rc;

    if (s->job->n_keep > 0 && s->shown < 0 &&
        ((rc = dir_open(s->root, s->job->serve_as, true, &s->shown, e)) != ERR_OK ||
         (rc = dir_sync(s->root, e)) != ERR_OK))
        return rc;
    for (size_t i = 0; i < s->job->n_keep; i++) {
        site_number(s->job->keep[i], name);
        if (site_holder(s, s->shown, name, NULL) == HOLDER_US) {
            if ((rc = replace_shown(s, name, e)) != ERR_OK)
                return rc;
            continue;
        }
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
    if ((rc = dir_list(s->shown, SITE_MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        bool is_left = s->job->n_keep == 0 && site_is_adopted(s, names[i]);
        if (is_left || is_kept(s->job, names[i]) ||
            site_holder(s, s->shown, names[i], NULL) != HOLDER_US)
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
    char name[SITE_NUMBER_BYTES];
    int rc;

    site_number(s->job->number, name);
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
    case JOB_CHECK:
        return site_run_check(&s, e);
    case JOB_ADOPT:
        return site_run_adopt(&s, e);
    default:
        return err_set(e, ERR_INTERNAL, "not a file job");
    }
}
