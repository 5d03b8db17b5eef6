/*
 * What must hold whenever the controller begins something. The simulation keeps books of its own
 * for this. The invariants of a rollout, and where they are looked after:
 *  1 unavailable nodes stay within the limit, on the way back too      check_limit
 *  2 one active rollout per target                                     find_active (sim_store.c)
 *  3 nothing is done without a durable intent                          check_intent
 *  4 no gate passes without its evidence                               check_evidence (end)
 *  5 no rollout leaves a terminal phase                                check_ends (end)
 *  6 after an abort was taken in, no node gets the new version         check_aborted
 *  7 a version in quarantine is not loaded without an override         check_quarantine
 *  8 no node is changed while requests go to it                        sim_router_check
 *  9 deadlines do not move because of a restart                        check_clocks (sim_noted.c)
 * 10 nothing acts for a generation that the target does not have       check_generation
 * 11 the journal tells the same as the tables                          check_ends, check_history
 * (end) (end): sim_check_end.c, which also looks at rollouts that ended and at the world at rest.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fleet_rollout.h"
#include "sim.h"

#define BIT(number) (1U << (unsigned)(number))
/* What a person stops holds from the next round on, but files may be on their way. */
#define HELD_MS 30000

/* It was to be emptied and is wanted again: as long as it serves on from memory, nothing was taken
 * away. Nor is it where a node that shall be empty is. */
static bool is_kept(const struct sim *s, const struct sim_node *n, int m)
{
    if (n->cordon == NODE_UNLOAD)
        return n->told_ready[m] == 0 && n->slots[m].ready == 0;
    return n->switched_to[m] == 0 && s->models[m].live != 0 && n->slots[m].ready != 0;
}

static bool is_busy(const struct sim *s, const struct sim_node *n)
{
    for (int m = 0; m < s->n_models; m++) {
        if (n->is_busy_for[m] && !is_kept(s, n, m))
            return true;
    }
    return false;
}

static int count_known_dead(struct sim *s, const struct sim_node *but)
{
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++)
        n += &s->nodes[i] != but && sim_is_long_dead(s, &s->nodes[i]);
    return n;
}

/* "t1/g3/r-alpha-1/n2/5" -> "r-alpha-1" */
static void lane_of(const char *key, char lane[64])
{
    lane[0] = '\0';
    const char *from = strchr(key, '/');
    from = from != NULL ? strchr(from + 1, '/') : NULL;
    if (from == NULL || key[0] != 't')
        return;
    size_t n = strcspn(from + 1, "/");
    snprintf(lane, 64, "%.*s", (int)n, from + 1);
}

static bool is_rollout_lane(const char *lane)
{
    return strncmp(lane, "r-", 2) == 0;
}

/* Invariant: no call without a durable intent. */
static void check_intent(struct sim *s, const char *key)
{
    struct err e;
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct op_row row;
    bool found = false;
    int rc = reader_begin(s->store, &r, &e);
    if (rc == ERR_OK)
        rc = db_op_get(r.db, key, &a, &row, &found, &e);
    reader_end(&r);
    r = (struct reader){0};
    if (rc != ERR_OK || !found || row.state != OP_OPEN)
        sim_fail(s, "operation %s has no open intent", key);
}

static bool goes_back(enum rollout_phase p)
{
    return p == ROLLOUT_ROLLING_BACK || p == ROLLOUT_ROLLBACK_STUCK;
}

/* The first number of the query, in which ?1 is the text and ?2 the number; -1: no row. */
static int64_t ask_number(struct sim *s, const char *sql, const char *text, int64_t number)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    int64_t out = -1;
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_int(r.db, &out, NULL, &e, sql, "ti", text, number) != ERR_OK)
        sim_fail(s, "%s", e.message);
    return out;
}

