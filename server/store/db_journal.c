/*
 * SQL of the journal. Knows tables, not what the rows mean. Runs on whatever thread holds the
 * connection: inserts on the writer, queries anywhere.
 */
#include "db_journal.h"

#include <stdlib.h>

int db_journal_insert(struct db *db, const struct db_journal_row *row, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO journal (seq, ts, epoch, actor, kind, object, reason, fmt, message)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
                  "iiittttit", row->seq, row->ts, row->epoch, row->actor, row->kind, row->object,
                  row->reason, row->fmt, row->message);
}

int db_document_put(struct db *db, const struct digest *digest, const void *bytes, size_t n,
                    struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO documents (digest, bytes) VALUES (?1, ?2)"
                  " ON CONFLICT (digest) DO NOTHING",
                  "db", digest, bytes, n);
}

/* What the newest span of a path says. */
struct last_span {
    bool exists;
    int64_t from_seq, to_seq;
    struct digest digest;
};

static int read_last_span(struct db *db, const char *path, struct last_span *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT from_seq, to_seq, digest FROM doc_spans WHERE path = ?1"
                      " ORDER BY from_seq DESC LIMIT 1",
                      "t", path);
    if (rc)
        return rc;
    rc = stmt_next(q, &out->exists, e);
    if (rc || !out->exists)
        return rc;
    out->from_seq = stmt_int(q, 0);
    out->to_seq = stmt_int(q, 1);
    if (!stmt_digest(q, 2, &out->digest))
        return err_set(e, ERR_CORRUPT, "span of %s has no digest", path);
    return ERR_OK;
}

static int move_span(struct db *db, int64_t seq, const char *path, const struct digest *digest,
                     struct err *e)
{
    struct last_span last = {0};
    int rc = read_last_span(db, path, &last, e);
    if (rc)
        return rc;
    bool is_open = last.exists && last.to_seq == DB_SEQ_OPEN;
    if (is_open && digest && digest_equal(&last.digest, digest))
        return ERR_OK;
    if (is_open)
        rc = db_run(db, e, "UPDATE doc_spans SET to_seq = ?3 WHERE path = ?1 AND from_seq = ?2",
                    "tii", path, last.from_seq, seq);
    if (rc || !digest)
        return rc;
    return db_run(db, e,
                  "INSERT INTO doc_spans (path, from_seq, to_seq, digest)"
                  " VALUES (?1, ?2, ?3, ?4)",
                  "tiid", path, seq, DB_SEQ_OPEN, digest);
}

int db_journal_doc(struct db *db, int64_t seq, const char *path, const struct digest *digest,
                   struct err *e)
{
    int rc = db_run(db, e, "INSERT INTO journal_docs (seq, path, digest) VALUES (?1, ?2, ?3)",
                    "itd", seq, path, digest);
    return rc ? rc : move_span(db, seq, path, digest, e);
}

int db_journal_last(struct db *db, int64_t *seq, struct err *e)
{
    *seq = 0;
    return db_int(db, seq, NULL, e, "SELECT seq FROM journal ORDER BY seq DESC LIMIT 1", "");
}

int db_journal_seq_at(struct db *db, int64_t ms, int64_t *seq, struct err *e)
{
    *seq = 0;
    return db_int(db, seq, NULL, e,
                  "SELECT seq FROM journal WHERE ts <= ?1 ORDER BY ts DESC, seq DESC LIMIT 1", "i",
                  ms);
}

int db_document_at(struct db *db, const char *path, int64_t seq, struct arena *a,
                   const char **bytes, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    if (seq == INT64_MAX)
        seq--; /* an open span ends at INT64_MAX, exclusive */
    int rc = db_query(db, &q, e,
                      "SELECT s.to_seq, d.bytes FROM doc_spans s"
                      " JOIN documents d ON d.digest = s.digest"
                      " WHERE s.path = ?1 AND s.from_seq <= ?2 ORDER BY s.from_seq DESC LIMIT 1",
                      "ti", path, seq);
    if (rc)
        return rc;
    bool row = false;
    rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row || stmt_int(q, 0) <= seq)
        return err_set(e, ERR_NOT_FOUND, "no document %s then", path);
    const void *p = stmt_blob(q, 1, n);
    *bytes = arena_copy(a, p, *n);
    return ERR_OK;
}

/* ---- rows for git history ---- */

static void read_row(struct stmt *q, struct arena *a, struct db_journal_row *row)
{
    row->seq = stmt_int(q, 0);
    row->ts = stmt_int(q, 1);
    row->epoch = stmt_int(q, 2);
    row->fmt = stmt_int(q, 3);
    row->actor = arena_strdup(a, stmt_text(q, 4));
    row->kind = arena_strdup(a, stmt_text(q, 5));
    row->object = arena_strdup(a, stmt_text(q, 6));
    row->reason = arena_strdup(a, stmt_text(q, 7));
    row->message = arena_strdup(a, stmt_text(q, 8));
    row->commit_id = arena_strdup(a, stmt_text(q, 9));
    row->signature = arena_strdup(a, stmt_text(q, 10));
}

