/*
 * Nodes: finding them and the changes of their records. Must not know HTTP handlers or how nodes
 * are spoken to. The fleet_node_* functions are for any thread but the writer; the inner ones run
 * on the writer.
 */
#include <stdio.h>
#include <string.h>

#include "fleet_inner.h"
#include "name.h"
#include "when.h"

/* --- finding ---------------------------------------------------------------------------------- */

int fleet_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                    struct node_row *out, struct err *e)
{
    struct env_row v;
    struct node_row *rows = NULL;
    const char **names;
    size_t n = 0;
    bool found = false;
    int rc = fleet_env_find(db, env, a, &v, e);

    if (rc == ERR_OK)
        rc = db_node_find(db, env, name, a, out, &found, e);
    if (rc != ERR_OK || found)
        return rc;
    if ((rc = db_node_page(db, env, "", 1000, a, &rows, &n, e)) != ERR_OK)
        return rc;
    names = arena_alloc(a, (n + 1) * sizeof(*names));
    for (size_t i = 0; i < n; i++)
        names[i] = rows[i].name;
    return fleet_no_such(&(struct fleet_missing){"node", name, env}, names, e);
}

/* --- changes ---------------------------------------------------------------------------------- */

/* node document: {"admin_url","cordon"?:{"by","kind","reason"?,"since"},"created","delivery",
 * "driver","environment","infer_url","kind":"mreg.node","labels":{},"lease_ms"?,"metrics_url"?,
 * "name","registered_by"?,"root"?,"schema":1} */
static int node_doc(const struct node_row *v, json_t **out, struct err *e)
{
    char when[WHEN_TEXT_BYTES];
    json_t *labels CLEANUP(json_decref_ptr) = NULL;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    int rc = fleet_json_read(v->labels, &labels, e);

    if (rc != ERR_OK)
        return rc;
    doc = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s*, s:s*, s:s*, s:O, s:i}", "kind",
                    "mreg.node", "name", v->name, "environment", v->env, "created",
                    when_format(v->created_ms, when), "driver", v->driver, "delivery", v->delivery,
                    "admin_url", v->admin_url, "infer_url", v->infer_url, "metrics_url",
                    v->metrics_url, "root", v->root, "registered_by", v->registered_by, "labels",
                    labels, "schema", 1);
    if (doc != NULL && v->lease_ms > 0)
        json_object_set_new(doc, "lease_ms", json_integer(v->lease_ms));
    if (doc != NULL && v->cordon != NULL)
        json_object_set_new(doc, "cordon",
                            json_pack("{s:s, s:s*, s:s*, s:s}", "kind", v->cordon, "by",
                                      v->cordon_by, "reason", v->cordon_reason, "since",
                                      when_format(v->cordon_ms, when)));
    if (doc == NULL)
        return err_set(e, ERR_INVALID, "the node's record is not valid text");
    *out = json_incref(doc);
    return ERR_OK;
}

int fleet_node_write(struct tx *tx, struct fleet_edit *ed, const struct node_row *v,
                     enum journal_kind kind, const char *message, struct err *e)
{
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct fleet_row row = {.kind = kind, .message = message};
    int64_t seq;
    int rc = node_doc(v, &doc, e);

    row.object = arena_printf(&ed->arena, "%s/%s", v->env, v->name);
    if (rc == ERR_OK)
        rc =
            fleet_row_add(&row, &ed->arena, journal_path_node(&ed->arena, v->env, v->name), doc, e);
    return rc == ERR_OK ? fleet_row_append(tx, ed, &row, &seq, e) : rc;
}

static const char *words_of(struct fleet_edit *ed, const char *verb, const struct node_row *v)
{
    return arena_printf(&ed->arena, "%s node %s/%s", verb, v->env, v->name);
}

int fleet_node_enter(struct tx *tx, struct fleet_edit *ed, struct node_row *v, struct err *e)
{
    struct env_row env;
    int rc = fleet_env_find(tx_db(tx), v->env, &ed->arena, &env, e);

    if (rc == ERR_OK)
        rc = fleet_node_root_free(tx_db(tx), v, &ed->arena, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &v->created_seq, e);
    if (rc != ERR_OK)
        return rc;
    v->env_id = env.env_id;
    if ((rc = fleet_server_of_node(tx_db(tx), v, &ed->arena, e)) != ERR_OK)
        return rc;
    v->created_ms = tx_now_ms(tx);
    /* Never used twice: what still runs for a node that is gone must not be taken for this one. */
    v->node_id = v->created_seq;
    return db_node_insert(tx_db(tx), v, e);
}

static int create_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    struct node_row v = *(const struct node_row *)ed->spec;
    bool found = false;
    int rc = db_node_find(tx_db(tx), v.env, v.name, &ed->arena, &(struct node_row){0}, &found, e);

    if (rc == ERR_OK && found)
        return err_set(e, ERR_EXISTS, "node \"%.120s\" exists already in \"%.120s\"", v.name,
                       v.env);
    if (rc == ERR_OK)
        rc = fleet_node_enter(tx, ed, &v, e);
    return rc == ERR_OK
               ? fleet_node_write(tx, ed, &v, JOURNAL_NODE_CREATE, words_of(ed, "added", &v), e)
               : rc;
}

