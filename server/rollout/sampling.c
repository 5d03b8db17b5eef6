/*
 * Reading nodes' counters: one request to a node is for all its targets. While a target rolls out,
 * every node is read each sample interval, those with the old version too; a target that will be
 * judged by comparing is read now and then before, so that a rollout knows how things were. A read
 * disturbs nobody, so it does not make a node busy. Controller's thread only.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"

#define TIMEOUT_MS 10000
#define IDLE_MOST_MS 30000
/* Operations come first. */
#define MAX_SCRAPES (MAX_FLIGHTS / 2)

int64_t sampling_idle_ms(const struct controller *c)
{
    int64_t ms = 6 * c->o.sample_every_ms;
    return ms < IDLE_MOST_MS ? ms : IDLE_MOST_MS;
}

static const struct policy *policy_of(const struct target *t)
{
    return t->is_rolling ? t->strategy : t->policy;
}

static const struct policy_gate *find_gate(const struct policy *p, enum gate_kind kind)
{
    for (int i = 0; i < p->n_gates; i++) {
        if (p->gates[i].kind == kind)
            return &p->gates[i];
    }
    return NULL;
}

/* How often the target wants counters to be read; 0: never. */
static int64_t wanted_every_ms(const struct controller *c, const struct target *t)
{
    const struct policy *p = policy_of(t);
    bool compares = find_gate(p, GATE_ERROR_RATIO) != NULL || find_gate(p, GATE_SLOW_RATIO) != NULL;
    bool counts =
        compares || find_gate(p, GATE_ERROR_RATE) != NULL || find_gate(p, GATE_LATENCY) != NULL;
    if (t->is_broken || (t->live == 0 && !t->is_rolling))
        return 0;
    if (t->is_rolling && counts)
        return c->o.sample_every_ms;
    return compares ? sampling_idle_ms(c) : 0;
}

/* --- asking --- */

static bool submit(struct controller *c, struct env *env, struct node *node)
{
    struct err e;
    struct flight *f = flight_new(c);
    if (f == NULL)
        return false;
    node->scraped_ms = c->now_ms;
    node->is_scraping = true;
    f->env_id = env->env_id;
    f->node_id = node->node_id;
    f->kind = FLIGHT_SCRAPE;
    f->job = JOB_HTTP;
    f->rq =
        (struct driver_request){.action = DRIVER_SAMPLE, .serve_as = "x", .timeout_ms = TIMEOUT_MS};
    f->deadline_ms = c->now_ms + TIMEOUT_MS;
    snprintf(f->key, sizeof f->key, "read/%" PRId64 "/n%" PRId64, ++c->read_seq, node->node_id);
    if (execute_call(c, f, node, &e) != ERR_OK)
        collect_failure(c, f, FAULT_REJECTED, e.message);
    return true;
}

bool sampling_ask(struct controller *c, struct env *env, int i)
{
    struct node *n = &env->nodes[i];
    if (n->is_scraping || n->driver == NULL || n->driver->scrape == NULL)
        return false;
    return submit(c, env, n);
}

#define FULL_MS 200

static int64_t env_every_ms(const struct controller *c, const struct env *env)
{
    int64_t every_ms = 0;
    for (int k = 0; k < env->n_targets; k++) {
        int64_t ms = wanted_every_ms(c, &env->targets[k]);
        if (ms != 0 && (every_ms == 0 || ms < every_ms))
            every_ms = ms;
    }
    return every_ms;
}

