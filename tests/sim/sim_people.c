/*
 * What people and machines around mreg ask for: rollouts, commands, freezes, cordons, approvals,
 * and nodes that enter themselves. All of it goes by the rules that the API uses, between two
 * rounds of the controller. What is refused for a good reason is fine.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_nodes.h"
#include "fleet_fault.h"
#include "fleet_freeze.h"
#include "fleet_nodes.h"
#include "fleet_queue.h"
#include "fleet_rollout.h"
#include "fleet_set.h"
#include "sim.h"

/* Further ahead the clock is followed at once (steady.h), and what waits ends early. */
#define MAX_SKEW_MS 290000

static struct fleet_change somebody(struct sim *s)
{
    static const char *const names[] = {"t-1", "t-2", "t-3", "t-4"};
    return (struct fleet_change){.actor = names[sim_random(s, ARRAY_LEN(names))],
                                 .reason = "because"};
}

/* --- rollouts --- */

static void fill_ask(const struct sim_model *m, const struct sim_wish *wish, const char *version,
                     const json_t *strategy, struct rollout_ask *out)
{
    *out = (struct rollout_ask){.model = m->name,
                                .environment = "prod",
                                .version = version,
                                .strategy = strategy,
                                .is_rollback = wish->is_rollback,
                                .is_hotfix = wish->is_hotfix,
                                .overrides = wish->overrides};
}

void sim_submit(struct sim *s, struct sim_model *m, const struct sim_wish *wish)
{
    struct err e;
    json_t *strategy CLEANUP(json_decref_ptr) = policy_json(wish->policy);
    struct fleet_change who = somebody(s);
    struct rollout_ask ask;
    static struct rollout_answer answer;
    char version[24];
    snprintf(version, sizeof version, "%" PRId64, wish->to);
    fill_ask(m, wish, version, strategy, &ask);
    sim_say(s, "%s asks for version %" PRId64 " of %s%s%s", who.actor, wish->to, m->name,
            wish->is_rollback ? ", back" : "", wish->is_hotfix ? ", as hotfix" : "");
    int rc = fleet_rollout_submit(s->store, &who, &ask, &answer, &e);
    m->n_rollouts += sim_is_fine(s, rc, &e);
    sim_refresh(s, m);
    controller_wake(s->controller);
}

void sim_submit_set(struct sim *s, const struct sim_wish *wishes)
{
    struct err e;
    struct fleet_change who = somebody(s);
    static struct set_ask ask;
    static struct set_answer answer;
    char versions[SIM_MAX_MODELS][24];
    json_t *strategies[SIM_MAX_MODELS];
    ask.n = (size_t)s->n_models;
    for (int m = 0; m < s->n_models; m++) {
        strategies[m] = policy_json(wishes[m].policy);
        snprintf(versions[m], sizeof versions[m], "%" PRId64, wishes[m].to);
        fill_ask(&s->models[m], &wishes[m], versions[m], strategies[m], &ask.members[m]);
    }
    sim_say(s, "%s asks for versions %s and %s together", who.actor, versions[0], versions[1]);
    int rc = fleet_set_submit(s->store, &who, &ask, &answer, &e);
    bool is_done = sim_is_fine(s, rc, &e);
    for (int m = 0; m < s->n_models; m++) {
        json_decref(strategies[m]);
        s->models[m].n_rollouts += is_done;
        sim_refresh(s, &s->models[m]);
    }
    controller_wake(s->controller);
}

void sim_command(struct sim *s, struct sim_model *m, enum command_verb verb, int64_t step)
{
    struct err e;
    struct fleet_change who = somebody(s);
    struct rollout_order order = {.id = m->rollout, .verb = verb, .expected_step = step};
    if (verb == COMMAND_EXTEND)
        order.arg = 1000 + sim_random(s, 20000);
    int rc = fleet_rollout_command(s->store, &who, &order, &e);
    if (!sim_is_fine(s, rc, &e))
        return;
    s->n_commands++;
    m->n_commands++;
    sim_say(s, "command %s %s of %s", m->rollout, command_verb_name(verb), who.actor);
    controller_wake(s->controller);
}

