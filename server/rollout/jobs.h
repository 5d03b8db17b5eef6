/*
 * The real world for the controller: HTTP calls by wire, file jobs on two threads of their own.
 */
#ifndef MREG_JOBS_H
#define MREG_JOBS_H

#include "blob.h"
#include "io.h"

struct jobs;

struct jobs_options {
    struct store *store; /* borrowed, as all of these */
    struct blobs *blobs;
    const char *registry_id; /* written into the markers of placed files */
};

/* Starts the file-job threads. *out: caller frees with jobs_free. ERR_UNAVAILABLE: no threads. */
MUST_USE int jobs_new(const struct jobs_options *options, struct jobs **out, struct err *e);
/* Gives up running jobs (files half placed are removed by the next try), ends the threads. The
 * controller must have stopped. Accepts NULL. */
void jobs_free(struct jobs *j);
/* The table for the controller; submit and poll belong to its thread. Valid until jobs_free. */
struct io *jobs_io(struct jobs *j);

#endif
