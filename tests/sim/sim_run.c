/*
 * One run of the simulated world: a random fleet, random rollouts, commands, crashes and restarts
 * for a while; then the faults stop, somebody answers what is paused, and everything has to come to
 * rest where the facts say it should be.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "blob.h"
#include "sim.h"

#define REST_MS ((int64_t)3600000)
#define STILL_MS 30000
#define SETTLE_MS 15000 /* quiet for less may be a moment between two repairs */
#define WARM_UP_SEEDS 4
#define WARM_UP_BEFORE_MS INT64_C(100000000000)

static void new_controller(struct sim *s)
{
    struct controller_options o = {.store = s->store,
                                   .io = &s->io,
                                   .blobs = s->blobs,
                                   .observe_every_ms = 10000,
                                   .check_every_ms = sim_checks_files(s) ? 60000 : 0,
                                   .sample_every_ms = 2000};
    s->controller = controller_new(&o);
}

/* The process dies between two steps: memory and running file jobs are gone. */
static void restart_controller(struct sim *s)
{
    sim_note_restart(s);
    controller_free(s->controller);
    sim_forget_jobs(s);
    sim_clock_begin(s);
    new_controller(s);
    s->n_restarts++;
    s->restarted_ms = s->now_ms;
    sim_say(s, "the controller starts again");
}

static enum quality draw_quality(struct sim *s)
{
    if (sim_chance(s, 40))
        return QUALITY_GOOD;
    return sim_chance(s, 30) ? QUALITY_FAILS : (enum quality)sim_random(s, QUALITY_COUNT);
}

static void draw_ways(struct sim *s)
{
    static const int percent[WAY_COUNT] = {
        [WAY_JUMPS] = 15,     [WAY_FREEZES] = 20, [WAY_CORDONS] = 20, [WAY_QUEUE] = 30,
        [WAY_APPROVALS] = 15, [WAY_LEASES] = 15,  [WAY_SETS] = 20,    [WAY_BAD_PAGES] = 10,
        [WAY_ROUTERS] = 30,   [WAY_BOTH] = 20};
    for (int i = 0; i < WAY_COUNT; i++)
        s->ways[i] = sim_chance(s, percent[i]);
}

static void draw_world(struct sim *s)
{
    static const char *const names[] = {"alpha", "beta"};
    s->n_nodes = 1 + (int)sim_random(s, SIM_MAX_NODES);
    s->n_models = 1 + (int)sim_random(s, SIM_MAX_MODELS);
    s->faults_end_ms = s->now_ms + 20000 + sim_random(s, 100000);
    s->grain_ms = sim_chance(s, 30) ? 1 : 25;
    s->loss_percent = sim_chance(s, 30) ? 0 : (int)sim_random(s, 15);
    s->crash_percent = sim_chance(s, 40) ? 0 : (int)sim_random(s, 4);
    s->requests_per_s = sim_chance(s, 20) ? 0 : 5 + (int)sim_random(s, 50);
    s->has_metrics = sim_chance(s, 85);
    s->fleet_changes = sim_chance(s, 30);
    draw_ways(s);
    s->n_routers = sim_chance(s, 40);
    if (s->n_routers > 0 && s->ways[WAY_ROUTERS])
        s->n_routers += 1 + (int)sim_random(s, SIM_MAX_ROUTERS - 1);
    for (int i = 0; i < s->n_routers; i++)
        sim_router_start(s, &s->routers[i]);
    for (int i = 0; i < s->n_nodes; i++) {
        snprintf(s->nodes[i].name, sizeof s->nodes[i].name, "n%d", i + 1);
        s->nodes[i].is_up = true;
        s->nodes[i].has_lease = s->ways[WAY_LEASES] && sim_chance(s, 70);
        s->nodes[i].counted_ms = s->now_ms;
    }
    for (int m = 0; m < s->n_models; m++) {
        struct sim_model *model = &s->models[m];
        snprintf(model->name, sizeof model->name, "%s", names[m]);
        snprintf(model->serve_as, sizeof model->serve_as, "%s", names[m]);
        model->quality[1] = QUALITY_GOOD;
        for (int v = 2; v < SIM_MAX_VERSIONS; v++)
            model->quality[v] = draw_quality(s);
        model->next_ms = s->now_ms + sim_random(s, 5000);
    }
}

