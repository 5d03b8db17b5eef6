/*
 * The rows of uploads: what was announced, which parts have arrived, what is whole. Knows no bytes
 * and no files. Readers run on any thread, changes on the writer (TX_WORK, or inside somebody's
 * publishing transaction).
 */
#include "blob_inner.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "seal.h"

#define UPLOAD_LIFE_MS (INT64_C(7) * 24 * 3600 * 1000)
#define UPLOAD_ID_LETTERS 20

static const char *const state_names[] = {"open", "whole", "have"};

int64_t blob_n_parts(int64_t size)
{
    return size > BLOB_PART_BYTES ? (size - 1) / BLOB_PART_BYTES + 1 : 1;
}

int64_t blob_part_size(int64_t size, int64_t part)
{
    int64_t left = size - part * BLOB_PART_BYTES;
    return left < BLOB_PART_BYTES ? left : BLOB_PART_BYTES;
}

static enum plan_state state_of(const char *name)
{
    for (int i = 0; i <= PLAN_HAVE; i++)
        if (name && strcmp(name, state_names[i]) == 0)
            return (enum plan_state)i;
    return PLAN_OPEN;
}

static int no_upload(const char *id, struct err *e)
{
    return err_set(e, ERR_NOT_FOUND, "no upload \"%.40s\"", id);
}

/* ---- creating ---- */

struct creating {
    const char *model, *actor;
    const struct upload_file *files;
    size_t n;
    char id[BLOB_ID_BYTES];
};

static int create_file(struct tx *tx, const struct creating *c, size_t i, struct err *e)
{
    const struct upload_file *f = &c->files[i];
    bool is_stored = false;
    int code = f->have ? blob_exists(tx_db(tx), &f->sha256, &is_stored, e) : ERR_OK;
    if (code)
        return code;
    return db_run(tx_db(tx), e,
                  "INSERT INTO upload_files (upload_id, file, path, size, digest, state)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                  "titidt", c->id, (int64_t)i, f->path, f->size, &f->sha256,
                  state_names[is_stored ? PLAN_HAVE : PLAN_OPEN]);
}

static int create_rows(struct tx *tx, void *ctx, struct err *e)
{
    const struct creating *c = ctx;
    int64_t now = tx_now_ms(tx);
    int code = db_run(tx_db(tx), e,
                      "INSERT INTO uploads (upload_id, model, actor, created_ts, expires_ts)"
                      " VALUES (?1, ?2, ?3, ?4, ?5)",
                      "tttii", c->id, c->model, c->actor, now, now + UPLOAD_LIFE_MS);
    for (size_t i = 0; i < c->n && !code; i++)
        code = create_file(tx, c, i, e);
    return code;
}

int upload_create(struct blobs *b, const char *model, const char *actor,
                  const struct upload_file *files, size_t n, char id[40], struct err *e)
{
    struct creating c = {.model = model, .actor = actor, .files = files, .n = n};
    seal_random_base62(c.id, UPLOAD_ID_LETTERS);
    int code = store_write(b->store, TX_WORK, create_rows, &c, e);
    if (!code)
        memcpy(id, c.id, sizeof c.id);
    return code;
}

/* ---- one file ---- */

int plan_load_on(struct db *db, int64_t now_ms, const char *id, size_t file, struct plan *out,
                 struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct plan p = {.file = file};
    bool row = false;
    int code = db_query(db, &q, e,
                        "SELECT f.size, f.digest, f.state, u.upload_id FROM uploads u"
                        " LEFT JOIN upload_files f ON f.upload_id = u.upload_id AND f.file = ?2"
                        " WHERE u.upload_id = ?1 AND u.expires_ts > ?3",
                        "tii", id, (int64_t)file, now_ms);
    if (!code)
        code = stmt_next(q, &row, e);
    if (!code && !row)
        return no_upload(id, e);
    if (!code && !stmt_digest(q, 1, &p.sha256))
        return err_set(e, ERR_NOT_FOUND, "upload \"%.40s\" has no file %zu", id, file);
    if (code)
        return code;
    p.size = stmt_int(q, 0);
    p.n_parts = blob_n_parts(p.size);
    p.state = state_of(stmt_text(q, 2));
    snprintf(p.id, sizeof p.id, "%s", stmt_text(q, 3));
    *out = p;
    return ERR_OK;
}

