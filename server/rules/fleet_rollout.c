/*
 * Asking for a rollout and steering it: what is checked before the planner ever sees it, and the
 * journal row that says who asked for what and why. Must not know HTTP, nodes or the planner.
 */
#include "fleet_rollout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_inner.h"
#include "layout.h"
#include "registry.h"

/* A submission while it is decided. */
struct submission {
    const struct rollout_ask *ask;
    struct rollout_answer *out;
    struct env_row env;
    struct target_row target; /* target_id 0: not there yet */
    int64_t model_id;
};

/* --- commands --------------------------------------------------------------------------------- */

static int load_rollout(struct tx *tx, struct fleet_edit *ed, const char *id,
                        struct rollout_record *record, struct rollout_status *status, struct err *e)
{
    int rc = db_rollout_get(tx_db(tx), id, &ed->arena, record, e);

    if (rc == ERR_OK)
        rc = db_rollout_status(tx_db(tx), id, tx_now_ms(tx), &ed->arena, status, e);
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

/* Records the command with its journal row. */
static int put_command(struct tx *tx, struct fleet_edit *ed, const struct rollout_order *order,
                       struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct fleet_row row = {.kind = JOURNAL_ROLLOUT_COMMAND, .object = order->id};
    struct rollout_record record;
    struct rollout_status status;
    int64_t seq;
    int rc = load_rollout(tx, ed, order->id, &record, &status, e);

    if (rc == ERR_OK && record.ended_ms != 0)
        rc = err_set(e, ERR_CONFLICT, "rollout %s has ended", order->id);
    else if (rc == ERR_OK)
        rc = rollout_command_check(&status, order->verb, order->expected_step, e);
    if (rc == ERR_CONFLICT)
        add_who(tx, ed, order->id, e);
    if (rc != ERR_OK ||
        (rc = db_command_insert(tx_db(tx), order->id, command_verb_name(order->verb), ed->c->actor,
                                ed->c->reason, order->expected_step, tx_now_ms(tx), e)) != ERR_OK ||
        (rc = rollout_document(&record, &status, &doc, e)) != ERR_OK ||
        (rc = fleet_row_add(&row, &ed->arena, journal_path_rollout(&ed->arena, order->id), doc,
                            e)) != ERR_OK)
        return rc;
    row.message =
        arena_printf(&ed->arena, "%s rollout %s (%s to %s)", command_verb_name(order->verb),
                     order->id, record.model, record.environment);
    return fleet_row_append(tx, ed, &row, &seq, e);
}

static int command_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    return put_command(tx, ed, ed->spec, e);
}

int fleet_rollout_command(struct store *s, const struct fleet_change *c,
                          const struct rollout_order *order, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = order, .fn = command_fn};

    return fleet_edit_run(s, &ed, e);
}

/* --- what to roll out ------------------------------------------------------------------------- */

static int refuse_active(struct tx *tx, struct fleet_edit *ed, const struct submission *sub,
                         struct err *e)
{
    struct rollout_record r;
    int rc = db_rollout_get(tx_db(tx), sub->target.rollout, &ed->arena, &r, e);

    if (rc != ERR_OK)
        return rc;
    return err_set(e, ERR_CONFLICT,
                   "rollout %s of version %" PRId64 " to \"%.100s\", submitted by %s, is still "
                   "active; wait for it or abort it",
                   r.id, r.to, r.environment, r.actor);
}

/* While a rollout is under way, going back means to abort it. */
static int abort_active(struct tx *tx, struct fleet_edit *ed, struct submission *sub, struct err *e)
{
    struct rollout_order order = {.id = sub->target.rollout, .verb = COMMAND_ABORT};
    struct rollout_record r;
    int64_t number = 0;
    int rc = db_rollout_get(tx_db(tx), order.id, &ed->arena, &r, e);

    if (rc == ERR_OK && sub->ask->version != NULL)
        rc = registry_resolve(tx_db(tx), sub->ask->model, sub->ask->version, NULL, &number, e);
    if (rc != ERR_OK)
        return rc;
    if ((number != 0 && number != r.from) || strcmp(r.kind, "rollback") == 0)
        return refuse_active(tx, ed, sub, e);
    sub->out->result = ROLLOUT_ASK_ABORTING;
    sub->out->from = r.to;
    sub->out->to = r.from;
    (void)snprintf(sub->out->id, sizeof(sub->out->id), "%s", order.id);
    ed->is_nothing = sub->ask->is_dry_run;
    return sub->ask->is_dry_run ? ERR_OK : put_command(tx, ed, &order, e);
}

