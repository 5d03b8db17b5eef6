/*
 * Asking for a rollout and steering it: what is checked before the planner ever sees it, and the
 * journal row that says who asked for what and why. Must not know HTTP, nodes or the planner.
 */
#include "fleet_rollout.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_limits.h"
#include "db_rollout.h"
#include "fleet_doc.h"
#include "fleet_inner.h"
#include "fleet_plan.h"
#include "fleet_queue.h"
#include "fleet_submit.h"
#include "layout.h"
#include "registry.h"
#include "rollout.h"

/* --- what to roll out ------------------------------------------------------------------------- */

/* While a rollout is under way, going back means to abort it. */
static int abort_active(struct tx *tx, struct fleet_edit *ed, struct submission *sub, struct err *e)
{
    struct rollout_order order = {.id = sub->target.rollout, .verb = COMMAND_ABORT};
    struct rollout_record r;
    int64_t number = 0;
    int rc = db_rollout_get(tx_db(tx), order.id, &ed->arena, &r, e);

    if (rc == ERR_OK && sub->ask->plan_token != NULL)
        return err_set(e, ERR_CONFLICT,
                       "the plan does not hold any more: rollout %s is under way; plan again",
                       order.id);
    if (rc == ERR_OK && sub->ask->version != NULL)
        rc = registry_resolve(tx_db(tx), sub->ask->model, sub->ask->version, NULL, &number, e);
    if (rc != ERR_OK)
        return rc;
    if ((number != 0 && number != r.from) || strcmp(r.kind, "rollback") == 0)
        return newcomer_refuse(tx_db(tx), &ed->arena, order.id, e);
    sub->out->result = ROLLOUT_ASK_ABORTING;
    sub->out->from = r.to;
    sub->out->to = r.from;
    (void)snprintf(sub->out->id, sizeof(sub->out->id), "%s", order.id);
    ed->is_nothing = sub->ask->is_dry_run;
    return sub->ask->is_dry_run ? ERR_OK : fleet_put_command(tx, ed, &order, e);
}

/* The version that a rollback without a version goes to. */
static int last_good(struct db *db, const struct target_row *t, struct arena *a, int64_t *number,
                     struct err *e)
{
    int rc = fleet_target_back(db, t, a, number, e);

    if (rc == ERR_OK && *number == 0)
        return err_set(e, ERR_NOT_FOUND,
                       "nothing to go back to: \"%.150s\" had no other good version in \"%.150s\"; "
                       "name a version",
                       t->model, t->env);
    return rc;
}

static int resolve_versions(struct tx *tx, struct submission *sub, struct arena *a, struct err *e)
{
    const struct rollout_ask *ask = sub->ask;
    char number[24];
    const char *ref = ask->version;
    int rc;

    if (ask->is_rollback && sub->target.live == 0)
        return err_set(e, ERR_NOT_FOUND, "no version of \"%.150s\" is live in \"%.150s\"",
                       ask->model, ask->environment);
    if (ref == NULL) {
        if ((rc = last_good(tx_db(tx), &sub->target, a, &sub->out->to, e)) != ERR_OK)
            return rc;
        (void)snprintf(number, sizeof(number), "%" PRId64, sub->out->to);
        ref = number; /* it must still live */
    }
    sub->out->from = sub->target.live;
    return registry_resolve(tx_db(tx), ask->model, ref, &sub->model_id, &sub->out->to, e);
}

