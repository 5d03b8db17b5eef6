/*
 * The kinds of routers, for their table.
 */
#ifndef MREG_ROUTERS_H
#define MREG_ROUTERS_H

#include "router.h"

extern const struct router_driver router_haproxy;
extern const struct router_driver router_nginx;

#endif
