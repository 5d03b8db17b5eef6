/*
 * What people are shown of a rollout's judging, and judging it again with other settings. Reads
 * what the controller stored; writes nothing. Any thread with a connection.
 */
#ifndef MREG_ANALYSIS_H
#define MREG_ANALYSIS_H

#include "judging.h"

#define ANALYSIS_MAX_POINTS 1000

/* One rollout. Everything is borrowed. */
struct analysis {
    struct db *db;
    const struct rollout_record *record;
    const struct rollout_status *status;
    const struct policy *policy; /* the rollout's strategy */
    int64_t n_points;            /* of each series, at most ANALYSIS_MAX_POINTS */
};

/* Writes the members began, updated, nodes and gates of the answer into the open object of w.
 * Errors of the store; ERR_CORRUPT: what is stored cannot be read. */
MUST_USE int analysis_write(const struct analysis *in, struct jsonw *w, struct err *e);

/* Judges what was stored again. gates (borrowed): settings by the name of a gate, as in a policy;
 * gates without an entry are judged with their own. Writes the member gates into the open object of
 * w. ERR_INVALID with a pointer below /gates. */
MUST_USE int analysis_replay(const struct analysis *in, const json_t *gates, struct jsonw *w,
                             struct err *e);

#endif
