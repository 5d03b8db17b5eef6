/*
 * Windows of time in which nothing new is begun: once, or every week. All times are UTC. Pure; any
 * thread.
 */
#ifndef MREG_FREEZE_H
#define MREG_FREEZE_H

#include <stdbool.h>

#include "err.h"

#define FREEZE_TEXT_BYTES 48
#define FREEZE_WEEK_MINUTES (7 * 24 * 60)

/* Minutes of the week, from Monday 00:00; to_min is past the end and may lie before from_min. */
struct freeze_week {
    int from_min, to_min;
};
struct freeze_rule {
    int64_t from_ms, until_ms; /* 0: open */
    bool is_weekly;
    struct freeze_week week;
};

/* Reads "Fri 16:00-Mon 08:00", also with a dash of any length, spaces around it and " UTC" behind.
 * ERR_INVALID: something else, or an empty window. */
MUST_USE int freeze_parse_week(const char *text, struct freeze_week *out, struct err *e);
/* Writes "fri 16:00-mon 08:00". Returns out. */
char *freeze_format_week(const struct freeze_week *week, char out[FREEZE_TEXT_BYTES]);

/* True if it holds at now_ms; *until_ms (may be NULL) is when it ends, 0: not known. */
bool freeze_holds(const struct freeze_rule *rule, int64_t now_ms, int64_t *until_ms);
/* When it begins next after now_ms, INT64_MAX: never again. */
int64_t freeze_next_ms(const struct freeze_rule *rule, int64_t now_ms);

#endif
