/*
 * The head of one HTTP request as plain data, as the connection's library parsed it. Everything is
 * borrowed for the time of the request. What clients send is hostile until guard_check has passed.
 */
#ifndef MREG_HEAD_H
#define MREG_HEAD_H

#include <stdbool.h>

#define HEAD_MAX_HEADERS 64

struct head_field {
    const char *name, *value;
};

struct head {
    const char *method;  /* "GET" */
    const char *path;    /* undecoded, without the query */
    const char *query;   /* undecoded, or "" */
    const char *version; /* "1.1" */
    const char *remote;  /* address of the peer */
    struct head_field fields[HEAD_MAX_HEADERS];
    int n_fields; /* HEAD_MAX_HEADERS means: perhaps there were more */
};

/* Value of the first field of that name (case-insensitive), or NULL. */
const char *head_get(const struct head *h, const char *name);
/* Number of fields of that name. */
int head_count(const struct head *h, const char *name);
/* True if the comma-separated list of the field holds the token (case-insensitive). */
bool head_has_token(const struct head *h, const char *name, const char *token);

#endif
