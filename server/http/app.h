/*
 * The handles of one running server, made by mregd.c and lent to handlers. No globals.
 */
#ifndef MREG_APP_H
#define MREG_APP_H

#include <stdatomic.h>

#include "seal.h"

struct store;
struct blobs;
struct history;
struct controller;
struct auth;
struct config;
struct metrics;
struct oidc;
struct outbound;
struct pulse;

struct app {
    const struct config *config;
    struct store *store;
    struct blobs *blobs;
    struct history *history;
    struct controller *controller;
    struct auth *auth;
    struct metrics *metrics;
    struct outbound *outbound;       /* webhooks; NULL in some tests */
    struct oidc *oidc;               /* people's logins elsewhere; NULL: not configured */
    const char *data;                /* data folder */
    struct pulse *pulse;             /* beats when the journal may have grown */
    const struct seal_key *identity; /* signs statements, manifests, commits */
    const char *registry_id;         /* "reg-<16 base62>" */
    const char *domain;              /* "registry.local": principal is registry@<domain> */
    uint8_t pepper[32];              /* for token hashes */
    atomic_bool draining;
};

#endif
