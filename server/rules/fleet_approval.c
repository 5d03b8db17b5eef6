/*
 * Approvals: whom a rollout waits for, who agreed, and that they are different people. Must not
 * know HTTP, nodes or the planner. Any thread that may use the connection.
 */
#include <stdio.h>
#include <string.h>

#include "db_access.h"
#include "db_rollout.h"
#include "fleet_inner.h"
#include "fleet_rollout.h"

/* A token may have been made by a token. */
#define MAX_MAKERS 16

int fleet_person(struct db *db, const char *actor, struct arena *a, const char **out, struct err *e)
{
    const char *maker = actor;
    int rc = ERR_OK;

    *out = actor;
    for (int i = 0; i < MAX_MAKERS && strncmp(maker, "t-", 2) == 0; i++) {
        struct db_token t = {0};

        rc = db_token_by_id(db, maker, a, &t, e);
        if (rc == ERR_NOT_FOUND)
            return ERR_OK;
        if (rc != ERR_OK)
            return rc;
        maker = t.created_by;
        if (strncmp(maker, "u-", 2) == 0)
            *out = maker;
    }
    return ERR_OK;
}

static void add_given(struct approval_need *need, const char *actor)
{
    for (int i = 0; i < need->n_given; i++)
        if (strcmp(need->given[i], actor) == 0)
            return;
    if (need->n_given < (int)ARRAY_LEN(need->given))
        need->given[need->n_given++] = actor;
}

/* Which step people are asked about now, and how many of them. */
static void find_step(const struct policy *p, const struct rollout_status *s,
                      struct approval_need *out)
{
    bool is_early = s->phase == ROLLOUT_SUBMITTED || s->phase == ROLLOUT_QUEUED;

    if (is_early) {
        out->n_needed = p->n_approvals;
        return;
    }
    if (s->phase != ROLLOUT_RUNNING && s->phase != ROLLOUT_PAUSED)
        return;
    out->step = s->step;
    if (s->step > 0 && s->step <= s->n_steps && s->steps[s->step - 1].phase == STEP_PENDING)
        out->n_needed = s->steps[s->step - 1].n_approvals;
}

int fleet_approval_need(struct db *db, const struct rollout_record *r,
                        const struct rollout_status *status, struct arena *a,
                        struct approval_need *out, struct err *e)
{
    struct policy *p = arena_alloc(a, sizeof(*p));
    struct rollout_command *list = NULL;
    size_t n = 0;
    int rc = policy_read(r->strategy, p, e);

    *out = (struct approval_need){0};
    if (rc != ERR_OK)
        return rc;
    find_step(p, status, out);
    if (out->n_needed == 0)
        return ERR_OK;
    for (int i = 0; i < status->n_approvals; i++)
        if (status->approvals[i].step == out->step)
            add_given(out, status->approvals[i].actor);
    rc = db_rollout_commands(db, r->id, status->command_seq, a, &list, &n, e);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (list[i].verb == COMMAND_APPROVE &&
            (list[i].expected_step == 0 || list[i].expected_step == out->step))
            add_given(out, list[i].actor);
    return rc;
}

int fleet_approval_may(struct db *db, const struct rollout_record *r,
                       const struct approval_need *need, const char *actor, struct arena *a,
                       enum approval_may *out, struct err *e)
{
    const char *me, *other;
    int rc = fleet_person(db, actor, a, &me, e);

    *out = APPROVAL_OK;
    if (rc == ERR_OK)
        rc = fleet_person(db, r->actor, a, &other, e);
    if (rc == ERR_OK && strcmp(me, other) == 0)
        *out = APPROVAL_ASKED;
    for (int i = 0; rc == ERR_OK && *out == APPROVAL_OK && i < need->n_given; i++) {
        rc = fleet_person(db, need->given[i], a, &other, e);
        if (rc == ERR_OK && strcmp(me, other) == 0)
            *out = APPROVAL_GIVEN;
    }
    return rc;
}

int approval_check(struct db *db, struct fleet_edit *ed, const struct rollout_record *r,
                   const struct rollout_status *status, struct err *e)
{
    struct approval_need need;
    enum approval_may may = APPROVAL_OK;
    int rc = fleet_approval_need(db, r, status, &ed->arena, &need, e);

    if (rc != ERR_OK)
        return rc;
    if (need.n_needed == 0)
        return err_set(e, ERR_CONFLICT, "rollout %s does not wait for an approval", r->id);
    rc = fleet_approval_may(db, r, &need, ed->c->actor, &ed->arena, &may, e);
    if (rc != ERR_OK)
        return rc;
    if (may == APPROVAL_ASKED)
        return err_set(e, ERR_FORBIDDEN,
                       "you asked for rollout %s: another person has to approve it", r->id);
    if (may == APPROVAL_GIVEN)
        return err_set(e, ERR_CONFLICT,
                       "you approved this already; %d of %d people did: another one is needed",
                       need.n_given, need.n_needed);
    return ERR_OK;
}
