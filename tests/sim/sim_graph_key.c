/*
 * Levelled states as keys, and back. One function walks over the members for both directions, so
 * that nothing is written that is not read. Knows nothing of what the members mean.
 */
#include "sim_graph.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_MS (GRAPH_NOW_MS - 60000)

struct coder {
    uint8_t *at;
    const uint8_t *end;
    bool writes;
};

static void code_byte(struct coder *c, uint8_t *byte)
{
    if (c->at == c->end)
        abort();
    if (c->writes)
        *c->at = *byte;
    else
        *byte = *c->at;
    c->at++;
}

/* Seven bits a byte, the sign in the lowest. */
static void code_number(struct coder *c, int64_t *x)
{
    uint64_t left = c->writes ? (uint64_t)*x << 1 ^ (uint64_t)(*x < 0 ? -1 : 0) : 0;
    uint64_t value = 0;
    uint8_t byte = 0x80;
    for (unsigned shift = 0; (byte & 0x80) != 0; shift += 7) {
        byte = (uint8_t)((left & 0x7F) | (left > 0x7F ? 0x80 : 0));
        code_byte(c, &byte);
        value |= (uint64_t)(byte & 0x7F) << shift;
        left >>= 7;
    }
    if (!c->writes)
        *x = (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void code_int(struct coder *c, int *x)
{
    int64_t wide = *x;
    code_number(c, &wide);
    *x = (int)wide;
}

static void code_flag(struct coder *c, bool *x)
{
    uint8_t byte = *x;
    code_byte(c, &byte);
    *x = byte != 0;
}

/* Of any enum: x is its address. */
#define CODE_ENUM(c, x)                  \
    do {                                 \
        uint8_t byte_ = (uint8_t) * (x); \
        code_byte(c, &byte_);            \
        memset(x, 0, sizeof *(x));       \
        *(x) = byte_;                    \
    } while (0)

static void code_time(struct coder *c, int64_t *ms)
{
    static const int64_t special[] = {0, GRAPH_ANCIENT_MS, GRAPH_LONG_AGO_MS, MOVE_NO_DEADLINE,
                                      INT64_MAX};
    int n = (int)ARRAY_LEN(special);
    int64_t x = *ms - FIRST_MS + n;
    for (int i = 0; i < n; i++)
        x = *ms == special[i] ? i : x;
    code_number(c, &x);
    *ms = x < n ? special[x] : x - n + FIRST_MS;
}

static void code_move(struct coder *c, struct move *m)
{
    CODE_ENUM(c, &m->phase);
    code_int(c, &m->attempt);
    code_time(c, &m->loaded_ms);
    if (m->phase == MOVE_NONE)
        return;
    int64_t *const numbers[] = {&m->number, &m->clean, &m->keep};
    bool *const flags[] = {&m->is_drop,   &m->is_drained,   &m->is_leaving, &m->was_switched,
                           &m->is_issued, &m->wants_golden, &m->reloads};
    int *const counts[] = {&m->n_failures, &m->n_rounds, &m->golden};
    int64_t *const times[] = {&m->since_ms, &m->not_before_ms, &m->deadline_ms};
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        code_number(c, numbers[i]);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        code_flag(c, flags[i]);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        code_int(c, counts[i]);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        code_time(c, times[i]);
}

static void code_node(struct coder *c, struct rollout_node *n)
{
    int *const counts[] = {&n->step, &n->rank, &n->order, &n->n_lost, &n->n_restarts};
    bool *const flags[] = {&n->is_touched, &n->is_done,     &n->has_failed,   &n->is_returning,
                           &n->is_back,    &n->is_left_out, &n->is_fault_ours};
    int64_t *const times[] = {&n->ready_since_ms, &n->odd_since_ms, &n->evidence.since_ms};
    code_number(c, &n->node_id);
    code_number(c, &n->base);
    CODE_ENUM(c, &n->state);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        code_int(c, counts[i]);
    for (size_t i = 0; i < ARRAY_LEN(flags); i++)
        code_flag(c, flags[i]);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        code_time(c, times[i]);
    code_move(c, &n->move);
}

static void code_step(struct coder *c, struct rollout_step *step)
{
    int *const counts[] = {&step->n_nodes, &step->reach, &step->weight_bp, &step->n_approvals};
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        code_int(c, counts[i]);
    code_number(c, &step->bake_ms);
    code_number(c, &step->max_bake_ms);
    code_flag(c, &step->is_mirrored);
    code_flag(c, &step->is_promoted);
    CODE_ENUM(c, &step->phase);
}

static void code_status(struct coder *c, struct rollout_status *t)
{
    int *const counts[] = {&t->step,    &t->n_chosen, &t->n_rollback_failures, &t->weight_bp,
                           &t->n_steps, &t->n_nodes,  &t->n_approvals,         &t->n_pauses};
    int64_t *const times[] = {&t->step_deadline_ms, &t->bake_since_ms, &t->bake_until_ms,
                              &t->exposed_ms,       &t->queued_ms,     &t->paused_since_ms};
    CODE_ENUM(c, &t->phase);
    for (size_t i = 0; i < ARRAY_LEN(counts); i++)
        code_int(c, counts[i]);
    for (size_t i = 0; i < ARRAY_LEN(times); i++)
        code_time(c, times[i]);
    code_number(c, &t->waived);
    CODE_ENUM(c, &t->control);
    code_number(c, &t->control_id);
    code_time(c, &t->control_ms);
    code_time(c, &t->control_until_ms);
    code_flag(c, &t->promotes_full);
    code_flag(c, &t->is_halting);
    code_flag(c, &t->is_replaced);
    for (int i = 0; i < t->n_pauses; i++)
        CODE_ENUM(c, &t->pauses[i].reason);
}

static void code_world(struct coder *c, struct graph_node *n)
{
    code_flag(c, &n->is_up);
    code_flag(c, &n->is_reachable);
    code_byte(c, &n->visible);
    code_byte(c, &n->hidden);
    code_byte(c, &n->ready);
    code_time(c, &n->reachable_since_ms);
    code_time(c, &n->seen.observed_ms);
    code_time(c, &n->seen.looked_ms);
    code_int(c, &n->seen.n_ready);
    for (int i = 0; i < n->seen.n_ready; i++)
        code_number(c, &n->seen.ready[i]);
    CODE_ENUM(c, &n->op.state);
    CODE_ENUM(c, &n->op.why);
    CODE_ENUM(c, &n->op.action);
    code_int(c, &n->op.attempt);
    code_time(c, &n->op.ended_ms);
    code_number(c, &n->op_number);
    code_number(c, &n->op_keep);
}

static void code_state(struct coder *c, struct graph_state *s)
{
    code_time(c, &s->now_ms);
    code_time(c, &s->wake_ms);
    CODE_ENUM(c, &s->verdict);
    code_flag(c, &s->is_frozen);
    code_flag(c, &s->was_aborted);
    code_int(c, &s->n_faults);
    code_int(c, &s->n_commands);
    code_status(c, &s->status);
    for (int i = 0; i < s->status.n_approvals; i++)
        code_int(c, &s->approvals[i].step);
    for (int i = 0; i < s->status.n_steps; i++)
        code_step(c, &s->steps[i]);
    for (int i = 0; i < s->status.n_nodes; i++)
        code_node(c, &s->nodes[i]);
    for (int i = 0; i < GRAPH_MAX_NODES; i++)
        code_world(c, &s->world[i]);
}

void graph_encode(struct graph_state *s, struct graph_key *out)
{
    struct coder c = {.at = out->bytes, .end = out->bytes + sizeof out->bytes, .writes = true};
    code_state(&c, s);
    out->n = (size_t)(c.at - out->bytes);
}

void graph_decode(const uint8_t *bytes, size_t n, struct graph_state *s)
{
    uint8_t copy[GRAPH_KEY_BYTES];
    struct coder c = {.at = copy, .end = copy + n};
    memcpy(copy, bytes, n);
    memset(s, 0, sizeof *s);
    code_state(&c, s);
    graph_adopt(s);
}

static uint64_t mix(uint64_t h, uint64_t x)
{
    h ^= x + UINT64_C(0x9E3779B97F4A7C15) + (h << 6) + (h >> 2);
    h *= UINT64_C(0xFF51AFD7ED558CCD);
    return h ^ (h >> 32);
}

uint64_t graph_hash(const struct graph_key *key)
{
    uint64_t h = key->n;
    for (size_t i = 0; i < key->n; i += 8) {
        uint64_t x = 0;
        memcpy(&x, key->bytes + i, key->n - i < 8 ? key->n - i : 8);
        h = mix(h, x);
    }
    return h;
}
