/*
 * The arithmetic of the even clock: of each tenth millisecond that passes one may be added or left
 * out until the wall is met. Pure; knows no system clock.
 */
#include "steady.h"

#define PART 10 /* one in so many may differ */

void steady_begin(struct steady *s, int64_t monotonic_ms, int64_t shown_ms)
{
    *s = (struct steady){.monotonic_ms = monotonic_ms, .shown_ms = shown_ms};
}

static int64_t at_most(int64_t n, int64_t most)
{
    return n < most ? n : most;
}

int64_t steady_at(struct steady *s, int64_t monotonic_ms, int64_t wall_ms)
{
    int64_t passed_ms = monotonic_ms > s->monotonic_ms ? monotonic_ms - s->monotonic_ms : 0;
    int64_t off_ms = wall_ms - s->shown_ms - passed_ms;
    int64_t spare_ms = s->spare_ms + passed_ms;
    int64_t by_ms = at_most(off_ms < 0 ? -off_ms : off_ms, spare_ms / PART);
    s->monotonic_ms += passed_ms;
    s->shown_ms += passed_ms + (off_ms < 0 ? -by_ms : by_ms);
    s->spare_ms = at_most(spare_ms - by_ms * PART, PART - 1);
    if (off_ms > STEADY_STEP_MS)
        s->shown_ms = wall_ms;
    return s->shown_ms;
}
