/*
 * Whose turn it is on a target. The active rollout is in the table of rollouts; this keeps those
 * that wait behind it, and starts the next one in the transaction in which the active one ends.
 * Must not know HTTP, nodes or the planner. What takes a tx runs on the writer; the rest on any
 * other thread.
 */
#include "fleet_queue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_account.h"
#include "db_limits.h"
#include "db_rollout.h"
#include "fleet_inner.h"
#include "fleet_rollout.h"
#include "registry.h"
#include "when.h"

/* --- generation ------------------------------------------------------------------------------- */

int queue_raise(struct tx *tx, int64_t target_id, const char *by, const char *how,
                int64_t *generation, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct target_mark mark;
    int rc = db_target_mark(tx_db(tx), target_id, &a, &mark, e);

    if (rc != ERR_OK)
        return rc;
    mark = (struct target_mark){
        .generation = mark.generation + 1, .ms = tx_now_ms(tx), .by = by, .how = how};
    *generation = mark.generation;
    return db_target_raise(tx_db(tx), target_id, &mark, e);
}

int queue_check_generation(struct db *db, int64_t target_id, int64_t expected, int64_t now_ms,
                           struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char ago[WHEN_TEXT_BYTES];
    struct target_mark mark;
    int rc = expected != 0 ? db_target_mark(db, target_id, &a, &mark, e) : ERR_OK;

    if (rc != ERR_OK || expected == 0 || mark.generation == expected)
        return rc;
    if (mark.how == NULL)
        return err_set(e, ERR_CONFLICT, "the target is at generation %" PRId64 ", not %" PRId64,
                       mark.generation, expected);
    when_format_duration((now_ms - mark.ms) / 1000 * 1000, ago);
    return err_set(e, ERR_CONFLICT,
                   "somebody was faster: %.40s %.200s %s ago; the target is at generation %" PRId64
                   ", not %" PRId64,
                   mark.by, mark.how, ago, mark.generation, expected);
}

/* --- ending and starting those that wait ------------------------------------------------------ */

static int add_rollout_doc(struct tx *tx, const struct rollout_record *r,
                           const struct rollout_status *s, struct queue_turn *turn, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_doc_rollout(tx_db(tx), r, s, turn->arena, &doc, e);

    if (rc != ERR_OK)
        return rc;
    return fleet_doc_add(turn->docs, turn->arena, journal_path_rollout(turn->arena, r->id), doc, e);
}

int queue_end_waiting(struct tx *tx, const struct queue_end *how, struct queue_turn *turn,
                      struct err *e)
{
    struct rollout_record r;
    struct rollout_status *s = arena_alloc(turn->arena, sizeof(*s));
    int64_t base;
    int rc = db_rollout_get(tx_db(tx), how->id, turn->arena, &r, e);

    if (rc == ERR_OK)
        rc = db_rollout_status(tx_db(tx), how->id, tx_now_ms(tx), turn->arena, s, e);
    if (rc != ERR_OK)
        return rc;
    base = s->revision;
    s->revision = base + 1;
    s->updated_ms = tx_now_ms(tx);
    s->phase = how->phase;
    (void)snprintf(s->outcome, sizeof(s->outcome), "%s", how->outcome);
    r.ended_ms = tx_now_ms(tx);
    if ((rc = db_rollout_end_waiting(tx_db(tx), how->id, rollout_phase_name(how->phase), r.ended_ms,
                                     e)) != ERR_OK ||
        (rc = db_queue_drop(tx_db(tx), how->id, e)) != ERR_OK ||
        (rc = db_rollout_status_put(tx_db(tx), how->id, base, s, e)) != ERR_OK)
        return rc;
    return add_rollout_doc(tx, &r, s, turn, e);
}

int queue_target_doc(struct tx *tx, int64_t target_id, struct queue_turn *turn, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    const char *env, *model;
    int rc = fleet_doc_target(tx_db(tx), target_id, turn->arena, &env, &model, &doc, e);

    if (rc != ERR_OK)
        return rc;
    return fleet_doc_add(turn->docs, turn->arena, journal_path_target(turn->arena, env, model), doc,
                         e);
}

