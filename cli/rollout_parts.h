/*
 * The parts of a rollout's picture, each as lines behind what is there.
 */
#ifndef MREG_ROLLOUT_PARTS_H
#define MREG_ROLLOUT_PARTS_H

#include "rollout_draw.h"

/* rollout_evidence.c: the share that the new version's nodes have, as each router says. */
void draw_traffic(struct view *v);
/* rollout_evidence.c: the gates with their meters. */
void draw_gates(struct view *v);
/* rollout_nodes.c: how many have the new version, and each node. */
void draw_nodes(struct view *v);

#endif
