/*
 * Routers: the changes of their records. Must not know HTTP handlers or how routers are spoken to.
 * The inner functions run on the writer.
 */
#include "fleet_router.h"

#include <string.h>

#include "fleet_inner.h"
#include "name.h"
#include "when.h"

#define MAX_PER_ENVIRONMENT 16

/* --- finding ---------------------------------------------------------------------------------- */

int fleet_router_find(struct db *db, const char *env, const char *name, struct arena *a,
                      struct router_row *out, struct err *e)
{
    struct env_row v;
    struct router_row *rows = NULL;
    const char **names;
    size_t n = 0;
    bool found = false;
    int rc = fleet_env_find(db, env, a, &v, e);

    if (rc == ERR_OK)
        rc = db_router_find(db, env, name, a, out, &found, e);
    if (rc != ERR_OK || found)
        return rc;
    if ((rc = db_router_list(db, v.env_id, a, &rows, &n, e)) != ERR_OK)
        return rc;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].config.name;
    return fleet_no_such(&(struct fleet_missing){"router", name, env}, names, e);
}

int fleet_no_routers(struct db *db, const struct env_row *v, struct arena *a, struct err *e)
{
    struct router_row *rows = NULL;
    size_t n = 0;
    int rc = db_router_list(db, v->env_id, a, &rows, &n, e);

    if (rc == ERR_OK && n > 0)
        return err_set(e, ERR_CONFLICT, "environment \"%s\" still has router \"%.120s\"", v->name,
                       rows[0].config.name);
    return rc;
}

/* --- changes ---------------------------------------------------------------------------------- */

/* router document: {"address","backend","created","driver","environment","file"?,"kind":
 * "mreg.router","name","pid_file"?,"schema":1,"server_label"?} */
static int router_doc(const struct router_row *v, json_t **out, struct err *e)
{
    char when[WHEN_TEXT_BYTES];
    const struct router_config *c = &v->config;
    const char *label = c->server_label[0] != '\0' ? c->server_label : NULL;

    *out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:i}", "kind",
                     "mreg.router", "name", c->name, "environment", v->env, "created",
                     when_format(v->created_ms, when), "driver", c->driver, "address", c->address,
                     "backend", c->backend, "file", c->file, "pid_file", c->pid_file,
                     "server_label", label, "schema", 1);
    return *out != NULL ? ERR_OK : err_set(e, ERR_INVALID, "the router's record is not valid text");
}

static int write_router(struct tx *tx, struct fleet_edit *ed, const struct router_row *v,
                        enum journal_kind kind, struct err *e)
{
    static const char *const verbs[] = {"added", "changed", "removed"};
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct fleet_row row = {.kind = kind};
    bool is_gone = kind == JOURNAL_ROUTER_DELETE;
    int64_t seq;
    int rc = is_gone ? ERR_OK : router_doc(v, &doc, e);

    row.object = arena_printf(&ed->arena, "%s/%s", v->env, v->config.name);
    row.message =
        arena_printf(&ed->arena, "%s router %s", verbs[kind - JOURNAL_ROUTER_CREATE], row.object);
    if (rc == ERR_OK)
        rc = fleet_row_add(&row, &ed->arena,
                           journal_path_router(&ed->arena, v->env, v->config.name), doc, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &row, &seq, e) : rc;
}

/* Two records of one router would set each other's weights. */
static int check_free(struct db *db, const struct router_row *v, struct arena *a, struct err *e)
{
    const char *user = NULL;
    int rc = db_router_user(db, v, a, &user, e);

    if (rc != ERR_OK || user == NULL)
        return rc;
    return err_at(e, ERR_CONFLICT, "/address", "router \"%.200s\" has that address or file already",
                  user);
}

static void apply(const char **to, const char *from, bool may_be_none)
{
    if (from != NULL)
        *to = may_be_none && from[0] == '\0' ? NULL : from;
}

static void apply_spec(const struct router_spec *spec, struct router_config *c)
{
    apply(&c->driver, spec->driver, false);
    apply(&c->address, spec->address, false);
    apply(&c->backend, spec->backend, false);
    apply(&c->file, spec->file, true);
    apply(&c->pid_file, spec->pid_file, true);
    apply(&c->server_label, spec->server_label, false);
}

static int check(const struct router_config *c, struct err *e)
{
    if (c->address == NULL)
        return err_at(e, ERR_INVALID, "/address", "missing");
    if (strlen(c->server_label) > NAME_MAX_BYTES)
        return err_at(e, ERR_INVALID, "/server_label", "too long");
    return routing_check(c, e);
}

