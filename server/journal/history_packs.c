/*
 * Keeps the number of packs small: every batch leaves one, so small packs are merged (and deflated)
 * by libgit2's packbuilder. Packs that were merged stay for a while, since a clone over dumb HTTP
 * may have read the old list. Runs on the git thread when it is idle.
 */
#include "history_repo.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "history_repo_inner.h"

#define MAX_SMALL_PACKS 50
#define SMALL_OBJECTS 30000u  /* a pack with more is never merged again */
#define MERGED_OBJECTS 60000u /* at a time: some seconds, in which nothing is published */
#define KEEP_MERGED_MS ((int64_t)10 * 60 * 1000)
#define NAME_BYTES 45 /* "pack-" + 40 */
#define FANOUT_END (8 + 256 * 4)

/* ---- listing ---- */

static int open_index(const struct history_repo *r, const char *name)
{
    struct arena a CLEANUP(arena_clear);
    arena_init(&a);
    return open(arena_printf(&a, "%s/%s.idx", r->pack_dir, name), O_RDONLY | O_CLOEXEC);
}

/* Number of objects of an index of version 2; 0 if it cannot be read. */
static uint32_t count_objects(int fd)
{
    uint8_t b[FANOUT_END];
    if (fd < 0 || pread(fd, b, sizeof b, 0) != (ssize_t)sizeof b || memcmp(b, "\377tOc\0\0\0\2", 8))
        return 0;
    const uint8_t *p = b + FANOUT_END - 4;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_retired(const struct history_repo *r, const char *name)
{
    for (size_t i = 0; i < r->n_retired; i++)
        if (!strcmp(r->retired[i].name, name))
            return true;
    return false;
}

/* Puts "pack-<hex>" into name if the file name is that of an index in use. */
static bool is_live_index(const struct history_repo *r, const char *file,
                          char name[PACK_NAME_BYTES])
{
    if (strlen(file) != NAME_BYTES + 4 || strncmp(file, "pack-", 5) ||
        strcmp(file + NAME_BYTES, ".idx"))
        return false;
    memcpy(name, file, NAME_BYTES);
    name[NAME_BYTES] = '\0';
    return !is_retired(r, name);
}

static int compare_packs(const void *a, const void *b)
{
    const struct pack_file *x = a;
    const struct pack_file *y = b;
    if (x->n_objects != y->n_objects)
        return x->n_objects < y->n_objects ? -1 : 1;
    return strcmp(x->name, y->name);
}

int repo_list_packs(struct history_repo *r, struct arena *a, struct pack_file **packs, size_t *n,
                    struct err *e)
{
    struct pack_file *list = NULL;
    size_t count = 0;
    size_t cap = 0;
    char name[PACK_NAME_BYTES];
    DIR *dir = opendir(r->pack_dir);
    if (!dir)
        return err_set(e, ERR_CORRUPT, "%s: %s", r->pack_dir, strerror(errno));
    for (struct dirent *d; (d = readdir(dir));) {
        if (!is_live_index(r, d->d_name, name))
            continue;
        if (count == cap) {
            cap = cap ? 2 * cap : 64;
            list = mem_resize(list, cap, sizeof *list);
        }
        int fd = open_index(r, name);
        list[count].n_objects = count_objects(fd);
        memcpy(list[count].name, name, sizeof name);
        count++;
        if (fd >= 0)
            close(fd);
    }
    closedir(dir);
    if (count)
        qsort(list, count, sizeof *list, compare_packs);
    *packs = arena_copy(a, list ? (void *)list : (void *)"", count * sizeof *list);
    *n = count;
    free(list);
    return ERR_OK;
}

/* Reads 20 bytes that end `from_end` bytes before the end of a file. */
static bool read_near_end(const char *path, off_t from_end, uint8_t out[DIGEST_SHA1_BYTES])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    bool is_read = fstat(fd, &st) == 0 && st.st_size >= from_end + DIGEST_SHA1_BYTES &&
                   pread(fd, out, DIGEST_SHA1_BYTES, st.st_size - from_end - DIGEST_SHA1_BYTES) ==
                       DIGEST_SHA1_BYTES;
    close(fd);
    return is_read;
}

int repo_check_packs(struct history_repo *r, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct pack_file *packs;
    size_t n;
    arena_init(&a);
    int code = repo_list_packs(r, &a, &packs, &n, e);
    for (size_t i = 0; !code && i < n; i++) {
        uint8_t in_pack[DIGEST_SHA1_BYTES];
        uint8_t in_index[DIGEST_SHA1_BYTES];
        const char *stem = arena_printf(&a, "%s/%s", r->pack_dir, packs[i].name);
        if (!read_near_end(arena_printf(&a, "%s.pack", stem), 0, in_pack) ||
            !read_near_end(arena_printf(&a, "%s.idx", stem), DIGEST_SHA1_BYTES, in_index) ||
            memcmp(in_pack, in_index, sizeof in_pack) != 0)
            code = err_set(e, ERR_CORRUPT, "%s.pack is not whole", packs[i].name);
    }
    return code;
}

/* ---- merging ---- */

size_t repo_choose_packs(const struct pack_file *packs, size_t n_small)
{
    uint64_t sum = 0;
    size_t chosen = 0;
    for (size_t i = 0; i < n_small && sum < MERGED_OBJECTS; i++) {
        if (packs[i].n_objects < 2 * sum)
            chosen = i + 1;
        sum += packs[i].n_objects;
    }
    return chosen;
}

void history_repo_ask(struct history_repo *r, bool (*go_on)(void *), void *arg)
{
    r->go_on = go_on;
    r->go_on_arg = arg;
}

static bool may_merge(const struct history_repo *r)
{
    return r->go_on == NULL || r->go_on(r->go_on_arg);
}

