/*
 * How much is stored, in rows and bytes, for the dashboard's page about the server.
 */
#ifndef MREG_DB_STORAGE_H
#define MREG_DB_STORAGE_H

#include "store.h"

struct db_storage {
    int64_t n_models, n_versions;
    int64_t logical_bytes;       /* of all files of all versions, each counted */
    int64_t n_blobs, blob_bytes; /* what is stored once */
    int64_t n_inline_blobs;      /* of these, in the database itself */
    int64_t n_rows, n_published; /* of the journal; up to which row the history has it */
};
/* Reads whole tables of versions and blobs: about a tenth of a second for 200,000. Any reader. */
MUST_USE int db_storage_count(struct db *db, struct db_storage *out, struct err *e);

#endif
