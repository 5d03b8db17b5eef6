/*
 * What holds rollouts from outside, for the planner's view: freezes and stop-the-line, the failure
 * budget, what has to be live elsewhere first, and the set that it moves with. Read from the
 * database when it changed, judged anew for each plan. Controller's thread only.
 */
#ifndef MREG_VIEW_LIMITS_H
#define MREG_VIEW_LIMITS_H

#include "controller_inner.h"

struct limits;

struct limits *limits_new(void);
void limits_free(struct limits *l);
/* A row of the journal of this kind was written: what is held of it is read again. */
void limits_note(struct limits *l, const char *kind);
/* Fills view->limits for a target that rolls out; texts are in a. */
MUST_USE int limits_view(struct controller *c, struct env *env, struct target *t, struct arena *a,
                         struct view *view, struct err *e);
/* After a plan: it is made again when a window begins or ends, and the rest of its set is woken. */
void limits_after(struct controller *c, struct env *env, struct target *t, struct plan *plan);

#endif
