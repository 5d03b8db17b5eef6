/*
 * A rollout is asked for while another one of the target is active: the policy's "queue" says
 * whether it waits, takes the place of those that wait, of the active one too, or is refused. Must
 * not know HTTP or the planner. On the writer.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_inner.h"
#include "fleet_queue.h"
#include "fleet_rollout.h"

int newcomer_refuse(struct db *db, struct arena *a, const char *active, struct err *e)
{
    struct rollout_record r;
    int rc = db_rollout_get(db, active, a, &r, e);

    if (rc != ERR_OK)
        return rc;
    return err_set(e, ERR_CONFLICT,
                   "rollout %s of version %" PRId64 " to \"%.100s\", submitted by %s, is still "
                   "active; wait for it or abort it",
                   r.id, r.to, r.environment, r.actor);
}

static void say(char text[ROLLOUT_TEXT_BYTES], const char *what, const char *id)
{
    size_t n = strlen(text);

    (void)snprintf(text + n, ROLLOUT_TEXT_BYTES - n, "; %s %s", what, id);
}

/* A newcomer that goes on at once takes the place of the active one where it stands: nodes go
 * straight to its version. One that people, another environment or the rest of its set may hold for
 * long would leave them with what nobody judges, and a hotfix wants the old version back first. */
static bool goes_on_at_once(const struct newcomer *who)
{
    return !who->is_hotfix && !who->is_in_set && who->policy->n_approvals == 0 &&
           who->policy->requires_at == 0;
}

/* Going back is never taken back by a newcomer: that would bring the bad version again. */
static bool is_kept(const struct rollout_record *r, const struct rollout_status *s)
{
    return strcmp(r->kind, "rollback") == 0 || s->phase == ROLLOUT_ROLLING_BACK ||
           s->phase == ROLLOUT_ROLLBACK_STUCK;
}

static int end_for(struct tx *tx, struct fleet_edit *ed, const struct newcomer *who,
                   struct fleet_row *row, char text[ROLLOUT_TEXT_BYTES], struct err *e)
{
    struct rollout_status *s = arena_alloc(&ed->arena, sizeof(*s));
    struct rollout_order order = {.id = who->active, .verb = COMMAND_ABORT};
    struct fleet_change because = *ed->c;
    const struct fleet_change *mine = ed->c;
    struct rollout_record r;
    int rc = db_rollout_get(tx_db(tx), who->active, &ed->arena, &r, e);

    if (rc == ERR_OK)
        rc = db_rollout_status(tx_db(tx), who->active, tx_now_ms(tx), &ed->arena, s, e);
    if (rc != ERR_OK)
        return rc;
    /* One that wants what is live is the way back itself. */
    if (goes_on_at_once(who) && who->to != r.from)
        order.verb = COMMAND_SUPERSEDE;
    /* What is live everywhere ends by itself in a moment. */
    if (is_kept(&r, s) || s->is_halting ||
        (s->phase == ROLLOUT_FINALIZING && order.verb == COMMAND_SUPERSEDE)) {
        say(text, "waits for", who->active);
        return ERR_OK;
    }
    say(text, order.verb == COMMAND_SUPERSEDE ? "takes the place of" : "aborts", who->active);
    because.reason =
        arena_printf(&ed->arena, "%s%s of version %" PRId64 " takes its place%s%.300s",
                     who->is_hotfix ? "hotfix " : "", who->id, who->to,
                     mine->reason != NULL ? ": " : "", mine->reason != NULL ? mine->reason : "");
    ed->c = &because;
    rc = fleet_note_command(tx, ed, &order, row, e);
    ed->c = mine;
    return rc;
}

/* Those that wait and are older give way; a hotfix that waits gives way to a hotfix only. */
static int supersede(struct tx *tx, struct fleet_edit *ed, const struct newcomer *who,
                     struct fleet_row *row, char text[ROLLOUT_TEXT_BYTES], struct err *e)
{
    struct doc_list docs = {.docs = row->docs, .n = row->n_docs, .max = FLEET_MAX_DOCS};
    struct queue_turn turn = {.arena = &ed->arena, .docs = &docs};
    struct queue_item *items = NULL;
    size_t n = 0;
    int rc = db_queue_list(tx_db(tx), who->target_id, &ed->arena, &items, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct queue_end end = {.id = items[i].id, .phase = ROLLOUT_SUPERSEDED};

        if (items[i].is_hotfix && !who->is_hotfix)
            continue;
        end.outcome = arena_printf(&ed->arena, "superseded by %s of version %" PRId64 " by %s",
                                   who->id, who->to, ed->c->actor);
        rc = queue_end_waiting(tx, &end, &turn, e);
        say(text, "supersedes", items[i].id);
    }
    row->n_docs = docs.n;
    return rc;
}

/* Sets keep their order among each other in all queues alike: else each of two could have what the
 * other one waits for. So a set that may go first goes first only where no other one waits. */
static const char *find_set(const struct queue_item *items, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (items[i].set_id != NULL)
            return items[i].id;
    return NULL;
}

int newcomer_check_set(struct db *db, const struct target_row *t, struct arena *a, struct err *e)
{
    struct queue_item *items = NULL;
    size_t n = 0;
    int rc = db_queue_list(db, t->target_id, a, &items, &n, e);

    if (rc != ERR_OK || t->rollout != NULL || find_set(items, n) == NULL)
        return rc;
    return err_set(e, ERR_CONFLICT,
                   "the queue of \"%.100s\" in \"%.100s\" stands, and %s waits in it for another "
                   "set; start the queue or take that out first",
                   t->model, t->env, find_set(items, n));
}

static int take_place(struct tx *tx, struct fleet_edit *ed, const struct newcomer *who,
                      bool is_first, struct err *e)
{
    struct queue_item *items = NULL;
    int64_t position = 1;
    size_t n = 0;
    int rc = db_queue_list(tx_db(tx), who->target_id, &ed->arena, &items, &n, e);

    if (rc != ERR_OK)
        return rc;
    if (n >= FLEET_QUEUE_MAX)
        return err_set(e, ERR_CONFLICT, "%zu rollouts wait for this target already", n);
    is_first = is_first && !(who->is_in_set && find_set(items, n) != NULL);
    if (n > 0)
        position = is_first ? items[0].position - 1 : items[n - 1].position + 1;
    return db_queue_put(tx_db(tx), who->id, who->target_id, position, e);
}

int newcomer_enqueue(struct tx *tx, struct fleet_edit *ed, const struct newcomer *who,
                     struct fleet_row *row, char text[ROLLOUT_TEXT_BYTES], struct err *e)
{
    enum policy_queue queue = who->policy->queue;
    bool takes_over = who->is_hotfix || queue == QUEUE_REPLACE;
    int rc = ERR_OK;

    if (queue == QUEUE_REJECT && !who->is_hotfix)
        return newcomer_refuse(tx_db(tx), &ed->arena, who->active, e);
    (void)snprintf(text, ROLLOUT_TEXT_BYTES, "; behind %s", who->active);
    if (takes_over) {
        text[0] = '\0';
        rc = end_for(tx, ed, who, row, text, e);
    }
    if (rc == ERR_OK && queue != QUEUE_KEEP)
        rc = supersede(tx, ed, who, row, text, e);
    return rc == ERR_OK ? take_place(tx, ed, who, takes_over, e) : rc;
}
