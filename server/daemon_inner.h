/*
 * The server's parts, shared by daemon.c (order of start and stop) and daemon_report.c (what the
 * operations listener says). Nobody else includes this.
 */
#ifndef MREG_DAEMON_INNER_H
#define MREG_DAEMON_INNER_H

#include "daemon.h"
#include "exchange.h"
#include "history.h"
#include "housekeeping.h"
#include "jobs.h"
#include "keys.h"
#include "ops.h"
#include "serve.h"

struct daemon {
    struct app app;
    struct service service;
    struct config *config; /* borrowed */
    const char *data;      /* borrowed */
    int lock_fd;
    bool has_identity;
    struct keys_identity identity;
    struct jobs *jobs;
    struct router *router;
    struct web *web;
    struct housekeeping *housekeeping;
    struct server *server;
    struct ops *ops;
    struct ops_source source;
};

/* Fills the table for the operations listener. */
void daemon_report_init(struct daemon *d);

#endif
