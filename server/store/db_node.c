/*
 * SQL of nodes: their records, leases and cordons, and what was last seen of them. Must not know
 * rules. Runs on the thread that uses the connection.
 */
#include "db_fleet.h"

#include <string.h>

/* --- nodes ------------------------------------------------------------------------------------ */

/* What a node_row is read from. */
#define NODE_COLUMNS                                                                     \
    "SELECT n.node_id, n.env_id, v.name, n.name, n.driver, n.admin_url, n.infer_url,"    \
    " n.metrics_url, n.delivery, n.root, n.labels, n.created_seq, n.created_ts,"         \
    " COALESCE(h.is_reachable, 0), COALESCE(h.since_ts, 0), COALESCE(h.observed_ts, 0)," \
    " h.detail, n.lease_ms, n.registered_by, n.cordon, n.cordon_by, n.cordon_reason,"    \
    " COALESCE(n.cordon_ts, 0), COALESCE(h.started_ts, 0), COALESCE(h.restarted_ts, 0)," \
    " COALESCE(h.n_restarts, 0), COALESCE(l.renewed_ts, 0)"                              \
    " FROM environments v JOIN nodes n ON n.env_id = v.env_id"                           \
    " LEFT JOIN node_health h ON h.node_id = n.node_id"                                  \
    " LEFT JOIN node_leases l ON l.node_id = n.node_id"

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
                             .detail = arena_strdup(a, stmt_text(q, 16)),
                             .lease_ms = stmt_int(q, 17),
                             .registered_by = arena_strdup(a, stmt_text(q, 18)),
                             .cordon = arena_strdup(a, stmt_text(q, 19)),
                             .cordon_by = arena_strdup(a, stmt_text(q, 20)),
                             .cordon_reason = arena_strdup(a, stmt_text(q, 21)),
                             .cordon_ms = stmt_int(q, 22),
                             .started_ms = stmt_int(q, 23),
                             .restarted_ms = stmt_int(q, 24),
                             .n_restarts = stmt_int(q, 25),
                             .renewed_ms = stmt_int(q, 26)};
}

int db_node_find(struct db *db, const char *env, const char *name, struct arena *a,
                 struct node_row *out, bool *found, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    int rc =
        db_query(db, &q, e, NODE_COLUMNS " WHERE v.name = ?1 AND n.name = ?2", "tt", env, name);

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
                      NODE_COLUMNS " WHERE v.name = ?1 AND n.name > ?2 ORDER BY n.name LIMIT ?3",
                      "tti", env, after, limit);
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_node(q, a);
    }
    if (rc == ERR_OK) {
        *out = list;
        *n = len;
    }
    return rc;
}

int db_node_pick(struct db *db, const struct node_pick *pick, struct arena *a,
                 struct node_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_row *list = NULL;
    size_t len = 0;
    bool row = false;
    int rc = db_query(
        db, &q, e,
        NODE_COLUMNS " WHERE v.name = ?1 AND n.name > ?2"
                     " AND (?4 = '' OR (?4 = 'cordoned' AND n.cordon IS NOT NULL)"
                     " OR (?4 = 'reachable' AND COALESCE(h.is_reachable, 0) = 1)"
                     " OR (?4 = 'unreachable' AND COALESCE(h.is_reachable, 0) = 0))"
                     " AND LOWER(n.name) LIKE ?5 ESCAPE '\\' AND n.labels LIKE ?6 ESCAPE '\\'"
                     " ORDER BY n.name LIMIT ?3",
        "ttittt", pick->env, pick->after, pick->limit, pick->state != NULL ? pick->state : "",
        db_like(a, "%", pick->word), db_like(a, "%", pick->label));

    while (rc == ERR_OK && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
        list[len++] = read_node(q, a);
    }
    *out = list;
    *n = rc == ERR_OK ? len : 0;
    return rc;
}

static int insert_numbered(struct db *db, const struct node_row *v, struct err *e)
{
    return db_run(db, e,
                  "INSERT INTO nodes (node_id, env_id, name, driver, admin_url, infer_url,"
                  " metrics_url, delivery, root, labels, created_seq, created_ts, lease_ms,"
                  " registered_by)"
                  " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
                  "iittttttttiiit", v->node_id, v->env_id, v->name, v->driver, v->admin_url,
                  v->infer_url, v->metrics_url, v->delivery, v->root, v->labels, v->created_seq,
                  v->created_ms, v->lease_ms, v->registered_by);
}

int db_node_insert(struct db *db, const struct node_row *v, struct err *e)
{
    if (v->node_id != 0)
        return insert_numbered(db, v, e);
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
                  " delivery = ?5, root = ?6, labels = ?7, lease_ms = ?8, registered_by = ?9"
                  " WHERE node_id = ?10",
                  "tttttttiti", v->driver, v->admin_url, v->infer_url, v->metrics_url, v->delivery,
                  v->root, v->labels, v->lease_ms, v->registered_by, v->node_id);
}

int db_node_set_cordon(struct db *db, const struct node_row *v, struct err *e)
{
    return db_run(db, e,
                  "UPDATE nodes SET cordon = ?1, cordon_by = ?2, cordon_reason = ?3,"
                  " cordon_ts = ?4 WHERE node_id = ?5",
                  "tttii", v->cordon, v->cordon_by, v->cordon_reason, v->cordon_ms, v->node_id);
}

int db_node_delete(struct db *db, int64_t node_id, struct err *e)
{
    static const char *const statements[] = {
        "DELETE FROM node_views WHERE node_id = ?1",
        "DELETE FROM node_health WHERE node_id = ?1",
        "DELETE FROM node_leases WHERE node_id = ?1",
        "DELETE FROM node_probes WHERE node_id = ?1",
        "DELETE FROM node_drifts WHERE node_id = ?1",
        "DELETE FROM node_ops WHERE node_id = ?1",
        "DELETE /*scan*/ FROM samples WHERE node_id = ?1",
        "DELETE FROM nodes WHERE node_id = ?1",
    };
    int rc = ERR_OK;

    for (size_t i = 0; rc == ERR_OK && i < ARRAY_LEN(statements); i++)
        rc = db_run(db, e, statements[i], "i", node_id);
    return rc;
}

int db_node_roots(struct db *db, struct arena *a, struct node_row **out, size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_row *list = NULL;
    size_t len = 0;
    int rc = db_query(db, &q, e,
                      "SELECT /*scan*/ n.node_id, v.name, n.name, n.root FROM nodes n"
                      " JOIN environments v ON v.env_id = n.env_id WHERE n.root IS NOT "
                      "NULL",
                      "");
    bool row = rc == ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
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

/* Columns: node_id, node, target_id, model, serve_as, live, observation,
 * observed_ts, is_reachable. */
static int read_sights(struct stmt *query, struct arena *a, struct node_sight **out, size_t *n,
                       struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = query;
    struct node_sight *list = NULL;
    size_t len = 0;
    bool row = true;
    int rc = ERR_OK;

    while (row && (rc = stmt_next(q, &row, e)) == ERR_OK && row) {
        list = arena_grow(a, list, len, sizeof(*list));
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
                      " COALESCE(t.live_number, 0), w.observation, "
                      "COALESCE(w.observed_ts, 0),"
                      " COALESCE(h.is_reachable, 0)"
                      " FROM targets t JOIN models m ON m.model_id = t.model_id"
                      " JOIN nodes n ON n.env_id = t.env_id"
                      " LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " LEFT JOIN node_views w ON w.node_id = n.node_id"
                      " AND w.target_id = t.target_id WHERE t.target_id = ?1 "
                      "ORDER BY n.name",
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