/* The version that a rollback without a version goes to. */
static int last_good(struct db *db, const struct target_row *t, int64_t *number, struct err *e)
{
    int rc = ERR_OK;

    *number = t->last_good;
    if (*number == t->live)
        rc = db_target_before(db, t->target_id, t->live, number, e);
    if (rc == ERR_OK && (*number == 0 || *number == t->live))
        return err_set(e, ERR_NOT_FOUND,
                       "nothing to go back to: \"%.150s\" had no other good version in \"%.150s\"; "
                       "name a version",
                       t->model, t->env);
    return rc;
}

static int resolve_versions(struct tx *tx, struct submission *sub, struct err *e)
{
    const struct rollout_ask *ask = sub->ask;
    char number[24];
    const char *ref = ask->version;
    int rc;

    if (ask->is_rollback && sub->target.live == 0)
        return err_set(e, ERR_NOT_FOUND, "no version of \"%.150s\" is live in \"%.150s\"",
                       ask->model, ask->environment);
    if (ref == NULL) {
        if ((rc = last_good(tx_db(tx), &sub->target, &sub->out->to, e)) != ERR_OK)
            return rc;
        (void)snprintf(number, sizeof(number), "%" PRId64, sub->out->to);
        ref = number; /* it must still live */
    }
    sub->out->from = sub->target.live;
    return registry_resolve(tx_db(tx), ask->model, ref, &sub->model_id, &sub->out->to, e);
}

static int check_servable(struct tx *tx, struct fleet_edit *ed, const struct submission *sub,
                          struct err *e)
{
    struct manifest m = {0};
    int rc = registry_manifest(tx_db(tx), sub->ask->model, sub->out->to, &ed->arena, &m, e);

    if (rc == ERR_OK && (rc = layout_check(&m, e)) != ERR_OK)
        err_prefix(e, "version %" PRId64 " of %.100s cannot be served: ", sub->out->to,
                   sub->ask->model);
    return rc;
}

static int decide_policy(struct fleet_edit *ed, struct submission *sub, const char **text,
                         struct err *e)
{
    json_t *merged CLEANUP(json_decref_ptr) = NULL;
    json_t *whole CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_target_policy(&sub->target, sub->ask->strategy, &merged, e);

    if (rc == ERR_OK)
        rc = policy_parse(merged, "/strategy", &sub->out->policy, e);
    if (rc != ERR_OK)
        return rc;
    if (sub->ask->is_rollback)
        policy_for_rollback(&sub->out->policy);
    whole = policy_json(&sub->out->policy);
    return fleet_json_text(whole, &ed->arena, text, e);
}

/* --- submission ------------------------------------------------------------------------------- */

static int add_target_doc(struct fleet_row *row, struct fleet_edit *ed, const struct target_row *t,
                          struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_target_doc(t, &doc, e);

    if (rc != ERR_OK)
        return rc;
    return fleet_row_add(row, &ed->arena, journal_path_target(&ed->arena, t->env, t->model), doc,
                         e);
}

static int add_rollout_doc(struct fleet_row *row, struct fleet_edit *ed,
                           const struct submission *sub, const struct rollout_row *r, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct rollout_record record = {.id = r->rollout_id,
                                    .model = sub->target.model,
                                    .environment = sub->target.env,
                                    .serve_as = sub->target.serve_as,
                                    .target_id = r->target_id,
                                    .from = r->from,
                                    .to = r->to,
                                    .kind = r->kind,
                                    .actor = r->actor,
                                    .reason = r->reason,
                                    .generation = r->generation,
                                    .created_ms = r->created_ms,
                                    .strategy = r->strategy};
    int rc = rollout_document(&record, NULL, &doc, e);

    if (rc != ERR_OK)
        return rc;
    return fleet_row_add(row, &ed->arena, journal_path_rollout(&ed->arena, r->rollout_id), doc, e);
}

static const char *submit_message(struct arena *a, const struct submission *sub)
{
    const char *verb = sub->ask->is_rollback ? "roll back" : "roll out";

    if (sub->out->from == 0)
        return arena_printf(a, "%s %s version %" PRId64 " to %s", verb, sub->target.model,
                            sub->out->to, sub->target.env);
    return arena_printf(a, "%s %s version %" PRId64 " to %s (from version %" PRId64 ")", verb,
                        sub->target.model, sub->out->to, sub->target.env, sub->out->from);
}

