/*
 * The command line of mregd.
 */
#ifndef MREG_DAEMON_OPTIONS_H
#define MREG_DAEMON_OPTIONS_H

#include "config.h"

enum daemon_verb {
    DAEMON_SERVE,
    DAEMON_ROTATE_KEY,
    DAEMON_PRINT_CONFIG,
    DAEMON_HELP,
    DAEMON_VERSION
};

struct daemon_options {
    enum daemon_verb verb;
    const char *data;        /* NULL unless given */
    const char *config_file; /* likewise */
    const char *port_file, *listen, *ops, *reason;
};

/* Reads argv (borrowed). ERR_INVALID with a hint. */
MUST_USE int daemon_options_read(int argc, char **argv, struct daemon_options *out, struct err *e);
/* Defaults, then the file (--config, else DATA/mregd.conf if it is there), the environment, the
 * options. *out: caller frees. Unknown variables are appended to `unknown`. ERR_INVALID;
 * ERR_REFUSED: the listener would be reachable from elsewhere and no proxy is declared. */
MUST_USE int daemon_options_config(const struct daemon_options *o, struct config **out,
                                   struct buf *unknown, struct err *e);
/* The text of --help. */
void daemon_options_help(struct buf *out);

#endif
