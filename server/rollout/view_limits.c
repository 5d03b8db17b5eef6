/*
 * Freezes, budget, dependencies and sets as the planner sees them. What it costs is paid by those
 * who use it: a rollout without any of these asks the database once. Decides nothing. Controller's
 * thread only.
 */
#include "view_limits.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_limits.h"
#include "db_queue.h"
#include "fleet_freeze.h"
#include "fleet_rollout.h"
#include "journal.h"
#include "when.h"

#define ASK_AGAIN_MS 5000
#define NAMED_FAILURES 5

struct window {
    struct freeze_row row;
    struct freeze_rule rule;
};
struct env_budget {
    int64_t env_id, n_max, window_ms;
    struct failure_row *failures;
    size_t n_failures;
};
struct limits {
    struct arena arena; /* of all below */
    int64_t generation; /* rises when it has to be read again */
    bool is_loaded;
    struct window *windows;
    size_t n_windows;
    struct env_budget *budgets;
    size_t n_budgets, cap_budgets;
};
/* What belongs to one rollout; in its target's arena. */
struct target_limits {
    char overrides[64];
    char set_id[64];
    int64_t generation;         /* of the limits from which the rest comes */
    struct set_member *members; /* in the limits' arena, as long as the generation */
    size_t n_members;
    int64_t soaked_ms; /* when it has been live elsewhere for long enough; INT64_MAX: it is not */
    int64_t next_ms;   /* something begins or ends then */
};

struct limits *limits_new(void)
{
    struct limits *l = mem_alloc(sizeof *l);
    arena_init(&l->arena);
    l->generation = 1;
    return l;
}

void limits_free(struct limits *l)
{
    if (l == NULL)
        return;
    arena_clear(&l->arena);
    free(l);
}

void limits_note(struct limits *l, const char *kind)
{
    static const char *const kinds[] = {
        "env.update",  "env.freeze",    "env.unfreeze",    "env.stop",       "env.resume",
        "env.delete",  "target.freeze", "target.unfreeze", "target.release", "rollout.together",
        "rollout.end", "target.queue",  "node.adopt"};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i], kind) == 0) {
            l->generation++;
            l->is_loaded = false;
            return;
        }
    }
}

/* --- reading --- */

