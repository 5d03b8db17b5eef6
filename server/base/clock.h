/*
 * The clocks of the process. What the store stamps and what the controller decides by is given to
 * them as data; this is for everybody else.
 */
#ifndef MREG_CLOCK_H
#define MREG_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Milliseconds since the Unix epoch by the time that mreg lives by: even and never back (steady.h).
 * For all that is stored, compared and waited for. Any thread, as are the others. */
int64_t clock_now_ms(void);
/* From now on no earlier than that: what the database was stamped with last. */
void clock_not_before(int64_t ms);
/* What the machine's clock shows, which may be set back: for logs and for what others check by
 * their own clocks. */
int64_t clock_wall_ms(void);
/* Time that only runs forward, from an unknown beginning. */
int64_t clock_monotonic_ms(void);
int64_t clock_monotonic_ns(void);
/* The monotonic time in ms (0 or more) from now, for conditions that wait by that clock. */
struct timespec clock_in(int64_t ms);
/* Sleeps; a signal may end it early. */
void clock_pause(int64_t ms);

#endif
