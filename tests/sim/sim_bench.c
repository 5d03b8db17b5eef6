/*
 * A target whose nodes and router obey at once, for the tests of the planner.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim_bench.h"

const char bench_plain[] = "{\"gates\":[{\"kind\":\"health\"}],\"bake\":\"0\",\"batch\":1}";
const char bench_judged[] =
    "{\"gates\":[{\"kind\":\"error-rate\",\"max\":\"0.1\",\"min_requests\":10}],\"bake\":\"30s\","
    "\"step_deadline\":\"2m\",\"min_healthy\":\"0\"}";

struct bench *bench_new(const char *policy, int n_nodes)
{
    static const char *const names[BENCH_MAX_NODES] = {"n1", "n2", "n3", "n4",
                                                       "n5", "n6", "n7", "n8"};
    struct err e;
    struct bench *b = mem_alloc(sizeof *b);
    b->now_ms = INT64_C(1700000000000);
    b->n_nodes = n_nodes;
    b->live = b->last_good = 1;
    b->record = (struct rollout_record){.id = "r-1",
                                        .model = "m",
                                        .environment = "e",
                                        .serve_as = "m",
                                        .from = 1,
                                        .to = 2,
                                        .kind = "promote",
                                        .actor = "t-1",
                                        .generation = 7,
                                        .created_ms = b->now_ms,
                                        .strategy = "{}"};
    b->has_counters = true;
    b->limits.set_step = INT_MAX;
    if (policy_read(policy, &b->policy, &e) != ERR_OK)
        fail_msg("%s: %s at %s", policy, e.message, e.pointer);
    rollout_status_init(&b->status, b->now_ms);
    for (int i = 0; i < n_nodes; i++) {
        b->weights[i] = 10000 / n_nodes + (i < 10000 % n_nodes);
        b->nodes[i] = (struct view_node){.node_id = i + 1,
                                         .name = names[i],
                                         .is_reachable = true,
                                         .reachable_since_ms = 1,
                                         .routed_bp = -1,
                                         .n_sessions = -1};
        b->nodes[i].seen = (struct observation){
            .observed_ms = b->now_ms, .looked_ms = b->now_ms, .ready = {1}, .n_ready = 1};
    }
    return b;
}

void bench_free(struct bench **b)
{
    if (*b != NULL)
        arena_clear(&(*b)->arena);
    free(*b);
}

struct rollout_command *bench_command_by(struct bench *b, enum command_verb verb, const char *actor)
{
    int64_t seq = b->n_commands + 1;
    struct rollout_command *c = &b->commands[b->n_commands++];
    assert_true(b->n_commands <= (int)ARRAY_LEN(b->commands));
    *c = (struct rollout_command){.seq = seq, .verb = verb, .actor = actor, .ts_ms = b->now_ms};
    return c;
}

void bench_command(struct bench *b, enum command_verb verb, int64_t step)
{
    bench_command_by(b, verb, "t-1")->expected_step = step;
}

void bench_view(struct bench *b, struct view *v)
{
    for (int i = 0; i < b->n_nodes && b->has_router; i++) {
        b->nodes[i].has_route = true;
        b->nodes[i].routed_bp = b->weights[i];
        b->nodes[i].n_sessions = 0;
        b->nodes[i].routed_ms = b->routes_ms;
    }
    *v = (struct view){.now_ms = b->now_ms,
                       .rollout = &b->record,
                       .status = &b->status,
                       .policy = &b->policy,
                       .live = b->live,
                       .last_good = b->last_good,
                       .last_to = b->record.to,
                       .nodes = b->nodes,
                       .n_nodes = b->n_nodes,
                       .commands = b->commands,
                       .n_commands = b->n_commands,
                       .n_golden = b->n_golden,
                       .observe_every_ms = 10000,
                       .sample_every_ms = 5000,
                       .last_repair_ms = b->last_repair_ms,
                       .last_ended_ms = b->last_ended_ms,
                       .is_halted = b->is_halted,
                       .has_router = b->has_router,
                       .can_mirror = b->has_router,
                       .router_op = b->router_op,
                       .router_max_weight = 256,
                       .routes_looked_ms = b->routes_ms,
                       .routes_seen_ms = b->routes_ms,
                       .driver_flags = b->driver_flags,
                       .verdicts = b->verdicts,
                       .limits = b->limits,
                       .n_max_actions = 100};
}

static void obey_router(struct bench *b, const struct plan_action *act, const struct plan *plan)
{
    b->routes_ms = b->now_ms;
    if (act->action != OP_WEIGHTS)
        return;
    b->router_op = (struct op_view){
        .state = OP_DONE, .action = OP_WEIGHTS, .attempt = act->attempt, .ended_ms = b->now_ms - 1};
    for (int i = 0; i < b->n_nodes; i++) {
        b->weights[i] = plan->weights_bp[i];
        b->nodes[i].is_mirrored = plan->is_mirrored[i];
    }
}

static void obey_read(struct bench *b, const struct plan_action *act)
{
    struct view_node *n = &b->nodes[act->node];
    n->seen.looked_ms = n->seen.observed_ms = b->now_ms;
    n->sampled_ms = act->action == OP_SAMPLE ? b->now_ms : n->sampled_ms;
    if (act->action == OP_SAMPLE)
        n->sample = (struct sample){.ts_ms = b->now_ms,
                                    .has_counters = b->has_counters,
                                    .n_success = b->n_requests - b->n_failures,
                                    .n_failure = b->n_failures,
                                    .duration_us = b->n_requests * 1000};
}

void bench_obey(struct bench *b, const struct plan_action *act)
{
    struct view_node *n = &b->nodes[act->node];
    bool is_bad = act->action == OP_LOAD && act->number == b->fails_to_load;
    enum op_class how = b->fails_how == OP_CLASS_NONE ? OP_CLASS_VERSION : b->fails_how;
    if (op_is_read(act->action)) {
        obey_read(b, act);
        return;
    }
    n->op = (struct op_view){.state = b->is_frozen ? OP_OPEN
                                      : is_bad     ? OP_FAILED
                                                   : OP_DONE,
                             .why = is_bad ? how : OP_CLASS_NONE,
                             .action = act->action,
                             .attempt = act->attempt,
                             .ended_ms = b->now_ms,
                             .text = is_bad ? "broken" : ""};
    if (act->action == OP_SWITCH) {
        b->n_switches++;
        b->n_switches_back += act->number == b->record.from;
        if (act->number == b->record.to)
            b->given |= 1U << act->node;
        if (n->shown.is_known) /* only where a test tells about it */
            shown_take(&n->shown, act->number, n->op.state, n->op.why);
    }
    b->n_removes += act->action == OP_REMOVE;
    b->n_new_loads += act->action == OP_LOAD && act->number == b->record.to;
    if ((act->action == OP_LOAD && !is_bad) || act->action == OP_UNLOAD) {
        n->seen.n_ready =
            act->action == OP_LOAD && act->number != 0 && act->number != b->never_ready;
        b->n_unloads += act->action == OP_UNLOAD;
        n->seen.ready[0] = act->number;
    }
}