/* Returns when it is to be called again. */
static int64_t look_at_env(struct controller *c, struct env *env)
{
    int64_t every_ms = env_every_ms(c, env);
    int64_t next_ms = INT64_MAX;
    bool is_full = false;
    for (int i = 0; every_ms != 0 && i < env->n_nodes; i++) {
        struct node *n = &env->nodes[i];
        /* A node at work answers when it is done; its answer is awaited by somebody already. */
        if (n->is_scraping || n->driver == NULL || n->driver->scrape == NULL || n->n_busy > 0)
            continue;
        if (c->now_ms >= n->scraped_ms + every_ms && c->n_flights < MAX_SCRAPES)
            submit(c, env, n);
        is_full = is_full || c->now_ms >= n->scraped_ms + every_ms;
        int64_t at_ms = n->scraped_ms + every_ms;
        at_ms = at_ms > c->now_ms ? at_ms : c->now_ms + FULL_MS;
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    if (every_ms != 0 && next_ms > c->now_ms + every_ms)
        next_ms = c->now_ms + every_ms;
    /* Nodes that are due at nearly the same time are read together. */
    if (every_ms != 0 && !is_full && next_ms < c->now_ms + every_ms / 8)
        next_ms = c->now_ms + every_ms / 8;
    for (int i = 0; i < env->n_busy; i++) {
        int64_t at_ms = judging_ask(c, env, &env->targets[env->busy[i]]);
        next_ms = at_ms < next_ms ? at_ms : next_ms;
    }
    return next_ms;
}

void sampling_looks(struct controller *c)
{
    while (due_next_ms(&c->samplings) <= c->now_ms) {
        struct due *d = due_first(&c->samplings);
        struct env *env = (struct env *)((char *)d - offsetof(struct env, sampling));
        due_set(&c->samplings, d, look_at_env(c, env));
    }
}

/* --- answers --- */

/* One answer for many targets. */
struct scrape {
    struct controller *c;
    struct env *env;
    int node; /* index */
    const struct http_answer *answer;
    struct driver_page page;
};

static void add_sample(struct controller *c, const struct target *t, const struct node *n,
                       const struct sample *s)
{
    if (c->n_samples == c->cap_samples) {
        c->cap_samples = c->cap_samples * 2 + 16;
        c->samples = mem_resize(c->samples, c->cap_samples, sizeof c->samples[0]);
    }
    c->samples[c->n_samples++] =
        (struct watch_sample){.target_id = t->target_id, .node_id = n->node_id, .sample = *s};
}

static void forget_slow(struct env *env, struct target *t, int kind)
{
    for (int i = 0; i < env->n_nodes; i++) {
        if (t->spots[i].counted != NULL)
            counted_forget_slow(t->spots[i].counted, kind);
    }
}

/* The window holds the time in which all nodes have the same version. */
static struct counted_when when_of(const struct controller *c, const struct target *t,
                                   const struct counted *counted)
{
    bool is_mixed = t->is_rolling && t->lane.status.n_chosen > 0;
    bool has_room = counted->cells != NULL || c->n_windows < WINDOWS_MAX;
    return (struct counted_when){.now_ms = c->now_ms,
                                 .every_ms = is_mixed || !has_room ? 0 : sampling_idle_ms(c)};
}

/* Slow requests are counted per quantile of the policy: each has a bound of its own. */
static void take_slow(struct scrape *s, struct target *t, struct counted *counted,
                      const struct histogram *delta)
{
    const struct policy *p = policy_of(t);
    struct counted_when when = when_of(s->c, t, counted);
    unsigned done = 0;
    for (int i = 0; i < p->n_gates; i++) {
        bool is_new = false;
        if (p->gates[i].kind != GATE_SLOW_RATIO)
            continue;
        int kind = counted_use_kind(&t->times, p->gates[i].quantile_ppm, s->c->now_ms, &is_new);
        if (kind < 0 || (done & 1U << kind) != 0)
            continue;
        done |= 1U << kind;
        if (is_new)
            forget_slow(s->env, t, kind);
        counted_add_slow(counted, kind, delta, t->times.kinds[kind].bound, &when);
    }
}

static void take_times(struct scrape *s, struct target *t, struct counted *counted)
{
    const struct node *n = &s->env->nodes[s->node];
    enum driver_timing timing;
    if (find_gate(policy_of(t), GATE_SLOW_RATIO) == NULL || n->driver->histogram == NULL)
        return;
    struct histogram *h = mem_alloc(2 * sizeof *h);
    struct histogram *delta = h + 1;
    if (n->driver->histogram(s->answer, t->serve_as, h, &timing)) {
        counted->timing = timing;
        counted_add_times(counted, h, s->c->now_ms, delta);
        take_slow(s, t, counted, delta);
        /* What the new version takes does not say what is slow for the old one. */
        bool is_old = !t->is_rolling || judging_is_baseline(t, n->node_id);
        unsigned changed = is_old ? counted_times_add(&t->times, delta, s->c->now_ms) : 0;
        t->times.timing = is_old ? timing : t->times.timing;
        for (int k = 0; k < COUNTED_MAX_KINDS; k++) {
            if ((changed & 1U << k) != 0)
                forget_slow(s->env, t, k);
        }
    }
    free(h);
}

static void take_counts(struct scrape *s, struct target *t, const struct driver_counts *counts)
{
    struct spot *spot = &t->spots[s->node];
    int64_t now = s->c->now_ms;
    struct sample sample = {.ts_ms = now, .has_counters = s->page.has_requests};
    spot->sampled_ms = now;
    if (spot->counted == NULL)
        spot->counted = mem_alloc(sizeof *spot->counted);
    spot->counted->has_requests = s->page.has_requests;
    if (s->page.has_requests) {
        sample.n_success = counts->n_success;
        sample.n_failure = counts->n_failure;
        sample.duration_us = counts->duration_us;
        bool had_window = spot->counted->cells != NULL;
        struct counted_when when = when_of(s->c, t, spot->counted);
        counted_add(spot->counted, counts, &when);
        take_times(s, t, spot->counted);
        s->c->n_windows += !had_window && spot->counted->cells != NULL;
        window_note(s->c, t);
    }
    nodes_see_counts(s->c, s->env, &s->env->nodes[s->node], spot, &sample);
    spot->sample = sample;
    if (t->is_rolling && sample.has_counters)
        add_sample(s->c, t, &s->env->nodes[s->node], &sample);
}

struct wanted {
    const char *name;
    struct target *target;
};

static int by_name(const void *x, const void *y)
{
    return strcmp(((const struct wanted *)x)->name, ((const struct wanted *)y)->name);
}

/* The targets that want counters, by the name under which they are served. */
static size_t list_wanted(struct scrape *s, struct arena *a, struct wanted **out)
{
    size_t n = 0;
    *out = arena_alloc(a, (size_t)s->env->n_targets * sizeof **out);
    for (int k = 0; k < s->env->n_targets; k++) {
        struct target *t = &s->env->targets[k];
        if (wanted_every_ms(s->c, t) != 0)
            (*out)[n++] = (struct wanted){t->serve_as, t};
    }
    qsort(*out, n, sizeof **out, by_name);
    return n;
}

static bool read_page(struct scrape *s, struct driver_result *fault)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const struct node *n = &s->env->nodes[s->node];
    struct wanted *wanted = NULL;
    size_t n_wanted = list_wanted(s, &a, &wanted);
    const char **names = arena_alloc(&a, (n_wanted + 1) * sizeof names[0]);
    struct driver_counts *counts = arena_alloc(&a, (n_wanted + 1) * sizeof counts[0]);
    for (size_t i = 0; i < n_wanted; i++)
        names[i] = wanted[i].name;
    bool is_page = n->driver->scrape(s->answer, names, n_wanted, counts, &s->page, fault);
    /* That there are none is an answer too. */
    for (size_t i = 0; (is_page || fault->fault == FAULT_NOT_FOUND) && i < n_wanted; i++)
        take_counts(s, wanted[i].target, &counts[i]);
    return is_page;
}

