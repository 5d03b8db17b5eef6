/*
 * Folders by descriptor: every step is one path component, opened without following links.
 */
#ifndef MREG_PLACE_DIR_H
#define MREG_PLACE_DIR_H

#include <stdbool.h>

#include "err.h"
#include "layout.h"

#define PLACE_MAX_DEPTH LAYOUT_MAX_DEPTH

/* For CLEANUP: closes *fd unless negative. */
void dir_close_fd(int *fd);
/* ERR_NO_SPACE, ERR_UNAVAILABLE ... from errno, with the words in front. */
int dir_error(struct err *e, const char *what, const char *name);

/* Opens the folder at an absolute path. *fd: caller closes. ERR_UNAVAILABLE. */
MUST_USE int dir_open_root(const char *path, int *fd, struct err *e);
/* Opens the folder `name` (one component) in dir; makes it when `makes`. ERR_NOT_FOUND;
 * ERR_CONFLICT: something that is no folder is there; ERR_UNAVAILABLE. */
MUST_USE int dir_open(int dir, const char *name, bool makes, int *fd, struct err *e);
/* True if dir has an entry of that name, of whatever kind. */
bool dir_has(int dir, const char *name);
/* Writes a new small file and syncs it. */
MUST_USE int dir_write(int dir, const char *name, const char *bytes, size_t n, struct err *e);
/* Reads a small regular file of at most max bytes in arena. ERR_NOT_FOUND, ERR_TOO_LARGE. */
MUST_USE int dir_read(int dir, const char *name, size_t max, struct arena *a, char **bytes,
                      size_t *n, struct err *e);
/* Deletes `name` in dir with everything below it; `first` (may be NULL) is the file that goes
 * first. Nothing there is fine. */
MUST_USE int dir_remove(int dir, const char *name, const char *first, struct err *e);
/* Syncs all folders below and including `dir`. */
MUST_USE int dir_sync_tree(int dir, struct err *e);
MUST_USE int dir_sync(int dir, struct err *e);
MUST_USE int dir_rename(int from, const char *old_name, int to, const char *new_name,
                        struct err *e);
/* Names in dir without "." and "..", in arena, sorted, at most max. */
MUST_USE int dir_list(int dir, size_t max, struct arena *a, char ***names, size_t *n,
                      struct err *e);

#endif
