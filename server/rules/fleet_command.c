/*
 * Steering a rollout: commands with who, why and what they saw, and passing over what holds it.
 * What a command does is decided by the planner. Must not know HTTP, nodes or the planner. Any
 * thread but the writer; the inner functions run on it.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_doc.h"
#include "fleet_inner.h"
#include "fleet_queue.h"
#include "fleet_rollout.h"

/* A rollout with all that a command depends on. */
struct steered {
    struct rollout_record record;
    struct rollout_more more;
    struct rollout_status *status;
};

static int load_steered(struct db *db, struct arena *a, int64_t now_ms, const char *id,
                        struct steered *out, struct err *e)
{
    int rc = db_rollout_get(db, id, a, &out->record, e);

    out->status = arena_alloc(a, sizeof(*out->status));
    if (rc == ERR_OK)
        rc = db_rollout_more(db, id, a, &out->more, e);
    if (rc == ERR_OK)
        rc = db_rollout_status(db, id, now_ms, a, out->status, e);
    return rc;
}

/* A refused command names the one that came before it. */
static void add_who(struct tx *tx, struct fleet_edit *ed, const char *id, struct err *e)
{
    struct command_row newest;
    char text[200];
    size_t n;

    if (e == NULL || db_command_newest(tx_db(tx), id, &ed->arena, &newest, NULL) != ERR_OK ||
        newest.verb == NULL)
        return;
    (void)snprintf(text, sizeof(text), "; the last command was \"%s\" by %s", newest.verb,
                   newest.actor);
    n = strlen(e->message);
    (void)snprintf(e->message + n, sizeof(e->message) - n, "%s", text);
}

/* --- commands --------------------------------------------------------------------------------- */

static int check_command(struct tx *tx, struct fleet_edit *ed, const struct rollout_order *order,
                         const struct steered *s, struct err *e)
{
    int rc;

    if (s->record.ended_ms != 0)
        rc = err_set(e, ERR_CONFLICT, "rollout %s has ended", order->id);
    else if (!s->more.is_active && order->verb != COMMAND_APPROVE)
        rc = err_set(e, ERR_CONFLICT, "rollout %s waits in the queue: it can only be taken out",
                     order->id);
    else
        rc = rollout_command_check(s->status, order->verb, order->expected_step, e);
    if (rc == ERR_CONFLICT)
        add_who(tx, ed, order->id, e);
    if (rc == ERR_OK)
        rc = queue_check_generation(tx_db(tx), s->more.target_id, order->expected_generation,
                                    tx_now_ms(tx), e);
    if (rc == ERR_OK && order->verb == COMMAND_APPROVE)
        rc = approval_check(tx_db(tx), ed, &s->record, s->status, e);
    return rc;
}

static int write_command(struct tx *tx, struct fleet_edit *ed, const struct rollout_order *order,
                         const struct steered *s, struct fleet_row *row, struct err *e)
{
    struct command_put put = {.rollout_id = order->id,
                              .verb = command_verb_name(order->verb),
                              .actor = ed->c->actor,
                              .reason = ed->c->reason,
                              .expected_step = order->expected_step,
                              .arg = order->arg,
                              .ms = tx_now_ms(tx)};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc;

    /* Checked against the target by now; to the planner it names the rollout that was meant. */
    if (order->expected_generation != 0 && s->more.is_active)
        put.expected_generation = s->record.generation;
    rc = db_command_insert(tx_db(tx), &put, e);

    if (rc == ERR_OK)
        rc = fleet_doc_rollout(tx_db(tx), &s->record, s->status, &ed->arena, &doc, e);
    if (rc != ERR_OK)
        return rc;
    return fleet_row_add(row, &ed->arena, journal_path_rollout(&ed->arena, order->id), doc, e);
}

int fleet_note_command(struct tx *tx, struct fleet_edit *ed, const struct rollout_order *order,
                       struct fleet_row *row, struct err *e)
{
    struct steered s;
    int rc = load_steered(tx_db(tx), &ed->arena, tx_now_ms(tx), order->id, &s, e);

    if (rc == ERR_OK)
        rc = check_command(tx, ed, order, &s, e);
    return rc == ERR_OK ? write_command(tx, ed, order, &s, row, e) : rc;
}

