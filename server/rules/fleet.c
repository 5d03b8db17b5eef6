/*
 * Environments, and the steps that every change of the fleet is made of. Must not know HTTP. The
 * fleet_env_* functions are for any thread but the writer; the inner ones run on the writer.
 */
#include "fleet.h"

#include <stdlib.h>
#include <string.h>

#include "db_limits.h"
#include "fleet_inner.h"
#include "name.h"
#include "policy.h"
#include "when.h"

#define COLUMN_MAX_BYTES ((size_t)POLICY_MAX_BYTES)

const char *const *fleet_drivers(void)
{
    static const char *const names[] = {"v2", "triton", NULL};

    return names;
}

/* --- steps of a change ------------------------------------------------------------------------ */

static int run_once(struct tx *tx, void *ctx, struct err *e)
{
    struct fleet_edit *ed = ctx;
    int rc;

    arena_clear(&ed->arena); /* fn may be run again */
    ed->is_nothing = false;
    rc = ed->fn(tx, ed, e);
    if (rc == ERR_OK && ed->is_nothing) /* a fact needs a row: undone */
        return err_set(e, ERR_CONFLICT, "nothing to change");
    return rc;
}

int fleet_edit_run(struct store *s, struct fleet_edit *ed, struct err *e)
{
    int rc = store_write(s, TX_FACT, run_once, ed, e);

    arena_clear(&ed->arena);
    return rc == ERR_CONFLICT && ed->is_nothing ? ERR_OK : rc;
}

int fleet_row_add(struct fleet_row *row, struct arena *a, const char *path, const json_t *doc,
                  struct err *e)
{
    struct buf b CLEANUP(buf_clear);
    struct journal_doc *d = &row->docs[row->n_docs];
    int rc;

    buf_init(&b, (size_t)4 << 20);
    if (row->n_docs == FLEET_MAX_DOCS)
        return err_set(e, ERR_INTERNAL, "too many documents in one row");
    *d = (struct journal_doc){.path = path};
    if (doc != NULL) {
        if ((rc = json_canonical(doc, &b, e)) != ERR_OK)
            return rc;
        if (!buf_ok(&b))
            return err_set(e, ERR_TOO_LARGE, "the record is too large");
        d->n = b.len;
        d->bytes = arena_copy(a, b.data, b.len);
    }
    row->n_docs++;
    return ERR_OK;
}

int fleet_row_append(struct tx *tx, struct fleet_edit *ed, const struct fleet_row *row,
                     int64_t *seq, struct err *e)
{
    struct journal_entry entry = {.kind = row->kind,
                                  .actor = ed->c->actor,
                                  .object = row->object,
                                  .reason = ed->c->reason,
                                  .message = row->message,
                                  .docs = row->docs,
                                  .n_docs = row->n_docs};

    return journal_append(tx, &entry, seq, e);
}

int fleet_json_text(const json_t *j, struct arena *a, const char **out, struct err *e)
{
    struct buf b CLEANUP(buf_clear);
    char *text CLEANUP(mem_free_ptr) = NULL;
    int rc;

    buf_init(&b, 2 * COLUMN_MAX_BYTES);
    if (j == NULL) {
        *out = "{}";
        return ERR_OK;
    }
    if ((rc = json_canonical(j, &b, e)) != ERR_OK) /* also refuses what documents cannot hold */
        return rc;
    text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    if (text == NULL || !buf_ok(&b) || strlen(text) > COLUMN_MAX_BYTES)
        return err_set(e, ERR_TOO_LARGE, "more than %zu bytes of JSON", COLUMN_MAX_BYTES);
    *out = arena_strdup(a, text);
    return ERR_OK;
}

int fleet_json_read(const char *text, json_t **out, struct err *e)
{
    return json_parse(text, strlen(text), JSON_MAX_DEPTH, out, e);
}

int fleet_check_policy(const json_t *policy, const char *at, struct err *e)
{
    struct policy *p CLEANUP(mem_free_ptr) = mem_alloc(sizeof(*p));

    return policy == NULL ? ERR_OK : policy_parse(policy, at, p, e);
}

