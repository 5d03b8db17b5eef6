/*
 * Counts over nodes and over what was seen of them. Must not know who asks. Runs on a reader.
 */
#include "db_summary.h"

int db_node_tally(struct db *db, int64_t env_id, struct arena *a, struct node_tally **out,
                  size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct node_tally *list = NULL;
    size_t len = 0;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT n.labels, count(*),"
                      " sum(CASE WHEN COALESCE(h.is_reachable, 0) = 0 THEN 1 ELSE 0 END),"
                      " sum(CASE WHEN n.cordon IS NULL THEN 0 ELSE 1 END)"
                      " FROM nodes n LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " WHERE n.env_id = ?1 GROUP BY n.labels ORDER BY n.labels",
                      "i", env_id);
    while (!rc && (rc = stmt_next(q, &row, e)) == 0 && row) {
        list = arena_grow(a, list, len, sizeof *list);
        list[len++] = (struct node_tally){arena_strdup(a, stmt_text(q, 0)), stmt_int(q, 1),
                                          stmt_int(q, 2), stmt_int(q, 3)};
    }
    *out = list;
    *n = rc ? 0 : len;
    return rc;
}

int db_sight_tally(struct db *db, int64_t env_id, struct arena *a, struct sight_tally **out,
                   size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct sight_tally *list = NULL;
    size_t len = 0;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT w.target_id, COALESCE(h.is_reachable, 0), w.observation, count(*)"
                      " FROM nodes n JOIN node_views w ON w.node_id = n.node_id"
                      " LEFT JOIN node_health h ON h.node_id = n.node_id"
                      " WHERE n.env_id = ?1 GROUP BY 1, 2, 3 ORDER BY 1",
                      "i", env_id);
    while (!rc && (rc = stmt_next(q, &row, e)) == 0 && row) {
        list = arena_grow(a, list, len, sizeof *list);
        list[len++] = (struct sight_tally){.target_id = stmt_int(q, 0),
                                           .is_reachable = stmt_int(q, 1) != 0,
                                           .observation = arena_strdup(a, stmt_text(q, 2)),
                                           .n_nodes = stmt_int(q, 3)};
    }
    *out = list;
    *n = rc ? 0 : len;
    return rc;
}
