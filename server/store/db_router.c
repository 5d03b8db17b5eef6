/*
 * SQL of routers and of what was seen of them. Must not know rules. Runs on the thread that uses
 * the connection.
 */
#include "db_router.h"

#include <string.h>

/* What a router_row is read from. */
#define ROUTER_COLUMNS                                                                       \
    "SELECT r.router_id, r.env_id, v.name, r.name, r.driver, r.address, r.file, r.pid_file," \
    " r.backend, r.server_label, r.created_seq, r.created_ts, COALESCE(h.is_reachable, 0),"  \
    " COALESCE(h.since_ts, 0), COALESCE(h.observed_ts, 0), h.detail"                         \
    " FROM environments v JOIN routers r ON r.env_id = v.env_id"                             \
    " LEFT JOIN router_health h ON h.router_id = r.router_id"

static struct router_row read_router(struct stmt *q, struct arena *a)
{
    return (struct router_row){.router_id = stmt_int(q, 0),
                               .env_id = stmt_int(q, 1),
                               .env = arena_strdup(a, stmt_text(q, 2)),
                               .config = {.name = arena_strdup(a, stmt_text(q, 3)),
                                          .driver = arena_strdup(a, stmt_text(q, 4)),
                                          .address = arena_strdup(a, stmt_text(q, 5)),
                                          .file = arena_strdup(a, stmt_text(q, 6)),
                                          .pid_file = arena_strdup(a, stmt_text(q, 7)),
                                          .backend = arena_strdup(a, stmt_text(q, 8)),
                                          .server_label = arena_strdup(a, stmt_text(q, 9))},
                               .created_seq = stmt_int(q, 10),
                               .created_ms = stmt_int(q, 11),
                               .is_reachable = stmt_int(q, 12) != 0,
                               .since_ms = stmt_int(q, 13),
                               .seen_ms = stmt_int(q, 14),
                               .detail = arena_strdup(a, stmt_text(q, 15))};
}

int db_router_find(struct db *db, const char *env, const char *name, struct arena *a,
                   struct router_row *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc =
        db_query(db, &q, e, ROUTER_COLUMNS " WHERE v.name = ?1 AND r.name = ?2", "tt", env, name);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_router(q, a);
    return rc;
}

int db_router_list(struct db *db, int64_t env_id, struct arena *a, struct router_row **out,
                   size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int64_t count = 0;
    int rc =
        db_int(db, &count, NULL, e, "SELECT COUNT(*) FROM routers WHERE env_id = ?1", "i", env_id);
    struct router_row *list = arena_alloc(a, ((size_t)count + 1) * sizeof(*list));
    size_t len = 0;

    if (rc == ERR_OK)
        rc =
            db_query(db, &q, e, ROUTER_COLUMNS " WHERE v.env_id = ?1 ORDER BY r.name", "i", env_id);
    for (bool row = rc == ERR_OK; row && (rc = stmt_next(q, &row, e)) == ERR_OK && row;)
        if (len < (size_t)count)
            list[len++] = read_router(q, a);
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_router_user(struct db *db, const struct router_row *v, struct arena *a, const char **user,
                   struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ v.name, r.name FROM routers r"
                      " JOIN environments v ON v.env_id = r.env_id"
                      " WHERE (r.address = ?1 OR r.file = ?2) AND r.router_id <> ?3 LIMIT 1",
                      "tti", v->config.address, v->config.file, v->router_id);

    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK)
        *user = row ? arena_printf(a, "%s/%s", stmt_text(q, 0), stmt_text(q, 1)) : NULL;
    return rc;
}

int db_router_insert(struct db *db, const struct router_row *v, struct err *e)
{
    const struct router_config *c = &v->config;

    return db_run(db, e,
                  "INSERT INTO routers (router_id, env_id, name, driver, address, file, pid_file,"
                  " backend, server_label, created_seq, created_ts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                  "iitttttttii", v->router_id, v->env_id, c->name, c->driver, c->address, c->file,
                  c->pid_file, c->backend, c->server_label, v->created_seq, v->created_ms);
}

