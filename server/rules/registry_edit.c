/*
 * Creating, describing and deleting models and versions. Must not know HTTP. The registry_*
 * functions are for any thread but the writer; their fns run on the writer.
 */
#include "registry_inner.h"

#include <inttypes.h>
#include <string.h>

/* --- models --- */

struct creation {
    const struct registry_change *c;
    const struct registry_edit *edit;
    bool is_there;
};

static int create_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct creation *cr = ctx;
    struct db *db = tx_db(tx);
    struct arena arena CLEANUP(arena_clear) = {0};
    struct doc_set docs = {0};
    struct model_row m = {0};
    const char *text = cr->edit->description ? cr->edit->description : "";
    int64_t seq = 0;
    size_t n = 0;
    int rc = db_model_find(db, cr->c->model, &arena, &m, &cr->is_there, e);
    if (rc == ERR_OK && cr->is_there && m.deleted_ms)
        cr->is_there = false;
    if (rc == ERR_OK && cr->is_there)
        return err_set(e, ERR_EXISTS, "model \"%s\" exists", m.name);
    m = (struct model_row){.name = cr->c->model, .description = text, .created_ms = tx_now_ms(tx)};
    if (rc == ERR_OK)
        rc = journal_next_seq(tx, &m.created_seq, e);
    if (rc == ERR_OK)
        rc = db_model_insert(db, &m, e);
    struct annotation as = {m.model_id, 0, "tag", "push", m.created_ms};
    if (rc == ERR_OK)
        rc = change_set_pairs(db, &as, &cr->edit->tags, &arena, &n, e);
    if (rc == ERR_OK)
        rc = db_annotation_pairs(db, &(struct annotation){.model_id = m.model_id, .kind = "tag"},
                                 &arena, &m.tags, e);
    if (rc == ERR_OK)
        rc = doc_set_add_model(&docs, &arena, &m, e);
    struct journal_entry entry = {.kind = JOURNAL_MODEL_CREATE,
                                  .actor = cr->c->actor,
                                  .object = m.name,
                                  .reason = cr->c->reason,
                                  .message = arena_printf(&arena, "created model %s", m.name),
                                  .docs = docs.docs,
                                  .n_docs = docs.n};
    return rc == ERR_OK ? journal_append(tx, &entry, &seq, e) : rc;
}

int registry_create_model(const struct registry *r, const struct registry_change *c,
                          const struct registry_edit *edit, bool *created, struct err *e)
{
    struct creation cr = {.c = c, .edit = edit};
    int rc = name_check_model(c->model, e);
    if (rc == ERR_OK)
        rc = store_write(r->store, TX_FACT, create_fn, &cr, e);
    *created = rc == ERR_OK;
    return rc == ERR_EXISTS && cr.is_there ? ERR_OK : rc;
}

static bool differs(const char *wanted, const char *is)
{
    return wanted && strcmp(wanted, is) != 0;
}

static int update_model_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    const struct registry_edit *edit = ctx;
    struct db *db = tx_db(tx);
    struct model_row *m = &ch->model;
    struct annotation as = {m->model_id, 0, "tag", "later", tx_now_ms(tx)};
    size_t n = 0;
    int rc = ERR_OK;
    if (differs(edit->description, m->description)) {
        m->description = edit->description;
        rc = db_model_describe(db, m->model_id, m->description, e);
        n++;
    }
    if (rc == ERR_OK)
        rc = change_set_pairs(db, &as, &edit->tags, &ch->arena, &n, e);
    ch->is_nothing = rc == ERR_OK && n == 0;
    as.source = NULL;
    if (rc == ERR_OK)
        rc = db_annotation_pairs(db, &as, &ch->arena, &m->tags, e);
    if (rc == ERR_OK)
        rc = doc_set_add_model(&ch->docs, &ch->arena, m, e);
    if (rc != ERR_OK || ch->is_nothing)
        return rc;
    return change_journal(tx, ch, JOURNAL_MODEL_UPDATE,
                          arena_printf(&ch->arena, "changed model %s", m->name), e);
}

int registry_update_model(const struct registry *r, const struct registry_change *c,
                          const struct registry_edit *edit, struct err *e)
{
    struct change ch = {.r = r, .c = c, .fn = update_model_fn, .ctx = (void *)(uintptr_t)edit};
    return change_run(&ch, e);
}

/* model.json stays with its time of deletion; the aliases go. */
static int delete_model_docs(struct db *db, struct change *ch, struct err *e)
{
    struct alias_row *aliases = NULL;
    size_t n = 0;
    int rc = doc_set_add_model(&ch->docs, &ch->arena, &ch->model, e);
    if (rc == ERR_OK)
        rc = db_alias_list(db, ch->model.model_id, &ch->arena, &aliases, &n, e);
    if (rc == ERR_OK && n >= REGISTRY_MAX_DOCS)
        return err_set(e, ERR_CONFLICT, "model \"%s\" has %zu aliases: delete some of them first",
                       ch->model.name, n);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
        rc =
            doc_set_add(&ch->docs, journal_path_alias(&ch->arena, ch->model.name, aliases[i].alias),
                        NULL, 0, e);
    return rc;
}