int fleet_node_new(const struct node_spec *spec, struct arena *a, struct node_row *out,
                   struct err *e)
{
    int rc = name_check("node", spec->name, e);

    *out = (struct node_row){
        .env = spec->env, .name = spec->name, .driver = "v2", .delivery = "path", .labels = "{}"};
    if (rc != ERR_OK) {
        if (e != NULL)
            memcpy(e->pointer, "/name", sizeof("/name"));
        return rc;
    }
    if (spec->admin_url == NULL)
        return err_at(e, ERR_INVALID, "/admin_url", "missing");
    if ((rc = fleet_node_apply(spec, a, out, e)) != ERR_OK ||
        (rc = fleet_node_root(spec->root, a, &out->root, e)) != ERR_OK)
        return rc;
    if (out->infer_url == NULL)
        out->infer_url = out->admin_url;
    if (spec->metrics_url == NULL)
        out->metrics_url = arena_printf(a, "%s/metrics", out->admin_url);
    return ERR_OK;
}

int fleet_node_create(struct store *s, const struct fleet_change *c, const struct node_spec *spec,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct node_row v;
    struct fleet_edit ed = {.c = c, .spec = &v, .fn = create_node_fn};
    int rc = fleet_node_new(spec, &a, &v, e);

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

bool fleet_node_same(const struct node_row *a, const struct node_row *b)
{
    return mem_same_text(a->driver, b->driver) && mem_same_text(a->admin_url, b->admin_url) &&
           mem_same_text(a->infer_url, b->infer_url) &&
           mem_same_text(a->metrics_url, b->metrics_url) && mem_same_text(a->root, b->root) &&
           mem_same_text(a->labels, b->labels) && a->lease_ms == b->lease_ms;
}

static int update_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct node_spec *spec = ed->spec;
    struct node_row before = {0}, v;
    int rc = fleet_node_find(tx_db(tx), spec->env, spec->name, &ed->arena, &before, e);

    if (rc != ERR_OK)
        return rc;
    v = before;
    if ((rc = fleet_node_apply(spec, &ed->arena, &v, e)) != ERR_OK)
        return rc;
    ed->is_nothing = fleet_node_same(&before, &v);
    if (ed->is_nothing)
        return ERR_OK;
    if ((rc = fleet_node_root_free(tx_db(tx), &v, &ed->arena, e)) != ERR_OK ||
        (rc = fleet_server_of_node(tx_db(tx), &v, &ed->arena, e)) != ERR_OK ||
        (rc = db_node_update(tx_db(tx), &v, e)) != ERR_OK)
        return rc;
    return fleet_node_write(tx, ed, &v, JOURNAL_NODE_UPDATE, words_of(ed, "changed", &v), e);
}

int fleet_node_update(struct store *s, const struct fleet_change *c, const struct node_spec *spec,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct node_spec copy = *spec;
    struct fleet_edit ed = {.c = c, .spec = &copy, .fn = update_node_fn};
    int rc = spec->root != NULL ? fleet_node_root(spec->root, &a, &copy.root, e) : ERR_OK;

    return rc == ERR_OK ? fleet_edit_run(s, &ed, e) : rc;
}

int fleet_node_drop(struct tx *tx, struct fleet_edit *ed, const struct node_row *v,
                    enum journal_kind kind, const char *message, struct err *e)
{
    struct fleet_row row = {.kind = kind, .message = message};
    const char *path, *bytes;
    int64_t seq;
    size_t n;
    int rc = db_node_delete(tx_db(tx), v->node_id, e);

    if (rc == ERR_OK)
        rc = fleet_row_add(&row, &ed->arena, journal_path_node(&ed->arena, v->env, v->name), NULL,
                           e);
    if (rc != ERR_OK)
        return rc;
    path = journal_path_serving(&ed->arena, v->env, v->name);
    if (journal_doc_at(tx_db(tx), path, INT64_MAX, &ed->arena, &bytes, &n, NULL) == ERR_OK &&
        (rc = fleet_row_add(&row, &ed->arena, path, NULL, e)) != ERR_OK)
        return rc;
    row.object = arena_printf(&ed->arena, "%s/%s", v->env, v->name);
    return fleet_row_append(tx, ed, &row, &seq, e);
}

static int delete_node_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct node_spec *spec = ed->spec;
    struct node_row v = {0};
    const char *rollout = NULL;
    int rc = fleet_node_find(tx_db(tx), spec->env, spec->name, &ed->arena, &v, e);

    if (rc == ERR_OK)
        rc = db_env_active(tx_db(tx), v.env_id, &ed->arena, &rollout, e);
    if (rc == ERR_OK && rollout != NULL)
        return err_set(e, ERR_CONFLICT,
                       "rollout %s is active in \"%.120s\"; wait for it or abort it", rollout,
                       v.env);
    return rc == ERR_OK
               ? fleet_node_drop(tx, ed, &v, JOURNAL_NODE_DELETE, words_of(ed, "removed", &v), e)
               : rc;
}

int fleet_node_delete(struct store *s, const struct fleet_change *c, const char *env,
                      const char *name, struct err *e)
{
    struct node_spec spec = {.env = env, .name = name};
    struct fleet_edit ed = {.c = c, .spec = &spec, .fn = delete_node_fn};

    return fleet_edit_run(s, &ed, e);
}
