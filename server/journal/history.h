/*
 * The journal as a git repository, DIR/history.git: one signed commit per row. The repository is
 * derived: it can be deleted at any time and comes back with the same commit ids. A fault here
 * never fails a request; it shows in history_get_stats and is retried.
 */
#ifndef MREG_HISTORY_H
#define MREG_HISTORY_H

#include <stdbool.h>

#include "seal.h"
#include "store.h"

#define HISTORY_ID_BYTES 41 /* commit id in hex and a NUL */

struct history;

struct history_options {
    const char *dir;            /* data folder; the repository is dir/history.git */
    struct store *store;        /* borrowed */
    const struct seal_key *key; /* borrowed; signs rows that have no stored signature */
    const char *registry_id;    /* as stored at the first start: part of every commit */
    const char *domain;         /* likewise */
};

/* Makes the object; touches nothing on disk. Strings are copied. Never fails. */
struct history *history_new(const struct history_options *options);
/* Stops the thread if it runs and frees. Accepts NULL. */
void history_free(struct history *h);

/* Starts the thread: it opens or rebuilds the repository, then publishes rows as they come (at once
 * after history_wake, else within a second). ERR_INTERNAL: no thread. */
MUST_USE int history_start(struct history *h, struct err *e);
/* Publishes what is there, at most deadline_ms long, and ends the thread. */
void history_stop(struct history *h, int64_t deadline_ms);
/* Any thread: there are new journal rows. */
void history_wake(struct history *h);

/* For tests, tools and key rotation, when no thread runs: opens or rebuilds the repository if
 * needed and publishes one batch; *n is the number of rows published, 0 when nothing is left. Needs
 * 128 KiB of stack. ERR_CORRUPT: a stored commit id does not come out again. */
MUST_USE int history_publish(struct history *h, int64_t *n, struct err *e);
/* The same until nothing is left. */
MUST_USE int history_publish_all(struct history *h, struct err *e);

struct history_stats {
    int64_t published_seq; /* last row that is a commit reachable from main */
    int64_t journal_seq;   /* last row of the journal, as last seen: the lag is the difference */
    int64_t n_commits, n_batches, n_failures, n_rebuilds;
    int64_t n_packs;
    bool is_failing;             /* the last attempt failed */
    char failure[256];           /* in words */
    char head[HISTORY_ID_BYTES]; /* "" before the first commit */
};
/* Any thread. */
void history_get_stats(struct history *h, struct history_stats *out);

/* "dir/history.git", borrowed from h. */
const char *history_path(const struct history *h);

#endif
