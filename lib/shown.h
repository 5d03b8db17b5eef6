/*
 * Which version mreg itself made visible in a node's folder last, out of what became of its
 * switches: known at once and also where a node does not answer, unlike what a server says of its
 * memory or a comparison of files finds. Pure; any thread.
 */
#ifndef MREG_SHOWN_H
#define MREG_SHOWN_H

#include "move.h"

struct shown_files {
    bool is_known;    /* false: mreg remembers no switch there */
    bool is_doubtful; /* perhaps another one: nobody knows what became of a switch */
    int64_t number;   /* 0: none */
};

/* Takes in what became of a switch to `number` (0: none). Switches have to come in their order; an
 * open one counts as one of which nobody knows. */
void shown_take(struct shown_files *f, int64_t number, enum op_state state, enum op_class why);
/* True if something else than `number` lies there, or may. */
bool shown_differs(const struct shown_files *f, int64_t number);

#endif
