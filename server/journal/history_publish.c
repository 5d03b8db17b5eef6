/*
 * Journal rows to signed commits, a batch at a time. The order that makes a kill harmless at any
 * point: signatures to the database, objects to the repository, then main. A row that has a stored
 * signature gets the same commit again. Knows no libgit2; runs on the git thread or in a tool.
 */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "db_journal.h"
#include "history_commit.h"
#include "history_inner.h"

#define BATCH_ROWS 256
#define BATCH_BYTES ((size_t)32 << 20)
#define TREE_MAX_ENTRIES 200000u /* more than that in memory: begin again from the root */

void history_detach(struct history *h)
{
    history_tree_free(h->tree);
    history_repo_close(h->repo);
    h->tree = NULL;
    h->repo = NULL;
}

/* ---- attaching to the repository ---- */

static int read_tree(void *self, const struct git_id *id, struct buf *out, struct err *e)
{
    struct history *h = self;
    int code = history_repo_read(h->repo, id, PACK_TREE, out, e);
    if (code == ERR_CORRUPT)
        h->repo_is_bad = true;
    return code;
}

static void start_tree(struct history *h, const struct git_id *root)
{
    history_tree_free(h->tree);
    h->tree = history_tree_new(root, (struct tree_source){.self = h, .read = read_tree});
}

/* True if main is the commit that the database remembers for its row; then state is set from it. */
static int adopt_head(struct history *h, const struct git_id *head, bool *is_ours, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct reader reader CLEANUP(reader_end) = {0};
    struct git_id root;
    struct err ignored;
    char hex[GIT_ID_HEX_BYTES];
    const char *stored = NULL;
    arena_init(&a);
    *is_ours = false;
    buf_reset(&h->text);
    if (history_repo_read(h->repo, head, PACK_COMMIT, &h->text, &ignored))
        return ERR_OK;
    int64_t seq = commit_seq(buf_str(&h->text), h->text.len);
    int code = reader_begin(h->store, &reader, e);
    if (!code)
        code = db_commit_id(reader.db, seq, &a, &stored, e);
    if (code || !stored || strcmp(stored, git_id_hex(head, hex)) != 0)
        return code;
    if (!commit_tree(buf_str(&h->text), h->text.len, &root))
        return ERR_OK;
    h->head = *head;
    h->seq = seq;
    start_tree(h, &root);
    *is_ours = true;
    return ERR_OK;
}

static int count_rebuild(struct history *h, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    int64_t last = 0;
    int code = reader_begin(h->store, &reader, e);
    if (!code)
        code = db_commit_last(reader.db, &last, e);
    if (code || !last)
        return code;
    pthread_mutex_lock(&h->lock);
    h->stats.n_rebuilds++;
    pthread_mutex_unlock(&h->lock);
    return ERR_OK;
}

/* A stopping server does not wait for the end of a merge. */
static bool may_merge_on(void *arg)
{
    struct history *h = arg;
    pthread_mutex_lock(&h->lock);
    bool yes = !h->must_stop;
    pthread_mutex_unlock(&h->lock);
    return yes;
}

/* Opens what is at the path; *is_usable is false when it must be set aside. */
static int try_attach(struct history *h, bool *is_usable, struct err *e)
{
    struct git_id head;
    *is_usable = true;
    int code = history_repo_open(h->path, &h->repo, e);
    if (!code)
        history_repo_ask(h->repo, may_merge_on, h);
    if (!code)
        code = history_repo_head(h->repo, &head, &h->has_head, e);
    if (code == ERR_CORRUPT)
        *is_usable = false;
    if (code)
        return code == ERR_CORRUPT ? ERR_OK : code;
    if (h->has_head)
        return adopt_head(h, &head, is_usable, e);
    h->seq = 0;
    h->is_from_scratch = true;
    start_tree(h, NULL);
    return count_rebuild(h, e);
}

