/*
 * Steering rollouts over HTTP: commands, approvals, passing over what holds one. Translates only:
 * no rules, no SQL. Runs on the worker of the request.
 */
#include <inttypes.h>
#include <string.h>

#include "api_actor.h"
#include "api_rollouts.h"
#include "when.h"

#define MAX_EXTEND_MS (INT64_C(14) * 86400000)
#define MAX_APPROVALS 500

/* --- commands --------------------------------------------------------------------------------- */

static int read_verb(struct request *rq, enum command_verb *verb, struct err *e)
{
    const char *text, *near;
    int rc = json_get_str(rq->json, "", "verb", 32, &text, e);

    if (rc != ERR_OK || (command_verb_by_name(text, verb) && *verb != COMMAND_SUPERSEDE))
        return rc;
    near = json_nearest(text, command_verb_names());
    if (near != NULL)
        return err_at(e, ERR_INVALID, "/verb", "no such command; did you mean \"%s\"?", near);
    return err_at(e, ERR_INVALID, "/verb",
                  "not one of pause, resume, promote, promote-full, abort, halt, extend, approve, "
                  "reject");
}

/* "for": how much longer it shall bake. */
static int read_extension(struct request *rq, struct rollout_order *order, struct err *e)
{
    const char *text = NULL;
    int rc = json_get_str(rq->json, "", "for", 32, &text, e);

    if (rc != ERR_OK)
        return rc;
    if (when_parse_duration(text, &order->arg, NULL) != ERR_OK || order->arg <= 0 ||
        order->arg > MAX_EXTEND_MS)
        return err_at(e, ERR_INVALID, "/for", "must be a duration up to 14d, such as \"10m\"");
    return ERR_OK;
}

/* "pauses": which reasons a resume lifts. */
static int read_pauses(struct request *rq, struct rollout_order *order, struct err *e)
{
    json_t *list = NULL;
    int rc = json_opt_array(rq->json, "", "pauses", PAUSE_REASON_COUNT, &list, e);

    for (size_t i = 0; rc == ERR_OK && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        enum pause_reason reason;

        if (name == NULL || !pause_reason_by_name(name, &reason))
            return err_at(e, ERR_INVALID, "/pauses", "\"%.40s\" is no reason of a pause",
                          name != NULL ? name : "");
        order->arg |= PAUSE_BIT(reason);
    }
    return rc;
}

static int read_order(struct request *rq, struct rollout_order *order, struct err *e)
{
    static const char *const known[] = {
        "verb", "expected_step", "expected_generation", "for", "pauses", "reason", NULL};
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_verb(rq, &order->verb, e);
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected_step", 0, 1000000, &order->expected_step, e);
    if (rc == ERR_OK)
        rc = json_opt_int(rq->json, "", "expected_generation", 0, INT64_C(1) << 53,
                          &order->expected_generation, e);
    if (rc == ERR_OK && order->verb == COMMAND_EXTEND)
        rc = read_extension(rq, order, e);
    if (rc == ERR_OK && order->verb == COMMAND_RESUME)
        rc = read_pauses(rq, order, e);
    return rc;
}

/* What an approver has to do: votes, and a resume that passes over what holds from outside. */
static int check_may(struct request *rq, const struct rollout_order *order, struct err *e)
{
    bool is_vote = order->verb == COMMAND_APPROVE || order->verb == COMMAND_REJECT;
    bool passes_over = false;

    for (int i = 0; i < PAUSE_REASON_COUNT && order->verb == COMMAND_RESUME; i++)
        passes_over = passes_over ||
                      ((order->arg & PAUSE_BIT(i)) != 0 && !pause_is_lifted((enum pause_reason)i));
    if ((!is_vote && !passes_over) || rq->caller.may[PERM_APPROVE])
        return ERR_OK;
    return err_set(e, ERR_FORBIDDEN, "to %s needs the role approver or admin",
                   is_vote ? command_verb_name(order->verb) : "lift a pause whose cause goes on");
}

static int check_visible(struct request *rq, const char *id, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_look r;
    int rc = look_begin(rq, &l, e);

    return rc == ERR_OK ? rollout_look_load(rq, &l, id, &r, e) : rc;
}

int api_rollout_command(struct request *rq, struct reply *rp, struct err *e)
{
    struct rollout_order order = {.id = rq->params[0]};
    struct fleet_change c;
    int rc = read_order(rq, &order, e);

    if (rc == ERR_OK)
        rc = check_may(rq, &order, e);
    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = check_visible(rq, order.id, e);
    if (rc == ERR_OK)
        rc = fleet_rollout_command(rq->app->store, &c, &order, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    rp->status = 202;
    return reply_rollout(rq, rp, order.id, NULL, e);
}

/* --- overrides -------------------------------------------------------------------------------- */

int read_overrides(struct request *rq, const char **out, struct err *e)
{
    const char *const *names = rollout_override_names();
    json_t *list = NULL;
    int rc = json_opt_array(rq->json, "", "override", 8, &list, e);

    *out = "";
    if (rc != ERR_OK || json_array_size(list) == 0)
        return rc;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        bool is_known = false;

        for (int k = 0; name != NULL && names[k] != NULL; k++)
            is_known = is_known || strcmp(names[k], name) == 0;
        if (!is_known)
            return err_at(e, ERR_INVALID, "/override",
                          "not one of freeze, stop, budget, quarantine, dependency");
        *out = arena_printf(rq->arena, "%s%s%s", *out, **out != '\0' ? "," : "", name);
    }
    if (!rq->caller.may[PERM_APPROVE])
        return err_set(e, ERR_FORBIDDEN, "to pass over something needs the role approver or admin");
    return ERR_OK;
}

