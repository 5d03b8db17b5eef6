/*
 * Targets: a model in an environment, under which name nodes serve it and by which policy. Must not
 * know HTTP. fleet_target_set is for any thread but the writer; what takes a tx runs on the writer.
 */
#include <stdio.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_inner.h"
#include "name.h"
#include "policy.h"
#include "registry.h"
#include "rollout_names.h"

/* target document: {"environment","kind":"mreg.target","last_good"?,"live"?,"model","policy":{},
 * "schema":1,"serve_as"} */
int fleet_target_doc(const struct target_row *t, json_t **out, struct err *e)
{
    json_t *policy CLEANUP(json_decref_ptr) = NULL;
    json_t *doc;
    int rc = fleet_json_read(t->policy, &policy, e);

    if (rc != ERR_OK)
        return rc;
    doc = json_pack("{s:s, s:s, s:s, s:s, s:O, s:i}", "kind", "mreg.target", "model", t->model,
                    "environment", t->env, "serve_as", t->serve_as, "policy", policy, "schema", 1);
    if (doc == NULL)
        return err_set(e, ERR_INTERNAL, "the target's document cannot be made");
    if (t->live != 0)
        json_object_set_new(doc, "live", json_integer(t->live));
    if (t->last_good != 0)
        json_object_set_new(doc, "last_good", json_integer(t->last_good));
    *out = doc;
    return ERR_OK;
}

int fleet_target_policy(const struct target_row *t, const json_t *over, json_t **out, struct err *e)
{
    json_t *env CLEANUP(json_decref_ptr) = NULL;
    json_t *own CLEANUP(json_decref_ptr) = NULL;
    json_t *both CLEANUP(json_decref_ptr) = NULL;
    json_t *all CLEANUP(json_decref_ptr) = NULL;
    struct policy *p CLEANUP(mem_free_ptr) = mem_alloc(sizeof(*p));
    int rc;

    if ((rc = fleet_json_read(t->env_policy, &env, e)) != ERR_OK ||
        (rc = fleet_json_read(t->policy, &own, e)) != ERR_OK ||
        (rc = policy_merge(env, own, &both, e)) != ERR_OK ||
        (rc = policy_merge(both, over, &all, e)) != ERR_OK ||
        (rc = policy_parse(all, over != NULL ? "/strategy" : "", p, e)) != ERR_OK)
        return rc;
    /* Steps alone would be passed over in silence. */
    if (p->strategy != STRATEGY_CANARY && json_object_get(over, "steps") != NULL &&
        json_object_get(over, "strategy") == NULL)
        return err_at(e, ERR_INVALID, "/strategy/steps",
                      "the policy's strategy here is %s, which takes no steps: ask for canary, too",
                      strategy_names[p->strategy]);
    *out = policy_json(p);
    return ERR_OK;
}

int fleet_target_find(struct db *db, const char *env, const char *model, struct arena *a,
                      struct target_row *out, struct err *e)
{
    struct env_row v;
    bool found = false;
    int rc = fleet_env_find(db, env, a, &v, e);

    if (rc == ERR_OK)
        rc = db_target_find(db, env, model, a, out, &found, e);
    if (rc == ERR_OK && !found)
        return err_set(e, ERR_NOT_FOUND, "model \"%.150s\" was never deployed to \"%.150s\"", model,
                       env);
    return rc;
}

/* ERR_CONFLICT when another model is served under the name. */
static int check_served_free(struct db *db, const struct target_row *t, struct arena *a,
                             struct err *e)
{
    const char *model = NULL;
    int rc = db_target_served(db, t->env_id, t->serve_as, a, &model, e);

    if (rc == ERR_OK && model != NULL && strcmp(model, t->model) != 0)
        return err_at(e, ERR_CONFLICT, "/serve_as",
                      "model \"%.150s\" is served as \"%s\" in \"%.150s\"", model, t->serve_as,
                      t->env);
    return rc;
}

/* A name made from the model's; "-2", "-3" ... when another model has it. */
static int choose_served(struct db *db, struct target_row *t, struct arena *a, struct err *e)
{
    char base[64];

    name_make_served(t->model, base);
    t->serve_as = arena_strdup(a, base);
    for (int i = 2; i < 100; i++) {
        const char *model = NULL;
        int rc = db_target_served(db, t->env_id, t->serve_as, a, &model, e);

        if (rc != ERR_OK || model == NULL)
            return rc;
        t->serve_as = arena_printf(a, "%.59s-%d", base, i);
    }
    return err_set(e, ERR_CONFLICT,
                   "no free name to serve \"%.150s\" under; choose one with "
                   "serve_as",
                   t->model);
}

