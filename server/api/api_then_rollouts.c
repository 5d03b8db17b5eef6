/*
 * Rollouts as they were: each as its document of that moment tells, which is written when it moves.
 * Sentences, single nodes and traffic are not kept. Must not know why they changed. Runs on the
 * worker of the request.
 */
#include "api_then.h"

#include <inttypes.h>
#include <string.h>

#include "api_actor.h"
#include "when.h"

#define MAX_LOOKED_AT 2000 /* rollouts for one page, which may be short then */

static const char *const rollout_unknown[] = {
    "nodes",   "waiting",    "unblock",   "step_phase", "revision", "queue_position",
    "traffic", "bake_until", "weight_bp", "deadline",   "way_back", NULL};

static void keep_visible(const struct look *l, json_t *list)
{
    for (size_t i = json_array_size(list); i-- > 0;) {
        const json_t *one = json_array_get(list, i);
        const char *model = json_string_value(json_object_get(one, "model"));

        if (model == NULL || !registry_may_see(l->scope.globs, model))
            json_array_remove(list, i);
    }
}

/* Turns the document into what the API shows. */
static int show_rollout(const struct look *l, const char *id, json_t *doc, struct err *e)
{
    json_t *pauses = json_object_get(doc, "pauses");
    json_t *kind = json_incref(json_object_get(doc, "direction"));
    char text[WHEN_TEXT_BYTES];
    int64_t updated_ms = 0;
    int rc = db_object_ms(l->scope.db, id, l->scope.seq, &updated_ms, e);

    json_object_set_new(doc, "kind", kind != NULL ? kind : json_string("promote"));
    json_object_del(doc, "direction");
    json_object_del(doc, "schema");
    for (size_t i = 0; i < json_array_size(pauses); i++)
        json_array_set_new(pauses, i, json_pack("{s:O}", "reason", json_array_get(pauses, i)));
    keep_visible(l, json_object_get(doc, "in_flight"));
    actor_add(doc, "actor", l->scope.db, l->scope.arena);
    if (updated_ms != 0)
        json_object_set_new(doc, "updated", json_string(when_format(updated_ms, text)));
    return rc;
}

static bool is_wanted(const struct rollout_query *query, const json_t *doc)
{
    const char *phase = json_string_value(json_object_get(doc, "phase"));
    bool is_queued = phase != NULL && strcmp(phase, "queued") == 0;

    if (query->is_queued && !is_queued)
        return false;
    return !query->is_active || (!is_queued && json_object_get(doc, "ended") == NULL);
}

/* Writes the item if it is one of those asked for. */
static int write_item(struct request *rq, const struct look *l, struct jsonw *w,
                      const struct rollout_query *query, const struct rollout_id *item, bool *did,
                      struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = then_document(l, journal_path_rollout(rq->arena, item->id), &doc, e);

    *did = false;
    if (rc != ERR_OK || doc == NULL || !is_wanted(query, doc))
        return rc;
    rc = show_rollout(l, item->id, doc, e);
    if (rc == ERR_OK)
        then_write(w, NULL, doc);
    *did = rc == ERR_OK;
    return rc;
}

/* *next: the row to go on below, 0 at the end. */
static int write_items(struct request *rq, const struct look *l, struct jsonw *w,
                       const struct rollout_query *query, int64_t *next, struct err *e)
{
    struct rollout_query all = {
        .env = query->env, .model = query->model, .below = query->below, .limit = MAX_LOOKED_AT};
    struct rollout_id *items = NULL;
    size_t n = 0;
    int64_t n_written = 0;
    bool did = false;
    int rc = db_rollout_page(l->scope.db, &all, rq->arena, &items, &n, e);

    *next = 0;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        if (n_written == query->limit) {
            *next = items[i - 1].seq;
            return ERR_OK;
        }
        if (registry_may_see(l->scope.globs, items[i].model))
            rc = write_item(rq, l, w, query, &items[i], &did, e);
        else
            did = false;
        n_written += did;
    }
    if (n == MAX_LOOKED_AT)
        *next = items[n - 1].seq;
    return rc;
}

int then_rollouts(struct request *rq, struct reply *rp, const struct look *l,
                  const struct rollout_query *query, struct err *e)
{
    struct rollout_query past = *query;
    struct jsonw w;
    int64_t next;
    int rc;

    if (past.below > l->scope.seq)
        past.below = l->scope.seq + 1;
    then_list_begin(rp, &w);
    rc = write_items(rq, l, &w, &past, &next, e);
    then_list_end(&w, rollout_unknown);
    if (next != 0)
        cursor_write(rq, &w, arena_printf(rq->arena, "%" PRId64, next));
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}

int then_rollout(struct request *rq, struct reply *rp, struct err *e)
{
    const char *id = rq->params[0];
    struct look l CLEANUP(look_end) = {0};
    struct rollout_record record;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = look_begin_at(rq, &l, e);

    if (rc == ERR_OK)
        rc = db_rollout_get(l.scope.db, id, rq->arena, &record, e);
    if (rc == ERR_OK && registry_may_see(l.scope.globs, record.model))
        rc = then_document(&l, journal_path_rollout(rq->arena, record.id), &doc, e);
    if (rc == ERR_OK && doc == NULL)
        return err_set(e, ERR_NOT_FOUND, "there was no rollout \"%.100s\" then", id);
    if (rc == ERR_OK)
        rc = show_rollout(&l, record.id, doc, e);
    return rc == ERR_OK ? then_reply(rq, rp, doc, rollout_unknown, e) : rc;
}
