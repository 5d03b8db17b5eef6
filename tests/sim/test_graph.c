/*
 * Everything that can happen to a small rollout, in every order: a breadth-first search over the
 * states of sim_graph.h with the invariants checked on each edge; and from every state a kind world
 * leads to an end. A path that breaks something is printed as a list of events.
 *
 * MREG_GRAPH_STATES: states per search (20000); MREG_GRAPH_ONLY: name of one search.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "driver.h"
#include "sim_graph.h"

#define MAX_TURNS 400

/* A set of hashes. */
struct hashes {
    uint64_t *slots;
    size_t n, cap;
};

static bool hashes_add(struct hashes *set, uint64_t h)
{
    if (set->n * 2 >= set->cap) {
        struct hashes more = {.cap = set->cap * 2 + 1024};
        more.slots = mem_alloc(more.cap * sizeof more.slots[0]);
        for (size_t i = 0; i < set->cap; i++) {
            if (set->slots[i] != 0)
                (void)hashes_add(&more, set->slots[i]);
        }
        free(set->slots);
        *set = more;
    }
    h = h == 0 ? 1 : h;
    size_t i = h % set->cap;
    while (set->slots[i] != 0 && set->slots[i] != h)
        i = (i + 1) % set->cap;
    bool is_new = set->slots[i] == 0;
    set->slots[i] = h;
    set->n += is_new;
    return is_new;
}

static bool hashes_have(const struct hashes *set, uint64_t h)
{
    h = h == 0 ? 1 : h;
    size_t i = set->cap > 0 ? h % set->cap : 0;
    while (set->cap > 0 && set->slots[i] != 0 && set->slots[i] != h)
        i = (i + 1) % set->cap;
    return set->cap > 0 && set->slots[i] == h;
}

/* A state that was found, and how. */
struct found {
    void *packed; /* NULL once it was expanded */
    uint32_t size, from;
    struct graph_event event;
};

struct search {
    const struct graph *g;
    struct found *list;
    size_t n, cap, n_edges;
    struct hashes seen, ends; /* `ends`: from there a kind world leads to an end */
    size_t n_ended[ROLLOUT_PHASE_COUNT];
};

static void print_event(struct graph_event e, const struct graph_state *s)
{
    char text[80];
    graph_describe(e, text);
    const struct rollout_status *t = &s->status;
    printf("  %7.3f s  %-45s %s step %d %s%s%s\n",
           (double)(s->now_ms - INT64_C(1700000000000)) / 1e3, text, rollout_phase_name(t->phase),
           t->step, t->step > 0 ? step_phase_name(s->steps[t->step - 1].phase) : "",
           t->waiting[0] != '\0' ? ": " : "", t->waiting);
    for (int i = 0; i < t->n_nodes; i++) {
        const struct rollout_node *n = &s->nodes[i];
        const struct graph_node *w = &s->world[n->node_id - 1];
        printf("             n%" PRId64 " %s, %s %s %d; up %d reachable %d disk %x/%x ready %x; %s "
               "%s %s\n",
               n->node_id, node_state_name(n->state), move_phase_name(n->move.phase),
               n->is_returning ? "back" : "", n->move.attempt, w->is_up, w->is_reachable,
               w->visible, w->hidden, w->ready, op_action_name(w->op.action),
               op_state_name(w->op.state), op_class_name(w->op.why));
    }
}

/* Plays the path to list[at] again, and then one event more. */
static void print_path(const struct search *f, size_t at, const struct graph_event *last)
{
    struct graph_event path[2000];
    int n = 0;
    for (size_t i = at; i != 0 && n < 2000; i = f->list[i].from)
        path[n++] = f->list[i].event;
    struct graph_state *s = mem_alloc(sizeof *s);
    graph_begin(f->g, s);
    graph_apply(f->g, s, (struct graph_event){.kind = GRAPH_TIME});
    for (int i = n - 1; i >= 0; i--) {
        graph_apply(f->g, s, path[i]);
        print_event(path[i], s);
    }
    if (last != NULL) {
        graph_apply(f->g, s, *last);
        print_event(*last, s);
    }
    printf("  %s\n", s->broken);
    free(s);
}

static void put(struct search *f, const struct graph_state *s, size_t from, struct graph_event e)
{
    if (f->n == f->cap) {
        f->cap = f->cap * 2 + 1024;
        f->list = mem_resize(f->list, f->cap, sizeof f->list[0]);
    }
    struct found *one = &f->list[f->n++];
    *one = (struct found){.from = (uint32_t)from, .event = e};
    one->size = (uint32_t)graph_pack(s, &one->packed);
}

/* From here a kind world leads to an end. */
static void check_end(struct search *f, const struct graph_state *from, size_t at)
{
    struct graph_state *s = mem_alloc(sizeof *s);
    uint64_t path[MAX_TURNS];
    int n = 0;
    memcpy(s, from, sizeof *s);
    s->status.nodes = s->nodes;
    s->status.steps = s->steps;
    s->status.gates = s->gates;
    s->status.approvals = s->approvals;
    while (!graph_has_ended(s) && n < MAX_TURNS && s->broken[0] == '\0') {
        path[n] = graph_hash(f->g, s);
        if (hashes_have(&f->ends, path[n]))
            break;
        graph_apply(f->g, s, graph_kind_event(f->g, s, n));
        n++;
    }
    bool is_broken = n == MAX_TURNS || s->broken[0] != '\0';
    if (is_broken) {
        printf("no way to an end (%s, phase %s) after:\n", s->broken,
               rollout_phase_name(s->status.phase));
        print_path(f, at, NULL);
        fail();
    }
    for (int i = 0; i < n; i++)
        (void)hashes_add(&f->ends, path[i]);
    free(s);
}

