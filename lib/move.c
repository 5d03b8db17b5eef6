/*
 * Bringing one node to one version. A move is a small state machine that looks at the outcome of
 * its last operation and at what the node says, never at what a call answered alone: after a load,
 * only an observation that is newer than the load counts. Knows nothing of rollouts, limits,
 * routers or HTTP. Pure; any thread.
 */
#include "move_inner.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY_MS 1000
#define RELOAD_AFTER_MS 20000
#define MAX_CLEAN_FAILURES 3
#define MAX_DOUBTS 3 /* then a look has to do */

void move_enter(struct move *m, enum move_phase phase, int64_t now_ms)
{
    m->phase = phase;
    m->is_issued = false;
    m->since_ms = now_ms;
}

void move_begin(struct move *m, int64_t number, bool wants_golden, int64_t now_ms)
{
    int64_t deadline_ms = move_disturbs(m) ? MOVE_NO_DEADLINE : 0;
    *m = (struct move){.number = number,
                       .wants_golden = wants_golden,
                       .attempt = m->attempt,
                       .deadline_ms = deadline_ms};
    /* Nothing to fetch for "no version at all". */
    move_enter(m, number == 0 ? MOVE_SWITCH : MOVE_STAGE, now_ms);
}

void move_limit(struct move *m, int64_t now_ms, int64_t node_deadline_ms)
{
    m->deadline_ms = node_deadline_ms > 0 ? now_ms + node_deadline_ms : MOVE_NO_DEADLINE;
}

void move_begin_clean(struct move *m, int64_t number, int64_t now_ms)
{
    *m = (struct move){.clean = number, .attempt = m->attempt};
    move_enter(m, MOVE_CLEAN, now_ms);
}

void move_begin_drop(struct move *m, int64_t number, int64_t now_ms)
{
    *m = (struct move){.number = number, .is_drop = true, .attempt = m->attempt};
    move_enter(m, MOVE_SWITCH, now_ms);
}

void move_end(struct move *m)
{
    m->phase = MOVE_NONE;
    m->is_issued = m->is_drop = false;
    m->deadline_ms = 0;
    m->not_before_ms = 0;
}

bool move_disturbs(const struct move *m)
{
    return m->phase != MOVE_NONE && m->deadline_ms != 0;
}

bool move_wants_out(const struct move *m)
{
    return move_disturbs(m) && m->phase != MOVE_ROUTE && m->phase != MOVE_CLEAN;
}

int64_t move_backoff_ms(int n_failures, int64_t salt)
{
    int64_t ms = 1000;
    for (int i = 1; i < n_failures && ms < 60000; i++)
        ms *= 2;
    ms = ms > 60000 ? 60000 : ms;
    /* Up to a quarter more, so that many nodes do not come back in step. */
    uint64_t hash = ((uint64_t)salt * 2654435761U) ^ ((uint64_t)n_failures * 40503U);
    return ms + (int64_t)(hash % (uint64_t)(ms / 4));
}

static void fail(struct move *m, struct move_out *out, const char *what)
{
    char text[MOVE_TEXT_BYTES];
    snprintf(text, sizeof text, "%s", what);
    memcpy(m->text, text, sizeof text);
    out->outcome = MOVE_FAILED;
}

static void note(struct move *m, const struct op_view *op)
{
    const char *why = op->text != NULL && op->text[0] != '\0' ? op->text : op_class_name(op->why);
    snprintf(m->text, sizeof m->text, "%s: %.160s", op_action_name(op->action), why);
}

static void retry_later(struct move *m, const struct move_in *in)
{
    m->n_failures++;
    m->is_issued = false;
    m->not_before_ms = in->now_ms + move_backoff_ms(m->n_failures, m->attempt);
}

static void succeed_phase(struct move *m, const struct move_in *in, struct move_out *out)
{
    m->was_switched = m->was_switched || m->phase == MOVE_SWITCH;
    m->n_failures = 0;
    switch (m->phase) {
    case MOVE_STAGE:
        move_enter(m, MOVE_SWITCH, in->now_ms);
        break;
    case MOVE_SWITCH:
        move_enter(m, MOVE_LOAD, in->now_ms);
        break;
    case MOVE_LOAD:
        m->loaded_ms = in->op->ended_ms;
        move_enter(m, m->reloads ? MOVE_LOAD : MOVE_OBSERVE, in->now_ms);
        m->reloads = false;
        break;
    case MOVE_GOLDEN:
        m->golden++;
        move_enter(m, MOVE_GOLDEN, in->now_ms);
        break;
    default:
        out->outcome = MOVE_DONE;
        break;
    }
}

