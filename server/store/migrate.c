/*
 * Migrations: brings a database to the schema of this program. Runs once, on the thread that opens
 * the store, before anybody else has a connection. It knows the table schema_migrations and nothing
 * of what the migrations contain.
 */
#include "migrate.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "store_inner.h"

static const char create_list[] = "CREATE TABLE IF NOT EXISTS schema_migrations (\n"
                                  "    name TEXT PRIMARY KEY,\n"
                                  "    sha256 BLOB NOT NULL,\n"
                                  "    applied_ts INTEGER NOT NULL\n"
                                  ") STRICT";

static const struct embed_file *find_file(const struct embed_file *files, const char *name)
{
    for (; files->name; files++)
        if (strcmp(files->name, name) == 0)
            return files;
    return NULL;
}

/* The list of applied migrations is made in an empty file only: anything else is not ours. */
static int prepare_list(struct db *db, struct err *e)
{
    int64_t n_tables = 0, n_lists = 0;
    int code = db_int(db, &n_tables, NULL, e, "SELECT count(*) FROM sqlite_schema", "");
    if (!code)
        code = db_int(db, &n_lists, NULL, e,
                      "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_migrations'", "");
    if (code)
        return code;
    if (n_tables > 0 && n_lists == 0)
        return err_set(e, ERR_CORRUPT, "this SQLite file belongs to another program");
    return db_run(db, e, create_list, "");
}

/* Compares what was applied with what this program has. */
static int check_applied(struct db *db, const struct embed_file *files, int64_t *n_applied,
                         struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int code = db_query(db, &q, e, "SELECT name, sha256 FROM schema_migrations ORDER BY name", "");
    if (code)
        return code;
    for (*n_applied = 0; (code = stmt_next(q, &row, e)) == ERR_OK && row; ++*n_applied) {
        struct digest stored = {0}, ours;
        const struct embed_file *file = find_file(files, stmt_text(q, 0));
        if (!file)
            return err_set(e, ERR_REFUSED,
                           "the database has migration %s, which this program does not know: use "
                           "the mreg version that wrote it, or a newer one",
                           stmt_text(q, 0));
        digest_of(file->bytes, file->length, &ours);
        if (!stmt_digest(q, 1, &stored) || !digest_equal(&stored, &ours))
            return err_set(e, ERR_CORRUPT, "migration %s was changed after it was applied",
                           file->name);
    }
    return code;
}

static int is_applied(struct db *db, const char *name, bool *yes, struct err *e)
{
    int64_t one;
    return db_int(db, &one, yes, e, "SELECT 1 FROM schema_migrations WHERE name = ?1", "t", name);
}

static int record(struct db *db, const struct embed_file *file, struct err *e)
{
    struct digest digest;
    digest_of(file->bytes, file->length, &digest);
    return db_run(db, e,
                  "INSERT INTO schema_migrations (name, sha256, applied_ts) VALUES (?1, ?2, ?3)",
                  "tdi", file->name, &digest, clock_now_ms());
}

/* A migration that rebuilds a table breaks references for a moment, so they are checked after. */
static int check_references(struct db *db, const char *name, struct err *e)
{
    bool found = false;
    int64_t unused;
    int code = db_int(db, &unused, &found, e, "PRAGMA foreign_key_check", "");
    if (!code && found)
        return err_set(e, ERR_CORRUPT, "migration %s leaves broken references", name);
    return code;
}

static int apply_inside(struct db *db, const struct embed_file *file, struct err *e)
{
    int code = db_script(db, (const char *)file->bytes, e);
    if (!code && !db_in_transaction(db))
        code = err_set(e, ERR_INTERNAL, "migration %s ends the transaction", file->name);
    if (!code)
        code = check_references(db, file->name, e);
    if (!code)
        code = record(db, file, e);
    return code;
}

static int apply(struct db *db, const struct embed_file *file, struct err *e)
{
    struct err ignored;
    int code = db_script(db, "PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE", e);
    if (!code)
        code = apply_inside(db, file, e);
    if (!code)
        code = db_script(db, "COMMIT", e);
    if (code && db_in_transaction(db))
        (void)!db_script(db, "ROLLBACK", &ignored);
    if (code) {
        err_prefix(e, "migration %s: ", file->name);
        return code;
    }
    return db_script(db, "PRAGMA foreign_keys = ON", e);
}

/* Keeps the database as it was before migration NNNN. An older copy of that name is from a start
 * that failed, so it is replaced. */
static int keep_copy(struct db *db, const char *path, const char *name, struct err *e)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    size_t digits = strspn(name, "0123456789");
    const char *copy = arena_printf(&arena, "%s.before-%.*s", path, (int)digits, name);
    return db_copy(db, copy, true, e);
}

int migrate_run(struct db *db, const char *path, const struct embed_file *files, struct err *e)
{
    int64_t n_applied = 0;
    bool has_copy = false;
    int code = prepare_list(db, e);
    if (!code)
        code = check_applied(db, files, &n_applied, e);
    for (; !code && files->name; files++) {
        bool done = false;
        code = is_applied(db, files->name, &done, e);
        if (code || done)
            continue;
        if (n_applied > 0 && !has_copy) {
            code = keep_copy(db, path, files->name, e);
            has_copy = true;
        }
        if (!code)
            code = apply(db, files, e);
    }
    return code;
}