/* Invariant: after an abort was taken in, no node gets the new version. */
static void check_aborted(struct sim *s, const struct sim_model *m, const struct sim_stored *st)
{
    int64_t seq = ask_number(s,
                             "SELECT COALESCE(MIN(command_seq), 0) FROM rollout_commands"
                             " WHERE rollout_id = ?1 AND COALESCE(expected_step, 0) = ?2"
                             " AND verb IN ('abort', 'reject', 'halt')",
                             m->rollout, 0);
    if (seq > 0 && seq <= st->command_seq)
        sim_fail(s, "%s: a node gets the new version after an abort", m->rollout);
}

/* Invariant: a version in quarantine is not loaded without an override. */
static void check_quarantine(struct sim *s, const struct sim_model *m)
{
    int64_t n = ask_number(s,
                           "SELECT COUNT(*) FROM quarantine q JOIN targets t"
                           " ON t.target_id = q.target_id JOIN models m ON m.model_id = t.model_id"
                           " WHERE m.name = ?1 AND q.number = ?2",
                           m->name, m->to);
    if (n > 0 && !rollout_overrides(m->overrides, "quarantine"))
        sim_fail(s, "%s: version %" PRId64 " is in quarantine, and a node gets it", m->rollout,
                 m->to);
}

/* Nothing new is begun while the line is stopped, nor on a node that is out of service. Whoever
 * began before that goes on. */
static void check_held(struct sim *s, const struct sim_model *m, const struct sim_node *n)
{
    bool passes = rollout_overrides(m->overrides, "stop");
    if (s->is_stopped && s->now_ms > s->stopped_ms + HELD_MS && !passes)
        sim_fail(s, "%s: node %s gets the new version while the line is stopped", m->rollout,
                 n->name);
    /* A way back reaches it, too, unless it shall serve nothing. */
    bool is_barred = n->cordon == NODE_UNLOAD || (n->cordon != NODE_UNCORDON && !m->is_rollback);
    if (is_barred && s->now_ms > n->cordoned_ms + HELD_MS)
        sim_fail(s, "%s: node %s gets the new version, but is out of service", m->rollout, n->name);
}

/* Invariant: nothing acts for a generation that the target does not have, and it only rises. */
static void check_generation(struct sim *s, const char *key)
{
    long long target_id = 0;
    long long generation = 0;
    if (sscanf(key, "t%lld/g%lld/", &target_id, &generation) != 2)
        sim_fail(s, "%s has no generation", key);
    int64_t now = ask_number(s, "SELECT generation FROM targets WHERE target_id = ?2 AND ?1 <> ''",
                             "-", target_id);
    if (generation > now)
        sim_fail(s, "%s acts, but the target is at generation %" PRId64, key, now);
}

void sim_check_begun(struct sim *s, struct sim_model *m, int64_t generation)
{
    int64_t now = ask_number(s, "SELECT generation FROM targets WHERE target_id = ?2 AND ?1 <> ''",
                             "-", m->target_id);
    if (generation > now || now < m->generation)
        sim_fail(s, "%s is of generation %" PRId64 ", the target of %" PRId64 " after %" PRId64,
                 m->rollout, generation, now, m->generation);
    m->generation = now;
}

static void check_forward(struct sim *s, struct sim_model *m, int node, const struct sim_stored *st)
{
    bool is_member = (m->given & BIT(node)) != 0 || sim_was_control(s, m, &s->nodes[node]);
    if (st->phase != ROLLOUT_RUNNING && !(st->phase == ROLLOUT_PAUSED && is_member))
        sim_fail(s, "%s: node %s gets the new version in phase %s", m->rollout, s->nodes[node].name,
                 rollout_phase_name(st->phase));
    check_aborted(s, m, st);
    check_quarantine(s, m);
    if (!is_member && st->phase == ROLLOUT_RUNNING)
        check_held(s, m, &s->nodes[node]);
    m->given |= BIT(node);
    m->touched |= BIT(node);
    int n = __builtin_popcount(m->given);
    if (n > st->n_nodes)
        sim_fail(s, "%s: %d nodes have the new version, the step allows %d", m->rollout, n,
                 st->n_nodes);
}

