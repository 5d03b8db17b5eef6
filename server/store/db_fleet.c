/*
 * SQL of environments. Must not know rules. Runs on the thread that uses the connection.
 */
#include "db_fleet.h"

/* First column of the first row as text in arena, or NULL; ends the query. */
static int one_text(struct stmt *q, struct arena *a, const char **out, struct err *e)
{
    struct stmt *query CLEANUP(stmt_done_ptr) = q;
    bool row = false;
    int rc = stmt_next(query, &row, e);

    if (rc == ERR_OK)
        *out = row ? arena_strdup(a, stmt_text(query, 0)) : NULL;
    return rc;
}

/* --- environments ----------------------------------------------------------------------------- */

/* Columns: env_id, name, position, policy, created_seq, created_ts, number of nodes. */
static struct env_row read_env(struct stmt *q, struct arena *a)
{
    return (struct env_row){.env_id = stmt_int(q, 0),
                            .name = arena_strdup(a, stmt_text(q, 1)),
                            .position = stmt_int(q, 2),
                            .policy = arena_strdup(a, stmt_text(q, 3)),
                            .created_seq = stmt_int(q, 4),
                            .created_ms = stmt_int(q, 5),
                            .n_nodes = stmt_int(q, 6)};
}

int db_env_find(struct db *db, const char *name, struct arena *a, struct env_row *out, bool *found,
                struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT v.env_id, v.name, v.position, v.policy, v.created_seq, v.created_ts,"
                      " (SELECT COUNT(*) FROM nodes n WHERE n.env_id = v.env_id)"
                      " FROM environments v WHERE v.name = ?1",
                      "t", name);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_env(q, a);
    return rc;
}

int db_env_unreachable(struct db *db, int64_t env_id, int64_t *n, struct err *e)
{
    *n = 0;
    return db_int(db, n, NULL, e,
                  "SELECT COUNT(*) FROM nodes n LEFT JOIN node_health h ON h.node_id = n.node_id"
                  " WHERE n.env_id = ?1 AND COALESCE(h.is_reachable, 0) = 0",
                  "i", env_id);
}

int db_env_list(struct db *db, struct arena *a, struct env_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct env_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ v.env_id, v.name, v.position, v.policy, v.created_seq,"
                      " v.created_ts, (SELECT COUNT(*) FROM nodes n WHERE n.env_id = v.env_id)"
                      " FROM environments v ORDER BY v.position, v.name",
                      "");
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_env(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_env_insert(struct db *db, const struct env_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO environments (name, position, policy, created_seq, created_ts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5)",
                  "titii", v->name, v->position, v->policy, v->created_seq, v->created_ms);
}

int db_env_update(struct db *db, const struct env_row *v, struct err *e)
{
    return db_run(db, e, "UPDATE environments SET position = ?1, policy = ?2 WHERE env_id = ?3",
                  "iti", v->position, v->policy, v->env_id);
}

int db_env_delete(struct db *db, int64_t env_id, struct err *e)
{
    return db_run(db, e, "DELETE FROM environments WHERE env_id = ?1", "i", env_id);
}

int db_env_next_position(struct db *db, int64_t *position, struct err *e)
{
    return db_int(db, position, NULL, e,
                  "SELECT /*scan*/ COALESCE(MAX(position) + 1, 0) FROM environments", "");
}

int db_alias_user(struct db *db, const char *alias, struct arena *a, const char **model,
                  struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ m.name FROM aliases x JOIN models m"
                      " ON m.model_id = x.model_id WHERE x.alias = ?1 AND m.deleted_ts IS NULL"
                      " LIMIT 1",
                      "t", alias);

    return rc == ERR_OK ? one_text(q, a, model, e) : rc;
}

int db_env_active(struct db *db, int64_t env_id, struct arena *a, const char **rollout,
                  struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT r.rollout_id FROM targets t JOIN rollouts r"
                      " ON r.target_id = t.target_id AND r.is_active = 1 WHERE t.env_id = ?1"
                      " ORDER BY r.submitted_seq LIMIT 1",
                      "i", env_id);

    return rc == ERR_OK ? one_text(q, a, rollout, e) : rc;
}

int db_env_user(struct db *db, int64_t env_id, struct arena *a, const char **model, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT m.name FROM targets t JOIN models m ON m.model_id = t.model_id"
                      " WHERE t.env_id = ?1 LIMIT 1",
                      "i", env_id);

    return rc == ERR_OK ? one_text(q, a, model, e) : rc;
}
