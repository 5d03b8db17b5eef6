/*
 * The start of a server's process as its page of metrics tells it. Pure.
 */
#include "identity.h"

#include <math.h>

#include "prom.h"

int64_t identity_started_ms(const char *page, size_t n)
{
    struct prom p;
    struct prom_sample s;

    prom_init(&p, page, n);
    while (prom_next(&p, &s))
        if (s.n_labels == 0 && prom_is(&s, "process_start_time_seconds") && s.value > 0 &&
            s.value < 1e11)
            return llround(s.value * 1000);
    return 0;
}
