/*
 * A temporary folder for one test, removed with all that is in it.
 */
#ifndef MREG_SUPPORT_DIR_H
#define MREG_SUPPORT_DIR_H

#include "mem.h"

struct temp_dir {
    char path[64];
};

/* Makes an empty folder; stops the test when that fails. */
void temp_dir_make(struct temp_dir *d);
/* For CLEANUP: removes the folder and everything in it. */
void temp_dir_remove(struct temp_dir *d);
/* "<folder>/<name>", in arena. */
char *temp_dir_file(const struct temp_dir *d, struct arena *a, const char *name);
/* Runs fn(dir) in a child process on a file system of n_bytes that is empty and the child's own.
 * Returns the child's exit code, or -1 when this machine does not allow that. */
int run_on_small_disk(const char *dir, long n_bytes, int (*fn)(const char *dir));

#endif
