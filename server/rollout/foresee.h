/*
 * The forecast of a rollout from what is known today: nodes and what they serve, the traffic of the
 * last hour, how long operations took. Reads the database only. Any thread that may read.
 */
#ifndef MREG_FORESEE_H
#define MREG_FORESEE_H

#include "db_fleet.h"
#include "fleet_rollout.h"
#include "forecast.h"
#include "manifest.h"

struct foresee_ask {
    const struct rollout_ask *ask;
    const struct rollout_answer *answer; /* of the dry run */
    int64_t env_id, size_bytes;
    int64_t now_ms;
};
struct foreseen {
    struct forecast_in in;
    struct forecast forecast;
    struct forecast_node *nodes;       /* by node_id */
    bool is_measured[OP_ACTION_COUNT]; /* its typical time was measured here */
    int64_t traffic_ms;                /* over how long the traffic was counted; 0: not at all */
};
/* Fills *out, arrays in a. Heavy for large fleets. ERR_* of the store. */
MUST_USE int foresee(struct db *db, const struct foresee_ask *ask, struct arena *a,
                     struct foreseen *out, struct err *e);

#endif