/* Only a target in which something goes on rolls out. */
static void judge_all(struct controller *c, struct env *env)
{
    for (int k = 0; k < env->n_busy; k++) {
        struct target *t = &env->targets[env->busy[k]];
        if (!t->is_rolling)
            continue;
        judging_heard(c, env, t);
        /* One plan for the answers of many nodes, unless there is a verdict to act on. */
        bool has_news = t->judging != NULL && t->judging->is_unwritten;
        due_hasten(&c->plans, &t->plan, has_news ? c->now_ms : c->now_ms + FULL_MS);
    }
}

void sampling_take(struct controller *c, struct flight *f, const struct http_answer *answer)
{
    struct driver_result fault = {0};
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    flight_end(c, f);
    if (at < 0)
        return;
    struct node *n = &env->nodes[at];
    struct scrape s = {.c = c, .env = env, .node = at, .answer = answer};
    n->is_scraping = false;
    if (n->driver == NULL || n->driver->scrape == NULL)
        return;
    nodes_see_page(c, env, n, answer);
    bool is_page = read_page(&s, &fault);
    n->counts_requests = s.page.has_requests;
    if (is_page)
        n->scrape_ok_ms = c->now_ms;
    snprintf(n->scrape_text, sizeof n->scrape_text, "%s",
             !is_page             ? fault.text
             : n->counts_requests ? ""
                                  : "its page of metrics counts no requests to models");
    judge_all(c, env);
}

void sampling_missed(struct controller *c, struct flight *f, const char *text)
{
    struct env *env = world_env(c->world, f->env_id);
    int at = env != NULL ? world_node(env, f->node_id) : -1;
    flight_end(c, f);
    if (at < 0)
        return;
    env->nodes[at].is_scraping = false;
    snprintf(env->nodes[at].scrape_text, sizeof env->nodes[at].scrape_text, "%s", text);
    judge_all(c, env);
}
