/*
 * An upload becomes a version: files are finished and the manifest is signed outside of the
 * transaction; number, time and so the statement are made inside. A version appears whole or not at
 * all. Must not know HTTP. registry_publish is for any thread but the writer.
 */
#include "registry_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inspect.h"

#define NAMESPACE_BYTES 300

/* One publishing, from the load of the upload to the end of the transaction. */
struct publishing {
    const struct registry *r;
    const struct registry_publish *in;
    struct arena *arena; /* of the whole publishing; ch.arena is of one run of the transaction */
    struct upload up;
    struct manifest manifest;
    struct buf manifest_bytes;
    struct digest content;
    char armor[SEAL_ARMOR_MAX]; /* over the manifest */
    char manifest_space[NAMESPACE_BYTES], statement_space[NAMESPACE_BYTES];
    struct registry_change c;
    struct change ch;
    struct published out;
};

/* --- before the transaction --- */

static int finish_files(struct publishing *p, struct err *e)
{
    for (size_t i = 0; i < p->up.n_files; i++) {
        int rc = p->up.files[i].have ? ERR_OK : upload_finish_file(p->r->blobs, p->up.id, i, e);
        if (rc != ERR_OK) {
            if (!e->pointer[0])
                snprintf(e->pointer, sizeof e->pointer, "/files/%zu", i);
            return rc;
        }
    }
    return ERR_OK;
}

/* First bytes of a stored blob. */
static int blob_head(struct blobs *b, const struct digest *d, char *head, size_t *got,
                     struct err *e)
{
    struct blob_file f CLEANUP(blob_file_close) = {.fd = -1};
    int rc = blob_open(b, d, &f, e);
    if (rc != ERR_OK)
        return rc;
    size_t n = f.size < INSPECT_HEAD_BYTES ? (size_t)f.size : INSPECT_HEAD_BYTES;
    if (f.inline_bytes) {
        memcpy(head, f.inline_bytes, n);
        *got = n;
        return ERR_OK;
    }
    ssize_t k = n ? pread(f.fd, head, n, 0) : 0;
    if (k < 0)
        return err_set(e, ERR_CORRUPT, "a stored file cannot be read");
    *got = (size_t)k;
    return ERR_OK;
}

static int recognise(struct publishing *p, struct err *e)
{
    struct inspect inspect;
    char *head = arena_alloc(p->arena, INSPECT_HEAD_BYTES);
    inspect_init(&inspect);
    for (size_t i = 0; i < p->up.n_files; i++) {
        const struct upload_file *f = &p->up.files[i];
        size_t got = 0;
        int rc = f->have ? blob_head(p->r->blobs, &f->sha256, head, &got, e)
                         : upload_head(p->r->blobs, p->up.id, i, head, INSPECT_HEAD_BYTES, &got, e);
        if (rc != ERR_OK)
            return rc;
        inspect_file(&inspect, f->path, head, got, f->size);
    }
    p->manifest.format = inspect_format(&inspect);
    return ERR_OK;
}

static int compare_paths(const void *a, const void *b)
{
    const struct manifest_file *x = a;
    const struct manifest_file *y = b;
    return strcmp(x->path, y->path);
}

static int make_manifest(struct publishing *p, struct err *e)
{
    struct manifest *m = &p->manifest;
    m->n_files = p->up.n_files;
    m->files = arena_alloc(p->arena, m->n_files * sizeof *m->files);
    for (size_t i = 0; i < m->n_files; i++) {
        const struct upload_file *f = &p->up.files[i];
        m->files[i] = (struct manifest_file){.path = f->path, .size = f->size, .sha256 = f->sha256};
        m->total_bytes += f->size;
    }
    qsort(m->files, m->n_files, sizeof *m->files, compare_paths);
    int rc = manifest_write(m, &p->manifest_bytes, &p->content, e);
    if (rc != ERR_OK)
        return rc;
    snprintf(p->manifest_space, NAMESPACE_BYTES, "mreg-manifest@%s", p->r->domain);
    snprintf(p->statement_space, NAMESPACE_BYTES, "mreg-statement@%s", p->r->domain);
    seal_sign(p->r->identity, p->manifest_space, p->manifest_bytes.data, p->manifest_bytes.len,
              p->armor);
    return ERR_OK;
}

