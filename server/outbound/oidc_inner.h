/*
 * What oidc.c (thread, queue) and oidc_steps.c (what is asked of the issuer) share. Nobody else
 * includes this.
 */
#ifndef MREG_OIDC_INNER_H
#define MREG_OIDC_INNER_H

#include <pthread.h>

#include "jwt.h"
#include "oidc.h"
#include "wire.h"

#define OIDC_MAX_USED 1024

/* What one caller waits for. Held by the caller and the thread: `lock` guards what both touch. */
struct oidc_job {
    struct oidc_job *next;
    bool is_done, is_abandoned; /* guarded */
    int rc;                     /* the thread's until is_done, then the caller's */
    struct err err;
    char *url; /* in arena */
    struct oidc_person person;
    /* the thread's: */
    struct arena arena;
    struct openid_ticket ticket;
    const char *redirect, *code, *issuer, *access_token;
    struct jwt id_token;
    bool has_new_keys;
    int64_t until_ms;
    /* Takes the answer to what was asked last. */
    void (*on_answer)(struct oidc *o, struct oidc_job *j, const struct http_answer *answer);
};

/* A ticket that has come back, until it is out of date. */
struct oidc_used {
    char state[OPENID_SECRET_BYTES];
    int64_t expires_ms;
};

struct oidc {
    char *issuer, *client_id, *secret_file, *claim;
    struct wire *wire;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t done;
    /* guarded by lock: */
    bool is_running, must_stop;
    struct oidc_job *queue; /* not seen by the thread yet */
    int n_waiting;
    struct oidc_used used[OIDC_MAX_USED];
    size_t next_used;
    /* the thread's: */
    struct oidc_job *jobs;
    struct arena said_arena;
    struct openid_issuer said;
    json_t *keys;
    int64_t said_ms, keys_ms; /* when they were fetched; 0: never */
};

/* Wall clock. */
/* The client's secret in arena, "" for a public client. ERR_INVALID. */
MUST_USE int oidc_secret(const struct oidc *o, struct arena *a, char **out, struct err *e);
/* Begins a job; it ends with oidc_end, now or after answers. */
void oidc_job_start(struct oidc *o, struct oidc_job *j);
/* Ends a job with its rc. */
void oidc_end(struct oidc *o, struct oidc_job *j, int rc);

#endif
