/*
 * What was counted for one target on one node. Counters grow until the server starts again; what
 * came since the last reading goes into the slice of the window that the time belongs to. The
 * window is stored by window_store.c. Must not know rollouts. One thread.
 */
#include "counted.h"

#include <stdlib.h>
#include <string.h>

/* Requests that are enough to know where the old version's slow end is. */
#define ENOUGH_TIMED 100

int counted_n_cells(int64_t every_ms)
{
    int64_t n = every_ms > 0 ? COUNTED_WINDOW_MS / every_ms + 2 : 1;
    return n > COUNTED_MAX_CELLS ? COUNTED_MAX_CELLS : (int)n;
}

void counted_clear(struct counted *c)
{
    free(c->buckets);
    free(c->cells);
    memset(c, 0, sizeof *c);
}

void counted_times_clear(struct counted_times *t)
{
    free(t->recent);
    memset(t, 0, sizeof *t);
}

/* The cell of a slice, which may be a new one. kind -1: requests. */
static struct counted_cell *cell_at(struct counted *c, int kind, int64_t slot, int64_t every_ms)
{
    if (c->cells == NULL) {
        c->n_cells = counted_n_cells(every_ms);
        c->n_kinds = 0;
        c->cells = mem_alloc((size_t)c->n_cells * sizeof c->cells[0]);
        c->slot = slot;
    }
    if (kind >= c->n_kinds) {
        size_t before = (size_t)(1 + c->n_kinds) * (size_t)c->n_cells;
        size_t n = (size_t)(2 + kind) * (size_t)c->n_cells;
        c->cells = mem_resize(c->cells, n, sizeof c->cells[0]);
        memset(c->cells + before, 0, (n - before) * sizeof c->cells[0]);
        c->n_kinds = kind + 1;
    }
    /* A clock that was set back begins anew. */
    bool is_far = slot > c->slot + c->n_cells || slot <= c->slot - c->n_cells;
    int64_t next = is_far ? slot - c->n_cells + 1 : c->slot + 1;
    for (; next <= slot; next++) {
        for (int k = 0; k <= c->n_kinds; k++)
            c->cells[k * c->n_cells + next % c->n_cells] = (struct counted_cell){0};
    }
    c->slot = is_far || slot > c->slot ? slot : c->slot;
    return &c->cells[(1 + kind) * c->n_cells + slot % c->n_cells];
}

static void grow(uint32_t *to, int64_t by)
{
    int64_t room = (int64_t)UINT32_MAX - *to;
    *to += (uint32_t)(by > room ? room : by < 0 ? 0 : by);
}

static void count(struct counted *c, int kind, int64_t n, int64_t bad,
                  const struct counted_when *when)
{
    if (n <= 0 || when->every_ms <= 0)
        return;
    struct counted_cell *cell = cell_at(c, kind, when->now_ms / when->every_ms, when->every_ms);
    grow(&cell->n, n);
    grow(&cell->bad, bad);
}

void counted_add(struct counted *c, const struct driver_counts *counts,
                 const struct counted_when *when)
{
    bool is_reset = counts->n_success < c->n_success || counts->n_failure < c->n_failure;
    int64_t good = is_reset ? counts->n_success : counts->n_success - c->n_success;
    int64_t bad = is_reset ? counts->n_failure : counts->n_failure - c->n_failure;
    if (c->ts_ms != 0)
        count(c, -1, good + bad, bad, when);
    c->ts_ms = when->now_ms;
    c->has_requests = true;
    c->n_success = counts->n_success;
    c->n_failure = counts->n_failure;
}

static void keep(struct counted *c, const struct histogram *h)
{
    if (c->n_buckets != h->n_buckets)
        c->buckets = mem_resize(c->buckets, (size_t)h->n_buckets, sizeof c->buckets[0]);
    c->n_buckets = h->n_buckets;
    for (int i = 0; i < h->n_buckets; i++)
        c->buckets[i] = (struct counted_bucket){h->buckets[i].le, h->buckets[i].n};
}

bool counted_histogram(const struct counted *c, struct histogram *out)
{
    *out = (struct histogram){.n_buckets = c->n_buckets};
    for (int i = 0; i < c->n_buckets; i++)
        out->buckets[i] = (struct histogram_bucket){c->buckets[i].le, c->buckets[i].n, 1};
    return c->timed_ms != 0 && c->n_buckets > 1;
}

bool counted_split(const struct counted *c, double bound, int64_t *n_total, int64_t *n_good)
{
    if (c->timed_ms == 0 || c->n_buckets < 2)
        return false;
    for (int i = 0; i + 1 < c->n_buckets; i++) {
        if (c->buckets[i].le < bound || c->buckets[i].le > bound)
            continue;
        *n_good = c->buckets[i].n;
        *n_total = c->buckets[c->n_buckets - 1].n;
        return true;
    }
    return false;
}