/* --- inside: the steps of a new version --- */

static int adopt_files(struct publishing *p, struct tx *tx, struct err *e)
{
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < p->up.n_files; i++) {
        bool yes = true;
        if (!p->up.files[i].have)
            rc = upload_adopt(p->r->blobs, tx, p->up.id, i, e);
        else
            rc = blob_exists(tx_db(tx), &p->up.files[i].sha256, &yes, e);
        if (rc == ERR_OK && !yes)
            return err_set(e, ERR_CONFLICT,
                           "file \"%.200s\" is not stored any more: start the upload again",
                           p->up.files[i].path);
    }
    return rc;
}

/* Loads the model, or makes it; *is_new then wants its document. */
static int open_model(struct publishing *p, struct tx *tx, bool *is_new, struct err *e)
{
    struct change *ch = &p->ch;
    struct model_row *m = &ch->model;
    bool found = false;
    *m = (struct model_row){.next_number = 1};
    int rc = db_model_find(tx_db(tx), p->up.model, &ch->arena, m, &found, e);
    *is_new = !found || m->deleted_ms;
    if (rc != ERR_OK || !*is_new)
        return rc;
    m->name = p->up.model;
    m->description = "";
    m->deleted_ms = 0;
    m->created_ms = tx_now_ms(tx);
    rc = journal_next_seq(tx, &m->created_seq, e);
    if (rc == ERR_OK)
        rc = db_model_insert(tx_db(tx), m, e);
    return rc == ERR_OK ? doc_set_add_model(&ch->docs, &ch->arena, m, e) : rc;
}

static int sign(struct publishing *p, struct db *db, const struct digest *d, const char *space,
                const char *armor, struct err *e)
{
    struct signature_row row = {
        .digest = *d, .name_space = space, .key_id = p->r->identity->id, .armor = armor};
    return db_signature_put(db, &row, e);
}

/* The statement over number and time of this transaction: document, signature, digest in v. */
static int make_statement(struct publishing *p, struct db *db, struct version_row *v, struct err *e)
{
    struct change *ch = &p->ch;
    struct statement s = {.registry = p->r->registry_id,
                          .model = v->model,
                          .publisher = p->in->actor,
                          .format = v->format,
                          .version = v->number,
                          .created_ms = v->created_ms,
                          .content = v->content,
                          .metrics = p->in->metrics,
                          .params = p->in->params,
                          .lineage = p->in->lineage};
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, MANIFEST_MAX_BYTES);
    char *armor = arena_alloc(&ch->arena, SEAL_ARMOR_MAX);
    int rc = statement_write(&s, &b, &v->statement, e);
    if (rc != ERR_OK)
        return rc;
    seal_sign(p->r->identity, p->statement_space, b.data, b.len, armor);
    rc = sign(p, db, &v->statement, p->statement_space, armor, e);
    if (rc == ERR_OK)
        rc = sign(p, db, &v->content, p->manifest_space, p->armor, e);
    if (rc == ERR_OK)
        rc = doc_set_add(&ch->docs,
                         journal_path_version(&ch->arena, v->model, v->number, "manifest.json"),
                         p->manifest_bytes.data, p->manifest_bytes.len, e);
    if (rc == ERR_OK)
        rc = doc_set_add(&ch->docs,
                         journal_path_version(&ch->arena, v->model, v->number, "statement.json"),
                         arena_copy(&ch->arena, b.data, b.len), b.len, e);
    return rc;
}

/* What came with the push: metrics, params, lineage, tags. *n counts what is new. */
static int annotate(struct publishing *p, struct tx *tx, int64_t number, const char *source,
                    size_t *n, struct err *e)
{
    static const char *const kinds[] = {"metric", "param", "lineage", "tag"};
    const struct pairs *sets[] = {&p->in->metrics, &p->in->params, &p->in->lineage, &p->in->tags};
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(kinds); i++) {
        struct annotation as = {p->ch.model.model_id, number, kinds[i], source, tx_now_ms(tx)};
        rc = change_set_pairs(tx_db(tx), &as, sets[i], &p->ch.arena, n, e);
    }
    return rc;
}

