/*
 * The check of paths of layout 1, used by journal_append only.
 */
#ifndef MREG_JOURNAL_PATH_H
#define MREG_JOURNAL_PATH_H

#include <stdbool.h>

/* True if path (borrowed, may be NULL) fits one of the patterns of layout 1. The patterns are such
 * that no path can be a folder of another. Any thread. */
bool journal_path_ok(const char *path);

#endif
