/*
 * What the registry tells others by itself: webhooks and commit statuses. One thread reads the
 * journal behind every hook's cursor, makes deliveries of what the hook wants, sends them at least
 * once and tries again for days. A crash loses nothing: cursors and deliveries are in the database.
 */
#ifndef MREG_OUTBOUND_H
#define MREG_OUTBOUND_H

#include <stdbool.h>

#include "err.h"

struct outbound;
struct store;

struct outbound_options {
    struct store *store;     /* borrowed; texts are copied */
    const char *data;        /* data folder, for the hooks' secrets */
    const char *registry_id; /* "reg-..." */
    const char *public_url;  /* of this server, for links; "" unknown */
    int64_t timeout_ms;      /* of one attempt */
    int64_t retry_scale;     /* millionths of the schedule's times; 1000000 but in tests */
    bool refuses_private;    /* no receivers on loopback or private networks */
};

/* Makes the object; nothing runs yet. Never fails. */
struct outbound *outbound_new(const struct outbound_options *options);
/* Stops the thread if it runs and frees. Accepts NULL. */
void outbound_free(struct outbound *o);
/* Removes secrets that no hook names, then starts the thread. ERR_INTERNAL: no thread or wire. */
MUST_USE int outbound_start(struct outbound *o, struct err *e);
/* Ends the thread; attempts under way are given up and made again after the next start. */
void outbound_stop(struct outbound *o);
/* Any thread: there are new changes or deliveries. */
void outbound_wake(struct outbound *o);

struct outbound_stats {
    int64_t n_delivered, n_retried, n_failed; /* attempts that succeeded, failed, failed for good */
    int64_t n_disabled;                       /* hooks disabled by the server */
    int64_t n_hooks, n_pending; /* enabled hooks; deliveries not yet made, as last seen */
};
/* Any thread. */
void outbound_get_stats(struct outbound *o, struct outbound_stats *out);

#endif
