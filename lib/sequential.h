/*
 * The sequential judge: compares what the nodes with a new version count with what the others
 * count at the same time, and may be asked as often as one likes without a false alarm becoming
 * more likely. Formulas, sources and limits: docs/judge.md.
 *
 * One struct seq_state per metric (errors, slow requests) and rollout. It is fed with intervals,
 * made of counters by feed.h, and holds doubles; only sums of log() and exp() go into it, so two
 * machines differ in the last digits at most. Compare and show results in thousandths
 * (seq_result), never the doubles.
 */
#ifndef MREG_SEQUENTIAL_H
#define MREG_SEQUENTIAL_H

#include "judge.h"
#include "json.h"

#define SEQ_GRID 16
#define SEQ_MAX_COUNT INT64_C(1000000000000) /* of requests in one interval */
#define SEQ_MAX_WIDEN 4.0
#define SEQ_MAX_PHI 20.0
#define SEQ_PHI_UNKNOWN 1.5

/* What a metric may do; all in millionths. */
struct seq_settings {
    int64_t ratio_ppm;       /* rate of bad requests, new / old, that is allowed: 1 or more */
    int64_t floor_ppm;       /* a share of bad requests up to this never fails */
    int64_t max_ppm;         /* a share below this passes */
    int64_t alpha_ppm;       /* of failing a version within the ratio; over the whole rollout */
    int64_t alpha_floor_ppm; /* of failing one below the floor */
    int64_t beta_ppm;        /* of passing one that is not below max */
};

/* What was counted in one interval of time, on the nodes with the new version and on the others.
 * Requests that mreg itself sent (golden requests) are not in it. 0 <= bad <= n. */
struct seq_interval {
    int64_t n_canary, bad_canary;
    int64_t n_base, bad_base;
};

/* What is known before the first node gets the new version; frozen for the rollout. */
struct seq_prior {
    double phi;    /* 1..SEQ_MAX_PHI, of seq_phi() */
    double widen;  /* 1..SEQ_MAX_WIDEN, factor of the allowed ratio, of seq_widen() */
    bool is_false; /* old against old would fail: seq_aa() */
};

/* Read it by seq_verdict() only. */
struct seq_state {
    struct seq_prior prior;
    double fail_rel[SEQ_GRID];   /* "its rate is above ratio times the others' rate" */
    double fail_floor[SEQ_GRID]; /* "its rate is above the floor" */
    double pass_max[SEQ_GRID];   /* "its rate is below max" */
    double pass_rel[SEQ_GRID];   /* "its rate is below twice the others' rate" */
    struct seq_interval carry;   /* one of its sides has no request yet */
    struct seq_interval sum;     /* everything counted */
    int64_t n_intervals;
    bool has_failed; /* stays: a version that failed once never passes */
};

/* Where the counters stand. */
enum seq_source {
    SEQ_FRESH,
    SEQ_AWAITED, /* not read yet */
    SEQ_ABSENT,  /* read, and the nodes have no such counters */
    SEQ_STALE    /* could not be read lately */
};

struct seq_result {
    enum verdict verdict;
    bool is_refused;            /* ERROR, because old against old would fail */
    bool is_grey;               /* not decided, but the evidence speaks against the version */
    bool is_base_bad;           /* the others are themselves near or above max */
    int64_t log_rel_milli;      /* 1000 * ln E of the ratio; */
    int64_t log_floor_milli;    /* of the floor; both must reach */
    int64_t log_rel_at_milli;   /* this and */
    int64_t log_floor_at_milli; /* this */
    int64_t log_pass_milli;     /* the stronger of the two ways to pass; must reach */
    int64_t log_pass_at_milli;  /* this */
    struct seq_interval sum;    /* what it was judged by */
    int64_t n_to_fail;          /* bad canary requests that would fail it at once; -1: unknown */
    int64_t n_to_pass;          /* clean canary requests that would pass it; -1: unknown */
    int64_t phi_milli;          /* used; 1000: errors come alone */
    int64_t ratio_milli;        /* allowed, after widening */
    int64_t rate_ppm, base_ppm; /* shares of bad requests; -1: no request */
};

/* ratio 1.5, floor 0.5 %, max 2 %, alphas 0.001 and 0.01, beta 0.05: for errors. */
void seq_settings_errors(struct seq_settings *s);
/* ratio 1.25, floor 5 %, max 50 %, the same alphas: for slow requests. */
void seq_settings_slow(struct seq_settings *s);
/* Those of a gate of kind *_RATIO (borrowed). */
void seq_settings_of(const struct policy_gate *gate, struct seq_settings *out);

/* Begins with what is known before (copied; NULL: nothing). */
void seq_init(struct seq_state *st, const struct seq_prior *prior);
/* Adds an interval (counts out of range are cut to it). The order of the intervals does not matter,
 * but for the moment at which a limit is reached and for those in which one side has no request:
 * they wait for the next ones. */
void seq_step(struct seq_state *st, const struct seq_settings *s, const struct seq_interval *in);
/* The verdict alone, as if the counters were fresh; cheap. */
enum verdict seq_decide(const struct seq_state *st, const struct seq_settings *s);
/* Judges, and says what is missing. */
void seq_verdict(const struct seq_state *st, const struct seq_settings *s, enum seq_source source,
                 struct seq_result *out);
/* Puts the result in the form of gates: fills what struct gate_result has for it (kind, name,
 * is_report_only and since_ms are left alone). */
void seq_gate(const struct seq_result *r, const struct seq_settings *s, struct gate_result *out);

/* Appends the state as JSON; doubles as hex floats, so that reading gives the same bits. */
void seq_write(const struct seq_state *st, struct buf *out);
/* Reads what seq_write wrote, n bytes of text (borrowed). ERR_INVALID. */
MUST_USE int seq_read(const char *text, size_t n, struct seq_state *out, struct err *e);

/*
 * Before the rollout, when every node has the old version. An interval's canary side are the nodes
 * that will be first, its base side the others.
 */
/* How much more errors vary than if each came alone: merges intervals (both sides together) until
 * 1 bad request is expected, then Pearson's chi-square by its degrees of freedom. 1 below 1.2, at
 * most SEQ_MAX_PHI; SEQ_PHI_UNKNOWN if fewer than 5 merged intervals can be made. */
double seq_phi(const struct seq_interval *in, size_t n);
/* By how much the canary nodes are worse than the others already: upper 90 % bound of the ratio of
 * their rates (phi widens it), 1..SEQ_MAX_WIDEN; 1 if fewer than 5 bad requests are expected on one
 * of the sides, because then nothing is known. */
double seq_widen(const struct seq_interval *in, size_t n, double phi);
/* True if these settings would fail the old version against itself: then refuse to judge. */
bool seq_aa(const struct seq_settings *s, const struct seq_interval *in, size_t n, double phi);
/* All three. */
void seq_prior_of(const struct seq_settings *s, const struct seq_interval *in, size_t n,
                  struct seq_prior *out);

#endif
