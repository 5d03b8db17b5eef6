/*
 * Folders of the history in memory, and their git form. Knows neither libgit2 nor the database.
 * Runs on the git thread.
 */
#include "history_tree.h"

#include <stdlib.h>
#include <string.h>

#define TREE_MAX_BYTES ((size_t)64 << 20)
#define MODE_FILE "100644 "
#define MODE_FOLDER "40000 "

struct folder;

struct entry {
    char *name; /* heap */
    struct git_id id;
    struct folder *folder; /* NULL for a file and for a folder not read yet */
    bool is_folder;
};

struct folder {
    struct entry *entries; /* in git's order */
    size_t n, cap;
    bool is_dirty;
};

struct history_tree {
    struct folder *root;
    struct git_id root_id;
    struct tree_source source;
    struct buf scratch;
    size_t n_entries;
};

static void folder_free(struct folder *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->n; i++) {
        folder_free(f->entries[i].folder);
        free(f->entries[i].name);
    }
    free(f->entries);
    free(f);
}

/* Git sorts by bytes, a folder as if its name ended with '/'. */
static int compare_names(const char *a, size_t n_a, bool a_is_folder, const struct entry *b)
{
    size_t n_b = strlen(b->name);
    size_t n = n_a < n_b ? n_a : n_b;
    int c = memcmp(a, b->name, n);
    if (c)
        return c;
    unsigned char end_a = n_a > n ? (unsigned char)a[n] : a_is_folder ? '/' : '\0';
    unsigned char end_b = n_b > n ? (unsigned char)b->name[n] : b->is_folder ? '/' : '\0';
    return (int)end_a - (int)end_b;
}

/* Index of the entry of that name, or where it belongs; *found tells which. */
static size_t find_entry(const struct folder *f, const char *name, size_t n, bool is_folder,
                         bool *found)
{
    size_t low = 0;
    size_t high = f->n;
    *found = false;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare_names(name, n, is_folder, &f->entries[middle]);
        if (c == 0) {
            *found = true;
            return middle;
        }
        if (c < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static struct entry *insert_entry(struct history_tree *t, struct folder *f, size_t at,
                                  const char *name, size_t n)
{
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 4;
        f->entries = mem_resize(f->entries, f->cap, sizeof *f->entries);
    }
    memmove(&f->entries[at + 1], &f->entries[at], (f->n - at) * sizeof *f->entries);
    struct entry *new = &f->entries[at];
    *new = (struct entry){.name = mem_alloc(n + 1)};
    memcpy(new->name, name, n);
    f->n++;
    t->n_entries++;
    return new;
}

static void remove_entry(struct history_tree *t, struct folder *f, size_t at)
{
    folder_free(f->entries[at].folder);
    free(f->entries[at].name);
    f->n--;
    memmove(&f->entries[at], &f->entries[at + 1], (f->n - at) * sizeof *f->entries);
    t->n_entries--;
}

/* Entries from the bytes of a tree object: "<mode> <name>\0<20 bytes of id>" each. */
static int parse_folder(struct history_tree *t, struct folder *f, struct err *e)
{
    const char *p = t->scratch.data;
    const char *end = p + t->scratch.len;
    while (p < end) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        const char *zero = space ? memchr(space, '\0', (size_t)(end - space)) : NULL;
        if (!zero || (size_t)(end - zero) < 1 + sizeof(struct git_id))
            return err_set(e, ERR_CORRUPT, "a folder of the history is cut short");
        struct entry *new = insert_entry(t, f, f->n, space + 1, (size_t)(zero - space - 1));
        new->is_folder = (size_t)(space + 1 - p) == strlen(MODE_FOLDER);
        memcpy(new->id.b, zero + 1, sizeof new->id.b);
        p = zero + 1 + sizeof new->id.b;
    }
    return ERR_OK;
}

static int load_folder(struct history_tree *t, const struct git_id *id, struct folder **out,
                       struct err *e)
{
    struct folder *f = mem_alloc(sizeof *f);
    buf_reset(&t->scratch);
    int code = t->source.read(t->source.self, id, &t->scratch, e);
    if (!code)
        code = parse_folder(t, f, e);
    if (code) {
        folder_free(f);
        return code;
    }
    *out = f;
    return ERR_OK;
}

