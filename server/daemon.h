/*
 * The parts of the running server and the order in which they start and stop.
 */
#ifndef MREG_DAEMON_H
#define MREG_DAEMON_H

#include "daemon_options.h"

struct daemon;

/* Opens the data folder and everything in it: lock, secrets, database, identity, history. Starts no
 * listener. At the first start it makes the registry and DIR/admin.token. *out: caller ends with
 * daemon_close. config is borrowed. */
MUST_USE int daemon_open(const char *data, struct config *config, struct daemon **out,
                         struct err *e);
/* Starts history, rollouts, housekeeping and both listeners, then writes the port file (may be
 * NULL). */
MUST_USE int daemon_serve(struct daemon *d, const char *port_file, struct err *e);
/* After SIGTERM: readyz says 503, running requests are finished within server.drain-timeout. */
void daemon_drain(struct daemon *d);
/* Ends and frees everything, in the reverse order. Accepts NULL and half-opened ones. */
void daemon_close(struct daemon *d);

/* Makes a new identity key (nothing is served). Prints both fingerprints to stdout. */
MUST_USE int daemon_rotate_key(struct daemon *d, const char *reason, struct err *e);

#endif
