/*
 * SQL of environments and nodes. Must not know rules. Runs on the thread that uses the connection.
 */
#include "db_fleet.h"

#include <string.h>

/* One more item of a growing list in arena. */
static void *grow(struct arena *a, void *items, size_t n, size_t size)
{
    bool is_full = n == 0 || (n >= 8 && (n & (n - 1)) == 0);
    void *more;

    if (!is_full)
        return items;
    more = arena_alloc(a, (n < 8 ? 8 : n * 2) * size);
    if (n > 0)
        memcpy(more, items, n * size);
    return more;
}

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
        list = grow(a, list, len, sizeof(*list));
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

/* --- nodes ------------------------------------------------------------------------------------ */

/* Columns: node_id, env_id, env, name, driver, admin_url, infer_url, metrics_url, delivery, root,
 * labels, created_seq, created_ts, is_reachable, since_ts, observed_ts, detail. */
static struct node_row read_node(struct stmt *q, struct arena *a)
{
    return (struct node_row){.node_id = stmt_int(q, 0),
                             .env_id = stmt_int(q, 1),
                             .env = arena_strdup(a, stmt_text(q, 2)),
                             .name = arena_strdup(a, stmt_text(q, 3)),
                             .driver = arena_strdup(a, stmt_text(q, 4)),
                             .admin_url = arena_strdup(a, stmt_text(q, 5)),
                             .infer_url = arena_strdup(a, stmt_text(q, 6)),
                             .metrics_url = arena_strdup(a, stmt_text(q, 7)),
                             .delivery = arena_strdup(a, stmt_text(q, 8)),
                             .root = arena_strdup(a, stmt_text(q, 9)),
                             .labels = arena_strdup(a, stmt_text(q, 10)),
                             .created_seq = stmt_int(q, 11),
                             .created_ms = stmt_int(q, 12),
                             .is_reachable = stmt_int(q, 13) != 0,
                             .since_ms = stmt_int(q, 14),
                             .seen_ms = stmt_int(q, 15),
                             .detail = arena_strdup(a, stmt_text(q, 16))};
}

int db_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                 struct node_row *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT n.node_id, n.env_id, v.name, n.name, n.driver, n.admin_url,"
                      " n.infer_url, n.metrics_url, n.delivery, n.root, n.labels, n.created_seq,"
                      " n.created_ts, COALESCE(h.is_reachable, 0), COALESCE(h.since_ts, 0),"
                      " COALESCE(h.observed_ts, 0), h.detail"
                      " FROM environments v JOIN nodes n ON n.env_id = v.env_id"
                      " LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " WHERE v.name = ?1 AND n.name = ?2",
                      "tt", env, name);

    if (rc == ERR_OK)
        rc = stmt_next(q, found, e);
    if (rc == ERR_OK && *found)
        *out = read_node(q, a);
    return rc;
}