int fleet_target_need(struct tx *tx, struct fleet_edit *ed, const struct target_wish *wish,
                      struct target_row *out, bool *created, struct err *e)
{
    bool found = false;
    int rc = db_target_find(tx_db(tx), wish->env->name, wish->model, &ed->arena, out, &found, e);

    *created = false;
    if (rc != ERR_OK || found)
        return rc;
    *out = (struct target_row){.env_id = wish->env->env_id,
                               .model_id = wish->model_id,
                               .env = wish->env->name,
                               .model = wish->model,
                               .serve_as = wish->serve_as,
                               .policy = "{}",
                               .env_policy = wish->env->policy,
                               .created_seq = wish->seq,
                               .created_ms = tx_now_ms(tx)};
    rc = out->serve_as != NULL ? check_served_free(tx_db(tx), out, &ed->arena, e)
                               : choose_served(tx_db(tx), out, &ed->arena, e);
    if (rc == ERR_OK)
        rc = db_target_insert(tx_db(tx), out, &out->target_id, e);
    *created = rc == ERR_OK;
    return rc;
}

/* Puts the spec over the record. */
static int apply_spec(struct db *db, struct fleet_edit *ed, struct target_row *t, struct err *e)
{
    const struct target_spec *spec = ed->spec;
    int rc;

    if (spec->serve_as != NULL && strcmp(spec->serve_as, t->serve_as) != 0) {
        if (t->generation > 0)
            return err_at(e, ERR_CONFLICT, "/serve_as",
                          "it is served as \"%s\" since its first rollout, and stays so",
                          t->serve_as);
        t->serve_as = spec->serve_as;
        if ((rc = check_served_free(db, t, &ed->arena, e)) != ERR_OK)
            return rc;
    }
    if (spec->policy == NULL)
        return ERR_OK;
    return fleet_json_text(spec->policy, &ed->arena, &t->policy, e);
}

static int set_target_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct target_spec *spec = ed->spec;
    struct fleet_row row = {.kind = JOURNAL_TARGET_SET};
    struct target_wish wish = {.model = spec->model, .serve_as = spec->serve_as};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct env_row env;
    struct target_row t, before;
    bool created = false;
    int64_t number, seq;
    int rc = fleet_env_find(tx_db(tx), spec->env, &ed->arena, &env, e);

    if (rc == ERR_OK)
        rc = registry_resolve(tx_db(tx), spec->model, "latest", &wish.model_id, &number, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &wish.seq, e);
    wish.env = &env;
    if (rc == ERR_OK)
        rc = fleet_target_need(tx, ed, &wish, &t, &created, e);
    if (rc != ERR_OK)
        return rc;
    before = t;
    if ((rc = apply_spec(tx_db(tx), ed, &t, e)) != ERR_OK)
        return rc;
    ed->is_nothing = !created && strcmp(t.serve_as, before.serve_as) == 0 &&
                     strcmp(t.policy, before.policy) == 0;
    if (ed->is_nothing)
        return ERR_OK;
    if ((rc = db_target_update(tx_db(tx), &t, e)) != ERR_OK ||
        (rc = fleet_target_doc(&t, &doc, e)) != ERR_OK ||
        (rc = fleet_row_add(&row, &ed->arena, journal_path_target(&ed->arena, t.env, t.model), doc,
                            e)) != ERR_OK)
        return rc;
    row.object = arena_printf(&ed->arena, "%s/%s", t.env, t.model);
    row.message = arena_printf(&ed->arena, "set how %s is served in %s", t.model, t.env);
    return fleet_row_append(tx, ed, &row, &seq, e);
}

int fleet_target_set(struct store *s, const struct fleet_change *c, const struct target_spec *spec,
                     struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = spec, .fn = set_target_fn};
    int rc = fleet_check_policy(spec->policy, "/policy", e);

    if (rc == ERR_OK && spec->serve_as != NULL) {
        rc = name_check_served(spec->serve_as, e);
        if (rc != ERR_OK && e != NULL)
            memcpy(e->pointer, "/serve_as", sizeof("/serve_as"));
    }
    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

int fleet_target_back(struct db *db, const struct target_row *t, struct arena *a, int64_t *number,
                      struct err *e)
{
    struct watch_target seen = {0};
    bool found = false;
    int rc = db_watch_target(db, t->target_id, a, &seen, &found, e);

    *number = seen.is_halted ? t->live : t->last_good;
    if (rc == ERR_OK && *number == t->live && !seen.is_halted)
        rc = db_target_before(db, t->target_id, t->live, number, e);
    if (*number == t->live && !seen.is_halted)
        *number = 0;
    return rc;
}
