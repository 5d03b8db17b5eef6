/*
 * SQL of people and their sessions: one function per statement, rows as plain data. Must not know
 * roles, passwords or HTTP. Runs on whatever thread holds the connection.
 */
#include "db_account.h"

#define USER_COLUMNS                                                                    \
    "SELECT u.user_id, u.name, u.role, u.models, u.password, u.created_by, u.subject, " \
    "u.created_ts, l.last_login_ts FROM users u LEFT JOIN user_logins l ON l.user_id = u.user_id "

int db_user_insert(struct db *db, const struct db_user *u, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO users (user_id, name, role, models, password, created_by, subject, "
                  "created_ts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                  "ttttttti", u->id, u->name, u->role, u->models, u->password, u->created_by,
                  u->subject, u->created_ms);
}

int db_user_update(struct db *db, const struct db_user *u, struct err *e)
{
    return db_run(db, e,
                  "UPDATE users SET role = ?2, models = ?3, password = ?4, subject = ?5 "
                  "WHERE user_id = ?1",
                  "ttttt", u->id, u->role, u->models, u->password, u->subject);
}

/* The id cannot be anybody's name: it holds no letter but the first. */
int db_user_remove(struct db *db, const char *id, struct err *e)
{
    return db_run(db, e,
                  "UPDATE users SET is_removed = 1, password = '', subject = NULL, "
                  "name = '~' || user_id WHERE user_id = ?1",
                  "t", id);
}

static void read_user(struct stmt *q, struct arena *a, struct db_user *out)
{
    *out = (struct db_user){.id = arena_strdup(a, stmt_text(q, 0)),
                            .name = arena_strdup(a, stmt_text(q, 1)),
                            .role = arena_strdup(a, stmt_text(q, 2)),
                            .models = arena_strdup(a, stmt_text(q, 3)),
                            .password = arena_strdup(a, stmt_text(q, 4)),
                            .created_by = arena_strdup(a, stmt_text(q, 5)),
                            .subject = stmt_is_null(q, 6) ? NULL : arena_strdup(a, stmt_text(q, 6)),
                            .created_ms = stmt_int(q, 7),
                            .last_login_ms = stmt_is_null(q, 8) ? 0 : stmt_int(q, 8)};
}

static int read_one(struct stmt *q, struct arena *a, struct db_user *out, struct err *e)
{
    bool row = false;
    int rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no such user");
    read_user(q, a, out);
    return 0;
}

int db_user_by_name(struct db *db, const char *name, struct arena *a, struct db_user *out,
                    struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e, USER_COLUMNS "WHERE u.name = ?1 AND u.is_removed = 0", "t", name);
    return rc ? rc : read_one(q, a, out, e);
}

int db_user_by_id(struct db *db, const char *id, struct arena *a, struct db_user *out,
                  struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e, USER_COLUMNS "WHERE u.user_id = ?1 AND u.is_removed = 0", "t", id);
    return rc ? rc : read_one(q, a, out, e);
}

int db_user_by_subject(struct db *db, const char *subject, struct arena *a, struct db_user *out,
                       struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc =
        db_query(db, &q, e, USER_COLUMNS "WHERE u.subject = ?1 AND u.is_removed = 0", "t", subject);
    return rc ? rc : read_one(q, a, out, e);
}

int db_user_list(struct db *db, const char *after, int64_t limit, struct arena *a,
                 struct db_user **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      USER_COLUMNS "WHERE u.name > ?1 AND u.is_removed = 0 ORDER BY u.name "
                                   "LIMIT ?2",
                      "ti", after ? after : "", limit);
    if (rc)
        return rc;
    struct db_user *rows = arena_alloc(a, (size_t)limit * sizeof *rows);
    size_t count = 0;
    bool row = false;
    while ((rc = stmt_next(q, &row, e)) == 0 && row && count < (size_t)limit)
        read_user(q, a, &rows[count++]);
    if (rc)
        return rc;
    *out = rows;
    *n = count;
    return 0;
}

int db_user_has_passwords(struct db *db, bool *yes, struct err *e)
{
    int64_t one = 0;
    return db_int(db, &one, yes, e, "/*scan*/ SELECT 1 FROM users WHERE password <> '' LIMIT 1",
                  "");
}

int db_session_put(struct db *db, const struct db_session *s, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO sessions (hash, actor, created_ts, expires_ts) "
                  "VALUES (?1, ?2, ?3, ?4) "
                  "ON CONFLICT (hash) DO UPDATE SET expires_ts = excluded.expires_ts",
                  "dtii", &s->hash, s->actor, s->created_ms, s->expires_ms);
}

int db_session_get(struct db *db, const struct digest *hash, struct arena *a,
                   struct db_session *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(
        db, &q, e, "SELECT actor, created_ts, expires_ts FROM sessions WHERE hash = ?1", "d", hash);
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no such session");
    *out = (struct db_session){.hash = *hash,
                               .actor = arena_strdup(a, stmt_text(q, 0)),
                               .created_ms = stmt_int(q, 1),
                               .expires_ms = stmt_int(q, 2)};
    return 0;
}

int db_session_end(struct db *db, const struct digest *hash, struct err *e)
{
    return db_run(db, e, "DELETE FROM sessions WHERE hash = ?1", "d", hash);
}

int db_session_end_all(struct db *db, const char *actor, struct err *e)
{
    return db_run(db, e, "DELETE FROM sessions WHERE actor = ?1", "t", actor);
}

int db_session_purge(struct db *db, int64_t before_ms, struct err *e)
{
    return db_run(db, e, "DELETE FROM sessions WHERE expires_ts < ?1", "i", before_ms);
}

int db_user_login(struct db *db, const char *id, int64_t ms, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO user_logins (user_id, last_login_ts) VALUES (?1, ?2) "
                  "ON CONFLICT (user_id) DO UPDATE SET last_login_ts = excluded.last_login_ts",
                  "ti", id, ms);
}

int db_actor_name(struct db *db, const char *actor, struct arena *a, const char **name,
                  struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool is_user = actor[0] == 'u' && actor[1] == '-';
    bool row = false;

    *name = NULL;
    if (!is_user && (actor[0] != 't' || actor[1] != '-'))
        return ERR_OK;
    int rc = db_query(db, &q, e,
                      is_user ? "SELECT name FROM users WHERE user_id = ?1 AND is_removed = 0"
                              : "SELECT name FROM tokens WHERE token_id = ?1",
                      "t", actor);
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *name = arena_strdup(a, stmt_text(q, 0));
    return rc;
}

int db_actor_id(struct db *db, const char *name, struct arena *a, const char **id, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "/*scan*/ SELECT user_id, 1, created_ts FROM users"
                      " WHERE is_removed = 0 AND LOWER(name) = LOWER(?1)"
                      " UNION ALL SELECT token_id, 2, created_ts FROM tokens"
                      " WHERE LOWER(name) = LOWER(?1) ORDER BY 2, 3 DESC LIMIT 1",
                      "t", name);

    *id = NULL;
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *id = arena_strdup(a, stmt_text(q, 0));
    return rc;
}
