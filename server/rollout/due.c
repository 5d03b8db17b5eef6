/*
 * The queue of due.h. Knows nothing of what its items are. One thread at a time.
 */
#include "due.h"

#include <stdbool.h>
#include <stdlib.h>

#include "mem.h"

static bool is_before(const struct due *x, const struct due *y)
{
    return x->at_ms != y->at_ms ? x->at_ms < y->at_ms : x->order < y->order;
}

static void put(struct due_queue *q, size_t i, struct due *d)
{
    q->items[i] = d;
    d->place = i + 1;
}

static void rise(struct due_queue *q, size_t i)
{
    struct due *d = q->items[i];
    while (i > 0 && is_before(d, q->items[(i - 1) / 2])) {
        put(q, i, q->items[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(q, i, d);
}

static void sink(struct due_queue *q, size_t i)
{
    struct due *d = q->items[i];
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < q->n && is_before(q->items[child + 1], q->items[child]))
            child++;
        if (child >= q->n || !is_before(q->items[child], d))
            break;
        put(q, i, q->items[child]);
        i = child;
    }
    put(q, i, d);
}

void due_drop(struct due_queue *q, struct due *d)
{
    if (d->place == 0)
        return;
    size_t i = d->place - 1;
    struct due *last = q->items[--q->n];
    d->place = 0;
    if (last == d)
        return;
    put(q, i, last);
    rise(q, i);
    sink(q, last->place - 1);
}

void due_set(struct due_queue *q, struct due *d, int64_t at_ms)
{
    if (at_ms == INT64_MAX) {
        due_drop(q, d);
        return;
    }
    d->at_ms = at_ms;
    if (d->place == 0) {
        if (q->n == q->cap) {
            q->cap = q->cap * 2 + 64;
            q->items = mem_resize(q->items, q->cap, sizeof(struct due *));
        }
        put(q, q->n++, d);
    }
    rise(q, d->place - 1);
    sink(q, d->place - 1);
}

void due_hasten(struct due_queue *q, struct due *d, int64_t at_ms)
{
    if (d->place == 0 || at_ms < d->at_ms)
        due_set(q, d, at_ms);
}

struct due *due_first(const struct due_queue *q)
{
    return q->n > 0 ? q->items[0] : NULL;
}

int64_t due_next_ms(const struct due_queue *q)
{
    return q->n > 0 ? q->items[0]->at_ms : INT64_MAX;
}

void due_clear(struct due_queue *q)
{
    free(q->items);
    *q = (struct due_queue){0};
}