/* Why one that waited cannot go any more; end->outcome NULL: it can. */
static int find_obstacle(struct tx *tx, const struct target_brief *t, const struct queue_item *item,
                         struct queue_end *end, struct queue_turn *turn, struct err *e)
{
    struct quarantine_row bad;
    char number[24];
    int64_t living = 0;
    int rc = db_quarantine_get(tx_db(tx), t->target_id, item->to, turn->arena, &bad, e);

    *end = (struct queue_end){.id = item->id, .phase = ROLLOUT_REJECTED};
    if (rc != ERR_OK)
        return rc;
    (void)snprintf(number, sizeof(number), "%" PRId64, item->to);
    rc = registry_resolve(tx_db(tx), t->model, number, NULL, &living, e);
    if (rc != ERR_OK && rc != ERR_NOT_FOUND) /* what cannot be read is not gone */
        return rc;
    if (rc == ERR_NOT_FOUND) {
        end->outcome = arena_printf(turn->arena, "version %s was deleted meanwhile", number);
    } else if (bad.rollout != NULL && !rollout_overrides(item->overrides, "quarantine")) {
        end->outcome = arena_printf(turn->arena, "version %s is in quarantine since %s: %.200s",
                                    number, bad.rollout, bad.cause);
    } else if (item->to == t->live) {
        end->phase = ROLLOUT_CANCELLED;
        end->outcome = arena_printf(turn->arena, "version %s is live already", number);
    }
    return ERR_OK;
}

static int start(struct tx *tx, const struct target_brief *t, const struct queue_item *item,
                 struct queue_turn *turn, struct err *e)
{
    struct rollout_record r;
    int64_t generation = 0;
    int rc = queue_raise(tx, t->target_id, "mregd",
                         arena_printf(turn->arena, "started %s", item->id), &generation, e);

    if (rc == ERR_OK)
        rc = db_rollout_activate(tx_db(tx), item->id, t->live, generation, e);
    if (rc == ERR_OK)
        rc = db_queue_drop(tx_db(tx), item->id, e);
    if (rc == ERR_OK)
        rc = db_rollout_get(tx_db(tx), item->id, turn->arena, &r, e);
    if (rc == ERR_OK)
        rc = add_rollout_doc(tx, &r, NULL, turn, e);
    turn->started = item->id;
    return rc;
}

static void say(struct queue_turn *turn, const char *fmt, const char *id, const char *why)
{
    size_t n = strlen(turn->text);
    char text[ROLLOUT_TEXT_BYTES];

    (void)snprintf(text, sizeof(text), fmt, id, why);
    (void)snprintf(turn->text + n, sizeof(turn->text) - n, "%s%s", n > 0 ? "; " : "", text);
}

int queue_next(struct tx *tx, int64_t target_id, struct queue_turn *turn, struct err *e)
{
    struct queue_item *items = NULL;
    struct target_brief t;
    size_t n = 0;
    int rc = db_queue_list(tx_db(tx), target_id, turn->arena, &items, &n, e);

    turn->started = NULL;
    turn->text[0] = '\0';
    if (rc == ERR_OK && n > 0)
        rc = db_target_brief(tx_db(tx), target_id, turn->arena, &t, e);
    for (size_t i = 0; rc == ERR_OK && i < n && turn->started == NULL; i++) {
        struct queue_end end;

        rc = find_obstacle(tx, &t, &items[i], &end, turn, e);
        if (rc == ERR_OK && end.outcome == NULL) {
            rc = start(tx, &t, &items[i], turn, e);
            say(turn, "%s is next%s", items[i].id, "");
        } else if (rc == ERR_OK) {
            rc = queue_end_waiting(tx, &end, turn, e);
            say(turn, "%s ends: %s", items[i].id, end.outcome);
        }
    }
    return rc;
}

/* --- words ------------------------------------------------------------------------------------ */

int queue_explain(struct db *db, const struct rollout_more *more, struct arena *a,
                  struct rollout_status *status, struct err *e)
{
    struct rollout_record active;
    const char *name = NULL;
    int rc;

