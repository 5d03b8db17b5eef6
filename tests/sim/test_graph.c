/*
 * Everything that can happen to a small rollout, in every order: a breadth-first search over the
 * states of sim_graph.h with the invariants checked on each edge; and from every state a kind world
 * leads to an end. A path that breaks something is printed as a list of events.
 *
 * Searches are exhaustive: they end when no new state comes up, and one that does not end within
 * MOST_STATES fails. What is searched: canaries of two steps on two nodes with two faults, a fault
 * and a command or two commands, on three nodes with one fault and one command; first versions, no
 * automatic rollback, both versions loaded, reload control, all nodes at once with approvals. A
 * fault is any failed or lost operation, a node that dies or comes back empty, a bad verdict, a
 * freeze or a restart of the controller, at any moment; commands are all there are.
 *
 * What is not: with MREG_GRAPH_STATES=N also a fault and two commands on two nodes (whole) and two
 * faults on three nodes, which is cut at N states. More than that, golden requests, routers,
 * cordons and other targets on the same nodes are left to the tables and to the simulator. Time
 * passes only while no operation is open, and a node that is gone is known to be gone after 8 s;
 * sim_graph_level.c says where time is coarser than the planner's.
 *
 * MREG_GRAPH_ONLY: name of one search.
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
#define MOST_STATES 4000000

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
    uint8_t *key; /* NULL once it was expanded */
    uint32_t n_key, from;
    struct graph_event event;
};

struct search {
    const struct graph *g;
    struct found *list;
    size_t n, cap, n_edges;
    struct hashes seen, ends; /* `ends`: from there a kind world leads to an end */
    size_t n_ended[ROLLOUT_PHASE_COUNT];
};