struct history_tree *history_tree_new(const struct git_id *root, struct tree_source source)
{
    struct history_tree *t = mem_alloc(sizeof *t);
    t->source = source;
    buf_init(&t->scratch, TREE_MAX_BYTES);
    if (root) {
        t->root_id = *root;
    } else {
        t->root = mem_alloc(sizeof *t->root);
        t->root->is_dirty = true;
    }
    return t;
}

void history_tree_free(struct history_tree *t)
{
    if (!t)
        return;
    folder_free(t->root);
    buf_clear(&t->scratch);
    free(t);
}

size_t history_tree_size(const struct history_tree *t)
{
    return t->n_entries;
}

/* Enters the folder `name` of f. *out is NULL when it does not exist and may_make is false. */
static int enter_folder(struct history_tree *t, struct folder *f, const char *name, bool may_make,
                        struct folder **out, struct err *e)
{
    size_t n = strcspn(name, "/");
    bool found;
    size_t at = find_entry(f, name, n, true, &found);
    *out = NULL;
    if (!found && !may_make)
        return ERR_OK;
    if (!found) {
        struct entry *new = insert_entry(t, f, at, name, n);
        new->is_folder = true;
        new->folder = mem_alloc(sizeof *new->folder);
    }
    struct entry *entry = &f->entries[at];
    int code = entry->folder ? ERR_OK : load_folder(t, &entry->id, &entry->folder, e);
    if (!code)
        *out = entry->folder;
    return code;
}

static int put_in_folder(struct history_tree *t, struct folder *f, const char *name,
                         const struct git_id *blob, struct err *e)
{
    bool found;
    size_t n = strlen(name);
    (void)find_entry(f, name, n, true, &found);
    if (found)
        return err_set(e, ERR_CORRUPT, "%s is a folder of the history", name);
    size_t at = find_entry(f, name, n, false, &found);
    if (!blob && found)
        remove_entry(t, f, at);
    if (!blob)
        return ERR_OK;
    if (!found)
        insert_entry(t, f, at, name, n);
    f->entries[at].id = *blob;
    return ERR_OK;
}

int history_tree_put(struct history_tree *t, const char *path, const struct git_id *blob,
                     struct err *e)
{
    int code = t->root ? ERR_OK : load_folder(t, &t->root_id, &t->root, e);
    struct folder *f = t->root;
    const char *name = path;
    for (const char *slash; !code && f && (slash = strchr(name, '/')); name = slash + 1) {
        f->is_dirty = true; /* at worst it is written again with the same bytes */
        code = enter_folder(t, f, name, blob != NULL, &f, e);
    }
    if (code || !f)
        return code;
    f->is_dirty = true;
    return put_in_folder(t, f, name, blob, e);
}

/* Writes the changed folders below f and drops those that became empty: git has none. The depth is
 * that of the layout, 8 at most. */
static void flush_folder(struct history_tree *t, struct folder *f, struct pack *pack,
                         struct git_id *id)
{
    for (size_t i = f->n; i-- > 0;) {
        struct entry *entry = &f->entries[i];
        if (!entry->folder || !entry->folder->is_dirty)
            continue;
        flush_folder(t, entry->folder, pack, &entry->id);
        if (!entry->folder->n)
            remove_entry(t, f, i);
    }
    f->is_dirty = false;
    buf_reset(&t->scratch);
    for (size_t i = 0; i < f->n; i++) {
        const struct entry *entry = &f->entries[i];
        buf_puts(&t->scratch, entry->is_folder ? MODE_FOLDER : MODE_FILE);
        buf_put(&t->scratch, entry->name, strlen(entry->name) + 1);
        buf_put(&t->scratch, entry->id.b, sizeof entry->id.b);
    }
    if (f->n || f == t->root)
        pack_add(pack, PACK_TREE, buf_str(&t->scratch), t->scratch.len, id);
}

void history_tree_flush(struct history_tree *t, struct pack *pack, struct git_id *root)
{
    if (t->root && t->root->is_dirty)
        flush_folder(t, t->root, pack, &t->root_id);
    *root = t->root_id;
}
