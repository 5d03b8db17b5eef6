/*
 * Judging a rollout by what is counted while it goes on: its gates that compare the new version
 * with the old one, and those that read values. What it knows is stored in one transaction with the
 * verdicts, before anybody acts on them. Controller's thread only.
 */
#ifndef MREG_JUDGING_H
#define MREG_JUDGING_H

#include "db_analysis.h"
#include "driver.h"
#include "feed.h"
#include "rollout.h"
#include "window.h"

struct controller;
struct env;
struct flight;
struct target;

/* So many intervals or values of a gate are stored; then older ones are merged. */
#define JUDGING_MAX_ROWS 20000

enum arm { ARM_NONE, ARM_BASE, ARM_CANARY, ARM_COUNT };

/* What one router counts of a node, for one gate. */
struct judged_link {
    int64_t router_id;
    int feed;
    struct feed counts;
};
/* A node of the rollout. It stays on its side while it is away for a moment: what fails around a
 * crash counts, and no warm-up begins anew. */
struct judged_node {
    int64_t node_id;
    enum arm arm;
    int64_t since_ms;   /* in this arm */
    int64_t away_ms;    /* it does not serve what its side serves, since then; 0: it does */
    bool is_moving;     /* because mreg is at work on it; not stored */
    struct feed *feeds; /* one per comparing gate */
    struct judged_link *links;
    int n_links;
};
struct judged_gate {
    enum gate_kind kind;
    int feed; /* comparing gates: its place in judged_node.feeds; -1 */
    struct seq_settings settings;
    struct seq_state state;
    double bound; /* slow-ratio: slower than this is slow; 0: not known yet */
    enum driver_timing timing;
    bool is_routed;       /* error-ratio: what routers count is compared, not what nodes count */
    struct window window; /* promql, metric */
    struct window_limits limits;
    int64_t asked_ms; /* promql: last query; metric: 0 */
    int64_t point_id; /* metric: taken in up to here */
    bool is_asking;
    char text[DRIVER_TEXT_BYTES]; /* promql: what was wrong with the last answer */
    struct gate_result result;
    int64_t n_rows, n_rows_put; /* intervals and values that are stored; that will be then */
    int64_t merge_at;           /* with so many rows older ones are merged; not stored */
};
struct judging {
    char rollout_id[64];
    int64_t begun_ms;  /* the first node with the new version counts since; 0: none yet */
    int64_t closed_ms; /* end of the last interval */
    int64_t anew_ms;   /* struct rollout_status.anew_ms that was taken in */
    int64_t looked_ms; /* judged last without counters */
    int n_heard;       /* readings, good or not, since it was judged last */
    int n_sides;       /* nodes that take part */
    bool is_unwritten;
    bool is_ahead;     /* counts were taken in that are not stored */
    int64_t stored_ms; /* when all was stored last */
    struct judged_gate gates[POLICY_MAX_GATES];
    int n_gates;
    int n_feeds;
    struct judged_node *nodes; /* by node_id */
    int n_nodes;
    struct analysis_interval *intervals; /* to be stored */
    size_t n_intervals, cap_intervals;
    struct analysis_value *values;
    size_t n_values, cap_values;
};

/* --- judging.c --- */
/* The judging of a target that rolls out and has gates to judge, loaded or new; else NULL. NULL as
 * well if it cannot be read now (the log says why). */
struct judging *judging_of(struct controller *c, struct target *t);
/* A new one for the gates of a policy (borrowed for the call). Caller frees. */
struct judging *judging_new(const char *rollout_id, const struct policy *p);
void judging_free(struct judging *j);
/* Counters of a node came in, or did not: judges when that was the last one that was missing. */
void judging_heard(struct controller *c, struct env *env, struct target *t);
/* Closes an interval when it is complete, and judges. */
void judging_take(struct controller *c, struct env *env, struct target *t);
/* Its nodes serve the old version and are compared with. */
bool judging_is_baseline(const struct target *t, int64_t node_id);
/* One per gate of the policy, in a; those that are not judged have VERDICT_NONE. NULL: none. */
const struct gate_result *judging_results(const struct target *t, struct arena *a);
/* It has to be stored before anybody plans by it. */
void judging_changed(struct controller *c, struct target *t);
/* Counts went on, and no verdict: counters are cumulative, so that after a restart the interval
 * since what is stored is judged as one. With many nodes it is stored less often, and always before
 * a rollout moves on. */
