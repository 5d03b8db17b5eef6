/*
 * What the files of server/outbound share. Nobody else includes this. Everything belongs to the
 * outbound thread but what `lock` guards.
 */
#ifndef MREG_OUTBOUND_INNER_H
#define MREG_OUTBOUND_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "hooks.h"
#include "outbound.h"
#include "wire.h"

#define OUTBOUND_PATIENCE 2 /* so many failures of one event hold up those behind it */
#define OUTBOUND_KEEP 1000  /* ended deliveries of a hook that are kept */

/* One attempt that is under way; a hook has at most one. */
struct flight {
    struct flight *next;
    char hook_id[32];
    enum hook_format format;
    int64_t number, seq, attempts, created_ms;
    bool is_ping;
    struct webhook_keyring keyring; /* to keep secrets out of the log */
};

/* How far a hook's rows were looked at without a write. */
struct scan_note {
    char hook_id[32];
    int64_t cursor;  /* that the database had then */
    int64_t scanned; /* >= cursor */
};

struct outbound {
    struct outbound_options o;
    struct hooks hooks;
    struct wire *wire;
    struct flight *flights;
    struct scan_note notes[HOOKS_MAX];
    size_t n_notes;
    int64_t quiet_until_ms; /* the store has failed: nothing is sent until then */
    pthread_t thread;
    bool is_running;
    atomic_bool must_stop;
    pthread_mutex_t lock;
    struct outbound_stats stats; /* guarded by lock */
};

/* One round's view of the hooks, in arena. */
struct round {
    struct arena arena;
    struct hook_row *rows;
    size_t n_rows;
    int64_t now_ms;
};

/* Makes deliveries of new changes; *more: there are rows left to look at. */
MUST_USE int outbound_scan(struct outbound *o, struct round *r, bool *more, struct err *e);
/* Sends what is due; *next_ms: when to look again at the latest (INT64_MAX: no matter). */
MUST_USE int outbound_send(struct outbound *o, struct round *r, int64_t *next_ms, struct err *e);
/* Records how an attempt went and frees the flight, which is in no list any more. */
void outbound_settle(struct outbound *o, struct flight *f, const struct http_answer *answer);
/* A flight that never left: as above with the reason in words. */
void outbound_settle_unsent(struct outbound *o, struct flight *f, const char *why);
void outbound_flight_free(struct flight *f);

#endif