static void approve(struct sim *s)
{
    for (int m = 0; m < s->n_models; m++) {
        struct sim_model *model = &s->models[m];
        bool asks = model->rollout[0] != '\0' && sim_chance(s, sim_has_faults(s) ? 1 : 10);
        if (!asks)
            continue;
        enum rollout_phase phase = sim_phase(s, model->rollout);
        if (phase == ROLLOUT_SUBMITTED || phase == ROLLOUT_PAUSED || phase == ROLLOUT_QUEUED)
            sim_command(s, model, COMMAND_APPROVE, 0);
    }
}

int sim_n_waiting(struct sim *s, const struct sim_model *m)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    int64_t n = 0;
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_int(r.db, &n, NULL, &e, "SELECT COUNT(*) FROM rollout_queue WHERE target_id = ?1", "i",
               m->target_id) != ERR_OK)
        sim_fail(s, "%s", e.message);
    return (int)n;
}

/* A halted rollout leaves its queue standing. */
static void start_queues(struct sim *s)
{
    struct err e;
    for (int m = 0; m < s->n_models; m++) {
        struct fleet_change who = somebody(s);
        if (s->models[m].rollout[0] != '\0' || sim_n_waiting(s, &s->models[m]) == 0)
            continue;
        int rc = fleet_queue_start(s->store, &who, "prod", s->models[m].name, &e);
        (void)sim_is_fine(s, rc, &e);
        sim_refresh(s, &s->models[m]);
        controller_wake(s->controller);
    }
}

/* --- freezes --- */

static void stop_line(struct sim *s, bool is_on)
{
    struct err e;
    struct fleet_change who = somebody(s);
    struct stop_line stop = {.env = sim_chance(s, 50) ? "prod" : NULL, .is_on = is_on};
    int rc = fleet_stop_line(s->store, &who, &stop, &e);
    if (!is_on) {
        stop.env = stop.env != NULL ? NULL : "prod";
        rc = rc == ERR_OK ? fleet_stop_line(s->store, &who, &stop, &e) : rc;
    }
    (void)sim_is_fine(s, rc, &e);
    if (is_on && !s->is_stopped)
        s->stopped_ms = s->now_ms;
    s->is_stopped = is_on;
    sim_say(s, "the line %s", is_on ? "stops" : "goes on");
    controller_wake(s->controller);
}

static void add_window(struct sim *s)
{
    struct err e;
    struct fleet_change who = somebody(s);
    char id[32];
    int64_t from_ms = sim_clock(s) + sim_random(s, 10000);
    struct freeze_spec spec = {.env = sim_chance(s, 50) ? "prod" : NULL,
                               .from_ms = sim_chance(s, 50) ? from_ms : 0,
                               .until_ms = from_ms + 1000 + sim_random(s, 30000)};
    if (spec.env != NULL && sim_chance(s, 50))
        spec.model = s->models[0].name;
    int rc = fleet_freeze_add(s->store, &who, &spec, id, &e);
    /* The time of the journal never goes back: the window may be over for it. */
    if (rc != ERR_INVALID)
        (void)sim_is_fine(s, rc, &e);
    sim_say(s, "a freeze");
    controller_wake(s->controller);
}

static void freeze(struct sim *s)
{
    uint32_t dice = sim_random(s, 400);
    if (dice == 0)
        add_window(s);
    else if (dice == 1 || (s->is_stopped && dice < 12))
        stop_line(s, !s->is_stopped);
}

/* --- nodes --- */

static void cordon(struct sim *s, struct sim_node *n, enum node_cordon kind)
{
    struct err e;
    struct fleet_change who = somebody(s);
    int rc = fleet_node_cordon(s->store, &who, "prod", n->name, kind, &e);
    if (!sim_is_fine(s, rc, &e))
        return;
    n->cordon = kind;
    n->cordoned_ms = s->now_ms;
    sim_say(s, "node %s: %s", n->name, kind == NODE_UNCORDON ? "uncordon" : node_cordon_name(kind));
    controller_wake(s->controller);
}