static void draw_gates(struct sim *s, struct policy *p)
{
    p->n_gates = 0;
    if (sim_chance(s, 70))
        p->gates[p->n_gates++] = (struct policy_gate){.kind = GATE_HEALTH};
    if (sim_chance(s, 70))
        p->gates[p->n_gates++] = (struct policy_gate){.kind = GATE_GOLDEN};
    if (sim_chance(s, 50))
        p->gates[p->n_gates++] =
            (struct policy_gate){.kind = GATE_ERROR_RATE, .max_ppm = 100000, .min_requests = 10};
    if (sim_chance(s, 30))
        p->gates[p->n_gates++] =
            (struct policy_gate){.kind = GATE_LATENCY, .max_us = 100000, .min_requests = 10};
}

/* Some canaries are compared with a node that is loaded again; most of these have such a node. */
static void draw_control(struct sim *s, struct policy *p)
{
    if (p->strategy != STRATEGY_CANARY || !sim_chance(s, 20))
        return;
    p->reloads_control = true;
    p->steps[0].bake_ms = 5000;
    p->gates[p->n_gates++] = (struct policy_gate){.kind = GATE_ERROR_RATIO,
                                                  .max_ppm = 20000,
                                                  .ratio_ppm = 1500000,
                                                  .floor_ppm = 5000,
                                                  .alpha_ppm = 1000};
}

static void draw_policy(struct sim *s, struct policy *p)
{
    static const int64_t bakes[] = {0, 5000, 10000};
    policy_default(p);
    p->strategy = (enum strategy_kind)sim_random(s, STRATEGY_ALL_AT_ONCE + 1);
    p->n_steps = 1 + (int)sim_random(s, 3);
    bool is_weighted = s->n_routers > 0 && sim_chance(s, 60);
    for (int i = 0; i < p->n_steps; i++)
        p->steps[i] = (struct policy_step){
            .n_nodes = i + 1,
            .weight_bp = is_weighted ? i * 3000 + (int)sim_random(s, 3000) : -1,
            .bake_ms = bakes[sim_random(s, 3)]};
    p->batch.n_nodes = 1 + sim_random(s, 3);
    p->max_unavailable.n_nodes = 1 + sim_random(s, 2);
    p->min_healthy_ms = 1000 * sim_random(s, 3);
    p->bake_ms = bakes[sim_random(s, 3)];
    p->node_deadline_ms = 30000 + 1000 * sim_random(s, 30);
    p->step_deadline_ms = 60000 + 1000 * sim_random(s, 60);
    p->rolls_back = sim_chance(s, 85);
    p->on_no_data = sim_chance(s, 80) ? CHOICE_PAUSE : CHOICE_IGNORE;
    if (s->ways[WAY_APPROVALS]) {
        p->n_approvals = sim_chance(s, 50) ? 0 : 1 + (int)sim_random(s, 2);
        p->steps[p->n_steps - 1].n_approvals = (int)sim_random(s, 2);
    }
    if (s->ways[WAY_BOTH])
        p->residency = (enum policy_residency)sim_random(s, RESIDENCY_COUNT);
    if (s->ways[WAY_QUEUE])
        p->queue = (enum policy_queue)sim_random(s, QUEUE_COUNT);
    draw_gates(s, p);
    draw_control(s, p);
}

static bool wants_rollout(struct sim *s, const struct sim_model *m)
{
    if (!sim_has_faults(s))
        return false;
    if (m->rollout[0] == '\0')
        return s->now_ms >= m->next_ms && m->n_rollouts < 3;
    return s->ways[WAY_QUEUE] && m->n_rollouts < 8 && sim_random(s, 200) == 0;
}

static void draw_wish(struct sim *s, const struct sim_model *m, struct policy *p,
                      struct sim_wish *out)
{
    draw_policy(s, p);
    *out = (struct sim_wish){.policy = p};
    out->to = m->n_rollouts == 0 && sim_chance(s, 70) ? 1 : 1 + sim_random(s, 5);
    out->is_rollback = m->live != 0 && sim_chance(s, 15);
    out->is_hotfix = s->ways[WAY_QUEUE] && sim_chance(s, 15);
    if (sim_chance(s, 30))
        out->overrides = sim_chance(s, 50) ? "quarantine" : "freeze,stop,quarantine";
}

