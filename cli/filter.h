/*
 * --jq: the JSON of a command through the program jq. Its language is jq's own: nothing of it is
 * known here.
 */
#ifndef MREG_FILTER_H
#define MREG_FILTER_H

#include "out.h"

/* ERR_INVALID when there is no jq on PATH: better said before anything was changed. */
MUST_USE int filter_check(struct err *e);
/* What o->filter gives of the text, on standard output; strings without their quotes. What jq says
 * goes to stderr, and o->fault then tells that it failed. */
void filter_json(const struct out *o, const char *text);

#endif
