/*
 * Asking for several rollouts that move together. How they wait for each other is the planner's
 * business. Must not know HTTP. Any thread but the writer; the inner functions run on it.
 */
#include "fleet_set.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fleet_submit.h"

struct set_submission {
    const struct set_ask *ask;
    struct set_answer *out;
};

/* Says which member is at fault. */
static int blame(int rc, size_t i, struct err *e)
{
    if (rc != ERR_OK && e != NULL) {
        char rest[sizeof(e->pointer)];

        (void)snprintf(rest, sizeof(rest), "%s", e->pointer);
        (void)snprintf(e->pointer, sizeof(e->pointer), "/together/%zu%.200s", i, rest);
    }
    return rc;
}

static int submit_member(struct tx *tx, struct fleet_edit *ed, size_t i, struct fleet_row *row,
                         struct err *e)
{
    const struct set_submission *set = ed->spec;
    struct submission *sub = arena_alloc(&ed->arena, sizeof(*sub));
    bool is_decided = false;
    int rc;

    sub->ask = &set->ask->members[i];
    sub->out = arena_alloc(&ed->arena, sizeof(*sub->out));
    sub->set_id = set->out->id;
    sub->place = (int)set->out->n;
    if ((rc = submission_load(tx, ed, sub, e)) != ERR_OK ||
        (rc = submission_decide(tx, ed, sub, &is_decided, e)) != ERR_OK)
        return rc;
    if (is_decided && sub->out->id[0] != '\0')
        return err_set(e, ERR_CONFLICT, "rollout %s of the same version is under way by itself",
                       sub->out->id);
    if (is_decided)
        return ERR_OK;
    if ((rc = newcomer_check_set(tx_db(tx), &sub->target, &ed->arena, e)) != ERR_OK ||
        (rc = submission_write(tx, ed, sub, row, e)) != ERR_OK)
        return rc;
    (void)snprintf(set->out->ids[i], sizeof(set->out->ids[i]), "%s", sub->out->id);
    set->out->n++;
    return ERR_OK;
}

static int submit_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct set_submission *set = ed->spec;
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    const char *object = NULL, *names = "";
    int64_t seq;
    int rc = journal_next_seq(tx, &seq, e);

    memset(set->out, 0, sizeof(*set->out));
    (void)snprintf(set->out->id, sizeof(set->out->id), "s-%" PRId64, seq);
    row->kind = JOURNAL_ROLLOUT_TOGETHER;
    for (size_t i = 0; rc == ERR_OK && i < set->ask->n; i++) {
        rc = blame(submit_member(tx, ed, i, row, e), i, e);
        if (rc != ERR_OK || set->out->ids[i][0] == '\0')
            continue;
        object = object != NULL ? object : set->out->ids[i];
        names = arena_printf(&ed->arena, "%s%s%s (%s)", names, *names != '\0' ? ", " : "",
                             set->out->ids[i], row->message);
    }
    ed->is_nothing = rc == ERR_OK && object == NULL;
    if (ed->is_nothing)
        set->out->id[0] = '\0';
    if (rc != ERR_OK || ed->is_nothing)
        return rc;
    row->object = object;
    row->message = arena_printf(&ed->arena, "together as %s: %.3000s", set->out->id, names);
    return fleet_row_append(tx, ed, row, &seq, e);
}

int fleet_set_submit(struct store *s, const struct fleet_change *c, const struct set_ask *ask,
                     struct set_answer *out, struct err *e)
{
    struct set_submission set = {.ask = ask, .out = out};
    struct fleet_edit ed = {.c = c, .spec = &set, .fn = submit_fn};
    const struct rollout_ask *first = &ask->members[0];
    bool wants_reason = first->is_hotfix || (first->overrides != NULL && first->overrides[0]);

    if (ask->n < 2)
        return err_at(e, ERR_INVALID, "/together", "a set has at least two members");
    if (wants_reason && (c->reason == NULL || c->reason[0] == '\0'))
        return err_at(e, ERR_INVALID, "/reason", "a hotfix or an override needs a reason");
    for (size_t i = 0; i < ask->n; i++) {
        if (ask->members[i].version == NULL)
            return blame(err_at(e, ERR_INVALID, "/version", "missing"), i, e);
        for (size_t k = 0; k < i; k++)
            if (strcmp(ask->members[i].model, ask->members[k].model) == 0)
                return blame(err_set(e, ERR_INVALID, "model \"%.150s\" is there twice",
                                     ask->members[i].model),
                             i, e);
    }
    return fleet_edit_run(s, &ed, e);
}
