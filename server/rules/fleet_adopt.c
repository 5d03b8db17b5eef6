/*
 * Taking over a version that a node served before mreg knew it: the target's record, and, once
 * every node serves it, what a rollout's end would have done. Must not know files or servers: they
 * were looked at before. fleet_node_adopt is for any thread but the writer; the inner functions run
 * on the writer.
 */
#include <stdio.h>
#include <string.h>

#include "db_rollout.h"
#include "fleet_inner.h"
#include "fleet_nodes.h"
#include "name.h"
#include "registry.h"

static int check_target(const struct target_row *t, const struct node_adopt *in, struct err *e)
{
    if (t->rollout != NULL)
        return err_set(e, ERR_CONFLICT, "rollout %s of \"%.120s\" is under way in \"%.120s\"",
                       t->rollout, in->model, in->env);
    if (t->live != 0 && t->live != in->number)
        return err_set(e, ERR_CONFLICT,
                       "version %lld of \"%.120s\" is live in \"%.120s\"; promote version %lld to "
                       "change that",
                       (long long)t->live, in->model, in->env, (long long)in->number);
    return ERR_OK;
}

int fleet_adopt_name(struct db *db, const struct node_adopt *in, const char *wish, struct arena *a,
                     const char **serve_as, struct err *e)
{
    struct target_row t = {0};
    struct env_row env;
    char made[64];
    const char *model = NULL;
    bool found = false;
    int rc = fleet_env_find(db, in->env, a, &env, e);

    if (rc == ERR_OK)
        rc = db_target_find(db, in->env, in->model, a, &t, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (found && wish != NULL && strcmp(wish, t.serve_as) != 0)
        return err_at(e, ERR_CONFLICT, "/serve_as", "\"%.120s\" is served as \"%s\" there",
                      in->model, t.serve_as);
    if (found) {
        *serve_as = t.serve_as;
        return check_target(&t, in, e);
    }
    name_make_served(in->model, made);
    *serve_as = wish != NULL ? wish : arena_strdup(a, made);
    if ((rc = name_check_served(*serve_as, e)) != ERR_OK ||
        (rc = db_target_served(db, env.env_id, *serve_as, a, &model, e)) != ERR_OK)
        return rc;
    if (model != NULL)
        return err_at(e, ERR_CONFLICT, "/serve_as",
                      "model \"%.150s\" is served as \"%s\" in \"%.150s\"", model, *serve_as,
                      in->env);
    return ERR_OK;
}

/* --- the change ------------------------------------------------------------------------------- */

struct adopting {
    const struct node_adopt *in;
    enum node_adopt_result result;
    struct env_row env;
    struct target_row target;
    struct fleet_row row;
    struct buf alias;
};

/* What the node serves is as good as seen: its server said so a moment ago. */
static int put_view(struct tx *tx, struct fleet_edit *ed, const struct adopting *a, int64_t node_id,
                    struct err *e)
{
    struct watch_view v = {
        .target_id = a->target.target_id,
        .node_id = node_id,
        .observed_ms = tx_now_ms(tx),
        .observation = arena_printf(&ed->arena, "{\"ready\":[%lld]}", (long long)a->in->number)};

    int rc = db_ops_forget_switches(tx_db(tx), v.target_id, node_id, e);

    return rc == ERR_OK ? db_node_view_put(tx_db(tx), &v, e) : rc;
}

/* True if every node that is not taken out serves exactly the version. */
static int is_everywhere(struct tx *tx, struct fleet_edit *ed, const struct adopting *a, bool *yes,
                         struct err *e)
{
    struct node_sight *sights = NULL;
    struct node_row node;
    char wanted[64];
    bool found = false;
    size_t n = 0;
    int rc = db_target_sights(tx_db(tx), a->target.target_id, &ed->arena, &sights, &n, e);

    (void)snprintf(wanted, sizeof(wanted), "{\"ready\":[%lld]}", (long long)a->in->number);
    *yes = true;
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        bool serves = sights[i].observation != NULL && strcmp(sights[i].observation, wanted) == 0;

        if (serves)
            continue;
        rc = db_node_find(tx_db(tx), a->in->env, sights[i].node, &ed->arena, &node, &found, e);
        *yes = *yes && found && node.cordon != NULL;
    }
    return rc;
}

