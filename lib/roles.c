/*
 * The table of roles: which permissions each has, and what that means in words. Knows nobody who
 * has one. Pure; any thread.
 */
#include "roles.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#define ROW(name, permissions, text) {name, permissions, text},

const struct role roles[] = {ROLES(ROW){NULL, 0, NULL}};

const struct role *role_find(const char *name)
{
    for (const struct role *r = roles; r->name != NULL; r++)
        if (strcmp(r->name, name) == 0)
            return r;
    return NULL;
}

bool role_may(const struct role *r, enum permission p)
{
    return p == PERM_PUBLIC || (r->permissions >> p & 1u) != 0;
}

const char *role_list(enum permission p, char out[ROLE_LIST_BYTES])
{
    const char *names[8];
    int n = 0;
    size_t used = 0;

    for (const struct role *r = roles; r->name != NULL; r++)
        if (role_may(r, p) && n < (int)ARRAY_LEN(names))
            names[n++] = r->name;
    out[0] = '\0';
    for (int i = 0; i < n && used < ROLE_LIST_BYTES; i++)
        used += (size_t)snprintf(out + used, ROLE_LIST_BYTES - used, "%s%s",
                                 i == 0       ? ""
                                 : i + 1 == n ? " or "
                                              : ", ",
                                 names[i]);
    return out;
}
