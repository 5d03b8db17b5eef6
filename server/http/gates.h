/*
 * How many requests of each class of work may run at the same time.
 */
#ifndef MREG_GATES_H
#define MREG_GATES_H

#include <stdatomic.h>

#include "request.h"

struct gates {
    int limits[WORK_COUNT]; /* 0: as many as there are workers */
    _Atomic int n_inside[WORK_COUNT];
};

/* Takes a place; false when the class is full. Any thread. */
bool gates_enter(struct gates *g, enum work_class work);
void gates_leave(struct gates *g, enum work_class work);

#endif
