/*
 * Sends a reply: head and body assembled in the worker's buffer and written at once (two writes can
 * cost 40 ms), files after the head in steps. Must not know routes or handlers. Runs on the worker
 * of the request.
 */
#include "answer.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "download.h"

#define SMALL_FILE_BYTES 65536

const char *answer_date(struct answer_clock *c, int64_t now_ms)
{
    static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (c->second == now_ms / 1000)
        return c->text;
    time_t t = (time_t)(now_ms / 1000);
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    snprintf(c->text, sizeof c->text, "%s, %02u %s %04u %02u:%02u:%02u GMT",
             days[(unsigned)tm.tm_wday % 7], (unsigned)tm.tm_mday % 32,
             months[(unsigned)tm.tm_mon % 12], ((unsigned)tm.tm_year + 1900) % 10000,
             (unsigned)tm.tm_hour % 24, (unsigned)tm.tm_min % 60, (unsigned)tm.tm_sec % 61);
    c->second = now_ms / 1000;
    return c->text;
}

/* Puts a small file behind the head, so that both go in one write. False when it cannot be read. */
static bool append_file(const struct blob_file *f, int64_t first, size_t n, struct buf *out)
{
    if (f->inline_bytes) {
        buf_put(out, f->inline_bytes + first, n);
        return true;
    }
    char *room = buf_room(out, n + 1);
    if (!room || pread(f->fd, room, n, (off_t)first) != (ssize_t)n)
        return false;
    buf_grown(out, n);
    return true;
}

static bool send_file(const struct reply *rp, const struct range *part, int64_t length,
                      struct buf *out, struct peer *peer)
{
    int64_t first = part->kind == RANGE_PART ? part->first : 0;
    if (length <= SMALL_FILE_BYTES) {
        return append_file(&rp->file, first, (size_t)length, out) &&
               peer->write(peer->self, out->data, out->len);
    }
    return peer->write(peer->self, out->data, out->len) &&
           download_send(&rp->file, first, length, peer);
}

bool answer_send(struct reply *rp, const struct reply_context *cx, struct buf *out,
                 struct peer *peer, int64_t *n_bytes)
{
    struct range part;
    buf_reset(out);
    reply_conditions(rp, cx, &part);
    reply_write_head(rp, cx, &part, out);
    int64_t length = cx->is_head ? 0 : reply_length(rp, &part);
    *n_bytes = length;
    if (rp->has_file && length > 0)
        return send_file(rp, &part, length, out, peer);
    if (length > 0)
        buf_put(out, rp->body.data, rp->body.len);
    return buf_ok(out) && peer->write(peer->self, out->data, out->len);
}

/* ---- bodies that arise while they are sent ---- */

static bool to_peer(void *self, const void *bytes, size_t n)
{
    struct peer *peer = self;
    return peer->write(peer->self, bytes, n) && !peer->was_cut(peer->self);
}

static bool peer_has_left(void *self)
{
    const struct peer *peer = self;
    return peer->has_left(peer->self);
}

void answer_stream(struct reply *rp, struct request *rq, const char *date, struct buf *out,
                   struct peer *peer)
{
    struct sink sink = {peer, to_peer, peer_has_left};
    buf_reset(out);
    buf_putf(out,
             "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
             "X-Accel-Buffering: no\r\nX-Content-Type-Options: nosniff\r\n"
             "X-Request-Id: %s\r\nConnection: close\r\n\r\n",
             date, rp->content_type, rq->id);
    peer->close_after(peer->self);
    if (to_peer(peer, out->data, out->len) && !rq->is_head)
        rp->stream(rq, &sink);
}
