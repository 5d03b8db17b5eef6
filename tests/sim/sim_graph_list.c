/*
 * Which events may come in a state of the small world, what a kind world does, and when two states
 * are the same.
 */
#include "sim_graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (s->status.step == 0)
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

int graph_events(const struct graph *g, const struct graph_state *s, struct graph_event *out)
{
    struct list l = {.items = out};
    bool may_fail = s->n_faults < g->n_faults;
    bool is_open = false;
    for (int i = 0; i < g->n_nodes; i++) {
        add_node(&l, &s->world[i], i, may_fail);
        is_open = is_open || s->world[i].op.state == OP_OPEN;
    }
    /* Operations are quick, unless one hangs, which is as if its answer were lost. */
    if (!is_open)
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

/* --- comparing --- */

#define PAST_MS 40000
#define GRAIN_MS 1000

/* Times count from now, in seconds; what was long ago is all the same. */
static int64_t within(const struct graph_state *s, int64_t ms, int64_t past_ms)
{
    if (ms == 0 || ms == MOVE_NO_DEADLINE)
        return ms == 0 ? 0 : 1;
    int64_t rel = ms - s->now_ms;
    rel = rel < -past_ms ? -past_ms : rel;
    return (rel + past_ms + GRAIN_MS / 2) / GRAIN_MS + 2;
}

static int64_t relative(const struct graph_state *s, int64_t ms)
{
    return within(s, ms, PAST_MS);
}

static void level_node(const struct graph_state *s, struct rollout_node *n)
{
    struct move *m = &n->move;
    n->restarted_ms = n->restarted_ms != 0;
    n->ready_since_ms = within(s, n->ready_since_ms, 2000);
    n->odd_since_ms = n->odd_since_ms != 0;
    n->began_ms = n->moved_ms = 0;
    n->evidence = (struct evidence){.since_ms = n->evidence.since_ms != 0};
    m->attempt = 0;
    m->n_failures = m->n_failures > 4 ? 4 : m->n_failures;
    m->n_rounds = m->n_rounds > 4 ? 4 : m->n_rounds;
    m->since_ms = 0;
    m->loaded_ms = m->phase == MOVE_OBSERVE ? within(s, m->loaded_ms, 12000) : 0;
    m->not_before_ms = m->not_before_ms > s->now_ms ? relative(s, m->not_before_ms) : 0;
    m->deadline_ms = relative(s, m->deadline_ms);
    memset(m->text, 0, sizeof m->text);
    n->name = "";
}

static void level_status(struct graph_state *s, const struct graph_state *from)
{
    struct rollout_status *t = &s->status;
    t->nodes = s->nodes;
    t->steps = s->steps;
    t->gates = s->gates;
    t->approvals = s->approvals;
    t->revision = t->updated_ms = t->command_seq = 0;
    t->step_deadline_ms = relative(from, t->step_deadline_ms);
    t->bake_since_ms = within(from, t->bake_since_ms, 7000);
    t->bake_until_ms = relative(from, t->bake_until_ms);
    t->exposed_ms = within(from, t->exposed_ms, 7000);
    t->queued_ms = t->queued_ms != 0;
    t->paused_since_ms = relative(from, t->paused_since_ms);
    t->anew_ms = within(from, t->anew_ms, 7000);
    t->n_rollback_failures = t->n_rollback_failures > 5 ? 5 : t->n_rollback_failures;
    t->n_version_failures = t->n_infra_failures = 0;
    t->way_back = (struct rollout_way_back){0};
    for (int i = 0; i < t->n_pauses; i++)
        t->pauses[i].since_ms = t->pauses[i].until_ms = 0;
    for (int i = 0; i < t->n_approvals; i++)
        s->approvals[i].at_ms = 0;
    for (int i = 0; i < t->n_steps; i++)
        s->steps[i].started_ms = s->steps[i].ended_ms = 0;
    for (int i = 0; i < t->n_gates; i++) {
        s->gates[i].since_ms = 0;
        s->gates[i].name = NULL;
        memset(s->gates[i].cause, 0, sizeof s->gates[i].cause);
    }
    t->cause[0] = t->outcome[0] = t->waiting[0] = t->unblock[0] = '\0';
    for (int i = 0; i < t->n_nodes; i++)
        level_node(from, &s->nodes[i]);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x + UINT64_C(0x9E3779B97F4A7C15) + (h << 6) + (h >> 2);
    h *= UINT64_C(0xFF51AFD7ED558CCD);
    return h ^ (h >> 32);
}

static uint64_t mix_bytes(uint64_t h, const char *p, size_t n)
{
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x;
        memcpy(&x, p, 8);
        h = mix(h, x);
    }
    for (; n > 0; n--)
        h = mix(h, (uint8_t)*p++);
    return h;
}

