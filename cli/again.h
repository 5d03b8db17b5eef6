/*
 * --watch of lists and status.
 */
#ifndef MREG_AGAIN_H
#define MREG_AGAIN_H

#include "cli.h"

/* Runs the command every two seconds until it is interrupted or fails: on a terminal it is drawn in
 * place, in a pipe printed again when it has changed. Returns the exit code. */
int again_run(struct cli *cli);

#endif
