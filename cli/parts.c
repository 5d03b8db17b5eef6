/*
 * The list is text: the content's digest, then "<file> <piece>" for each piece that is there and
 * "<file> -" when a file's pieces are forgotten; only appended to. One thread.
 */
#include "parts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "profile.h"

#define LIST_MAX_BYTES ((size_t)64 << 20)

static int64_t n_pieces(const struct parts *p, size_t i)
{
    return (p->manifest->files[i].size + PARTS_PIECE_BYTES - 1) / PARTS_PIECE_BYTES;
}

static const char *list_path(struct parts *p)
{
    return arena_printf(&p->arena, "%s/.mreg/pull.list", p->folder);
}

const char *parts_path(struct parts *p, size_t i)
{
    return arena_printf(&p->arena, "%s/.mreg/%zu.part", p->folder, i);
}

static void close_parts_folder(DIR **d)
{
    if (*d)
        closedir(*d);
}

static void remove_parts(struct parts *p)
{
    DIR *d CLEANUP(close_parts_folder) = opendir(arena_printf(&p->arena, "%s/.mreg", p->folder));
    struct dirent *entry;
    while (d && (entry = readdir(d))) {
        size_t n = strlen(entry->d_name);
        if (n > 5 && strcmp(entry->d_name + n - 5, ".part") == 0)
            unlinkat(dirfd(d), entry->d_name, 0);
    }
    unlink(list_path(p));
}

static void forget(struct parts *p, size_t i)
{
    for (int64_t k = 0; k < n_pieces(p, i); k++)
        p->has[i][k] = false;
}

/* One line behind the head; what does not fit is left. */
static void read_line(struct parts *p, const char *line)
{
    char *end = NULL;
    unsigned long long i = strtoull(line, &end, 10);
    if (end == line || *end != ' ' || i >= p->manifest->n_files)
        return;
    if (strcmp(end + 1, "-") == 0) {
        forget(p, i);
        return;
    }
    long long piece = strtoll(end + 1, &end, 10);
    if (*end == '\0' && piece >= 0 && piece < n_pieces(p, i))
        p->has[i][piece] = true;
}

/* False when the list is of another content, or none. */
static bool read_list(struct parts *p, const char *head)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    size_t n = 0;
    if (file_read(list_path(p), LIST_MAX_BYTES, &text, &n, NULL) != ERR_OK)
        return false;
    char *rest = text;
    char *line = strsep(&rest, "\n");
    if (strcmp(line, head) != 0)
        return false;
    /* The last line has no end if its writer was killed: it does not count. */
    while ((line = strsep(&rest, "\n")) && rest)
        read_line(p, line);
    return true;
}

static int append(struct parts *p, const char *line, struct err *e)
{
    size_t n = strlen(line);
    if (write(p->fd, line, n) == (ssize_t)n)
        return ERR_OK;
    return err_set(e, ERR_LOCAL_IO, "%s: %s", list_path(p), strerror(errno));
}

int parts_open(struct parts *p, const char *folder, const struct manifest *m,
               const struct digest *content, struct err *e)
{
    char head[DIGEST_HEX_BYTES];
    *p = (struct parts){.folder = folder, .manifest = m, .fd = -1};
    p->has = mem_alloc((m->n_files + 1) * sizeof *p->has);
    for (size_t i = 0; i < m->n_files; i++)
        p->has[i] = mem_alloc((size_t)n_pieces(p, i) + 1);
    digest_hex(content, head);
    bool is_known = read_list(p, head);
    if (!is_known)
        remove_parts(p);
    p->fd = open(list_path(p), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (p->fd < 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", list_path(p), strerror(errno));
    return append(p, is_known ? "\n" : arena_printf(&p->arena, "%s\n", head), e);
}

int parts_make(struct parts *p, size_t i, struct err *e)
{
    struct stat st;
    const char *path = parts_path(p, i);
    int64_t size = p->manifest->files[i].size;
    if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == size)
        return ERR_OK;
    parts_drop(p, i);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    int why = 0;
    if (fd < 0 || ftruncate(fd, size) != 0)
        why = errno;
    if (fd >= 0)
        close(fd);
    return why ? err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(why)) : ERR_OK;
}

bool parts_has(const struct parts *p, size_t i, int64_t piece)
{
    return p->has[i][piece];
}

int64_t parts_missing(const struct parts *p, size_t i)
{
    int64_t size = p->manifest->files[i].size;
    int64_t missing = 0;
    for (int64_t k = 0; k < n_pieces(p, i); k++) {
        int64_t left = size - k * PARTS_PIECE_BYTES;
        if (!p->has[i][k])
            missing += left < PARTS_PIECE_BYTES ? left : PARTS_PIECE_BYTES;
    }
    return missing;
}

int parts_add(struct parts *p, size_t i, int64_t piece, struct err *e)
{
    char line[64];
    p->has[i][piece] = true;
    snprintf(line, sizeof line, "%zu %lld\n", i, (long long)piece);
    return append(p, line, e);
}

void parts_drop(struct parts *p, size_t i)
{
    char line[64];
    forget(p, i);
    snprintf(line, sizeof line, "%zu -\n", i);
    /* If the note cannot be written, the digest still finds the holes. */
    if (append(p, line, NULL) != ERR_OK)
        unlink(list_path(p));
    unlink(parts_path(p, i));
}

void parts_close(struct parts *p, bool is_done)
{
    if (p->fd >= 0)
        close(p->fd);
    if (is_done && p->folder)
        remove_parts(p);
    for (size_t i = 0; p->has && i < p->manifest->n_files; i++)
        free(p->has[i]);
    free(p->has);
    arena_clear(&p->arena);
    *p = (struct parts){.fd = -1};
}
