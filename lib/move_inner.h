/*
 * Shared by move*.c only.
 */
#ifndef MREG_MOVE_INNER_H
#define MREG_MOVE_INNER_H

#include "move.h"

void move_enter(struct move *m, enum move_phase phase, int64_t now_ms);

/* --- move_route.c --- */
/* Nothing is switched or unloaded where requests go, or are still being answered. */
bool move_needs_unroute(const struct move *m, const struct move_in *in);
void move_unroute(struct move *m, const struct move_in *in, struct move_out *out);
void move_drain(struct move *m, const struct move_in *in, struct move_out *out);
void move_route(const struct move *m, const struct move_in *in, struct move_out *out);

#endif
