/*
 * Who leads: each call to a node names the registry, its epoch, the rollout and the operation, so
 * that a node that can check refuses a registry that was overtaken (a copy that was restored from a
 * backup, or one that was thought dead). A node that refuses is left alone; one node may be wrong,
 * so that the registry as a whole only stops when most nodes of an environment, two at least, say
 * the same, or its own database has a later epoch. Only a restart by people makes it lead again.
 * Controller's thread; the inner function runs on the writer.
 */
#include <inttypes.h>
#include <stdio.h>

#include "controller_inner.h"
#include "db_nodes.h"
#include "log.h"

#define TELL_EVERY_MS 60000

static void depose(struct controller *c, const char *why)
{
    c->is_deposed = true;
    c->deposed_ms = 0;
    log_line(LOG_ERROR, "leader",
             "%s: nothing is done to nodes any more; if this is the right one, restart it", why);
}

int leader_load(struct controller *c, struct db *db, struct err *e)
{
    char why[120];
    int64_t epoch = 0;
    int rc = db_epoch(db, &epoch, e);
    if (rc != ERR_OK || c->epoch == 0) {
        c->epoch = rc == ERR_OK ? epoch : 0;
        return rc;
    }
    if (epoch <= c->epoch || c->is_deposed)
        return ERR_OK;
    snprintf(why, sizeof why, "the database has epoch %" PRId64 ", this process has epoch %" PRId64,
             epoch, c->epoch);
    depose(c, why);
    return ERR_OK;
}

static void add_header(struct http_call *call, const char *line)
{
    for (int i = 0; i < HTTP_MAX_HEADERS - 1; i++) {
        if (call->headers[i] != NULL)
            continue;
        call->headers[i] = line;
        call->headers[i + 1] = NULL;
        return;
    }
}

void leader_sign(const struct controller *c, const struct flight *f, struct arena *a,
                 struct http_call *call)
{
    add_header(call, arena_printf(a, "Mreg-Epoch: %" PRId64, c->epoch));
    if (c->o.registry_id != NULL)
        add_header(call, arena_printf(a, "Mreg-Registry: %s", c->o.registry_id));
    if (f->kind != FLIGHT_OP)
        return;
    add_header(call, arena_printf(a, "Mreg-Rollout: %s", f->lane));
    add_header(call, arena_printf(a, "Mreg-Operation: %s", f->key));
}

static int refused_fn(struct tx *tx, void *ctx, struct err *e)
{
    return db_epoch_refused(tx_db(tx), *(const int64_t *)ctx, tx_now_ms(tx), e);
}

/* Most nodes of the environment, and not one alone. */
static bool is_majority(const struct env *env)
{
    int n_lost = 0;
    for (int i = 0; i < env->n_nodes; i++)
        n_lost += env->nodes[i].owner_epoch != 0;
    return n_lost >= 2 && 2 * n_lost > env->n_nodes;
}

static void give_up_node(struct controller *c, struct node *n, int64_t epoch)
{
    n->owner_epoch = epoch;
    snprintf(n->detail, sizeof n->detail, "owned by another registry, epoch %" PRId64, epoch);
    if (n->is_reachable || n->since_ms == 0)
        n->since_ms = c->now_ms;
    n->is_reachable = false;
    n->env->has_changed = true;
    node_changed(c, n);
    node_serves_changed(c, n);
    env_wake(c, n->env, NULL);
}

void leader_refused(struct controller *c, struct node *n, int64_t epoch)
{
    char why[160];
    struct err e;
    /* Only who follows a later one has anything to say about who leads. */
    if (epoch <= c->epoch || epoch <= n->owner_epoch)
        return;
    /* The next start begins above it: then people have decided that this one leads. */
    if (store_write(c->o.store, TX_WORK, refused_fn, &epoch, &e) != ERR_OK)
        log_err(LOG_ERROR, "leader", &e);
    log_line(LOG_ERROR, "leader",
             "node %s/%s follows a registry of epoch %" PRId64 ", this one has epoch %" PRId64
             ": it is left alone; if this is the right one, restart it",
             n->env->name, n->name, epoch, c->epoch);
    give_up_node(c, n, epoch);
    if (c->is_deposed || !is_majority(n->env))
        return;
    snprintf(why, sizeof why, "most nodes of %.80s follow another registry", n->env->name);
    depose(c, why);
}

bool leader_is_deposed(struct controller *c)
{
    if (!c->is_deposed)
        return false;
    if (c->deposed_ms != 0 && c->now_ms >= c->deposed_ms + TELL_EVERY_MS)
        log_line(LOG_ERROR, "leader", "still doing nothing: another registry leads the nodes");
    if (c->deposed_ms == 0 || c->now_ms >= c->deposed_ms + TELL_EVERY_MS)
        c->deposed_ms = c->now_ms;
    c->due_ms = c->now_ms + TELL_EVERY_MS;
    return true;
}
