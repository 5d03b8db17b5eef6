/*
 * Nodes that enter themselves and go again, as autoscaled ones do: a lease that is renewed keeps
 * the record; its end is no failure, the node is simply gone. Must not know HTTP. Any thread but
 * the writer; the inner functions run on the writer.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db_nodes.h"
#include "fleet_inner.h"
#include "fleet_nodes.h"

#define MAX_GONE_AT_ONCE 100

/* A node is a caller's to change if it was not added by hand and its root lies in the folder, a
 * real path, that the caller speaks for (NULL: everywhere). */
static int check_own(const struct node_row *v, const char *folder, struct err *e)
{
    if (v->lease_ms == 0)
        return err_set(e, ERR_CONFLICT,
                       "node \"%.120s\" in \"%.120s\" was added by hand: it cannot register itself "
                       "or leave",
                       v->name, v->env);
    if (folder != NULL && (v->root == NULL || !fleet_path_inside(v->root, folder)))
        return err_set(e, ERR_FORBIDDEN,
                       "node \"%.120s\" in \"%.120s\" has its root elsewhere: this token does not "
                       "speak for it",
                       v->name, v->env);
    return ERR_OK;
}

/* The folder may be named by a link; roots are real paths already. NULL stays NULL. The caller
 * frees it. */
static char *real_folder(const char *folder)
{
    char *real = folder != NULL ? realpath(folder, NULL) : NULL;

    return real != NULL ? real : mem_strdup(folder);
}

struct registering {
    struct node_row v;
    const char *folder;
    enum node_register_result result;
};

static int enter(struct tx *tx, struct fleet_edit *ed, struct node_row *v, struct err *e)
{
    int rc = fleet_node_enter(tx, ed, v, e);

    if (rc == ERR_OK)
        rc = db_node_renew(tx_db(tx), v->node_id, tx_now_ms(tx), e);
    return rc == ERR_OK
               ? fleet_node_write(
                     tx, ed, v, JOURNAL_NODE_REGISTER,
                     arena_printf(&ed->arena, "node %s/%s registered itself", v->env, v->name), e)
               : rc;
}

static int change(struct tx *tx, struct fleet_edit *ed, struct node_row *v,
                  const struct node_row *before, struct err *e)
{
    int rc;

    v->node_id = before->node_id;
    v->env_id = before->env_id;
    v->created_ms = before->created_ms;
    v->cordon = before->cordon;
    v->cordon_by = before->cordon_by;
    v->cordon_reason = before->cordon_reason;
    v->cordon_ms = before->cordon_ms;
    if ((rc = fleet_node_root_free(tx_db(tx), v, &ed->arena, e)) != ERR_OK ||
        (rc = fleet_server_of_node(tx_db(tx), v, &ed->arena, e)) != ERR_OK ||
        (rc = db_node_update(tx_db(tx), v, e)) != ERR_OK ||
        (rc = db_node_renew(tx_db(tx), v->node_id, tx_now_ms(tx), e)) != ERR_OK)
        return rc;
    return fleet_node_write(
        tx, ed, v, JOURNAL_NODE_UPDATE,
        arena_printf(&ed->arena, "node %s/%s changed its registration", v->env, v->name), e);
}

static int register_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    struct registering *in = (struct registering *)(uintptr_t)ed->spec;
    struct node_row v = in->v, before = {0};
    bool found = false;
    int rc = db_node_find(tx_db(tx), v.env, v.name, &ed->arena, &before, &found, e);

    if (rc == ERR_OK && found)
        rc = check_own(&before, in->folder, e);
    if (rc != ERR_OK)
        return rc;
    in->result = found ? NODE_HAS_CHANGED : NODE_IS_NEW;
    return found ? change(tx, ed, &v, &before, e) : enter(tx, ed, &v, e);
}

static int renew_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_node_renew(tx_db(tx), *(const int64_t *)ctx, tx_now_ms(tx), e);
}

/* What the database has of it now; *found false: nothing. */
static int look(struct store *s, const struct registering *in, struct arena *a,
                struct node_row *out, bool *found, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int rc = reader_begin(s, &r, e);

    if (rc == ERR_OK)
        rc = db_node_find(r.db, in->v.env, in->v.name, a, out, found, e);
    return rc == ERR_OK && *found ? check_own(out, in->folder, e) : rc;
}

static int check_register(const struct node_register *in, const struct registering *ctx,
                          struct err *e)
{
    if (in->lease_ms < NODE_LEASE_MIN_MS || in->lease_ms > NODE_LEASE_MAX_MS)
        return err_at(e, ERR_INVALID, "/lease", "a lease lasts from 2s to 24h");
    if (ctx->folder != NULL && !fleet_path_inside(ctx->v.root, ctx->folder))
        return err_at(e, ERR_FORBIDDEN, "/root", "this token registers nodes with roots in %.300s",
                      in->root_below);
    return ERR_OK;
}

