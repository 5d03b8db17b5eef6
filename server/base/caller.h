/*
 * Who is asking and what they may do, as data. Filled by auth, read by handlers.
 */
#ifndef MREG_CALLER_H
#define MREG_CALLER_H

#include <stdbool.h>

#include "roles.h"

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
