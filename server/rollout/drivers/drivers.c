/*
 * The table of drivers: adding a kind of serving software is one file and one line here. Pure.
 */
#include "driver.h"

#include <string.h>

#include "triton.h"
#include "v2.h"

static const struct driver *const table[] = {&driver_v2, &driver_triton};
static const char *const names[] = {"v2", "triton", NULL};

_Static_assert(ARRAY_LEN(table) + 1 == ARRAY_LEN(names), "one name for each driver");

const struct driver *driver_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(table); i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

const char *const *driver_names(void)
{
    return names;
}

const char *fault_name(enum fault f)
{
    switch (f) {
    case FAULT_NONE:
        return "none";
    case FAULT_TRANSPORT:
        return "transport";
    case FAULT_UNKNOWN:
        return "unknown";
    case FAULT_BUSY:
        return "busy";
    case FAULT_REJECTED:
        return "rejected";
    case FAULT_LOAD:
        return "load";
    case FAULT_NOT_FOUND:
        return "not-found";
    case FAULT_WRONG_ANSWER:
        return "wrong-answer";
    case FAULT_INFRA:
        return "infra";
    case FAULT_DEPOSED:
        return "deposed";
    }
    return "unknown";
}