static int go_live(struct tx *tx, struct fleet_edit *ed, struct adopting *a, struct err *e)
{
    const char *path = NULL;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct target_row *t = &a->target;
    int rc = db_target_set_live(tx_db(tx), t->target_id, a->in->number, a->in->number, e);

    t->live = t->last_good = a->in->number;
    if (rc == ERR_OK)
        rc = db_target_set_generation(tx_db(tx), t->target_id, t->generation + 1, e);
    if (rc == ERR_OK)
        rc = registry_move_alias(tx, t->model_id, a->in->model, a->in->env, a->in->number,
                                 ed->c->actor, &ed->arena, &path, &a->alias, e);
    if (rc == ERR_OK)
        rc = json_parse(buf_str(&a->alias), a->alias.len, JSON_MAX_DEPTH, &doc, e);
    if (rc == ERR_OK)
        rc = fleet_row_add(&a->row, &ed->arena, path, doc, e);
    a->result = NODE_ADOPTED_LIVE;
    return rc;
}

static int need_target(struct tx *tx, struct fleet_edit *ed, struct adopting *a, struct err *e)
{
    struct target_wish wish = {.env = &a->env, .model = a->in->model, .serve_as = a->in->serve_as};
    char ref[24];
    bool created = false;
    int64_t number = 0;
    int rc = fleet_env_find(tx_db(tx), a->in->env, &ed->arena, &a->env, e);

    (void)snprintf(ref, sizeof(ref), "%lld", (long long)a->in->number);
    if (rc == ERR_OK)
        rc = registry_resolve(tx_db(tx), a->in->model, ref, &wish.model_id, &number, e);
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &wish.seq, e);
    if (rc == ERR_OK)
        rc = fleet_target_need(tx, ed, &wish, &a->target, &created, e);
    if (rc == ERR_OK)
        rc = check_target(&a->target, a->in, e);
    if (rc == ERR_OK && strcmp(a->target.serve_as, a->in->serve_as) != 0)
        return err_set(e, ERR_CONFLICT, "\"%.120s\" is served as \"%s\" by now", a->in->model,
                       a->target.serve_as);
    return rc;
}

static int adopt_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    struct adopting *a = (struct adopting *)(uintptr_t)ed->spec;
    json_t *doc CLEANUP(json_decref_ptr) = NULL;
    struct node_row node = {0};
    bool everywhere = false;
    int64_t seq;
    int rc = fleet_node_find(tx_db(tx), a->in->env, a->in->node, &ed->arena, &node, e);

    a->row = (struct fleet_row){.kind = JOURNAL_NODE_ADOPT};
    a->result = NODE_ADOPTED_ONE;
    buf_reset(&a->alias);
    if (rc == ERR_OK)
        rc = need_target(tx, ed, a, e);
    if (rc == ERR_OK)
        rc = put_view(tx, ed, a, node.node_id, e);
    if (rc == ERR_OK)
        rc = is_everywhere(tx, ed, a, &everywhere, e);
    if (rc == ERR_OK && everywhere && a->target.live == 0)
        rc = go_live(tx, ed, a, e);
    else if (rc == ERR_OK && a->target.live != 0)
        a->result = NODE_ADOPTED_LIVE;
    if (rc != ERR_OK || (rc = fleet_target_doc(&a->target, &doc, e)) != ERR_OK ||
        (rc = fleet_row_add(&a->row, &ed->arena,
                            journal_path_target(&ed->arena, a->in->env, a->in->model), doc, e)) !=
            ERR_OK)
        return rc;
    a->row.object = arena_printf(&ed->arena, "%s/%s", node.env, node.name);
    a->row.message = arena_printf(
        &ed->arena, "adopted %s %lld on node %s/%s%s", a->in->model, (long long)a->in->number,
        node.env, node.name,
        a->result == NODE_ADOPTED_LIVE ? ": every node serves it, it is live now" : "");
    return fleet_row_append(tx, ed, &a->row, &seq, e);
}

int fleet_node_adopt(struct store *s, const struct fleet_change *c, const struct node_adopt *in,
                     enum node_adopt_result *out, struct err *e)
{
    struct adopting a = {.in = in};
    struct fleet_edit ed = {.c = c, .spec = &a, .fn = adopt_fn};
    int rc;

    buf_init(&a.alias, (size_t)1 << 20);
    rc = fleet_edit_run(s, &ed, e);
    buf_clear(&a.alias);
    *out = a.result;
    return rc;
}
