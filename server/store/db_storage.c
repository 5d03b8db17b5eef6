/*
 * Sums over what is stored. Must not know who asks or where the bytes lie. Runs on a reader.
 */
#include "db_storage.h"

static int count_versions(struct db *db, struct db_storage *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "/*scan*/ SELECT count(*), coalesce(sum(size_bytes), 0) FROM versions "
                      "WHERE deleted_ts IS NULL",
                      "");
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc || !row)
        return rc;
    out->n_versions = stmt_int(q, 0);
    out->logical_bytes = stmt_int(q, 1);
    return 0;
}

static int count_registry(struct db *db, struct db_storage *out, struct err *e)
{
    int rc = db_int(db, &out->n_models, NULL, e,
                    "/*scan*/ SELECT count(*) FROM models WHERE deleted_ts IS NULL", "");
    return rc ? rc : count_versions(db, out, e);
}

static int count_blobs(struct db *db, struct db_storage *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(
        db, &q, e, "/*scan*/ SELECT count(*), coalesce(sum(size), 0), count(bytes) FROM blobs", "");
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc || !row)
        return rc;
    out->n_blobs = stmt_int(q, 0);
    out->blob_bytes = stmt_int(q, 1);
    out->n_inline_blobs = stmt_int(q, 2);
    return 0;
}

int db_storage_count(struct db *db, struct db_storage *out, struct err *e)
{
    *out = (struct db_storage){0};
    int rc = count_registry(db, out, e);
    if (!rc)
        rc = count_blobs(db, out, e);
    if (!rc)
        rc = db_int(db, &out->n_rows, NULL, e, "/*scan*/ SELECT coalesce(max(seq), 0) FROM journal",
                    "");
    if (!rc)
        rc = db_int(db, &out->n_published, NULL, e,
                    "/*scan*/ SELECT coalesce(max(seq), 0) FROM commits", "");
    return rc;
}
