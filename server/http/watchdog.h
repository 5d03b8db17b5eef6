/*
 * Watches the server's connections: ends transfers whose peer is too slow, makes room when all
 * workers hold idle connections, survives running out of descriptors. It learns descriptors from
 * accept (interpose.h) and asks the kernel how many bytes have moved.
 */
#ifndef MREG_WATCHDOG_H
#define MREG_WATCHDOG_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

struct watchdog;
struct link; /* one connection, from its first request to its end */
struct config;
struct metrics;

/* max_links: connections that can be served at the same time (workers). config and metrics are
 * borrowed; server.min-rate and server.rate-window are read as they change. */
struct watchdog *watchdog_new(const struct config *config, struct metrics *metrics, int max_links);
/* After the web server has stopped. Accepts NULL. */
void watchdog_free(struct watchdog *w);
/* Hooks accept() and starts the thread. ERR_INTERNAL. */
MUST_USE int watchdog_start(struct watchdog *w, struct err *e);
void watchdog_stop(struct watchdog *w);

/* A worker takes up a connection; which one is not known yet. */
void watchdog_enter(struct watchdog *w);
/* The connection from address:port (dotted IPv4), whose request a worker has in hand; NULL when its
 * descriptor is not known. */
struct link *watchdog_link(struct watchdog *w, const char *address, int port);
/* The worker is done with the connection from address:port (NULL: not known); its descriptor is
 * still open. */
void watchdog_leave(struct watchdog *w, const char *address, int port);

enum link_phase {
    LINK_IDLE, /* waits for a request */
    LINK_READ, /* a worker waits for bytes of a body */
    LINK_WORK, /* the server is at work: the peer is not to blame */
    LINK_WRITE /* a worker waits for the peer to take bytes */
};
/* deadline_ms: monotonic time at which the phase is ended in any case; 0: none. NULL is fine. */
void link_phase(struct link *l, enum link_phase phase, int64_t deadline_ms);
/* True if the watchdog has ended this connection's current transfer. */
bool link_was_cut(const struct link *l);
/* True if the peer has closed its side; for a worker that has this connection's request in hand.
 * False for NULL. */
bool link_has_left(const struct link *l);

/* Ends idle connections; with `all` those at work too. For stopping. */
void watchdog_shut(struct watchdog *w, bool all);
/* New connections are closed at once from now on. */
void watchdog_refuse(struct watchdog *w);
/* Trusts the table no longer: nothing is shut down from now on. */
void watchdog_disable(struct watchdog *w);
/* True while a connection from that port is in the table (for the self-test). */
bool watchdog_knows(struct watchdog *w, int port);
/* Connections held by workers now. */
int watchdog_count(struct watchdog *w);

#endif
