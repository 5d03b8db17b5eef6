/*
 * What came back: answers are read by the driver, operations get an outcome, looks and samples
 * update the controller's memory. Nothing is stored here; record_seen does that in one go.
 * Controller's thread only.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "controller_inner.h"
#include "judging.h"
#include "routes.h"

/* After its deadline a job gets this long to report before it is given up. */
#define GRACE_MS 30000
#define REWRITE_EVERY_MS 30000

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
}

/* What one target waited for may be what another one needs: nodes and limits are shared. */
static void wake_place(struct controller *c, const struct place_of *at)
{
    if (at->target != NULL)
        target_wake(c, at->target);
    if (at->env != NULL)
        env_stir(c, at->env, at->target);
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
    if (at->spot != NULL && f->action == OP_SWITCH)
        shown_take(&at->spot->shown, f->rq.number, outcome.state, outcome.why);
    bool is_present = at->spot != NULL && strcmp(f->lane, at->target->lane.id) == 0 &&
                      at->spot->op.attempt == f->attempt;
    if (!is_present)
        return;
    struct spot *spot = at->spot;
    free(spot->op_text);
    spot->op_text = mem_strdup(cl->text);
    spot->op.state = outcome.state;
    spot->op.why = outcome.why;
    spot->op.ended_ms = c->now_ms;
    spot->op.text = spot->op_text;
}

void collect_close(struct controller *c, const char *key, const struct op_view *op)
{
    struct closing *cl = add_closing(c);
    snprintf(cl->key, sizeof cl->key, "%s", key);
    cl->state = op->state;
    cl->why = op->why;
    snprintf(cl->text, sizeof cl->text, "%.*s", (int)sizeof cl->text - 1,
             op->text != NULL ? op->text : "");
}

/* --- health --- */

static void see_node(struct controller *c, struct node *n, bool is_alive, const char *detail)
{
    bool was_reachable = n->is_reachable;
    if (n->owner_epoch != 0) /* it may answer, but not to us */
        return;
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
        n->env->has_changed = true;
        node_changed(c, n);
        node_serves_changed(c, n);
    }
    if (c->now_ms >= n->written_ms + REWRITE_EVERY_MS)
        node_changed(c, n);
}

/* --- looks --- */

/* What did not change is stored again now and then, the more seldom the more there is: at most a
 * thousand rows per second. */
static int64_t rewrite_every_ms(const struct controller *c)
{
    return c->world->n_spots > REWRITE_EVERY_MS ? c->world->n_spots : REWRITE_EVERY_MS;
}

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
        node_serves_changed(c, at->node);
        spot->seen.n_ready = r->n_ready;
        memcpy(spot->seen.ready, r->ready, (size_t)r->n_ready * sizeof r->ready[0]);
    }
    spot->seen.observed_ms = c->now_ms;
    if (is_changed || c->now_ms >= spot->written_ms + rewrite_every_ms(c))
        spot_changed(c, at->env, at->target, (int)(at->node - at->env->nodes));
    if (is_changed)
        target_count(at->env, at->target);
}

static void finish_http(struct controller *c, struct flight *f)
{
    struct place_of at;
    const struct driver_result *r = &f->result;
    find_place(c, f, &at);
    if (r->fault == FAULT_DEPOSED && at.node != NULL)
        leader_refused(c, at.node, r->epoch);
    if (f->kind == FLIGHT_OP)
        close_op(c, f, &at, outcome_of_fault(r->fault), r->text);
    else if (at.node != NULL)
        see_node(c, at.node, r->is_alive, r->is_alive ? "" : r->text);
    if (at.spot != NULL && f->kind == FLIGHT_LOOK)
        take_look(c, &at, r);
    wake_place(c, &at);
    flight_end(c, f);
}

/* Reads that count requests or ask others: their answers are no business of the node's state. */
static void take_measure(struct controller *c, struct flight *f, const struct http_answer *answer,
                         const char *text)
{
    struct err lost;
    if (f->kind == FLIGHT_FILES) {
        (void)err_set(&lost, ERR_TIMEOUT, "%s", text);
        files_take(c, f, &lost);
    } else if (f->kind == FLIGHT_PROBE)
        probing_take(c, f, answer, text);
    else if (f->kind == FLIGHT_QUERY)
        querying_take(c, f, answer, text);
    else if (answer != NULL)
        sampling_take(c, f, answer);
    else
        sampling_missed(c, f, text);
}

