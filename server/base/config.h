/*
 * The settings of one process: defaults, then a git-config file, then MREG_SECTION_KEY environment
 * variables, then options of the command line. Numbers may be reloaded while others read them.
 */
#ifndef MREG_CONFIG_H
#define MREG_CONFIG_H

#include <stdbool.h>

#include "buf.h"
#include "err.h"

struct config;

/* Defaults only. Caller frees with config_free. */
struct config *config_new(void);
void config_free(struct config *c);
void config_free_ptr(struct config **c); /* for CLEANUP */

/* Reads a file in git's configuration format. ERR_INVALID: syntax, an unknown key (with its line
 * and the nearest known name), a value out of bounds; ERR_NOT_FOUND: no such file. */
MUST_USE int config_file(struct config *c, const char *path, struct err *e);
/* Reads "NAME=value" strings (NULL-terminated, borrowed), for example environ: MREG_SERVER_THREADS
 * sets server.threads. Names of a known section but of no setting are listed in `unknown`
 * (comma-separated, appended), not refused. ERR_INVALID: a bad value. */
MUST_USE int config_environment(struct config *c, char *const *variables, struct buf *unknown,
                                struct err *e);
/* Sets one value; `origin` says where it came from, in errors and in the printed table.
 * ERR_INVALID: unknown name, bad value. */
MUST_USE int config_set(struct config *c, const char *name, const char *value, const char *origin,
                        struct err *e);

/* Values; the name and type must fit the table (an assertion otherwise). Any thread. A duration is
 * in milliseconds, a size in bytes, a choice its index. */
int64_t config_int(const struct config *c, const char *name);
bool config_bool(const struct config *c, const char *name);
const char *config_text(const struct config *c, const char *name); /* borrowed; also of choices */

/* Takes the reloadable values of `fresh` over; names of settings that differ but need a restart
 * are appended to `restart`, comma-separated. One thread at a time. */
void config_reload(struct config *c, const struct config *fresh, struct buf *restart);
/* All settings with value and origin, in the file's own format. */
void config_print(const struct config *c, struct buf *out);
/* One setting as it is now. Strings are borrowed from `c`, except `value` of a reloaded one. */
struct config_row {
    const char *name, *help, *origin;
    char value[1001]; /* as it was given; of a reloaded one as a plain number, in ms or bytes */
    bool is_default, is_reloadable;
};
/* Fills in the setting number i, from 0. False: there are no more. Any thread, also beside
 * config_reload. */
bool config_row(const struct config *c, size_t i, struct config_row *row);
/* The settings' reference: name, type, default and help of each. */
void config_help(struct buf *out);

/* Splits "127.0.0.1:7070"; `address` gets the dotted IPv4 part. ERR_INVALID: no IPv4 address with a
 * port of 0..65535. */
MUST_USE int config_address(const char *text, char address[16], int *port, struct err *e);
/* True if the dotted address is one of 127.0.0.0/8. */
bool config_is_loopback(const char *address);
/* "16MiB", "1KiB", "500" to bytes. ERR_INVALID. */
MUST_USE int config_size(const char *text, int64_t *bytes, struct err *e);

#endif
