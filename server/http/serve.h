/*
 * The API's listener: the only door to the web server's library.
 */
#ifndef MREG_SERVE_H
#define MREG_SERVE_H

#include "config.h"
#include "exchange.h"

struct server;

/* Listens on server.listen and answers requests on server.threads workers. service and config are
 * borrowed until serve_stop. Signals that the main thread waits for must be blocked before. *out:
 * caller ends with serve_stop. ERR_INVALID: the address; ERR_UNAVAILABLE: it is taken;
 * ERR_INTERNAL. */
MUST_USE int serve_start(struct service *service, const struct config *config, struct server **out,
                         struct err *e);
/* "127.0.0.1:7070" with the port that was really taken. Borrowed. */
const char *serve_address(const struct server *s);
/* Connections that workers hold. */
int serve_count(const struct server *s);
/* Closes idle connections and takes no new ones; requests that run go on. */
void serve_quiesce(struct server *s);
/* Closes idle connections and ends those at work, then the listener and all workers. Accepts NULL.
 */
void serve_stop(struct server *s);

#endif