/* Nodes that mreg disturbs, as far as it can know. */
static int count_busy(struct sim *s, const struct sim_node *but)
{
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct sim_node *one = &s->nodes[i];
        n += one != but && one->is_up && is_busy(s, one) && !sim_is_known_dead(s, one) &&
             !sim_is_noted_gone(s, one);
    }
    return n;
}

/* Invariant: unavailable nodes <= limit, rollback included. A node that serves nothing, or is busy
 * already, is not made less available. */
static void check_limit(struct sim *s, const struct sim_model *m, int model, int node,
                        bool is_rollout, bool is_forward)
{
    struct sim_node *n = &s->nodes[node];
    bool is_empty = n->was_told[model] && n->told_ready[model] == 0 &&
                    (m->from != 0 || (n->slots[model].started & BIT(m->to)) != 0 ||
                     (!is_forward && n->slots[model].started != 0));
    bool is_idle_empty = !is_rollout && n->told_ready[model] == 0;
    /* A node that is emptied by order is not wanted. */
    is_idle_empty = is_idle_empty || (!is_forward && n->cordon == NODE_UNLOAD);
    if (is_empty || is_idle_empty || is_busy(s, n) || !n->is_up || n->was_disturbed[model])
        return;
    if (is_rollout && m->policy.strategy == STRATEGY_ALL_AT_ONCE)
        return;
    /* The files of a node that does not answer are put right at once. */
    if (!is_forward && sim_is_known_dead(s, n))
        return;
    int64_t limit = is_rollout ? m->policy.max_unavailable.n_nodes : 1;
    /* Nodes that are down do not keep the others from going back. */
    bool counts_dead = is_forward && !m->is_rollback;
    int n_dead = counts_dead ? count_known_dead(s, n) : 0;
    int count = count_busy(s, n) + n_dead;
    if (count >= limit) {
        sim_note_given_up(s);
        count = count_busy(s, n) + n_dead;
    }
    for (int i = 0; i < s->n_nodes && count >= limit; i++)
        sim_say(s, "node %s: ready %x, told %x, up %d, busy %d %d, known dead %d", s->nodes[i].name,
                s->nodes[i].slots[model].ready, s->nodes[i].told_ready[model], s->nodes[i].is_up,
                s->nodes[i].is_busy_for[0], s->nodes[i].is_busy_for[1],
                sim_is_known_dead(s, &s->nodes[i]));
    if (count >= limit)
        sim_fail(s, "node %s is disturbed while %d others are unavailable, limit %" PRId64, n->name,
                 count, limit);
}

/* The old version stays loaded beside the new one, which takes the requests: it is the higher. */
static bool keeps_old(const struct sim *s, const struct sim_model *m)
{
    return s->ways[WAY_BOTH] && m->policy.residency == RESIDENCY_BOTH && m->from != 0 &&
           m->to > m->from;
}

/* A server of which a load leaves other versions alone: only lower ones than the ready one go,
 * which get no requests, so that nobody is disturbed. Nor is a server that is down, or has started
 * anew and serves nothing. */
static bool is_felt(const struct sim *s, const struct sim_job *j, int model)
{
    const struct sim_node *n = &s->nodes[j->node];
    const struct sim_slot *slot = &n->slots[model];
    unsigned shown = j->kind == JOB_SWITCH ? BIT(j->keep) : slot->visible;
    bool is_there = !n->is_up || slot->ready == 0 ||
                    ((shown & ~slot->ready) == 0 && (slot->ready & ~shown) < shown);
    bool is_load = j->kind == JOB_SWITCH || strstr(j->url, "/load") != NULL;
    return !(keeps_old(s, &s->models[model]) && is_load && is_there);
}

