/*
 * The feed of changes as server-sent events (WHATWG HTML, "Server-sent events"). An event says that
 * a row of the journal is there and what it is about, never what it holds: pages fetch what they
 * show. Runs on the worker of the request for as long as the stream lives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_history.h"
#include "app.h"
#include "clock.h"
#include "db_changes.h"
#include "identify.h"
#include "journal.h"
#include "pulse.h"

#define LOOK_MS 1000 /* the controller's rows come without a beat */
#define COMMENT_MS 15000
#define LIFE_MS 600000
#define BATCH 200

static void write_row(const struct change_row *row, struct buf *out)
{
    struct jsonw w;
    buf_putf(out, "id: %lld\nevent: change\ndata: ", (long long)row->seq);
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "seq", row->seq);
    jsonw_str(&w, "kind", row->kind);
    jsonw_str(&w, "object", row->object);
    jsonw_end(&w);
    buf_puts(out, "\n\n");
}

static int find_rows(struct request *rq, int64_t seq, struct seq_list *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(rq->app->store, &r, e);
    return rc ? rc : db_changes_after(r.db, seq, NULL, NULL, BATCH, out, e);
}

/* Appends those of the rows that the caller may see. */
static int write_rows(struct request *rq, const struct seq_list *list, int64_t *seq,
                      struct buf *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = list->n ? reader_begin(rq->app->store, &r, e) : 0;
    for (size_t i = 0; !rc && i < list->n; i++) {
        struct change_row row;
        rc = db_change(r.db, list->seqs[i], rq->arena, &row, e);
        if (rc)
            return rc;
        *seq = row.seq;
        if (history_may_see_row(rq, &row))
            write_row(&row, out);
    }
    return rc;
}

/* Who is asking now: the token or the session may be over, the role another one. */
static int identify_again(struct request *rq, struct err *e)
{
    rq->now_ms = clock_now_ms();
    int rc = identify_caller(rq, e);
    if (!rc && !rq->caller.may[rq->route->permission])
        rc = err_set(e, ERR_FORBIDDEN, "the role has changed");
    return rc;
}

struct stream {
    int64_t seq;           /* of the row looked at last */
    int64_t said_ms;       /* monotonic: when something was sent last */
    int64_t identified_ms; /* monotonic */
    uint64_t beat;         /* of the pulse, the last one seen */
    bool has_beaten;       /* somebody has changed something, rights perhaps */
    bool is_behind;        /* there are more rows already */
};

/* The next part of the stream, for the caller as it is now. An error ends the stream. */
static int look(struct request *rq, struct stream *s, struct buf *out, struct err *e)
{
    struct seq_list list = {.arena = rq->arena};
    int64_t now_ms = clock_monotonic_ms();
    int rc = find_rows(rq, s->seq, &list, e);
    s->is_behind = list.n == BATCH;
    if (!rc && (list.n || s->has_beaten || now_ms - s->identified_ms >= COMMENT_MS)) {
        rc = identify_again(rq, e);
        s->identified_ms = now_ms;
    }
    if (!rc)
        rc = write_rows(rq, &list, &s->seq, out, e);
    if (!rc && now_ms - s->said_ms >= COMMENT_MS)
        buf_puts(out, ": still here\n\n");
    return rc;
}

/* Where to begin: behind the event that the browser saw last, or with what comes now. */
static int read_start(struct request *rq, int64_t *seq, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    const char *last = request_header(rq, "Last-Event-ID");
    const char *since = NULL;
    int rc = request_query(rq, "since", &since, e);
    if (rc)
        return rc;
    since = last ? last : since;
    if (since) {
        size_t n = strlen(since);
        if (!n || n > 15 || strspn(since, "0123456789") != n)
            return err_set(e, ERR_INVALID, "since must be a number of a change");
        *seq = strtoll(since, NULL, 10);
        return 0;
    }
    rc = reader_begin(rq->app->store, &r, e);
    return rc ? rc : journal_seq_at(r.db, INT64_MAX, seq, e);
}

static bool say(struct stream *s, struct buf *out, const struct sink *sink)
{
    if (!out->len)
        return true;
    if (!buf_ok(out) || !sink->write(sink->self, out->data, out->len))
        return false;
    s->said_ms = clock_monotonic_ms();
    buf_reset(out);
    return true;
}

static void wait_for_news(struct request *rq, struct stream *s)
{
    uint64_t beat = pulse_wait(rq->app->pulse, s->beat, LOOK_MS);
    s->has_beaten = beat != s->beat;
    s->beat = beat;
}

static void write_events(struct request *rq, const struct sink *sink)
{
    struct buf out CLEANUP(buf_clear) = {0};
    struct err e;
    struct stream s = {0};
    int64_t began_ms = clock_monotonic_ms();
    if (read_start(rq, &s.seq, &e))
        return;
    s.said_ms = s.identified_ms = began_ms;
    buf_init(&out, 1 << 20);
    buf_puts(&out, "retry: 2000\n\n");
    /* When it ends the browser comes again and goes on where it was, if it still may. */
    while (!atomic_load(&rq->app->draining) && clock_monotonic_ms() - began_ms < LIFE_MS) {
        if (sink->is_left(sink->self) || look(rq, &s, &out, &e) || !say(&s, &out, sink))
            return;
        arena_clear(rq->arena);
        if (!s.is_behind)
            wait_for_news(rq, &s);
    }
}

int api_events(struct request *rq, struct reply *rp, struct err *e)
{
    int64_t seq = 0;
    int rc = read_start(rq, &seq, e);
    rp->content_type = "text/event-stream";
    rp->stream = write_events;
    return rc;
}
