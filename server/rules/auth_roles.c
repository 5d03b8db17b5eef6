/*
 * Which permissions a token has by its role. Pure.
 */
#include "auth.h"

bool auth_role(const char *role, bool may[PERM_COUNT])
{
    const struct role *r = role_find(role);

    for (int p = 0; r != NULL && p < PERM_COUNT; p++)
        may[p] = role_may(r, (enum permission)p);
    return r != NULL;
}