void collect_failure(struct controller *c, struct flight *f, enum fault fault, const char *text)
{
    if (f->kind == FLIGHT_ROUTE) {
        routes_missed(c, f, fault, text);
        return;
    }
    if (!flight_is_work(f)) {
        take_measure(c, f, NULL, text);
        return;
    }
    f->result = (struct driver_result){.fault = fault};
    snprintf(f->result.text, sizeof f->result.text, "%.*s", (int)sizeof f->result.text - 1, text);
    finish_http(c, f);
}

/* The node counts golden requests among the others, if they reach what it counts: for certain those
 * that were answered well or failed inside, never those that were not sent. Of one without an
 * answer, or refused, nobody knows. answer NULL: none was reported. */
static void count_own(const struct flight *f, struct spot *spot, const struct http_answer *answer)
{
    if (f->rq.action != DRIVER_GOLDEN || spot == NULL)
        return;
    if (answer != NULL && answer->outcome == HTTP_NOT_SENT)
        return;
    int kind = answer != NULL && answer->outcome == HTTP_ANSWERED ? answer->status / 100 : 0;
    bool is_counted = kind == 2 || kind == 5;
    spot->n_own += is_counted;
    spot->n_own_bad += kind == 5;
    spot->n_unsure += !is_counted;
}

/* One HTTP answer: perhaps the action has another call. */
static void take_answer(struct controller *c, struct flight *f, const struct http_answer *answer)
{
    struct place_of at;
    struct err e;
    if (!flight_is_work(f)) {
        take_measure(c, f, answer, "");
        return;
    }
    find_place(c, f, &at);
    if (at.node == NULL || at.node->driver == NULL) {
        collect_failure(c, f, FAULT_UNKNOWN, "the node was removed");
        return;
    }
    const struct driver *d = at.node->driver;
    bool goes_on = d->read(&f->rq, f->call, answer, &f->result);
    count_own(f, at.spot, answer);
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
    if (f->kind == FLIGHT_FILES) {
        files_take(c, f, error);
        return;
    }
    if (f->kind == FLIGHT_PROBE) {
        probing_adopted(c, f, error);
        return;
    }
    find_place(c, f, &at);
    if (error->code == ERR_OK && f->action == OP_SWITCH && at.spot != NULL)
        files_switched(c, at.env, at.target, (int)(at.node - at.env->nodes));
    close_op(c, f, &at, outcome_of_error(error->code), error->code == ERR_OK ? "" : error->message);
    wake_place(c, &at);
    flight_end(c, f);
}

static uint32_t hash_key(const char *key)
{
    uint32_t hash = 2166136261U;
    for (const char *k = key; *k != '\0'; k++)
        hash = (hash ^ (uint8_t)*k) * 16777619U;
    return hash < 2 ? 2 : hash;
}

static struct flight *find_flight(struct controller *c, const char *key)
{
    uint32_t hash = hash_key(key);
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        if (c->flight_hash[i] == 1)
            c->flight_hash[i] = hash_key(c->flights[i].key);
        if (c->flight_hash[i] == hash && strcmp(c->flights[i].key, key) == 0)
            return &c->flights[i];
    }
    return NULL;
}

void collect(struct controller *c, struct completion *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct flight *f = find_flight(c, list[i].key);
        /* A late answer to something that was given up says nothing. */
        if (f != NULL && f->kind == FLIGHT_ROUTE)
            routes_answer(c, f, &list[i]);
        else if (f != NULL && list[i].kind == JOB_HTTP)
            take_answer(c, f, &list[i].answer);
        else if (f != NULL)
            take_file(c, f, &list[i].error);
        http_answer_clear(&list[i].answer);
    }
}

void collect_wait_longer(struct controller *c, int64_t ms)
{
    for (int i = 0; i < MAX_FLIGHTS; i++)
        c->flights[i].deadline_ms += c->flights[i].key[0] != '\0' ? ms : 0;
}

void collect_overdue(struct controller *c)
{
    for (int i = 0; i < MAX_FLIGHTS; i++) {
        struct flight *f = &c->flights[i];
        if (c->flight_hash[i] == 0 || f->key[0] == '\0' || c->now_ms < f->deadline_ms + GRACE_MS)
            continue;
        struct place_of at;
        find_place(c, f, &at);
        count_own(f, at.spot, NULL);
        collect_failure(c, f, FAULT_UNKNOWN, "no outcome was reported");
    }
}
