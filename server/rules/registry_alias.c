/*
 * Moving and deleting the aliases that people own. An environment's alias is moved by the end of a
 * rollout only. Must not know HTTP. The registry_* functions are for any thread but the writer.
 */
#include "registry_inner.h"

#include <inttypes.h>

struct alias_change {
    const struct alias_move *move;
    int64_t previous;
};

static int check_expected(const struct alias_move *move, int64_t is, struct err *e)
{
    if (move->expected < 0 || move->expected == is)
        return ERR_OK;
    if (is == 0)
        return err_set(e, ERR_CONFLICT, "alias \"%s\" does not exist, expected version %" PRId64,
                       move->alias, move->expected);
    return err_set(e, ERR_CONFLICT, "alias \"%s\" points at version %" PRId64 ", expected %" PRId64,
                   move->alias, is, move->expected);
}

static int set_alias_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    struct alias_change *ac = ctx;
    const struct alias_move *move = ac->move;
    struct version_row v;
    int rc = change_check_alias(tx_db(tx), move->alias, e);
    if (rc == ERR_OK)
        rc = change_load_version(tx_db(tx), &ch->model, move->number, &ch->arena, &v, e);
    if (rc == ERR_OK)
        rc = db_alias_find(tx_db(tx), ch->model.model_id, move->alias, &ac->previous, e);
    if (rc == ERR_OK)
        rc = check_expected(move, ac->previous, e);
    ch->is_nothing = rc == ERR_OK && ac->previous == move->number;
    if (rc == ERR_OK && !ch->is_nothing)
        rc = change_move_alias(tx, ch, move->alias, move->number, e);
    if (rc != ERR_OK || ch->is_nothing)
        return rc;
    return change_journal(tx, ch, JOURNAL_ALIAS_SET,
                          arena_printf(&ch->arena, "set %s@%s to version %" PRId64, ch->model.name,
                                       move->alias, move->number),
                          e);
}

int registry_set_alias(const struct registry *r, const struct registry_change *c,
                       const struct alias_move *move, int64_t *previous, struct err *e)
{
    struct alias_change ac = {.move = move};
    struct change ch = {.r = r, .c = c, .fn = set_alias_fn, .ctx = &ac};
    int rc = change_run(&ch, e);
    if (rc == ERR_OK)
        *previous = ac.previous;
    return rc;
}

static int delete_alias_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    const char *alias = ctx;
    int64_t number = 0;
    int rc = change_check_alias(tx_db(tx), alias, e);
    if (rc == ERR_OK)
        rc = db_alias_find(tx_db(tx), ch->model.model_id, alias, &number, e);
    if (rc == ERR_OK && number == 0)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no alias \"%s\"", ch->model.name, alias);
    if (rc == ERR_OK)
        rc = doc_set_add(&ch->docs, journal_path_alias(&ch->arena, ch->model.name, alias), NULL, 0,
                         e);
    if (rc == ERR_OK)
        rc = db_alias_delete(tx_db(tx), ch->model.model_id, alias, e);
    if (rc != ERR_OK)
        return rc;
    return change_journal(tx, ch, JOURNAL_ALIAS_DELETE,
                          arena_printf(&ch->arena, "deleted %s@%s (was version %" PRId64 ")",
                                       ch->model.name, alias, number),
                          e);
}

int registry_delete_alias(const struct registry *r, const struct registry_change *c,
                          const char *alias, struct err *e)
{
    struct change ch = {.r = r, .c = c, .fn = delete_alias_fn, .ctx = (void *)(uintptr_t)alias};
    return change_run(&ch, e);
}
