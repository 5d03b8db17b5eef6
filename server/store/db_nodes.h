/*
 * SQL of what is known of nodes besides their records: leases, probes, drifted files, their last
 * operations. Rows as plain data in the caller's arena; no rules here. All functions run on the
 * thread that uses the connection; those that write need the writer's connection (tx_db). Besides
 * the codes named, every function returns the errors of store.h.
 */
#ifndef MREG_DB_NODES_H
#define MREG_DB_NODES_H

#include "db_rollout.h"

/* --- leaders --- */
/* Epoch of the process that opened the database for writing last. */
MUST_USE int db_epoch(struct db *db, int64_t *epoch, struct err *e);
/* A node obeys a registry of that epoch: the next start begins above it. */
MUST_USE int db_epoch_refused(struct db *db, int64_t epoch, int64_t now_ms, struct err *e);

/* --- leases --- */
struct lease_row {
    int64_t node_id, renewed_ms, lease_ms;
    const char *env, *name;
};
/* The node is there now. */
MUST_USE int db_node_renew(struct db *db, int64_t node_id, int64_t now_ms, struct err *e);
MUST_USE int db_lease_count(struct db *db, int64_t *n, struct err *e);
/* Nodes of the environment whose lease ended before now_ms, at most limit. */
struct lease_query {
    int64_t env_id, now_ms;
    int64_t grace_ms; /* no lease began before */
    int64_t limit;
};
MUST_USE int db_lease_list(struct db *db, const struct lease_query *ask, struct arena *a,
                           struct lease_row **out, size_t *n, struct err *e);
/* Per environment with leases: how many there are, have ended, or are silent, which is half of
 * their time without a renewal. */
struct lease_sum {
    int64_t env_id, n_leases, n_silent, n_ended;
    const char *env;
};
MUST_USE int db_lease_sums(struct db *db, int64_t now_ms, int64_t grace_ms, struct arena *a,
                           struct lease_sum **out, size_t *n, struct err *e);

/* --- probes --- */
struct probe_row {
    int64_t node_id, asked_ms, probed_ms; /* probed_ms 0: no answer yet */
    const char *serve_as;                 /* NULL: no version is asked about */
    int64_t number;
    const char
        *model; /* its files at serve_as/number are to be taken over, if that is ready; NULL */
    const char *report; /* JSON text of the last answer, or NULL */
};
/* Asks for a probe, replacing an older question. Uses node_id, asked_ms, serve_as, number,
 * model. */
MUST_USE int db_probe_ask(struct db *db, const struct probe_row *v, struct err *e);
/* Stores the answer to the question of asked_ms. Uses node_id, asked_ms, probed_ms, report. */
MUST_USE int db_probe_answer(struct db *db, const struct probe_row *v, struct err *e);
/* *found false: never asked. */
MUST_USE int db_probe_get(struct db *db, int64_t node_id, struct arena *a, struct probe_row *out,
                          bool *found, struct err *e);
/* Questions without an answer, oldest first, at most limit. */
MUST_USE int db_probe_open(struct db *db, int64_t limit, struct arena *a, struct probe_row **out,
                           size_t *n, struct err *e);

/* --- files that differ from what was placed --- */
struct drift_row {
    int64_t node_id, target_id, since_ms;
    const char *detail; /* NULL or "" when stored: nothing is wrong any more */
};
MUST_USE int db_drift_clear(struct db *db, struct err *e);
MUST_USE int db_drift_put(struct db *db, const struct drift_row *v, struct err *e);
/* Of one node (target_id 0) or of one target (node_id 0). */
MUST_USE int db_drift_list(struct db *db, int64_t node_id, int64_t target_id, struct arena *a,
                           struct drift_row **out, size_t *n, struct err *e);

/* --- operations --- */
struct node_op {
    const char *action, *model, *state, *error_class, *detail, *rollout_id; /* some may be NULL */
    int64_t target_id, number, attempt, started_ms, deadline_ms, ended_ms;
};
/* The last operations on the node, newest first, at most limit. */
MUST_USE int db_node_ops(struct db *db, int64_t node_id, int64_t limit, struct arena *a,
                         struct node_op **out, size_t *n, struct err *e);

#endif
