/*
 * What the files of file jobs share: the folders of one served name on one node, and the markers in
 * them. Nobody else includes this.
 */
#ifndef MREG_PLACE_SITE_H
#define MREG_PLACE_SITE_H

#include "place.h"

#define SITE_MAX_ENTRIES 1000
#define SITE_NUMBER_BYTES 24

/* The folders of one served name on one node. */
struct site {
    const struct place *place;
    const struct file_job *job;
    int64_t deadline_ms;
    struct arena *arena;
    int root, hidden; /* <root>/.mreg/<serve_as> */
    int shown;        /* <root>/<serve_as>, -1 when not there */
};

enum holder { HOLDER_NOBODY, HOLDER_US, HOLDER_OTHER };

/* Opens the folders of s->job, making the hidden one. ERR_UNAVAILABLE ... */
MUST_USE int site_open(struct site *s, struct err *e);
/* For CLEANUP. */
void site_close(struct site *s);
void site_number(int64_t number, char out[SITE_NUMBER_BYTES]);
/* Whose folder `name` in dir is; *content (may be NULL) is the content digest it was placed as. */
enum holder site_holder(const struct site *s, int dir, const char *name, struct digest *content);
/* What was adopted lay there before, and is live only when every node was: nobody's remains, which
 * a way to nothing leaves alone. */
bool site_is_adopted(const struct site *s, const char *name);
/* Writes the marker of the job's version. settings (may be NULL): digest of its settings file,
 * where that was not written by us. */
MUST_USE int site_mark(const struct site *s, int dir, const struct digest *content,
                       const struct digest *settings, struct err *e);
/* Manifest and content digest of the job's version. */
MUST_USE int site_manifest(const struct site *s, struct manifest *m, struct digest *content,
                           struct err *e);
/* The settings file that mreg writes for the job's version, to out. */
MUST_USE int site_settings(const struct site *s, const struct manifest *m, struct buf *out,
                           struct err *e);
/* True for files that are not placed as they are: settings are written by us. */
bool site_is_settings(const struct manifest *m, const struct manifest_file *f);
/* True if every file is there with its size: what a whole staged folder has. */
bool site_is_whole(int dir, const char *name, const struct manifest *m);

/* --- place_check.c --- */
/* Opens a file below dir for reading without following links; *fd stays -1 when it is not there. */
MUST_USE int site_open_file(int dir, const char *path, int *fd, struct err *e);
/* Digest of an open file. ERR_TIMEOUT and others. */
MUST_USE int site_digest(const struct site *s, int fd, struct digest *out, struct err *e);
/* Compares the visible folder of the job's version with what was placed. ERR_NOT_FOUND: it is not
 * there; ERR_CORRUPT: what differs; ERR_CONFLICT: it is not ours. */
MUST_USE int site_check(const struct site *s, const struct manifest *m,
                        const struct digest *content, struct err *e);
/* JOB_CHECK: that, and that nothing else is visible that a restarted server would load. */
MUST_USE int site_run_check(const struct site *s, struct err *e);

/* --- place_adopt.c --- */
/* JOB_ADOPT: see io.h. */
MUST_USE int site_run_adopt(const struct site *s, struct err *e);

#endif
