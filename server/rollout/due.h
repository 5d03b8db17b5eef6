/*
 * A queue of things by the time they are due: a binary heap whose items know their place in it, so
 * that a time can be moved at any moment. Items live in their owners; the queue only points at
 * them.
 */
#ifndef MREG_DUE_H
#define MREG_DUE_H

#include <stddef.h>
#include <stdint.h>

struct due {
    int64_t at_ms; /* meaningful while place != 0 */
    int64_t order; /* of equal times, the smaller goes first */
    size_t place;  /* 1 + index in the heap; 0: not in the queue */
};
struct due_queue {
    struct due **items;
    size_t n, cap;
};

/* Puts d (borrowed until it is dropped) in, or moves it; INT64_MAX takes it out. */
void due_set(struct due_queue *q, struct due *d, int64_t at_ms);
/* Moves d to at_ms unless it is due earlier anyway. */
void due_hasten(struct due_queue *q, struct due *d, int64_t at_ms);
void due_drop(struct due_queue *q, struct due *d);
/* The first, or NULL; it stays in the queue. */
struct due *due_first(const struct due_queue *q);
/* The time of the first, or INT64_MAX. */
int64_t due_next_ms(const struct due_queue *q);
/* Frees the queue's memory, not the items. */
void due_clear(struct due_queue *q);

#endif
