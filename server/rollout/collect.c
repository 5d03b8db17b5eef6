/*
 * What came back: answers are read by the driver, operations get an outcome, looks and samples
 * update the controller's memory. Nothing is stored here; record_seen does that in one go.
 * Controller's thread only.
 */
#include <stdio.h>
#include <string.h>

#include "controller_inner.h"

/* After its deadline a job gets this long to report before it is given up. */
#define GRACE_MS 30000

struct outcome {
    enum op_state state;
    enum op_class why;
};

static struct outcome outcome_of_fault(enum fault f)
{
    switch (f) {
    case FAULT_NONE:
        return (struct outcome){OP_DONE, OP_CLASS_NONE};
    case FAULT_UNKNOWN:
        return (struct outcome){OP_UNKNOWN, OP_CLASS_NONE};
    case FAULT_REJECTED:
        return (struct outcome){OP_FAILED, OP_CLASS_PERMANENT};
    case FAULT_LOAD:
    case FAULT_WRONG_ANSWER:
        return (struct outcome){OP_FAILED, OP_CLASS_VERSION};
    case FAULT_NOT_FOUND:
        return (struct outcome){OP_FAILED, OP_CLASS_MISSING};
    default:
        return (struct outcome){OP_FAILED, OP_CLASS_TRANSIENT};
    }
}

static struct outcome outcome_of_error(enum err_code code)
{
    switch (code) {
    case ERR_OK:
        return (struct outcome){OP_DONE, OP_CLASS_NONE};
    case ERR_CONFLICT:
    case ERR_INVALID:
    case ERR_CORRUPT:
        return (struct outcome){OP_FAILED, OP_CLASS_PERMANENT};
    case ERR_TIMEOUT:
        return (struct outcome){OP_UNKNOWN, OP_CLASS_NONE};
    case ERR_NOT_FOUND:
        return (struct outcome){OP_FAILED, OP_CLASS_MISSING};
    default:
        return (struct outcome){OP_FAILED, OP_CLASS_TRANSIENT};
    }
}

/* Where a flight's node and target are now; either may be gone. */
struct place_of {
    struct env *env;
    struct node *node;
    struct target *target;
    struct spot *spot;
};

static void find_place(struct controller *c, const struct flight *f, struct place_of *out)
{
    *out = (struct place_of){.env = world_env(c->world, f->env_id)};
    int at = out->env != NULL ? world_node(out->env, f->node_id) : -1;
    if (at < 0)
        return;
    out->node = &out->env->nodes[at];
    out->target = world_target(out->env, f->target_id);
    out->spot = out->target != NULL ? &out->target->spots[at] : NULL;
    /* What one target waited for may be what another one needs: the limit is shared. */
    for (int k = 0; k < out->env->n_targets; k++)
        out->env->targets[k].plan_at_ms = 0;
}

static struct closing *add_closing(struct controller *c)
{
    if (c->n_closings == c->cap_closings) {
        c->cap_closings = c->cap_closings * 2 + 16;
        c->closings = mem_resize(c->closings, c->cap_closings, sizeof c->closings[0]);
    }
    struct closing *cl = &c->closings[c->n_closings++];
    *cl = (struct closing){.ended_ms = c->now_ms};
    return cl;
}

static void close_op(struct controller *c, const struct flight *f, const struct place_of *at,
                     struct outcome outcome, const char *text)
{
    struct closing *cl = add_closing(c);
    memcpy(cl->key, f->key, sizeof cl->key);
    cl->state = outcome.state;
    cl->why = outcome.why;
    snprintf(cl->text, sizeof cl->text, "%.*s", (int)sizeof cl->text - 1, text);
    bool is_present = at->spot != NULL && strcmp(f->lane, at->target->lane.id) == 0 &&
                      at->spot->op.attempt == f->attempt;
    if (!is_present)
        return;
    struct spot *spot = at->spot;
    snprintf(spot->op_text, sizeof spot->op_text, "%s", cl->text);
    spot->op.state = outcome.state;
    spot->op.why = outcome.why;
    spot->op.ended_ms = c->now_ms;
    spot->op.text = spot->op_text;
}

/* --- health --- */

static void see_node(struct controller *c, struct node *n, bool is_alive, const char *detail)
{
    bool was_reachable = n->is_reachable;
    n->n_missed = is_alive ? 0 : n->n_missed + 1;
    if (is_alive)
        n->observed_ms = c->now_ms;
    snprintf(n->detail, sizeof n->detail, "%s", detail);
    if (is_alive)
        n->is_reachable = true;
    else if (n->n_missed >= MISSED_LOOKS)
        n->is_reachable = false;
    bool is_first_miss = !is_alive && n->n_missed == MISSED_LOOKS && n->since_ms == 0;
    if (n->is_reachable != was_reachable || is_first_miss) {
        n->since_ms = c->now_ms;
        n->is_unwritten = n->serves_changed = true;
    }
    if (c->now_ms >= n->written_ms + REWRITE_EVERY_MS)
        n->is_unwritten = true;
    c->is_dirty = c->is_dirty || n->is_unwritten;
}

