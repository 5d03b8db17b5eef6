/*
 * What must hold: on every job that the controller submits, at the end of every rollout, and when
 * the world has come to rest. The simulation keeps books of its own for this.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "journal.h"
#include "sim.h"

#define BIT(number) (1U << (unsigned)(number))
/* After this long a dead node must be known to be dead: three looks and what may be in between. */
#define KNOWN_DEAD_MS 120000

static bool is_busy(const struct sim *s, const struct sim_node *n)
{
    for (int m = 0; m < s->n_models; m++) {
        if (n->is_busy_for[m])
            return true;
    }
    return false;
}

static int count_known_dead(const struct sim *s, const struct sim_node *but)
{
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct sim_node *one = &s->nodes[i];
        n += one != but && !one->is_up && !one->is_deleted &&
             s->now_ms - one->dead_since_ms > KNOWN_DEAD_MS;
    }
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

/* Which phase and how many nodes the stored status allows. */
struct stored {
    enum rollout_phase phase;
    int n_nodes; /* of the present step, cumulative */
};

static void read_stored(struct sim *s, const char *lane, struct stored *out)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status status;
    sim_status(s, lane, &a, &status);
    out->phase = status.phase;
    out->n_nodes = status.step > 0 ? status.steps[status.step - 1].n_nodes : 0;
}

static int64_t revision_of(struct sim *s, const char *id)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    int64_t revision = 0;
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_int(r.db, &revision, NULL, &e,
               "SELECT revision FROM rollout_status WHERE rollout_id = ?1", "t", id) != ERR_OK)
        return -1;
    return revision;
}

void sim_note_disturbed(struct sim *s, int model)
{
    struct sim_model *m = &s->models[model];
    int64_t revision = m->rollout[0] != '\0' ? revision_of(s, m->rollout) : 0;
    if (revision == m->noted_revision)
        return;
    m->noted_revision = revision;
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_status status;
    for (int i = 0; i < s->n_nodes; i++)
        s->nodes[i].was_disturbed[model] = false;
    if (s->models[model].rollout[0] == '\0')
        return;
    sim_status(s, s->models[model].rollout, &a, &status);
    for (int k = 0; k < status.n_nodes; k++) {
        for (int i = 0; i < s->n_nodes; i++) {
            struct sim_node *n = &s->nodes[i];
            if (n->node_id != status.nodes[k].node_id)
                continue;
            n->was_disturbed[model] = move_disturbs(&status.nodes[k].move);
            /* Given up, and left to the repairs. */
            if (status.nodes[k].is_back)
                n->is_busy_for[model] = false;
        }
    }
}

static bool goes_back(enum rollout_phase p)
{
    return p == ROLLOUT_ROLLING_BACK || p == ROLLOUT_ROLLBACK_STUCK;
}

static void check_forward(struct sim *s, struct sim_model *m, int node, const struct stored *st)
{
    bool is_member = (m->given & BIT(node)) != 0;
    if (st->phase != ROLLOUT_RUNNING && !(st->phase == ROLLOUT_PAUSED && is_member))
        sim_fail(s, "%s: node %s gets the new version in phase %s", m->rollout, s->nodes[node].name,
                 rollout_phase_name(st->phase));
    m->given |= BIT(node);
    int n = __builtin_popcount(m->given);
    if (n > st->n_nodes)
        sim_fail(s, "%s: %d nodes have the new version, the step allows %d", m->rollout, n,
                 st->n_nodes);
}

static bool is_known_dead(struct sim *s, const struct sim_node *n)
{
    struct err e;
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct watch_health h = {0};
    bool found = false;
    int rc = reader_begin(s->store, &r, &e);
    if (rc == ERR_OK)
        rc = db_node_health(r.db, n->node_id, &a, &h, &found, &e);
    return rc == ERR_OK && found && !h.is_reachable;
}