void judging_went_on(struct controller *c, struct target *t);
/* True if it has to be stored first; then it will be in the next round. */
bool judging_is_behind(struct controller *c, struct target *t);
/* Stores those of c->judged; runs on the writer. Then notes that; on the controller's thread. */
MUST_USE int judging_put_all(struct controller *c, struct db *db, struct err *e);
void judging_mark_all(struct controller *c);
/* Asks the queries that are due and reads posted metrics. Returns when it is to be called again. */
int64_t judging_ask(struct controller *c, struct env *env, struct target *t);
/* A value came for a gate. */
void judging_value(struct controller *c, struct target *t, struct judged_gate *g,
                   const struct window_reading *r);

/* Remembers an interval of a gate, unless nothing was counted, to be stored. */
void judging_keep(struct judging *j, int gate, int64_t ts_ms, const struct seq_interval *in,
                  enum interval_kind kind);
/* The same for a value. */
void judging_keep_value(struct judging *j, const struct analysis_value *v);

/* --- judging_sides.c --- */
/* Puts every node on its side; true if one with the new version is there. A gate that failed begins
 * anew if somebody let the rollout go on. */
bool judging_take_sides(struct controller *c, struct target *t);
/* False for a node with the old version that is left out of the comparison, as there is a control.
 */
bool judging_is_compared(const struct rollout_status *s, int64_t node_id);
/* Node of the judging, or NULL. */
struct judged_node *judging_node(const struct judging *j, int64_t node_id);
/* The node's counts of a gate begin after now_ms. */
void judging_begin_feed(struct judged_node *n, int feed, int64_t now_ms);

/* --- judging_router.c --- */
/* True if a router counts for a node of the target; *ts_ms: when the one did that was asked longest
 * ago. */
bool judging_is_routed(const struct controller *c, const struct target *t, int64_t node_id,
                       int64_t *ts_ms);
/* Takes in what each of the routers counted for the node since it was asked last. */
struct judged_take {
    int feed;
    struct feed_warmup warm;
    int64_t n, bad; /* added up */
};
void judging_feed_links(const struct controller *c, const struct target *t, struct judged_node *n,
                        struct judged_take *take);
/* Settles for gates without evidence yet who counts. */
void judging_choose_source(struct controller *c, const struct env *env, struct target *t);

/* --- judging_prior.c: what is frozen before the first node counts --- */
void judging_freeze(struct controller *c, struct env *env, struct target *t);
/* The bound of a slow-ratio gate from what the nodes with the old version counted so far. */
bool judging_find_bound(const struct env *env, const struct target *t, struct judged_gate *g,
                        int64_t quantile_ppm);

/* --- judging_result.c: verdicts with their causes --- */
void judging_judge(struct controller *c, const struct env *env, struct target *t);

/* --- judging_json.c --- */
void judging_write(const struct judging *j, struct buf *out);
/* *out was made with its gates and feeds by the policy. ERR_INVALID. */
MUST_USE int judging_read(const char *text, struct judging *out, struct err *e);

/* --- judging_merge.c: bounds what is stored. Pure. --- */
/* Adds up neighbours of n intervals of one gate so that about half as many are left, in place;
 * returns how many are. One side without requests: added to the next, as the judge itself does.
 * Then each with its neighbour, first where that changes no evidence (nothing bad in both, or the
 * same share of the traffic), then where it does (is_rough). Restarts and what was counted before
 * the rollout stay. */
size_t judging_merge_intervals(struct analysis_interval *list, size_t n);
/* Of each four values without a restart among them the smallest and the largest stay, and one that
 * was none. */
size_t judging_merge_values(struct analysis_value *list, size_t n);

/* --- querying.c --- */
/* What the controller heard of a query. answer NULL: none, for the reason in text. */
void querying_take(struct controller *c, struct flight *f, const struct http_answer *answer,
                   const char *text);

#endif
