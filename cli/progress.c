/*
 * Draws progress. Knows only counts, time and the terminal. One thread.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>

#include "when.h"

#define BAR_CELLS 24
#define LINE_EVERY_MS 30000
#define OBJECT_EVERY_MS 1000

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* PROGRESS_AUTO becomes one of the others. */
static enum progress_style style_of(const struct progress *p)
{
    const struct out *o = p->out;
    if (!o)
        return PROGRESS_NONE;
    if (o->progress != PROGRESS_AUTO)
        return o->progress;
    if (o->is_quiet || o->is_json)
        return PROGRESS_NONE;
    return o->stderr_is_tty && !o->is_accessible ? PROGRESS_BAR : PROGRESS_PLAIN;
}

static void put_object(const struct progress *p, const char *state, int64_t now)
{
    fprintf(
        stderr, "{\"phase\":\"%s\",\"state\":\"%s\",\"done\":%lld,\"total\":%lld,\"ms\":%lld}\n",
        p->phase, state, (long long)p->done, (long long)p->total, (long long)(now - p->started_ms));
}

void progress_phase(struct progress *p, const struct out *out, const char *phase, int64_t total)
{
    int64_t now = clock_ms();
    bool is_drawn = p->is_drawn; /* what stands there is written over */
    *p = (struct progress){.out = out, .phase = phase, .total = total, .started_ms = now};
    p->drawn_ms = now;
    p->is_drawn = is_drawn;
    if (style_of(p) == PROGRESS_JSON)
        put_object(p, "begin", now);
    if (style_of(p) == PROGRESS_BAR && total == 0) { /* there is nothing to count: it is named */
        fprintf(stderr, "\r\033[K  %s ...", phase);
        fflush(stderr);
        p->is_drawn = true;
    }
}

/* Bytes per second over the last ten seconds. */
static int64_t rate_of(struct progress *p, int64_t now)
{
    int64_t second = (now - p->started_ms) / 1000;
    for (; p->n_samples < second; p->n_samples++)
        p->samples[p->n_samples % PROGRESS_SECONDS] = p->done;
    if (second <= PROGRESS_SECONDS)
        return now > p->started_ms ? p->done * 1000 / (now - p->started_ms) : 0;
    int64_t gone_ms = now - p->started_ms - (second - PROGRESS_SECONDS + 1) * 1000;
    return (p->done - p->samples[(second - PROGRESS_SECONDS) % PROGRESS_SECONDS]) * 1000 / gone_ms;
}

static void put_numbers(struct progress *p, int64_t now)
{
    char done[24];
    char total[24];
    char rate[24];
    char eta[WHEN_TEXT_BYTES];
    int64_t per_second = rate_of(p, now);
    int64_t left = p->total - p->done;
    fprintf(stderr, " %s / %s  %s/s", out_bytes(p->done, done), out_bytes(p->total, total),
            out_bytes(per_second, rate));
    if (now - p->started_ms > 3000 && per_second > 0 && left > 0)
        fprintf(stderr, "  %s left", when_format_duration((left / per_second + 1) * 1000, eta));
}

static void draw(struct progress *p, int64_t now)
{
    int cells = p->total > 0 ? (int)(p->done * BAR_CELLS / p->total) : 0;
    fprintf(stderr, "\r\033[K  %-9s ", p->phase);
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < cells ? "━" : "─", stderr);
    put_numbers(p, now);
    fflush(stderr);
    p->is_drawn = true;
}

void progress_add(struct progress *p, int64_t n)
{
    enum progress_style style = style_of(p);
    p->done += n;
    if (style == PROGRESS_NONE)
        return;
    int64_t now = clock_ms();
    int64_t since = now - p->drawn_ms;
    bool is_due = style == PROGRESS_BAR    ? now - p->started_ms >= 200 && since >= 100
                  : style == PROGRESS_JSON ? since >= OBJECT_EVERY_MS
                                           : since >= LINE_EVERY_MS;
    if (!is_due)
        return;
    p->drawn_ms = now;
    if (style == PROGRESS_BAR) {
        draw(p, now);
    } else if (style == PROGRESS_JSON) {
        put_object(p, "moving", now);
    } else {
        fprintf(stderr, "  %-9s", p->phase);
        put_numbers(p, now);
        fputc('\n', stderr);
    }
}

void progress_end(struct progress *p, const char *note)
{
    enum progress_style style = style_of(p);
    int64_t now = clock_ms();
    char done[24];
    char took[WHEN_TEXT_BYTES];
    if (style == PROGRESS_JSON)
        put_object(p, "end", now);
    if (style == PROGRESS_JSON || style == PROGRESS_NONE)
        return;
    fprintf(stderr, "%s  %-9s %s%sin %s%s%s\n", p->is_drawn ? "\r\033[K" : "", p->phase,
            p->total || p->done ? out_bytes(p->done, done) : "", p->total || p->done ? " " : "",
            when_format_duration(now - p->started_ms, took), note ? "  " : "", note ? note : "");
    p->is_drawn = false;
}