/* Nodes that mreg disturbs, as far as it can know. */
static int count_busy(struct sim *s, const struct sim_node *but)
{
    int n = 0;
    for (int i = 0; i < s->n_nodes; i++) {
        const struct sim_node *one = &s->nodes[i];
        n += one != but && one->is_up && is_busy(s, one) && !is_known_dead(s, one);
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
                    (m->from != 0 || (n->slots[model].started & BIT(m->to)) != 0);
    bool is_idle_empty = !is_rollout && n->told_ready[model] == 0;
    if (is_empty || is_idle_empty || is_busy(s, n) || !n->is_up || n->was_disturbed[model])
        return;
    if (is_rollout && m->policy.strategy == STRATEGY_ALL_AT_ONCE)
        return;
    /* The files of a node that does not answer are put right at once. */
    if (is_rollout && !is_forward && is_known_dead(s, n))
        return;
    int64_t limit = is_rollout ? m->policy.max_unavailable.n_nodes : 1;
    int count = count_busy(s, n) + (is_forward ? count_known_dead(s, n) : 0);
    for (int i = 0; i < s->n_nodes && count >= limit; i++)
        sim_say(s, "node %s: up %d, busy %d %d, known dead %d", s->nodes[i].name, s->nodes[i].is_up,
                s->nodes[i].is_busy_for[0], s->nodes[i].is_busy_for[1],
                is_known_dead(s, &s->nodes[i]));
    if (count >= limit)
        sim_fail(s, "node %s is disturbed while %d others are unavailable, limit %" PRId64, n->name,
                 count, limit);
}

static void check_switch(struct sim *s, const struct sim_job *j, const char *lane)
{
    struct sim_model *m = &s->models[j->model];
    struct sim_node *n = &s->nodes[j->node];
    bool is_rollout = is_rollout_lane(lane);
    struct stored st = {0};
    if (is_rollout)
        read_stored(s, lane, &st);
    bool is_forward = is_rollout && j->keep == m->to;
    if (is_forward)
        check_forward(s, m, j->node, &st);
    else if (is_rollout && j->keep != m->from)
        sim_fail(s, "%s: node %s gets version %" PRId64 ", which is neither old nor new", lane,
                 n->name, j->keep);
    if (!is_rollout && j->keep != m->live)
        sim_fail(s, "a repair brings %" PRId64 " to %s, live is %" PRId64, j->keep, n->name,
                 m->live);
    if (is_rollout && !is_forward)
        m->given &= ~BIT(j->node);
    bool was_staged = (n->slots[j->model].staged_ever & BIT(j->keep)) != 0;
    if (j->keep != 0 && !was_staged)
        sim_fail(s, "version %" PRId64 " is shown on %s, but was never staged there", j->keep,
                 n->name);
    check_limit(s, m, j->model, j->node, is_rollout, is_forward);
    n->is_busy_for[j->model] = true;
    n->switched_to[j->model] = j->keep;
    n->slots[j->model].started |= BIT(j->keep);
}

/* After going back has begun, the new version is not loaded any more. */
static void check_load(struct sim *s, const struct sim_job *j, const char *lane, int model)
{
    const struct sim_model *m = &s->models[model];
    const struct sim_slot *slot = &s->nodes[j->node].slots[model];
    struct stored st;
    if (!is_rollout_lane(lane))
        return;
    read_stored(s, lane, &st);
    if (goes_back(st.phase) && (slot->visible & BIT(m->to)) != 0)
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

/* Reading counters disturbs nobody. */
static bool is_scrape(const struct sim_job *j)
{
    size_t n = strlen(j->url);
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
    for (int i = 0; i < SIM_MAX_JOBS && !is_scrape(mine); i++) {
        const struct sim_job *o = &s->jobs[i];
        bool is_other = o->is_there && o != mine && !o->is_forgotten && !is_scrape(o);
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
    if (job->kind == JOB_SWITCH || strstr(mine->url, "load") != NULL)
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
    if (is_there || is_gone)
        n->is_busy_for[j->model] = false;
}

static bool has_gate(const struct policy *p, enum gate_kind kind)
{
    for (int i = 0; i < p->n_gates; i++) {
        if (p->gates[i].kind == kind)
            return true;
    }
    return false;
}

/* Nodes that are gone are left to the repairs: nobody works on them any more. */
static void let_go(struct sim *s, const struct sim_model *m)
{
    for (int i = 0; i < s->n_nodes; i++) {
        if (!s->nodes[i].is_up || is_known_dead(s, &s->nodes[i]))
            s->nodes[i].is_busy_for[m - s->models] = false;
    }
}

void sim_check_ended(struct sim *s, const struct sim_model *m, enum rollout_phase phase)
{
    enum quality q = m->quality[m->to];
    let_go(s, m);
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

bool sim_is_quiet(struct sim *s, char why[200])
{
    for (int m = 0; m < s->n_models; m++) {
        const struct sim_model *model = &s->models[m];
        unsigned want = model->live != 0 ? BIT(model->live) : 0;
        if (model->rollout[0] != '\0') {
            snprintf(why, 200, "rollout %s is active", model->rollout);
            return false;
        }
        if (!model->is_halted && !sim_router_is_quiet(s, m, why))
            return false;
        for (int i = 0; i < s->n_nodes && !model->is_halted; i++) {
            const struct sim_node *n = &s->nodes[i];
            const struct sim_slot *slot = &n->slots[m];
            if (n->is_deleted || (n->is_up && slot->ready == want && slot->visible == want))
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

void sim_check_end(struct sim *s)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    if (reader_begin(s->store, &r, &e) != ERR_OK)
        sim_fail(s, "%s", e.message);
    for (int m = 0; m < s->n_models; m++)
        check_alias(s, r.db, &s->models[m]);
    for (int i = 0; i < s->n_nodes; i++) {
        if (!s->nodes[i].is_deleted)
            check_history(s, r.db, i);
    }
}
