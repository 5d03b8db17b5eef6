/*
 * Trails: for each large file that is arriving, which parts are there, who is sending one, and a
 * running hash of its contiguous prefix, so that the digest of the whole is known soon after the
 * last part. A part is hashed by one of a few background threads, which read it back from the page
 * cache: a request is answered without waiting for the parts before it.
 *
 * Parts that were recorded before this trail was made (an earlier process) are compared with their
 * recorded digest first; one that differs is forgotten, so the client sends it again.
 *
 * Locks: a trail's own lock first, then the table's. The table's lock guards the list, the queue
 * and the reference counts; a trail without references may be freed by whoever holds it.
 */
#include "blob_trail.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_IDLE 256

/* ---- life ---- */

static void trail_free(struct trail *t)
{
    close_fd(&t->fd);
    digest_free(t->hash);
    free(t->received);
    free(t->unchecked);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* Marks the parts that the rows know. */
static int load_rows(struct trail *t, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int code = reader_begin(t->all->b->store, &r, e);
    if (!code)
        code = db_query(r.db, &q, e,
                        "SELECT part FROM upload_parts WHERE upload_id = ?1 AND file = ?2", "ti",
                        t->plan.id, (int64_t)t->plan.file);
    while (!code && (code = stmt_next(q, &row, e)) == ERR_OK && row) {
        int64_t part = stmt_int(q, 0);
        if (part < 0 || part >= t->plan.n_parts)
            continue;
        trail_set_bit(t->received, part, true);
        trail_set_bit(t->unchecked, part, true);
    }
    return code;
}

static int trail_new(struct blobs *b, const struct plan *p, struct trail **out, struct err *e)
{
    char name[STAGE_NAME_BYTES];
    struct trail *t = mem_alloc(sizeof *t);
    t->all = b->trails;
    t->plan = *p;
    t->received = mem_alloc((size_t)p->n_parts / 8 + 1);
    t->unchecked = mem_alloc((size_t)p->n_parts / 8 + 1);
    t->hash = digest_new();
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    t->fd =
        openat(b->staging_fd, stage_name(p, name), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
    int code = t->fd < 0 ? blob_io_fail("staging file", e) : load_rows(t, e);
    if (code)
        trail_free(t);
    else
        *out = t;
    return code;
}

static struct trail *find(struct trails *all, const char *id, size_t file)
{
    struct trail *t = all->first;
    while (t && (t->plan.file != file || strcmp(t->plan.id, id) != 0))
        t = t->next;
    return t;
}

static void unlink_trail(struct trails *all, struct trail *t)
{
    struct trail **link = &all->first;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    all->n_trails--;
}

/* Too many idle trails: the oldest one without users goes; its prefix would be hashed again. */
static void evict(struct trails *all)
{
    struct trail *oldest = NULL;
    if (all->n_trails <= MAX_IDLE)
        return;
    for (struct trail *t = all->first; t; t = t->next)
        if (t->n_users == 0)
            oldest = t;
    if (!oldest)
        return;
    unlink_trail(all, oldest);
    trail_free(oldest);
}

int trail_get(struct blobs *b, const struct plan *p, struct trail **out, struct err *e)
{
    struct trails *all = b->trails;
    struct trail *made = NULL;
    pthread_mutex_lock(&all->lock);
    struct trail *t = find(all, p->id, p->file);
    if (!t) {
        pthread_mutex_unlock(&all->lock);
        int code = trail_new(b, p, &made, e);
        if (code)
            return code;
        pthread_mutex_lock(&all->lock);
        t = find(all, p->id, p->file); /* somebody may have been faster */
    }
    if (!t) {
        t = made;
        made = NULL;
        t->next = all->first;
        all->first = t;
        all->n_trails++;
    }
    t->n_users++;
    evict(all);
    pthread_mutex_unlock(&all->lock);
    if (made)
        trail_free(made);
    *out = t;
    return ERR_OK;
}

void trail_done(struct trail **trail)
{
    struct trail *t = *trail;
    if (!t)
        return;
    pthread_mutex_lock(&t->all->lock);
    bool is_last = --t->n_users == 0 && t->is_dropped;
    pthread_mutex_unlock(&t->all->lock);
    if (is_last)
        trail_free(t);
    *trail = NULL;
}

void trails_drop(struct trails *all, const char *id, size_t file)
{
    pthread_mutex_lock(&all->lock);
    struct trail *t = find(all, id, file);
    if (t) {
        unlink_trail(all, t);
        t->is_dropped = true;
    }
    bool is_unused = t && t->n_users == 0;
    pthread_mutex_unlock(&all->lock);
    if (is_unused)
        trail_free(t);
}

int trail_fd(const struct trail *t)
{
    return t->fd;
}

/* ---- the hash that follows ---- */

void trail_enqueue(struct trail *t)
{
    struct trails *all = t->all;
    if (t->is_queued || t->failure.code || t->n_hashed == t->plan.n_parts ||
        !trail_bit(t->received, t->n_hashed))
        return;
    t->is_queued = true;
    pthread_mutex_lock(&all->lock);
    t->n_users++;
    t->next_queued = NULL;
    *all->queue_end = t;
    all->queue_end = &t->next_queued;
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
}

/* Compares a part with its row. ERR_CORRUPT when they differ: the row is gone then. */
static int check_part(struct trail *t, int64_t part, struct err *e)
{
    struct digest_ctx *c CLEANUP(digest_free_ptr) = digest_new();
    struct digest recorded = {0}, now;
    struct err why = {0};
    bool found = false;
    int64_t size = blob_part_size(t->plan.size, part);
    int code = plan_part_digest(t->all->b, &t->plan, part, &found, &recorded, e);
    if (!code)
        code = blob_hash_range(t->fd, part * BLOB_PART_BYTES, size, c, &why);
    if (code && code != ERR_CORRUPT)
        return why.code ? err_set(e, why.code, "%s", why.message) : code;
    digest_peek(c, &now);
    if (!code && found && digest_equal(&recorded, &now))
        return ERR_OK;
    code = plan_forget_parts(t->all->b, &t->plan, part, e);
    return code ? code : err_set(e, ERR_CORRUPT, "a part was lost");
}

/* Hashes the next part of a queued trail, which no other thread does meanwhile. */
static void follow(struct trail *t)
{
    struct err e = {0};
    pthread_mutex_lock(&t->lock);
    int64_t part = t->n_hashed;
    bool is_unchecked = trail_bit(t->unchecked, part);
    pthread_mutex_unlock(&t->lock);
    int code = is_unchecked ? check_part(t, part, &e) : ERR_OK;
    bool is_lost = code == ERR_CORRUPT;
    if (!code)
        code = blob_hash_range(t->fd, part * BLOB_PART_BYTES, blob_part_size(t->plan.size, part),
                               t->hash, &e);
    pthread_mutex_lock(&t->lock);
    t->is_queued = false;
    if (is_lost)
        trail_set_bit(t->received, part, false);
    else if (code)
        t->failure = e;
    else
        t->n_hashed++;
    trail_set_bit(t->unchecked, part, false);
    trail_enqueue(t); /* at the end of the queue: other files get their turn */
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void *follow_main(void *self)
{
    struct trails *all = self;
    pthread_mutex_lock(&all->lock);
    while (!all->is_stopping) {
        struct trail *t CLEANUP(trail_done) = all->queue;
        if (!t) {
            pthread_cond_wait(&all->wake, &all->lock);
            continue;
        }
        all->queue = t->next_queued;
        if (!all->queue)
            all->queue_end = &all->queue;
        pthread_mutex_unlock(&all->lock);
        follow(t);
        trail_done(&t);
        pthread_mutex_lock(&all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

int trail_wait(struct trail *t, struct digest *out, struct err *e)
{
    int code = ERR_OK;
    pthread_mutex_lock(&t->lock);
    while (!t->failure.code && t->n_hashed < t->plan.n_parts && !code) {
        if (!trail_bit(t->received, t->n_hashed)) {
            code = err_set(e, ERR_CONFLICT, "part %" PRId64 " of file %zu is missing", t->n_hashed,
                           t->plan.file);
            break;
        }
        trail_enqueue(t);
        pthread_cond_wait(&t->changed, &t->lock);
    }
    if (t->failure.code) {
        code = err_set(e, t->failure.code, "%s", t->failure.message);
        t->failure.code = ERR_OK; /* tried again by the next caller, from the start */
        t->n_hashed = 0;
        digest_free(t->hash);
        t->hash = digest_new();
    } else if (!code) {
        digest_peek(t->hash, out);
    }
    pthread_mutex_unlock(&t->lock);
    return code;
}

void trail_restart(struct trail *t)
{
    pthread_mutex_lock(&t->lock);
    size_t n = (size_t)t->plan.n_parts / 8 + 1;
    memset(t->received, 0, n);
    memset(t->unchecked, 0, n);
    t->n_hashed = 0;
    digest_free(t->hash);
    t->hash = digest_new();
    pthread_mutex_unlock(&t->lock);
}

/* ---- start and stop ---- */

struct trails *trails_start(struct blobs *b)
{
    struct trails *all = mem_alloc(sizeof *all);
    int n = b->n_cpus < TRAIL_MAX_THREADS ? b->n_cpus : TRAIL_MAX_THREADS;
    all->b = b;
    all->queue_end = &all->queue;
    pthread_mutex_init(&all->lock, NULL);
    pthread_cond_init(&all->wake, NULL);
    while (all->n_threads < n &&
           pthread_create(&all->threads[all->n_threads], NULL, follow_main, all) == 0)
        all->n_threads++;
    if (all->n_threads > 0)
        return all;
    trails_stop(all);
    return NULL;
}

void trails_stop(struct trails *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->is_stopping = true;
    pthread_cond_broadcast(&all->wake);
    pthread_mutex_unlock(&all->lock);
    for (int i = 0; i < all->n_threads; i++)
        pthread_join(all->threads[i], NULL);
    while (all->queue) {
        struct trail *t = all->queue;
        all->queue = t->next_queued;
        trail_done(&t);
    }
    while (all->first) {
        struct trail *t = all->first;
        all->first = t->next;
        trail_free(t);
    }
    pthread_cond_destroy(&all->wake);
    pthread_mutex_destroy(&all->lock);
    free(all);
}