static int load_windows(struct limits *l, struct db *db, struct err *e)
{
    struct freeze_row *rows = NULL;
    size_t n = 0;
    arena_clear(&l->arena);
    l->budgets = NULL;
    l->n_budgets = l->cap_budgets = l->n_windows = 0;
    int rc = db_freeze_list(db, &l->arena, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    l->windows = arena_alloc(&l->arena, (n + 1) * sizeof l->windows[0]);
    for (size_t i = 0; i < n; i++) {
        struct window *w = &l->windows[l->n_windows];
        w->row = rows[i];
        rc = freeze_rule_of(&rows[i], &w->rule, e);
        if (rc != ERR_OK)
            return rc;
        l->n_windows++;
    }
    l->is_loaded = true;
    return ERR_OK;
}

static int load_budget(struct limits *l, struct db *db, const struct env *env,
                       struct env_budget *out, int64_t now_ms, struct err *e)
{
    struct policy *p CLEANUP(mem_free_ptr) = mem_alloc(sizeof *p);
    int rc = policy_read(env->policy_text, p, e);
    if (rc != ERR_OK)
        return rc;
    *out = (struct env_budget){
        .env_id = env->env_id, .n_max = p->n_failures_max, .window_ms = p->failures_window_ms};
    if (out->n_max == 0)
        return ERR_OK;
    return db_failures(db, env->env_id, now_ms - out->window_ms, &l->arena, &out->failures,
                       &out->n_failures, e);
}

/* *db is opened on first need. */
struct asking {
    struct controller *c;
    struct reader reader;
};

static void asking_end(struct asking *q)
{
    reader_end(&q->reader);
}

static int ask(struct asking *q, struct db **db, struct err *e)
{
    int rc = q->reader.db != NULL ? ERR_OK : reader_begin(q->c->o.store, &q->reader, e);
    *db = q->reader.db;
    return rc;
}

static int find_budget(struct asking *q, const struct env *env, const struct env_budget **out,
                       struct err *e)
{
    struct limits *l = q->c->limits;
    struct db *db = NULL;
    for (size_t i = 0; i < l->n_budgets; i++) {
        if (l->budgets[i].env_id == env->env_id) {
            *out = &l->budgets[i];
            return ERR_OK;
        }
    }
    if (l->n_budgets == l->cap_budgets) {
        size_t cap = l->cap_budgets * 2 + 8;
        struct env_budget *more = arena_alloc(&l->arena, cap * sizeof more[0]);
        if (l->n_budgets > 0)
            memcpy(more, l->budgets, l->n_budgets * sizeof more[0]);
        l->budgets = more;
        l->cap_budgets = cap;
    }
    int rc = ask(q, &db, e);
    if (rc == ERR_OK)
        rc = load_budget(l, db, env, &l->budgets[l->n_budgets], q->c->now_ms, e);
    if (rc == ERR_OK)
        *out = &l->budgets[l->n_budgets++];
    return rc;
}

/* What was live there and when, oldest first; the first may have been adopted. */
static int list_live(struct db *db, const struct target *t, const char *env, struct arena *a,
                     struct live_row **out, size_t *n, struct err *e)
{
    struct live_row adopted;
    struct live_row *rows = NULL;
    int rc =
        db_live_adopted(db, env, t->model_id, journal_path_alias(a, t->model, env), &adopted, e);
    if (rc == ERR_OK)
        rc = db_live_list(db, env, t->model_id, a, &rows, n, e);
    *out = rows;
    if (rc != ERR_OK || adopted.number == 0)
        return rc;
    *out = arena_alloc(a, (*n + 1) * sizeof rows[0]);
    (*out)[0] = adopted;
    if (*n > 0)
        memcpy(*out + 1, rows, *n * sizeof rows[0]);
    ++*n;
    return ERR_OK;
}

/* The longest time that the version was live in the other environment, as the moment at which it
 * will have been long enough. A version that failed there by its own fault never will have. */
static int find_soak(struct db *db, const struct target *t, int64_t *soaked_ms, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    const char *env = policy_text(t->strategy, t->strategy->requires_at);
    struct live_row *rows = NULL;
    size_t n = 0;
    int rc = list_live(db, t, env, &a, &rows, &n, e);
    *soaked_ms = INT64_MAX;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        int64_t ready = rows[i].since_ms + t->strategy->soak_ms;
        bool was_long = i + 1 == n || ready <= rows[i + 1].since_ms;
        if (rows[i].number == t->record.to && was_long && ready < *soaked_ms)
            *soaked_ms = ready;
    }
    return rc;
}

static int load_mine(struct asking *q, struct target *t, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct rollout_more more;
    struct db *db = NULL;
    int rc = ask(q, &db, e);
    if (rc == ERR_OK)
        rc = db_rollout_more(db, t->record.id, &a, &more, e);
    if (rc != ERR_OK)
        return rc;
    t->limits = arena_alloc(&t->arena, sizeof *t->limits);
    snprintf(t->limits->overrides, sizeof t->limits->overrides, "%s", more.overrides);
    snprintf(t->limits->set_id, sizeof t->limits->set_id, "%s",
             more.set_id != NULL ? more.set_id : "");
    return ERR_OK;
}

/* Set and soak change with what others do. */
static int load_others(struct asking *q, struct target *t, struct err *e)
{
    struct target_limits *mine = t->limits;
    bool has_set = mine->set_id[0] != '\0';
    bool has_soak = t->strategy->requires_at != 0;
    struct db *db = NULL;
    if (mine->generation == q->c->limits->generation || (!has_set && !has_soak))
        return ERR_OK;
    int rc = ask(q, &db, e);
    if (rc == ERR_OK && has_set)
        rc = db_set_list(db, mine->set_id, &q->c->limits->arena, &mine->members, &mine->n_members,
                         e);
    if (rc == ERR_OK && has_soak)
        rc = find_soak(db, t, &mine->soaked_ms, e);
    if (rc == ERR_OK)
        mine->generation = q->c->limits->generation;
    return rc;
}

/* --- judging --- */

static void note_next(struct target *t, int64_t now_ms, int64_t at_ms)
{
    if (at_ms > now_ms && at_ms < t->limits->next_ms)
        t->limits->next_ms = at_ms;
}

