/*
 * What history.c (the thread) and history_publish.c (its work) share.
 */
#ifndef MREG_HISTORY_INNER_H
#define MREG_HISTORY_INNER_H

#include <pthread.h>

#include "history.h"
#include "history_repo.h"
#include "history_tree.h"

struct history {
    char *path, *registry_id, *domain;
    struct store *store;
    const struct seal_key *key;

    /* Of the publishing thread. repo is NULL until attached and after every failure. */
    struct history_repo *repo;
    struct history_tree *tree;
    struct pack *pack;
    struct buf text, full; /* scratch: a commit without and with its signature */
    struct git_id head;
    bool has_head;
    int64_t seq;          /* row of head; 0: none */
    bool repo_is_bad;     /* something in it could not be read: rebuild */
    bool is_from_scratch; /* nothing was read from it since it was made */

    pthread_t thread;
    bool is_running;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    bool is_woken, must_stop;
    int64_t stop_at_ms; /* monotonic */
    struct history_stats stats;
};

/* Publishes one batch; history_publish without the bookkeeping of failures. */
MUST_USE int history_publish_batch(struct history *h, int64_t *n, struct err *e);
/* Merges packs if there are too many. */
MUST_USE int history_tidy(struct history *h, int64_t now_ms, struct err *e);
/* Lets go of the repository: the next batch looks at it afresh. */
void history_detach(struct history *h);
/* Milliseconds of the monotonic clock and of the calendar. */

#endif
