/*
 * Moves a request body to a file and hashes it on the way, on the thread of the request. A long
 * body gets a second thread for the hash while cores are to spare: the reader fills four buffers in
 * turn, so receiving, writing and hashing overlap. With more bodies than cores that gains nothing
 * and everything is done in one thread.
 */
#include "blob_inner.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define N_BUFFERS 4
#define THREAD_MIN_BYTES ((int64_t)8 << 20)
#define FLUSH_BYTES \
    ((int64_t)16 << 20) /* write-back starts this often, so the sync has less to do */

/* Buffers on their way from the reader to the hash thread. */
struct ring {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char *buffers[N_BUFFERS];
    size_t lengths[N_BUFFERS];
    unsigned n_filled, n_hashed; /* since the start */
    bool is_closed;
    struct digest_ctx *hash;
};

/* Fills the buffer from the body, as far as the body reaches. */
static int fill(struct body_source *body, char *buffer, size_t n, size_t *filled, struct err *e)
{
    size_t got = 1;
    for (*filled = 0; *filled < n && got > 0; *filled += got) {
        int code = body->read(body->self, buffer + *filled, n - *filled, &got, e);
        if (code)
            return code;
    }
    if (*filled < n)
        return err_set(e, ERR_CORRUPT, "the body ends before its length");
    return ERR_OK;
}

static int expect_end(struct body_source *body, struct err *e)
{
    char extra;
    size_t got = 0;
    int code = body->read(body->self, &extra, 1, &got, e);
    if (!code && got > 0)
        return err_set(e, ERR_CORRUPT, "the body is longer than the part");
    return code;
}

/* Writes n bytes that are `done` bytes behind the start of the sink. */
static int sink_write(const struct sink *sink, const char *bytes, size_t n, int64_t done,
                      struct err *e)
{
    if (sink->fd < 0)
        return ERR_OK;
    int code = sink->sender ? sender_write_begin(sink->sender, e) : ERR_OK;
    if (code)
        return code;
    code = blob_write_at(sink->fd, bytes, n, sink->offset + done, e);
    if (sink->sender)
        sender_write_end(sink->sender);
    int64_t end = done + (int64_t)n;
    if (!code && end / FLUSH_BYTES != done / FLUSH_BYTES)
        (void)sync_file_range(sink->fd, sink->offset + end - FLUSH_BYTES, FLUSH_BYTES,
                              SYNC_FILE_RANGE_WRITE);
    return code;
}

static int pump_inline(struct body_source *body, int64_t n, const struct sink *sink,
                       struct digest_ctx *hash, struct err *e)
{
    size_t room = n < (int64_t)BLOB_BUFFER_BYTES ? (size_t)n : BLOB_BUFFER_BYTES;
    char *buffer CLEANUP(mem_free_ptr) = mem_alloc(room);
    for (int64_t done = 0; done < n;) {
        size_t want = n - done < (int64_t)room ? (size_t)(n - done) : room, got = 0;
        int code = fill(body, buffer, want, &got, e);
        if (code)
            return code;
        digest_add(hash, buffer, got);
        code = sink_write(sink, buffer, got, done, e);
        if (code)
            return code;
        done += (int64_t)got;
    }
    return ERR_OK;
}

/* ---- with a hash thread ---- */

static void *hash_main(void *self)
{
    struct ring *r = self;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (r->n_hashed == r->n_filled && !r->is_closed)
            pthread_cond_wait(&r->changed, &r->lock);
        if (r->n_hashed == r->n_filled)
            break;
        unsigned i = r->n_hashed % N_BUFFERS;
        pthread_mutex_unlock(&r->lock);
        digest_add(r->hash, r->buffers[i], r->lengths[i]);
        pthread_mutex_lock(&r->lock);
        r->n_hashed++;
        pthread_cond_broadcast(&r->changed);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* The next buffer that the hash thread is done with. */
static char *ring_next(struct ring *r)
{
    pthread_mutex_lock(&r->lock);
    while (r->n_filled - r->n_hashed == N_BUFFERS)
        pthread_cond_wait(&r->changed, &r->lock);
    char *buffer = r->buffers[r->n_filled % N_BUFFERS];
    pthread_mutex_unlock(&r->lock);
    return buffer;
}

static void ring_filled(struct ring *r, size_t n)
{
    pthread_mutex_lock(&r->lock);
    r->lengths[r->n_filled % N_BUFFERS] = n;
    r->n_filled++;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
}

static void ring_close(struct ring *r, pthread_t thread)
{
    pthread_mutex_lock(&r->lock);
    r->is_closed = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    pthread_join(thread, NULL);
}

static int pump_ring(struct body_source *body, int64_t n, const struct sink *sink, struct ring *r,
                     struct err *e)
{
    for (int64_t done = 0; done < n;) {
        int64_t left = n - done;
        size_t want = left < (int64_t)BLOB_BUFFER_BYTES ? (size_t)left : BLOB_BUFFER_BYTES;
        size_t got = 0;
        char *buffer = ring_next(r);
        int code = fill(body, buffer, want, &got, e);
        if (code)
            return code;
        ring_filled(r, got); /* only read from here on, here and there */
        code = sink_write(sink, buffer, got, done, e);
        if (code)
            return code;
        done += (int64_t)got;
    }
    return ERR_OK;
}

static int pump_threaded(struct body_source *body, int64_t n, const struct sink *sink,
                         struct digest_ctx *hash, struct err *e)
{
    struct ring r = {.hash = hash};
    pthread_t thread;
    char *memory CLEANUP(mem_free_ptr) = mem_alloc(N_BUFFERS * BLOB_BUFFER_BYTES);
    for (size_t i = 0; i < N_BUFFERS; i++)
        r.buffers[i] = memory + i * BLOB_BUFFER_BYTES;
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.changed, NULL);
    bool has_thread = pthread_create(&thread, NULL, hash_main, &r) == 0;
    int code = has_thread ? pump_ring(body, n, sink, &r, e) : ERR_OK;
    if (has_thread)
        ring_close(&r, thread);
    pthread_cond_destroy(&r.changed);
    pthread_mutex_destroy(&r.lock);
    return has_thread ? code : pump_inline(body, n, sink, hash, e);
}

int blob_pump(struct blobs *b, struct body_source *body, int64_t n, const struct sink *sink,
              struct digest *out, struct err *e)
{
    struct digest_ctx *hash CLEANUP(digest_free_ptr) = digest_new();
    int n_others = atomic_fetch_add(&b->n_receiving, 1);
    bool has_core = n > THREAD_MIN_BYTES && n_others + 1 < b->n_cpus;
    int code =
        has_core ? pump_threaded(body, n, sink, hash, e) : pump_inline(body, n, sink, hash, e);
    atomic_fetch_sub(&b->n_receiving, 1);
    if (!code)
        code = expect_end(body, e);
    if (!code)
        digest_peek(hash, out);
    return code;
}