int db_journal_after(struct db *db, int64_t seq, int64_t limit, struct arena *a,
                     struct db_journal_row **rows, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct db_journal_row *list = arena_alloc(a, (size_t)limit * sizeof *list);
    size_t count = 0;
    bool more = false;
    int rc = db_query(db, &q, e,
                      "SELECT j.seq, j.ts, j.epoch, j.fmt, j.actor, j.kind, j.object, j.reason,"
                      " j.message, c.commit_id, c.signature FROM journal j"
                      " LEFT JOIN commits c ON c.seq = j.seq"
                      " WHERE j.seq > ?1 ORDER BY j.seq LIMIT ?2",
                      "ii", seq, limit);
    if (rc)
        return rc;
    while (!(rc = stmt_next(q, &more, e)) && more)
        read_row(q, a, &list[count++]);
    *rows = list;
    *n = count;
    return rc;
}

#define DOCS_OF_A_ROW 64 /* journal_append's limit */

int db_journal_docs(struct db *db, int64_t seq, struct arena *a, struct db_journal_doc **docs,
                    size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct db_journal_doc *list = arena_alloc(a, DOCS_OF_A_ROW * sizeof *list);
    size_t count = 0;
    bool more = false;
    int rc = db_query(db, &q, e,
                      "SELECT k.path, k.digest, d.bytes FROM journal_docs k"
                      " LEFT JOIN documents d ON d.digest = k.digest"
                      " WHERE k.seq = ?1 ORDER BY k.path",
                      "i", seq);
    if (rc)
        return rc;
    while (!(rc = stmt_next(q, &more, e)) && more && count < DOCS_OF_A_ROW) {
        struct db_journal_doc *doc = &list[count++];
        doc->path = arena_strdup(a, stmt_text(q, 0));
        if (!stmt_digest(q, 1, &doc->digest))
            continue;
        if (stmt_is_null(q, 2))
            return err_set(e, ERR_CORRUPT, "document of %s in row %lld is missing", doc->path,
                           (long long)seq);
        const void *p = stmt_blob(q, 2, &doc->n);
        doc->bytes = arena_copy(a, p, doc->n);
    }
    *docs = list;
    *n = count;
    return rc;
}

/* ---- commits ---- */

int db_commit_put(struct db *db, const struct db_commit *commit, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO commits (seq, commit_id, key_id, signature)"
                  " VALUES (?1, ?2, ?3, ?4) ON CONFLICT (seq) DO NOTHING",
                  "ittt", commit->seq, commit->commit_id, commit->key_id, commit->signature);
}

/* First column of the first row as text in arena; NULL without a row. Ends q. */
static int take_text(struct stmt *q, struct arena *a, const char **out, struct err *e)
{
    bool row = false;
    int rc = stmt_next(q, &row, e);
    if (!rc)
        *out = row ? arena_strdup(a, stmt_text(q, 0)) : NULL;
    stmt_done(q);
    return rc;
}

int db_commit_id(struct db *db, int64_t seq, struct arena *a, const char **id, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e, "SELECT commit_id FROM commits WHERE seq = ?1", "i", seq);
    return rc ? rc : take_text(q, a, id, e);
}

int db_commit_last(struct db *db, int64_t *seq, struct err *e)
{
    *seq = 0;
    return db_int(db, seq, NULL, e, "SELECT seq FROM commits ORDER BY seq DESC LIMIT 1", "");
}

int db_commit_pending_ms(struct db *db, int64_t *ms, struct err *e)
{
    return db_int(db, ms, NULL, e,
                  "SELECT ts FROM journal WHERE seq > COALESCE((SELECT MAX(seq) FROM commits), 0)"
                  " ORDER BY seq LIMIT 1",
                  "");
}

/* ---- keys and identity ---- */

int db_key_put(struct db *db, const struct db_key *key, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO keys (key_id, public_line, valid_after, state)"
                  " VALUES (?1, ?2, ?3, ?4)",
                  "ttit", key->key_id, key->public_line, key->valid_after, key->state);
}

int db_key_retire(struct db *db, const char *key_id, int64_t valid_before, struct err *e)
{
    return db_run(db, e,
                  "UPDATE keys SET state = 'retired', valid_before ="
                  " CASE WHEN valid_after / 1000 < ?2 / 1000 THEN ?2 ELSE valid_after + 1000 END"
                  " WHERE key_id = ?1",
                  "ti", key_id, valid_before);
}

int db_keys(struct db *db, struct arena *a, struct db_key **keys, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int64_t max = 0;
    bool more = false;
    int rc = db_int(db, &max, NULL, e, "SELECT COUNT(*) FROM keys", "");
    struct db_key *list = arena_alloc(a, (size_t)(max + 1) * sizeof *list);
    if (!rc)
        rc = db_query(
            db, &q, e,
            "SELECT /*scan*/ key_id, public_line, valid_after, valid_before, state FROM keys"
            " ORDER BY valid_after, key_id",
            "");
    if (rc)
        return rc;
    *n = 0;
    while (!(rc = stmt_next(q, &more, e)) && more && *n < (size_t)max) {
        list[(*n)++] = (struct db_key){
            .key_id = arena_strdup(a, stmt_text(q, 0)),
            .public_line = arena_strdup(a, stmt_text(q, 1)),
            .valid_after = stmt_int(q, 2),
            .valid_before = stmt_int(q, 3),
            .state = arena_strdup(a, stmt_text(q, 4)),
        };
    }
    *keys = list;
    return rc;
}

int db_meta_get(struct db *db, const char *key, struct arena *a, const char **value, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e, "SELECT value FROM meta WHERE key = ?1", "t", key);
    return rc ? rc : take_text(q, a, value, e);
}

int db_meta_put(struct db *db, const char *key, const char *value, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO meta (key, value) VALUES (?1, ?2)"
                  " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                  "tt", key, value);
}
