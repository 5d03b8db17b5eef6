/*
 * Nodes that are taken out of service and put back, each a fact with who and why. Must not know
 * what the controller makes of it. Any thread but the writer; the inner function runs on the
 * writer.
 */
#include <string.h>

#include "fleet_inner.h"
#include "fleet_nodes.h"

static const char *const names[] = {
    [NODE_UNCORDON] = NULL,
    [NODE_CORDON] = "cordon",
    [NODE_DRAIN] = "drain",
    [NODE_UNLOAD] = "unload",
};
static const char *const verbs[] = {
    [NODE_UNCORDON] = "uncordoned",
    [NODE_CORDON] = "cordoned",
    [NODE_DRAIN] = "draining",
    [NODE_UNLOAD] = "draining and unloading",
};

const char *node_cordon_name(enum node_cordon kind)
{
    return names[kind];
}

struct cordoning {
    const char *env, *name;
    enum node_cordon kind;
};

static int cordon_fn(struct tx *tx, struct fleet_edit *ed, struct err *e)
{
    const struct cordoning *in = ed->spec;
    const char *message;
    struct node_row v = {0};
    int rc = fleet_node_find(tx_db(tx), in->env, in->name, &ed->arena, &v, e);

    if (rc != ERR_OK)
        return rc;
    ed->is_nothing = mem_same_text(v.cordon, names[in->kind]) &&
                     (v.cordon == NULL || mem_same_text(v.cordon_reason, ed->c->reason));
    if (ed->is_nothing)
        return ERR_OK;
    v.cordon = names[in->kind];
    v.cordon_by = v.cordon != NULL ? ed->c->actor : NULL;
    v.cordon_reason = v.cordon != NULL ? ed->c->reason : NULL;
    v.cordon_ms = v.cordon != NULL ? tx_now_ms(tx) : 0;
    rc = db_node_set_cordon(tx_db(tx), &v, e);
    message = arena_printf(&ed->arena, "%s node %s/%s", verbs[in->kind], v.env, v.name);
    return rc == ERR_OK ? fleet_node_write(tx, ed, &v,
                                           in->kind == NODE_UNCORDON ? JOURNAL_NODE_UNCORDON
                                                                     : JOURNAL_NODE_CORDON,
                                           message, e)
                        : rc;
}

int fleet_node_cordon(struct store *s, const struct fleet_change *c, const char *env,
                      const char *name, enum node_cordon kind, struct err *e)
{
    struct cordoning in = {.env = env, .name = name, .kind = kind};
    struct fleet_edit ed = {.c = c, .spec = &in, .fn = cordon_fn};

    return fleet_edit_run(s, &ed, e);
}
