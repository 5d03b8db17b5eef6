/*
 * All that the controller asks of the world, so that the real controller also runs under a
 * simulated fleet and clock. Two implementations: wire.c/jobs.c (real) and tests/sim (simulated).
 */
#ifndef MREG_IO_H
#define MREG_IO_H

#include <stdbool.h>

#include "digest.h"
#include "err.h"
#include "http.h"

enum job_kind {
    JOB_HTTP,
    JOB_STAGE,  /* fetch and verify a version's files beside the node's root (before anything else)
                 */
    JOB_SWITCH, /* rename: make exactly the versions `keep` visible under root/serve_as */
    JOB_REMOVE, /* delete staged or retired files of a version */
    JOB_CHECK,  /* compare what is visible under root/serve_as with what was placed: exactly `keep`,
                   of which `number` is looked into; number 0: nothing that mreg placed, other than
                   what it adopted. ERR_CORRUPT, ERR_NOT_FOUND: it differs; ERR_CONFLICT: something
                   is not ours */
    JOB_ADOPT,  /* mark the visible folder of `number` as placed by us if it is what we would have
                   placed; ERR_CONFLICT says what is not */
    JOB_LINES,  /* lines of text to a local service */
    JOB_RELOAD  /* a generated file of a service on this host, and its reload */
};

/* The file is replaced as a whole (it must carry the marker in its first line, or not exist), then
 * the master process of pid_file is sent SIGHUP. text NULL: nothing is changed. The answer's body
 * says how things stand: reload.h. ERR_CONFLICT: the file is somebody else's; ERR_UNAVAILABLE: it
 * was replaced, but the service does not run; ERR_INVALID, ERR_FORBIDDEN, ERR_NO_SPACE. */
struct reload_job {
    const char *file, *pid_file, *text;
    const char *service; /* name of the process: nothing else is sent a signal */
};

/* A file job on a node's root. Layout (DECISIONS "Delivery"): visible versions live at
 * <root>/<serve_as>/<number>/; staged and retired ones at <root>/.mreg/<serve_as>/<number>/, same
 * filesystem, ignored by serving software (tried with MLServer: it does not search folders whose
 * names start with a dot). A staged folder is whole, with the server's settings file, so that
 * switching is renames only; half-made ones are called <number>.tmp-*. A visible folder without the
 * marker file ".mreg.json" is unmanaged and never touched: a clash is ERR_CONFLICT. */
struct file_job {
    const char *root;
    const char *serve_as;
    const char *model;   /* registry name; JOB_STAGE reads its files */
    int64_t number;      /* version to stage or remove */
    const int64_t *keep; /* JOB_SWITCH: versions that shall be visible, n_keep of them */
    size_t n_keep;
};

#define JOB_KEY_BYTES 160

struct job {
    char key[JOB_KEY_BYTES]; /* operation key; the completion carries it back */
    enum job_kind kind;
    struct http_call call;
    struct file_job file;
    struct lines_call lines;
    struct reload_job reload;
    int64_t deadline_ms; /* absolute */
};

struct completion {
    char key[JOB_KEY_BYTES];
    enum job_kind kind;
    struct http_answer answer; /* JOB_HTTP, JOB_LINES, JOB_RELOAD; owned by the receiver */
    struct err error;          /* file jobs, JOB_RELOAD: code ERR_OK or what failed */
};

struct io {
    void *self;
    int64_t (*now_ms)(void *self);
    /* Copies the job and starts it; completions arrive later, exactly one per accepted job. */
    int (*submit)(void *self, const struct job *job, struct err *e);
    /* Waits until a completion is there, wake() was called or until_ms has come; fills up to max
     * completions and returns their number. */
    size_t (*poll)(void *self, int64_t until_ms, struct completion *out, size_t max);
    /* Any thread: ends a running or the next poll. */
    void (*wake)(void *self);
};

#endif