int plan_load(struct blobs *b, const char *id, size_t file, struct plan *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    int code = reader_begin(b->store, &r, e);
    return code ? code : plan_load_on(r.db, store_now_ms(b->store), id, file, out, e);
}

struct part_change {
    const struct plan *plan;
    int64_t part;
    const struct digest *digest;
};

static int check_alive(struct tx *tx, const struct plan *p, struct err *e)
{
    int64_t one;
    bool found = false;
    int code = db_int(tx_db(tx), &one, &found, e, "SELECT 1 FROM uploads WHERE upload_id = ?1", "t",
                      p->id);
    return !code && !found ? no_upload(p->id, e) : code;
}

static int record_part(struct tx *tx, void *ctx, struct err *e)
{
    const struct part_change *c = ctx;
    int code = check_alive(tx, c->plan, e);
    if (code)
        return code;
    return db_run(tx_db(tx), e,
                  "INSERT INTO upload_parts (upload_id, file, part, digest) VALUES (?1, ?2, ?3, ?4)"
                  " ON CONFLICT (upload_id, file, part) DO UPDATE SET digest = excluded.digest",
                  "tiid", c->plan->id, (int64_t)c->plan->file, c->part, c->digest);
}

int plan_record_part(struct blobs *b, const struct plan *p, int64_t part, const struct digest *d,
                     struct err *e)
{
    struct part_change c = {p, part, d};
    return store_write(b->store, TX_WORK, record_part, &c, e);
}

static int forget_all_parts(struct tx *tx, const struct plan *p, struct err *e)
{
    return db_run(tx_db(tx), e, "DELETE FROM upload_parts WHERE upload_id = ?1 AND file = ?2", "ti",
                  p->id, (int64_t)p->file);
}

static int record_whole(struct tx *tx, void *ctx, struct err *e)
{
    const struct plan *p = ctx;
    int code = check_alive(tx, p, e);
    if (!code)
        code = forget_all_parts(tx, p, e);
    if (code)
        return code;
    return db_run(tx_db(tx), e,
                  "UPDATE upload_files SET state = 'whole' WHERE upload_id = ?1 AND file = ?2",
                  "ti", p->id, (int64_t)p->file);
}

int plan_record_whole(struct blobs *b, const struct plan *p, struct err *e)
{
    struct plan copy = *p;
    return store_write(b->store, TX_WORK, record_whole, &copy, e);
}

/* Also reopens a file that was whole: its staged bytes turned out to be gone. */
static int forget_parts(struct tx *tx, void *ctx, struct err *e)
{
    const struct part_change *c = ctx;
    if (c->part >= 0)
        return db_run(tx_db(tx), e,
                      "DELETE FROM upload_parts WHERE upload_id = ?1 AND file = ?2 AND part = ?3",
                      "tii", c->plan->id, (int64_t)c->plan->file, c->part);
    int code = forget_all_parts(tx, c->plan, e);
    if (code)
        return code;
    return db_run(tx_db(tx), e,
                  "UPDATE upload_files SET state = 'open' WHERE upload_id = ?1 AND file = ?2", "ti",
                  c->plan->id, (int64_t)c->plan->file);
}

int plan_forget_parts(struct blobs *b, const struct plan *p, int64_t part, struct err *e)
{
    struct part_change c = {p, part, NULL};
    return store_write(b->store, TX_WORK, forget_parts, &c, e);
}

int plan_part_digest(struct blobs *b, const struct plan *p, int64_t part, bool *found,
                     struct digest *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int code = reader_begin(b->store, &r, e);
    if (!code)
        code = db_query(r.db, &q, e,
                        "SELECT digest FROM upload_parts"
                        " WHERE upload_id = ?1 AND file = ?2 AND part = ?3",
                        "tii", p->id, (int64_t)p->file, part);
    if (!code)
        code = stmt_next(q, &row, e);
    if (!code)
        *found = row && stmt_digest(q, 0, out);
    return code;
}

/* ---- loading a whole upload ---- */