int db_router_update(struct db *db, const struct router_row *v, struct err *e)
{
    const struct router_config *c = &v->config;

    return db_run(db, e,
                  "UPDATE routers SET address = ?1, file = ?2, pid_file = ?3, backend = ?4,"
                  " server_label = ?5 WHERE router_id = ?6",
                  "ttttti", c->address, c->file, c->pid_file, c->backend, c->server_label,
                  v->router_id);
}

int db_router_delete(struct db *db, int64_t router_id, struct err *e)
{
    int rc = db_run(db, e, "DELETE FROM router_views WHERE router_id = ?1", "i", router_id);

    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM router_health WHERE router_id = ?1", "i", router_id);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM routers WHERE router_id = ?1", "i", router_id);
    return rc;
}

/* --- what was seen ---------------------------------------------------------------------------- */

int db_router_health_put(struct db *db, const struct router_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO router_health (router_id, is_reachable, since_ts, observed_ts,"
                  " detail) SELECT router_id, ?2, ?3, ?4, ?5 FROM routers WHERE router_id = ?1"
                  " ON CONFLICT (router_id) DO UPDATE SET is_reachable = excluded.is_reachable,"
                  " since_ts = excluded.since_ts, observed_ts = excluded.observed_ts,"
                  " detail = excluded.detail",
                  "iiiit", v->router_id, (int64_t)v->is_reachable, v->since_ms, v->seen_ms,
                  v->detail);
}

static int read_views(struct stmt *query, struct arena *a, struct router_view **out, size_t *n,
                      struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    struct router_view *list = NULL;
    size_t len = 0;
    bool row = true;
    int rc = ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = (struct router_view){.router_id = stmt_int(q, 0),
                                           .target_id = stmt_int(q, 1),
                                           .model = arena_strdup(a, stmt_text(q, 2)),
                                           .serve_as = arena_strdup(a, stmt_text(q, 3)),
                                           .state = arena_strdup(a, stmt_text(q, 4)),
                                           .observation = arena_strdup(a, stmt_text(q, 5)),
                                           .observed_ms = stmt_int(q, 6)};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_router_views(struct db *db, int64_t router_id, struct arena *a, struct router_view **out,
                    size_t *n, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT w.router_id, w.target_id, m.name, t.serve_as, w.state,"
                      " w.observation, w.observed_ts FROM router_views w"
                      " JOIN targets t ON t.target_id = w.target_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " WHERE w.router_id = ?1 ORDER BY w.target_id",
                      "i", router_id);

    return rc == ERR_OK ? read_views(q, a, out, n, e) : rc;
}

int db_target_routes(struct db *db, int64_t target_id, struct arena *a, struct router_view **out,
                     size_t *n, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT w.router_id, w.target_id, m.name, r.name, w.state,"
                      " w.observation, w.observed_ts FROM targets t"
                      " JOIN models m ON m.model_id = t.model_id"
                      " JOIN routers r ON r.env_id = t.env_id"
                      " JOIN router_views w ON w.router_id = r.router_id"
                      " AND w.target_id = t.target_id"
                      " WHERE t.target_id = ?1 ORDER BY r.name",
                      "i", target_id);

    return rc == ERR_OK ? read_views(q, a, out, n, e) : rc;
}

int db_router_view_put(struct db *db, const struct router_view *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO router_views (router_id, target_id, state, observation,"
                  " observed_ts) SELECT router_id, ?2, ?3, ?4, ?5 FROM routers"
                  " WHERE router_id = ?1"
                  " ON CONFLICT (router_id, target_id) DO UPDATE SET state = excluded.state,"
                  " observation = excluded.observation, observed_ts = excluded.observed_ts",
                  "iitti", v->router_id, v->target_id, v->state, v->observation, v->observed_ms);
}
