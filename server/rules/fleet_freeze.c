/*
 * Freeze windows and stop-the-line as facts. Whom they hold is decided where rollouts are planned.
 * Must not know HTTP or the planner. Any thread but the writer; the inner functions run on it.
 */
#include "fleet_freeze.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "fleet_inner.h"
#include "registry.h"
#include "when.h"

#define EVERYTHING "*"

int freeze_rule_of(const struct freeze_row *row, struct freeze_rule *out, struct err *e)
{
    *out = (struct freeze_rule){
        .from_ms = row->from_ms, .until_ms = row->until_ms, .is_weekly = row->weekly != NULL};
    if (row->weekly == NULL || freeze_parse_week(row->weekly, &out->week, e) == ERR_OK)
        return ERR_OK;
    return err_set(e, ERR_CORRUPT, "freeze %s cannot be read", row->id);
}

/* --- journal rows ----------------------------------------------------------------------------- */

/* freezes/f-12.json: {"actor","created","environment"?,"from"?,"id","kind":"mreg.freeze","model"?,
 * "reason","schema":1,"type":"freeze|stop","until"?,"weekly"?} */
static json_t *freeze_doc(const struct freeze_row *v)
{
    char when[WHEN_TEXT_BYTES];
    json_t *doc =
        json_pack("{s:s, s:s, s:i, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*}", "kind", "mreg.freeze",
                  "id", v->id, "schema", 1, "type", v->kind, "reason", v->reason, "actor", v->actor,
                  "created", when_format(v->created_ms, when), "environment", v->env, "model",
                  v->model, "weekly", v->weekly);

    if (v->from_ms != 0)
        json_object_set_new(doc, "from", json_string(when_format(v->from_ms, when)));
    if (v->until_ms != 0)
        json_object_set_new(doc, "until", json_string(when_format(v->until_ms, when)));
    return doc;
}

struct freeze_event {
    enum journal_kind of_env, of_target;
    const char *verb;
    bool is_gone;
};

static int write_freeze(struct tx *tx, struct fleet_edit *ed, const struct freeze_row *v,
                        const struct freeze_event *event, struct err *e)
{
    struct fleet_row *row = arena_alloc(&ed->arena, sizeof(*row));
    json_t *doc CLEANUP(json_decref_ptr) = event->is_gone ? NULL : freeze_doc(v);
    int64_t seq;
    int rc;

    row->kind = v->model != NULL ? event->of_target : event->of_env;
    row->object = v->model != NULL ? arena_printf(&ed->arena, "%s/%s", v->env, v->model)
                  : v->env != NULL ? v->env
                                   : EVERYTHING;
    row->message = arena_printf(&ed->arena, "%s %s%s%s (%s)", event->verb,
                                v->model != NULL ? v->model : "", v->model != NULL ? " in " : "",
                                v->env != NULL ? v->env : "all environments", v->id);
    rc = fleet_row_add(row, &ed->arena, journal_path_freeze(&ed->arena, v->id), doc, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, row, &seq, e) : rc;
}

/* --- adding and removing ---------------------------------------------------------------------- */

struct adding {
    const struct freeze_spec *spec;
    const char *weekly; /* as it is stored */
    char *id;
};

static int find_scope(struct tx *tx, struct fleet_edit *ed, const struct freeze_spec *spec,
                      struct freeze_row *v, struct err *e)
{
    struct env_row env;
    int64_t number;
    int rc = ERR_OK;

    if (spec->env != NULL)
        rc = fleet_env_find(tx_db(tx), spec->env, &ed->arena, &env, e);
    if (rc == ERR_OK && spec->env != NULL)
        v->env_id = env.env_id;
    if (rc == ERR_OK && spec->model != NULL)
        rc = registry_resolve(tx_db(tx), spec->model, "latest", &v->model_id, &number, e);
    return rc;
}

static int make_id(struct tx *tx, struct fleet_edit *ed, struct freeze_row *v, struct err *e)
{
    int rc = journal_next_seq(tx, &v->created_seq, e);

    v->id = arena_printf(&ed->arena, "f-%" PRId64, v->created_seq);
    v->created_ms = tx_now_ms(tx);
    return rc;
}

static int add_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct adding *in = ed->spec;
    struct freeze_row v = {.kind = "freeze",
                           .env = in->spec->env,
                           .model = in->spec->model,
                           .from_ms = in->spec->from_ms,
                           .until_ms = in->spec->until_ms,
                           .weekly = in->weekly,
                           .reason = ed->c->reason,
                           .actor = ed->c->actor};
    int rc = find_scope(tx, ed, in->spec, &v, e);

    if (rc == ERR_OK && v.until_ms != 0 && v.until_ms <= tx_now_ms(tx))
        return err_at(e, ERR_INVALID, "/until", "this time has passed");
    if (rc == ERR_OK)
        rc = make_id(tx, ed, &v, e);
    if (rc == ERR_OK)
        rc = db_freeze_insert(tx_db(tx), &v, e);
    if (rc != ERR_OK)
        return rc;
    (void)snprintf(in->id, 32, "%s", v.id);
    return write_freeze(
        tx, ed, &v,
        &(struct freeze_event){JOURNAL_ENV_FREEZE, JOURNAL_TARGET_FREEZE, "freeze", false}, e);
}

