/*
 * What went wrong with a call to a server that speaks v2, as a table of the cases that real servers
 * show: whether to try again, to give up, to look first, or to blame the version. Pure.
 */
#ifndef MREG_V2_FAULTS_H
#define MREG_V2_FAULTS_H

#include "driver.h"

/* Fault and words in *out by the table; fault is FAULT_NONE where the status is what was wanted, or
 * where the case has no row (then false). */
bool v2_fault(enum driver_action action, const struct http_answer *answer,
              struct driver_result *out);
/* Sets fault and "words (status): what the server says". */
void v2_set_fault(struct driver_result *out, enum fault fault, const char *words,
                  const struct http_answer *answer);

#endif