/* --- environments ----------------------------------------------------------------------------- */

/* Names of all environments, for did-you-mean. */
static const char **env_names(struct db *db, struct arena *a)
{
    struct env_row *rows = NULL;
    const char **names;
    size_t n = 0;

    if (db_env_list(db, a, &rows, &n, NULL) != ERR_OK)
        n = 0;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    return names;
}

int fleet_no_such(const struct fleet_missing *m, const char *const *names, struct err *e)
{
    const char *near = json_nearest(m->name, names);

    if (near != NULL)
        return err_set(e, ERR_NOT_FOUND, "no %s \"%.120s\" in \"%.120s\"; did you mean \"%.120s\"?",
                       m->what, m->name, m->env, near);
    return err_set(e, ERR_NOT_FOUND, "no %s \"%.120s\" in \"%.120s\"", m->what, m->name, m->env);
}

int fleet_env_find(struct db *db, const char *name, struct arena *a, struct env_row *out,
                   struct err *e)
{
    const char *near;
    bool found = false;
    int rc = db_env_find(db, name, a, out, &found, e);

    if (rc != ERR_OK || found)
        return rc;
    near = json_nearest(name, env_names(db, a));
    if (near != NULL)
        return err_set(e, ERR_NOT_FOUND, "no environment \"%.120s\"; did you mean \"%.120s\"?",
                       name, near);
    return err_set(e, ERR_NOT_FOUND, "no environment \"%.120s\"", name);
}

/* environment.json: {"created","kind":"mreg.environment","name","policy":{},"position","schema":1}
 */
static int write_env(struct tx *tx, struct fleet_edit *ed, const struct env_row *v,
                     enum journal_kind kind, struct err *e)
{
    char when[WHEN_TEXT_BYTES];
    json_t *policy CLEANUP(json_decref_ptr) = NULL;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct fleet_row row = {.kind = kind, .object = v->name};
    int64_t seq;
    int rc = fleet_json_read(v->policy, &policy, e);

    if (rc != ERR_OK)
        return rc;
    doc = json_pack("{s:s, s:s, s:s, s:O, s:I, s:i}", "kind", "mreg.environment", "name", v->name,
                    "created", when_format(v->created_ms, when), "policy", policy, "position",
                    (json_int_t)v->position, "schema", 1);
    if (doc == NULL)
        return err_set(e, ERR_INVALID, "the environment's name is not valid text");
    row.message = arena_printf(&ed->arena, "%s environment %s",
                               kind == JOURNAL_ENV_CREATE ? "created" : "changed", v->name);
    rc = fleet_row_add(&row, &ed->arena, journal_path_env(&ed->arena, v->name), doc, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &row, &seq, e) : rc;
}

static int create_env_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct env_spec *spec = ed->spec;
    struct env_row v = {
        .name = spec->name, .position = spec->position, .created_ms = tx_now_ms(tx)};
    const char *model = NULL;
    bool found = false;
    int rc = db_env_find(tx_db(tx), spec->name, &ed->arena, &(struct env_row){0}, &found, e);

    if (rc == ERR_OK && found)
        return err_set(e, ERR_EXISTS, "environment \"%s\" exists already", spec->name);
    if (rc == ERR_OK)
        rc = db_alias_user(tx_db(tx), spec->name, &ed->arena, &model, e);
    if (rc == ERR_OK && model != NULL)
        return err_set(e, ERR_CONFLICT,
                       "model \"%.150s\" has an alias \"%.150s\"; delete it first: an "
                       "environment's alias follows its rollouts",
                       model, spec->name);
    if (rc == ERR_OK && v.position < 0)
        rc = db_env_next_position(tx_db(tx), &v.position, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &v.created_seq, e);
    if (rc == ERR_OK)
        rc = fleet_json_text(spec->policy, &ed->arena, &v.policy, e);
    if (rc == ERR_OK)
        rc = db_env_insert(tx_db(tx), &v, e);
    return rc == ERR_OK ? write_env(tx, ed, &v, JOURNAL_ENV_CREATE, e) : rc;
}

