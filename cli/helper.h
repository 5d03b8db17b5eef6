/*
 * Runs the user's command that prints a token.
 */
#ifndef MREG_HELPER_H
#define MREG_HELPER_H

#include "err.h"

/* Runs `command` by the shell, with MREG_URL (may be NULL) and MREG_CONTEXT set and the terminal as
 * it is, and gives what it prints (heap, at most 4096 bytes). ERR_LOCAL_IO when it fails. */
MUST_USE int helper_run(const char *command, const char *url, const char *context, char **out,
                        struct err *e);

#endif