/* Moves the wanted aliases that do not point at the number yet; *n counts them. */
static int move_aliases(struct publishing *p, struct tx *tx, int64_t number, size_t *n,
                        struct err *e)
{
    int rc = ERR_OK;
    for (size_t i = 0; rc == ERR_OK && i < p->in->n_aliases; i++) {
        int64_t is = 0;
        rc = change_check_alias(tx_db(tx), p->in->aliases[i], e);
        if (rc == ERR_OK)
            rc = db_alias_find(tx_db(tx), p->ch.model.model_id, p->in->aliases[i], &is, e);
        if (rc != ERR_OK || is == number)
            continue;
        rc = change_move_alias(tx, &p->ch, p->in->aliases[i], number, e);
        ++*n;
    }
    return rc;
}

static int insert_facts(struct publishing *p, struct tx *tx, const struct version_row *v,
                        struct err *e)
{
    size_t n = 0;
    int rc = db_model_set_next(tx_db(tx), v->model_id, v->number + 1, e);
    if (rc == ERR_OK)
        rc = db_version_insert(tx_db(tx), v, e);
    for (size_t i = 0; rc == ERR_OK && i < p->manifest.n_files; i++)
        rc = db_version_insert_file(tx_db(tx), v, &p->manifest.files[i], e);
    if (rc == ERR_OK)
        rc = annotate(p, tx, v->number, "push", &n, e);
    if (rc == ERR_OK)
        rc = doc_set_add_annotations(&p->ch.docs, tx_db(tx), &p->ch.arena, v, e);
    return rc == ERR_OK ? move_aliases(p, tx, v->number, &n, e) : rc;
}

static int new_version(struct publishing *p, struct tx *tx, struct err *e)
{
    struct change *ch = &p->ch;
    struct version_row v = {.model_id = ch->model.model_id,
                            .number = ch->model.next_number,
                            .model = p->up.model,
                            .content = p->content,
                            .format = p->manifest.format,
                            .description = p->in->description ? p->in->description : "",
                            .created_by = p->in->actor,
                            .size_bytes = p->manifest.total_bytes,
                            .n_files = (int64_t)p->manifest.n_files,
                            .created_ms = tx_now_ms(tx)};
    p->out.number = v.number;
    int rc = journal_next_seq(tx, &v.created_seq, e);
    if (rc == ERR_OK)
        rc = adopt_files(p, tx, e);
    if (rc == ERR_OK)
        rc = make_statement(p, tx_db(tx), &v, e);
    if (rc == ERR_OK)
        rc = insert_facts(p, tx, &v, e);
    if (rc != ERR_OK)
        return rc;
    return change_journal(tx, ch, JOURNAL_VERSION_PUBLISH,
                          arena_printf(&ch->arena, "published %s version %" PRId64 " (%s, %zu %s)",
                                       v.model, v.number, v.format, p->manifest.n_files,
                                       p->manifest.n_files == 1 ? "file" : "files"),
                          e);
}

/* The model has this content: what else was given is kept, if it is new. */
static int known_version(struct publishing *p, struct tx *tx, int64_t number, struct err *e)
{
    struct change *ch = &p->ch;
    struct version_row v;
    size_t n_said = 0;
    size_t n_moved = 0;
    const char *text = p->in->description;
    p->out.number = number;
    p->out.is_already = true;
    int rc = change_load_version(tx_db(tx), &ch->model, number, &ch->arena, &v, e);
    if (rc == ERR_OK && text && strcmp(text, v.description) != 0) {
        v.description = text;
        rc = db_version_describe(tx_db(tx), &v, text, e);
        n_said++;
    }
    if (rc == ERR_OK)
        rc = annotate(p, tx, number, "later", &n_said, e);
    if (rc == ERR_OK && n_said)
        rc = doc_set_add_annotations(&ch->docs, tx_db(tx), &ch->arena, &v, e);
    if (rc == ERR_OK)
        rc = move_aliases(p, tx, number, &n_moved, e);
    ch->is_nothing = rc == ERR_OK && n_said + n_moved == 0;
    if (ch->is_nothing)
        return err_set(e, ERR_CONFLICT, "nothing to change");
    if (rc != ERR_OK)
        return rc;
    return change_journal(tx, ch, n_said ? JOURNAL_VERSION_ANNOTATE : JOURNAL_ALIAS_SET,
                          arena_printf(&ch->arena,
                                       "pushed the content of %s version %" PRId64 " again",
                                       v.model, number),
                          e);
}

