/*
 * A clock that shows the wall's time but runs evenly: it never goes back, and where the wall was
 * set it follows at nine or eleven tenths of its speed. So a deadline, a lease and "seen since"
 * last as long as they say, to a tenth, whatever happens to the wall's clock.
 */
#ifndef MREG_STEADY_H
#define MREG_STEADY_H

#include <stdint.h>

/* A wall that is further ahead than this is followed at once: it was wrong before, perhaps since
 * the machine came up. What waits then ends early. */
#define STEADY_STEP_MS ((int64_t)600000)

struct steady {
    int64_t monotonic_ms; /* at the last look */
    int64_t shown_ms;     /* then */
    int64_t spare_ms;     /* passed and not yet used to follow the wall, 0..9 */
};

/* Begins to run at shown_ms. All times in ms; monotonic_ms from any beginning. */
void steady_begin(struct steady *s, int64_t monotonic_ms, int64_t shown_ms);
/* The time now, ms since the Unix epoch; never less than before. One thread at a time. */
int64_t steady_at(struct steady *s, int64_t monotonic_ms, int64_t wall_ms);

#endif