    if (more->position == 0)
        return ERR_OK;
    status->phase = ROLLOUT_QUEUED;
    if (more->active == NULL) {
        (void)snprintf(status->waiting, sizeof(status->waiting),
                       "number %" PRId64 " in a queue that stands since a rollout was halted",
                       more->position);
        (void)snprintf(status->unblock, sizeof(status->unblock),
                       "mreg queue start lets the next one go");
        return ERR_OK;
    }
    if ((rc = db_rollout_get(db, more->active, a, &active, e)) != ERR_OK ||
        (rc = db_actor_name(db, active.actor, a, &name, e)) != ERR_OK)
        return rc;
    (void)snprintf(status->waiting, sizeof(status->waiting),
                   "number %" PRId64 " in the queue behind rollout %s of version %" PRId64
                   ", submitted by %.40s",
                   more->position, active.id, active.to, name != NULL ? name : active.actor);
    (void)snprintf(status->unblock, sizeof(status->unblock),
                   "the end of %s; mreg queue remove takes this one out", active.id);
    return ERR_OK;
}

/* --- changes by people ------------------------------------------------------------------------ */

/* One change of a queue while it is made. */
struct queue_edit {
    struct target_row target;
    struct fleet_row row;
    struct doc_list docs;
    struct queue_turn turn;
};

static void edit_begin(struct fleet_edit *ed, struct queue_edit *q, enum journal_kind kind)
{
    *q = (struct queue_edit){.row = {.kind = kind}};
    q->docs = (struct doc_list){.docs = q->row.docs, .max = FLEET_MAX_DOCS};
    q->turn = (struct queue_turn){.arena = &ed->arena, .docs = &q->docs};
}

static int edit_end(struct tx *tx, struct fleet_edit *ed, struct queue_edit *q, struct err *e)
{
    int64_t seq;
    int rc = queue_target_doc(tx, q->target.target_id, &q->turn, e);

    q->row.n_docs = q->docs.n;
    q->row.object = arena_printf(&ed->arena, "%s/%s", q->target.env, q->target.model);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &q->row, &seq, e) : rc;
}

static size_t place_of(const struct queue_order *order, const char *id)
{
    for (size_t i = 0; i < order->n; i++)
        if (strcmp(order->ids[i], id) == 0)
            return i;
    return order->n;
}

/* Sets keep their order among each other: fleet_newcomer.c says why. */
static int check_sets(const struct queue_order *order, const struct queue_item *items, size_t n,
                      struct err *e)
{
    const struct queue_item *last = NULL;

    for (size_t i = 0; i < n; i++) {
        if (items[i].set_id == NULL)
            continue;
        if (last != NULL && place_of(order, last->id) > place_of(order, items[i].id))
            return err_set(e, ERR_CONFLICT,
                           "%s and %s are of two sets, which keep their order in all queues; take "
                           "one out instead",
                           last->id, items[i].id);
        last = &items[i];
    }
    return ERR_OK;
}

static int check_order(const struct queue_order *order, const struct queue_item *items, size_t n,
                       struct err *e)
{
    for (size_t i = 0; i < order->n; i++)
        if (place_of(order, order->ids[i]) != i)
            return err_at(e, ERR_INVALID, "/order", "%.40s is there twice", order->ids[i]);
    for (size_t i = 0; i < n; i++)
        if (place_of(order, items[i].id) == order->n)
            return err_set(e, ERR_CONFLICT,
                           "%s of %.40s waits, too: the queue changed meanwhile; look again",
                           items[i].id, items[i].actor);
    if (order->n != n)
        return err_set(e, ERR_CONFLICT,
                       "only %zu wait by now: the queue changed meanwhile; look again", n);
    return check_sets(order, items, n, e);
}

static int reorder_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct queue_order *order = ed->spec;
    struct queue_edit *q = arena_alloc(&ed->arena, sizeof(*q));
    struct queue_item *items = NULL;
    int64_t generation;
    size_t n = 0;
    int rc;

    edit_begin(ed, q, JOURNAL_TARGET_QUEUE);
    rc = fleet_target_find(tx_db(tx), order->env, order->model, &ed->arena, &q->target, e);
    if (rc == ERR_OK)
        rc = queue_check_generation(tx_db(tx), q->target.target_id, order->expected_generation,
                                    tx_now_ms(tx), e);
    if (rc == ERR_OK)
        rc = db_queue_list(tx_db(tx), q->target.target_id, &ed->arena, &items, &n, e);
    if (rc == ERR_OK)
        rc = check_order(order, items, n, e);
    if (rc != ERR_OK)
        return rc;
    ed->is_nothing = true;
    for (size_t i = 0; i < n; i++)
        ed->is_nothing = ed->is_nothing && place_of(order, items[i].id) == i;
    if (ed->is_nothing)
        return ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc = db_queue_put(tx_db(tx), order->ids[i], q->target.target_id, (int64_t)i + 1, e);
    if (rc == ERR_OK)
        rc = queue_raise(tx, q->target.target_id, ed->c->actor, "changed the order of the queue",
                         &generation, e);
    q->row.message = arena_printf(&ed->arena, "changed the queue of %s in %s: %s is next",
                                  q->target.model, q->target.env, n > 0 ? order->ids[0] : "nobody");
    return rc == ERR_OK ? edit_end(tx, ed, q, e) : rc;
}

