/*
 * What must hold when a rollout has ended, when a node is gone for long, and when the world has
 * come to rest. The list of invariants is in sim_check.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal.h"
#include "sim.h"

#define BIT(number) (1U << (unsigned)(number))
#define LONGEST_DEATH_MS 700000

bool sim_is_long_dead(struct sim *s, const struct sim_node *n)
{
    int64_t since_ms = n->dead_since_ms > n->worked_ms ? n->dead_since_ms : n->worked_ms;
    bool is_long = !n->is_up && !n->is_deleted && s->now_ms > since_ms + SIM_KNOWN_DEAD_MS;
    return is_long && sim_is_in_fleet(s, n);
}

void sim_check_dead(struct sim *s)
{
    int64_t since_ms = s->restarted_ms;
    for (int i = 0; i < s->n_nodes && s->now_ms > since_ms + SIM_KNOWN_DEAD_MS; i++) {
        const struct sim_node *n = &s->nodes[i];
        if (sim_is_long_dead(s, n) && !sim_is_known_dead(s, n))
            sim_fail(s, "nobody noticed that %s died", n->name);
    }
}

static bool has_gate(const struct policy *p, enum gate_kind kind)
{
    for (int i = 0; i < p->n_gates; i++) {
        if (p->gates[i].kind == kind)
            return true;
    }
    return false;
}

/* A repair beside the rollout failed at least once. */
static bool failed_a_round(const struct rollout_status *st, const struct sim_node *n)
{
    for (int i = 0; i < st->n_nodes; i++) {
        const struct rollout_node *one = &st->nodes[i];
        if (one->node_id == n->node_id)
            return one->step == 0 && one->move.n_rounds > 0;
    }
    return false;
}

/* Nodes that are gone, or were given up, are left to the repairs: nobody works on them any more. */
static void let_go(struct sim *s, const struct sim_model *m)
{
    const struct rollout_status *st = sim_status(s, m->rollout);
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (!n->is_up || sim_is_known_dead(s, n) || failed_a_round(st, n))
            n->is_busy_for[m - s->models] = false;
    }
}

/* Whatever was changed was seen serving afterwards, where anybody was there to see it. */
static void check_all_seen(struct sim *s, const struct sim_model *m, enum rollout_phase phase)
{
    bool is_whole = phase == ROLLOUT_SUCCEEDED || phase == ROLLOUT_ROLLED_BACK;
    for (int i = 0; i < s->n_nodes && is_whole; i++) {
        bool is_ours = (m->touched & BIT(i)) != 0 && !s->nodes[i].is_deleted;
        if (is_ours && s->nodes[i].is_busy_for[m - s->models] && sim_is_in_fleet(s, &s->nodes[i]))
            sim_fail(s, "%s is %s, but %s was not seen serving again", m->rollout,
                     rollout_phase_name(phase), s->nodes[i].name);
    }
}

/* Invariant: what a rollout began has ended before it does, where it disturbs a node that is still
 * there. */
static void check_no_job(struct sim *s, const struct sim_model *m)
{
    char mark[40];
    snprintf(mark, sizeof mark, "/%s/", m->rollout);
    for (int i = 0; i < s->n_jobs; i++) {
        const struct sim_job *j = &s->jobs[i];
        bool disturbs = j->kind == JOB_SWITCH || j->kind == JOB_HTTP;
        bool is_open = j->is_there && !j->is_forgotten && !j->is_router && disturbs;
        if (is_open && j->key[0] == 't' && strstr(j->key, mark) != NULL &&
            s->nodes[j->node].node_id == j->node_id && sim_is_in_fleet(s, &s->nodes[j->node]))
            sim_fail(s, "%s has ended, but %s has not", m->rollout, j->key);
    }
}

/* Invariant: no gate passes without its evidence. The requests are counted by the world itself. */
static void check_evidence(struct sim *s, const struct sim_model *m)
{
    const struct rollout_status *st = sim_status(s, m->rollout);
    for (int i = 0; i < st->n_gates && i < m->policy.n_gates; i++) {
        const struct gate_result *g = &st->gates[i];
        const struct policy_gate *asked = &m->policy.gates[i];
        bool counts = g->kind == GATE_ERROR_RATE || g->kind == GATE_LATENCY;
        if (g->verdict != VERDICT_PASS || !counts || asked->kind != g->kind)
            continue;
        if (g->n_requests < asked->min_requests || m->n_served_new < asked->min_requests)
            sim_fail(s, "%s: %s passes with %" PRId64 " requests, of which %" PRId64 " were there",
                     m->rollout, gate_name(g->kind), g->n_requests, m->n_served_new);
    }
}