void bench_take_over(struct bench *b, const struct plan *plan)
{
    struct arena fresh;
    struct rollout_status status;
    arena_init(&fresh);
    rollout_status_copy(&plan->status, &fresh, &status);
    arena_clear(&b->arena);
    b->arena = fresh;
    b->status = status;
    int n_out = 0;
    for (int i = 0; i < status.n_nodes; i++)
        n_out += move_disturbs(&status.nodes[i].move);
    b->most_out = n_out > b->most_out ? n_out : b->most_out;
}

static void carry_out(struct bench *b, const struct plan *plan)
{
    if (plan->is_changed)
        bench_take_over(b, plan);
    b->now_ms++;
    for (int i = 0; i < plan->n_actions; i++) {
        const struct plan_action *act = &plan->actions[i];
        if (act->node < 0)
            obey_router(b, act, plan);
        else
            bench_obey(b, act);
    }
}

int64_t bench_step(struct bench *b)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct view v;
    struct plan *plan = arena_alloc(&a, sizeof *plan);
    bench_view(b, &v);
    plan_rollout(&v, &a, plan);
    if (plan->has_moved)
        memcpy(b->message, plan->message, sizeof b->message);
    carry_out(b, plan);
    b->wake_ms = plan->wake_ms;
    return plan->n_actions > 0 ? b->now_ms : plan->wake_ms;
}

void bench_until(struct bench *b, enum rollout_phase phase, int64_t ms)
{
    int64_t end = b->now_ms + ms;
    for (int i = 0; i < 100000 && b->status.phase != phase && b->now_ms < end; i++) {
        int64_t at = bench_step(b);
        bool is_there = b->status.phase == phase;
        if (at > b->now_ms && !is_there)
            b->now_ms = at < end ? at : end;
    }
}

static bool is_at(const struct bench *b, int step, enum step_phase phase)
{
    return b->status.step >= step && b->status.steps[step - 1].phase == phase;
}

void bench_until_step(struct bench *b, int step, enum step_phase phase, int64_t ms)
{
    int64_t end = b->now_ms + ms;
    for (int i = 0; i < 100000 && b->now_ms < end && !is_at(b, step, phase); i++) {
        int64_t at = bench_step(b);
        if (at > b->now_ms && !is_at(b, step, phase))
            b->now_ms = at < end ? at : end;
    }
    if (!is_at(b, step, phase))
        fail_msg("step %d is not at %s but step %d, %s: %s / %s", step, step_phase_name(phase),
                 b->status.step, rollout_phase_name(b->status.phase), b->status.waiting,
                 b->status.cause);
}

void bench_bake(struct bench *b)
{
    bench_until_step(b, 1, STEP_BAKE, 600000);
}

struct bench *bench_baking(const char *policy)
{
    struct bench *b = bench_new(policy, 3);
    bench_bake(b);
    return b;
}

void bench_expect(const struct bench *b, enum rollout_phase phase)
{
    if (b->status.phase != phase)
        fail_msg("phase is %s, not %s: %s / %s", rollout_phase_name(b->status.phase),
                 rollout_phase_name(phase), b->status.cause, b->status.waiting);
}

void bench_expect_words(const struct bench *b, const char *waiting, const char *unblock)
{
    if (waiting != NULL && strstr(b->status.waiting, waiting) == NULL)
        fail_msg("waiting says \"%s\", without \"%s\"", b->status.waiting, waiting);
    if (unblock != NULL && strstr(b->status.unblock, unblock) == NULL)
        fail_msg("unblock says \"%s\", without \"%s\"", b->status.unblock, unblock);
}

void bench_reconcile(struct bench *b, int64_t ms, int n_env_repairs)
{
    int64_t end = b->now_ms + ms;
    while (b->now_ms < end) {
        struct arena a CLEANUP(arena_clear) = {0};
        struct plan *plan = arena_alloc(&a, sizeof *plan);
        struct view v;
        for (int i = 0; i < b->n_nodes && b->now_ms % 1000 == 0; i++)
            b->nodes[i].seen.observed_ms = b->nodes[i].seen.looked_ms = b->now_ms;
        bench_view(b, &v);
        v.rollout = NULL;
        v.n_env_repairs = n_env_repairs;
        plan_reconcile(&v, &a, plan);
        carry_out(b, plan);
        if (plan->n_actions == 0)
            b->now_ms += 1000 - b->now_ms % 1000;
    }
}