static int attach(struct history *h, struct err *e)
{
    bool is_usable = false;
    int code = ERR_OK;
    h->is_from_scratch = false;
    if (!h->repo_is_bad)
        code = try_attach(h, &is_usable, e);
    if (!code && !is_usable) {
        history_detach(h);
        code = history_repo_set_aside(h->path, clock_now_ms(), e);
        if (!code) {
            h->repo_is_bad = false;
            code = try_attach(h, &is_usable, e);
        }
    }
    if (!code && h->has_head)
        code = history_repo_announce(h->repo, &h->head, e);
    return code;
}

/* ---- one batch ---- */

struct batch {
    struct arena arena;
    struct db_journal_row *rows;
    size_t n;
    struct db_commit *commits; /* those of the rows without a stored signature */
    size_t n_commits;
    struct git_id head;
};

static void batch_clear(struct batch *b)
{
    arena_clear(&b->arena);
}

/* The documents of a row to blobs and folders. */
static int put_documents(struct history *h, const struct db_journal_doc *docs, size_t n,
                         struct err *e)
{
    int code = ERR_OK;
    for (size_t i = 0; !code && i < n; i++) {
        struct git_id blob;
        if (docs[i].bytes)
            pack_add(h->pack, PACK_BLOB, docs[i].bytes, docs[i].n, &blob);
        code = history_tree_put(h->tree, docs[i].path, docs[i].bytes ? &blob : NULL, e);
    }
    return code;
}

/* A stored commit id must come out again: otherwise folders read from the repository were wrong,
 * or, when it was made from nothing, the database or this program is. */
static int check_stored(struct history *h, const struct db_journal_row *row, const char *id,
                        struct err *e)
{
    if (!row->commit_id || strcmp(row->commit_id, id) == 0)
        return ERR_OK;
    h->repo_is_bad = !h->is_from_scratch;
    return err_set(e, ERR_CORRUPT, "row %lld was commit %s and is %s now", (long long)row->seq,
                   row->commit_id, id);
}

static int add_commit(struct history *h, struct batch *b, const struct commit_parts *parts,
                      struct err *e)
{
    const struct db_journal_row *row = parts->row;
    char hex[GIT_ID_HEX_BYTES];
    char made[SEAL_ARMOR_MAX];
    const char *armor = row->signature;
    struct git_id id;
    buf_reset(&h->text);
    buf_reset(&h->full);
    commit_write(parts, &h->text);
    if (!armor) {
        seal_sign(h->key, "git", h->text.data, h->text.len, made);
        armor = made;
    }
    commit_write_signed(&h->text, armor, &h->full);
    if (!buf_ok(&h->text) || !buf_ok(&h->full))
        return err_set(e, ERR_INTERNAL, "the commit of row %lld is too long", (long long)row->seq);
    pack_add(h->pack, PACK_COMMIT, h->full.data, h->full.len, &id);
    b->head = id;
    if (row->signature)
        return check_stored(h, row, git_id_hex(&id, hex), e);
    b->commits[b->n_commits++] =
        (struct db_commit){.seq = row->seq,
                           .commit_id = arena_strdup(&b->arena, git_id_hex(&id, hex)),
                           .key_id = h->key->id,
                           .signature = arena_strdup(&b->arena, armor)};
    return ERR_OK;
}

static int add_row(struct history *h, struct batch *b, struct db *db, size_t i, struct err *e)
{
    struct arena a CLEANUP(arena_clear);
    struct db_journal_doc *docs;
    struct git_id tree;
    size_t n;
    const struct db_journal_row *row = &b->rows[i];
    arena_init(&a);
    if (row->seq != h->seq + (int64_t)i + 1)
        return err_set(e, ERR_CORRUPT, "row %lld of the journal is missing",
                       (long long)(h->seq + (int64_t)i + 1));
    int code = db_journal_docs(db, row->seq, &a, &docs, &n, e);
    if (!code)
        code = put_documents(h, docs, n, e);
    if (code)
        return code;
    history_tree_flush(h->tree, h->pack, &tree);
    struct git_id parent = b->head;
    struct commit_parts parts = {.row = row,
                                 .docs = docs,
                                 .n_docs = n,
                                 .tree = &tree,
                                 .parent = h->has_head || i > 0 ? &parent : NULL,
                                 .registry_id = h->registry_id,
                                 .domain = h->domain};
    return add_commit(h, b, &parts, e);
}