void sim_check_ended(struct sim *s, const struct sim_model *m, enum rollout_phase phase)
{
    enum quality q = m->quality[m->to];
    sim_read_noted(s);
    let_go(s, m);
    check_no_job(s, m);
    check_all_seen(s, m, phase);
    check_evidence(s, m);
    if (phase == ROLLOUT_SUCCEEDED && m->live != m->to)
        sim_fail(s, "%s succeeded, but live is %" PRId64, m->rollout, m->live);
    if (phase != ROLLOUT_SUCCEEDED) {
        if (m->live != m->from)
            sim_fail(s, "%s did not succeed, but live moved to %" PRId64, m->rollout, m->live);
        return;
    }
    if (q == QUALITY_NO_LOAD || q == QUALITY_SILENT)
        sim_fail(s, "%s brought a version live that cannot be loaded", m->rollout);
    if (q == QUALITY_WRONG && has_gate(&m->policy, GATE_GOLDEN))
        sim_fail(s, "%s brought a version live that answers wrongly", m->rollout);
    bool is_judged = m->n_commands == 0 && s->has_metrics && m->policy.bake_ms >= 5000 &&
                     m->policy.strategy != STRATEGY_CANARY && m->policy.on_no_data == CHOICE_PAUSE;
    if (q == QUALITY_FAILS && has_gate(&m->policy, GATE_ERROR_RATE) && is_judged)
        sim_fail(s, "%s brought a version live of which a third of the requests fail", m->rollout);
    if (q == QUALITY_SLOW && has_gate(&m->policy, GATE_LATENCY) && is_judged)
        sim_fail(s, "%s brought a slow version live", m->rollout);
}

static bool is_any_halted(const struct sim *s)
{
    bool is = false;
    for (int m = 0; m < s->n_models; m++)
        is = is || s->models[m].is_halted;
    return is;
}

/* What a halted rollout left empty counts against the limit until somebody decides: a node that
 * serves something wrong meanwhile may have to stay so. */
static bool is_limit_held(const struct sim *s)
{
    bool is = false;
    for (int m = 0; m < s->n_models; m++) {
        for (int i = 0; i < s->n_nodes && s->models[m].is_halted; i++)
            is = is || (s->nodes[i].is_up && !s->nodes[i].is_deleted &&
                        s->nodes[i].slots[m].ready == 0 && s->models[m].live != 0);
    }
    return is;
}

/* What a node brought along when it entered itself again is only found by comparing files. What it
 * serves from memory, without files, could be anybody's, as far as its server tells. */
static bool shows_what_it_brought(const struct sim *s, const struct sim_node *n, int model)
{
    bool came_back = n->has_lease && !n->is_deleted && n->is_up;
    return !came_back || (sim_checks_files(s) && n->slots[model].visible != 0);
}

/* It was gone while the old version beside the new one was taken away: only comparing files tells.
 */
static bool keeps_older(const struct sim *s, const struct sim_node *n, const struct sim_slot *slot,
                        unsigned want)
{
    bool has_both = slot->ready == slot->visible && (slot->ready & want) != 0;
    return s->ways[WAY_BOTH] && !sim_checks_files(s) && n->dead_since_ms != 0 && want != 0 &&
           n->is_up && has_both && (slot->ready & ~want) < want;
}

bool sim_is_at_work(const struct sim *s)
{
    for (int i = 0; i < s->n_jobs; i++) {
        const struct sim_job *j = &s->jobs[i];
        if (j->is_there && !j->is_forgotten && j->key[0] == 't')
            return true;
    }
    return false;
}

bool sim_is_quiet(struct sim *s, char why[200])
{
    for (int m = 0; m < s->n_models; m++) {
        const struct sim_model *model = &s->models[m];
        unsigned want = model->live != 0 ? BIT(model->live) : 0;
        if (model->rollout[0] != '\0' || sim_n_waiting(s, model) > 0) {
            enum rollout_phase phase =
                model->rollout[0] != '\0' ? sim_phase(s, model->rollout) : ROLLOUT_QUEUED;
            snprintf(why, 200, "rollout %s is %s", model->rollout, rollout_phase_name(phase));
            return false;
        }
        if (!model->is_halted && !sim_router_is_quiet(s, m, why))
            return false;
        for (int i = 0; i < s->n_nodes && !model->is_halted; i++) {
            const struct sim_node *n = &s->nodes[i];
            const struct sim_slot *slot = &n->slots[m];
            bool is_excused = n->is_deleted && !n->has_lease;
            /* A halted rollout may have left files with which the server does not start. */
            is_excused = is_excused || (!n->is_up && is_any_halted(s) &&
                                        s->now_ms > n->dead_since_ms + LONGEST_DEATH_MS);
            is_excused = is_excused || (want == 0 && !shows_what_it_brought(s, n, m));
            is_excused = is_excused || (n->is_up && slot->ready != 0 && is_limit_held(s));
            /* Of a record that was made anew mreg has switched nothing yet. */
            bool has_files = slot->visible == want || (n->has_lease && !sim_checks_files(s));
            is_excused = is_excused || keeps_older(s, n, slot, want);
            if (is_excused || (!n->is_deleted && n->is_up && slot->ready == want && has_files))
                continue;
            snprintf(why, 200, "node %s (up %d) has %s ready %x, on disk %x; wanted %x", n->name,
                     n->is_up, model->name, slot->ready, slot->visible, want);
            return false;
        }
    }
    return true;
}

