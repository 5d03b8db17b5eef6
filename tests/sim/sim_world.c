/*
 * Clock, chance and the io of the simulated world: jobs have an effect at one time and an answer at
 * another, and either may get lost.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

uint32_t sim_random(struct sim *s, uint32_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return below == 0 ? 0 : (uint32_t)((s->random >> 11) % below);
}

bool sim_chance(struct sim *s, int percent)
{
    return (int)sim_random(s, 100) < percent;
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->failure, sizeof s->failure, fmt, args);
    va_end(args);
    longjmp(s->failed, 1);
}

void sim_say(struct sim *s, const char *fmt, ...)
{
    if (!s->is_loud)
        return;
    va_list args;
    va_start(args, fmt);
    printf("%9.3f ", (double)s->now_ms / 1000);
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

/* FNV-1a of the time and a few words. */
static void add_to_digest(struct sim *s, const char *words)
{
    s->digest = (s->digest ^ (uint64_t)s->now_ms) * 0x100000001B3U;
    for (; *words != '\0'; words++)
        s->digest = (s->digest ^ (unsigned char)*words) * 0x100000001B3U;
}

bool sim_checks_files(const struct sim *s)
{
    return s->seed % 4 == 1;
}

bool sim_has_faults(const struct sim *s)
{
    return s->now_ms < s->faults_end_ms;
}

int64_t sim_clock(struct sim *s)
{
    return steady_at(&s->steady, s->now_ms, s->now_ms + s->skew_ms);
}

int64_t sim_until(struct sim *s, int64_t until_ms)
{
    return s->now_ms + until_ms - sim_clock(s);
}

void sim_clock_begin(struct sim *s)
{
    int64_t shown_ms = s->steady.shown_ms > s->now_ms ? s->steady.shown_ms : s->now_ms;
    /* A clock that is ahead now is as if nobody had run for so long: that is not simulated. */
    if (s->now_ms + s->skew_ms > shown_ms)
        s->skew_ms = shown_ms - s->now_ms;
    steady_begin(&s->steady, s->now_ms, shown_ms);
}

static int64_t io_now(void *self)
{
    return sim_clock(self);
}

static void io_wake(void *self)
{
    struct sim *s = self;
    s->is_woken = true;
}

/* "http://n3/v2/..." -> node 3; file jobs have "n3" as root. */
static int node_of(const struct sim *s, const char *place)
{
    const char *name = strncmp(place, "http://", 7) == 0 ? place + 7 : place;
    size_t len = strcspn(name, "/");
    for (int i = 0; i < s->n_nodes; i++) {
        if (strlen(s->nodes[i].name) == len && strncmp(s->nodes[i].name, name, len) == 0)
            return i;
    }
    return -1;
}

static enum sim_fate draw_fate(struct sim *s)
{
    if (!sim_has_faults(s) || !sim_chance(s, s->loss_percent))
        return FATE_DONE;
    return (enum sim_fate)(1 + sim_random(s, 3));
}

static int64_t draw_latency(struct sim *s, const struct job *job)
{
    if (job->kind == JOB_STAGE)
        return 20 + sim_random(s, 400);
    if (sim_has_faults(s) && sim_chance(s, 5))
        return 1000 + sim_random(s, 8000);
    return 1 + sim_random(s, 30);
}