static const struct rollout_node *status_node(const struct graph_state *s, int i)
{
    for (int k = 0; k < s->status.n_nodes; k++) {
        if (s->nodes[k].node_id == i + 1)
            return &s->nodes[k];
    }
    return NULL;
}

static uint64_t mix_node(uint64_t h, const struct graph_state *s, int i)
{
    const struct graph_node *n = &s->world[i];
    const struct rollout_node *mine = status_node(s, i);
    const struct move *m = mine != NULL ? &mine->move : NULL;
    bool is_ours = m != NULL && n->op.attempt == m->attempt;
    h = mix(h, (uint64_t)n->is_up | (uint64_t)n->is_reachable << 1 | (uint64_t)n->visible << 8 |
                   (uint64_t)n->hidden << 16 | (uint64_t)n->ready << 24 | (uint64_t)is_ours << 32);
    h = mix(h, n->is_reachable ? 0 : (uint64_t)within(s, n->reachable_since_ms, 13000));
    h = mix(h, (uint64_t)within(s, n->seen.observed_ms, 13000));
    h = mix(h, (uint64_t)within(s, n->seen.looked_ms, 5000));
    for (int k = 0; k < n->seen.n_ready; k++)
        h = mix(h, (uint64_t)n->seen.ready[k]);
    h = mix(h, (uint64_t)n->op.state | (uint64_t)n->op.why << 8 | (uint64_t)n->op.action << 16 |
                   (uint64_t)n->op_number << 24 | (uint64_t)n->op_keep << 32);
    /* The order of what happened within a second. */
    h = mix(h, (uint64_t)(n->seen.observed_ms > n->op.ended_ms) |
                   (uint64_t)(n->seen.observed_ms >= n->reachable_since_ms) << 1 |
                   (uint64_t)(m != NULL && n->seen.observed_ms > m->loaded_ms) << 2 |
                   (uint64_t)(m != NULL && n->seen.looked_ms > m->since_ms) << 3 |
                   (uint64_t)(mine != NULL && n->seen.observed_ms > mine->odd_since_ms) << 4 |
                   (uint64_t)(mine != NULL && n->seen.observed_ms > mine->evidence.since_ms) << 5);
    return h;
}

uint64_t graph_hash(const struct graph *g, const struct graph_state *s)
{
    struct graph_state *level = mem_alloc(sizeof *level);
    struct buf text CLEANUP(buf_clear);
    uint64_t h = 1;
    memcpy(level, s, sizeof *level);
    level_status(level, s);
    buf_init(&text, 1 << 20);
    rollout_status_write(&level->status, &text);
    h = mix_bytes(h, buf_str(&text), text.len);
    for (int i = 0; i < g->n_nodes; i++)
        h = mix_node(h, s, i);
    h = mix(h, (uint64_t)s->verdict | (uint64_t)s->is_frozen << 8 | (uint64_t)s->was_aborted << 9 |
                   (uint64_t)s->n_faults << 16 | (uint64_t)s->n_commands << 24);
    free(level);
    return h;
}

/* --- packing: runs of zeros are left out --- */

#define WORDS (sizeof(struct graph_state) / 8)
_Static_assert(sizeof(struct graph_state) % 8 == 0, "a state is whole words");

size_t graph_pack(const struct graph_state *s, void **out)
{
    static uint64_t words[WORDS];
    static uint64_t packed[2 * WORDS + 2];
    memcpy(words, s, sizeof *s);
    size_t n = 0;
    for (size_t i = 0; i < WORDS;) {
        size_t from = i;
        while (i < WORDS && words[i] == 0)
            i++;
        size_t begin = i;
        while (i < WORDS && words[i] != 0)
            i++;
        packed[n++] = (uint64_t)(begin - from) << 32 | (uint64_t)(i - begin);
        memcpy(&packed[n], &words[begin], (i - begin) * 8);
        n += i - begin;
    }
    *out = mem_alloc(n * 8);
    memcpy(*out, packed, n * 8);
    return n * 8;
}

void graph_unpack(const void *bytes, size_t n, struct graph_state *s)
{
    static uint64_t words[WORDS];
    const uint64_t *packed = bytes;
    size_t at = 0;
    memset(words, 0, sizeof words);
    for (size_t i = 0; i < n / 8;) {
        size_t n_zero = (size_t)(packed[i] >> 32);
        size_t n_copy = (size_t)(packed[i] & 0xFFFFFFFFU);
        at += n_zero;
        memcpy(&words[at], &packed[i + 1], n_copy * 8);
        at += n_copy;
        i += n_copy + 1;
    }
    memcpy(s, words, sizeof *s);
    /* Arrays are where this copy is. */
    s->status.nodes = s->nodes;
    s->status.steps = s->steps;
    s->status.gates = s->gates;
    s->status.approvals = s->approvals;
}