static void expand(struct search *f, size_t at)
{
    struct graph_event events[GRAPH_MAX_EVENTS];
    struct graph_state *s = mem_alloc(sizeof *s);
    struct graph_state *next = mem_alloc(sizeof *next);
    graph_unpack(f->list[at].packed, f->list[at].size, s);
    int n = graph_events(f->g, s, events);
    for (int i = 0; i < n; i++) {
        graph_unpack(f->list[at].packed, f->list[at].size, next);
        graph_apply(f->g, next, events[i]);
        f->n_edges++;
        if (next->broken[0] != '\0') {
            printf("broken: %s\n", next->broken);
            print_path(f, at, &events[i]);
            fail();
        }
        if (!hashes_add(&f->seen, graph_hash(f->g, next)))
            continue;
        put(f, next, at, events[i]);
        if (graph_has_ended(next))
            f->n_ended[next->status.phase]++;
        else
            check_end(f, next, f->n - 1);
    }
    free(f->list[at].packed);
    f->list[at].packed = NULL;
    free(next);
    free(s);
}

static void search_clear(struct search *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->list[i].packed);
    free(f->list);
    free(f->seen.slots);
    free(f->ends.slots);
}

static size_t setting(const char *name, size_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (size_t)strtoull(text, NULL, 10) : otherwise;
}

static void run(struct graph *g)
{
    struct search f CLEANUP(search_clear) = {.g = g};
    const char *only = getenv("MREG_GRAPH_ONLY");
    if (only != NULL && strcmp(only, g->name) != 0)
        return;
    size_t most = setting("MREG_GRAPH_STATES", 20000);
    struct timespec begun;
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    graph_init(g);
    struct graph_state *s = mem_alloc(sizeof *s);
    graph_begin(g, s);
    graph_apply(g, s, (struct graph_event){.kind = GRAPH_TIME});
    (void)hashes_add(&f.seen, graph_hash(g, s));
    put(&f, s, 0, (struct graph_event){0});
    free(s);
    size_t at = 0;
    for (; at < f.n && f.n < most; at++) {
        if (f.list[at].packed != NULL)
            expand(&f, at);
    }
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%-28s %7zu states, %8zu edges, %s, %.1f s;", g->name, f.n, f.n_edges,
           at == f.n ? "all of them" : "cut off",
           (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        if (f.n_ended[i] > 0)
            printf(" %zu %s", f.n_ended[i], rollout_phase_name((enum rollout_phase)i));
    }
    printf("\n");
    bool is_whole = at == f.n;
    assert_true(!is_whole || f.n_ended[ROLLOUT_SUCCEEDED] > 0);
    assert_true(!is_whole || f.n_ended[ROLLOUT_ROLLED_BACK] > 0 ||
                g->n_faults + g->n_commands == 0);
}

#define CANARY                                                                         \
    "\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"2s\"},"                \
    "{\"percent\":100,\"bake\":\"2s\"}],\"max_unavailable\":1,\"min_healthy\":\"1s\"," \
    "\"bake\":\"2s\",\"node_deadline\":\"12s\",\"step_deadline\":\"20s\",\"lost_after\":\"6s\""
#define GATES "\"gates\":[{\"kind\":\"health\"},{\"kind\":\"error-ratio\"}]"

#define VERB(verb) (1U << COMMAND_##verb)
#define STEERING (VERB(PAUSE) | VERB(RESUME) | VERB(PROMOTE) | VERB(ABORT))

static struct graph graphs[] = {
    {"nothing goes wrong", "{" CANARY "," GATES "}", .n_nodes = 3, .from = 1},
    {"one fault", "{" CANARY "," GATES "}", .n_nodes = 2, .from = 1, .n_faults = 1},
    {"one fault, three nodes", "{" CANARY "," GATES "}", .n_nodes = 3, .from = 1, .n_faults = 1},
    {"two faults", "{" CANARY "," GATES "}", .n_nodes = 2, .from = 1, .n_faults = 2},
    {"a command", "{" CANARY "," GATES "}", .n_nodes = 3, .from = 1, .n_commands = 1},
    {"two commands", "{" CANARY "," GATES "}", .n_nodes = 2, .from = 1, .n_commands = 2},
    {"a fault and a command", "{" CANARY "," GATES "}", .n_nodes = 2, .from = 1, .n_faults = 1,
     .n_commands = 1, .verbs = STEERING},
    {"no automatic rollback", "{" CANARY "," GATES ",\"auto_rollback\":false}", .n_nodes = 2,
     .from = 1, .n_faults = 1, .n_commands = 1, .verbs = VERB(RESUME) | VERB(ABORT)},
    {"first version", "{" CANARY "," GATES "}", .n_nodes = 2, .from = 0, .n_faults = 1,
     .n_commands = 1, .verbs = VERB(ABORT)},
    {"both stay loaded", "{" CANARY "," GATES ",\"residency\":\"both\"}", .n_nodes = 2, .from = 1,
     .n_faults = 1, .n_commands = 1, .verbs = VERB(ABORT), .driver_flags = DRIVER_KEEPS_OTHERS},
    {"all at once, approvals",
     "{\"strategy\":\"all-at-once\",\"bake\":\"2s\",\"approvals\":1," GATES
     ",\"node_deadline\":\"12s\",\"step_deadline\":\"20s\",\"lost_after\":\"6s\"}",
     .n_nodes = 2, .from = 1, .n_faults = 1, .n_commands = 2,
     .verbs = VERB(APPROVE) | VERB(REJECT) | VERB(ABORT)},
};

static void test_graphs(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(graphs); i++)
        run(&graphs[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