static void fill_job(struct sim *s, const struct job *job, struct sim_job *mine)
{
    *mine = (struct sim_job){.is_there = true, .kind = job->kind};
    memcpy(mine->key, job->key, sizeof mine->key);
    const char *serve_as = job->file.serve_as;
    mine->is_router = job->kind == JOB_LINES;
    mine->node =
        mine->is_router ? -1 : node_of(s, job->kind == JOB_HTTP ? job->call.url : job->file.root);
    mine->model = -1;
    if (mine->is_router) {
        snprintf(mine->lines, sizeof mine->lines, "%s", job->lines.text);
        mine->router = sim_router_at(s, job->lines.address);
    } else if (job->kind == JOB_HTTP) {
        snprintf(mine->url, sizeof mine->url, "%s", job->call.url);
        snprintf(mine->method, sizeof mine->method, "%s", job->call.method);
        size_t n = job->call.body_len < sizeof mine->sent ? job->call.body_len : 0;
        if (n > 0)
            memcpy(mine->sent, job->call.body, n);
    } else {
        mine->number = job->file.number;
        mine->keep = job->file.n_keep > 0 ? job->file.keep[0] : 0;
        mine->beside = job->file.n_keep > 1 ? job->file.keep[1] : 0;
        for (int i = 0; i < s->n_models; i++) {
            if (strcmp(s->models[i].serve_as, serve_as) == 0)
                mine->model = i;
        }
    }
    mine->deadline_ms = job->deadline_ms;
    mine->node_id = mine->node >= 0 ? s->nodes[mine->node].node_id : 0;
    mine->fate = draw_fate(s);
    int64_t latency = draw_latency(s, job);
    /* A coarse clock makes many things happen at once, a fine one hardly any. */
    mine->effect_ms = s->now_ms + 1 + sim_random(s, (uint32_t)latency);
    mine->end_ms = s->now_ms + 1 + latency;
    mine->effect_ms += s->grain_ms - 1 - (mine->effect_ms - 1) % s->grain_ms;
    mine->end_ms += s->grain_ms - 1 - (mine->end_ms - 1) % s->grain_ms;
    bool is_lost = mine->fate == FATE_LOST_DONE || mine->fate == FATE_LOST_NOT_DONE;
    int64_t deadline_ms = sim_until(s, job->deadline_ms);
    if (is_lost || mine->end_ms > deadline_ms)
        mine->end_ms = deadline_ms > s->now_ms ? deadline_ms : s->now_ms + 1;
    if (is_lost && job->kind == JOB_HTTP && job->call.timeout_ms > 0)
        mine->end_ms = s->now_ms + job->call.timeout_ms;
    if (mine->is_router && (is_lost || mine->end_ms > s->now_ms + job->lines.timeout_ms)) {
        mine->end_ms = s->now_ms + job->lines.timeout_ms;
        mine->fate = mine->fate == FATE_DONE ? FATE_LOST_DONE : mine->fate;
    }
}

static int io_submit(void *self, const struct job *job, struct err *e)
{
    struct sim *s = self;
    struct sim_job *mine = NULL;
    for (int i = 0; i < SIM_MAX_JOBS && mine == NULL; i++) {
        if (!s->jobs[i].is_there)
            mine = &s->jobs[i];
    }
    if (mine == NULL)
        sim_fail(s, "more than %d jobs are in flight", SIM_MAX_JOBS);
    if (mine == &s->jobs[s->n_jobs])
        s->n_jobs++;
    fill_job(s, job, mine);
    if (mine->is_router) {
        sim_check_submit(s, job, mine);
        s->n_actions++;
        return ERR_OK;
    }
    if (mine->node < 0) {
        /* The node was deleted: nobody is there. */
        mine->fate = FATE_NOT_SENT;
        mine->effect_ms = 0;
        return ERR_OK;
    }
    sim_check_submit(s, job, mine);
    if (sim_has_faults(s) && sim_chance(s, 1)) {
        mine->is_there = false;
        return err_set(e, ERR_UNAVAILABLE, "no job today");
    }
    if (mine->key[0] == 't')
        s->nodes[mine->node].worked_ms = s->now_ms + mine->deadline_ms - sim_clock(s);
    s->n_actions++;
    return ERR_OK;
}

static void take_effect(struct sim *s, struct sim_job *j)
{
    j->effect_ms = 0;
    if (j->is_router) {
        if (!s->routers[j->router].is_up)
            j->fate = FATE_NOT_SENT;
        if (j->fate == FATE_DONE || j->fate == FATE_LOST_DONE)
            sim_router_talk(s, j);
        return;
    }
    struct sim_node *n = &s->nodes[j->node];
    sim_count_requests(s);
    if (j->kind != JOB_HTTP) {
        if (j->fate == FATE_LOST_NOT_DONE || j->fate == FATE_NOT_SENT)
            err_set(&j->error, sim_chance(s, 50) ? ERR_TIMEOUT : ERR_NO_SPACE, "bad luck");
        else
            sim_file(s, j);
        if (j->fate == FATE_LOST_DONE)
            err_set(&j->error, ERR_TIMEOUT, "lost");
        return;
    }
    if (!n->is_up)
        j->fate = FATE_NOT_SENT;
    if (j->fate == FATE_DONE || j->fate == FATE_LOST_DONE)
        sim_http(s, j);
    /* A server that dies of a load does not answer it. */
    if (!n->is_up && j->fate == FATE_DONE)
        j->fate = FATE_LOST_DONE;
}