static int write_rollout(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                         const char *strategy, struct err *e)
{
    struct fleet_row row = {.kind = JOURNAL_ROLLOUT_SUBMIT};
    struct target_wish wish = {
        .env = &sub->env, .model = sub->ask->model, .model_id = sub->model_id};
    struct rollout_row r = {.from = sub->out->from,
                            .to = sub->out->to,
                            .kind = sub->ask->is_rollback ? "rollback" : "promote",
                            .strategy = strategy,
                            .actor = ed->c->actor,
                            .reason = ed->c->reason,
                            .created_ms = tx_now_ms(tx)};
    bool created = false;
    int64_t seq;
    int rc = journal_next_seq(tx, &wish.seq, e);

    if (rc == ERR_OK)
        rc = fleet_target_need(tx, ed, &wish, &sub->target, &created, e);
    if (rc == ERR_OK && created)
        rc = add_target_doc(&row, ed, &sub->target, e);
    if (rc != ERR_OK)
        return rc;
    r.submitted_seq = wish.seq;
    r.rollout_id = arena_printf(&ed->arena, "r-%" PRId64, wish.seq);
    r.target_id = sub->target.target_id;
    r.generation = sub->target.generation + 1;
    (void)snprintf(sub->out->id, sizeof(sub->out->id), "%s", r.rollout_id);
    (void)snprintf(sub->out->serve_as, sizeof(sub->out->serve_as), "%s", sub->target.serve_as);
    row.object = r.rollout_id;
    row.message = submit_message(&ed->arena, sub);
    if ((rc = db_rollout_insert(tx_db(tx), &r, e)) != ERR_OK ||
        (rc = db_target_set_generation(tx_db(tx), r.target_id, r.generation, e)) != ERR_OK ||
        (rc = add_rollout_doc(&row, ed, sub, &r, e)) != ERR_OK)
        return rc;
    return fleet_row_append(tx, ed, &row, &seq, e);
}

static int load_submission(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                           struct err *e)
{
    const struct rollout_ask *ask = sub->ask;
    bool found = false;
    int rc = fleet_env_find(tx_db(tx), ask->environment, &ed->arena, &sub->env, e);

    if (rc == ERR_OK)
        rc = db_target_find(tx_db(tx), ask->environment, ask->model, &ed->arena, &sub->target,
                            &found, e);
    if (rc == ERR_OK && !found)
        sub->target = (struct target_row){.env_id = sub->env.env_id,
                                          .env = sub->env.name,
                                          .model = ask->model,
                                          .policy = "{}",
                                          .env_policy = sub->env.policy};
    return rc;
}

static int submit_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct submission *in = ed->spec;
    struct submission sub = {.ask = in->ask, .out = in->out};
    const char *strategy;
    int rc;

    memset(sub.out, 0, sizeof(*sub.out));
    if ((rc = load_submission(tx, ed, &sub, e)) != ERR_OK)
        return rc;
    if (sub.target.rollout != NULL)
        return sub.ask->is_rollback ? abort_active(tx, ed, &sub, e)
                                    : refuse_active(tx, ed, &sub, e);
    if ((rc = resolve_versions(tx, &sub, e)) != ERR_OK)
        return rc;
    sub.out->n_nodes = sub.env.n_nodes;
    if (sub.out->to == sub.target.live) {
        sub.out->result = ROLLOUT_ASK_ALREADY;
        ed->is_nothing = true;
        return ERR_OK;
    }
    if (sub.env.n_nodes == 0)
        return err_set(e, ERR_CONFLICT, "environment \"%.150s\" has no nodes; add one first",
                       sub.env.name);
    if ((rc = check_servable(tx, ed, &sub, e)) != ERR_OK ||
        (rc = decide_policy(ed, &sub, &strategy, e)) != ERR_OK)
        return rc;
    sub.out->result = sub.ask->is_dry_run ? ROLLOUT_ASK_PLANNED : ROLLOUT_ASK_SUBMITTED;
    ed->is_nothing = sub.ask->is_dry_run;
    return sub.ask->is_dry_run ? ERR_OK : write_rollout(tx, ed, &sub, strategy, e);
}

int fleet_rollout_submit(struct store *s, const struct fleet_change *c,
                         const struct rollout_ask *ask, struct rollout_answer *out, struct err *e)
{
    struct submission sub = {.ask = ask, .out = out};
    struct fleet_edit ed = {.c = c, .spec = &sub, .fn = submit_fn};

    if (ask->version == NULL && !ask->is_rollback)
        return err_at(e, ERR_INVALID, "/version", "missing");
    return fleet_edit_run(s, &ed, e);
}
