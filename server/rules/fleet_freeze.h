/*
 * Freeze windows and stop-the-line: when nothing new is begun, for an environment, a model in it or
 * everything. They hold rollouts, never a way back; a rollout may pass over them with a reason. For
 * any thread but the writer; wake the controller afterwards.
 */
#ifndef MREG_FLEET_FREEZE_H
#define MREG_FLEET_FREEZE_H

#include "db_limits.h"
#include "fleet.h"
#include "freeze.h"

struct freeze_spec {
    const char *env, *model;   /* NULL: all; a model needs an environment */
    int64_t from_ms, until_ms; /* 0: open */
    const char *weekly;        /* or NULL */
};
/* Adds a window; *id is in the caller's buffer. ERR_INVALID: no reason, an empty or past window;
 * ERR_NOT_FOUND: environment or model. */
MUST_USE int fleet_freeze_add(struct store *s, const struct fleet_change *c,
                              const struct freeze_spec *spec, char id[32], struct err *e);
/* Removes a window. ERR_NOT_FOUND; ERR_INVALID: no reason; ERR_CONFLICT: it is a stop. */
MUST_USE int fleet_freeze_remove(struct store *s, const struct fleet_change *c, const char *id,
                                 struct err *e);
/* Stops the line, or lets it go on; doing it twice changes nothing. env NULL: everything.
 * ERR_INVALID: no reason; ERR_NOT_FOUND: environment. */
struct stop_line {
    const char *env;
    bool is_on;
};
MUST_USE int fleet_stop_line(struct store *s, const struct fleet_change *c,
                             const struct stop_line *stop, struct err *e);

/* The stored window as a rule. ERR_CORRUPT. Pure. */
MUST_USE int freeze_rule_of(const struct freeze_row *row, struct freeze_rule *out, struct err *e);

#endif