static void check_switch(struct sim *s, const struct sim_job *j, const char *lane)
{
    sim_read_noted(s);
    struct sim_model *m = &s->models[j->model];
    struct sim_node *n = &s->nodes[j->node];
    bool is_rollout = is_rollout_lane(lane);
    struct sim_stored st = {0};
    if (is_rollout)
        sim_stored(s, lane, &st);
    /* After a halt a way back may lead to what is live. */
    bool is_way_back = m->from == m->to && goes_back(st.phase);
    bool is_forward = is_rollout && j->keep == m->to && !is_way_back;
    /* After success the old version goes where it stayed beside the new one. */
    bool is_drop = is_forward && keeps_old(s, m) && j->beside == 0 &&
                   st.phase == ROLLOUT_FINALIZING && (m->given & BIT(j->node)) != 0;
    if (is_drop)
        return; /* nobody waits for it */
    if (is_forward)
        check_forward(s, m, j->node, &st);
    else if (is_rollout && j->keep != m->from && !(j->keep == 0 && n->cordon == NODE_UNLOAD))
        sim_fail(s, "%s: node %s gets version %" PRId64 ", which is neither old nor new", lane,
                 n->name, j->keep);
    if (j->beside != 0 && !(is_forward && keeps_old(s, m) && j->beside == m->from))
        sim_fail(s, "%s: version %" PRId64 " is kept beside %" PRId64, lane, j->beside, j->keep);
    bool is_emptied = n->cordon == NODE_UNLOAD && j->keep == 0;
    if (!is_rollout && j->keep != m->live && !is_emptied)
        sim_fail(s, "a repair brings %" PRId64 " to %s, live is %" PRId64, j->keep, n->name,
                 m->live);
    if (is_rollout && !is_forward && m->is_rollback && m->n_commands == 0 &&
        (m->given & BIT(j->node)) != 0)
        sim_fail(s, "%s: a way back returns to where it came from on %s", lane, n->name);
    if (is_rollout && !is_forward)
        m->given &= ~BIT(j->node);
    bool was_staged = (n->slots[j->model].staged_ever & BIT(j->keep)) != 0;
    if (j->keep != 0 && !was_staged)
        sim_fail(s, "version %" PRId64 " is shown on %s, but was never staged there", j->keep,
                 n->name);
    check_limit(s, m, j->model, j->node, is_rollout, is_forward);
    /* Only the files of a node that is gone are put right: nobody waits for it to serve. */
    n->is_busy_for[j->model] = is_rollout || n->is_busy_for[j->model] || !sim_is_known_dead(s, n);
    n->switched_to[j->model] = j->keep;
    n->slots[j->model].started |= BIT(j->keep);
}

/* After going back has begun, the new version is not loaded any more. */
static void check_load(struct sim *s, const struct sim_job *j, const char *lane, int model)
{
    const struct sim_model *m = &s->models[model];
    const struct sim_slot *slot = &s->nodes[j->node].slots[model];
    struct sim_stored st;
    if (!is_rollout_lane(lane))
        return;
    sim_stored(s, lane, &st);
    if (m->from != m->to && goes_back(st.phase) && (slot->visible & BIT(m->to)) != 0)
        sim_fail(s, "%s: the new version is loaded on %s while going back", lane,
                 s->nodes[j->node].name);
}

static int model_of_key(const struct sim *s, const char *key)
{
    long long id = 0;
    (void)sscanf(key, "t%lld/", &id);
    for (int i = 0; i < s->n_models; i++) {
        if (s->models[i].target_id == id)
            return i;
    }
    return -1;
}

/* Reading counters or files disturbs nobody. */
static bool is_scrape(const struct sim_job *j)
{
    size_t n = strlen(j->url);
    if (j->kind == JOB_CHECK)
        return true;
    return j->kind == JOB_HTTP && n > 8 && strcmp(j->url + n - 8, "/metrics") == 0;
}

/* Weights are set for the active rollout, or outside of rollouts, and were recorded before. Each
 * router has its own end of the operation's key. */
static void check_weights(struct sim *s, const char *key, const char *lane)
{
    char op[JOB_KEY_BYTES];
    if (lane[0] == '\0')
        return; /* a look */
    snprintf(op, sizeof op, "%.*s", (int)(strrchr(key, '/') - key), key);
    check_intent(s, op);
    int model = model_of_key(s, op);
    if (model < 0)
        sim_fail(s, "%s is of no target", key);
    if (is_rollout_lane(lane) && strcmp(lane, s->models[model].rollout) != 0)
        sim_fail(s, "%s acts, but %s is active", key, s->models[model].rollout);
}