static void maybe_submit(struct sim *s, struct sim_model *m)
{
    static struct policy policies[SIM_MAX_MODELS];
    struct sim_wish wishes[SIM_MAX_MODELS];
    if (!wants_rollout(s, m))
        return;
    draw_wish(s, m, &policies[0], &wishes[0]);
    if (!s->ways[WAY_SETS] || s->n_models < 2 || m != &s->models[0] || sim_chance(s, 50)) {
        m->next_ms = s->now_ms + 1000; /* if it is refused */
        sim_submit(s, m, &wishes[0]);
        return;
    }
    draw_wish(s, &s->models[1], &policies[1], &wishes[1]);
    for (int i = 0; i < s->n_models; i++) {
        s->models[i].next_ms = s->now_ms + 1000;
        wishes[i].is_rollback = wishes[i].is_hotfix = false;
    }
    sim_submit_set(s, wishes);
}

static void maybe_command(struct sim *s, struct sim_model *m)
{
    static const enum command_verb rare[] = {COMMAND_HALT, COMMAND_EXTEND, COMMAND_EXTEND,
                                             COMMAND_REJECT, COMMAND_APPROVE};
    if (m->rollout[0] == '\0' || !sim_has_faults(s) || !sim_chance(s, 1))
        return;
    enum command_verb verb = (enum command_verb)sim_random(s, COMMAND_ABORT + 1);
    if (verb == COMMAND_ABORT && sim_chance(s, 50))
        verb = COMMAND_RESUME;
    if (sim_chance(s, 20))
        verb = rare[sim_random(s, ARRAY_LEN(rare))];
    sim_command(s, m, verb, sim_random(s, 3));
}

/* After the faults somebody looks at what is paused or goes on trying for ever, now and then. */
static void answer_pause(struct sim *s, struct sim_model *m)
{
    if (m->rollout[0] == '\0' || sim_has_faults(s) || !sim_chance(s, 10))
        return;
    enum rollout_phase phase = sim_phase(s, m->rollout);
    if (phase != ROLLOUT_PAUSED && !(m->is_rollback && phase == ROLLOUT_RUNNING))
        return;
    const struct rollout_status *status = sim_status(s, m->rollout);
    if (m->is_rollback && status->phase == ROLLOUT_RUNNING && status->n_rollback_failures > 3)
        sim_command(s, m, COMMAND_ABORT, 0);
    if (status->phase != ROLLOUT_PAUSED || sim_clock(s) < status->paused_since_ms + 10000)
        return;
    static const enum command_verb verbs[] = {COMMAND_RESUME, COMMAND_PROMOTE, COMMAND_PROMOTE_FULL,
                                              COMMAND_ABORT};
    enum command_verb verb = m->n_commands > 20 ? COMMAND_ABORT : verbs[sim_random(s, 4)];
    /* A promotion does not lift what a person paused. */
    if (status->pauses[0].reason == PAUSE_USER && verb != COMMAND_ABORT)
        verb = COMMAND_RESUME;
    sim_command(s, m, verb, 0);
}

static void hurt_nodes(struct sim *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (n->is_up && sim_has_faults(s) && sim_random(s, 1000) < (uint32_t)s->crash_percent) {
            sim_crash(s, n);
            if (sim_chance(s, 30))
                sim_lose_disk(n);
        }
        if (!n->is_up && !n->is_deleted && n->restart_ms == 0)
            n->restart_ms = s->now_ms + 1000;
    }
}

static void change_fleet(struct sim *s)
{
    if (!s->fleet_changes || !sim_has_faults(s) || sim_random(s, 300) != 0)
        return;
    struct sim_node *n = &s->nodes[sim_random(s, (uint32_t)s->n_nodes)];
    if (sim_chance(s, 50) && s->n_nodes < SIM_MAX_NODES)
        sim_add_node(s);
    else if (!n->is_deleted)
        sim_delete_node(s, n);
}

/* Looks into the database, if anything was written. */
static void look(struct sim *s)
{
    struct store_stats stats;
    store_get_stats(s->store, &stats);
    if (stats.n_writes == s->n_writes)
        return;
    s->n_writes = stats.n_writes;
    for (int m = 0; m < s->n_models; m++) {
        sim_refresh(s, &s->models[m]);
        sim_note_disturbed(s, m);
    }
}