static void print_event(struct graph_event e, const struct graph_state *s, int64_t at_ms)
{
    char text[80];
    graph_describe(e, text);
    const struct rollout_status *t = &s->status;
    printf("  %7.3f s  %-45s %s step %d %s%s%s\n", (double)at_ms / 1e3, text,
           rollout_phase_name(t->phase), t->step,
           t->step > 0 ? step_phase_name(s->steps[t->step - 1].phase) : "",
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

/* Where every search begins. */
static struct graph_state *begin(const struct graph *g)
{
    struct graph_state *s = mem_alloc(sizeof *s);
    graph_begin(g, s);
    graph_apply(g, s, (struct graph_event){.kind = GRAPH_TIME});
    graph_level(g, s);
    return s;
}

/* Plays the path to list[at] again, and then one event more. */
static void print_path(const struct search *f, size_t at, const struct graph_event *last)
{
    struct graph_event path[2000];
    int n = 0;
    int64_t at_ms = 0;
    if (last != NULL)
        path[n++] = *last;
    for (size_t i = at; i != 0 && n < 2000; i = f->list[i].from)
        path[n++] = f->list[i].event;
    struct graph_state *s = begin(f->g);
    for (int i = n - 1; i >= 0; i--) {
        at_ms -= s->now_ms;
        graph_apply(f->g, s, path[i]);
        at_ms += s->now_ms;
        print_event(path[i], s, at_ms);
        graph_level(f->g, s);
    }
    printf("  %s\n", s->broken);
    free(s);
}

static void put(struct search *f, const struct graph_key *key, size_t from, struct graph_event e)
{
    if (f->n == f->cap) {
        f->cap = f->cap * 2 + 1024;
        f->list = mem_resize(f->list, f->cap, sizeof f->list[0]);
    }
    struct found *one = &f->list[f->n++];
    *one = (struct found){.from = (uint32_t)from, .event = e, .n_key = (uint32_t)key->n};
    one->key = mem_alloc(key->n);
    memcpy(one->key, key->bytes, key->n);
}

/* From here a kind world leads to an end. Changes s. */
static void check_end(struct search *f, struct graph_state *s, const struct graph_key *key,
                      size_t at)
{
    uint64_t path[MAX_TURNS];
    struct graph_key next = *key;
    int n = 0;
    while (!graph_has_ended(s) && n < MAX_TURNS && s->broken[0] == '\0') {
        path[n] = graph_hash(&next);
        if (hashes_have(&f->ends, path[n]))
            break;
        graph_apply(f->g, s, graph_kind_event(f->g, s, n));
        graph_level(f->g, s);
        graph_encode(s, &next);
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
}

/* One event; s is the state before it. */
static void follow(struct search *f, size_t at, struct graph_state *s, struct graph_event e)
{
    struct graph_key key;
    graph_apply(f->g, s, e);
    f->n_edges++;
    if (s->broken[0] != '\0') {
        printf("broken: %s\n", s->broken);
        print_path(f, at, &e);
        fail();
    }
    graph_level(f->g, s);
    graph_encode(s, &key);
    if (!hashes_add(&f->seen, graph_hash(&key)))
        return;
    put(f, &key, at, e);
    if (graph_has_ended(s))
        f->n_ended[s->status.phase]++;
    else
        check_end(f, s, &key, f->n - 1);
}

static void expand(struct search *f, size_t at)
{
    struct graph_event events[GRAPH_MAX_EVENTS];
    struct graph_state *s = mem_alloc(sizeof *s);
    struct found one = f->list[at];
    graph_decode(one.key, one.n_key, s);
    int n = graph_events(f->g, s, events);
    for (int i = 0; i < n; i++) {
        graph_decode(one.key, one.n_key, s);
        follow(f, at, s, events[i]);
    }
    free(one.key);
    f->list[at].key = NULL;
    free(s);
}

static void search_clear(struct search *f)
{
    for (size_t i = 0; i < f->n; i++)
        free(f->list[i].key);
    free(f->list);
    free(f->seen.slots);
    free(f->ends.slots);
}

/* True if every state was reached: it is whole, unless there are more than `most`. */
static bool search_all(struct search *f, size_t most)
{
    struct graph_state *s = begin(f->g);
    struct graph_key key;
    graph_encode(s, &key);
    free(s);
    (void)hashes_add(&f->seen, graph_hash(&key));
    put(f, &key, 0, (struct graph_event){0});
    size_t at = 0;
    for (; at < f->n && f->n < most; at++)
        expand(f, at);
    return at == f->n;
}

static void print_ends(const struct search *f)
{
    for (int i = 0; i < ROLLOUT_PHASE_COUNT; i++) {
        if (f->n_ended[i] > 0)
            printf(" %zu %s", f->n_ended[i], rollout_phase_name((enum rollout_phase)i));
    }
    printf("\n");
    fflush(stdout);
}

/* Returns how many states there are. */
static size_t run(struct graph *g, size_t most, bool may_be_cut)
{
    struct search f CLEANUP(search_clear) = {.g = g};
    struct timespec begun;
    struct timespec ended;
    clock_gettime(CLOCK_MONOTONIC, &begun);
    graph_init(g);
    bool is_whole = search_all(&f, most);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    printf("%-32s %7zu states, %8zu edges, %s, %.1f s;", g->name, f.n, f.n_edges,
           is_whole ? "all of them" : "CUT OFF",
           (double)(ended.tv_sec - begun.tv_sec) + (double)(ended.tv_nsec - begun.tv_nsec) / 1e9);
    print_ends(&f);
    assert_true(is_whole || may_be_cut);
    assert_true(!is_whole || f.n_ended[ROLLOUT_SUCCEEDED] > 0);
    assert_true(!is_whole || f.n_ended[ROLLOUT_ROLLED_BACK] > 0 ||
                g->n_faults + g->n_commands == 0);
    return f.n;
}

#define CANARY                                                                         \
    "\"strategy\":\"canary\",\"steps\":[{\"nodes\":1,\"bake\":\"2s\"},"                \
    "{\"percent\":100,\"bake\":\"2s\"}],\"max_unavailable\":1,\"min_healthy\":\"1s\"," \
    "\"bake\":\"2s\",\"max_bake\":\"4s\"," TIMES
#define TIMES "\"node_deadline\":\"12s\",\"step_deadline\":\"20s\",\"lost_after\":\"6s\""
#define GATES "\"gates\":[{\"kind\":\"health\"},{\"kind\":\"error-ratio\"}]"
#define USUAL "{" CANARY "," GATES "}"

#define CONTROLLED "{" CANARY "," GATES ",\"reload_control\":true,\"drain\":\"1s\"}"

#define VERB(verb) (1U << COMMAND_##verb)
#define STEERING (VERB(PAUSE) | VERB(RESUME) | VERB(PROMOTE) | VERB(ABORT))
#define AT_ONCE "{\"strategy\":\"all-at-once\",\"bake\":\"2s\",\"approvals\":1," GATES "," TIMES "}"

/* With sanitizers everything takes several times as long: only the small ones are searched. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 1
#else
#define SLOW 0
#endif

static struct graph graphs[] = {
    {"nothing goes wrong", USUAL, .n_nodes = 3, .from = 1},
    {"one fault", USUAL, .n_nodes = 2, .from = 1, .n_faults = 1},
    {"one fault, three nodes", USUAL, .n_nodes = 3, .from = 1, .n_faults = 1},
    {"reload control", CONTROLLED, .n_nodes = 2, .from = 1, .n_faults = 1},
    {"a command", USUAL, .n_nodes = 3, .from = 1, .n_commands = 1},
    {"two commands", USUAL, .n_nodes = 2, .from = 1, .n_commands = 2},
#if !SLOW
    {"no automatic rollback", "{" CANARY "," GATES ",\"auto_rollback\":false}", .n_nodes = 2,
     .from = 1, .n_faults = 1, .n_commands = 1},
    {"first version", USUAL, .n_nodes = 2, .from = 0, .n_faults = 1, .n_commands = 1},
    {"both stay loaded", "{" CANARY "," GATES ",\"residency\":\"both\"}", .n_nodes = 2, .from = 1,
     .n_faults = 1, .n_commands = 1, .driver_flags = DRIVER_KEEPS_OTHERS},
    {"all at once, approvals", AT_ONCE, .n_nodes = 2, .from = 1, .n_faults = 1, .n_commands = 2,
     .verbs = VERB(APPROVE) | VERB(REJECT) | VERB(ABORT)},
    {"it replaces another one", USUAL, .n_nodes = 2, .from = 1, .left = 1, .n_faults = 1,
     .n_commands = 1},
    {"reload control, a command", CONTROLLED, .n_nodes = 2, .from = 1, .n_commands = 1},
    {"reload control, both", CONTROLLED, .n_nodes = 2, .from = 1, .n_faults = 1, .n_commands = 1},
    {"a fault and a command", USUAL, .n_nodes = 2, .from = 1, .n_faults = 1, .n_commands = 1},
    {"two faults", USUAL, .n_nodes = 2, .from = 1, .n_faults = 2},
    {"three nodes, a fault, a command", USUAL, .n_nodes = 3, .from = 1, .n_faults = 1,
     .n_commands = 1},
#endif
};

static struct graph more[] = {
    {"a fault, two commands", USUAL, .n_nodes = 2, .from = 1, .n_faults = 1, .n_commands = 2},
};

static struct graph endless[] = {
    {"two faults, three nodes", USUAL, .n_nodes = 3, .from = 1, .n_faults = 2},
};

struct graph_set {
    struct graph *list;
    size_t n, most;
    bool may_be_cut;
};

static void test_graphs(void **state)
{
    (void)state;
    const char *only = getenv("MREG_GRAPH_ONLY");
    const char *text = getenv("MREG_GRAPH_STATES");
    size_t most = text != NULL ? (size_t)strtoull(text, NULL, 10) : 0;
    const struct graph_set sets[] = {
        {graphs, ARRAY_LEN(graphs), MOST_STATES, false},
        {more, most > 0 ? ARRAY_LEN(more) : 0, MOST_STATES, false},
        {endless, most > 0 ? ARRAY_LEN(endless) : 0, most, true},
    };
    size_t n_states = 0;
    for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
        for (size_t k = 0; k < sets[i].n; k++) {
            if (only == NULL || strcmp(only, sets[i].list[k].name) == 0)
                n_states += run(&sets[i].list[k], sets[i].most, sets[i].may_be_cut);
        }
    }
    printf("%zu states in total\n", n_states);
    if (SLOW)
        printf("with sanitizers the others are left out\n");
    if (most == 0)
        printf("not searched without MREG_GRAPH_STATES: a fault and two commands on two nodes; two "
               "faults on three nodes (cut at that many states)\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_graphs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