static void end_job(struct sim *s, struct sim_job *j, struct completion *out)
{
    *out = (struct completion){.kind = j->kind, .error = j->error};
    memcpy(out->key, j->key, sizeof out->key);
    if (j->kind == JOB_HTTP || j->is_router) {
        out->answer.outcome = j->fate == FATE_DONE       ? HTTP_ANSWERED
                              : j->fate == FATE_NOT_SENT ? HTTP_NOT_SENT
                                                         : HTTP_UNKNOWN;
        out->answer.status = j->status;
        snprintf(out->answer.detail, sizeof out->answer.detail, "simulated loss");
        if (j->fate == FATE_DONE) {
            out->answer.body = mem_strdup(j->body);
            out->answer.body_len = strlen(j->body);
        }
    }
    sim_say(s, "  answer %s %s%s -> %d %s", j->key, j->kind == JOB_HTTP ? j->method : "file ",
            j->kind == JOB_HTTP ? j->url : j->lines, j->status, j->error.message);
    add_to_digest(s, j->key);
    add_to_digest(s, j->body);
    sim_check_answer(s, j);
    j->is_there = false;
    if (j->node >= 0 && j->key[0] == 't')
        s->nodes[j->node].worked_ms = s->now_ms;
}

/* The next thing that happens: a start of a node, an effect or an answer. */
static struct sim_job *next_job(struct sim *s, int64_t *at)
{
    struct sim_job *next = NULL;
    *at = INT64_MAX;
    while (s->n_jobs > 0 && !s->jobs[s->n_jobs - 1].is_there)
        s->n_jobs--;
    for (int i = 0; i < s->n_jobs; i++) {
        struct sim_job *j = &s->jobs[i];
        if (!j->is_there)
            continue;
        int64_t ms = j->effect_ms != 0 ? j->effect_ms : j->end_ms;
        if (j->effect_ms != 0 && j->end_ms < ms)
            ms = j->end_ms;
        if (ms < *at) {
            *at = ms;
            next = j;
        }
    }
    return next;
}

static void start_nodes(struct sim *s, int64_t until)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (n->restart_ms == 0 || n->restart_ms > until)
            continue;
        s->now_ms = n->restart_ms > s->now_ms ? n->restart_ms : s->now_ms;
        n->restart_ms = 0;
        sim_start(s, n, !sim_has_faults(s) || sim_chance(s, 70));
    }
}

/* Advances to the next event at or before until; true if an answer was written to *out. */
static bool advance(struct sim *s, int64_t until, struct completion *out, bool *is_over)
{
    int64_t at = 0;
    struct sim_job *j = next_job(s, &at);
    start_nodes(s, at < until ? at : until);
    if (j == NULL || at > until) {
        if (until > s->now_ms)
            s->now_ms = until;
        *is_over = true;
        return false;
    }
    if (at > s->now_ms)
        s->now_ms = at;
    if (j->effect_ms != 0 && j->effect_ms <= j->end_ms) {
        take_effect(s, j);
        return false;
    }
    if (j->is_forgotten) {
        j->is_there = false;
        return false;
    }
    /* The effect comes after the answer was given up. */
    if (j->effect_ms != 0)
        take_effect(s, j);
    end_job(s, j, out);
    return true;
}

static size_t io_poll(void *self, int64_t until_ms, struct completion *out, size_t max)
{
    struct sim *s = self;
    size_t n = 0;
    bool is_over = false;
    int64_t until = sim_until(s, until_ms);
    while (n < max && !is_over) {
        if (s->is_woken)
            until = s->now_ms;
        if (advance(s, until, &out[n], &is_over)) {
            n++;
            /* Whatever else is ready at this time comes along, nothing later. */
            until = s->now_ms;
        }
    }
    s->is_woken = false;
    return n;
}

void sim_io_init(struct sim *s)
{
    s->io = (struct io){
        .self = s, .now_ms = io_now, .submit = io_submit, .poll = io_poll, .wake = io_wake};
}

void sim_forget_jobs(struct sim *s)
{
    for (int i = 0; i < s->n_jobs; i++) {
        struct sim_job *j = &s->jobs[i];
        if (!j->is_there)
            continue;
        bool happens = j->kind == JOB_HTTP || sim_chance(s, 50);
        if (j->effect_ms != 0 && j->kind != JOB_HTTP && happens && j->node >= 0)
            take_effect(s, j);
        if (j->is_router && j->effect_ms != 0 && sim_chance(s, 50))
            take_effect(s, j);
        bool is_pending = j->kind == JOB_HTTP && j->effect_ms != 0 && j->node >= 0;
        if (is_pending) {
            j->is_forgotten = true;
            j->end_ms = j->effect_ms;
            continue;
        }
        j->is_there = false;
    }
}
