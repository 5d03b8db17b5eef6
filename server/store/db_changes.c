/*
 * Queries behind the event feed and the history pages. Knows which index answers what, not who may
 * see it. On the thread of the request.
 */
#include "db_changes.h"

#include <stdlib.h>
#include <string.h>

static void push(struct seq_list *list, int64_t seq)
{
    list->seqs = arena_grow(list->arena, list->seqs, list->n, sizeof *list->seqs);
    list->seqs[list->n++] = seq;
}

/* Takes the first column of all rows; ends q. rc is how starting it went. */
static int take(int rc, struct stmt *q, struct seq_list *out, struct err *e)
{
    bool more = false;
    if (rc)
        return rc;
    while (!(rc = stmt_next(q, &more, e)) && more)
        push(out, stmt_int(q, 0));
    stmt_done(q);
    return rc;
}

static int read_change(struct stmt *q, struct arena *a, struct change_row *out)
{
    bool is_rollout = strncmp(stmt_text(q, 2), "rollout.", 8) == 0;
    out->ts = stmt_int(q, 0);
    out->actor = arena_strdup(a, stmt_text(q, 1));
    out->kind = arena_strdup(a, stmt_text(q, 2));
    out->object = arena_strdup(a, stmt_text(q, 3));
    out->reason = arena_strdup(a, stmt_text(q, 4));
    out->message = arena_strdup(a, stmt_text(q, 5));
    out->commit_id = arena_strdup(a, stmt_text(q, 6));
    out->model = is_rollout ? arena_strdup(a, stmt_text(q, 7)) : NULL;
    return ERR_OK;
}

int db_change(struct db *db, int64_t seq, struct arena *a, struct change_row *out, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    bool row = false;
    int rc = db_query(db, &q, e,
                      "SELECT j.ts, j.actor, j.kind, j.object, j.reason, j.message, c.commit_id,"
                      " m.name FROM journal j LEFT JOIN commits c ON c.seq = j.seq"
                      " LEFT JOIN rollouts r ON r.rollout_id = j.object"
                      " LEFT JOIN targets t ON t.target_id = r.target_id"
                      " LEFT JOIN models m ON m.model_id = t.model_id WHERE j.seq = ?1",
                      "i", seq);
    if (!rc)
        rc = stmt_next(q, &row, e);
    if (rc)
        return rc;
    if (!row)
        return err_set(e, ERR_NOT_FOUND, "no change %lld", (long long)seq);
    out->seq = seq;
    return read_change(q, a, out);
}

int db_changes_after(struct db *db, int64_t seq, const char *kind, const char *object,
                     int64_t limit, struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc;
    if (object)
        rc = db_query(db, &q, e,
                      "SELECT seq FROM journal WHERE object = ?1 AND seq > ?2"
                      " ORDER BY seq LIMIT ?3",
                      "tii", object, seq, limit);
    else if (kind)
        rc = db_query(db, &q, e,
                      "SELECT seq FROM journal WHERE kind = ?1 AND seq > ?2"
                      " ORDER BY seq LIMIT ?3",
                      "tii", kind, seq, limit);
    else
        rc = db_query(db, &q, e, "SELECT seq FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2",
                      "ii", seq, limit);
    return take(rc, q, out, e);
}

int db_changes_before(struct db *db, const struct seq_page *page, struct seq_list *out,
                      struct err *e)
{
    struct stmt *q = NULL;
    int rc =
        db_query(db, &q, e, "SELECT seq FROM journal WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2",
                 "ii", page->before, page->limit);
    return take(rc, q, out, e);
}

int db_changes_of_model(struct db *db, const char *model, const struct seq_page *page,
                        struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT seq FROM journal WHERE object = ?1 AND seq < ?2 AND"
                      " (kind LIKE 'model.%' OR kind LIKE 'version.%' OR kind LIKE 'alias.%')"
                      " ORDER BY seq DESC LIMIT ?3",
                      "tii", model, page->before, page->limit);
    return take(rc, q, out, e);
}

int db_changes_of_target(struct db *db, const char *object, const struct seq_page *page,
                         struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT seq FROM journal WHERE object = ?1 AND seq < ?2"
                      " AND kind LIKE 'target.%' ORDER BY seq DESC LIMIT ?3",
                      "tii", object, page->before, page->limit);
    return take(rc, q, out, e);
}

int db_changes_of_rollouts(struct db *db, int64_t target_id, const struct seq_page *page,
                           struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT j.seq FROM rollouts r JOIN journal j ON j.object = r.rollout_id"
                      " WHERE r.target_id = ?1 AND r.submitted_seq < ?2 AND j.seq < ?2"
                      " AND j.kind LIKE 'rollout.%'"
                      " ORDER BY r.submitted_seq DESC, j.seq DESC LIMIT ?3",
                      "iii", target_id, page->before, page->limit);
    return take(rc, q, out, e);
}

int db_changes_in_env(struct db *db, const char *env, const char *kind, const struct seq_page *page,
                      struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT seq FROM journal WHERE kind = ?1 AND seq < ?2 AND"
                      " (object = ?3 OR (object > ?3 || '/' AND object < ?3 || '0'))"
                      " ORDER BY seq DESC LIMIT ?4",
                      "titi", kind, page->before, env, page->limit);
    return take(rc, q, out, e);
}

int db_changes_of_env_rollouts(struct db *db, int64_t env_id, const char *kind,
                               const struct seq_page *page, struct seq_list *out, struct err *e)
{
    struct stmt *q = NULL;
    int rc = db_query(db, &q, e,
                      "SELECT j.seq FROM journal j WHERE j.kind = ?1 AND j.seq < ?2"
                      " AND EXISTS (SELECT 1 FROM rollouts r"
                      " JOIN targets t ON t.target_id = r.target_id"
                      " WHERE r.rollout_id = j.object AND t.env_id = ?3)"
                      " ORDER BY j.seq DESC LIMIT ?4",
                      "tiii", kind, page->before, env_id, page->limit);
    return take(rc, q, out, e);
}

int db_env_id(struct db *db, const char *env, int64_t *id, struct err *e)
{
    *id = 0;
    return db_int(db, id, NULL, e, "SELECT env_id FROM environments WHERE name = ?1", "t", env);
}

int db_targets_of_model(struct db *db, const char *model, struct arena *a, struct target_ref **out,
                        size_t *n, struct err *e)
{
    struct stmt *q CLEANUP(stmt_done_ptr) = NULL;
    struct target_ref *list = NULL;
    size_t count = 0;
    bool more = false;
    int rc = db_query(db, &q, e,
                      "SELECT t.target_id, v.name FROM models m"
                      " JOIN targets t ON t.model_id = m.model_id"
                      " JOIN environments v ON v.env_id = t.env_id WHERE m.name = ?1",
                      "t", model);
    if (rc)
        return rc;
    while (!(rc = stmt_next(q, &more, e)) && more) {
        list = arena_grow(a, list, count, sizeof *list);
        list[count].target_id = stmt_int(q, 0);
        list[count++].env = arena_strdup(a, stmt_text(q, 1));
    }
    *out = list;
    *n = count;
    return rc;
}
