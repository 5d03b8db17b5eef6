/*
 * What the stored statuses say: which nodes the active rollout disturbs, and that a restart of the
 * controller moves no times.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

/* Invariant: the first status after a restart has the times of the last one before. A node that got
 * done moves the deadline, and so do commands, pauses, the end of a reload control, and a way back
 * that is late and tries again. */
static void check_clocks(struct sim *s, struct sim_model *m)
{
    const struct rollout_status *st = sim_status(s, m->rollout);
    const struct sim_clocks *was = &m->clocks;
    unsigned done = 0;
    m->was_restarted = false;
    for (int i = 0; i < st->n_nodes; i++)
        done |= (unsigned)st->nodes[i].is_done << i;
    bool is_same = st->phase == ROLLOUT_RUNNING && was->phase == st->phase &&
                   st->step == was->step && done == was->done && st->control == was->control &&
                   st->command_seq == was->command_seq &&
                   st->n_rollback_failures == was->n_failures;
    if (is_same && was->step_deadline_ms != 0 && st->step_deadline_ms != 0 &&
        st->step_deadline_ms != was->step_deadline_ms)
        sim_fail(s, "%s: a restart moves the step's deadline by %" PRId64 " ms", m->rollout,
                 st->step_deadline_ms - was->step_deadline_ms);
    if (is_same && was->bake_since_ms != 0 && st->bake_since_ms != 0 &&
        st->bake_since_ms != was->bake_since_ms)
        sim_fail(s, "%s: a restart moves the bake by %" PRId64 " ms", m->rollout,
                 st->bake_since_ms - was->bake_since_ms);
}

void sim_note_restart(struct sim *s)
{
    for (int i = 0; i < s->n_models; i++) {
        struct sim_model *m = &s->models[i];
        m->was_restarted = m->rollout[0] != '\0';
        if (!m->was_restarted)
            continue;
        const struct rollout_status *st = sim_status(s, m->rollout);
        m->clocks = (struct sim_clocks){.phase = st->phase,
                                        .control = st->control,
                                        .step = st->step,
                                        .n_failures = st->n_rollback_failures,
                                        .command_seq = st->command_seq,
                                        .step_deadline_ms = st->step_deadline_ms,
                                        .bake_since_ms = st->bake_since_ms};
        for (int k = 0; k < st->n_nodes; k++)
            m->clocks.done |= (unsigned)st->nodes[k].is_done << k;
    }
}

/* Keeps the stored status as text if it is another than before. */
static void keep_status(struct sim *s, struct sim_model *m)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_query(r.db, &q, &e, "SELECT revision, status FROM rollout_status WHERE rollout_id = ?1",
                 "t", m->rollout) != ERR_OK ||
        stmt_next(q, &row, &e) != ERR_OK)
        sim_fail(s, "%s", e.message);
    int64_t revision = row ? stmt_int(q, 0) : 0;
    if (revision == m->noted_revision)
        return;
    m->noted_revision = revision;
    mem_free_ptr(&m->noted_text);
    m->noted_text = row ? mem_strdup(stmt_text(q, 1)) : NULL;
    if (m->was_restarted)
        check_clocks(s, m);
}

void sim_note_disturbed(struct sim *s, int model)
{
    struct sim_model *m = &s->models[model];
    if (m->rollout[0] != '\0') {
        keep_status(s, m);
        return;
    }
    m->noted_revision = 0;
    m->was_restarted = false;
    mem_free_ptr(&m->noted_text);
    for (int i = 0; i < s->n_nodes; i++)
        s->nodes[i].was_disturbed[model] = false;
}

/* Its files were put in place again; before it was unloaded the control was given up. */
static bool is_let_go(const struct rollout_status *status, const struct rollout_node *one)
{
    return status->control == CONTROL_LOST && status->control_id == one->node_id &&
           !move_disturbs(&one->move);
}

static void note_node(struct sim *s, int model, const struct rollout_status *status,
                      const struct rollout_node *one)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        if (n->node_id != one->node_id)
            continue;
        n->was_disturbed[model] = move_disturbs(&one->move);
        /* Given up, and left to the repairs. */
        if (one->is_back || is_let_go(status, one))
            n->is_busy_for[model] = false;
    }
}

