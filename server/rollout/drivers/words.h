/*
 * Words of a driver's result, made from what a server answered.
 */
#ifndef MREG_WORDS_H
#define MREG_WORDS_H

#include "driver.h"

/* Appends n bytes of foreign text to out->text: one line, well-formed, cut where it must be. */
void words_add(struct driver_result *out, const char *p, size_t n);
/* Appends what the server says is wrong: {"error"}, {"detail"}, or the end of a traceback. */
void words_add_reason(struct driver_result *out, const struct http_answer *answer);

#endif