static void change_cordons(struct sim *s)
{
    struct sim_node *n = &s->nodes[sim_random(s, (uint32_t)s->n_nodes)];
    if (sim_random(s, 150) != 0 || n->is_deleted)
        return;
    cordon(s, n,
           n->cordon != NODE_UNCORDON ? NODE_UNCORDON : (enum node_cordon)(1 + sim_random(s, 3)));
}

static int renew_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_node_renew(tx_db(tx), *(const int64_t *)ctx, tx_now_ms(tx), e);
}

static void keep_lease(struct sim *s, struct sim_node *n)
{
    struct err e;
    if (!n->has_lease || !n->is_up || s->now_ms < n->renewed_ms + SIM_LEASE_MS / 3)
        return;
    if (sim_has_faults(s) && sim_chance(s, 10))
        return; /* it does not get through */
    n->renewed_ms = s->now_ms;
    if (n->is_deleted)
        sim_enter_node(s, n);
    else if (store_write(s->store, TX_WORK, renew_fn, &n->node_id, &e) != ERR_OK)
        sim_fail(s, "%s", e.message);
}

bool sim_is_in_fleet(struct sim *s, const struct sim_node *n)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    bool found = false;
    int64_t one = 0;
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_int(r.db, &one, &found, &e, "SELECT 1 FROM nodes WHERE node_id = ?1", "i", n->node_id) !=
            ERR_OK)
        sim_fail(s, "%s", e.message);
    return found;
}

/* The controller ends leases. */
static void notice_gone(struct sim *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (!n->has_lease || n->is_deleted || sim_is_in_fleet(s, n))
            continue;
        sim_forget_node(s, n);
        sim_say(s, "the lease of %s has ended", n->name);
    }
}

static void lease(struct sim *s)
{
    notice_gone(s);
    for (int i = 0; i < s->n_nodes; i++)
        keep_lease(s, &s->nodes[i]);
}

/* --- all of it --- */

static void jump(struct sim *s)
{
    if (sim_random(s, 300) != 0)
        return;
    if (sim_chance(s, 50))
        s->skew_ms = (int64_t)sim_random(s, 2 * MAX_SKEW_MS) - MAX_SKEW_MS;
    else
        s->skew_ms += (int64_t)sim_random(s, 10000) - 5000;
    sim_say(s, "the clock is set: %+" PRId64 " ms now", (int64_t)s->skew_ms);
}

void sim_people(struct sim *s)
{
    bool has_faults = sim_has_faults(s);
    if (s->ways[WAY_LEASES])
        lease(s);
    if (s->ways[WAY_APPROVALS])
        approve(s);
    if (s->ways[WAY_FREEZES] && has_faults)
        freeze(s);
    if (s->ways[WAY_CORDONS] && has_faults)
        change_cordons(s);
    if (s->ways[WAY_JUMPS] && has_faults)
        jump(s);
    if (sim_random(s, has_faults ? 100 : 20) == 0)
        start_queues(s);
}

static void remove_windows(struct sim *s)
{
    struct err e;
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct freeze_row *rows = NULL;
    struct fleet_change who = somebody(s);
    size_t n = 0;
    int rc = reader_begin(s->store, &r, &e);
    if (rc == ERR_OK)
        rc = db_freeze_list(r.db, &a, &rows, &n, &e);
    reader_end(&r);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = fleet_freeze_remove(s->store, &who, rows[i].id, &e);
    (void)sim_is_fine(s, rc, &e);
}

void sim_tidy_up(struct sim *s)
{
    if (s->is_stopped)
        stop_line(s, false);
    if (s->ways[WAY_FREEZES])
        remove_windows(s);
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (n->cordon != NODE_UNCORDON && !n->is_deleted)
            cordon(s, n, NODE_UNCORDON);
    }
    controller_wake(s->controller);
}
