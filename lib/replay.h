/*
 * Judges stored intervals again, with the same or with other settings: what the sequential judge
 * would have said, and when. Pure.
 */
#ifndef MREG_REPLAY_H
#define MREG_REPLAY_H

#include "sequential.h"

/* A stored interval. */
struct replay_point {
    int64_t ts_ms; /* end of the interval */
    struct seq_interval in;
    bool is_before;  /* counted before the rollout, when every node had the old version */
    bool is_restart; /* no interval: somebody let a failed rollout go on, evidence begins anew */
};
struct replay_options {
    struct seq_settings settings;
    double phi;   /* 0: estimated from the points before the rollout */
    double widen; /* 0: likewise */
};
/* What would have been said after one point. */
struct replay_step {
    int64_t ts_ms;
    struct seq_result result;
};
struct replay_summary {
    struct seq_prior prior;
    struct seq_result last;
    int64_t failed_ms; /* first FAIL; 0: never */
    int64_t passed_ms; /* first PASS; 0: never */
    int64_t min_log_rel_milli, max_log_rel_milli;
};

/* Judges n points (borrowed, by time). Each point of the rollout gives one step in steps (room for
 * n; may be NULL), *n_steps of them (may be NULL); a restart gives none. The points before the
 * rollout only give phi, widen and the check of old against old, which a restart keeps. */
void replay_run(const struct replay_options *o, const struct replay_point *points, size_t n,
                struct replay_step *steps, size_t *n_steps, struct replay_summary *out);

#endif
