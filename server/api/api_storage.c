/*
 * The handler that tells how much is stored. Words of HTTP only. Runs on the worker of the request.
 */
#include "api.h"
#include "app.h"
#include "datadir.h"
#include "db_storage.h"

static void write_storage(struct jsonw *w, const struct db_storage *s)
{
    jsonw_int(w, "models", s->n_models);
    jsonw_int(w, "versions", s->n_versions);
    jsonw_int(w, "logical_bytes", s->logical_bytes);
    jsonw_object(w, "blobs");
    jsonw_int(w, "n", s->n_blobs);
    jsonw_int(w, "bytes", s->blob_bytes);
    jsonw_int(w, "in_database", s->n_inline_blobs);
    jsonw_end(w);
    jsonw_object(w, "history");
    jsonw_int(w, "rows", s->n_rows);
    jsonw_int(w, "published", s->n_published);
    jsonw_end(w);
}

static int get_storage(struct request *rq, struct reply *rp, struct err *e)
{
    struct reader r CLEANUP(reader_end) = {0};
    struct store_stats stats = {0};
    struct db_storage counts;
    struct jsonw w;
    int64_t free_bytes = datadir_free_bytes(rq->app->data);
    int rc = reader_begin(rq->app->store, &r, e);
    if (!rc)
        rc = db_storage_count(r.db, &counts, e);
    if (rc)
        return rc;
    store_get_stats(rq->app->store, &stats);
    reply_json(rp, &w);
    jsonw_object(&w, NULL);
    write_storage(&w, &counts);
    jsonw_int(&w, "database_bytes", stats.db_bytes);
    jsonw_int(&w, "log_bytes", stats.wal_bytes);
    if (free_bytes >= 0)
        jsonw_int(&w, "free_bytes", free_bytes);
    jsonw_end(&w);
    return 0;
}

const struct route api_storage_routes[] = {
    {METHOD_GET, "/api/v1/storage", PERM_AUDIT, BODY_NONE, WORK_HEAVY, 0, get_storage,
     "How much is stored, and how much room is left"},
    {.handler = NULL},
};