static bool is_about(const struct window *w, const struct env *env, const struct target *t)
{
    return (w->row.env_id == 0 || w->row.env_id == env->env_id) &&
           (w->row.model_id == 0 || w->row.model_id == t->model_id);
}

static void judge_windows(struct controller *c, const struct env *env, struct target *t,
                          struct arena *a, struct view_limits *out)
{
    const struct limits *l = c->limits;
    for (size_t i = 0; i < l->n_windows; i++) {
        const struct window *w = &l->windows[i];
        int64_t until = 0;
        if (!is_about(w, env, t))
            continue;
        bool is_stop = strcmp(w->row.kind, "stop") == 0;
        note_next(t, c->now_ms, freeze_next_ms(&w->rule, c->now_ms));
        if (!freeze_holds(&w->rule, c->now_ms, &until))
            continue;
        note_next(t, c->now_ms, until);
        const char *text =
            arena_printf(a, "%s by %s: %.200s", w->row.id, w->row.actor, w->row.reason);
        if (is_stop)
            out->stop = text;
        else if (out->freeze == NULL || until == 0 || until > out->freeze_until_ms)
            out->freeze = text;
        if (!is_stop && out->freeze == text)
            out->freeze_until_ms = until;
    }
}

/* One that took another one's place is in the middle, too. */
static bool has_begun(const struct target *t)
{
    enum rollout_phase phase = t->lane.status.phase;
    return t->takes_over || (phase != ROLLOUT_SUBMITTED && phase != ROLLOUT_QUEUED);
}

/* Only those that have not begun are held: what is half done is not made better by waiting. */
static void judge_budget(struct controller *c, const struct env_budget *b, struct target *t,
                         struct arena *a, struct view_limits *out)
{
    size_t first = 0;
    char when[WHEN_TEXT_BYTES];
    char window[WHEN_TEXT_BYTES];
    const char *names = "";
    while (first < b->n_failures && b->failures[first].ended_ms + b->window_ms <= c->now_ms)
        first++;
    size_t n = b->n_failures - first;
    if (b->n_max == 0 || n < (size_t)b->n_max || has_begun(t))
        return;
    int64_t until = b->failures[b->n_failures - (size_t)b->n_max].ended_ms + b->window_ms;
    for (size_t i = b->n_failures; i > first && b->n_failures - i < NAMED_FAILURES; i--)
        names = arena_printf(a, "%s%s%s", names, *names != '\0' ? ", " : "", b->failures[i - 1].id);
    out->budget =
        arena_printf(a, "%zu rollouts failed within %s (%s); spent until %s", n,
                     when_format_duration(b->window_ms, window), names, when_format(until, when));
    note_next(t, c->now_ms, until);
}

static void judge_soak(struct controller *c, struct target *t, struct arena *a,
                       struct view_limits *out)
{
    const struct policy *p = t->strategy;
    const char *env = policy_text(p, p->requires_at);
    char soak[WHEN_TEXT_BYTES];
    char when[WHEN_TEXT_BYTES];
    if (p->requires_at == 0 || has_begun(t) || t->limits->soaked_ms <= c->now_ms)
        return;
    when_format_duration(p->soak_ms, soak);
    long long number = (long long)t->record.to;
    if (t->limits->soaked_ms == INT64_MAX) {
        out->dependency =
            arena_printf(a, "version %lld has to be live in %.100s for %s", number, env, soak);
        note_next(t, c->now_ms, c->now_ms + ASK_AGAIN_MS);
        return;
    }
    out->dependency =
        arena_printf(a, "version %lld has to be live in %.100s for %s, which it is at %s", number,
                     env, soak, when_format(t->limits->soaked_ms, when));
    note_next(t, c->now_ms, t->limits->soaked_ms);
}

/* --- sets --- */

#define ALL_STEPS INT_MAX

static int finished_steps(const struct rollout_status *s)
{
    if (s->phase == ROLLOUT_FINALIZING || s->phase == ROLLOUT_SUCCEEDED)
        return ALL_STEPS;
    if (s->step == 0)
        return 0;
    bool is_done = s->steps[s->step - 1].phase == STEP_DONE && s->phase == ROLLOUT_RUNNING;
    /* The step falls back when its turn comes to be planned. */
    for (int i = 0; i < s->n_nodes && is_done; i++)
        is_done = s->nodes[i].step == 0 || s->nodes[i].is_done || s->nodes[i].is_left_out;
    int n = is_done ? s->step : s->step - 1;
    return n >= s->n_steps ? ALL_STEPS : n;
}

