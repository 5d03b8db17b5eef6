/*
 * The folders of the history in memory: sorted lists of (name, id), read from the repository when
 * first entered. Changing one path touches only the folders above it.
 */
#ifndef MREG_HISTORY_TREE_H
#define MREG_HISTORY_TREE_H

#include "pack.h"

struct history_tree;

/* Where folders come from: appends the bytes of tree object `id` to out. ERR_CORRUPT. */
struct tree_source {
    void *self;
    int (*read)(void *self, const struct git_id *id, struct buf *out, struct err *e);
};

/* A tree whose root is `root` (NULL: empty). Caller frees with history_tree_free (accepts NULL). */
struct history_tree *history_tree_new(const struct git_id *root, struct tree_source source);
void history_tree_free(struct history_tree *t);
/* Sets the file at path to blob (borrowed), or removes it (NULL; absent is fine). ERR_CORRUPT: a
 * folder cannot be read, or a file stands where a folder should. */
MUST_USE int history_tree_put(struct history_tree *t, const char *path, const struct git_id *blob,
                              struct err *e);
/* Adds the folders that changed since the last call to the pack; *root is the root's id. */
void history_tree_flush(struct history_tree *t, struct pack *pack, struct git_id *root);
/* Number of entries held in memory. */
size_t history_tree_size(const struct history_tree *t);

#endif
