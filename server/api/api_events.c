/*
 * The feed of changes as server-sent events (WHATWG HTML, "Server-sent events"). An event says that
 * a row of the journal is there and what it is about, never what it holds: pages fetch what they
 * show. Runs on the worker of the request for as long as the stream lives.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api.h"
#include "api_history.h"
#include "app.h"
#include "db_changes.h"
#include "journal.h"
#include "pulse.h"

#define LOOK_MS 1000 /* the controller's rows come without a beat */
#define COMMENT_MS 15000
#define LIFE_MS 600000
#define BATCH 200

static int64_t monotonic_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Appends the rows after *seq that the caller may see. */
static int read_rows(struct request *rq, int64_t *seq, struct buf *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct seq_list list = {.arena = rq->arena};
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_changes_after(r.db, *seq, NULL, NULL, BATCH, &list, e);
    for (size_t i = 0; !rc && i < list.n; i++) {
        struct change_row row;
        rc = db_change(r.db, list.seqs[i], rq->arena, &row, e);
        if (rc)
            return rc;
        *seq = row.seq;
        if (!history_may_see_row(rq, &row))
            continue;
        struct jsonw w;
        buf_putf(out, "id: %lld\nevent: change\ndata: ", (long long)row.seq);
        jsonw_init(&w, out);
        jsonw_object(&w, NULL);
        jsonw_int(&w, "seq", row.seq);
        jsonw_str(&w, "kind", row.kind);
        jsonw_str(&w, "object", row.object);
        jsonw_end(&w);
        buf_puts(out, "\n\n");
    }
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

static void write_events(struct request *rq, const struct sink *sink)
{
    struct buf out CLEANUP(buf_clear) = {0};
    struct err e;
    int64_t seq = 0;
    int64_t began_ms = monotonic_ms();
    int64_t said_ms = began_ms;
    uint64_t beat = 0;
    if (read_start(rq, &seq, &e))
        return;
    buf_init(&out, 1 << 20);
    buf_puts(&out, "retry: 2000\n\n");
    while (!atomic_load(&rq->app->draining) && monotonic_ms() - began_ms < LIFE_MS) {
        if (read_rows(rq, &seq, &out, &e))
            return; /* the browser comes again and goes on where it was */
        if (monotonic_ms() - said_ms > COMMENT_MS)
            buf_puts(&out, ": still here\n\n");
        if (out.len > 0) {
            if (!buf_ok(&out) || !sink->write(sink->self, out.data, out.len))
                return;
            said_ms = monotonic_ms();
            buf_reset(&out);
        }
        arena_clear(rq->arena);
        beat = pulse_wait(rq->app->pulse, beat, LOOK_MS);
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
