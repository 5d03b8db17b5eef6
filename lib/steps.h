/*
 * What a policy means for given nodes: in which order they get the new version, and in which steps.
 */
#ifndef MREG_STEPS_H
#define MREG_STEPS_H

#include "rollout.h"

/* What the steps depend on of one node; texts are borrowed, NULL is "". */
struct step_node {
    const char *order_key; /* value of the label order_by */
    const char *wave;      /* value of the label wave_by */
};

/* Reason why the policy cannot be carried out here, or NULL: blue-green, shadow and weights need a
 * router, shadow one that mirrors. */
const char *steps_refuse(const struct policy *p, int n_nodes, bool has_router, bool can_mirror);
/* The nodes by wave and order key, otherwise as they are given; nodes without the label come last.
 * order[i] is the index of the node that comes i-th. */
void steps_order(const struct policy *p, const struct step_node *nodes, int n_nodes,
                 struct arena *a, int *order);
/* The steps, their n_nodes counted along steps_order; a step never reaches over the end of a wave.
 * nodes may be NULL: no labels. The array is in a, texts are borrowed. Returns their number, at
 * most ROLLOUT_MAX_STEPS, at least 1 (without nodes: one of none). */
int steps_make(const struct policy *p, const struct step_node *nodes, int n_nodes, struct arena *a,
               struct rollout_step **out);

#endif
