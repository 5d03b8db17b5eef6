/*
 * An environment in numbers: nodes and what they serve, counted by the database, so that a page
 * about five thousand nodes is short. Rows in the caller's arena. Any reader.
 */
#ifndef MREG_DB_SUMMARY_H
#define MREG_DB_SUMMARY_H

#include "store.h"

/* Nodes that have the same labels. */
struct node_tally {
    const char *labels; /* JSON text */
    int64_t n_nodes, n_unreachable, n_cordoned;
};
MUST_USE int db_node_tally(struct db *db, int64_t env_id, struct arena *a, struct node_tally **out,
                           size_t *n, struct err *e);

/* Nodes on which a target was last seen alike; nodes that were never looked at are not counted. */
struct sight_tally {
    int64_t target_id, n_nodes;
    bool is_reachable;
    const char *observation; /* JSON text */
};
/* By target. */
MUST_USE int db_sight_tally(struct db *db, int64_t env_id, struct arena *a,
                            struct sight_tally **out, size_t *n, struct err *e);

#endif
