/*
 * Who leads: each call to a node names the registry, its epoch, the rollout and the operation, so
 * that a node that can check refuses a registry that was overtaken (a copy that was restored from a
 * backup, or one that was thought dead). Whoever is refused so stops acting and says it; only a
 * restart by people makes it lead again. Controller's thread; the inner function runs on the
 * writer.
 */
#include <inttypes.h>

#include "controller_inner.h"
#include "db_nodes.h"
#include "log.h"

#define TELL_EVERY_MS 60000

int leader_load(struct controller *c, struct db *db, struct err *e)
{
    return c->epoch != 0 ? ERR_OK : db_epoch(db, &c->epoch, e);
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

void leader_refused(struct controller *c, const struct node *n, int64_t epoch)
{
    struct err e;
    /* Only who follows a later one has anything to say about who leads. */
    if (c->is_deposed || epoch <= c->epoch)
        return;
    c->is_deposed = true;
    c->deposed_ms = 0;
    /* The next start begins above it: then people have decided that this one leads. */
    if (store_write(c->o.store, TX_WORK, refused_fn, &epoch, &e) != ERR_OK)
        log_err(LOG_ERROR, "leader", &e);
    log_line(LOG_ERROR, "leader",
             "node %s follows a registry of epoch %" PRId64 ", this one has epoch %" PRId64
             ": nothing is done to nodes any more; if this is the right one, restart it",
             n->name, epoch, c->epoch);
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
