/*
 * How a list of the API becomes a table: one row of columns each.
 */
#ifndef MREG_LISTING_H
#define MREG_LISTING_H

#include "cli.h"

/* How one member of an item is shown. */
enum shape { SHAPE_TEXT, SHAPE_INT, SHAPE_BYTES, SHAPE_AGO, SHAPE_WORDS, SHAPE_MAP };
struct column {
    const char *head, *key;
    enum shape shape;
};
struct listing {
    struct column columns[TABLE_MAX_COLUMNS]; /* ends with head NULL */
};

/* Fetches at most --limit items of a list and prints them; returns the exit code. */
int list_print(struct cli *cli, const char *path, const struct listing *l);

#endif