/* Another commit of the same upload may have come first. */
static int check_upload(struct publishing *p, struct tx *tx, struct err *e)
{
    const char *model = NULL;
    int rc = db_upload_model(tx_db(tx), p->up.id, &p->ch.arena, &model, e);
    if (rc == ERR_OK && !model)
        return err_set(e, ERR_NOT_FOUND, "no upload \"%s\"", p->up.id);
    return rc;
}

static int publish_fn(struct tx *tx, void *ctx, struct err *e)
{
    static const struct moment now = {INT64_MAX, INT64_MAX};
    struct publishing *p = ctx;
    int64_t number = 0;
    bool is_new = false;
    arena_clear(&p->ch.arena); /* this may be run again */
    p->ch.docs.n = 0;
    p->ch.is_nothing = false;
    p->out.is_already = false;
    int rc = check_upload(p, tx, e);
    if (rc == ERR_OK)
        rc = open_model(p, tx, &is_new, e);
    if (rc == ERR_OK && !is_new && !p->in->force_new_version)
        rc = db_version_by_content(tx_db(tx), p->ch.model.model_id, &p->content, now, &number, e);
    if (rc == ERR_OK)
        rc = number ? known_version(p, tx, number, e) : new_version(p, tx, e);
    return rc == ERR_OK ? upload_forget(p->r->blobs, tx, p->up.id, e) : rc;
}

struct forgetting {
    struct blobs *blobs;
    const char *upload_id;
};

static int forget_fn(struct tx *tx, void *ctx, struct err *e)
{
    struct forgetting *f = ctx;
    return upload_forget(f->blobs, tx, f->upload_id, e);
}

int registry_abandon(const struct registry *r, const char *upload_id, struct err *e)
{
    struct forgetting f = {r->blobs, upload_id};
    return store_write(r->store, TX_WORK, forget_fn, &f, e);
}

static int publish(struct publishing *p, struct err *e)
{
    int rc = upload_load(p->r->blobs, p->in->upload_id, p->arena, &p->up, e);
    if (rc == ERR_OK)
        rc = finish_files(p, e);
    if (rc == ERR_OK)
        rc = recognise(p, e);
    if (rc == ERR_OK)
        rc = make_manifest(p, e);
    if (rc != ERR_OK)
        return rc;
    p->c = (struct registry_change){p->up.model, p->in->actor, p->in->reason};
    rc = store_write(p->r->store, TX_FACT, publish_fn, p, e);
    if (rc == ERR_CONFLICT && p->ch.is_nothing)
        rc = registry_abandon(p->r, p->up.id, e);
    if (rc == ERR_OK)
        snprintf(p->out.model, sizeof p->out.model, "%s", p->up.model);
    return rc;
}

int registry_publish(const struct registry *r, const struct registry_publish *in,
                     struct published *out, struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct publishing *p = arena_alloc(&arena, sizeof *p); /* too large for a stack frame */
    *p = (struct publishing){.r = r, .in = in, .arena = &arena, .ch = {.r = r, .c = &p->c}};
    buf_init(&p->manifest_bytes, MANIFEST_MAX_BYTES);
    int rc = publish(p, e);
    if (rc == ERR_OK)
        *out = p->out;
    buf_clear(&p->manifest_bytes);
    arena_clear(&p->ch.arena);
    return rc;
}