static int load_head(struct db *db, const char *id, int64_t now_ms, struct arena *a,
                     struct upload *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int code = db_query(db, &q, e,
                        "SELECT upload_id, model, actor, expires_ts FROM uploads"
                        " WHERE upload_id = ?1 AND expires_ts > ?2",
                        "ti", id, now_ms);
    if (!code)
        code = stmt_next(q, &row, e);
    if (code)
        return code;
    if (!row)
        return no_upload(id, e);
    snprintf(out->id, sizeof out->id, "%s", stmt_text(q, 0));
    out->model = arena_strdup(a, stmt_text(q, 1));
    out->actor = arena_strdup(a, stmt_text(q, 2));
    out->expires_ms = stmt_int(q, 3);
    return ERR_OK;
}

static void load_file(struct stmt *q, struct arena *a, struct upload_file *f)
{
    enum plan_state state = state_of(stmt_text(q, 3));
    f->path = arena_strdup(a, stmt_text(q, 0));
    f->size = stmt_int(q, 1);
    (void)stmt_digest(q, 2, &f->sha256);
    f->have = state == PLAN_HAVE;
    f->n_parts = blob_n_parts(f->size);
    size_t n_bytes = (size_t)f->n_parts / 8 + 1;
    uint8_t *bits = arena_alloc(a, n_bytes);
    if (state != PLAN_OPEN)
        memset(bits, 0xff, n_bytes);
    f->bitmap = bits;
}

static int load_files(struct db *db, struct arena *a, struct upload *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int64_t n = 0;
    int code = db_int(db, &n, NULL, e, "SELECT count(*) FROM upload_files WHERE upload_id = ?1",
                      "t", out->id);
    if (!code)
        code = db_query(db, &q, e,
                        "SELECT path, size, digest, state FROM upload_files WHERE upload_id = ?1"
                        " ORDER BY file",
                        "t", out->id);
    if (code)
        return code;
    out->files = arena_alloc(a, (size_t)n * sizeof *out->files);
    out->n_files = (size_t)n;
    for (size_t i = 0; i < out->n_files && !code; i++) {
        code = stmt_next(q, &row, e);
        if (!code && row)
            load_file(q, a, &out->files[i]);
    }
    return code;
}

static int load_parts(struct db *db, struct arena *a, struct upload *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    uint8_t **bits = arena_alloc(a, (out->n_files + 1) * sizeof *bits);
    for (size_t i = 0; i < out->n_files; i++)
        bits[i] = arena_copy(a, out->files[i].bitmap, (size_t)out->files[i].n_parts / 8 + 1);
    int code = db_query(db, &q, e, "SELECT file, part FROM upload_parts WHERE upload_id = ?1", "t",
                        out->id);
    while (!code && (code = stmt_next(q, &row, e)) == ERR_OK && row) {
        size_t file = (size_t)stmt_int(q, 0);
        int64_t part = stmt_int(q, 1);
        if (file < out->n_files && part >= 0 && part < out->files[file].n_parts)
            bits[file][part / 8] |= (uint8_t)(1u << (part % 8));
    }
    for (size_t i = 0; i < out->n_files; i++)
        out->files[i].bitmap = bits[i];
    return code;
}

int upload_load(struct blobs *b, const char *id, struct arena *a, struct upload *out, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct upload u = {0};
    int code = reader_begin(b->store, &r, e);
    if (!code)
        code = load_head(r.db, id, store_now_ms(b->store), a, &u, e);
    if (!code)
        code = load_files(r.db, a, &u, e);
    if (!code)
        code = load_parts(r.db, a, &u, e);
    if (!code)
        *out = u;
    return code;
}

int upload_forget(struct blobs *b, struct tx *tx, const char *id, struct err *e)
{
    (void)b;
    int code = db_run(tx_db(tx), e, "DELETE FROM upload_parts WHERE upload_id = ?1", "t", id);
    if (!code)
        code = db_run(tx_db(tx), e, "DELETE FROM upload_files WHERE upload_id = ?1", "t", id);
    if (!code)
        code = db_run(tx_db(tx), e, "DELETE FROM uploads WHERE upload_id = ?1", "t", id);
    return code;
}
