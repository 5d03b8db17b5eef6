/*
 * The table of routers, and what all of them need. Adding a kind is one file and one line
 * here. Pure.
 */
#include "routers.h"

#include <stdio.h>
#include <string.h>

static const struct router_driver *const table[] = {&router_haproxy, &router_nginx};
const struct router_driver *router_find(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_LEN(table); i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

bool router_answered(const struct http_answer *answer, bool is_read, struct router_result *out)
{
    if (answer->outcome == HTTP_ANSWERED)
        return true;
    out->fault = answer->outcome == HTTP_NOT_SENT || is_read ? FAULT_TRANSPORT : FAULT_UNKNOWN;
    snprintf(out->text, sizeof(out->text), "%s",
             answer->detail[0] != '\0' ? answer->detail : "no answer");
    return false;
}
