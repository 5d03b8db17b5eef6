/*
 * Failed rollouts: fault, correlation with what else was under way, quarantine. Must not know why
 * the planner gave up. The fault_* functions run on the writer, the rest on any other thread.
 */
#include "fleet_fault.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "db_limits.h"
#include "fleet_inner.h"
#include "fleet_queue.h"

/* A rollout that ended just before may be what went wrong. */
#define CORRELATE_MS INT64_C(900000)
#define NAMED 5

/* "; also under way: r-5, r-7; live since shortly before: r-4". Ids only: who may not see a model
 * may still see this row. */
static const char *name_others(struct arena *a, const struct flight_row *rows, size_t n)
{
    const char *active = "", *ended = "";
    size_t n_active = 0, n_ended = 0;

    for (size_t i = 0; i < n; i++) {
        if (rows[i].ended_ms == 0 && ++n_active <= NAMED)
            active = arena_printf(a, "%s%s%s", active, *active != '\0' ? ", " : "", rows[i].id);
        else if (rows[i].ended_ms != 0 && ++n_ended <= NAMED)
            ended = arena_printf(a, "%s%s%s", ended, *ended != '\0' ? ", " : "", rows[i].id);
    }
    return arena_printf(a, "%s%s%s%s%s%s", n_active > 0 ? "; also under way: " : "", active,
                        n_active > NAMED ? " and more" : "",
                        n_ended > 0 ? "; live since shortly before: " : "", ended,
                        n_ended > NAMED ? " and more" : "");
}

static const char *as_json(struct arena *a, const struct flight_row *rows, size_t n)
{
    json_t *list CLEANUP(json_decref_ptr) = json_array();
    char *text CLEANUP(mem_free_ptr) = NULL;

    for (size_t i = 0; i < n; i++) {
        json_t *one = json_pack("{s:s, s:s, s:s, s:I}", "id", rows[i].id, "model", rows[i].model,
                                "phase", rows[i].phase, "to", (json_int_t)rows[i].to);

        if (rows[i].from != 0)
            json_object_set_new(one, "from", json_integer(rows[i].from));
        json_array_append_new(list, one);
    }
    text = json_dumps(list, JSON_COMPACT | JSON_SORT_KEYS);
    return arena_strdup(a, text);
}

int fault_note(struct tx *tx, const struct rollout_record *r, const struct rollout_status *s,
               struct arena *a, const char **message, struct err *e)
{
    struct rollout_more more;
    struct flight_row *rows = NULL;
    const char *fault = s->fault != ROLLOUT_FAULT_NONE ? rollout_fault_name(s->fault) : NULL;
    size_t n = 0;
    int rc = ERR_OK;

    if (fault == NULL)
        return ERR_OK;
    rc = db_rollout_more(tx_db(tx), r->id, a, &more, e);
    if (rc != ERR_OK || s->phase != ROLLOUT_ROLLING_BACK || s->fault == ROLLOUT_FAULT_USER ||
        more.in_flight != NULL)
        return rc == ERR_OK ? db_rollout_set_fault(tx_db(tx), r->id, fault, NULL, e) : rc;
    rc = db_in_flight(tx_db(tx),
                      &(struct flight_query){.env_id = more.env_id,
                                             .since_ms = tx_now_ms(tx) - CORRELATE_MS,
                                             .but = r->id},
                      a, &rows, &n, e);
    if (rc != ERR_OK)
        return rc;
    if (n > 0)
        *message = arena_printf(a, "%s%s", *message, name_others(a, rows, n));
    return db_rollout_set_fault(tx_db(tx), r->id, fault, n > 0 ? as_json(a, rows, n) : NULL, e);
}

int fault_quarantine(struct tx *tx, const struct rollout_record *r, const struct rollout_status *s,
                     struct err *e)
{
    struct quarantine_row row = {.target_id = r->target_id,
                                 .number = r->to,
                                 .rollout = r->id,
                                 .cause = s->cause,
                                 .since_ms = tx_now_ms(tx)};

    if (s->fault != ROLLOUT_FAULT_VERSION || strcmp(r->kind, "rollback") == 0)
        return ERR_OK;
    return db_quarantine_put(tx_db(tx), &row, e);
}

/* --- lifting ---------------------------------------------------------------------------------- */

static int lift_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct quarantine_lift *lift = ed->spec;
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    struct doc_list docs = {.docs = row->docs, .max = FLEET_MAX_DOCS};
    struct queue_turn turn = {.arena = &ed->arena, .docs = &docs};
    struct quarantine_row bad;
    struct target_row t;
    int64_t seq;
    int rc = fleet_target_find(tx_db(tx), lift->env, lift->model, &ed->arena, &t, e);

    if (rc == ERR_OK)
        rc = db_quarantine_get(tx_db(tx), t.target_id, lift->number, &ed->arena, &bad, e);
    if (rc == ERR_OK && bad.rollout == NULL)
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of %.150s is not in quarantine",
                       lift->number, lift->model);
    if (rc == ERR_OK)
        rc = db_quarantine_drop(tx_db(tx), t.target_id, lift->number, e);
    if (rc == ERR_OK)
        rc = queue_target_doc(tx, t.target_id, &turn, e);
    row->kind = JOURNAL_TARGET_RELEASE;
    row->n_docs = docs.n;
    row->object = arena_printf(&ed->arena, "%s/%s", lift->env, lift->model);
    row->message =
        arena_printf(&ed->arena, "took version %" PRId64 " of %s out of quarantine in %s",
                     lift->number, lift->model, lift->env);
    return rc == ERR_OK ? fleet_row_append(tx, ed, row, &seq, e) : rc;
}

int fleet_quarantine_lift(struct store *s, const struct fleet_change *c,
                          const struct quarantine_lift *lift, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = lift, .fn = lift_fn};

    if (c->reason == NULL || c->reason[0] == '\0')
        return err_at(e, ERR_INVALID, "/reason", "to lift a quarantine needs a reason");
    return fleet_edit_run(s, &ed, e);
}
