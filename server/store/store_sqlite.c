/*
 * SQLite: connections, cached statements, errors. The only file that includes sqlite3.h. It knows
 * nothing of queues, batches, tables (apart from the list it is given) or what the SQL means.
 *
 * A connection is used by one thread at a time (SQLite runs in its multi-thread mode without
 * mutexes). Statements are cached per connection by the address of their SQL text and the mode in
 * which they were prepared; the text is compared too, so that a text which is no literal after all
 * costs a new preparation instead of running the wrong statement.
 */
#include "store_inner.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_SLOTS 512u
#define CACHE_PROBES 8u
#define BUSY_TIMEOUT_MS 5000

struct stmt {
    struct db *db;
    sqlite3_stmt *raw;
    const char *sql; /* address of the literal: the cache key */
    enum db_mode mode;
    bool is_busy;
    bool is_cached;
    bool is_at_end;         /* another step would start the query again */
    struct stmt *next_open; /* list of queries that were started and not done */
};

struct db {
    sqlite3 *raw;
    enum db_mode mode;
    struct stmt *open;
    char denied[64]; /* what the authorizer refused last */
    struct stmt *cache[CACHE_SLOTS];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Without memory statistics there is no global lock in the allocator. Fails harmlessly if SQLite is
 * already in use: the connections then still ask for no mutexes. */
static void configure(void)
{
    sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static bool means_full(int cause)
{
    return cause == ENOSPC || cause == EDQUOT || cause == EFBIG;
}

static enum err_code code_of(struct db *db, int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        if (rc == SQLITE_CONSTRAINT_UNIQUE || rc == SQLITE_CONSTRAINT_PRIMARYKEY ||
            rc == SQLITE_CONSTRAINT_ROWID)
            return ERR_EXISTS;
        return ERR_CONFLICT;
    case SQLITE_FULL:
        return ERR_NO_SPACE;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        /* SQLite does not keep the cause when a COMMIT fails: then errno still has it. */
        return means_full(errno) || means_full(sqlite3_system_errno(db->raw)) ? ERR_NO_SPACE
                                                                              : ERR_UNAVAILABLE;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_UNAVAILABLE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    default:
        return ERR_INTERNAL;
    }
}

/* Turns the connection's last failure into *e. */
static int db_fail(struct db *db, const char *sql, struct err *e)
{
    int rc = sqlite3_extended_errcode(db->raw);
    if ((rc & 0xff) == SQLITE_AUTH)
        return err_set(e, ERR_INTERNAL, "this transaction may not touch %s (in: %.200s)",
                       db->denied, sql);
    enum err_code code = code_of(db, rc);
    if (code == ERR_NO_SPACE)
        return err_set(e, code, "the disk that holds the database is full");
    if (code == ERR_INTERNAL)
        return err_set(e, code, "database: %s (in: %.200s)", sqlite3_errmsg(db->raw), sql);
    return err_set(e, code, "database: %s", sqlite3_errmsg(db->raw));
}

static bool is_working(const char *table)
{
    for (size_t i = 0; store_working_tables[i]; i++)
        if (strcmp(store_working_tables[i], table) == 0)
            return true;
    return false;
}

static int deny(struct db *db, const char *what)
{
    sqlite3_snprintf((int)sizeof db->denied, db->denied, "%s", what);
    return SQLITE_DENY;
}

/* SQLite asks here while it prepares a statement on the writer. */
static int authorize(void *self, int action, const char *a, const char *b, const char *schema,
                     const char *trigger)
{
    struct db *db = self;
    (void)b, (void)schema, (void)trigger;
    if (db->mode == DB_OWNER)
        return SQLITE_OK;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_FUNCTION:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_INSERT:
    case SQLITE_UPDATE:
    case SQLITE_DELETE:
        return db->mode == DB_FACT || is_working(a) ? SQLITE_OK : deny(db, a);
    default:
        return deny(db, "anything but rows");
    }
}

/* ---- connections ---- */