int fleet_env_create(struct store *s, const struct fleet_change *c, const struct env_spec *spec,
                     struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = spec, .fn = create_env_fn};
    int rc = name_check_alias(spec->name, e);

    if (rc != ERR_OK) {
        if (e != NULL)
            memcpy(e->pointer, "/name", sizeof("/name"));
        return rc;
    }
    if ((rc = fleet_check_policy(spec->policy, "/policy", e)) != ERR_OK)
        return rc;
    return fleet_edit_run(s, &ed, e);
}

static int update_env_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct env_spec *spec = ed->spec;
    struct env_row v = {0};
    const char *policy;
    int64_t position;
    int rc = fleet_env_find(tx_db(tx), spec->name, &ed->arena, &v, e);

    if (rc != ERR_OK)
        return rc;
    policy = v.policy;
    position = spec->position >= 0 ? spec->position : v.position;
    if (spec->policy != NULL &&
        (rc = fleet_json_text(spec->policy, &ed->arena, &policy, e)) != ERR_OK)
        return rc;
    ed->is_nothing = strcmp(policy, v.policy) == 0 && position == v.position;
    if (ed->is_nothing)
        return ERR_OK;
    v.policy = policy;
    v.position = position;
    rc = db_env_update(tx_db(tx), &v, e);
    return rc == ERR_OK ? write_env(tx, ed, &v, JOURNAL_ENV_UPDATE, e) : rc;
}

int fleet_env_update(struct store *s, const struct fleet_change *c, const struct env_spec *spec,
                     struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = spec, .fn = update_env_fn};
    int rc = fleet_check_policy(spec->policy, "/policy", e);

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

static int refuse_frozen(struct tx *tx, struct fleet_edit *ed, int64_t env_id, struct err *e)
{
    struct freeze_row *rows = NULL;
    size_t n = 0;
    int rc = db_freeze_list(tx_db(tx), &ed->arena, &rows, &n, e);

    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        if (rows[i].env_id == env_id)
            return err_set(e, ERR_CONFLICT, "%s %s is about this environment; remove it first",
                           rows[i].kind, rows[i].id);
    return rc;
}

static int delete_env_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const char *name = ed->spec, *model = NULL;
    struct env_row v = {0};
    struct fleet_row row = {.kind = JOURNAL_ENV_DELETE, .object = name};
    int64_t seq;
    int rc = fleet_env_find(tx_db(tx), name, &ed->arena, &v, e);

    if (rc == ERR_OK && v.n_nodes > 0)
        return err_set(e, ERR_CONFLICT, "environment \"%s\" still has %lld nodes", name,
                       (long long)v.n_nodes);
    if (rc == ERR_OK)
        rc = fleet_no_routers(tx_db(tx), &v, &ed->arena, e);
    if (rc == ERR_OK)
        rc = db_env_user(tx_db(tx), v.env_id, &ed->arena, &model, e);
    if (rc == ERR_OK && model != NULL)
        return err_set(e, ERR_CONFLICT,
                       "model \"%.150s\" was deployed to \"%.150s\": its history needs the "
                       "environment",
                       model, name);
    if (rc == ERR_OK)
        rc = refuse_frozen(tx, ed, v.env_id, e);
    if (rc == ERR_OK)
        rc = db_env_delete(tx_db(tx), v.env_id, e);
    if (rc == ERR_OK)
        rc = fleet_row_add(&row, &ed->arena, journal_path_env(&ed->arena, name), NULL, e);
    row.message = arena_printf(&ed->arena, "deleted environment %s", name);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &row, &seq, e) : rc;
}

int fleet_env_delete(struct store *s, const struct fleet_change *c, const char *name, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = name, .fn = delete_env_fn};

    return fleet_edit_run(s, &ed, e);
}
