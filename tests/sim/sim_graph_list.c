/*
 * Which events may come in a state of the small world, and what a kind world does.
 */
#include "sim_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOTICED_AFTER_MS 8000

static const char *const kind_names[GRAPH_KIND_COUNT] = {"time passes",
                                                         "operation done",
                                                         "operation fails: transient",
                                                         "operation fails: permanent",
                                                         "operation fails: version",
                                                         "operation fails: missing",
                                                         "operation done, answer lost",
                                                         "operation not done, answer lost",
                                                         "node dies",
                                                         "is noticed",
                                                         "node returns",
                                                         "node returns without its files",
                                                         "verdict",
                                                         "freeze",
                                                         "thaw",
                                                         "command",
                                                         "the controller starts again"};

void graph_describe(struct graph_event e, char text[80])
{
    if (e.kind == GRAPH_COMMAND)
        snprintf(text, 80, "command %s", command_verb_name((enum command_verb)e.arg));
    else if (e.kind == GRAPH_VERDICT)
        snprintf(text, 80, "verdict %s", verdict_name((enum verdict)e.arg));
    else if (e.kind >= GRAPH_OP_DONE && e.kind <= GRAPH_RETURNS_EMPTY)
        snprintf(text, 80, "n%d: %s", e.node + 1, kind_names[e.kind]);
    else
        snprintf(text, 80, "%s", kind_names[e.kind]);
}

struct list {
    struct graph_event *items;
    int n;
};

static void add(struct list *l, enum graph_kind kind, int node, int arg)
{
    if (l->n >= GRAPH_MAX_EVENTS)
        abort();
    l->items[l->n++] =
        (struct graph_event){.kind = (uint8_t)kind, .node = (uint8_t)node, .arg = (uint8_t)arg};
}

static void add_op(struct list *l, const struct graph_node *n, int i, bool may_fail)
{
    bool is_file =
        n->op.action == OP_STAGE || n->op.action == OP_SWITCH || n->op.action == OP_REMOVE;
    add(l, GRAPH_OP_DONE, i, 0);
    if (!may_fail || (!n->is_up && !is_file))
        return;
    add(l, GRAPH_OP_TRANSIENT, i, 0);
    add(l, GRAPH_OP_PERMANENT, i, 0);
    add(l, GRAPH_OP_LOST_DONE, i, 0);
    add(l, GRAPH_OP_LOST, i, 0);
    if (n->op.action == OP_LOAD || n->op.action == OP_GOLDEN)
        add(l, GRAPH_OP_VERSION, i, 0);
    if (n->op.action == OP_LOAD || n->op.action == OP_SWITCH)
        add(l, GRAPH_OP_MISSING, i, 0);
}

static void add_node(struct list *l, const struct graph_node *n, int i, bool may_fail)
{
    if (n->op.state == OP_OPEN)
        add_op(l, n, i, may_fail);
    if (n->is_up && n->is_reachable && may_fail)
        add(l, GRAPH_DIES, i, 0);
    if (n->is_up != n->is_reachable)
        add(l, GRAPH_NOTICED, i, 0);
    if (!n->is_up) {
        add(l, GRAPH_RETURNS, i, 0);
        if (may_fail)
            add(l, GRAPH_RETURNS_EMPTY, i, 0);
    }
}

static bool is_judging(const struct graph_state *s)
{
    bool goes_on = s->status.phase == ROLLOUT_RUNNING || s->status.phase == ROLLOUT_PAUSED;
    if (s->status.step == 0 || !goes_on)
        return false;
    enum step_phase phase = s->steps[s->status.step - 1].phase;
    return phase == STEP_BAKE || phase == STEP_GATE || phase == STEP_SETTLE;
}

static void add_verdicts(struct list *l, const struct graph_state *s, bool may_fail)
{
    static const enum verdict bad[] = {VERDICT_FAIL, VERDICT_INSUFFICIENT, VERDICT_NO_DATA,
                                       VERDICT_ERROR};
    if (s->verdict != VERDICT_PASS)
        add(l, GRAPH_VERDICT, 0, VERDICT_PASS);
    for (size_t i = 0; may_fail && i < ARRAY_LEN(bad); i++) {
        if (s->verdict != bad[i])
            add(l, GRAPH_VERDICT, 0, (int)bad[i]);
    }
}

static bool is_overdue(const struct graph *g, const struct graph_state *s)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &s->world[i];
        if (!n->is_up && n->is_reachable && s->now_ms > n->seen.observed_ms + NOTICED_AFTER_MS)
            return true;
    }
    return false;
}

int graph_events(const struct graph *g, const struct graph_state *s, struct graph_event *out)
{
    struct list l = {.items = out};
    bool may_fail = s->n_faults < g->n_faults;
    bool is_open = false;
    if (graph_has_ended(s)) {
        add(&l, GRAPH_TIME, 0, 0); /* which changes nothing */
        return l.n;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        add_node(&l, &s->world[i], i, may_fail);
        is_open = is_open || s->world[i].op.state == OP_OPEN;
    }
    /* Operations are quick, unless one hangs, which is as if its answer were lost. Who is gone is
     * known to be gone after a while. */
    if (!is_open && !is_overdue(g, s))
        add(&l, GRAPH_TIME, 0, 0);
    if (is_judging(s))
        add_verdicts(&l, s, may_fail);
    if (s->is_frozen)
        add(&l, GRAPH_THAW, 0, 0);
    else if (may_fail)
        add(&l, GRAPH_FREEZE, 0, 0);
    for (int verb = 0; s->n_commands < g->n_commands && verb < COMMAND_VERB_COUNT; verb++) {
        if (g->verbs == 0 || (g->verbs & 1U << (unsigned)verb) != 0)
            add(&l, GRAPH_COMMAND, 0, verb);
    }
    if (may_fail && is_open)
        add(&l, GRAPH_RESTART, 0, 0);
    return l.n;
}

static struct graph_event one(enum graph_kind kind, int node, int arg)
{
    return (struct graph_event){.kind = (uint8_t)kind, .node = (uint8_t)node, .arg = (uint8_t)arg};
}

struct graph_event graph_kind_event(const struct graph *g, const struct graph_state *s, int turn)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const struct graph_node *n = &s->world[i];
        if (!n->is_up)
            return one(GRAPH_RETURNS, i, 0);
        if (!n->is_reachable)
            return one(GRAPH_NOTICED, i, 0);
        if (n->op.state == OP_OPEN)
            return one(GRAPH_OP_DONE, i, 0);
    }
    if (s->is_frozen)
        return one(GRAPH_THAW, 0, 0);
    if (is_judging(s) && s->verdict != VERDICT_PASS)
        return one(GRAPH_VERDICT, 0, VERDICT_PASS);
    if (s->status.phase == ROLLOUT_PAUSED && turn % 10 == 9)
        return one(GRAPH_COMMAND, 0, turn > 60 ? COMMAND_ABORT : COMMAND_RESUME);
    if (s->status.phase == ROLLOUT_QUEUED && turn % 10 == 9)
        return one(GRAPH_COMMAND, 0, COMMAND_APPROVE);
    return one(GRAPH_TIME, 0, 0);
}
