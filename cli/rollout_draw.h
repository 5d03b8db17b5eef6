/*
 * What all parts of a rollout's picture share: where it is drawn, tones, spans of time, wrapping.
 */
#ifndef MREG_ROLLOUT_DRAW_H
#define MREG_ROLLOUT_DRAW_H

#include "buf.h"
#include "cli.h"

struct view {
    struct cli *cli;
    const json_t *r; /* the rollout as the API gives it */
    int64_t now_ms;
    struct buf *out;
};

/* A copy (in the cli's arena) that cannot drive a terminal. */
const char *draw_clean(struct view *v, const char *text);
void draw_put(struct view *v, enum tone tone, const char *text);
/* A span of time in two words at most: "3m 20s". In the cli's arena. */
const char *draw_span(struct view *v, int64_t ms);
/* The same for a duration as the API writes it ("42s"); the text itself if it is none. */
const char *draw_duration(struct view *v, const char *text);
/* Milliseconds of a member that is a time; 0 without it. */
int64_t draw_time_at(const json_t *obj, const char *key);
/* Text over several lines of the terminal's width, each behind two spaces. Not in a pipe. */
void draw_wrapped(struct view *v, enum tone tone, const char *text);
/* "━━━━━━━─────": part of whole in so many cells. */
void draw_bar(struct view *v, enum tone tone, double part, int n_cells);
/* Does the node have the new version? */
bool draw_node_is_new(const struct view *v, const char *name);

#endif