/* --- looks --- */

static bool is_same_ready(const struct observation *o, const struct driver_result *r)
{
    return o->n_ready == r->n_ready &&
           memcmp(o->ready, r->ready, (size_t)r->n_ready * sizeof o->ready[0]) == 0;
}

static void take_look(struct controller *c, const struct place_of *at,
                      const struct driver_result *r)
{
    struct spot *spot = at->spot;
    spot->seen.looked_ms = c->now_ms;
    if (r->fault != FAULT_NONE)
        return;
    bool is_changed = spot->seen.observed_ms == 0 || !is_same_ready(&spot->seen, r);
    if (is_changed) {
        at->node->serves_changed = true;
        spot->seen.n_ready = r->n_ready;
        memcpy(spot->seen.ready, r->ready, (size_t)r->n_ready * sizeof r->ready[0]);
    }
    spot->seen.observed_ms = c->now_ms;
    if (is_changed || c->now_ms >= spot->written_ms + REWRITE_EVERY_MS) {
        spot->is_unwritten = true;
        c->is_dirty = true;
    }
    env_count(at->env);
}

static void take_sample(struct controller *c, const struct flight *f, const struct place_of *at,
                        const struct driver_result *r)
{
    at->spot->sampled_ms = c->now_ms;
    if (r->fault != FAULT_NONE && r->fault != FAULT_NOT_FOUND)
        return;
    struct sample s = {.ts_ms = c->now_ms,
                       .has_counters = r->has_counters,
                       .n_success = r->n_success,
                       .n_failure = r->n_failure,
                       .duration_us = r->duration_us};
    at->spot->sample = s;
    if (!s.has_counters)
        return;
    if (c->n_samples == c->cap_samples) {
        c->cap_samples = c->cap_samples * 2 + 16;
        c->samples = mem_resize(c->samples, c->cap_samples, sizeof c->samples[0]);
    }
    c->samples[c->n_samples++] =
        (struct watch_sample){.target_id = f->target_id, .node_id = f->node_id, .sample = s};
}

static void finish_http(struct controller *c, struct flight *f)
{
    struct place_of at;
    const struct driver_result *r = &f->result;
    find_place(c, f, &at);
    if (f->kind == FLIGHT_OP)
        close_op(c, f, &at, outcome_of_fault(r->fault), r->text);
    else if (at.node != NULL && f->kind != FLIGHT_SAMPLE)
        see_node(c, at.node, r->is_alive, r->is_alive ? "" : r->text);
    if (at.spot != NULL && f->kind == FLIGHT_LOOK)
        take_look(c, &at, r);
    if (at.spot != NULL && f->kind == FLIGHT_SAMPLE)
        take_sample(c, f, &at, r);
    flight_end(c, f);
}

void collect_failure(struct controller *c, struct flight *f, enum fault fault, const char *text)
{
    f->result = (struct driver_result){.fault = fault};
    snprintf(f->result.text, sizeof f->result.text, "%.*s", (int)sizeof f->result.text - 1, text);
    finish_http(c, f);
}

/* One HTTP answer: perhaps the action has another call. */
static void take_answer(struct controller *c, struct flight *f, const struct http_answer *answer)
{
    struct place_of at;
    struct err e;
    find_place(c, f, &at);
    if (at.node == NULL || at.node->driver == NULL) {
        collect_failure(c, f, FAULT_UNKNOWN, "the node was removed");
        return;
    }
    const struct driver *d = at.node->driver;
    bool goes_on = d->read(&f->rq, f->call, answer, &f->result);
    if (!goes_on || f->call + 1 >= d->n_calls(&f->rq)) {
        finish_http(c, f);
        return;
    }
    f->call++;
    if (execute_call(c, f, at.node, &e) != ERR_OK)
        collect_failure(c, f, FAULT_TRANSPORT, e.message);
}

static void take_file(struct controller *c, struct flight *f, const struct err *error)
{
    struct place_of at;
    find_place(c, f, &at);
    close_op(c, f, &at, outcome_of_error(error->code), error->code == ERR_OK ? "" : error->message);
    flight_end(c, f);
}

static struct flight *find_flight(struct controller *c, const char *key)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        if (c->flights[i].key[0] != '\0' && strcmp(c->flights[i].key, key) == 0)
            return &c->flights[i];
    }
    return NULL;
}

void collect(struct controller *c, struct completion *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct flight *f = find_flight(c, list[i].key);
        /* A late answer to something that was given up says nothing. */
        if (f != NULL && list[i].kind == JOB_HTTP)
            take_answer(c, f, &list[i].answer);
        else if (f != NULL)
            take_file(c, f, &list[i].error);
        http_answer_clear(&list[i].answer);
    }
}

void collect_overdue(struct controller *c)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        struct flight *f = &c->flights[i];
        if (f->key[0] != '\0' && c->now_ms >= f->deadline_ms + GRACE_MS)
            collect_failure(c, f, FAULT_UNKNOWN, "no outcome was reported");
    }
}
