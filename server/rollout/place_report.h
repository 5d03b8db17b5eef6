/*
 * What a node's root is like, for people. Looks only.
 */
#ifndef MREG_PLACE_REPORT_H
#define MREG_PLACE_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mem.h"

struct place_report {
    bool is_readable, is_writable;
    bool is_one_filesystem; /* staged files and visible ones */
    int64_t free_bytes;
    const char **names; /* folders in it, in arena */
    size_t n_names;
    const char *text; /* what is wrong, "" */
};
/* tries: make and remove a file there. Any thread that may wait for a file system. */
void place_report(const char *root, bool tries, struct arena *a, struct place_report *out);

#endif
