/* What people get to see of a gate's result: words, and members of the API's JSON. */
#ifndef MREG_GATE_SHOW_H
#define MREG_GATE_SHOW_H

#include "judge.h"
#include "jsonw.h"

#define GATE_TEXT_BYTES 320

/* One sentence without a full stop: "1.24 % of 812 requests failed, at most 2 % may". */
void gate_text(const struct gate_result *g, char *text, size_t n);
/* One object of the open array of w; docs/api.md "Rollout". */
void gate_show(const struct gate_result *g, struct jsonw *w);

#endif
