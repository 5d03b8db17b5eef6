/*
 * Shares of traffic in basis points: who shall get how much, whether a router does what was wanted,
 * and the way from shares to a router's whole-number weights and back. Pure; any thread.
 */
#ifndef MREG_TRAFFIC_H
#define MREG_TRAFFIC_H

#include <stdbool.h>

#define TRAFFIC_ALL_BP 10000

enum traffic_role {
    TRAFFIC_OUT,  /* never gets any: it is being changed, cordoned, or the router cannot send there
                   */
    TRAFFIC_IDLE, /* serves nothing as far as is known: gets some only while nobody else can */
    TRAFFIC_BASE, /* has the version that everybody had */
    TRAFFIC_CANARY, /* has the version that is being rolled out */
    TRAFFIC_ROLE_COUNT
};

/* Shares of n nodes (roles and bp are arrays of the caller). canary_bp is what all canaries get
 * together, -1: every node that is in gets the same. Canaries that are to have nothing get nothing,
 * also when nobody else is there; otherwise a group takes all if the other one is empty. Equal
 * within a group by largest remainder, earlier nodes first. The sum is TRAFFIC_ALL_BP, or 0 if
 * nobody is in. */
void traffic_wanted(const enum traffic_role *roles, int n, int canary_bp, int *bp);

/* Whole weights 0..max_weight (at most 65535) whose proportions come nearest to the shares; a share
 * above 0 never becomes a weight of 0, and 0 stays 0. HAProxy: max_weight 256. */
void traffic_weights(const int *bp, int n, int max_weight, int *weights);
/* The shares that weights (0 or more) make: the sum is TRAFFIC_ALL_BP, or 0 if all weights are. */
void traffic_shares(const int *weights, int n, int *bp);
/* True if the shares seen are those wanted, as near as a router with such weights comes to them.
 * Nothing and something are never the same. */
bool traffic_fits(const int *wanted, const int *seen, int n, int max_weight);

#endif