static int db_harden(struct db *db, bool is_writer, struct err *e)
{
    sqlite3_extended_result_codes(db->raw, 1);
    sqlite3_busy_timeout(db->raw, BUSY_TIMEOUT_MS);
    sqlite3_db_config(db->raw, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(db->raw, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->raw, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    if (!is_writer)
        return db_script(db,
                         "PRAGMA cell_size_check = ON; PRAGMA cache_size = -2000;"
                         "PRAGMA mmap_size = 2147418112;",
                         e);
    sqlite3_set_authorizer(db->raw, authorize, db);
    return db_script(db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "PRAGMA foreign_keys = ON; PRAGMA cell_size_check = ON;"
                     "PRAGMA cache_size = -2000; PRAGMA journal_size_limit = 67108864;",
                     e);
}

int db_open(const char *path, bool is_writer, struct db **out, struct err *e)
{
    pthread_once(&once, configure);
    struct db *db = mem_alloc(sizeof *db);
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE;
    flags |= is_writer ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY;
    bool is_open = sqlite3_open_v2(path, &db->raw, flags, NULL) == SQLITE_OK;
    int code = is_open ? db_harden(db, is_writer, e) : db_fail(db, "open", e);
    if (code) {
        err_prefix(e, "%s: ", path);
        db_close(db);
        return code;
    }
    *out = db;
    return ERR_OK;
}

static void stmt_free(struct stmt *q)
{
    sqlite3_finalize(q->raw);
    free(q);
}

void db_close(struct db *db)
{
    if (!db)
        return;
    db_end_queries(db);
    for (unsigned i = 0; i < CACHE_SLOTS; i++)
        if (db->cache[i])
            stmt_free(db->cache[i]);
    sqlite3_close_v2(db->raw);
    free(db);
}

void db_set_mode(struct db *db, enum db_mode mode)
{
    db->mode = mode;
}

bool db_in_transaction(struct db *db)
{
    return !sqlite3_get_autocommit(db->raw);
}

void db_end_queries(struct db *db)
{
    while (db->open)
        stmt_done(db->open);
}

int db_script(struct db *db, const char *sql, struct err *e)
{
    if (sqlite3_exec(db->raw, sql, NULL, NULL, NULL) != SQLITE_OK)
        return db_fail(db, sql, e);
    return ERR_OK;
}

void db_checkpoint(struct db *db)
{
    sqlite3_busy_timeout(db->raw, 0);
    (void)sqlite3_wal_checkpoint_v2(db->raw, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(db->raw, BUSY_TIMEOUT_MS);
}

int64_t db_changes(struct db *db)
{
    return sqlite3_changes64(db->raw);
}

/* ---- statements ---- */

static int stmt_prepare(struct db *db, const char *sql, bool is_cached, struct stmt **out,
                        struct err *e)
{
    sqlite3_stmt *raw = NULL;
    unsigned flags = is_cached ? SQLITE_PREPARE_PERSISTENT : 0;
    if (sqlite3_prepare_v3(db->raw, sql, -1, flags, &raw, NULL) != SQLITE_OK)
        return db_fail(db, sql, e);
    if (!raw)
        return err_set(e, ERR_INTERNAL, "empty SQL statement");
    struct stmt *q = mem_alloc(sizeof *q);
    *q = (struct stmt){db, raw, sql, db->mode, .is_cached = is_cached};
    *out = q;
    return ERR_OK;
}

/* The slot where sql is cached or may be cached now; NULL when all candidates are running. */
static struct stmt **cache_slot(struct db *db, const char *sql)
{
    uintptr_t key = ((uintptr_t)sql >> 3) * 2654435761u + (uintptr_t)db->mode;
    struct stmt **reusable = NULL;
    for (unsigned i = 0; i < CACHE_PROBES; i++) {
        struct stmt **slot = &db->cache[((key >> 7) + i) % CACHE_SLOTS];
        if (!*slot)
            return slot;
        if ((*slot)->sql == sql && (*slot)->mode == db->mode)
            return slot;
        if (!(*slot)->is_busy)
            reusable = slot;
    }
    return reusable;
}

/* A prepared, unbound statement for sql: cached, or a temporary one when that is running. */
static int stmt_get(struct db *db, const char *sql, struct stmt **out, struct err *e)
{
    struct stmt **slot = cache_slot(db, sql);
    if (!slot || (*slot && (*slot)->is_busy))
        return stmt_prepare(db, sql, false, out, e);
    if (*slot && (*slot)->sql == sql && (*slot)->mode == db->mode &&
        strcmp(sqlite3_sql((*slot)->raw), sql) == 0) {
        *out = *slot;
        return ERR_OK;
    }
    int code = stmt_prepare(db, sql, true, out, e);
    if (code)
        return code;
    if (*slot)
        stmt_free(*slot);
    *slot = *out;
    return ERR_OK;
}

static void stmt_release(struct stmt *q)
{
    sqlite3_reset(q->raw);
    sqlite3_clear_bindings(q->raw);
    q->is_busy = false;
    if (!q->is_cached)
        stmt_free(q);
}

/* keeps: the arguments may be gone before the statement is done, so they are copied. */
static int stmt_bind(struct stmt *q, bool keeps, const char *types, va_list args)
{
    sqlite3_destructor_type life = keeps ? SQLITE_TRANSIENT : SQLITE_STATIC;
    for (int i = 1; *types; types++, i++) {
        int rc = SQLITE_MISUSE;
        if (*types == 'i') {
            rc = sqlite3_bind_int64(q->raw, i, va_arg(args, int64_t));
        } else if (*types == 't') {
            rc = sqlite3_bind_text(q->raw, i, va_arg(args, const char *), -1, life);
        } else if (*types == 'd') {
            const struct digest *d = va_arg(args, const struct digest *);
            rc = sqlite3_bind_blob(q->raw, i, d ? d->b : NULL, DIGEST_BYTES, life);
        } else if (*types == 'b') {
            const void *p = va_arg(args, const void *);
            rc = sqlite3_bind_blob64(q->raw, i, p, va_arg(args, size_t), life);
        } else if (*types == 'n') {
            rc = sqlite3_bind_null(q->raw, i);
        }
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

/* A bound statement, ready for its first step. */
static int stmt_ready(struct db *db, const char *sql, bool keeps, struct stmt **out, struct err *e,
                      const char *types, va_list args)
{
    struct stmt *q = NULL;
    int code = stmt_get(db, sql, &q, e);
    if (code)
        return code;
    if (sqlite3_bind_parameter_count(q->raw) != (int)strlen(types) ||
        stmt_bind(q, keeps, types, args) != SQLITE_OK) {
        stmt_release(q);
        return err_set(e, ERR_INTERNAL, "arguments \"%s\" do not fit: %.200s", types, sql);
    }
    q->is_busy = true;
    q->is_at_end = false;
    *out = q;
    return ERR_OK;
}

int db_run(struct db *db, struct err *e, const char *sql, const char *types, ...)
{
    struct stmt *q = NULL;
    va_list args;
    va_start(args, types);
    int code = stmt_ready(db, sql, false, &q, e, types, args);
    va_end(args);
    if (code)
        return code;
    int rc = SQLITE_ROW;
    errno = 0;
    while (rc == SQLITE_ROW)
        rc = sqlite3_step(q->raw);
    if (rc != SQLITE_DONE)
        code = db_fail(db, sql, e);
    stmt_release(q);
    return code;
}

int db_query(struct db *db, struct stmt **out, struct err *e, const char *sql, const char *types,
             ...)
{
    struct stmt *q = NULL;
    va_list args;
    va_start(args, types);
    int code = stmt_ready(db, sql, true, &q, e, types, args);
    va_end(args);
    if (code)
        return code;
    q->next_open = db->open;
    db->open = q;
    *out = q;
    return ERR_OK;
}

int db_int(struct db *db, int64_t *out, bool *found, struct err *e, const char *sql,
           const char *types, ...)
{
    struct stmt *q = NULL;
    va_list args;
    va_start(args, types);
    int code = stmt_ready(db, sql, false, &q, e, types, args);
    va_end(args);
    if (code)
        return code;
    int rc = sqlite3_step(q->raw);
    if (rc == SQLITE_ROW)
        *out = sqlite3_column_int64(q->raw, 0);
    else if (rc != SQLITE_DONE)
        code = db_fail(db, sql, e);
    if (found && !code)
        *found = rc == SQLITE_ROW;
    stmt_release(q);
    return code;
}

int stmt_next(struct stmt *q, bool *row, struct err *e)
{
    int rc = q->is_at_end ? SQLITE_DONE : sqlite3_step(q->raw);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return db_fail(q->db, sqlite3_sql(q->raw), e);
    q->is_at_end = rc == SQLITE_DONE;
    *row = rc == SQLITE_ROW;
    return ERR_OK;
}

void stmt_done(struct stmt *q)
{
    if (!q)
        return;
    struct stmt **link = &q->db->open;
    while (*link && *link != q)
        link = &(*link)->next_open;
    if (*link)
        *link = q->next_open;
    stmt_release(q);
}

void stmt_done_ptr(struct stmt **q)
{
    stmt_done(*q);
}

/* ---- columns ---- */

int64_t stmt_int(struct stmt *q, int column)
{
    return sqlite3_column_int64(q->raw, column);
}

const char *stmt_text(struct stmt *q, int column)
{
    return (const char *)sqlite3_column_text(q->raw, column);
}

const void *stmt_blob(struct stmt *q, int column, size_t *n)
{
    const void *p = sqlite3_column_blob(q->raw, column);
    *n = (size_t)sqlite3_column_bytes(q->raw, column);
    return p;
}

bool stmt_digest(struct stmt *q, int column, struct digest *out)
{
    size_t n;
    const void *p = stmt_blob(q, column, &n);
    if (!p || n != DIGEST_BYTES)
        return false;
    memcpy(out->b, p, DIGEST_BYTES);
    return true;
}

bool stmt_is_null(struct stmt *q, int column)
{
    return sqlite3_column_type(q->raw, column) == SQLITE_NULL;
}