static bool has_failed(enum rollout_phase phase)
{
    return phase == ROLLOUT_ROLLING_BACK || phase == ROLLOUT_ROLLBACK_STUCK ||
           (rollout_phase_is_terminal(phase) && phase != ROLLOUT_SUCCEEDED);
}

static void judge_member(struct env *env, const struct set_member *m, struct arena *a,
                         struct view_limits *out)
{
    struct target *t = world_target(env, m->target_id);
    enum rollout_phase phase = ROLLOUT_SUBMITTED;
    int n = 0;
    bool is_here = t != NULL && t->is_rolling && strcmp(t->lane.id, m->id) == 0;
    if (is_here) {
        phase = t->lane.status.phase;
        n = finished_steps(&t->lane.status);
    } else if (rollout_phase_by_name(m->phase, &phase) && phase == ROLLOUT_SUCCEEDED) {
        n = ALL_STEPS;
    }
    if (has_failed(phase)) {
        out->set_failed = true;
        out->set_text = arena_printf(a, "%s of its set is %s", m->id, rollout_phase_name(phase));
    }
    if (!is_here && phase == ROLLOUT_QUEUED)
        out->dependency = arena_printf(a, "%s of its set waits in a queue", m->id);
    if (n < out->set_step) {
        out->set_step = n;
        if (!out->set_failed)
            out->set_text = arena_printf(a, "%s of its set has finished %d steps", m->id, n);
    }
}

/* A member with fewer steps than the others waits at its last one until all are through. */
static void judge_set(struct env *env, struct target *t, struct arena *a, struct view_limits *out)
{
    const struct rollout_status *s = &t->lane.status;
    out->set_step = INT_MAX;
    out->is_in_set = t->limits->n_members > 1;
    for (size_t i = 0; i < t->limits->n_members; i++) {
        if (strcmp(t->limits->members[i].id, t->record.id) != 0)
            judge_member(env, &t->limits->members[i], a, out);
    }
    if (s->n_steps > 0 && s->step == s->n_steps && out->set_step != ALL_STEPS)
        out->set_step = s->step - 1;
}

/* --- for the view --- */

int limits_view(struct controller *c, struct env *env, struct target *t, struct arena *a,
                struct view *view, struct err *e)
{
    struct asking q CLEANUP(asking_end) = {.c = c};
    const struct env_budget *budget = NULL;
    struct view_limits *out = &view->limits;
    struct db *db = NULL;
    int rc = c->limits->is_loaded ? ERR_OK : ask(&q, &db, e);
    if (rc == ERR_OK && !c->limits->is_loaded)
        rc = load_windows(c->limits, db, e);
    if (rc == ERR_OK && t->limits == NULL)
        rc = load_mine(&q, t, e);
    if (rc == ERR_OK)
        rc = load_others(&q, t, e);
    if (rc == ERR_OK)
        rc = find_budget(&q, env, &budget, e);
    if (rc != ERR_OK)
        return rc;
    t->limits->next_ms = INT64_MAX;
    judge_windows(c, env, t, a, out);
    judge_budget(c, budget, t, a, out);
    judge_soak(c, t, a, out);
    judge_set(env, t, a, out);
    out->overrides_freeze = rollout_overrides(t->limits->overrides, "freeze");
    out->overrides_stop = rollout_overrides(t->limits->overrides, "stop");
    out->overrides_budget = rollout_overrides(t->limits->overrides, "budget");
    if (rollout_overrides(t->limits->overrides, "dependency") && !out->is_in_set)
        out->dependency = NULL;
    return ERR_OK;
}

void limits_after(struct controller *c, struct env *env, struct target *t, struct plan *plan)
{
    if (!t->is_rolling || t->limits == NULL)
        return;
    if (t->limits->next_ms < plan->wake_ms && !rollout_phase_is_terminal(plan->status.phase))
        plan->wake_ms = t->limits->next_ms;
    if (t->limits->n_members > 1 && plan->is_changed)
        env_wake(c, env, t);
}