/* A repair that failed waits before the next one, and counts as under way no more: one outside of
 * rollouts, or in the course of one. What was under way when its server died ended with it. */
static bool is_given_up(struct sim *s, const struct sim_model *m, const struct sim_node *n)
{
    char id[32];
    snprintf(id, sizeof id, "target-%" PRId64, m->target_id);
    const struct rollout_status *st = sim_status(s, m->rollout[0] == '\0' ? id : m->rollout);
    for (int i = 0; i < st->n_nodes; i++) {
        const struct rollout_node *one = &st->nodes[i];
        if (one->node_id != n->node_id)
            continue;
        if (move_disturbs(&one->move))
            return false;
        if ((one->step == 0 && one->move.n_rounds > 0) || is_let_go(st, one))
            return true;
    }
    return s->now_ms < n->dead_since_ms + SIM_KNOWN_DEAD_MS;
}

void sim_note_given_up(struct sim *s)
{
    for (int i = 0; i < s->n_nodes; i++) {
        struct sim_node *n = &s->nodes[i];
        for (int m = 0; m < s->n_models; m++) {
            if (n->is_busy_for[m] && (!sim_is_in_fleet(s, n) || is_given_up(s, &s->models[m], n)))
                n->is_busy_for[m] = false;
        }
    }
}

void sim_stored(struct sim *s, const char *rollout, struct sim_stored *out)
{
    struct err e;
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    *out = (struct sim_stored){0}; /* what is zero is left out of the text */
    if (reader_begin(s->store, &r, &e) != ERR_OK ||
        db_query(r.db, &q, &e,
                 "SELECT status ->> 'phase', status ->> 'command_seq',"
                 " status ->> ('$.steps[' || (status ->> 'step' - 1) || '].n_nodes')"
                 " FROM rollout_status WHERE rollout_id = ?1",
                 "t", rollout) != ERR_OK ||
        stmt_next(q, &row, &e) != ERR_OK)
        sim_fail(s, "%s", e.message);
    if (!row)
        return;
    if (!stmt_is_null(q, 0) && !rollout_phase_by_name(stmt_text(q, 0), &out->phase))
        sim_fail(s, "%s is in phase %s", rollout, stmt_text(q, 0));
    out->command_seq = stmt_int(q, 1);
    out->n_nodes = (int)stmt_int(q, 2);
}

bool sim_was_control(struct sim *s, const struct sim_model *m, const struct sim_node *n)
{
    return sim_status(s, m->rollout)->control_id == n->node_id;
}

bool sim_is_known_dead(struct sim *s, const struct sim_node *n)
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

bool sim_is_noted_gone(struct sim *s, const struct sim_node *n)
{
    for (int m = 0; m < s->n_models; m++) {
        const struct sim_model *model = &s->models[m];
        const struct rollout_status *st =
            model->rollout[0] != '\0' ? sim_status(s, model->rollout) : NULL;
        for (int i = 0; st != NULL && i < st->n_nodes; i++) {
            if (st->nodes[i].node_id == n->node_id && st->nodes[i].state == NODE_UNREACHABLE)
                return true;
        }
    }
    return false;
}

/* Reads what was kept. Only wanted now and then: most of a status is never read. */
void sim_read_noted(struct sim *s)
{
    for (int model = 0; model < s->n_models; model++) {
        struct sim_model *m = &s->models[model];
        struct arena a CLEANUP(arena_clear) = {0};
        struct rollout_status status;
        struct err e;
        if (m->noted_text == NULL)
            continue;
        if (rollout_status_read(m->noted_text, strlen(m->noted_text), &a, &status, &e) != ERR_OK)
            sim_fail(s, "the status of %s: %s", m->rollout, e.message);
        mem_free_ptr(&m->noted_text);
        for (int i = 0; i < s->n_nodes; i++)
            s->nodes[i].was_disturbed[model] = false;
        for (int k = 0; k < status.n_nodes; k++)
            note_node(s, model, &status, &status.nodes[k]);
    }
}