static void check_alias(struct sim *s, struct db *db, const struct sim_model *m)
{
    struct err e;
    int64_t number = 0;
    int rc = db_int(db, &number, NULL, &e,
                    "SELECT number FROM aliases WHERE model_id = ?1 AND alias = 'prod'", "i",
                    m->model_id);
    if (rc != ERR_OK || number != m->live)
        sim_fail(s, "%s@prod is %" PRId64 ", live is %" PRId64, m->name, number, m->live);
}

/* The history says what the node serves. */
static void check_history(struct sim *s, struct db *db, int node)
{
    struct err e;
    struct arena a CLEANUP(arena_clear) = {0};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    const char *bytes = NULL;
    size_t n = 0;
    int n_live = 0;
    for (int m = 0; m < s->n_models; m++) {
        n_live += s->models[m].live != 0;
        if (s->models[m].is_halted)
            return;
    }
    const char *path = journal_path_serving(&a, "prod", s->nodes[node].name);
    int rc = journal_doc_at(db, path, INT64_MAX, &a, &bytes, &n, &e);
    if (rc == ERR_NOT_FOUND && n_live == 0)
        return;
    if (rc != ERR_OK || json_parse(bytes, n, 8, &doc, &e) != ERR_OK)
        sim_fail(s, "no history of %s: %s", s->nodes[node].name, e.message);
    json_t *list = json_object_get(doc, "serving");
    bool is_same = (int)json_array_size(list) == n_live;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *one = json_array_get(list, i);
        const char *model = json_string_value(json_object_get(one, "model"));
        int64_t version = json_integer_value(json_object_get(one, "version"));
        for (int m = 0; m < s->n_models; m++) {
            bool is_it = strcmp(s->models[m].name, model) == 0;
            is_same = is_same && (!is_it || version == s->models[m].live);
        }
    }
    if (!is_same)
        sim_fail(s, "the history says that %s serves %s", s->nodes[node].name, bytes);
}

/* Invariant: what has ended stays as it ended, and the journal says the same. */
static void check_ends(struct sim *s, struct db *db)
{
    for (int i = 0; i < s->n_ended; i++) {
        struct err e;
        struct arena a CLEANUP(arena_clear) = {0};
        json_t *doc CLEANUP(json_decref_ptr) = NULL;
        const struct sim_ended *end = &s->ended[i];
        const char *want = rollout_phase_name(end->phase);
        const char *bytes = NULL;
        size_t n = 0;
        if (sim_phase(s, end->id) != end->phase)
            sim_fail(s, "%s was %s and is %s", end->id, want,
                     rollout_phase_name(sim_phase(s, end->id)));
        const char *path = journal_path_rollout(&a, end->id);
        if (journal_doc_at(db, path, INT64_MAX, &a, &bytes, &n, &e) != ERR_OK ||
            json_parse(bytes, n, 8, &doc, &e) != ERR_OK)
            sim_fail(s, "the journal has nothing of %s: %s", end->id, e.message);
        const char *phase = json_string_value(json_object_get(doc, "phase"));
        if (phase == NULL || strcmp(phase, want) != 0)
            sim_fail(s, "the journal says that %s is %s, not %s", end->id, phase, want);
    }
}

void sim_check_end(struct sim *s)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    if (reader_begin(s->store, &r, &e) != ERR_OK)
        sim_fail(s, "%s", e.message);
    for (int m = 0; m < s->n_models; m++)
        check_alias(s, r.db, &s->models[m]);
    check_ends(s, r.db);
    for (int i = 0; i < s->n_nodes; i++) {
        if (!s->nodes[i].is_deleted)
            check_history(s, r.db, i);
    }
}
