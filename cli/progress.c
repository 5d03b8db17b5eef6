/*
 * Draws progress. Knows only counts and the terminal.
 */
#include "progress.h"

#include <stdio.h>
#include <time.h>

#include "when.h"

#define BAR_CELLS 24

static int64_t clock_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static bool is_silent(const struct progress *p)
{
    return !p->out || p->out->is_quiet || p->out->is_json;
}

void progress_phase(struct progress *p, const struct out *out, const char *phase, int64_t total)
{
    *p = (struct progress){.out = out, .phase = phase, .total = total, .started_ms = clock_ms()};
}

static void draw(struct progress *p, int64_t now)
{
    char done[24];
    char total[24];
    char rate[24];
    char eta[WHEN_TEXT_BYTES];
    int64_t elapsed = now - p->started_ms;
    int64_t per_second = elapsed > 0 ? p->done * 1000 / elapsed : 0;
    int cells = p->total > 0 ? (int)(p->done * BAR_CELLS / p->total) : 0;
    fprintf(stderr, "\r\033[K  %-9s ", p->phase);
    for (int i = 0; i < BAR_CELLS; i++)
        fputs(i < cells ? "━" : "─", stderr);
    fprintf(stderr, " %s / %s  %s/s", out_bytes(p->done, done), out_bytes(p->total, total),
            out_bytes(per_second, rate));
    if (elapsed > 3000 && per_second > 0 && p->total > p->done)
        fprintf(stderr, "  %s left",
                when_format_duration((p->total - p->done) * 1000 / per_second, eta));
    fflush(stderr);
    p->is_drawn = true;
    p->drawn_ms = now;
}

void progress_add(struct progress *p, int64_t n)
{
    p->done += n;
    if (is_silent(p) || !p->out->stderr_is_tty || p->out->is_accessible)
        return;
    int64_t now = clock_ms();
    if (now - p->started_ms >= 200 && now - p->drawn_ms >= 100)
        draw(p, now);
}

void progress_end(struct progress *p, const char *note)
{
    if (is_silent(p))
        return;
    char done[24];
    char took[WHEN_TEXT_BYTES];
    fprintf(stderr, "%s  %-9s %s in %s%s%s\n", p->is_drawn ? "\r\033[K" : "", p->phase,
            out_bytes(p->done, done), when_format_duration(clock_ms() - p->started_ms, took),
            note ? "  " : "", note ? note : "");
}
