/*
 * The steps that every change of the registry is made of: load what lives, change facts, write the
 * journal row over the documents. Must not know HTTP. change_run is for any thread but the writer;
 * the rest runs on the writer.
 */
#include "registry_inner.h"

#include <inttypes.h>
#include <string.h>

#define MAX_PAIRS 256

int change_load_model(struct db *db, const char *name, struct arena *a, struct model_row *out,
                      struct err *e)
{
    bool found = false;
    int rc = db_model_find(db, name, a, out, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (!found || out->deleted_ms)
        return err_set(e, ERR_NOT_FOUND, "no model \"%s\"", name);
    struct annotation as = {.model_id = out->model_id, .kind = "tag"};
    return db_annotation_pairs(db, &as, a, &out->tags, e);
}

int change_load_version(struct db *db, const struct model_row *m, int64_t number, struct arena *a,
                        struct version_row *out, struct err *e)
{
    bool found = false;
    int rc = db_version_find(db, m->model_id, number, a, out, &found, e);
    if (rc != ERR_OK)
        return rc;
    if (!found)
        return err_set(e, ERR_NOT_FOUND, "model \"%s\" has no version %" PRId64, m->name, number);
    if (out->deleted_ms)
        return err_set(e, ERR_NOT_FOUND, "version %" PRId64 " of model \"%s\" was deleted", number,
                       m->name);
    out->model = m->name;
    return ERR_OK;
}

/* The writer's part. A transaction with nothing to change is undone, because a fact needs a row. */
static int run_once(struct tx *tx, void *ctx, struct err *e)
{
    struct change *ch = ctx;
    arena_clear(&ch->arena); /* fn may be run again */
    ch->docs.n = 0;
    ch->is_nothing = false;
    int rc = change_load_model(tx_db(tx), ch->c->model, &ch->arena, &ch->model, e);
    if (rc == ERR_OK)
        rc = ch->fn(tx, ch, ch->ctx, e);
    if (rc == ERR_OK && ch->is_nothing)
        return err_set(e, ERR_CONFLICT, "nothing to change");
    return rc;
}

int change_run(struct change *ch, struct err *e)
{
    arena_init(&ch->arena);
    int rc = store_write(ch->r->store, TX_FACT, run_once, ch, e);
    bool is_nothing = ch->is_nothing;
    arena_clear(&ch->arena);
    return rc == ERR_CONFLICT && is_nothing ? ERR_OK : rc;
}

int change_journal(struct tx *tx, struct change *ch, enum journal_kind kind, const char *message,
                   struct err *e)
{
    int64_t seq = 0;
    struct journal_entry entry = {.kind = kind,
                                  .actor = ch->c->actor,
                                  .object = ch->c->model,
                                  .reason = ch->c->reason,
                                  .message = message,
                                  .docs = ch->docs.docs,
                                  .n_docs = ch->docs.n};
    int rc = journal_append(tx, &entry, &seq, e);
    if (rc != ERR_OK)
        return rc;
    return db_model_touch(tx_db(tx), ch->model.model_id, tx_now_ms(tx), e);
}

int change_check_alias(struct db *db, const char *alias, struct err *e)
{
    bool is_env = false;
    int rc = name_check_alias(alias, e);
    if (rc == ERR_OK)
        rc = db_env_exists(db, alias, &is_env, e);
    if (rc == ERR_OK && is_env)
        return err_set(e, ERR_CONFLICT,
                       "\"%s\" is an environment: its alias is moved by rollouts only", alias);
    return rc;
}

static const char *value_of(const struct pairs *p, const char *key)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i].key, key) == 0)
            return p->items[i].value;
    return NULL;
}

/* An absent tag and an empty one are the same. */
static bool is_set_already(const struct pairs *have, const struct pair *p, const char *kind)
{
    const char *is = value_of(have, p->key);
    if (!is)
        return strcmp(kind, "tag") == 0 && !*p->value;
    return strcmp(is, p->value) == 0;
}

int change_set_pairs(struct db *db, const struct annotation *as, const struct pairs *p,
                     struct arena *a, size_t *n, struct err *e)
{
    struct annotation all = {.model_id = as->model_id, .number = as->number, .kind = as->kind};
    struct pairs have = {0};
    int rc = p->n ? db_annotation_pairs(db, &all, a, &have, e) : ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < p->n; i++) {
        if (is_set_already(&have, &p->items[i], as->kind))
            continue;
        rc = db_annotation_set(db, as, &p->items[i], e);
        ++*n;
    }
    if (rc == ERR_OK && p->n)
        rc = db_annotation_pairs(db, &all, a, &have, e);
    if (rc == ERR_OK && have.n > MAX_PAIRS)
        return err_set(e, ERR_TOO_LARGE, "more than %d values of kind %s", MAX_PAIRS, as->kind);
    return rc;
}

int change_move_alias(struct tx *tx, struct change *ch, const char *alias, int64_t number,
                      struct err *e)
{
    struct buf doc CLEANUP(buf_clear);
    const char *path = NULL;
    buf_init(&doc, 16384);
    int rc = registry_move_alias(tx, ch->model.model_id, ch->model.name, alias, number,
                                 ch->c->actor, &ch->arena, &path, &doc, e);
    if (rc != ERR_OK)
        return rc;
    return doc_set_add(&ch->docs, path, arena_copy(&ch->arena, doc.data, doc.len), doc.len, e);
}
