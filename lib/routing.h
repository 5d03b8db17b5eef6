/*
 * The record of a router: software that spreads traffic over nodes. What its parts may look like,
 * checked where it is recorded and relied on where it is spoken to.
 */
#ifndef MREG_ROUTING_H
#define MREG_ROUTING_H

#include <stdbool.h>

#include "err.h"
#include "mem.h"

#define ROUTING_NAME_MAX 120
#define ROUTING_HOST_BYTES 256

/* Strings are borrowed. */
struct router_config {
    const char *name;
    const char *driver;       /* "haproxy" or "nginx" */
    const char *address;      /* haproxy: "unix:/path" or "host:port"; nginx: URL of its state */
    const char *file;         /* nginx: what mreg writes; NULL else */
    const char *pid_file;     /* nginx: of its master process; NULL: somebody else reloads it */
    const char *backend;      /* name of a model's pool, with "{serve_as}" in it */
    const char *server_label; /* label whose value is a node's name there; "" or NULL: its name */
};

/* ERR_INVALID with a pointer ("/address") unless such a router can be spoken to. Looks at texts
 * only. */
MUST_USE int routing_check(const struct router_config *config, struct err *e);
/* The name of a pool: the template with "{serve_as}" put in. In arena. */
char *routing_backend(struct arena *a, const char *template, const char *serve_as);
/* Letters, digits and "._-", not empty and not too long: safe in every router's language. */
bool routing_name_ok(const char *name);
/* "host:port" of an http URL, in arena; NULL: it is none. */
char *routing_host(struct arena *a, const char *url);
/* Splits "host:port" (an IPv6 address stands in brackets); port points into address. */
bool routing_split(const char *address, char host[ROUTING_HOST_BYTES], const char **port);

#endif
