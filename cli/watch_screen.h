/*
 * The terminal of `mreg rollout watch`: draws the rollout in place and takes single keys.
 */
#ifndef MREG_WATCH_SCREEN_H
#define MREG_WATCH_SCREEN_H

#include "cli.h"

struct screen;

struct screen *screen_open(struct cli *cli, const char *id);
/* Draws the rollout (borrowed); age_ms: how old it is. */
void screen_show(struct screen *s, const json_t *rollout, int64_t age_ms);
/* Waits up to ms for a key and obeys it: p pause, r resume, a abort, after a y; q leaves. False:
 * the user leaves. */
bool screen_wait(struct screen *s, const json_t *rollout, int64_t ms);
/* Leaves the last picture standing. s may be NULL. */
void screen_close(struct screen *s);

#endif