static int delete_model_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    struct db *db = tx_db(tx);
    struct model_row *m = &ch->model;
    const char *env = NULL;
    (void)ctx;
    int rc = db_model_used_by(db, m->model_id, 0, &ch->arena, &env, e);
    if (rc == ERR_OK && env)
        return err_set(e, ERR_CONFLICT, "model \"%s\" is in use in environment \"%s\"", m->name,
                       env);
    m->deleted_ms = tx_now_ms(tx);
    if (rc == ERR_OK)
        rc = delete_model_docs(db, ch, e);
    if (rc == ERR_OK)
        rc = change_journal(tx, ch, JOURNAL_MODEL_DELETE,
                            arena_printf(&ch->arena, "deleted model %s", m->name), e);
    return rc == ERR_OK ? db_model_tombstone(db, m->model_id, m->deleted_ms, e) : rc;
}

int registry_delete_model(const struct registry *r, const struct registry_change *c, struct err *e)
{
    struct change ch = {.r = r, .c = c, .fn = delete_model_fn};
    return change_run(&ch, e);
}

/* --- versions --- */

struct version_change {
    int64_t number;
    const struct registry_edit *edit;
};

static int update_version_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    const struct version_change *vc = ctx;
    struct db *db = tx_db(tx);
    struct version_row v;
    size_t n = 0;
    int rc = change_load_version(db, &ch->model, vc->number, &ch->arena, &v, e);
    if (rc == ERR_OK && differs(vc->edit->description, v.description)) {
        v.description = vc->edit->description;
        rc = db_version_describe(db, &v, v.description, e);
        n++;
    }
    struct annotation as = {ch->model.model_id, vc->number, "tag", "later", tx_now_ms(tx)};
    if (rc == ERR_OK)
        rc = change_set_pairs(db, &as, &vc->edit->tags, &ch->arena, &n, e);
    as.kind = "metric";
    if (rc == ERR_OK)
        rc = change_set_pairs(db, &as, &vc->edit->metrics, &ch->arena, &n, e);
    ch->is_nothing = rc == ERR_OK && n == 0;
    if (rc != ERR_OK || ch->is_nothing)
        return rc;
    rc = doc_set_add_annotations(&ch->docs, db, &ch->arena, &v, e);
    if (rc != ERR_OK)
        return rc;
    return change_journal(
        tx, ch, JOURNAL_VERSION_ANNOTATE,
        arena_printf(&ch->arena, "annotated %s version %" PRId64, ch->model.name, v.number), e);
}

int registry_update_version(const struct registry *r, const struct registry_change *c,
                            int64_t number, const struct registry_edit *edit, struct err *e)
{
    struct version_change vc = {number, edit};
    struct change ch = {.r = r, .c = c, .fn = update_version_fn, .ctx = &vc};
    return change_run(&ch, e);
}

/* Refuses while somebody points at the version. */
static int check_unused(struct db *db, struct change *ch, const struct version_row *v,
                        struct err *e)
{
    const char *env = NULL;
    const char *alias = NULL;
    int rc = db_model_used_by(db, v->model_id, v->number, &ch->arena, &env, e);
    if (rc == ERR_OK)
        rc = db_alias_of(db, v->model_id, v->number, &ch->arena, &alias, e);
    if (rc == ERR_OK && env)
        return err_set(e, ERR_CONFLICT, "version %" PRId64 " is in use in environment \"%s\"",
                       v->number, env);
    if (rc == ERR_OK && alias)
        return err_set(e, ERR_CONFLICT, "alias \"%s\" points at version %" PRId64, alias,
                       v->number);
    return rc;
}

static int delete_version_fn(struct tx *tx, struct change *ch, void *ctx, struct err *e)
{
    const struct version_change *vc = ctx;
    struct db *db = tx_db(tx);
    struct version_row v;
    int rc = change_load_version(db, &ch->model, vc->number, &ch->arena, &v, e);
    if (rc == ERR_OK)
        rc = check_unused(db, ch, &v, e);
    if (rc != ERR_OK)
        return rc;
    v.deleted_ms = tx_now_ms(tx);
    rc = db_version_tombstone(db, &v, v.deleted_ms, e);
    if (rc == ERR_OK)
        rc = doc_set_add_annotations(&ch->docs, db, &ch->arena, &v, e);
    if (rc != ERR_OK)
        return rc;
    return change_journal(
        tx, ch, JOURNAL_VERSION_DELETE,
        arena_printf(&ch->arena, "deleted %s version %" PRId64, ch->model.name, v.number), e);
}

int registry_delete_version(const struct registry *r, const struct registry_change *c,
                            int64_t number, struct err *e)
{
    struct version_change vc = {.number = number};
    struct change ch = {.r = r, .c = c, .fn = delete_version_fn, .ctx = &vc};
    return change_run(&ch, e);
}