int api_rollout_override(struct request *rq, struct reply *rp, struct err *e)
{
    static const char *const known[] = {"override", "reason", NULL};
    struct rollout_pass pass = {.id = rq->params[0]};
    struct fleet_change c;
    int rc = json_only(rq->json, "", known, e);

    if (rc == ERR_OK)
        rc = read_overrides(rq, &pass.overrides, e);
    if (rc == ERR_OK && pass.overrides[0] == '\0')
        return err_at(e, ERR_INVALID, "/override", "must name what it passes over");
    if (rc == ERR_OK)
        rc = fleet_change_begin(rq, &c, e);
    if (rc == ERR_OK)
        rc = check_visible(rq, pass.id, e);
    if (rc == ERR_OK)
        rc = fleet_rollout_override(rq->app->store, &c, &pass, e);
    if (rc != ERR_OK)
        return rc;
    fleet_wake(rq);
    return reply_rollout(rq, rp, pass.id, NULL, e);
}

/* --- approvals -------------------------------------------------------------------------------- */

static void write_approval(const struct look *l, struct jsonw *w, const struct rollout_look *r,
                           const struct approval_need *need, bool may)
{
    jsonw_object(w, NULL);
    jsonw_str(w, "rollout", r->record.id);
    jsonw_str(w, "model", r->record.model);
    jsonw_str(w, "environment", r->record.environment);
    if (r->record.from != 0)
        jsonw_int(w, "from", r->record.from);
    jsonw_int(w, "to", r->record.to);
    actor_write(w, "actor", r->record.actor, l->scope.db, l->scope.arena);
    if (r->record.reason != NULL)
        jsonw_str(w, "reason", r->record.reason);
    jsonw_time(w, "created", r->record.created_ms);
    jsonw_int(w, "step", need->step);
    jsonw_int(w, "needed", need->n_needed);
    jsonw_array(w, "given");
    for (int i = 0; i < need->n_given; i++)
        jsonw_str(w, NULL, need->given[i]);
    jsonw_end(w);
    jsonw_bool(w, "may_approve", may);
    jsonw_end(w);
}

/* Writes it if it waits and the caller may see it. *n: how many were written. */
static int write_waiting(struct request *rq, struct look *l, struct jsonw *w,
                         const struct rollout_id *item, size_t *n, struct err *e)
{
    struct approval_need need;
    struct rollout_look r;
    enum approval_may may = APPROVAL_OK;
    int rc;

    if (!registry_may_see(l->scope.globs, item->model))
        return ERR_OK;
    rc = rollout_look_load(rq, l, item->id, &r, e);
    if (rc == ERR_OK)
        rc = fleet_approval_need(l->scope.db, &r.record, r.status, rq->arena, &need, e);
    if (rc != ERR_OK || need.n_needed <= need.n_given)
        return rc;
    rc = fleet_approval_may(l->scope.db, &r.record, &need, rq->caller.actor, rq->arena, &may, e);
    if (rc == ERR_OK)
        write_approval(l, w, &r, &need, rq->caller.may[PERM_APPROVE] && may == APPROVAL_OK);
    *n += rc == ERR_OK;
    return rc;
}

/* Newest first, through all that have not ended: what the caller may see can be anywhere. */
static int write_all_waiting(struct request *rq, struct look *l, struct jsonw *w,
                             struct rollout_query *query, struct err *e)
{
    struct rollout_id *items = NULL;
    size_t n = 0, n_written = 0;
    int rc;

    do {
        rc = db_rollout_page(l->scope.db, query, rq->arena, &items, &n, e);
        for (size_t i = 0; rc == ERR_OK && i < n && n_written < MAX_APPROVALS; i++)
            rc = write_waiting(rq, l, w, &items[i], &n_written, e);
        query->below = n > 0 ? items[n - 1].seq : 0;
    } while (rc == ERR_OK && (int64_t)n == query->limit && n_written < MAX_APPROVALS);
    return rc;
}

int api_approval_list(struct request *rq, struct reply *rp, struct err *e)
{
    struct look l CLEANUP(look_end) = {0};
    struct rollout_query query = {.is_open = true, .below = INT64_MAX, .limit = 500};
    struct jsonw w;
    int rc = request_query(rq, "env", &query.env, e);

    if (rc == ERR_OK)
        rc = request_query(rq, "model", &query.model, e);
    if (rc == ERR_OK)
        rc = look_begin(rq, &l, e);
    if (rc != ERR_OK)
        return rc;
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    jsonw_array(&w, "items");
    rc = write_all_waiting(rq, &l, &w, &query, e);
    jsonw_end(&w);
    jsonw_end(&w);
    return rc == ERR_OK ? reply_etag(rq, rp, e) : rc;
}