int fleet_node_register(struct store *s, const struct fleet_change *c,
                        const struct node_register *in, enum node_register_result *out,
                        struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    char *folder CLEANUP(mem_free_ptr) = real_folder(in->root_below);
    struct registering ctx = {.folder = folder, .result = NODE_IS_RENEWED};
    struct fleet_edit ed = {.c = c, .spec = &ctx, .fn = register_fn};
    struct node_row before = {0};
    bool found = false;
    int rc = fleet_node_new(&in->spec, &a, &ctx.v, e);

    if (rc != ERR_OK || (rc = check_register(in, &ctx, e)) != ERR_OK ||
        (rc = look(s, &ctx, &a, &before, &found, e)) != ERR_OK)
        return rc;
    ctx.v.lease_ms = in->lease_ms;
    ctx.v.registered_by = c->actor;
    if (found && fleet_node_same(&ctx.v, &before))
        rc = store_write(s, TX_WORK, renew_fn, &before.node_id, e);
    else
        rc = fleet_edit_run(s, &ed, e);
    *out = ctx.result;
    return rc;
}

/* --- leaving ---------------------------------------------------------------------------------- */

struct leaving {
    const char *env, *name, *why, *folder;
    int64_t renewed_ms; /* -1: whenever it was renewed last */
};

static int leave_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct leaving *in = ed->spec;
    struct node_row v = {0};
    bool found = false;
    int rc = db_node_find(tx_db(tx), in->env, in->name, &ed->arena, &v, &found, e);

    if (rc == ERR_OK && found)
        rc = check_own(&v, in->folder, e);
    if (rc != ERR_OK)
        return rc;
    ed->is_nothing = !found || (in->renewed_ms >= 0 && v.renewed_ms > in->renewed_ms);
    if (ed->is_nothing)
        return ERR_OK;
    return fleet_node_drop(tx, ed, &v, JOURNAL_NODE_LEAVE,
                           arena_printf(&ed->arena, "node %s/%s %s", v.env, v.name, in->why), e);
}

int fleet_node_leave(struct store *s, const struct fleet_change *c, const struct node_leave *in,
                     struct err *e)
{
    char *folder CLEANUP(mem_free_ptr) = real_folder(in->root_below);
    struct leaving leaving = {
        .env = in->env, .name = in->name, .why = "left", .folder = folder, .renewed_ms = -1};
    struct fleet_edit ed = {.c = c, .spec = &leaving, .fn = leave_fn};

    return fleet_edit_run(s, &ed, e);
}

static int expire_one(struct store *s, const struct lease_row *row, struct err *e)
{
    static const struct fleet_change by_server = {.actor = "mregd"};
    struct leaving in = {.env = row->env,
                         .name = row->name,
                         .why = "is gone: its lease has ended",
                         .renewed_ms = row->renewed_ms};
    struct fleet_edit ed = {.c = &by_server, .spec = &in, .fn = leave_fn};

    return fleet_edit_run(s, &ed, e);
}

/* One environment: nodes go, unless too many at once seem to. */
static int expire_some(struct store *s, const struct lease_sum *sum, const struct lease_query *ask,
                       struct lease_count *out, struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct lease_row *rows = NULL;
    size_t n_rows = 0;
    int rc;

    if (sum->n_silent >= 2 && 2 * sum->n_silent > sum->n_leases) {
        out->n_held += sum->n_ended;
        (void)snprintf(out->held_env, sizeof(out->held_env), "%s", sum->env);
        return ERR_OK;
    }
    rc = reader_begin(s, &r, e);
    if (rc == ERR_OK)
        rc = db_lease_list(r.db, ask, &a, &rows, &n_rows, e);
    reader_end(&r);
    r = (struct reader){0};
    for (size_t i = 0; rc == ERR_OK && i < n_rows; i++) {
        rc = expire_one(s, &rows[i], e);
        out->n_gone += rc == ERR_OK;
    }
    return rc;
}

int fleet_node_expire(struct store *s, int64_t now_ms, int64_t grace_ms, struct lease_count *out,
                      struct err *e)
{
    struct arena a CLEANUP(arena_clear) = {0};
    struct reader r CLEANUP(reader_end) = {0};
    struct lease_sum *sums = NULL;
    size_t n = 0;
    int rc = reader_begin(s, &r, e);

    *out = (struct lease_count){0};
    if (rc == ERR_OK)
        rc = db_lease_count(r.db, &out->n_leases, e);
    if (rc == ERR_OK && out->n_leases > 0)
        rc = db_lease_sums(r.db, now_ms, grace_ms, &a, &sums, &n, e);
    reader_end(&r);
    r = (struct reader){0};
    for (size_t i = 0; rc == ERR_OK && i < n; i++) {
        struct lease_query ask = {.env_id = sums[i].env_id,
                                  .now_ms = now_ms,
                                  .grace_ms = grace_ms,
                                  .limit = MAX_GONE_AT_ONCE};

        if (sums[i].n_ended > 0)
            rc = expire_some(s, &sums[i], &ask, out, e);
    }
    return rc;
}
