/*
 * One rollout as a picture of lines: the same facts in the same order as the dashboard's page.
 */
#ifndef MREG_ROLLOUT_VIEW_H
#define MREG_ROLLOUT_VIEW_H

#include "buf.h"
#include "cli.h"

/* Appends the picture to out. rollout: as the API gives it; changes (may be NULL): its rows of the
 * history, oldest first. now_ms: the wall clock, for times and countdowns. */
void rollout_view(struct cli *cli, const json_t *rollout, const json_t *changes, int64_t now_ms,
                  struct buf *out);
/* Tone of a phase. */
enum tone rollout_phase_tone(const char *phase);

#endif
