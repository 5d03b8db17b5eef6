/*
 * Inside the trails: what blob_trail.c (life, hashing) and blob_sender.c (who sends what) share.
 */
#ifndef MREG_BLOB_TRAIL_H
#define MREG_BLOB_TRAIL_H

#include "blob_inner.h"

#define TRAIL_MAX_THREADS 4

struct trail {
    struct trails *all;
    struct plan plan;
    int fd; /* the staging file */

    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t changed;
    uint8_t *received;  /* a bit per part */
    uint8_t *unchecked; /* received by somebody else: compare before hashing */
    struct sender *senders;
    int64_t n_hashed;        /* parts in the hash */
    struct digest_ctx *hash; /* used without the lock by the thread that took the trail */
    bool is_queued;
    struct err failure;

    struct trail *next, *next_queued; /* guarded by the table's lock, like the next two */
    int n_users;
    bool is_dropped;
};

struct trails {
    struct blobs *b;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct trail *first; /* most recently made first */
    struct trail *queue, **queue_end;
    int n_trails, n_threads;
    bool is_stopping;
    pthread_t threads[TRAIL_MAX_THREADS];
};

static inline bool trail_bit(const uint8_t *bits, int64_t i)
{
    return (bits[i / 8] >> (i % 8)) & 1;
}

static inline void trail_set_bit(uint8_t *bits, int64_t i, bool on)
{
    uint8_t mask = (uint8_t)(1u << (i % 8));
    bits[i / 8] = on ? (uint8_t)(bits[i / 8] | mask) : (uint8_t)(bits[i / 8] & ~mask);
}

/* With the trail's lock held: gives it to a hash thread if the next part is there. */
void trail_enqueue(struct trail *t);

#endif
