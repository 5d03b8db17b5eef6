/*
 * Progress of a long command on stderr: named phases; a bar on a terminal, one line per phase (and
 * one each 30 s) in a pipe, objects with --progress json; nothing with --quiet or --json unless
 * --progress asks for it.
 */
#ifndef MREG_PROGRESS_H
#define MREG_PROGRESS_H

#include "out.h"

#define PROGRESS_SECONDS 10

struct progress {
    const struct out *out;
    const char *phase;   /* "hash", "upload" ...; static */
    int64_t done, total; /* bytes; total 0: unknown */
    int64_t started_ms, drawn_ms;
    bool is_drawn;
    /* Bytes done at the end of each of the last seconds, for the rate of now. */
    int64_t samples[PROGRESS_SECONDS];
    int64_t n_samples;
};

/* Starts a phase (ending the one before). */
void progress_phase(struct progress *p, const struct out *out, const char *phase, int64_t total);
/* Adds bytes (may be negative: a piece is sent again) and redraws at most ten times a second. */
void progress_add(struct progress *p, int64_t n);
/* Ends the phase with its last line; note (may be NULL) is put behind it. */
void progress_end(struct progress *p, const char *note);

#endif