static void step(struct sim *s)
{
    struct err e;
    if (controller_tick(s->controller, sim_clock(s) + 2000, &e) != ERR_OK)
        sim_fail(s, "the controller fails: %s", e.message);
    s->n_rounds++;
    sim_count_requests(s);
    look(s);
    for (int m = 0; m < s->n_models; m++) {
        maybe_submit(s, &s->models[m]);
        maybe_command(s, &s->models[m]);
        answer_pause(s, &s->models[m]);
    }
    hurt_nodes(s);
    sim_router_hurt(s);
    change_fleet(s);
    sim_people(s);
    if (s->n_rounds % 100 == 0)
        sim_check_dead(s);
    if (sim_has_faults(s) && sim_random(s, 200) < 3)
        restart_controller(s);
}

/* What the active rollouts say that they wait for. */
static void say_waiting(struct sim *s)
{
    for (int m = 0; m < s->n_models; m++) {
        if (s->models[m].rollout[0] == '\0')
            continue;
        const struct rollout_status *status = sim_status(s, s->models[m].rollout);
        sim_say(s, "%s waits: %s", s->models[m].rollout, status->waiting);
        for (int i = 0; i < status->n_nodes; i++)
            sim_say(s, "  %s is %s, back %d", status->nodes[i].name,
                    node_state_name(status->nodes[i].state), status->nodes[i].is_back);
    }
}

static void run_all(struct sim *s)
{
    char why[200] = "";
    while (sim_has_faults(s))
        step(s);
    sim_tidy_up(s);
    int64_t until = s->now_ms + REST_MS;
    int64_t quiet_ms = s->now_ms;
    /* A late answer may change what is written, and one that never came is looked into. */
    while (s->now_ms < quiet_ms + SETTLE_MS) {
        if (!sim_is_quiet(s, why) || sim_is_at_work(s))
            quiet_ms = s->now_ms;
        if (quiet_ms > until)
            say_waiting(s);
        if (quiet_ms > until)
            sim_fail(s, "no rest an hour after the faults: %s", why);
        step(s);
    }
    /* Quiet is only quiet if it stays so. */
    until = s->now_ms + STILL_MS;
    while (s->now_ms < until) {
        step(s);
        if (!sim_is_quiet(s, why))
            sim_fail(s, "rest did not last: %s", why);
    }
    sim_check_end(s);
}

bool sim_open(struct sim *s, const char *dir)
{
    if (setjmp(s->failed) != 0)
        return false;
    snprintf(s->dir, sizeof s->dir, "%s", dir);
    sim_store_open(s);
    return true;
}

void sim_close(struct sim *s)
{
    store_close(s->store);
    s->store = NULL;
}

static void begin_run(struct sim *s, uint64_t seed)
{
    struct store *store = s->store;
    bool is_loud = s->is_loud;
    char dir[sizeof s->dir];
    memcpy(dir, s->dir, sizeof dir);
    memset(s, 0, sizeof *s);
    memcpy(s->dir, dir, sizeof dir);
    s->store = store;
    s->is_loud = is_loud;
    s->seed = seed;
    s->random = seed * 0x9E3779B97F4A7C15U + 0x1234567;
    s->now_ms = INT64_C(1700000000000);
    for (int i = 0; i < 5; i++)
        (void)sim_random(s, 2);
    sim_clock_begin(s);
    sim_io_init(s);
}

static void run_world(struct sim *s)
{
    sim_blobs_open(s);
    draw_world(s);
    sim_setup(s);
    new_controller(s);
    run_all(s);
    controller_free(s->controller);
    blobs_close(s->blobs);
}

bool sim_run(struct sim *s, uint64_t seed)
{
    begin_run(s, seed);
    if (setjmp(s->failed) != 0)
        return false; /* what is open stays so: the process ends */
    run_world(s);
    sim_store_empty(s);
    return true;
}

bool sim_warm_up(struct sim *s)
{
    bool is_loud = s->is_loud;
    if (setjmp(s->failed) != 0)
        return false;
    for (uint64_t seed = 1; seed <= WARM_UP_SEEDS; seed++) {
        begin_run(s, seed);
        s->is_loud = false;
        s->now_ms -= WARM_UP_BEFORE_MS;
        run_world(s);
        sim_store_empty(s);
    }
    s->is_loud = is_loud;
    return true;
}