/* The server said, or seems to say, that what the operation needs is not there. */
static void fail_missing(struct move *m, const struct move_in *in)
{
    if (m->phase == MOVE_LOAD && (m->number == 0 || m->reloads)) {
        /* Nothing of it was loaded: that was wanted. */
        m->loaded_ms = in->op->ended_ms;
        move_enter(m, m->reloads ? MOVE_LOAD : MOVE_OBSERVE, in->now_ms);
        m->reloads = false;
        return;
    }
    retry_later(m, in);
    if (m->phase == MOVE_GOLDEN)
        move_enter(m, MOVE_OBSERVE, in->now_ms);
    else if (m->phase != MOVE_STAGE && m->number != 0)
        move_enter(m, MOVE_STAGE, in->now_ms);
}

static void fail_phase(struct move *m, const struct move_in *in, struct move_out *out)
{
    note(m, in->op);
    if (m->phase == MOVE_CLEAN || m->is_drop) {
        retry_later(m, in);
        if (m->n_failures >= MAX_CLEAN_FAILURES)
            out->outcome = MOVE_DONE;
        return;
    }
    switch (in->op->why) {
    case OP_CLASS_PERMANENT:
    case OP_CLASS_VERSION:
        out->outcome = MOVE_FAILED;
        break;
    case OP_CLASS_MISSING:
        fail_missing(m, in);
        break;
    default:
        retry_later(m, in);
        break;
    }
}

/* Nobody knows whether the operation was carried out: look first where looking tells, repeat where
 * repeating is harmless. What was ready before says nothing about a load, which may also have had
 * to take others away. */
static void doubt_phase(struct move *m, const struct move_in *in)
{
    note(m, in->op);
    m->was_switched = m->was_switched || m->phase == MOVE_SWITCH;
    bool tells = !observation_has(in->seen, m->number) || m->n_failures >= MAX_DOUBTS;
    if (m->phase == MOVE_LOAD && !m->reloads && tells) {
        m->loaded_ms = in->op->ended_ms;
        move_enter(m, MOVE_OBSERVE, in->now_ms);
        return;
    }
    retry_later(m, in);
}

/* Takes in the operation that was issued for this phase; false while it is open. */
static bool take_outcome(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (!m->is_issued)
        return true;
    bool is_ours = in->op->attempt == m->attempt;
    if (is_ours && in->op->state == OP_OPEN)
        return false;
    if (is_ours && in->op->state == OP_DONE)
        succeed_phase(m, in, out);
    else if (is_ours && in->op->state == OP_FAILED)
        fail_phase(m, in, out);
    else
        doubt_phase(m, in);
    return true;
}

static void issue(struct move *m, const struct move_in *in, struct move_out *out,
                  enum op_action action)
{
    if (in->now_ms < m->not_before_ms) {
        out->wake_ms = m->not_before_ms;
        return;
    }
    if (!in->is_idle)
        return;
    out->has_action = true;
    out->action = action;
    out->golden = m->golden;
    m->attempt++;
    m->is_issued = true;
}

static void look(const struct move *m, const struct move_in *in, struct move_out *out)
{
    int64_t last = in->seen->looked_ms > m->since_ms ? in->seen->looked_ms : 0;
    if (last != 0 && in->now_ms < last + LOOK_EVERY_MS) {
        out->wake_ms = last + LOOK_EVERY_MS;
        return;
    }
    if (!in->is_idle) {
        out->wake_ms = in->now_ms + LOOK_EVERY_MS;
        return;
    }
    out->has_action = true;
    out->action = OP_OBSERVE;
}

/* How long a load may take to show: short enough that a load which never reached the node (its
 * sender was killed) is repeated well before the node's deadline. */
static int64_t load_patience_ms(const struct move_in *in)
{
    int64_t share = in->node_deadline_ms / 4;
    return share > 0 && share < RELOAD_AFTER_MS ? share : RELOAD_AFTER_MS;
}

/* It serves: back into traffic. The node's deadline was met, a slow router is not its fault. */
static void serve(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (!in->has_route || m->is_drop || m->number == 0) {
        out->outcome = MOVE_DONE;
        return;
    }
    move_enter(m, MOVE_ROUTE, in->now_ms);
    m->deadline_ms = MOVE_NO_DEADLINE;
}

static void observe(struct move *m, const struct move_in *in, struct move_out *out)
{
    const struct observation *o = in->seen;
    bool is_news = o->observed_ms > m->loaded_ms;
    if (is_news && observation_fits_with(o, m->number, m->keep)) {
        m->n_failures = 0;
        if (m->wants_golden && m->number != 0)
            move_enter(m, MOVE_GOLDEN, in->now_ms);
        else
            serve(m, in, out);
        return;
    }
    if (is_news)
        snprintf(m->text, sizeof m->text, "answers, but version %lld is not %s",
                 (long long)m->number,
                 observation_has(o, m->number) ? "the only one that is ready" : "ready");
    if (is_news && in->now_ms >= m->loaded_ms + load_patience_ms(in)) {
        /* A load that answered well may still not have worked: again, from the files on. What is
         * only taken away is left to those who look after nodes that serve too much. */
        m->n_failures++;
        if (m->is_drop) {
            out->outcome = MOVE_DONE;
            return;
        }
        move_enter(m, m->number == 0 ? MOVE_SWITCH : MOVE_STAGE, in->now_ms);
        return;
    }
    look(m, in, out);
}