int db_node_page(struct db *db, const char *env, const char *after, int64_t limit, struct arena *a,
                 struct node_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT n.node_id, n.env_id, v.name, n.name, n.driver, n.admin_url,"
                      " n.infer_url, n.metrics_url, n.delivery, n.root, n.labels, n.created_seq,"
                      " n.created_ts, COALESCE(h.is_reachable, 0), COALESCE(h.since_ts, 0),"
                      " COALESCE(h.observed_ts, 0), h.detail"
                      " FROM environments v JOIN nodes n ON n.env_id = v.env_id"
                      " LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " WHERE v.name = ?1 AND n.name > ?2 ORDER BY n.name LIMIT ?3",
                      "tti", env, after, limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = grow(a, list, len, sizeof(*list));
        list[len++] = read_node(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_node_insert(struct db *db, const struct node_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO nodes (env_id, name, driver, admin_url, infer_url, metrics_url,"
                  " delivery, root, labels, created_seq, created_ts)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                  "ittttttttii", v->env_id, v->name, v->driver, v->admin_url, v->infer_url,
                  v->metrics_url, v->delivery, v->root, v->labels, v->created_seq, v->created_ms);
}

int db_node_update(struct db *db, const struct node_row *v, struct err *e)
{
    return db_run(db, e,
                  "UPDATE nodes SET driver = ?1, admin_url = ?2, infer_url = ?3, metrics_url = ?4,"
                  " delivery = ?5, root = ?6, labels = ?7 WHERE node_id = ?8",
                  "ttttttti", v->driver, v->admin_url, v->infer_url, v->metrics_url, v->delivery,
                  v->root, v->labels, v->node_id);
}

int db_node_delete(struct db *db, int64_t node_id, struct err *e)
{
    int rc = db_run(db, e, "DELETE FROM node_views WHERE node_id = ?1", "i", node_id);

    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM node_health WHERE node_id = ?1", "i", node_id);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE /*scan*/ FROM node_ops WHERE node_id = ?1", "i", node_id);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE /*scan*/ FROM samples WHERE node_id = ?1", "i", node_id);
    if (rc == ERR_OK)
        rc = db_run(db, e, "DELETE FROM nodes WHERE node_id = ?1", "i", node_id);
    return rc;
}

int db_node_roots(struct db *db, struct arena *a, struct node_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ n.node_id, v.name, n.name, n.root FROM nodes n"
                      " JOIN environments v ON v.env_id = n.env_id WHERE n.root IS NOT NULL",
                      "");
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = grow(a, list, len, sizeof(*list));
        list[len++] = (struct node_row){.node_id = stmt_int(q, 0),
                                        .env = arena_strdup(a, stmt_text(q, 1)),
                                        .name = arena_strdup(a, stmt_text(q, 2)),
                                        .root = arena_strdup(a, stmt_text(q, 3))};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

/* Columns: node_id, node, target_id, model, serve_as, live, observation, observed_ts,
 * is_reachable. */
static int read_sights(struct stmt *query, struct arena *a, struct node_sight **out, size_t *n,
                       struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    struct node_sight *list = NULL;
    size_t len = 0;
    bool row = true;
    int rc = ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = grow(a, list, len, sizeof(*list));
        list[len++] = (struct node_sight){.node_id = stmt_int(q, 0),
                                          .node = arena_strdup(a, stmt_text(q, 1)),
                                          .target_id = stmt_int(q, 2),
                                          .model = arena_strdup(a, stmt_text(q, 3)),
                                          .serve_as = arena_strdup(a, stmt_text(q, 4)),
                                          .live = stmt_int(q, 5),
                                          .observation = arena_strdup(a, stmt_text(q, 6)),
                                          .seen_ms = stmt_int(q, 7),
                                          .is_reachable = stmt_int(q, 8) != 0};
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_node_sights(struct db *db, int64_t node_id, struct arena *a, struct node_sight **out,
                   size_t *n, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT n.node_id, n.name, t.target_id, m.name, t.serve_as,"
                      " COALESCE(t.live_number, 0), w.observation, w.observed_ts,"
                      " COALESCE(h.is_reachable, 0)"
                      " FROM node_views w JOIN nodes n ON n.node_id = w.node_id"
                      " LEFT JOIN node_health h ON h.node_id = w.node_id"
                      " JOIN targets t ON t.target_id = w.target_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " WHERE w.node_id = ?1 ORDER BY t.target_id",
                      "i", node_id);

    return rc == ERR_OK ? read_sights(q, a, out, n, e) : rc;
}

int db_target_sights(struct db *db, int64_t target_id, struct arena *a, struct node_sight **out,
                     size_t *n, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT n.node_id, n.name, t.target_id, m.name, t.serve_as,"
                      " COALESCE(t.live_number, 0), w.observation, COALESCE(w.observed_ts, 0),"
                      " COALESCE(h.is_reachable, 0)"
                      " FROM targets t JOIN models m ON m.model_id = t.model_id"
                      " JOIN nodes n ON n.env_id = t.env_id"
                      " LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " LEFT JOIN node_views w ON w.node_id = n.node_id"
                      " AND w.target_id = t.target_id WHERE t.target_id = ?1 ORDER BY n.name",
                      "i", target_id);

    return rc == ERR_OK ? read_sights(q, a, out, n, e) : rc;
}

int db_node_busy(struct db *db, int64_t node_id, struct arena *a, struct node_work *out,
                 struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT o.action, m.name, o.number FROM node_ops o"
                      " JOIN targets t ON t.target_id = o.target_id"
                      " JOIN models m ON m.model_id = t.model_id"
                      " WHERE o.state = 'open' AND o.node_id = ?1 LIMIT 1",
                      "i", node_id);

    *out = (struct node_work){0};
    if (rc == ERR_OK)
        rc = stmt_next(q, &row, e);
    if (rc == ERR_OK && row)
        *out = (struct node_work){.action = arena_strdup(a, stmt_text(q, 0)),
                                  .model = arena_strdup(a, stmt_text(q, 1)),
                                  .number = stmt_int(q, 2)};
    return rc;
}
