/*
 * How a list of the API becomes a table: one row of columns each.
 */
#ifndef MREG_LISTING_H
#define MREG_LISTING_H

#include "cli.h"

/* How one member of an item is shown. */
enum shape {
    SHAPE_TEXT,
    SHAPE_INT,
    SHAPE_BYTES,
    SHAPE_AGO,
    SHAPE_WORDS,
    SHAPE_MAP,
    SHAPE_ACTOR,   /* "dora (t-2)"; the name is the member KEY_name */
    SHAPE_LONG,    /* text that may go over several lines, as the last column */
    SHAPE_MESSAGE, /* the same; in short tables with member "reason" behind it */
    SHAPE_REASON   /* not in short tables: it stands behind the message */
};
struct column {
    const char *head, *key;
    enum shape shape;
};
struct listing {
    struct column columns[TABLE_MAX_COLUMNS]; /* ends with head NULL */
};

/* "dora (t-2)" of member key and KEY_name, "dora" in a short table; the id alone without a name. In
 * the cli's arena. */
const char *list_actor(struct cli *cli, const json_t *item, const char *key);
/* What a list of `path` is about, if it shows nothing: an environment or a model (or both; each may
 * be NULL) that exists neither now nor at the time (at may be NULL) is an error. */
MUST_USE int list_check(struct cli *cli, const char *env, const char *model, const char *at,
                        struct err *e);
/* list_print, but an empty list of an environment or a model that does not exist is not found. */
int list_print_of(struct cli *cli, const char *path, const struct listing *l,
                  const char *const about[2]);
/* list_print, with other words than "nothing here yet" for an empty list. */
int list_print_or(struct cli *cli, const char *path, const struct listing *l, const char *none);
/* Fetches at most --limit items of a list and prints them; returns the exit code. */
int list_print(struct cli *cli, const char *path, const struct listing *l);

#endif
