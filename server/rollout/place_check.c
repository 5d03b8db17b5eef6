/*
 * Whether a node's folder still holds what was placed there. Sizes are always compared; bytes only
 * where a file was touched after the marker was written, which is the last thing that placing does.
 * Changes nothing but the marker's time, so that touched files that turn out to be right are not
 * read again and again. Runs on the file-job threads.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "place_copy.h"
#include "place_dir.h"
#include "place_site.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define MARKER_MAX_BYTES ((size_t)8192)

/* One visible folder while it is checked. */
struct checking {
    const struct site *site;
    int dir;
    struct timespec marked; /* when the marker was written */
    bool was_touched;       /* some file was read because it is newer */
};

static int differs(struct err *e, const struct checking *c, const char *path, const char *how)
{
    return err_set(e, ERR_CORRUPT, "%s/%lld/%.200s %s", c->site->job->serve_as,
                   (long long)c->site->job->number, path, how);
}

static bool is_newer(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec > b->tv_sec || (a->tv_sec == b->tv_sec && a->tv_nsec > b->tv_nsec);
}

int site_digest(const struct site *s, int fd, struct digest *out, struct err *e)
{
    struct digest_ctx *ctx CLEANUP(digest_free_ptr) = digest_new();
    char *chunk CLEANUP(mem_free_ptr) = mem_alloc(CHUNK_BYTES);
    int rc;

    for (;;) {
        ssize_t n = read(fd, chunk, CHUNK_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dir_error(e, "read", s->job->root);
        if (n == 0)
            break;
        digest_add(ctx, chunk, (size_t)n);
        if ((rc = place_check_time(s->place, s->deadline_ms, e)) != ERR_OK)
            return rc;
    }
    digest_peek(ctx, out);
    return ERR_OK;
}

int site_open_file(int dir, const char *path, int *fd, struct err *e)
{
    int at CLEANUP(dir_close_fd) = dup(dir);
    char part[256];

    while (at >= 0 && strchr(path, '/') != NULL) {
        size_t n = strcspn(path, "/");
        int next = -1;
        int rc;

        if (n >= sizeof(part))
            return ERR_OK;
        memcpy(part, path, n);
        part[n] = '\0';
        rc = dir_open(at, part, false, &next, e);
        dir_close_fd(&at);
        at = next;
        path += n + 1;
        if (rc == ERR_NOT_FOUND || rc == ERR_CONFLICT)
            return ERR_OK;
        if (rc != ERR_OK)
            return rc;
    }
    if (at >= 0)
        *fd = openat(at, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (*fd < 0 && errno != ENOENT && errno != ELOOP)
        return dir_error(e, "open", path);
    return ERR_OK;
}

static int check_file(struct checking *c, const struct manifest_file *f, struct err *e)
{
    int fd CLEANUP(dir_close_fd) = -1;
    struct digest found;
    struct stat st;
    int rc = site_open_file(c->dir, f->path, &fd, e);

    if (rc != ERR_OK)
        return rc;
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return differs(e, c, f->path, "is missing");
    if (st.st_size != f->size)
        return differs(e, c, f->path, "has another size");
    if (!is_newer(&st.st_ctim, &c->marked))
        return ERR_OK;
    c->was_touched = true;
    if ((rc = site_digest(c->site, fd, &found, e)) != ERR_OK)
        return rc;
    return digest_equal(&found, &f->sha256) ? ERR_OK : differs(e, c, f->path, "was changed");
}

/* Digest of the settings as they should be: those that were adopted, or those that we write. */
static int wanted_settings(const struct checking *c, const struct manifest *m, struct digest *out,
                           struct err *e)
{
    struct buf text CLEANUP(buf_clear);
    json_t *j CLEANUP(json_decref_ptr) = NULL;
    const char *adopted;
    char *marker;
    size_t n;
    int rc;

    buf_init(&text, 2 * LAYOUT_MAX_BYTES);
    if ((rc = dir_read(c->dir, PLACE_MARKER, MARKER_MAX_BYTES, c->site->arena, &marker, &n, e)) !=
            ERR_OK ||
        (rc = json_parse(marker, n, 4, &j, e)) != ERR_OK)
        return rc;
    adopted = json_string_value(json_object_get(j, "settings"));
    if (adopted != NULL)
        return digest_parse(adopted, out, e);
    if ((rc = site_settings(c->site, m, &text, e)) == ERR_OK)
        digest_of(text.data, text.len, out);
    return rc;
}

static int check_settings(const struct checking *c, const struct manifest *m, struct err *e)
{
    struct digest wanted, found;
    char *text;
    size_t n;
    int rc = wanted_settings(c, m, &wanted, e);

    if (rc != ERR_OK)
        return rc;
    rc = dir_read(c->dir, LAYOUT_FILE, 2 * LAYOUT_MAX_BYTES, c->site->arena, &text, &n, e);
    if (rc == ERR_NOT_FOUND)
        return differs(e, c, LAYOUT_FILE, "is missing");
    if (rc == ERR_TOO_LARGE)
        return differs(e, c, LAYOUT_FILE, "was changed");
    if (rc != ERR_OK)
        return rc;
    digest_of(text, n, &found);
    return digest_equal(&wanted, &found) ? ERR_OK : differs(e, c, LAYOUT_FILE, "was changed");
}

static int check_folder(struct checking *c, const struct manifest *m, struct err *e)
{
    struct stat st;
    int rc = check_settings(c, m, e);

    if (rc == ERR_OK && fstatat(c->dir, PLACE_MARKER, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return dir_error(e, "stat", PLACE_MARKER);
    c->marked = st.st_ctim;
    for (size_t i = 0; rc == ERR_OK && i < m->n_files; i++) {
        if (site_is_settings(m, &m->files[i]))
            continue;
        if ((rc = place_check_time(c->site->place, c->site->deadline_ms, e)) == ERR_OK)
            rc = check_file(c, &m->files[i], e);
    }
    if (rc == ERR_OK && c->was_touched)
        (void)utimensat(c->dir, PLACE_MARKER, NULL, AT_SYMLINK_NOFOLLOW);
    return rc;
}

int site_check(const struct site *s, const struct manifest *m, const struct digest *content,
               struct err *e)
{
    struct checking c = {.site = s, .dir = -1};
    char name[SITE_NUMBER_BYTES];
    struct digest placed;
    int rc;

    site_number(s->job->number, name);
    switch (site_holder(s, s->shown, name, &placed)) {
    case HOLDER_NOBODY:
        return err_set(e, ERR_NOT_FOUND, "%s/%s is missing", s->job->serve_as, name);
    case HOLDER_OTHER:
        return err_set(e, ERR_CONFLICT, "%s/%s is not marked as placed by this registry",
                       s->job->serve_as, name);
    case HOLDER_US:
        break;
    }
    if (!digest_equal(&placed, content))
        return differs(e, &c, "", "holds other content");
    if ((rc = dir_open(s->shown, name, false, &c.dir, e)) != ERR_OK)
        return rc;
    rc = check_folder(&c, m, e);
    dir_close_fd(&c.dir);
    return rc;
}

/* Whatever else is visible would be loaded by a server that restarts. */
static int check_beside(const struct site *s, struct err *e)
{
    char **names, number[SITE_NUMBER_BYTES];
    size_t n;
    int rc;

    if ((rc = dir_list(s->shown, SITE_MAX_ENTRIES, s->arena, &names, &n, e)) != ERR_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        bool is_kept = names[i][0] == '.' || (s->job->n_keep == 0 && site_is_adopted(s, names[i]));

        for (size_t k = 0; k < s->job->n_keep; k++) {
            site_number(s->job->keep[k], number);
            is_kept = is_kept || strcmp(number, names[i]) == 0;
        }
        if (!is_kept && site_holder(s, s->shown, names[i], NULL) == HOLDER_US)
            return err_set(e, ERR_CORRUPT, "%s/%.100s lies there too, which shall not be served",
                           s->job->serve_as, names[i]);
    }
    return ERR_OK;
}

int site_run_check(const struct site *s, struct err *e)
{
    struct manifest m = {0};
    struct digest content;
    bool wants_none = s->job->number == 0;
    int rc = wants_none ? ERR_OK : site_manifest(s, &m, &content, e);

    if (wants_none && s->shown < 0)
        return ERR_OK;
    if (rc == ERR_OK && !wants_none)
        rc = site_check(s, &m, &content, e);
    return rc == ERR_OK ? check_beside(s, e) : rc;
}
