/*
 * The rollout controller: one thread, one loop (collect, look, decide, commit intent, act, sleep).
 * Other threads only append commands to the database and call controller_wake.
 */
#ifndef MREG_CONTROLLER_H
#define MREG_CONTROLLER_H

#include "io.h"
#include "store.h"

struct controller;
struct blobs;

struct controller_options {
    struct store *store;
    struct io *io;            /* borrowed */
    const char *registry_id;  /* sent with each call to a node; NULL: is not */
    struct blobs *blobs;      /* golden files are read from it; NULL in some tests */
    int64_t observe_every_ms; /* how often idle nodes are looked at (10 s) */
    int64_t check_every_ms;   /* how often files on nodes are compared; 0: never */
    int64_t sample_every_ms;  /* how often counters are read during a bake (5 s) */
};
/* Makes a controller; nothing runs yet. */
struct controller *controller_new(const struct controller_options *options);
void controller_free(struct controller *c);
/* One round of the loop; waits in io->poll until something is due, at most until until_ms. */
MUST_USE int controller_tick(struct controller *c, int64_t until_ms, struct err *e);
/* Runs controller_tick on a thread of its own (1 MiB stack) until controller_stop. */
MUST_USE int controller_start(struct controller *c, struct err *e);
void controller_stop(struct controller *c);
/* Any thread: look again now. */
void controller_wake(struct controller *c);

#endif