/* Nothing holds a way back and nobody has to agree to it, so it leads only where one has been. */
static int check_way_back(struct tx *tx, const struct submission *sub, struct err *e)
{
    const struct target_row *t = &sub->target;
    bool was_live = sub->out->to == t->live || sub->out->to == t->last_good;
    int rc = ERR_OK;

    if (!sub->ask->is_rollback || was_live)
        return ERR_OK;
    rc = db_target_was_live(tx_db(tx), t->target_id, sub->out->to, &was_live, e);
    if (rc != ERR_OK || was_live)
        return rc;
    return err_set(e, ERR_CONFLICT,
                   "version %" PRId64 " of \"%.150s\" was never live in \"%.150s\": promote it",
                   sub->out->to, t->model, t->env);
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

static int decide_policy(struct fleet_edit *ed, struct submission *sub, struct err *e)
{
    json_t *merged CLEANUP(json_decref_ptr) = NULL;
    json_t *whole CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_target_policy(&sub->target, sub->ask->strategy, &merged, e);

    if (rc == ERR_OK)
        rc = policy_parse(merged, "/strategy", &sub->out->policy, e);
    if (rc == ERR_OK && !sub->ask->is_rollback)
        rc = fleet_keep_guards(&sub->target, &sub->out->policy, e);
    if (rc != ERR_OK)
        return rc;
    if (sub->ask->is_rollback)
        policy_for_rollback(&sub->out->policy);
    whole = policy_json(&sub->out->policy);
    return fleet_json_text(whole, &ed->arena, &sub->strategy, e);
}

/* What failed here by its own fault comes again only on purpose. */
static int check_quarantine(struct tx *tx, struct fleet_edit *ed, const struct submission *sub,
                            struct err *e)
{
    struct quarantine_row bad;
    int rc = db_quarantine_get(tx_db(tx), sub->target.target_id, sub->out->to, &ed->arena, &bad, e);

    if (rc != ERR_OK || bad.rollout == NULL || rollout_overrides(sub->ask->overrides, "quarantine"))
        return rc;
    return err_set(e, ERR_REFUSED,
                   "version %" PRId64 " of %.100s is in quarantine in \"%.100s\" since rollout %s: "
                   "%.160s; --override quarantine with a reason passes over it",
                   sub->out->to, sub->target.model, sub->target.env, bad.rollout, bad.cause);
}

/* The very same was asked for before: the active rollout, or the last that waits. */
static int find_same(struct tx *tx, struct fleet_edit *ed, const struct submission *sub,
                     const char **id, struct err *e)
{
    struct queue_item *items = NULL;
    struct rollout_record r;
    size_t n = 0;
    int rc = db_queue_list(tx_db(tx), sub->target.target_id, &ed->arena, &items, &n, e);

    if (rc == ERR_OK)
        rc = db_rollout_get(tx_db(tx), n > 0 ? items[n - 1].id : sub->target.rollout, &ed->arena,
                            &r, e);
    if (rc == ERR_OK && r.to == sub->out->to && !sub->ask->is_hotfix &&
        strcmp(r.strategy, sub->strategy) == 0)
        *id = r.id;
    return rc;
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

/* A queue that changed is in the target's document. */
static int add_queue_doc(struct tx *tx, struct fleet_row *row, struct fleet_edit *ed,
                         int64_t target_id, struct err *e)
{
    struct doc_list docs = {.docs = row->docs, .n = row->n_docs, .max = FLEET_MAX_DOCS};
    struct queue_turn turn = {.arena = &ed->arena, .docs = &docs};
    int rc = queue_target_doc(tx, target_id, &turn, e);

    row->n_docs = docs.n;
    return rc;
}

static int add_rollout_doc(struct tx *tx, struct fleet_row *row, struct fleet_edit *ed,
                           const struct rollout_row *r, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct rollout_status *status = arena_alloc(&ed->arena, sizeof(*status));
    struct rollout_record record;
    int rc = db_rollout_get(tx_db(tx), r->rollout_id, &ed->arena, &record, e);

    rollout_status_init(status, r->created_ms);
    status->phase = r->waits ? ROLLOUT_QUEUED : ROLLOUT_SUBMITTED;
    if (rc == ERR_OK)
        rc = fleet_doc_rollout(tx_db(tx), &record, r->waits ? status : NULL, &ed->arena, &doc, e);
    if (rc != ERR_OK)
        return rc;
    return fleet_row_add(row, &ed->arena, journal_path_rollout(&ed->arena, r->rollout_id), doc, e);
}

static const char *submit_message(struct arena *a, const struct submission *sub)
{
    const char *verb = sub->ask->is_hotfix     ? "hotfix:"
                       : sub->ask->is_rollback ? "roll back"
                                               : "roll out";

    if (sub->ask->is_rollback && sub->out->from != 0)
        return arena_printf(a, "%s %s in %s from version %" PRId64 " to version %" PRId64 "%s",
                            verb, sub->target.model, sub->target.env, sub->out->from, sub->out->to,
                            sub->text);
    if (sub->out->from == 0)
        return arena_printf(a, "%s %s version %" PRId64 " to %s%s", verb, sub->target.model,
                            sub->out->to, sub->target.env, sub->text);
    return arena_printf(a, "%s %s version %" PRId64 " to %s (from version %" PRId64 ")%s", verb,
                        sub->target.model, sub->out->to, sub->target.env, sub->out->from,
                        sub->text);
}

/* The record, and its place in the queue when another one is active. */
static int insert_rollout(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                          struct rollout_row *r, struct fleet_row *row, struct err *e)
{
    struct newcomer who = {.id = r->rollout_id,
                           .active = sub->target.rollout,
                           .policy = &sub->out->policy,
                           .target_id = r->target_id,
                           .to = r->to,
                           .is_hotfix = r->is_hotfix,
                           .is_in_set = r->set_id != NULL};
    const char *how =
        arena_printf(&ed->arena, "submitted %s of version %" PRId64, r->rollout_id, r->to);
    int rc = queue_raise(tx, r->target_id, r->actor, how, &r->generation, e);

    if (rc == ERR_OK)
        rc = db_rollout_insert(tx_db(tx), r, e);
    if (rc != ERR_OK || !r->waits)
        return rc;
    rc = newcomer_enqueue(tx, ed, &who, row, sub->text, e);
    return rc == ERR_OK ? add_queue_doc(tx, row, ed, r->target_id, e) : rc;
}

int submission_write(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                     struct fleet_row *row, struct err *e)
{
    const struct rollout_ask *ask = sub->ask;
    struct target_wish wish = {.env = &sub->env, .model = ask->model, .model_id = sub->model_id};
    struct rollout_row r = {.to = sub->out->to,
                            .kind = ask->is_rollback ? "rollback" : "promote",
                            .strategy = sub->strategy,
                            .actor = ed->c->actor,
                            .reason = ed->c->reason,
                            .overrides = ask->overrides,
                            .is_hotfix = ask->is_hotfix,
                            .waits = sub->target.rollout != NULL,
                            .created_ms = tx_now_ms(tx)};
    bool created = false;
    int rc = journal_next_seq(tx, &wish.seq, e);

    if (rc == ERR_OK)
        rc = fleet_target_need(tx, ed, &wish, &sub->target, &created, e);
    if (rc == ERR_OK && created)
        rc = add_target_doc(row, ed, &sub->target, e);
    if (rc != ERR_OK)
        return rc;
    r.from = r.waits ? 0 : sub->out->from; /* who waits starts from what is live then */
    r.submitted_seq = wish.seq;
    r.set_id = sub->set_id;
    r.rollout_id = sub->place == 0
                       ? arena_printf(&ed->arena, "r-%" PRId64, wish.seq)
                       : arena_printf(&ed->arena, "r-%" PRId64 "-%d", wish.seq, sub->place + 1);
    r.target_id = sub->target.target_id;
    sub->out->waits = r.waits;
    (void)snprintf(sub->out->id, sizeof(sub->out->id), "%s", r.rollout_id);
    (void)snprintf(sub->out->serve_as, sizeof(sub->out->serve_as), "%s", sub->target.serve_as);
    row->object = r.rollout_id;
    rc = insert_rollout(tx, ed, sub, &r, row, e);
    row->message = submit_message(&ed->arena, sub);
    return rc == ERR_OK ? add_rollout_doc(tx, row, ed, &r, e) : rc;
}

int submission_load(struct tx *tx, struct fleet_edit *ed, struct submission *sub, struct err *e)
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
    sub->out->target_id = sub->target.target_id;
    sub->out->generation = sub->target.generation;
    if (rc == ERR_OK && found)
        rc = queue_check_generation(tx_db(tx), sub->target.target_id, ask->expected_generation,
                                    tx_now_ms(tx), e);
    return rc;
}

/* The live version is what there is already, unless a halt left the fleet as it was in the middle
 * of something: then a rollback takes all nodes to it. */
static int find_halted(struct tx *tx, struct fleet_edit *ed, const struct submission *sub,
                       bool *is_already, struct err *e)
{
    struct watch_target t = {0};
    bool found = false;
    int rc = db_watch_target(tx_db(tx), sub->target.target_id, &ed->arena, &t, &found, e);

    *is_already = !t.is_halted;
    if (rc == ERR_OK && t.is_halted && !sub->ask->is_rollback)
        return err_set(e, ERR_CONFLICT,
                       "version %" PRId64 " is live, but a halt left nodes of \"%.150s\" as they "
                       "were: roll back to it, or retry what was halted",
                       sub->out->to, sub->target.env);
    return rc;
}

/* Everything that can be refused. sub->out->result is set when there is nothing more to do. */
int submission_decide(struct tx *tx, struct fleet_edit *ed, struct submission *sub,
                      bool *is_decided, struct err *e)
{
    const char *same = NULL;
    int rc = resolve_versions(tx, sub, &ed->arena, e);

    if (rc == ERR_OK)
        rc = check_way_back(tx, sub, e);
    if (rc != ERR_OK)
        return rc;
    sub->out->n_nodes = sub->env.n_nodes;
    if (sub->out->to == sub->target.live && sub->target.rollout == NULL) {
        rc = find_halted(tx, ed, sub, is_decided, e);
        if (rc != ERR_OK || *is_decided)
            return rc;
    }
    if (sub->env.n_nodes == 0)
        return err_set(e, ERR_CONFLICT, "environment \"%.150s\" has no nodes; add one first",
                       sub->env.name);
    if (sub->env.n_nodes > ROLLOUT_MAX_NODES)
        return err_set(e, ERR_CONFLICT,
                       "environment \"%.150s\" has %" PRId64 " nodes; a rollout reaches at most %d",
                       sub->env.name, sub->env.n_nodes, ROLLOUT_MAX_NODES);
    if ((rc = check_servable(tx, ed, sub, e)) != ERR_OK ||
        (rc = decide_policy(ed, sub, e)) != ERR_OK)
        return rc;
    if (sub->target.rollout != NULL && (rc = find_same(tx, ed, sub, &same, e)) != ERR_OK)
        return rc;
    *is_decided = same != NULL;
    if (same != NULL)
        (void)snprintf(sub->out->id, sizeof(sub->out->id), "%s", same);
    return same != NULL ? ERR_OK : check_quarantine(tx, ed, sub, e);
}

/* A dry run gets a token; who has one gets what was planned, or nothing. */
static int keep_plan(struct tx *tx, struct submission *sub, bool is_decided, struct err *e)
{
    struct plan_subject subject = {.env = &sub->env,
                                   .target = &sub->target,
                                   .ask = sub->ask,
                                   .model_id = sub->model_id,
                                   .to = sub->out->to};

    if (is_decided)
        return ERR_OK;
    if (sub->ask->is_dry_run)
        return plan_token_make(tx_db(tx), &subject, sub->out->token, e);
    if (sub->ask->plan_token == NULL)
        return ERR_OK;
    return plan_token_check(tx_db(tx), &subject, sub->ask->plan_token, e);
}

static int submit_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct submission *in = ed->spec;
    struct submission *sub = arena_alloc(&ed->arena, sizeof(*sub));
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    bool is_decided = false;
    int64_t seq;
    int rc;

    memset(in->out, 0, sizeof(*in->out));
    sub->ask = in->ask;
    sub->out = in->out;
    if ((rc = submission_load(tx, ed, sub, e)) != ERR_OK)
        return rc;
    if (sub->target.rollout != NULL && sub->ask->is_rollback)
        return abort_active(tx, ed, sub, e);
    if ((rc = submission_decide(tx, ed, sub, &is_decided, e)) != ERR_OK)
        return rc;
    sub->out->result = is_decided             ? ROLLOUT_ASK_ALREADY
                       : sub->ask->is_dry_run ? ROLLOUT_ASK_PLANNED
                                              : ROLLOUT_ASK_SUBMITTED;
    ed->is_nothing = sub->out->result != ROLLOUT_ASK_SUBMITTED;
    if ((rc = keep_plan(tx, sub, is_decided, e)) != ERR_OK || ed->is_nothing)
        return rc;
    row->kind = JOURNAL_ROLLOUT_SUBMIT;
    rc = submission_write(tx, ed, sub, row, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, row, &seq, e) : rc;
}

int fleet_rollout_submit(struct store *s, const struct fleet_change *c,
                         const struct rollout_ask *ask, struct rollout_answer *out, struct err *e)
{
    struct submission sub = {.ask = ask, .out = out};
    struct fleet_edit ed = {.c = c, .spec = &sub, .fn = submit_fn};
    bool wants_reason = ask->is_hotfix || (ask->overrides != NULL && ask->overrides[0] != '\0');

    if (ask->version == NULL && !ask->is_rollback)
        return err_at(e, ERR_INVALID, "/version", "missing");
    if (wants_reason && (c->reason == NULL || c->reason[0] == '\0'))
        return err_at(e, ERR_INVALID, "/reason", "%s needs a reason",
                      ask->is_hotfix ? "a hotfix" : "to pass over something");
    return fleet_edit_run(s, &ed, e);
}
