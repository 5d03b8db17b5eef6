/*
 * Who is asking and what they may do, as data. Filled by auth, read by handlers.
 */
#ifndef MREG_CALLER_H
#define MREG_CALLER_H

#include <stdbool.h>

/* What a route demands. A role holds a set of these (table in auth.c). */
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

struct caller {
    char actor[32];   /* "t-12", or "" when nobody */
    char name[64];    /* the token's name */
    char role[16];    /* "reader", "pusher", "deployer", "admin", "node" or "" */
    char models[512]; /* comma-separated globs; "*" for all */
    /* Role "node": where it may register nodes, and the folder that holds their roots; else "". */
    char environment[256], root[512];
    bool may[PERM_COUNT];
};

#endif
