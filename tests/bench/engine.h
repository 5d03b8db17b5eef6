/*
 * A large fleet for bench_engine: its database, and nodes that answer at once in simulated time.
 * One thread, but for the database's own.
 */
#ifndef MREG_BENCH_ENGINE_H
#define MREG_BENCH_ENGINE_H

#include <stdbool.h>

#include "due.h"
#include "io.h"
#include "store.h"

struct engine {
    int n_envs, n_nodes, n_targets; /* nodes and targets per environment */
    int n_rollouts;                 /* per environment */
    int n_bad;     /* per environment: rollouts whose version answers golden requests wrongly */
    bool compares; /* the policy compares error rates and durations with the old version */
    const char *dir;
    struct store *store;
    struct blobs *blobs;
    struct io io;
    int64_t now_ms;                 /* simulated */
    unsigned char *ready, *visible; /* bits of versions; per environment, target, node */
    struct due_queue jobs;
    int64_t n_jobs, n_in_flight, n_most_in_flight;
    double waiting_s;      /* real time spent in poll */
    double bad_answer_s;   /* real time at which the first wrong answer was handed over; 0: none */
    double *to_rollback_s; /* from a wrong answer to the first call of its way back */
    size_t n_to_rollback;
    double *bad_s; /* per environment and target: when its wrong answer was handed over */
};

void engine_fail(const char *what, const char *why);
double engine_now_s(void);

/* --- engine_fleet.c --- */
/* Opens the database in e->dir; fill: with the whole fleet, first. */
void engine_open(struct engine *e, bool fill);
void engine_close(struct engine *e);
/* Submits the rollouts of all environments. */
void engine_submit(struct engine *e);
/* Rollouts that ended so. */
int64_t engine_count(struct engine *e, const char *phase);

/* --- engine_io.c --- */
void engine_io_init(struct engine *e);
/* Forgets what is in flight. */
void engine_io_clear(struct engine *e);

#endif
