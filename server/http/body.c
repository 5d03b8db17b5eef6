/*
 * Reads request bodies: within the row's limit, answering "Expect: 100-continue" with the first
 * read (by then permission and size have been checked, so a refusal costs the client nothing), JSON
 * only after a check of its nesting, because workers have small stacks. Must not know CivetWeb or
 * routes. Runs on the worker of the request.
 */
#include "body.h"

#include <string.h>

#define SMALL_REST_BYTES 65536
#define STEP_BYTES 16384

static int broken(struct body *b, struct err *e)
{
    b->is_broken = true;
    if (b->peer->was_cut(b->peer->self)) {
        b->status = 408;
        return err_set(e, ERR_TIMEOUT, "the body came too slowly");
    }
    return err_set(e, ERR_INVALID, "the body ended early, after %lld bytes", (long long)b->n_read);
}

static bool send_continue(struct body *b)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!b->guard->expects_continue || b->is_continued)
        return true;
    b->is_continued = true;
    return b->peer->write(b->peer->self, text, sizeof text - 1);
}

/* Bytes that may still come: -1 unknown (chunked). */
static int64_t body_left(const struct body *b)
{
    if (!b->guard->has_body || b->is_ended)
        return 0;
    return b->guard->is_chunked ? -1 : b->guard->content_length - b->n_read;
}

static int read_some(void *self, void *bytes, size_t n, size_t *got, struct err *e)
{
    struct body *b = self;
    int64_t left = body_left(b);
    *got = 0;
    if (left == 0 || n == 0) {
        b->is_ended = b->is_ended || left == 0;
        return 0;
    }
    if (b->is_broken || !send_continue(b))
        return broken(b, e);
    size_t ask = left > 0 && (uint64_t)left < n ? (size_t)left : n;
    ask = ask > INT32_MAX ? INT32_MAX : ask;
    int count = b->peer->read(b->peer->self, bytes, ask, b->deadline_ms);
    if (count < 0 || (count == 0 && left > 0))
        return broken(b, e);
    /* For chunked bodies the library gives 0 at the last chunk, but also when the peer is gone. */
    if (count == 0 && b->peer->was_cut(b->peer->self))
        return broken(b, e);
    b->n_read += count;
    b->is_ended = count == 0 || body_left(b) == 0;
    if (b->n_read > b->max_bytes)
        return err_set(e, ERR_TOO_LARGE, "the body is larger than %lld bytes",
                       (long long)b->max_bytes);
    *got = (size_t)count;
    return 0;
}

void body_init(struct body *b, struct peer *peer, const struct guard *guard, int64_t max_bytes)
{
    *b = (struct body){.peer = peer, .guard = guard, .max_bytes = max_bytes};
    b->source = (struct body_source){.self = b, .read = read_some};
}

static int read_all(struct body *b, struct buf *raw, struct err *e)
{
    size_t got = 1;
    while (got > 0) {
        char *room = buf_room(raw, STEP_BYTES);
        if (!room)
            return err_set(e, ERR_TOO_LARGE, "the body is larger than %lld bytes",
                           (long long)b->max_bytes);
        int rc = read_some(b, room, STEP_BYTES, &got, e);
        if (rc)
            return rc;
        buf_grown(raw, got);
    }
    return 0;
}

int body_json(struct body *b, struct buf *raw, json_t **out, struct err *e)
{
    buf_init(raw, (size_t)b->max_bytes + 2 * STEP_BYTES);
    int rc = read_all(b, raw, e);
    if (rc)
        return rc;
    if (raw->len == 0) {
        *out = json_object();
        return 0;
    }
    json_t *j = NULL;
    rc = json_parse(buf_str(raw), raw->len, JSON_MAX_DEPTH, &j, e);
    if (rc)
        return rc;
    if (!json_is_object(j)) {
        json_decref(j);
        return err_set(e, ERR_INVALID, "the body must be a JSON object");
    }
    *out = j;
    return 0;
}

bool body_finish(struct body *b)
{
    if (body_left(b) == 0)
        return true;
    /* The client that waits for "100 Continue" may or may not send now: only closing is safe. */
    if (b->is_broken || (b->guard->expects_continue && !b->is_continued))
        return false;
    if (body_left(b) > SMALL_REST_BYTES)
        return false;
    char bin[2048];
    int64_t rest = 0;
    while (body_left(b) != 0 && rest < SMALL_REST_BYTES) {
        int n = b->peer->read(b->peer->self, bin, sizeof bin, b->deadline_ms);
        if (n < 0 || (n == 0 && !b->guard->is_chunked))
            return false;
        b->n_read += n;
        b->is_ended = n == 0;
        rest += n;
    }
    return body_left(b) == 0;
}