/* Reads rows and makes their objects in memory. */
static int fill_batch(struct history *h, struct batch *b, struct err *e)
{
    struct reader reader CLEANUP(reader_end) = {0};
    int64_t last = 0;
    int code = reader_begin(h->store, &reader, e);
    if (!code)
        code = db_journal_last(reader.db, &last, e);
    if (!code)
        code = db_journal_after(reader.db, h->seq, BATCH_ROWS, &b->arena, &b->rows, &b->n, e);
    if (code)
        return code;
    pthread_mutex_lock(&h->lock);
    h->stats.journal_seq = last;
    pthread_mutex_unlock(&h->lock);
    b->commits = arena_alloc(&b->arena, (b->n + 1) * sizeof *b->commits);
    b->head = h->head;
    pack_reset(h->pack);
    for (size_t i = 0; !code && i < b->n; i++) {
        code = add_row(h, b, reader.db, i, e);
        if (pack_bytes(h->pack) > BATCH_BYTES)
            b->n = i + 1;
    }
    return code;
}

static int store_commits(struct tx *tx, void *ctx, struct err *e)
{
    const struct batch *b = ctx;
    int code = ERR_OK;
    for (size_t i = 0; !code && i < b->n_commits; i++)
        code = db_commit_put(tx_db(tx), &b->commits[i], e);
    return code;
}

/* The batch is part of main now. */
static void accept(struct history *h, const struct batch *b)
{
    struct git_id root;
    h->head = b->head;
    h->has_head = true;
    h->seq += (int64_t)b->n;
    if (history_tree_size(h->tree) > TREE_MAX_ENTRIES) {
        history_tree_flush(h->tree, h->pack, &root); /* nothing is dirty: only the id */
        start_tree(h, &root);
    }
    pthread_mutex_lock(&h->lock);
    h->stats.n_commits += (int64_t)b->n;
    h->stats.n_batches++;
    pthread_mutex_unlock(&h->lock);
}

static void show_state(struct history *h)
{
    pthread_mutex_lock(&h->lock);
    h->stats.published_seq = h->seq;
    h->stats.n_packs = history_repo_n_packs(h->repo);
    if (h->has_head)
        git_id_hex(&h->head, h->stats.head);
    pthread_mutex_unlock(&h->lock);
}

int history_publish_batch(struct history *h, int64_t *n, struct err *e)
{
    struct batch b CLEANUP(batch_clear) = {0};
    *n = 0;
    int code = h->repo ? ERR_OK : attach(h, e);
    if (!code)
        code = fill_batch(h, &b, e);
    if (!code)
        show_state(h);
    if (code || !b.n)
        return code;
    if (b.n_commits)
        code = store_write(h->store, TX_WORK, store_commits, &b, e);
    if (!code)
        code = history_repo_add(h->repo, h->pack, e);
    if (!code)
        code = history_repo_move(h->repo, h->has_head ? &h->head : NULL, &b.head, e);
    if (code)
        return code;
    accept(h, &b);
    *n = (int64_t)b.n;
    code = history_repo_announce(h->repo, &h->head, e);
    show_state(h);
    return code;
}

int history_tidy(struct history *h, int64_t now_ms, struct err *e)
{
    bool changed = false;
    if (!h->repo)
        return ERR_OK;
    int code = history_repo_tidy(h->repo, now_ms, &changed, e);
    if (!code && changed)
        code = history_repo_announce(h->repo, &h->head, e);
    if (!code && changed)
        show_state(h);
    return code;
}