int fleet_queue_reorder(struct store *s, const struct fleet_change *c,
                        const struct queue_order *order, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = order, .fn = reorder_fn};

    return fleet_edit_run(s, &ed, e);
}

int queue_take_out(struct tx *tx, struct fleet_edit *ed, const char *id, const char *how,
                   struct err *e)
{
    struct queue_edit *q = arena_alloc(&ed->arena, sizeof(*q));
    const char *why = ed->c->reason;
    struct queue_end end = {.id = id, .phase = ROLLOUT_CANCELLED};
    struct rollout_record r;
    struct rollout_more more;
    int64_t generation, seq;
    int rc = db_rollout_more(tx_db(tx), id, &ed->arena, &more, e);

    edit_begin(ed, q, JOURNAL_ROLLOUT_END);
    if (rc == ERR_OK && more.position == 0)
        return err_set(e, ERR_CONFLICT, "rollout %.40s does not wait in a queue: it is %s", id,
                       more.phase);
    if (rc == ERR_OK)
        rc = db_rollout_get(tx_db(tx), id, &ed->arena, &r, e);
    end.outcome = arena_printf(&ed->arena, "%s by %s%s%.200s", how, ed->c->actor,
                               why != NULL ? ": " : "", why != NULL ? why : "");
    if (rc == ERR_OK)
        rc = queue_end_waiting(tx, &end, &q->turn, e);
    if (rc == ERR_OK)
        rc = queue_raise(tx, more.target_id, ed->c->actor,
                         arena_printf(&ed->arena, "took %s out of the queue", id), &generation, e);
    if (rc == ERR_OK)
        rc = queue_target_doc(tx, more.target_id, &q->turn, e);
    q->row.n_docs = q->docs.n;
    q->row.object = id;
    q->row.message = arena_printf(&ed->arena, "rollout %s: cancelled: %s", id, end.outcome);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &q->row, &seq, e) : rc;
}

static int remove_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    return queue_take_out(tx, ed, ed->spec, "taken out of the queue", e);
}

int fleet_queue_remove(struct store *s, const struct fleet_change *c, const char *id, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = id, .fn = remove_fn};

    return fleet_edit_run(s, &ed, e);
}

static int start_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct queue_order *spec = ed->spec;
    struct queue_edit *q = arena_alloc(&ed->arena, sizeof(*q));
    int rc = fleet_target_find(tx_db(tx), spec->env, spec->model, &ed->arena, &q->target, e);
    struct target_row t = q->target;

    if (rc == ERR_OK && t.rollout != NULL)
        return err_set(e, ERR_CONFLICT, "rollout %s is active; the next one starts when it ends",
                       t.rollout);
    edit_begin(ed, q, JOURNAL_TARGET_QUEUE);
    q->target = t;
    if (rc == ERR_OK)
        rc = queue_next(tx, t.target_id, &q->turn, e);
    if (rc == ERR_OK && q->turn.text[0] == '\0')
        return err_set(e, ERR_NOT_FOUND, "nobody waits for %.150s in %.150s", t.model, t.env);
    q->row.message =
        arena_printf(&ed->arena, "started the queue of %s in %s: %s", t.model, t.env, q->turn.text);
    return rc == ERR_OK ? edit_end(tx, ed, q, e) : rc;
}

int fleet_queue_start(struct store *s, const struct fleet_change *c, const char *env,
                      const char *model, struct err *e)
{
    struct queue_order spec = {.env = env, .model = model};
    struct fleet_edit ed = {.c = c, .spec = &spec, .fn = start_fn};

    return fleet_edit_run(s, &ed, e);
}