/* One that waits in a queue has no planner yet: it is taken out at once. */
static bool ends_waiting(const struct steered *s, enum command_verb verb)
{
    bool is_end = verb == COMMAND_ABORT || verb == COMMAND_HALT || verb == COMMAND_REJECT;

    return is_end && s->more.position > 0;
}

int fleet_put_command(struct tx *tx, struct fleet_edit *ed, const struct rollout_order *order,
                      struct err *e)
{
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    struct steered s;
    int64_t seq;
    int rc = load_steered(tx_db(tx), &ed->arena, tx_now_ms(tx), order->id, &s, e);

    if (rc == ERR_OK && ends_waiting(&s, order->verb))
        return queue_take_out(tx, ed, order->id,
                              order->verb == COMMAND_REJECT ? "rejected" : "taken out of the queue",
                              e);
    if (rc == ERR_OK)
        rc = check_command(tx, ed, order, &s, e);
    *row = (struct fleet_row){.kind = JOURNAL_ROLLOUT_COMMAND, .object = order->id};
    if (rc == ERR_OK)
        rc = write_command(tx, ed, order, &s, row, e);
    if (rc != ERR_OK)
        return rc;
    row->message =
        arena_printf(&ed->arena, "%s rollout %s (%s to %s)", command_verb_name(order->verb),
                     order->id, s.record.model, s.record.environment);
    return fleet_row_append(tx, ed, row, &seq, e);
}

static int command_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    return fleet_put_command(tx, ed, ed->spec, e);
}

int fleet_rollout_command(struct store *s, const struct fleet_change *c,
                          const struct rollout_order *order, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = order, .fn = command_fn};

    return fleet_edit_run(s, &ed, e);
}

/* --- passing over what holds it --------------------------------------------------------------- */

const char *const *rollout_override_names(void)
{
    static const char *const names[] = {"freeze",     "stop",       "budget",
                                        "quarantine", "dependency", NULL};

    return names;
}

bool rollout_overrides(const char *list, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = list; p != NULL && (p = strstr(p, name)) != NULL; p++)
        if ((p == list || p[-1] == ',') && (p[n] == '\0' || p[n] == ','))
            return true;
    return false;
}

/* Both lists in the order of the names, in arena. */
static const char *join(struct arena *a, const char *x, const char *y)
{
    const char *const *names = rollout_override_names();
    const char *all = "";

    for (int i = 0; names[i] != NULL; i++)
        if (rollout_overrides(x, names[i]) || rollout_overrides(y, names[i]))
            all = arena_printf(a, "%s%s%s", all, *all != '\0' ? "," : "", names[i]);
    return all;
}

static int override_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct rollout_pass *pass = ed->spec;
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct steered s;
    const char *all;
    int64_t seq;
    int rc = load_steered(tx_db(tx), &ed->arena, tx_now_ms(tx), pass->id, &s, e);

    if (rc == ERR_OK && s.record.ended_ms != 0)
        return err_set(e, ERR_CONFLICT, "rollout %s has ended", pass->id);
    if (rc != ERR_OK)
        return rc;
    all = join(&ed->arena, s.more.overrides, pass->overrides);
    ed->is_nothing = strcmp(all, s.more.overrides) == 0;
    if (ed->is_nothing)
        return ERR_OK;
    *row = (struct fleet_row){.kind = JOURNAL_ROLLOUT_OVERRIDE, .object = pass->id};
    row->message = arena_printf(&ed->arena, "rollout %s (%s to %s) passes over %s", pass->id,
                                s.record.model, s.record.environment, pass->overrides);
    if ((rc = db_rollout_set_overrides(tx_db(tx), pass->id, all, e)) != ERR_OK ||
        (rc = fleet_doc_rollout(tx_db(tx), &s.record, s.status, &ed->arena, &doc, e)) != ERR_OK ||
        (rc = fleet_row_add(row, &ed->arena, journal_path_rollout(&ed->arena, pass->id), doc, e)) !=
            ERR_OK)
        return rc;
    return fleet_row_append(tx, ed, row, &seq, e);
}

int fleet_rollout_override(struct store *s, const struct fleet_change *c,
                           const struct rollout_pass *pass, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = pass, .fn = override_fn};

    if (c->reason == NULL || c->reason[0] == '\0')
        return err_at(e, ERR_INVALID, "/reason", "to pass over something needs a reason");
    return fleet_edit_run(s, &ed, e);
}