static int need_reason(const struct fleet_change *c, const char *what, struct err *e)
{
    if (c->reason != NULL && c->reason[0] != '\0')
        return ERR_OK;
    return err_at(e, ERR_INVALID, "/reason", "%s needs a reason", what);
}

int fleet_freeze_add(struct store *s, const struct fleet_change *c, const struct freeze_spec *spec,
                     char id[32], struct err *e)
{
    char weekly[FREEZE_TEXT_BYTES];
    struct adding in = {.spec = spec, .id = id};
    struct fleet_edit ed = {.c = c, .spec = &in, .fn = add_fn};
    struct freeze_week week;
    int rc = need_reason(c, "a freeze", e);

    if (rc != ERR_OK)
        return rc;
    if (spec->model != NULL && spec->env == NULL)
        return err_at(e, ERR_INVALID, "/environment", "a model is frozen in an environment");
    if (spec->from_ms != 0 && spec->until_ms != 0 && spec->until_ms <= spec->from_ms)
        return err_at(e, ERR_INVALID, "/until", "must be after \"from\"");
    if (spec->weekly != NULL) {
        if ((rc = freeze_parse_week(spec->weekly, &week, e)) != ERR_OK)
            return json_blame(rc, "", "weekly", e);
        in.weekly = freeze_format_week(&week, weekly);
    }
    return fleet_edit_run(s, &ed, e);
}

static int remove_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const char *id = ed->spec;
    struct freeze_row v;
    bool found = false;
    int rc = db_freeze_get(tx_db(tx), id, &ed->arena, &v, &found, e);

    if (rc == ERR_OK && !found)
        return err_set(e, ERR_NOT_FOUND, "no freeze \"%.60s\"", id);
    if (rc == ERR_OK && strcmp(v.kind, "stop") == 0)
        return err_set(e, ERR_CONFLICT, "%s is a stop of the line; mreg stop-line off ends it", id);
    if (rc == ERR_OK)
        rc = db_freeze_delete(tx_db(tx), id, e);
    if (rc != ERR_OK)
        return rc;
    return write_freeze(
        tx, ed, &v,
        &(struct freeze_event){JOURNAL_ENV_UNFREEZE, JOURNAL_TARGET_UNFREEZE, "unfreeze", true}, e);
}

int fleet_freeze_remove(struct store *s, const struct fleet_change *c, const char *id,
                        struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = id, .fn = remove_fn};
    int rc = need_reason(c, "to remove a freeze", e);

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

/* --- stop-the-line ---------------------------------------------------------------------------- */

/* The stop of this environment (NULL: of everything); id NULL: there is none. */
static int find_stop(struct tx *tx, struct fleet_edit *ed, const char *env, struct freeze_row *out,
                     struct err *e)
{
    struct freeze_row *rows = NULL;
    size_t n = 0;
    int rc = db_freeze_list(tx_db(tx), &ed->arena, &rows, &n, e);

    *out = (struct freeze_row){0};
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        bool is_same = env == NULL ? rows[i].env == NULL
                                   : rows[i].env != NULL && strcmp(rows[i].env, env) == 0;

        if (is_same && strcmp(rows[i].kind, "stop") == 0)
            *out = rows[i];
    }
    return rc;
}

static int start_fn(struct tx *tx, struct fleet_edit *ed, const struct freeze_row *v, struct err *e)
{
    int rc = db_freeze_delete(tx_db(tx), v->id, e);

    if (rc != ERR_OK)
        return rc;
    return write_freeze(
        tx, ed, v,
        &(struct freeze_event){JOURNAL_ENV_RESUME, JOURNAL_ENV_RESUME, "the line goes on:", true},
        e);
}

static int stop_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct stop_line *stop = ed->spec;
    struct freeze_row v;
    int rc = find_stop(tx, ed, stop->env, &v, e);

    ed->is_nothing = stop->is_on == (v.id != NULL);
    if (rc != ERR_OK || (ed->is_nothing && v.id != NULL))
        return rc;
    if (v.id != NULL)
        return start_fn(tx, ed, &v, e);
    v = (struct freeze_row){
        .kind = "stop", .env = stop->env, .reason = ed->c->reason, .actor = ed->c->actor};
    rc = find_scope(tx, ed, &(struct freeze_spec){.env = stop->env}, &v, e);
    if (rc != ERR_OK || ed->is_nothing)
        return rc;
    if ((rc = make_id(tx, ed, &v, e)) != ERR_OK ||
        (rc = db_freeze_insert(tx_db(tx), &v, e)) != ERR_OK)
        return rc;
    return write_freeze(
        tx, ed, &v,
        &(struct freeze_event){JOURNAL_ENV_STOP, JOURNAL_ENV_STOP, "stop the line:", false}, e);
}

int fleet_stop_line(struct store *s, const struct fleet_change *c, const struct stop_line *stop,
                    struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = stop, .fn = stop_fn};
    int rc = need_reason(c, "stop-the-line", e);

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}