void sim_check_submit(struct sim *s, const struct job *job, const struct sim_job *mine)
{
    char lane[64];
    lane_of(job->key, lane);
    if (mine->is_router) {
        check_weights(s, job->key, lane);
        return;
    }
    struct sim_node *n = &s->nodes[mine->node];
    /* One that is over for mreg may end later: its time ran out while the clock ran faster. */
    for (int i = 0; i < s->n_jobs && !is_scrape(mine); i++) {
        const struct sim_job *o = &s->jobs[i];
        bool is_other = o->is_there && o != mine && !o->is_forgotten && !is_scrape(o) &&
                        o->node_id == mine->node_id && o->deadline_ms > sim_clock(s);
        if (is_other && o->node == mine->node)
            sim_fail(s, "%s begins on %s while %s runs there", job->key, n->name, o->key);
    }
    if (lane[0] == '\0')
        return; /* a read */
    sim_say(s, "  begin %s %s %" PRId64 "/%" PRId64 " %s", job->key,
            job->kind == JOB_HTTP     ? "http"
            : job->kind == JOB_STAGE  ? "stage"
            : job->kind == JOB_SWITCH ? "switch"
                                      : "remove",
            mine->number, mine->keep, mine->url);
    check_intent(s, job->key);
    check_generation(s, job->key);
    int model = model_of_key(s, job->key);
    if (model < 0)
        sim_fail(s, "%s is of no target", job->key);
    if (is_rollout_lane(lane) && strcmp(lane, s->models[model].rollout) != 0)
        sim_fail(s, "%s acts, but %s is active", job->key, s->models[model].rollout);
    if (job->kind == JOB_STAGE)
        n->slots[model].staged_ever |= BIT(mine->number);
    else if (job->kind == JOB_SWITCH)
        check_switch(s, mine, lane);
    else if (job->kind == JOB_HTTP && strstr(mine->url, "/load") != NULL)
        check_load(s, mine, lane, model);
    else if (job->kind == JOB_HTTP && strstr(mine->url, "/unload") != NULL)
        n->is_busy_for[model] = true; /* also if it was seen ready since its files were switched */
    bool changes = job->kind == JOB_SWITCH || strstr(mine->url, "load") != NULL;
    if (changes && is_felt(s, mine, model))
        sim_router_check(s, mine, model);
}

void sim_check_answer(struct sim *s, const struct sim_job *j)
{
    if (j->kind != JOB_HTTP || j->node < 0)
        return;
    struct sim_node *n = &s->nodes[j->node];
    if (j->fate != FATE_DONE || j->model < 0)
        return;
    size_t len = strlen(j->url);
    bool is_unload = len > 7 && strcmp(j->url + len - 7, "/unload") == 0;
    bool is_ready = len > 6 && strcmp(j->url + len - 6, "/ready") == 0;
    if (is_unload && n->switched_to[j->model] == 0)
        n->is_busy_for[j->model] = false;
    if (!is_ready)
        return;
    const struct sim_model *m = &s->models[j->model];
    n->was_told[j->model] = true;
    /* Nobody asks about other versions any more. */
    n->told_ready[j->model] &= BIT(m->live) | BIT(m->from) | BIT(m->to);
    if (j->status == 200)
        n->told_ready[j->model] |= BIT(j->number);
    else
        n->told_ready[j->model] &= ~BIT(j->number);
    bool is_there = j->status == 200 && j->number == n->switched_to[j->model];
    bool is_gone = n->switched_to[j->model] == 0 && n->told_ready[j->model] == 0;
    /* The unload of a repair did nothing, as far as anybody can tell: the node serves on. */
    bool serves_on = m->rollout[0] == '\0' && n->switched_to[j->model] == 0 && j->status == 200;
    if (is_there || is_gone || serves_on)
        n->is_busy_for[j->model] = false;
}