static void golden(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (in->n_golden < 0) {
        snprintf(m->text, sizeof m->text, "the golden requests cannot be read");
        out->wake_ms = in->now_ms + LOOK_EVERY_MS;
        return;
    }
    if (m->golden >= in->n_golden) {
        serve(m, in, out);
        return;
    }
    issue(m, in, out, OP_GOLDEN);
}

static void switch_files(struct move *m, const struct move_in *in, struct move_out *out)
{
    if (move_needs_unroute(m, in)) {
        move_enter(m, MOVE_UNROUTE, in->now_ms);
        return;
    }
    bool may_issue = in->is_idle && in->now_ms >= m->not_before_ms;
    bool is_first = (m->deadline_ms == 0 && !m->is_drop) || m->is_leaving;
    if (is_first && !in->may_switch) {
        out->is_blocked = true;
        m->is_leaving = m->is_drained = false;
        m->deadline_ms = 0;
        return;
    }
    if (is_first && may_issue) {
        move_limit(m, in->now_ms, in->node_deadline_ms);
        m->is_leaving = false;
    }
    issue(m, in, out, OP_SWITCH);
}

static void load(struct move *m, const struct move_in *in, struct move_out *out)
{
    /* Somebody routed the node again: the router was restarted, for one. */
    if (move_needs_unroute(m, in))
        move_enter(m, MOVE_UNROUTE, in->now_ms);
    else
        issue(m, in, out, m->number == 0 || m->reloads ? OP_UNLOAD : OP_LOAD);
}

/* One phase; true when the move entered another phase, which has to be looked at too. */
static bool step_once(struct move *m, const struct move_in *in, struct move_out *out)
{
    enum move_phase before = m->phase;
    int64_t n_golden = m->golden;
    switch (m->phase) {
    case MOVE_NONE:
        out->outcome = MOVE_DONE;
        break;
    case MOVE_STAGE:
        issue(m, in, out, OP_STAGE);
        break;
    case MOVE_SWITCH:
        switch_files(m, in, out);
        break;
    case MOVE_LOAD:
        load(m, in, out);
        break;
    case MOVE_OBSERVE:
        observe(m, in, out);
        break;
    case MOVE_GOLDEN:
        golden(m, in, out);
        break;
    case MOVE_CLEAN:
        issue(m, in, out, OP_REMOVE);
        break;
    case MOVE_UNROUTE:
        move_unroute(m, in, out);
        break;
    case MOVE_DRAIN:
        move_drain(m, in, out);
        break;
    case MOVE_ROUTE:
        move_route(m, in, out);
        break;
    case MOVE_PHASE_COUNT:
        break;
    }
    return out->outcome == MOVE_GOES_ON && (m->phase != before || m->golden != n_golden);
}

static void finish(struct move *m, const struct move_in *in, struct move_out *out)
{
    bool has_rest = m->clean != 0 && m->phase != MOVE_CLEAN;
    if (out->outcome == MOVE_DONE && has_rest) {
        move_enter(m, MOVE_CLEAN, in->now_ms);
        m->n_failures = 0;
        m->deadline_ms = 0;
        out->outcome = MOVE_GOES_ON;
        (void)step_once(m, in, out);
    }
}

void move_step(struct move *m, const struct move_in *in, struct move_out *out)
{
    *out = (struct move_out){.wake_ms = INT64_MAX};
    if (!take_outcome(m, in, out))
        return;
    bool goes_on = out->outcome == MOVE_GOES_ON;
    for (int i = 0; goes_on && i < MOVE_PHASE_COUNT; i++)
        goes_on = step_once(m, in, out);
    bool is_late = m->deadline_ms != 0 && in->now_ms >= m->deadline_ms;
    if (is_late && out->outcome == MOVE_GOES_ON && m->phase != MOVE_CLEAN) {
        char text[MOVE_TEXT_BYTES];
        snprintf(text, sizeof text, "not serving within the node's deadline%s%.150s",
                 m->text[0] != '\0' ? "; " : "", m->text);
        if (out->has_action && !op_is_read(out->action))
            m->is_issued = false;
        out->has_action = false;
        fail(m, out, text);
        return;
    }
    if (m->deadline_ms != 0 && m->deadline_ms < out->wake_ms)
        out->wake_ms = m->deadline_ms;
    finish(m, in, out);
}
