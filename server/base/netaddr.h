/*
 * What kind of Internet address a server is asked to speak to.
 */
#ifndef MREG_NETADDR_H
#define MREG_NETADDR_H

#include <stdbool.h>
#include <sys/socket.h>

/* Link-local and multicast addresses: no serving node or router is there, but a cloud's metadata
 * service may be. False for other families than IPv4 and IPv6. Pure, as is the next. */
bool netaddr_is_off_limits(const struct sockaddr *sa);
/* Loopback and the ranges that are routed inside an organisation only. */
bool netaddr_is_private(const struct sockaddr *sa);

#endif
