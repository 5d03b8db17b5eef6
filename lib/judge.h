/*
 * Judging a new version by what its nodes count: evidence is gathered from samples of ever-growing
 * counters and compared with absolute limits. Integers only, so that replaying the same samples
 * gives the same verdicts everywhere.
 */
#ifndef MREG_JUDGE_H
#define MREG_JUDGE_H

#include <stdbool.h>
#include <stddef.h>

#include "policy.h"

enum verdict {
    VERDICT_NONE, /* not judged yet */
    VERDICT_PASS,
    VERDICT_FAIL,
    VERDICT_INSUFFICIENT, /* too few requests */
    VERDICT_NO_DATA,      /* no counters at all */
    VERDICT_ERROR,        /* counters could not be read lately */
    VERDICT_COUNT
};
const char *verdict_name(enum verdict v);

/* One reading of a node's counters. */
struct sample {
    int64_t ts_ms;     /* 0: nothing was ever read */
    bool has_counters; /* false: the node was asked and has none */
    int64_t n_success, n_failure, duration_us;
};

/* What was counted since the evidence was begun, over counter resets. */
struct evidence {
    int64_t since_ms;   /* samples up to this time are ignored */
    struct sample last; /* the sample that was counted last */
    int64_t n_success, n_failure, duration_us;
    int n_samples;
};

/* Begins anew: only samples after now_ms will count, the first of them is the base line. */
void evidence_begin(struct evidence *ev, int64_t now_ms);
/* Adds a sample; one that is not newer than the last changes nothing. A counter that fell means
 * that the server started again: its whole value is new. Returns true if the evidence changed. */
bool judge_add(struct evidence *ev, const struct sample *s);

#define GATE_CAUSE_BYTES 200

/* What a gate says about the summed evidence. */
struct gate_result {
    enum gate_kind kind;
    enum verdict verdict;
    int64_t n_requests, n_failures;
    int64_t value, limit; /* error rate: ppm; latency: us */
    int64_t n_missing;    /* requests still needed */
    /* Of the gates that compare (sequential.h); zero for the others. */
    const char *name; /* of the gate in its policy (borrowed), NULL: its kind is its name */
    int64_t n_base_requests, n_base_failures;
    int64_t log_e_milli;      /* evidence against the version: 1000 * the weaker of its two parts */
    int64_t log_e_fail_milli; /* and what is enough to fail, of the same part */
    int64_t log_pass_milli;   /* evidence for it */
    int64_t log_pass_at_milli;
    int64_t n_to_fail; /* errors that would fail it at once; -1: not known */
    int64_t phi_milli; /* how bursty errors are: 1000 if they are not */
    bool is_report_only;
    int64_t since_ms;             /* the verdict is the same since */
    char cause[GATE_CAUSE_BYTES]; /* why it cannot judge, or what it waits for; "": the numbers */
};
/* Judges one gate of error rate or latency over n pieces of evidence (borrowed). Samples older than
 * stale_before_ms make it VERDICT_ERROR if it would not fail. */
void judge_gate(const struct policy_gate *gate, const struct evidence *const *ev, size_t n,
                int64_t stale_before_ms, struct gate_result *out);

#endif