static int create_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    struct router_row v = *(const struct router_row *)ed->spec;
    struct router_row *rows = NULL;
    struct env_row env;
    size_t n = 0;
    bool found = false;
    struct db *db = tx_db(tx);
    int rc = fleet_env_find(db, v.env, &ed->arena, &env, e);

    if (rc == ERR_OK)
        rc = db_router_find(db, v.env, v.config.name, &ed->arena, &(struct router_row){0}, &found,
                            e);
    if (rc == ERR_OK && found)
        return err_set(e, ERR_EXISTS, "router \"%.120s\" exists already in \"%.120s\"",
                       v.config.name, v.env);
    if (rc == ERR_OK)
        rc = db_router_list(db, env.env_id, &ed->arena, &rows, &n, e);
    if (rc == ERR_OK && n >= MAX_PER_ENVIRONMENT)
        return err_set(e, ERR_CONFLICT, "an environment has at most %d routers",
                       MAX_PER_ENVIRONMENT);
    if (rc == ERR_OK)
        rc = check_free(db, &v, &ed->arena, e);
    v.env_id = rc == ERR_OK ? env.env_id : 0;
    if (rc == ERR_OK)
        rc = fleet_server_of_router(db, &v, &ed->arena, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &v.created_seq, e);
    if (rc != ERR_OK)
        return rc;
    v.router_id = v.created_seq;
    v.created_ms = tx_now_ms(tx);
    rc = db_router_insert(db, &v, e);
    return rc == ERR_OK ? write_router(tx, ed, &v, JOURNAL_ROUTER_CREATE, e) : rc;
}

int fleet_router_create(struct store *s, const struct fleet_change *c,
                        const struct router_spec *spec, struct err *e)
{
    struct router_row v = {
        .env = spec->env,
        .config = {
            .name = spec->name, .driver = "haproxy", .backend = "{serve_as}", .server_label = ""}};
    struct fleet_edit ed = {.c = c, .spec = &v, .fn = create_fn};
    int rc = name_check("router", spec->name, e);

    if (rc != ERR_OK) {
        if (e != NULL)
            memcpy(e->pointer, "/name", sizeof("/name"));
        return rc;
    }
    apply_spec(spec, &v.config);
    rc = check(&v.config, e);
    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

static bool is_same(const struct router_config *a, const struct router_config *b)
{
    return mem_same_text(a->address, b->address) && mem_same_text(a->file, b->file) &&
           mem_same_text(a->pid_file, b->pid_file) && mem_same_text(a->backend, b->backend) &&
           mem_same_text(a->server_label, b->server_label);
}

static int update_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct router_spec *spec = ed->spec;
    struct router_row before = {0}, v;
    int rc = fleet_router_find(tx_db(tx), spec->env, spec->name, &ed->arena, &before, e);

    if (rc != ERR_OK)
        return rc;
    v = before;
    apply_spec(spec, &v.config);
    if (strcmp(v.config.driver, before.config.driver) != 0)
        return err_at(e, ERR_INVALID, "/driver",
                      "a router stays of its kind: add another one instead");
    if ((rc = check(&v.config, e)) != ERR_OK)
        return rc;
    ed->is_nothing = is_same(&before.config, &v.config);
    if (ed->is_nothing)
        return ERR_OK;
    if ((rc = check_free(tx_db(tx), &v, &ed->arena, e)) != ERR_OK ||
        (rc = fleet_server_of_router(tx_db(tx), &v, &ed->arena, e)) != ERR_OK ||
        (rc = db_router_update(tx_db(tx), &v, e)) != ERR_OK)
        return rc;
    return write_router(tx, ed, &v, JOURNAL_ROUTER_UPDATE, e);
}

int fleet_router_update(struct store *s, const struct fleet_change *c,
                        const struct router_spec *spec, struct err *e)
{
    struct fleet_edit ed = {.c = c, .spec = spec, .fn = update_fn};

    return fleet_edit_run(s, &ed, e);
}

static int delete_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct router_spec *spec = ed->spec;
    struct router_row v = {0};
    const char *rollout = NULL;
    int rc = fleet_router_find(tx_db(tx), spec->env, spec->name, &ed->arena, &v, e);

    if (rc == ERR_OK)
        rc = db_env_active(tx_db(tx), v.env_id, &ed->arena, &rollout, e);
    if (rc == ERR_OK && rollout != NULL)
        return err_set(e, ERR_CONFLICT,
                       "rollout %s is active in \"%.120s\"; wait for it or abort it", rollout,
                       v.env);
    if (rc == ERR_OK)
        rc = db_router_delete(tx_db(tx), v.router_id, e);
    return rc == ERR_OK ? write_router(tx, ed, &v, JOURNAL_ROUTER_DELETE, e) : rc;
}

int fleet_router_delete(struct store *s, const struct fleet_change *c, const char *env,
                        const char *name, struct err *e)
{
    struct router_spec spec = {.env = env, .name = name};
    struct fleet_edit ed = {.c = c, .spec = &spec, .fn = delete_fn};

    return fleet_edit_run(s, &ed, e);
}