void counted_add_times(struct counted *c, const struct histogram *h, int64_t now_ms,
                       struct histogram *delta)
{
    struct histogram *before = mem_alloc(sizeof *before);
    delta->n_buckets = 0;
    if (counted_histogram(c, before) && before->n_buckets == h->n_buckets)
        histogram_since(before, h, delta);
    free(before);
    keep(c, h);
    c->timed_ms = now_ms;
}

void counted_add_slow(struct counted *c, int kind, const struct histogram *delta, double bound,
                      const struct counted_when *when)
{
    int64_t n_total = 0, n_good = 0;
    bool is_known = delta->n_buckets > 0 && bound > 0;
    if (is_known && histogram_split(delta, bound, &n_total, &n_good))
        count(c, kind, n_total, n_total - n_good, when);
}

void counted_restore(struct counted *c, int kind, int64_t slot, int64_t every_ms,
                     const struct counted_cell *cell)
{
    bool is_old = c->cells != NULL && slot <= c->slot - c->n_cells;
    if (!is_old)
        *cell_at(c, kind, slot, every_ms) = *cell;
}

void counted_forget_slow(struct counted *c, int kind)
{
    if (c->cells != NULL && kind < c->n_kinds)
        memset(c->cells + (size_t)(1 + kind) * (size_t)c->n_cells, 0,
               (size_t)c->n_cells * sizeof c->cells[0]);
}

void counted_slice(const struct counted *c, int64_t slot, int kind, int64_t *n, int64_t *bad)
{
    if (c->cells == NULL || kind >= c->n_kinds || slot > c->slot || slot <= c->slot - c->n_cells)
        return;
    const struct counted_cell *cell = &c->cells[(1 + kind) * c->n_cells + slot % c->n_cells];
    *n += cell->n;
    *bad += cell->bad;
}

int counted_find_kind(const struct counted_times *t, int64_t quantile_ppm)
{
    for (int k = 0; k < COUNTED_MAX_KINDS; k++) {
        if (t->kinds[k].quantile_ppm == quantile_ppm)
            return k;
    }
    return -1;
}

int counted_use_kind(struct counted_times *t, int64_t quantile_ppm, int64_t now_ms, bool *is_new)
{
    int k = counted_find_kind(t, quantile_ppm);
    *is_new = false;
    for (int i = 0; k < 0 && i < COUNTED_MAX_KINDS; i++) {
        const struct counted_kind *kind = &t->kinds[i];
        bool is_free = kind->quantile_ppm == 0 || now_ms >= kind->used_ms + COUNTED_WINDOW_MS;
        *is_new = is_free;
        if (!is_free)
            continue;
        k = i;
        t->kinds[k] = (struct counted_kind){.quantile_ppm = quantile_ppm};
    }
    if (k >= 0)
        t->kinds[k].used_ms = now_ms;
    return k;
}

static int64_t total(const struct histogram *h)
{
    return h->n_buckets > 0 ? h->buckets[h->n_buckets - 1].n : 0;
}

unsigned counted_times_add(struct counted_times *t, const struct histogram *delta, int64_t now_ms)
{
    unsigned changed = 0;
    if (delta->n_buckets == 0 || delta->is_odd)
        return 0;
    if (t->recent == NULL)
        t->recent = mem_alloc(sizeof *t->recent);
    if (t->since_ms == 0)
        t->since_ms = now_ms;
    histogram_add(t->recent, delta);
    if (t->recent->is_odd) {
        /* Nodes with different buckets: begin again, for they may have been replaced. */
        memset(t->recent, 0, sizeof *t->recent);
        t->since_ms = 0;
        return 0;
    }
    bool is_full = now_ms >= t->since_ms + COUNTED_WINDOW_MS;
    if (total(t->recent) < ENOUGH_TIMED)
        return 0;
    for (int k = 0; k < COUNTED_MAX_KINDS; k++) {
        struct counted_kind *kind = &t->kinds[k];
        double bound = 0;
        bool is_due = kind->quantile_ppm != 0 && (kind->bound <= 0 || is_full);
        if (!is_due || !histogram_bound(t->recent, kind->quantile_ppm, &bound))
            continue;
        bool is_other = bound < kind->bound || bound > kind->bound;
        changed |= is_other ? 1U << k : 0;
        kind->bound = bound;
    }
    if (is_full) {
        memset(t->recent, 0, sizeof *t->recent);
        t->since_ms = now_ms;
    }
    return changed;
}
