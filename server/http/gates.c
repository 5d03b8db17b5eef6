/*
 * Counting gates per class of work. Nobody waits here: a full class is answered with 503, so that
 * uploads, downloads and heavy queries cannot take all workers. Any thread; atomics only.
 */
#include "gates.h"

bool gates_enter(struct gates *g, enum work_class work)
{
    int before = atomic_fetch_add(&g->n_inside[work], 1);
    if (g->limits[work] == 0 || before < g->limits[work])
        return true;
    atomic_fetch_sub(&g->n_inside[work], 1);
    return false;
}

void gates_leave(struct gates *g, enum work_class work)
{
    atomic_fetch_sub(&g->n_inside[work], 1);
}
