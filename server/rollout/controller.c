/*
 * The controller's loop: collect, look, decide, commit intent, act, sleep. One thread; others only
 * write to the database and wake it. Must not know HTTP paths, files or strategies: drivers, jobs
 * and the planner do. Everything can be dropped at any point and loaded again.
 */
#include "controller.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "thread.h"
#include "view_limits.h"
#include "log.h"
#include "routes.h"

#define INBOX 64
/* A round that is this late means that the process slept or the clock was set forward. */
#define GAP_MS 3000
#define RETRY_MS 1000
#define NOTICE_EVERY_MS 1000

struct thread_state {
    pthread_t thread;
    atomic_bool stops;
};

struct controller *controller_new(const struct controller_options *options)
{
    struct controller *c = mem_alloc(sizeof *c);
    c->o = *options;
    if (c->o.observe_every_ms <= 0)
        c->o.observe_every_ms = 10000;
    if (c->o.sample_every_ms <= 0)
        c->o.sample_every_ms = 5000;
    c->limits = limits_new();
    c->inbox = mem_alloc(INBOX * sizeof c->inbox[0]);
    return c;
}

void controller_free(struct controller *c)
{
    if (c == NULL)
        return;
    for (int i = 0; i < MAX_FLIGHTS; i++)
        arena_clear(&c->flights[i].arena);
    world_free(c, c->world);
    due_clear(&c->plans);
    due_clear(&c->looks);
    due_clear(&c->samplings);
    marks_clear(&c->unwritten);
    marks_clear(&c->serving);
    marks_clear(&c->judged);
    marks_clear(&c->windows);
    marks_clear(&c->stale);
    routes_free(c);
    limits_free(c->limits);
    free(c->closings);
    free(c->samples);
    free(c->inbox);
    free(c);
}

void controller_wake(struct controller *c)
{
    atomic_store(&c->is_woken, true);
    c->o.io->wake(c->o.io->self);
}

/* --- looking --- */

static int read_changes(struct controller *c, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(c->o.store, &r, e);
    if (rc == ERR_OK)
        rc = leader_load(c, r.db, e);
    if (rc == ERR_OK)
        rc = world_follow(c, r.db, e);
    return rc == ERR_OK ? probing_begin(c, r.db, e) : rc;
}

/* Who changes something wakes the controller; asking now and then as well costs little. */
static int notice_changes(struct controller *c, struct err *e)
{
    int gone = nodes_expire(c, e);
    if (gone != ERR_OK)
        return gone;
    bool is_due = atomic_exchange(&c->is_woken, false) || c->world == NULL ||
                  c->now_ms >= c->noticed_ms + NOTICE_EVERY_MS;
    int rc = is_due ? read_changes(c, e) : ERR_OK;
    if (rc != ERR_OK)
        atomic_store(&c->is_woken, true);
    else if (is_due)
        c->noticed_ms = c->now_ms;
    return rc;
}

static void due_at(struct controller *c, int64_t at_ms)
{
    c->due_ms = at_ms < c->due_ms ? at_ms : c->due_ms;
}

static void act(struct controller *c)
{
    if (leader_is_deposed(c))
        return;
    c->due_ms = c->leases_due_ms;
    /* The history of what nodes serve must not hold up what they are told. */
    record_serving(c);
    decide_due(c);
    if (due_next_ms(&c->plans) > c->now_ms) {
        execute_looks(c);
        sampling_looks(c);
    }
    due_at(c, due_next_ms(&c->plans));
    due_at(c, due_next_ms(&c->samplings));
    if (c->n_flights < MAX_FLIGHTS_OF_LOOKS)
        due_at(c, due_next_ms(&c->looks));
    if (atomic_load(&c->is_woken))
        due_at(c, c->now_ms);
    routes_looks(c);
}

static int round_once(struct controller *c, struct err *e)
{
    int rc = record_seen(c, e);
    if (rc == ERR_OK)
        rc = notice_changes(c, e);
    if (rc == ERR_OK)
        act(c);
    return rc;
}

int controller_tick(struct controller *c, int64_t until_ms, struct err *e)
{
    struct io *io = c->o.io;
    int64_t until = c->due_ms < until_ms ? c->due_ms : until_ms;
    int64_t before_ms = c->now_ms;
    size_t n = io->poll(io->self, until, c->inbox, INBOX);
    c->now_ms = io->now_ms(io->self);
    int64_t expected_ms = until > before_ms ? until : before_ms;
    if (before_ms != 0 && c->now_ms > expected_ms + GAP_MS)
        collect_wait_longer(c, c->now_ms - expected_ms);
    collect(c, c->inbox, n);
    collect_overdue(c);
    int rc = round_once(c, e);
    if (rc != ERR_OK)
        c->due_ms = c->now_ms + RETRY_MS;
    return rc;
}

/* --- the thread --- */

static void *run(void *arg)
{
    struct controller *c = arg;
    while (!atomic_load(&c->thread->stops)) {
        struct err e;
        int64_t until = c->o.io->now_ms(c->o.io->self) + 60000;
        if (controller_tick(c, until, &e) != ERR_OK)
            log_err(LOG_ERROR, "controller", &e);
    }
    return NULL;
}

int controller_start(struct controller *c, struct err *e)
{
    c->thread = mem_alloc(sizeof *c->thread);
    int rc = thread_start(&c->thread->thread, run, c, "the controller", e);
    if (rc == 0)
        return ERR_OK;
    free(c->thread);
    c->thread = NULL;
    return rc;
}

void controller_stop(struct controller *c)
{
    if (c == NULL || c->thread == NULL)
        return;
    atomic_store(&c->thread->stops, true);
    controller_wake(c);
    pthread_join(c->thread->thread, NULL);
    free(c->thread);
    c->thread = NULL;
}