/* libgit2 stops when these answer with anything but 0. */
static int ask_while_sorting(int stage, uint32_t current, uint32_t total, void *arg)
{
    (void)stage, (void)current, (void)total;
    return may_merge(arg) ? 0 : -1;
}

static int ask_while_writing(const git_indexer_progress *progress, void *arg)
{
    (void)progress;
    return may_merge(arg) ? 0 : -1;
}

static int merge_error(const struct history_repo *r, enum err_code code, const char *what,
                       struct err *e)
{
    if (!may_merge(r))
        return err_set(e, ERR_UNAVAILABLE, "merging packs was given up: the server stops");
    return repo_error(e, code, what);
}

static int insert_objects(struct history_repo *r, git_packbuilder *pb, const struct pack_file *pack,
                          struct err *e)
{
    git_oid ids[64];
    int fd = open_index(r, pack->name);
    int code = ERR_OK;
    for (uint32_t i = 0; !code && i < pack->n_objects; i += ARRAY_LEN(ids)) {
        uint32_t left = pack->n_objects - i;
        uint32_t n = left < ARRAY_LEN(ids) ? left : (uint32_t)ARRAY_LEN(ids);
        size_t bytes = n * sizeof ids[0];
        if (pread(fd, ids, bytes, FANOUT_END + (off_t)i * 20) != (ssize_t)bytes)
            code = err_set(e, ERR_CORRUPT, "%s.idx is cut short", pack->name);
        for (uint32_t k = 0; !code && k < n; k++)
            if (git_packbuilder_insert(pb, &ids[k], NULL))
                code = merge_error(r, ERR_CORRUPT, pack->name, e);
    }
    if (fd >= 0)
        close(fd);
    return code;
}

static void retire(struct history_repo *r, const char *name, int64_t now_ms)
{
    r->retired = mem_resize(r->retired, r->n_retired + 1, sizeof *r->retired);
    struct retired_pack *new = &r->retired[r->n_retired++];
    memcpy(new->name, name, sizeof new->name);
    new->since_ms = now_ms;
}

/* Writes the packbuilder's objects as one pack; name gets "pack-<hex>". */
static int write_merged(struct history_repo *r, git_packbuilder *pb, char name[PACK_NAME_BYTES],
                        struct err *e)
{
    size_t wanted = git_packbuilder_object_count(pb);
    if (git_packbuilder_write(pb, r->pack_dir, 0, ask_while_writing, r))
        return merge_error(r, ERR_INTERNAL, "merge packs", e);
    snprintf(name, PACK_NAME_BYTES, "pack-%.40s", git_packbuilder_name(pb));
    int fd = open_index(r, name);
    uint32_t n = count_objects(fd);
    if (fd >= 0)
        close(fd);
    return n == wanted ? ERR_OK : err_set(e, ERR_INTERNAL, "%s lacks objects", name);
}

static int merge(struct history_repo *r, const struct pack_file *packs, size_t n, int64_t now_ms,
                 struct err *e)
{
    git_packbuilder *pb = NULL;
    char name[PACK_NAME_BYTES] = "";
    int code = ERR_OK;
    if (git_packbuilder_new(&pb, r->git))
        return repo_error(e, ERR_INTERNAL, "merge packs");
    git_packbuilder_set_threads(pb, 1);
    git_packbuilder_set_callbacks(pb, ask_while_sorting, r);
    for (size_t i = 0; !code && i < n; i++)
        code = may_merge(r) ? insert_objects(r, pb, &packs[i], e)
                            : merge_error(r, ERR_INTERNAL, "merge packs", e);
    if (!code)
        code = write_merged(r, pb, name, e);
    for (size_t i = 0; !code && i < n; i++)
        if (strcmp(packs[i].name, name) != 0)
            retire(r, packs[i].name, now_ms);
    git_packbuilder_free(pb);
    return code;
}

/* Deletes merged packs whose time has come; the index goes first, so that no reader finds an index
 * without its pack. */
static bool delete_merged(struct history_repo *r, int64_t now_ms)
{
    struct arena a CLEANUP(arena_clear);
    size_t kept = 0;
    size_t before = r->n_retired;
    arena_init(&a);
    for (size_t i = 0; i < before; i++) {
        struct retired_pack *old = &r->retired[i];
        if (now_ms - old->since_ms < KEEP_MERGED_MS) {
            r->retired[kept++] = *old;
            continue;
        }
        unlink(arena_printf(&a, "%s/%s.idx", r->pack_dir, old->name));
        unlink(arena_printf(&a, "%s/%s.pack", r->pack_dir, old->name));
    }
    r->n_retired = kept;
    return kept < before;
}

int history_repo_tidy(struct history_repo *r, int64_t now_ms, bool *changed, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct pack_file *packs;
    size_t n;
    size_t from = 0;
    arena_init(&a);
    *changed = false;
    bool must_reopen = delete_merged(r, now_ms);
    int code = must_reopen ? repo_attach(r, e) : ERR_OK;
    if (code || r->n_packs <= MAX_SMALL_PACKS)
        return code;
    code = repo_list_packs(r, &a, &packs, &n, e);
    while (!code && from < n && !packs[from].n_objects)
        from++; /* unreadable: not ours to delete */
    size_t n_small = from;
    while (!code && n_small < n && packs[n_small].n_objects <= SMALL_OBJECTS)
        n_small++;
    if (code || n_small - from <= MAX_SMALL_PACKS)
        return code;
    code = merge(r, packs + from, repo_choose_packs(packs + from, n_small - from), now_ms, e);
    if (!code)
        code = repo_attach(r, e); /* libgit2 sees the new pack and lets go of nothing old */
    *changed = !code;
    return code;
}
