/*
 * What people and programs may do: permissions, and the roles that hold them. The server asks this
 * table, `mreg help roles` shows it.
 */
#ifndef MREG_ROLES_H
#define MREG_ROLES_H

#include <stdbool.h>

/* What a route demands. A role holds a set of these. */
enum permission {
    PERM_NONE = 0, /* forbidden value: a route row without a permission is refused at start */
    PERM_PUBLIC,   /* anybody */
    PERM_READ,
    PERM_PUSH,
    PERM_DEPLOY,
    PERM_ADMIN,
    PERM_NODE,    /* register nodes */
    PERM_APPROVE, /* agree to other people's rollouts, freeze, pass over what holds one */
    PERM_AUDIT,   /* read who may do what */
    PERM_COUNT
};

struct role {
    const char *name;
    unsigned permissions; /* bit 1 << PERM_x */
    const char *text;     /* what it is for, and may do, in words */
};
/* X(name, permissions, text). None but admin holds all of the others. */
#define ROLES_BIT(name) (1u << PERM_##name)
#define ROLES(X)                                                                                   \
    X("node", ROLES_BIT(NODE),                                                                     \
      "for a serving node: registers and renews itself in its one environment, nothing else")      \
    X("reader", ROLES_BIT(READ),                                                                   \
      "looks at everything and pulls: list, show, status, history, blame, search")                 \
    X("auditor", ROLES_BIT(READ) | ROLES_BIT(AUDIT),                                               \
      "a reader who also sees who may do what: token list, server settings, server storage")       \
    X("pusher", ROLES_BIT(READ) | ROLES_BIT(PUSH),                                                 \
      "for training and CI: push, aliases, descriptions, tags and metrics of versions")            \
    X("deployer", ROLES_BIT(READ) | ROLES_BIT(DEPLOY) | ROLES_BIT(NODE),                           \
      "moves versions: promote, rollback, pause, resume, end a step, abort, halt; queues, nodes, " \
      "policies of targets, the stop line")                                                        \
    X("approver", ROLES_BIT(READ) | ROLES_BIT(DEPLOY) | ROLES_BIT(NODE) | ROLES_BIT(APPROVE),      \
      "a deployer who also approves or rejects the rollouts of others, freezes, lifts "            \
      "quarantines, and passes over what holds a rollout (override)")                              \
    X("admin",                                                                                     \
      ROLES_BIT(READ) | ROLES_BIT(PUSH) | ROLES_BIT(DEPLOY) | ROLES_BIT(ADMIN) | ROLES_BIT(NODE) | \
          ROLES_BIT(APPROVE) | ROLES_BIT(AUDIT),                                                   \
      "all of this, and environments, routers, webhooks, tokens and people; deletes models and "   \
      "versions")
/* The same as rows; ends with name NULL. Any thread. */
extern const struct role roles[];
/* The role of that name, or NULL. Any thread. */
const struct role *role_find(const char *name);
/* True if the role has the permission; everybody has PERM_PUBLIC. Any thread. */
bool role_may(const struct role *r, enum permission p);
/* The roles that have the permission, as "deployer, approver or admin", in out. Any thread. */
#define ROLE_LIST_BYTES 80
const char *role_list(enum permission p, char out[ROLE_LIST_BYTES]);

#endif
