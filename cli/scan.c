/*
 * Walks a folder and hashes its files with a cache of earlier results. Never follows links.
 */
#include "scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "name.h"
#include "profile.h"

#define READ_BYTES ((size_t)1 << 20)
#define CACHE_MAX_BYTES ((size_t)32 << 20)
#define MAX_DEPTH 32

static void close_folder(DIR **d)
{
    if (*d)
        closedir(*d);
}

static void close_file(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

bool scan_leaves_out(const char *path)
{
    while (*path) {
        size_t n = strcspn(path, "/");
        if ((n == 4 && strncasecmp(path, ".git", n) == 0) ||
            (n == 5 && strncasecmp(path, ".mreg", n) == 0) || strncasecmp(path, ".mreg-", 6) == 0)
            return true;
        path += n + (path[n] == '/');
    }
    return false;
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int add_file(struct scan *s, const char *path, const char *local, int64_t size,
                    struct err *e)
{
    int rc = name_check_path(path, e);
    if (rc != ERR_OK)
        return rc;
    if (s->n == MANIFEST_MAX_FILES)
        return err_set(e, ERR_TOO_LARGE, "more than %d files", MANIFEST_MAX_FILES);
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 32;
        s->files = mem_resize(s->files, s->cap, sizeof *s->files);
    }
    s->files[s->n++] = (struct scan_file){.path = arena_strdup(&s->arena, path),
                                          .local_path = arena_strdup(&s->arena, local),
                                          .size = size};
    s->total_bytes += size;
    return ERR_OK;
}

static int scan_folder(struct scan *s, const char *local, const char *prefix, int depth,
                       struct err *e)
{
    DIR *folder CLEANUP(close_folder) = opendir(local);
    if (!folder)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", local, strerror(errno));
    if (depth > MAX_DEPTH)
        return err_set(e, ERR_INVALID, "%s: folders nest deeper than %d", local, MAX_DEPTH);
    int rc = ERR_OK;
    struct dirent *entry;
    while (rc == ERR_OK && (entry = readdir(folder))) {
        struct stat st;
        if (is_dots(entry->d_name) || scan_leaves_out(entry->d_name))
            continue;
        const char *child = arena_printf(&s->arena, "%s/%s", local, entry->d_name);
        const char *path =
            arena_printf(&s->arena, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
        if (lstat(child, &st) != 0)
            return err_set(e, ERR_LOCAL_IO, "%s: %s", child, strerror(errno));
        if (S_ISDIR(st.st_mode))
            rc = scan_folder(s, child, path, depth + 1, e);
        else if (S_ISREG(st.st_mode))
            rc = add_file(s, path, child, st.st_size, e);
        else
            rc = err_set(e, ERR_INVALID, "%s: a link or special file; push the file itself", child);
    }
    return rc;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct scan_file *)a)->path, ((const struct scan_file *)b)->path);
}

int scan_path(const char *path, struct scan *out, struct err *e)
{
    struct stat st;
    *out = (struct scan){0};
    if (stat(path, &st) != 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
        return err_set(e, ERR_INVALID, "%s: neither a file nor a folder", path);
    const char *slash = strrchr(path, '/');
    int rc = S_ISDIR(st.st_mode) ? scan_folder(out, path, "", 0, e)
                                 : add_file(out, slash ? slash + 1 : path, path, st.st_size, e);
    if (rc == ERR_OK && out->n > 0)
        qsort(out->files, out->n, sizeof *out->files, by_path);
    return rc;
}

const struct scan_file *scan_find(const struct scan *s, const char *path)
{
    const struct scan_file key = {.path = path};
    return s->n ? bsearch(&key, s->files, s->n, sizeof *s->files, by_path) : NULL;
}

static void digest_done(struct digest_ctx **c)
{
    digest_free(*c);
}

int scan_hash_file(const char *path, int64_t size, struct progress *p, struct digest *out,
                   struct err *e)
{
    int fd CLEANUP(close_file) = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *bytes CLEANUP(mem_free_ptr) = mem_alloc(READ_BYTES);
    struct digest_ctx *hash CLEANUP(digest_done) = digest_new();
    int64_t seen = 0;
    if (fd < 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
    for (;;) {
        ssize_t got = read(fd, bytes, READ_BYTES);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return err_set(e, ERR_LOCAL_IO, "%s: %s", path, strerror(errno));
        if (got == 0)
            break;
        digest_add(hash, bytes, (size_t)got);
        seen += got;
        progress_add(p, got);
    }
    if (seen != size)
        return err_set(e, ERR_CORRUPT, "%s changed while it was read", path);
    digest_peek(hash, out);
    return ERR_OK;
}

/* What makes a cached hash valid: nothing about the file has changed. */
static const char *cache_key(struct scan *s, const struct stat *st)
{
    return arena_printf(&s->arena, "%llx:%llx:%lld:%lld.%09ld:%lld.%09ld",
                        (unsigned long long)st->st_dev, (unsigned long long)st->st_ino,
                        (long long)st->st_size, (long long)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
                        (long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

static json_t *cache_load(const char *path)
{
    char *text CLEANUP(mem_free_ptr) = NULL;
    json_t *cache = NULL;
    size_t n = 0;
    if (file_read(path, CACHE_MAX_BYTES, &text, &n, NULL) != ERR_OK ||
        json_parse(text, n, 4, &cache, NULL) != ERR_OK || !json_is_object(cache)) {
        json_decref(cache);
        cache = json_object();
    }
    if (json_object_size(cache) > 50000)
        json_object_clear(cache);
    return cache;
}

static bool is_settled(const struct stat *st)
{
    time_t now = time(NULL);
    return st->st_mtim.tv_sec + 2 < now && st->st_ctim.tv_sec + 2 < now;
}

static int hash_one(struct scan *s, struct scan_file *f, json_t *cache, struct progress *p,
                    size_t *n_cached, struct err *e)
{
    struct stat st;
    if (stat(f->local_path, &st) != 0)
        return err_set(e, ERR_LOCAL_IO, "%s: %s", f->local_path, strerror(errno));
    const char *key = cache_key(s, &st);
    const char *known = json_string_value(json_object_get(cache, key));
    if (known && digest_parse(known, &f->sha256, NULL) == ERR_OK) {
        progress_add(p, f->size);
        ++*n_cached;
        return ERR_OK;
    }
    int rc = scan_hash_file(f->local_path, f->size, p, &f->sha256, e);
    if (rc == ERR_OK && is_settled(&st)) {
        char hex[DIGEST_HEX_BYTES];
        json_object_set_new(cache, key, json_string(digest_hex(&f->sha256, hex)));
    }
    return rc;
}

int scan_hash(struct scan *s, struct progress *p, size_t *n_cached, struct err *e)
{
    char *path CLEANUP(mem_free_ptr) = profile_cache_path("hashes.json");
    json_t *cache CLEANUP(json_decref_ptr) = cache_load(path);
    int rc = ERR_OK;
    *n_cached = 0;
    for (size_t i = 0; i < s->n && rc == ERR_OK; i++)
        rc = hash_one(s, &s->files[i], cache, p, n_cached, e);
    char *text CLEANUP(mem_free_ptr) = json_dumps(cache, JSON_COMPACT);
    struct err ignored; /* the cache is a convenience: a failure to keep it costs only time */
    if (text && *n_cached < s->n && file_write(path, text, strlen(text), 0600, &ignored) != ERR_OK)
        unlink(path);
    return rc;
}

void scan_clear(struct scan *s)
{
    if (!s)
        return;
    free(s->files);
    arena_clear(&s->arena);
    *s = (struct scan){0};
}
