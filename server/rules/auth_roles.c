/*
 * The table of roles: which permissions a token has. Pure.
 */
#include <string.h>

#include "auth.h"

static const struct {
    const char *name;
    unsigned permissions;
} roles[] = {
    {"node", 1u << PERM_NODE},
    {"reader", 1u << PERM_READ},
    {"pusher", 1u << PERM_READ | 1u << PERM_PUSH},
    {"deployer", 1u << PERM_READ | 1u << PERM_DEPLOY | 1u << PERM_NODE},
    {"approver", 1u << PERM_READ | 1u << PERM_DEPLOY | 1u << PERM_NODE | 1u << PERM_APPROVE},
    {"auditor", 1u << PERM_READ | 1u << PERM_AUDIT},
    {"admin", 1u << PERM_READ | 1u << PERM_PUSH | 1u << PERM_DEPLOY | 1u << PERM_ADMIN |
                  1u << PERM_NODE | 1u << PERM_APPROVE | 1u << PERM_AUDIT},
};

bool auth_role(const char *role, bool may[PERM_COUNT])
{
    for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
        if (strcmp(role, roles[i].name) != 0)
            continue;
        for (int p = 0; p < PERM_COUNT; p++)
            may[p] = p == PERM_PUBLIC || (roles[i].permissions >> p & 1u);
        return true;
    }
    return false;
}
